//! Since when the directory's Works have not been heard of: after a gap, much may have happened that nobody saw.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::hold::GAP;
use crate::time::Now;

/// How long a watch that goes on after a gap may take to say that it cannot, and lists anew.
const RESUMES: Duration = Duration::from_secs(10);

/// When the directory's Works were heard of.
#[derive(Debug, Default)]
pub(super) struct Sight {
    last: Last,
    returning: Option<Returning>,
}

/// When something was last heard.
#[derive(Clone, Copy, Debug, Default)]
enum Last {
    /// An earlier process may have heard something, and nobody knows when.
    #[default]
    Unknown,
    /// By the monotonic clock of this process, and by the time of day: what an earlier one heard may lie before its beginning.
    At(SignedDuration, Timestamp),
}

/// The directory is heard of after a gap, and what is found to go is counted together, until each Work is settled that
/// was known when all was seen again.
#[derive(Debug, Default)]
struct Returning {
    /// Since when the watch goes on, where it was not listed anew.
    resumed: Option<Duration>,
    /// The Works that are to be settled, by UID; `None` until all was seen again.
    open: Option<BTreeSet<String>>,
    /// How many objects were found to go.
    found: usize,
    /// Those of them that cannot be settled now, since they are suspended, wrong or refused. They keep nobody waiting; what is
    /// found to go of them is still of the gap.
    excused: BTreeSet<String>,
    /// The Works of which live reads showed since that nothing is to go, or did not show that something is.
    examined: BTreeSet<String>,
}

impl Sight {
    /// What was heard before counts no more, and all that is found to go may be something of a gap.
    pub(super) fn returning() -> Self {
        Self { last: Last::Unknown, returning: Some(Returning::default()) }
    }

    /// An earlier process heard something then, by its clock. One that runs ahead says nothing.
    pub(super) fn heard_before(&mut self, heard: Option<Timestamp>, now: Now) {
        let ago = heard.map(|heard| (heard, now.wall.duration_since(heard)));
        let likely = ago.filter(|(_, ago)| ago.abs() <= signed(GAP));
        self.last = likely.map_or(Last::Unknown, |(heard, ago)| {
            Last::At(signed(now.mono) - ago.max(SignedDuration::ZERO), heard)
        });
    }

    /// Something is heard. A clock that stood still while the machine slept is not believed. `watched`: by a watch that goes
    /// on. What else is heard, a part of a listing or a live read, tells of a gap, and not that nothing was missed.
    pub(super) fn hear(&mut self, now: Now, watched: bool) {
        let mono = signed(now.mono);
        let gap = match self.last {
            Last::Unknown => true,
            Last::At(last, wall) => last + signed(GAP) < mono || now.wall.duration_since(wall) > signed(GAP),
        };
        if gap && self.returning.as_ref().is_none_or(Returning::is_calm) {
            let before = self.returning.take().unwrap_or_default();
            self.returning =
                Some(Returning { excused: before.excused, found: before.found, ..Returning::default() });
        }
        if !watched {
            return;
        }
        if let Some(returning) = self.returning.as_mut().filter(|returning| returning.open.is_none()) {
            returning.resumed.get_or_insert(now.mono); // it goes on after all
        }
        self.last = Last::At(mono, now.wall);
    }

    /// The watch cannot go on: nothing is known to be all that happened before it lists anew.
    pub(super) fn interrupted(&mut self) {
        if let Some(returning) = self.returning.as_mut().filter(|returning| !returning.is_calm()) {
            (returning.resumed, returning.open) = (None, None);
        }
    }

    /// All was listed.
    pub(super) fn listed(&mut self, now: Now, known: impl Iterator<Item = String>) {
        self.hear(now, false);
        self.last = Last::At(signed(now.mono), now.wall);
        if let Some(returning) = self.returning.as_mut().filter(|returning| !returning.is_calm()) {
            (returning.resumed, returning.open) = (None, Some(known.collect()));
        }
        self.close();
    }

