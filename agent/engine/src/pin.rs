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
    /// UID of the execution namespace; absent where the credential cannot read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_namespace: Option<String>,
    /// Name of the replica's own entry.
    pub cluster: String,
    /// UID of the replica's own entry; absent until it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
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
    /// Compares what live reads found with what was recorded.
    ///
    /// # Errors
    /// How the directory differs. Identity is judged first: parts of another cluster say nothing.
    pub fn check(&self, seen: &Landmarks) -> Result<(), Mismatch> {
        match &seen.directory {
            Reading::Found(found) if found.uid == self.directory => {}
            Reading::Found(found) => return Err(Mismatch::OtherDirectory { seen: found.uid.clone() }),
            Reading::Absent => {
                return Err(Mismatch::Unknown { what: "namespace kube-system is missing".into() });
            }
            Reading::Unreadable(why) => {
                return Err(Mismatch::Unknown { what: format!("namespace kube-system: {why}") });
            }
        }
        check_part("CRD clusters.multicluster.coreos.com", &self.clusters_crd, &seen.clusters_crd)?;
        if let Some(pinned) = &self.execution_namespace {
            let reading = seen.execution_namespace.as_ref();
            let unread = Reading::Unreadable("it was not read".into());
            check_part("the execution namespace", pinned, reading.unwrap_or(&unread))?;
        }
        Ok(())
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
            execution_namespace: Some("n".into()),
            cluster: "east".into(),
            entry: None,
        }
    }

    fn landmarks() -> Landmarks {
        Landmarks { directory: found("d"), clusters_crd: found("c"), execution_namespace: Some(found("n")) }
    }

    #[test]
    fn the_pinned_directory_passes() {
        assert_eq!(pin().check(&landmarks()), Ok(()));
    }

    #[test]
    fn another_cluster_is_known_before_its_parts_are_looked_at() {
        let seen =
            Landmarks { directory: found("x"), clusters_crd: Reading::Absent, execution_namespace: None };
        assert_eq!(pin().check(&seen), Err(Mismatch::OtherDirectory { seen: "x".into() }));
    }

    #[test]
    fn each_part_that_goes_or_is_replaced_means_removal() {
        let going = Reading::Found(Found { uid: "c".into(), deleting: true });
        for reading in [found("other"), Reading::Absent, going] {
            let seen = Landmarks { clusters_crd: reading.clone(), ..landmarks() };
            assert!(matches!(pin().check(&seen), Err(Mismatch::BeingRemoved { .. })), "{reading:?}");
        }
        for reading in [found("other"), Reading::Absent] {
            let seen = Landmarks { execution_namespace: Some(reading.clone()), ..landmarks() };
            assert!(matches!(pin().check(&seen), Err(Mismatch::BeingRemoved { .. })), "{reading:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_proves_nothing() {
        let unreadable = || Reading::Unreadable("403".into());
        for seen in [
            Landmarks { directory: unreadable(), ..landmarks() },
            Landmarks { directory: Reading::Absent, ..landmarks() },
            Landmarks { clusters_crd: unreadable(), ..landmarks() },
            Landmarks { execution_namespace: None, ..landmarks() },
        ] {
            assert!(matches!(pin().check(&seen), Err(Mismatch::Unknown { .. })), "{seen:?}");
        }
    }
}
