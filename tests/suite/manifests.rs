//! The shipped manifests, on a real server: they apply, twice; the pods are admitted under `restricted`; the accounts may
//! do what is listed here and nothing else, and each extra grant adds what it says; the directory protects its
//! definitions, and judges Works; heartbeats have their own seats.
//!
//! All tests share one control plane, which plays the directory and a replica at once, and use clusters of their own names.

mod appliers;
mod encryption;
mod impersonation;
mod options;
pub(crate) mod rights;
mod works;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use http::{Method, StatusCode};
use muster_api::resource::{APPLIED_WORKS, CLUSTERS, LEASES, NAMESPACES, POLICIES, REPORTS, WORKS};
use muster_api::{marks, names};
use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::{Output, TokenOptions};
use muster_tests::wait::{DEADLINE, eventually};
use muster_tests::{ControlPlane, Options};
use serde_json::{Value, json};

const JSON: &str = "application/json";

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const REMEDY: &str = "multicluster.coreos.com/allow-deletion=true";

/// The control plane of these tests, with the shipped manifests applied and the admission policies in force.
fn plane() -> &'static ControlPlane {
    static PLANE: OnceLock<ControlPlane> = OnceLock::new();
    PLANE.get_or_init(|| {
        let plane = ControlPlane::start(Options::named("manifests")).unwrap();
        println!("{}", apply_all(&plane));
        // A definition is served, and an admission policy acts, a moment after it was written.
        for definition in definitions() {
            plane
                .kubectl_ok(&[
                    "wait",
                    "--for=condition=Established",
                    "--timeout=60s",
                    &format!("crd/{definition}"),
                ])
                .unwrap();
        }
        eventually("the admission policy in force", DEADLINE, || {
            match delete_in_rehearsal(&plane, "crd", &definitions()[0]) {
                Output { code: Some(0), stdout, .. } => Err(stdout),
                refused => Ok::<_, String>(refused),
            }
        })
        .unwrap();
        let works = format!("{}?dryRun=All", WORKS.path(Some("default"), None));
        let named = works::work(json!({"name": names::POLICY_LEDGER.to_owned() + "x"}));
        eventually("the admission policy for Works in force", DEADLINE, || {
            plane.api().create(&works, &named).map_or_else(|_| Ok(()), |admitted| Err(admitted.to_string()))
        })
        .unwrap();
        plane
    })
}

