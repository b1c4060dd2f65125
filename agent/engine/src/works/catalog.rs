//! Which kinds the replica serves, as far as Works asked for them: a cache of discovery. It forgets a group when a
//! definition of it changes, and a version when an object of it turns out not to be served.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_api::Resource;

use crate::failure::Failure;
use crate::pace::Pace;

/// How long the answer that a kind is not served holds, where no definition tells of a change: aggregated API servers
/// have none.
const ABSENT: Duration = Duration::from_secs(60);
/// How long it holds at first after a definition changed: servers tell of what they serve a moment after that.
const SOON: Duration = Duration::from_secs(1);
/// How often that is doubled before it is as long as else.
const DOUBLED: u32 = 6;

/// A version of an API group; the group is empty for the core group.
pub(super) type GroupVersion = (String, String);

/// What is known of the kinds that the replica serves.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    versions: BTreeMap<GroupVersion, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    answer: Option<Answer>,
    /// How often the replica answered since a definition changed; `None`: none did.
    changed: Option<u32>,
    asking: bool,
    /// The answer under way is out of date when it comes.
    stale: bool,
    failure: Option<(Failure, String)>,
    pace: Pace,
}

#[derive(Debug)]
struct Answer {
    /// None where the version is not served.
    resources: Vec<Resource>,
    /// Until when it holds that others are not served.
    until: Duration,
}

/// What is known of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// It is served.
    Found(Resource),
    /// It is not served, or its version is not.
    Unknown,
    /// Nothing yet: the replica is to be asked.
    Unasked,
    /// Nothing: the replica was asked, and did not tell.
    Failed(Failure, String),
}

impl Catalog {
    /// What is known of a kind.
    #[must_use]
    pub(super) fn find(&self, group: &str, version: &str, kind: &str, now: Duration) -> Lookup {
        let Some(entry) = self.versions.get(&(group.to_owned(), version.to_owned())) else {
            return Lookup::Unasked;
        };
        let served = entry.answer.iter().flat_map(|answer| &answer.resources);
        if let Some(resource) = served.into_iter().find(|resource| resource.kind == kind) {
            return Lookup::Found(resource.clone());
        }
        match (&entry.answer, &entry.failure) {
            (Some(Answer { until, .. }), _) if *until > now => Lookup::Unknown,
            (_, Some((failure, message))) => Lookup::Failed(*failure, message.clone()),
            _ => Lookup::Unasked,
        }
    }

    /// Whether a version is to be asked for now; then it counts as asked. `Err`: not before that time.
    ///
    /// # Errors
    /// When it may be asked for, where that is later.
    pub(super) fn ask(&mut self, version: &GroupVersion, now: Duration, salt: u64) -> Result<bool, Duration> {
        let entry = self.versions.entry(version.clone()).or_default();
        if entry.asking {
            return Ok(false);
        }
        let answered = entry.answer.as_ref().map_or(Duration::ZERO, |answer| answer.until);
        let due = entry.pace.due(false, salt).max(answered);
        if due > now {
            return Err(due);
        }
        (entry.asking, entry.stale) = (true, false);
        Ok(true)
    }

    /// Whether a version that is being asked for is for the time alone: no definition of its group changed of late.
    #[must_use]
    pub(super) fn is_retry(&self, version: &GroupVersion) -> bool {
        self.versions.get(version).is_some_and(|entry| {
            let follows = entry.changed.is_some_and(|answers| answers < DOUBLED);
            entry.pace.is_retry() || entry.answer.is_some() && !follows
        })
    }

    /// The replica answered: `None` where it does not serve the version.
    pub(super) fn answered(&mut self, version: &GroupVersion, served: Option<Vec<Resource>>, now: Duration) {
        let Some(entry) = self.versions.get_mut(version) else { return };
        entry.asking = false;
        entry.failure = None;
        entry.pace.succeeded();
        if std::mem::take(&mut entry.stale) {
            entry.answer = None;
            return;
        }
        let holds = match &mut entry.changed {
            Some(answers) if *answers < DOUBLED => {
                let holds = SOON * 2_u32.pow(*answers);
                *answers += 1;
                holds
            }
            _ => ABSENT,
        };
        entry.answer = Some(Answer { resources: served.unwrap_or_default(), until: now + holds });
    }

