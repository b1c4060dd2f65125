//! What agents cause is bounded. Each write to an entry reaches every replica, so an agent that changes its mind all the time
//! has one write in a while, with what it said last; and all agents together have so many a second, one after the other.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use muster_api::conditions::Reason as _;
use muster_api::conditions::cluster::{ConditionType, Deregistering};

use super::plan::Step;
use super::status::find;
use super::{Fleet, Member};

/// Time between two writes.
const SPACING: Duration = Duration::from_millis(100);
/// Writes that were saved up at most.
const BURST: u32 = 20;
/// The longest time between two writes for one agent.
const LONGEST: Duration = Duration::from_secs(10);

/// Who waits for a turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    queue: VecDeque<String>,
    queued: BTreeSet<String>,
    /// Until when the turns that were given are spent.
    spent: Duration,
}

impl Turns {
    /// Someone waits for a turn, behind those who wait already.
    pub(super) fn wait(&mut self, name: String) {
        if self.queued.insert(name.clone()) {
            self.queue.push_back(name);
        }
    }

    /// Who has waited longest, if there is a turn.
    pub(super) fn turn(&mut self, now: Duration) -> Option<String> {
        let spent = self.spent.max(now.saturating_sub(SPACING * BURST)) + SPACING;
        if spent > now {
            return None;
        }
        let name = self.queue.pop_front()?;
        self.queued.remove(&name);
        self.spent = spent;
        Some(name)
    }
}

impl Fleet {
    /// How long an entry is left alone after a write that its agent caused: a quarter of the time that a heartbeat counts, as
    /// often as agents renew it.
    pub(super) fn rest(&self) -> Duration {
        (self.lease / 4).min(LONGEST)
    }

    /// Whether a step waits for a turn: a write that its agent caused, or that all entries come to at once.
    pub(super) fn takes_turns(member: &Member, step: &Step) -> bool {
        let Step::Status { status, .. } = step else { return false };
        let old = &member.entry.status;
        let differs = |kind| find(old, kind) != find(status, kind);
        if member.entry.deleting {
            let halted = find(status, ConditionType::Deregistering);
            return halted.is_some_and(|condition| condition.reason == Deregistering::Halted.as_str());
        }
        let enrolment = differs(ConditionType::Enrolled) || differs(ConditionType::Deregistering);
        !enrolment && old.execution_namespace == status.execution_namespace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_one_by_one_and_in_order() {
        let mut turns = Turns::default();
        let at = |millis: u64| Duration::from_secs(1000) + Duration::from_millis(millis);
        for n in 0..30 {
            turns.wait(format!("c{:02}", 30 - n));
        }
        turns.wait("c30".to_owned());
        let saved: Vec<_> = std::iter::from_fn(|| turns.turn(at(0))).collect();
        let expected: Vec<_> = (0..20).map(|n| format!("c{:02}", 30 - n)).collect();
        assert_eq!(saved, expected);
        assert_eq!(turns.turn(at(99)), None);
        assert_eq!(turns.turn(at(100)).as_deref(), Some("c10"));
        // Whoever had a turn is last.
        turns.wait("c30".to_owned());
        let rest: Vec<_> = std::iter::from_fn(|| turns.turn(at(60_000))).collect();
        assert_eq!((rest.len(), rest.last().map(String::as_str)), (10, Some("c30")));
    }
}
