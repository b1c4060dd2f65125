//! The kubeconfig of the directory, read strictly into a structure of Muster's own.
//!
//! It comes from a Secret, so it is untrusted input. A kubeconfig in the hands of a usual client runs commands, opens
//! files, talks through proxies and skips TLS; here such a file is refused, by name and with the remedy, and with no
//! switch to allow it. Allowed are the server, its CA, a TLS server name, and a token or a client certificate; beside
//! them only the frame that every kubeconfig has, with exactly one context.

mod error;
mod node;
mod section;
mod server;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::endpoint::{self, Credential, Endpoint};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use serde_json::json;

pub use self::error::KubeconfigError;
use self::{
    node::Node,
    section::{Section, refuse_dangers},
};

const CA: &str = "clusters[0].cluster.certificate-authority-data";
const CERTIFICATE: &str = "users[0].user.client-certificate-data";
/// The name of all that is in a kubeconfig that Muster writes.
const NAME: &str = "directory";
const KEY: &str = "users[0].user.client-key-data";

/// A kubeconfig that is as it must be.
pub struct Kubeconfig {
    endpoint: Endpoint,
    warnings: Vec<Warning>,
}

/// What is allowed, but worth a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// The server is the machine that the agent runs on.
    Loopback,
}

// === impl Kubeconfig ===

impl Kubeconfig {
    /// Reads a kubeconfig in YAML or JSON.
    ///
    /// # Errors
    ///
    /// Anything that is not exactly as it must be. Of several mistakes the most dangerous is told: a command, a plugin
    /// or a file's path before all others.
    pub fn parse(bytes: &[u8]) -> Result<Self, KubeconfigError> {
        let root = Node::read(bytes)?;
        if matches!(root, Node::Null) {
            return Err(KubeconfigError::Empty);
        }
        let root = Section::of(&root, String::new())?;
        refuse_dangers(&root)?;
        root.only(&[
            "apiVersion",
            "kind",
            "preferences",
            "current-context",
            "clusters",
            "users",
            "contexts",
        ])?;
        root.constant("apiVersion", "v1")?;
        root.constant("kind", "Config")?;
        if let Some(preferences) = root.section("preferences")? {
            preferences.only(&[])?;
        }

        let cluster = root.one("clusters")?;
        let user = root.one("users")?;
        let context = root.one("contexts")?;
        for (entry, content) in [(&cluster, "cluster"), (&user, "user"), (&context, "context")] {
            entry.only(&["name", content])?;
        }
        let references = context.needed_section("context")?;
        references.only(&["cluster", "user", "namespace"])?;
        references.text("namespace")?;
        let same = |one: Option<&str>, name: Option<&str>, path, other| {
            if one == name { Ok(()) } else { Err(KubeconfigError::NoSuchName { path, other }) }
        };
        let names = (cluster.needed("name")?, user.needed("name")?, context.needed("name")?);
        same(references.text("cluster")?, Some(names.0), "contexts[0].context.cluster", "clusters[0].name")?;
        same(references.text("user")?, Some(names.1), "contexts[0].context.user", "users[0].name")?;
        // Without it the only context is meant all the same.
        let current = root.text("current-context")?.unwrap_or(names.2);
        same(Some(current), Some(names.2), "current-context", "contexts[0].name")?;

        let credential = credential(&user.needed_section("user")?)?;
        let (endpoint, warnings) = endpoint(&cluster.needed_section("cluster")?, credential)?;
        Ok(Self { endpoint, warnings })
    }

    /// The same kubeconfig with another credential: a token. Written anew, in JSON.
    ///
    /// # Errors
    /// Where what is given is not as it must be.
    pub fn with_token(bytes: &[u8], token: &SecretString) -> Result<SecretString, KubeconfigError> {
        Self::parse(bytes)?;
        let root = Node::read(bytes)?;
        let root = Section::of(&root, String::new())?;
        let cluster = root.one("clusters")?.needed_section("cluster")?;
        let mut server = json!({"server": cluster.needed("server")?});
        for key in ["certificate-authority-data", "tls-server-name"] {
            if let Some(text) = cluster.text(key)? {
                server[key] = text.into();
            }
        }
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": NAME,
            "clusters": [{"name": NAME, "cluster": server}],
            "users": [{"name": NAME, "user": {"token": token.expose_secret()}}],
            "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        });
        Ok(kubeconfig.to_string().into())
    }