    /// The replica did not answer.
    pub(super) fn failed(
        &mut self,
        version: &GroupVersion,
        failure: Failure,
        message: String,
        now: Duration,
        salt: u64,
    ) {
        if let Some(entry) = self.versions.get_mut(version) {
            entry.asking = false;
            entry.pace.failed(now, salt);
            entry.failure = Some((failure, message));
        }
    }

    /// A definition of a group came, changed or went: what is known of the group is out of date.
    pub(super) fn forget_group(&mut self, group: &str) {
        self.forget(|(other, _)| other == group);
        for (_, entry) in self.versions.iter_mut().filter(|((other, _), _)| other == group) {
            entry.changed = Some(0);
        }
    }

    /// An object of a version is not served.
    pub(super) fn forget_version(&mut self, version: &GroupVersion) {
        self.forget(|other| other == version);
    }

    fn forget(&mut self, concerned: impl Fn(&GroupVersion) -> bool) {
        for entry in
            self.versions.iter_mut().filter(|(version, _)| concerned(version)).map(|(_, entry)| entry)
        {
            entry.answer = None;
            entry.stale = entry.asking;
            entry.pace.hurry();
        }
    }
}

#[cfg(test)]
mod tests {
    use muster_api::resource::CLUSTERS;

    use super::*;

    fn version() -> GroupVersion {
        (CLUSTERS.group.to_string(), CLUSTERS.version.to_string())
    }

    fn find(catalog: &Catalog, now: Duration) -> Lookup {
        catalog.find(&CLUSTERS.group, &CLUSTERS.version, &CLUSTERS.kind, now)
    }

    const START: Duration = Duration::from_secs(100);

    #[test]
    fn a_version_is_asked_for_once_and_its_answer_holds() {
        let mut catalog = Catalog::default();
        assert_eq!(find(&catalog, START), Lookup::Unasked);
        assert_eq!(catalog.ask(&version(), START, 0), Ok(true));
        assert_eq!(catalog.ask(&version(), START, 0), Ok(false), "it is under way");
        catalog.answered(&version(), Some(vec![CLUSTERS]), START);
        assert_eq!(find(&catalog, 1000 * START), Lookup::Found(CLUSTERS));
        let other = catalog.find(&CLUSTERS.group, &CLUSTERS.version, "Other", START);
        assert_eq!(other, Lookup::Unknown);
    }

    #[test]
    fn what_is_not_served_is_asked_for_again_after_a_while_or_when_a_definition_changes() {
        let mut catalog = Catalog::default();
        assert_eq!(catalog.ask(&version(), START, 0), Ok(true));
        catalog.answered(&version(), None, START);
        assert_eq!(find(&catalog, START), Lookup::Unknown);
        assert_eq!(find(&catalog, START + ABSENT), Lookup::Unasked);
        catalog.forget_group("other.example.com");
        assert_eq!(find(&catalog, START), Lookup::Unknown);
        catalog.forget_group(&CLUSTERS.group);
        assert_eq!(find(&catalog, START), Lookup::Unasked);
    }

    #[test]
    fn an_answer_from_before_a_change_is_not_taken() {
        let mut catalog = Catalog::default();
        assert_eq!(catalog.ask(&version(), START, 0), Ok(true));
        catalog.forget_group(&CLUSTERS.group);
        catalog.answered(&version(), None, START);
        assert_eq!(find(&catalog, START), Lookup::Unasked);
        assert_eq!(catalog.ask(&version(), START, 0), Ok(true));
    }

    #[test]
    fn a_failure_is_told_and_tried_again_with_pauses() {
        let mut catalog = Catalog::default();
        assert_eq!(catalog.ask(&version(), START, 0), Ok(true));
        catalog.failed(&version(), Failure::Forbidden, "no".into(), START, 0);
        assert_eq!(find(&catalog, START), Lookup::Failed(Failure::Forbidden, "no".into()));
        let due = catalog.ask(&version(), START, 0).unwrap_err();
        assert!(due > START);
        assert_eq!(catalog.ask(&version(), due, 0), Ok(true));
    }
}
