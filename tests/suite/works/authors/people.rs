//! No annotation decides on rights: who may edit objects beside a Work's in the replica, and writes on them whatever Muster
//! writes or reads anywhere, has nothing deleted, kept or released by it.

use std::collections::BTreeMap;

use http::StatusCode;
use muster_api::marks;
use muster_api::resource::CONFIG_MAPS;
use muster_engine::item::Item;
use muster_engine::mark::{Maker, Mark};
use muster_tests::ControlPlane;
use muster_tests::api::{Api, MERGE_PATCH};
use muster_tests::plane::TokenOptions;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{ANNOTATIONS, Bench, config_path, is_gone, turnover};
use crate::fleet::{CLUSTERS, OWN, REPORT, SECRETS, quietly, version};
use crate::trail;
use crate::works::{LEDGERS, config_map, manifest, namespace, put_work, until_told, work, works};

const SHOP: &str = "shop";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/muster-system/leases/muster-agent";
const CLAIM: &str = "/api/v1/namespaces/shop/persistentvolumeclaims/disk";

/// The options, each with the value by which it would change most where it held for an object in the replica.
const OPTIONS: [(&str, &str); 10] = [
    ("suspend", "true"),
    ("plan-only", "true"),
    ("deletion", "orphan"),
    ("allow-deletion", "true"),
    ("apply", "observe"),
    ("on-conflict", "force"),
    ("on-drift", "report"),
    ("ignore", "data"),
    ("feedback", ".metadata.name"),
    ("service-account", "policies"),
];

/// All that Muster writes or reads in annotations, but for the one by which an object is left to its owner, and marks.
fn annotations() -> Value {
    let options = OPTIONS.map(|(name, value)| (format!("multicluster.coreos.com/{name}"), value));
    let others = ANNOTATIONS.into_iter().filter(|name| ![marks::LET_GO, marks::MADE_FOR].contains(name));
    let others = others.map(|name| (name.to_owned(), "true"));
    options.into_iter().chain(others).map(|(name, value)| (name, json!(value))).collect()
}

/// Somebody with a role of Kubernetes in a namespace of this plane, or everywhere.
fn person(plane: &ControlPlane, name: &str, role: &str, namespace: Option<&str>) -> Api {
    plane.kubectl_ok(&["--namespace", "default", "create", "serviceaccount", name]).unwrap();
    let (role, who) = (format!("--clusterrole={role}"), format!("--serviceaccount=default:{name}"));
    match namespace {
        Some(namespace) => {
            plane.kubectl_ok(&["--namespace", namespace, "create", "rolebinding", name, &role, &who])
        }
        None => plane.kubectl_ok(&["create", "clusterrolebinding", name, &role, &who]),
    }
    .unwrap();
    let token = plane.service_account_token("default", name, &TokenOptions::default()).unwrap();
    plane.api_with(&token).unwrap()
}

/// Somebody writes each annotation on each of these objects, and is refused by the API server.
fn refused(who: &Api, admin: &Api, paths: &[&str]) {
    for path in paths {
        admin.get(path).unwrap();
        let all = annotations();
        let words = all.as_object().unwrap().iter().map(|(name, value)| json!({name: value}));
        let marks = [json!({marks::LET_GO: "true"}), json!({marks::MADE_FOR: "a/b/c/d/e/work"})];
        for annotation in words.chain(marks) {
            let change = json!({"metadata": {"annotations": annotation}});
            let error = who.patch(path, MERGE_PATCH, &change).unwrap_err();
            assert_eq!(error.status(), Some(StatusCode::FORBIDDEN), "{path}: {change}: {error}");
        }
    }
}

/// The marks that Muster would write on another object, had the Work asked for it: nothing in them is secret.
fn forged(of: &Value, work: &Value, name: &str) -> Value {
    let object = config_map(SHOP, name, "somebody's");
    let raw = RawValue::from_string(object.to_string()).unwrap();
    let item = Item::read(CONFIG_MAPS, &raw).unwrap();
    let text = of["metadata"]["annotations"][marks::MADE_FOR].as_str().unwrap();
    let nonce = text.split('/').nth(2).unwrap();
    let field = |name: &str| work["metadata"][name].as_str().unwrap().to_owned();
    let maker = Maker { name: field("name"), uid: field("uid") };
    let mark = Mark::of_work(&item.target, maker, nonce, &item.digest()).text();
    json!({"metadata": {"labels": {marks::PART_OF: of["metadata"]["labels"][marks::PART_OF]},
        "annotations": {marks::MADE_FOR: mark}}})
}

