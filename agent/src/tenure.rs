//! What the engine is told of the claims under which this process writes.

use std::time::Instant;

use muster_engine::event::Event;
use muster_kit::leader::Claim;

/// The claims so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tenure {
    /// The end of the last claim under which this process could write.
    until: Option<Instant>,
    /// Whether the replica did not even answer who may write, since then.
    adrift: bool,
}

impl Tenure {
    /// Takes in a claim, and gives what the engine is to be told. A claim that ran out and is held again may have kept
    /// writes from being tried.
    pub(crate) fn after(&mut self, claim: &Claim, now: Instant) -> Option<Event> {
        match claim {
            Claim::Adrift => {
                self.adrift = true;
                Some(Event::Adrift)
            }
            Claim::Held { until } => {
                let lapsed = self.until.is_some_and(|until| until <= now);
                let returned = std::mem::take(&mut self.adrift) || lapsed;
                self.until = Some(*until);
                returned.then_some(Event::Admitted)
            }
            Claim::Unknown | Claim::Other { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn held(until: Instant) -> Claim {
        Claim::Held { until }
    }

    fn told(event: Option<&Event>) -> &'static str {
        match event {
            None => "nothing",
            Some(Event::Adrift) => "adrift",
            Some(Event::Admitted) => "admitted",
            Some(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_claim_that_is_renewed_in_time_is_no_news() {
        let (start, mut tenure) = (Instant::now(), Tenure::default());
        for seconds in [0, 5, 10] {
            let now = start + Duration::from_secs(seconds);
            assert_eq!(told(tenure.after(&held(now + Duration::from_secs(20)), now).as_ref()), "nothing");
        }
    }

    #[test]
    fn one_that_ran_out_and_is_held_again_admits_anew_once() {
        let (start, mut tenure) = (Instant::now(), Tenure::default());
        let later = start + Duration::from_secs(60);
        assert_eq!(told(tenure.after(&held(start + Duration::from_secs(20)), start).as_ref()), "nothing");
        assert_eq!(told(tenure.after(&Claim::Unknown, later).as_ref()), "nothing");
        assert_eq!(told(tenure.after(&held(later + Duration::from_secs(20)), later).as_ref()), "admitted");
        assert_eq!(told(tenure.after(&held(later + Duration::from_secs(25)), later).as_ref()), "nothing");
    }

    #[test]
    fn adrift_is_told_and_its_end_too_even_where_the_first_claim_was_never_held() {
        let (now, mut tenure) = (Instant::now(), Tenure::default());
        assert_eq!(told(tenure.after(&Claim::Adrift, now).as_ref()), "adrift");
        assert_eq!(
            told(tenure.after(&Claim::Other { holder: "another".to_owned() }, now).as_ref()),
            "nothing"
        );
        assert_eq!(told(tenure.after(&held(now + Duration::from_secs(20)), now).as_ref()), "admitted");
        assert_eq!(told(tenure.after(&held(now + Duration::from_secs(20)), now).as_ref()), "nothing");
    }
}
