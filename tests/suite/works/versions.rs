//! A definition stops to serve the version in which a Work made an object.

use muster_tests::api::MERGE_PATCH;
use serde_json::{Value, json};

use super::bench::{is_gone, turnover};
use super::{config_map, manifest, put_work, until_told, widgets, works};
use crate::fleet::{Fleet, until};
use crate::trail;

const GROUP: &str = "versions.example.com";
const DEFINITION: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.versions.example.com";

fn versions(alpha: bool) -> Value {
    let version = widgets(GROUP)["spec"]["versions"][0].clone();
    let mut old = version.clone();
    (old["name"], old["served"], old["storage"]) = ("v1alpha1".into(), alpha.into(), false.into());
    json!([version, old])
}

fn widget(name: &str, finalizers: &Value) -> Value {
    let mut widget =
        manifest(&format!("{GROUP}/v1alpha1"), "Widget", "default", name, json!({"spec": {"size": 1}}));
    widget["metadata"]["finalizers"] = finalizers.clone();
    widget
}

#[test]
fn what_was_made_in_a_version_that_is_not_served_any_more_goes_all_the_same() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let replica = fleet.replica.api();
    let mut definition = widgets(GROUP);
    definition["spec"]["versions"] = versions(true);
    fleet.replica.apply(&definition.to_string()).unwrap();
    let list = format!("/apis/{GROUP}/v1alpha1/widgets");
    until(&agent, "the kind served", || replica.get(&list).map(drop).map_err(|error| error.to_string()));
    let orphan = |mut manifest: Value| {
        manifest["metadata"]["annotations"] = json!({"multicluster.coreos.com/deletion": "orphan"});
        manifest
    };
    let slow = widget("slow", &json!(["example.com/slow"]));
    let plain = |name: &str| widget(name, &json!([]));
    let config = config_map("default", "a", "one");
    let mark = trail::mark(&fleet.replica);
    let all = json!([plain("dropped"), orphan(plain("stays")), slow, plain("kept"), config]);
    put_work(&fleet, "app", &all);
    until_told(&fleet, &agent, "app", "Applied", "Applied");

    replica.patch(DEFINITION, MERGE_PATCH, &json!({"spec": {"versions": versions(false)}})).unwrap();
    until(&agent, "the version gone", || match replica.get(&list) {
        Err(_) => Ok(()),
        Ok(_) => Err("it is served still".to_owned()),
    });
    let path = |name: &str| format!("/apis/{GROUP}/v1/namespaces/default/widgets/{name}");
    let gone = |name: &str| match replica.get(&path(name)) {
        Err(error) if error.status().is_some_and(|status| status == 404) => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(seen) => Err(seen["metadata"].to_string()),
    };
    put_work(&fleet, "app", &json!([plain("kept"), config]));
    until(&agent, "what was dropped gone", || gone("dropped"));
    until(&agent, "what is to stay without its mark", || {
        let seen = replica.get(&path("stays")).map_err(|error| error.to_string())?;
        let mark = &seen["metadata"]["annotations"]["multicluster.coreos.com/made-for"];
        if mark.is_null() { Ok(()) } else { Err(mark.to_string()) }
    });
    fleet.directory.api().delete(&format!("{}/app", works())).unwrap();
    until(&agent, "the rest gone", || gone("kept"));
    until(&agent, "the slow one going", || {
        let seen = replica.get(&path("slow")).map_err(|error| error.to_string())?;
        let going = &seen["metadata"]["deletionTimestamp"];
        if going.is_null() { Err(seen["metadata"].to_string()) } else { Ok(()) }
    });
    replica.patch(&path("slow"), MERGE_PATCH, &json!({"metadata": {"finalizers": null}})).unwrap();
    until(&agent, "the Work gone", || is_gone(&fleet, "app"));
    let once = |verb: &str, names: &[&str]| -> Vec<(String, usize)> {
        let widgets = names.iter().map(|name| (format!("{verb} widgets default/{name}"), 1));
        widgets.chain([(format!("{verb} configmaps default/a"), 1)]).collect()
    };
    let made = once("create", &["dropped", "kept", "slow", "stays"]);
    let gone = once("delete", &["dropped", "kept", "slow"]);
    assert_eq!(turnover(&fleet, mark), made.into_iter().chain(gone).collect());
}
