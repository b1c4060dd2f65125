//! A TLS server on 127.0.0.1 that answers what a test tells it to, one request at a time.

// Tests alone use it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]
#![allow(clippy::must_use_candidate, clippy::new_without_default)]

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::client::{Client, ClientOptions};
use crate::endpoint::{Credential, Endpoint};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for what must come.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(output) = tokio::time::timeout(PATIENCE, future).await else {
        panic!("still waiting for {what} after {PATIENCE:?}")
    };
    output
}

/// A CA and what it signs.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A CA of its own.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its certificate, as DER.
    pub fn der(&self) -> Vec<u8> {
        self.0.der().to_vec()
    }

    /// Its certificate, as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a name or address, and its key.
    pub fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }
}

type ReplyBody = UnsyncBoxBody<Bytes, io::Error>;

/// An answer.
pub type Reply = Response<ReplyBody>;

/// An answer with a JSON body.
pub fn reply(status: u16, body: &Value) -> Reply {
    raw_reply(status, body.to_string())
}

/// An answer with any body.
pub fn raw_reply(status: u16, body: impl Into<Bytes>) -> Reply {
    let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// An answer whose body is fed by the test.
pub fn fed_reply() -> (Feed, Reply) {
    let (feed, frames): (_, UnboundedReceiver<io::Result<Bytes>>) = unbounded();
    let body = StreamBody::new(frames.map(|part| part.map(Frame::data))).boxed_unsync();
    (Feed(feed), Response::new(body))
}

/// The body of an answer under way. It ends when this is dropped.
pub struct Feed(UnboundedSender<io::Result<Bytes>>);

impl Feed {
    /// Sends bytes.
    pub fn raw(&self, bytes: impl Into<Bytes>) {
        // A client that went away is what some tests are about.
        let _ = self.0.unbounded_send(Ok(bytes.into()));
    }

    /// Sends one event of a watch.
    pub fn event(&self, kind: &str, object: &Value) {
        self.raw(format!("{}\n", json!({"type": kind, "object": object})));
    }

    /// Breaks the answer off.
    pub fn break_off(self) {
        let _ = self.0.unbounded_send(Err(io::Error::other("broken off")));
    }

    /// Waits until the client has gone away.
    pub async fn abandoned(&self) {
        soon("the client to go away", async {
            while !self.0.is_closed() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// A request that waits for its answer.
pub struct Ask {
    /// Method.
    pub method: Method,
    /// Path, without the query.
    pub path: String,
    /// Query, as it was encoded.
    pub query: BTreeMap<String, String>,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
    answer: oneshot::Sender<Reply>,
}

impl Ask {
    /// Answers.
    pub fn answer(self, reply: Reply) {
        let _ = self.answer.send(reply);
    }

    /// Answers with a body that the test feeds.
    pub fn feed(self) -> Feed {
        let (feed, reply) = fed_reply();
        self.answer(reply);
        feed
    }

    /// A value of the query, as it was encoded.
    pub fn asked(&self, key: &str) -> Option<&str> {
        self.query.get(key).map(String::as_str)
    }

    /// The body, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The server.
pub struct Server {
    /// What signed its certificate.
    pub authority: Arc<Authority>,
    /// Port.
    pub port: u16,
    asks: AsyncMutex<mpsc::UnboundedReceiver<Ask>>,
    accepted: Arc<AtomicUsize>,
    open: watch::Receiver<usize>,
    frozen: watch::Sender<bool>,
    /// Common names or the number of certificates that clients showed.
    pub shown: Arc<Mutex<Vec<usize>>>,
    _stop: DropGuard,
}

impl Server {
    /// A server known as 127.0.0.1.
    pub async fn start() -> Self {
        Self::start_as("127.0.0.1").await
    }

    /// A server whose certificate bears this name.
    pub async fn start_as(name: &str) -> Self {
        let authority = Arc::new(Authority::new());
        let (certificate, key) = authority.sign(name);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.0.der().clone()).unwrap();
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
                .allow_unauthenticated()
                .build()
                .unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, asks) = mpsc::unbounded_channel();
        let (opened, open) = watch::channel(0);
        let stop = CancellationToken::new();
        let frozen = watch::channel(false).0;
        let accepted = Arc::new(AtomicUsize::new(0));
        let shown = Arc::new(Mutex::new(Vec::new()));
        let serving = accept(
            listener,
            config,
            sender,
            opened,
            Arc::clone(&accepted),
            frozen.clone(),
            Arc::clone(&shown),
        );
        tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
        Self {
            authority,
            port,
            asks: AsyncMutex::new(asks),
            accepted,
            open,
            frozen,
            shown,
            _stop: stop.drop_guard(),
        }
    }

    /// The server, with this credential.
    pub fn endpoint(&self, credential: Credential) -> Endpoint {
        let server = format!("https://127.0.0.1:{}", self.port).parse().unwrap();
        Endpoint::new(server, vec![self.authority.der()], None, credential).unwrap()
    }

    /// A client without a credential.
    pub fn client(&self) -> Client {
        self.client_with(ClientOptions::default())
    }

    /// A client with these options and without a credential.
    pub fn client_with(&self, options: ClientOptions) -> Client {
        Client::new(&self.endpoint(Credential::None), options).unwrap()
    }

    /// The next request.
    pub async fn next(&self) -> Ask {
        let mut asks = self.asks.lock().await;
        soon("a request", asks.recv()).await.unwrap()
    }

    /// Whether no request waits right now.
    pub async fn is_quiet(&self) -> bool {
        self.asks.lock().await.is_empty()
    }

    /// Answers everything from now on, until the future is dropped.
    pub async fn serve(&self, answer: impl Fn(&Ask) -> Reply) {
        let mut asks = self.asks.lock().await;
        while let Some(ask) = asks.recv().await {
            let reply = answer(&ask);
            ask.answer(reply);
        }
    }

    /// How many connections were ever accepted.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Waits until this many connections are open.
    pub async fn until_open(&self, count: usize) {
        let mut open = self.open.clone();
        soon("connections to open or close", open.wait_for(|open| *open == count)).await.unwrap();
    }

    /// From now on nothing is read or written, and nothing is closed: as when a network drops everything.
    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }
}

async fn accept(
    listener: TcpListener,
    config: rustls::ServerConfig,
    asks: mpsc::UnboundedSender<Ask>,
    open: watch::Sender<usize>,
    accepted: Arc<AtomicUsize>,
    frozen: watch::Sender<bool>,
    shown: Arc<Mutex<Vec<usize>>>,
) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::Relaxed);
        let (acceptor, asks, open, shown) =
            (acceptor.clone(), asks.clone(), open.clone(), Arc::clone(&shown));
        let mut frozen = frozen.subscribe();
        connections.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            shown.lock().unwrap().push(stream.get_ref().1.peer_certificates().map_or(0, <[_]>::len));
            open.send_modify(|open| *open += 1);
            let service = service_fn(move |request| handle(request, asks.clone()));
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            let freeze = async move {
                let _ = frozen.wait_for(|frozen| *frozen).await.map(|_| ());
            };
            tokio::select! {
                _ = &mut connection => {}
                () = freeze => std::future::pending().await,
            }
            open.send_modify(|open| *open -= 1);
        });
    }
}

async fn handle(request: Request<Incoming>, asks: mpsc::UnboundedSender<Ask>) -> Result<Reply, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
    let query = parts.uri.query().unwrap_or_default();
    let query = query.split('&').filter_map(|pair| pair.split_once('='));
    let (answer, answered) = oneshot::channel();
    let ask = Ask {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: query.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        headers: parts.headers,
        body,
        answer,
    };
    asks.send(ask).map_err(io::Error::other)?;
    answered.await.map_err(io::Error::other)
}

/// A Cluster entry as servers send it.
pub fn cluster(name: &str, version: u64) -> Value {
    json!({
        "apiVersion": "multicluster.coreos.com/v1",
        "kind": "Cluster",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": version.to_string()},
    })
}

/// A list of Cluster entries as servers send it.
pub fn clusters(items: &[Value], version: u64, next: Option<&str>) -> Value {
    json!({
        "apiVersion": "multicluster.coreos.com/v1",
        "kind": "ClusterList",
        "metadata": {"resourceVersion": version.to_string(), "continue": next.unwrap_or_default()},
        "items": items,
    })
}

/// A Status as servers send it.
pub fn status(code: u16, reason: &str, details: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason,
        "message": format!("it is {reason}"), "details": details,
    })
}
