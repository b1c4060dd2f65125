//! Whether the replica left its directory, and what goes with that.

use muster_api::Object;
use muster_api::cluster::Deregistration;
use muster_api::resource::CLUSTERS;
use serde::Deserialize;

use super::{Deletion, Doubt, Findings};
use crate::entry::Held;
use crate::ledger::Ledger;
use crate::memory::{Departed, Memory};
use crate::pin::{Mismatch, Pin, Reading};
use crate::target::Target;

/// Evidence that the replica left a directory: it is in the memory before anything goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    directory: String,
    /// The own entry as it is recorded.
    entry: Option<String>,
    why: Departed,
}

/// What an entry says of the workloads once it is deleted; what says nothing that is known keeps them.
#[must_use]
pub(crate) fn deregistration(entry: &Object) -> Deregistration {
    #[derive(Deserialize)]
    struct Frame {
        spec: Spec,
    }
    #[derive(Deserialize)]
    struct Spec {
        deregistration: Deregistration,
    }
    serde_json::from_str(entry.raw.get())
        .map_or(Deregistration::Keep, |frame: Frame| frame.spec.deregistration)
}

impl Findings {
    /// Judges the claim that the own entry was deleted, which was seen live: the directory must be in its place and
    /// whole, and the entry of the recorded UID must be gone or going. What is to be remembered then. `said`: what the
    /// entry said of the workloads when it was seen to go; one that says by now that they stay is heard, too.
    ///
    /// # Errors
    /// [`Doubt`]: why the replica stays. An entry of another UID is a registration anew.
    pub fn judge_departure(&self, pin: &Pin, said: Deregistration) -> Result<Departed, Doubt> {
        pin.check(&self.landmarks).map_err(Doubt::Directory)?;
        // Its Lease goes with an entry.
        if let Err(doubt @ Doubt::SetBack(_)) = self.tide.check() {
            return Err(doubt);
        }
        let Some(recorded) = &pin.entry else {
            return Err(Doubt::OwnEntry("its UID was never recorded".into()));
        };
        let said = match &self.own_entry {
            Reading::Unreadable(why) => return Err(Doubt::OwnEntry(format!("it cannot be read: {why}"))),
            Reading::Found(own) if own.meta.uid != *recorded => {
                return Err(Doubt::OwnEntry(format!("it was made anew, with UID {}", own.meta.uid)));
            }
            Reading::Found(own) if own.meta.deletion_timestamp.is_none() => {
                return Err(Doubt::OwnEntry("it is there".into()));
            }
            Reading::Found(own) if deregistration(own) == Deregistration::Keep => Deregistration::Keep,
            Reading::Found(_) | Reading::Absent => said,
        };
        Ok(match said {
            Deregistration::Keep => Departed::EntryDeleted(recorded.clone()),
            Deregistration::Delete => Departed::EntryDeletedWithWorks(recorded.clone()),
        })
    }
}

/// What live reads say of a departure that is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// The directory is in its place and whole, and the own entry is gone, or going.
    Stands,
    /// The directory does not answer.
    Silent,
    /// It answers otherwise than is recorded, or the entry says by now that what Works made stays.
    Doubted,
}

impl Word {
    /// What was judged, in a word. `None`: too little was read for any.
    pub(crate) fn of(findings: &Findings, pin: &Pin, judged: &Result<Departed, Doubt>) -> Option<Self> {
        match judged {
            Ok(Departed::EntryDeletedWithWorks(_)) => Some(Self::Stands),
            Err(Doubt::Directory(Mismatch::Unknown { .. })) if !findings.shows_an_entry(pin) => {
                Some(Self::Silent)
            }
            Err(Doubt::OwnEntry(_)) if matches!(findings.own_entry, Reading::Unreadable(_)) => None,
            Ok(_) | Err(_) => Some(Self::Doubted),
        }
    }
}

impl Findings {
    /// The recorded own entry, where it was read on its way out.
    #[must_use]
    pub(crate) fn going(&self, pin: &Pin) -> Option<&Object> {
        let goes =
            |own: &Object| Some(&own.meta.uid) == pin.entry.as_ref() && own.meta.deletion_timestamp.is_some();
        match &self.own_entry {
            Reading::Found(own) if goes(own) => Some(own),
            _ => None,
        }
    }

    /// The same, where it says that what Works made stays. That counts whatever else was read, or was not.
    #[must_use]
    pub(crate) fn shows_keep(&self, pin: &Pin) -> Option<&Object> {
        self.going(pin).filter(|own| deregistration(own) == Deregistration::Keep)
    }

    /// Whether an entry of the replica's name was read that is not the recorded one on its way out with what Works made.
    #[must_use]
    fn shows_an_entry(&self, pin: &Pin) -> bool {
        matches!(self.own_entry, Reading::Found(_))
            && (self.going(pin).is_none() || self.shows_keep(pin).is_some())
    }
}

impl Departure {
    /// The evidence that the memory holds.
    #[must_use]
    pub fn recorded(memory: &Memory) -> Option<Self> {
        let why = memory.departed.clone()?;
        Some(Self { directory: memory.pin.directory.clone(), entry: memory.pin.entry.clone(), why })
    }

    /// The UID of the entry with which what Works made goes, too; `None` where that stays. One that is not the recorded one
    /// is of an earlier registration.
    #[must_use]
    pub fn takes_works(&self) -> Option<&str> {
        match &self.why {
            Departed::EntryDeletedWithWorks(uid) if self.entry.as_ref() == Some(uid) => Some(uid),
            _ => None,
        }
    }

    /// Why the replica left.
    #[must_use]
    pub fn why(&self) -> &Departed {
        &self.why
    }

    /// Whether what a ledger records goes with it.
    #[must_use]
    pub fn ends(&self, ledger: &Ledger) -> bool {
        ledger.directory == self.directory
    }

    /// The deletion of a copy of an entry, if it is one from the directory that was left.
    #[must_use]
    pub fn permits(&self, name: &str, held: &Held) -> Option<Deletion> {
        let origin = held.origin.as_ref()?;
        (origin.directory == self.directory).then(|| Deletion {
            target: Target { resource: CLUSTERS, namespace: None, name: name.to_owned() },
            uid: held.uid.clone(),
            version: None,
            because: format!("this cluster left directory {}", self.directory),
        })
    }
}
