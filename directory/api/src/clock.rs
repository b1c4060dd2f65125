//! Time as a parameter: decisions take [`Now`] and never read a clock.

use std::time::Duration;

use jiff::Timestamp;

/// A moment, by both clocks of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since the process started, by the monotonic clock. Everything that waits or expires goes by it.
    pub mono: Duration,
    /// Time of day, by the wall clock. Only for people to read.
    pub wall: Timestamp,
}

/// Waiting times that double from `first` up to `limit`, with the share that `salt` picks taken off, so that many
/// objects that failed together do not come back together. The salt keeps the function pure.
#[must_use]
pub fn backoff(failures: u32, first: Duration, limit: Duration, salt: u64) -> Duration {
    let exponent = failures.saturating_sub(1).min(16);
    let full = first.saturating_mul(1 << exponent).min(limit);
    // splitmix64: spreads neighbouring salts over the whole range.
    let mut mixed = salt.wrapping_add(u64::from(failures).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let percent = u32::try_from(mixed % 50).unwrap_or(0);
    full.saturating_sub(full * percent / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_limit_and_is_spread() {
        let first = Duration::from_secs(1);
        let limit = Duration::from_secs(60);
        for failures in 1..40 {
            let waits: Vec<_> = (0..100).map(|salt| backoff(failures, first, limit, salt)).collect();
            let full = first.saturating_mul(1 << (failures - 1).min(16)).min(limit);
            assert!(waits.iter().all(|wait| *wait <= full && *wait >= full / 2), "{failures}: {waits:?}");
            assert!(waits.iter().collect::<std::collections::BTreeSet<_>>().len() > 20, "not spread");
        }
    }
}
