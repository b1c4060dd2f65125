//! What each change costs. A ledger is recorded before the objects and settled after them.

use std::collections::BTreeMap;

use muster_tests::agent::AgentProcess;
use muster_tests::api::{Api, MERGE_PATCH};
use serde_json::{Value, json};

use super::cost::{BESIDE, Trail, Writes};
use super::{APPLIER, LEDGERS, POLICIES, drop_policy, made, path, put_policy, put_policy_with, until_made};
use crate::fleet::{CLUSTERS, Fleet, OWN, stop, until};
use crate::trail::{self, directory_user, lines};

const DELETE_NAMESPACES: &str = include_str!("../../../manifests/policies-delete-namespaces.yaml");
const DEFINE_ROLES: &str = include_str!("../../../manifests/policies-define-roles.yaml");

/// The writes of a ledger: its spec, made and changed; what is written after the objects; its end.
const POST: &str = "create appliedworks";
const PUT: &str = "update appliedworks";
const STATUS: &str = "patch appliedworks/status";
const END: &str = "delete appliedworks";

/// A policy that grants roles to a group each, in two namespaces.
fn grants(group: &str, roles: &[&str]) -> Value {
    let bindings: Vec<Value> =
        roles.iter().map(|role| json!({"clusterRole": role, "groups": [group]})).collect();
    let namespaces =
        ["one", "two"].map(|name| json!({"name": name, "authorization": {"bindings": bindings}}));
    json!({"selector": {"cloud": "aws"}, "namespaces": namespaces})
}

/// Path of the ledger of a policy.
fn ledger(fleet: &Fleet, policy: &str) -> String {
    let policy = fleet.directory.api().get(&format!("{POLICIES}/{policy}")).unwrap();
    format!("{LEDGERS}/muster-policy-{}", policy["metadata"]["uid"].as_str().unwrap())
}

/// Path of a namespace.
fn namespace(name: &str) -> String {
    path(&format!("Namespace {name}"))
}

#[test]
fn each_change_costs_its_writes_and_no_others() {
    let fleet = Fleet::new();
    fleet.replica.apply(DELETE_NAMESPACES).unwrap();
    let mut agent = fleet.joined(&[]);
    fleet.reason(&agent, "PoliciesApplied", "NoneSelected");
    let upstream = trail::mark(&fleet.directory);
    let trail = Trail::new(&fleet, APPLIER);
    let shows = |agent: &AgentProcess, change: &str, before: &[&str], objects: &[_], after: &[&str]| {
        trail.shows(agent, change, &Writes::new(before, objects, after));
    };
    let replica = fleet.replica.api();

    put_policy(&fleet, "team", &grants("a", &["view", "edit"]));
    let all = [("create clusterpolicies", 1), ("create namespaces", 2), ("create rolebindings", 4)];
    shows(&agent, "a new policy", &[POST], &all, &[STATUS]);

    put_policy(&fleet, "team", &grants("b", &["view", "edit"]));
    let changed = [("patch clusterpolicies", 1), ("patch rolebindings", 4)];
    shows(&agent, "other subjects", &[PUT], &changed, &[]);

    put_policy(&fleet, "team", &grants("b", &["view", "edit", "admin"]));
    let added = [("patch clusterpolicies", 1), ("create rolebindings", 2)];
    shows(&agent, "roles added", &[PUT], &added, &[STATUS]);

    put_policy(&fleet, "team", &grants("b", &["edit", "admin"]));
    let dropped = [("patch clusterpolicies", 1), ("delete rolebindings", 2)];
    shows(&agent, "roles dropped", &[PUT], &dropped, &[STATUS]);

    put_policy(&fleet, "team", &grants("b", &["edit", "view"]));
    let both = [("patch clusterpolicies", 1), ("create rolebindings", 2), ("delete rolebindings", 2)];
    shows(&agent, "roles added and dropped", &[PUT], &both, &[STATUS]);

    let deletion = json!({"multicluster.coreos.com/namespace-deletion": "delete"});
    put_policy_with(&fleet, "team", &deletion, &grants("b", &["edit", "view"]));
    shows(&agent, "an option", &[PUT], &[], &[]);

    let record = ledger(&fleet, "team");
    replica.patch(&record, MERGE_PATCH, &json!({"spec": {"ledger": {"manifests": []}}})).unwrap();
    shows(&agent, "a ledger edited by hand", &[PUT], &[], &[]);
    replica.patch(&format!("{record}/status"), MERGE_PATCH, &json!({"status": null})).unwrap();
    shows(&agent, "the status of a ledger dropped", &[STATUS], &[], &[]);
    replica.delete(&record).unwrap();
    shows(&agent, "a ledger deleted by hand", &[POST, STATUS], &[], &[]);

    stop(&mut agent);
    agent.restart().unwrap();
    fleet.reason(&agent, "PoliciesApplied", "Applied");
    fleet.reason(&agent, "HeartbeatAccepted", "Accepted");
    shows(&agent, "a restart with all right", &[], &[], &[]);

    let gone = [("delete clusterpolicies", 1), ("delete namespaces", 2), ("delete rolebindings", 4)];
    fleet.entry(OWN, &json!({"cloud": "gcp"}));
    shows(&agent, "the entry relabelled", &[PUT], &gone, &[END]);
    until(&agent, "no namespace", || {
        match ["one", "two"].map(|name| replica.get(&namespace(name)).is_err()) {
            [true, true] => Ok(()),
            gone => Err(format!("{gone:?}")),
        }
    });
    fleet.entry(OWN, &json!({"cloud": "aws", "stage": "test"}));
    shows(&agent, "the entry relabelled again", &[POST], &all, &[STATUS]);
    fleet.entry(OWN, &json!({"cloud": "aws"}));

    // Another policy wants a namespace too: it costs nothing, and it stays.
    put_policy(&fleet, "other", &json!({"selector": {"cloud": "aws"}, "namespaces": [{"name": "two"}]}));
    shows(&agent, "a policy of what is there", &[POST], &[("create clusterpolicies", 1)], &[STATUS]);

    drop_policy(&fleet, "team");
    let gone = [("delete clusterpolicies", 1), ("delete namespaces", 1), ("delete rolebindings", 4)];
    shows(&agent, "a policy deleted", &[PUT], &gone, &[END]);

    drop_policy(&fleet, "other");
    let unmarked = [("delete clusterpolicies", 1), ("patch namespaces", 1)];
    shows(&agent, "a namespace that stays", &[PUT], &unmarked, &[END]);
    trail.ends(&agent);

    for event in trail::writes(&fleet.directory, upstream, &directory_user()) {
        assert!(BESIDE.contains(&event.resource.as_str()), "{}", lines(&[event]));
    }
}

