//! The kinds on a real API server, as people meet them with kubectl: the documents of the multi-cluster registry go in as
//! written, `explain` answers for every field, tables have useful columns, and what is wrong is refused in plain words.

mod documents;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::thread;

use http::StatusCode;
use muster_api::resource::{APPLIED_WORKS, CLUSTERS, NAMESPACES, POLICIES, REPORTS, Resource, WORKS};
use muster_tests::{ControlPlane, Options};
use serde_json::{Value, json};

use crate::policies::DOCUMENTED;
use documents::{EAST, WEST};

const KINDS: [Resource; 5] = [CLUSTERS, POLICIES, REPORTS, WORKS, APPLIED_WORKS];

/// The control plane of these tests, with the definitions served.
fn plane() -> &'static ControlPlane {
    static PLANE: OnceLock<ControlPlane> = OnceLock::new();
    PLANE.get_or_init(|| {
        let plane = ControlPlane::start(Options { controllers: false, ..Options::named("api") }).unwrap();
        for kind in KINDS {
            println!("{}", plane.apply(&definition(&kind)).unwrap());
        }
        for kind in KINDS {
            let name = format!("crd/{kind}");
            plane.kubectl_ok(&["wait", "--for=condition=Established", "--timeout=60s", &name]).unwrap();
        }
        plane
    })
}

fn definition(kind: &Resource) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../manifests/crds/{kind}.yaml"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_second_apply_of_the_definitions_changes_nothing() {
    let plane = plane();
    for kind in KINDS {
        assert_eq!(
            plane.apply(&definition(&kind)).unwrap(),
            format!("customresourcedefinition.apiextensions.k8s.io/{kind} unchanged\n")
        );
    }
}

