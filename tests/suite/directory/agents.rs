//! Many clusters that joined, and a directory that is away for a while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use muster_tests::api::{Api, MERGE_PATCH};
use muster_tests::wait::{DEADLINE, saw, throughout};
use serde_json::{Value, json};

use super::{controller, directory, leases, report, until};
use crate::fleet::{CLUSTERS, condition_of};

/// Clusters that joined.
const MANY: usize = 200;
/// How long a heartbeat counts, in seconds.
const LEASE: u64 = 12;

fn id(n: usize) -> String {
    format!("{n:08}-0000-4000-8000-000000000000")
}

/// Renews the Leases of every fourth cluster from `first` on, a quarter of the duration apart, and tries again
/// where nobody answers, as agents do.
fn agents(api: &Api, names: &[String], first: usize, end: &AtomicBool) {
    while !end.load(Ordering::Relaxed) {
        let began = Instant::now();
        for (n, name) in names.iter().enumerate().skip(first).step_by(4) {
            let now = jiff::Timestamp::now();
            let renewal = json!({"spec": {
                "holderIdentity": format!("{}/install", id(n)), "renewTime": format!("{now:.6}"),
            }});
            while api.patch(&leases(name), MERGE_PATCH, &renewal).is_err() && !end.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        std::thread::sleep(Duration::from_secs(LEASE / 4).saturating_sub(began.elapsed()));
    }
}

/// What each entry says of Ready, with the time of the last transition.
fn ready(api: &Api) -> Result<Vec<Value>, String> {
    let entries = api.get(CLUSTERS).map_err(|error| error.to_string())?;
    let of = |entry: &Value| {
        let conditions = entry["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default()
    };
    Ok(entries["items"].as_array().unwrap().iter().map(of).collect())
}

#[test]
fn a_directory_that_is_away_for_longer_than_a_heartbeat_counts_makes_nobody_unknown() {
    let directory = directory();
    let api = directory.api();
    let controller = controller(&directory, &[&format!("--heartbeat-lease={LEASE}")]);
    let names: Vec<String> = (0..MANY).map(|n| format!("c{n:04}")).collect();
    for name in &names {
        super::enter(&directory, name);
    }
    until(&controller, "all of them enrolled", DEADLINE * 2, || {
        let entries = api.get(CLUSTERS).map_err(|error| error.to_string())?;
        let is_in =
            |entry: &&Value| condition_of(entry, "Enrolled").is_some_and(|(reason, _)| reason == "Enrolled");
        let count = entries["items"].as_array().unwrap().iter().filter(is_in).count();
        if count == MANY { Ok(()) } else { Err(count.to_string()) }
    });
    for (n, name) in names.iter().enumerate() {
        report(&directory, name, &id(n), &json!([]));
    }
    let end = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _ended = Ended(&end); // also by a panic
        for first in 0..4 {
            let (api, names, end) = (api.clone(), &names, &end);
            scope.spawn(move || agents(&api, names, first, end));
        }
        let all_ready = || {
            let ready = ready(&api)?;
            let count = ready.iter().filter(|ready| ready["status"] == "True").count();
            if count == MANY { Ok(ready) } else { Err(count.to_string()) }
        };
        let (before, took) = until(&controller, "all of them ready", DEADLINE * 3, all_ready);
        saw(&format!("{MANY} ready with {} KiB", controller.rss_kib().unwrap()), took);
        let mark = directory.audit_mark().unwrap();
        directory.kill_apiserver().unwrap();
        std::thread::sleep(Duration::from_secs(LEASE + 3)); // the fault: nobody can renew for longer than it counts
        directory.restart().unwrap();
        let same = || match ready(&api)? {
            now if now == before => Ok(()),
            now => {
                Err(format!("{:?}", now.iter().filter(|ready| ready["status"] != "True").collect::<Vec<_>>()))
            }
        };
        until(&controller, "it answers again", DEADLINE, same);
        throughout("nobody turned", Duration::from_secs(LEASE * 2), same).unwrap();
        let events = directory.audit_since(mark).unwrap();
        let turned =
            events.iter().filter(|event| event.resource == "clusters/status" && event.writes()).count();
        assert_eq!(turned, 0, "no entry was written");
    });
}

/// Ends the agents.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
