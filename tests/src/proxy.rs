//! Faults between a client and an API server.
//!
//! ```text
//! client ──TLS of the proxy's own CA (HTTP/2 or 1.1)──▶ rules ──TLS (HTTP/1.1)──▶ kube-apiserver
//! ```
//!
//! A request goes through untouched, watches frame by frame, unless a [`Rule`] says otherwise.

mod body;
mod forward;
mod rules;
mod serve;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::Method;
use tokio::sync::watch;

pub use rules::{Action, Rule, RuleId};
pub(crate) use serve::acceptor;

use crate::{
    kubeconfig::{KubeconfigError, readdress},
    pki::{Authority, Identity, PkiError},
    plane::ControlPlane,
    ports::Port,
    runtime,
};

/// What went wrong with the proxy.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Its certificates could not be made, or the API server's CA not be read.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// No port on 127.0.0.1 is free.
    #[error("unable to find a free port for the proxy")]
    NoPort,
    /// It could not run or listen.
    #[error("unable to run the proxy: {0}")]
    Run(#[from] std::io::Error),
}

/// A proxy on a loopback port of its own. Closed when it is dropped.
pub struct Proxy {
    port: Port,
    authority: Authority,
    shared: Arc<Shared>,
}

/// A request that the proxy got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// Its query, empty if there is none.
    pub query: String,
    /// The number of the connection that it came on, from 1.
    pub connection: usize,
    /// The status that was answered; `None` as long as there is no answer.
    pub status: Option<u16>,
    /// When it came, its headers at least.
    pub at: Instant,
    /// When its body had come whole; `None` as long as it has not, or nobody has read it.
    pub whole: Option<Instant>,
}

impl Seen {
    /// Whether it is a watch.
    #[must_use]
    pub fn is_watch(&self) -> bool {
        rules::is_watch(&self.query)
    }
}

/// What the handlers of all connections share with the test.
struct Shared {
    upstream: Mutex<forward::Upstream>,
    rules: Mutex<rules::Rules>,
    seen: Mutex<Vec<Seen>>,
    accepted: AtomicUsize,
    opening: Mutex<serve::Opening>,
    /// What was said on connections that got no TLS.
    plain: Mutex<Vec<Vec<u8>>>,
    /// What the test wants; connections follow it.
    wanted: watch::Sender<Wanted>,
    /// What is.
    state: watch::Sender<State>,
}

/// How the proxy is to behave towards connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    mode: Mode,
    /// Connections of an earlier epoch are closed.
    epoch: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Serve.
    Open,
    /// Keep connections, and accept new ones, but move no byte.
    Frozen,
    /// Listen no more.
    Cut,
    /// End.
    Gone,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    listening: bool,
    open: usize,
}

impl Proxy {
    /// A proxy in front of `upstream`.
    ///
    /// # Errors
    ///
    /// [`ProxyError`].
    pub fn start(upstream: &ControlPlane) -> Result<Self, ProxyError> {
        let authority = Authority::new("proxy CA")?;
        let serving = authority.serving()?;
        Self::with(forward::Upstream::new(&upstream.url(), &upstream.ca_pem())?, authority, &serving)
    }

    /// One of many in this process: all that goes through it shares one connection to the server, by HTTP/2.
    ///
    /// # Errors
    ///
    /// [`ProxyError`].
    pub fn frugal(upstream: &ControlPlane) -> Result<Self, ProxyError> {
        let authority = Authority::new("proxy CA")?;
        let serving = authority.serving()?;
        Self::with(forward::Upstream::multiplexed(&upstream.url(), &upstream.ca_pem())?, authority, &serving)
    }

    /// One whose certificate is good for `lifetime` from now.
    ///
    /// # Errors
    ///
    /// [`ProxyError`].
    pub fn short_lived(upstream: &ControlPlane, lifetime: Duration) -> Result<Self, ProxyError> {
        let authority = Authority::new("proxy CA")?;
        let serving = authority.serving_for(lifetime)?;
        Self::with(forward::Upstream::new(&upstream.url(), &upstream.ca_pem())?, authority, &serving)
    }

