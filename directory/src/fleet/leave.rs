//! What is to be done for a cluster that leaves. Each step follows from what is there alone, so a controller that is
//! ended after any of them goes on where it was:
//!
//! ```text
//!  Waiting ──▶ Removing ──▶ account ──▶ bindings ──▶ Lease, report ──▶ Works let go ─┬▶ namespace ─┬▶ finalizer
//!                                                                                    └▶ Retained ──┘
//! ```

use std::time::Duration;

use muster_api::clock::Now;
use muster_api::condition::Status;
use muster_api::conditions::Reason as _;
use muster_api::conditions::cluster::{ConditionType, Deregistering};
use muster_api::marks::ENTRY_FINALIZER;
use muster_api::names;

use super::obstacle::{PATIENCE, SPACING};
use super::part::Part;
use super::plan::Step;
use super::status::{find, put};
use super::{Fleet, Member, Word};

/// How long a cluster is waited for whose heartbeats come.
const LIVE: Duration = Duration::from_secs(300);
/// How long one is waited for whose heartbeats ended.
const SILENT: Duration = Duration::from_secs(60);

impl Fleet {
    /// The next step, if there is any.
    pub(super) fn leave(&self, name: &str, member: &Member, now: Now) -> Option<Step> {
        let stage = stage(member);
        match self.word_of(name, member) {
            Word::Leaves => {}
            Word::Stays(why) => return say(member, Deregistering::Halted, why, now),
            Word::Unknown => return None,
        }
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
        // By the clock of this process, and where another one began the wait, by the time of day: but that may be wrong, so
        // this process waits for the shorter time in any case.
        let here = member.leaving.map_or(Duration::ZERO, |since| now.mono.saturating_sub(since));
        let begun = find(&member.entry.status, ConditionType::Deregistering)
            .filter(|condition| condition.status == Status::True);
        let told = begun.map_or(Duration::ZERO, |condition| {
            let since = now.wall.duration_since(condition.last_transition_time.timestamp());
            Duration::try_from(since).unwrap_or(Duration::ZERO)
        });
        here.max(told) < limit || here < SILENT
    }

    fn remove(&self, name: &str, member: &Member, stage: Option<Deregistering>, now: Now) -> Option<Step> {
        let reason = stage.unwrap_or(Deregistering::Removing);
        let wait = || say(member, reason, self.obstacle(name, member, now.mono)?, now);
        if member.due > now.mono {
            return wait();
        }
        let mine = |part: &Part| {
            let seen = self.seen(*part, name)?;
            self.is_own(*part, name, member).then_some((*part, seen))
        };
        let mut parts = Part::REMOVED.iter().filter_map(mine).peekable();
        if parts.peek().is_some() {
            let next = parts.find(|(_, seen)| !seen.deleting);
            return match next {
                Some((part, seen)) => Some(Step::Remove { part, uid: seen.uid.clone() }),
                None => wait(),
            };
        }
        let Some((_, namespace)) = mine(&Part::Namespace) else {
            return Some(let_go(member));
        };
        let Some(left) = &member.left else { return Some(Step::List) };
        if let Some(work) = left.held.first() {
            return Some(Step::Release(work.clone()));
        }
        if namespace.deleting {
            // Its end is seen, if it comes.
            let looked = member.inspected.map_or(member.stepped + PATIENCE, |looked| looked + SPACING);
            return if looked <= now.mono { Some(Step::Inspect) } else { wait() };
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
    let message = match reason {
        Deregistering::Retained => {
            format!("namespace {} holds Works, and stays", names::execution_namespace(name))
        }
        _ => String::new(),
    };
    say(member, reason, message, now)
}

/// The entry says this, if it does not yet.
fn say(member: &Member, reason: Deregistering, message: String, now: Now) -> Option<Step> {
    if member.tell_due > now.mono {
        return None;
    }
    let mut status = member.entry.status.clone();
    put(&mut status, reason, message, now);
    (status != member.entry.status).then(|| member.tell(status))
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
