//! What the inventory knows, and what is to be done.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use muster_api::Object;
use muster_api::clock::{Now, backoff};
use muster_api::events::controller::EventReason;
use muster_api::report::ClusterReport;
use muster_api::report::replica::{LONGEST_PROPERTY, PropertyReport};
use serde_json::Value;

use super::profile::{self, Entry, Profile, ProfileStatus};
use crate::fleet::Change;
use crate::fleet::part::Part;
use crate::fleet::plan::Notice;

/// Least time between two writes of the status of one profile (KEP-4322, "Scalability implication").
pub const SPACING: Duration = Duration::from_secs(30);
/// First and longest wait before what failed is tried again.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Longest name of a property, in bytes.
const LONGEST_NAME: usize = 253;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Cluster entries.
    Entries,
    /// What agents report.
    Reports,
    /// The profiles of the inventory's namespace.
    Profiles,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Name of the cluster, and of its profile.
    pub name: String,
    /// What is to be done.
    pub step: Step,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The profile is made.
    Make(Value),
    /// Its labels and its display name are made right.
    Mend(Value),
    /// It says this.
    Tell {
        /// It must still have this resourceVersion.
        resource_version: String,
        /// What it says.
        status: Box<ProfileStatus>,
    },
    /// It goes, where the definition of entries is there, stays, and is no younger than its entry was.
    Remove {
        /// It must still have this UID.
        uid: String,
        /// When its entry was made.
        made: Option<Timestamp>,
    },
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    /// It was written, and looks like this now.
    Written(Box<Object>),
    /// It is gone, or was not there.
    Gone,
    /// It was not removed: its entry may have gone with the definition of all entries.
    Doubtful,
    /// Somebody wrote it meanwhile, which the watch shows: what is there now decides anew.
    Overtaken,
    /// It failed.
    Failed,
}

impl Outcome {
    /// The word for it in metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Overtaken => "conflict",
            Self::Failed => "failed",
            Self::Written(_) | Self::Gone | Self::Doubtful => "ok",
        }
    }
}

#[derive(Debug, Default)]
struct Listing {
    complete: bool,
    shown: BTreeSet<String>,
}

/// What is known of the report of a cluster.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    id: Option<String>,
    properties: Vec<PropertyReport>,
}

/// All profiles.
#[derive(Debug)]
pub struct Book {
    namespace: String,
    entries: BTreeMap<String, Entry>,
    reports: BTreeMap<String, Told>,
    profiles: BTreeMap<String, Profile>,
    listings: BTreeMap<Source, Listing>,
    /// Clusters of which something changed.
    dirty: BTreeSet<String>,
    /// Clusters that wait, and until when.
    waits: BTreeMap<String, Duration>,
    doing: BTreeSet<String>,
    failures: BTreeMap<String, u32>,
    /// When a status was last written.
    told: BTreeMap<String, Duration>,
    /// Clusters whose name somebody else's profile has, as was said.
    taken: BTreeSet<String>,
    /// Clusters whose profile was not removed for a doubt: an entry that is made anew takes it over.
    doubted: BTreeSet<String>,
    notices: Vec<Notice>,
}

impl Book {
    /// An inventory of which nothing is known, in this namespace.
    #[must_use]
    pub fn new(namespace: &str) -> Self {
        let sources = [Source::Entries, Source::Reports, Source::Profiles];
        Self {
            namespace: namespace.to_owned(),
            entries: BTreeMap::new(),
            reports: BTreeMap::new(),
            profiles: BTreeMap::new(),
            listings: sources.map(|source| (source, Listing::default())).into(),
            dirty: BTreeSet::new(),
            waits: BTreeMap::new(),
            doing: BTreeSet::new(),
            failures: BTreeMap::new(),
            told: BTreeMap::new(),
            taken: BTreeSet::new(),
            doubted: BTreeSet::new(),
            notices: Vec::new(),
        }
    }

