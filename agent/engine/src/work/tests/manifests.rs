//! What becomes of the fields of one manifest.

use muster_api::resource::{CLUSTERS, SECRETS};

use super::*;

#[test]
fn what_kubectl_get_leaves_behind_is_dropped() {
    let left = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": "a", "namespace": "prod", "labels": {"app": "web"}, "finalizers": ["x/y", "b/c", "x/y"],
            "annotations": {"note": "n", "kubectl.kubernetes.io/last-applied-configuration": "{\"data\":\"hunter2\"}"},
            "uid": "u", "resourceVersion": "1", "generation": 2, "creationTimestamp": null, "selfLink": "/a",
            "managedFields": [{"manager": "m"}], "deletionTimestamp": "2026-01-01T00:00:00Z",
            "deletionGracePeriodSeconds": 0, "ownerReferences": [], "generateName": "",
        },
        "data": {"z": "1", "a": "2", "n": null}, "binaryData": null, "immutable": true,
        "status": {"phase": "Active"},
    });
    assert_eq!(
        item(&CONFIG_MAPS, &left),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": "a", "namespace": "prod", "labels": {"app": "web"}, "annotations": {"note": "n"},
                "finalizers": ["x/y", "b/c"],
            },
            "data": {"z": "1", "a": "2", "n": null}, "immutable": true,
        })
    );
}

#[test]
fn null_maps_are_as_if_absent() {
    let text = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "name": "a", "namespace": null, "labels": null, "annotations": null, "finalizers": null,
            "generateName": null, "ownerReferences": null,
        },
    });
    let expected =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}});
    assert_eq!(item(&CONFIG_MAPS, &text), expected);
}

#[test]
fn the_scope_of_the_kind_decides_the_namespace() {
    let namespaced = |namespace: Value| {
        item(&CONFIG_MAPS, &config(&json!({"name": "a", "namespace": namespace})))["metadata"]["namespace"]
            .clone()
    };
    assert_eq!(namespaced(json!("prod")), "prod");
    assert_eq!(namespaced(json!(null)), "default");
    assert_eq!(namespaced(json!("")), "default");
    let text =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "namespace": "prod"}});
    assert_eq!(item(&NAMESPACES, &text)["metadata"], json!({"name": "a"}));
}

#[test]
fn a_manifest_is_resolved_only_to_its_own_kind() {
    let manifest = manifest(&named("a")).unwrap();
    for other in [
        SECRETS,
        Resource { version: "v2".into(), ..CONFIG_MAPS },
        Resource { group: "g".into(), ..CONFIG_MAPS },
    ] {
        assert_eq!(manifest.resolve(&other), Err(Flaw::OtherKind), "{other}");
    }
    assert_eq!(manifest.gvk.api_version(), "v1");
}