fn gain_nothing_by_annotations(bench: &Bench) {
    let (fleet, agent, api) = (&bench.fleet, &bench.agent, bench.api());
    fleet.replica.apply(&namespace(SHOP).to_string()).unwrap();
    let claim =
        json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}});
    let claim = manifest("v1", "PersistentVolumeClaim", SHOP, "disk", claim);
    let manifests = json!([config_map(SHOP, "a", "one"), config_map(SHOP, "b", "one"), claim]);
    let asked = put_work(fleet, "shop", &manifests);
    until_told(fleet, agent, "shop", "Applied", "Applied");
    let viewer = person(&fleet.replica, "viewer", "view", None);
    let editor = person(&fleet.replica, "editor", "edit", Some(SHOP));
    let path = |name: &str| config_path(SHOP, name);
    quietly("both may read", || {
        let both = viewer.get(&path("a")).and_then(|_| editor.get(&path("a")));
        both.map(drop).map_err(|error| error.to_string())
    });

    // What Muster goes by is not theirs to write on; nor is what is in the directory.
    let (ledger, copy) = (format!("{LEDGERS}/shop"), format!("{CLUSTERS}/{OWN}"));
    let secret = format!("{SECRETS}/directory-sync");
    let own = [ledger.as_str(), &copy, REPORT, LEASE, &secret, "/api/v1/namespaces/shop"];
    refused(&editor, &api, &own);
    refused(&viewer, &api, &[&own[..], &[&path("a"), CLAIM]].concat());
    let upstream = fleet.directory.api();
    let home = format!("muster-cluster-{OWN}");
    let there = person(&fleet.directory, "editor", "edit", Some(&home));
    quietly("the editor may do something there", || {
        let home = format!("/api/v1/namespaces/{home}/configmaps");
        there.get(&home).map(drop).map_err(|error| error.to_string())
    });
    refused(&there, &upstream, &[&format!("{}/shop", works()), &copy, &format!("/api/v1/namespaces/{home}")]);

    // What they may edit, they write everything on: objects of the Work, and others that bear its marks then.
    let a = api.get(&path("a")).unwrap();
    let theirs = ["copied", "forged", "unrelated"];
    for name in theirs {
        api.create(&format!("/api/v1/namespaces/{SHOP}/configmaps"), &config_map(SHOP, name, "somebody's"))
            .unwrap();
        let marks = if name == "copied" {
            json!({"metadata": {"labels": a["metadata"]["labels"], "annotations": a["metadata"]["annotations"]}})
        } else {
            forged(&a, &asked, name)
        };
        editor.patch(&path(name), MERGE_PATCH, &marks).unwrap();
        let all = json!({"metadata": {"annotations": annotations()}});
        editor.patch(&path(name), MERGE_PATCH, &all).unwrap();
    }
    let before = theirs.map(|name| api.get(&path(name)).unwrap());
    let mark = trail::mark(&fleet.replica);
    for name in ["a", "b"] {
        let change = json!({"metadata": {"annotations": annotations()}, "data": {"key": "by hand"}});
        editor.patch(&path(name), MERGE_PATCH, &change).unwrap();
    }
    editor.patch(CLAIM, MERGE_PATCH, &json!({"metadata": {"annotations": annotations()}})).unwrap();
    bench.until("both put right: neither suspended, ignored nor only observed", || {
        let seen = ["a", "b"].map(|name| api.get(&path(name)).unwrap()["data"]["key"].clone());
        if seen == ["one", "one"] { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    put_work(fleet, "shop", &json!([config_map(SHOP, "b", "one"), manifests[2]]));
    bench.until("what is not wanted any more gone", || {
        api.get(&path("a")).map_or(Ok(()), |seen| Err(seen["metadata"].to_string()))
    });

    // The claim's own annotation does not let it go, nor what goes after it: that of the Work does.
    upstream.delete(&format!("{}/shop", works())).unwrap();
    bench.until("the claim kept, and its Work to say so and no more", || {
        let status = work(fleet, "shop")["status"].take();
        let kept = status["conditions"].to_string().contains("PersistentVolumeClaim disk in namespace shop");
        if kept && status["manifestConditions"] == json!([]) { Ok(()) } else { Err(status.to_string()) }
    });
    let gone = |names: &[&str]| -> BTreeMap<String, usize> {
        names.iter().map(|name| (format!("delete {name}"), 1)).collect()
    };
    assert_eq!(turnover(fleet, mark), gone(&["configmaps shop/a"]), "{}", agent.log());
    let allowed = json!({"metadata": {"annotations": {marks::ALLOW_DELETION: "true"}}});
    upstream.patch(&format!("{}/shop", works()), MERGE_PATCH, &allowed).unwrap();
    bench.until("the claim to go", || {
        // Nobody runs the controller that waits for the pods that use it.
        let _ = api.patch(CLAIM, MERGE_PATCH, &json!({"metadata": {"finalizers": null}}));
        is_gone(fleet, "shop")
    });
    let all = ["configmaps shop/a", "configmaps shop/b", "persistentvolumeclaims shop/disk"];
    assert_eq!(turnover(fleet, mark), gone(&all), "{}", agent.log());
    let after = theirs.map(|name| api.get(&path(name)).unwrap());
    assert_eq!(after.each_ref().map(version), before.each_ref().map(version), "{}", agent.log());
}

#[test]
fn annotations_give_nobody_a_right_and_all_is_read_and_written_as_its_applier() {
    let mut bench = Bench::new();
    let beginning = trail::mark(&bench.fleet.replica);
    gain_nothing_by_annotations(&bench);
    super::appliers::do_everything(&mut bench, beginning);
}
