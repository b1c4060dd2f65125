//! The heartbeat: the Lease in the execution namespace, renewed at a quarter of its duration over a connection of its
//! own. It says that the agent lives, reaches the directory and makes progress, and nothing else: it goes on while the
//! replica's own API is down. What the directory acknowledged shows how far its time has come: a Lease that says that it was
//! renewed before that is of a directory that was set back, and is not renewed until that is recorded. Who finds that another
//! one renews it yields: it is the other one that speaks.

mod rival;
#[cfg(test)]
mod stuck;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use muster_api::Object;
use muster_api::conditions::HeartbeatAccepted;
use muster_api::resource::LEASES;
use muster_engine::Failure;
use muster_engine::era::Beat;
use muster_engine::event::Event;
use muster_engine::event::{Heartbeat, Problem};
use muster_engine::time::backoff;
use muster_kit::client::{CallError, Client};
use muster_kit::leader::{Claim, Standing, judge};
use muster_kit::lease::{LeaseError, Record, replaced};
use tokio::sync::{mpsc, watch};

use self::rival::{Rivalry, Whose};
use crate::MANAGER;
use crate::clock::Clock;
use crate::failure::{failure, told};
use crate::metrics::Metrics;
use crate::session::Open;
use muster_kit::pulse::Pulse;

/// Time for one call: a heartbeat that takes longer is late anyway.
const DEADLINE: Duration = Duration::from_secs(10);
/// The duration of a Lease that says none.
const UNSAID: Duration = Duration::from_secs(40);
/// A Lease is never renewed more often than if it lasted this long.
const SHORTEST: Duration = Duration::from_secs(4);
/// Longest time until a Lease is tried again that is missing or forbidden, or whose server does not answer.
const LOOK: Duration = Duration::from_secs(10);

/// Why a heartbeat was not taken.
#[derive(Debug, thiserror::Error)]
enum BeatError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Lease(#[from] LeaseError),
    #[error(
        "{holder} renews the lease: another agent runs under this cluster's name. This one writes nothing in the directory and \
             follows nothing there, keeps what it made as it is, and deletes nothing, until it holds the lease again: stop one of the \
             two, or give this cluster an entry and a credential of its own"
    )]
    Other { holder: String },
    #[error(
        "the lease was renewed in this cluster's name when no process of this cluster is known to have done so: it is \
             renewed from here unless another agent does so within {within:?}"
    )]
    Open { within: Duration },
    #[error("the agent makes no progress")]
    Stuck,
    #[error("the directory was set back")]
    SetBack { shown: Box<Beat>, acknowledged: Box<Beat> },
}

impl BeatError {
    fn problem(&self) -> (Failure, HeartbeatAccepted) {
        match self {
            Self::Call(error) => {
                let failure = failure(error);
                let reason = match failure {
                    Failure::Forbidden => HeartbeatAccepted::Forbidden,
                    Failure::Absent => HeartbeatAccepted::Missing,
                    _ => HeartbeatAccepted::Failed,
                };
                (failure, reason)
            }
            Self::Other { .. } | Self::Open { .. } => (Failure::Conflict, HeartbeatAccepted::Conflict),
            Self::Lease(_) => (Failure::Malformed, HeartbeatAccepted::Failed),
            Self::Stuck | Self::SetBack { .. } => (Failure::Fenced, HeartbeatAccepted::Failed),
        }
    }

    /// What people are told. `namespace`: the agent's own, in the replica.
    fn told(&self, namespace: &str) -> String {
        match self {
            Self::Call(error) => told(error, namespace),
            _ => self.to_string(),
        }
    }

    fn category(&self) -> &'static str {
        match self {
            Self::Call(error) => error.category(),
            Self::Lease(_) => "malformed",
            Self::Other { .. } => "other",
            Self::Open { .. } => "open",
            Self::Stuck => "stuck",
            Self::SetBack { .. } => "set-back",
        }
    }
}

