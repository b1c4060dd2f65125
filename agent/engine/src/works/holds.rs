//! The deletions that wait for somebody's word, those whose word has come, and those that need none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::sight::Sight;
use crate::hold::{self, Hold, Passed, key};
use crate::target::Target;

/// What holds of Works are known.
#[derive(Debug, Default)]
pub(super) struct Holds {
    /// Those that are in force, and those that were released and are not over.
    all: Vec<Hold>,
    /// What is durably kept of them; `None` before it was read.
    kept: Option<Vec<Hold>>,
    /// The Works whose end was judged of late and needs no word.
    pub(super) passed: Passed,
    /// What Works dropped and needs no word, by UID and the [`key`] of the object.
    admitted: BTreeMap<String, BTreeSet<String>>,
    /// The Works that could end now, and were not judged.
    ends: BTreeSet<String>,
    /// What could go now of what Works dropped, and was not judged.
    drops: BTreeMap<String, Drop>,
    /// The Works of which something could go, where it is still to be found out how much, and since when.
    looking: BTreeMap<String, Duration>,
    /// The ids that people wrote where they hold for all Works.
    words: BTreeSet<String>,
    /// A word on a Work does not count.
    deaf: bool,
    /// When the directory's Works were heard of.
    pub(super) sight: Sight,
}

/// What of a Work could go now, since that dropped it, and was not judged.
#[derive(Debug)]
pub(super) struct Drop {
    /// The objects, by their keys.
    pub(super) objects: BTreeSet<String>,
    /// How many more may go, of which it is not known yet whether they are there.
    pub(super) unknown: usize,
    /// How many objects it had before.
    pub(super) had: usize,
}

impl Holds {
    /// Those that are in force, and those that were released and are not over.
    pub(super) fn all(&self) -> &[Hold] {
        &self.all
    }

    /// This is durably kept. What a process finds kept when it begins is in force.
    pub(super) fn recall(&mut self, kept: &[Hold]) {
        if self.kept.is_none() {
            self.all = kept.to_vec();
            self.release();
        }
        self.kept = Some(kept.to_vec());
    }

    /// Another directory's Works are not these, nor is what is known of this one of any use after its record was removed.
    pub(super) fn reset(&mut self) {
        let words = std::mem::take(&mut self.words);
        *self = Self { words, deaf: self.deaf, sight: Sight::returning(), ..Self::default() };
    }

    pub(super) fn is_recalled(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether only the owner of the replica may give a word.
    pub(super) fn is_deaf(&self) -> bool {
        self.deaf
    }

    /// Whether what is in force is durably kept.
    pub(super) fn is_settled(&self) -> bool {
        self.kept.as_ref() == Some(&self.all)
    }

    /// Whether a hold is about a Work.
    pub(super) fn names(&self, work: &str) -> bool {
        self.all.iter().any(|hold| hold.ends.contains_key(work) || hold.drops.contains_key(work))
    }

    /// A hold that keeps something of a Work.
    pub(super) fn keeping(&self, work: &str) -> Option<&Hold> {
        self.all.iter().find(|hold| hold.keeps(work))
    }

    /// Whether the end of a Work was judged.
    pub(super) fn is_judged(&self, work: &str) -> bool {
        self.passed.contains(work) || self.all.iter().any(|hold| hold.ends.contains_key(work))
    }

    /// Whether the end of a Work was judged and needs no word, or has it.
    pub(super) fn may_end(&self, work: &str) -> bool {
        self.is_judged(work) && !self.keeps_end(work)
    }

    /// Whether the end of a Work waits for a word.
    pub(super) fn keeps_end(&self, work: &str) -> bool {
        self.all.iter().any(|hold| hold.keeps_end(work))
    }

    /// Whether an object that a Work dropped waits for a word.
    pub(super) fn keeps_object(&self, work: &str, target: &Target) -> bool {
        let mut kept = self.all.iter().filter_map(|hold| hold.kept_of(work)).peekable();
        kept.peek().is_some() && {
            let key = key(target);
            kept.any(|objects| objects.contains(&key))
        }
    }

    /// Whether an object that a Work dropped needs no word, or has it.
    pub(super) fn may_drop(&self, work: &str, target: &Target) -> bool {
        let released =
            self.all.iter().filter_map(|hold| hold.drops.get(work)).filter(|dropped| dropped.released);
        let mut open = released.map(|dropped| &dropped.objects).chain(self.admitted.get(work)).peekable();
        open.peek().is_some() && {
            let key = key(target);
            open.any(|objects| objects.contains(&key)) && !self.keeps_object(work, target)
        }
    }

    /// Whether an object that a Work dropped was judged.
    pub(super) fn is_judged_object(&self, work: &str, target: &Target) -> bool {
        self.keeps_object(work, target) || self.may_drop(work, target)
    }

    /// How many objects that a Work dropped wait, or need no word and were not over when it dropped more.
    pub(super) fn dropped(&self, work: &str) -> usize {
        let waiting: usize = self.all.iter().filter_map(|hold| hold.kept_of(work)).map(BTreeSet::len).sum();
        waiting + self.admitted.get(work).map_or(0, BTreeSet::len)
    }

    /// How many Works were let go, or began to wait, of late. `ending`: those that are about to end, or were.
    pub(super) fn lately<'a>(&mut self, wall: Timestamp, ending: impl Iterator<Item = &'a str>) -> usize {
        self.passed.forget(wall, ending);
        let begun = |hold: &&Hold| {
            let age = wall.duration_since(hold.since.timestamp());
            age < SignedDuration::try_from(hold::WHILE).unwrap_or_default()
        };
        let held = self.all.iter().filter(begun).flat_map(|hold| hold.ends.keys());
        let held: BTreeSet<&String> = held.filter(|work| !self.passed.contains(work)).collect();
        self.passed.since(wall) + held.len()
    }

