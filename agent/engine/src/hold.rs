//! When a large deletion waits for somebody's word, and what is kept of it until that comes. One mistake deletes much at
//! once, and so does a directory that is not what it was; what people mean is small, or somebody says so.
//!
//! The rules are functions of counts alone. Grants of policies and copies of entries are never held.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use muster_api::{Time, marks};
use serde::{Deserialize, Serialize};

use crate::item::short_digest;
use crate::target::Target;

/// How many Works, or objects, go without a word in any case.
pub const FEW: usize = 10;
/// How many Works may go before all that are there is many.
const TWO: usize = 2;
/// The time over which Works that go are counted together.
pub const WHILE: Duration = Duration::from_secs(600);
/// A gap of this length is one in which much may have happened that nobody saw.
pub const GAP: Duration = Duration::from_secs(300);

/// Which rule holds a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    /// More than [`FEW`] Works, and more than a fifth of all, go within [`WHILE`].
    ManyWorks,
    /// All Works go at once, and there were three or more.
    AllWorks,
    /// A Work drops more than [`FEW`] objects, and more than half of what it had, or several do at once.
    MostOfWork,
    /// More than [`FEW`] objects are found to go after the directory was out of sight for more than [`GAP`].
    AfterGap,
    /// Of a later version of the agent.
    #[serde(other)]
    Other,
}

/// A deletion that waits for somebody's word. It lists what it is about, and is about nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// By which people release it. No other hold ever has it, also one of the same.
    pub id: String,
    /// By which rule.
    pub rule: Rule,
    /// When it began.
    pub since: Time,
    /// The UIDs of the Works that are to end, and whether that was released.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ends: BTreeMap<String, bool>,
    /// By the UIDs of Works what they dropped.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub drops: BTreeMap<String, Dropped>,
    /// How many objects were to go when it began.
    pub objects: usize,
}

/// What a Work does not ask for any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The objects, each by its [`key`].
    pub objects: BTreeSet<String>,
    /// Whether they were released.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
}

/// What stands for an object in a hold: the same in all versions in which its kind is served.
#[must_use]
pub fn key(target: &Target) -> String {
    let Target { resource, namespace, name } = target;
    let namespace = namespace.as_deref().unwrap_or_default();
    short_digest(format!("{}/{} {namespace}/{name}", resource.group, resource.plural).as_bytes())
}

impl Hold {
    /// A hold of the ends of Works, by their UIDs, and of what others dropped.
    #[must_use]
    pub fn new(
        rule: Rule,
        ends: BTreeSet<String>,
        drops: BTreeMap<String, BTreeSet<String>>,
        objects: usize,
        since: Timestamp,
    ) -> Self {
        let listed = ends.iter().cloned().chain(drops.iter().map(|drop| format!("{drop:?}")));
        let text =
            listed.fold(format!("{rule:?} {}", since.as_nanosecond()), |text, one| format!("{text}\n{one}"));
        let dropped = |objects| Dropped { objects, released: false };
        Self {
            id: short_digest(text.as_bytes()),
            rule,
            since: since.into(),
            ends: ends.into_iter().map(|uid| (uid, false)).collect(),
            drops: drops.into_iter().map(|(uid, objects)| (uid, dropped(objects))).collect(),
            objects,
        }
    }

    /// Whether it keeps a Work from ending.
    #[must_use]
    pub fn keeps_end(&self, work: &str) -> bool {
        self.ends.get(work) == Some(&false)
    }

    /// What it keeps of what a Work dropped.
    #[must_use]
    pub fn kept_of(&self, work: &str) -> Option<&BTreeSet<String>> {
        self.drops.get(work).filter(|dropped| !dropped.released).map(|dropped| &dropped.objects)
    }

    /// Whether it keeps anything of a Work.
    #[must_use]
    pub fn keeps(&self, work: &str) -> bool {
        self.keeps_end(work) || self.kept_of(work).is_some()
    }

    /// The UIDs of the Works of which it keeps something.
    pub fn works(&self) -> impl Iterator<Item = &str> {
        let ends = self.ends.iter().filter(|(_, released)| !**released).map(|(uid, _)| uid.as_str());
        let drops = self.drops.iter().filter(|(_, dropped)| !dropped.released).map(|(uid, _)| uid.as_str());
        ends.chain(drops)
    }

