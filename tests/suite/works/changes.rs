//! Whatever becomes of a Work, exactly the right objects stay: the same ones, by UID, with no deletion but those that
//! are asked for.

use std::collections::BTreeMap;

use muster_tests::plane::AuditMark;
use serde_json::{Value, json};

use super::bench::{Bench, is_gone, made, settled, turnover, written};
use super::{config_map, manifest, namespace, put_work, put_work_with, until_told, work, works};
use crate::fleet::{quietly, version};
use crate::trail;

/// The option that decides what becomes of an object.
const DELETION: &str = "multicluster.coreos.com/deletion";

/// What is there, and what a change made of it.
struct Story {
    bench: Bench,
    before: BTreeMap<String, String>,
    mark: AuditMark,
}

impl Story {
    fn new() -> Self {
        let bench = Bench::new();
        let mark = trail::mark(&bench.fleet.replica);
        Self { bench, before: BTreeMap::new(), mark }
    }

    /// Gives a Work these manifests, and waits until it says that all of them are applied.
    fn asks(&self, name: &str, manifests: &[Value]) {
        put_work(&self.bench.fleet, name, &json!(manifests));
        self.applied(name);
    }

    fn applied(&self, name: &str) {
        until_told(&self.bench.fleet, &self.bench.agent, name, "Applied", "Applied");
    }

    /// Asks for a Work's end, and does not wait for it.
    fn drops(&self, name: &str) {
        self.bench.fleet.directory.api().delete(&format!("{}/{name}", works())).unwrap();
    }

    /// Deletes a Work, and waits until it and its ledger are gone.
    fn ends(&self, name: &str) {
        self.drops(name);
        self.bench.until(&format!("Work {name} gone"), || is_gone(&self.bench.fleet, name));
    }

    /// Waits until exactly these objects are there, and the ledgers of these Works record them and no others. Checks
    /// that these came and these went since the last look, and that all others are the same as before.
    fn shows(&mut self, what: &str, there: &[&str], ledgers: &[&str], came: &[&str], went: &[&str]) {
        let fleet = &self.bench.fleet;
        self.bench.until(what, || {
            let now = made(fleet);
            if !now.keys().eq(there) {
                return Err(format!("{now:#?}"));
            }
            let mut recorded = BTreeMap::new();
            for name in ledgers {
                recorded.extend(settled(fleet, name)?);
            }
            if recorded == now { Ok(()) } else { Err(format!("recorded: {recorded:#?}")) }
        });
        let now = made(fleet);
        for (key, uid) in &now {
            let same = self.before.get(key) == Some(uid);
            assert_eq!(same, !came.contains(&key.as_str()), "{what}: {key}");
        }
        let expected = came.iter().map(|key| format!("create {key}"));
        let expected = expected.chain(went.iter().map(|key| format!("delete {key}")));
        let expected: BTreeMap<String, usize> = expected.map(|write| (write, 1)).collect();
        assert_eq!(turnover(fleet, self.mark), expected, "{what}");
        self.before = now;
        self.mark = trail::mark(&fleet.replica);
    }
}

fn config(name: &str, value: &str) -> Value {
    config_map("default", name, value)
}

/// A manifest with an option of its own.
fn with_deletion(mut manifest: Value, deletion: &str) -> Value {
    manifest["metadata"]["annotations"] = json!({DELETION: deletion});
    manifest
}