    /// What is worth a word.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Where the directory is, how it is known, and who we are to it.
    #[must_use]
    pub fn endpoint(self) -> Endpoint {
        self.endpoint
    }
}

/// Nothing of the content.
impl fmt::Debug for Kubeconfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubeconfig").field("warnings", &self.warnings).finish_non_exhaustive()
    }
}

fn credential(user: &Section<'_>) -> Result<Credential, KubeconfigError> {
    user.only(&["token", "client-certificate-data", "client-key-data"])?;
    let certificate = user.text("client-certificate-data")?;
    let key = user.text("client-key-data")?;
    match (user.text("token")?, certificate, key) {
        (None, None, None) => Err(KubeconfigError::NoCredential),
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => Err(KubeconfigError::TwoCredentials),
        (Some(token), None, None) if token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Credential::Token(token.into()))
        }
        (Some(_), None, None) => Err(KubeconfigError::Token),
        (None, None, Some(_)) => Err(user.missing("client-certificate-data")),
        (None, Some(_), None) => Err(user.missing("client-key-data")),
        (None, Some(certificate), Some(key)) => {
            let chain = decode(certificate, CERTIFICATE)?;
            certificates(&chain, CERTIFICATE)?;
            let key = decode(key, KEY)?;
            let pem = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(SecretString::from);
            Ok(Credential::Certificate {
                chain_pem: pem(&chain).ok_or(KubeconfigError::Certificates { path: CERTIFICATE })?,
                key_pem: pem(&key).filter(is_private_key).ok_or(KubeconfigError::PrivateKey)?,
            })
        }
    }
}

fn endpoint(
    cluster: &Section<'_>,
    credential: Credential,
) -> Result<(Endpoint, Vec<Warning>), KubeconfigError> {
    cluster.only(&["server", "certificate-authority-data", "tls-server-name", "insecure-skip-tls-verify"])?;
    if !cluster.is_off("insecure-skip-tls-verify") {
        return Err(KubeconfigError::InsecureTls);
    }
    let (server, warning) = server::read(cluster.needed("server")?)?;
    let ca = certificates(&decode(cluster.needed("certificate-authority-data")?, CA)?, CA)?;
    let name = cluster.text("tls-server-name")?;
    if name.is_some_and(|name| !server::is_name(name)) {
        return Err(KubeconfigError::ServerName);
    }
    let endpoint = Endpoint::new(server, ca, name.map(str::to_owned), credential)
        .map_err(|_no_such_address| KubeconfigError::NoAddress)?;
    Ok((endpoint, warning.into_iter().collect()))
}

/// Base64 as kubectl reads it: padded, line ends in it allowed.
fn decode(text: &str, path: &'static str) -> Result<Zeroizing<Vec<u8>>, KubeconfigError> {
    let line = Zeroizing::new(text.replace(['\r', '\n'], ""));
    STANDARD.decode(line.as_bytes()).map(Zeroizing::new).map_err(|_| KubeconfigError::Base64 { path })
}

/// The DER certificates, one or more, in a PEM text.
fn certificates(pem: &[u8], path: &'static str) -> Result<Vec<Vec<u8>>, KubeconfigError> {
    let refused = KubeconfigError::Certificates { path };
    let found = endpoint::certificates(pem).map_err(|_| refused.clone())?;
    let is_certificate =
        |der: &Vec<u8>| x509_parser::parse_x509_certificate(der).is_ok_and(|(rest, _)| rest.is_empty());
    if found.iter().all(is_certificate) { Ok(found) } else { Err(refused) }
}

/// Whether there is a key between the marks of one. What it is worth shows when TLS is set up with it.
fn is_private_key(pem: &SecretString) -> bool {
    let has = |line: &str| pem.expose_secret().lines().any(|found| found.trim_end() == line);
    ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"]
        .iter()
        .any(|label| has(&format!("-----BEGIN {label}-----")) && has(&format!("-----END {label}-----")))
        && !pem.expose_secret().contains("ENCRYPTED")
}

// === impl Warning ===

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => f.write_str(
                "the kubeconfig of the directory names the agent's own machine as the server; that serves tests and \
                 single machines only",
            ),
        }
    }
}