    /// Takes in what a watch says.
    pub fn see(&mut self, source: Source, change: Change) {
        if let (Source::Reports, Change::Listed(object) | Change::Applied(object) | Change::Gone(object)) =
            (source, &change)
            && Part::Report.slot_of(&object.meta).is_none()
        {
            return; // one that lies elsewhere is no cluster's
        }
        match change {
            Change::ListBegan => self.listing(source).shown.clear(),
            Change::Listed(object) => {
                self.listing(source).shown.insert(object.meta.name.clone());
                self.shown(source, &object);
            }
            Change::Applied(object) => self.shown(source, &object),
            Change::Gone(object) => self.gone(source, &object.meta.name),
            Change::ListComplete => {
                let listing = self.listing(source);
                listing.complete = true;
                let shown = std::mem::take(&mut listing.shown);
                for name in
                    self.names(source).filter(|name| !shown.contains(*name)).cloned().collect::<Vec<_>>()
                {
                    self.gone(source, &name);
                }
                let all: Vec<_> = self.entries.keys().chain(self.profiles.keys()).cloned().collect();
                self.dirty.extend(all);
            }
            Change::Alive => self.listing(source).complete = true, // it was listed before
            // The kind may not be defined any more: nothing is written before it is seen again.
            Change::Failed if source == Source::Profiles => self.listing(source).complete = false,
            Change::Failed => {}
        }
    }

    fn listing(&mut self, source: Source) -> &mut Listing {
        self.listings.entry(source).or_default()
    }

