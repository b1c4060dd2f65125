//! Deletions wait, so that they can be judged together: for a quiet window after the last claim, and for live reads
//! of the directory after that. A claim that the reads do not confirm is asked again later.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::plan::PlanId;
use crate::time::backoff;

/// Time without a new claim before the claims are examined. Longer than `kubectl replace --force` needs between
/// the deletion and the creation.
pub const QUIET: Duration = Duration::from_secs(2);
/// Claims examined at once.
const BATCH: usize = 64;
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The names in question.
#[derive(Debug, Default)]
pub struct Removals {
    questions: BTreeMap<String, Question>,
    quiet_until: Duration,
    doubts: u32,
    paused_until: Duration,
    examination: Option<PlanId>,
    /// The replica's own: what concerns a whole fleet at once is not asked by all of it at once.
    salt: u64,
}

#[derive(Debug)]
struct Question {
    asked: u32,
    not_before: Duration,
}

impl Removals {
    /// Waits are spread by this from here on.
    pub fn spread(&mut self, salt: u64) {
        self.salt = salt;
    }

    /// A name is in question, or is so no more.
    pub fn set(&mut self, name: &str, in_question: bool, now: Duration) {
        if !in_question {
            self.questions.remove(name);
        } else if !self.questions.contains_key(name) {
            self.quiet_until = now + QUIET;
            self.questions.insert(name.to_owned(), Question { asked: 0, not_before: Duration::ZERO });
        }
    }

    /// Whether a name is in question.
    #[must_use]
    pub fn asks(&self, name: &str) -> bool {
        self.questions.contains_key(name)
    }

    /// How many names are in question after they were examined: what evidence did not confirm.
    #[must_use]
    pub fn unconfirmed(&self) -> usize {
        self.questions.values().filter(|question| question.asked > 0).count()
    }

    /// When the next examination is due; `None` while one is under way or nothing is in question.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        if self.examination.is_some() {
            return None;
        }
        self.questions
            .values()
            .map(|question| question.not_before)
            .min()
            .map(|due| due.max(self.quiet_until).max(self.paused_until))
    }

    /// Whether no new claim has come for a while.
    #[must_use]
    pub fn is_quiet(&self, now: Duration) -> bool {
        self.quiet_until <= now
    }

    /// The names to examine now.
    #[must_use]
    pub fn ready(&self, now: Duration) -> Vec<String> {
        if self.due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let ready = self.questions.iter().filter(|(_, question)| question.not_before <= now);
        ready.take(BATCH).map(|(name, _)| name.clone()).collect()
    }

    /// An examination of these names began.
    pub fn begin(&mut self, plan: PlanId) {
        self.examination = Some(plan);
    }

    /// An examination of these names ended; those that stay in question are asked again after a while.
    pub fn end(&mut self, names: &[String], now: Duration) {
        self.examination = None;
        for (place, name) in (0..).zip(names) {
            if let Some(question) = self.questions.get_mut(name) {
                question.asked = question.asked.saturating_add(1);
                let salt = self.salt.wrapping_add(place);
                question.not_before = now + backoff(question.asked, FIRST_WAIT, LONGEST_WAIT, salt);
            }
        }
    }

    /// The directory is in doubt: nothing is examined for a while, longer each time.
    pub fn pause(&mut self, now: Duration) {
        self.doubts = self.doubts.saturating_add(1);
        self.paused_until = now + backoff(self.doubts, FIRST_WAIT, LONGEST_WAIT, self.salt);
    }

    /// The directory was found to be as it is known: a later doubt is a new one.
    pub fn trust(&mut self) {
        (self.doubts, self.paused_until) = (0, Duration::ZERO);
    }

    /// All names are to be examined as soon as they may be: the state of the directory changed.
    pub fn hurry(&mut self) {
        self.trust();
        for question in self.questions.values_mut() {
            question.not_before = Duration::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn claims_wait_for_a_quiet_window_and_are_judged_together() {
        let mut removals = Removals::default();
        removals.set("a", true, at(10));
        removals.set("b", true, at(11));
        removals.set("a", true, at(12)); // known already: does not stretch the window
        assert!(removals.ready(at(12)).is_empty());
        assert_eq!(removals.due(), Some(at(13)));
        assert_eq!(removals.ready(at(13)), ["a", "b"]);
    }

    #[test]
    fn an_entry_that_is_back_within_the_window_is_not_examined() {
        let mut removals = Removals::default();
        removals.set("a", true, at(10));
        removals.set("a", false, at(11));
        assert_eq!(removals.due(), None);
        assert!(removals.ready(at(20)).is_empty());
    }

    #[test]
    fn a_directory_in_doubt_is_asked_once_for_all_names_and_ever_more_rarely() {
        let mut removals = Removals::default();
        for name in 0..1000 {
            removals.set(&name.to_string(), true, at(0));
        }
        let mut asked = 0;
        for second in 0..600 {
            let names = removals.ready(at(second));
            if !names.is_empty() {
                asked += 1;
                removals.begin(PlanId(second));
                removals.end(&names, at(second));
                removals.pause(at(second));
            }
        }
        assert!((20..=50).contains(&asked), "{asked} examinations in ten minutes");
        removals.trust();
        removals.pause(at(600));
        assert!(removals.due().unwrap() <= at(600) + FIRST_WAIT, "the doubts before that ended");
        removals.hurry();
        assert!(!removals.ready(at(600)).is_empty());
    }

    #[test]
    fn no_two_replicas_ask_at_the_same_times() {
        let again = |salt| {
            let mut removals = Removals::default();
            removals.spread(salt);
            removals.set("a", true, at(0));
            removals.end(&["a".into()], at(2));
            let alone = removals.due();
            removals.pause(at(2));
            (alone, removals.paused_until)
        };
        let ten: Vec<_> = (0..10).map(|replica| again(crate::time::salt(replica))).collect();
        let alone: std::collections::BTreeSet<_> = ten.iter().map(|(alone, _)| alone).collect();
        let paused: std::collections::BTreeSet<_> = ten.iter().map(|(_, paused)| paused).collect();
        assert!(alone.len() > 5 && paused.len() > 5, "{ten:?}");
    }

    #[test]
    fn one_examination_at_a_time_and_what_it_does_not_settle_is_asked_again_later() {
        let mut removals = Removals::default();
        removals.set("a", true, at(0));
        removals.begin(PlanId(1));
        assert_eq!(removals.due(), None);
        removals.end(&["a".into()], at(2));
        assert_eq!(removals.unconfirmed(), 1);
        let again = removals.due().unwrap();
        assert!(again > at(2) && again <= at(4), "{again:?}");
        for round in 0..20 {
            removals.end(&["a".into()], at(100 + round));
        }
        assert!(removals.due().unwrap() <= at(119) + LONGEST_WAIT);
        removals.hurry();
        assert_eq!(removals.ready(at(119)), ["a"]);
    }
}
