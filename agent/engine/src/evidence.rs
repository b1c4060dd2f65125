//! Who may delete, and on what evidence.
//!
//! Absence is never a reason to delete, and neither is every tombstone: deleting a CRD gives each of its objects a
//! true one. So a claim that an entry is gone is only where it begins. Live reads *after* it must show that the
//! directory is the pinned one, with its CRD and the replica's own entry in their places, and the answer for the
//! entry itself must be a 404 that names it. [`Findings::judge`] is the only place that makes a [`Confirmed`], for the
//! copy of an entry; [`Findings::judge_policy`] makes a [`Revocation`], for what a policy made;
//! [`Findings::judge_work`] makes an [`Ending`], for what a Work made; [`Replacement`] is for what is made anew, since it
//! cannot be changed; and [`Findings::judge_departure`] says whether the
//! replica was de-registered.

mod departure;
mod ending;
mod replacement;
mod revocation;
mod risk;

use std::fmt;

use muster_api::cluster::Deregistration;
use muster_api::resource::CLUSTERS;
use muster_api::{Object, Resource};

use crate::entry::Held;
use crate::era::Beat;
use crate::pin::{Landmarks, Mismatch, Pin, Reading};
use crate::scope::Scope;
use crate::target::Target;

pub use departure::Departure;
pub(crate) use departure::{Word, deregistration};
pub use ending::{Ending, LeaveVerdict, WorkVerdict};
pub(crate) use replacement::Refused;
pub use replacement::Replacement;
pub use revocation::{PolicyVerdict, Revocation};
pub(crate) use risk::Risk;

/// Live reads to make in the directory, in this order: the replica's own entry, then the directory's landmarks; where
/// these are as recorded ([`Findings::standing`]), some entries and policies by name; then the own entry and the
/// landmarks once more. So the landmarks of the findings are from after the rest: whatever took that away shows in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    /// What is recorded of the directory, with the name of the replica's own entry.
    pub pin: Pin,
    /// Entries in question.
    pub entries: Vec<String>,
    /// Policies in question.
    pub policies: Vec<String>,
    /// Works in question, in the execution namespace.
    pub works: Vec<String>,
    /// The replica leaves: what is in question is read where the own entry is gone, or going.
    pub leaving: bool,
    /// The last heartbeat that the directory acknowledged; `None` where none is known, and the Lease need not be read.
    pub beat: Option<Beat>,
}

impl Examination {
    /// Whether what was found around what is in question lets the answer mean something.
    #[must_use]
    pub fn may_conclude(&self, around: &Findings) -> bool {
        if self.leaving {
            around.judge_departure(&self.pin, Deregistration::Keep).is_ok()
        } else {
            around.standing(&self.pin).is_ok()
        }
    }
}

/// What an [`Examination`] found. All of it was read after the claims that it is to confirm.
#[derive(Debug)]
pub struct Findings {
    /// By what the directory is known.
    pub landmarks: Landmarks,
    /// The replica's own entry.
    pub own_entry: Reading<Box<Object>>,
    /// The entries in question.
    pub entries: Vec<(String, Reading<Box<Object>>)>,
    /// The policies in question.
    pub policies: Vec<(String, Reading<Box<Object>>)>,
    /// The Works in question.
    pub works: Vec<(String, Reading<Box<Object>>)>,
    /// How far the directory's time has come.
    pub tide: Tide,
}

/// How far the directory's time had come, as far as this replica knows, and how far its Lease says that it has.
#[derive(Debug, Default)]
pub struct Tide {
    /// The last heartbeat that was acknowledged before the reads, where one was.
    pub acknowledged: Option<Beat>,
    /// What the Lease shows. It was read only where there is something to compare.
    pub shown: Option<Reading<Beat>>,
}

impl Tide {
    /// Whether the directory is not set back to an earlier time.
    ///
    /// # Errors
    /// [`Doubt::SetBack`], or [`Doubt::Lease`] where that cannot be told.
    fn check(&self) -> Result<(), Doubt> {
        let Some(acknowledged) = &self.acknowledged else { return Ok(()) };
        match &self.shown {
            Some(Reading::Found(shown)) if shown.is_before(acknowledged) => {
                Err(Doubt::SetBack(set_back(shown, acknowledged)))
            }
            Some(Reading::Found(_)) => Ok(()),
            Some(Reading::Absent) => Err(Doubt::Lease("it is missing".into())),
            Some(Reading::Unreadable(why)) => Err(Doubt::Lease(format!("it cannot be read: {why}"))),
            None => Err(Doubt::Lease("it was not read".into())),
        }
    }
}

/// What shows that the directory was set back.
#[must_use]
pub fn set_back(shown: &Beat, acknowledged: &Beat) -> String {
    let said = |beat: &Beat| match beat.renewed {
        Some(renewed) => format!("renewed last by {} at {renewed:.6}", beat.holder),
        None => "never renewed".to_owned(),
    };
    let (shown, acknowledged) = (said(shown), said(acknowledged));
    format!(
        "the Lease of this cluster says that it was {shown}, and the directory had acknowledged that it was {acknowledged}"
    )
}

