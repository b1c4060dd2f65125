//! The last place where a write can be kept back: the socket. Between the answer of a [`super::Fence`] and the socket lie
//! the buffers of HTTP/2 and TLS, and a process may be paused in between. So the fence of each write that it let pass is
//! asked again whenever bytes go to the socket, until the write is answered. Where one does not admit its write any
//! more, the connection ends: what lies in its buffers is never sent. What had been sent is under way, and ends as a
//! write does whose answer is lost.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Instant;

use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use tower::{BoxError, Service};

use super::fence::Behind;
use super::proxy::Proxy;

/// The fences of the writes that passed them and are not answered yet. Clones share it; all connections of a client do.
#[derive(Clone, Default)]
pub(super) struct Wire(Arc<Mutex<Vec<Weak<Behind>>>>);

impl Wire {
    /// A write passed its fence. It counts until that is dropped.
    pub(super) fn passed(&self, behind: &Weak<Behind>) {
        let mut passed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        passed.retain(|other| other.strong_count() > 0 && !other.ptr_eq(behind));
        passed.push(behind.clone());
    }

    fn admits(&self, now: Instant) -> bool {
        let passed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        passed.iter().filter_map(Weak::upgrade).all(|behind| behind.0.admits(now))
    }

    fn check(&self) -> io::Result<()> {
        if self.admits(Instant::now()) {
            Ok(())
        } else {
            Err(io::Error::other("a write may not go out any more"))
        }
    }
}

/// Makes connections that ask before they send.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) tcp: HttpConnector,
    pub(super) proxy: Option<Proxy>,
    pub(super) wire: Wire,
}

impl Service<Uri> for Connector {
    type Response = Socket<<HttpConnector as Service<Uri>>::Response>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(BoxError::from)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let wire = self.wire.clone();
        let Some(proxy) = self.proxy.clone() else {
            let connecting = self.tcp.call(uri);
            return Box::pin(async move { Ok(Socket { stream: connecting.await?, wire }) });
        };
        let tcp = self.tcp.clone();
        Box::pin(async move { Ok(Socket { stream: proxy.connect(tcp, uri).await?, wire }) })
    }
}

/// A stream that asks before it sends.
pub(super) struct Socket<S> {
    stream: S,
    wire: Wire,
}

impl<S: Connection> Connection for Socket<S> {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl<S: Read + Unpin> Read for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: Write + Unpin> Write for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wire.check()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.wire.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}
