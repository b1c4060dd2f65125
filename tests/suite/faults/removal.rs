//! Parts of the directory are removed or replaced. Each object of them gets a true tombstone, which means nothing.

use muster_tests::plane::ControlPlane;
use serde_json::json;

use super::works::{free, made_again};
use super::{Bench, STATE, create, delete, relabel};
use crate::fleet::{CLUSTERS, OWN, version};

const CRD: &str = "clusters.multicluster.coreos.com";
const MULTICLUSTER: &str = include_str!("../../../manifests/multicluster.yaml");

/// Says that an object may be deleted, as the admission policy wants it.
pub(crate) fn allow(plane: &ControlPlane, kind: &str, name: &str) {
    plane.kubectl_ok(&["annotate", kind, name, "multicluster.coreos.com/allow-deletion=true"]).unwrap();
}

/// Puts the CRDs and all entries back, as people would from their files.
fn apply_again(bench: &Bench, entries: &[&str]) {
    crate::fleet::install(&bench.fleet.directory);
    bench.fleet.entry(OWN, &json!({"cloud": "aws"}));
    for name in entries {
        create(&bench.fleet, name);
    }
}

/// What its owner does to let the replica take the directory as it is now.
pub(super) fn join_anew(bench: &Bench) {
    bench.fleet.replica.api().delete(STATE).unwrap();
}

#[test]
fn the_crd_is_deleted_and_later_replaced() {
    let mut bench = Bench::new(&["one", "two"]);
    let held = bench.held();
    let directory = |bench: &Bench, args: &[&str]| bench.fleet.directory.kubectl_ok(args).unwrap();
    let refused = bench.fleet.directory.kubectl(&["delete", "crd", CRD]).unwrap();
    assert_ne!(refused.code, Some(0), "the admission policy lets it go");
    allow(&bench.fleet.directory, "crd", CRD);
    directory(&bench, &["delete", "crd", CRD]);
    bench.told(&[("DirectoryReachable", "BeingRemoved")]);
    bench.corrects("one");
    bench.restart();
    bench.told(&[("DirectoryReachable", "BeingRemoved")]);
    bench.nothing_lost(&held);
    apply_again(&bench, &["west", "one", "two"]);
    delete(&bench.fleet, "two");
    bench.proxy.disconnect();
    bench.told(&[("DirectoryReachable", "BeingRemoved")]);
    bench.nothing_lost(&held);
    join_anew(&bench);
    bench.back("CRD deleted, applied again and joined anew");
    bench.only(&held, &["two"], &[]);
    bench.settled();

    let held = bench.held();
    allow(&bench.fleet.directory, "crd", CRD);
    let crds =
        bench.fleet.directory.kubectl_with(&["replace", "--force", "-f", "-"], &definition(CRD)).unwrap();
    assert_eq!(crds.code, Some(0), "{}", crds.stderr);
    bench.told(&[("DirectoryReachable", "BeingRemoved")]);
    bench.corrects("one");
    bench.nothing_lost(&held);
    apply_again(&bench, &["west", "one"]);
    bench.told(&[("DirectoryReachable", "BeingRemoved")]);
    bench.nothing_lost(&held);
    join_anew(&bench);
    bench.back("CRD replaced and joined anew");
    bench.nothing_lost(&held);
    bench.settled();
}

/// One CRD of the manifest.
pub(crate) fn definition(name: &str) -> String {
    let found = MULTICLUSTER.split("\n---\n").find(|document| {
        document.contains("kind: CustomResourceDefinition") && document.contains(&format!("name: {name}\n"))
    });
    found.unwrap().to_owned()
}

#[test]
fn entries_are_replaced_and_the_own_one_is_missing() {
    let bench = Bench::new(&["gone"]);
    let replace = |name: &str| {
        let entry = bench.fleet.directory.api().get(&format!("{CLUSTERS}/{name}")).unwrap();
        let fresh = json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster",
            "metadata": {"name": name, "labels": entry["metadata"]["labels"]}, "spec": entry["spec"]});
        let args = ["replace", "--force", "-f", "-"];
        let output = bench.fleet.directory.kubectl_with(&args, &fresh.to_string()).unwrap();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let replaced = bench.fleet.directory.api().get(&format!("{CLUSTERS}/{name}")).unwrap();
        assert_ne!(version(&replaced).0, version(&entry).0);
        version(&replaced).0
    };
    let held = bench.held();
    for name in ["west", OWN] {
        let uid = replace(name);
        bench.wait("the copy to name the new entry", || {
            let copy = bench.fleet.copy(name).map_err(|error| error.to_string())?;
            let mark = copy["metadata"]["annotations"]["multicluster.coreos.com/copied-from"].to_string();
            if mark.contains(&uid) { Ok(()) } else { Err(mark) }
        });
        bench.nothing_lost(&held);
    }
    bench.settled();

    // Nobody sees it go: the list lacks it. Seen, it would be the end of this replica's membership.
    bench.proxy.cut().unwrap();
    delete(&bench.fleet, OWN);
    bench.relist();
    bench.proxy.restore().unwrap();
    bench.told(&[("EntryPresent", "Missing")]);
    let before = bench.examinations();
    delete(&bench.fleet, "gone");
    bench.examined(before);
    relabel(&bench.fleet, "west", "two");
    bench.told(&[("MirrorInSync", "Pending"), ("DirectoryReachable", "Reachable")]);
    bench.corrects(OWN);
    bench.nothing_lost(&held);
    bench.fleet.entry(OWN, &json!({"cloud": "aws"}));
    bench.back("own entry missing");
    bench.only(&held, &["gone"], &[]);
    bench.settled();
}

#[test]
fn the_execution_namespace_is_deleted_and_made_anew() {
    let bench = Bench::new(&["gone"]);
    let held = bench.held();
    let namespace = format!("muster-cluster-{OWN}");
    let refused = bench.fleet.directory.kubectl(&["delete", "namespace", &namespace]).unwrap();
    assert_ne!(refused.code, Some(0), "the admission policy lets it go");
    allow(&bench.fleet.directory, "namespace", &namespace);
    bench.fleet.directory.kubectl_ok(&["delete", "namespace", &namespace, "--wait=false"]).unwrap();
    bench.told(&[("HeartbeatAccepted", "Forbidden")]);
    let before = bench.examinations();
    delete(&bench.fleet, "gone");
    bench.examined(before);
    bench.told(&[("MirrorInSync", "Pending")]);
    free(&bench, &held);
    bench.wait("the namespace to go", || {
        let left = bench.fleet.directory.api().get(&format!("/api/v1/namespaces/{namespace}"));
        left.map_or(Ok(()), |namespace| Err(namespace["status"].to_string()))
    });
    bench.mends_what_works_made();
    bench.fleet.enrol(OWN);
    bench.told(&[("DirectoryReachable", "BeingRemoved")]);
    bench.nothing_lost(&held);
    join_anew(&bench);
    bench.back("execution namespace made anew and joined anew");
    bench.only(&held, &["gone"], &[]);
    bench.settled();
    made_again(&bench, &held, &["gone"]);
}
