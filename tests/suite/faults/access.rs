//! The account is revoked, or its rights are.

use muster_tests::wait::saw;
use std::time::Instant;

use super::{Bench, create, delete, relabel};
use crate::fleet::OWN;

#[test]
fn a_revoked_account_deletes_nothing_and_a_new_secret_heals() {
    let bench = Bench::new(&["changed", "gone"]);
    let held = bench.held();
    bench.fleet.directory.kubectl_ok(&["-n", "muster-agents", "delete", "serviceaccount", OWN]).unwrap();
    bench.told(&[("DirectoryReachable", "CredentialsRejected")]);
    // The watch that is open lives on, and what it says is not confirmed.
    let before = bench.examinations();
    delete(&bench.fleet, "gone");
    bench.examined(before);
    bench.corrects("west");
    bench.nothing_lost(&held);
    bench.proxy.disconnect();
    relabel(&bench.fleet, "changed", "two");
    create(&bench.fleet, "new");
    bench.told(&[("DirectoryReachable", "CredentialsRejected")]);
    bench.nothing_lost(&held);

    bench.fleet.enrol(OWN);
    let kubeconfig = bench.proxy.kubeconfig_for(&bench.fleet.kubeconfig()).unwrap();
    let begun = Instant::now();
    bench.fleet.offer(&kubeconfig);
    bench.back("revoked");
    saw("a new Secret heal a revoked account", begun.elapsed());
    bench.only(&held, &["gone"], &["new"]);
    bench.settled();
}

#[test]
fn rights_that_are_taken_away_and_given_back() {
    let bench = Bench::new(&["changed", "gone"]);
    let held = bench.held();
    let directory = &bench.fleet.directory;
    directory.kubectl_ok(&["delete", "clusterrolebinding", &format!("muster-view-clusters-{OWN}")]).unwrap();
    bench.proxy.disconnect();
    bench.told(&[("DirectoryReachable", "Forbidden")]);
    bench.corrects("west");
    relabel(&bench.fleet, "changed", "two");
    delete(&bench.fleet, "gone");
    create(&bench.fleet, "new");
    bench.nothing_lost(&held);
    bench.fleet.enrol(OWN);
    bench.back("without the list");
    bench.only(&held, &["gone"], &["new"]);
    bench.settled();

    let held = bench.held();
    let namespace = format!("muster-cluster-{OWN}");
    directory.kubectl_ok(&["-n", &namespace, "delete", "rolebinding", "muster-agent"]).unwrap();
    bench.told(&[("HeartbeatAccepted", "Forbidden"), ("DirectoryReachable", "Reachable")]);
    bench.proxy.disconnect();
    bench.told(&[("WorksApplied", "Forbidden")]);
    bench.corrects("west");
    relabel(&bench.fleet, "new", "two");
    bench.back("without the execution namespace's rights");
    bench.nothing_lost(&held);
    bench.fleet.enrol(OWN);
    bench.settled();
}
