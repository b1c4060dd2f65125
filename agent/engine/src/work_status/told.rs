//! What the directory shows of a Work, cut down to what the next status needs.

use std::cmp::Ordering;

use jiff::Timestamp;
use muster_api::conditions::{Reason, manifest, work};
use muster_api::work::{ResourceIdentifier, WorkStatus};
use muster_api::{Condition, Status, Time};
use sha2::{Digest as _, Sha256};

/// Most manifests that are remembered: more than a status of Muster's can list.
const MOST_MANIFESTS: usize = 1_024;
const OF_WORK: [&str; 4] =
    [work::Applied::TYPE, work::Available::TYPE, work::Progressing::TYPE, work::Degraded::TYPE];
const OF_MANIFEST: [&str; 3] = [manifest::Applied::TYPE, manifest::Available::TYPE, manifest::Feedback::TYPE];

/// What was told of a Work: since when each of its conditions has its status, and a digest of it all. Some 50 bytes for
/// each manifest that is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    digest: u64,
    work: Moments<4>,
    /// Sorted by key and ordinal.
    manifests: Box<[ToldManifest]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ToldManifest {
    key: u64,
    ordinal: i64,
    moments: Moments<3>,
}

/// The statuses of conditions, and the second since 1970 since when they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Moments<const N: usize> {
    statuses: [Option<Status>; N],
    seconds: [i64; N],
}

/// Whether a status is what was told already.
#[must_use]
pub fn same(status: &WorkStatus, told: &Told) -> bool {
    digest(status) == told.digest
}

// === impl Told ===

impl Told {
    /// Reads a status, as it was written or as the directory shows it. It may be anybody's.
    #[must_use]
    pub fn read(status: &WorkStatus) -> Self {
        let manifests = status.manifest_conditions.iter().take(MOST_MANIFESTS);
        let mut manifests: Box<[ToldManifest]> = manifests
            .map(|entry| ToldManifest {
                key: key(&entry.identifier),
                ordinal: entry.identifier.ordinal,
                moments: Moments::read(&entry.conditions, &OF_MANIFEST),
            })
            .collect();
        manifests.sort_by_key(|told| (told.key, told.ordinal));
        Self { digest: digest(status), work: Moments::read(&status.conditions, &OF_WORK), manifests }
    }

    /// Since when a condition of the Work has a status, if it has.
    pub(super) fn work(&self, kind: &str, status: Status) -> Option<Time> {
        self.work.since(&OF_WORK, kind, status)
    }

    /// The same of a manifest. One that is listed at another place is still the same.
    pub(super) fn manifest(
        &self,
        identifier: &ResourceIdentifier,
        kind: &str,
        status: Status,
    ) -> Option<Time> {
        let key = key(identifier);
        let from = |ordinal: i64| {
            self.manifests
                .get(
                    self.manifests.partition_point(|told| {
                        (told.key, told.ordinal).cmp(&(key, ordinal)) == Ordering::Less
                    })..,
                )
                .and_then(<[_]>::first)
        };
        let exact =
            from(identifier.ordinal).filter(|told| (told.key, told.ordinal) == (key, identifier.ordinal));
        let told = exact.or_else(|| from(i64::MIN).filter(|told| told.key == key))?;
        told.moments.since(&OF_MANIFEST, kind, status)
    }
}

// === impl Moments ===

impl<const N: usize> Moments<N> {
    fn read(conditions: &[Condition], kinds: &[&str; N]) -> Self {
        let found = kinds.map(|kind| conditions.iter().find(|condition| condition.type_ == kind));
        let second = |condition: &Condition| condition.last_transition_time.timestamp().as_second();
        Self {
            statuses: found.map(|condition| condition.map(|condition| condition.status)),
            seconds: found.map(|condition| condition.map_or(0, second)),
        }
    }

    /// A time before 1970 is no time at which Muster can have told anything.
    fn since(&self, kinds: &[&str; N], kind: &str, status: Status) -> Option<Time> {
        let told = kinds.iter().zip(&self.statuses).zip(&self.seconds);
        let (_, second) =
            told.into_iter().find(|((name, told), _)| **name == kind && **told == Some(status))?;
        Timestamp::from_second(*second).ok().filter(|_| *second >= 0).map(Time::from)
    }
}

/// What a manifest is known by: its object, or where that is not known its place in the list.
fn key(identifier: &ResourceIdentifier) -> u64 {
    let ResourceIdentifier { ordinal, group, kind, namespace, name, .. } = identifier;
    if kind.is_empty() || name.is_empty() {
        hash(format!("{ordinal}").as_bytes())
    } else {
        hash(format!("{group}\0{kind}\0{namespace}\0{name}").as_bytes())
    }
}

fn digest(status: &WorkStatus) -> u64 {
    // Texts and numbers can always be written.
    serde_json::to_vec(status).map_or(0, |text| hash(&text))
}

fn hash(text: &[u8]) -> u64 {
    Sha256::digest(text).iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use muster_api::work::ManifestCondition;

    use super::*;

    #[test]
    fn no_more_is_remembered_than_muster_can_have_told() {
        let manifest_conditions = vec![ManifestCondition::default(); MOST_MANIFESTS + 1];
        let told = Told::read(&WorkStatus { manifest_conditions, ..WorkStatus::default() });
        assert_eq!(told.manifests.len(), MOST_MANIFESTS);
    }
}
