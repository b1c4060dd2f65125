//! What is rare, and happens: definitions that go, namespaces that do not end, and APIs that nobody serves.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::throughout;
use serde_json::{Value, json};

use super::bench::{Bench, is_gone, made, turnover};
use super::rounds::Rounds;
use super::{config_map, manifest, put_work, told, until_told, widgets, work, works};
use crate::fleet::{Fleet, version};
use crate::trail;

const GROUP: &str = "peculiar.example.com";
/// Longer than an agent waits before it tries again.
const WHILE: Duration = Duration::from_secs(8);

fn definition() -> String {
    format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{GROUP}")
}

fn widget(name: &str) -> Value {
    manifest(&format!("{GROUP}/v1"), "Widget", "default", name, json!({"spec": {"size": "one"}}))
}

fn widget_path(name: &str) -> String {
    format!("/apis/{GROUP}/v1/namespaces/default/widgets/{name}")
}

fn applied(bench: &Bench, work: &str) {
    until_told(&bench.fleet, &bench.agent, work, "Applied", "Applied");
}

fn drop_work(fleet: &Fleet, name: &str) {
    fleet.directory.api().delete(&format!("{}/{name}", works())).unwrap();
}

fn once(writes: &[&str]) -> BTreeMap<String, usize> {
    writes.iter().map(|write| ((*write).to_owned(), 1)).collect()
}

#[test]
fn a_definition_that_somebody_deletes_comes_back_with_its_objects() {
    let bench = Bench::new();
    put_work(&bench.fleet, "app", &json!([widget("w"), widgets(GROUP), config_map("default", "a", "one")]));
    applied(&bench, "app");
    let api = bench.api();
    let before = version(&api.get(&widget_path("w")).unwrap()).0;
    let a = made(&bench.fleet);
    let mark = trail::mark(&bench.fleet.replica);
    api.delete(&definition()).unwrap();
    bench.until("the object back", || {
        let now = api.get(&widget_path("w")).map_err(|error| error.to_string())?;
        if version(&now).0 == before { Err("it is there yet".to_owned()) } else { Ok(()) }
    });
    applied(&bench, "app");
    assert_eq!(made(&bench.fleet), a);
    let back =
        [&format!("create customresourcedefinitions /widgets.{GROUP}") as &str, "create widgets default/w"];
    assert_eq!(turnover(&bench.fleet, mark), once(&back));
}

#[test]
fn objects_whose_definition_is_anothers_go_and_come_with_it() {
    let bench = Bench::new();
    let api = bench.api();
    bench.fleet.replica.apply(&widgets(GROUP).to_string()).unwrap();
    for name in ["one", "two"] {
        let manifests = json!([widget(name), config_map("default", name, "one")]);
        put_work(&bench.fleet, name, &manifests);
        applied(&bench, name);
    }
    let before = made(&bench.fleet);
    let mark = trail::mark(&bench.fleet.replica);
    api.delete(&definition()).unwrap();
    // Whether the object was seen to go, or its kind first.
    bench.until("the Work not said to be applied", || {
        ["Pending", "Incomplete"]
            .iter()
            .find_map(|reason| told(&bench.fleet, "one", "Applied", reason).ok())
            .map(|_| ())
            .ok_or_else(|| work(&bench.fleet, "one")["status"].to_string())
    });
    // A Work that goes meanwhile does not wait for what is gone.
    drop_work(&bench.fleet, "two");
    bench.until("the Work gone", || is_gone(&bench.fleet, "two"));
    let edit = json!({"data": {"key": "by hand"}});
    let path = "/api/v1/namespaces/default/configmaps/one";
    api.patch(path, MERGE_PATCH, &edit).unwrap();
    bench.until("a hand edit undone", || {
        let object = api.get(path).map_err(|error| error.to_string())?;
        if object["data"]["key"] == "one" { Ok(()) } else { Err(object.to_string()) }
    });
    bench.until("the definition gone", || {
        api.get(&definition()).map_or(Ok(()), |definition| Err(definition["status"].to_string()))
    });
    bench.fleet.replica.apply(&widgets(GROUP).to_string()).unwrap();
    applied(&bench, "one");
    api.get(&widget_path("one")).unwrap_or_else(|error| panic!("{error}\n{}", bench.agent.log()));
    assert!(api.get(&widget_path("two")).is_err());
    assert_eq!(made(&bench.fleet)["configmaps default/one"], before["configmaps default/one"]);
    assert_eq!(
        turnover(&bench.fleet, mark),
        once(&["create widgets default/one", "delete configmaps default/two"])
    );
}

