//! Two processes of one install, with the settings that everybody has.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use muster_tests::wait::{DEADLINE, throughout};
use serde_json::json;

use super::{Party, SYSTEM, lease_duration};
use crate::fleet::{Fleet, stop, until};
use crate::policies::{DOCUMENTED, count, made, put_policy, until_made, versions};
use crate::trail::{self, REPLICA_USER, lines};

/// What a busy machine may add to a takeover.
const BUSY: Duration = Duration::from_secs(3);
/// Longer than the time between two renewals: a deputy that polled would be seen.
const IDLE: Duration = Duration::from_secs(6);
/// Longer than a process that was woken takes to go on with what it was about.
const WAKING: Duration = Duration::from_secs(5);

/// A policy that grants `edit` in one namespace of its name.
fn policy(fleet: &Fleet, name: &str) {
    let bindings = json!({"bindings": [{"clusterRole": "edit", "groups": [name]}]});
    let namespaces = json!([{"name": name, "authorization": bindings}]);
    put_policy(fleet, name, &json!({"selector": {"cloud": "aws"}, "namespaces": namespaces}));
}

/// It answers whoever asks how it is, and does nothing else.
fn rests(party: &Party) {
    for (path, code) in [("/livez", 200), ("/readyz", 200)] {
        let answer = party.agent.admin(path).unwrap();
        assert_eq!(answer.0, code, "{path}: {}", answer.1);
    }
    assert_eq!(party.agent.metrics().unwrap().get("muster_leader", &[]), Some(0.0));
    let before = party.replica.requests();
    let quiet = throughout("no request", IDLE, || {
        let now = party.replica.requests();
        if now.len() == before.len() { Ok(()) } else { Err(format!("{:#?}", &now[before.len()..])) }
    });
    quiet.unwrap_or_else(|late| panic!("{late}\n{}", party.agent.log()));
    println!("an idle process made {} requests since it started", before.len());
    assert!(party.writes().is_empty(), "{:#?}", party.writes());
    assert_eq!(party.directory.accepted(), 0, "what idles leaves the directory alone");
}

/// How long after the acting one was gone the other took over. Not before the Lease was over, and within one.
fn taken_over(fleet: &Fleet, (from, gone): (&Party, Instant), to: &Party) {
    let lease = lease_duration(fleet);
    let taken = to.takes_over(gone);
    let last = *from.renewals(gone.checked_sub(DEADLINE).unwrap()).last().unwrap();
    println!("taken over {:?} after the last renewal, {:?} after the end", taken - last, taken - gone);
    assert!(taken - last >= lease, "the Lease lasts {lease:?}");
    assert!(taken - gone <= lease + BUSY, "the Lease lasts {lease:?}");
}

#[test]
fn a_deputy_idles_and_takes_over_within_one_lease() {
    let fleet = Fleet::new();
    fleet.directory.apply(DOCUMENTED).unwrap();
    let mut first = Party::start(&fleet, SYSTEM, &[]);
    fleet.in_step(&first.agent);
    until_made(&fleet, &first.agent, 7);
    fleet.reason(&first.agent, "PoliciesApplied", "Applied");
    fleet.reason(&first.agent, "Acting", "Acting");
    let started = Instant::now();
    let deputy = Party::start(&fleet, SYSTEM, &[]);
    deputy.idles(started);
    rests(&deputy);

    // Killed: the work goes on, and nothing is written twice.
    let before = made(&fleet.replica);
    let mark = trail::mark(&fleet.replica);
    first.agent.kill().unwrap();
    let killed = Instant::now();
    policy(&fleet, "meanwhile");
    taken_over(&fleet, (&first, killed), &deputy);
    until_made(&fleet, &deputy.agent, 9);
    fleet.in_step(&deputy.agent);
    until(&deputy.agent, "the new policy told of", || {
        let told = deputy.agent.log().matches("ledger written").count();
        if told == 2 { Ok(()) } else { Err(format!("{told} writes of ledgers")) }
    });
    let after = made(&fleet.replica);
    assert_eq!(count(&after)["RoleBinding"], 5);
    let kept = versions(&after).into_iter().filter(|(key, _)| before.contains_key(*key)).collect();
    assert_eq!(versions(&before), kept, "what was there was not written again");
    let beside = ["leases", "clusterreports", "clusterreports/status", "events"];
    let mut writes = trail::writes(&fleet.replica, mark, REPLICA_USER);
    writes.retain(|write| !beside.contains(&write.resource.as_str()));
    let mut times = BTreeMap::new();
    for write in &writes {
        *times.entry((&write.resource, &write.namespace, &write.name)).or_insert(0) += 1;
    }
    println!("{}", lines(&writes));
    assert!(times.values().all(|times| *times == 1), "{times:?}");

    // Stopped for longer than the Lease lasts, and woken when it is another's.
    let started = Instant::now();
    first.agent.restart().unwrap();
    first.idles(started);
    let stopped = deputy.pause();
    taken_over(&fleet, (&deputy, stopped), &first);
    policy(&fleet, "later");
    until_made(&fleet, &first.agent, 11);
    let woken = deputy.wake();
    deputy.changes_nothing(woken, WAKING);
    deputy.idles(woken);

    // Ended as Kubernetes does it: nobody waits.
    let ended = Instant::now();
    stop(&mut first.agent);
    let taken = deputy.takes_over(ended);
    println!("taken over {:?} after the end was asked for", taken - ended);
    assert!(taken - ended < lease_duration(&fleet) / 2, "{}", first.agent.log());
    let versions = made(&fleet.replica);
    fleet.reason(&deputy.agent, "PoliciesApplied", "Applied");
    assert_eq!(versions, made(&fleet.replica));
}
