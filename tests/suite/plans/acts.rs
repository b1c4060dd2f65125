//! What people do to a fleet.

use std::collections::BTreeSet;

use muster_tests::api::MERGE_PATCH;
use serde_json::{Value, json};

use crate::fleet::{CLUSTERS, OWN, REPORT, condition_of};
use crate::policies::{POLICIES, drop_policy, put_policy};
use crate::works::bench::{Bench, settled};
use crate::works::confirmed::{Word, last};
use crate::works::{LEDGERS, config_map, put_work, until_told, works};

/// What is done. The order is that of the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    Enrol,
    MakePolicy,
    EditPolicy,
    RemovePolicy,
    MakeWork,
    EditWork,
    ShrinkWork,
    HandOver,
    DeleteWork,
    Rotate,
    Leave,
}

/// All of them: those that go on upon one stage stand together.
pub(super) const ACTS: [Act; 11] = [
    Act::MakePolicy,
    Act::EditPolicy,
    Act::RemovePolicy,
    Act::MakeWork,
    Act::EditWork,
    Act::ShrinkWork,
    Act::HandOver,
    Act::DeleteWork,
    Act::Rotate,
    Act::Enrol,
    Act::Leave,
];

/// What there is of a run in the replica.
const REPLICA: [&str; 8] = [
    "/api/v1/configmaps",
    "/api/v1/namespaces",
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/multicluster.coreos.com/v1/clusterpolicies",
    "/apis/multicluster.coreos.com/v1/clusters",
    LEDGERS,
    REPORT,
];
/// Objects of a Work.
const OBJECTS: usize = 10;
/// Namespaces of a policy.
const NAMESPACES: usize = 4;

/// A fleet, and the tag that the names of one run bear.
pub(super) struct Stage {
    pub(super) bench: Bench,
    tag: String,
    words: Vec<Word>,
}

impl Stage {
    /// A stage for an act.
    pub(super) fn new(act: Act) -> Self {
        let bench = if act == Act::Enrol { Bench::unjoined() } else { Bench::new() };
        Self { bench, tag: String::new(), words: Vec::new() }
    }

    /// The next run.
    pub(super) fn begin(&mut self, number: usize) {
        self.tag = format!("t{number}t");
    }

    /// The tag of the run.
    pub(super) fn tag(&self) -> String {
        self.tag.clone()
    }

    /// A run that is over is looked at again.
    pub(super) fn resume(&mut self, tag: &str) {
        tag.clone_into(&mut self.tag);
    }

    /// What there is of all runs: UIDs by name.
    pub(super) fn everything(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for path in REPLICA.iter().filter(|path| **path != REPORT) {
            let found = self.bench.api().get(path).unwrap_or_default();
            let items = found["items"].as_array().into_iter().flatten();
            all.extend(items.map(|object| {
                format!("{path} {} {}", object["metadata"]["name"], object["metadata"]["uid"])
            }));
        }
        all
    }

    /// People do something.
    pub(super) fn perform(&mut self, act: Act) {
        self.words.push(Word::now(act.about(self)));
        act.perform(self);
    }

    /// Checks that before each deletion on this stage the directory was asked whether what it is for is so.
    pub(super) fn each_deletion_was_read_live(&self) -> usize {
        self.bench.each_deletion_was_read_live(|_, before| last(&self.words, None, before))
    }

    /// The same with the tag of no run.
    pub(super) fn untagged(&self, text: &str) -> String {
        text.replace(&self.tag, "TAG")
    }

    /// What the agent wrote in either cluster for what people asked, or tried to.
    pub(super) fn written(&self) -> Vec<String> {
        let requests = [self.bench.directory.requests(), self.bench.replica.requests()].concat();
        let writes =
            requests.into_iter().filter(|seen| super::is_change(&seen.method, &seen.path, &seen.query));
        writes.map(|seen| format!("{} {}", seen.method, seen.path)).collect()
    }

    /// Kills the agent, and starts another process.
    pub(super) fn revive(&mut self) {
        self.bench.fleet.revive(&mut self.bench.agent);
    }

    fn named(&self, short: &str) -> String {
        format!("{}-{short}", self.tag)
    }

    fn map(&self, number: usize, value: &str) -> Value {
        config_map("default", &self.named(&format!("o{number}")), value)
    }

    fn maps(&self, numbers: impl IntoIterator<Item = usize>) -> Vec<Value> {
        numbers.into_iter().map(|number| self.map(number, "one")).collect()
    }

    fn put(&self, work: &str, manifests: &[Value]) {
        put_work(&self.bench.fleet, &self.named(work), &json!(manifests));
    }

    fn applied(&self, work: &str) {
        until_told(&self.bench.fleet, &self.bench.agent, &self.named(work), "Applied", "Applied");
    }

    fn delete(&self, work: &str) {
        self.bench.fleet.directory.api().delete(&format!("{}/{}", works(), self.named(work))).unwrap();
    }

