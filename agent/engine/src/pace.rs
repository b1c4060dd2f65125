//! When one object may be written again: after failures, and in a fight with another writer.

use std::time::Duration;

use crate::time::backoff;

/// Corrections of one object that are made at once.
const FREE_CORRECTIONS: u32 = 5;
/// Quiet time after which corrections are free again.
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
}

impl Pace {
    /// A write succeeded, or the object is as it should be by somebody else's doing.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// What somebody else had changed was put right.
    pub fn corrected(&mut self, now: Duration) {
        if now.saturating_sub(self.corrected) > CALM {
            self.corrections = 0;
        }
        self.corrections = self.corrections.saturating_add(1);
        self.corrected = now;
    }

    /// A step failed. `salt` spreads waits.
    pub fn failed(&mut self, now: Duration, salt: u64) {
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + backoff(self.failures, FIRST_WAIT, LONGEST_WAIT, salt);
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
