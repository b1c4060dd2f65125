//! Whether this machine's clock and the directory's agree. Pure. It is told and nothing else: how long something lasts is
//! measured by the monotonic clock, and times of day are compared only with those that this machine wrote.

use jiff::{SignedDuration, Timestamp};
use muster_api::condition::Condition;
use muster_api::conditions::ClockSkew;

/// From this difference on it is told.
const TOLD_FROM: SignedDuration = SignedDuration::from_secs(30);
/// Below this one it is told no more.
const TOLD_UNTIL: SignedDuration = SignedDuration::from_secs(15);

/// What is told of the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The directory's time is not known.
    #[default]
    Unknown,
    /// The clocks agree.
    InStep,
    /// This one is ahead by so much; negative where it is behind.
    Off(SignedDuration),
}

impl Clock {
    /// What is told once this machine's clock was seen to be so far ahead. A difference that moves a little is told as
    /// before, so that it causes no writes.
    #[must_use]
    pub fn seen(self, ahead: Option<SignedDuration>) -> Self {
        let Some(ahead) = ahead else { return self };
        let rounded = SignedDuration::from_secs(ahead.as_secs());
        match self {
            Self::Off(told) if (ahead - told).abs() < TOLD_FROM && ahead.abs() >= TOLD_UNTIL => self,
            Self::Off(_) if ahead.abs() >= TOLD_UNTIL => Self::Off(rounded),
            _ if ahead.abs() >= TOLD_FROM => Self::Off(rounded),
            _ => Self::InStep,
        }
    }

    /// The condition; none while nothing is known.
    #[must_use]
    pub fn condition(self, now: Timestamp) -> Option<Condition> {
        let (reason, message) = match self {
            Self::Unknown => return None,
            Self::InStep => (ClockSkew::InStep, String::new()),
            Self::Off(ahead) => {
                let (reason, word) = if ahead.is_positive() {
                    (ClockSkew::Ahead, "ahead of")
                } else {
                    (ClockSkew::Behind, "behind")
                };
                (reason, format!("this machine's clock is {:#} {word} the directory's", ahead.abs()))
            }
        };
        Some(Condition::new(reason, message, now.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn off(seconds: i64) -> Clock {
        Clock::Off(SignedDuration::from_secs(seconds))
    }

    fn seen(before: Clock, seconds: i64) -> Clock {
        before.seen(Some(SignedDuration::from_secs(seconds)))
    }

    #[test]
    fn a_difference_is_told_from_half_a_minute_on() {
        assert_eq!(seen(Clock::Unknown, 29), Clock::InStep);
        assert_eq!(seen(Clock::Unknown, -29), Clock::InStep);
        assert_eq!(seen(Clock::InStep, 30), off(30));
        assert_eq!(seen(Clock::InStep, -3600), off(-3600));
        assert_eq!(Clock::Unknown.seen(None), Clock::Unknown);
        assert_eq!(off(60).seen(None), off(60));
    }

    #[test]
    fn a_difference_that_moves_a_little_is_told_as_before() {
        assert_eq!(seen(off(3600), 3629), off(3600));
        assert_eq!(seen(off(3600), 3571), off(3600));
        assert_eq!(seen(off(3600), 3630), off(3630));
        assert_eq!(seen(off(30), 15), off(30));
        assert_eq!(seen(off(30), 14), Clock::InStep);
        assert_eq!(seen(off(30), -20), off(-20), "it is another one");
        assert_eq!(seen(off(3600), -3600), off(-3600));
    }

    #[test]
    fn the_message_says_by_how_much() {
        let told =
            |clock: Clock| clock.condition(Timestamp::UNIX_EPOCH).map(|told| (told.reason, told.message));
        assert_eq!(told(Clock::Unknown), None);
        assert_eq!(told(Clock::InStep), Some(("InStep".to_owned(), String::new())));
        let message = "this machine's clock is 1h 5s ahead of the directory's".to_owned();
        assert_eq!(told(off(3605)), Some(("Ahead".to_owned(), message)));
        let message = "this machine's clock is 59m 30s behind the directory's".to_owned();
        assert_eq!(told(off(-3570)), Some(("Behind".to_owned(), message)));
    }
}