#[test]
fn a_namespace_that_does_not_end_holds_up_its_own_work_alone() {
    let bench = Bench::new();
    let api = bench.api();
    let mut place = super::namespace("stuck");
    place["metadata"]["annotations"] = json!({"multicluster.coreos.com/allow-deletion": "true"});
    put_work(&bench.fleet, "stuck", &json!([place, config_map("stuck", "a", "one")]));
    put_work(&bench.fleet, "beside", &json!([config_map("default", "b", "one")]));
    for work in ["stuck", "beside"] {
        applied(&bench, work);
    }
    let mut theirs = config_map("stuck", "theirs", "one");
    theirs["metadata"]["finalizers"] = json!(["example.com/held"]);
    api.create("/api/v1/namespaces/stuck/configmaps", &theirs).unwrap();
    let mark = trail::mark(&bench.fleet.replica);
    drop_work(&bench.fleet, "stuck");
    bench.until("the namespace to be going", || {
        let place = api.get("/api/v1/namespaces/stuck").map_err(|error| error.to_string())?;
        if place["metadata"]["deletionTimestamp"].is_string() { Ok(()) } else { Err(place.to_string()) }
    });
    throughout("the Work waits for it", WHILE, || {
        let left = work(&bench.fleet, "stuck");
        if left["metadata"]["finalizers"].is_array() { Ok(()) } else { Err(left.to_string()) }
    })
    .unwrap();
    println!("{}", work(&bench.fleet, "stuck")["status"]);
    put_work(&bench.fleet, "beside", &json!([config_map("default", "b", "two")]));
    applied(&bench, "beside");
    let path = "/api/v1/namespaces/stuck/configmaps/theirs";
    api.patch(path, MERGE_PATCH, &json!({"metadata": {"finalizers": null}})).unwrap();
    bench.until("the Work gone", || is_gone(&bench.fleet, "stuck"));
    let writes = turnover(&bench.fleet, mark);
    println!("{writes:?}");
    assert!(writes.keys().all(|write| write.contains("stuck")), "{writes:?}");
    assert!(!writes.keys().any(|write| write.contains("theirs")), "{writes:?}");
    assert!(writes.values().all(|times| *times <= 3), "{writes:?}");
}

#[test]
fn an_aggregated_api_that_nobody_serves_holds_nothing_up() {
    let mut rounds = Rounds::new();
    let away = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1.away.example.com"},
        "spec": {"group": "away.example.com", "version": "v1", "groupPriorityMinimum": 1000,
            "versionPriority": 15, "insecureSkipTLSVerify": true,
            "service": {"name": "away", "namespace": "default"}},
    });
    rounds.prepare();
    rounds.bench.api().create("/apis/apiregistration.k8s.io/v1/apiservices", &away).unwrap();
    rounds.ask();
    rounds.done("an API that goes away");
    rounds.prepare();
    rounds.bench.agent.kill().unwrap();
    rounds.ask();
    let Bench { fleet, agent, .. } = &mut rounds.bench;
    fleet.revive(agent);
    rounds.done("an agent that begins without it");
    // A kind of it may be anything: what asks for it waits, and says so.
    let odd = manifest("away.example.com/v1", "Thing", "default", "x", json!({}));
    put_work(&rounds.bench.fleet, "odd", &json!([odd, config_map("default", "y", "one")]));
    let told = until_told(&rounds.bench.fleet, &rounds.bench.agent, "odd", "Applied", "Pending");
    println!("{}", told["status"]);
    rounds.bench.api().get("/api/v1/namespaces/default/configmaps/y").unwrap();
}
