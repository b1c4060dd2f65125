//! What can be chosen of a client, and why there is none.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::proxy::Proxy;

/// Is told how each call ended, for metrics.
pub trait CallObserver: Send + Sync {
    /// `verb` and `resource` (the plural) are those of the call; `outcome` is `ok` or [`super::CallError::category`].
    fn called(&self, verb: &'static str, resource: &str, outcome: &'static str);
}

/// What can be chosen of a client.
#[derive(Clone)]
pub struct ClientOptions {
    /// What the client calls itself to the server, for its audit log and its flow control.
    pub user_agent: String,
    /// Time for a call, headers and body together; for a watch, time for the headers.
    pub deadline: Duration,
    /// Time for a connection, TLS included.
    pub connect_timeout: Duration,
    /// How often the connection is tested with a PING, also while nothing is under way.
    pub ping_interval: Duration,
    /// How long the answer to a PING may take before the connection counts as dead.
    pub ping_timeout: Duration,
    /// Most bytes of an answer.
    pub body_limit: usize,
    /// Most bytes of one event of a watch.
    pub line_limit: usize,
    /// Is told how each call ended.
    pub observer: Option<Arc<dyn CallObserver>>,
    /// Through which all connections go. Nothing of the environment is read for it.
    pub proxy: Option<Proxy>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            user_agent: concat!("muster/", env!("CARGO_PKG_VERSION")).to_owned(),
            deadline: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(15),
            body_limit: 16 * 1024 * 1024,
            line_limit: 4 * 1024 * 1024,
            observer: None,
            proxy: None,
        }
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("user_agent", &self.user_agent)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Why there is no client. No value of the input is repeated.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A certificate of the CA is none.
    #[error("unable to make a client: the server's CA is no certificate")]
    Ca,
    /// The `tls-server-name` is no host name.
    #[error("unable to make a client: the TLS server name is no host name")]
    ServerName,
    /// Certificate and key are no pair, or no PEM.
    #[error("unable to make a client: the client certificate and its key are unusable")]
    ClientCertificate,
    /// The token can stand in no header, or is empty.
    #[error("unable to make a client: the token is unusable")]
    Token,
    /// The token's file cannot be read, or holds no usable token.
    #[error("unable to make a client: the token's file is unusable")]
    TokenFile,
    /// The user agent can stand in no header.
    #[error("unable to make a client: the user agent is unusable")]
    UserAgent,
    /// TLS itself cannot be set up.
    #[error("unable to make a client: TLS cannot be set up")]
    Tls,
}
