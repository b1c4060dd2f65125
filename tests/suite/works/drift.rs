//! What becomes of what somebody changes by hand.

use std::time::Instant;

use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::saw;
use serde_json::{Value, json};

use super::bench::{Bench, is_gone, written};
use super::{config_map, of_manifest, put_work, until_told, work, works};
use crate::fleet::{quietly, version};
use crate::trail::{self, lines};

const PATH: &str = "/api/v1/namespaces/default/configmaps/a";

fn labels(change: &Value) -> Value {
    json!({"metadata": {"labels": change}})
}

fn annotations(change: &Value) -> Value {
    json!({"metadata": {"annotations": change}})
}

/// An object as a manifest.
fn object(name: &str, value: &str) -> Value {
    let mut manifest = config_map("default", name, value);
    manifest["metadata"]["labels"] = json!({"team": "web"});
    manifest
}

/// A bench with a Work of one object, which is given.
fn bench() -> (Bench, Value) {
    let bench = Bench::new();
    put_work(&bench.fleet, "app", &json!([object("a", "one")]));
    until_told(&bench.fleet, &bench.agent, "app", "Applied", "Applied");
    let before = bench.api().get(PATH).unwrap();
    (bench, before)
}

/// What the Work asks for of an object: its content, and its own labels and annotations.
fn own(object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!({"data": object["data"]["key"], "team": metadata["labels"]["team"],
        "set": metadata["labels"]["applyset.kubernetes.io/part-of"],
        "mark": metadata["annotations"]["multicluster.coreos.com/made-for"]})
}

#[test]
fn what_is_wanted_comes_back_at_once_with_one_write() {
    let bench = Bench::new();
    let edits = [
        ("a field changed", json!({"data": {"key": "by hand"}})),
        ("a field removed", json!({"data": {"key": null}})),
        ("a label changed", labels(&json!({"team": "other"}))),
        ("a label removed", labels(&json!({"team": null}))),
        ("the label of the set removed", labels(&json!({"applyset.kubernetes.io/part-of": null}))),
        ("the label of the set changed", labels(&json!({"applyset.kubernetes.io/part-of": "other"}))),
        ("the mark removed", annotations(&json!({"multicluster.coreos.com/made-for": null}))),
        ("the mark changed", annotations(&json!({"multicluster.coreos.com/made-for": "somebody"}))),
        ("label and mark removed", json!({"metadata": {"labels": null, "annotations": null}})),
        ("deleted", Value::Null),
        ("replaced by force", json!("replace")),
    ];
    // One object for each: what is changed again and again is put right more and more slowly.
    let objects = (0..edits.len()).map(|number| object(&format!("a{number}"), "one"));
    put_work(&bench.fleet, "app", &objects.collect());
    until_told(&bench.fleet, &bench.agent, "app", "Applied", "Applied");
    for (number, (what, edit)) in edits.iter().enumerate() {
        let path = format!("{PATH}{number}");
        let before = bench.api().get(&path).unwrap();
        let mark = trail::mark(&bench.fleet.replica);
        change(&bench, &path, edit);
        let started = Instant::now();
        let back = quietly(what, || {
            let seen = bench.api().get(&path).map_err(|error| error.to_string())?;
            if own(&seen) == own(&before) { Ok(seen) } else { Err(own(&seen).to_string()) }
        });
        saw(&format!("{what}: as before"), started.elapsed());
        let (uid, anew) = (version(&back).0, !edit.is_object());
        assert_eq!(uid != version(&before).0, anew, "{what}");
        let settled = || super::bench::settled(&bench.fleet, "app");
        bench.until("the ledger to know it", || {
            let settled = settled()?;
            if settled.values().any(|known| *known == uid) { Ok(()) } else { Err(format!("{settled:?}")) }
        });
        let writes = written(&bench.fleet, mark);
        let mut said: Vec<String> = writes.iter().map(|it| format!("{} {}", it.resource, it.code)).collect();
        said.retain(|it| it != "configmaps 409"); // it was there again before it was seen to be
        let made = edit.is_null() || edit.is_string() && said.iter().any(|it| it == "configmaps 201");
        let mut expected = vec![format!("configmaps {}", if made { 201 } else { 200 })];
        expected.extend(anew.then(|| "appliedworks/status 200".to_owned()));
        assert_eq!(said, expected, "{what}: {}", lines(&writes));
    }
    assert_eq!(of_manifest(&work(&bench.fleet, "app"), 0, "Applied").0, "Applied");
}