/// Evidence that a copy has to go. It has no public constructor and cannot be cloned: whoever holds one got it from
/// [`Findings::judge`], for one deletion.
#[derive(Debug, PartialEq, Eq)]
pub struct Confirmed {
    ground: Ground,
    entry: String,
    uid: String,
    directory: String,
    own_entry: String,
}

/// What the evidence shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    /// Asked for the entry by name, the directory answered that this object does not exist.
    Gone,
    /// The entry is there, and is not among those that the replica mirrors.
    Unselected,
}

impl fmt::Display for Confirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ground = match self.ground {
            Ground::Gone => "is gone from",
            Ground::Unselected => "is not selected any more from",
        };
        let Self { entry, uid, directory, own_entry, .. } = self;
        write!(
            f,
            "entry {entry} (UID {uid}) {ground} directory {directory}, where the own entry {own_entry} is present"
        )
    }
}

/// A deletion that evidence permits: of one object, and of nothing else.
#[derive(Debug, PartialEq, Eq)]
pub struct Deletion {
    target: Target,
    uid: String,
    version: Option<String>,
    because: String,
}

impl Confirmed {
    /// The deletion of what the replica holds under the entry's name, if that is a copy from this directory. What
    /// somebody else made there, or another directory, is not what the evidence is about.
    #[must_use]
    pub fn permits(self, held: &Held) -> Option<Deletion> {
        let origin = held.origin.as_ref()?;
        (origin.directory == self.directory).then(|| Deletion {
            target: Target { resource: CLUSTERS, namespace: None, name: self.entry.clone() },
            uid: held.uid.clone(),
            version: None,
            because: self.to_string(),
        })
    }
}

impl Deletion {
    /// What is to be deleted.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// UID of the object: a precondition of the deletion.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// resourceVersion of the object: a precondition, where it is to go only as it was seen.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The deletion of the same object, by way of another version of its API. `None`: this is none of its resource.
    #[must_use]
    pub(crate) fn in_version(self, resource: &Resource) -> Option<Self> {
        Some(Self { target: self.target.in_version(resource)?, ..self })
    }

    /// The evidence in words, for the log.
    #[must_use]
    pub fn because(&self) -> &str {
        &self.because
    }
}

/// What the findings say of one copy.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has to go.
    Delete(Confirmed),
    /// It stays: its entry is there.
    Present,
    /// It stays, for now at least: the findings prove nothing.
    Unproven(String),
}

impl Findings {
    /// Whether the directory is in a state in which the absence of an entry means something, and the UID of the
    /// own entry, which proves it.
    ///
    /// # Errors
    /// [`Doubt`]: why nothing may be deleted.
    pub fn standing(&self, pin: &Pin) -> Result<&str, Doubt> {
        pin.check(&self.landmarks).map_err(Doubt::Directory)?;
        self.tide.check()?;
        let own = match &self.own_entry {
            Reading::Found(own) => own,
            Reading::Absent => return Err(Doubt::OwnEntry("it is missing".into())),
            Reading::Unreadable(why) => return Err(Doubt::OwnEntry(format!("it cannot be read: {why}"))),
        };
        if own.meta.deletion_timestamp.is_some() {
            return Err(Doubt::OwnEntry("it is being deleted".into()));
        }
        if pin.entry.as_deref() != Some(own.meta.uid.as_str()) {
            return Err(Doubt::OwnEntry(format!("its UID {} is not the recorded one", own.meta.uid)));
        }
        Ok(&own.meta.uid)
    }

    /// Judges the claim that the entry `name`, which was copied when its UID was `uid`, is to be mirrored no more.
    #[must_use]
    pub fn judge(&self, pin: &Pin, scope: &Scope, name: &str, uid: &str) -> Verdict {
        let own_entry = match self.standing(pin) {
            Ok(own_entry) => own_entry,
            Err(doubt) => return Verdict::Unproven(doubt.to_string()),
        };
        let confirmed = |ground| {
            Verdict::Delete(Confirmed {
                ground,
                entry: name.to_owned(),
                uid: uid.to_owned(),
                directory: pin.directory.clone(),
                own_entry: own_entry.to_owned(),
            })
        };
        match self.entries.iter().find(|(read, _)| read == name).map(|(_, reading)| reading) {
            Some(Reading::Absent) => confirmed(Ground::Gone),
            Some(Reading::Found(entry)) if !scope.includes(&entry.meta.labels) => {
                confirmed(Ground::Unselected)
            }
            Some(Reading::Found(_)) => Verdict::Present,
            Some(Reading::Unreadable(why)) => {
                Verdict::Unproven(format!("entry {name} cannot be read: {why}"))
            }
            None => Verdict::Unproven(format!("entry {name} was not read")),
        }
    }
}

/// Why the absence of an entry proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The directory is not as it was recorded.
    Directory(Mismatch),
    /// It was set back to an earlier state: what shows that.
    SetBack(String),
    /// The own Lease does not tell whether it was.
    Lease(String),
    /// The own entry is not as it was recorded.
    OwnEntry(String),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(mismatch) => mismatch.fmt(f),
            Self::SetBack(why) => write!(f, "the directory was set back to an earlier state: {why}"),
            Self::Lease(why) => write!(f, "the Lease of this cluster: {why}"),
            Self::OwnEntry(why) => write!(f, "own entry: {why}"),
        }
    }
}

#[cfg(test)]
mod tests;
