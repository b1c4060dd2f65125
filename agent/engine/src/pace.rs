//! When one object may be written again: after failures, and in a fight with another writer.

use std::time::Duration;

use crate::time::backoff;

/// Corrections of one object that are made at once.
const FREE_CORRECTIONS: u32 = 5;
/// Corrections after which it is looked whose changes they undo.
const LOOMING: u32 = 3;
/// How long an object must stay right, that corrections are free again.
const CALM: Duration = Duration::from_secs(60);
/// First wait after a failed write, and between corrections in a fight.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The fortune of the writes of one object.
#[derive(Debug, Default)]
pub struct Pace {
    failures: u32,
    retry_at: Duration,
    corrections: u32,
    corrected: Duration,
    /// Since when what was put right is not right any more.
    disturbed: Option<Duration>,
}

impl Pace {
    /// A write succeeded, or the object is as it should be by somebody else's doing.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.disturbed = None;
    }

    /// Somebody else changed the object.
    pub fn disturbed(&mut self, now: Duration) {
        self.disturbed.get_or_insert(now);
    }

    /// What somebody else had changed was put right. Who is held back by the brake is not taken for calm: what counts is
    /// how long the last correction lasted.
    pub fn corrected(&mut self, now: Duration) {
        if self.is_calm(now) {
            self.corrections = 0;
        }
        self.corrections = self.corrections.saturating_add(1);
        (self.corrected, self.disturbed) = (now, None);
    }

    /// Whether the object is fought over: it was put right so often that the brake holds, and did not stay right for
    /// `CALM` since.
    #[must_use]
    pub fn is_fought(&self, now: Duration) -> bool {
        self.corrections >= FREE_CORRECTIONS && !self.is_calm(now)
    }

    /// Whether the object was put right a few times of late: a fight may come.
    #[must_use]
    pub fn is_tested(&self, now: Duration) -> bool {
        self.corrections >= LOOMING && !self.is_calm(now)
    }

    /// When the object has been right for so long, if it stays so, that nobody fights over it.
    #[must_use]
    pub fn calm(&self) -> Duration {
        self.corrected + CALM
    }

    fn is_calm(&self, now: Duration) -> bool {
        self.disturbed.unwrap_or(now) >= self.calm()
    }

    /// Whether the next attempt is made for the time alone: the last failed, and nothing has changed since.
    #[must_use]
    pub fn is_retry(&self) -> bool {
        self.failures > 0 && self.retry_at > Duration::ZERO
    }

    /// A step failed. `salt` spreads waits.
    pub fn failed(&mut self, now: Duration, salt: u64) {
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + backoff(self.failures, FIRST_WAIT, LONGEST_WAIT, salt);
    }

    /// Nothing is to be done before then, though nothing failed.
    pub fn wait(&mut self, until: Duration) {
        self.failures = self.failures.max(1);
        self.retry_at = until;
    }

    /// How many attempts failed since the last that succeeded.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// What made the last attempts fail may have passed.
    pub fn hurry(&mut self) {
        self.retry_at = Duration::ZERO;
    }

    /// When the next attempt may be made; `correction`: of what somebody else changed.
    #[must_use]
    pub fn due(&self, correction: bool, salt: u64) -> Duration {
        let braked = if correction && self.corrections >= FREE_CORRECTIONS {
            self.corrected + backoff(self.corrections - FREE_CORRECTIONS + 1, FIRST_WAIT, LONGEST_WAIT, salt)
        } else {
            Duration::ZERO
        };
        if self.failures > 0 { braked.max(self.retry_at) } else { braked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// An object is changed a moment after it was put right, and put right when the brake allows it: returns when.
    fn fight(pace: &mut Pace, mut now: Duration, rounds: usize) -> Vec<Duration> {
        let mut corrections = Vec::new();
        for _ in 0..rounds {
            now += SECOND / 10;
            pace.disturbed(now);
            now = now.max(pace.due(true, 7));
            pace.corrected(now);
            corrections.push(now);
        }
        corrections
    }

    #[test]
    fn a_fight_stays_braked_however_long_it_lasts_and_ends_when_the_object_stays_right() {
        let mut pace = Pace::default();
        let start = 100 * SECOND;
        let corrections = fight(&mut pace, start, 40);
        assert!(corrections[4] < start + SECOND, "the first are free");
        let pauses: Vec<_> = corrections.windows(2).map(|two| two[1].saturating_sub(two[0])).collect();
        assert!(pauses[12..].iter().all(|pause| *pause >= LONGEST_WAIT / 2), "{pauses:?}");
        let last = corrections[39];
        assert!(pace.is_fought(last) && pace.is_fought(pace.calm().saturating_sub(SECOND)));
        assert!(!pace.is_fought(pace.calm()));
        let after = pace.calm();
        let corrections = fight(&mut pace, after, 2);
        assert!(corrections[1] < corrections[0] + SECOND, "free again: {corrections:?}");
    }

    #[test]
    fn only_an_attempt_after_a_failure_that_nothing_hurried_is_for_the_time_alone() {
        let mut pace = Pace::default();
        assert!(!pace.is_retry());
        pace.failed(SECOND, 7);
        assert!(pace.is_retry());
        pace.hurry();
        assert!(!pace.is_retry());
        pace.failed(SECOND, 7);
        pace.succeeded();
        assert!(!pace.is_retry());
    }
}
