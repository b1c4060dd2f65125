//! The life of a cluster in the directory, act by act.

use std::collections::BTreeSet;
use std::rc::Rc;

use muster_tests::api::{Api, MERGE_PATCH};
use serde_json::{Value, json};

use super::super::enrolment::{content, parts};
use super::super::inventory::PROFILES;
use super::super::{beat, entry, report};
use crate::fleet::{CLUSTERS, Fleet, condition_of};
use crate::works::config_map;

/// What happens to a cluster. The order is that of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// It is entered, and waits for a word.
    Enter,
    Approve,
    /// Its agent beats, and reports.
    Report,
    /// Another cluster takes its place, and somebody says so.
    Rebind,
    /// Its agent ends.
    FallSilent,
    Deny,
    Readmit,
    /// Its entry is deleted. Its Works stay.
    Leave,
    /// It is entered again, and takes its Works with it when it goes.
    Return,
    Remove,
}

pub(super) const ACTS: [Act; 10] = [
    Act::Enter,
    Act::Approve,
    Act::Report,
    Act::Rebind,
    Act::FallSilent,
    Act::Deny,
    Act::Readmit,
    Act::Leave,
    Act::Return,
    Act::Remove,
];

/// What an agent has on each Work.
const WORK_FINALIZER: &str = "multicluster.x-k8s.io/work-cleanup";
/// The part that is the agent's account: it and those after it are a credential and what that may do.
const ACCOUNT: usize = 3;

/// A cluster without an agent.
pub(super) struct Life {
    fleet: Rc<Fleet>,
    name: String,
    /// The UIDs of the cluster, and of the one that takes its place.
    ids: [String; 2],
}

impl Life {
    pub(super) fn new(fleet: &Rc<Fleet>, number: usize) -> Self {
        let id = |first: usize| format!("{first}{number:07}-0000-4000-8000-000000000000");
        Self { fleet: Rc::clone(fleet), name: format!("life-{number:03}"), ids: [id(1), id(2)] }
    }

    /// The same text about no cluster in particular.
    pub(super) fn unnamed(&self, text: &str) -> String {
        text.replace(&self.name, "NAME").replace(&self.ids[0], "ID").replace(&self.ids[1], "OTHER-ID")
    }

    fn api(&self) -> Api {
        self.fleet.directory.api()
    }

    fn entry_path(&self) -> String {
        format!("{CLUSTERS}/{}", self.name)
    }

    fn works(&self) -> String {
        format!("/apis/multicluster.x-k8s.io/v1alpha1/namespaces/muster-cluster-{}/works", self.name)
    }

    /// The Secret that its credential to join with is bound to.
    fn joining(&self) -> String {
        format!("/api/v1/namespaces/muster-agents/secrets/{}-joining", self.name)
    }

    fn enter(&self, more: &Value) {
        let mut entry = json!({
            "apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster", "metadata": {"name": self.name},
        });
        json_patch(&mut entry, more);
        self.api().create(CLUSTERS, &entry).unwrap();
    }

    fn decide(&self, value: &str) {
        self.annotate("approval", value);
    }

    fn annotate(&self, key: &str, value: &str) {
        let word = json!({"metadata": {"annotations": {format!("multicluster.coreos.com/{key}"): value}}});
        self.api().patch(&self.entry_path(), MERGE_PATCH, &word).unwrap();
    }

    fn has(&self, condition: &str, reason: &str) -> Result<(), String> {
        let entry = entry(&self.fleet.directory, &self.name).map_err(|error| error.to_string())?;
        match condition_of(&entry, condition) {
            Some((seen, _)) if seen == reason => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    }

    /// Whether the entry is gone. It goes last, so that no credential lives on without one.
    fn is_gone(&self) -> Result<(), String> {
        match entry(&self.fleet.directory, &self.name) {
            Ok(there) => return Err(there["status"].to_string()),
            Err(error) if error.status().is_some_and(|status| status == 404) => {}
            Err(error) => return Err(error.to_string()),
        }
        for path in parts(&self.name)[ACCOUNT..].iter().chain([&self.joining()]) {
            assert!(self.api().get(path).is_err(), "{path} outlives the entry");
        }
        Ok(())
    }
}

/// What is there, without what differs from life to life and from moment to moment.
fn slim(object: &Value) -> Value {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let conditions: Vec<Value> =
        conditions.map(|told| json!([told["type"], told["status"], told["reason"]])).collect();
    let mut status = object["status"].clone();
    status.as_object_mut().map(|status| status.remove("conditions"));
    let (metadata, status) = (&object["metadata"], if conditions.is_empty() { Value::Null } else { status });
    json!({
        "content": content(object), "annotations": metadata["annotations"], "finalizers": metadata["finalizers"],
        "deleting": metadata["deletionTimestamp"].is_string(), "conditions": conditions, "status": status,
    })
}

fn json_patch(into: &mut Value, more: &Value) {
    for (field, value) in more.as_object().into_iter().flatten() {
        if value.is_object() && into[field].is_object() {
            json_patch(&mut into[field], value);
        } else {
            into[field] = value.clone();
        }
    }
}

impl Act {
    /// Whether something goes for it.
    pub(super) fn takes_away(self) -> bool {
        matches!(self, Self::Report | Self::Deny | Self::Leave | Self::Remove)
    }

