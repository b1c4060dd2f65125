//! Time does not run backwards, and a directory that is restored from a backup does. Its resourceVersions do not show it:
//! what is written after the restore soon carries the counter past where it was. What shows it is the Lease that the replica
//! renews: it says that it was renewed last before the directory acknowledged a later renewal. So does an object of a known
//! UID in an earlier generation than is recorded.
//!
//! From then on another era is counted, in which what was recorded in earlier ones is no measure; and until somebody says
//! that the restored state counts, nothing is taken for deleted, and what an object said in the backup is not followed: only
//! what it says in a change after that.

use jiff::Timestamp;
use muster_api::Time;
use serde::{Deserialize, Serialize};

use crate::item::short_digest;

/// What the replica's own Lease in the directory says of its renewals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// `kube-system` UID of the directory.
    pub directory: String,
    /// Name of the Lease: that of the cluster.
    pub name: String,
    /// UID of the Lease.
    pub lease: String,
    /// When it was renewed last, by the clock of who did: to the microsecond. `None` where it never was.
    pub renewed: Option<Timestamp>,
    /// How often it went from one holder to another.
    pub transitions: i32,
    /// Who renewed it.
    pub holder: String,
}

impl Beat {
    /// Whether a directory whose Lease shows this was set back, since it acknowledged another one. Each renewal by a holder is
    /// later than all before it, of an earlier Lease of that name, too. One that was never renewed was made anew, unless it is
    /// the same one.
    #[must_use]
    pub fn is_before(&self, acknowledged: &Self) -> bool {
        let same = self.lease == acknowledged.lease;
        let passed_on = self.transitions.cmp(&acknowledged.transitions);
        let earlier = self.renewed < acknowledged.renewed && self.holder == acknowledged.holder;
        let earlier = match self.renewed {
            None => same,
            Some(_) if same => passed_on.is_lt() || passed_on.is_eq() && earlier,
            Some(_) => earlier,
        };
        (&self.directory, &self.name) == (&acknowledged.directory, &acknowledged.name) && earlier
    }

    /// What [`Self::read`] reads. Empty where the Lease was never renewed.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { directory, name, lease, renewed, transitions, holder } = self;
        let text = |renewed| format!("{renewed:.6} {transitions} {directory} {name} {lease} {holder}");
        renewed.map_or_else(String::new, text)
    }

    /// Reads what an earlier process wrote for this one; `None` where that is something else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut words = text.splitn(6, ' ');
        let (renewed, transitions) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let mut word = || Some(words.next()?.to_owned());
        let (directory, name, lease, holder) = (word()?, word()?, word()?, word()?);
        Some(Self { directory, name, lease, renewed: Some(renewed), transitions, holder })
    }
}

/// A stretch of the directory's history in which it was not set back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Era {
    /// Which: a later one has a higher number. One ends when the directory is found set back, and one when somebody says
    /// that this is to be followed.
    pub number: u32,
    /// It began with the directory set back, and nobody said that this is to be followed.
    pub doubted: bool,
}

impl Era {
    /// Whether what an object says in a generation is, as far as is known, of an earlier time than what is recorded of it.
    /// `changed`: it is in another generation than it was first in this era. In the same one it may say what the backup has, too:
    /// annotations are of no generation.
    #[must_use]
    pub fn is_past(self, recorded: Recorded, generation: i64, changed: bool) -> bool {
        recorded.era == self.number && generation < recorded.generation
            || self.doubted && recorded.era != self.number && !changed
    }
}

/// Whether an object changed in this era. What is shown first may still be of before, where a server answers from memory
/// that its etcd has not any more: what is in a lower generation comes from a later look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Course {
    first: Option<i64>,
    changed: bool,
}

impl Course {
    /// The object is shown in this generation.
    pub fn show(&mut self, generation: i64) {
        match self.first {
            Some(first) if generation == first => {}
            Some(first) if generation > first => self.changed = true,
            _ => *self = Self { first: Some(generation), changed: false },
        }
    }

    /// Whether it is in a later generation than it was in first.
    #[must_use]
    pub fn is_changed(self) -> bool {
        self.changed
    }
}

