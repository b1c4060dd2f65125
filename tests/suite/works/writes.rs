//! What each change of a Work costs, in both clusters: a ledger is recorded before the objects and settled after them,
//! and what is so is told once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::bench::written_upstream;
use super::{APPLIER, config_map, put_work, put_work_with, until_told, works};
use crate::fleet::{Fleet, stop, until};
use crate::policies::cost::{Trail, Writes};
use crate::trail::{self, lines};

/// The writes of a ledger: its spec, made and changed; what is written after the objects; its end.
const POST: &str = "create appliedworks";
const PUT: &str = "update appliedworks";
const STATUS: &str = "patch appliedworks/status";
const END: &str = "delete appliedworks";

/// The writes of a Work in the directory: its finalizer, set or taken off, and what is told.
const FINALIZER: &str = "patch works";
const TOLD: &str = "patch works/status";

fn manifests(named: &[(&str, &str)]) -> Value {
    named.iter().map(|(name, value)| config_map("default", name, value)).collect()
}

#[test]
fn each_change_of_a_work_costs_its_writes_and_no_others() {
    let fleet = Fleet::new();
    let mut agent = fleet.joined(&[]);
    fleet.reason(&agent, "WorksApplied", "NoneAssigned");
    let trail = Trail::new(&fleet, APPLIER);
    let mut mark = trail::mark(&fleet.directory);
    let mut upstream = |agent: &_, change: &str, expected: &[(&str, usize)]| {
        let expected: BTreeMap<String, usize> =
            expected.iter().map(|(write, number)| ((*write).to_owned(), *number)).collect();
        until(agent, &format!("{change}: {expected:?} in the directory"), || {
            let events = written_upstream(&fleet, mark);
            let mut seen = BTreeMap::new();
            for event in &events {
                *seen.entry(format!("{} {}", event.verb, event.resource)).or_insert(0) += 1;
            }
            if seen == expected { Ok(()) } else { Err(lines(&events)) }
        });
        mark = trail::mark(&fleet.directory);
    };
    let shows = |agent: &_, change: &str, before: &[&str], objects: &[_], after: &[&str]| {
        trail.shows(agent, change, &Writes::new(before, objects, after));
    };
    let (made, changed, gone) =
        (|n| [("create configmaps", n)], |n| [("patch configmaps", n)], |n| [("delete configmaps", n)]);

    put_work(&fleet, "app", &manifests(&[("a", "1"), ("b", "1"), ("c", "1")]));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    shows(&agent, "a new Work", &[POST], &made(3), &[STATUS]);
    upstream(&agent, "a new Work", &[(FINALIZER, 1), (TOLD, 1)]);

    put_work(&fleet, "app", &manifests(&[("a", "2"), ("b", "2"), ("c", "1")]));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    shows(&agent, "other content", &[PUT], &changed(2), &[]);
    upstream(&agent, "other content", &[(TOLD, 1)]);

    let options = json!({"multicluster.coreos.com/deletion": "orphan"});
    put_work_with(&fleet, "app", &options, &manifests(&[("a", "2"), ("b", "2"), ("c", "1")]));
    shows(&agent, "an option", &[PUT], &[], &[]);
    let none = json!({"multicluster.coreos.com/deletion": null});
    put_work_with(&fleet, "app", &none, &manifests(&[("a", "2"), ("b", "2"), ("c", "1")]));
    shows(&agent, "no option", &[PUT], &[], &[]);
    upstream(&agent, "options", &[]);

    put_work(&fleet, "app", &manifests(&[("a", "2"), ("b", "2"), ("c", "1"), ("d", "1")]));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    shows(&agent, "one added", &[PUT], &made(1), &[STATUS]);
    upstream(&agent, "one added", &[(TOLD, 1)]);

    put_work(&fleet, "app", &manifests(&[("a", "2"), ("c", "1"), ("d", "1")]));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    shows(&agent, "one dropped", &[PUT], &gone(1), &[STATUS]);
    upstream(&agent, "one dropped", &[(TOLD, 1)]);

    stop(&mut agent);
    agent.restart().unwrap();
    fleet.reason(&agent, "WorksApplied", "Applied");
    fleet.reason(&agent, "HeartbeatAccepted", "Accepted");
    shows(&agent, "a restart with all right", &[], &[], &[]);
    upstream(&agent, "a restart with all right", &[]);

    fleet.directory.api().delete(&format!("{}/app", works())).unwrap();
    until(&agent, "the Work gone", || super::bench::is_gone(&fleet, "app"));
    shows(&agent, "the Work deleted", &[PUT], &gone(3), &[END]);
    upstream(&agent, "the Work deleted", &[(TOLD, 1), (FINALIZER, 1)]);
    trail.ends(&agent);
}
