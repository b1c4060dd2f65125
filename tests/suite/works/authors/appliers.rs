//! The agent reads and writes what people asked for as the account that applies it, and with its own account nothing but its
//! own: by the audit log of the replica.

use std::collections::{BTreeMap, BTreeSet};

use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::{AuditEvent, AuditMark};
use serde_json::{Value, json};

use super::{Bench, config_path, is_gone};
use crate::fleet::stop;
use crate::policies::{APPLIER as POLICIES, POLICIES as COLLECTION, drop_policy, put_policy};
use crate::trail::{self, REPLICA_USER};
use crate::works::{
    APPLIER as WORKS, config_map, manifest, namespace, put_work, put_work_with, until_told, work, works,
};

const TEAM: &str = "system:serviceaccount:muster-appliers:team";

/// What is the agent's own: it does with it what its own account may do, wherever that is.
const OWN: [&str; 3] = ["clusters", "clusterpolicies", "appliedworks"];
/// What it has in its own namespace.
const AT_HOME: [&str; 5] = ["leases", "secrets", "configmaps", "clusterreports", "events"];
/// What it looks at with its own account, for facts and for what others wait for: no object that a Work or a policy asks for
/// is read by its name among these.
const LOOKED_AT: [&str; 13] = [
    "customresourcedefinitions",
    "clusterroles",
    "clusterrolebindings",
    "roles",
    "rolebindings",
    "resourcequotas",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "nodes",
    "servicecidrs",
    "clusterproperties",
];

/// Whether a request with the agent's own account is about its own.
fn is_own(event: &AuditEvent) -> bool {
    let resource = event.resource.split('/').next().unwrap_or_default();
    let reads = matches!(event.verb.as_str(), "list" | "watch");
    let of_itself = event.group.ends_with(".k8s.io") && resource.starts_with("selfsubject");
    resource.is_empty() // discovery
        || of_itself
        || OWN.contains(&resource)
        || AT_HOME.contains(&resource) && event.namespace == "muster-system"
        || LOOKED_AT.contains(&resource) && reads
        || resource == "customresourcedefinitions" && event.verb == "get"
        || resource == "namespaces" && event.verb == "get" && ["kube-system", "muster-system"].contains(&event.name.as_str())
}

/// As whom a request about one object is to be made.
fn applier(event: &AuditEvent) -> &'static str {
    let place = if event.namespace.is_empty() { &event.name } else { &event.namespace };
    match place.as_str() {
        "team" => TEAM,
        place if place.starts_with("granted") => POLICIES,
        _ => WORKS,
    }
}

fn edit(bench: &Bench, namespace: &str, name: &str) {
    let path = config_path(namespace, name);
    bench.api().patch(&path, MERGE_PATCH, &json!({"data": {"key": "by hand"}})).unwrap();
}

fn undone(bench: &Bench, namespace: &str, name: &str) {
    bench.until(&format!("{namespace}/{name} put right"), || {
        let seen = bench.api().get(&config_path(namespace, name)).map_err(|error| error.to_string())?;
        if seen["data"]["key"] == "one" { Ok(()) } else { Err(seen.to_string()) }
    });
}

/// A config map of a manifest with one option.
fn with(name: &str, option: &str, value: &str) -> Value {
    let mut manifest = config_map("team", name, "one");
    manifest["metadata"]["annotations"] = json!({format!("multicluster.coreos.com/{option}"): value});
    manifest
}

/// Path and UID of the grant of the policy in its namespace.
fn binding(bench: &Bench) -> Result<(String, Value), String> {
    let path = "/apis/rbac.authorization.k8s.io/v1/namespaces/granted/rolebindings";
    let all = bench.api().get(path).map_err(|error| error.to_string())?;
    let metadata = &all["items"].as_array().and_then(|all| all.first()).ok_or("none")?["metadata"];
    Ok((format!("{path}/{}", metadata["name"].as_str().unwrap_or_default()), metadata["uid"].clone()))
}

