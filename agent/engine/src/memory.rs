//! What the agent keeps of itself in the replica: whom it joined, whether it left, and what waits for a word.

use serde::{Deserialize, Serialize};

use crate::era::SetBack;
use crate::hold::Hold;
use crate::pin::{Landmarks, Pin, Refusal};

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The directory that was joined.
    pub pin: Pin,
    /// That the replica left it, or is about to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departed: Option<Departed>,
    /// The deletions that wait for somebody's word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// That the directory was set back to an earlier state, while that waits for somebody's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_back: Option<SetBack>,
}

/// Why a replica left its directory. It is kept before the first object goes, so that a restart goes on with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Departed {
    /// Its entry of this UID was deleted in the directory. A new entry of its name ends it.
    EntryDeleted(String),
    /// The same, and what its Works made goes, too: the entry said so when its deletion was asked for.
    EntryDeletedWithWorks(String),
    /// Its owner asked for it. It ends when the owner asks for it no more.
    OwnerLeft,
}

impl Memory {
    /// What is to be remembered of a directory that was probed. A replica whose entry was deleted is bound to the directory
    /// still, and not to the parts of it that ended with the entry, or since: an entry made anew has an execution namespace of
    /// its own. Nothing more goes with the old entry then.
    ///
    /// # Errors
    /// As for [`Pin::join`].
    pub fn join(recorded: Option<&Self>, cluster: &str, seen: &Landmarks) -> Result<Self, Refusal> {
        let Some(recorded) = recorded else {
            return Ok(Self { pin: Pin::join(None, cluster, seen)?, ..Self::default() });
        };
        let departed = match &recorded.departed {
            Some(Departed::EntryDeleted(uid) | Departed::EntryDeletedWithWorks(uid)) => {
                Some(Departed::EntryDeleted(uid.clone()))
            }
            Some(Departed::OwnerLeft) | None => None,
        };
        if departed.is_some()
            && let Some(pin) = anew(&recorded.pin, cluster, seen)
        {
            return Ok(Self { pin, departed, ..recorded.clone() });
        }
        Ok(Self { pin: Pin::join(Some(&recorded.pin), cluster, seen)?, ..recorded.clone() })
    }
}

/// The same directory and cluster, where parts were replaced and all that was recorded is whole.
fn anew(recorded: &Pin, cluster: &str, seen: &Landmarks) -> Option<Pin> {
    let pin = Pin::join(None, cluster, seen).ok()?;
    let whole = |before: Option<&String>, now: Option<&String>| before.is_none() || now.is_some();
    let same = (&pin.directory, &pin.cluster) == (&recorded.directory, &recorded.cluster)
        && whole(recorded.policies_crd.as_ref(), pin.policies_crd.as_ref())
        && whole(recorded.works_crd.as_ref(), pin.works_crd.as_ref())
        && whole(recorded.execution_namespace.as_ref(), pin.execution_namespace.as_ref());
    let replaced = same && !recorded.goes_on_as(&pin);
    replaced.then(|| Pin { entry: recorded.entry.clone(), era: recorded.era, ..pin })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pin::{Found, Reading};

    fn found(uid: &str) -> Reading {
        Reading::Found(Found { uid: uid.into(), deleting: false })
    }

    fn landmarks(namespace: Reading) -> Landmarks {
        Landmarks {
            directory: found("d"),
            clusters_crd: found("c"),
            policies_crd: found("p"),
            works_crd: found("w"),
            execution_namespace: Some(namespace),
        }
    }

    fn memory(departed: Option<Departed>) -> Memory {
        let pin = Pin::join(None, "east", &landmarks(found("n"))).unwrap();
        Memory { pin: Pin { entry: Some("e".into()), era: 2, ..pin }, departed, ..Memory::default() }
    }

    #[test]
    fn a_replica_whose_entry_was_deleted_joins_the_parts_that_came_after_and_keeps_what_it_has() {
        let seen = landmarks(found("new"));
        for why in [Departed::EntryDeleted("e".into()), Departed::EntryDeletedWithWorks("e".into())] {
            let joined = Memory::join(Some(&memory(Some(why.clone()))), "east", &seen).unwrap();
            let pin = Pin { execution_namespace: Some("new".into()), ..memory(None).pin };
            assert_eq!((joined.pin, joined.departed), (pin, Some(Departed::EntryDeleted("e".into()))));
            let same = memory(Some(why));
            assert_eq!(Memory::join(Some(&same), "east", &landmarks(found("n"))), Ok(same.clone()));
            let unread = Landmarks { execution_namespace: None, ..landmarks(found("n")) };
            assert_eq!(Memory::join(Some(&same), "east", &unread), Ok(same.clone()));
        }
    }

    #[test]
    fn nobody_else_does_and_nobody_joins_what_is_not_whole_or_another_directory() {
        let seen = landmarks(found("new"));
        for why in [None, Some(Departed::OwnerLeft)] {
            assert!(Memory::join(Some(&memory(why.clone())), "east", &seen).is_err(), "{why:?}");
        }
        let left = memory(Some(Departed::EntryDeleted("e".into())));
        let going = Reading::Found(Found { uid: "new".into(), deleting: true });
        let other = Landmarks { directory: found("x"), ..seen.clone() };
        for seen in [landmarks(Reading::Absent), landmarks(going), other] {
            assert!(Memory::join(Some(&left), "east", &seen).is_err(), "{seen:?}");
        }
        assert!(Memory::join(Some(&left), "west", &seen).is_err());
    }
}
