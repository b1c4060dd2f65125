//! One of several processes acts: the one that holds a Lease. After client-go's leader election, with two
//! differences: who waits watches the Lease rather than polls it, and a claim is a span of the monotonic clock that
//! ends before others may take over, so that a process which was paused knows that it no longer leads.

mod elector;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use prometheus::IntGauge;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::client::Fence;
use crate::lease::Record;
use crate::watch::Link;

/// What a process knows of its own leadership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing certain: the server did not answer yet, or a claim ran out.
    Unknown,
    /// This process leads until then, and longer if it renews.
    Held {
        /// End of the claim: the duration of the Lease less [`Election::margin`], counted from before the last
        /// successful renewal was sent.
        until: Instant,
    },
    /// The claim ran out for want of the server: since then it did not answer who leads. Whoever else there is could
    /// not ask it either, unless it is only out of reach of this process. A process that was paused while its claim
    /// ran out is not adrift.
    Adrift,
    /// Somebody else leads.
    Other {
        /// Who.
        holder: String,
    },
}

impl Claim {
    /// Whether this process leads at `now`.
    #[must_use]
    pub fn holds(&self, now: Instant) -> bool {
        matches!(self, Self::Held { until } if now < *until)
    }

    /// Whether this process leads at `now`, or led last and cannot learn of anybody else: it may go on telling others
    /// what it sees, and must not act.
    #[must_use]
    pub fn is_unopposed(&self, now: Instant) -> bool {
        self.holds(now) || *self == Self::Adrift
    }
}

/// Admits writes while this process leads.
pub struct Leading(pub watch::Receiver<Claim>);

impl Fence for Leading {
    fn admits(&self, now: Instant) -> bool {
        self.0.borrow().holds(now)
    }
}

/// Admits writes while this process [is unopposed](Claim::is_unopposed).
pub struct Unopposed(pub watch::Receiver<Claim>);

impl Fence for Unopposed {
    fn admits(&self, now: Instant) -> bool {
        self.0.borrow().is_unopposed(now)
    }
}

/// What is contended for, and how.
#[derive(Clone, Debug)]
pub struct Election {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Who we are. Another process must have another identity, also the next one in the same pod.
    pub identity: String,
    /// Field manager.
    pub manager: String,
    /// How long a claim lasts. Whole seconds.
    pub duration: Duration,
    /// How often it is renewed; also the time for one renewal.
    pub renew: Duration,
    /// How long before its end a claim counts for nothing any more: what begins last must arrive before the end.
    pub margin: Duration,
    /// Annotations that each renewal writes with it, as they are then.
    pub annotations: watch::Receiver<BTreeMap<String, String>>,
}

impl Election {
    /// An election whose claims last for `duration` and are renewed three times in it, without annotations. The margin
    /// is 2 s of 15.
    #[must_use]
    pub fn new(namespace: &str, name: &str, identity: &str, manager: &str, duration: Duration) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity: identity.to_owned(),
            manager: manager.to_owned(),
            duration,
            renew: duration / 3,
            margin: duration * 2 / 15,
            annotations: watch::channel(BTreeMap::new()).1,
        }
    }
}

/// Who may have a Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// We have it.
    Mine,
    /// Nobody has it, or the holder let its time go by.
    Free,
    /// Another has it, until then at least.
    Other {
        /// When it is free unless it is renewed.
        until: Instant,
    },
}

/// Judges a record that first looked like this at `observed_at`. Only that time counts, never the times in the
/// record: they are of another clock. So a holder is granted a full duration from when its last renewal was *seen*.
#[must_use]
pub fn judge(record: &Record, identity: &str, observed_at: Instant, now: Instant) -> Standing {
    if record.holder == identity {
        return Standing::Mine;
    }
    let until = observed_at + record.duration;
    if record.holder.is_empty() || until <= now { Standing::Free } else { Standing::Other { until } }
}

/// Contends for a Lease: creates it where it is absent, renews it while it is ours, waits for it while it is another's.
pub struct Elector {
    election: Election,
    links: watch::Receiver<Option<Link>>,
    claims: watch::Sender<Claim>,
    /// How often the server was seen to be set back to an earlier state.
    resets: watch::Sender<u32>,
}

impl Elector {
    /// An elector, and where it publishes what it knows.
    #[must_use]
    pub fn new(election: Election, links: watch::Receiver<Option<Link>>) -> (Self, watch::Receiver<Claim>) {
        let (claims, claim) = watch::channel(Claim::Unknown);
        (Self { election, links, claims, resets: watch::channel(0).0 }, claim)
    }

    /// Contends until `cancel`, then releases the Lease if it is ours: whoever waits has it at once. End all work that
    /// needs the claim before cancelling.
    pub async fn run(self, cancel: CancellationToken) {
        elector::run(self.election, self.links, self.claims, self.resets, cancel).await;
    }

    /// Contends until `cancel`, and acts whenever the Lease is held. `act` ends soon after its token is cancelled, which
    /// is when `cancel` is, or when another process acts; `wait` is polled in between. Where the server was set back to an
    /// earlier state, it ends too, and begins anew: a watch that goes on from a version which has not come yet shows
    /// nothing, and what was read before is not so. The Lease is released when all work has ended.
    pub async fn lead<'a>(
        self,
        cancel: &CancellationToken,
        leader: &IntGauge,
        wait: impl Fn() -> BoxFuture<'a, Infallible>,
        act: impl Fn(CancellationToken) -> BoxFuture<'a, ()>,
    ) {
        let identity = self.election.identity.clone();
        let mut claim = self.claims.subscribe();
        let mut resets = self.resets.subscribe();
        let contending = CancellationToken::new();
        let released = contending.clone();
        let work = async {
            while !cancel.is_cancelled() {
                let held = async {
                    tokio::select! {
                        held = claim.wait_for(|claim| matches!(claim, Claim::Held { .. })) => held.is_ok(),
                        never = wait() => match never {},
                    }
                };
                if cancel.run_until_cancelled(held).await != Some(true) {
                    break;
                }
                tracing::info!(identity, "this process acts");
                leader.set(1);
                let stop = cancel.child_token();
                resets.mark_unchanged();
                let acting = async {
                    act(stop.clone()).await;
                    stop.cancel();
                };
                let deposed = async {
                    let other = claim.wait_for(|claim| matches!(claim, Claim::Other { .. }));
                    tokio::select! {
                        _ = other => tracing::warn!("another process acts now"),
                        _ = resets.changed() => tracing::warn!("this process begins anew"),
                        () = stop.cancelled() => {}
                    }
                    stop.cancel();
                };
                futures::join!(acting, deposed);
                leader.set(0);
            }
            released.cancel();
        };
        futures::join!(self.run(contending), work);
    }
}
