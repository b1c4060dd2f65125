//! Whether a program makes progress: the one task that owns the index beats, and whoever wants to know looks.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::admin::Liveness;

/// How often the task that owns the index beats, whether anything happens or not.
pub const BEAT: Duration = Duration::from_secs(5);
/// Without a beat for so long the program is stuck.
const LONGEST: Duration = Duration::from_secs(60);

/// A pulse; clones are the same one.
#[derive(Clone)]
pub struct Pulse {
    started: Instant,
    /// Milliseconds since `started`.
    last: Arc<AtomicU64>,
}

impl Pulse {
    /// A pulse that beats now.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { started: now, last: Arc::new(AtomicU64::new(0)) }
    }

    /// Progress.
    pub fn beat(&self, now: Instant) {
        let since = now.duration_since(self.started).as_millis();
        self.last.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Keeps the pulse where there is nothing to make progress with.
    pub async fn keep(&self) -> Infallible {
        loop {
            self.beat(Instant::now());
            tokio::time::sleep(BEAT).await;
        }
    }

    /// What `/livez` says: whether there was progress lately.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        let pulse = self.clone();
        Arc::new(move || {
            let alive = pulse.is_alive(Instant::now());
            alive.then_some(()).ok_or_else(|| "the index makes no progress".to_owned())
        })
    }

    /// Whether there was progress lately.
    #[must_use]
    pub fn is_alive(&self, now: Instant) -> bool {
        let last = self.started + Duration::from_millis(self.last.load(Ordering::Relaxed));
        now.saturating_duration_since(last) < LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_lives_for_a_minute_after_its_last_beat() {
        let start = Instant::now();
        let pulse = Pulse::new(start);
        assert!(pulse.is_alive(start + Duration::from_secs(59)));
        assert!(!pulse.is_alive(start + Duration::from_secs(61)));
        pulse.clone().beat(start + Duration::from_secs(61));
        assert!(pulse.is_alive(start + Duration::from_secs(62)));
    }
}