/// Works of two accounts and a policy: made, edited by hand while an agent runs and while none does, and taken away.
fn asked_for_and_taken_away(bench: &mut Bench) {
    let replica = &bench.fleet.replica;
    replica.apply(&namespace("team").to_string()).unwrap();
    replica
        .apply(&manifest("v1", "ServiceAccount", "muster-appliers", "team", json!({})).to_string())
        .unwrap();
    let grant = ["--clusterrole=edit", "--serviceaccount=muster-appliers:team"];
    replica
        .kubectl_ok(&["--namespace", "team", "create", "rolebinding", "team", grant[0], grant[1]])
        .unwrap();
    for name in ["adopted", "observed"] {
        replica.apply(&config_map("team", name, "theirs").to_string()).unwrap();
    }
    let fleet = &bench.fleet;
    let bindings = json!({"bindings": [{"clusterRole": "view", "users": ["ann"]}]});
    let spec = json!({"selector": {}, "authorization": {"clusterBindings": bindings["bindings"]},
        "namespaces": [{"name": "granted", "authorization": bindings}]});
    put_policy(fleet, "granted", &spec);
    fleet.reason(&bench.agent, "PoliciesApplied", "Applied");
    put_work(
        fleet,
        "ours",
        &json!([config_map("default", "ours", "one"), namespace("ours"), config_map("ours", "a", "one")]),
    );
    let manifests = json!([
        config_map("team", "plain", "one"),
        with("adopted", "on-conflict", "force"),
        with("observed", "apply", "observe"),
        with("reported", "on-drift", "report")
    ]);
    put_work_with(fleet, "teams", &json!({"multicluster.coreos.com/service-account": "team"}), &manifests);
    until_told(fleet, &bench.agent, "ours", "Applied", "Applied");
    undone(bench, "team", "adopted");
    undone(bench, "team", "reported");

    edit(bench, "team", "reported");
    bench.until("the edit told", || {
        let told = work(&bench.fleet, "teams")["status"].to_string();
        if told.contains("Drifted") { Ok(()) } else { Err(told) }
    });
    let (path, uid) = binding(bench).unwrap();
    bench.api().delete(&path).unwrap();
    for (namespace, name) in [("team", "plain"), ("default", "ours")] {
        edit(bench, namespace, name);
        undone(bench, namespace, name);
    }
    bench.until("the binding back", || match binding(bench)? {
        (_, now) if now == uid => Err("the old one".to_owned()),
        _ => Ok(()),
    });
    stop(&mut bench.agent);
    edit(bench, "team", "plain");
    edit(bench, "ours", "a");
    bench.agent.restart().unwrap();
    undone(bench, "team", "plain");
    undone(bench, "ours", "a");

    let directory = bench.fleet.directory.api();
    let allowed = json!({"metadata": {"annotations": {"multicluster.coreos.com/allow-deletion": "true"}}});
    directory.patch(&format!("{}/ours", works()), MERGE_PATCH, &allowed).unwrap();
    for name in ["ours", "teams"] {
        directory.delete(&format!("{}/{name}", works())).unwrap();
        bench.until(&format!("{name} gone"), || is_gone(&bench.fleet, name));
    }
    drop_policy(&bench.fleet, "granted");
    bench.until("the grants revoked", || binding(bench).map_or(Ok(()), |there| Err(there.0)));
    bench.until("the policy's copy gone", || {
        let copy = bench.api().get(&format!("{COLLECTION}/granted"));
        copy.map_or(Ok(()), |copy| Err(copy["metadata"].to_string()))
    });
}

/// Requests that were not made as who they should be made as; and which verbs each account was seen with.
fn judged(events: &[AuditEvent]) -> (Vec<AuditEvent>, BTreeMap<&str, BTreeSet<&str>>) {
    let (mut wrong, mut verbs) = (Vec::new(), BTreeMap::<&str, BTreeSet<&str>>::new());
    for event in events {
        let right = match event.impersonated.as_deref() {
            None => is_own(event),
            // A kind is watched once, by whichever of the accounts may.
            Some(account) if event.name.is_empty() => [WORKS, TEAM, POLICIES].contains(&account),
            Some(account) => account == applier(event),
        };
        if let Some(account) = event.impersonated.as_deref() {
            verbs.entry(account).or_default().insert(&event.verb);
        }
        if !right {
            wrong.push(event.clone());
        }
    }
    (wrong, verbs)
}

pub(super) fn do_everything(bench: &mut Bench, beginning: AuditMark) {
    asked_for_and_taken_away(bench);
    let replica = &bench.fleet.replica;
    trail::mark(replica); // all that was answered is in the log
    let done = replica.audit_since(beginning).unwrap();
    let begun = replica.watches_begun_since(beginning).unwrap();
    let all = done.into_iter().chain(begun).filter(|event| event.user == REPLICA_USER);
    let events: Vec<AuditEvent> = all.collect();
    let (wrong, verbs) = judged(&events);
    let shown = |event: &AuditEvent| format!("{:?} {} {}", event.impersonated, event.verb, event.uri);
    assert!(wrong.is_empty(), "{:#?}", wrong.iter().map(shown).collect::<Vec<_>>());
    println!("{} requests: {verbs:?}", events.len());
    // To list is to begin a watch. Two accounts may be seen by one watch, whoever's it is.
    for (account, expected) in [
        (WORKS, &["delete", "get", "patch", "watch"][..]),
        (TEAM, &["delete", "get", "patch"]),
        (POLICIES, &["delete", "patch", "watch"]),
    ] {
        assert!(expected.iter().all(|verb| verbs[account].contains(verb)), "{account}: {verbs:?}");
    }
    // What nobody asked for is not read either: nothing of all the rest of the cluster is.
    let strange =
        events.iter().filter(|event| ["pods", "endpoints", "nodes/proxy"].contains(&event.resource.as_str()));
    assert_eq!(strange.count(), 0);
}
