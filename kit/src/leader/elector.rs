//! The loop of an election.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use muster_api::Object;
use muster_api::resource::LEASES;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Claim, Election, Leading, Standing, judge};
use crate::client::{CallError, Client};
use crate::lease::{Record, created, replaced};
use crate::log::Fold;
use crate::random::fraction;
use crate::watch::backoff::{Backoff, Ended};
use crate::watch::{Form, Link, Target, WatchEvent, WatchOptions, watch};

/// How often the same trouble is logged.
const FOLD: Duration = Duration::from_secs(600);
/// The first wait after a failure; the longest is the time between renewals.
const RETRY: Duration = Duration::from_millis(500);

/// The last record that was seen, and when it first looked like this. It outlives the object: a Lease that somebody
/// deletes is still its holder's until the claim has run out.
struct Seen {
    record: Record,
    at: Instant,
}

struct State {
    election: Election,
    links: watch::Receiver<Option<Link>>,
    claims: watch::Sender<Claim>,
    resets: watch::Sender<u32>,
    seen: Option<Seen>,
    /// The last version of the Lease: a server counts up, as long as it is not set back.
    version: u64,
    /// The object as it was last read; none where it is absent.
    lease: Option<Object>,
    /// Whether `lease` is as the server has it, as far as we know.
    fresh: bool,
    /// Whether the end of the last claim was noticed while nobody else could lead yet.
    noticed: Arc<AtomicBool>,
    backoff: Backoff,
    fold: Fold,
}

