//! Writes that begin only while somebody lets them. The question is asked when the request is sent and once more when
//! its body is taken, which is after a connection was found or made and flow control gave way; from then on the
//! [connection](super::wire) asks.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Method, Request};
use hyper::body::{Bytes, Frame, SizeHint};
use kube::client::Body;
use tower::BoxError;

use super::wire::Wire;

/// Decides whether a write may begin.
pub trait Fence: Send + Sync {
    /// Whether a write may begin at `now`. Is asked from within a request: it must not block.
    fn admits(&self, now: Instant) -> bool;
}

/// Why a request was not sent.
#[derive(Debug, thiserror::Error)]
#[error("this process may not write now")]
pub(super) struct Fenced;

/// Tells the lowest layer, among the extensions of a request, that it is behind a fence.
#[derive(Clone)]
pub(super) struct Behind(pub(super) Arc<dyn Fence>);

/// The body of a request, and the fence that it is behind.
pub(super) struct Outgoing {
    body: Body,
    /// With whoever waits for the answer; gone when nobody does.
    fence: Option<Weak<Behind>>,
    wire: Wire,
    refused: Refused,
}

/// What whoever waits for the answer to a request keeps until then.
pub(super) struct Waiting {
    refused: Refused,
    _fence: Option<Arc<Behind>>,
}

/// Whether a body was refused: the error that hyper makes of that does not say so.
#[derive(Clone, Default)]
pub(super) struct Refused(Arc<AtomicBool>);

impl Waiting {
    /// Why the request failed.
    pub(super) fn or(&self, error: impl Into<BoxError>) -> BoxError {
        if self.refused.0.load(Ordering::Relaxed) { Fenced.into() } else { error.into() }
    }
}

/// The request as it goes out over `wire`, unless it may not, and what to keep until it is answered.
pub(super) fn admitted(
    mut request: Request<Body>,
    wire: &Wire,
) -> Result<(Request<Outgoing>, Waiting), BoxError> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let kept = request.extensions_mut().remove::<Behind>().filter(|_| !reads).map(Arc::new);
    let (fence, wire, refused) = (kept.as_ref().map(Arc::downgrade), wire.clone(), Refused::default());
    let waiting = Waiting { refused: refused.clone(), _fence: kept };
    let request = request.map(|body| Outgoing { body, fence, wire, refused });
    request.body().check()?;
    Ok((request, waiting))
}

impl Outgoing {
    fn check(&self) -> Result<(), BoxError> {
        let admits =
            |fence: &Weak<Behind>| fence.upgrade().is_some_and(|fence| fence.0.admits(Instant::now()));
        if self.fence.as_ref().is_none_or(admits) { Ok(()) } else { Err(Fenced.into()) }
    }
}

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Err(fenced) = self.check() {
            self.refused.0.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(fenced)));
        }
        if let Some(fence) = &self.fence {
            self.wire.passed(fence);
        }
        Pin::new(&mut self.body).poll_frame(cx).map_err(BoxError::from)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// Whether an error is that of a fence.
