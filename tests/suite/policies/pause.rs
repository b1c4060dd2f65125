//! The owner of a replica has the last word: a pause stops all writes, and an object that was let go is theirs.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::AuditMark;
use muster_tests::proxy::{Action, Rule};
use muster_tests::wait::saw;
use serde_json::{Value, json};

use super::bench::{Bench, path};
use super::{drop_policy, made, until_made};
use crate::fleet::{CLUSTERS, version};
use crate::trail::lines;

const PAUSE: &str = "multicluster.coreos.com/pause";
/// From the moment at which the agent has seen that it is to pause until its last write.
const WITHIN: Duration = Duration::from_secs(1);
const NAMESPACES: &str = "/api/v1/namespaces";

/// When the agent said for the `number`th time that it pauses, by its log: that is when it had seen the annotation.
fn seen_paused(bench: &Bench, number: usize) -> Timestamp {
    let mut seen = None;
    bench.until("the agent to have seen the pause", || {
        let log = bench.agent.log();
        let mut lines =
            log.lines().filter(|line| line.contains("PoliciesApplied") && line.contains("Paused"));
        let line = lines.nth(number - 1).ok_or_else(|| "it has not".to_owned())?;
        let time = line.split_whitespace().next().unwrap_or_default();
        seen = Some(time.parse::<Timestamp>().map_err(|error| format!("{line}: {error}"))?);
        Ok(())
    });
    seen.unwrap()
}

/// Checks that no write was begun later than a second after that, and that none comes any more.
fn stopped(bench: &Bench, mark: AuditMark, seen: Timestamp) {
    let last = bench.writes(mark).into_iter().map(|write| write.time).max();
    if let Some(after) = last.and_then(|last| Duration::try_from(last.duration_since(seen)).ok()) {
        saw("the last write after a pause was seen", after);
        assert!(after <= WITHIN, "{}", lines(&bench.writes(mark)));
    }
    bench.writes_nothing(bench.mark());
}

/// A grant is deleted, another one and a copy are edited, by hand.
fn meddle(bench: &Bench) {
    let replica = bench.fleet.replica.api();
    let (deleted, _) = bench.binding("RoleBinding");
    replica.delete(&deleted).unwrap();
    let (edited, _) = bench.binding("ClusterRoleBinding");
    replica.patch(&edited, MERGE_PATCH, &json!({"subjects": null})).unwrap();
    let copy = json!({"metadata": {"labels": {"edited": "by-hand"}}});
    replica.patch(&format!("{CLUSTERS}/west"), MERGE_PATCH, &copy).unwrap();
}

/// Waits until there are so many objects of policies, and every grant has its subjects.
fn granted(bench: &Bench, objects: usize) {
    until_made(&bench.fleet, &bench.agent, objects);
    bench.until("every grant with its subjects", || {
        let made = made(&bench.fleet.replica);
        let empty = made.iter().find(|(_, object)| {
            object.get("roleRef").is_some() && object["subjects"].as_array().is_none_or(Vec::is_empty)
        });
        empty.map_or(Ok(()), |(key, _)| Err(key.clone()))
    });
}

#[test]
fn a_pause_stops_all_writes_and_the_end_of_it_brings_the_world_right() {
    let mut bench = Bench::new();
    bench.policy("later", &["later"]);
    granted(&bench, 9);
    let mark = bench.mark();
    bench.annotate(&format!("{PAUSE}=true"));
    let seen = seen_paused(&bench, 1);
    bench.told("PoliciesApplied", "Paused");
    bench.told("MirrorInSync", "Paused");

    let quiet = bench.mark();
    meddle(&bench);
    bench.policy("new", &["new"]);
    drop_policy(&bench.fleet, "later");
    bench.fleet.entry("west", &json!({"stage": "changed"}));
    stopped(&bench, mark, seen);
    let since = bench.log_end();
    bench.restart();
    seen_paused(&bench, 2);
    // Heart and report beat on.
    bench.says(since, "HeartbeatAccepted", "Accepted");
    bench.says(since, "DirectoryReachable", "Reachable");
    bench.writes_nothing(quiet);

    // Cut off: the same.
    bench.directory.cut().unwrap();
    bench.told("DirectoryReachable", "Unreachable");
    let (deleted, _) = bench.binding("RoleBinding");
    bench.fleet.replica.api().delete(&deleted).unwrap();
    bench.restart();
    seen_paused(&bench, 3);
    bench.writes_nothing(quiet);

    // What the ledgers record is put right without the directory, and a pause is heard without it, too.
    bench.annotate(&format!("{PAUSE}-"));
    granted(&bench, 9);
    let mark = bench.mark();
    bench.annotate(&format!("{PAUSE}=true"));
    let seen = seen_paused(&bench, 4);
    let (deleted, _) = bench.binding("RoleBinding");
    bench.fleet.replica.api().delete(&deleted).unwrap();
    stopped(&bench, mark, seen);
    assert!(bench.fleet.replica.api().get(&deleted).is_err());
    bench.annotate(&format!("{PAUSE}-"));
    granted(&bench, 9);

    // And the rest when it is back: what was new is made, what was revoked goes, and the copies are the entries' again.
    bench.directory.restore().unwrap();
    bench.until("what was new made, and what was revoked gone", || {
        let made = made(&bench.fleet.replica);
        let has = |name: &str| made.keys().any(|key| key.ends_with(&format!(" {name}")));
        if has("new") && !has("later") { Ok(()) } else { Err(format!("{:?}", made.keys())) }
    });
    granted(&bench, 9);
    bench.fleet.in_step(&bench.agent);
    bench.fleet.replica.api().get(&format!("{NAMESPACES}/later")).unwrap();
}

