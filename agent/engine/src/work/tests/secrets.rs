//! Manifests that are Secrets.

use serde_json::{Value, json};

use super::manifest as read_one;

fn secret(more: &Value) -> Value {
    let mut secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "web"}});
    for (field, value) in more.as_object().unwrap() {
        secret[field] = value.clone();
    }
    secret
}

#[test]
fn what_a_secret_says_is_brought_into_one_form() {
    for (says, data) in [
        (json!({"data": {"a": "Y2FuYXJ5"}}), Some(json!({"a": "Y2FuYXJ5"}))),
        (json!({"data": {"a": "Y2Fu\r\nYXJ5\n"}}), Some(json!({"a": "Y2FuYXJ5"}))),
        (json!({"stringData": {"a": "canary"}}), Some(json!({"a": "Y2FuYXJ5"}))),
        (
            json!({"data": {"a": "eA==", "b": ""}, "stringData": {"a": "canary"}}),
            Some(json!({"a": "Y2FuYXJ5", "b": ""})),
        ),
        (json!({"stringData": {"a": ""}}), Some(json!({"a": ""}))),
        (json!({"data": {}, "stringData": null}), None),
        (json!({}), None),
    ] {
        let manifest = read_one(&secret(&says)).unwrap();
        let read =
            |field| manifest.content.field(field).map(|text| serde_json::from_str::<Value>(text).unwrap());
        assert_eq!((read("data"), read("stringData")), (data, None), "{says}");
    }
    let manifest = read_one(&secret(&json!({"type": "example.com/x", "immutable": true}))).unwrap();
    assert_eq!(manifest.content.field("type"), Some(r#""example.com/x""#));
    assert_eq!(manifest.content.field("immutable"), Some("true"));
}

#[test]
fn what_is_wrong_in_a_secret_is_named_by_its_key_and_never_by_its_value() {
    for (says, field) in [
        (json!({"data": {"pass": "canary!"}}), "data[pass] is not base64"),
        (json!({"data": {"pass": "Y2FuYXJ5="}}), "data[pass] is not base64"),
        (json!({"data": {"pass": "Y2FuYXJ"}}), "data[pass] is not base64"),
        (json!({"data": {"pass": {"canary": 1}}}), "data[pass] must be a string"),
        (json!({"data": {"pass": null}}), "data[pass] must be a string"),
        (json!({"stringData": {"pass": ["canary"]}}), "stringData[pass] must be a string"),
        (json!({"data": "canary"}), "data must be an object"),
        (json!({"stringData": ["canary"]}), "stringData must be an object"),
        (json!({"type": {"canary": 1}}), "type must be a string"),
        (json!({"immutable": "canary"}), "immutable must be true or false"),
        (json!({"stringdata": {"pass": "canary"}}), "stringdata is no field of a Secret"),
        (json!({"spec": "canary"}), "spec is no field of a Secret"),
    ] {
        let flaw = read_one(&secret(&says)).unwrap_err();
        let said = flaw.to_string();
        assert!(said.ends_with(field), "{says}: {said}");
        for text in [&said, &format!("{flaw:?}")] {
            assert!(!text.contains("canary") && !text.contains("Y2Fu"), "{text}");
        }
    }
}

#[test]
fn a_kind_of_another_group_that_is_called_secret_is_as_any_other() {
    let mut other = secret(&json!({"spec": {"a": "b"}}));
    other["apiVersion"] = "example.com/v1".into();
    let manifest = read_one(&other).unwrap();
    assert_eq!(manifest.content.field("spec"), Some(r#"{"a":"b"}"#));
}

#[test]
fn what_was_read_cannot_be_printed() {
    let manifest = read_one(&secret(&json!({"stringData": {"pass": "canary"}}))).unwrap();
    let printed = format!("{manifest:?}");
    assert!(!printed.contains("Y2FuYXJ5") && printed.contains("login"), "{printed}");
}
