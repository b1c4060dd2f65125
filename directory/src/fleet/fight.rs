//! Somebody else keeps changing or removing a part, or making one that is not to be there. The controller puts it right again
//! and again, and ever more slowly, and says which part it is.

use std::time::Duration;

use muster_api::clock::backoff;
use muster_api::conditions::Reason as _;
use muster_api::conditions::cluster::{ConditionType, Enrolled};

use super::Member;
use super::part::Part;
use super::status::find;

/// So often a part is put right at once.
const FREE: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// A part that was right for so long is fought over no more, and no sooner than twice the wait before that.
const QUIET: Duration = Duration::from_secs(60);

/// How often a part was put right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fight {
    count: u32,
    /// When it was put right.
    last: Duration,
    /// It is not put right before.
    due: Duration,
}

impl Fight {
    fn is_over(self, now: Duration) -> bool {
        let quiet = self.due.saturating_sub(self.last) * 2;
        now >= self.due.max(self.last) + quiet.max(QUIET)
    }
}

impl Member {
    /// A part was put right. The first time is no fight.
    pub(super) fn mended(&mut self, part: Part, now: Duration) {
        let enrolled = find(&self.entry.status, ConditionType::Enrolled);
        let was_whole = [Enrolled::Enrolled, Enrolled::Contested, Enrolled::Pending, Enrolled::Denied];
        let told = |reason: &Enrolled| enrolled.is_some_and(|found| found.reason == reason.as_str());
        if !was_whole.iter().any(told) {
            return;
        }
        let salt = self.salt();
        let fight = self.fights.entry(part).or_default();
        if fight.is_over(now) {
            *fight = Fight::default();
        }
        let count = fight.count.saturating_add(1);
        let wait = count.checked_sub(FREE).filter(|over| *over > 0);
        let wait = wait.map_or(Duration::ZERO, |over| backoff(over, FIRST_WAIT, LONGEST_WAIT, salt));
        *fight = Fight { count, last: now, due: now + wait };
    }

    /// Whether a part may be put right now.
    pub(super) fn may_mend(&self, part: Part, now: Duration) -> bool {
        self.fights.get(&part).is_none_or(|fight| fight.due <= now)
    }

    /// The part that is fought over.
    pub(super) fn contested(&self, now: Duration) -> Option<Part> {
        let fought = |(_, fight): &(&Part, &Fight)| fight.count > FREE && !fight.is_over(now);
        self.fights.iter().find(fought).map(|(part, _)| *part)
    }

    /// Forgets the fights that are over. Returns whether there were any.
    pub(super) fn calm(&mut self, now: Duration) -> bool {
        let any = !self.fights.is_empty();
        self.fights.retain(|_, fight| !fight.is_over(now));
        any
    }
}