    /// Whether it still keeps anything.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.works().next().is_some()
    }

    /// What it keeps of a Work is released.
    pub fn release(&mut self, work: &str) {
        if let Some(released) = self.ends.get_mut(work) {
            *released = true;
        }
        if let Some(dropped) = self.drops.get_mut(work) {
            dropped.released = true;
        }
    }

    /// All that it keeps is released.
    pub fn release_all(&mut self) {
        self.ends.values_mut().for_each(|released| *released = true);
        self.drops.values_mut().for_each(|dropped| dropped.released = true);
    }
}

/// The Works whose end was judged within [`WHILE`] and needs no word, by digests of their UIDs. What it says of them as a
/// text rides on a Lease that is written anyway, for the next process: `SECOND=DIGEST,DIGEST;SECOND=DIGEST`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed(BTreeMap<String, i64>);

impl Passed {
    /// How many of them the text has: the last ones.
    const MOST: usize = 500;

    /// The end of a Work needs no word.
    pub fn insert(&mut self, work: &str, now: Timestamp) {
        self.0.insert(short_digest(work.as_bytes()), now.as_second());
    }

    /// Whether the end of a Work needs no word.
    #[must_use]
    pub fn contains(&self, work: &str) -> bool {
        !self.0.is_empty() && self.0.contains_key(&short_digest(work.as_bytes()))
    }

    /// It does not end.
    pub fn remove(&mut self, work: &str) {
        if !self.0.is_empty() {
            self.0.remove(&short_digest(work.as_bytes()));
        }
    }

    /// What lies longer back than [`WHILE`], or what a clock says that ran ahead, is forgotten, but for Works that are still
    /// about to end.
    pub fn forget<'a>(&mut self, now: Timestamp, ending: impl Iterator<Item = &'a str>) {
        if self.since(now) < self.0.len() {
            let ending: BTreeSet<String> = ending.map(|work| short_digest(work.as_bytes())).collect();
            self.0.retain(|work, second| is_late(*second, now) || ending.contains(work));
        }
    }

    /// How many there are of late.
    #[must_use]
    pub fn since(&self, now: Timestamp) -> usize {
        self.0.values().filter(|second| is_late(**second, now)).count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the next process is told.
    #[must_use]
    pub fn text(&self) -> String {
        let mut last: Vec<(i64, &str)> =
            self.0.iter().map(|(work, second)| (*second, work.as_str())).collect();
        last.sort_unstable_by(|one, other| other.cmp(one));
        last.truncate(Self::MOST);
        let parts = last.chunk_by(|one, other| one.0 == other.0).map(|part| {
            let works: Vec<&str> = part.iter().map(|(_, work)| *work).collect();
            format!("{}={}", part[0].0, works.join(","))
        });
        parts.collect::<Vec<_>>().join(";")
    }

    /// What an earlier process told. What cannot be read says nothing.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let parts = text.split(';').filter_map(|part| part.split_once('='));
        let dated = parts.filter_map(|(second, works)| Some((second.parse::<i64>().ok()?, works)));
        let works =
            dated.flat_map(|(second, works)| works.split(',').map(move |work| (work.to_owned(), second)));
        Self(works.take(Self::MOST).collect())
    }
}

/// Whether something lies no longer back than [`WHILE`].
fn is_late(second: i64, now: Timestamp) -> bool {
    now.as_second().saturating_sub(second).unsigned_abs() < WHILE.as_secs()
}

/// The ids that an annotation [`RELEASE`](marks::RELEASE) names: one, or some with commas or spaces between them.
pub(crate) fn ids(word: &str) -> impl Iterator<Item = &str> {
    word.split(|sign: char| sign == ',' || sign.is_whitespace()).filter(|id| !id.is_empty())
}

/// The ids that people wrote on an object.
pub(crate) fn words(annotations: &BTreeMap<String, String>) -> BTreeSet<String> {
    annotations.get(marks::RELEASE).into_iter().flat_map(|word| ids(word)).map(str::to_owned).collect()
}

/// Whether the end of so many Works waits. `ending`: those whose end is to be judged now; `lately`: those that went, or
/// began to wait, within [`WHILE`] before; `others`: those that stay.
#[must_use]
pub fn of_works(ending: usize, lately: usize, others: usize) -> Option<Rule> {
    let going = ending + lately;
    if ending == 0 {
        None
    } else if going > FEW && going * 5 > going + others {
        Some(Rule::ManyWorks)
    } else {
        (ending > TWO && others == 0).then_some(Rule::AllWorks)
    }
}

