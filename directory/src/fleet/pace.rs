//! How long heartbeats count: longer in large fleets, so that no more of them come than a directory bears. Agents renew at
//! a quarter of the duration that their Lease carries, so the fleet writes `4 * clusters / duration` heartbeats a second.

use std::time::Duration;

/// The longest duration that agents and controller believe.
const LONGEST: Duration = Duration::from_secs(3600);
/// A fleet that shrank has its heartbeats faster again below so many of four parts of what they had room for: one that
/// grows and shrinks by a few clusters does not have all its Leases written each time.
const QUARTERS: u128 = 3;

/// How long heartbeats count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// In a small fleet. Whole seconds.
    pub lease: Duration,
    /// Heartbeats a second of the whole fleet, at most.
    pub rate: u32,
}

impl Pace {
    /// How long heartbeats are to count in a fleet of so many clusters, in which they count so long now: as in a small one,
    /// or doubled as often as it takes.
    pub(super) fn judge(&self, clusters: usize, now: Duration) -> Duration {
        let wanted = self.doubled(|lease| self.bears(lease, clusters, 4));
        // One step down, and no further than what is wanted, once there is room to spare.
        let spare = self.doubled(|lease| self.bears(lease, clusters, QUARTERS));
        if now > wanted { now.min(spare) } else { wanted }
    }

    fn doubled(&self, enough: impl Fn(Duration) -> bool) -> Duration {
        let mut lease = self.lease.min(LONGEST);
        while !lease.is_zero() && lease < LONGEST && !enough(lease) {
            lease = (lease * 2).min(LONGEST);
        }
        lease
    }

    /// Whether so many quarters of what may be written are enough for so many clusters.
    fn bears(&self, lease: Duration, clusters: usize, quarters: u128) -> bool {
        let clusters = u128::try_from(clusters).unwrap_or(u128::MAX);
        let room = u128::from(self.rate) * lease.as_millis() * quarters / 4;
        clusters.saturating_mul(4000) <= room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { lease: Duration::from_secs(40), rate: 25 };

    fn judge(clusters: usize, now: u64) -> u64 {
        PACE.judge(clusters, Duration::from_secs(now)).as_secs()
    }

    #[test]
    fn heartbeats_count_longer_in_a_large_fleet() {
        assert_eq!([0, 1, 250].map(|clusters| judge(clusters, 40)), [40, 40, 40]);
        assert_eq!([251, 500, 501, 1000].map(|clusters| judge(clusters, 40)), [80, 80, 160, 160]);
        assert_eq!(judge(1001, 40), 320);
        assert_eq!(judge(1_000_000, 40), 3600, "and never longer than is believed");
        assert_eq!(judge(usize::MAX, 40), 3600);
    }

    #[test]
    fn a_fleet_that_shrinks_a_little_stays_as_it_is() {
        assert_eq!([1000, 501, 500, 376].map(|clusters| judge(clusters, 160)), [160, 160, 160, 160]);
        assert_eq!([375, 251, 188].map(|clusters| judge(clusters, 160)), [80, 80, 80]);
        assert_eq!(judge(187, 160), 40);
        assert_eq!(judge(600, 80), 160, "up is at once");
        assert_eq!(judge(10, 7), 40, "what was set is the least");
    }

    #[test]
    fn what_is_set_is_never_shortened() {
        let slow = Pace { lease: Duration::from_secs(600), rate: 25 };
        assert_eq!(slow.judge(1000, Duration::from_secs(600)).as_secs(), 600);
        let longest = Pace { lease: LONGEST, rate: 1 };
        assert_eq!(longest.judge(100_000, LONGEST), LONGEST);
    }
}