pub(super) async fn run(
    election: Election,
    links: watch::Receiver<Option<Link>>,
    claims: watch::Sender<Claim>,
    resets: watch::Sender<u32>,
    cancel: CancellationToken,
) {
    let noticed = Arc::new(AtomicBool::new(false));
    let expiry = expire(claims.clone(), election.margin, Arc::clone(&noticed));
    let mut state = State {
        election,
        links,
        claims,
        resets,
        seen: None,
        version: 0,
        lease: None,
        fresh: false,
        noticed,
        backoff: Backoff::default(),
        fold: Fold::new(FOLD),
    };
    tokio::select! {
        biased;
        () = cancel.cancelled() => {}
        () = expiry => {}
        () = state.contend() => {}
    }
    state.release().await;
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Withdraws a claim that ran out, so that whoever waits for changes of it learns of it. Says whether that was noticed
/// before the Lease was over, which is `margin` later: a process that was paused for longer notices too late.
async fn expire(claims: watch::Sender<Claim>, margin: Duration, noticed: Arc<AtomicBool>) {
    let mut claim = claims.subscribe();
    loop {
        let held = claim.borrow_and_update().clone();
        let Claim::Held { until } = held else {
            if claim.changed().await.is_err() {
                return;
            }
            continue;
        };
        if timeout_at(until.into(), claim.changed()).await.is_err() {
            noticed.store(now() < until + margin, Ordering::Relaxed);
            claims.send_if_modified(|claim| {
                let over = *claim == held;
                if over {
                    tracing::warn!("the claim to lead ran out");
                    *claim = Claim::Unknown;
                }
                over
            });
        }
    }
}

impl State {
    async fn contend(&mut self) {
        loop {
            let link = match self.links.wait_for(Option::is_some).await {
                Ok(link) => link.clone(),
                Err(_) => return,
            };
            let Some(link) = link else { return };
            let led = self.claims.borrow().holds(now());
            let wait = match self.step(&link).await {
                Ok(Some(wait)) => {
                    self.backoff = Backoff::default();
                    wait
                }
                // Somebody was faster. Look again, and less and less often.
                Ok(None) => {
                    self.fresh = false;
                    self.pause()
                }
                Err(error) => {
                    self.fresh = false;
                    self.drift(led);
                    if let Some(repeats) = self.fold.seen(error.category(), now()) {
                        tracing::warn!(%error, repeats, "unable to contend for the lease");
                    }
                    self.pause()
                }
            };
            sleep(wait).await;
        }
    }

    /// How long to wait after what did not succeed.
    fn pause(&mut self) -> Duration {
        let bounds = (RETRY.min(self.election.renew), self.election.renew);
        self.backoff.after(Ended::Badly, Duration::ZERO, Duration::MAX, bounds, fraction())
    }

    /// One step; how long to wait before the next. `None`: somebody wrote the Lease meanwhile.
    async fn step(&mut self, link: &Link) -> Result<Option<Duration>, CallError> {
        // A claim that ran out may be another's by now: that is looked at, not tried.
        if !self.fresh || !self.claims.borrow().holds(now()) {
            self.read(link).await?;
        }
        let standing = self
            .seen
            .as_ref()
            .map_or(Standing::Free, |seen| judge(&seen.record, &self.election.identity, seen.at, now()));
        match standing {
            Standing::Other { until } => {
                let holder = self.seen.as_ref().map(|seen| seen.record.holder.clone()).unwrap_or_default();
                self.publish(Claim::Other { holder });
                self.stand_by(until).await;
                Ok(Some(Duration::ZERO))
            }
            Standing::Mine | Standing::Free => self.write(link, &standing).await,
        }
    }

    async fn read(&mut self, link: &Link) -> Result<(), CallError> {
        let client = link.client.with_deadline(self.election.renew);
        match client.get(&LEASES, Some(&self.election.namespace), &self.election.name).await {
            Ok(lease) => self.observe(lease),
            Err(error) if error.proves_absence() => self.lease = None,
            Err(error) => return Err(error),
        }
        self.fresh = true;
        Ok(())
    }

    /// Takes note of the Lease. What is no Lease is as good as one that its last holder still has.
    fn observe(&mut self, lease: Object) {
        // Not as by KEP-5504, where they are compared for order alone: what is no number says nothing.
        if let Ok(version) = lease.meta.resource_version.parse() {
            let before = std::mem::replace(&mut self.version, version);
            if version < before {
                tracing::warn!(before, version, "the API server was set back to an earlier state");
                self.resets.send_modify(|resets| *resets += 1);
            }
        }
        match Record::of(&lease) {
            Ok(record) if self.seen.as_ref().is_some_and(|seen| seen.record == record) => {}
            Ok(record) => self.seen = Some(Seen { record, at: now() }),
            Err(error) => tracing::warn!(%error, "unable to contend for the lease"),
        }
        self.lease = Some(lease);
    }

    /// Renews or takes the Lease.
    async fn write(&mut self, link: &Link, standing: &Standing) -> Result<Option<Duration>, CallError> {
        let last = self.seen.as_ref().map(|seen| &seen.record);
        let time = Some(Timestamp::now());
        let record = Record {
            holder: self.election.identity.clone(),
            duration: self.election.duration,
            acquired: last.filter(|_| *standing == Standing::Mine).map_or(time, |last| last.acquired),
            renewed: time,
            transitions: last
                .map_or(0, |last| last.transitions.saturating_add(i32::from(*standing == Standing::Free))),
        };
        let sent = now();
        let mut client = link.client.with_deadline(self.election.renew);
        // A renewal is a write like others: a process that was paused must not begin it.
        if self.claims.borrow().holds(sent) {
            client = client.fenced(Arc::new(Leading(self.claims.subscribe())));
        }
        let result = self.put(&client, &record).await;
        match result {
            Ok(lease) => {
                self.observe(lease);
                let lasts = self.election.duration.saturating_sub(self.election.margin);
                self.publish(Claim::Held { until: sent + lasts });
                Ok(Some(self.election.renew.saturating_sub(now() - sent)))
            }
            Err(
                CallError::Conflict { .. }
                | CallError::AlreadyExists { .. }
                | CallError::NotFound { named: true, .. },
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn put(&self, client: &Client, record: &Record) -> Result<Object, CallError> {
        let Election { namespace, name, manager, annotations, .. } = &self.election;
        let annotations = annotations.borrow().clone();
        match &self.lease {
            None => {
                let body = created(namespace, name, record, &annotations);
                client.create(&LEASES, Some(namespace), manager, body).await
            }
            Some(lease) => {
                let body = replaced(lease, record, &annotations).unwrap_or_default();
                client.replace(&LEASES, Some(namespace), name, manager, body).await
            }
        }
    }

    /// Waits until the Lease may be free: released, gone, or not renewed until its time was over. What the watch shows
    /// moves that time.
    async fn stand_by(&mut self, mut until: Instant) {
        let target = Target {
            resource: LEASES,
            namespace: Some(self.election.namespace.clone()),
            labels: None,
            fields: Some(format!("metadata.name={}", self.election.name)),
            form: Form::Whole,
        };
        let (out, mut events) = mpsc::channel(4);
        let watching =
            watch(target, self.links.clone(), out, WatchOptions::default(), CancellationToken::new());
        tokio::pin!(watching);
        let mut listed = false;
        loop {
            let watched = tokio::select! {
                () = &mut watching => return,
                () = sleep_until(until.into()) => return,
                watched = events.recv() => watched,
            };
            match watched.map(|watched| watched.event) {
                Some(WatchEvent::Listed(lease) | WatchEvent::Applied(lease)) => {
                    listed = true;
                    self.observe(lease);
                    let Some(seen) = &self.seen else { return };
                    match judge(&seen.record, &self.election.identity, seen.at, now()) {
                        Standing::Other { until: later } => until = later,
                        Standing::Mine | Standing::Free => return,
                    }
                    let holder = seen.record.holder.clone();
                    self.publish(Claim::Other { holder });
                }
                Some(WatchEvent::Init) => listed = false,
                Some(WatchEvent::Deleted(_)) => self.lease = None,
                Some(WatchEvent::Complete { .. }) if !listed => self.lease = None,
                Some(_) => {}
                None => return,
            }
        }
    }

    /// A step failed. If the claim had run out before it began, the server was asked who leads, and did not answer.
    /// Whoever noticed the end too late was away, perhaps for long: that it gets no answer now says nothing of who
    /// leads by now.
    fn drift(&self, led: bool) {
        let last = self.seen.as_ref().is_some_and(|seen| seen.record.holder == self.election.identity);
        let noticed = self.noticed.load(Ordering::Relaxed);
        if !led && last && noticed && *self.claims.borrow() == Claim::Unknown {
            self.publish(Claim::Adrift);
        }
    }

    fn publish(&self, claim: Claim) {
        self.claims.send_if_modified(|published| {
            let differs = *published != claim;
            if differs {
                match (&*published, &claim) {
                    (Claim::Held { .. }, Claim::Held { .. }) => {}
                    (_, Claim::Held { .. }) => tracing::info!(lease = self.election.name, "leading"),
                    (_, Claim::Other { holder }) => {
                        let holder = crate::client::excerpt(holder);
                        tracing::info!(lease = self.election.name, holder, "another leads");
                    }
                    (_, Claim::Adrift) => {
                        tracing::warn!(lease = self.election.name, "unable to learn who leads");
                    }
                    (_, Claim::Unknown) => tracing::warn!(lease = self.election.name, "no longer leading"),
                }
                *published = claim;
            }
            differs
        });
    }

    /// Gives the Lease up if it is ours.
    async fn release(mut self) {
        let link = self.links.borrow().clone();
        let held = matches!(*self.claims.borrow(), Claim::Held { .. });
        self.claims.send_replace(Claim::Unknown);
        let (Some(link), Some(seen), true) = (link, self.seen.take(), held) else { return };
        let record = Record {
            holder: String::new(),
            duration: Duration::from_secs(1),
            renewed: Some(Timestamp::now()),
            ..seen.record
        };
        let client = link.client.with_deadline(self.election.renew);
        let mut released = self.put(&client, &record).await;
        // The last renewal may have been under way when this began, and been carried out.
        if matches!(released, Err(CallError::Conflict { .. })) && self.is_mine(&link).await {
            released = self.put(&client, &record).await;
        }
        match released {
            Ok(_) => tracing::info!(lease = self.election.name, "released"),
            Err(error) => tracing::warn!(%error, "unable to release the lease"),
        }
    }

    /// Whether the Lease is ours, as the server has it now.
    async fn is_mine(&mut self, link: &Link) -> bool {
        let read = self.read(link).await.is_ok();
        read && self.seen.as_ref().is_some_and(|seen| seen.record.holder == self.election.identity)
    }
}
