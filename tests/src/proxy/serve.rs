//! Connections: accepted, served, frozen, closed.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::NoServerSessionStorage,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Mode, Shared, forward, lock};
use crate::pki::{self, Identity, PkiError};

/// How a connection begins.
#[derive(Clone)]
pub(super) enum Opening {
    /// With TLS.
    Tls(TlsAcceptor),
    /// With these bytes, whatever is said.
    Plain(Arc<[u8]>),
}

/// Longest message that opens a connection.
const HELLO: usize = 16 * 1024;

/// TLS as a server: HTTP/2 where the client offers it.
pub(crate) fn acceptor(identity: &Identity) -> Result<TlsAcceptor, PkiError> {
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
    let mut config = ServerConfig::builder_with_provider(pki::provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A session that is resumed is not verified again: each connection is to be.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Listens as long as it is wanted, and once more when it is wanted again.
pub(super) async fn listen(shared: Arc<Shared>, listener: std::net::TcpListener, port: u16) {
    let mut wanted = shared.wanted.subscribe();
    let mut listener = TcpListener::from_std(listener).ok();
    loop {
        let mode = wanted.borrow_and_update().mode;
        match mode {
            Mode::Gone => break,
            Mode::Cut => listener = None,
            Mode::Open | Mode::Frozen if listener.is_none() => {
                listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await.ok();
            }
            Mode::Open | Mode::Frozen => {}
        }
        shared.state.send_if_modified(|state| {
            std::mem::replace(&mut state.listening, listener.is_some()) != listener.is_some()
        });
        let Some(open) = &listener else {
            // bound no more, or not yet again: look once more soon, or when told
            let soon = tokio::time::sleep(Duration::from_millis(50));
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { break },
                () = soon => {}
            }
            continue;
        };
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { break },
            accepted = open.accept() => if let Ok((stream, _)) = accepted {
                let number = shared.accepted.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(connection(Arc::clone(&shared), stream, number));
            },
        }
    }
    shared.state.send_modify(|state| state.listening = false);
}

/// Serves one connection until it ends, or is to end.
async fn connection(shared: Arc<Shared>, stream: TcpStream, number: usize) {
    let mut wanted = shared.wanted.subscribe();
    let born = wanted.borrow_and_update().epoch;
    shared.state.send_modify(|state| state.open += 1);
    let serve = async {
        // small frames of watches must not wait for one another
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let opening = lock(&shared.opening).clone();
        let tls = match opening {
            Opening::Tls(tls) => tls,
            Opening::Plain(bytes) => return answer(&shared, stream, &bytes).await,
        };
        let Ok(stream) = tls.accept(stream).await else { return };
        let service = service_fn(|request| forward::handle(Arc::clone(&shared), number, request));
        // an error is the client's going away, or a stream that a rule resets
        drop(auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await);
    };
    let mut serve = pin!(serve);
    loop {
        let now = *wanted.borrow_and_update();
        if now.epoch != born || matches!(now.mode, Mode::Cut | Mode::Gone) {
            break;
        }
        let frozen = now.mode == Mode::Frozen;
        tokio::select! {
            () = &mut serve, if !frozen => break,
            changed = wanted.changed() => if changed.is_err() { break },
        }
    }
    shared.state.send_modify(|state| state.open -= 1);
}

/// Answers what is said first, and waits until the other side ends the connection.
async fn answer(shared: &Shared, mut stream: TcpStream, bytes: &[u8]) {
    let mut hello = vec![0; HELLO];
    let Ok(length) = stream.read(&mut hello).await else { return };
    hello.truncate(length);
    lock(&shared.plain).push(hello);
    if stream.write_all(bytes).await.is_ok() {
        drop(tokio::io::copy(&mut stream, &mut tokio::io::sink()).await);
    }
}

/// Nothing can go wrong where this stands.
pub(super) type Never = Infallible;
