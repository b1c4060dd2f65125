use muster_api::resource::{NAMESPACES, ROLE_BINDINGS};
use serde_json::json;

use super::*;

fn binding() -> Item {
    let target = Target {
        resource: ROLE_BINDINGS,
        namespace: Some("api-prod".to_owned()),
        name: "web-api-view".to_owned(),
    };
    let mut item = Item::new(target)
        .with("subjects", json!([{"kind": "User", "name": "a \"b\""}]))
        .with("roleRef", json!({"name": "view", "kind": "ClusterRole"}));
    item.annotations.insert("note".to_owned(), "line\nbreak".to_owned());
    item
}

type Edit = (&'static str, fn(&mut Item));

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

#[test]
fn a_manifest_is_canonical_and_reads_back_the_same() {
    let item = binding();
    let manifest = item.manifest();
    assert_eq!(
        manifest.get(),
        r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"annotations":{"note":"line\nbreak"},"name":"web-api-view","namespace":"api-prod"},"roleRef":{"kind":"ClusterRole","name":"view"},"subjects":[{"kind":"User","name":"a \"b\""}]}"#
    );
    assert_eq!(Item::read(ROLE_BINDINGS, &manifest).unwrap(), item);
    let other_order = r#" {"subjects":[{"name":"a \"b\"","kind":"User"}],"roleRef":{"name":"view","kind":"ClusterRole"},
        "metadata":{"namespace":"api-prod","name":"web-api-view","annotations":{"note":"line\u000abreak"}},
        "kind":"RoleBinding","apiVersion":"rbac.authorization.k8s.io/v1"}"#;
    let read = Item::read(ROLE_BINDINGS, &raw(other_order)).unwrap();
    assert_eq!(read, item);
    assert_eq!(read.digest(), item.digest());
}

#[test]
fn each_difference_shows_in_the_digest() {
    let item = binding();
    assert_eq!(item.digest().len(), 16);
    let edits: [fn(&mut Item); 7] = [
        |item| item.target.name.push('x'),
        |item| item.target.namespace = Some("api-test".to_owned()),
        |item| item.target.resource = NAMESPACES,
        |item| drop(item.labels.insert("a".to_owned(), "b".to_owned())),
        |item| drop(item.annotations.insert("note".to_owned(), "other".to_owned())),
        |item| *item = item.clone().with("subjects", json!([])),
        |item| item.finalizers.push("a/b".to_owned()),
    ];
    for (number, edit) in edits.iter().enumerate() {
        let mut edited = item.clone();
        edit(&mut edited);
        assert_ne!(edited.digest(), item.digest(), "edit {number} went unseen");
    }
}

#[test]
fn a_difference_is_named_whichever_side_it_is_on() {
    let item = binding();
    assert_eq!(item.difference(&item.clone()), None);
    let edits: [Edit; 5] = [
        ("metadata.finalizers", |item| item.finalizers.push("a/b".to_owned())),
        ("metadata.labels", |item| drop(item.labels.insert("a".to_owned(), "b".to_owned()))),
        ("metadata.annotations", |item| item.annotations.clear()),
        ("subjects", |item| *item = item.clone().with("subjects", json!([]))),
        ("spec", |item| *item = item.clone().with("spec", json!({}))),
    ];
    for (field, edit) in edits {
        let mut edited = item.clone();
        edit(&mut edited);
        assert_eq!(item.difference(&edited), Some(field));
        assert_eq!(edited.difference(&item), Some(field));
    }
}

#[test]
fn a_body_is_the_manifest_with_marks_and_a_guard() {
    let mut item = binding();
    item.labels.insert("mark".to_owned(), "own".to_owned());
    let body = item.body(&[("mark", "set")], &[("made-for", "p")], Guard::Absent);
    let body: Value = serde_json::from_str(&body).unwrap();
    let metadata = json!({
        "name": "web-api-view",
        "namespace": "api-prod",
        "labels": {"mark": "set"},
        "annotations": {"note": "line\nbreak", "made-for": "p"},
        "resourceVersion": "1",
    });
    assert_eq!(body["metadata"], metadata);
    assert_eq!(body["roleRef"]["name"], "view");
    let body: Value = serde_json::from_str(&item.body(&[], &[], Guard::Uid("u".to_owned()))).unwrap();
    assert_eq!(body["metadata"]["uid"], "u");
    assert_eq!(body["metadata"]["resourceVersion"], Value::Null);
    assert_eq!(body["metadata"]["labels"]["mark"], "own");
}

#[test]
fn a_manifest_that_muster_did_not_write_is_refused() {
    let kind = || "Namespace".to_owned();
    let malformed = ItemError::Malformed { kind: kind() };
    let cases = [
        ("null", malformed.clone()),
        ("[]", malformed.clone()),
        (r#"{"apiVersion":"v1","kind":"Namespace"}"#, malformed.clone()),
        (r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":""}}"#, malformed.clone()),
        (r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a","uid":"u"}}"#, malformed.clone()),
        (r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}"#, ItemError::Kind { kind: kind() }),
        (
            r#"{"apiVersion":"v2","kind":"Namespace","metadata":{"name":"a"}}"#,
            ItemError::Kind { kind: kind() },
        ),
        (
            r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a","namespace":"b"}}"#,
            ItemError::Namespace { kind: kind() },
        ),
        (
            r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a","namespace":""}}"#,
            ItemError::Namespace { kind: kind() },
        ),
    ];
    for (text, error) in cases {
        assert_eq!(Item::read(NAMESPACES, &raw(text)).unwrap_err(), error, "{text}");
    }
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let text = format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"a"}},"spec":{deep}}}"#);
    assert_eq!(Item::read(NAMESPACES, &raw(&text)).unwrap_err(), malformed);
    let text =
        r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"a"}}"#;
    assert!(matches!(Item::read(ROLE_BINDINGS, &raw(text)), Err(ItemError::Namespace { .. })));
}

#[test]
fn finalizers_are_written_and_read_back_in_their_order() {
    let mut item = binding();
    item.finalizers = vec!["b/b".to_owned(), "a/a".to_owned()];
    let manifest = item.manifest();
    assert!(manifest.get().contains(r#""finalizers":["b/b","a/a"],"name""#), "{manifest}");
    assert_eq!(Item::read(ROLE_BINDINGS, &manifest).unwrap(), item);
    let body: Value = serde_json::from_str(&item.body(&[], &[], Guard::Absent)).unwrap();
    assert_eq!(body["metadata"]["finalizers"], json!(["b/b", "a/a"]));
}

#[test]
fn a_field_of_the_content_is_found_by_its_name() {
    let item = binding();
    assert_eq!(item.content.field("roleRef"), Some(r#"{"kind":"ClusterRole","name":"view"}"#));
    assert_eq!(item.content.field("role"), None);
    let fields = [("b".to_owned(), json!({"y": 1, "x": 2})), ("a".to_owned(), json!(null))].into();
    let mut other = item;
    other.content = Content::of(&fields);
    assert!(other.manifest().get().ends_with(r#","a":null,"b":{"x":2,"y":1}}"#), "{}", other.manifest());
}
