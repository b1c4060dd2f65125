//! What people are told: the conditions of the report, from all that the engine knows.

use jiff::Timestamp;
use muster_api::condition::Condition;
use muster_api::conditions::{
    CredentialsValid, Deregistered, DirectoryReachable, EntryPresent, HeartbeatAccepted, LedgerUsable,
    MirrorInSync, PoliciesApplied, ReplicaReachable, WorksApplied,
};

use super::{Engine, Seen};
use crate::directory;
use crate::event::{Heartbeat, Problem, Session};
use crate::evidence;
use crate::failure::Failure;
use crate::memory::Departed;
use crate::scope::Scope;
use crate::state::State;
use crate::time::Now;

/// How many Clusters a message names at most.
const NAMED: usize = 5;
/// What is said while the owner of the replica wants nothing to be written.
const PAUSED: &str = "the owner of this cluster paused the agent by an annotation of the local report";
/// What is said while the replica does not answer who leads.
const ADRIFT: &str = "the API server of this cluster did not answer in time for the agent's Lease to be renewed: nothing is written";
/// What is said until the local report was read.
const UNHEARD: &str =
    "the local report, by which the owner of this cluster may pause the agent, is still to be read";

impl Engine {
    /// The conditions as they are now. A condition of which nothing is known yet is absent.
    #[must_use]
    pub fn conditions(&self, now: Now) -> Vec<Condition> {
        let Self { state, session, own, .. } = self;
        let session = session.as_ref();
        let at = now.wall.into();
        let mut conditions = Vec::new();
        let directory = directory_reachable(state, session, self.is_silent());
        let directory = self.set_back_told(directory);
        // A credential that was good when it was tried, and is no more.
        let rejected =
            directory.clone().filter(|problem| problem.reason == DirectoryReachable::CredentialsRejected);
        conditions.extend(directory.map(|problem| Condition::new(problem.reason, problem.message, at)));
        if let Some(session) = session
            && own.listing.is_complete()
        {
            let (reason, message) = entry_present(session, own.seen.as_ref());
            conditions.push(Condition::new(reason, message, at));
        }
        if let Some((reason, message)) = replica_reachable(state) {
            conditions.push(Condition::new(reason, message, at));
        }
        if let Some((problem, _)) = &state.credential {
            conditions.push(match (problem, rejected) {
                (Some(problem), _) => Condition::new(problem.reason, problem.message.clone(), at),
                (None, Some(Problem { message, .. })) => {
                    Condition::new(CredentialsValid::CredentialsRejected, message, at)
                }
                (None, None) => Condition::new(CredentialsValid::Valid, "", at),
            });
        }
        if let Some((reason, message)) = self.mirror_in_sync() {
            conditions.push(Condition::new(reason, message, at));
        }
        if let Some((reason, message)) = self.policies_applied(now) {
            conditions.push(Condition::new(reason, message, at));
        }
        if let Some((reason, message)) = self.works_applied() {
            conditions.push(Condition::new(reason, message, at));
        }
        if let Some((reason, message)) = self.held() {
            conditions.push(Condition::new(reason, message, at));
        }
        match &state.ledger {
            Some(Ok(())) => {
                let message = match &state.leaving {
                    Some(Err(why)) => {
                        format!("but nothing of Works goes with the entry of this cluster: {why}")
                    }
                    Some(Ok(())) | None => String::new(),
                };
                conditions.push(Condition::new(LedgerUsable::Usable, message, at));
            }
            Some(Err(problem)) => {
                conditions.push(Condition::new(problem.reason, problem.message.clone(), at));
            }
            None => {}
        }
        if let Some((reason, message)) = self.deregistered() {
            conditions.push(Condition::new(reason, message, at));
        }
        match &state.heartbeat {
            Some(Heartbeat::Renewed(_)) => {
                conditions.push(Condition::new(HeartbeatAccepted::Accepted, "", at));
            }
            // It is sent again in a moment.
            Some(Heartbeat::SetBack { shown, acknowledged }) => {
                let why = evidence::set_back(shown, acknowledged);
                conditions.push(Condition::new(HeartbeatAccepted::Failed, why, at));
            }
            Some(Heartbeat::Failed { problem, .. }) => {
                conditions.push(Condition::new(problem.reason, problem.message.clone(), at));
            }
            None => {}
        }
        conditions
    }

