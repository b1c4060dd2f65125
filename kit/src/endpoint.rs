//! Where an API server is, how it is known, and who we are to it.

use std::fmt;
use std::path::{Path, PathBuf};

use http::Uri;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::SecretString;

/// Where Kubernetes puts the account of a pod.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Who we are to a server. Nothing of it is ever printed.
#[derive(Clone)]
pub enum Credential {
    /// Anonymous.
    None,
    /// A bearer token, sent as it is for as long as the client lives.
    Token(SecretString),
    /// A file with a bearer token. It is read again once a minute, since the kubelet replaces it.
    TokenFile(PathBuf),
    /// A client certificate.
    Certificate {
        /// The certificate and what stands between it and the CA, as PEM.
        chain_pem: SecretString,
        /// The private key, as PEM.
        key_pem: SecretString,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token",
            Self::TokenFile(_) => "TokenFile",
            Self::Certificate { .. } => "Certificate",
        })
    }
}

/// An API server and the way to it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    server: Uri,
    ca: Vec<Vec<u8>>,
    tls_server_name: Option<String>,
    credential: Credential,
}

/// Why something is no endpoint. No value of the input is repeated.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The server is no `https://HOST[:PORT][/PATH]`: another scheme, no host, a login or a query in it.
    #[error("unable to use the server's address: {0}")]
    Server(&'static str),
    /// There is no usable certificate to know the server by.
    #[error("unable to use the server's CA: {0}")]
    Ca(&'static str),
    /// The process does not run in a pod with an account.
    #[error("unable to find the pod's own account: {0} is missing")]
    NotInCluster(&'static str),
}

impl Endpoint {
    /// An endpoint. `ca` holds DER certificates: the only ones by which the server is known. `tls_server_name` is the
    /// name that the server's certificate must bear where it is not the host of `server`.
    ///
    /// # Errors
    /// Where the server is not `https`, names no host, or holds a login or a query; where `ca` is empty.
    pub fn new(
        server: Uri,
        ca: Vec<Vec<u8>>,
        tls_server_name: Option<String>,
        credential: Credential,
    ) -> Result<Self, EndpointError> {
        if server.scheme_str() != Some("https") {
            return Err(EndpointError::Server("it is not an https address"));
        }
        let authority = server.authority().ok_or(EndpointError::Server("it names no host"))?;
        if authority.host().is_empty() {
            return Err(EndpointError::Server("it names no host"));
        }
        if authority.as_str().contains('@') {
            return Err(EndpointError::Server("it holds a login"));
        }
        if server.query().is_some() {
            return Err(EndpointError::Server("it holds a query"));
        }
        if ca.is_empty() {
            return Err(EndpointError::Ca("there is no certificate"));
        }
        Ok(Self { server, ca, tls_server_name, credential })
    }

    /// The endpoint of the cluster that this process runs in, as the account of its pod.
    ///
    /// # Errors
    /// Where the environment or the account's files are missing or unusable.
    pub fn in_cluster() -> Result<Self, EndpointError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self::of_pod(
            variable("KUBERNETES_SERVICE_HOST").as_deref(),
            variable("KUBERNETES_SERVICE_PORT").as_deref(),
            Path::new(SERVICE_ACCOUNT),
        )
    }

    fn of_pod(host: Option<&str>, port: Option<&str>, account: &Path) -> Result<Self, EndpointError> {
        let host = host.ok_or(EndpointError::NotInCluster("KUBERNETES_SERVICE_HOST"))?;
        let port = port.ok_or(EndpointError::NotInCluster("KUBERNETES_SERVICE_PORT"))?;
        let address = if host.contains(':') {
            format!("https://[{host}]:{port}")
        } else {
            format!("https://{host}:{port}")
        };
        let server =
            address.parse().map_err(|_| EndpointError::Server("the environment names no address"))?;
        let pem = std::fs::read(account.join("ca.crt")).map_err(|_| EndpointError::NotInCluster("ca.crt"))?;
        let token = account.join("token");
        if !token.exists() {
            return Err(EndpointError::NotInCluster("token"));
        }
        Self::new(server, certificates(&pem)?, None, Credential::TokenFile(token))
    }

    /// The server's address.
    #[must_use]
    pub fn server(&self) -> &Uri {
        &self.server
    }

    /// The DER certificates by which the server is known.
    #[must_use]
    pub fn ca(&self) -> &[Vec<u8>] {
        &self.ca
    }

    /// The name that the server's certificate must bear, where it is not the host.
    #[must_use]
    pub fn tls_server_name(&self) -> Option<&str> {
        self.tls_server_name.as_deref()
    }

    /// Who we are to the server.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }
}

/// The DER certificates in a PEM text.
///
/// # Errors
/// Where the text holds no certificate, or something that is none between the marks of one.
pub fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, EndpointError> {
    let found: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(pem)
        .map(|certificate| certificate.map(|der| der.as_ref().to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|_| EndpointError::Ca("it is not PEM"))?;
    if found.is_empty() { Err(EndpointError::Ca("there is no certificate")) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Authority;

    fn endpoint(server: &str) -> Result<Endpoint, EndpointError> {
        Endpoint::new(server.parse().unwrap(), vec![vec![0]], None, Credential::None)
    }

    #[test]
    fn only_plain_https_addresses_are_servers() {
        for server in ["http://h", "h:6443", "/path", "https://user:hunter2@h", "https://h/?a=b"] {
            let error = endpoint(server).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        assert!(Endpoint::new("https://h".parse().unwrap(), vec![], None, Credential::None).is_err());
        for server in ["https://example.com:6443/k8s", "https://127.0.0.1:6443", "https://[::1]:6443"] {
            assert_eq!(endpoint(server).unwrap().server(), server, "{server}");
        }
    }

    #[test]
    fn a_pod_finds_its_account() {
        let account = std::env::temp_dir().join(format!("muster-kit-{}", std::process::id()));
        std::fs::create_dir_all(&account).unwrap();
        let of_pod = |host, port| Endpoint::of_pod(host, port, &account);
        let missing = |result: Result<Endpoint, EndpointError>| result.unwrap_err().to_string();
        assert!(missing(of_pod(None, Some("443"))).contains("KUBERNETES_SERVICE_HOST"));
        assert!(missing(of_pod(Some("10.0.0.1"), None)).contains("KUBERNETES_SERVICE_PORT"));
        assert!(missing(of_pod(Some("10.0.0.1"), Some("443"))).contains("ca.crt"));
        let pem = Authority::new().pem();
        std::fs::write(account.join("ca.crt"), &pem).unwrap();
        assert!(missing(of_pod(Some("10.0.0.1"), Some("443"))).contains("token"));
        std::fs::write(account.join("token"), "t").unwrap();
        let found = of_pod(Some("fd00::1"), Some("443")).unwrap();
        assert_eq!(found.server(), "https://[fd00::1]:443/");
        assert_eq!(found.ca().len(), 1);
        assert!(matches!(found.credential(), Credential::TokenFile(path) if *path == account.join("token")));
        std::fs::remove_dir_all(account).unwrap();
    }

    #[test]
    fn a_bundle_is_read_whole_or_not_at_all() {
        let pem = Authority::new().pem();
        assert_eq!(certificates(format!("{pem}{pem}").as_bytes()).unwrap().len(), 2);
        for bad in ["", "hunter2", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            assert!(certificates(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