    /// What people and agents do.
    pub(super) fn perform(self, life: &Life) {
        match self {
            Self::Enter => life.enter(
                &json!({"metadata": {"annotations": {"multicluster.coreos.com/approval": "required"}}}),
            ),
            Self::Approve | Self::Readmit => life.decide("approved"),
            Self::Report => {
                let joining = json!({"apiVersion": "v1", "kind": "Secret",
                    "metadata": {"name": format!("{}-joining", life.name)}});
                life.api().create("/api/v1/namespaces/muster-agents/secrets", &joining).unwrap();
                let work = json!({
                    "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work",
                    "metadata": {"name": "w", "finalizers": [WORK_FINALIZER]},
                    "spec": {"workload": {"manifests": [config_map("default", "c", "one")]}},
                });
                life.api().create(&life.works(), &work).unwrap();
                report(&life.fleet.directory, &life.name, &life.ids[0], &json!([]));
                let renewed =
                    json!({"status": {"credential": {"renewed": jiff::Timestamp::now().to_string()}}});
                let path = format!("{}/status", parts(&life.name)[2]);
                life.api().patch(&path, MERGE_PATCH, &renewed).unwrap();
            }
            Self::Rebind => {
                life.annotate("rebind", &life.ids[1]);
                report(&life.fleet.directory, &life.name, &life.ids[1], &json!([]));
            }
            Self::FallSilent => {}
            Self::Deny => life.decide("denied"),
            Self::Leave | Self::Remove => {
                life.api().delete(&life.entry_path()).unwrap();
                let left = json!([{
                    "type": "Deregistered", "status": "True", "reason": "EntryDeleted", "message": "",
                    "lastTransitionTime": "2026-11-20T10:00:00Z",
                }]);
                report(&life.fleet.directory, &life.name, &life.ids[1], &left);
            }
            Self::Return => life.enter(&json!({"spec": {"deregistration": "Delete"}})),
        }
    }

    /// Whether it has come to its end, where nobody interferes.
    pub(super) fn rests(self, life: &Life) -> Result<(), String> {
        self.agent(life);
        match self {
            Self::Enter => life.has("Enrolled", "Pending"),
            Self::Approve | Self::Readmit | Self::Return => life.has("Enrolled", "Enrolled"),
            Self::Report => life.has("Ready", "Reporting"),
            Self::Rebind => {
                let id = entry(&life.fleet.directory, &life.name).unwrap()["status"]["id"].clone();
                if id == *life.ids[1] { life.has("Ready", "Reporting") } else { Err(id.to_string()) }
            }
            Self::FallSilent => life.has("Ready", "HeartbeatLost"),
            Self::Deny => life.has("Enrolled", "Denied"),
            Self::Leave | Self::Remove => life.is_gone(),
        }
    }

    /// What an agent does meanwhile.
    fn agent(self, life: &Life) {
        match self {
            Self::Report => beat(&life.fleet.directory, &life.name, &life.ids[0]),
            Self::Rebind => beat(&life.fleet.directory, &life.name, &life.ids[1]),
            _ => {}
        }
    }

    /// What there is of the cluster in the directory, while this goes on.
    pub(super) fn state(self, life: &Life) -> BTreeSet<String> {
        self.agent(life);
        if matches!(self, Self::Leave | Self::Remove) {
            let _ = life.is_gone();
        }
        let work = format!("{}/w", life.works());
        let profile = format!("{PROFILES}/{}", life.name);
        let mut state = BTreeSet::new();
        for path in parts(&life.name).iter().chain([&life.entry_path(), &life.joining(), &work, &profile]) {
            let Ok(object) = life.api().get(path) else { continue };
            let mut slim = slim(&object);
            if *path == parts(&life.name)[1] {
                // Written with each heartbeat.
                slim["content"]["spec"] = object["spec"]["leaseDurationSeconds"].clone();
            }
            if *path == profile {
                // Written every half a minute at most.
                slim = slim["content"].clone();
            }
            state.insert(life.unnamed(&format!("{path} {slim}")));
        }
        state
    }
}
