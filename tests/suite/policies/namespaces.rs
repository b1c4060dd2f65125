//! Namespaces and bindings that Muster did not make, and namespaces that it made and no policy asks for any more.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_tests::agent::AgentProcess;
use muster_tests::wait::timed;
use serde_json::{Value, json};

use super::written::Written;
use super::{
    LEDGERS, drop_policy, made, objects, one, put_policy, put_policy_with, until_made, until_may, until_told,
};
use crate::fleet::{Fleet, stop, until, version};
use crate::trail::lines;

const DELETE_NAMESPACES: &str = include_str!("../../../manifests/policies-delete-namespaces.yaml");
/// Ten times the longest wait between two attempts, and between two looks into a namespace that is not empty.
const NEXT_LOOK: Duration = Duration::from_secs(600);

/// The annotation by which namespaces go with their policy.
fn deletion() -> Value {
    json!({"multicluster.coreos.com/namespace-deletion": "delete"})
}

/// A policy that labels namespaces, limits them, and grants `view` in them and in the whole cluster.
fn team(namespaces: &[&str]) -> Value {
    let namespaces = namespaces.iter().map(|name| {
        json!({"name": name, "labels": {"team": "a"},
            "authorization": {"bindings": [{"clusterRole": "view", "users": ["ann"]}]},
            "resourceQuota": {"hard": {"pods": 10}}})
    });
    json!({"selector": {"cloud": "aws"}, "namespaces": namespaces.collect::<Vec<_>>(),
        "authorization": {"clusterBindings": [{"clusterRole": "view", "groups": ["Operations"]}]}})
}

/// Name of the one object of a kind that a policy made.
fn name(fleet: &Fleet, beginning: &str) -> String {
    one(&made(&fleet.replica), beginning).1["metadata"]["name"].as_str().unwrap().to_owned()
}

/// Waits until no ledger is left.
fn until_no_ledger(fleet: &Fleet, agent: &AgentProcess) {
    until(agent, "no ledger", || {
        let ledgers = fleet.replica.api().get(LEDGERS).map_err(|error| error.to_string())?;
        if ledgers["items"].as_array().is_some_and(Vec::is_empty) { Ok(()) } else { Err(ledgers.to_string()) }
    });
}