    /// A watch that goes on for a while without listing anew has told all that happened. `known`: the Works.
    pub(super) fn goes_on(&mut self, now: Duration, known: impl Iterator<Item = String>) {
        if let Some(returning) = &mut self.returning
            && returning.resumed.is_some_and(|since| since + RESUMES <= now)
        {
            (returning.resumed, returning.open) = (None, Some(known.collect()));
        }
        self.close();
    }

    /// When [`Self::goes_on`] has something to say.
    pub(super) fn due(&self) -> Option<Duration> {
        Some(self.returning.as_ref()?.resumed? + RESUMES)
    }

    /// Live reads were made about a Work. `ended`: they showed that something of it is to go.
    pub(super) fn examined(&mut self, work: &str, ended: bool) {
        match &mut self.returning {
            Some(returning) if ended => drop(returning.examined.take(work)),
            Some(returning) => drop(returning.examined.replace(work.to_owned())),
            None => {}
        }
    }

    /// Whether live reads were made about a Work since the gap, and nothing is shown to go.
    pub(super) fn was_examined(&self, work: &str) -> bool {
        self.returning.as_ref().is_some_and(|returning| returning.examined.contains(work))
    }

    /// What a Work says now is recorded, and what of it is to go was judged.
    pub(super) fn settled(&mut self, work: &str) {
        if let Some(returning) = &mut self.returning {
            returning.excused.remove(work);
            if let Some(open) = &mut returning.open {
                open.remove(work);
            }
        }
        self.close();
    }

    /// That cannot be so for now.
    pub(super) fn excused(&mut self, work: &str) {
        if let Some(returning) = &mut self.returning
            && returning.open.as_mut().is_some_and(|open| open.remove(work))
        {
            returning.excused.insert(work.to_owned());
        }
    }

    fn close(&mut self) {
        self.returning.take_if(|returning| returning.is_calm() && returning.excused.is_empty());
    }

    /// Whether what is found to go may be something of a gap.
    pub(super) fn is_returning(&self) -> bool {
        self.returning.is_some()
    }

    /// Whether it may, where it is found to go of this Work: that one is not settled.
    pub(super) fn is_news(&self, work: &str) -> bool {
        self.returning.as_ref().is_some_and(|returning| {
            returning.open.as_ref().is_none_or(|open| open.contains(work)) || returning.excused.contains(work)
        })
    }

    /// So many more objects are found to go. How many it were since a gap; none where there was none.
    pub(super) fn found(&mut self, objects: usize) -> usize {
        let Some(returning) = &mut self.returning else { return 0 };
        returning.found += objects;
        returning.found
    }

    /// When something was last heard, once what was found to go after a gap has been judged.
    pub(super) fn heard(&self) -> Option<Timestamp> {
        match self.last {
            Last::At(_, wall) if self.returning.as_ref().is_none_or(Returning::is_calm) => Some(wall),
            _ => None,
        }
    }
}

impl Returning {
    /// Whether nobody need wait for it any more.
    fn is_calm(&self) -> bool {
        self.open.as_ref().is_some_and(BTreeSet::is_empty)
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        let wall = Timestamp::from_second(1_000_000).unwrap() + Duration::from_secs(seconds);
        Now { mono: Duration::from_secs(seconds), wall }
    }

