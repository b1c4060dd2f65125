//! A fleet whose agent reaches both clusters through proxies, and what Works made in the replica.

use std::collections::BTreeMap;

use muster_tests::agent::AgentProcess;
use muster_tests::api::{Api, ApiError};
use muster_tests::plane::{AuditEvent, AuditMark};
use muster_tests::proxy::Proxy;
use serde_json::Value;

use super::{LEDGERS, config_map, put_work, until_told, works};
use crate::fleet::{Fleet, quietly, until};
use crate::trail::{self, REPLICA_USER, directory_user};

/// The own Lease in the directory.
pub(crate) const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/muster-cluster-east/leases/east";

/// A fleet with an agent that has joined.
pub(crate) struct Bench {
    pub(crate) agent: AgentProcess,
    /// Between the agent and the directory.
    pub(crate) directory: Proxy,
    /// Between the agent and the replica.
    pub(crate) replica: Proxy,
    pub(crate) fleet: Fleet,
}

impl Bench {
    /// A bench without a Work.
    pub(crate) fn new() -> Self {
        let bench = Self::unjoined();
        let fleet = &bench.fleet;
        fleet.offer(&bench.directory.kubeconfig_for(&fleet.kubeconfig()).unwrap());
        fleet.in_step(&bench.agent);
        bench
    }

    /// The same, with an agent that has no credential for the directory.
    pub(crate) fn unjoined() -> Self {
        let fleet = Fleet::new();
        let directory = Proxy::start(&fleet.directory).unwrap();
        let replica = Proxy::start(&fleet.replica).unwrap();
        let agent = fleet.agent_over(&replica.kubeconfig_for(&fleet.replica_kubeconfig()).unwrap(), &[]);
        let bench = Self { agent, directory, replica, fleet };
        bench.fleet.reason(&bench.agent, "DirectoryReachable", "SecretMissing");
        bench
    }

    /// The replica, as its owner.
    pub(crate) fn api(&self) -> Api {
        self.fleet.replica.api()
    }

    /// Lets everything through the proxies again.
    pub(crate) fn open(&self) {
        self.directory.clear();
        self.replica.clear();
    }