    /// When the credential in use ends, by its own account.
    #[must_use]
    pub fn credential_expires(&self) -> Option<Timestamp> {
        self.state.credential.as_ref().and_then(|(_, expires)| *expires)
    }

    /// How many hand edits were undone.
    #[must_use]
    pub fn corrected(&self) -> u64 {
        self.state.corrected
    }

    fn mirror_in_sync(&self) -> Option<(MirrorInSync, String)> {
        let Self { state, session, mirror, .. } = self;
        let (session, pending) = (session.as_ref(), self.mirror_news.pending);
        if session.is_some_and(Session::same_cluster) {
            return Some((MirrorInSync::SameCluster, String::new()));
        }
        let known = mirror.held.is_complete() && mirror.entries.is_complete();
        if session.is_none() && !(known && self.directory.is_some()) {
            return None; // nothing was ever compared
        }
        if self.departure.is_some() {
            return Some((MirrorInSync::Left, String::new()));
        }
        match self.owner {
            Some(owner) if owner.paused => return Some((MirrorInSync::Paused, PAUSED.into())),
            None => return Some((MirrorInSync::Pending, UNHEARD.into())),
            Some(_) => {}
        }
        let counts = self.counts();
        if counts.conflicts > 0 {
            let names: Vec<&str> = mirror.conflicts().take(NAMED).collect();
            let more = counts.conflicts - names.len();
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let message = format!("left alone, since no copy, is Cluster {}{more}", names.join(", "));
            return Some((MirrorInSync::Conflict, message));
        }
        if let Some((failure, message)) = mirror.trouble() {
            let refused = matches!(failure, Failure::Forbidden | Failure::Invalid | Failure::Unauthorized);
            if refused || pending {
                return Some((
                    if refused { MirrorInSync::Forbidden } else { MirrorInSync::Pending },
                    message,
                ));
            }
        }
        if pending && counts.unconfirmed > 0 {
            let why = state.doubt.as_deref().unwrap_or("live reads have not confirmed it yet");
            let message = format!(
                "{} copies have no entry in the list of the directory, and stay: {why}",
                counts.unconfirmed
            );
            return Some((MirrorInSync::Pending, message));
        }
        if pending && counts.in_step < counts.entries {
            return Some((MirrorInSync::Pending, "copies are still to be written".into()));
        }
        if !known {
            return Some((MirrorInSync::Pending, "the lists of both sides are still to be read".into()));
        }
        let mut notes = Vec::new();
        if counts.others > 0 {
            notes.push(format!("Clusters of this cluster's own that are left alone: {}", counts.others));
        }
        if counts.strangers > 0 {
            notes.push(format!(
                "copies of another directory's entries that are left alone: {}",
                counts.strangers
            ));
        }
        let reason =
            if *mirror.scope() == Scope::None { MirrorInSync::NotMirrored } else { MirrorInSync::InSync };
        Some((reason, notes.join("; ")))
    }
}

impl Engine {
    fn policies_applied(&self, now: Now) -> Option<(PoliciesApplied, String)> {
        self.memory.as_ref()?;
        if self.departure.is_some() {
            return Some((PoliciesApplied::Left, String::new()));
        }
        match self.owner {
            Some(owner) if owner.paused => return Some((PoliciesApplied::Paused, PAUSED.into())),
            None => return Some((PoliciesApplied::Pending, UNHEARD.into())),
            Some(_) => {}
        }
        match &self.state.ledger {
            Some(Ok(())) => {}
            Some(Err(problem)) => {
                let message = format!("the ledger cannot be used: {}", problem.message);
                return Some((PoliciesApplied::Pending, message));
            }
            None => return Some((PoliciesApplied::Pending, "the ledger is still to be tried".into())),
        }
        let told = self.told(now.mono);
        if !told.passing || self.policies_news.pending {
            return Some((told.reason, told.message));
        }
        // What passes within seconds is not told: what was so before is said on.
        Some((PoliciesApplied::Applied, format!("{} policies, {} objects", told.policies, told.objects)))
    }

