//! A directory in memory.

mod acts;

use std::collections::BTreeMap;
use std::time::Duration;

use muster_api::clock::Now;
use muster_api::events::controller::EventReason;
use muster_api::names::execution_namespace;
use muster_api::resource::{CLUSTERS, CRDS, NAMESPACES, WORKS};
use muster_api::{Object, Resource};
use serde_json::{Value, json};

use crate::fleet::pace::Pace;
use crate::fleet::part::Part;
use crate::fleet::plan::{Failure, FailureKind, Outcome, Plan, Step, Work};
use crate::fleet::{Change, Event, Fleet, Source};
use crate::testing::{merge, object};

pub(super) const LEASE: Duration = Duration::from_secs(40);
const PACE: Pace = Pace { lease: LEASE, rate: 25 };
/// An identity of a cluster.
pub(super) const ID: &str = "11111111-0000-4000-8000-000000000000";

type Key = (String, String, String);

/// A directory, its controller, and the time.
pub(super) struct World {
    pub(super) fleet: Fleet,
    pub(super) pace: Pace,
    objects: BTreeMap<Key, Value>,
    version: u64,
    pub(super) mono: Duration,
    /// By how much the time of day is wrong.
    pub(super) ahead: Duration,
    /// What was written, by the words of plans.
    pub(super) written: Vec<String>,
    /// What the server refuses, and how often it did.
    pub(super) refuse: Option<&'static str>,
    pub(super) refused: usize,
    /// How often the definition of entries was read.
    pub(super) looked: usize,
    /// The status of namespaces that do not go when they are deleted.
    pub(super) stuck: Option<Value>,
    /// The controller is ended after each write.
    pub(super) crash: bool,
    /// No controller runs.
    away: bool,
    /// Somebody makes a Work as soon as a namespace may go.
    pub(super) late_work: bool,
    /// This part is removed once it is made, before the answer to that comes.
    pub(super) snatched: Option<Part>,
    told: Vec<EventReason>,
}

fn key(resource: &Resource, namespace: Option<&str>, name: &str) -> Key {
    (resource.full_name(), namespace.unwrap_or_default().to_owned(), name.to_owned())
}

impl World {
    pub(super) fn new() -> Self {
        let mono = Duration::from_secs(1000);
        let mut world = Self {
            fleet: Fleet::new(PACE, mono),
            pace: PACE,
            objects: BTreeMap::new(),
            version: 1,
            mono,
            ahead: Duration::ZERO,
            written: Vec::new(),
            refuse: None,
            refused: 0,
            looked: 0,
            stuck: None,
            crash: false,
            away: false,
            late_work: false,
            snatched: None,
            told: Vec::new(),
        };
        world.define();
        world.restart();
        world
    }

    fn definition(&self) -> Option<Object> {
        self.get(&CRDS, None, &CLUSTERS.full_name()).map(|found| object(&found))
    }

    pub(super) fn now(&self) -> Now {
        let wall = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        Now { mono: self.mono, wall: wall + jiff::SignedDuration::try_from(self.mono + self.ahead).unwrap() }
    }

