//! What people write on objects: authors of Works into their manifests, others in the replica. Nobody takes anything over by
//! it, has anything deleted, or gains a right; and whatever is read and written for Works and policies is as their appliers.

mod appliers;
mod people;

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use muster_api::marks;
use muster_tests::api::MERGE_PATCH;
use serde_json::{Value, json};

use super::bench::{Bench, is_gone, made, settled, turnover};
use super::waking::{config_path, verdicts};
use super::{config_map, manifest, namespace, put_work, until_told, works};
use crate::fleet::{quietly, version};
use crate::trail;

/// Stands in everything that a manifest asks for beside its metadata.
const CANARY: &str = "q7canarybird";
const PLACE: &str = "authors";

/// Annotations that Muster writes, or that people write on Works, entries and reports: in a manifest they are nobody's to set.
const ANNOTATIONS: [&str; 15] = [
    marks::MADE_FOR,
    marks::COPIED_FROM,
    marks::LET_GO,
    marks::PAUSE,
    marks::LEAVE,
    marks::RELEASE,
    marks::RELEASE_HERE,
    marks::RENEWED_FROM,
    marks::HEARD,
    marks::NAMESPACE_DELETION,
    marks::DIRECTORY,
    marks::FOR_CLUSTER,
    marks::REBIND,
    marks::APPROVAL,
    marks::PROFILE_OF,
];
/// Those of them that an agent knows as marks, and not as options that it does not know.
const RESERVED: usize = 7;

fn of_manifest(name: &str, metadata: &Value) -> Value {
    let mut manifest = config_map("default", name, CANARY);
    for (field, value) in metadata.as_object().unwrap() {
        manifest["metadata"][field] = value.clone();
    }
    manifest
}

fn work_of(name: &str, manifest: &Value) -> Value {
    json!({
        "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work", "metadata": {"name": name},
        "spec": {"workload": {"manifests": [manifest]}},
    })
}

/// The directory refuses each of these annotations, before any agent sees it. After that Works come as where its policy was
/// not installed.
fn refused_in_the_directory(bench: &Bench, mark: &Value) {
    let api = bench.fleet.directory.api();
    let rehearsal = format!("{}?dryRun=All", works());
    for annotation in ANNOTATIONS {
        let marked = of_manifest("x", &json!({"annotations": {annotation: mark}}));
        // The policy is in force a moment after it was made.
        let told = quietly(&format!("{annotation} refused"), || {
            match api.create(&rehearsal, &work_of("refused", &marked)) {
                Err(error) if error.status() == Some(StatusCode::UNPROCESSABLE_ENTITY) => {
                    Ok(error.to_string())
                }
                other => Err(format!("{other:?}")),
            }
        });
        assert!(told.contains(annotation) && told.contains("is no option"), "{told}");
    }
    api.delete("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/muster-works")
        .unwrap();
    let marked = of_manifest("x", &json!({"annotations": {marks::MADE_FOR: mark}}));
    quietly("no policy any more", || {
        api.create(&rehearsal, &work_of("probe", &marked)).map(drop).map_err(|error| error.to_string())
    });
}

/// A manifest, and reason and words of what is said of it.
type Attempt = (Value, (&'static str, &'static str));

/// One manifest for each way to be taken for Muster's, or for somebody's. `kept` is an object that another Work made, `theirs`
/// is nobody's.
fn attempts(kept: &Value, theirs: &Value) -> Vec<Attempt> {
    let (set, mark) =
        (&kept["metadata"]["labels"][marks::PART_OF], &kept["metadata"]["annotations"][marks::MADE_FOR]);
    let label = "metadata.labels[applyset.kubernetes.io/part-of] is not for manifests to set";
    let mut all = Vec::new();
    for (name, value) in
        [("set", set), ("mirror", &json!("muster-mirror")), ("policies", &json!("muster-policies"))]
    {
        let labelled = of_manifest(name, &json!({"labels": {marks::PART_OF: value}}));
        all.push((labelled, ("InvalidManifest", label)));
    }
    for (at, annotation) in ANNOTATIONS.into_iter().enumerate() {
        let annotated = of_manifest(&format!("annotated-{at}"), &json!({"annotations": {annotation: mark}}));
        let told = if at < RESERVED {
            ("InvalidManifest", "is not for manifests to set: leave it out")
        } else {
            ("InvalidOption", "is no option that this agent knows")
        };
        all.push((annotated, told));
    }
    // What is another's, with all its marks and with the word to take it over; what is nobody's, likewise.
    for object in [kept, theirs] {
        let metadata = json!({"labels": {marks::PART_OF: set},
            "annotations": {marks::MADE_FOR: mark, "multicluster.coreos.com/on-conflict": "force"}});
        let name = object["metadata"]["name"].as_str().unwrap();
        all.push((of_manifest(name, &metadata), ("InvalidManifest", label)));
    }
    for (name, path) in [
        ("unlabelled", "metadata.labels['applyset.kubernetes.io/part-of']"),
        ("unmarked", "metadata.annotations['multicluster.coreos.com/made-for']"),
    ] {
        let ignoring = of_manifest(name, &json!({"annotations": {"multicluster.coreos.com/ignore": path}}));
        all.push((ignoring, ("InvalidOption", "of option ignore is no field path")));
    }
    let listed = of_manifest("listed", &json!({"annotations": {marks::MADE_FOR: mark}}));
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [listed]});
    all.push((list, ("InvalidManifest", "made-for] is not for manifests to set")));
    let nobody = json!("00000000-0000-4000-8000-000000000000");
    for (name, owner) in [("owned", &kept["metadata"]["uid"]), ("orphaned", &nobody)] {
        let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "kept", "uid": owner,
            "controller": true, "blockOwnerDeletion": true}]);
        let manifest = of_manifest(name, &json!({"ownerReferences": owner}));
        all.push((manifest, ("ForeignOwner", "metadata.ownerReferences is set: remove it")));
    }
    all
}

