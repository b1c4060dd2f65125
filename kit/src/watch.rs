//! Lists and watches that resume: a listing, then every change after it, over connections and clients that come and
//! go. After kube-runtime's watcher, which can neither go on from a given resourceVersion nor take another client.

pub(crate) mod backoff;
mod line;
#[cfg(any(test, feature = "testing"))]
pub mod replay;
mod run;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use muster_api::{Object, Resource};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

pub use crate::client::Form;
use crate::client::{CallError, Client};

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Resource.
    pub resource: Resource,
    /// Namespace; none stands for all of them, and for a cluster-scoped resource.
    pub namespace: Option<String>,
    /// Label selector.
    pub labels: Option<String>,
    /// Field selector.
    pub fields: Option<String>,
    /// How much of each object.
    pub form: Form,
}

/// Decides whether what a server answers may be passed on: it may have become another server.
pub trait Gate: Send + Sync {
    /// Is asked after the headers of each answer have arrived and before anything of its content is passed on.
    /// An error keeps the answer from being read; the watch tries again later.
    fn admit<'a>(&'a self, client: &'a Client) -> BoxFuture<'a, Result<(), CallError>>;
}

/// A gate that lets everything through: for a server that is known by other means.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open;

impl Gate for Open {
    fn admit<'a>(&'a self, _: &'a Client) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A client to use until another one is published.
#[derive(Clone)]
pub struct Link {
    /// The client.
    pub client: Client,
    /// Which client this is: another one has another epoch.
    pub epoch: u64,
    /// Decides whether answers may be passed on.
    pub gate: Arc<dyn Gate>,
    /// In which era of the server it is used: in another one nothing is resumed, since the server was set back.
    pub era: u32,
}

impl Link {
    /// A link that never changes, with epoch 0 and the open gate.
    #[must_use]
    pub fn fixed(client: Client) -> watch::Receiver<Option<Self>> {
        watch::channel(Some(Self { client, epoch: 0, gate: Arc::new(Open), era: 0 })).1
    }
}

/// An event, and the epoch and the era of the link that it came over.
#[derive(Debug)]
pub struct Watched {
    /// Epoch of the link.
    pub epoch: u64,
    /// Era of the link.
    pub era: u32,
    /// The event.
    pub event: WatchEvent,
}

/// What a watch says. Only [`WatchEvent::Complete`] makes a listing count: one that is not complete says nothing about
/// what is absent.
#[derive(Debug)]
pub enum WatchEvent {
    /// A listing begins. What an unfinished listing said before is void.
    Init,
    /// An object of the listing. The same object can come twice: the later one counts.
    Listed(Object),
    /// The listing is complete, as of this version of the collection.
    Complete {
        /// Version of the collection.
        resource_version: String,
    },
    /// The server took up the watch where it had stopped. Nothing was missed, or it says within seconds that its
    /// history does not reach back that far: then a listing begins.
    Resumed,
    /// An object was created or changed, or has come to match the selectors.
    Applied(Object),
    /// An object was deleted, or no longer matches the selectors. Within a listing: it went while the listing was made.
    Deleted(Object),
    /// Nothing happened up to this version of the collection.
    Bookmark {
        /// Version of the collection.
        resource_version: String,
    },
    /// An attempt failed; the watch tries again.
    Failed(CallError),
}

/// How a watch behaves. The defaults fit.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// Most items of a page, where the server cannot stream a listing.
    pub page: u32,
    /// When the server is to end a watch: a random time between these. Longer than the 5 to 10 minutes that
    /// servers choose by themselves, so that a fleet restarts its watches rarely and not together.
    pub timeout: (Duration, Duration),
    /// How long after that time a silent watch counts as dead. Servers send a bookmark about once a minute.
    pub grace: Duration,
    /// How long a streamed listing may be silent before it is asked for in pages: servers that do not know
    /// streamed listings may answer with a watch that never says that it is complete.
    pub silence: Duration,
    /// Bounds of the wait after failures: it is random between zero and a limit that begins with the first
    /// and doubles up to the second (full jitter). The cap of 8 s lets a fleet find a server that is back within 10 s,
    /// and asks 1,000 agents for 250 attempts a second of it.
    pub backoff: (Duration, Duration),
    /// How long an answer must last for the next failure to count as the first.
    pub settled: Duration,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            page: 50,
            timeout: (Duration::from_secs(540), Duration::from_secs(600)),
            grace: Duration::from_secs(30),
            silence: Duration::from_secs(30),
            backoff: (Duration::from_millis(200), Duration::from_secs(8)),
            settled: Duration::from_secs(1),
        }
    }
}

/// How a collection is listed again and again.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Time from the end of a listing that was complete to the next. The longest wait after a failure, too.
    pub every: Duration,
    /// Listings take turns: there are as many at once as this has permits.
    pub turns: Arc<Semaphore>,
}

/// Watches `target` over the links that `links` publishes, and sends what it sees to `out`, until `cancel` or until
/// nobody reads `out` any more. While there is no link it waits; when another one is published it goes on over that
/// one from where it was. Where the sender of `links` is gone, the last link stays.
pub async fn watch(
    target: Target,
    links: watch::Receiver<Option<Link>>,
    out: mpsc::Sender<Watched>,
    options: WatchOptions,
    cancel: CancellationToken,
) {
    until(cancel, run::Run::new(target, links, out, options)).await;
}

/// Lists `target` again and again instead, in pages: for a server that has no room for another watch. Says the same in
/// the form of listings, failures included, and holds no answer open between them. All else is as with [`watch()`].
pub async fn poll(
    target: Target,
    links: watch::Receiver<Option<Link>>,
    out: mpsc::Sender<Watched>,
    options: WatchOptions,
    pace: Pace,
    cancel: CancellationToken,
) {
    until(cancel, run::Run::polling(target, links, out, options, pace)).await;
}

async fn until(cancel: CancellationToken, run: run::Run) {
    // On the heap: each future around it would hold room for it anew, kilobytes each time.
    let running = Box::pin(run.forever());
    let _ = cancel.run_until_cancelled_owned(running).await;
}
