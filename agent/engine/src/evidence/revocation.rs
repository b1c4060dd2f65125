//! What evidence permits to take away of what a policy made.

use std::collections::BTreeSet;
use std::fmt;

use muster_api::resource::NAMESPACES;

use super::{Deletion, Findings};
use crate::ledger::{Ledger, Phase};
use crate::mark::Maker;
use crate::pin::{Pin, Reading};
use crate::policy::Policy;
use crate::target::Target;

/// Evidence that a policy asks for less than its ledger records, or for nothing any more. Only
/// [`Findings::judge_policy`] makes one, and [`Revocation::recorded`] from a ledger in which one was recorded.
#[derive(Debug, PartialEq, Eq)]
pub struct Revocation {
    ground: Ground,
    policy: Maker,
    directory: String,
    /// What the policy asks for still.
    keeps: BTreeSet<Target>,
}

/// What the evidence shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    /// Asked for the policy by name, the directory answered that this object does not exist, or has another UID.
    Gone,
    /// The policy is being deleted.
    Deleting,
    /// The policy is there, and its selector does not match the labels of the own entry.
    Unmatched,
    /// The policy is there, in a generation that asks for less.
    Dropped(i64),
    /// The ledger says that what it records is to go. It said so on evidence.
    Recorded,
}

/// What the findings say of one policy.
#[derive(Debug, PartialEq, Eq)]
pub enum PolicyVerdict {
    /// It asks for less than the ledger records, or for nothing.
    Revoked(Revocation),
    /// It asks for all that the ledger records.
    Stands,
    /// The findings prove nothing.
    Unproven(String),
}

impl fmt::Display for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Maker { name, uid } = &self.policy;
        write!(f, "policy {name} (UID {uid}) of directory {} ", self.directory)?;
        match self.ground {
            Ground::Gone => f.write_str("is gone"),
            Ground::Deleting => f.write_str("is being deleted"),
            Ground::Unmatched => f.write_str("does not select this cluster any more"),
            Ground::Dropped(generation) => {
                write!(f, "does not ask for it any more since generation {generation}")
            }
            Ground::Recorded => f.write_str("was revoked, as its ledger records"),
        }
    }
}

impl Revocation {
    /// The evidence that a ledger holds by itself: that its objects go was recorded before the first of them went.
    #[must_use]
    pub fn recorded(ledger: &Ledger) -> Option<Self> {
        (ledger.phase == Phase::Deleting).then(|| Self {
            ground: Ground::Recorded,
            policy: ledger.maker.clone(),
            directory: ledger.directory.clone(),
            keeps: BTreeSet::new(),
        })
    }

    /// Whether the policy asks for nothing here any more.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !matches!(self.ground, Ground::Dropped(_))
    }

    /// The deletion of one object, if the ledger is the one that the evidence is about and records the object, and
    /// the policy does not ask for it any more. A namespace goes only where the policy says so and `empty` says that it
    /// was seen to be empty.
    #[must_use]
    pub fn permits(&self, ledger: &Ledger, target: &Target, uid: &str, empty: bool) -> Option<Deletion> {
        let about = ledger.maker.uid == self.policy.uid && ledger.directory == self.directory;
        let recorded = ledger.resources.contains(target) && !self.keeps.contains(target);
        let spared = target.resource == NAMESPACES && !(ledger.deletes_namespaces() && empty);
        (about && recorded && !spared).then(|| Deletion {
            target: target.clone(),
            uid: uid.to_owned(),
            version: None,
            because: self.to_string(),
        })
    }
}

impl Findings {
    /// Judges the claim that a policy, as its ledger records it, asks for less, or for nothing any more.
    #[must_use]
    pub fn judge_policy(&self, pin: &Pin, ledger: &Ledger) -> PolicyVerdict {
        if let Err(doubt) = self.standing(pin) {
            return PolicyVerdict::Unproven(doubt.to_string());
        }
        let unproven = |why: &str| PolicyVerdict::Unproven(format!("policy {}: {why}", ledger.maker.name));
        if pin.policies_crd.is_none() {
            return unproven(
                "the UID of the CRD of policies could not be read when the directory was joined",
            );
        }
        let Reading::Found(own) = &self.own_entry else { return unproven("the own entry was not read") };
        if ledger.directory != pin.directory {
            return unproven("its ledger is of another directory");
        }
        let revoked = |ground, keeps| {
            PolicyVerdict::Revoked(Revocation {
                ground,
                policy: ledger.maker.clone(),
                directory: pin.directory.clone(),
                keeps,
            })
        };
        let object = match self.policies.iter().find(|(name, _)| *name == ledger.maker.name) {
            Some((_, Reading::Absent)) => return revoked(Ground::Gone, BTreeSet::new()),
            Some((_, Reading::Found(object))) => object,
            Some((_, Reading::Unreadable(why))) => return unproven(&format!("it cannot be read: {why}")),
            None => return unproven("it was not read"),
        };
        if object.meta.uid != ledger.maker.uid {
            return revoked(Ground::Gone, BTreeSet::new());
        }
        if object.meta.deletion_timestamp.is_some() {
            return revoked(Ground::Deleting, BTreeSet::new());
        }
        if ledger.era == pin.era && object.meta.generation < ledger.generation {
            return unproven("an older generation was read than the ledger records");
        }
        let policy = match Policy::read(object) {
            Ok(policy) => policy,
            Err(error) => return unproven(&error.to_string()),
        };
        if !policy.matches(&own.meta.labels) {
            return revoked(Ground::Unmatched, BTreeSet::new());
        }
        let keeps: BTreeSet<Target> = policy.targets().cloned().collect();
        if ledger.resources.iter().all(|target| keeps.contains(target)) {
            return PolicyVerdict::Stands;
        }
        revoked(Ground::Dropped(policy.generation), keeps)
    }
}
