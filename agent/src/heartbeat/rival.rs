//! Whether somebody else renews the Lease under the name of this replica, as after it was cloned. Pure.
//!
//! A process that begins renews what the last one of its replica renewed: nobody waits for a process that ended. Two things
//! show another one. A renewal that comes between two of its own; and, when it begins, one that is so much later than the last
//! that this replica knows of that the process before it, which writes each down with its own claim, cannot have made it. That
//! may still have been a process that could not write it down: so it is only waited for the next renewal.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use muster_kit::lease::Record;

/// The renewals of this process, and of a rival.
#[derive(Debug, Default)]
pub(super) struct Rivalry {
    /// This process renewed the Lease.
    held: bool,
    rival: Option<Rival>,
}

/// Another one, or what may be one.
#[derive(Debug)]
struct Rival {
    /// Its last renewal.
    renewed: Option<Timestamp>,
    /// Until when the Lease is taken to be its own, unless it is renewed again.
    until: Instant,
    /// It was seen to renew the Lease beside this process.
    seen: bool,
}

/// Whose the Lease is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// As far as the renewals of one name show, this process's.
    Ours,
    /// Another one's of the same name.
    Anothers,
    /// That is still to be seen.
    Open,
}

impl Rivalry {
    /// Whether the Lease is to be read before it is renewed.
    #[must_use]
    pub(super) fn is_open(&self) -> bool {
        self.rival.is_some()
    }

    /// Whether this process never renewed the Lease.
    #[must_use]
    pub(super) fn begins(&self) -> bool {
        !self.held
    }

    /// The Lease is renewed by this process.
    pub(super) fn renewed(&mut self) {
        *self = Self { held: true, rival: None };
    }

    /// Another one renewed it under the same name, beside this process.
    pub(super) fn overtaken(&mut self, record: &Record, now: Instant) {
        self.rival = Some(Rival { renewed: record.renewed, until: now + record.duration, seen: true });
    }

    /// The Lease is read, and was renewed last under the name of this replica. `acknowledged`: the last renewal that this
    /// replica knows of. `lag`: how long a process that can write to its replica may take to write a renewal down.
    pub(super) fn judge(
        &mut self,
        record: &Record,
        acknowledged: Option<Timestamp>,
        lag: Duration,
        now: Instant,
    ) -> Whose {
        if let Some(rival) = &mut self.rival {
            if rival.renewed != record.renewed {
                *rival = Rival { renewed: record.renewed, until: now + record.duration, seen: true };
            }
        } else if !self.held && acknowledged.is_some_and(|known| is_later(record, known, lag)) {
            let until = now + record.duration / 4;
            self.rival = Some(Rival { renewed: record.renewed, until, seen: false });
        }
        match self.rival.as_ref().filter(|rival| now < rival.until) {
            None => Whose::Ours,
            Some(rival) if rival.seen => Whose::Anothers,
            Some(_) => Whose::Open,
        }
    }
}

/// Whether a Lease was renewed so much later than this that more than one renewal was not written down.
fn is_later(record: &Record, known: Timestamp, lag: Duration) -> bool {
    let most = SignedDuration::try_from(record.duration / 4 + lag).unwrap_or(SignedDuration::MAX);
    record.renewed.is_some_and(|renewed| renewed.duration_since(known) > most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG: Duration = Duration::from_secs(15);
    const BEAT: Duration = Duration::from_secs(10);

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    fn record(second: i64) -> Record {
        Record {
            holder: "me".into(),
            duration: BEAT * 4,
            acquired: None,
            renewed: at(second),
            transitions: 0,
        }
    }

    #[test]
    fn a_process_that_begins_goes_on_at_once_from_the_one_before() {
        let now = Instant::now();
        for (known, shown) in [(None, 1000), (at(1000), 1000), (at(1000), 1025), (at(1000), 10)] {
            assert_eq!(Rivalry::default().judge(&record(shown), known, LAG, now), Whose::Ours, "{shown}");
        }
    }

    #[test]
    fn a_renewal_that_no_process_of_this_replica_can_have_made_is_waited_for_once() {
        let (mut alone, mut cloned, now) = (Rivalry::default(), Rivalry::default(), Instant::now());
        assert_eq!(alone.judge(&record(1026), at(1000), LAG, now), Whose::Open);
        assert_eq!(alone.judge(&record(1026), at(1000), LAG, now + BEAT), Whose::Ours);
        alone.renewed();
        assert_eq!(
            alone.judge(&record(2000), at(1000), LAG, now + BEAT),
            Whose::Ours,
            "it is looked at once"
        );

        assert_eq!(cloned.judge(&record(1026), at(1000), LAG, now), Whose::Open);
        assert_eq!(cloned.judge(&record(1036), at(1000), LAG, now + BEAT), Whose::Anothers);
    }

    #[test]
    fn a_rival_that_renews_no_more_is_waited_for_as_long_as_the_lease_lasts() {
        let (mut rivalry, now) = (Rivalry::default(), Instant::now());
        rivalry.renewed();
        assert!(!rivalry.is_open());
        rivalry.overtaken(&record(5), now);
        assert!(rivalry.is_open());
        let mut whose = |second, past| rivalry.judge(&record(second), at(1), LAG, now + past);
        assert_eq!(whose(5, BEAT), Whose::Anothers);
        assert_eq!(whose(6, BEAT * 2), Whose::Anothers);
        assert_eq!(whose(6, BEAT * 5), Whose::Anothers);
        assert_eq!(whose(6, BEAT * 6), Whose::Ours);
        rivalry.renewed();
        assert!(!rivalry.is_open() && !rivalry.begins());
    }
}
