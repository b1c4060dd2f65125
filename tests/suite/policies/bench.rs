//! A fleet whose agent reaches both clusters through proxies, and what its owner does by hand.

use std::collections::BTreeMap;

use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::{AuditEvent, AuditMark};
use muster_tests::proxy::Proxy;
use muster_tests::wait::{DEADLINE, throughout};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{APPLIER, LEDGERS, POLICIES, made, objects, put_policy, until_made};
use crate::fleet::{CLUSTERS, Fleet, OWN, REPORT, condition_of, until};
use crate::trail::{self, REPLICA_USER};

/// What the agent keeps of itself in the replica.
pub(super) const STATE: &str = "/api/v1/namespaces/muster-system/configmaps/muster-agent-state";
/// The report in the directory.
const UPSTREAM: &str = "/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-east/clusterreports/east";
/// For how long nothing is to happen, where there is no event to wait for: longer than the quiet window before
/// deletions, and than a policy takes to be applied.
const QUIET: std::time::Duration = std::time::Duration::from_secs(5);

/// A fleet with an agent that applies the two documented policies.
pub(super) struct Bench {
    pub(super) agent: AgentProcess,
    /// Between the agent and the directory.
    pub(super) directory: Proxy,
    /// Between the agent and the replica.
    pub(super) replica: Proxy,
    pub(super) fleet: Fleet,
}

impl Bench {
    /// A bench where the documented policies are applied.
    pub(super) fn new() -> Self {
        let fleet = Fleet::new();
        fleet.directory.apply(super::DOCUMENTED).unwrap();
        let directory = Proxy::start(&fleet.directory).unwrap();
        let replica = Proxy::start(&fleet.replica).unwrap();
        fleet.offer(&directory.kubeconfig_for(&fleet.kubeconfig()).unwrap());
        let agent = fleet.agent_over(&replica.kubeconfig_for(&fleet.replica_kubeconfig()).unwrap(), &[]);
        let bench = Self { agent, directory, replica, fleet };
        bench.fleet.in_step(&bench.agent);
        until_made(&bench.fleet, &bench.agent, 7);
        bench.told("PoliciesApplied", "Applied");
        bench
    }

    /// Waits until the local report says this; gives the message.
    pub(super) fn told(&self, condition: &str, reason: &str) -> String {
        let message = self.fleet.reason(&self.agent, condition, reason);
        println!("    {condition}={reason} {message}");
        message
    }

    /// The end of the agent's log now.
    pub(super) fn log_end(&self) -> usize {
        self.agent.log().len()
    }

    /// Waits until the agent's log says this since then: what the report said before may be out of date.
    pub(super) fn says(&self, since: usize, condition: &str, reason: &str) {
        let is = |line: &str| {
            line.contains(&format!("condition=\"{condition}\""))
                && line.contains(&format!("reason=\"{reason}\""))
        };
        self.until(&format!("{condition} {reason} in the log"), || {
            let log = self.agent.log();
            let new = log.get(since..).unwrap_or_default();
            if new.lines().any(is) { Ok(()) } else { Err(new.lines().last().unwrap_or_default().to_owned()) }
        });
    }

    /// Waits for something in the replica.
    pub(super) fn until(&self, what: &str, look: impl FnMut() -> Result<(), String>) {
        until(&self.agent, what, look);
    }

    /// Kills the agent and starts it again. Its Lease is taken away, so that nobody waits for its end.
    pub(super) fn restart(&mut self) {
        self.fleet.revive(&mut self.agent);
    }

    /// Ends the agent as Kubernetes does.
    pub(super) fn stop(&mut self) {
        self.agent.signal(Signal::TERM).unwrap();
        assert_eq!(self.agent.exit(DEADLINE).unwrap().code(), Some(0), "{}", self.agent.log());
    }

    /// The replica's owner gives the local report an annotation, or takes it off.
    pub(super) fn annotate(&self, annotation: &str) {
        let args = ["-n", "muster-system", "annotate", "clusterreport", "directory-sync"];
        self.fleet.replica.kubectl_ok(&[&args[..], &["--overwrite", annotation]].concat()).unwrap();
    }

    /// The own entry is deleted in the directory.
    pub(super) fn delete_own_entry(&self) {
        self.fleet.directory.api().delete(&format!("{CLUSTERS}/{OWN}")).unwrap();
    }

    /// The own entry is made in the directory.
    pub(super) fn make_own_entry(&self) {
        self.fleet.entry(OWN, &json!({"cloud": "aws"}));
    }

    /// A policy in the directory: `edit` for a group, in namespaces of these names.
    pub(super) fn policy(&self, name: &str, namespaces: &[&str]) {
        let bindings = json!({"bindings": [{"clusterRole": "edit", "groups": [name]}]});
        let namespaces: Vec<Value> =
            namespaces.iter().map(|name| json!({"name": name, "authorization": bindings})).collect();
        let spec = json!({"selector": {"cloud": "aws"}, "namespaces": namespaces});
        put_policy(&self.fleet, name, &spec);
    }

    /// The end of the replica's audit log now.
    pub(super) fn mark(&self) -> AuditMark {
        trail::mark(&self.fleet.replica)
    }

