//! An agent whose clock is wrong.

use std::time::Duration;

use muster_tests::clock::shifted;
use muster_tests::directory::DirectoryProcess;
use muster_tests::wait::{DEADLINE, throughout, timed};
use serde_json::{Value, json};

use crate::fleet::{CLUSTERS, Fleet, REPORT, condition_of, until};
use crate::renewal::bound;
use crate::works::Kept;

/// Types, statuses and reasons of all conditions of the agent's own report but the one about the clock.
fn conditions(fleet: &Fleet) -> Result<Vec<Value>, String> {
    let report = fleet.replica.api().get(REPORT).map_err(|error| error.to_string())?;
    let conditions = report["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let others = conditions.into_iter().filter(|condition| condition["type"] != "ClockSkew");
    let mut told: Vec<_> = others.map(|told| json!([told["type"], told["status"], told["reason"]])).collect();
    told.sort_by_key(ToString::to_string);
    Ok(told)
}

/// A fleet in which the agent's clock is off by so much: all that it says and does.
fn run(shift: i64, reason: &str, message: &str) -> Vec<Value> {
    let fleet = Fleet::bare();
    let controller = DirectoryProcess::start(&fleet.directory, &["--heartbeat-lease=8"]).unwrap();
    fleet.entries();
    let enrolled = |what: &str, condition: &str, reason: &str| {
        let looked = timed(what, DEADLINE * 2, || {
            let entry =
                fleet.directory.api().get(&format!("{CLUSTERS}/east")).map_err(|error| error.to_string())?;
            let seen = condition_of(&entry, condition);
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
    let envs = shifted(shift).unwrap();
    let envs: Vec<_> = envs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let agent = fleet.agent_in(&[], &envs);
    enrolled("the cluster ready", "Ready", "Reporting");
    fleet.in_step(&agent);
    let kept = Kept::put(&fleet, &agent);
    let told = fleet.reason(&agent, "ClockSkew", reason);
    assert!(told.starts_with(message), "{told}");
    // Longer than its Lease: it stays ready, and says nothing else.
    throughout("ready", Duration::from_secs(12), || {
        let entry =
            fleet.directory.api().get(&format!("{CLUSTERS}/east")).map_err(|error| error.to_string())?;
        let (reason, _) = condition_of(&entry, "Ready").unwrap_or_default();
        if reason == "Reporting" { Ok(()) } else { Err(reason) }
    })
    .unwrap();
    let expires = fleet.replica.api().get(REPORT).unwrap()["status"]["credential"]["expires"].clone();
    assert!(expires.is_string(), "{expires}");
    let mut seen = Vec::new();
    until(&agent, "all applied", || {
        seen = conditions(&fleet)?;
        let applied = json!(["WorksApplied", "True", "Applied"]);
        if seen.contains(&applied) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    kept.is_unharmed(&fleet, &agent);
    seen
}

#[test]
fn a_clock_that_is_wrong_by_an_hour_changes_one_condition_and_nothing_else() {
    let right = run(0, "InStep", "");
    let seen = std::thread::scope(|scope| {
        let ahead = scope.spawn(|| run(3600, "Ahead", "this machine's clock is "));
        let behind = run(-3600, "Behind", "this machine's clock is ");
        [ahead.join().unwrap(), behind]
    });
    for seen in seen {
        assert_eq!(seen, right);
    }
}