fn manifest(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `kubectl apply` of what a directory that is also a replica gets.
fn apply_all(plane: &ControlPlane) -> String {
    ["multicluster.yaml", "directory.yaml"].map(|name| plane.apply(&manifest(name)).unwrap()).concat()
}

/// Enrols a cluster by hand and gives its execution namespace.
fn enrol(plane: &ControlPlane, cluster: &str) -> String {
    plane.apply(&manifest("enrol-by-hand.yaml").replace("CLUSTER_NAME", cluster)).unwrap();
    names::execution_namespace(cluster)
}

/// Names of the definitions that Muster ships.
fn definitions() -> Vec<String> {
    [CLUSTERS, POLICIES, REPORTS, WORKS, APPLIED_WORKS].map(|resource| resource.full_name()).to_vec()
}

fn delete_in_rehearsal(plane: &ControlPlane, kind: &str, name: &str) -> Output {
    plane.kubectl(&["delete", "--dry-run=server", kind, name]).unwrap()
}

/// `resourceVersion` of every object of the manifests.
fn versions(plane: &ControlPlane, enrolment: &str) -> BTreeMap<String, String> {
    let all = ["multicluster.yaml", "directory.yaml"].map(manifest).join("\n---\n") + "\n---\n" + enrolment;
    let list = plane.kubectl_with(&["get", "-f", "-", "-o", "json"], &all).unwrap();
    assert_eq!(list.code, Some(0), "{}", list.stderr);
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    let text =
        |object: &Value, field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    let objects = list["items"].as_array().unwrap().iter();
    objects
        .map(|o| {
            (
                format!("{} {}/{}", o["kind"], text(o, "namespace"), text(o, "name")),
                text(o, "resourceVersion"),
            )
        })
        .collect()
}

#[test]
fn a_second_apply_changes_nothing() {
    let plane = plane();
    let enrolment = manifest("enrol-by-hand.yaml").replace("CLUSTER_NAME", "twice");
    plane.apply(&enrolment).unwrap();
    // Kubernetes' controllers write the first status of pods, definitions and policies in their own time.
    let count = eventually("an apply that changes no resourceVersion", DEADLINE, || {
        let before = versions(plane, &enrolment);
        println!("{}{}", apply_all(plane), plane.apply(&enrolment).unwrap());
        let after = versions(plane, &enrolment);
        let changed: Vec<_> =
            after.iter().filter(|(name, version)| before.get(*name) != Some(version)).collect();
        if changed.is_empty() { Ok(after.len()) } else { Err(format!("{changed:?}")) }
    })
    .unwrap();
    assert!(count >= 35, "only {count} objects were compared");
}

#[test]
fn the_pods_are_admitted_under_restricted() {
    let plane = plane();
    let namespace = plane.api().get("/api/v1/namespaces/muster-system").unwrap();
    for mode in ["enforce", "audit", "warn"] {
        assert_eq!(
            namespace["metadata"]["labels"][format!("pod-security.kubernetes.io/{mode}")],
            "restricted"
        );
    }
    let deployment =
        plane.api().get("/apis/apps/v1/namespaces/muster-system/deployments/directory-sync").unwrap();
    let template = &deployment["spec"]["template"];
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
        "metadata": {"name": "rehearsal", "namespace": "muster-system", "labels": template["metadata"]["labels"]},
    });
    let mut copy = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": deployment["spec"]});
    copy["metadata"] = json!({"name": "rehearsal", "namespace": "muster-system"});
    let create = ["create", "--dry-run=server", "--warnings-as-errors", "-f", "-"];
    for object in [&pod, &copy] {
        let output = plane.kubectl_with(&create, &object.to_string()).unwrap();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{}", object["kind"]);
    }
    // The server does look: without one of the settings it refuses.
    let mut lax = pod;
    lax["spec"]["securityContext"]["seccompProfile"] = Value::Null;
    let output = plane.kubectl_with(&create, &lax.to_string()).unwrap();
    assert!(output.stderr.contains("violates PodSecurity \"restricted"), "{}", output.stderr);

    // What people and programs rely on, and what `restricted` does not ask for.
    assert_eq!(deployment["metadata"]["labels"]["app"], names::AGENT);
    assert_eq!(template["metadata"]["labels"]["app"], names::AGENT);
    assert_eq!(
        (&deployment["spec"]["replicas"], &template["spec"]["enableServiceLinks"]),
        (&json!(2), &json!(false))
    );
    let container = &template["spec"]["containers"][0];
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    for resource in ["cpu", "memory"] {
        assert!(
            container["resources"]["requests"][resource].is_string()
                && container["resources"]["limits"][resource].is_string()
        );
    }
    let budget = plane
        .api()
        .get("/apis/policy/v1/namespaces/muster-system/poddisruptionbudgets/directory-sync")
        .unwrap();
    assert_eq!(budget["spec"]["selector"], deployment["spec"]["selector"]);
}

#[test]
fn definitions_are_protected_from_deletion() {
    let plane = plane();
    for definition in definitions() {
        let output = delete_in_rehearsal(plane, "crd", &definition);
        assert_ne!(output.code, Some(0), "{definition}");
        assert!(
            output.stderr.contains(&format!("kubectl annotate crd {definition} {REMEDY}")),
            "{}",
            output.stderr
        );
    }
    // Neither as a whole collection, whose request names no object, nor on the way to be replaced.
    let reply = plane.api().send(Method::DELETE, &format!("{DEFINITIONS}?dryRun=All"), JSON, "").unwrap();
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "{:?}", reply.body);
    let definition = plane.kubectl_ok(&["get", "crd", &definitions()[0], "-o", "json"]).unwrap();
    let replaced = plane.kubectl_with(&["replace", "--force", "-f", "-"], &definition).unwrap();
    assert!(replaced.stderr.contains(REMEDY), "{replaced:?}");

    let allowed = APPLIED_WORKS.full_name();
    for (value, code) in [("false", Some(1)), ("true", Some(0)), ("", Some(1))] {
        plane
            .kubectl_ok(&[
                "annotate",
                "--overwrite",
                "crd",
                &allowed,
                &format!("{}={value}", marks::ALLOW_DELETION),
            ])
            .unwrap();
        let output = delete_in_rehearsal(plane, "crd", &allowed);
        assert_eq!(output.code, code, "{value:?}: {}", output.stderr);
    }
    plane.kubectl_ok(&["annotate", "crd", &allowed, &format!("{}-", marks::ALLOW_DELETION)]).unwrap();
}