fn marks_and_owners_are_refused_alone(bench: &Bench) {
    let (fleet, agent, api) = (&bench.fleet, &bench.agent, bench.api());
    put_work(fleet, "kept", &json!([config_map("default", "kept", "one")]));
    until_told(fleet, agent, "kept", "Applied", "Applied");
    let theirs = config_map("default", "theirs", "somebody's");
    api.create("/api/v1/namespaces/default/configmaps", &theirs).unwrap();
    let both = || ["kept", "theirs"].map(|name| api.get(&config_path("default", name)).unwrap());
    let before = both();
    refused_in_the_directory(bench, &before[0]["metadata"]["annotations"][marks::MADE_FOR]);

    let attempts = attempts(&before[0], &before[1]);
    let mark = trail::mark(&fleet.replica);
    let (mut manifests, told): (Vec<_>, Vec<_>) = attempts.iter().cloned().unzip();
    manifests.insert(0, config_map("default", "first", "one"));
    manifests.push(config_map("default", "last", "one"));
    put_work(fleet, "greedy", &json!(manifests));
    verdicts(fleet, agent, "greedy", &[&[("Applied", "")], &told[..], &[("Applied", "")]].concat());

    let good = ["first", "last"].map(|name| format!("configmaps default/{name}"));
    let all: Vec<String> = made(fleet).into_keys().collect();
    assert_eq!(all, ["configmaps default/first", "configmaps default/kept", "configmaps default/last"]);
    bench.until("the record settled", || {
        let recorded: Vec<String> = settled(fleet, "greedy")?.into_keys().collect();
        if recorded == good { Ok(()) } else { Err(format!("{recorded:?}")) }
    });
    let names =
        attempts.iter().map(|(manifest, _)| manifest["metadata"]["name"].as_str().unwrap_or("listed"));
    for name in names.filter(|name| !["kept", "theirs"].contains(name)) {
        assert!(api.get(&config_path("default", name)).is_err(), "{name} was made");
    }
    let writes = |verb: &str| good.clone().map(|object| (format!("{verb} {object}"), 1));
    assert_eq!(turnover(fleet, mark), BTreeMap::from(writes("create")), "{}", agent.log());

    // With the Work goes what it made, and nothing that it named.
    fleet.directory.api().delete(&format!("{}/greedy", works())).unwrap();
    bench.until("the Work gone", || is_gone(fleet, "greedy"));
    let all: BTreeMap<_, _> = writes("create").into_iter().chain(writes("delete")).collect();
    assert_eq!(turnover(fleet, mark), all, "{}", agent.log());
    assert_eq!(both().each_ref().map(version), before.each_ref().map(version), "{}", agent.log());
}

/// Manifests of several kinds, as `kubectl apply` leaves them.
fn left_by_kubectl(value: &str) -> Vec<Value> {
    let rbac = "rbac.authorization.k8s.io/v1";
    let reads =
        json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": [value]});
    let port = json!([{"name": value, "port": 80, "protocol": "TCP"}]);
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"});
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}});
    let mut all = vec![
        namespace(PLACE),
        super::widgets("authors.example.com"),
        manifest("authors.example.com/v1", "Widget", PLACE, "w", json!({"spec": {"size": value}})),
        manifest("v1", "ConfigMap", PLACE, "c", json!({"data": {"key": value}})),
        manifest("v1", "Secret", PLACE, "s", json!({"stringData": {"key": value}})),
        manifest("v1", "ServiceAccount", PLACE, "a", json!({"imagePullSecrets": [{"name": value}]})),
        manifest("v1", "Service", PLACE, "s", json!({"spec": {"ports": port}})),
        manifest("v1", "PersistentVolumeClaim", PLACE, "p", json!({"spec": claim})),
        manifest(rbac, "Role", PLACE, "r", json!({"rules": [reads]})),
        manifest(rbac, "RoleBinding", PLACE, "b", json!({"roleRef": role, "subjects": []})),
    ];
    for manifest in &mut all {
        let last = manifest.to_string();
        manifest["metadata"]["labels"] = json!({"app": "shop"});
        manifest["metadata"]["annotations"] = json!({"example.com/note": "n", marks::LAST_APPLIED: last});
    }
    all
}