/// Every field below `node`, with its path after the resource's name and its description.
fn fields(path: &str, node: &Value, found: &mut Vec<(String, String)>) {
    let node = node.get("items").unwrap_or(node);
    for (name, field) in node["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        found.push((path.clone(), field["description"].as_str().unwrap_or_default().to_owned()));
        fields(&path, field, found);
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn explain_answers_for_every_field() {
    let plane = plane();
    let mut asked = Vec::new();
    for kind in KINDS {
        let definition: Value = serde_saphyr::from_str(&definition(&kind)).unwrap();
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let text = schema["description"].as_str().unwrap_or_default();
        asked.push((kind.to_string(), text.to_owned()));
        fields(&kind.to_string(), schema, &mut asked);
    }
    println!("{} questions", asked.len());
    assert!(asked.len() > 150, "only {} questions", asked.len());
    let wrong: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = asked
            .chunks(asked.len().div_ceil(4))
            .map(|part| {
                scope.spawn(move || part.iter().filter_map(|(path, text)| unexplained(plane, path, text)))
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap().collect::<Vec<_>>()).collect()
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is wrong with the answer of `kubectl explain`, if anything is.
fn unexplained(plane: &ControlPlane, path: &str, text: &str) -> Option<String> {
    let answer = plane.kubectl(&["explain", path]).unwrap();
    let told = !text.is_empty() && words(&answer.stdout).contains(&words(text));
    (answer.code != Some(0) || !told).then(|| format!("{path}: {} {}", answer.stdout, answer.stderr))
}

/// The registry's own documents, with the boolean annotation quoted: kubectl takes no other.
#[test]
fn documented_clusters_go_in_as_written() {
    let plane = plane();
    for document in [WEST, EAST] {
        println!("{}", plane.apply(document).unwrap());
        let wanted: Value = serde_saphyr::from_str(document).unwrap();
        let name = wanted["metadata"]["name"].as_str();
        let stored = plane.api().get(&CLUSTERS.path(None, name)).unwrap();
        assert_eq!(stored["spec"].to_string(), wanted["spec"].to_string());
        assert_eq!(stored["metadata"]["labels"], wanted["metadata"]["labels"]);
        assert!(stored.get("status").is_none(), "{stored}");
    }
    for (name, spec) in [("blank", "spec: {}"), ("bare", "")] {
        plane
            .apply(&format!(
                "apiVersion: multicluster.coreos.com/v1\nkind: Cluster\nmetadata: {{name: {name}}}\n{spec}\n"
            ))
            .unwrap();
    }
    assert!(plane.api().get(&CLUSTERS.path(None, Some("bare"))).unwrap().get("spec").is_none());
}

#[test]
fn an_unquoted_annotation_is_refused_by_kubectl_itself() {
    let unquoted = WEST.replace("\"true\"", "true");
    let refused = plane().kubectl_with(&["apply", "-f", "-"], &unquoted).unwrap();
    println!("{}", refused.stderr);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("cannot unmarshal bool"), "{}", refused.stderr);
}

/// Null, numbers of all sorts and deep trees in fields that no schema knows: server-side apply keeps them too.
#[test]
fn unknown_fields_stay_as_they_are() {
    let plane = plane();
    let spec = json!({
        "KubernetesAPIEndpoints": {
            "ServerEndpoints": [{"ServerAddress": "a", "weight": 0.5, "none": null}],
            "Zone": {"name": ["x", {"y": [true, null]}]},
        },
        "authInfo": {"user": {"kind": "Secret", "name": "s"}},
        "big": 9_007_199_254_740_993_i64,
        "none": null,
    });
    let cluster = |name: &str| {
        json!({
            "apiVersion": CLUSTERS.api_version(), "kind": "Cluster", "metadata": {"name": name}, "spec": spec,
        })
    };
    let created = plane.api().create(&CLUSTERS.path(None, None), &cluster("created")).unwrap();
    let path = CLUSTERS.path(None, Some("applied")) + "?fieldManager=muster-mirror&force=true";
    let applied = plane.api().patch(&path, muster_tests::api::APPLY_PATCH, &cluster("applied")).unwrap();
    assert_eq!(created["spec"].to_string(), spec.to_string());
    assert_eq!(applied["spec"].to_string(), spec.to_string());
}

#[test]
fn documented_policies_go_in_as_written() {
    let plane = plane();
    let mut documented = DOCUMENTED.split("\n---\n").skip(1);
    let [Some(first), Some(second), None] = [(); 3].map(|()| documented.next()) else {
        panic!("two documents are expected:\n{DOCUMENTED}")
    };
    for document in [first, second, documents::EVERYTHING] {
        println!("{}", plane.apply(document).unwrap());
        let wanted: Value = serde_saphyr::from_str(document).unwrap();
        let name = wanted["metadata"]["name"].as_str();
        let stored = plane.api().get(&POLICIES.path(None, name)).unwrap();
        assert_eq!(stored["spec"], wanted["spec"]);
        let typed: muster_api::policy::ClusterPolicy = serde_json::from_value(stored).unwrap();
        assert_eq!(serde_json::to_value(&typed.spec).unwrap(), wanted["spec"], "the type loses nothing");
    }
}

#[test]
fn what_is_wrong_is_refused_in_plain_words() {
    let plane = plane();
    for (kind, spec, message) in documents::WRONG {
        let document = format!(
            "apiVersion: multicluster.coreos.com/v1\nkind: {kind}\nmetadata: {{name: wrong}}\nspec: {spec}\n"
        );
        let refused = plane.kubectl_with(&["apply", "--dry-run=server", "-f", "-"], &document).unwrap();
        println!("{spec}\n  {}", refused.stderr);
        assert_ne!(refused.code, Some(0), "{spec}: {}", refused.stdout);
        assert!(refused.stderr.contains(message), "{spec}: expected {message:?}, got {:?}", refused.stderr);
    }
}

/// A Work with more fields than the standard has loses them, and Muster's Work loses nothing elsewhere: it has none.
#[test]
fn a_work_is_the_standards_and_holds_any_manifest() {
    let plane = plane();
    plane.apply(documents::WORK).unwrap();
    let wanted: Value = serde_saphyr::from_str(documents::WORK).unwrap();
    let stored = plane.api().get(&WORKS.path(Some("default"), Some("web"))).unwrap();
    assert_eq!(stored["spec"], wanted["spec"]);

    let ledger: Value = serde_saphyr::from_str(documents::LEDGER).unwrap();
    let created = plane.api().create(&APPLIED_WORKS.path(None, None), &ledger).unwrap();
    assert_eq!(created["spec"], ledger["spec"]);
    let crd =
        plane.kubectl_ok(&["get", "crd", "-l", "applyset.kubernetes.io/is-parent-type=true", "-o", "name"]);
    assert_eq!(crd.unwrap(), format!("customresourcedefinition.apiextensions.k8s.io/{APPLIED_WORKS}\n"));
}

/// Writes the status of an object by server-side apply, which makes the object where it is not there.
fn report(plane: &ControlPlane, kind: &Resource, namespace: Option<&str>, name: &str, status: &Value) {
    let object = json!({
        "apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"name": name}, "status": status,
    });
    let path = kind.path(namespace, Some(name));
    let bare = json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"name": name}});
    match plane.api().create(&kind.path(namespace, None), &bare) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.status(), Some(StatusCode::CONFLICT), "{error}"),
    }
    let path = path + "/status?fieldManager=test&force=true";
    plane.api().patch(&path, muster_tests::api::APPLY_PATCH, &object).unwrap();
}

