use serde_json::json;

use super::*;

const US: &str = "us";

fn entry(manager: &str, fields: &Value) -> Value {
    json!({"manager": manager, "operation": "Apply", "fieldsV1": fields})
}

fn left(manifest: &Value, paths: &[&str], there: &Value, owned: &[Value]) -> Value {
    let mut there = there.clone();
    there["metadata"]["managedFields"] = owned.into();
    let mut left = manifest.clone();
    let paths: Vec<Path> = paths.iter().map(|path| Path::parse(path).unwrap().locate(manifest)).collect();
    leave(&mut left, &paths, &there, US);
    left
}

#[test]
fn what_others_own_is_not_sent_and_what_we_own_is_sent_as_it_is_there() {
    let manifest = json!({"spec": {"replicas": 1, "paused": true}});
    let there = json!({"spec": {"replicas": 5, "paused": true}});
    let ours = entry(US, &json!({"f:spec": {"f:replicas": {}, "f:paused": {}}}));
    let rest = entry(US, &json!({"f:spec": {"f:paused": {}}}));
    let theirs = entry("hpa", &json!({"f:spec": {"f:replicas": {}}}));
    let path = &["spec.replicas"];
    assert_eq!(left(&manifest, path, &there, std::slice::from_ref(&ours))["spec"], there["spec"]);
    assert_eq!(left(&manifest, path, &there, &[theirs.clone(), rest])["spec"], json!({"paused": true}));
    // Both own it: whoever stops sending it takes nothing away, and we keep on sending what is there.
    assert_eq!(left(&manifest, path, &there, &[theirs, ours.clone()])["spec"], there["spec"]);
    // The manifest does not ask for it any more: the server would take it away.
    let without = json!({"spec": {"paused": true}});
    assert_eq!(left(&without, path, &there, &[ours])["spec"], there["spec"]);
    assert_eq!(left(&manifest, path, &there, &[])["spec"], json!({"paused": true}));
}

#[test]
fn of_what_is_below_a_path_only_what_we_own_is_sent() {
    let manifest = json!({"metadata": {"annotations": {"a": "1", "b": "1"}}, "spec": {"x": {"y": 1}}});
    let there = json!({"metadata": {"annotations": {"a": "2", "b": "3", "c": "4"}}, "spec": {"x": {"y": 1}}});
    let ours = entry(US, &json!({"f:metadata": {"f:annotations": {".": {}, "f:a": {}}}}));
    let left =
        left(&manifest, &["spec.x", "metadata.annotations['b']", "metadata.annotations.a"], &there, &[ours]);
    assert_eq!(left, json!({"metadata": {"annotations": {"a": "2"}}}));
}

#[test]
fn elements_of_lists_are_known_by_their_merge_keys() {
    let container = |name: &str, image: &str| json!({"name": name, "image": image, "tty": true});
    let manifest = json!({"spec": {"containers": [container("a", "a:1"), container("b", "b:1")], "ports": [{"port": 80, "x": 1}]}});
    let there = json!({"spec": {"containers": [container("b", "b:2"), container("a", "a:2")],
        "ports": [{"port": 80, "protocol": "TCP", "x": 2}]}});
    let images = |own: &[&str]| {
        let pairs = own.iter().map(|name| {
            (format!("k:{{\"name\":\"{name}\"}}"), json!({".": {}, "f:image": {}, "f:name": {}, "f:tty": {}}))
        });
        let ports = json!({"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:x": {}}});
        entry(US, &json!({"f:spec": {"f:containers": pairs.collect::<Map<_, _>>(), "f:ports": ports}}))
    };
    for path in ["spec.containers[name=b].image", "spec.containers[1].image"] {
        let sent = left(&manifest, &[path], &there, &[images(&["a", "b"])]);
        let expected = json!([container("a", "a:1"), container("b", "b:2")]);
        assert_eq!(sent["spec"]["containers"], expected, "{path}");
        let sent = left(&manifest, &[path], &there, &[images(&["a"])]);
        assert_eq!(
            sent["spec"]["containers"],
            json!([container("a", "a:1"), {"name": "b", "tty": true}]),
            "{path}"
        );
    }
    let sent = left(&manifest, &["spec.ports[port=80].x"], &there, &[images(&[])]);
    assert_eq!(sent["spec"]["ports"], json!([{"port": 80, "x": 2}]));
    // An element that the manifest does not have any more.
    let fewer = json!({"spec": {"containers": [container("a", "a:1")]}});
    let sent = left(&fewer, &["spec.containers[name=b]"], &there, &[images(&["a", "b"])]);
    assert_eq!(sent["spec"]["containers"], json!([container("a", "a:1"), container("b", "b:2")]));
    let sent = left(&fewer, &["spec.containers[name=b]"], &there, &[images(&["a"])]);
    assert_eq!(sent, fewer);
}

#[test]
fn within_what_is_owned_as_a_whole_stands_what_is_there() {
    let manifest = json!({"spec": {"rules": [{"host": "a", "ca": ""}, {"host": "b", "ca": ""}]}});
    let there = json!({"spec": {"rules": [{"host": "a", "ca": "x"}, {"host": "c", "ca": "y"}]}});
    for owner in [US, "injector"] {
        let whole = entry(owner, &json!({"f:spec": {"f:rules": {}}}));
        let sent = left(&manifest, &["spec.rules[0].ca"], &there, &[whole]);
        assert_eq!(
            sent["spec"]["rules"],
            json!([{"host": "a", "ca": "x"}, {"host": "b", "ca": ""}]),
            "{owner}"
        );
    }
    let whole = entry("injector", &json!({"f:spec": {"f:rules": {}}}));
    let bare = json!({"spec": {"rules": [{"host": "a"}]}});
    let sent = left(&manifest, &["spec.rules[0].ca"], &bare, &[whole]);
    assert_eq!(sent["spec"]["rules"][0], json!({"host": "a"}));
}

#[test]
fn members_of_a_set_are_kept_while_we_own_them() {
    let manifest = json!({"metadata": {"finalizers": ["a/b", "c/d"]}});
    let there = json!({"metadata": {"finalizers": ["a/b", "c/d", "e/f"]}});
    let ours = entry(US, &json!({"f:metadata": {"f:finalizers": {".": {}, "v:\"a/b\"": {}}}}));
    let sent = left(&manifest, &["metadata.finalizers"], &there, &[ours]);
    assert_eq!(sent["metadata"]["finalizers"], json!(["a/b"]));
}

#[test]
fn whatever_a_server_says_nothing_breaks() {
    let manifest = json!({"spec": {"a": [1, {"b": 2}], "c": {"d": 1}}});
    let paths = ["spec.a[0]", "spec.a[b=2].b", "spec.c.d", "spec.c", "spec"];
    let odd = [
        json!(null),
        json!(1),
        json!([]),
        json!({}),
        json!({"spec": 1}),
        json!({"spec": {"a": {}, "c": []}}),
    ];
    let sets = [
        json!({"f:spec": 1}),
        json!({"f:spec": {"f:a": {"k:{": {}, "k:{\"b\":2}": {}, "i:0": {}, "v:1": {}}, "f:c": {"f:d": {"f:e": {}}}, "": {}}}),
        json!([]),
    ];
    for there in &odd {
        for set in &sets {
            for path in paths {
                let mut there = there.clone();
                if there.is_object() {
                    there["metadata"] = json!({"managedFields": [entry(US, set), 1, {"fieldsV1": {}}]});
                }
                let mut manifest = manifest.clone();
                leave(&mut manifest, &[Path::parse(path).unwrap()], &there, US);
            }
        }
    }
}
