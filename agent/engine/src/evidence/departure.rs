//! Whether the replica left its directory, and what goes with that.

use muster_api::resource::CLUSTERS;

use super::{Deletion, Doubt, Findings};
use crate::entry::Held;
use crate::ledger::Ledger;
use crate::memory::{Departed, Memory};
use crate::pin::{Pin, Reading};
use crate::target::Target;

/// Evidence that the replica left a directory: it is in the memory before anything goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    directory: String,
    why: Departed,
}

impl Findings {
    /// Judges the claim that the own entry was deleted, which was seen live: the directory must be in its place and
    /// whole, and the entry of the recorded UID must be gone or going. What is to be remembered then.
    ///
    /// # Errors
    /// [`Doubt`]: why the replica stays. An entry of another UID is a registration anew.
    pub fn judge_departure(&self, pin: &Pin) -> Result<Departed, Doubt> {
        pin.check(&self.landmarks).map_err(Doubt::Directory)?;
        let Some(recorded) = &pin.entry else {
            return Err(Doubt::OwnEntry("its UID was never recorded".into()));
        };
        match &self.own_entry {
            Reading::Unreadable(why) => return Err(Doubt::OwnEntry(format!("it cannot be read: {why}"))),
            Reading::Found(own) if own.meta.uid != *recorded => {
                return Err(Doubt::OwnEntry(format!("it was made anew, with UID {}", own.meta.uid)));
            }
            Reading::Found(own) if own.meta.deletion_timestamp.is_none() => {
                return Err(Doubt::OwnEntry("it is there".into()));
            }
            Reading::Found(_) | Reading::Absent => {}
        }
        Ok(Departed::EntryDeleted(recorded.clone()))
    }
}

impl Departure {
    /// The evidence that the memory holds.
    #[must_use]
    pub fn recorded(memory: &Memory) -> Option<Self> {
        let why = memory.departed.clone()?;
        Some(Self { directory: memory.pin.directory.clone(), why })
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