    fn works_applied(&self) -> Option<(WorksApplied, String)> {
        self.memory.as_ref()?;
        if self.departure.is_some() {
            return Some((WorksApplied::Left, String::new()));
        }
        match self.owner {
            Some(owner) if owner.paused => return Some((WorksApplied::Paused, PAUSED.into())),
            None => return Some((WorksApplied::Pending, UNHEARD.into())),
            Some(_) => {}
        }
        let (reason, message, passing) = self.works.told();
        if passing && !self.works_news.pending {
            // What passes within seconds is not told.
            return Some((WorksApplied::Applied, String::new()));
        }
        Some((reason, message))
    }

    fn deregistered(&self) -> Option<(Deregistered, String)> {
        let memory = self.memory.as_ref()?;
        let Some(departure) = &self.departure else { return Some((Deregistered::Member, String::new())) };
        let copies = self.mirror.is_cleared(&memory.pin.directory);
        let grants = self.policies.is_cleared();
        let works = departure.takes_works().is_none() || !self.works.is_leaving();
        if copies && grants && works {
            let deleted = |uid| format!("the entry {}, UID {uid}, was deleted", memory.pin.cluster);
            return Some(match departure.why() {
                Departed::EntryDeleted(uid) => (Deregistered::EntryDeleted, deleted(uid)),
                Departed::EntryDeletedWithWorks(uid) => {
                    let stays = Some(self.works.told_leaving()).filter(|stays| !stays.is_empty());
                    let stays = stays.map_or_else(String::new, |stays| format!("; what stays: {stays}"));
                    (Deregistered::EntryDeletedWithWorks, format!("{}{stays}", deleted(uid)))
                }
                Departed::OwnerLeft => (Deregistered::OwnerLeft, String::new()),
            });
        }
        let works = (!works).then(|| format!("what Works made: {}", self.works.told_leaving()));
        let copies = (!copies).then(|| "mirrored copies".to_owned());
        let grants = (!grants).then(|| "what policies made".to_owned());
        let still: Vec<String> = copies.into_iter().chain(grants).chain(works).collect();
        let still = still.join(" and ");
        Some((Deregistered::Leaving, format!("still there: {still}")))
    }
}

fn directory_reachable(
    state: &State,
    session: Option<&Session>,
    is_silent: bool,
) -> Option<Problem<DirectoryReachable>> {
    if let Some(problem) = &state.closed {
        return Some(problem.clone());
    }
    if let Some(problem) = directory::problem(state.reads()) {
        return Some(problem);
    }
    let session = session?;
    // Who is silent follows nothing, and reads its Lease.
    let read = state.ever_read() || state.ever_beat() && is_silent;
    read.then(|| Problem {
        reason: DirectoryReachable::Reachable,
        message: format!("directory {}, as {}", session.pin.directory, session.pin.cluster),
    })
}

fn entry_present(session: &Session, seen: Option<&Seen>) -> (EntryPresent, String) {
    match seen.map(|seen| seen.deleting) {
        Some(false) => (EntryPresent::Present, String::new()),
        Some(true) => (
            EntryPresent::Deregistering,
            format!("Cluster {} is being deleted in the directory", session.pin.cluster),
        ),
        None => {
            let cluster = &session.pin.cluster;
            (
                EntryPresent::Missing,
                format!("the directory has no Cluster named {cluster}; nothing is removed for that"),
            )
        }
    }
}

fn replica_reachable(state: &State) -> Option<(ReplicaReachable, String)> {
    match state.replica.news() {
        Some((_, message)) => Some((ReplicaReachable::Unreachable, message.clone())),
        None if state.adrift => Some((ReplicaReachable::Unreachable, ADRIFT.to_owned())),
        None => state.replica.ever().then(|| (ReplicaReachable::Reachable, String::new())),
    }
}
