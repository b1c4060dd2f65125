use muster_api::Resource;
use muster_api::resource::{CONFIG_MAPS, NAMESPACES};
use serde_json::{Value, json};

use super::*;
use crate::item::Item;

mod hostile;
mod lists;
mod manifests;
mod options;
mod order;
mod secrets;

/// A Work as a server sends it.
fn object(annotations: &Value, spec: &Value) -> Object {
    parse(&json!({
        "metadata": {
            "name": "web", "namespace": "muster-cluster-east", "uid": "w", "resourceVersion": "7", "generation": 3,
            "annotations": annotations,
        },
        "spec": spec,
    }))
}

fn parse(object: &Value) -> Object {
    Object::parse(RawValue::from_string(object.to_string()).unwrap()).unwrap()
}

fn work(manifests: &[Value]) -> Work {
    Work::read(&object(&json!({}), &json!({"workload": {"manifests": manifests}}))).unwrap()
}

/// The only manifest of a Work.
fn manifest(manifest: &Value) -> Result<Manifest, Flaw> {
    let mut slots = work(std::slice::from_ref(manifest)).manifests;
    assert_eq!(slots.len(), 1, "{manifest}");
    slots.remove(0).manifest
}

/// The object that a manifest asks for, as its ledger records it.
fn item(resource: &Resource, text: &Value) -> Value {
    let item = manifest(text).unwrap().resolve(resource).unwrap();
    let recorded = item.manifest();
    assert_eq!(Item::read(resource.clone(), &recorded).unwrap(), item, "it must read back");
    serde_json::from_str(recorded.get()).unwrap()
}

/// A `ConfigMap` with this metadata.
fn config(metadata: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "hunter2"}})
}

fn named(name: &str) -> Value {
    config(&json!({"name": name, "namespace": "prod"}))
}

#[test]
fn a_work_knows_itself() {
    let read = work(&[named("a")]);
    assert_eq!((read.maker.name.as_str(), read.maker.uid.as_str()), ("web", "w"));
    assert_eq!((read.namespace.as_str(), read.generation), ("muster-cluster-east", 3));
    assert_eq!(read.resource_version, "7");
    assert!(!read.deleting && !read.finalizer);
    assert_eq!(*read.options, Options::default());
    let named = Named {
        version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        namespace: "prod".to_owned(),
        name: "a".to_owned(),
        ..Named::default()
    };
    assert_eq!((read.manifests[0].ordinal, &read.manifests[0].named), (0, &named));
    let identifier = serde_json::to_value(named.identifier(4, "configmaps")).unwrap();
    assert_eq!(
        identifier,
        json!({"ordinal": 4, "version": "v1", "kind": "ConfigMap", "resource": "configmaps", "namespace": "prod", "name": "a"})
    );
}

#[test]
fn deletion_and_finalizer_are_read_from_the_metadata() {
    let read = |finalizer: &str| {
        Work::read(&parse(&json!({
            "metadata": {
                "name": "web", "namespace": "n", "uid": "w", "resourceVersion": "7",
                "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b", finalizer],
            },
            "spec": {"workload": {}},
        })))
        .unwrap()
    };
    assert!(read("x/y").deleting);
    assert!(read("multicluster.x-k8s.io/work-cleanup").finalizer);
    assert!(!read("x/y").finalizer);
}

#[test]
fn a_frame_that_is_incomplete_or_of_other_types_is_refused() {
    let cases = [
        (json!({"workload": {"manifests": []}}), Ok(0)),
        (json!({"workload": {}}), Ok(0)),
        (json!({"workload": {"manifests": [null, 1]}, "other": 1}), Ok(2)),
        (json!(null), Err("spec is missing or null: a Work without manifests says workload: {}")),
        (json!([]), Err("spec must be an object")),
        (json!({}), Err("spec.workload is missing or null: a Work without manifests says workload: {}")),
        (
            json!({"workload": null}),
            Err("spec.workload is missing or null: a Work without manifests says workload: {}"),
        ),
        (json!({"workload": "hunter2"}), Err("spec.workload must be an object")),
        (json!({"workload": {"manifests": null}}), Err("spec.workload.manifests must be a list")),
        (json!({"workload": {"manifests": {"a": 1}}}), Err("spec.workload.manifests must be a list")),
        (json!({"workload": {"manifests": "hunter2"}}), Err("spec.workload.manifests must be a list")),
    ];
    for (spec, expected) in cases {
        let read = Work::read(&object(&json!({}), &spec)).map(|work| work.manifests.len());
        let read = read.map_err(|error| {
            assert_eq!(error.reason(), "Malformed");
            error.to_string()
        });
        assert_eq!(read, expected.map_err(|error| format!("unable to read Work web: {error}")), "{spec}");
    }
    let without = json!({"metadata": {"name": "web", "namespace": "n", "uid": "w", "resourceVersion": "7"}});
    assert!(Work::read(&parse(&without)).is_err());
}

