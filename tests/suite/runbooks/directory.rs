//! The directory was restored or moved, or does not know a credential any more.

use std::collections::BTreeMap;

use muster_tests::proxy::Proxy;
use serde_json::json;

use super::{Lasting, play, play_in};
use crate::fleet::{OWN, until};
use crate::policies::put_policy;
use crate::trail;
use crate::works::bench::{Bench, made, turnover};
use crate::works::{config_map, put_work, until_told};

const ACCOUNT: &str = "/api/v1/namespaces/muster-agents/serviceaccounts/east";

#[test]
fn a_directory_that_was_restored_is_followed_after_a_word() {
    let bench = Bench::new();
    Lasting::put(&bench);
    let mark = trail::mark(&bench.fleet.replica);
    bench.beat();
    let backup = bench.fleet.directory.backup().unwrap();
    put_work(&bench.fleet, "later", &json!([config_map("default", "later", "one")]));
    until_told(&bench.fleet, &bench.agent, "later", "Applied", "Applied");
    bench.beat();
    let before = made(&bench.fleet);
    bench.fleet.directory.restore(&backup).unwrap();
    play(&bench, "The directory was restored from a backup", &[], |_| {});
    until_told(&bench.fleet, &bench.agent, "kept", "Applied", "Applied");
    assert_eq!(made(&bench.fleet), before);
    let mut turnover = turnover(&bench.fleet, mark);
    turnover.retain(|write, _| write.starts_with("delete "));
    assert_eq!(turnover, BTreeMap::new());
}

#[test]
fn a_directory_is_met_again_at_another_address() {
    let bench = Bench::new();
    let kept = Lasting::put(&bench);
    bench.directory.cut().unwrap();
    let moved = Proxy::start(&bench.fleet.directory).unwrap();
    play_in(
        &bench.fleet,
        (moved.url(), moved.ca_pem()),
        "The directory moved to another address",
        &[],
        |_| {},
    );
    bench.fleet.in_step(&bench.agent);
    kept.is_unharmed(&bench);
}

#[test]
fn a_cluster_whose_credential_is_dead_gets_another_one() {
    let bench = Bench::new();
    let kept = Lasting::put(&bench);
    bench.fleet.directory.api().delete(ACCOUNT).unwrap();
    bench.fleet.enrol(OWN);
    play(&bench, "The credential of a cluster is dead", &[], |_| {});
    bench.fleet.in_step(&bench.agent);
    kept.is_unharmed(&bench);
}

#[test]
fn what_a_lost_directory_asked_for_is_taken_over_by_the_next_one_or_let_go() {
    let mut bench = Bench::new();
    Lasting::put(&bench);
    put_work(&bench.fleet, "alone", &json!([config_map("default", "alone", "one")]));
    until_told(&bench.fleet, &bench.agent, "alone", "Applied", "Applied");
    bench.fleet.in_step(&bench.agent);
    let viewers = json!({"selector": {"cloud": "aws"},
        "authorization": {"clusterBindings": [{"clusterRole": "view", "groups": ["viewers"]}]}});
    put_policy(&bench.fleet, "viewers", &viewers);
    bench.fleet.reason(&bench.agent, "PoliciesApplied", "Applied");
    let before = made(&bench.fleet);
    let mark = trail::mark(&bench.fleet.replica);
    bench.fleet.directory.kill().unwrap();
    let address = (bench.directory.url(), bench.directory.ca_pem().to_owned());
    let Bench { agent, fleet, .. } = &mut bench;
    play_in(fleet, (address.0, &address.1), "The directory is lost for good", &[], |done| {
        if done.contains("DirectoryReachable") {
            fleet.revive(agent); // it knows of the directory what is recorded
            fleet.directory.replace_with_new_cluster().unwrap();
            fleet.install_directory();
            fleet.enrol(OWN);
            fleet.entries();
            let maps = ["kept-a", "kept-b"].map(|name| config_map("default", name, "two"));
            put_work(fleet, "kept", &json!(maps));
            put_policy(fleet, "viewers", &viewers);
        }
    });
    fleet.in_step(agent);
    fleet.reason(agent, "PoliciesApplied", "Applied");
    let has = |name: &str| {
        let object =
            fleet.replica.api().get(&format!("/api/v1/namespaces/default/configmaps/{name}")).unwrap();
        (object["metadata"]["uid"].as_str().unwrap().to_owned(), object["data"]["key"].clone())
    };
    for (name, value) in [("kept-a", "two"), ("kept-b", "two"), ("kept-c", "one"), ("alone", "one")] {
        assert_eq!(has(name), (before[&format!("configmaps default/{name}")].clone(), json!(value)));
    }
    let mut marked = before;
    marked.remove("configmaps default/kept-c");
    until(agent, "what nobody asks for let go", || {
        let now = made(fleet);
        if now == marked { Ok(()) } else { Err(format!("{now:?}")) }
    });
    let mut turnover = turnover(fleet, mark);
    turnover.retain(|write, _| !write.contains(" muster-system/"));
    assert_eq!(turnover, BTreeMap::new(), "{}", agent.log());
}
