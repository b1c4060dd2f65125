//! A directory may send anything.

use super::*;

/// A spec in which every field is used.
fn full() -> Value {
    let rules = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]}]);
    json!({
        "selector": {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "In", "values": ["d"]}]},
        "authorization": {
            "clusterBindings": [{"clusterRole": "view", "users": ["u"], "groups": ["g"], "serviceAccounts": ["n/a"]}],
            "clusterRoles": [{"name": "r", "rules": rules}, {"name": "s", "rules": [{"verbs": ["get"], "nonResourceURLs": ["/"]}]}],
        },
        "namespaces": [{
            "name": "n", "labels": {"a": "b"}, "annotations": {"c": "d"},
            "authorization": {
                "bindings": [{"clusterRole": "edit", "users": ["u"]}, {"role": "t", "serviceAccounts": ["n/a"]}],
                "roles": [{"name": "t", "rules": rules}],
            },
            "resourceQuota": {"hard": {"cpu": "1"}, "scopes": ["BestEffort"], "scopeSelector": {"matchExpressions": [
                {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]},
            ]}},
            "limitRange": {"limits": [{"type": "Pod", "max": {"cpu": 1}}]},
        }],
    })
}

/// The places of all values in a value, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let inner: Vec<_> = match value {
        Value::Array(list) => {
            list.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
        _ => Vec::new(),
    };
    for (step, value) in inner {
        places(value, &format!("{at}/{step}"), found);
    }
}

#[test]
fn garbage_at_any_place_is_an_error_or_a_policy_and_never_a_panic() {
    let spec = full();
    assert_eq!(Policy::read(&object(&spec)).unwrap().items.len(), 9);
    let mut found = Vec::new();
    places(&spec, "", &mut found);
    let huge = "\u{1b}[2J\u{202e}ä%/".repeat(5_000);
    let garbage = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!(huge),
        json!([]),
        json!([null]),
        json!([huge]),
        json!({}),
        json!({"": null}),
        json!({&huge: &huge}),
    ];
    let mut refused = 0;
    for place in &found {
        for wrong in &garbage {
            let mut spec = spec.clone();
            *spec.pointer_mut(place).unwrap() = wrong.clone();
            if let Err(error) = Policy::read(&object(&spec)) {
                let error = error.to_string();
                refused += 1;
                assert!(error.len() < 2_000, "at {place}: {} bytes", error.len());
                let tricks = |letter: char| letter.is_control() || letter == '\u{202e}';
                assert!(!error.contains(tricks), "at {place}: {error:?}");
                assert!(error.contains("web-api") && error.contains("spec"), "at {place}: {error}");
            }
        }
    }
    println!("{} places, {refused} of {} refused", found.len(), found.len() * garbage.len());
    assert!(refused > found.len() * garbage.len() / 2, "most of it must be refused");
}

#[test]
fn deep_nesting_is_an_error() {
    let depth = 100_000;
    let deep = format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let list = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    for bomb in [&deep, &list] {
        for spec in [
            bomb.clone(),
            format!(r#"{{"selector":{bomb}}}"#),
            format!(r#"{{"selector":{{"a":{bomb}}}}}"#),
            format!(r#"{{"selector":{{}},"authorization":{bomb}}}"#),
            format!(r#"{{"selector":{{}},"namespaces":{bomb}}}"#),
            format!(r#"{{"selector":{{}},"namespaces":[{bomb}]}}"#),
            format!(
                r#"{{"selector":{{}},"namespaces":[{{"name":"a","resourceQuota":{{"hard":{{"a":{bomb}}}}}}}]}}"#
            ),
            format!(r#"{{"selector":{{}},"other":{bomb}}}"#),
        ] {
            let text =
                format!(r#"{{"metadata":{{"name":"p","uid":"u","resourceVersion":"1"}},"spec":{spec}}}"#);
            let object = Object::parse(RawValue::from_string(text).unwrap()).unwrap();
            let error = Policy::read(&object).unwrap_err().to_string();
            assert!(error.len() < 500, "{error}");
        }
    }
}

#[test]
fn a_name_that_no_server_gives_is_refused_and_cut() {
    for name in ["A", "a b", "a/../b", "a?x=y", &"x".repeat(100_000)] {
        let error = Policy::read(&parse(&json!({
            "metadata": {"name": name, "uid": "u", "resourceVersion": "1"}, "spec": {"selector": {}},
        })))
        .unwrap_err()
        .to_string();
        assert!(error.contains("metadata.name: is no name that Kubernetes gives"), "{error}");
        assert!(error.len() < 500, "{} bytes", error.len());
    }
}