/// Changes an object: by a patch, or where there is none deletes it, or has kubectl put another one in its place.
fn change(bench: &Bench, path: &str, edit: &Value) {
    match edit {
        Value::Null => drop(bench.api().delete(path).unwrap()),
        // With the label and the mark of the one that it deletes.
        Value::String(_) => {
            let mut object = bench.api().get(path).unwrap();
            object["data"]["key"] = "by hand".into();
            let metadata = object["metadata"].as_object_mut().unwrap();
            let kept = ["name", "namespace", "labels", "annotations"];
            metadata.retain(|field, _| kept.contains(&field.as_str()));
            let arguments = ["replace", "--force", "-f", "-"];
            let replaced = bench.fleet.replica.kubectl_with(&arguments, &object.to_string()).unwrap();
            // Between its two requests the agent may have made the object anew.
            let late = replaced.stderr.contains("AlreadyExists");
            assert!(late || replaced.code == Some(0), "{}", replaced.stderr);
        }
        edit => drop(bench.api().patch(path, MERGE_PATCH, edit).unwrap()),
    }
}

#[test]
fn what_others_add_stays_also_when_what_is_wanted_comes_back() {
    let (bench, before) = bench();
    let mark = trail::mark(&bench.fleet.replica);
    let theirs = json!({"metadata": {"labels": {"theirs": "x"}, "annotations": {"theirs": "y"},
        "finalizers": ["example.com/theirs"]}, "data": {"theirs": "z"}});
    let added = bench.api().patch(PATH, MERGE_PATCH, &theirs).unwrap();
    bench.api().patch(PATH, MERGE_PATCH, &json!({"data": {"key": "by hand"}})).unwrap();
    bench.until("the own field back", || {
        let seen = bench.api().get(PATH).unwrap();
        if own(&seen) == own(&before) { Ok(()) } else { Err(seen.to_string()) }
    });
    let seen = bench.api().get(PATH).unwrap();
    for field in ["labels", "annotations", "finalizers"] {
        assert_eq!(seen["metadata"][field], added["metadata"][field], "{field}");
    }
    assert_eq!(seen["data"], added["data"]);
    let writes = written(&bench.fleet, mark);
    assert_eq!(writes.len(), 1, "{}", lines(&writes));
    bench.api().patch(PATH, MERGE_PATCH, &json!({"metadata": {"finalizers": null}})).unwrap();
}

#[test]
fn what_its_owner_took_over_is_left_to_him_also_when_the_work_changes_and_goes() {
    let (bench, before) = bench();
    let mark = trail::mark(&bench.fleet.replica);
    let let_go = annotations(&json!({"multicluster.coreos.com/let-go": "true"}));
    bench.api().patch(PATH, MERGE_PATCH, &let_go).unwrap();
    until_told(&bench.fleet, &bench.agent, "app", "Applied", "Applied");
    bench.until("the Work to say so", || {
        let seen = of_manifest(&work(&bench.fleet, "app"), 0, "Applied");
        if seen.0 == "LetGo" { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    let edit = json!({"data": {"key": "his"}});
    let his = bench.api().patch(PATH, MERGE_PATCH, &edit).unwrap();
    let beside = config_map("default", "b", "one");
    put_work(&bench.fleet, "app", &json!([config_map("default", "a", "two"), beside]));
    bench.until("what stands beside it", || {
        let seen = bench.api().get("/api/v1/namespaces/default/configmaps/b");
        seen.map(drop).map_err(|error| error.to_string())
    });
    bench.fleet.directory.api().delete(&format!("{}/app", works())).unwrap();
    bench.until("the Work gone", || is_gone(&bench.fleet, "app"));
    let left = bench.api().get(PATH).unwrap();
    assert_eq!((version(&left).0, &left["data"]), (version(&before).0, &his["data"]), "{left:#}");
    let writes = written(&bench.fleet, mark);
    let of_it = writes.iter().filter(|event| event.name == "a").count();
    assert_eq!(of_it, 0, "{}", lines(&writes));
}
