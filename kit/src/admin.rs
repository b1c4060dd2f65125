//! The server for probes and metrics: `/livez`, `/readyz` and `/metrics`, over plain HTTP/1, without a login. What it
//! serves holds no names of objects.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{Encoder, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Port where none is given.
const PORT: u16 = 8080;
/// Most connections at a time.
const CONNECTIONS: usize = 64;
/// Time that each connection has before it makes room for others: long for who asks at once, short for who waits.
const GRACE: Duration = Duration::from_millis(100);
/// Time for the headers of a request: port scanners must not hold connections.
const HEADER_TIME: Duration = Duration::from_secs(2);
/// Time for a request and its answer: nor must slow readers.
const WHOLE_TIME: Duration = Duration::from_secs(10);
/// Buffer of a connection; little is transferred.
const BUFFER: usize = 8 * 1024;

/// What still keeps the program from being ready.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<String, usize>>>);

/// Keeps the program from being ready until it is dropped.
#[derive(Debug)]
#[must_use = "the program is ready once the guard is dropped"]
pub struct ReadyGuard {
    readiness: Readiness,
    name: String,
}

impl Readiness {
    /// Not ready until the guard is dropped; `/readyz` shows the name.
    pub fn block(&self, name: &str) -> ReadyGuard {
        *self.names().entry(name.to_owned()).or_default() += 1;
        ReadyGuard { readiness: self.clone(), name: name.to_owned() }
    }

    /// The names of what blocks, sorted. None when the program is ready.
    #[must_use]
    pub fn blocking(&self) -> Vec<String> {
        self.names().keys().cloned().collect()
    }

    fn names(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ReadyGuard {
    fn drop(&mut self) {
        let mut names = self.readiness.names();
        if let Some(count) = names.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                names.remove(&self.name);
            }
        }
    }
}

/// Says whether the program makes progress; an error tells why not.
pub type Liveness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What the server serves.
#[derive(Clone)]
pub struct Served {
    /// For `/livez`.
    pub liveness: Liveness,
    /// For `/readyz`.
    pub readiness: Readiness,
    /// For `/metrics`.
    pub registry: Registry,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address cannot be listened on.
    #[error("unable to listen on {address}")]
    Bind {
        /// Address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
}

/// The server, listening.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
}

impl Admin {
    /// Listens on `address`; where none is given, on port 8080 of all addresses, IPv6 and IPv4.
    ///
    /// # Errors
    /// Where the address cannot be listened on.
    pub async fn bind(address: Option<SocketAddr>) -> Result<Self, AdminError> {
        let bind = async |address: SocketAddr| {
            TcpListener::bind(address).await.map_err(|source| AdminError::Bind { address, source })
        };
        let listener = match address {
            Some(address) => bind(address).await?,
            // A host without IPv6 refuses the first.
            None => match bind((Ipv6Addr::UNSPECIFIED, PORT).into()).await {
                Ok(listener) => listener,
                Err(_) => bind((Ipv4Addr::UNSPECIFIED, PORT).into()).await?,
            },
        };
        Ok(Self { listener })
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// Where the operating system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `cancel`. Where more connect than are served at a time, the one goes that has been there longest: who
    /// asks for something at once is answered at once, however many sit there and say nothing.
    pub async fn serve(self, served: Served, cancel: CancellationToken) {
        let mut open: VecDeque<(Instant, AbortHandle)> = VecDeque::new();
        loop {
            let Some(accepted) = cancel.run_until_cancelled(self.listener.accept()).await else { return };
            match accepted {
                Ok((stream, _)) => {
                    open.retain(|(_, connection)| !connection.is_finished());
                    if open.len() >= CONNECTIONS
                        && let Some((since, longest)) = open.pop_front()
                    {
                        cancel.run_until_cancelled(sleep_until(since + GRACE)).await;
                        longest.abort();
                    }
                    let connection = connection(TokioIo::new(stream), served.clone());
                    let cancel = cancel.clone();
                    let task = tokio::spawn(async move {
                        let _ = cancel.run_until_cancelled(timeout(WHOLE_TIME, connection)).await;
                    });
                    open.push_back((Instant::now(), task.abort_handle()));
                }
                // Out of file descriptors, most likely: give the others time to close theirs.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

/// Serves one connection, until it ends: a request of a few kilobytes, and its answer.
pub async fn connection(stream: impl Read + Write + Unpin, served: Served) {
    let service = service_fn(move |request: Request<Incoming>| {
        std::future::ready(Ok::<_, Infallible>(answer(request.method(), request.uri().path(), &served)))
    });
    // A client that breaks off is its own affair.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .half_close(true)
        .keep_alive(false)
        .max_buf_size(BUFFER)
        .serve_connection(stream, service)
        .await;
}

fn answer(method: &Method, path: &str, served: &Served) -> Response<Full<Bytes>> {
    let (status, text) = if method != Method::GET && method != Method::HEAD {
        (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned())
    } else {
        match path {
            "/livez" => match (served.liveness)() {
                Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
                Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
            },
            "/readyz" => match served.readiness.blocking().as_slice() {
                [] => (StatusCode::OK, "ok\n".to_owned()),
                names => (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {}\n", names.join(", "))),
            },
            "/metrics" => metrics(&served.registry),
            _ => (StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics\n".to_owned()),
        }
    };
    let kind = if path == "/metrics" { prometheus::TEXT_FORMAT } else { "text/plain; charset=utf-8" };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn metrics(registry: &Registry) -> (StatusCode, String) {
    let mut text = Vec::new();
    match TextEncoder::new().encode(&registry.gather(), &mut text).map(|()| String::from_utf8(text)) {
        Ok(Ok(text)) => (StatusCode::OK, text),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "unable to encode the metrics\n".to_owned()),
    }
}

#[cfg(test)]
mod tests;
