use std::collections::BTreeSet;
use std::sync::Arc;

use muster_api::Scope;
use muster_api::resource::{
    CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, LIMIT_RANGES, NAMESPACES, RESOURCE_QUOTAS, ROLE_BINDINGS, ROLES,
    Resource,
};
use muster_engine::event::Change;
use muster_engine::item::Item;
use muster_engine::ledger::{Place, WorkPart};
use muster_engine::mark::Maker;
use muster_engine::work::Options;
use muster_kit::watch::WatchEvent;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::watched::Mapping;
use super::*;
use crate::metrics::Metrics;

const UID: &str = "0a1b";

/// The name of the object that keeps [`ledger`].
fn kept_as() -> String {
    name(&ledger())
}

fn target(resource: Resource, name: &str) -> Target {
    let namespace = (resource.scope == Scope::Namespaced).then(|| "web".to_owned());
    Target { resource, namespace, name: name.to_owned() }
}

fn ledger() -> Ledger {
    let mut items: Vec<_> = [
        NAMESPACES,
        CLUSTER_ROLES,
        ROLES,
        CLUSTER_ROLE_BINDINGS,
        ROLE_BINDINGS,
        RESOURCE_QUOTAS,
        LIMIT_RANGES,
    ]
    .into_iter()
    .map(|resource| Item::new(target(resource, "a")).with("spec", json!({"n": [1, "x", null]})))
    .collect();
    items.sort_by(|one, other| one.target.cmp(&other.target));
    items[0].labels.insert("team".into(), "web".into());
    items[4].annotations.insert("note".into(), "line\nbreak \"quoted\"".into());
    let mut resources: BTreeSet<_> = items.iter().map(|item| item.target.clone()).collect();
    resources.insert(target(ROLE_BINDINGS, "of-an-earlier-state"));
    Ledger {
        of: Of::Policy { delete_namespaces: true },
        maker: Maker { name: "web-api".into(), uid: UID.into() },
        generation: 7,
        era: 2,
        resource_version: "812".into(),
        directory: "d".into(),
        replica: "r".into(),
        nonce: "n".into(),
        phase: Phase::Applying,
        items: items.into_iter().map(Arc::new).collect(),
        resources,
        applied: None,
    }
}

fn applied(ledger: &Ledger) -> BTreeMap<Target, Applied> {
    let numbered = ledger.resources.iter().enumerate();
    numbered
        .map(|(n, target)| (target.clone(), Applied { uid: format!("u{n}"), fields: format!("f{n}") }))
        .collect()
}

fn object(name: &str, spec: &Value, status: &Value) -> Object {
    let text = json!({
        "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "AppliedWork",
        "metadata": {"name": name, "uid": "object", "resourceVersion": "9"}, "spec": spec, "status": status,
    });
    Object::parse(RawValue::from_string(text.to_string()).unwrap()).unwrap()
}

fn spec(ledger: &Ledger) -> Value {
    serde_json::from_str(&layout::spec(ledger)).unwrap()
}

fn status(ledger: &Ledger, applied: &BTreeMap<Target, Applied>) -> Value {
    serde_json::from_str(&layout::status(ledger, applied)).unwrap()
}

fn read_back(ledger: &Ledger, status: &Value) -> Ledger {
    let kept = read(&object(&kept_as(), &spec(ledger), status)).unwrap().unwrap();
    assert_eq!((kept.uid.as_str(), kept.version.as_str()), ("object", "9"));
    kept.ledger
}

#[test]
fn a_ledger_reads_back_as_it_was_written() {
    let whole = ledger();
    assert_eq!(read_back(&whole, &Value::Null), whole);
    for applied in [applied(&whole), BTreeMap::new()] {
        let status = status(&whole, &applied);
        assert_eq!(read_back(&whole, &status), Ledger { applied: Some(applied), ..whole.clone() });
    }
    let deleting = Ledger {
        of: Of::Policy { delete_namespaces: false },
        phase: Phase::Deleting,
        items: Vec::new(),
        ..whole.clone()
    };
    assert_eq!(read_back(&deleting, &Value::Null), deleting);
    let bare = Ledger { resources: BTreeSet::new(), ..deleting };
    assert_eq!(read_back(&bare, &Value::Null), bare);
}

