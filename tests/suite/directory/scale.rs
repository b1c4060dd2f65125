//! Many clusters at once, and what a controller costs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_api::metrics::Described;
use muster_api::metrics::controller::Metric;
use muster_tests::wait::{DEADLINE, saw, throughout};
use serde_json::json;

use super::{controller, directory, enter, reason, until};
use crate::fleet::CLUSTERS;

/// Entries that are made at once.
const MANY: usize = 1000;
/// Most resident memory with so many, in KiB.
const MEMORY: u64 = 40 * 1024;
/// What a debug build may take beyond that.
const SLACK: u64 = 12 * 1024;

#[test]
fn a_thousand_entries_are_enrolled_by_a_fixed_number_of_writes_each() {
    let directory = directory();
    let api = directory.api();
    let controller = controller(&directory, &[]);
    let mark = directory.audit_mark().unwrap();
    let names: Vec<String> = (0..MANY).map(|n| format!("c{n:04}")).collect();
    std::thread::scope(|scope| {
        for part in names.chunks(MANY / 4) {
            let api = api.clone();
            scope.spawn(move || {
                for name in part {
                    let metadata = json!({"name": name});
                    let entry = json!({
                        "apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster", "metadata": metadata,
                    });
                    api.create(CLUSTERS, &entry).unwrap();
                }
            });
        }
    });
    let enrolled = format!(
        r#"muster_controller_clusters{{condition="Enrolled",reason="Enrolled",status="True"}} {MANY}"#
    );
    let ((), took) = until(&controller, "all of them enrolled", DEADLINE * 10, || {
        let metrics = controller.admin("/metrics").map_err(|error| error.to_string())?.1;
        let line = metrics.lines().find(|line| line.contains(r#"condition="Enrolled",status="True""#));
        if metrics.contains(&enrolled) { Ok(()) } else { Err(line.unwrap_or_default().to_owned()) }
    });
    let (rss, peak) = (controller.rss_kib().unwrap(), controller.peak_kib().unwrap());
    saw(&format!("{MANY} enrolled with {rss} KiB, {peak} KiB at most"), took);
    assert!(rss < MEMORY + SLACK, "{rss} KiB");
    let events = directory.audit_since(mark).unwrap();
    let ours = |user: &str| user.ends_with(":muster-directory");
    let writes = events.iter().filter(|event| event.writes() && ours(&event.user));
    let writes =
        writes.filter(|event| event.resource != "events" && event.name != "muster-directory").count();
    let each = 10; // finalizer, eight parts, status
    println!("{writes} writes for {MANY} entries");
    assert!(writes >= MANY * each && writes <= MANY * (each + 1), "{writes} writes");
    let all = events.iter().filter(|event| ours(&event.user)).count();
    println!("{all} requests in all, {:.1} an entry", f64::from(u32::try_from(all).unwrap()) / 1000.0);
    assert!(all < MANY * (each + 4), "{all} requests, Events included");
    // Nothing goes on when all is done.
    let mark = directory.audit_mark().unwrap();
    throughout("silence", Duration::from_secs(8), || {
        let events = directory.audit_since(mark).map_err(|error| error.to_string())?;
        let ours = events.iter().filter(|event| ours(&event.user) && event.resource != "events");
        // A kind that is not defined is looked for, now and then.
        let expected = ["leases", "clusterprofiles"];
        let others: Vec<_> = ours.filter(|event| !expected.contains(&event.resource.as_str())).collect();
        if others.len() < 3 { Ok(()) } else { Err(format!("{others:#?}")) }
    })
    .unwrap();
    let mut idle = BTreeMap::<String, usize>::new();
    for event in directory.audit_since(mark).unwrap().iter().filter(|event| ours(&event.user)) {
        *idle.entry(format!("{} {}", event.verb, event.resource)).or_default() += 1;
    }
    println!("idle for 8 s: {idle:?}");
}

#[test]
fn every_metric_of_the_catalogue_is_shown_and_no_other() {
    let directory = directory();
    let controller = controller(&directory, &[]);
    enter(&directory, "east");
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    let known: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    until(&controller, "all metrics", DEADLINE, || {
        let text = controller.admin("/metrics").map_err(|error| error.to_string())?.1;
        let shown: BTreeSet<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
        assert!(shown.is_subset(&known), "{shown:?}");
        assert!(!text.contains("east"), "no names of objects: {text}");
        // A counter shows when it counted.
        let missing: Vec<_> =
            known.difference(&shown).filter(|name| !name.contains("watch_errors")).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("missing: {missing:?}")) }
    });
    assert_eq!(controller.admin("/readyz").unwrap().0, 200);
}