/// Whether a Work drops so much that it waits. `had`: how many objects it had.
#[must_use]
pub const fn is_most(dropped: usize, had: usize) -> bool {
    dropped > FEW && dropped * 2 > had
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_works_are_more_than_ten_and_more_than_a_fifth_within_the_while() {
        let many = Some(Rule::ManyWorks);
        for (ending, lately, others, expected) in [
            (0, 30, 0, None), // nothing is to be judged
            (1, 0, 0, None),
            (2, 0, 0, None),
            (3, 0, 0, Some(Rule::AllWorks)),
            (3, 0, 1, None),
            (3, 5, 0, Some(Rule::AllWorks)),
            (10, 0, 1, None),
            (11, 0, 1, many),
            (11, 0, 44, None), // a fifth of 55, and no more
            (12, 0, 44, many),
            (1, 9, 5, None),
            (1, 10, 5, many), // one by one
            (100, 0, 400, None),
            (101, 0, 399, many),
        ] {
            assert_eq!(of_works(ending, lately, others), expected, "{ending} {lately} {others}");
        }
    }

    #[test]
    fn most_of_a_work_is_more_than_ten_objects_and_more_than_half() {
        let expected = [
            (0, 0, false),
            (10, 10, false),
            (11, 11, true),
            (11, 22, false),
            (12, 23, true),
            (500, 1000, false),
        ];
        for (dropped, had, most) in expected {
            assert_eq!(is_most(dropped, had), most, "{dropped} of {had}");
        }
    }

    #[test]
    fn what_passed_reads_back_and_is_forgotten_after_a_while() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut passed = Passed::default();
        assert_eq!((passed.text().as_str(), Passed::read("")), ("", Passed::default()));
        passed.insert("a", at(1000));
        passed.insert("b", at(1000));
        passed.insert("c", at(1100));
        assert_eq!(Passed::read(&passed.text()), passed);
        for wrong in ["x", "x=y", "=", "1000", ";;"] {
            assert_eq!(Passed::read(wrong), Passed::default(), "{wrong}");
        }
        passed.forget(at(1599), [].into_iter());
        assert!(passed.contains("a") && passed.contains("b"));
        passed.forget(at(1600), ["b"].into_iter());
        assert!(!passed.contains("a") && passed.contains("b") && passed.contains("c"));
        assert_eq!(passed.since(at(1600)), 1, "b is still about to end, and counts no more");
        passed.forget(at(100), [].into_iter());
        assert!(passed.is_empty(), "of a clock that ran ahead");
        (0..2000).for_each(|work| passed.insert(&work.to_string(), at(work)));
        let read = Passed::read(&passed.text());
        assert!(read.since(at(1999)) == 500 && read.contains("1999") && !read.contains("1"));
    }

    fn ends(works: &[&str]) -> BTreeSet<String> {
        works.iter().map(|work| (*work).to_owned()).collect()
    }

    #[test]
    fn no_two_holds_have_one_id() {
        let drops = || BTreeMap::from([("d".to_owned(), ends(&["x"]))]);
        let at = |second| Timestamp::from_second(second).unwrap();
        let ids = [
            Hold::new(Rule::ManyWorks, ends(&["a", "b"]), BTreeMap::new(), 1, at(1)),
            Hold::new(Rule::ManyWorks, ends(&["a", "b"]), BTreeMap::new(), 1, at(2)),
            Hold::new(Rule::AllWorks, ends(&["a", "b"]), BTreeMap::new(), 1, at(1)),
            Hold::new(Rule::ManyWorks, ends(&["a"]), BTreeMap::new(), 1, at(1)),
            Hold::new(Rule::ManyWorks, ends(&["a"]), drops(), 1, at(1)),
        ]
        .map(|hold| hold.id);
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    }

    #[test]
    fn what_is_kept_reads_back_and_so_does_a_rule_of_a_later_version() {
        let drops = BTreeMap::from([("d".to_owned(), ends(&["x", "y"]))]);
        let mut hold = Hold::new(Rule::AfterGap, ends(&["a", "b"]), drops, 12, Timestamp::UNIX_EPOCH);
        hold.release("a");
        let text = serde_json::to_string(&hold).unwrap();
        assert_eq!(serde_json::from_str::<Hold>(&text).unwrap(), hold);
        let later = text.replace("afterGap", "phaseOfTheMoon");
        let mut read: Hold = serde_json::from_str(&later).unwrap();
        assert_eq!(read.rule, Rule::Other);
        assert!(read.keeps("b") && read.keeps("d") && !read.keeps("a"));
        assert_eq!(read.works().collect::<Vec<_>>(), ["b", "d"]);
        read.release_all();
        assert!(!read.is_waiting());
    }
}