#[test]
fn it_is_laid_out_as_the_standard_and_the_definition_say() {
    let whole = ledger();
    let spec = spec(&whole);
    assert_eq!((&spec["workName"], &spec["workNamespace"]), (&json!("web-api"), &json!("")));
    let source =
        json!({"kind": "ClusterPolicy", "uid": UID, "generation": 7, "era": 2, "resourceVersion": "812"});
    assert_eq!(spec["ledger"]["source"], source);
    assert_eq!(spec["ledger"]["options"], json!({"namespace-deletion": "delete"}));
    assert_eq!(spec["ledger"]["manifests"][0]["metadata"], json!({"name": "a", "labels": {"team": "web"}}));
    let namespace = json!({"version": "v1", "kind": "Namespace", "resource": "namespaces", "name": "a"});
    assert_eq!(spec["ledger"]["resources"][0], namespace);
    let status = status(&whole, &applied(&whole));
    let binding = json!({
        "ordinal": 6, "group": "rbac.authorization.k8s.io", "version": "v1", "kind": "RoleBinding",
        "resource": "rolebindings", "namespace": "web", "name": "a", "uid": "u6", "digest": "f6",
    });
    assert_eq!(status["appliedResources"][6], binding);
    assert_eq!(status["appliedResources"][7]["ordinal"], -1, "no manifest asks for it any more");
    let kept = Ledger { of: Of::Policy { delete_namespaces: false }, ..whole };
    assert_eq!(self::spec(&kept)["ledger"].get("options"), None);
}

#[test]
fn what_another_tool_made_is_no_ledger() {
    for (name, spec) in [
        ("web", json!({"workName": "web", "workNamespace": "b"})),
        ("muster-policies", json!({"workName": 7})),
        ("anything", Value::Null),
    ] {
        assert!(read(&object(name, &spec, &Value::Null)).unwrap().is_none(), "{name}");
    }
    // What is of a policy under the name of a Work's is a copy that somebody made.
    let copy = read(&object("web-api", &spec(&ledger()), &Value::Null));
    assert!(matches!(copy, Err(LedgerError::Unreadable { .. })), "{copy:?}");
}

fn of_work() -> Ledger {
    let resource = |group: &'static str, kind: &'static str, plural: &'static str| Resource {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        plural: plural.into(),
        scope: Scope::Namespaced,
    };
    let deployment = target(resource("apps", "Deployment", "deployments"), "a");
    let custom = target(resource("example.com", "Widget", "widgets"), "a");
    let old = target(resource("example.com", "Widget", "widgets"), "old");
    let options = Arc::new(Options::default());
    let own = Arc::new(Options { allow_deletion: true, ..Options::default() });
    let items = [deployment, custom].map(|target| Arc::new(Item::new(target).with("spec", json!({"n": 1}))));
    let place = |ordinal, options: &Arc<Options>| Place { ordinal, options: Arc::clone(options) };
    let places = [(items[0].target.clone(), place(3, &own)), (items[1].target.clone(), place(0, &options))];
    let left = [(old.clone(), Arc::clone(&own))];
    let namespace = "muster-cluster-east".to_owned();
    let part = WorkPart { namespace, options, places: places.into(), left: left.into(), departure: None };
    Ledger {
        of: Of::Work(Box::new(part)),
        maker: Maker { name: "app".into(), uid: UID.into() },
        resources: items.iter().map(|item| item.target.clone()).chain([old]).collect(),
        items: items.into(),
        ..ledger()
    }
}

