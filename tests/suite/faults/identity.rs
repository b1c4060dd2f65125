//! Another directory behind the same address.

use std::fs;
use std::time::Duration;

use muster_tests::plane::{AuditMark, ControlPlane};
use muster_tests::proxy::Proxy;
use serde_json::json;

use super::{Bench, STATE, create, relabel};
use crate::fleet::{Fleet, OWN, install};
use crate::trail::lines;

const DIRECTORY: &str = include_str!("../../../manifests/directory.yaml");
/// The user of the client certificate.
pub(crate) const USER: &str = "agent-of-east";
const ETCD: &str = "etcd";
const ETCD_ASIDE: &str = "etcd-aside";

/// Gives the user of the certificate the rights of an agent.
pub(crate) fn admit(fleet: &Fleet) {
    let subject = json!([{"kind": "User", "name": USER, "apiGroup": "rbac.authorization.k8s.io"}]);
    let role =
        |name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name});
    for binding in [
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": USER}, "roleRef": role("view-clusters"), "subjects": subject}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": USER, "namespace": format!("muster-cluster-{OWN}")},
            "roleRef": role("muster-agent"), "subjects": subject}),
    ] {
        fleet.directory.apply(&binding.to_string()).unwrap();
    }
}

/// Wipes the directory: its address and its certificates are as they were, and nothing else. What it held is kept aside.
fn wipe(plane: &ControlPlane) {
    plane.kill().unwrap();
    fs::rename(plane.folder().join(ETCD), plane.folder().join(ETCD_ASIDE)).unwrap();
    plane.replace_with_new_cluster().unwrap();
}

/// Puts another cluster in the place of the directory, which is kept aside.
pub(crate) fn put_another(fleet: &Fleet) -> AuditMark {
    let plane = &fleet.directory;
    wipe(plane);
    let mark = plane.audit_mark().unwrap();
    install(plane);
    plane.apply(DIRECTORY).unwrap();
    fleet.enrol(OWN);
    admit(fleet);
    mark
}

/// Puts the directory back.
pub(crate) fn put_back(plane: &ControlPlane) {
    plane.kill().unwrap();
    fs::remove_dir_all(plane.folder().join(ETCD)).unwrap();
    fs::rename(plane.folder().join(ETCD_ASIDE), plane.folder().join(ETCD)).unwrap();
    plane.restart().unwrap();
}

#[test]
fn another_cluster_that_takes_the_same_credential() {
    let fleet = Fleet::new();
    create(&fleet, "old");
    admit(&fleet);
    let identity = fleet.directory.authority().client(USER, &[], Duration::from_secs(3600)).unwrap();
    fleet.offer(&fleet.directory.certificate_kubeconfig(&identity));
    let agent = fleet.agent(&["--cluster-name", OWN]);
    let proxy = Proxy::start(&fleet.directory).unwrap();
    let mut bench = Bench::begin(agent, proxy, fleet);

    let held = bench.held();
    wipe(&bench.fleet.directory);
    // Nobody there lets the agent see whether it is the same.
    bench.told(&[("DirectoryReachable", "Forbidden")]);
    bench.corrects("west");
    bench.restart();
    bench.told(&[("DirectoryReachable", "Forbidden")]);
    bench.mends_what_works_made();
    bench.nothing_lost(&held);
    put_back(&bench.fleet.directory);
    relabel(&bench.fleet, "old", "one");
    bench.back("wiped, and put back");
    bench.nothing_lost(&held);
    bench.settled();

    let held = bench.held();
    let mark = put_another(&bench.fleet);
    populate(&bench.fleet);
    bench.told(&[("DirectoryReachable", "IdentityMismatch"), ("MirrorInSync", "InSync")]);
    bench.corrects("west");
    bench.nothing_lost(&held);
    let written: Vec<_> = bench.fleet.directory.audit_since(mark).unwrap();
    let written: Vec<_> = written.iter().filter(|event| event.user == USER && event.writes()).collect();
    assert!(written.is_empty(), "{written:?}");

    put_back(&bench.fleet.directory);
    relabel(&bench.fleet, "old", "two");
    bench.back("another directory, and the right one again");
    bench.nothing_lost(&held);
    bench.settled();

    // The directory is to be another one from now on, and the replica's owner says so: before that is seen,
    bench.fleet.replica.api().delete(STATE).unwrap();
    let put_aside = bench.fleet.directory.cluster_uid().unwrap();
    put_another(&bench.fleet);
    populate(&bench.fleet);
    bench.wait("the entries of the other directory", || {
        labelled(&bench, &[(OWN, "another"), ("west", "another"), ("other", "another"), ("old", "two")])
    });
    bench.settled();
    strangers(&bench, 1);
    bench.only(&held, &[], &["other"]);

    // and after it was seen.
    let held = bench.held();
    put_back(&bench.fleet.directory);
    assert_eq!(bench.fleet.directory.cluster_uid().unwrap(), put_aside);
    bench.told(&[("DirectoryReachable", "IdentityMismatch")]);
    bench.nothing_lost(&held);
    bench.fleet.replica.api().delete(STATE).unwrap();
    bench.wait("the entries of the first directory", || {
        labelled(&bench, &[(OWN, "aws"), ("west", "production"), ("other", "another"), ("old", "two")])
    });
    bench.settled();
    strangers(&bench, 1);
    bench.nothing_lost(&held);
}

/// The entries of the other directory.
fn populate(fleet: &Fleet) {
    for name in [OWN, "west", "other"] {
        fleet.entry(name, &json!({"stage": "another"}));
    }
}

/// Whether each copy has this among the values of its labels.
fn labelled(bench: &Bench, wanted: &[(&str, &str)]) -> Result<(), String> {
    for (name, value) in wanted {
        let copy = bench.fleet.copy(name).map_err(|error| error.to_string())?;
        let labels = copy["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        if !labels.values().any(|label| label == value) {
            return Err(copy["metadata"].to_string());
        }
    }
    Ok(())
}

/// Checks that the report names so many copies of another directory.
fn strangers(bench: &Bench, count: usize) {
    let message = bench.fleet.reason(&bench.agent, "MirrorInSync", "InSync");
    let wanted = format!("copies of another directory's entries that are left alone: {count}");
    assert!(message.contains(&wanted), "{message}");
}

#[test]
fn another_cluster_that_does_not_know_the_credential() {
    let bench = Bench::new(&["one"]);
    let another = muster_tests::pool::plane().unwrap();
    let held = bench.held();
    let mark = another.audit_mark().unwrap();
    bench.proxy.set_upstream(&another).unwrap();
    bench.told(&[("DirectoryReachable", "CredentialsRejected")]);
    bench.corrects("one");
    bench.nothing_lost(&held);
    assert!(bench.proxy.requests().iter().any(|request| request.status == Some(401)));
    // A control plane writes to itself, too.
    let mut agents = another.audit_since(mark).unwrap();
    agents.retain(|event| event.user_agent.starts_with("muster-agent/"));
    assert!(agents.iter().all(|event| event.code == 401 || !event.writes()), "{}", lines(&agents));
    bench.proxy.set_upstream(&bench.fleet.directory).unwrap();
    relabel(&bench.fleet, "one", "two");
    bench.back("a stranger, and the directory again");
    bench.nothing_lost(&held);
    bench.settled();
}
