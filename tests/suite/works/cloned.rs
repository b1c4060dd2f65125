//! The replica is cloned with the agent in it, as a snapshot of its machines would be: two clusters say that they are one.

use std::collections::BTreeMap;

use muster_tests::ControlPlane;
use muster_tests::agent::AgentProcess;
use muster_tests::plane::{Options, TokenOptions};
use muster_tests::scratch::Scratch;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::Value;

use super::bench::{Bench, made, settled, turnover};
use super::{config_map, put_work, until_told};
use crate::fleet::{REPORT, condition_of};
use crate::trail;

fn maps(names: &[&str]) -> Value {
    names.iter().map(|name| config_map("default", name, "one")).collect()
}

/// The UIDs of these objects of a cluster.
fn uids(plane: &ControlPlane, names: &[&str]) -> Vec<Option<String>> {
    let uid = |name: &&str| {
        let object = plane.api().get(&format!("/api/v1/namespaces/default/configmaps/{name}")).ok()?;
        Some(object["metadata"]["uid"].as_str()?.to_owned())
    };
    names.iter().map(uid).collect()
}

/// What the agent in a cluster says of its heartbeat, where that is that there is another one.
fn doubt(plane: &ControlPlane) -> Result<String, String> {
    let report = plane.api().get(REPORT).map_err(|error| error.to_string())?;
    match condition_of(&report, "HeartbeatAccepted") {
        Some((reason, message)) if reason == "Conflict" => Ok(message),
        seen => Err(format!("{seen:?}")),
    }
}

#[test]
fn a_cluster_and_its_clone_lose_nothing_and_say_that_there_are_two() {
    let bench = Bench::new();
    put_work(&bench.fleet, "app", &maps(&["a", "b"]));
    until_told(&bench.fleet, &bench.agent, "app", "Applied", "Applied");
    bench.until("the ledger to know all", || {
        let known = settled(&bench.fleet, "app")?;
        if known == made(&bench.fleet) { Ok(()) } else { Err(format!("{known:?}")) }
    });
    let backup = bench.fleet.replica.backup().unwrap();
    let clone = ControlPlane::start(Options::named("clone")).unwrap();
    clone.restore(&backup).unwrap();
    assert_eq!(clone.cluster_uid().unwrap(), bench.fleet.replica.cluster_uid().unwrap());
    bench.fleet.in_step(&bench.agent);
    let marks = [&*bench.fleet.replica, &clone].map(trail::mark);
    let before = uids(&clone, &["a", "b"]);

    let folder = Scratch::new("clone-agent").unwrap();
    let file = folder.path().join("kubeconfig");
    let own = clone.service_account_kubeconfig("muster-system", "directory-sync", &TokenOptions::default());
    std::fs::write(&file, own.unwrap()).unwrap();
    let mut other = AgentProcess::start(&["--kubeconfig", file.to_str().unwrap()], &[]).unwrap();
    let doubted = timed("a heartbeat of another one", DEADLINE * 3, || {
        doubt(&bench.fleet.replica).or_else(|one| doubt(&clone).map_err(|other| format!("{one}, {other}")))
    });
    let (message, _) =
        doubted.unwrap_or_else(|late| panic!("{late}\n{}\n{}", bench.agent.log(), other.log()));
    println!("    {message}");
    // Each of them goes on to hold what it holds.
    for plane in [&*bench.fleet.replica, &clone] {
        plane.api().delete("/api/v1/namespaces/default/configmaps/b").unwrap();
        bench.until("what somebody deleted is back", || {
            uids(plane, &["b"])[0].clone().map(drop).ok_or_else(|| "it is not there".to_owned())
        });
    }
    assert_eq!([uids(&bench.fleet.replica, &["a"]), uids(&clone, &["a"])], [&before[..1], &before[..1]]);

    // One of them ends, and the other one is alone again.
    other.kill().unwrap();
    bench.fleet.reason(&bench.agent, "HeartbeatAccepted", "Accepted");
    put_work(&bench.fleet, "app", &maps(&["a", "b", "c"]));
    until_told(&bench.fleet, &bench.agent, "app", "Applied", "Applied");
    let once = |names: &[&str]| -> BTreeMap<String, usize> {
        names.iter().map(|name| (format!("create configmaps default/{name}"), 1)).collect()
    };
    assert_eq!(turnover(&bench.fleet, marks[0]), once(&["b", "c"]));
    let written = trail::writes(&clone, marks[1], trail::REPLICA_USER);
    let of_maps =
        written.iter().filter(|event| event.resource == "configmaps" && event.namespace == "default");
    let of_maps: Vec<_> = of_maps.map(|event| (event.name.as_str(), event.code)).collect();
    assert_eq!(of_maps, [("b", 201)], "{}", trail::lines(&written));
}
