//! Ledgers are lost: deleted, restored without their status, taken along to another cluster, or dropped with their
//! definition or by another tool's. They are made anew from what the agent and the marks of the objects know, or the
//! agent says that it cannot; no grant goes for that, and none is made twice.

mod definition;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_tests::plane::{AuditEvent, AuditMark};
use muster_tests::wait::timed;
use serde_json::{Value, json};

use super::bench::Bench;
use super::{LEDGERS, drop_policy, made, versions};
use crate::fleet::version;
use crate::trail::{self, REPLICA_USER};

/// What a ledger may take to be made anew, or a revoked grant to go; ten times that is waited for.
const FIGURE: Duration = Duration::from_secs(10);

/// The documented grants, and since when nothing is to happen to them.
struct Kept {
    objects: BTreeMap<String, Value>,
    mark: AuditMark,
}

impl Kept {
    fn new(bench: &Bench) -> Self {
        Self { objects: made(&bench.fleet.replica), mark: bench.mark() }
    }

    /// What was granted is as it was, but for `gone`, which the agent deleted; and nothing was made but what is named
    /// after `later`.
    fn only(&self, bench: &Bench, gone: &[&str]) {
        let writes = trail::writes(&bench.fleet.replica, self.mark, REPLICA_USER);
        let of_grants = |event: &&AuditEvent| {
            matches!(event.resource.as_str(), "namespaces" | "clusterrolebindings" | "rolebindings")
        };
        let grants: Vec<AuditEvent> = writes.iter().filter(of_grants).cloned().collect();
        let log = trail::lines(&grants);
        let deleted = grants.iter().filter(|event| event.verb.starts_with("delete"));
        assert_eq!(deleted.filter(|event| event.code == 200).count(), gone.len(), "{log}");
        let created = grants.iter().filter(|event| event.code == 201 && !event.name.starts_with("later"));
        assert_eq!(created.count(), 0, "{log}");
        let mut kept = self.objects.clone();
        kept.retain(|key, _| !gone.iter().any(|gone| key.starts_with(gone)));
        assert_eq!(kept.len() + gone.len(), self.objects.len(), "{:?}", self.objects.keys());
        let mut now = made(&bench.fleet.replica);
        now.retain(|key, _| !key.contains("later"));
        assert_eq!(versions(&now), versions(&kept), "{}", bench.agent.log());
    }
}

/// The ledgers, by policy.
fn ledgers(bench: &Bench) -> BTreeMap<String, Value> {
    let list = bench.fleet.replica.api().get(LEDGERS).unwrap_or_default();
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let name = |ledger: &Value| ledger["spec"]["workName"].as_str().unwrap_or_default().to_owned();
    items.into_iter().map(|ledger| (name(&ledger), ledger)).collect()
}

fn path(ledger: &Value) -> String {
    format!("{LEDGERS}/{}", ledger["metadata"]["name"].as_str().unwrap())
}

/// Waits until there are ledgers of these policies and no others, each in a version that is not among `before`, in this
/// cluster, and with the UIDs of all that it records.
fn rebuilt(bench: &Bench, policies: &[&str], before: &BTreeMap<String, Value>) {
    let replica = bench.fleet.replica.cluster_uid().unwrap();
    let look = || {
        let uids: BTreeSet<String> =
            made(&bench.fleet.replica).values().map(|object| version(object).0).collect();
        let now = ledgers(bench);
        let whole = |(name, ledger): (&String, &Value)| {
            let list = |path| ledger.pointer(path).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let (asked, applied) = (list("/spec/ledger/manifests"), list("/status/appliedResources"));
            let known = |entry: &Value| {
                entry["kind"] == "ClusterPolicy" || uids.contains(entry["uid"].as_str().unwrap_or_default())
            };
            before.get(name).is_none_or(|before| version(before) != version(ledger))
                && ledger["spec"]["ledger"]["replicaID"] == replica
                && !asked.is_empty()
                && asked.len() == applied.len()
                && applied.iter().all(known)
        };
        let names: Vec<&str> = now.keys().map(String::as_str).collect();
        if names == policies && now.iter().all(whole) { Ok(()) } else { Err(format!("{now:#?}")) }
    };
    let waited = timed(&format!("ledgers of {policies:?}"), FIGURE * 10, look);
    waited.unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
}

/// All ledgers are deleted by hand. What they were.
fn lose(bench: &Bench) -> BTreeMap<String, Value> {
    let before = ledgers(bench);
    for ledger in before.values() {
        bench.fleet.replica.api().delete(&path(ledger)).unwrap();
    }
    before
}

