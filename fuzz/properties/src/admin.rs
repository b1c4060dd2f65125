//! Any request to the server for probes and metrics: an answer of a status that it knows, or none. It is small, and repeats
//! nothing of the request.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use muster_kit::admin::{Readiness, Served, connection};
use prometheus::{IntCounter, Registry};

/// Most bytes of an answer here: a line of text or a metric, and the headers.
const LARGEST: usize = 1_024;
/// The statuses that the server answers with, and those with which hyper refuses what is no request.
const STATUSES: [&str; 7] = ["200", "400", "404", "405", "414", "431", "503"];

/// A connection whose client has said all that it will.
struct Said<'a> {
    left: &'a [u8],
    /// How much arrives at a time.
    step: usize,
    answer: Vec<u8>,
}

impl Read for Said<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let (now, left) = self.left.split_at(self.left.len().min(self.step).min(buffer.remaining()));
        buffer.put_slice(now);
        self.left = left;
        Poll::Ready(Ok(()))
    }
}

impl Write for Said<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.answer.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Says the bytes, of which the first is how much of the rest arrives at a time, and gives the answer.
fn answer(bytes: &[u8]) -> Vec<u8> {
    let registry = Registry::new();
    let counter = IntCounter::new("muster_test_total", "A test.").expect("a legal name");
    registry.register(Box::new(counter)).expect("it is the only one");
    let readiness = Readiness::default();
    let _guard = readiness.block("session");
    let served = Served { liveness: Arc::new(|| Ok(())), readiness: readiness.clone(), registry };
    let Some((step, said)) = bytes.split_first() else { return Vec::new() };
    let mut stream = Said { left: said, step: usize::from(*step).max(1), answer: Vec::new() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(ended(connection(&mut stream, served)));
    stream.answer
}

/// All has been said: a connection that still waits for something waits for ever.
async fn ended(connection: impl Future<Output = ()>) {
    let mut connection = pin!(connection);
    for _ in 0..1_000_000 {
        let polled = std::future::poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx)));
        if polled.await.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the connection does not end");
}

/// See the module.
#[must_use]
pub fn holds(bytes: &[u8]) -> bool {
    let said = answer(bytes);
    if said.is_empty() {
        return true;
    }
    assert!(said.len() <= LARGEST, "{} bytes", said.len());
    let said = std::str::from_utf8(&said).expect("an answer is text");
    let (head, body) = said.split_once("\r\n\r\n").expect("an answer has a head");
    let mut words = head.split(' ');
    assert!(words.next().is_some_and(|word| word.starts_with("HTTP/1.")), "{head}");
    let status = words.next().unwrap_or_default();
    let status = status.lines().next().unwrap_or_default();
    assert!(STATUSES.contains(&status), "{head}");
    for line in body.lines() {
        let known = ["ok", "only GET", "waiting for session", "there are /livez, /readyz and /metrics"];
        assert!(known.contains(&line) || line.contains("muster_test_total"), "{body}");
    }
    true
}
