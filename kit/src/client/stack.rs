//! The layers under [`kube::Client`]: one pooled HTTP/2 connection with PING, TLS that trusts the given CA alone,
//! the base address, the credential and the name of the program.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, Uri};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use kube::client::Body;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use secrecy::{ExposeSecret, SecretString};
use tower::{BoxError, ServiceExt};

use super::clock::Clock;
use super::fence::{Outgoing, admitted};
use super::proxy::Proxy;
use super::wire::{Connector, Wire};
use super::{ClientError, ClientOptions};
use crate::endpoint::{Credential, Endpoint};

/// How long a token that was read from a file is used before the file is read again.
const TOKEN_FILE_AGE: Duration = Duration::from_secs(60);
/// What a server may send on one stream before it is read: enough for 1 MB/s at 100 ms of round trip.
const STREAM_WINDOW: u32 = 128 * 1024;
/// What a server may send on all streams: more than the 100 streams that servers allow can hold, so that watches whose
/// reader is slow never keep the answer of a call from arriving.
const CONNECTION_WINDOW: u32 = 128 * STREAM_WINDOW;

/// What stands before a token in its header.
const BEARER: &str = "Bearer ";
/// How much of a credential makes it worth something to whoever reads it, in bytes.
const PIECE: usize = 16;

/// The layers, and what is known of what goes through them.
pub(super) struct Stack {
    /// On top of them.
    pub(super) kube: kube::Client,
    /// How many connections were made.
    pub(super) opened: Arc<AtomicU64>,
    /// What is sent with every request.
    pub(super) token: Arc<Token>,
    /// What the answers say of this machine's clock.
    pub(super) clock: Arc<Clock>,
}

/// Builds the layers.
pub(super) fn build(endpoint: &Endpoint, options: &ClientOptions) -> Result<Stack, ClientError> {
    let wire = Wire::default();
    let https = connector(endpoint, options.proxy.clone(), wire.clone())?;
    let opened = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&opened);
    let limit = options.connect_timeout;
    let connector = tower::service_fn(move |uri: Uri| -> BoxFuture<'static, Result<_, BoxError>> {
        let connecting = https.clone().oneshot(uri);
        let counter = Arc::clone(&counter);
        Box::pin(async move {
            let stream = tokio::time::timeout(limit, connecting)
                .await
                .map_err(|_| format!("no connection within {} ms", limit.as_millis()))??;
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(stream)
        })
    });
    let http: Http<_, Outgoing> = Http::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_only(true)
        .http2_keep_alive_interval(options.ping_interval)
        .http2_keep_alive_timeout(options.ping_timeout)
        .http2_keep_alive_while_idle(true)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        // The pool would forget a connection that only carries watches, and open a second one for the next call.
        .pool_idle_timeout(None)
        .build(connector);
    let token = Arc::new(Token::new(endpoint.credential())?);
    let decorate = Decorate::new(endpoint, &options.user_agent, Arc::clone(&token))?;
    let clock = Arc::new(Clock::default());
    let noting = Arc::clone(&clock);
    let service = tower::service_fn(move |mut request: Request<Body>| {
        let clock = Arc::clone(&noting);
        let ready = decorate.apply(&mut request).and_then(|()| admitted(request, &wire));
        let sent = ready.map(|(request, waiting)| (waiting, http.request(request)));
        async move {
            let (waiting, sent) = sent?;
            let before = Timestamp::now();
            let answer: Response<_> = sent.await.map_err(|error| waiting.or(error))?;
            clock.note(before, Timestamp::now(), answer.headers());
            Ok::<_, BoxError>(answer)
        }
    });
    Ok(Stack { kube: kube::Client::new(service, "default"), opened, token, clock })
}

fn connector(
    endpoint: &Endpoint,
    proxy: Option<Proxy>,
    wire: Wire,
) -> Result<HttpsConnector<Connector>, ClientError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let tcp = Connector { tcp, proxy, wire };
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls(endpoint)?).https_only();
    Ok(match endpoint.tls_server_name() {
        None => builder.enable_http2().wrap_connector(tcp),
        Some(name) => {
            let name = ServerName::try_from(name.to_owned()).map_err(|_| ClientError::ServerName)?;
            let fixed = FixedServerNameResolver::new(name);
            builder.with_server_name_resolver(fixed).enable_http2().wrap_connector(tcp)
        }
    })
}

fn tls(endpoint: &Endpoint) -> Result<rustls::ClientConfig, ClientError> {
    let mut roots = rustls::RootCertStore::empty();
    for der in endpoint.ca() {
        roots.add(CertificateDer::from(der.clone())).map_err(|_| ClientError::Ca)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| ClientError::Tls)?
        .with_root_certificates(roots);
    let Credential::Certificate { chain_pem, key_pem } = endpoint.credential() else {
        return Ok(config.with_no_client_auth());
    };
    let chain = CertificateDer::pem_slice_iter(chain_pem.expose_secret().as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| ClientError::ClientCertificate)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.expose_secret().as_bytes())
        .map_err(|_| ClientError::ClientCertificate)?;
    config.with_client_auth_cert(chain, key).map_err(|_| ClientError::ClientCertificate)
}

/// What every request gets: the address, the credential, the name of the program.
struct Decorate {
    base: http::uri::Parts,
    prefix: String,
    user_agent: HeaderValue,
    token: Arc<Token>,
}