/// The ledgers are deleted and made anew as a backup holds them, changed in some way.
fn restore(bench: &Bench, change: impl Fn(&mut Value)) -> BTreeMap<String, Value> {
    lose(bench)
        .into_iter()
        .map(|(name, mut ledger)| {
            let metadata = json!({"name": ledger["metadata"]["name"]});
            ledger["metadata"] = metadata;
            change(&mut ledger);
            // The status is a subresource: it is not taken from here.
            (name, bench.fleet.replica.api().create(LEDGERS, &ledger).unwrap())
        })
        .collect()
}

/// Waits until grants whose names begin like this are gone.
fn until_gone(bench: &Bench, gone: &[&str]) {
    let look = || {
        let there: Vec<String> = made(&bench.fleet.replica).into_keys().collect();
        let left: Vec<&String> =
            there.iter().filter(|key| gone.iter().any(|gone| key.starts_with(gone))).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    };
    let waited = timed(&format!("{gone:?} gone"), FIGURE * 10, look);
    waited.unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
}

/// In the directory the second documented policy gives up one binding.
fn drop_a_binding(bench: &Bench) {
    let (_, policy) = super::DOCUMENTED.rsplit_once("---\n").unwrap();
    let (beginning, rest) = policy.split_once("      - clusterRole: edit\n").unwrap();
    let (_, end) = rest.split_once("groups: [\"APIDevelopers\"]\n").unwrap();
    bench.fleet.directory.apply(&format!("{beginning}{end}")).unwrap();
}

const BOTH: [&str; 2] = ["ldap-group-admin", "web-api"];
const DROPPED: &str = "RoleBinding api-prod/web-api-edit-";
const CLUSTER_WIDE: &str = "ClusterRoleBinding ldap-group-admin-";

#[test]
fn ledgers_that_are_deleted_or_restored_are_rebuilt() {
    let mut bench = Bench::new();
    rebuilt(&bench, &BOTH, &BTreeMap::new());
    let kept = Kept::new(&bench);

    println!("deleted while the agent runs:");
    let before = lose(&bench);
    rebuilt(&bench, &BOTH, &before);
    bench.corrects("ClusterRoleBinding");
    let kept = Kept { objects: made(&bench.fleet.replica), ..kept };

    println!("their status emptied while the agent runs:");
    let mut before = ledgers(&bench);
    for ledger in before.values_mut() {
        ledger["status"] = json!({});
        let status = format!("{}/status", path(ledger));
        *ledger = bench.fleet.replica.api().replace(&status, ledger).unwrap();
    }
    rebuilt(&bench, &BOTH, &before);

    println!("deleted while the agent is down:");
    bench.stop();
    let before = lose(&bench);
    bench.agent.restart().unwrap();
    rebuilt(&bench, &BOTH, &before);

    println!("restored by a backup, which keeps no status:");
    bench.stop();
    let before = restore(&bench, |_| ());
    bench.agent.restart().unwrap();
    rebuilt(&bench, &BOTH, &before);

    println!("taken along from another cluster:");
    bench.stop();
    let before = restore(&bench, |ledger| ledger["spec"]["ledger"]["replicaID"] = json!("another"));
    bench.agent.restart().unwrap();
    rebuilt(&bench, &BOTH, &before);
    kept.only(&bench, &[]);

    println!("deleted while the agent is down, and the directory is away after that:");
    bench.stop();
    let before = lose(&bench);
    bench.directory.cut().unwrap();
    bench.agent.restart().unwrap();
    bench.until("ledgers from the marks alone", || {
        let now = ledgers(&bench);
        let recorded = |name: &str| {
            let resources = now.get(name)?.pointer("/spec/ledger/resources")?.as_array()?;
            Some(resources.iter().filter(|entry| entry["kind"] != "ClusterPolicy").count())
        };
        match BOTH.map(recorded) {
            [Some(1), Some(4)] => Ok(()),
            _ => Err(format!("{now:#?}")),
        }
    });
    bench.told("DirectoryReachable", "Unreachable");
    kept.only(&bench, &[]);
    bench.directory.restore().unwrap();
    rebuilt(&bench, &BOTH, &before);
    kept.only(&bench, &[]);
    bench.corrects("RoleBinding");

    println!("revoked while the ledgers are lost:");
    let kept = Kept::new(&bench);
    bench.stop();
    restore(&bench, |_| ());
    drop_a_binding(&bench);
    drop_policy(&bench.fleet, "ldap-group-admin");
    lose_one(&bench, "ldap-group-admin");
    bench.agent.restart().unwrap();
    until_gone(&bench, &[DROPPED, CLUSTER_WIDE]);
    rebuilt(&bench, &["web-api"], &BTreeMap::new());
    kept.only(&bench, &[DROPPED, CLUSTER_WIDE]);
}

fn lose_one(bench: &Bench, policy: &str) {
    bench.fleet.replica.api().delete(&path(&ledgers(bench)[policy])).unwrap();
}