    fn with(
        upstream: forward::Upstream,
        authority: Authority,
        serving: &Identity,
    ) -> Result<Self, ProxyError> {
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            rules: Mutex::default(),
            seen: Mutex::default(),
            accepted: AtomicUsize::new(0),
            opening: Mutex::new(serve::Opening::Tls(serve::acceptor(serving)?)),
            plain: Mutex::default(),
            wanted: watch::Sender::new(Wanted { mode: Mode::Open, epoch: 0 }),
            state: watch::Sender::new(State::default()),
        });
        // Others may take the port between choice and use.
        for _ in 0..5 {
            let port = Port::free().ok_or(ProxyError::NoPort)?;
            let listener = std::net::TcpListener::bind(("127.0.0.1", port.number()));
            let Ok(listener) = listener else { continue };
            listener.set_nonblocking(true)?;
            runtime::handle()?.spawn(serve::listen(Arc::clone(&shared), listener, port.number()));
            let proxy = Self { port, authority, shared };
            proxy.until(|state| state.listening)?;
            return Ok(proxy);
        }
        Err(ProxyError::NoPort)
    }

    /// Its address: `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port.number())
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The certificate to trust.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.authority.pem()
    }

    /// Who signed the certificate that it has at first.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Has this certificate from now on, and closes all connections.
    ///
    /// # Errors
    ///
    /// It cannot be used.
    pub fn present(&self, identity: &Identity) -> Result<(), ProxyError> {
        *lock(&self.shared.opening) = serve::Opening::Tls(serve::acceptor(identity)?);
        self.disconnect();
        Ok(())
    }

    /// Closes all connections, and from now on answers what is said first on each with these bytes, without TLS.
    pub fn answer_hello(&self, bytes: &[u8]) {
        *lock(&self.shared.opening) = serve::Opening::Plain(bytes.into());
        self.disconnect();
    }

    /// What was said first on each connection that got no TLS.
    #[must_use]
    pub fn hellos(&self) -> Vec<Vec<u8>> {
        lock(&self.shared.plain).clone()
    }

    /// A kubeconfig of the upstream, led through the proxy. Bearer tokens pass; client certificates cannot.
    ///
    /// # Errors
    ///
    /// The text is no kubeconfig.
    pub fn kubeconfig_for(&self, kubeconfig: &str) -> Result<String, KubeconfigError> {
        readdress(kubeconfig, &self.url(), self.ca_pem())
    }

    /// Adds a rule. Of several rules that match a request, the one added last decides.
    #[expect(clippy::must_use_candidate, reason = "most rules stay as long as the proxy")]
    pub fn add(&self, rule: Rule) -> RuleId {
        lock(&self.shared.rules).add(rule)
    }

    /// Removes a rule. Requests that it holds stay held.
    pub fn remove(&self, id: RuleId) {
        lock(&self.shared.rules).remove(id);
    }

    /// Removes all rules.
    pub fn clear(&self) {
        *lock(&self.shared.rules) = rules::Rules::default();
    }

    /// How many requests a rule has acted upon.
    #[must_use]
    pub fn hits(&self, id: RuleId) -> usize {
        lock(&self.shared.rules).hits(id)
    }

    /// All requests so far, in the order in which they came.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.state.borrow().open
    }

    /// Leads to another API server from now on, and closes all connections: another directory behind the same address.
    ///
    /// # Errors
    ///
    /// Its CA cannot be read.
    pub fn set_upstream(&self, upstream: &ControlPlane) -> Result<(), ProxyError> {
        *lock(&self.shared.upstream) = forward::Upstream::new(&upstream.url(), &upstream.ca_pem())?;
        self.disconnect();
        Ok(())
    }

    /// Closes all connections that are open now; new ones are accepted.
    pub fn disconnect(&self) {
        self.shared.wanted.send_modify(|wanted| wanted.epoch += 1);
    }

    /// Closes all connections and refuses new ones.
    ///
    /// # Errors
    ///
    /// The runtime is gone.
    pub fn cut(&self) -> Result<(), ProxyError> {
        self.shared.wanted.send_modify(|wanted| {
            wanted.mode = Mode::Cut;
            wanted.epoch += 1;
        });
        self.until(|state| !state.listening && state.open == 0)
    }

    /// Keeps all connections and accepts new ones, but moves no byte any more: a network that swallows packets.
    pub fn freeze(&self) {
        self.shared.wanted.send_modify(|wanted| wanted.mode = Mode::Frozen);
    }

    /// Undoes [`Proxy::cut`] and [`Proxy::freeze`].
    ///
    /// # Errors
    ///
    /// The runtime is gone.
    pub fn restore(&self) -> Result<(), ProxyError> {
        self.shared.wanted.send_modify(|wanted| wanted.mode = Mode::Open);
        self.until(|state| state.listening)
    }

    /// Blocks until the state is as wanted.
    fn until(&self, is: impl Fn(&State) -> bool + Send + Sync + 'static) -> Result<(), ProxyError> {
        let mut state = self.shared.state.subscribe();
        runtime::block_on(async move { state.wait_for(|state| is(state)).await.map(|_| ()) })?
            .map_err(|_| std::io::Error::other("the proxy ended").into())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.wanted.send_modify(|wanted| wanted.mode = Mode::Gone);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