impl Decorate {
    fn new(endpoint: &Endpoint, user_agent: &str, token: Arc<Token>) -> Result<Self, ClientError> {
        let base = endpoint.server().clone().into_parts();
        let prefix = endpoint.server().path().trim_end_matches('/').to_owned();
        let user_agent = HeaderValue::from_str(user_agent).map_err(|_| ClientError::UserAgent)?;
        Ok(Self { base, prefix, user_agent, token })
    }

    fn apply(&self, request: &mut Request<Body>) -> Result<(), BoxError> {
        let wanted = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        let mut parts = http::uri::Parts::default();
        parts.scheme.clone_from(&self.base.scheme);
        parts.authority.clone_from(&self.base.authority);
        parts.path_and_query = Some(format!("{}{wanted}", self.prefix).parse()?);
        *request.uri_mut() = Uri::from_parts(parts)?;
        request.headers_mut().insert(USER_AGENT, self.user_agent.clone());
        if let Some(bearer) = self.token.bearer(Instant::now())? {
            request.headers_mut().insert(AUTHORIZATION, bearer);
        }
        Ok(())
    }
}

/// A bearer token, as the header that it is sent in.
pub(super) enum Token {
    /// None is sent.
    None,
    /// The same for as long as the client lives.
    Fixed(HeaderValue),
    /// Read from a file, and when.
    File { path: PathBuf, last: Mutex<(Instant, HeaderValue)> },
}

impl Token {
    fn new(credential: &Credential) -> Result<Self, ClientError> {
        Ok(match credential {
            Credential::None | Credential::Certificate { .. } => Self::None,
            Credential::Token(token) => Self::Fixed(bearer(token).ok_or(ClientError::Token)?),
            Credential::TokenFile(path) => {
                let header = read_token(path).ok_or(ClientError::TokenFile)?;
                Self::File { path: path.clone(), last: Mutex::new((Instant::now(), header)) }
            }
        })
    }

    /// Whether a text holds the token, or a piece of it.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let holds = |header: &HeaderValue| {
            let token = header.as_bytes().strip_prefix(BEARER.as_bytes()).unwrap_or_default();
            token
                .windows(PIECE.min(token.len()).max(1))
                .any(|piece| std::str::from_utf8(piece).is_ok_and(|piece| text.contains(piece)))
        };
        match self {
            Self::None => false,
            Self::Fixed(header) => holds(header),
            Self::File { last, .. } => last.lock().map_or(true, |last| holds(&last.1)),
        }
    }

    fn bearer(&self, now: Instant) -> Result<Option<HeaderValue>, BoxError> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(header) => Ok(Some(header.clone())),
            Self::File { path, last } => {
                let mut last = last.lock().map_err(|_| "the token's lock is poisoned")?;
                if now.saturating_duration_since(last.0) >= TOKEN_FILE_AGE {
                    // A file that cannot be read just now is no reason to drop a token that may still be good.
                    let header = read_token(path).unwrap_or_else(|| last.1.clone());
                    *last = (now, header);
                }
                Ok(Some(last.1.clone()))
            }
        }
    }
}

fn read_token(path: &std::path::Path) -> Option<HeaderValue> {
    bearer(&SecretString::from(std::fs::read_to_string(path).ok()?))
}

fn bearer(token: &SecretString) -> Option<HeaderValue> {
    let token = token.expose_secret().trim();
    if token.is_empty() {
        return None;
    }
    let mut header = HeaderValue::from_str(&format!("{BEARER}{token}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_is_read_again_once_a_minute_and_kept_while_it_is_unreadable() {
        let path = std::env::temp_dir().join(format!("muster-kit-token-{}", std::process::id()));
        assert!(Token::new(&Credential::TokenFile(path.clone())).is_err(), "there is no file");
        std::fs::write(&path, " one\n").unwrap();
        let token = Token::new(&Credential::TokenFile(path.clone())).unwrap();
        let begun = Instant::now();
        let bearer = |after| token.bearer(begun + Duration::from_secs(after)).unwrap().unwrap();
        assert_eq!(bearer(0), "Bearer one");
        std::fs::write(&path, "two").unwrap();
        assert_eq!(bearer(30), "Bearer one");
        assert_eq!(bearer(70), "Bearer two");
        std::fs::write(&path, "").unwrap();
        assert_eq!(bearer(140), "Bearer two", "an empty file is no token");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(bearer(210), "Bearer two");
        assert!(bearer(210).is_sensitive());
    }

    #[test]
    fn a_token_is_known_again_whole_and_in_pieces() {
        let token =
            Token::new(&Credential::Token("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJlYXN0In0.c2ln".into())).unwrap();
        for text in ["not Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIi…", "{\"jwt\":\"iOiJFUzI1NiJ9.eyJzdWI\"}"] {
            assert!(token.is_in(text), "{text}");
        }
        for text in ["", "Unauthorized", "Bearer ", "eyJhbGciOi"] {
            assert!(!token.is_in(text), "{text}");
        }
        let short = Token::new(&Credential::Token("abc".into())).unwrap();
        assert!(short.is_in("no abc here") && !short.is_in("no ab here"));
        assert!(!Token::None.is_in("anything"));
    }

    #[test]
    fn a_token_that_can_stand_in_no_header_is_refused() {
        for bad in ["", " ", "a\nb", "\u{7f}"] {
            assert!(Token::new(&Credential::Token(bad.into())).is_err(), "{bad:?}");
        }
    }
}
