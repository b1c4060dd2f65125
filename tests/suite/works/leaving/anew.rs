//! A cluster that left with what its Works made joins again: nothing of the first time is in its way.

use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::directory::DirectoryProcess;
use serde_json::json;

use super::{MAPS, entry};
use crate::fleet::{Fleet, OWN, condition_of, quietly, until};
use crate::trail;
use crate::works::bench::turnover;
use crate::works::{config_map, put_work, until_told};

const NAMESPACE: &str = "/api/v1/namespaces/muster-cluster-east";

fn enrolled(fleet: &Fleet) {
    quietly("the cluster enrolled", || {
        let east = fleet.directory.api().get(&entry()).map_err(|error| error.to_string())?;
        condition_of(&east, "Enrolled").filter(|(seen, _)| seen == "Enrolled").ok_or_else(|| east.to_string())
    });
}

fn applied(fleet: &Fleet, agent: &AgentProcess) {
    put_work(fleet, "app", &json!([config_map("default", "a", "one")]));
    until_told(fleet, agent, "app", "Applied", "Applied");
}

#[test]
fn a_cluster_that_left_with_what_works_made_joins_again() {
    let fleet = Fleet::bare();
    let _controller = DirectoryProcess::start(&fleet.directory, &[]).unwrap();
    fleet.entry(OWN, &json!({"cloud": "aws"}));
    enrolled(&fleet);
    let agent = fleet.joined(&[]);
    applied(&fleet, &agent);
    let namespace = fleet.directory.api().get(NAMESPACE).unwrap();
    let says = json!({"spec": {"deregistration": "Delete"}});
    fleet.directory.api().patch(&entry(), MERGE_PATCH, &says).unwrap();
    fleet.directory.api().delete(&entry()).unwrap();
    until(&agent, "the entry, its namespace, and what its Work made gone", || {
        let there = [fleet.directory.api().get(&entry()), fleet.directory.api().get(NAMESPACE)];
        let made = fleet.replica.api().get(&format!("{MAPS}/a"));
        match there.into_iter().chain([made]).flatten().next() {
            Some(object) => Err(format!("{} {}", object["metadata"], object["status"])),
            None => Ok(()),
        }
    });

    let mark = trail::mark(&fleet.replica);
    fleet.entry(OWN, &json!({"cloud": "aws"}));
    enrolled(&fleet);
    assert_ne!(
        fleet.directory.api().get(NAMESPACE).unwrap()["metadata"]["uid"],
        namespace["metadata"]["uid"]
    );
    fleet.offer(&fleet.kubeconfig());
    fleet.reason(&agent, "DirectoryReachable", "Reachable");
    fleet.reason(&agent, "Deregistered", "Member");
    applied(&fleet, &agent);
    let mut turnover = turnover(&fleet, mark);
    turnover.retain(|write, _| !write.contains(" muster-system/"));
    let once = |write: &str| (write.to_owned(), 1);
    assert_eq!(turnover, ["create clusters /east", "create configmaps default/a"].map(once).into());
}