/// A policy that makes one object of each kind.
fn one_of_each() -> Value {
    let rules = json!([{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"]}]);
    let shop = json!({
        "name": "shop",
        "labels": {"team": "a"},
        "resourceQuota": {"hard": {"pods": "10"}},
        "limitRange": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]},
        "authorization": {
            "roles": [{"name": "restarter", "rules": rules}],
            "bindings": [{"role": "restarter", "users": ["ann"]}],
        },
    });
    let everywhere = json!({
        "clusterRoles": [{"name": "scaler", "rules": rules}],
        "clusterBindings": [{"clusterRole": "scaler", "users": ["ann"]}],
    });
    json!({"selector": {"cloud": "aws"}, "authorization": everywhere, "namespaces": [shop]})
}

#[test]
fn drift_of_each_kind_costs_one_write() {
    let fleet = Fleet::new();
    for grant in [DELETE_NAMESPACES, DEFINE_ROLES] {
        fleet.replica.apply(grant).unwrap();
    }
    let agent = fleet.joined(&[]);
    put_policy(&fleet, "shop", &one_of_each());
    until_made(&fleet, &agent, 7);
    fleet.reason(&agent, "PoliciesApplied", "Applied");
    let copy = format!("{POLICIES}/shop");
    let (replica, made) = (fleet.replica.api(), made(&fleet.replica));
    let paths: BTreeMap<&str, (String, &Value)> =
        made.iter().map(|(key, object)| (key.split(' ').next().unwrap(), (path(key), object))).collect();
    let edits = [
        ("ClusterRole", json!({"rules": null})),
        ("Role", json!({"rules": null})),
        ("ClusterRoleBinding", json!({"subjects": null})),
        ("RoleBinding", json!({"subjects": null})),
        ("ResourceQuota", json!({"spec": {"hard": {"pods": "11"}}})),
        ("LimitRange", json!({"spec": {"limits": []}})),
        ("Namespace", json!({"metadata": {"labels": {"team": "b"}}})),
    ];
    let trail = Trail::new(&fleet, APPLIER);
    let shows = |change: &str, before: &[&str], objects: &[(&str, usize)], after: &[&str]| {
        trail.shows(&agent, change, &Writes::new(before, objects, after));
    };
    let unlabelled = json!({"metadata": {"labels": {"applyset.kubernetes.io/part-of": null}}});
    for (kind, edit) in &edits {
        let (path, object) = &paths[kind];
        let collection = path.rsplit('/').nth(1).unwrap();
        let (made, write) = (format!("create {collection}"), format!("patch {collection}"));
        replica.patch(path, MERGE_PATCH, edit).unwrap();
        shows(&format!("a {kind} edited"), &[], &[(&write, 1)], &[]);
        replica.patch(path, MERGE_PATCH, &unlabelled).unwrap();
        // It left the watch as if it were gone. The guard of its creation shows that it is not.
        let refused = format!("{write}: 409");
        let writes = [(write.as_str(), 1), (refused.as_str(), 1)];
        let writes = if *kind == "Namespace" { &writes[..1] } else { &writes };
        shows(&format!("a {kind} without its label"), &[], writes, &[]);
        let now = replica.get(path).unwrap();
        for field in ["rules", "subjects", "spec"] {
            assert_eq!(now[field], object[field], "{now:#}");
        }
        assert_eq!(now["metadata"]["labels"], object["metadata"]["labels"], "{now:#}");
        replica.delete(path).unwrap();
        let within = ["roles", "rolebindings", "resourcequotas", "limitranges"];
        let within = within.map(|collection| (format!("create {collection}"), 1));
        let mut writes = vec![(made.as_str(), 1)];
        if *kind == "Namespace" {
            writes.extend(within.iter().map(|(made, number)| (made.as_str(), *number)));
        }
        shows(&format!("a {kind} deleted"), &[], &writes, &[STATUS]);
    }
    replica.patch(&copy, MERGE_PATCH, &json!({"spec": {"selector": {"cloud": "gcp"}}})).unwrap();
    shows("a copy edited", &[], &[("patch clusterpolicies", 1)], &[]);
    replica.delete(&copy).unwrap();
    shows("a copy deleted", &[], &[("create clusterpolicies", 1)], &[STATUS]);
    trail.ends(&agent);
}

#[test]
fn a_thousand_events_that_change_nothing_write_nothing() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    put_policy(&fleet, "team", &grants("a", &["view", "edit"]));
    until_made(&fleet, &agent, 6);
    fleet.reason(&agent, "PoliciesApplied", "Applied");
    let objects = made(&fleet.replica);
    let (key, grant) = objects.iter().find(|(key, _)| key.starts_with("RoleBinding")).unwrap();
    let (binding, policy) = (path(key), format!("{POLICIES}/team"));
    let (namespace, entry) = (namespace("one"), format!("{CLUSTERS}/{OWN}"));
    let (directory, replica, ledger) = (fleet.directory.api(), fleet.replica.api(), ledger(&fleet, "team"));
    let recorded = replica.get(&ledger).unwrap();
    assert!(!recorded["status"]["appliedResources"].as_array().unwrap().is_empty(), "{recorded:#}");

    let trail = Trail::new(&fleet, APPLIER);
    let touched = [
        (&directory, &policy),
        (&replica, &policy),
        (&replica, &namespace),
        (&replica, &binding),
        (&replica, &ledger),
    ];
    std::thread::scope(|scope| {
        for (api, path) in touched {
            scope.spawn(move || (0..200).for_each(|number| touch(api, path, number)));
        }
        // Labels of an entry are mirrored; its status is nobody's business here.
        scope.spawn(|| {
            for number in 0..200 {
                let status = json!({"status": {"agentVersion": number.to_string()}});
                directory.patch(&format!("{entry}/status"), MERGE_PATCH, &status).unwrap();
            }
        });
    });
    // Each watch shows what comes after those: once that is put right, the agent has seen them all.
    replica.patch(&binding, MERGE_PATCH, &json!({"subjects": null})).unwrap();
    trail.shows(&agent, "a grant edited", &Writes::new(&[], &[("patch rolebindings", 1)], &[]));
    let unmarked = json!({"metadata": {"annotations": {"multicluster.coreos.com/made-for": null}}});
    replica.patch(&namespace, MERGE_PATCH, &unmarked).unwrap();
    trail.shows(&agent, "a namespace's mark removed", &Writes::new(&[], &[("patch namespaces", 1)], &[]));
    replica.patch(&policy, MERGE_PATCH, &json!({"spec": {"selector": {"cloud": "gcp"}}})).unwrap();
    trail.shows(&agent, "a copy edited", &Writes::new(&[], &[("patch clusterpolicies", 1)], &[]));
    replica.patch(&ledger, MERGE_PATCH, &json!({"spec": {"ledger": {"manifests": []}}})).unwrap();
    trail.shows(&agent, "a ledger edited", &Writes::new(&[PUT], &[], &[]));
    put_policy(&fleet, "team", &grants("b", &["view", "edit"]));
    let changed = [("patch clusterpolicies", 1), ("patch rolebindings", 4)];
    trail.shows(&agent, "other subjects", &Writes::new(&[PUT], &changed, &[]));
    fleet.entry(OWN, &json!({"cloud": "aws", "stage": "test"}));
    fleet.in_step(&agent);
    trail.ends(&agent);
    let now = replica.get(&binding).unwrap();
    assert_eq!(now["metadata"]["annotations"]["example.com/touched"], "199", "{now:#}");
    assert_eq!(now["metadata"]["uid"], grant["metadata"]["uid"]);
}

/// Changes what is nobody's business here: the resourceVersion moves.
fn touch(api: &Api, path: &str, number: usize) {
    let change = json!({"metadata": {
        "annotations": {"example.com/touched": number.to_string()},
        "labels": {"example.com/touched": number.to_string()},
    }});
    api.patch(path, MERGE_PATCH, &change).unwrap();
}