#[test]
fn the_ledger_of_a_work_reads_back_with_places_and_options() {
    let whole = of_work();
    assert_eq!(name(&whole), "app");
    let told = status(&whole, &applied(&whole));
    let kept = read(&object("app", &spec(&whole), &told)).unwrap().unwrap();
    assert_eq!(kept.ledger, Ledger { applied: Some(applied(&whole)), ..whole.clone() });
    let ordinals: Vec<_> =
        told["appliedResources"].as_array().unwrap().iter().map(|it| it["ordinal"].clone()).collect();
    assert_eq!(ordinals, [json!(3), json!(0), json!(-1)]);
    // The same where the bodies are not at hand, as when only the status is written.
    let bare = Ledger { items: Vec::new(), ..whole.clone() };
    assert_eq!(status(&bare, &applied(&whole)), told);
    let metadata = metadata(&whole, "app");
    assert_eq!(metadata["labels"]["applyset.kubernetes.io/id"], applyset::id("app"));
    let annotations = &metadata["annotations"];
    assert_eq!(
        annotations["applyset.kubernetes.io/contains-group-kinds"],
        "Deployment.apps,Widget.example.com"
    );
    assert_eq!(annotations["applyset.kubernetes.io/additional-namespaces"], "web");
    // Under another name it is a copy.
    assert!(read(&object("other", &spec(&whole), &told)).is_err());
}