#[test]
fn an_execution_namespace_goes_only_when_it_is_allowed_to() {
    let plane = plane();
    let namespace = enrol(plane, "leaving");
    let output = plane.kubectl(&["delete", "namespace", &namespace]).unwrap();
    assert!(
        output.stderr.contains(&format!("kubectl annotate namespace {namespace} {REMEDY}")),
        "{output:?}"
    );
    plane.kubectl_ok(&["annotate", "namespace", &namespace, REMEDY]).unwrap();
    // What is begun can be finished, by whoever asks again: a finalizer keeps it from being over too soon to see that.
    let lease = LEASES.path(Some(&namespace), Some("leaving"));
    let finalizers = |names: Value| json!({"metadata": {"finalizers": names}});
    plane.api().patch(&lease, MERGE_PATCH, &finalizers(json!(["example.com/wait"]))).unwrap();
    plane.kubectl_ok(&["delete", "namespace", &namespace, "--wait=false"]).unwrap();
    let unset = format!("{}-", marks::ALLOW_DELETION);
    plane.kubectl_ok(&["annotate", "namespace", &namespace, &unset]).unwrap();
    plane.kubectl_ok(&["delete", "namespace", &namespace, "--wait=false"]).unwrap();
    plane.api().patch(&lease, MERGE_PATCH, &finalizers(Value::Null)).unwrap();
    plane.kubectl_ok(&["wait", "--for=delete", "namespace", &namespace, "--timeout=100s"]).unwrap();
    plane.kubectl_ok(&["create", "namespace", "no-cluster"]).unwrap();
    plane.kubectl_ok(&["delete", "namespace", "no-cluster", "--wait=false"]).unwrap();
}

#[test]
fn heartbeats_have_seats_of_their_own() {
    let plane = plane();
    let namespace = enrol(plane, "beating");
    let kubeconfig = plane
        .service_account_kubeconfig(names::AGENTS_NAMESPACE, "beating", &TokenOptions::default())
        .unwrap();
    let schema =
        plane.api().get("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/muster-heartbeats").unwrap();
    let uid = schema["metadata"]["uid"].as_str().unwrap().to_lowercase();
    let matched = |args: &[&str]| {
        let output = plane.kubectl_as(&kubeconfig, &[args, &["-v=8"]].concat()).unwrap();
        let line = output
            .stderr
            .lines()
            .find(|line| line.contains("X-Kubernetes-Pf-Flowschema-Uid"))
            .map(str::to_owned);
        line.unwrap_or_else(|| panic!("{}", output.stderr))
    };
    let lease = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/beating");
    eventually("a heartbeat in its own flow", DEADLINE, || {
        let line = matched(&["get", "--raw", &lease]);
        if line.contains(&uid) { Ok(()) } else { Err(line) }
    })
    .unwrap();
    let other = matched(&["get", "--raw", "/apis/multicluster.coreos.com/v1/clusters"]);
    assert!(!other.contains(&uid), "{other}");
}

#[test]
fn enrolment_by_hand_uses_the_names_that_the_agent_expects() {
    let plane = plane();
    let unedited = plane.kubectl_with(&["apply", "-f", "-"], &manifest("enrol-by-hand.yaml")).unwrap();
    let role = "role.rbac.authorization.k8s.io/muster-token-CLUSTER_NAME created\n";
    assert_eq!(unedited.stdout, role, "something else of the unedited file was applied");
    assert!(unedited.stderr.contains("\"muster-cluster-CLUSTER_NAME\" is invalid"), "{}", unedited.stderr);

    let namespace = enrol(plane, "east");
    let object = plane.api().get(&NAMESPACES.path(None, Some(&namespace))).unwrap();
    assert_eq!(object["metadata"]["labels"][marks::EXECUTION_NAMESPACE], "true");
    let lease = plane.api().get(&LEASES.path(Some(&namespace), Some("east"))).unwrap();
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 40);
    plane.api().get(&REPORTS.path(Some(&namespace), Some("east"))).unwrap();
    let binding = plane
        .api()
        .get("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/muster-view-clusters-east")
        .unwrap();
    assert_eq!(
        binding["subjects"],
        json!([{"kind": "ServiceAccount", "name": "east", "namespace": names::AGENTS_NAMESPACE}])
    );
}
