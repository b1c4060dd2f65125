//! The definition of ledgers is deleted, or another tool's stands in its place: nothing is written or deleted then, and
//! when Muster's is back, all is as it is to be.

use std::collections::BTreeMap;

use muster_tests::api::MERGE_PATCH;
use serde_json::{Value, json};

use super::super::bench::Bench;
use super::super::{drop_policy, made, one, until_made};
use super::{BOTH, CLUSTER_WIDE, DROPPED, Kept, drop_a_binding, ledgers, path, rebuilt, until_gone};
use crate::fleet::{MULTICLUSTER, condition_of, install, quietly, version};

const DEFINITION: &str = "appliedworks.multicluster.x-k8s.io";

/// The definition of ledgers, as Muster ships it.
fn definition() -> &'static str {
    let found = MULTICLUSTER.split("\n---\n").find(|document| {
        document.contains("kind: CustomResourceDefinition")
            && document.contains(&format!("  name: {DEFINITION}\n"))
    });
    found.unwrap()
}

/// The definition of another tool under the same name: the standard's, or one of its own making.
fn another(spec: &Value) -> String {
    let text = json!({"type": "string"});
    let applied = json!({"type": "object", "properties": {
        "ordinal": {"type": "integer"}, "group": text, "version": text, "kind": text, "resource": text,
        "namespace": text, "name": text, "uid": text,
    }});
    let schema = json!({"type": "object", "properties": {
        "spec": spec,
        "status": {"type": "object", "properties": {"appliedResources": {"type": "array", "items": applied}}},
    }});
    let version = json!({
        "name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    });
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": DEFINITION, "annotations": {
            "api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/work-api",
        }},
        "spec": {
            "group": "multicluster.x-k8s.io", "scope": "Cluster",
            "names": {"kind": "AppliedWork", "plural": "appliedworks", "singular": "appliedwork",
                "listKind": "AppliedWorkList"},
            "versions": [version],
        },
    });
    crd.to_string()
}

/// The spec of the standard: it knows no `ledger`, and a server drops it.
fn standard() -> Value {
    json!({"type": "object", "properties": {
        "workName": {"type": "string"}, "workNamespace": {"type": "string"},
    }})
}

/// Puts a definition in the place of the present one.
fn define(bench: &Bench, crd: &str) {
    let output = bench.fleet.replica.kubectl_with(&["replace", "-f", "-"], crd).unwrap();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}

fn undefine(bench: &Bench) {
    bench.fleet.replica.kubectl_ok(&["delete", "crd", DEFINITION, "--timeout=60s"]).unwrap();
}

/// Waits until the report says this of ledgers, and that policies wait for it.
fn unusable(bench: &Bench, reason: &str) -> String {
    let message = bench.told("LedgerUsable", reason);
    let applied = bench.told("PoliciesApplied", "Pending");
    assert!(applied.contains("the ledger cannot be used"), "{applied}");
    message
}

/// Policies and grants change, and nothing follows.
fn nothing_follows(bench: &Bench, changes: impl FnOnce()) {
    let mark = bench.mark();
    changes();
    bench.writes_nothing(mark);
}

/// A grant, taken away by hand; gives it as it was.
fn rob(bench: &Bench, kind: &str) -> (String, Value) {
    let (path, binding) = bench.binding(kind);
    let edit = json!({"subjects": null});
    bench.fleet.replica.api().patch(&path, MERGE_PATCH, &edit).unwrap();
    (path, binding)
}

fn until_put_right(bench: &Bench, (path, binding): &(String, Value)) {
    bench.until("the grant put right", || {
        let now = bench.fleet.replica.api().get(path).map_err(|error| error.to_string())?;
        if now["subjects"] == binding["subjects"] { Ok(()) } else { Err(now.to_string()) }
    });
}

#[test]
fn the_definition_of_ledgers_is_deleted_and_made_anew() {
    let mut bench = Bench::new();
    rebuilt(&bench, &BOTH, &BTreeMap::new());

    println!("while the agent runs:");
    let kept = Kept::new(&bench);
    undefine(&bench);
    let message = unusable(&bench, "Missing");
    assert!(message.contains(DEFINITION), "{message}");
    let mut robbed = None;
    nothing_follows(&bench, || {
        bench.policy("later", &["later"]);
        drop_policy(&bench.fleet, "ldap-group-admin");
        robbed = Some(rob(&bench, "RoleBinding"));
    });
    install(&bench.fleet.replica);
    bench.told("LedgerUsable", "Usable");
    until_gone(&bench, &[CLUSTER_WIDE]);
    let (path, before) = robbed.unwrap();
    until_put_right(&bench, &(path.clone(), before.clone()));
    rebuilt(&bench, &["later", "web-api"], &BTreeMap::new());
    bench.told("PoliciesApplied", "Applied");
    // It was put right: its version is another one.
    let mut kept = kept;
    let right = bench.fleet.replica.api().get(&path).unwrap();
    assert_eq!(version(&right).0, version(&before).0);
    let edited = kept.objects.values_mut().find(|object| version(object).0 == version(&before).0).unwrap();
    *edited = right;
    kept.only(&bench, &[CLUSTER_WIDE]);
    assert_eq!(made(&bench.fleet.replica).len(), 8);

    println!("while the agent is down:");
    bench.stop();
    let kept = Kept::new(&bench);
    undefine(&bench);
    bench.agent.restart().unwrap();
    unusable(&bench, "Missing");
    nothing_follows(&bench, || drop_policy(&bench.fleet, "web-api"));
    let heard = condition_of(&bench.report(), "DirectoryReachable").unwrap().0;
    assert_eq!(heard, "Reachable");
    install(&bench.fleet.replica);
    bench.told("LedgerUsable", "Usable");
    until_gone(&bench, &["RoleBinding api"]);
    rebuilt(&bench, &["later"], &BTreeMap::new());
    // Its namespaces stay, as ever.
    let grants = kept.objects.keys().filter(|key| key.starts_with("RoleBinding api")).count();
    assert_eq!(bench.deleted(kept.mark).get("rolebindings"), Some(&grants), "{}", bench.agent.log());
    let now = made(&bench.fleet.replica);
    for later in ["Namespace later", "RoleBinding later/"] {
        let (key, object) = one(&now, later);
        assert_eq!(version(object), version(&kept.objects[key]));
    }
    let namespaces = bench.fleet.replica.api().get("/api/v1/namespaces").unwrap().to_string();
    assert!(namespaces.contains("api-prod") && namespaces.contains("api-test"));
}