    fn known(works: &[&str]) -> std::vec::IntoIter<String> {
        works.iter().map(|work| (*work).to_owned()).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn what_is_heard_after_more_than_five_minutes_is_heard_after_a_gap() {
        let mut sight = Sight::default();
        sight.hear(at(1), true);
        assert_eq!((sight.is_returning(), sight.heard()), (true, None), "nobody knows what was before");
        sight.settled("a");
        assert!(sight.is_returning(), "not all was seen");
        sight.listed(at(1), known(&["a", "b"]));
        sight.settled("a");
        assert_eq!(sight.heard(), None);
        sight.settled("b");
        assert_eq!((sight.is_returning(), sight.heard()), (false, Some(at(1).wall)));
        sight.hear(at(301), true);
        assert!(!sight.is_returning());
        sight.hear(at(602), true);
        assert!(sight.is_returning());
    }

    #[test]
    fn a_watch_that_goes_on_has_told_all_after_a_while_unless_it_lists_anew() {
        let mut sight = Sight::default();
        sight.hear(at(1), true);
        assert_eq!(sight.due(), Some(at(11).mono));
        sight.goes_on(at(10).mono, known(&["a"]));
        sight.settled("a");
        assert!(sight.is_returning());
        sight.interrupted();
        sight.hear(at(20), false);
        sight.goes_on(at(60).mono, known(&["a"]));
        sight.settled("a");
        assert!(sight.is_returning(), "it lists anew");
        sight.listed(at(60), known(&["a"]));
        sight.interrupted();
        sight.settled("a");
        assert!(sight.is_returning(), "it was cut off again before all was settled");
        sight.listed(at(70), known(&["a"]));
        sight.settled("a");
        assert!(!sight.is_returning());

        sight.hear(at(500), true);
        sight.interrupted();
        sight.goes_on(at(520).mono, known(&["a"]));
        assert!(sight.is_returning(), "it failed");
        sight.hear(at(530), true);
        sight.goes_on(at(540).mono, known(&["a"]));
        sight.settled("a");
        assert!(!sight.is_returning(), "it went on after all");

        sight.hear(at(1000), true);
        sight.goes_on(at(1010).mono, known(&["a"]));
        sight.settled("a");
        assert!(!sight.is_returning());
    }

    #[test]
    fn only_a_watch_that_goes_on_or_a_whole_listing_says_that_nothing_was_missed() {
        let mut sight = Sight::default();
        sight.listed(at(1), known(&[]));
        assert_eq!((sight.is_returning(), sight.heard()), (false, Some(at(1).wall)));
        for second in [100, 200, 300, 400] {
            sight.hear(at(second), false);
        }
        assert!(sight.is_returning());
        sight.found(7);
        sight.hear(at(500), false);
        assert_eq!(sight.found(1), 8, "it is one gap");
        sight.listed(at(600), known(&["a", "b"]));
        sight.settled("a");
        sight.excused("b");
        assert_eq!(
            (sight.heard(), sight.is_news("a"), sight.is_news("b")),
            (Some(at(600).wall), false, true)
        );
        sight.interrupted();
        sight.settled("b");
        assert!(!sight.is_returning());
    }

    #[test]
    fn a_clock_that_stood_still_hides_no_gap() {
        let mut sight = Sight::default();
        sight.heard_before(Some(at(1).wall), at(1));
        sight.hear(at(2), true);
        assert!(!sight.is_returning());
        sight.hear(Now { mono: at(3).mono, wall: at(3000).wall }, true);
        assert!(sight.is_returning());
    }

    #[test]
    fn what_is_found_after_a_gap_is_counted_together_until_it_is_settled() {
        let mut sight = Sight::default();
        assert_eq!(sight.found(5), 0, "there was no gap");
        sight.hear(at(1), true);
        assert_eq!((sight.found(5), sight.found(6)), (5, 11));
        assert!(sight.is_news("a"));
        sight.listed(at(1), known(&["b", "c", "d"]));
        sight.settled("c");
        assert!(!sight.is_news("c") && sight.is_news("d"), "what is settled is nothing of the gap");
    }

    #[test]
    fn what_was_read_before_another_gap_says_nothing_of_that_one() {
        let mut sight = Sight::default();
        sight.listed(at(1), known(&["a"]));
        sight.excused("a");
        sight.examined("b", false);
        assert!(sight.was_examined("b"));
        sight.found(7);
        sight.hear(at(600), true);
        assert_eq!((sight.was_examined("b"), sight.is_news("a"), sight.found(1)), (false, true, 8));
        sight.listed(at(601), known(&["c"]));
        assert!(sight.is_news("a") && sight.is_news("c"), "what was excused is still of the first one");
    }

    #[test]
    fn what_an_earlier_process_heard_counts_where_the_clocks_make_sense() {
        for (ago, gap) in [
            (0, false),
            (200, false),
            (298, false),
            (300, true),
            (100_000, true),
            (-200, false),
            (-400, true),
        ] {
            let mut sight = Sight::default();
            let heard = at(1).wall - SignedDuration::from_secs(ago);
            sight.heard_before(Some(heard), at(1));
            sight.hear(at(3), true);
            assert_eq!(sight.is_returning(), gap, "{ago}");
        }
    }
}
