use serde_json::json;

use super::*;

fn stripped(mut value: Value, paths: &[&str]) -> Value {
    let paths: Vec<Path> = paths.iter().map(|text| Path::parse(text).unwrap()).collect();
    strip(&mut value, &paths);
    value
}

#[test]
fn only_what_is_at_a_path_goes() {
    let value = json!({"spec": {"replicas": 3, "paused": false}, "data": {"a.b": "1", "c": "2"}});
    assert_eq!(
        stripped(value.clone(), &["spec.replicas", "data['a.b']"]),
        json!({"spec": {"paused": false}, "data": {"c": "2"}})
    );
    for other in ["spec.other", "spec[0]", "spec.replicas.x", "spec.replicas[0]", "data.a.b", "spec[name=x]"]
    {
        assert_eq!(stripped(value.clone(), &[other]), value, "{other}");
    }
    assert_eq!(stripped(value.clone(), &[]), value);
}

#[test]
fn elements_are_found_by_keys_by_value_and_by_place() {
    let value =
        json!({"list": [{"name": "a", "x": 1, "y": 1}, {"name": "b", "x": 2, "y": 2}], "set": ["p", 5]});
    let cases = [
        (
            "list[name=a].x",
            json!({"list": [{"name": "a", "y": 1}, {"name": "b", "x": 2, "y": 2}], "set": ["p", 5]}),
        ),
        (
            "list[1].x",
            json!({"list": [{"name": "a", "x": 1, "y": 1}, {"name": "b", "y": 2}], "set": ["p", 5]}),
        ),
        ("list[name=a]", json!({"list": [{"name": "b", "x": 2, "y": 2}], "set": ["p", 5]})),
        (
            "set[=5]",
            json!({"list": [{"name": "a", "x": 1, "y": 1}, {"name": "b", "x": 2, "y": 2}], "set": ["p"]}),
        ),
        (
            "set[0]",
            json!({"list": [{"name": "a", "x": 1, "y": 1}, {"name": "b", "x": 2, "y": 2}], "set": [5]}),
        ),
    ];
    for (path, left) in cases {
        assert_eq!(stripped(value.clone(), &[path]), left, "{path}");
    }
}

#[test]
fn a_port_without_a_protocol_has_the_default() {
    let value =
        json!({"ports": [{"port": 80, "nodePort": 1}, {"port": 80, "protocol": "UDP", "nodePort": 2}]});
    assert_eq!(
        stripped(value, &["ports[port=80,protocol=TCP].nodePort"]),
        json!({"ports": [{"port": 80}, {"port": 80, "protocol": "UDP", "nodePort": 2}]})
    );
}

#[test]
fn places_are_those_of_the_manifest_as_given() {
    assert_eq!(stripped(json!({"l": [0, 1, 2, 3]}), &["l[0]", "l[1]", "l[3]"]), json!({"l": [2]}));
}

#[test]
fn what_becomes_empty_goes_but_an_element_of_a_list_stays() {
    let value =
        json!({"a": {"b": {"c": 1}}, "l": [{"name": "x", "y": 1}, {"y": {"z": 1}}], "e": {}, "s": ["v"]});
    assert_eq!(
        stripped(value, &["a.b.c", "l[name=x].y", "l[1].y.z", "e.x", "s[0]"]),
        json!({"l": [{"name": "x"}, {}], "e": {}})
    );
}
