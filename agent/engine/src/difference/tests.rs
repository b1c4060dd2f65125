use serde_json::json;

use super::*;
use crate::fields::Path;

fn found(wanted: &Value, there: &Value) -> Vec<String> {
    let differences = paths(wanted, there, 100);
    assert_eq!(differences.more, 0);
    differences.paths
}

/// An object as a server would show it, for a manifest.
fn there(wanted: &Value) -> Value {
    let mut there = wanted.clone();
    there["metadata"] = json!({"name": "a", "uid": "u", "resourceVersion": "1"});
    there["status"] = json!({"observedGeneration": 1});
    there
}

#[test]
fn what_only_the_server_has_is_no_difference() {
    let wanted = json!({"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"size": 1}});
    assert_eq!(found(&wanted, &there(&wanted)), [""; 0]);
}

#[test]
fn each_field_that_is_absent_or_different_is_named_once() {
    let wanted = json!({"spec": {
        "same": 1, "size": 3, "gone": {"a": 1, "b": 2}, "kind": "text", "list": ["a"], "example.com/x": true, "n": 1.0,
    }});
    let there = json!({"spec": {"same": 1, "size": 2, "kind": {"of": "other"}, "list": {"a": 1}, "n": 1}});
    assert_eq!(
        found(&wanted, &there),
        ["spec['example.com/x']", "spec.gone", "spec.kind", "spec.list", "spec.size"]
    );
    assert_eq!(
        found(&json!({"n": 9_007_199_254_740_993_u64}), &json!({"n": 9_007_199_254_740_992_u64})),
        ["n"]
    );
    assert_eq!(found(&json!([1]), &json!({})), [""], "no object at all");
}

#[test]
fn what_asks_for_nothing_need_not_be_there() {
    let wanted = json!({"spec": {"a": null, "b": {}, "c": []}});
    assert_eq!(found(&wanted, &json!({"spec": {}})), [""; 0]);
    assert_eq!(found(&wanted, &json!({})), ["spec"]);
    assert_eq!(found(&wanted, &json!({"spec": {"a": 1, "b": {"x": 1}, "c": [1]}})), ["spec.a"]);
}

#[test]
fn a_quantity_that_is_written_in_another_way_is_reported() {
    let wanted = json!({"spec": {"cpu": "1"}});
    assert_eq!(found(&wanted, &json!({"spec": {"cpu": "1000m"}})), ["spec.cpu"]);
}

#[test]
fn elements_are_matched_by_what_names_them() {
    let cases = [
        ("name", json!({"name": "a", "x": 1}), json!({"name": "b", "x": 1}), "list[name=a].x"),
        (
            "port",
            json!({"port": 80, "x": 1}),
            json!({"port": 80, "protocol": "UDP", "x": 1}),
            "list[port=80,protocol=TCP].x",
        ),
        ("type", json!({"type": "a/b", "x": 1}), json!({"type": "b", "x": 1}), "list[type=a/b].x"),
        ("key", json!({"key": "a b", "x": 1}), json!({"key": "b", "x": 1}), "list[key='a b'].x"),
        (
            "mountPath",
            json!({"mountPath": "/a", "x": 1}),
            json!({"mountPath": "/b", "x": 1}),
            "list[mountPath=/a].x",
        ),
    ];
    for (name, first, second, path) in cases {
        let wanted = json!({"list": [first, second]});
        // The other way round, and with one that only the server has.
        let extra = if name == "port" { json!({"port": 81}) } else { json!({name: "extra"}) };
        let mut changed = first.clone();
        changed["x"] = json!(2);
        assert_eq!(found(&wanted, &json!({"list": [extra, second, changed]})), [path]);
        let whole = path.trim_end_matches(".x");
        assert_eq!(found(&wanted, &json!({"list": [extra, second]})), [whole], "it is not there");
        assert_eq!(found(&wanted, &json!({"list": [second, extra, first]})), [""; 0]);
    }
}

#[test]
fn elements_that_nothing_names_are_compared_by_place() {
    let twice = json!({"list": [{"name": "a", "x": 1}, {"name": "a", "x": 2}]});
    assert_eq!(
        found(&twice, &json!({"list": [{"name": "a", "x": 1}, {"name": "a", "x": 3}]})),
        ["list[1].x"]
    );
    assert_eq!(found(&twice, &json!({"list": [{"name": "a", "x": 1}]})), ["list[1]"]);
    let odd = json!({"list": [{"name": null, "x": 1}, 5]});
    assert_eq!(found(&odd, &json!({"list": [{"x": 2}, 6]})), ["list[0].x", "list[1]"]);
}

#[test]
fn scalars_count_as_there_in_their_order_and_by_place_else() {
    let wanted = json!({"list": ["a", "b"]});
    assert_eq!(found(&wanted, &json!({"list": ["x", "a", "y", "b"]})), [""; 0]);
    assert_eq!(found(&wanted, &json!({"list": ["a", "c"]})), ["list[1]"]);
    assert_eq!(found(&wanted, &json!({"list": ["b", "a"]})), ["list[0]", "list[1]"]);
    assert_eq!(found(&wanted, &json!({"list": ["a"]})), ["list[1]"]);
}

#[test]
fn of_secrets_only_keys_are_named() {
    let wanted = json!({
        "apiVersion": "v1", "kind": "Secret",
        "data": {"tls.crt": {"inner": "x"}, "both": "AAAA", "same": "eA==", "other": "eA=="},
        "stringData": {"both": "plain", "right": "x", "wrong": "hunter2", "odd": 5},
        "binaryData": {"b": {"inner": 1}},
    });
    let there = json!({
        "apiVersion": "v1", "kind": "Secret",
        "data": {"tls.crt": {"inner": "y"}, "both": "cGxhaW4=", "same": "eA==", "other": "eQ==", "right": "eA==", "wrong": "eA=="},
        "binaryData": {"b": {"inner": 2}},
    });
    assert_eq!(
        found(&wanted, &there),
        ["binaryData.b", "data.other", "data['tls.crt']", "stringData.odd", "stringData.wrong"]
    );
}

#[test]
fn no_value_is_in_a_path() {
    let wanted = json!({"a": "hunter2", "b": ["hunter2"], "c": {"d": "hunter2"}, "e": [{"x": "hunter2"}]});
    for path in found(&wanted, &json!({"a": 1, "b": [1], "c": {"d": 1}, "e": [{"x": 1}]})) {
        assert!(!path.contains("hunter2"), "{path}");
    }
}

#[test]
fn at_most_as_many_as_asked_for_and_the_rest_is_counted() {
    let wanted: Map<String, Value> = (0..100).map(|number| (format!("f{number:02}"), json!(1))).collect();
    let differences = paths(&Value::Object(wanted.clone()), &json!({}), 3);
    assert_eq!(differences, Differences { paths: vec!["f00".into(), "f01".into(), "f02".into()], more: 97 });
    assert_eq!(paths(&Value::Object(wanted), &json!({}), 0).more, 100);
}

#[test]
fn depth_and_length_are_bounded() {
    // Two fields differ, at a depth where they are one.
    let nest = |inner: u32| {
        let inner = json!({"a": inner, "b": inner});
        let text = format!("{}{inner}{}", r#"{"field":["#.repeat(50), "]}".repeat(50));
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let deep = found(&nest(1), &nest(2));
    assert_eq!(deep.len(), 1);
    assert!(deep[0].len() <= LONGEST_PATH && deep[0].ends_with(CUT), "{deep:?}");
    for name in ["x".repeat(300), "ä".repeat(300), "\u{7f}".repeat(300), "x".repeat(254)] {
        let path = found(&json!({&name: {"y": 1}}), &json!({&name: {"y": 2}})).pop().unwrap();
        assert!(path.len() <= LONGEST_PATH, "{path}");
        assert_eq!(path.ends_with(CUT), name.len() > 254, "{path}");
    }
}

#[test]
fn each_path_that_is_not_cut_reads_back() {
    let wanted = json!({
        "a.b": {"it's": 1}, "c": [{"name": "x\n\u{202e}'\\"}], "d": [[1]], "": 1, "e\"": 1, "f": [{"port": "http", "x": 1}],
    });
    let there = json!({"a.b": {}, "c": [], "d": [[]], "f": [{"port": "http", "protocol": "TCP"}]});
    let found = found(&wanted, &there);
    assert_eq!(found.len(), 6, "{found:?}");
    for path in found {
        assert_eq!(Path::parse(&path).unwrap().to_string(), path);
        assert!(!path.contains(['\n', '\u{202e}']), "{path}");
    }
}