#[test]
fn a_pause_in_the_middle_of_a_large_apply() {
    let bench = Bench::new();
    let names: Vec<String> = (0..100).map(|number| format!("many-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // So that there is a middle, however fast the machine is.
    bench.replica.add(Rule::on("", Action::Delay(Duration::from_millis(100))).method(Method::PATCH));
    let mark = bench.mark();
    bench.policy("many", &names);
    bench.until("some of it made", || match made(&bench.fleet.replica).len() {
        30.. => Ok(()),
        number => Err(number.to_string()),
    });
    bench.annotate(&format!("{PAUSE}=true"));
    let seen = seen_paused(&bench, 1);
    bench.told("PoliciesApplied", "Paused");
    stopped(&bench, mark, seen);
    let number = made(&bench.fleet.replica).len();
    println!("    {number} of 207 objects were made when it stopped");
    assert!(number < 207, "nothing was left to stop");

    bench.replica.clear();
    bench.annotate(&format!("{PAUSE}-"));
    granted(&bench, 207);
    bench.told("PoliciesApplied", "Applied");
}

#[test]
fn what_its_owner_lets_go_is_left_alone() {
    let mut bench = Bench::new();
    bench.policy("later", &["left", "kept"]);
    granted(&bench, 11);
    let grant = |namespace: &str| {
        let made = made(&bench.fleet.replica);
        let prefix = format!("RoleBinding {namespace}/");
        made.into_iter().find(|(key, _)| key.starts_with(&prefix)).map(|(_, object)| object)
    };
    let binding = path(&grant("left").unwrap());
    let namespace = format!("{NAMESPACES}/left");
    let read = |bench: &Bench, path: &str| bench.fleet.replica.api().get(path).unwrap();
    let subjects = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "by-hand"}]);
    let let_go = json!({"multicluster.coreos.com/let-go": "true"});
    let edit = |path: &str, change: &Value| {
        bench.fleet.replica.api().patch(path, MERGE_PATCH, change).unwrap();
    };
    edit(&binding, &json!({"metadata": {"annotations": let_go}}));
    edit(&namespace, &json!({"metadata": {"annotations": let_go}}));
    edit(&binding, &json!({"subjects": subjects}));
    edit(
        &namespace,
        &json!({"metadata": {"labels": {"applyset.kubernetes.io/part-of": null, "own": "yes"}}}),
    );
    let before = [&binding, &namespace].map(|path| version(&read(&bench, path)));
    let untouched = |bench: &Bench| {
        bench.corrects("ClusterRoleBinding");
        let now = [&binding, &namespace].map(|path| version(&read(bench, path)));
        assert_eq!(now, before, "{}", bench.agent.log());
        assert_eq!(read(bench, &binding)["subjects"], subjects);
    };
    untouched(&bench);
    bench.told("PoliciesApplied", "Applied");
    bench.restart();
    untouched(&bench);
    bench.directory.cut().unwrap();
    bench.restart();
    untouched(&bench);
    bench.directory.restore().unwrap();
    bench.told("DirectoryReachable", "Reachable");

    // Its policy goes: what is not let go goes with it.
    drop_policy(&bench.fleet, "later");
    bench.until("the other grant gone", || {
        let made = made(&bench.fleet.replica);
        let left = made.keys().find(|key| key.contains("kept"));
        left.map_or(Ok(()), |key| Err(key.clone()))
    });
    bench.told("PoliciesApplied", "NamespaceRetained");
    untouched(&bench);
    // No ledger records it any more.
    bench.stop();
    bench.agent.restart().unwrap();
    untouched(&bench);
}