#[test]
fn another_tools_definition_stands_in_its_place() {
    let mut bench = Bench::new();
    rebuilt(&bench, &BOTH, &BTreeMap::new());
    let kept = Kept::new(&bench);

    println!("while the agent runs:");
    define(&bench, &another(&standard()));
    let message = unusable(&bench, "Pruned");
    assert!(message.contains("does not keep spec.ledger as"), "{message}");
    nothing_follows(&bench, || {
        bench.policy("later", &["later"]);
        ruin(&bench, "web-api");
    });
    define(&bench, definition());
    bench.told("LedgerUsable", "Usable");
    until_made(&bench.fleet, &bench.agent, 9);
    rebuilt(&bench, &["later", "ldap-group-admin", "web-api"], &BTreeMap::new());
    bench.told("PoliciesApplied", "Applied");
    kept.only(&bench, &[]);

    println!("at the start of the agent, and each ledger was written to:");
    bench.stop();
    define(&bench, &another(&standard()));
    for policy in ["later", "ldap-group-admin", "web-api"] {
        ruin(&bench, policy);
    }
    bench.agent.restart().unwrap();
    unusable(&bench, "Pruned");
    nothing_follows(&bench, || {
        drop_policy(&bench.fleet, "ldap-group-admin");
        drop_a_binding(&bench);
    });
    kept.only(&bench, &[]);
    define(&bench, definition());
    bench.told("LedgerUsable", "Usable");
    until_gone(&bench, &[DROPPED, CLUSTER_WIDE]);
    rebuilt(&bench, &["later", "web-api"], &BTreeMap::new());
    kept.only(&bench, &[DROPPED, CLUSTER_WIDE]);

    println!("one that refuses ledgers:");
    let mut refusing = standard();
    refusing["properties"]["ledger"] = json!({"type": "string"});
    define(&bench, &another(&refusing));
    unusable(&bench, "Forbidden");
    nothing_follows(&bench, || drop_policy(&bench.fleet, "later"));
    kept.only(&bench, &[DROPPED, CLUSTER_WIDE]);
    define(&bench, definition());
    bench.told("LedgerUsable", "Usable");
    until_gone(&bench, &["RoleBinding later/"]);
    rebuilt(&bench, &["web-api"], &BTreeMap::new());
}

#[test]
fn the_definition_is_older_than_the_agent() {
    let bench = Bench::new();
    rebuilt(&bench, &BOTH, &BTreeMap::new());
    let kept = Kept::new(&bench);
    let crd = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{DEFINITION}");
    let mut older = bench.fleet.replica.api().get(&crd).unwrap();
    older["metadata"]["resourceVersion"].take(); // it is replaced twice
    let ledger = older
        .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/ledger/properties")
        .and_then(Value::as_object_mut)
        .unwrap();
    println!("one that does not know of an end with the own entry, which nobody asks for:");
    assert!(ledger.remove("departure").is_some());
    ledger["phase"]["enum"] = json!(["Applying", "Deleting"]);
    define(&bench, &older.to_string());
    bench.until("told of", || match condition_of(&bench.report(), "LedgerUsable") {
        Some((reason, message))
            if reason == "Usable"
                && message.contains("nothing of Works goes with the entry of this cluster")
                && message.contains("apply multicluster.yaml") =>
        {
            Ok(())
        }
        seen => Err(format!("{seen:?}")),
    });
    drop_a_binding(&bench);
    until_gone(&bench, &[DROPPED]);
    kept.only(&bench, &[DROPPED]);

    println!("one that does not know of options:");
    let ledger = older
        .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/ledger/properties")
        .and_then(Value::as_object_mut)
        .unwrap();
    assert!(ledger.remove("options").is_some());
    define(&bench, &older.to_string());
    let message = unusable(&bench, "SchemaTooOld");
    assert!(message.contains("older than this agent: it does not keep spec.ledger.options as"), "{message}");
    nothing_follows(&bench, || drop_policy(&bench.fleet, "ldap-group-admin"));
    kept.only(&bench, &[DROPPED]);
    define(&bench, definition());
    bench.told("LedgerUsable", "Usable");
    until_gone(&bench, &[CLUSTER_WIDE]);
    rebuilt(&bench, &["web-api"], &BTreeMap::new());
    kept.only(&bench, &[DROPPED, CLUSTER_WIDE]);
}

/// The other tool writes to what it takes for its own: then the server stores it as the definition says.
fn ruin(bench: &Bench, policy: &str) {
    // A definition that was just replaced may not be served for a moment.
    let ledger = quietly("the ledger served", || {
        ledgers(bench).remove(policy).ok_or_else(|| "it is not there".into())
    });
    let name = ledger["metadata"]["name"].as_str().unwrap();
    bench.fleet.replica.kubectl_ok(&["annotate", DEFINITION, name, "example.com/seen=true"]).unwrap();
    let kept = bench.fleet.replica.api().get(&path(&ledger)).unwrap();
    assert!(kept["spec"].get("ledger").is_none(), "{kept:#}");
}
