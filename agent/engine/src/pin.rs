//! Which directory is the right one. A replica records, when it joins, whom it joined; what answers under the same
//! address later must be the same, or nothing that it says is acted upon.

use serde::{Deserialize, Serialize};

/// What a replica recorded of its directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pin {
    /// UID of the directory's `kube-system`: its identity.
    pub directory: String,
    /// UID of the CRD of Cluster entries there. Another one means that all entries were deleted with the old.
    pub clusters_crd: String,
    /// UID of the CRD of policies there; absent where it could not be read yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies_crd: Option<String>,
    /// UID of the CRD of Works there; absent where it could not be read yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub works_crd: Option<String>,
    /// UID of the execution namespace; absent where the credential cannot read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_namespace: Option<String>,
    /// Name of the replica's own entry.
    pub cluster: String,
    /// UID of the replica's own entry; absent until it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The number of the [`Era`](crate::era::Era) of the directory, which begins with 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub era: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_first(era: &u32) -> bool {
    *era == 0
}

/// One object, as a live read found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<T = Found> {
    /// It is there.
    Found(T),
    /// It is not there: the answer names it.
    Absent,
    /// Nothing is known of it.
    Unreadable(String),
}

impl<T> Reading<T> {
    /// The same reading of a part of what was found.
    #[must_use]
    pub fn map<U>(self, part: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Found(found) => Reading::Found(part(found)),
            Self::Absent => Reading::Absent,
            Self::Unreadable(why) => Reading::Unreadable(why),
        }
    }
}

/// What identity needs of an object that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its UID.
    pub uid: String,
    /// Whether its deletion was asked for.
    pub deleting: bool,
}

/// Live reads of the objects by which a directory is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landmarks {
    /// `kube-system`.
    pub directory: Reading,
    /// The CRD of Cluster entries.
    pub clusters_crd: Reading,
    /// The CRD of policies.
    pub policies_crd: Reading,
    /// The CRD of Works.
    pub works_crd: Reading,
    /// The execution namespace; `None` where it is not pinned and so was not asked for.
    pub execution_namespace: Option<Reading>,
}

/// How a directory differs from the pinned one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// It is another cluster.
    OtherDirectory {
        /// UID of the `kube-system` that answered.
        seen: String,
    },
    /// It is the pinned cluster, and a part of Muster is going or was replaced there: everything that is deleted
    /// with it means nothing.
    BeingRemoved {
        /// Which part, and what became of it.
        what: String,
    },
    /// It cannot be told now.
    Unknown {
        /// What could not be read.
        what: String,
    },
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OtherDirectory { seen } => {
                write!(f, "another cluster answers: its kube-system has UID {seen}")
            }
            Self::BeingRemoved { what } | Self::Unknown { what } => f.write_str(what),
        }
    }
}

impl Pin {
    /// Whether what was learned under this record holds under a later one: both are of the same directory, and
    /// nothing of it was replaced between them.
    #[must_use]
    pub fn goes_on_as(&self, later: &Self) -> bool {
        self.directory == later.directory
            && self.clusters_crd == later.clusters_crd
            && (self.policies_crd.is_none() || self.policies_crd == later.policies_crd)
            && (self.works_crd.is_none() || self.works_crd == later.works_crd)
            && (self.execution_namespace.is_none() || self.execution_namespace == later.execution_namespace)
    }