/// Beats for one replica.
pub struct Heart {
    /// Who holds the Lease: the replica and the install in it, never a pod, else each failover would look like a clone.
    pub identity: String,
    /// The agent's own namespace in the replica.
    pub namespace: String,
    /// Whether this process is to speak for the replica.
    pub claim: watch::Receiver<Claim>,
    /// How long such a claim lasts. What was acknowledged is written down with each renewal of it.
    pub claim_lasts: Duration,
    /// Whether the agent makes progress.
    pub pulse: Pulse,
    /// To the engine.
    pub events: mpsc::Sender<Event>,
    /// The last renewal that is known to have been acknowledged.
    pub known: watch::Receiver<Option<Beat>>,
    /// Metrics.
    pub metrics: Metrics,
    /// What is told of this machine's clock: each answer to a heartbeat says what time it is in the directory.
    pub clock: watch::Sender<Clock>,
}

/// Whether another agent renews the Lease under the very same identity, as after a replica was cloned: between what
/// was last seen here and now somebody else wrote a later renewal. What this process wrote itself it has seen, unless
/// the answer was lost, and then it looks first.
fn is_double(identity: &str, before: &Record, now: &Record) -> bool {
    before.holder == identity && now.holder == identity && now.renewed > before.renewed
}

/// What a Lease of the directory of this `kube-system` UID says of its renewals.
///
/// # Errors
/// Where it is malformed.
pub fn beat(directory: &str, lease: &Object) -> Result<Beat, LeaseError> {
    let Record { renewed, transitions, holder, .. } = Record::of(lease)?;
    let (name, lease) = (lease.meta.name.clone(), lease.meta.uid.clone());
    Ok(Beat { directory: directory.to_owned(), name, lease, renewed, transitions, holder })
}

/// When the next renewal is said to be: later than all before it, whatever the clock says by now, since it is by that
/// that a directory is known which was set back. The directory itself looks only at whether it changes.
fn next(before: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let least = before.and_then(|before| before.checked_add(Duration::from_micros(1)).ok());
    least.map_or(now, |least| least.max(now))
}

/// Whether who renewed the Lease is of the same replica: there one process acts at a time, of whatever install.
fn is_of(holder: &str, identity: &str) -> bool {
    let replica = |identity: &str| identity.split_once('/').map(|(replica, _)| replica.to_owned());
    holder == identity || replica(holder).is_some_and(|of| Some(of) == replica(identity))
}

/// The Lease as it was last seen, and since when it has looked so.
struct Seen {
    lease: Object,
    record: Record,
    since: Instant,
}

