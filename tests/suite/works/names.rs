//! Names as long as can be, that differ in their last letter alone: whatever they are cut to, they do not meet.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_tests::wait::throughout;
use serde_json::json;

use super::bench::{Bench, is_gone, made, turnover, written};
use super::{config_map, put_work, until_told, works};
use crate::fleet::{CLUSTERS, Fleet, version};
use crate::policies::{self, drop_policy, put_policy};
use crate::trail;

/// For how long nothing is to be written once all is there: longer than an agent waits before it tries again.
const WHILE: Duration = Duration::from_secs(5);

/// A name of this length that ends in this letter.
fn long(length: usize, last: char) -> String {
    format!("{}{last}", "n".repeat(length - 1))
}

/// Two cluster roles with long names, and the right to grant them.
fn roles(fleet: &Fleet) {
    for last in ['a', 'b'] {
        let name = long(253, last);
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]});
        fleet.replica.apply(&role.to_string()).unwrap();
    }
    let metadata = json!({"name": "grants-long"});
    let named = ['a', 'b'].map(|last| long(253, last));
    let granting = json!({"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["bind"],
        "resourceNames": named});
    let api = "rbac.authorization.k8s.io/v1";
    let role = json!({"apiVersion": api, "kind": "ClusterRole", "metadata": metadata, "rules": [granting]});
    let binding = json!({"apiVersion": api, "kind": "ClusterRoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "grants-long"},
        "subjects": [{"kind": "ServiceAccount", "name": "policies", "namespace": "muster-appliers"}]});
    for object in [role, binding] {
        fleet.replica.apply(&object.to_string()).unwrap();
    }
}

/// All that there is by reason of an entry, a Work or a policy, with UIDs.
fn all(fleet: &Fleet) -> BTreeMap<String, String> {
    let mut all = made(fleet);
    for (key, object) in policies::made(&fleet.replica) {
        all.insert(key, version(&object).0);
    }
    let copies = fleet.replica.api().get(CLUSTERS).unwrap();
    for copy in copies["items"].as_array().unwrap() {
        all.insert(format!("clusters /{}", copy["metadata"]["name"].as_str().unwrap()), version(copy).0);
    }
    all
}

/// An entry, a Work and a policy whose names end in this letter, and waits for what they ask for.
fn put(bench: &Bench, last: char) {
    let Bench { fleet, agent, .. } = bench;
    let name = long(253, last);
    fleet.entry(&name, &json!({"stage": "long"}));
    put_work(
        fleet,
        &name,
        &json!([config_map("default", &name, "one"), config_map("kube-public", &name, "one")]),
    );
    let subjects = json!(["somebody"]);
    let bindings = ['a', 'b'].map(|role| json!({"clusterRole": long(253, role), "groups": subjects}));
    let namespace = json!({"name": long(63, last), "authorization": {"bindings": bindings},
        "resourceQuota": {"hard": {"pods": "5"}}});
    let spec = json!({"selector": {"cloud": "aws"}, "authorization": {"clusterBindings": bindings}, "namespaces": [namespace]});
    put_policy(fleet, &name, &spec);
    until_told(fleet, agent, &name, "Applied", "Applied");
    fleet.in_step(agent);
    // four bindings, a namespace and its quota
    let expected = 6 * (1 + usize::from(last == 'b'));
    policies::until_made(fleet, agent, expected);
}

#[test]
fn names_as_long_as_can_be_do_not_meet() {
    let bench = Bench::new();
    let Bench { fleet, agent, .. } = &bench;
    roles(fleet);
    let mark = trail::mark(&fleet.replica);
    put(&bench, 'a');
    let first = all(fleet);
    put(&bench, 'b');
    let both = all(fleet);
    assert_eq!(both.len() - first.len(), 9, "a copy, two of a Work and six of a policy: {both:#?}");
    assert!(first.iter().all(|object| both.get(object.0) == Some(object.1)), "{first:#?}, then {both:#?}");

    let calm = trail::mark(&fleet.replica);
    throughout("all is there", WHILE, || if all(fleet) == both { Ok(()) } else { Err("it is not") }).unwrap();
    let idle = written(fleet, calm);
    assert!(idle.is_empty(), "{}", trail::lines(&idle));

    let name = long(253, 'b');
    fleet.directory.api().delete(&format!("{CLUSTERS}/{name}")).unwrap();
    fleet.directory.api().delete(&format!("{}/{name}", works())).unwrap();
    drop_policy(fleet, &name);
    bench.until("the Work gone", || is_gone(fleet, &name));
    fleet.in_step(agent);
    bench.until("what the policy granted gone", || {
        let left = all(fleet);
        if left.len() <= first.len() { Ok(()) } else { Err(format!("{:?}", left.keys())) }
    });
    assert_eq!(all(fleet), first, "{}", agent.log());
    let writes = turnover(fleet, mark);
    assert!(writes.values().all(|times| *times == 1), "{writes:#?}");
    let deleted: Vec<&String> = writes.keys().filter(|write| write.starts_with("delete ")).collect();
    // Copies of the entry and of the policy, two of the Work and five of the policy: its namespace stays.
    assert_eq!(deleted.len(), 9, "{deleted:#?}");
}
