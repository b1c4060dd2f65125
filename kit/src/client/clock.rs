//! What the answers of a server say of this machine's clock.

use std::sync::atomic::{AtomicI64, Ordering};

use http::HeaderMap;
use http::header::DATE;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};

/// Nothing is known.
const UNKNOWN: i64 = i64::MIN;

/// How far the clocks are apart, by the last answer.
#[derive(Debug)]
pub(super) struct Clock(AtomicI64);

impl Default for Clock {
    fn default() -> Self {
        Self(AtomicI64::new(UNKNOWN))
    }
}

impl Clock {
    /// Takes in the time in an answer's header `Date`. `before` and `after`: this machine's clock when it asked, and when
    /// the headers were there.
    pub(super) fn note(&self, before: Timestamp, after: Timestamp, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        if let Some(ahead) = date.and_then(|date| ahead(date, before, after)) {
            self.0.store(ahead.as_millis().try_into().unwrap_or(UNKNOWN), Ordering::Relaxed);
        }
    }

    /// By how much this machine's clock is ahead of the server's at least; negative where it is behind.
    pub(super) fn ahead(&self) -> Option<SignedDuration> {
        let millis = self.0.load(Ordering::Relaxed);
        (millis != UNKNOWN).then(|| SignedDuration::from_millis(millis))
    }
}

/// By how much the clock is ahead at least, whatever the answer's way took: the server's time, of which the header has the
/// whole seconds, was between the two. `None`: the clock was set meanwhile.
fn ahead(date: Timestamp, before: Timestamp, after: Timestamp) -> Option<SignedDuration> {
    if after < before {
        return None;
    }
    let early = before.duration_since(date.saturating_add(SignedDuration::from_secs(1)).ok()?);
    let late = after.duration_since(date);
    Some(early.max(SignedDuration::ZERO) + late.min(SignedDuration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_700_000_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(NOON * 1000 + millis).unwrap()
    }

    fn told(before: i64, after: i64) -> Option<i128> {
        let clock = Clock::default();
        let mut headers = HeaderMap::new();
        headers.insert(DATE, "Tue, 14 Nov 2023 22:13:20 GMT".parse().unwrap());
        clock.note(at(before), at(after), &headers);
        clock.ahead().map(|ahead| ahead.as_millis())
    }

    #[test]
    fn clocks_that_may_agree_do() {
        assert_eq!(told(0, 10), Some(0));
        assert_eq!(told(900, 1200), Some(0), "the header has whole seconds");
        assert_eq!(told(-20_000, 10), Some(0), "the answer took its time");
        assert_eq!(told(-5, 0), Some(0));
    }

    #[test]
    fn an_hour_either_way_is_seen() {
        assert_eq!(told(3_600_000, 3_600_050), Some(3_599_000));
        assert_eq!(told(-3_600_000, -3_599_950), Some(-3_599_950));
    }

    #[test]
    fn what_says_nothing_changes_nothing() {
        assert_eq!(told(10, 0), None, "the clock was set meanwhile");
        let clock = Clock::default();
        clock.note(at(0), at(1), &HeaderMap::new());
        assert_eq!(clock.ahead(), None);
        for date in ["", "now", "Tue, 14 Nov 2023 22:13:20", "99999999999999999999"] {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, date.parse().unwrap());
            clock.note(at(0), at(1), &headers);
            assert_eq!(clock.ahead(), None, "{date}");
        }
    }
}
