//! `lint` and `apply`: what people have in files, the old registry's documents above all.

use std::path::PathBuf;

use muster_tests::wait::{DEADLINE, eventually};
use muster_tests::{ControlPlane, pool};
use serde_json::json;

use super::document::compare;
use super::{done, muster};
use crate::fleet::{CLUSTERS, install};

/// The registry's documented Cluster, word for word, with a field that nobody knows.
const OLD: &str = "\
kind: Cluster
apiVersion: multicluster.coreos.com/v1
metadata:
  name: west-coast-production
  labels:
    stage: production
    version: 1.10
  annotations:
    multicluster.coreos.com/console-url: https://west-coast-production.west.example.com
    multicluster.coreos.com/directory: true
spec:
  KubernetesAPIEndpoints:
    ServerEndpoints:
      - ServerAddress: https://west-coast-production-api.west.example.com:443
        Weight: 0.5
  owner: {team: [a, b], oncall: true}
---
kind: ClusterRole
apiVersion: rbac.authorization.k8s.io/v1beta1
metadata:
  name: old-role
rules: []
---
apiVersion: apiextensions.k8s.io/v1beta1
kind: CustomResourceDefinition
metadata:
  name: clusters.multicluster.coreos.com
";

fn file(plane: &ControlPlane, name: &str, content: &str) -> PathBuf {
    let path = plane.folder().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn the_old_registrys_documents_are_applied_with_a_word_on_what_was_put_right() {
    let plane = pool::plane().unwrap();
    install(&plane);
    let path = file(&plane, "old.yaml", OLD);
    let path = path.to_str().unwrap();
    let refused = plane.kubectl(&["apply", "-f", path]).unwrap();
    assert_ne!(refused.code, Some(0), "kubectl takes it as it is: {}", refused.stdout);

    let linted = muster(&plane, &["lint", "-f", path, "-o", "yaml"]);
    assert_eq!(linted.code, Some(0), "{}", linted.stderr);
    for told in [
        "multicluster.coreos.com/directory] is a boolean",
        "labels[version] is a number, and is read as \"1.10\"",
        "rbac.authorization.k8s.io/v1beta1 is read as rbac.authorization.k8s.io/v1",
        "is left out: this definition comes with Muster's multicluster.yaml",
        "2 documents, 4 warnings",
    ] {
        assert!(linted.stderr.contains(told), "{told} is missing: {}", linted.stderr);
    }
    let west = format!("{CLUSTERS}/west-coast-production");
    let rehearsed = done(&plane, &["apply", "-f", path, "--dry-run", "-o", "yaml"]);
    assert!(rehearsed.contains("kind: Cluster") && plane.api().get(&west).is_err(), "{rehearsed}");

    done(&plane, &["apply", "-f", path]);
    let entry = plane.api().get(&west).unwrap();
    assert_eq!(entry["metadata"]["annotations"]["multicluster.coreos.com/directory"], "true");
    assert_eq!(entry["metadata"]["labels"], json!({"stage": "production", "version": "1.10"}));
    assert_eq!(entry["spec"]["owner"], json!({"team": ["a", "b"], "oncall": true}));
    assert_eq!(entry["spec"]["KubernetesAPIEndpoints"]["ServerEndpoints"][0]["Weight"], json!(0.5));
    plane.api().get("/apis/rbac.authorization.k8s.io/v1/clusterroles/old-role").unwrap();

    // What lint printed is what kubectl takes, and it is the same.
    done(&plane, &["apply", "-f", path]);
    let again = plane.api().get(&west).unwrap();
    assert_eq!(
        again["metadata"]["resourceVersion"], entry["metadata"]["resourceVersion"],
        "a second run changes nothing"
    );
    plane.api().delete(&west).unwrap();
    plane.apply(&linted.stdout).unwrap();
    assert_eq!(plane.api().get(&west).unwrap()["spec"], entry["spec"]);
}

#[test]
fn nothing_is_applied_of_a_file_with_an_error_and_fields_of_others_are_left() {
    let plane = pool::plane().unwrap();
    install(&plane);
    let cluster = |name: &str| {
        format!("apiVersion: multicluster.coreos.com/v1\nkind: Cluster\nmetadata:\n  name: {name}\n")
    };
    let path = file(&plane, "half.yaml", &format!("{}---\n{}", cluster("good"), cluster("Bad")));
    let output = muster(&plane, &["apply", "-f", path.to_str().unwrap()]);
    assert_eq!(output.code, Some(1));
    assert!(
        output.stderr.contains("document 2, Cluster Bad") && output.stderr.contains("lint -f"),
        "{}",
        output.stderr
    );
    assert!(plane.api().get(&format!("{CLUSTERS}/good")).is_err());

    plane.apply(&format!("{}  labels: {{stage: theirs}}\n", cluster("good"))).unwrap();
    let path = file(&plane, "mine.yaml", &format!("{}  labels: {{stage: mine}}\n", cluster("good")));
    let path = path.to_str().unwrap();
    let stage =
        || plane.api().get(&format!("{CLUSTERS}/good")).unwrap()["metadata"]["labels"]["stage"].clone();
    let output = muster(&plane, &["apply", "-f", path]);
    assert_eq!((output.code, stage()), (Some(1), json!("theirs")), "{}", output.stderr);
    assert!(output.stderr.contains("--force-conflicts"), "{}", output.stderr);
    done(&plane, &["apply", "-f", path, "--force-conflicts"]);
    assert_eq!(stage(), json!("mine"));
}

#[test]
fn check_says_of_each_thing_that_is_missing_what_to_do() {
    let plane = pool::plane().unwrap();
    let bare = muster(&plane, &["check"]);
    assert_eq!(bare.code, Some(1));
    for told in [
        "FAILED   definition clusters.multicluster.coreos.com is missing",
        "kubectl apply -f multicluster.yaml",
        "FAILED   Namespace muster-agents is missing",
        "kubectl apply -f directory.yaml",
    ] {
        assert!(bare.stdout.contains(told), "{told} is missing:\n{}", bare.stdout);
    }
    install(&plane);
    plane.apply(crate::fleet::DIRECTORY).unwrap();
    let whole = muster(&plane, &["check"]);
    println!("{}", whole.stdout);
    assert_eq!(whole.code, Some(0), "{}{}", whole.stdout, whole.stderr);
    assert!(
        !whole.stdout.contains("FAILED") && whole.stdout.contains(&plane.cluster_uid().unwrap()),
        "{}",
        whole.stdout
    );
    assert!(
        whole.stdout.contains("kubectl muster join NAME --server"),
        "its address is this machine: {}",
        whole.stdout
    );
    // as a replica it lacks its credential and a pod that runs
    let context = plane.name().to_owned();
    let replica = muster(&plane, &["check", "--replica", &context]);
    println!("{}", replica.stdout);
    assert_eq!(replica.code, Some(1));
    let told = format!("{}{}", replica.stdout, replica.stderr)
        .replace(&format!("--context {context}"), "--context east");
    compare("check --replica east", &told).unwrap();
    for told in [
        "Replica\n",
        "Secret muster-system/directory-sync is missing",
        "kubectl muster token NAME",
        "is not available",
        "muster-works-default",
    ] {
        assert!(replica.stdout.contains(told), "{told} is missing:\n{}", replica.stdout);
    }
}

#[test]
fn another_software_that_has_clusters_too_is_named() {
    let plane = pool::plane().unwrap();
    install(&plane);
    plane.apply(crate::fleet::DIRECTORY).unwrap();
    let names = json!({"kind": "Cluster", "plural": "clusters", "singular": "cluster"});
    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": schema});
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "clusters.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": names, "versions": [version]}});
    plane.apply(&crd.to_string()).unwrap();
    let check = eventually("the other kind", DEADLINE, || {
        let check = muster(&plane, &["check"]);
        if check.stdout.contains("example.com serves \"clusters\" too") {
            Ok(check)
        } else {
            Err(check.stdout)
        }
    })
    .unwrap();
    assert!(check.code == Some(0) && check.stdout.contains("always write mcl"), "{}", check.stdout);
    let server = format!("--server={}", plane.url());
    let join = muster(&plane, &["join", "east", "--dry-run", &server]);
    assert!(join.stderr.contains("warning: example.com serves \"clusters\" here too"), "{}", join.stderr);
}