#[test]
fn what_was_there_is_used_or_left_and_never_owned() {
    let fleet = Fleet::new();
    fleet.replica.apply(DELETE_NAMESPACES).unwrap();
    let mut agent = fleet.joined(&[]);
    let mut written = Written::new(&fleet);
    put_policy(&fleet, "team", &team(&["shop"]));
    let all = [
        ("create clusterrolebindings", 1),
        ("create namespaces", 1),
        ("create resourcequotas", 1),
        ("create rolebindings", 1),
    ];
    written.shows(&agent, "a policy", &all);
    until_made(&fleet, &agent, 4);
    let uid = version(one(&made(&fleet.replica), "Namespace shop").1).0;
    let (grant, quota) = (name(&fleet, "RoleBinding shop/"), name(&fleet, "ResourceQuota shop/"));
    let in_cluster = name(&fleet, "ClusterRoleBinding ");

    // The last policy goes. It does not say that its namespaces go: they stay, and are nobody's.
    drop_policy(&fleet, "team");
    let gone = [
        ("delete clusterrolebindings", 1),
        ("delete resourcequotas", 1),
        ("delete rolebindings", 1),
        ("patch namespaces", 1),
    ];
    let writes = written.shows(&agent, "the policy deleted", &gone);
    assert_eq!(writes.last().unwrap().resource, "namespaces", "{}", lines(&writes));
    let kept = "0 policies, 0 objects; kept, though no policy asks for it: namespace shop";
    until_told(&fleet, &agent, "NamespaceRetained", |message| message == kept);
    until_no_ledger(&fleet, &agent);
    until(&agent, "an Event", || {
        let events = "/apis/events.k8s.io/v1/namespaces/muster-system/events";
        let events = fleet.replica.api().get(events).unwrap()["items"].to_string();
        if events.contains("NamespaceKept") { Ok(()) } else { Err(events) }
    });
    let shop = &objects(&fleet.replica)["Namespace shop"];
    assert_eq!((&version(shop).0, &shop["status"]["phase"]), (&uid, &json!("Active")));
    let metadata = &shop["metadata"];
    assert_eq!(metadata["labels"], json!({"kubernetes.io/metadata.name": "shop", "team": "a"}));
    assert!(metadata["annotations"].as_object().is_none_or(serde_json::Map::is_empty), "{metadata:#}");

    // The owner makes a namespace, and bindings under the very names that Muster gives. One of them is equal to Muster's.
    let by_hand = [
        vec!["create", "namespace", "legacy"],
        vec!["label", "namespace", "legacy", "team=theirs"],
        vec!["-n", "shop", "create", "rolebinding", &grant, "--clusterrole=view", "--user=ann"],
        vec!["create", "clusterrolebinding", &in_cluster, "--clusterrole=edit", "--user=eve"],
        vec!["-n", "shop", "create", "quota", &quota, "--hard=pods=1"],
    ];
    for command in by_hand {
        fleet.replica.kubectl_ok(&command).unwrap();
    }
    let theirs = objects(&fleet.replica);
    put_policy_with(&fleet, "team", &deletion(), &team(&["legacy", "shop"]));
    written.shows(
        &agent,
        "a policy of what is there",
        &[
            ("create resourcequotas", 1),
            ("create rolebindings", 1),
            ("patch clusterrolebindings: 409", 1),
            ("patch resourcequotas: 409", 1),
            ("patch rolebindings: 409", 1),
        ],
    );
    let in_the_way = [
        format!("ClusterRoleBinding {in_cluster}"),
        format!("RoleBinding {grant} in namespace shop"),
        format!("ResourceQuota {quota} in namespace shop"),
    ];
    let in_the_way = in_the_way.map(|object| format!("{object} is there already, and is not Muster's"));
    until_told(&fleet, &agent, "Conflict", |message| in_the_way.iter().all(|told| message.contains(told)));
    until_made(&fleet, &agent, 2);
    unchanged(&fleet, &theirs, &[]);
    until_may(&fleet, &json!({"user": "ann"}), ("get", "pods", "legacy"), true);

    // What is in the way goes: Muster's takes its place.
    for (kind, name) in [("rolebinding", &grant), ("quota", &quota)] {
        fleet.replica.kubectl_ok(&["-n", "shop", "delete", kind, name]).unwrap();
    }
    let healed = timed("both made", NEXT_LOOK, || {
        let made = made(&fleet.replica);
        if made.len() == 4 { Ok(()) } else { Err(format!("{:?}", made.keys())) }
    });
    healed.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    until_told(&fleet, &agent, "Conflict", |message| message == in_the_way[0]);

    // Neither a restart nor the end of the policy, which says that its namespaces go, changes anything about the rest.
    stop(&mut agent);
    agent.restart().unwrap();
    until(&agent, "the new process to know its objects", || {
        let metrics = agent.metrics().map_err(|error| error.to_string())?;
        let objects = metrics.get("muster_objects", &[("source", "policy-objects")]);
        if objects == Some(4.0) { Ok(()) } else { Err(format!("{objects:?}")) }
    });
    until_told(&fleet, &agent, "Conflict", |message| message == in_the_way[0]);
    drop_policy(&fleet, "team");
    until_made(&fleet, &agent, 0);
    fleet.reason(&agent, "PoliciesApplied", "NoneSelected");
    until_no_ledger(&fleet, &agent);
    unchanged(
        &fleet,
        &theirs,
        &[&format!("RoleBinding shop/{grant}"), &format!("ResourceQuota shop/{quota}")],
    );
}

/// Checks that all that the owner has is as it was, but for what the owner deleted, and that Muster owns none of it.
fn unchanged(fleet: &Fleet, theirs: &BTreeMap<String, Value>, deleted: &[&str]) {
    let now = objects(&fleet.replica);
    for (key, object) in theirs.iter().filter(|(key, _)| !deleted.contains(&key.as_str())) {
        let seen = now.get(key).unwrap_or_else(|| panic!("{key} is gone"));
        let is = |object: &Value| {
            // Kubernetes itself writes what is used of a quota.
            let quota = key.starts_with("ResourceQuota ");
            let (uid, number) = version(object);
            (uid, if quota { object["spec"].to_string() } else { number })
        };
        assert_eq!(is(seen), is(object), "{key} was written: {seen:#}");
        let metadata = &seen["metadata"];
        let marks = [
            &metadata["labels"]["applyset.kubernetes.io/part-of"],
            &metadata["annotations"]["multicluster.coreos.com/made-for"],
        ];
        assert!(marks.iter().all(|mark| mark.is_null()), "{key}: {metadata:#}");
        // The namespace that was released keeps the labels that it was given.
        let managers = metadata["managedFields"].as_array().unwrap();
        let managed = managers.iter().any(|entry| entry["manager"] == "muster-policies");
        assert_eq!(managed, key == "Namespace shop", "{key}: {metadata:#}");
    }
}

