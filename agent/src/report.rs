//! The report: one writer, two places. First the copy in the agent's own namespace, so that the replica's owner sees
//! what is so while the directory is away; then the one in the execution namespace. Conditions are written at once,
//! what only counts every [`SPACING`].

mod news;
pub(crate) mod place;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use muster_api::condition;
use muster_api::condition::Condition;
use muster_api::conditions::{Acting, ConditionType, Severity};
use muster_api::events::EventReason;
use muster_api::report::{
    AgentReport, ClusterReportStatus, CredentialReport, DirectoryReport, MirrorReport, PoliciesReport,
    ReplicaReport, WorksReport,
};
use muster_kit::events::{Emitter, Kind};
use muster_kit::leader::Claim;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

pub(crate) use self::news::news;
use self::place::Place;
use crate::clock::Clock;
use crate::facts::Facts;
use crate::index::View;
use crate::replica::Replica;
use crate::session::Open;

/// Least time between two writes that only counters cause.
pub const SPACING: Duration = Duration::from_secs(10);
/// Least time between any two writes: what happens together is told together.
const BREATH: Duration = Duration::from_secs(1);
/// The condition without which nothing is told.
const DIRECTORY: &str = ConditionType::DirectoryReachable.as_str();
/// How long after a write that failed the next is tried.
const AGAIN: Duration = Duration::from_secs(30);

/// What the report is made of, as it is now.
pub struct Sources {
    /// What the engine says.
    pub views: watch::Receiver<View>,
    /// The session.
    pub opened: watch::Receiver<Option<Arc<Open>>>,
    /// What is known of the replica.
    pub facts: watch::Receiver<Facts>,
    /// What is known of this machine's clock.
    pub clock: watch::Receiver<Clock>,
}

/// Writes the report.
pub struct Reporter {
    replica: Replica,
    sources: Sources,
    emitter: Emitter,
    claim: watch::Receiver<Claim>,
    status: ClusterReportStatus,
}

/// What every report says of who reports, and on what.
pub(crate) fn about(replica: &Replica) -> ClusterReportStatus {
    ClusterReportStatus {
        replica: Some(ReplicaReport {
            id: Some(replica.id.clone()),
            version: replica.version.clone(),
            ..ReplicaReport::default()
        }),
        agent: Some(AgentReport {
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            mode: Some(replica.mode),
        }),
        ..ClusterReportStatus::default()
    }
}

/// Sends Events about the report at a place.
pub(crate) async fn announce(emitter: &Emitter, place: &Place, news: Vec<(EventReason, String)>) {
    for (reason, note) in news {
        let kind = match reason.severity() {
            Severity::Normal => Kind::Normal,
            Severity::Warning => Kind::Warning,
        };
        let note = format!("{note} Next: {}", reason.next());
        if !emitter.emit(&place.reference(), kind, reason.as_str(), "Report", &note).await {
            tracing::debug!(reason = reason.as_str(), "Event not written");
        }
    }
}

impl Reporter {
    /// A reporter of one replica, that tells while `claim` is unopposed.
    #[must_use]
    pub fn new(replica: Replica, sources: Sources, emitter: Emitter, claim: watch::Receiver<Claim>) -> Self {
        Self { replica, sources, emitter, claim, status: ClusterReportStatus::default() }
    }

    /// Writes until `cancel`.
    pub async fn run(mut self, cancel: CancellationToken) {
        let _ = cancel.run_until_cancelled(self.write()).await;
    }