    /// Time goes by, second by second.
    pub(super) fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.mono += Duration::from_secs(1);
            self.settle();
        }
    }

    /// The controller ends: what happens now, nobody sees.
    pub(super) fn stop(&mut self) {
        self.fleet = Fleet::new(self.pace, self.mono);
        self.away = true;
    }

    /// Another controller begins.
    pub(super) fn restart(&mut self) {
        self.fleet = Fleet::new(self.pace, self.mono);
        self.away = false;
        self.begin_lists();
        self.end_lists();
    }

    pub(super) fn begin_lists(&mut self) {
        for source in Source::all() {
            self.watch(source, Change::ListBegan);
            let all: Vec<_> =
                self.objects.iter().filter(|(key, _)| of(source, key)).map(|(_, v)| v.clone()).collect();
            for found in all {
                self.watch(source, Change::Listed(object(&found)));
            }
        }
    }

    pub(super) fn end_lists(&mut self) {
        for source in Source::all() {
            self.watch(source, Change::ListComplete);
        }
    }

    pub(super) fn watch(&mut self, source: Source, change: Change) {
        let now = self.now();
        if !self.away {
            self.fleet.on(Event::Watch(source, change), now);
        }
    }

    fn show(&mut self, key: &Key, value: &Value, gone: bool) {
        for source in Source::all().filter(|source| of(*source, key)) {
            let object = object(value);
            self.watch(source, if gone { Change::Gone(object) } else { Change::Applied(object) });
        }
    }

    /// Stores an object, and lets watches show it.
    pub(super) fn put(&mut self, resource: &Resource, mut value: Value) -> Value {
        self.version += 1;
        let meta = value["metadata"].clone();
        let key = key(resource, meta["namespace"].as_str(), meta["name"].as_str().unwrap());
        let uid = self
            .objects
            .get(&key)
            .map_or_else(|| json!(format!("{:08x}", self.version)), |old| old["metadata"]["uid"].clone());
        value["metadata"]["uid"] = uid;
        value["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let finalizers = value["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty);
        if finalizers && value["metadata"]["deletionTimestamp"].is_string() {
            self.objects.remove(&key);
            self.show(&key, &value, true);
        } else {
            self.objects.insert(key.clone(), value.clone());
            self.show(&key, &value, false);
        }
        value
    }

    pub(super) fn patch(
        &mut self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        patch: &Value,
    ) -> Option<Value> {
        let mut value = self.get(resource, namespace, name)?;
        merge(&mut value, patch);
        Some(self.put(resource, value))
    }

    /// Deletes an object; with a namespace goes what is in it.
    fn remove(&mut self, resource: &Resource, namespace: Option<&str>, name: &str) -> bool {
        if let (true, Some(status)) = (*resource == NAMESPACES, self.stuck.clone()) {
            let held = json!({"metadata": {"finalizers": ["kubernetes"]}, "status": status});
            self.patch(resource, namespace, name, &held).unwrap();
        } else if *resource == NAMESPACES {
            let inside: Vec<_> = self.objects.keys().filter(|key| key.1 == name).cloned().collect();
            for key in inside {
                let value = self.objects.remove(&key).unwrap();
                assert!(
                    value["metadata"]["finalizers"].is_null() || value["metadata"]["finalizers"] == json!([])
                );
                self.show(&key, &value, true);
            }
        }
        let goes = json!({"metadata": {"deletionTimestamp": (self.now().wall + jiff::SignedDuration::from_secs(1)).to_string()}});
        self.patch(resource, namespace, name, &goes).is_some()
    }

    pub(super) fn get(&self, resource: &Resource, namespace: Option<&str>, name: &str) -> Option<Value> {
        self.objects.get(&key(resource, namespace, name)).cloned()
    }

    /// A part of a cluster; null where it is not there.
    pub(super) fn part(&self, part: Part, cluster: &str) -> Value {
        let namespace = part.namespace(cluster);
        self.get(&part.resource(), namespace.as_deref(), &part.name(cluster)).unwrap_or_default()
    }

    pub(super) fn entry(&self, name: &str) -> Option<Value> {
        self.get(&CLUSTERS, None, name)
    }

    pub(super) fn status(&self, name: &str) -> Value {
        self.entry(name).map(|entry| entry["status"].clone()).unwrap_or_default()
    }

    /// The message of a condition.
    pub(super) fn message(&self, name: &str, condition: &str) -> String {
        let status = self.status(name);
        let all = status["conditions"].as_array().cloned().unwrap_or_default();
        let found = all.iter().find(|found| found["type"] == condition);
        found.and_then(|found| found["message"].as_str()).unwrap_or_default().to_owned()
    }

    pub(super) fn reason(&self, name: &str, condition: &str) -> String {
        let status = self.status(name);
        let all = status["conditions"].as_array().cloned().unwrap_or_default();
        let found = all.iter().find(|found| found["type"] == condition);
        found.and_then(|found| found["reason"].as_str()).unwrap_or_default().to_owned()
    }

    pub(super) fn told(&mut self) -> Vec<EventReason> {
        std::mem::take(&mut self.told)
    }

    pub(super) fn decide(&mut self) -> Vec<Plan> {
        let now = self.now();
        self.fleet.decide(now)
    }

    /// Carries out what is decided until nothing is.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            let plans = self.decide();
            self.told.extend(self.fleet.notices().into_iter().map(|notice| notice.reason));
            if plans.is_empty() {
                return;
            }
            for plan in plans {
                if self.late_work && matches!(plan.step, Step::Allow { .. }) {
                    self.work(&plan.cluster, "late");
                }
                let writes = !matches!(plan.step, Step::Verify | Step::Inspect | Step::Look | Step::List);
                let outcome = self.carry_out(&plan);
                if let Step::Make { part, .. } = &plan.step
                    && self.snatched.take_if(|snatched| *snatched == *part).is_some()
                {
                    self.take(*part, &plan.cluster);
                }
                if self.crash && writes {
                    self.restart(); // the outcome is never told
                    break;
                }
                let now = self.now();
                self.fleet.on(Event::Done { cluster: plan.cluster, plan: plan.id, outcome }, now);
            }
        }
        panic!("it never settles: {:?}", self.written.iter().rev().take(20).collect::<Vec<_>>());
    }

    fn carry_out(&mut self, plan: &Plan) -> Outcome {
        let label = match &plan.step {
            Step::Make { part, .. } => format!("make {part:?}"),
            Step::Remove { part, .. } => format!("remove {part:?}"),
            other => other.label().to_owned(),
        };
        if self.refuse == Some(label.as_str()) {
            self.refused += 1;
            let message = "no".to_owned();
            return Outcome::Failed(Failure { kind: FailureKind::Refused, message });
        }
        if let Some(uid) = &plan.under {
            let found = self.definition();
            let sound = |found: &Object| found.meta.uid == *uid && found.meta.deletion_timestamp.is_none();
            if !found.as_ref().is_some_and(sound) {
                return Outcome::Doubtful(found);
            }
        }
        if !matches!(plan.step, Step::Verify | Step::Inspect | Step::Look | Step::List) {
            self.written.push(label);
        }
        let cluster = plan.cluster.as_str();
        let written = match &plan.step {
            Step::Finalize { finalizers, .. } => {
                self.patch(&CLUSTERS, None, cluster, &json!({"metadata": {"finalizers": finalizers}}))
            }
            Step::Status { status, .. } => self.get(&CLUSTERS, None, cluster).map(|mut entry| {
                entry["status"] = json!(status);
                self.put(&CLUSTERS, entry)
            }),
            Step::Make { part, body, .. } => {
                let mut value = self.part(*part, cluster);
                if value.is_null() {
                    value = json!({});
                }
                merge(&mut value, body);
                Some(self.put(&part.resource(), value))
            }
            Step::Remove { part, uid } => {
                assert_eq!(self.part(*part, cluster)["metadata"]["uid"], *uid);
                let namespace = part.namespace(cluster);
                let there = self.remove(&part.resource(), namespace.as_deref(), &part.name(cluster));
                return if there { Outcome::Removed } else { Outcome::Absent };
            }
            Step::Retire => return Outcome::Removed,
            Step::Verify => {
                self.looked += 1;
                self.get(&CRDS, None, &CLUSTERS.full_name())
            }
            Step::Inspect => self.get(&NAMESPACES, None, &execution_namespace(cluster)),
            Step::Look => Some(self.part(Part::Lease, cluster)).filter(|lease| !lease.is_null()),
            Step::List => {
                let namespace = execution_namespace(cluster);
                let works =
                    self.objects.iter().filter(|(key, _)| key.0 == WORKS.full_name() && key.1 == namespace);
                let works = works.map(|(key, work)| Work {
                    name: key.2.clone(),
                    resource_version: String::new(),
                    finalizers: serde_json::from_value(work["metadata"]["finalizers"].clone())
                        .unwrap_or_default(),
                });
                return Outcome::Works(works.collect());
            }
            Step::Release(work) => {
                let namespace = execution_namespace(cluster);
                self.patch(&WORKS, Some(&namespace), &work.name, &json!({"metadata": {"finalizers": []}}))
            }
            Step::Allow { .. } => {
                let allow =
                    json!({"metadata": {"annotations": {"multicluster.coreos.com/allow-deletion": "true"}}});
                self.patch(&NAMESPACES, None, &execution_namespace(cluster), &allow)
            }
        };
        written.map_or(Outcome::Absent, |value| Outcome::Object(object(&value)))
    }
}

/// Whether a watch shows an object.
fn of(source: Source, (plural, namespace, name): &Key) -> bool {
    let resource = match source {
        Source::Entries => CLUSTERS,
        Source::Of(part) => part.resource(),
    };
    let placed = match source {
        Source::Of(Part::TokenBinding) => namespace == "muster-agents",
        Source::Of(Part::AgentBinding) => name == "muster-agent",
        _ => true,
    };
    *plural == resource.full_name() && placed
}
