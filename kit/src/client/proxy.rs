//! A proxy between a client and its server: it is asked to `CONNECT`, and TLS is with the server, through it. It learns
//! which server is talked to, when and how much, and nothing of what is said.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use secrecy::zeroize::Zeroizing;
use tower::{BoxError, Service, ServiceExt as _};

/// A proxy. Printed, it shows no login.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    address: Uri,
    login: Option<HeaderValue>,
}

/// Why something is no address of a proxy. No part of the input is repeated: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// It is no address at all.
    #[error("it is no address")]
    Malformed,
    /// It is to be talked to by something else than plain HTTP.
    #[error("its scheme is not http")]
    Scheme,
    /// It names no host or no port.
    #[error("it does not name a host and a port")]
    Host,
    /// There is something behind the port.
    #[error("it has a path or a query")]
    Path,
    /// The login has no password, or is not encoded as it must be.
    #[error("its login is not USER:PASSWORD, with % and two digits for what may not stand in an address")]
    Login,
}

// === impl Proxy ===

impl Proxy {
    /// Reads `http://[USER:PASSWORD@]HOST:PORT`.
    ///
    /// # Errors
    /// Where it is anything else.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let uri: Uri = text.parse().map_err(|_| ProxyError::Malformed)?;
        if uri.scheme_str() != Some("http") {
            return Err(ProxyError::Scheme);
        }
        if uri.query().is_some() || uri.path() != "/" {
            return Err(ProxyError::Path);
        }
        let authority = uri.authority().ok_or(ProxyError::Host)?;
        if authority.host().is_empty() || authority.port_u16().is_none() {
            return Err(ProxyError::Host);
        }
        let (login, place) = match authority.as_str().rsplit_once('@') {
            Some((login, place)) => (Some(basic(login).ok_or(ProxyError::Login)?), place),
            None => (None, authority.as_str()),
        };
        let address =
            Uri::builder().scheme("http").authority(place).path_and_query(PathAndQuery::from_static("/"));
        Ok(Self { address: address.build().map_err(|_| ProxyError::Malformed)?, login })
    }

    /// Host and port.
    #[must_use]
    pub fn place(&self) -> &str {
        self.address.authority().map_or("", http::uri::Authority::as_str)
    }

    /// A connection to the host and port of `server`, through the proxy.
    pub(super) async fn connect(
        &self,
        tcp: HttpConnector,
        server: Uri,
    ) -> Result<<HttpConnector as Service<Uri>>::Response, BoxError> {
        let tunnel = Tunnel::new(self.address.clone(), tcp);
        let tunnel = match &self.login {
            Some(login) => tunnel.with_auth(login.clone()),
            None => tunnel,
        };
        tunnel.oneshot(server).await.map_err(|error| {
            let cause = std::error::Error::source(&error);
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("the proxy {} gives no way to it: {error}{cause}", self.place()).into()
        })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("place", &self.place()).finish_non_exhaustive()
    }
}

/// The header of a login `USER:PASSWORD`, in which some bytes are written as `%` and two digits.
fn basic(login: &str) -> Option<HeaderValue> {
    let (user, password) = login.split_once(':')?;
    let mut plain = Zeroizing::new(plain(user)?);
    if plain.contains(&b':') {
        return None; // what is behind it would be taken for the password
    }
    plain.push(b':');
    plain.extend_from_slice(&Zeroizing::new(self::plain(password)?));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*plain)));
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn plain(text: &str) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            let value = digit()? * 16 + digit()?;
            plain.push(u8::try_from(value).ok()?);
        } else {
            plain.push(byte);
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_its_login_is_kept_to_itself() {
        let proxy = Proxy::parse("http://east:pa%3Ass%20word@proxy.example.com:3128").unwrap();
        assert_eq!(
            (proxy.place(), proxy.address.to_string().as_str()),
            ("proxy.example.com:3128", "http://proxy.example.com:3128/")
        );
        assert_eq!(proxy.login.as_ref().unwrap(), &format!("Basic {}", STANDARD.encode("east:pa:ss word")));
        let shown = format!("{proxy:?} {:?}", proxy.login);
        assert!(!shown.contains("pa") && !shown.contains("east") && !shown.contains("Basic"), "{shown}");
        for plain in ["http://10.0.0.1:3128", "http://[fd00::1]:3128/"] {
            assert_eq!(Proxy::parse(plain).unwrap().login, None, "{plain}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_nothing_of_it_is_repeated() {
        for (text, error) in [
            ("", ProxyError::Malformed),
            ("http://canary canary", ProxyError::Malformed),
            ("canary:3128", ProxyError::Scheme),
            ("https://canary:3128", ProxyError::Scheme),
            ("socks5://canary:3128", ProxyError::Scheme),
            ("http://canary", ProxyError::Host),
            ("http://canary:3128/path", ProxyError::Path),
            ("http://canary:3128?a=b", ProxyError::Path),
            ("http://canary@h:3128", ProxyError::Login),
            ("http://canary:%zz@h:3128", ProxyError::Login),
            ("http://canary:%4@h:3128", ProxyError::Login),
            ("http://can%3aary:x@h:3128", ProxyError::Login),
        ] {
            let refused = Proxy::parse(text).unwrap_err();
            assert_eq!(refused, error, "{text}");
            assert!(!refused.to_string().contains("canary"), "{refused}");
        }
    }
}
