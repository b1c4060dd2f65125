//! A cluster was built anew, or restored, or its records are lost.

use std::collections::BTreeMap;

use muster_tests::ControlPlane;
use muster_tests::agent::AgentProcess;
use muster_tests::directory::DirectoryProcess;
use muster_tests::plane::{Options, TokenOptions};
use muster_tests::wait::{DEADLINE, timed};

use super::{Lasting, play, play_in};
use crate::fleet::{CLUSTERS, Fleet, LEADER, OWN, condition_of, quietly};
use crate::trail;
use crate::works::bench::{Bench, Kept, made, turnover};
use crate::works::{LEDGERS, until_told};

#[test]
fn a_record_that_is_lost_is_there_again() {
    let bench = Bench::new();
    let kept = Lasting::put(&bench);
    bench.api().delete(&format!("{LEDGERS}/kept")).unwrap();
    play(&bench, "The record of a Work is lost", &[], |_| {});
    kept.is_unharmed(&bench);
}

#[test]
fn a_clone_whose_agent_is_taken_off_leaves_the_other_one_in_peace() {
    let bench = Bench::new();
    let kept = Lasting::put(&bench);
    let backup = bench.fleet.replica.backup().unwrap();
    let clone = ControlPlane::start(Options::named("runbook-clone")).unwrap();
    clone.restore(&backup).unwrap();
    bench.fleet.in_step(&bench.agent);
    let of_clone = || {
        let list = clone.api().get("/api/v1/namespaces/default/configmaps").unwrap();
        let uids = list["items"].as_array().unwrap().iter().map(|object| object["metadata"]["uid"].clone());
        uids.collect::<Vec<_>>()
    };
    let before = of_clone();
    let account = clone
        .service_account_kubeconfig("muster-system", "directory-sync", &TokenOptions::default())
        .unwrap();
    let file = clone.folder().join("agent.kubeconfig");
    std::fs::write(&file, account).unwrap();
    let mut other = AgentProcess::start(&["--kubeconfig", file.to_str().unwrap()], &[]).unwrap();
    let known = [("clone.kubeconfig", clone.admin_kubeconfig())];
    play(&bench, "A cluster was cloned", &known, |done| {
        if done.contains("delete deployment") {
            other.kill().unwrap();
        }
    });
    assert_eq!(of_clone(), before);
    kept.is_unharmed(&bench);
}

#[test]
fn a_cluster_that_was_restored_comes_in_step() {
    let bench = Bench::new();
    let before = bench.fleet.replica.backup().unwrap();
    bench.fleet.in_step(&bench.agent);
    let renewed = || bench.api().get(LEADER).unwrap()["spec"]["renewTime"].to_string();
    let last = renewed();
    Lasting::put(&bench);
    // A backup is older than what the agent wrote last: by its own Lease it sees that time went back.
    bench.until("the Lease renewed", || if renewed() == last { Err(renewed()) } else { Ok(()) });
    let mark = trail::mark(&bench.fleet.replica);
    bench.fleet.replica.restore(&before).unwrap();
    let names = ["kept-a", "kept-b", "kept-c"].map(|name| format!("configmaps default/{name}"));
    let back = timed("what the backup lacks", DEADLINE * 4, || {
        let now = made(&bench.fleet);
        if now.keys().eq(names.iter()) { Ok(()) } else { Err(format!("{now:?}")) }
    });
    back.unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
    play(&bench, "A cluster was restored from a backup", &[], |_| {});
    let made_again = names.map(|name| (format!("create {name}"), 1));
    assert_eq!(turnover(&bench.fleet, mark), BTreeMap::from(made_again));
}

#[test]
fn a_cluster_that_was_built_anew_takes_the_place_of_the_old_one() {
    let fleet = Fleet::bare();
    let _controller = DirectoryProcess::start(&fleet.directory, &[]).unwrap();
    fleet.entries();
    let entry = || fleet.directory.api().get(&format!("{CLUSTERS}/{OWN}")).map_err(|error| error.to_string());
    quietly("the cluster enrolled", || match condition_of(&entry()?, "Enrolled") {
        Some((reason, _)) if reason == "Enrolled" => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
    let mut agent = fleet.joined(&[]);
    Kept::put(&fleet, &agent);
    quietly("the cluster ready", || match condition_of(&entry()?, "Ready") {
        Some((reason, _)) if reason == "Reporting" => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
    agent.kill().unwrap();
    fleet.replica.replace_with_new_cluster().unwrap();
    let mark = trail::mark(&fleet.replica);
    let mut anew = None;
    let address = (fleet.directory.url(), fleet.directory.ca_pem());
    play_in(&fleet, (address.0, &address.1), "A cluster was built anew", &[], |done| {
        if done.contains("muster join") {
            anew = Some(fleet.agent(&[]));
        }
    });
    let agent = anew.unwrap();
    until_told(&fleet, &agent, "kept", "Applied", "Applied");
    fleet.in_step(&agent);
    let clusters = [OWN, "west"].map(|name| (format!("create clusters /{name}"), 1));
    let maps = ["kept-a", "kept-b", "kept-c"].map(|name| (format!("create configmaps default/{name}"), 1));
    let mut turnover = turnover(&fleet, mark);
    turnover.retain(|write, _| !write.contains(" muster-system/"));
    assert_eq!(turnover, clusters.into_iter().chain(maps).collect());
}
