//! The replica is restored from a backup of its etcd: what the directory asks for is there again, once, and nothing goes
//! but what a Work dropped.

use std::collections::BTreeMap;

use muster_tests::wait::{DEADLINE, timed};
use serde_json::Value;

use super::bench::{Bench, is_gone, made, turnover, written};
use super::{config_map, put_work, until_told, works};
use crate::trail;

fn maps(names: &[(&str, &str)]) -> Value {
    names.iter().map(|(name, value)| config_map("default", name, value)).collect()
}

fn told(bench: &Bench, work: &str) {
    until_told(&bench.fleet, &bench.agent, work, "Applied", "Applied");
}

/// The replica lives on after a backup, which is then put back, while the agent runs or not.
fn restored(restarts: bool) {
    let mut bench = Bench::new();
    put_work(&bench.fleet, "app", &maps(&[("a", "one"), ("b", "one")]));
    put_work(&bench.fleet, "other", &maps(&[("o", "one")]));
    for work in ["app", "other"] {
        told(&bench, work);
    }
    let backup = bench.fleet.replica.backup().unwrap();
    bench.fleet.in_step(&bench.agent);
    let before = made(&bench.fleet);
    put_work(&bench.fleet, "app", &maps(&[("a", "two"), ("c", "one")]));
    put_work(&bench.fleet, "new", &maps(&[("n", "one")]));
    for work in ["app", "new"] {
        told(&bench, work);
    }
    bench.fleet.directory.api().delete(&format!("{}/other", works())).unwrap();
    bench.until("the other Work gone", || is_gone(&bench.fleet, "other"));
    bench.until("what was dropped gone", || {
        let there = made(&bench.fleet);
        if there.len() == 3 { Ok(()) } else { Err(format!("{there:?}")) }
    });

    // The log of the server is not part of the backup.
    let mark = trail::mark(&bench.fleet.replica);
    if restarts {
        bench.agent.kill().unwrap();
    }
    bench.fleet.replica.restore(&backup).unwrap();
    if restarts {
        bench.fleet.revive(&mut bench.agent);
    }
    let expected = ["a", "c", "n", "o"].map(|name| format!("configmaps default/{name}"));
    let waited = timed("what is asked for", DEADLINE * 4, || {
        let there = made(&bench.fleet);
        let value = bench.api().get("/api/v1/namespaces/default/configmaps/a").unwrap();
        if there.keys().eq(expected.iter()) && value["data"]["key"] == "two" {
            Ok(())
        } else {
            Err(format!("{there:?} {}", value["data"]))
        }
    });
    waited.unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
    for work in ["app", "new"] {
        told(&bench, work);
    }
    let now = made(&bench.fleet);
    // Nobody tells of the Work that is gone any more: what it made stays.
    for name in ["a", "o"] {
        let key = format!("configmaps default/{name}");
        assert_eq!(now[&key], before[&key], "{name} was made anew");
    }
    let once = |write: &str| (write.to_owned(), 1);
    let writes =
        ["create configmaps default/c", "create configmaps default/n", "delete configmaps default/b"];
    let all = trail::lines(&written(&bench.fleet, mark));
    let expected = BTreeMap::from(writes.map(once));
    assert_eq!(turnover(&bench.fleet, mark), expected, "{all}{}", bench.agent.log());
}

#[test]
fn a_replica_whose_etcd_was_restored_is_brought_in_step_by_the_agent_that_runs() {
    restored(false);
}

#[test]
fn a_replica_whose_etcd_was_restored_is_brought_in_step_by_the_next_agent() {
    restored(true);
}