#[test]
fn a_change_of_a_work_touches_what_it_changes_and_nothing_else() {
    let mut story = Story::new();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| format!("configmaps default/{name}"));
    let [a, b, c, d] = [&a, &b, &c, &d].map(String::as_str);

    story.asks("app", &[config("a", "one"), config("b", "one"), config("c", "one")]);
    story.shows("a new Work", &[a, b, c], &["app"], &[a, b, c], &[]);

    story.asks("app", &[config("a", "two"), config("b", "one"), config("c", "one")]);
    let patched: Vec<String> = written(&story.bench.fleet, story.mark)
        .into_iter()
        .filter(|event| event.resource != "appliedworks")
        .map(|event| format!("{} {}", event.verb, event.name))
        .collect();
    assert_eq!(patched, ["patch a"]);
    story.shows("another value", &[a, b, c], &["app"], &[], &[]);
    let value = story.bench.api().get("/api/v1/namespaces/default/configmaps/a").unwrap();
    assert_eq!(value["data"]["key"], "two");

    story.asks("app", &[config("c", "one"), config("a", "two"), config("b", "one")]);
    let objects = written(&story.bench.fleet, story.mark);
    let objects: Vec<_> = objects.into_iter().filter(|event| event.group.is_empty()).collect();
    assert_eq!(objects, [], "another order is no change of an object");
    story.shows("another order", &[a, b, c], &["app"], &[], &[]);

    story.asks("app", &[config("c", "one"), config("a", "two")]);
    story.shows("one less", &[a, c], &["app"], &[], &[b]);

    story.asks("app", &[config("c", "one"), config("d", "two")]);
    story.shows("one in the place of another", &[c, d], &["app"], &[d], &[a]);

    put_work(&story.bench.fleet, "app", &json!([]));
    story.shows("nothing", &[], &["app"], &[], &[c, d]);
    story.applied("app");

    story.asks("app", &[config("c", "one")]);
    story.shows("one again", &[c], &["app"], &[c], &[]);
    story.ends("app");
    story.shows("the end", &[], &[], &[], &[c]);
}

#[test]
fn another_version_of_a_kind_is_the_same_object_and_another_namespace_is_another_one() {
    let mut story = Story::new();
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let scaler = |version: &str, spec: Value| {
        let mut scaler =
            manifest(version, "HorizontalPodAutoscaler", "default", "web", json!({"spec": spec}));
        scaler["spec"]["scaleTargetRef"] = target.clone();
        scaler["spec"]["maxReplicas"] = json!(5);
        scaler
    };
    let metric = |percent: u32| {
        json!({"type": "Resource", "resource": {"name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": percent}}})
    };
    let web = "horizontalpodautoscalers default/web";
    story.asks("scale", &[scaler("autoscaling/v1", json!({"targetCPUUtilizationPercentage": 50}))]);
    story.shows("autoscaling/v1", &[web], &["scale"], &[web], &[]);
    story.asks("scale", &[scaler("autoscaling/v2", json!({"metrics": [metric(60)]}))]);
    story.shows("autoscaling/v2", &[web], &["scale"], &[], &[]);
    let seen = story.bench.api().get("/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/web");
    assert_eq!(seen.unwrap()["spec"]["metrics"], json!([metric(60)]));
    story.asks("scale", &[scaler("autoscaling/v1", json!({"targetCPUUtilizationPercentage": 70}))]);
    story.shows("autoscaling/v1 again", &[web], &["scale"], &[], &[]);

    for name in ["one", "two"] {
        story.bench.fleet.replica.apply(&namespace(name).to_string()).unwrap();
    }
    let (one, two) = ("configmaps one/a", "configmaps two/a");
    story.asks("move", &[config_map("one", "a", "x")]);
    story.shows("in one namespace", &[one, web], &["scale", "move"], &[one], &[]);
    story.asks("move", &[config_map("two", "a", "x")]);
    story.shows("moved to another", &[two, web], &["scale", "move"], &[two], &[one]);
    story.ends("scale");
    story.ends("move");
    story.shows("the end", &[], &[], &[], &[two, web]);
}

#[test]
fn what_is_to_stay_when_a_work_goes_stays_without_its_marks() {
    let mut story = Story::new();
    let (a, b) = ("configmaps default/a", "configmaps default/b");
    let api = story.bench.api();
    let path = |name: &str| format!("/api/v1/namespaces/default/configmaps/{name}");
    let (keep, remove) = (json!({DELETION: "orphan"}), json!({DELETION: "delete"}));
    let stories = [
        ("all go", json!({}), [config("a", "x"), config("b", "x")], [false, false]),
        ("all stay", keep.clone(), [config("a", "x"), config("b", "x")], [true, true]),
        ("one stays", remove, [config("a", "x"), with_deletion(config("b", "x"), "orphan")], [false, true]),
        ("one goes", keep, [with_deletion(config("a", "x"), "delete"), config("b", "x")], [false, true]),
    ];
    for (what, options, manifests, stay) in stories {
        put_work_with(&story.bench.fleet, "app", &options, &json!(manifests));
        story.applied("app");
        story.shows(what, &[a, b], &["app"], &[a, b], &[]);
        let before = ["a", "b"].map(|name| version(&api.get(&path(name)).unwrap()).0);
        story.ends("app");
        let gone: Vec<&str> = [(a, stay[0]), (b, stay[1])].iter().filter(|it| !it.1).map(|it| it.0).collect();
        story.shows(&format!("{what}: the end"), &[], &[], &[], &gone);
        for (place, name) in ["a", "b"].into_iter().enumerate() {
            let Ok(left) = api.get(&path(name)) else {
                assert!(!stay[place], "{what}: {name}");
                continue;
            };
            assert_eq!((stay[place], &version(&left).0), (true, &before[place]), "{what}: {left:#}");
            assert_eq!((&left["metadata"]["labels"], &left["data"]["key"]), (&Value::Null, &json!("x")));
            assert!(!left["metadata"]["annotations"].to_string().contains("made-for"), "{left:#}");
            api.delete(&path(name)).unwrap();
        }
    }
}