    /// A Work could end, and is to be judged.
    pub(super) fn ask_end(&mut self, work: &str) {
        self.ends.insert(work.to_owned());
    }

    /// What a Work dropped could go, and is to be judged.
    pub(super) fn ask_drop(&mut self, work: &str, drop: Drop) {
        self.drops.insert(work.to_owned(), drop);
    }

    /// Something of a Work could go, and it is still to be found out how much. Since when.
    pub(super) fn look(&mut self, work: &str, now: Duration) -> Duration {
        *self.looking.entry(work.to_owned()).or_insert(now)
    }

    /// It is found out, as far as it can be.
    pub(super) fn looked(&mut self, work: &str) {
        self.looking.remove(work);
    }

    /// Whether something of a Work is still to be judged.
    pub(super) fn asks(&self, work: &str) -> bool {
        self.ends.contains(work) || self.drops.contains_key(work) || self.looking.contains_key(work)
    }

    pub(super) fn is_asked(&self) -> bool {
        !(self.ends.is_empty() && self.drops.is_empty())
    }

    /// The Works that could end, which are to be judged now.
    pub(super) fn take_ends(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.ends)
    }

    /// What could go of what Works dropped, which is to be judged now.
    pub(super) fn take_drops(&mut self) -> BTreeMap<String, Drop> {
        std::mem::take(&mut self.drops)
    }

    /// These objects that a Work dropped need no word.
    pub(super) fn admit(&mut self, work: String, objects: BTreeSet<String>) {
        self.admitted.entry(work).or_default().extend(objects);
    }

    /// A Work says something else: what it drops is judged anew.
    pub(super) fn begin_anew(&mut self, work: &str) {
        self.admitted.remove(work);
        self.ends.remove(work);
        self.drops.remove(work);
        self.looking.remove(work);
    }

    /// A deletion waits.
    pub(super) fn begin(&mut self, hold: Hold) {
        self.all.push(hold);
    }

    /// People wrote these ids where they hold for all Works. `deaf`: a word on a Work does not count. Returns the Works
    /// of what was released.
    pub(super) fn heed(&mut self, words: BTreeSet<String>, deaf: bool) -> BTreeSet<String> {
        (self.words, self.deaf) = (words, deaf);
        self.release()
    }

    fn release(&mut self) -> BTreeSet<String> {
        let mut released = BTreeSet::new();
        for hold in self.all.iter_mut().filter(|hold| self.words.contains(&hold.id)) {
            released.extend(hold.works().map(str::to_owned));
            hold.release_all();
        }
        released
    }

    /// The Work of this UID bears this word.
    pub(super) fn hear(&mut self, uid: &str, word: &str) {
        if self.deaf {
            return;
        }
        for hold in self.all.iter_mut().filter(|hold| hold.keeps(uid)) {
            if hold::ids(word).any(|id| id == hold.id) {
                hold.release(uid);
            }
        }
    }

    /// The end of a Work is none any more, or takes nothing.
    pub(super) fn end_over(&mut self, work: &str) {
        for hold in &mut self.all {
            hold.ends.remove(work);
        }
        self.forget_empty();
    }

    /// What a Work dropped is none any more.
    pub(super) fn drops_over(&mut self, work: &str) {
        for hold in &mut self.all {
            hold.drops.remove(work);
        }
        self.forget_empty();
    }

    /// Nothing is known of a Work any more, and nothing of it is there.
    pub(super) fn over(&mut self, work: &str) {
        self.end_over(work);
        self.drops_over(work);
        self.begin_anew(work);
    }

    /// What a Work wants again it did not drop. Where none of the rest is there to go, that is over; else all of it waits on:
    /// what is gone for a moment may come back.
    pub(super) fn narrow(&mut self, work: &str, there: &BTreeSet<String>, back: &BTreeSet<String>) {
        for hold in &mut self.all {
            let Some(dropped) = hold.drops.get_mut(work) else { continue };
            dropped.objects.retain(|key| !back.contains(key));
            if dropped.objects.is_disjoint(there) {
                hold.drops.remove(work);
            }
        }
        self.forget_empty();
    }

    /// Another Work of the name takes over what a Work dropped.
    pub(super) fn hand_over(&mut self, work: &str, heir: &str) {
        for hold in &mut self.all {
            if let Some(dropped) = hold.drops.get(work).cloned() {
                hold.drops.insert(heir.to_owned(), dropped);
            }
        }
    }

    fn forget_empty(&mut self) {
        self.all.retain(|hold| !(hold.ends.is_empty() && hold.drops.is_empty()));
    }

    /// All UIDs that holds name.
    pub(super) fn named(&self) -> BTreeSet<String> {
        self.all.iter().flat_map(|hold| hold.ends.keys().chain(hold.drops.keys())).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_what_was_known_is_of_no_use_all_may_be_of_a_gap() {
        let wall = Timestamp::from_second(1_000_000).unwrap_or_default();
        let now = crate::time::Now { mono: Duration::from_secs(1), wall };
        let mut holds = Holds::default();
        holds.sight.listed(now, std::iter::empty());
        holds.passed.insert("a", wall);
        assert!(!holds.sight.is_returning());
        holds.reset();
        assert!(holds.sight.is_returning() && !holds.is_judged("a"));
        holds.sight.listed(now, std::iter::once("b".to_owned()));
        assert!(holds.sight.is_news("b"), "what it says is not known to have been settled");
    }
}
