//! How long to wait before the next attempt.

use std::time::Duration;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As servers end watches.
    Well,
    /// With a failure.
    Badly,
}

/// Counts the attempts that ended too soon.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The wait after an attempt that lasted `lived`. An attempt that ended well and lasted at least `settled` is
    /// followed at once; one that ended well but sooner counts as a failure, so that a server which ends every watch at
    /// once is not asked in a loop, but the first such is free. `random` is in `0.0..1.0`.
    pub(crate) fn after(
        &mut self,
        ended: Ended,
        lived: Duration,
        settled: Duration,
        (first, cap): (Duration, Duration),
        random: f64,
    ) -> Duration {
        if lived >= settled {
            self.attempts = 0;
        }
        if ended == Ended::Well && self.attempts == 0 {
            self.attempts = u32::from(lived < settled);
            return Duration::ZERO;
        }
        let limit = first.saturating_mul(2_u32.saturating_pow(self.attempts)).min(cap);
        self.attempts = self.attempts.saturating_add(1);
        limit.mul_f64(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(8));
    const SETTLED: Duration = Duration::from_secs(1);

    #[test]
    fn failures_double_the_limit_up_to_the_cap_and_a_success_resets_it() {
        let mut backoff = Backoff::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            waits.push(backoff.after(Ended::Badly, Duration::ZERO, SETTLED, BOUNDS, 0.999_999).as_millis());
        }
        assert_eq!(waits, [199, 399, 799, 1599, 3199, 6399, 7999, 7999]);
        let wait = backoff.after(Ended::Badly, Duration::from_secs(60), SETTLED, BOUNDS, 0.5);
        assert_eq!(wait, Duration::from_millis(100), "the failure after a success is the first again");
        for _ in 0..100 {
            backoff.after(Ended::Badly, Duration::ZERO, SETTLED, BOUNDS, 0.5);
        }
    }

    #[test]
    fn a_server_that_ends_every_watch_at_once_is_not_asked_in_a_loop() {
        let mut backoff = Backoff::default();
        let well = |backoff: &mut Backoff, lived| backoff.after(Ended::Well, lived, SETTLED, BOUNDS, 0.5);
        assert_eq!(well(&mut backoff, Duration::from_secs(600)), Duration::ZERO);
        assert_eq!(well(&mut backoff, Duration::ZERO), Duration::ZERO, "one early end is free");
        assert_eq!(well(&mut backoff, Duration::ZERO), Duration::from_millis(200));
        assert_eq!(well(&mut backoff, Duration::ZERO), Duration::from_millis(400));
        assert_eq!(well(&mut backoff, Duration::from_secs(2)), Duration::ZERO);
    }
}