#[test]
fn a_work_that_is_made_again_under_its_name_at_once_has_objects_of_its_own() {
    let mut story = Story::new();
    let [a, b, c] = ["configmaps default/a", "configmaps default/b", "configmaps default/c"];
    story.asks("app", &[config("a", "one"), config("b", "one")]);
    story.shows("the first", &[a, b], &["app"], &[a, b], &[]);
    let first = work(&story.bench.fleet, "app");

    story.drops("app");
    let again = json!({
        "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work", "metadata": {"name": "app"},
        "spec": {"workload": {"manifests": [config("b", "two"), config("c", "two")]}},
    });
    let directory = story.bench.fleet.directory.api();
    quietly("the name free", || directory.create(&works(), &again).map_err(|error| error.to_string()));
    story.bench.until("the second Work applied", || {
        let seen = work(&story.bench.fleet, "app");
        let told = seen.pointer("/status/conditions/0/reason").cloned().unwrap_or_default();
        if told == "Applied" { Ok(()) } else { Err(told.to_string()) }
    });
    assert_ne!(version(&work(&story.bench.fleet, "app")).0, version(&first).0);
    story.shows("the second", &[b, c], &["app"], &[b, c], &[a, b]);
    story.ends("app");
    story.shows("the end", &[], &[], &[], &[b, c]);
}

#[test]
fn an_object_passes_from_one_work_to_another_in_either_order() {
    let mut story = Story::new();
    let [a, b, c] = ["configmaps default/a", "configmaps default/b", "configmaps default/c"];
    let fleet_works = ["one", "two"];
    story.asks("one", &[config("a", "1"), config("b", "1"), config("c", "1")]);
    story.asks("two", &[]);
    story.shows("all are the first one's", &[a, b, c], &fleet_works, &[a, b, c], &[]);

    // Dropped, and asked for at once: before the moment in which it would be deleted.
    put_work(&story.bench.fleet, "one", &json!([config("b", "1"), config("c", "1")]));
    story.asks("two", &[config("a", "2")]);
    story.applied("one");
    story.shows("dropped, then asked for", &[a, b, c], &fleet_works, &[], &[]);

    put_work(&story.bench.fleet, "two", &json!([config("a", "2"), config("b", "2")]));
    until_told(&story.bench.fleet, &story.bench.agent, "two", "Applied", "Incomplete");
    story.asks("one", &[config("c", "1")]);
    story.applied("two");
    story.shows("asked for, then dropped", &[a, b, c], &fleet_works, &[], &[]);

    // The whole first Work goes while the second one asks for what it had.
    put_work(&story.bench.fleet, "two", &json!([config("a", "2"), config("b", "2"), config("c", "2")]));
    until_told(&story.bench.fleet, &story.bench.agent, "two", "Applied", "Incomplete");
    story.ends("one");
    story.applied("two");
    story.shows("left by a Work that went", &[a, b, c], &["two"], &[], &[]);
    for name in ["a", "b", "c"] {
        let seen = story.bench.api().get(&format!("/api/v1/namespaces/default/configmaps/{name}")).unwrap();
        assert_eq!(seen["data"]["key"], "2", "{seen:#}");
    }
    story.ends("two");
    story.shows("the end", &[], &[], &[], &[a, b, c]);
}
