//! The account is revoked, or its rights are.

use std::time::{Duration, Instant};

use muster_tests::wait::{saw, throughout};
use serde_json::json;

use super::{Bench, create, delete, relabel};
use crate::fleet::{Fleet, OWN, REPORT};
use crate::works::{config_map, is_gone, made, put_work, until_told, works};

/// How long a certificate is worth something here: time enough to be taken into use.
const LIFE: Duration = Duration::from_secs(20);

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

/// A kubeconfig with a client certificate that has the name of the replica's account in the directory, and so its rights.
fn certificate(fleet: &Fleet, life: Duration) -> String {
    let user = format!("system:serviceaccount:muster-agents:{OWN}");
    let groups = ["system:serviceaccounts", "system:serviceaccounts:muster-agents"];
    let identity = fleet.directory.authority().client(&user, &groups, life).unwrap();
    fleet.directory.certificate_kubeconfig(&identity)
}

#[test]
fn a_certificate_that_ends_deletes_nothing_and_a_new_secret_heals() {
    let bench = Bench::new(&["changed", "gone"]);
    put_work(&bench.fleet, "ends", &json!([config_map("default", "ends", "one")]));
    until_told(&bench.fleet, &bench.agent, "ends", "Applied", "Applied");
    let held = bench.held();
    let ends = Instant::now() + LIFE;
    bench.fleet.offer(&certificate(&bench.fleet, LIFE));
    bench.wait("the certificate in use", || {
        let report = bench.fleet.replica.api().get(REPORT).map_err(|error| error.to_string())?;
        let expires = report["status"]["credential"]["expires"].as_str().unwrap_or_default();
        let left = expires.parse::<jiff::Timestamp>().map(|end| end.duration_since(jiff::Timestamp::now()));
        if left.is_ok_and(|left| left.unsigned_abs() <= LIFE) { Ok(()) } else { Err(expires.to_owned()) }
    });
    relabel(&bench.fleet, "changed", "two");
    bench.back("a certificate");
    assert!(Instant::now() < ends, "it ended before it was in use");

    bench.told(&[("DirectoryReachable", "CredentialsRejected")]);
    let took = ends.elapsed();
    saw("told that a certificate ended", took);
    assert!(took < Duration::from_secs(15), "longer than a heartbeat and the calls that it takes: {took:?}");
    bench.told(&[("CredentialsValid", "Expired")]);
    // Watches that are open live on, and what they say is not confirmed.
    delete(&bench.fleet, "gone");
    bench.fleet.directory.api().delete(&format!("{}/ends", works())).unwrap();
    create(&bench.fleet, "new");
    put_work(&bench.fleet, "late", &json!([config_map("default", "late", "one")]));
    bench.corrects("west");
    let kept = throughout("what is there kept", Duration::from_secs(6), || {
        let gone = bench.written(&held, "delete", "configmaps").len()
            + bench.written(&held, "delete", "clusters").len();
        if gone == 0 { Ok(()) } else { Err(bench.agent.log()) }
    });
    kept.unwrap();

    let begun = Instant::now();
    bench.fleet.offer(&bench.proxy.kubeconfig_for(&bench.fleet.kubeconfig()).unwrap());
    bench.back("a certificate that ended");
    saw("a new Secret heal a certificate that ended", begun.elapsed());
    bench.wait("the Work gone", || is_gone(&bench.fleet, "ends"));
    until_told(&bench.fleet, &bench.agent, "late", "Applied", "Applied");
    bench.settled();
    let written = |verb| ["clusters", "configmaps"].map(|resource| bench.written(&held, verb, resource));
    assert_eq!(written("delete"), [["gone"], ["ends"]], "{}", bench.agent.log());
    let mut made_now = made(&bench.fleet);
    let mut made_before = held.made.clone();
    assert!(made_now.remove("configmaps default/late").is_some());
    assert!(made_before.remove("configmaps default/ends").is_some());
    assert_eq!(made_now, made_before, "{}", bench.agent.log());
}
