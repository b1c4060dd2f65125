//! Manifests that are odd: each is told alone, by its place and name where it has one, and holds up none of the others. The
//! directory's own definition refuses some of them; a directory with a laxer one takes them all.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::throughout;
use serde_json::{Value, json};

use super::bench::{Bench, made, turnover};
use super::{config_map, manifest, put_work, until_told, work, works};
use crate::fleet::{condition_of, quietly};
use crate::trail;

const DEFINITION: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/works.multicluster.x-k8s.io";
/// Where the definition says what a manifest is, from its version.
const MANIFESTS: &str =
    "/schema/openAPIV3Schema/properties/spec/properties/workload/properties/manifests/items";

/// A manifest, and what is said of it: by the name that is told, the reason, and words of the message.
struct Odd {
    manifest: Value,
    told: Vec<(&'static str, &'static str, &'static str)>,
}

fn odd(manifest: Value, name: &'static str, reason: &'static str, words: &'static str) -> Odd {
    Odd { manifest, told: vec![(name, reason, words)] }
}

fn map(name: &str) -> Value {
    config_map("default", name, "one")
}

fn with(name: &str, fields: Value) -> Value {
    manifest("v1", "ConfigMap", "default", name, fields)
}

fn list(kind: &str, items: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "items": items})
}

/// All of them, between two that are as they should be.
fn all() -> Vec<Odd> {
    let nameless = |name: &str| {
        let mut map = map(name);
        map["metadata"].as_object_mut().unwrap().remove("name");
        map
    };
    let mut generated = nameless("x");
    generated["metadata"]["generateName"] = json!("x-");
    let mut bare = map("bare");
    for field in ["apiVersion", "kind"] {
        bare.as_object_mut().unwrap().remove(field);
    }
    let several = Odd {
        manifest: list("List", &json!([map("listed-a"), nameless("x"), map("listed-b"), map("first")])),
        told: vec![
            ("listed-a", "Applied", ""),
            ("", "InvalidManifest", "metadata.name is missing"),
            ("listed-b", "Applied", ""),
            ("first", "Duplicate", "manifest 0"),
        ],
    };
    vec![
        odd(map("first"), "first", "Applied", ""),
        several,
        Odd { manifest: list("List", &json!([])), told: Vec::new() },
        odd(list("List", &json!([list("List", &json!([map("x")]))])), "", "InvalidManifest", "holds a list"),
        odd(list("ConfigMapList", &json!([bare])), "bare", "Applied", ""),
        odd(list("List", &json!("all of them")), "", "InvalidManifest", "items"),
        odd(json!({}), "", "InvalidManifest", "is empty"),
        odd(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "status": {"ready": true}}),
            "",
            "InvalidManifest",
            "metadata.name is missing",
        ),
        odd(
            with(
                "nulls",
                json!({"data": null, "metadata": {"name": "nulls", "namespace": null, "labels": null, "annotations": null, "finalizers": null}}),
            ),
            "nulls",
            "Applied",
            "",
        ),
        odd(with("untyped", json!({"data": [1, 2]})), "untyped", "Rejected", "data"),
        odd(
            with("texts", json!({"metadata": "a text"})),
            "",
            "InvalidManifest",
            "metadata must be an object",
        ),
        odd(
            with("labels", json!({"metadata": {"name": "labels", "labels": {"a": 1}}})),
            "labels",
            "InvalidManifest",
            "metadata.labels[a] must be a string",
        ),
        odd(
            json!({"apiVersion": "v1", "kind": 7, "metadata": {"name": "numbered"}}),
            "numbered",
            "InvalidManifest",
            "kind must be a string",
        ),
        odd(
            json!({"kind": "ConfigMap", "metadata": {"name": "versionless"}}),
            "versionless",
            "InvalidManifest",
            "apiVersion is missing",
        ),
        odd(
            manifest("nowhere.example.com/v1", "Nothing", "default", "unknown", json!({})),
            "unknown",
            "UnknownKind",
            "nowhere.example.com/v1",
        ),
        odd(
            manifest("apps/v9", "Deployment", "default", "later", json!({"spec": {}})),
            "later",
            "UnknownKind",
            "apps/v9",
        ),
        odd(generated, "", "GenerateName", "metadata.generateName"),
        odd(nameless("x"), "", "InvalidManifest", "metadata.name is missing"),
        odd(map("first"), "first", "Duplicate", "manifest 0"),
        odd(json!(5), "", "InvalidManifest", "it must be an object"),
        odd(json!("kind: ConfigMap"), "", "InvalidManifest", "it must be an object"),
        odd(
            manifest("apps/v1", "Deployment", "default", "stateful", json!({"status": {"replicas": 3}})),
            "stateful",
            "Rejected",
            "spec",
        ),
        odd(map("last"), "last", "Applied", ""),
    ]
}