    /// Compares what live reads found with what was recorded.
    ///
    /// # Errors
    /// How the directory differs. Identity is judged first: parts of another cluster say nothing. What differs counts
    /// before what could not be read.
    pub fn check(&self, seen: &Landmarks) -> Result<(), Mismatch> {
        let identity = self.check_identity(seen);
        if let Err(Mismatch::OtherDirectory { .. } | Mismatch::BeingRemoved { .. }) = identity {
            return identity;
        }
        let clusters = Some(&self.clusters_crd);
        let unread = Reading::Unreadable("it was not read".into());
        let namespace = seen.execution_namespace.as_ref().unwrap_or(&unread);
        let mut unknown = identity;
        for (name, pinned, reading) in [
            ("CRD clusters.multicluster.coreos.com", clusters, &seen.clusters_crd),
            ("CRD clusterpolicies.multicluster.coreos.com", self.policies_crd.as_ref(), &seen.policies_crd),
            ("CRD works.multicluster.x-k8s.io", self.works_crd.as_ref(), &seen.works_crd),
            ("the execution namespace", self.execution_namespace.as_ref(), namespace),
        ] {
            let Some(pinned) = pinned else { continue };
            match check_part(name, pinned, reading) {
                // What cannot be read hides nothing of what can.
                checked @ Err(Mismatch::Unknown { .. }) => unknown = unknown.and(checked),
                checked => checked?,
            }
        }
        unknown
    }

    fn check_identity(&self, seen: &Landmarks) -> Result<(), Mismatch> {
        match &seen.directory {
            Reading::Found(found) if found.uid == self.directory => Ok(()),
            Reading::Found(found) => Err(Mismatch::OtherDirectory { seen: found.uid.clone() }),
            // No cluster is without one: this is what is left of a directory, or the beginning of another.
            Reading::Absent => {
                Err(Mismatch::BeingRemoved { what: "namespace kube-system is missing".into() })
            }
            Reading::Unreadable(why) => {
                Err(Mismatch::Unknown { what: format!("namespace kube-system: {why}") })
            }
        }
    }
}

/// Whom a replica may join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The directory is not the recorded one.
    Mismatch(Mismatch),
    /// The credential is another cluster's.
    OtherCluster {
        /// The name that this replica joined under.
        joined: String,
        /// The name that the credential stands for.
        offered: String,
    },
}

impl Pin {
    /// What is to be recorded of a directory that was probed: what was recorded before, with what can be read now
    /// and could not be then; or, where nothing was recorded, the directory as it is.
    ///
    /// # Errors
    /// Where this is not the directory, or not the cluster, that was recorded.
    pub fn join(recorded: Option<&Self>, cluster: &str, seen: &Landmarks) -> Result<Self, Refusal> {
        let readable = |reading: Option<&Reading>| match reading {
            Some(Reading::Found(found)) if !found.deleting => Some(found.uid.clone()),
            _ => None,
        };
        let execution_namespace = readable(seen.execution_namespace.as_ref());
        let policies_crd = readable(Some(&seen.policies_crd));
        let works_crd = readable(Some(&seen.works_crd));
        let Some(recorded) = recorded else {
            let unknown = |what: &str| Refusal::Mismatch(Mismatch::Unknown { what: what.into() });
            return Ok(Self {
                directory: readable(Some(&seen.directory)).ok_or_else(|| unknown("namespace kube-system"))?,
                clusters_crd: readable(Some(&seen.clusters_crd)).ok_or_else(|| {
                    unknown("CRD clusters.multicluster.coreos.com is not there, or is going")
                })?,
                policies_crd,
                works_crd,
                execution_namespace,
                cluster: cluster.to_owned(),
                entry: None,
                era: 0,
            });
        };
        recorded.check_identity(seen).map_err(Refusal::Mismatch)?;
        // Before the parts: the execution namespace that was read is that of the offered name.
        if recorded.cluster != cluster {
            let (joined, offered) = (recorded.cluster.clone(), cluster.to_owned());
            return Err(Refusal::OtherCluster { joined, offered });
        }
        // Where the execution namespace cannot be read now, the list can be mirrored still; without it no deletion
        // is confirmed, so nothing is lost by that.
        let unread = matches!(seen.execution_namespace, None | Some(Reading::Unreadable(_)));
        let mut needed = recorded.clone();
        if unread {
            needed.execution_namespace = None;
        }
        if matches!(seen.policies_crd, Reading::Unreadable(_)) {
            needed.policies_crd = None;
        }
        if matches!(seen.works_crd, Reading::Unreadable(_)) {
            needed.works_crd = None;
        }
        needed.check(seen).map_err(Refusal::Mismatch)?;
        let execution_namespace = recorded.execution_namespace.clone().or(execution_namespace);
        let policies_crd = recorded.policies_crd.clone().or(policies_crd);
        let works_crd = recorded.works_crd.clone().or(works_crd);
        Ok(Self { policies_crd, works_crd, execution_namespace, ..recorded.clone() })
    }
}

