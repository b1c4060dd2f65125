//! What is to be done for a cluster that leaves. Each step follows from what is there alone, so a controller that is
//! ended after any of them goes on where it was:
//!
//! ```text
//!  Waiting ──▶ Removing ──▶ bindings ──▶ account ──▶ Lease, report ──▶ Works let go ─┬▶ namespace ─┬▶ finalizer
//!                                                                                    └▶ Retained ──┘
//! ```

use std::time::Duration;

use muster_api::clock::Now;
use muster_api::condition::Status;
use muster_api::conditions::Reason as _;
use muster_api::conditions::cluster::{ConditionType, Deregistering};
use muster_api::marks::ENTRY_FINALIZER;
use muster_api::names;

use super::part::Part;
use super::plan::Step;
use super::status::{find, put};
use super::{Fleet, Member};

/// How long a cluster is waited for whose heartbeats come.
const LIVE: Duration = Duration::from_secs(300);
/// How long one is waited for whose heartbeats ended.
const SILENT: Duration = Duration::from_secs(60);

impl Fleet {
    /// The next step, if there is any.
    pub(super) fn leave(&self, name: &str, member: &Member, now: Now) -> Option<Step> {
        let stage = stage(member);
        match stage {
            None | Some(Deregistering::Waiting) if self.is_waited_for(name, member, now) => {
                stage.is_none().then(|| tell(name, member, Deregistering::Waiting, now))?
            }
            None | Some(Deregistering::Waiting) => tell(name, member, Deregistering::Removing, now),
            Some(_) => self.remove(name, member, stage, now),
        }
    }

    /// Whether the agent may still take away what is the directory's in its cluster.
    fn is_waited_for(&self, name: &str, member: &Member, now: Now) -> bool {
        let beat = self.beats.get(name).filter(|beat| beat.is_held());
        let facts = self.facts.get(name);
        if beat.is_none() && member.bound.is_none() {
            return false; // it never came
        }
        let speaks_for = |id: Option<&str>| member.bound.is_none() || member.bound.as_deref() == id;
        if facts.is_some_and(|facts| facts.left && speaks_for(facts.id.as_deref())) {
            return false;
        }
        let is_live = beat.is_some_and(|beat| !beat.lost && !beat.is_over(now.mono));
        let limit = if is_live { LIVE } else { SILENT };
        // By the clock of this process, and where another one began the wait, by the time of day.
        let here = member.leaving.map_or(Duration::ZERO, |since| now.mono.saturating_sub(since));
        let begun = find(&member.entry.status, ConditionType::Deregistering)
            .filter(|condition| condition.status == Status::True);
        let told = begun.map_or(Duration::ZERO, |condition| {
            let since = now.wall.duration_since(condition.last_transition_time.timestamp());
            Duration::try_from(since).unwrap_or(Duration::ZERO)
        });
        here.max(told) < limit
    }

    fn remove(&self, name: &str, member: &Member, stage: Option<Deregistering>, now: Now) -> Option<Step> {
        if member.due > now.mono {
            return None;
        }
        let mine = |part: &Part| {
            let seen = self.seen(*part, name)?;
            (part.is_at_home() || seen.ours).then_some((*part, seen))
        };
        let mut parts = Part::REMOVED.iter().filter_map(mine).peekable();
        if parts.peek().is_some() {
            let next = parts.find(|(_, seen)| !seen.deleting);
            return next.map(|(part, seen)| Step::Remove { part, uid: seen.uid.clone() });
        }
        let Some(namespace) = self.seen(Part::Namespace, name).filter(|seen| seen.ours) else {
            return Some(let_go(member));
        };
        let Some(left) = &member.left else { return Some(Step::List) };
        if let Some(work) = left.held.first() {
            return Some(Step::Release(work.clone()));
        }
        if namespace.deleting {
            return None; // its end is seen
        }
        match stage {
            Some(Deregistering::Retained) => Some(let_go(member)),
            _ if left.any && !member.entry.deletes_works => tell(name, member, Deregistering::Retained, now),
            _ if !namespace.may_go => Some(Step::Allow { uid: namespace.uid.clone() }),
            _ => Some(Step::Remove { part: Part::Namespace, uid: namespace.uid.clone() }),
        }
    }
}

/// The entry says how far it has come.
fn tell(name: &str, member: &Member, reason: Deregistering, now: Now) -> Option<Step> {
    if member.tell_due > now.mono {
        return None;
    }
    let mut status = member.entry.status.clone();
    let message = match reason {
        Deregistering::Retained => {
            format!("namespace {} holds Works, and stays", names::execution_namespace(name))
        }
        _ => String::new(),
    };
    put(&mut status, reason, message, now);
    Some(member.tell(status))
}

/// Muster's finalizer goes, and with it the entry.
fn let_go(member: &Member) -> Step {
    let others = member.entry.finalizers.iter().filter(|name| *name != ENTRY_FINALIZER);
    member.finalize(others.cloned().collect())
}

/// How far it has come, by what the entry says.
pub(super) fn stage(member: &Member) -> Option<Deregistering> {
    let condition = find(&member.entry.status, ConditionType::Deregistering)?;
    let begun = [Deregistering::Waiting, Deregistering::Removing, Deregistering::Retained];
    begun.into_iter().find(|reason| reason.as_str() == condition.reason)
}