    /// What the agent was to change in the replica since then, under either of its names: beside Leases, reports and
    /// Events, and beside what it only tried.
    pub(super) fn writes(&self, mark: AuditMark) -> Vec<AuditEvent> {
        let beside = ["leases", "clusterreports", "clusterreports/status", "events"];
        let own = [REPLICA_USER, APPLIER].map(|user| trail::writes(&self.fleet.replica, mark, user));
        let concerns = |event: &AuditEvent| !beside.contains(&event.resource.as_str());
        own.into_iter().flatten().filter(concerns).collect()
    }

    /// What it deleted since then, as in `rolebindings`, and how many of each.
    pub(super) fn deleted(&self, mark: AuditMark) -> BTreeMap<String, usize> {
        let mut deleted = BTreeMap::new();
        for event in self.writes(mark) {
            if event.verb.starts_with("delete") && event.code == 200 {
                *deleted.entry(event.resource).or_insert(0) += 1;
            }
        }
        deleted
    }

    /// Checks that for a while the agent writes nothing.
    pub(super) fn writes_nothing(&self, since: AuditMark) {
        let quiet = throughout("no write", QUIET, || {
            let writes = self.writes(since);
            if writes.is_empty() { Ok(()) } else { Err(trail::lines(&writes)) }
        });
        quiet.unwrap_or_else(|late| panic!("{late}\n{}", self.agent.log()));
    }

    /// Takes the subjects of a grant away by hand, and waits until they are back: the agent enforces.
    pub(super) fn corrects(&self, kind: &str) {
        let (path, binding) = self.binding(kind);
        let edit = json!({"subjects": null});
        self.fleet.replica.api().patch(&path, MERGE_PATCH, &edit).unwrap();
        self.until("a hand edit undone", || {
            let now = self.fleet.replica.api().get(&path).map_err(|error| error.to_string())?;
            if now["subjects"] == binding["subjects"] { Ok(()) } else { Err(now.to_string()) }
        });
    }

    /// The first grant of a kind that a policy made, with its path. One that was deleted by hand may be still to come.
    pub(super) fn binding(&self, kind: &str) -> (String, Value) {
        let mut found = None;
        self.until(&format!("a {kind} of a policy"), || {
            let made = made(&self.fleet.replica);
            let keys = format!("{:?}", made.keys());
            found = made.into_iter().find(|(key, _)| key.starts_with(&format!("{kind} ")));
            found.is_some().then_some(()).ok_or(keys)
        });
        let (_, binding) = found.unwrap();
        (path(&binding), binding)
    }

    /// Waits until nothing of the policies is left but their namespaces, which bear no mark, and no copy of an entry.
    pub(super) fn cleared(&self) {
        until_made(&self.fleet, &self.agent, 0);
        let replica = &self.fleet.replica;
        self.until("no copy and no ledger", || {
            let number = |path: &str| replica.api().get(path).unwrap()["items"].as_array().unwrap().len();
            match [CLUSTERS, POLICIES, LEDGERS].map(number) {
                [0, 0, 0] => Ok(()),
                left => Err(format!("copies of entries and policies, and ledgers: {left:?}")),
            }
        });
        let objects = objects(replica);
        for name in ["api-prod", "api-test"] {
            let namespace = &objects[&format!("Namespace {name}")];
            assert_eq!(namespace["status"]["phase"], "Active", "{namespace:#}");
            assert!(!namespace.to_string().contains("multicluster.coreos.com/made-for\":"), "{namespace:#}");
        }
    }

    /// Waits until all is there again: the copies, and the five grants. The namespaces are used, and stay unmarked.
    pub(super) fn back(&self) {
        self.fleet.in_step(&self.agent);
        until_made(&self.fleet, &self.agent, 5);
        self.told("Deregistered", "Member");
        self.told("PoliciesApplied", "Applied");
        self.corrects("ClusterRoleBinding");
    }

    /// UID and resourceVersion of all objects of the kinds that policies make.
    pub(super) fn versions(&self) -> BTreeMap<String, (String, String)> {
        made(&self.fleet.replica)
            .into_iter()
            .map(|(key, object)| (key, crate::fleet::version(&object)))
            .collect()
    }

    /// Waits until the report in the directory says this.
    pub(super) fn told_upstream(&self, condition: &str, reason: &str) {
        self.until(&format!("{condition} {reason} in the directory"), || {
            let report = self.fleet.directory.api().get(UPSTREAM).map_err(|error| error.to_string())?;
            match condition_of(&report, condition) {
                Some((seen, _)) if seen == reason => Ok(()),
                seen => Err(format!("{seen:?}")),
            }
        });
    }

    /// The local report.
    pub(super) fn report(&self) -> Value {
        self.fleet.replica.api().get(REPORT).unwrap()
    }
}

/// A binding, as lists of objects name it.
pub(super) fn key(binding: &Value) -> String {
    let namespaced = binding["metadata"]["namespace"].is_string();
    super::key(if namespaced { "RoleBinding" } else { "ClusterRoleBinding" }, binding)
}

/// Path of a binding.
pub(super) fn path(binding: &Value) -> String {
    super::path(&key(binding))
}
