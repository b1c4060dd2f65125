//! Which clusters fell silent, and whether that is to be believed. Each transition reaches every replica, so they are
//! spread; and where many would come at once, it is rather the directory that was blind.

use std::time::Duration;

/// So many silent clusters at least make the directory suspect.
const MANY: usize = 10;
/// So many of a hundred, more than.
const SHARE: usize = 30;
/// Time between two clusters that turn.
const SPACING: Duration = Duration::from_millis(100);
/// Turns that were saved up at most.
const BURST: u32 = 10;

/// What is remembered of it.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// Until when all silence is put down to the directory.
    blind: Option<Duration>,
    turned: Duration,
}

/// What is to be done about the silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// So many of those whose time is over may turn now.
    Turn(usize),
    /// The directory is suspected from now on: nobody turns for the longest time that any of them has.
    Blinded,
}

impl Silence {
    /// Whether the directory is suspected.
    pub(super) fn is_blind(&self) -> bool {
        self.blind.is_some()
    }

    /// Judges: of so many clusters that count as alive, `still` did not move for half their time, and `over` for all of
    /// it. `longest`: the longest time that any of them has.
    pub(super) fn judge(
        &mut self,
        alive: usize,
        still: usize,
        over: usize,
        longest: Duration,
        now: Duration,
    ) -> Verdict {
        let many = still >= MANY && still * 100 > alive * SHARE;
        if !many {
            self.blind = None;
        }
        if over == 0 {
            return Verdict::Turn(0);
        }
        match self.blind {
            None if many => {
                self.blind = Some(now + longest);
                return Verdict::Blinded;
            }
            Some(until) if now < until => return Verdict::Turn(0),
            _ => {}
        }
        let saved = now.saturating_sub(self.turned).as_millis() / SPACING.as_millis();
        let turns = usize::try_from(saved.min(BURST.into())).unwrap_or(0).min(over);
        if turns > 0 {
            self.turned = now;
        }
        Verdict::Turn(turns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(40);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn few_turn_at_once_and_ten_a_second() {
        let mut silence = Silence::default();
        assert_eq!(silence.judge(20, 9, 9, LEASE, at(100)), Verdict::Turn(9), "nine are few");
        assert_eq!(
            silence.judge(100, 30, 30, LEASE, at(200)),
            Verdict::Turn(10),
            "thirty of a hundred are few"
        );
        assert_eq!(silence.judge(90, 20, 20, LEASE, at(200) + SPACING), Verdict::Turn(1));
        assert_eq!(silence.judge(89, 19, 19, LEASE, at(200) + SPACING), Verdict::Turn(0));
        assert!(!silence.is_blind());
    }

    #[test]
    fn many_at_once_are_granted_their_time_and_turn_after_that() {
        let mut silence = Silence::default();
        assert_eq!(silence.judge(100, 31, 0, LEASE, at(100)), Verdict::Turn(0), "nobody's time is over");
        assert_eq!(silence.judge(100, 31, 1, LEASE, at(101)), Verdict::Blinded);
        assert_eq!(silence.judge(100, 31, 5, LEASE, at(140)), Verdict::Turn(0), "the directory is suspected");
        assert!(silence.is_blind());
        assert_eq!(silence.judge(100, 31, 31, LEASE, at(141)), Verdict::Turn(10), "they are silent still");
        assert_eq!(
            silence.judge(100, 31, 31, LEASE, at(142)),
            Verdict::Turn(10),
            "and no second time is granted"
        );
        assert_eq!(silence.judge(100, 5, 0, LEASE, at(143)), Verdict::Turn(0));
        assert!(!silence.is_blind(), "the others are back");
    }
}