fn check_part(name: &str, pinned: &str, reading: &Reading) -> Result<(), Mismatch> {
    match reading {
        Reading::Found(found) if found.uid != pinned => Err(Mismatch::BeingRemoved {
            what: format!("{name} was replaced: its UID was {pinned} and is {}", found.uid),
        }),
        Reading::Found(found) if found.deleting => {
            Err(Mismatch::BeingRemoved { what: format!("{name} is being deleted") })
        }
        Reading::Found(_) => Ok(()),
        Reading::Absent => Err(Mismatch::BeingRemoved { what: format!("{name} is gone") }),
        Reading::Unreadable(why) => Err(Mismatch::Unknown { what: format!("{name}: {why}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(uid: &str) -> Reading {
        Reading::Found(Found { uid: uid.into(), deleting: false })
    }

    fn pin() -> Pin {
        Pin {
            directory: "d".into(),
            clusters_crd: "c".into(),
            policies_crd: Some("p".into()),
            works_crd: Some("w".into()),
            execution_namespace: Some("n".into()),
            cluster: "east".into(),
            entry: None,
            era: 0,
        }
    }

    fn landmarks() -> Landmarks {
        Landmarks {
            directory: found("d"),
            clusters_crd: found("c"),
            policies_crd: found("p"),
            works_crd: found("w"),
            execution_namespace: Some(found("n")),
        }
    }

    #[test]
    fn the_pinned_directory_passes() {
        assert_eq!(pin().check(&landmarks()), Ok(()));
    }

    #[test]
    fn another_cluster_is_known_before_its_parts_are_looked_at() {
        let seen = Landmarks { directory: found("x"), clusters_crd: Reading::Absent, ..landmarks() };
        assert_eq!(pin().check(&seen), Err(Mismatch::OtherDirectory { seen: "x".into() }));
    }

    #[test]
    fn each_part_that_goes_or_is_replaced_means_removal() {
        let going = Reading::Found(Found { uid: "c".into(), deleting: true });
        for reading in [found("other"), Reading::Absent, going] {
            let seen = Landmarks { clusters_crd: reading.clone(), ..landmarks() };
            assert!(matches!(pin().check(&seen), Err(Mismatch::BeingRemoved { .. })), "{reading:?}");
            let seen = Landmarks { policies_crd: reading.clone(), ..landmarks() };
            assert!(matches!(pin().check(&seen), Err(Mismatch::BeingRemoved { .. })), "{reading:?}");
            let seen = Landmarks { works_crd: reading.clone(), ..landmarks() };
            assert!(matches!(pin().check(&seen), Err(Mismatch::BeingRemoved { .. })), "{reading:?}");
        }
        for reading in [found("other"), Reading::Absent] {
            let seen = Landmarks { execution_namespace: Some(reading.clone()), ..landmarks() };
            assert!(matches!(pin().check(&seen), Err(Mismatch::BeingRemoved { .. })), "{reading:?}");
        }
    }

    #[test]
    fn a_cluster_without_an_identity_is_not_merely_silent() {
        let seen = Landmarks { directory: Reading::Absent, ..landmarks() };
        assert!(matches!(pin().check(&seen), Err(Mismatch::BeingRemoved { .. })), "{seen:?}");
    }

    #[test]
    fn what_cannot_be_read_hides_no_part_that_was_replaced() {
        let unread = || Reading::Unreadable("forbidden".into());
        let seen = Landmarks { execution_namespace: Some(found("other")), ..landmarks() };
        for seen in [
            Landmarks { directory: unread(), ..seen.clone() },
            Landmarks { clusters_crd: unread(), ..seen.clone() },
            Landmarks { works_crd: unread(), ..seen.clone() },
        ] {
            assert!(matches!(pin().check(&seen), Err(Mismatch::BeingRemoved { .. })), "{seen:?}");
        }
        let seen = Landmarks { clusters_crd: unread(), works_crd: unread(), ..landmarks() };
        let Err(Mismatch::Unknown { what }) = pin().check(&seen) else { panic!("{seen:?}") };
        assert!(what.contains("clusters"), "{what}");
    }

    #[test]
    fn the_first_directory_is_recorded_if_it_is_whole() {
        let pin = Pin::join(None, "east", &landmarks()).unwrap();
        assert_eq!(pin, self::pin());
        for seen in [
            Landmarks { clusters_crd: Reading::Absent, ..landmarks() },
            Landmarks { directory: Reading::Unreadable("403".into()), ..landmarks() },
        ] {
            assert!(matches!(Pin::join(None, "east", &seen), Err(Refusal::Mismatch(_))), "{seen:?}");
        }
    }

    #[test]
    fn what_was_recorded_binds_and_what_was_unreadable_is_added() {
        let partly = Pin { execution_namespace: None, policies_crd: None, works_crd: None, ..pin() };
        assert_eq!(Pin::join(Some(&partly), "east", &landmarks()), Ok(pin()));
        let unread = Landmarks { execution_namespace: None, ..landmarks() };
        assert_eq!(Pin::join(Some(&pin()), "east", &unread), Ok(pin()), "the record is kept");
        let other = Landmarks { directory: found("x"), ..landmarks() };
        assert!(matches!(Pin::join(Some(&pin()), "east", &other), Err(Refusal::Mismatch(_))));
        let gone = Landmarks { execution_namespace: Some(Reading::Absent), ..landmarks() };
        assert!(matches!(Pin::join(Some(&pin()), "east", &gone), Err(Refusal::Mismatch(_))));
        let theirs = Landmarks { execution_namespace: Some(found("west's")), ..landmarks() };
        for seen in [landmarks(), theirs] {
            assert!(matches!(Pin::join(Some(&pin()), "west", &seen), Err(Refusal::OtherCluster { .. })));
        }
        assert!(matches!(Pin::join(Some(&pin()), "west", &other), Err(Refusal::Mismatch(_))));
    }

    #[test]
    fn what_was_learned_goes_on_while_nothing_is_replaced() {
        let partly = Pin { execution_namespace: None, ..pin() };
        assert!(partly.goes_on_as(&pin()), "a part could be read at last");
        assert!(pin().goes_on_as(&Pin { entry: Some("e".into()), ..pin() }));
        for later in [
            Pin { directory: "x".into(), ..pin() },
            Pin { clusters_crd: "x".into(), ..pin() },
            Pin { policies_crd: Some("x".into()), ..pin() },
            Pin { works_crd: Some("x".into()), ..pin() },
            Pin { execution_namespace: Some("x".into()), ..pin() },
        ] {
            assert!(!pin().goes_on_as(&later), "{later:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_proves_nothing() {
        let unreadable = || Reading::Unreadable("403".into());
        for seen in [
            Landmarks { directory: unreadable(), ..landmarks() },
            Landmarks { clusters_crd: unreadable(), ..landmarks() },
            Landmarks { policies_crd: unreadable(), ..landmarks() },
            Landmarks { works_crd: unreadable(), ..landmarks() },
            Landmarks { execution_namespace: None, ..landmarks() },
        ] {
            assert!(matches!(pin().check(&seen), Err(Mismatch::Unknown { .. })), "{seen:?}");
        }
    }
}
