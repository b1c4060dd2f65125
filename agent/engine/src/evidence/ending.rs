//! Evidence that objects of a Work have to go: that the Work is being deleted, was seen to be deleted, or asks for less.

use std::collections::BTreeSet;
use std::fmt;

use muster_api::Object;
use muster_api::cluster::Deregistration;

use super::{Deletion, Findings};
use crate::ledger::Phase;
use crate::mark::Maker;
use crate::memory::Departed;
use crate::observed::Observed;
use crate::pin::{Pin, Reading};
use crate::protected;
use crate::target::Target;
use crate::work::{DEFAULT_NAMESPACE, Named, Work};
use crate::works::Brief;

/// Evidence that what a Work made has to go, or a part of it. It has no public constructor: whoever holds one got it
/// from [`Findings::judge_work`], or from a ledger that recorded it before the first object went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    ground: Ground,
    work: Maker,
    directory: String,
}

/// Group, kind, namespace and name.
type Identity = (String, String, String, String);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Ground {
    /// Its deletion was asked for.
    Deleting,
    /// It was seen to go, and the directory answered that there is none of its name, or another one.
    Gone,
    /// Its generation of this number does not ask for what is not in this set: group, kind, namespace and name.
    Dropped(i64, BTreeSet<Identity>),
    /// The replica's ledger says so: the evidence was there when that was recorded.
    Recorded,
    /// The replica's own entry of this UID was deleted, and said that what Works made goes with it.
    Leaving(String),
}

/// What the findings say of a Work whose objects are to go with the replica's own entry.
#[derive(Debug, PartialEq, Eq)]
pub enum LeaveVerdict {
    /// All of it has to go.
    Ends(Ending),
    /// It stays as it is.
    Stays(String),
    /// The findings prove nothing.
    Unproven(String),
}

/// What the findings say of a Work.
#[derive(Debug, PartialEq, Eq)]
pub enum WorkVerdict {
    /// Something of it has to go.
    Ended(Ending),
    /// It stands, and asks for all that its ledger records.
    Stands,
    /// The findings prove nothing.
    Unproven(String),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ground, work, directory } = self;
        write!(f, "Work {} (UID {}) of directory {directory} ", work.name, work.uid)?;
        match ground {
            Ground::Deleting => f.write_str("is being deleted"),
            Ground::Gone => f.write_str("was deleted"),
            Ground::Dropped(generation, _) => write!(f, "does not ask for it in generation {generation}"),
            Ground::Recorded => f.write_str("was deleted, as its ledger records"),
            Ground::Leaving(entry) => write!(f, "ends with the own entry, UID {entry}, as that said"),
        }
    }
}

impl Ending {
    /// The evidence that a ledger records.
    #[must_use]
    pub fn recorded(brief: &Brief) -> Option<Self> {
        (brief.phase == Phase::Deleting).then(|| Self {
            ground: Ground::Recorded,
            work: brief.work.clone(),
            directory: brief.directory.clone(),
        })
    }

    /// The evidence that a ledger records, while the replica leaves with its own entry of this UID: that of any other
    /// departure is none.
    #[must_use]
    pub fn recorded_leaving(brief: &Brief, entry: &str) -> Option<Self> {
        let leaves = || Self {
            ground: Ground::Leaving(entry.to_owned()),
            work: brief.work.clone(),
            directory: brief.directory.clone(),
        };
        Self::recorded(brief).or_else(|| brief.leaves_with(entry).then(leaves))
    }

    /// Whether nothing of the Work is wanted any more.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !matches!(self.ground, Ground::Dropped(..))
    }

    /// Whether an object of the Work has to go by this evidence: it is recorded, and not asked for.
    #[must_use]
    pub fn covers(&self, brief: &Brief, target: &Target) -> bool {
        let about = brief.work.uid == self.work.uid && brief.directory == self.directory;
        let recorded = brief.left.contains_key(target);
        let kept = match &self.ground {
            Ground::Dropped(_, asked) => asked.contains(&identity(target)),
            Ground::Deleting | Ground::Gone | Ground::Recorded | Ground::Leaving(_) => false,
        };
        about && recorded && !kept
    }

    /// The deletion of one object, if the evidence covers it and the options that hold for it permit it: an object of a
    /// protected kind goes only where they allow it by name, and so does one that an earlier Work of the name made. It goes
    /// as it was seen: whoever changes it, or takes it over, is looked at first.
    #[must_use]
    pub fn permits(&self, brief: &Brief, target: &Target, observed: &Observed) -> Option<Deletion> {
        let options = brief.left.get(target)?;
        let maker = observed.mark.as_ref().and_then(|mark| mark.maker.as_ref());
        // It was made for a Work whose record this one took over, and that one was not seen to go.
        let inherited = maker.is_some_and(|maker| maker.uid != brief.work.uid);
        let allowed = options.allow_deletion || !(inherited || protected::is_protected(&target.resource));
        (self.covers(brief, target) && allowed).then(|| Deletion {
            target: target.clone(),
            uid: observed.uid.clone(),
            version: Some(observed.version.clone()),
            because: self.to_string(),
        })
    }
}

fn identity(target: &Target) -> Identity {
    let Target { resource, namespace, name } = target;
    let namespace = namespace.clone().unwrap_or_default();
    (resource.group.to_string(), resource.kind.to_string(), namespace, name.clone())
}

