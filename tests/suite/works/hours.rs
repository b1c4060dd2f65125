//! Hours without the directory, on a clock that goes faster: what Works asked for is held all the while.

use std::time::{Duration, Instant};

use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::clock::faster;
use muster_tests::proxy::Proxy;
use muster_tests::wait::{DEADLINE, saw, throughout, timed};
use serde_json::{Value, json};

use super::bench::{is_gone, made, turnover};
use super::{config_map, put_work, until_told, works};
use crate::fleet::Fleet;
use crate::trail;

/// How many times as fast the agent's clock goes. A deadline of ten seconds is a quarter of a second then.
const RATE: u32 = 36;
const MINUTE: Duration = Duration::from_secs(60);
/// Objects of a Work.
const OBJECTS: usize = 60;
/// Growth of memory that is none, in KiB: what lies about while something is put right, and code that is read for it.
const NOISE: u64 = 2048;
/// Within this, all is in step after the directory is back.
const SOON: Duration = Duration::from_secs(10);

/// Something is done by hand to an object, and put right.
fn drifts(fleet: &Fleet, agent: &AgentProcess, number: usize) {
    let path = format!("/api/v1/namespaces/default/configmaps/held-{number}");
    let api = fleet.replica.api();
    if number.is_multiple_of(2) {
        api.delete(&path).unwrap();
    } else {
        api.patch(&path, MERGE_PATCH, &json!({"data": {"key": "by hand"}})).unwrap();
    }
    let waited = muster_tests::wait::eventually("what was done by hand put right", DEADLINE, || {
        let object = api.get(&path).map_err(|error| error.to_string())?;
        if object["data"]["key"] == "one" { Ok(()) } else { Err(object["data"].to_string()) }
    });
    waited.unwrap_or_else(|late| panic!("{number}: {late}\n{}", agent.log()));
}

/// So many minutes of the agent's time without the directory, with something done by hand in each of them.
fn cut_off(minutes: usize) {
    let fleet = Fleet::new();
    let proxy = Proxy::start(&fleet.directory).unwrap();
    fleet.offer(&proxy.kubeconfig_for(&fleet.kubeconfig()).unwrap());
    let envs = faster(RATE).unwrap();
    let envs: Vec<_> = envs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut agent = fleet.agent_in(&[], &envs);
    fleet.in_step(&agent);
    let names: Vec<String> = (0..minutes).map(|number| format!("held-{number}")).collect();
    for (number, names) in names.chunks(OBJECTS).enumerate() {
        let work = format!("held-{number}");
        let manifests: Value = names.iter().map(|name| config_map("default", name, "one")).collect();
        put_work(&fleet, &work, &manifests);
        until_told(&fleet, &agent, &work, "Applied", "Applied");
    }
    let little: Value = ["l", "m", "n"].map(|name| config_map("default", name, "one")).into_iter().collect();
    put_work(&fleet, "little", &little);
    until_told(&fleet, &agent, "little", "Applied", "Applied");

    proxy.cut().unwrap();
    agent.kill().unwrap();
    agent.restart().unwrap();
    fleet.reason(&agent, "DirectoryReachable", "Unreachable");
    let before = made(&fleet);
    let mark = trail::mark(&fleet.replica);
    let began = Instant::now();
    let mut memory = Vec::new();
    for number in 0..minutes {
        let minute = Instant::now();
        drifts(&fleet, &agent, number);
        memory.push(agent.rss_kib().unwrap());
        // Nothing else comes or goes while it lasts.
        let rest = (MINUTE / RATE).saturating_sub(minute.elapsed());
        throughout("as many as before", rest, || match agent.ended() {
            Ok(None) => Ok(()),
            ended => Err(format!("{ended:?}")),
        })
        .unwrap();
    }
    saw(&format!("{minutes} minutes of the agent's"), began.elapsed());
    let now = made(&fleet);
    assert_eq!(now.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    // What was deleted by hand was made anew, once, and nothing else.
    let turnover = turnover(&fleet, mark);
    for (object, uid) in &now {
        let number = object.rsplit('-').next().and_then(|number| number.parse::<usize>().ok());
        let anew = number.is_some_and(|number| number % 2 == 0);
        assert_eq!(anew, before[object] != *uid, "{object}");
        let created = turnover.get(&format!("create {object}")).copied().unwrap_or(0);
        assert!(created <= usize::from(anew), "{object}: {created} times");
    }
    assert!(!turnover.keys().any(|write| write.starts_with("delete ")), "{turnover:?}");
    // Its Lease is renewed every five seconds of its clock.
    let renewals = trail::writes(&fleet.replica, mark, trail::REPLICA_USER);
    let renewals = renewals.iter().filter(|event| event.resource == "leases").count();
    println!("{renewals} renewals in {:?}", began.elapsed());
    assert!(renewals * 5 > minutes * 60 / 4, "the clock does not go faster");
    let quarter = memory.len().div_ceil(4);
    let mean = |part: &[u64]| part.iter().sum::<u64>() / part.len() as u64;
    let (first, last) = (mean(&memory[quarter..2 * quarter]), mean(&memory[memory.len() - quarter..]));
    println!("memory: {first} KiB in the second quarter, {last} KiB in the last");
    assert!(last <= first + NOISE, "{memory:?}");

    // A little that is to go after so long needs no word.
    fleet.directory.api().delete(&format!("{}/little", works())).unwrap();
    put_work(&fleet, "late", &json!([config_map("default", "late", "one")]));
    let back = Instant::now();
    proxy.restore().unwrap();
    let waited = timed("in step after the return", DEADLINE * 4, || {
        is_gone(&fleet, "little")?;
        if made(&fleet).contains_key("configmaps default/late") {
            Ok(())
        } else {
            Err("late is not there".to_owned())
        }
    });
    waited.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    println!("in step {:?} after the return, figure {SOON:?}", back.elapsed());
    fleet.reason(&agent, "Held", "NothingHeld");
}

#[test]
fn what_is_done_by_hand_is_put_right_for_half_an_hour_without_the_directory() {
    cut_off(30);
}

#[test]
#[ignore = "takes ten minutes: run by make faults"]
fn what_is_done_by_hand_is_put_right_for_six_hours_without_the_directory() {
    cut_off(360);
}