    fn policy(&self, role: &str, namespaces: usize) {
        let group = json!([self.named("group")]);
        let bindings = json!({"bindings": [{"clusterRole": role, "groups": group}, {"clusterRole": "admin", "groups": group}]});
        let namespaces: Vec<Value> = (0..namespaces)
            .map(|number| json!({"name": self.named(&format!("n{number}")), "authorization": bindings}))
            .collect();
        let spec = json!({"selector": {"cloud": "aws"}, "namespaces": namespaces,
            "authorization": {"clusterBindings": [{"clusterRole": "view", "groups": group}]}});
        put_policy(&self.bench.fleet, &self.named("policy"), &spec);
    }

    /// Waits until the ledger of the run's policy records so many objects, its copy among them, or is gone.
    fn settled(&self, objects: Option<usize>) {
        self.bench.until("the policy's ledger settled", || {
            let list = self.bench.api().get(LEDGERS).map_err(|error| error.to_string())?;
            let of = |ledger: &&Value| ledger["spec"].to_string().contains(&self.tag);
            let ledger = list["items"].as_array().into_iter().flatten().find(of);
            let seen =
                ledger.map(|ledger| ledger["status"]["appliedResources"].as_array().map_or(0, Vec::len));
            if seen == objects { Ok(()) } else { Err(format!("{seen:?}")) }
        });
    }

    /// Waits until the ledger of a Work records so many objects.
    fn records(&self, work: &str, objects: usize) {
        let name = self.named(work);
        self.bench.until(&format!("{objects} objects recorded of {name}"), || {
            let recorded = settled(&self.bench.fleet, &name)?;
            if recorded.len() == objects { Ok(()) } else { Err(format!("{recorded:?}")) }
        });
    }

    /// What there is of the run, in both clusters, without what differs from run to run.
    pub(super) fn state(&self) -> BTreeSet<String> {
        let mut state = BTreeSet::new();
        for (number, path) in REPLICA.iter().enumerate() {
            let found = self.bench.api().get(path).unwrap_or_default();
            let one = std::slice::from_ref(&found);
            let items = found["items"].as_array().map_or(one, Vec::as_slice);
            state.extend(items.iter().filter_map(|object| self.slim(number, object)));
        }
        let found = self.bench.fleet.directory.api().get(&works()).unwrap_or_default();
        let items = found["items"].as_array().into_iter().flatten();
        state.extend(items.filter_map(|object| self.slim(REPLICA.len(), object)));
        state
    }

    fn slim(&self, sort: usize, object: &Value) -> Option<String> {
        let metadata = &object["metadata"];
        let is_report = object["kind"] == "ClusterReport";
        if metadata["name"] == "kube-root-ca.crt" {
            return None; // the server's own, in each namespace
        }
        let is_entry = REPLICA.get(sort).is_some_and(|path| path.ends_with("/clusters"));
        if !object.to_string().contains(&self.tag) && !is_report && !is_entry {
            return None;
        }
        if is_report {
            let left = condition_of(object, "Deregistered").map(|(reason, _)| reason);
            return Some(format!("{sort} left {left:?}"));
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let applied = object["status"]["appliedResources"].as_array().into_iter().flatten();
        let mut applied: Vec<String> = applied
            .map(|entry| format!("{} {}", text(&entry["resource"]), text(&entry["namespace"])))
            .collect();
        applied.sort();
        let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        let conditions: Vec<String> =
            conditions.map(|told| format!("{} {}", text(&told["type"]), text(&told["reason"]))).collect();
        let current = object.pointer("/status/conditions/0/observedGeneration")
            == object.pointer("/metadata/generation");
        // Names of bindings hold a digest of what they are for.
        let name = if object["roleRef"].is_object() { json!(null) } else { metadata["name"].clone() };
        let name = if text(&name).starts_with("muster-policy-") { json!("policy") } else { name };
        let deleting = metadata["deletionTimestamp"].is_string();
        let slim = json!([
            sort,
            metadata["namespace"],
            name,
            object["data"],
            object["roleRef"],
            object["subjects"],
            applied,
            conditions,
            current,
            deleting,
            metadata["finalizers"],
            object["spec"]["ledger"]["phase"]
        ]);
        Some(self.untagged(&slim.to_string()))
    }
}

impl Act {
    /// Whether it leaves a fleet behind that is of no use to others.
    pub(super) fn needs_a_stage_of_its_own(self) -> bool {
        matches!(self, Self::Enrol | Self::Leave)
    }

    /// Whether something goes for it.
    pub(super) fn takes_away(self) -> bool {
        matches!(
            self,
            Self::EditPolicy | Self::RemovePolicy | Self::ShrinkWork | Self::DeleteWork | Self::Leave
        )
    }