/// What was acknowledged is known no more: what shows that the directory was set back is recorded.
async fn forgotten(mut known: watch::Receiver<Option<Beat>>) {
    if known.wait_for(Option::is_none).await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Heart {
    /// Beats while there is a session, for ever.
    pub async fn beat(mut self, mut opened: watch::Receiver<Option<Arc<Open>>>) {
        let mut seen = None;
        let mut rivalry = Rivalry::default();
        loop {
            if self.claim.wait_for(|claim| claim.is_unopposed(Instant::now())).await.is_err() {
                return;
            }
            let open = opened.borrow_and_update().clone();
            let Some(open) = open else {
                seen = None;
                if opened.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let outcome = self.renew(&open, &mut seen, &mut rivalry).await;
            let told = *self.clock.borrow();
            let clock = told.seen(open.beats.clock_ahead());
            if clock != told {
                self.clock.send_replace(clock);
            }
            let result = outcome.as_ref().map_or_else(BeatError::category, |_| "ok");
            self.metrics.heartbeats.with_label_values(&[result]).inc();
            let wait = match (&outcome, &seen) {
                (Ok(_), Some(Seen { record, .. })) => record.duration.max(SHORTEST) / 4,
                (Err(BeatError::Other { .. } | BeatError::Open { .. }), Some(Seen { record, .. })) => {
                    (record.duration.max(SHORTEST) / 4).min(LOOK)
                }
                // Whatever keeps one from being taken may concern a whole fleet, from one moment on.
                _ => backoff(1, LOOK, LOOK, muster_kit::random::salt()),
            };
            let heartbeat = match outcome {
                Ok(beat) => Heartbeat::Renewed(beat),
                Err(BeatError::SetBack { shown, acknowledged }) => {
                    seen = None;
                    Heartbeat::SetBack { shown: *shown, acknowledged: *acknowledged }
                }
                Err(error) => {
                    let another = matches!(error, BeatError::Other { .. } | BeatError::Open { .. });
                    seen = seen.filter(|_| another);
                    let (failure, reason) = error.problem();
                    let message = error.told(&self.namespace);
                    Heartbeat::Failed { failure, problem: Problem { reason, message } }
                }
            };
            drop(open);
            let is_set_back = matches!(heartbeat, Heartbeat::SetBack { .. });
            // While the replica cannot be asked, this is how a process learns that another one of its install acts.
            let other = matches!(&heartbeat, Heartbeat::Failed { failure: Failure::Conflict, .. });
            if other && *self.claim.borrow() == Claim::Adrift {
                tracing::warn!(
                    "another process renews the heartbeat: silent until the replica says who acts"
                );
                seen = None;
                if self.events.send(Event::Heartbeat(heartbeat)).await.is_err()
                    || self.claim.wait_for(|claim| *claim != Claim::Adrift).await.is_err()
                {
                    return;
                }
                continue;
            }
            if self.events.send(Event::Heartbeat(heartbeat)).await.is_err() {
                return;
            }
            let known = self.known.clone();
            tokio::select! {
                // A new session beats at once: the old one's connection is of no use any more.
                _ = opened.changed() => {}
                () = forgotten(known), if is_set_back => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn renew(
        &self,
        open: &Open,
        seen: &mut Option<Seen>,
        rivalry: &mut Rivalry,
    ) -> Result<Beat, BeatError> {
        if !self.pulse.is_alive(Instant::now()) {
            return Err(BeatError::Stuck);
        }
        let client = open.beats.with_deadline(DEADLINE);
        let first = match seen.take() {
            Some(seen) if seen.record.holder == self.identity && !rivalry.is_open() => seen,
            before => self.look(&client, open, before).await?,
        };
        if let Some(why) = self.yields(&first, rivalry) {
            *seen = Some(first);
            return Err(why);
        }
        open.gates[1].admit(&client).await?;
        let lease = match self.put(&client, open, &first, rivalry.begins()).await {
            // Somebody wrote the Lease: look who, and renew what is there now.
            Err(BeatError::Call(CallError::Conflict { .. })) => {
                let again = self.look(&client, open, None).await?;
                // The last process of this replica may have sent it a moment before it ended.
                if !rivalry.begins() && is_double(&self.identity, &first.record, &again.record) {
                    let holder = again.record.holder.clone();
                    rivalry.overtaken(&again.record, Instant::now());
                    *seen = Some(again);
                    return Err(BeatError::Other { holder });
                }
                let put = self.put(&client, open, &again, false).await;
                if put.is_err() {
                    *seen = Some(again);
                }
                put?
            }
            Err(error) => {
                *seen = Some(first);
                return Err(error);
            }
            Ok(lease) => lease,
        };
        let record = Record::of(&lease)?;
        let beat = beat(&open.joined.pin.directory, &lease)?;
        rivalry.renewed();
        *seen = Some(Seen { lease, record, since: Instant::now() });
        Ok(beat)
    }

    /// Why the Lease is not to be renewed, as it is.
    fn yields(&self, seen: &Seen, rivalry: &mut Rivalry) -> Option<BeatError> {
        let record = &seen.record;
        if !is_of(&record.holder, &self.identity) {
            return None; // it is granted its time
        }
        let acknowledged = self.known.borrow().as_ref().and_then(|beat| beat.renewed);
        match rivalry.judge(record, acknowledged, self.claim_lasts, Instant::now()) {
            Whose::Ours => None,
            Whose::Anothers => Some(BeatError::Other { holder: record.holder.clone() }),
            Whose::Open => Some(BeatError::Open { within: record.duration / 4 }),
        }
    }

    async fn look(&self, client: &Client, open: &Open, before: Option<Seen>) -> Result<Seen, BeatError> {
        let lease = client.get(&LEASES, Some(&open.execution_namespace), &open.joined.pin.cluster).await?;
        let record = Record::of(&lease)?;
        let duration = if record.duration.is_zero() { UNSAID } else { record.duration };
        let record = Record { duration, ..record };
        let acknowledged = self.known.borrow().clone();
        let shown = beat(&open.joined.pin.directory, &lease)?;
        if let Some(acknowledged) = acknowledged.filter(|acknowledged| shown.is_before(acknowledged)) {
            let (shown, acknowledged) = (Box::new(shown), Box::new(acknowledged));
            return Err(BeatError::SetBack { shown, acknowledged });
        }
        let since =
            before.filter(|before| before.record == record).map_or_else(Instant::now, |before| before.since);
        Ok(Seen { lease, record, since })
    }

    /// `begins`: this process renews it for the first time, and goes on from the last one of the replica.
    async fn put(
        &self,
        client: &Client,
        open: &Open,
        seen: &Seen,
        begins: bool,
    ) -> Result<Object, BeatError> {
        // Another holder is granted a full duration from when its last renewal was seen.
        let goes_on = begins && is_of(&seen.record.holder, &self.identity);
        if !goes_on
            && let Standing::Other { .. } = judge(&seen.record, &self.identity, seen.since, Instant::now())
        {
            return Err(BeatError::Other { holder: seen.record.holder.clone() });
        }
        let now = Timestamp::now();
        let mine = seen.record.holder == self.identity;
        let known = self.known.borrow().as_ref().and_then(|beat| beat.renewed);
        let record = Record {
            holder: self.identity.clone(),
            duration: seen.record.duration,
            acquired: if mine { seen.record.acquired } else { Some(now) },
            renewed: Some(next(seen.record.renewed.filter(|_| mine).max(known), now)),
            transitions: seen.record.transitions + i32::from(!mine && !seen.record.holder.is_empty()),
        };
        let body = replaced(&seen.lease, &record, &std::collections::BTreeMap::new())?;
        let (namespace, name) = (Some(open.execution_namespace.as_str()), open.joined.pin.cluster.as_str());
        Ok(client.replace(&LEASES, namespace, name, MANAGER, body).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(holder: &str, second: i64) -> Record {
        Record {
            holder: holder.into(),
            duration: UNSAID,
            acquired: None,
            renewed: Timestamp::from_second(second).ok(),
            transitions: 0,
        }
    }

    #[test]
    fn a_renewal_is_later_than_the_one_before() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(next(None, at(1000)), at(1000));
        assert_eq!(next(Some(at(999)), at(1000)), at(1000));
        assert_eq!(next(Some(at(1000)), at(1000)), at(1000) + Duration::from_micros(1));
        assert_eq!(next(Some(at(9999)), at(1000)), at(9999) + Duration::from_micros(1));
    }

    #[test]
    fn whoever_is_of_the_same_replica_is_known_by_its_uid() {
        assert!(is_of("r/one", "r/one") && is_of("r/other", "r/one"));
        for other in ["", "r", "other/one", "one", "r2/one"] {
            assert!(!is_of(other, "r/one"), "{other}");
        }
    }

    #[test]
    fn a_renewal_that_somebody_else_wrote_under_our_identity_is_a_double() {
        assert!(is_double("me", &record("me", 1), &record("me", 2)));
        assert!(!is_double("me", &record("me", 1), &record("me", 1)), "somebody changed something else");
        assert!(!is_double("me", &record("other", 1), &record("me", 2)), "it was not ours before");
        assert!(!is_double("me", &record("me", 1), &record("other", 2)), "that is judged by its time");
    }
}