/// What a Work asks for, whether it can be applied or not. `None`: a manifest does not say what it is, and may be any of
/// those that were there before.
fn asked(object: &Object) -> Result<Option<BTreeSet<Identity>>, String> {
    let work = Work::read(object).map_err(|error| error.to_string())?;
    let mut asked = BTreeSet::new();
    for slot in work.manifests {
        let Named { group, kind, namespace, name, .. } = slot.named;
        if kind.is_empty() || name.is_empty() {
            return Ok(None);
        }
        // Whether the kind lies in namespaces is not known here: it counts as both.
        let in_default = if namespace.is_empty() { DEFAULT_NAMESPACE.to_owned() } else { namespace };
        asked.insert((group.clone(), kind.clone(), String::new(), name.clone()));
        asked.insert((group, kind, in_default, name));
    }
    Ok(Some(asked))
}

impl Findings {
    /// Judges the claim that a Work, as its ledger records it, asks for less or for nothing any more. `tombstone`: that
    /// the Work of this UID was seen to go.
    #[must_use]
    pub fn judge_work(&self, pin: &Pin, brief: &Brief, tombstone: bool) -> WorkVerdict {
        if let Err(doubt) = self.standing(pin) {
            return WorkVerdict::Unproven(doubt.to_string());
        }
        let unproven = |why: &str| WorkVerdict::Unproven(format!("Work {}: {why}", brief.work.name));
        if pin.works_crd.is_none() || pin.execution_namespace.is_none() {
            return unproven(
                "the UIDs of the execution namespace and of the CRD of Works could not be read when the directory was joined",
            );
        }
        if brief.directory != pin.directory {
            return unproven("its ledger is of another directory");
        }
        let ended = |ground| {
            let (work, directory) = (brief.work.clone(), pin.directory.clone());
            WorkVerdict::Ended(Ending { ground, work, directory })
        };
        let gone = |why| if tombstone { ended(Ground::Gone) } else { unproven(why) };
        let object = match self.works.iter().find(|(name, _)| *name == brief.work.name) {
            Some((_, Reading::Absent)) => return gone("it is gone, and was not seen to be deleted"),
            Some((_, Reading::Found(object))) => object,
            Some((_, Reading::Unreadable(why))) => return unproven(&format!("it cannot be read: {why}")),
            None => return unproven("it was not read"),
        };
        if object.meta.uid != brief.work.uid {
            return gone("another one has its name, and it was not seen to be deleted");
        }
        if object.meta.deletion_timestamp.is_some() {
            return ended(Ground::Deleting);
        }
        if brief.era == pin.era && object.meta.generation < brief.generation {
            return unproven("an older generation was read than the ledger records");
        }
        let asked = match asked(object) {
            Ok(Some(asked)) => asked,
            Ok(None) => return unproven("a manifest does not say what it is"),
            Err(why) => return unproven(&why),
        };
        if brief.targets().all(|target| asked.contains(&identity(target))) {
            return WorkVerdict::Stands;
        }
        ended(Ground::Dropped(object.meta.generation, asked))
    }

    /// Judges whether what a Work made goes with the replica's own entry, whose departure is recorded, and said so. That of
    /// a Work that cannot be shown to stand, or to have been seen to go, stays. `heard`: this process saw the entry go,
    /// and say so; of one that is gone, nobody else knows what it said last.
    #[must_use]
    pub fn judge_leaving(&self, pin: &Pin, brief: &Brief, tombstone: bool, heard: bool) -> LeaveVerdict {
        let entry = match self.judge_departure(pin, Deregistration::Delete) {
            Ok(Departed::EntryDeletedWithWorks(entry)) => entry,
            Ok(_) => return LeaveVerdict::Stays("the entry says by now that it stays".into()),
            Err(doubt) => return LeaveVerdict::Unproven(doubt.to_string()),
        };
        let stays = |why: &str| LeaveVerdict::Stays(why.to_owned());
        if !heard && matches!(self.own_entry, Reading::Absent) {
            return stays("the own entry is gone, and this process did not see what it said last");
        }
        if pin.works_crd.is_none() || pin.execution_namespace.is_none() {
            return stays(
                "the execution namespace and the CRD of Works could not be read when the directory was joined",
            );
        }
        if brief.directory != pin.directory {
            return stays("its ledger is of another directory");
        }
        let ends = || {
            let (work, directory) = (brief.work.clone(), pin.directory.clone());
            LeaveVerdict::Ends(Ending { ground: Ground::Leaving(entry.clone()), work, directory })
        };
        let gone = |why| if tombstone { ends() } else { stays(why) };
        match self.works.iter().find(|(name, _)| *name == brief.work.name) {
            Some((_, Reading::Absent)) => gone("it is gone, and was not seen to be deleted"),
            Some((_, Reading::Unreadable(why))) => {
                LeaveVerdict::Unproven(format!("it cannot be read: {why}"))
            }
            None => LeaveVerdict::Unproven("it was not read".into()),
            Some((_, Reading::Found(object))) if object.meta.uid != brief.work.uid => {
                gone("another one has its name, and it was not seen to be deleted")
            }
            Some((_, Reading::Found(object)))
                if brief.era == pin.era && object.meta.generation < brief.generation =>
            {
                LeaveVerdict::Unproven("an older generation was read than its ledger records".into())
            }
            Some((_, Reading::Found(_))) => ends(),
        }
    }
}
