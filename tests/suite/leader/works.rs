//! The acting process is stopped for as long as a machine sleeps, and the other one goes on with its Works. Woken, it writes
//! nothing: nothing comes or goes twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::Method;
use muster_tests::proxy::{Action, Rule};
use muster_tests::wait::{DEADLINE, throughout};
use serde_json::Value;

use super::{Party, SYSTEM};
use crate::fleet::{Fleet, until};
use crate::trail;
use crate::works::{config_map, is_gone, made, put_work, turnover, until_told, works};

/// Longer than a process that was woken takes to go on with what it was about.
const WAKING: Duration = Duration::from_secs(5);
/// Where the objects lie that Works make here.
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// How much later the acting process hears of a write than it is made.
const LATER: Duration = Duration::from_millis(200);
/// The shortest that the agent takes, in seconds.
const LEASE: &str = "3";

fn maps(names: &[&str], value: &str) -> Value {
    names.iter().map(|name| config_map("default", name, value)).collect()
}

fn applied(fleet: &Fleet, party: &Party, work: &str) {
    until_told(fleet, &party.agent, work, "Applied", "Applied");
}

/// It is stopped amid the making of a Work, for as long at least.
fn stopped(span: Duration) {
    let fleet = Fleet::new();
    let began = Instant::now();
    let start = || Party::start(&fleet, SYSTEM, &["--leader-lease", LEASE]);
    let one = start();
    one.takes_over(began.checked_sub(DEADLINE).unwrap());
    fleet.in_step(&one.agent);
    let other = start();
    other.idles(began);
    put_work(&fleet, "kept", &maps(&["kept-a", "kept-b"], "one"));
    put_work(&fleet, "gone", &maps(&["gone-a"], "one"));
    for work in ["kept", "gone"] {
        applied(&fleet, &one, work);
    }
    let before = made(&fleet);
    let mark = trail::mark(&fleet.replica);
    let names: Vec<String> = (0..30).map(|number| format!("amid-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let later = Rule::on(MAPS, Action::DelayReply(LATER)).method(Method::PATCH);
    let later = one.replica.add(later);
    put_work(&fleet, "amid", &maps(&names, "one"));
    until(&one.agent, "the first objects", || match made(&fleet).len() {
        4.. => Ok(()),
        seen => Err(seen.to_string()),
    });
    let asleep = one.pause();
    assert!(made(&fleet).len() < before.len() + names.len(), "all was made before it slept");
    one.replica.remove(later);
    put_work(&fleet, "kept", &maps(&["kept-a", "kept-c"], "two"));
    fleet.directory.api().delete(&format!("{}/gone", works())).unwrap();
    other.takes_over(asleep);
    for work in ["kept", "amid"] {
        applied(&fleet, &other, work);
    }
    until(&other.agent, "the deleted Work gone", || is_gone(&fleet, "gone"));
    let there = made(&fleet);
    let rest = span.saturating_sub(asleep.elapsed());
    throughout("all as asked for", rest, || {
        let now = made(&fleet);
        if now == there { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .unwrap();
    println!("asleep for {:?}", asleep.elapsed());
    let woken = one.wake();
    one.changes_nothing(woken, WAKING);
    put_work(&fleet, "kept", &maps(&["kept-a", "kept-c"], "three"));
    applied(&fleet, &other, "kept");

    let now = made(&fleet);
    assert_eq!(now, there);
    assert_eq!(now["configmaps default/kept-a"], before["configmaps default/kept-a"]);
    // The log has no code for a write whose answer nobody waited for.
    let mut written: BTreeMap<String, usize> = turnover(&fleet, mark);
    for name in names.iter().chain(&["kept-c"]) {
        assert!(written.remove(&format!("create configmaps default/{name}")).is_none_or(|times| times == 1));
    }
    let expected = ["gone-a", "kept-b"].map(|name| (format!("delete configmaps default/{name}"), 1));
    assert_eq!(written, BTreeMap::from(expected));
}

#[test]
fn a_process_that_slept_while_works_changed_writes_nothing() {
    stopped(Duration::ZERO);
}

/// As long as a machine that is moved may be away.
#[test]
#[ignore = "takes five minutes: run by make faults"]
fn a_process_that_slept_for_five_minutes_writes_nothing() {
    stopped(Duration::from_secs(300));
}
