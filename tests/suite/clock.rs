//! Clocks that are wrong, and jump: the agent's and the controller's.

use std::time::Duration;

use muster_tests::clock::Settable;
use muster_tests::directory::DirectoryProcess;
use muster_tests::wait::{DEADLINE, throughout, timed};
use serde_json::{Value, json};

use crate::fleet::{CLUSTERS, Fleet, REPORT, condition_of, until};
use crate::renewal::bound;
use crate::trail;
use crate::works::{Kept, config_map, is_gone, put_work, until_told, works, written, written_upstream};

/// Types, statuses and reasons of all conditions of the agent's own report but the one about the clock.
fn conditions(fleet: &Fleet) -> Result<Vec<Value>, String> {
    let report = fleet.replica.api().get(REPORT).map_err(|error| error.to_string())?;
    let conditions = report["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let others = conditions.into_iter().filter(|condition| condition["type"] != "ClockSkew");
    let mut told: Vec<_> = others.map(|told| json!([told["type"], told["status"], told["reason"]])).collect();
    told.sort_by_key(ToString::to_string);
    Ok(told)
}

/// How long the Lease lasts here.
const LASTS: Duration = Duration::from_secs(4);

/// A fleet in which the agent's clock is off by so much, and the controller's by as much the other way; both jump to where the
/// other one was while they run. All that the agent says after that; `reasons`: what it says of its clock before and after.
fn run(shift: i64, reasons: [&str; 2]) -> Vec<Value> {
    let fleet = Fleet::bare();
    let (clock, monitors) = (Settable::new(shift).unwrap(), Settable::new(-shift).unwrap());
    let lasts = format!("--heartbeat-lease={}", LASTS.as_secs());
    let envs = monitors.envs().unwrap();
    let controller = DirectoryProcess::start_in(&fleet.directory, &[&lasts], &borrowed(&envs)).unwrap();
    fleet.entries();
    let entry = || fleet.directory.api().get(&format!("{CLUSTERS}/east")).map_err(|error| error.to_string());
    let enrolled = |what: &str, condition: &str, reason: &str| {
        let looked = timed(what, DEADLINE * 2, || {
            let seen = condition_of(&entry()?, condition);
            if seen.as_ref().is_some_and(|(seen, _)| seen == reason) {
                Ok(())
            } else {
                Err(format!("{seen:?}"))
            }
        });
        looked.unwrap_or_else(|late| panic!("{late}\n{}", controller.log()));
    };
    enrolled("the entry enrolled", "Enrolled", "Enrolled");
    // A token that lives an hour, and is to be replaced.
    fleet.offer(&bound(&fleet));
    let envs = clock.envs().unwrap();
    let agent = fleet.agent_in(&[], &borrowed(&envs));
    enrolled("the cluster ready", "Ready", "Reporting");
    fleet.in_step(&agent);
    let kept = Kept::put(&fleet, &agent);
    let says = |reason: &str| {
        let told = fleet.reason(&agent, "ClockSkew", reason);
        let wrong = reason != "InStep";
        assert!(!wrong || told.starts_with("this machine's clock is "), "{told}");
    };
    says(reasons[0]);
    // Longer than its Lease: it stays ready, and is renewed as often as ever.
    let transitions = || entry().map(|entry| entry["status"]["conditions"].clone());
    let before = transitions().unwrap();
    let renews_as_ever = || {
        let mark = trail::mark(&fleet.directory);
        let ready = throughout("ready", LASTS * 3 / 2, || {
            let now = transitions()?;
            if now == before { Ok(()) } else { Err(now.to_string()) }
        });
        ready.unwrap_or_else(|late| panic!("{late}\n{}", controller.log()));
        let writes = trail::writes(&fleet.directory, mark, &trail::directory_user());
        let beats = writes.iter().filter(|event| event.resource == "leases" && event.code == 200).count();
        assert!(beats >= 4, "{beats} heartbeats in six quarters of a Lease\n{}", agent.log());
    };
    renews_as_ever();
    clock.set(-shift).unwrap();
    monitors.set(shift).unwrap();
    let marks = [&fleet.replica, &fleet.directory].map(|plane| trail::mark(plane));
    renews_as_ever();
    says(reasons[1]);
    assert!(written(&fleet, marks[0]).is_empty(), "{}", trail::lines(&written(&fleet, marks[0])));
    let upstream = written_upstream(&fleet, marks[1]);
    assert!(upstream.is_empty(), "{}", trail::lines(&upstream));

    let expires = fleet.replica.api().get(REPORT).unwrap()["status"]["credential"]["expires"].clone();
    assert!(expires.is_string(), "{expires}");
    let mut seen = Vec::new();
    until(&agent, "all applied", || {
        seen = conditions(&fleet)?;
        let applied = json!(["WorksApplied", "True", "Applied"]);
        if seen.contains(&applied) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    kept.is_unharmed(&fleet, &agent);
    // What changes after the jump is followed, as ever.
    put_work(&fleet, "late", &json!([config_map("default", "late", "one")]));
    until_told(&fleet, &agent, "late", "Applied", "Applied");
    fleet.directory.api().delete(&format!("{}/late", works())).unwrap();
    until(&agent, "the Work gone", || is_gone(&fleet, "late"));
    seen
}

fn borrowed(envs: &[(String, String)]) -> Vec<(&str, &str)> {
    envs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn clocks_that_are_wrong_by_an_hour_and_jump_change_one_condition_and_nothing_else() {
    let [right, ahead, behind] = std::thread::scope(|scope| {
        let right = scope.spawn(|| run(0, ["InStep"; 2]));
        let ahead = scope.spawn(|| run(3600, ["Ahead", "Behind"]));
        let behind = run(-3600, ["Behind", "Ahead"]);
        [right.join().unwrap(), ahead.join().unwrap(), behind]
    });
    for seen in [ahead, behind] {
        assert_eq!(seen, right);
    }
}