pub(super) fn is_fenced(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(<dyn std::error::Error>::is::<Fenced>)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use muster_api::{Resource, resource};

    use super::*;
    use crate::client::{CallError, Client, Preconditions};
    use crate::testing::{Server, cluster, reply, soon};

    static CLUSTERS: Resource = resource::CLUSTERS;
    const BODY: &str = "{}";

    /// Admits so many questions, and no more.
    struct Admits(AtomicUsize);

    impl Fence for Admits {
        fn admits(&self, _: Instant) -> bool {
            self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
        }
    }

    /// Admits what comes until it is shut.
    #[derive(Clone, Default)]
    struct Shut(Arc<AtomicBool>);

    impl Fence for Shut {
        fn admits(&self, _: Instant) -> bool {
            !self.0.load(Ordering::SeqCst)
        }
    }

    fn behind(server: &Server, admits: usize) -> Client {
        server.client().fenced(Arc::new(Admits(admits.into())))
    }

    async fn create(client: &Client) -> Result<(), CallError> {
        client.create(&CLUSTERS, None, "m", BODY.into()).await.map(drop)
    }

    /// What is sent later over the same connection arrives later: a read is the first that arrives.
    async fn nothing_else_arrived(server: &Server, client: &Client) {
        let (read, ()) = soon("a read", async {
            tokio::join!(client.get(&CLUSTERS, None, "east"), async {
                let ask = server.next().await;
                assert_eq!(ask.method, Method::GET);
                ask.answer(reply(200, &cluster("east", 1)));
            })
        })
        .await;
        read.unwrap();
    }

    #[tokio::test]
    async fn behind_a_fence_reads_go_through_and_writes_only_while_it_admits_them() {
        let server = Server::start().await;
        let answers = server.serve(|_| reply(200, &cluster("east", 1)));
        let shut = Shut::default();
        let client = server.client().fenced(Arc::new(shut.clone()));
        let calls = async {
            create(&client).await.unwrap();
            shut.0.store(true, Ordering::SeqCst);
            let preconditions = Preconditions::default();
            let outcomes = [
                create(&client).await,
                client.replace(&CLUSTERS, None, "east", "m", BODY.into()).await.map(drop),
                client.merge_patch(&CLUSTERS, None, "east", None, "m", BODY.into()).await.map(drop),
                client.delete(&CLUSTERS, None, "east", &preconditions).await,
                create(&client.with_deadline(std::time::Duration::from_secs(9))).await,
            ];
            for outcome in outcomes {
                assert_eq!(outcome.unwrap_err().category(), "fenced");
            }
            client.get(&CLUSTERS, None, "east").await.unwrap();
            let raw = || Request::post("/apis/x").body(Body::from(BODY.as_bytes().to_vec())).unwrap();
            assert!(client.kube().send(raw()).await.is_err());
            create(&server.client()).await.unwrap();
        };
        soon("the calls", async {
            tokio::select! { () = answers => {}, () = calls => {} }
        })
        .await;
    }

    #[tokio::test]
    async fn a_write_that_waited_for_its_connection_is_asked_about_once_more() {
        let server = Server::start().await;
        let client = behind(&server, 1);
        let error = soon("a call", create(&client)).await.unwrap_err();
        assert!(matches!(error, CallError::Fenced { .. }), "{error}");
        assert_eq!(server.accepted(), 1, "it was under way");
        nothing_else_arrived(&server, &client).await;
    }

    /// As if the process had been paused between the last answer of the fence and the socket.
    #[tokio::test]
    async fn a_write_that_lies_in_the_buffers_is_not_sent_any_more() {
        let server = Server::start().await;
        let client = behind(&server, 2);
        let error = soon("a call", create(&client)).await.unwrap_err();
        assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
        nothing_else_arrived(&server, &client).await;
        assert_eq!(server.accepted(), 2, "the connection ended");
    }

    /// Nothing is sent over the connection while a write waits for its answer and may not be sent any more.
    #[tokio::test]
    async fn a_write_that_is_under_way_ends_with_the_next_request_and_holds_up_none_after_it() {
        let server = Server::start().await;
        let shut = Shut::default();
        let client = server.client().fenced(Arc::new(shut.clone()));
        let calls = async {
            let (written, read) = tokio::join!(create(&client), async {
                let under_way = server.next().await;
                shut.0.store(true, Ordering::SeqCst);
                let read = client.get(&CLUSTERS, None, "east").await;
                drop(under_way);
                read
            });
            assert_eq!(written.unwrap_err().category(), "unreachable");
            assert_eq!(read.unwrap_err().category(), "unreachable");
            tokio::join!(client.get(&CLUSTERS, None, "east"), async {
                server.next().await.answer(reply(200, &cluster("east", 1)));
            })
        };
        soon("the calls", calls).await.0.unwrap();
    }
}