fn why(edit: impl FnOnce(&mut Value)) -> Unreadable {
    let mut spec = spec(&ledger());
    edit(&mut spec);
    match read(&object(&kept_as(), &spec, &Value::Null)) {
        Err(LedgerError::Unreadable { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_muster_did_not_write_is_refused_with_its_place() {
    assert_eq!(why(|spec| *spec = Value::Null), Unreadable::Malformed);
    assert_eq!(why(|spec| spec["ledger"]["phase"] = json!("Paused")), Unreadable::Malformed);
    assert_eq!(why(|spec| spec["ledger"]["source"] = json!({})), Unreadable::Malformed);
    let cases: [(&str, &str, Value); 15] = [
        ("/ledger", "spec.ledger", Value::Null),
        ("/workName", "spec.workName", json!("")),
        ("/workNamespace", "spec.workNamespace", json!("web")),
        ("/ledger/source/kind", "spec.ledger.source.kind", json!("Work")),
        ("/ledger/source/uid", "spec.ledger.source.uid", json!("another")),
        ("/ledger/resources/0/kind", "spec.ledger.resources", json!("Secret")),
        ("/ledger/resources/0/version", "spec.ledger.resources", json!("v2")),
        ("/ledger/resources/0/resource", "spec.ledger.resources", json!("secrets")),
        ("/ledger/resources/0/name", "spec.ledger.resources", json!("")),
        ("/ledger/resources/6/namespace", "spec.ledger.resources", json!("")),
        ("/ledger/resources/6/group", "spec.ledger.resources", json!("")),
        ("/ledger/resources/7/name", "spec.ledger.resources", json!("a")), // twice
        ("/ledger/resources/6/name", "spec.ledger.manifests", json!("b")), // not of the manifest any more
        ("/ledger/manifests/0", "spec.ledger.manifests", json!({"kind": "Namespace"})),
        ("/ledger/manifests/0/kind", "spec.ledger.manifests", json!("Secret")),
    ];
    for (pointer, field, value) in cases {
        let edit = |spec: &mut Value| *spec.pointer_mut(pointer).unwrap() = value.clone();
        assert_eq!(why(edit), Unreadable::Field(field), "{pointer} = {value}");
    }
    let twice = |spec: &mut Value| {
        let first = spec["ledger"]["manifests"][0].clone();
        spec["ledger"]["manifests"].as_array_mut().unwrap().push(first);
    };
    assert_eq!(why(twice), Unreadable::Field("spec.ledger.manifests"));
    for options in [json!({"namespace-deletion": "retain"}), json!({"later": "x"})] {
        assert_eq!(why(|spec| spec["ledger"]["options"] = options), Unreadable::Option);
    }
    let namespaced = |spec: &mut Value| {
        spec["ledger"]["manifests"][0]["metadata"]["uid"] = json!("u");
    };
    assert!(matches!(why(namespaced), Unreadable::Manifest(_)));
    let hidden = why(|spec| spec["ledger"]["manifests"][0] = json!({"hunter2": {"kind": "x"}}));
    assert!(!hidden.to_string().contains("hunter2"), "{hidden}");
}

#[test]
fn only_what_nobody_can_read_any_more_is_written_over() {
    let there = |edit: fn(&mut Value)| {
        let mut spec = spec(&ledger());
        edit(&mut spec);
        ruin(&object(&kept_as(), &spec, &Value::Null))
    };
    assert_eq!(there(|_| ()), None, "it is a ledger");
    assert_eq!(there(|spec| spec["ledger"]["options"] = json!({"later": "x"})), None);
    let ruined = Some(("object".to_owned(), "9".to_owned()));
    assert_eq!(there(|spec| drop(spec.as_object_mut().unwrap().remove("ledger"))), ruined);
    assert_eq!(there(|spec| spec["ledger"]["source"]["uid"] = json!("another")), ruined);
}

#[test]
fn a_status_that_muster_did_not_write_counts_as_lost() {
    let whole = ledger();
    let right = status(&whole, &applied(&whole));
    for (pointer, value) in [
        ("", json!({})),
        ("", json!("x")),
        ("/appliedResources", json!({})),
        ("/appliedResources/0/uid", json!("")),
        ("/appliedResources/0/kind", json!("Secret")),
        ("/appliedResources/0/ordinal", json!("first")),
    ] {
        let mut status = right.clone();
        *status.pointer_mut(pointer).unwrap() = value.clone();
        assert_eq!(read_back(&whole, &status).applied, None, "{pointer} = {value}");
    }
}

#[test]
fn a_ledger_that_became_unreadable_goes_from_sight_and_comes_back() {
    let mut mapping = Mapping::new(Metrics::new().unwrap());
    let good = || object(&kept_as(), &spec(&ledger()), &Value::Null);
    let bad = || object(&kept_as(), &json!({"workName": "a", "workNamespace": ""}), &Value::Null);
    let other = || object("a-work", &json!({"workName": "a", "workNamespace": "b"}), &Value::Null);
    assert!(matches!(mapping.map(WatchEvent::Init), Some(Change::ListBegan)));
    assert!(mapping.map(WatchEvent::Listed(other())).is_none());
    assert!(mapping.map(WatchEvent::Listed(bad())).is_none(), "it was never shown");
    assert!(matches!(mapping.map(WatchEvent::Applied(good())), Some(Change::Applied(_))));
    let gone = mapping.map(WatchEvent::Applied(bad()));
    assert!(
        matches!(&gone, Some(Change::Gone(kept)) if kept.ledger.maker == ledger().maker && kept.uid == "object"),
        "{gone:?}"
    );
    assert!(mapping.map(WatchEvent::Deleted(bad())).is_none(), "it is gone already");
    assert!(matches!(mapping.map(WatchEvent::Applied(good())), Some(Change::Applied(_))));
    assert!(matches!(mapping.map(WatchEvent::Deleted(bad())), Some(Change::Gone(_))), "whatever it was last");
    assert!(mapping.map(WatchEvent::Deleted(other())).is_none());
}

fn annotations(ledger: &mut Ledger) -> &mut BTreeMap<String, String> {
    &mut Arc::make_mut(&mut ledger.items[0]).annotations
}

#[test]
fn what_etcd_would_not_take_is_not_sent_and_what_takes_away_is() {
    let mut large = ledger();
    annotations(&mut large).insert("note".into(), String::new());
    // The status comes after the objects: it must fit then, too.
    let mut settled = applied(&large);
    settled.retain(|target, _| large.items.iter().any(|item| item.target == *target));
    for found in settled.values_mut() {
        (found.uid, found.fields) = ("0".repeat(36), "0".repeat(16));
    }
    let status = layout::largest_status(&large);
    assert!(layout::status(&large, &settled).len() <= status);
    let least = layout::spec(&large).len() + status;
    annotations(&mut large).insert("note".into(), "x".repeat(LARGEST - least));
    assert_eq!(fitting(&large).unwrap().len(), LARGEST - status);
    annotations(&mut large).insert("note".into(), "x".repeat(LARGEST - least + 1));
    let error = fitting(&large).unwrap_err();
    assert_eq!(error.failure(), Failure::TooLarge);
    assert!(error.to_string().len() < 200, "{error}");
    assert!(fitting(&Ledger { phase: Phase::Deleting, ..large }).is_ok());
}