#[test]
fn each_field_that_is_wrong_is_named() {
    let long = "x".repeat(254);
    let with = |field: &str, value: Value| {
        let mut metadata = json!({"name": "a"});
        metadata[field] = value;
        config(&metadata)
    };
    let of = |api_version: Value, kind: Value| json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}});
    let cases = [
        (json!(null), "Malformed", "it must be an object"),
        (json!([1]), "Malformed", "it must be an object"),
        (json!("hunter2"), "Malformed", "it must be an object"),
        (json!({}), "Malformed", "it is empty"),
        (json!({"kind": "ConfigMap", "metadata": {"name": "a"}}), "Malformed", "apiVersion is missing"),
        (of(json!(null), json!("A")), "Malformed", "apiVersion is missing"),
        (of(json!(1), json!("A")), "Malformed", "apiVersion must be a string"),
        (of(json!("v1"), json!(null)), "Malformed", "kind is missing"),
        (of(json!("v1"), json!(["hunter2"])), "Malformed", "kind must be a string"),
        (of(json!(""), json!("A")), "InvalidName", "apiVersion is none"),
        (of(json!("/v1"), json!("A")), "InvalidName", "apiVersion is none"),
        (of(json!("a/b/v1"), json!("A")), "InvalidName", "apiVersion is none"),
        (of(json!("g/"), json!("A")), "InvalidName", "apiVersion is none"),
        (of(json!("v1"), json!("")), "InvalidName", "kind is none"),
        (of(json!("v1"), json!("A/b")), "InvalidName", "kind is none"),
        (of(json!("v1"), json!("x".repeat(64))), "InvalidName", "kind is none"),
        (json!({"apiVersion": "v1", "kind": "A"}), "InvalidName", "metadata.name is missing"),
        (json!({"apiVersion": "v1", "kind": "A", "metadata": []}), "Malformed", "metadata must be an object"),
        (with("name", json!("")), "InvalidName", "metadata.name is missing"),
        (with("name", json!(null)), "InvalidName", "metadata.name is missing"),
        (with("name", json!({"a": "hunter2"})), "Malformed", "metadata.name must be a string"),
        (with("name", json!("a/b")), "InvalidName", "metadata.name is no name"),
        (with("name", json!("a%2fb")), "InvalidName", "metadata.name is no name"),
        (with("name", json!(".")), "InvalidName", "metadata.name is no name"),
        (with("name", json!("..")), "InvalidName", "metadata.name is no name"),
        (with("name", json!("a\nb")), "InvalidName", "metadata.name is no name"),
        (with("name", json!(long)), "InvalidName", "metadata.name is longer than 253 characters"),
        (with("namespace", json!(7)), "Malformed", "metadata.namespace must be a string"),
        (with("namespace", json!("a/../b")), "InvalidName", "metadata.namespace is no name of a namespace"),
        (with("generateName", json!("a-")), "GenerateName", "metadata.generateName is set"),
        (with("generateName", json!(["hunter2"])), "GenerateName", "metadata.generateName is set"),
        (with("ownerReferences", json!([{"uid": "u"}])), "ForeignOwner", "metadata.ownerReferences is set"),
        (with("ownerReferences", json!("hunter2")), "ForeignOwner", "metadata.ownerReferences is set"),
        (with("labels", json!(["hunter2"])), "Malformed", "metadata.labels must be an object"),
        (with("labels", json!({"a": null})), "Malformed", "metadata.labels[a] must be a string"),
        (with("annotations", json!("hunter2")), "Malformed", "metadata.annotations must be an object"),
        (with("annotations", json!({"a": 1})), "Malformed", "metadata.annotations[a] must be a string"),
        (with("annotations", json!({"a": null})), "Malformed", "metadata.annotations[a] must be a string"),
        (with("finalizers", json!("hunter2")), "Malformed", "metadata.finalizers must be a list"),
        (with("finalizers", json!(["a/b", null])), "Malformed", "metadata.finalizers[1] must be a string"),
        (with("finalizers", json!([""])), "Malformed", "metadata.finalizers[0] must be a string"),
        (with("lables", json!({"a": "hunter2"})), "Malformed", "metadata.lables is no field of an object"),
    ];
    for (text, reason, message) in cases {
        let flaw = manifest(&text).expect_err(&text.to_string());
        let said = flaw.to_string();
        assert_eq!(flaw.reason(), reason, "{said}");
        assert!(said.contains(&format!("the manifest: {message}")), "{text}: {said}");
        assert!(said.len() < 500 && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_generated_name_is_refused_with_and_without_a_name() {
    for metadata in [json!({"generateName": "a-"}), json!({"generateName": "a-", "name": "a"})] {
        assert_eq!(manifest(&config(&metadata)), Err(Flaw::GenerateName));
    }
}

#[test]
fn what_muster_and_the_owner_of_a_replica_set_is_reserved() {
    let cases = [
        ("labels", "applyset.kubernetes.io/part-of"),
        ("annotations", "multicluster.coreos.com/made-for"),
        ("annotations", "multicluster.coreos.com/copied-from"),
        ("annotations", "multicluster.coreos.com/let-go"),
        ("annotations", "multicluster.coreos.com/pause"),
        ("annotations", "multicluster.coreos.com/leave"),
        ("annotations", "multicluster.coreos.com/release"),
    ];
    for (field, key) in cases {
        for mut text in [
            named("a"),
            json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster", "metadata": {"name": "a"}}),
        ] {
            text["metadata"][field] = json!({key: "hunter2"});
            let flaw = manifest(&text).expect_err(key);
            assert_eq!(flaw.reason(), "Reserved");
            assert_eq!(
                flaw.to_string(),
                format!(
                    "unable to use the manifest: metadata.{field}[{key}] is not for manifests to set: leave it out"
                )
            );
        }
    }
}

#[test]
fn annotations_of_musters_own_kinds_are_content_there_and_options_elsewhere() {
    for (name, value) in
        [("directory", "true"), ("console-url", "https://a"), ("namespace-deletion", "delete")]
    {
        let key = format!("multicluster.coreos.com/{name}");
        let mut own =
            json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster", "metadata": {"name": "a"}});
        own["metadata"]["annotations"] = json!({&key: value, "multicluster.coreos.com/on-drift": "report"});
        assert_eq!(item(&CLUSTERS, &own)["metadata"]["annotations"], json!({&key: value}));
        let mut other = named("a");
        other["metadata"]["annotations"] = json!({&key: value});
        assert_eq!(manifest(&other), Err(Flaw::Option(OptionError::Unknown(name.into()))));
    }
}

#[test]
fn a_flawed_manifest_keeps_its_place_and_holds_up_no_other() {
    let mut flawed = named("b");
    flawed["metadata"]["labels"] = json!([]);
    flawed["apiVersion"] = "apps/v1".into();
    let slots = work(&[named("a"), flawed, json!(null), named("c")]).manifests;
    let places: Vec<_> = slots.iter().map(|slot| (slot.ordinal, slot.manifest.is_ok())).collect();
    assert_eq!(places, [(0, true), (1, false), (2, false), (3, true)]);
    let named = Named {
        group: "apps".into(),
        version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: "prod".into(),
        name: "b".into(),
    };
    assert_eq!(slots[1].named, named);
    assert_eq!(slots[2].named, Named::default());
}

#[test]
fn what_is_known_of_a_manifest_is_bounded_and_plain() {
    let text = json!({
        "apiVersion": "x".repeat(10_000), "kind": "a\u{1b}[2J",
        "metadata": {"name": "x".repeat(10_000), "namespace": ["hunter2"]},
    });
    let named = work(&[text]).manifests.remove(0).named;
    assert_eq!((named.name.chars().count(), named.version.chars().count()), (254, 254));
    assert_eq!((named.kind.as_str(), named.namespace.as_str()), ("a\u{fffd}[2J", ""));
}