/// Of what state of its source a ledger is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The number of the era in which it was recorded.
    pub era: u32,
    /// The generation that is recorded.
    pub generation: i64,
}

/// The directory was set back, and it waits for somebody's word what is to become of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetBack {
    /// By which people say that the restored state is to be followed.
    pub id: String,
    /// When it was found out.
    pub since: Time,
    /// By what.
    pub why: String,
}

impl SetBack {
    /// It is found out now.
    #[must_use]
    pub fn new(why: String, now: Timestamp) -> Self {
        let id = short_digest(format!("{} {why}", now.as_nanosecond()).as_bytes());
        Self { id, since: now.into(), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(second: i64, holder: &str) -> Beat {
        let renewed = Timestamp::from_microsecond(second * 1_000_000 + 7).ok();
        let (directory, name, lease, holder) = ("d".into(), "c".into(), "l".into(), holder.into());
        Beat { directory, name, lease, renewed, transitions: 3, holder }
    }

    #[test]
    fn an_earlier_state_of_the_same_lease_was_set_back() {
        let acknowledged = beat(2, "me");
        assert!(beat(1, "me").is_before(&acknowledged));
        assert!(!beat(2, "me").is_before(&acknowledged));
        assert!(!beat(3, "me").is_before(&acknowledged), "the answer was lost");
        assert!(!beat(1, "other").is_before(&acknowledged), "another one's clock says nothing");
        assert!(Beat { transitions: 2, ..beat(3, "other") }.is_before(&acknowledged));
        assert!(Beat { renewed: None, ..beat(0, "") }.is_before(&acknowledged));
        assert!(
            !Beat { transitions: 4, ..beat(1, "me") }.is_before(&acknowledged),
            "others had it meanwhile"
        );
        let anew = |beat| Beat { lease: "anew".into(), ..beat };
        assert!(!anew(Beat { renewed: None, ..beat(0, "") }).is_before(&acknowledged));
        assert!(
            !anew(beat(3, "me")).is_before(&acknowledged) && !anew(beat(1, "other")).is_before(&acknowledged)
        );
        assert!(anew(beat(1, "me")).is_before(&acknowledged), "the one before it is there again");
        assert!(!Beat { directory: "other".into(), ..beat(1, "me") }.is_before(&acknowledged));
        assert!(!anew(Beat { name: "other".into(), ..beat(1, "me") }).is_before(&acknowledged));
    }

    #[test]
    fn what_is_lower_than_before_is_no_change() {
        let mut course = Course::default();
        let mut shown = |generation| {
            course.show(generation);
            course.is_changed()
        };
        assert_eq!([5, 5, 3, 3, 4, 4].map(&mut shown), [false, false, false, false, true, true]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let beat = beat(1_800_000_000, "replica/install");
        assert_eq!(Beat::read(&beat.text()), Some(beat));
        for text in ["", "now", "now me", "2026-01-01T00:00:00Z 1 uid name uid"] {
            assert_eq!(Beat::read(text), None, "{text}");
        }
    }

    #[test]
    fn what_was_restored_is_not_followed_before_it_changes_or_somebody_says_so() {
        let (first, doubted, followed) =
            (Era::default(), Era { number: 1, doubted: true }, Era { number: 2, doubted: false });
        let recorded = Recorded { era: 0, generation: 5 };
        assert!(first.is_past(recorded, 4, false) && first.is_past(recorded, 4, true));
        assert!(!first.is_past(recorded, 5, false) && !first.is_past(recorded, 6, true));
        for generation in [3, 5, 7] {
            assert!(doubted.is_past(recorded, generation, false), "{generation}");
            assert!(!doubted.is_past(recorded, generation, true), "{generation}: it was changed after that");
        }
        assert!(!followed.is_past(recorded, 1, false));
        let anew = Recorded { era: 1, generation: 4 };
        assert!(doubted.is_past(anew, 3, true) && !doubted.is_past(anew, 4, false));
        assert!(!followed.is_past(anew, 3, false));
    }
}