/// The manifests of which the directory says, with its own definition, where each is and what it lacks.
fn refused(bench: &Bench) {
    let api = bench.fleet.directory.api();
    for (bad, words) in [
        (json!({}), "manifests[1].apiVersion"),
        (json!({"apiVersion": "v1", "kind": 7, "metadata": {"name": "x"}}), "manifests[1].kind"),
        (json!(5), "manifests[1]"),
        (json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": "a text"}), "manifests[1].metadata"),
    ] {
        let work = json!({
            "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work", "metadata": {"name": "refused"},
            "spec": {"workload": {"manifests": [map("x"), bad]}},
        });
        let error = api.create(&works(), &work).unwrap_err().to_string();
        assert!(error.contains(words), "{bad}: {error}");
    }
}

/// Takes away what the definition says of manifests.
fn lax(bench: &Bench) {
    let api = bench.fleet.directory.api();
    let mut versions = api.get(DEFINITION).unwrap()["spec"]["versions"].clone();
    *versions[0].pointer_mut(MANIFESTS).unwrap() = json!({"x-kubernetes-preserve-unknown-fields": true});
    api.patch(DEFINITION, MERGE_PATCH, &json!({"spec": {"versions": versions}})).unwrap();
    let odd: Vec<Value> = all().into_iter().map(|odd| odd.manifest).collect();
    quietly("the laxer definition", || {
        let work = json!({
            "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work", "metadata": {"name": "odd"},
            "spec": {"workload": {"manifests": odd}},
        });
        api.create(&works(), &work).map(drop).map_err(|error| error.to_string())
    });
}

/// Whether each is told as it should be, and nothing else is.
fn told(bench: &Bench, expected: &[Odd]) -> Result<Vec<String>, String> {
    let work = work(&bench.fleet, "odd");
    let mut left = work["status"]["manifestConditions"].as_array().cloned().unwrap_or_default();
    let mut lines = Vec::new();
    for (ordinal, odd) in expected.iter().enumerate() {
        for (name, reason, words) in &odd.told {
            let is = |entry: &Value| {
                let identifier = &entry["identifier"];
                let (seen, message) = condition_of(&json!({"status": entry}), "Applied")?;
                let named = identifier["name"].as_str().unwrap_or_default() == *name;
                let same =
                    identifier["ordinal"] == ordinal && named && seen == *reason && message.contains(words);
                same.then(|| format!("{ordinal} {name:?} {seen}: {message}"))
            };
            let found = left.iter().enumerate().find_map(|(at, entry)| Some((at, is(entry)?)));
            let Some((at, line)) = found else {
                let about: Vec<&Value> =
                    left.iter().filter(|entry| entry["identifier"]["ordinal"] == ordinal).collect();
                return Err(format!("{ordinal}: expected {name:?} {reason} {words:?}, saw {about:?}"));
            };
            left.swap_remove(at);
            lines.push(line);
        }
    }
    if left.is_empty() { Ok(lines) } else { Err(format!("beside: {left:?}")) }
}

#[test]
fn what_is_odd_is_told_alone_and_by_name_and_holds_up_nothing_else() {
    let bench = Bench::new();
    refused(&bench);
    put_work(&bench.fleet, "plain", &json!([map("plain")]));
    until_told(&bench.fleet, &bench.agent, "plain", "Applied", "Applied");
    let mark = trail::mark(&bench.fleet.replica);
    lax(&bench);
    let expected = all();
    let mut lines = Vec::new();
    bench.until("each told", || {
        lines = told(&bench, &expected)?;
        Ok(())
    });
    println!("{}", lines.join("\n"));
    until_told(&bench.fleet, &bench.agent, "odd", "Applied", "Incomplete");
    let good = ["bare", "first", "last", "listed-a", "listed-b", "nulls"];
    let object = |name: &str| format!("configmaps default/{name}");
    let there: Vec<String> = made(&bench.fleet).into_keys().collect();
    let mut should: Vec<String> = good.iter().chain(&["plain"]).map(|name| object(name)).collect();
    should.sort();
    assert_eq!(there, should);
    let once = |verb: &str| -> BTreeMap<String, usize> {
        good.iter().map(|name| (format!("{verb} {}", object(name)), 1)).collect()
    };
    assert_eq!(turnover(&bench.fleet, mark), once("create"));

    // What is not mended is not tried all the time, and what is there stays.
    let before = trail::mark(&bench.fleet.replica);
    let idle = || {
        let writes = trail::writes(&bench.fleet.replica, before, trail::REPLICA_USER);
        let tries = writes.iter().filter(|event| event.namespace == "default").count();
        if tries <= 4 { Ok(()) } else { Err(trail::lines(&writes)) }
    };
    throughout("few attempts", Duration::from_secs(3), idle).unwrap();
    bench.fleet.directory.api().delete(&format!("{}/odd", works())).unwrap();
    bench.until("the Work gone", || super::is_gone(&bench.fleet, "odd"));
    let mut both = once("create");
    both.append(&mut once("delete"));
    assert_eq!(turnover(&bench.fleet, mark), both);
    assert_eq!(made(&bench.fleet).len(), 1);
}