    /// Waits for a heartbeat that comes after this moment.
    pub(crate) fn beat(&self) {
        let renewed =
            || self.fleet.directory.api().get(LEASE).map(|lease| lease["spec"]["renewTime"].to_string());
        let before = renewed().unwrap();
        quietly("a heartbeat", || match renewed() {
            Ok(now) if now != before => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }

    /// Waits for something.
    pub(crate) fn until(&self, what: &str, look: impl FnMut() -> Result<(), String>) {
        until(&self.agent, what, look);
    }
}

/// The resources of which Works make objects here, with the beginnings of their paths.
const KINDS: [(&str, &str); 5] = [
    ("configmaps", "/api/v1"),
    ("serviceaccounts", "/api/v1"),
    ("services", "/api/v1"),
    ("roles", "/apis/rbac.authorization.k8s.io/v1"),
    ("horizontalpodautoscalers", "/apis/autoscaling/v2"),
];

/// The objects of these resources in all namespaces that a Work made, with their UIDs: as `configmaps default/a`.
pub(crate) fn made(fleet: &Fleet) -> BTreeMap<String, String> {
    let mut made = BTreeMap::new();
    for (resource, group) in KINDS {
        let path = format!("{group}/{resource}?labelSelector=applyset.kubernetes.io/part-of");
        let list = fleet.replica.api().get(&path).unwrap();
        for object in list["items"].as_array().unwrap() {
            let metadata = &object["metadata"];
            let text = |field: &str| metadata[field].as_str().unwrap_or_default();
            let mark = &metadata["annotations"]["multicluster.coreos.com/made-for"];
            assert!(mark.is_string(), "a label without a mark: {object:#}");
            made.insert(format!("{resource} {}/{}", text("namespace"), text("name")), text("uid").to_owned());
        }
    }
    made
}

/// What a ledger records as being there, in the same form.
pub(crate) fn settled(fleet: &Fleet, work: &str) -> Result<BTreeMap<String, String>, String> {
    let ledger = fleet.replica.api().get(&format!("{LEDGERS}/{work}")).map_err(|error| error.to_string())?;
    let applied = ledger["status"]["appliedResources"].as_array().cloned().unwrap_or_default();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let named = |entry: &Value| {
        let object =
            format!("{} {}/{}", text(entry, "resource"), text(entry, "namespace"), text(entry, "name"));
        (object, text(entry, "uid"))
    };
    Ok(applied.iter().map(named).collect())
}

/// Whether neither a Work nor its ledger is there; else what is.
pub(crate) fn is_gone(fleet: &Fleet, name: &str) -> Result<(), String> {
    let work = fleet.directory.api().get(&format!("{}/{name}", works()));
    let ledger = fleet.replica.api().get(&format!("{LEDGERS}/{name}"));
    let absent = |error: &ApiError| error.status().is_some_and(|status| status == 404);
    match (work, ledger) {
        (Err(one), Err(other)) if absent(&one) && absent(&other) => Ok(()),
        (Err(one), Err(other)) => Err(format!("{one}; {other}")),
        (Ok(work), _) => Err(format!("{} {}", work["metadata"]["finalizers"], work["status"])),
        (_, Ok(ledger)) => Err(format!("the ledger is there: {}", ledger["status"])),
    }
}

/// What is written for other reasons than Works.
const BESIDE: [&str; 4] = ["leases", "clusterreports", "clusterreports/status", "events"];

/// What the agent wrote in the replica for Works since a mark: objects and ledgers, done or refused.
pub(crate) fn written(fleet: &Fleet, since: AuditMark) -> Vec<AuditEvent> {
    let writes = trail::writes(&fleet.replica, since, REPLICA_USER);
    writes.into_iter().filter(|event| !BESIDE.contains(&event.resource.as_str())).collect()
}

/// The same in the directory: finalizers and status.
pub(crate) fn written_upstream(fleet: &Fleet, since: AuditMark) -> Vec<AuditEvent> {
    let writes = trail::writes(&fleet.directory, since, &directory_user());
    writes.into_iter().filter(|event| !BESIDE.contains(&event.resource.as_str())).collect()
}

/// Those of them by which an object came or went, as `create configmaps default/a`, and how often.
pub(crate) fn turnover(fleet: &Fleet, since: AuditMark) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in written(fleet, since) {
        let verb = match (event.verb.as_str(), event.code) {
            ("patch" | "create", 201) => "create",
            ("delete" | "deletecollection", 200) => "delete",
            _ => continue,
        };
        if event.resource != "appliedworks" {
            let AuditEvent { resource, namespace, name, .. } = &event;
            *counts.entry(format!("{verb} {resource} {namespace}/{name}")).or_insert(0) += 1;
        }
    }
    counts
}

/// A Work that nobody changes, and what it made.
pub(crate) struct Kept {
    made: BTreeMap<String, String>,
    mark: AuditMark,
}

impl Kept {
    /// Makes the Work, and waits until it is applied.
    pub(crate) fn put(fleet: &Fleet, agent: &AgentProcess) -> Self {
        let names = ["kept-a", "kept-b", "kept-c"];
        put_work(fleet, "kept", &names.iter().map(|name| config_map("default", name, "one")).collect());
        until_told(fleet, agent, "kept", "Applied", "Applied");
        Self { made: made(fleet), mark: trail::mark(&fleet.replica) }
    }

    /// Checks that nothing went that a Work made, since then.
    pub(crate) fn nothing_went(&self, fleet: &Fleet, agent: &AgentProcess) {
        let mut turnover = turnover(fleet, self.mark);
        turnover.retain(|write, _| write.starts_with("delete "));
        assert_eq!(turnover, BTreeMap::new(), "{}", agent.log());
    }

    /// Checks that what it made is there, the same, and that nothing came or went since but copies of new entries.
    pub(crate) fn is_unharmed(&self, fleet: &Fleet, agent: &AgentProcess) {
        assert_eq!(made(fleet), self.made, "{}", agent.log());
        let mut turnover = turnover(fleet, self.mark);
        turnover.retain(|write, _| !write.starts_with("create clusters "));
        assert_eq!(turnover, BTreeMap::new(), "{}", agent.log());
    }
}