#[test]
fn a_namespace_goes_if_the_policy_says_so_and_nothing_is_seen_in_it() {
    let fleet = Fleet::new();
    fleet.replica.apply(WIDGETS).unwrap();
    fleet.replica.kubectl_ok(&["wait", "--for=condition=Established", "crd", "widgets.example.com"]).unwrap();
    let mut agent = fleet.joined(&[]);
    put_policy_with(&fleet, "ends", &deletion(), &team(&["bare", "full"]));
    put_policy_with(&fleet, "stays", &deletion(), &team(&["kept", "odd"]));
    until_made(&fleet, &agent, 14);
    fleet.reason(&agent, "PoliciesApplied", "Applied");
    let api = fleet.replica.api();
    let setting = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}});
    api.create("/api/v1/namespaces/full/configmaps", &setting).unwrap();
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}});
    api.create("/apis/example.com/v1/namespaces/odd/widgets", &widget).unwrap();
    let kept = of_kept(&fleet);

    // One policy goes, the other names a namespace no more. The owner of the replica does not let policies look into
    // namespaces, so none of them can be seen to be empty.
    let mut written = Written::new(&fleet);
    drop_policy(&fleet, "ends");
    put_policy_with(&fleet, "stays", &deletion(), &team(&["kept"]));
    let grants =
        [("delete clusterrolebindings", 1), ("delete resourcequotas", 3), ("delete rolebindings", 3)];
    written.shows(&agent, "the grants", &grants);
    let message = until_told(&fleet, &agent, "NamespaceRetained", |message| {
        let named = ["bare (", "full (", "odd ("].iter().all(|name| message.contains(name));
        named && message.matches("cannot be listed").count() == 3
    });
    println!("{message}");
    written.shows(&agent, "nothing more", &[]);

    // The owner lets them. What is empty goes, what is not stays.
    fleet.replica.apply(DELETE_NAMESPACES).unwrap();
    stop(&mut agent);
    agent.restart().unwrap();
    let writes = written.shows(&agent, "the empty one", &[("delete namespaces", 1)]);
    assert_eq!(writes[0].name, "bare");
    gone(&fleet, &agent, "bare");
    let message = until_told(&fleet, &agent, "NamespaceRetained", |message| {
        let expected = ["full (it holds configmaps)", "odd (it holds widgets.example.com)"];
        expected.iter().all(|part| message.contains(part)) && !message.contains("bare")
    });
    println!("{message}");
    written.shows(&agent, "nothing more", &[]);

    // They are emptied.
    api.delete("/api/v1/namespaces/full/configmaps/settings").unwrap();
    api.delete("/apis/example.com/v1/namespaces/odd/widgets/w").unwrap();
    for name in ["full", "odd"] {
        gone(&fleet, &agent, name);
    }
    let mut names: Vec<String> = written
        .shows(&agent, "both", &[("delete namespaces", 2)])
        .into_iter()
        .map(|write| write.name)
        .collect();
    names.sort();
    assert_eq!(names, ["full", "odd"]);
    until_told(&fleet, &agent, "Applied", |message| message == "1 policies, 4 objects");
    assert_eq!(of_kept(&fleet), kept);

    // What policies made in a namespace does not keep it.
    drop_policy(&fleet, "stays");
    gone(&fleet, &agent, "kept");
    until_no_ledger(&fleet, &agent);
    fleet.reason(&agent, "PoliciesApplied", "NoneSelected");
}

/// UID and resourceVersion of what stays.
fn of_kept(fleet: &Fleet) -> Vec<(String, (String, String))> {
    let kept = made(&fleet.replica)
        .into_iter()
        .filter(|(key, _)| key.contains(" kept") || key.starts_with("ClusterRoleBinding stays-"));
    kept.map(|(key, object)| (key, version(&object))).collect()
}

/// Waits until a namespace is gone.
fn gone(fleet: &Fleet, agent: &AgentProcess, name: &str) {
    let looked = timed(&format!("namespace {name} gone"), NEXT_LOOK, || {
        match fleet.replica.api().get(&format!("/api/v1/namespaces/{name}")) {
            Err(error) if error.status().is_some_and(|status| status.as_u16() == 404) => Ok(()),
            Err(error) => Err(error.to_string()),
            Ok(namespace) => Err(namespace["status"].to_string()),
        }
    });
    looked.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
}

const WIDGETS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: widgets.example.com
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Widget, listKind: WidgetList, plural: widgets, singular: widget}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object}}
";