/// All objects of all kinds in the replica, with the names of all their fields.
fn dump(bench: &Bench) -> Vec<Value> {
    let replica = &bench.fleet.replica;
    let kinds = replica.kubectl_ok(&["api-resources", "--verbs=list", "--output=name"]).unwrap();
    let kinds: Vec<&str> = kinds.split_whitespace().collect();
    let args = ["get", &kinds.join(","), "--all-namespaces", "--show-managed-fields", "--output=json"];
    let all: Value = serde_json::from_str(&replica.kubectl_ok(&args).unwrap()).unwrap();
    all["items"].as_array().unwrap().clone()
}

fn keys(pairs: &Value) -> BTreeSet<String> {
    pairs.as_object().unwrap().keys().cloned().collect()
}

/// An object bears the labels and annotations of its manifest, Muster's marks and what the server adds, and nothing else.
fn bears_what_it_should(object: &Value, wanted: &Value) {
    let (metadata, wanted) = (&object["metadata"], &wanted["metadata"]);
    let mut annotations = keys(&wanted["annotations"]);
    annotations.remove(marks::LAST_APPLIED);
    annotations.insert(marks::MADE_FOR.to_owned());
    assert_eq!(keys(&metadata["annotations"]), annotations, "{object:#}");
    let mut labels = keys(&wanted["labels"]);
    labels.insert(marks::PART_OF.to_owned());
    labels.extend((object["kind"] == "Namespace").then(|| "kubernetes.io/metadata.name".to_owned()));
    assert_eq!(keys(&metadata["labels"]), labels, "{object:#}");
}

fn no_object_says_what_was_last_applied(bench: &Bench) {
    let (fleet, agent) = (&bench.fleet, &bench.agent);
    put_work(fleet, "told", &json!(left_by_kubectl("before")));
    until_told(fleet, agent, "told", "Applied", "Applied");
    let wanted = left_by_kubectl(CANARY);
    put_work(fleet, "told", &json!(wanted));
    until_told(fleet, agent, "told", "Applied", "Applied");
    let edit = json!({"data": {"key": "by hand"}});
    bench.api().patch(&config_path(PLACE, "c"), MERGE_PATCH, &edit).unwrap();
    bench.until("a hand edit undone", || {
        let seen = bench.api().get(&config_path(PLACE, "c")).map_err(|error| error.to_string())?;
        if seen["data"]["key"] == CANARY { Ok(()) } else { Err(seen.to_string()) }
    });

    let (mut seen, mut of_muster) = (BTreeSet::new(), BTreeSet::new());
    for object in dump(bench) {
        let metadata = &object["metadata"];
        let managers = metadata["managedFields"].as_array().cloned().unwrap_or_default();
        let by_muster = |entry: &Value| entry["manager"].as_str().is_some_and(|by| by.starts_with("muster"));
        assert!(!metadata["annotations"].to_string().contains(CANARY), "{object:#}");
        let own_kind =
            object["apiVersion"].as_str().is_some_and(|version| version.starts_with("multicluster."));
        if own_kind || managers.iter().any(by_muster) {
            of_muster.insert(object["kind"].to_string());
            assert!(metadata["annotations"].get(marks::LAST_APPLIED).is_none(), "{object:#}");
        }
        let is_wanted = |wanted: &&Value| {
            ["kind", "apiVersion"].iter().all(|field| wanted[field] == object[field])
                && ["name", "namespace"].iter().all(|field| wanted["metadata"][field] == metadata[field])
        };
        if let Some(wanted) = wanted.iter().find(is_wanted) {
            bears_what_it_should(&object, wanted);
            seen.insert(format!("{} {}", object["kind"], metadata["name"]));
        }
    }
    assert_eq!(seen.len(), wanted.len(), "{seen:?}");
    let records = ["\"AppliedWork\"", "\"Cluster\"", "\"ClusterReport\"", "\"Lease\""];
    assert!(records.iter().all(|kind| of_muster.contains(*kind)), "{of_muster:?}");
}

#[test]
fn marks_and_owners_in_manifests_are_refused_alone_and_no_object_says_what_was_last_applied() {
    let bench = Bench::new();
    marks_and_owners_are_refused_alone(&bench);
    no_object_says_what_was_last_applied(&bench);
}