/// A table without the column of the age.
fn table(plane: &ControlPlane, args: &[&str]) -> String {
    let text = plane.kubectl_ok(args).unwrap();
    println!("$ kubectl {}\n{text}", args.join(" "));
    let head = text.lines().next().unwrap_or_default();
    let from = format!("{head} ").find(" AGE ").expect("a column AGE") + 1;
    let next = head[from..].find("  ").map_or("", |gap| head[from + gap..].trim_start());
    let to = head.len() - next.len();
    let without = |line: &str| {
        let (before, after) = (&line[..from.min(line.len())], line.get(to..).unwrap_or_default());
        format!("{before}{after}").trim_end().to_owned() + "\n"
    };
    text.lines().map(without).collect()
}

fn condition(type_: &str, status: &str, reason: &str) -> Value {
    json!({
        "type": type_, "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-11-21T09:00:00Z",
    })
}

#[test]
fn tables_have_useful_columns() {
    let plane = plane();
    for document in [WEST, EAST, DOCUMENTED] {
        plane.apply(document).unwrap();
    }
    report(
        plane,
        &CLUSTERS,
        None,
        "west-coast-production",
        &json!({
            "conditions": [condition("Ready", "True", "HeartbeatReceived")],
            "version": "v1.36.3", "mode": "Pull", "agentVersion": "0.1.0",
        }),
    );
    let clusters = ["west-coast-production", "east"];
    assert_eq!(table(plane, &[&["get", "mcl"], &clusters[..]].concat()), documents::CLUSTERS);
    assert_eq!(
        table(plane, &[&["get", "mcl", "-o", "wide"], &clusters[..]].concat()),
        documents::CLUSTERS_WIDE
    );
    let policies = ["ldap-group-admin", "web-api"];
    assert_eq!(table(plane, &[&["get", "mcpol"], &policies[..]].concat()), documents::POLICIES);

    for cluster in ["east", "west"] {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("muster-cluster-{cluster}")},
        });
        plane.api().create(&NAMESPACES.path(None, None), &namespace).unwrap();
    }
    let known = json!({
        "cluster": "east",
        "conditions": [
            condition("DirectoryReachable", "True", "Reachable"),
            condition("MirrorInSync", "True", "InSync"),
            condition("PoliciesApplied", "True", "Applied"),
        ],
        "directory": {"id": "6f0e6a52-6a4c-4b62-9d2e-000000000000", "server": "https://directory.example.com:6443"},
        "credential": {"user": "system:serviceaccount:muster-agents:east", "expires": "2026-12-21T09:00:00Z"},
        "replica": {"id": "0c5c2a7e-2b57-4f5d-8f0d-000000000000", "version": "v1.36.3",
            "platform": "linux/amd64", "nodes": {"total": 12, "ready": 11},
            "capacity": {"cpu": "48", "memory": "192Gi"}, "allocatable": {"cpu": "46800m", "memory": "180Gi"},
            "podCIDRs": ["10.244.0.0/20"], "serviceCIDRs": ["10.96.0.0/12"],
            "properties": [{"name": "clusterset.k8s.io", "value": "production"}],
        },
        "agent": {"version": "0.1.0", "mode": "Pull"},
        "mirror": {"entries": 20, "copies": 20, "conflicts": 0, "frozenDeletions": 0},
    });
    let typed: muster_api::report::ClusterReportStatus = serde_json::from_value(known.clone()).unwrap();
    assert_eq!(serde_json::to_value(typed).unwrap(), known, "the type loses nothing");
    report(plane, &REPORTS, Some("muster-cluster-east"), "east", &known);
    report(plane, &REPORTS, Some("muster-cluster-west"), "west", &json!({}));
    assert_eq!(table(plane, &["get", "mcr", "-A"]), documents::REPORTS);
    assert_eq!(table(plane, &["get", "mcr", "-A", "-o", "wide"]), documents::REPORTS_WIDE);
}

/// The short names and the category lead to Muster's kinds, and the list of works needs its full name.
#[test]
fn short_names_lead_to_the_kinds() {
    let listed = plane().kubectl_ok(&["api-resources", "--categories=muster", "--no-headers"]).unwrap();
    let found: BTreeMap<_, _> = listed
        .lines()
        .map(|line| {
            let cells: Vec<_> = line.split_whitespace().collect();
            (cells[0].to_owned(), cells[1].to_owned())
        })
        .collect();
    let wanted = [
        ("appliedworks", "multicluster.x-k8s.io/v1alpha1"),
        ("clusterpolicies", "mcpol"),
        ("clusterreports", "mcr"),
        ("clusters", "mcl"),
        ("works", "multicluster.x-k8s.io/v1alpha1"),
    ];
    assert_eq!(found, wanted.map(|(name, next)| (name.to_owned(), next.to_owned())).into());
}