    fn names(&self, source: Source) -> Box<dyn Iterator<Item = &String> + '_> {
        match source {
            Source::Entries => Box::new(self.entries.keys()),
            Source::Reports => Box::new(self.reports.keys()),
            Source::Profiles => Box::new(self.profiles.keys()),
        }
    }

    fn shown(&mut self, source: Source, object: &Object) {
        let name = object.meta.name.clone();
        match source {
            Source::Entries => match Entry::of(object) {
                None => self.gone(source, &name),
                Some(entry) => {
                    let newer = |old: &Entry| old.uid != entry.uid || old.version <= entry.version;
                    let known = self.entries.get(&name);
                    if known.is_none_or(|old| old.uid != entry.uid) {
                        self.waits.remove(&name); // what failed or was in doubt was of another one
                    }
                    if known.is_none_or(newer) {
                        self.entries.insert(name.clone(), entry);
                    }
                }
            },
            Source::Reports => {
                let told = told(object);
                if self.reports.get(&name) == Some(&told) {
                    return; // counters move all the time
                }
                self.reports.insert(name.clone(), told);
            }
            Source::Profiles => self.profile(object),
        }
        self.dirty.insert(name);
    }

    fn profile(&mut self, object: &Object) {
        let profile = Profile::of(object);
        let name = &object.meta.name;
        let newer = |old: &Profile| old.uid != profile.uid || old.version <= profile.version;
        if self.profiles.get(name).is_none_or(newer) {
            self.profiles.insert(name.clone(), profile);
        }
    }

    fn gone(&mut self, source: Source, name: &str) {
        match source {
            Source::Entries => {
                if self.entries.remove(name).is_some() {
                    self.waits.remove(name);
                }
                self.taken.remove(name);
            }
            Source::Reports => {
                self.reports.remove(name);
            }
            Source::Profiles => {
                self.profiles.remove(name);
                self.told.remove(name);
                self.taken.remove(name);
            }
        }
        self.dirty.insert(name.to_owned());
    }

    /// What is to be done now.
    pub fn decide(&mut self, now: Now) -> Vec<Plan> {
        if self.listings.values().any(|listing| !listing.complete) {
            return Vec::new();
        }
        let due: Vec<_> = self
            .waits
            .iter()
            .filter(|(_, until)| **until <= now.mono)
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            self.waits.remove(&name);
            self.dirty.insert(name);
        }
        let mut plans = Vec::new();
        for name in std::mem::take(&mut self.dirty) {
            if self.doing.contains(&name)
                || self.failures.contains_key(&name) && self.waits.contains_key(&name)
            {
                continue;
            }
            let Some(step) = self.next(&name, now) else { continue };
            self.doing.insert(name.clone());
            if matches!(step, Step::Tell { .. }) {
                self.told.insert(name.clone(), now.mono);
            }
            plans.push(Plan { name, step });
        }
        plans
    }

    fn next(&mut self, name: &str, now: Now) -> Option<Step> {
        let Some(profile) = self.profiles.get(name) else {
            let entry = self.entries.get(name).filter(|entry| entry.is_enrolled() && !entry.deleting)?;
            return Some(Step::Make(profile::made(name, &self.namespace, entry)));
        };
        if profile.deleting {
            return None;
        }
        let Some(made_for) = &profile.made_for else {
            if let Some(entry) = self.entries.get(name)
                && self.taken.insert(name.to_owned())
            {
                let note =
                    format!("ClusterProfile {}/{name} is not Muster's, and is left alone.", self.namespace);
                let entry = Some((name.to_owned(), entry.uid.clone()));
                self.notices.push(Notice { entry, reason: EventReason::ProfileTaken, note });
            }
            return None;
        };
        let adopts = |entry: &&Entry| self.doubted.contains(name) && !entry.deleting;
        let entry = self.entries.get(name).filter(|entry| entry.uid == *made_for || adopts(entry));
        let Some(entry) = entry else {
            return Some(Step::Remove { uid: profile.uid.clone(), made: profile.made });
        };
        if entry.uid != *made_for || !profile.is_right(name) {
            return Some(Step::Mend(profile::mended(name, profile, entry)));
        }
        // What another cluster says under this name is not said of this one.
        let own = |told: &&Told| told.id.is_some() && told.id == entry.status.id;
        let properties = self.reports.get(name).filter(own).map_or(&[][..], |told| &told.properties);
        let status = profile::status(entry, properties, &profile.status, now.wall);
        if status == profile.status {
            return None;
        }
        let free = self.told.get(name).map_or(Duration::ZERO, |told| *told + SPACING);
        if free > now.mono {
            self.waits.insert(name.to_owned(), free);
            return None;
        }
        let resource_version = profile.resource_version.clone();
        Some(Step::Tell { resource_version, status: Box::new(status) })
    }

    /// A plan came to its end.
    pub fn done(&mut self, name: &str, outcome: Outcome, now: Duration) {
        self.doing.remove(name);
        self.dirty.insert(name.to_owned());
        match outcome {
            Outcome::Written(object) => self.profile(&object),
            Outcome::Gone => self.gone(Source::Profiles, name),
            Outcome::Doubtful | Outcome::Overtaken | Outcome::Failed => {
                if matches!(outcome, Outcome::Doubtful) {
                    self.doubted.insert(name.to_owned());
                }
                let failures = self.failures.entry(name.to_owned()).or_default();
                *failures = failures.saturating_add(1);
                let salt =
                    name.bytes().fold(0_u64, |salt, byte| salt.wrapping_mul(31).wrapping_add(byte.into()));
                self.waits.insert(name.to_owned(), now + backoff(*failures, AGAIN.0, AGAIN.1, salt));
                return;
            }
        }
        self.failures.remove(name);
        self.doubted.remove(name);
    }

    /// Takes what people are to be told.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }
}

/// What a report says. An agent writes it, so it is not trusted.
fn told(object: &Object) -> Told {
    let report: ClusterReport = serde_json::from_str(object.raw.get()).unwrap_or_default();
    let replica = report.status.replica.unwrap_or_default();
    let mut names = BTreeSet::new();
    let mut properties = replica.properties;
    properties.retain(|PropertyReport { name, value }| {
        let fits = (1..=LONGEST_NAME).contains(&name.len())
            && (1..=LONGEST_PROPERTY).contains(&value.chars().count());
        fits && names.insert(name.clone())
    });
    Told { id: replica.id, properties }
}

#[cfg(test)]
mod tests;