#[test]
fn a_work_that_no_server_made_is_refused() {
    let read = |name: &str, uid: &str, namespace: Value| {
        Work::read(&parse(&json!({
            "metadata": {"name": name, "uid": uid, "namespace": namespace, "resourceVersion": "7"},
            "spec": {"workload": {}},
        })))
        .map_err(|error| error.to_string())
    };
    assert!(read("web", "w", json!("n")).is_ok());
    for (name, uid, namespace, field) in [
        ("a/b", "w", json!("n"), "metadata.name"),
        ("A", "w", json!("n"), "metadata.name"),
        (&"x".repeat(100_000), "w", json!("n"), "metadata.name"),
        ("web", "../w", json!("n"), "metadata.uid"),
        ("web", &"x".repeat(64), json!("n"), "metadata.uid"),
        ("web", "w", json!(null), "metadata.namespace"),
        ("web", "w", json!("a/b"), "metadata.namespace"),
    ] {
        let error = read(name, uid, namespace).unwrap_err();
        assert!(error.contains(field) && error.len() < 500, "{error}");
    }
}

#[test]
fn names_of_the_ledgers_of_policies_are_reserved() {
    let mut other = json!({
        "metadata": {"name": "muster-policy-0", "uid": "w", "namespace": "n", "resourceVersion": "7"},
        "spec": {"workload": {}},
    });
    let error = Work::read(&parse(&other)).unwrap_err();
    assert_eq!(error.reason(), "ReservedName");
    assert_eq!(
        error.to_string(),
        "unable to follow Work muster-policy-0: names that begin with muster-policy- are for policies: rename it"
    );
    other["metadata"]["name"] = "muster-policy".into();
    assert!(Work::read(&parse(&other)).is_ok());
}

#[test]
fn a_work_is_too_large_by_its_spec_and_not_by_its_status() {
    let filled = |bytes: usize, status: usize| {
        let mut text = named("a");
        text["data"]["a"] = "".into();
        let frame = json!({"workload": {"manifests": [text]}}).to_string().len();
        text["data"]["a"] = "x".repeat(bytes - frame).into();
        Work::read(&parse(&json!({
            "metadata": {"name": "web", "namespace": "n", "uid": "w", "resourceVersion": "7"},
            "spec": {"workload": {"manifests": [text]}},
            "status": "x".repeat(status),
        })))
    };
    assert!(filled(MOST_BYTES, 100_000).is_ok());
    let error = filled(MOST_BYTES + 1, 0).unwrap_err();
    assert_eq!(error.reason(), "TooLarge");
    assert_eq!(
        error.to_string(),
        "unable to follow Work web: it has more than 900 KiB or 5000 manifests: split it"
    );
}

#[test]
fn manifests_are_counted_with_lists_expanded() {
    let read =
        |manifests: Value| Work::read(&object(&json!({}), &json!({"workload": {"manifests": manifests}})));
    let list = |items: usize| json!({"apiVersion": "v1", "kind": "List", "items": vec![1; items]});
    assert_eq!(read(json!(vec![0; MOST_MANIFESTS])).unwrap().manifests.len(), MOST_MANIFESTS);
    assert_eq!(read(json!([0, list(MOST_MANIFESTS - 1)])).unwrap().manifests.len(), MOST_MANIFESTS);
    for manifests in [json!(vec![0; MOST_MANIFESTS + 1]), json!([0, list(MOST_MANIFESTS)])] {
        assert_eq!(read(manifests).unwrap_err().reason(), "TooLarge");
    }
}

#[test]
fn the_same_object_twice_counts_once_whatever_the_version() {
    let of = |api_version: &str, namespace: &str| json!({"apiVersion": api_version, "kind": "Gadget", "metadata": {"name": "a", "namespace": namespace}});
    let bad =
        json!({"apiVersion": "g/v1", "kind": "Gadget", "metadata": {"name": "a", "namespace": "z"}, "x": 1});
    let mut flawed = bad.clone();
    flawed["metadata"]["generateName"] = "a-".into();
    let slots = work(&[
        of("g/v1", "x"),
        of("g/v2", "x"),
        of("h/v1", "x"),
        of("g/v1", "y"),
        of("g/v1", "x"),
        flawed.clone(),
        bad,
        flawed,
    ])
    .manifests;
    let flaws: Vec<_> = slots.iter().map(|slot| slot.manifest.as_ref().err().cloned()).collect();
    let first = |first| Some(Flaw::Duplicate { first });
    let generated = || Some(Flaw::GenerateName);
    assert_eq!(flaws, [None, first(0), None, None, first(0), generated(), first(5), generated()]);
    assert_eq!(first(0).unwrap().reason(), "Duplicate");
    assert_eq!(
        first(5).unwrap().to_string(),
        "unable to use the manifest: it is the same object as manifest 5, counted from 0: keep one of the two"
    );
}

#[test]
fn more_objects_are_the_same_once_their_kinds_are_known() {
    let slots = work(&[
        config(&json!({"name": "a"})),
        config(&json!({"name": "a", "namespace": "default"})),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "namespace": "b"}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}),
    ])
    .manifests;
    let items: Vec<Item> = slots
        .iter()
        .map(|slot| {
            let manifest = slot.manifest.as_ref().unwrap();
            manifest
                .resolve(&if manifest.gvk.kind == "Namespace" { NAMESPACES } else { CONFIG_MAPS })
                .unwrap()
        })
        .collect();
    let found = super::order::duplicates(items.iter().enumerate().map(|(place, item)| (place, item.into())));
    assert_eq!(found, [None, Some(Flaw::Duplicate { first: 0 }), None, Some(Flaw::Duplicate { first: 2 })]);
}