    async fn write(&mut self) {
        let mut local = Place::own(&self.replica);
        let mut upstream: Option<Place> = None;
        let mut corrected = 0;
        // Times of transitions go on from what was told before this process began.
        if let Some(told) = local.read().await {
            self.status = told;
        }
        // Until something is known of the directory there is nothing to tell.
        let known = |view: &View| view.conditions.iter().any(|condition| condition.type_ == DIRECTORY);
        if self.sources.views.wait_for(known).await.is_err() {
            return;
        }
        loop {
            // The replica's API may be down: that is told in the directory. Whoever was paused waits for its answer.
            if self.claim.wait_for(|claim| claim.is_unopposed(std::time::Instant::now())).await.is_err() {
                return;
            }
            let view = self.sources.views.borrow_and_update().clone();
            let open = self.sources.opened.borrow_and_update().clone();
            let before = self.status.clone();
            self.status = self.compose(&view, open.as_deref());
            let news = news(&before, &self.status, view.corrected - corrected);
            announce(&self.emitter, &local, news).await;
            corrected = view.corrected;
            let mut failed = false;
            // One cluster needs one report; one that is there from before it joined itself is not left to go stale.
            let one = open.as_ref().is_some_and(|open| open.joined.same_cluster());
            failed |=
                !if one { local.keep_right(&self.status).await } else { local.write(&self.status).await };
            upstream = match (upstream, &open) {
                (Some(place), Some(open)) if place.is_of(open) => Some(place),
                (_, Some(open)) => Some(Place::upstream(open)),
                (_, None) => None,
            };
            drop(open); // held on, it would keep the connections of an old session open
            if let Some(place) = upstream.as_mut().filter(|_| !view.silent) {
                failed |= !place.write(&self.status).await;
            }
            if !self.wait(failed).await {
                return;
            }
        }
    }

    /// The replica with what is known of it: what was read, and until then what was told of it before.
    fn known(&mut self, replica: ReplicaReport) -> ReplicaReport {
        let told = self.status.replica.as_ref().filter(|told| told.id == replica.id);
        let mut known =
            ReplicaReport { id: replica.id, version: replica.version, ..told.cloned().unwrap_or_default() };
        self.sources.facts.borrow_and_update().put(&mut known);
        known
    }

    /// Waits until there is something to write; `false` when there never will be.
    async fn wait(&mut self, failed: bool) -> bool {
        let written = Instant::now();
        let mut due = failed.then_some(written + AGAIN);
        loop {
            let at = due.unwrap_or(written);
            let spacing = tokio::select! {
                () = sleep_until(at), if due.is_some() => return true,
                Ok(()) = self.sources.opened.changed() => BREATH,
                Ok(()) = self.sources.clock.changed() => BREATH,
                Ok(()) = self.sources.facts.changed() => SPACING,
                Ok(()) = self.sources.views.changed() => {
                    let view = self.sources.views.borrow_and_update().clone();
                    let conditions = self.compose(&view, None).conditions;
                    if conditions == self.status.conditions { SPACING } else { BREATH }
                }
                else => return false,
            };
            due = Some(due.map_or(written + spacing, |due| due.min(written + spacing)));
        }
    }

    /// The report as it is to be: what was told, with what is so now in its place.
    fn compose(&mut self, view: &View, open: Option<&Open>) -> ClusterReportStatus {
        let ClusterReportStatus { replica, agent, .. } = about(&self.replica);
        let mut status = ClusterReportStatus { agent, ..self.status.clone() };
        status.replica = replica.map(|replica| self.known(replica));
        for condition in &view.conditions {
            condition::set(&mut status.conditions, condition.clone());
        }
        let acting = Condition::new(Acting::Acting, "", Timestamp::now().into());
        condition::set(&mut status.conditions, acting);
        let clock = self.sources.clock.borrow_and_update().condition(Timestamp::now());
        if let Some(clock) = clock {
            condition::set(&mut status.conditions, clock);
        }
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        status.mirror = Some(MirrorReport {
            entries: count(view.mirror.entries),
            copies: count(view.mirror.in_step),
            conflicts: count(view.mirror.conflicts),
            frozen_deletions: count(view.mirror.unconfirmed),
        });
        let (applied, objects, frozen) = view.policies;
        status.policies = Some(PoliciesReport {
            applied: count(applied),
            objects: count(objects),
            frozen_deletions: count(frozen),
        });
        let [total, applied, failing, held] = view.works.map(count);
        status.holds.clone_from(&view.holds);
        status.works = Some(WorksReport { total, applied, failing, held });
        if let Some(open) = open {
            status.cluster = Some(open.joined.pin.cluster.clone());
            status.directory = Some(DirectoryReport {
                id: Some(open.joined.pin.directory.clone()),
                server: Some(open.server.clone()),
            });
            let expires = view.credential_expires.map(Into::into);
            status.credential = Some(CredentialReport {
                user: Some(open.user.clone()),
                expires,
                renewed: open.renewed.map(Into::into),
            });
        }
        status
    }
}