    /// What of the directory it is about.
    fn about(self, stage: &Stage) -> String {
        match self {
            Self::Enrol | Self::Leave => format!("{CLUSTERS}/{OWN}"),
            Self::MakePolicy | Self::EditPolicy | Self::RemovePolicy => {
                format!("{POLICIES}/{}", stage.named("policy"))
            }
            _ => format!("{}/{}", works(), stage.named("work")),
        }
    }

    /// What is there before it.
    pub(super) fn prepare(self, stage: &Stage) {
        match self {
            Self::Enrol | Self::MakePolicy | Self::MakeWork | Self::Rotate => {}
            Self::EditPolicy | Self::RemovePolicy => {
                stage.policy("view", NAMESPACES);
                stage.settled(Some(3 * NAMESPACES + 2));
            }
            Self::EditWork | Self::ShrinkWork | Self::DeleteWork => {
                stage.put("work", &stage.maps(0..OBJECTS));
                stage.applied("work");
            }
            Self::HandOver => {
                stage.put("work", &stage.maps(0..OBJECTS));
                stage.put("heir", &[]);
                stage.applied("work");
                stage.applied("heir");
            }
            Self::Leave => {
                stage.put("work", &stage.maps(0..OBJECTS));
                stage.policy("view", NAMESPACES);
                stage.applied("work");
                stage.settled(Some(3 * NAMESPACES + 2));
            }
        }
    }

    /// What people do.
    fn perform(self, stage: &Stage) {
        let fleet = &stage.bench.fleet;
        match self {
            Self::Enrol => {
                for name in ["south", "north"] {
                    fleet.entry(name, &json!({"stage": "new"}));
                }
                let kubeconfig = stage.bench.directory.kubeconfig_for(&fleet.kubeconfig()).unwrap();
                fleet.offer(&kubeconfig);
            }
            Self::MakePolicy => stage.policy("view", NAMESPACES),
            Self::EditPolicy => stage.policy("edit", NAMESPACES + 1),
            Self::RemovePolicy => drop_policy(fleet, &stage.named("policy")),
            Self::MakeWork => stage.put("work", &stage.maps(0..OBJECTS)),
            Self::EditWork => {
                let changed = (0..OBJECTS / 2).map(|number| stage.map(number, "two"));
                let more = stage.maps(OBJECTS / 2..OBJECTS + 9);
                stage.put("work", &changed.chain(more).collect::<Vec<_>>());
            }
            Self::ShrinkWork => stage.put("work", &stage.maps(OBJECTS / 2..OBJECTS)),
            Self::HandOver => {
                stage.put("work", &stage.maps(OBJECTS / 2..OBJECTS));
                stage.put("heir", &stage.maps(0..OBJECTS / 2));
            }
            Self::DeleteWork => stage.delete("work"),
            Self::Rotate => {
                let kubeconfig = stage.bench.directory.kubeconfig_for(&fleet.kubeconfig()).unwrap();
                fleet.offer(&kubeconfig);
                stage.put("work", &stage.maps(0..2));
            }
            Self::Leave => {
                let says = json!({"metadata": {"finalizers": ["example.com/held"]}, "spec": {"deregistration": "Delete"}});
                let path = format!("{CLUSTERS}/{OWN}");
                fleet.directory.api().patch(&path, MERGE_PATCH, &says).unwrap();
                fleet.directory.api().delete(&path).unwrap();
            }
        }
    }

    /// Waits until it has come to its end, where nobody interferes.
    pub(super) fn rests(self, stage: &Stage) {
        let fleet = &stage.bench.fleet;
        match self {
            Self::Enrol => {
                fleet.in_step(&stage.bench.agent);
                fleet.reason(&stage.bench.agent, "HeartbeatAccepted", "Accepted");
            }
            Self::MakePolicy => stage.settled(Some(3 * NAMESPACES + 2)),
            Self::EditPolicy => stage.settled(Some(3 * NAMESPACES + 5)),
            Self::RemovePolicy => {
                stage.settled(None);
                stage.bench.until("the copy gone", || {
                    let path = format!("{POLICIES}/{}", stage.named("policy"));
                    stage.bench.api().get(&path).map_or(Ok(()), |copy| Err(copy.to_string()))
                });
            }
            Self::MakeWork | Self::EditWork | Self::Rotate => stage.applied("work"),
            Self::ShrinkWork => {
                stage.applied("work");
                stage.records("work", OBJECTS - OBJECTS / 2);
            }
            Self::HandOver => {
                stage.applied("work");
                stage.applied("heir");
                stage.records("work", OBJECTS - OBJECTS / 2);
                stage.records("heir", OBJECTS / 2);
            }
            Self::DeleteWork => {
                stage.bench.until("the Work gone", || crate::works::is_gone(fleet, &stage.named("work")));
            }
            Self::Leave => {
                fleet.reason(&stage.bench.agent, "Deregistered", "EntryDeletedWithWorks");
            }
        }
    }
}
