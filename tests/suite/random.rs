//! What tests draw by chance, so that a printed seed draws it again.

use std::time::{Duration, SystemTime};

/// Steele, Lea and Flood's splitmix64.
pub(crate) struct Random(u64);

impl Random {
    /// Of `MUSTER_SEED` where that is set, else of the clock.
    pub(crate) fn new() -> Self {
        let clock = || u64::from(SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos());
        let seed = std::env::var("MUSTER_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(clock);
        println!("MUSTER_SEED={seed}");
        Self(seed)
    }

    /// One that draws something else, as often as this one is asked for one.
    pub(crate) fn another(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A time up to this.
    pub(crate) fn below(&mut self, limit: Duration) -> Duration {
        let nanos = u64::try_from(limit.as_nanos()).unwrap();
        Duration::from_nanos(self.next() % nanos)
    }

    /// A number from 1 up to this.
    pub(crate) fn up_to(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(most).unwrap()).unwrap() + 1
    }

    /// One of some things.
    pub(crate) fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.up_to(things.len()) - 1]
    }
}
