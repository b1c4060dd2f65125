//! What the agent logs: a line for each thing that it does, with what justifies it; none while it does nothing.

use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::DEADLINE;
use serde_json::{Value, json};

use crate::fleet::{CLUSTERS, Fleet, until, version};
use crate::policies::{drop_policy, put_policy, until_made};
use crate::trail::{self, cluster_writes, lines};
use crate::works::{config_map, put_work, until_told, works};

/// The lines of a log in JSON; each must be an object with a time, a level and a message.
fn entries(agent: &AgentProcess) -> Vec<Value> {
    let log = agent.log();
    log.lines()
        .map(|line| {
            let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(["timestamp", "level", "message"].iter().all(|key| entry[*key].is_string()), "{line}");
            entry
        })
        .collect()
}

fn heartbeats(agent: &AgentProcess) -> f64 {
    agent.metrics().unwrap().get("muster_heartbeats_total", &[("result", "ok")]).unwrap_or_default()
}

#[test]
fn each_write_is_one_line_that_says_why_and_idling_is_none() {
    let fleet = Fleet::new();
    let mark = trail::mark(&fleet.replica);
    let agent = fleet.joined(&["--log-format", "json"]);
    let path = format!("{CLUSTERS}/west");
    let uid = |plane: &muster_tests::ControlPlane, name: &str| {
        version(&plane.api().get(&format!("{CLUSTERS}/{name}")).unwrap()).0
    };
    let (entry, own, copy) =
        (uid(&fleet.directory, "west"), uid(&fleet.directory, "east"), uid(&fleet.replica, "west"));
    let label = |by: &str| json!({"metadata": {"labels": {"changed": by}}});
    fleet.directory.api().patch(&path, MERGE_PATCH, &label("there")).unwrap();
    fleet.in_step(&agent);
    fleet.replica.api().patch(&path, MERGE_PATCH, &label("by-hand")).unwrap();
    fleet.in_step(&agent);
    fleet.directory.api().delete(&path).unwrap();
    fleet.in_step(&agent);

    let writes = cluster_writes(&fleet.replica, mark);
    let done = |entry: &Value| ["created", "updated", "deleted"].iter().any(|done| entry["message"] == *done);
    let told: Vec<Value> = entries(&agent).into_iter().filter(done).collect();
    for line in &told {
        println!("{line}");
    }
    assert_eq!((told.len(), writes.len()), (5, 5), "{}", lines(&writes));
    let directory = fleet.directory.cluster_uid().unwrap();
    let of_west: Vec<&Value> = told.iter().filter(|line| line["name"] == "west").collect();
    let said: Vec<_> =
        of_west.iter().map(|line| (line["message"].as_str(), line["cause"].as_str())).collect();
    let expected = [
        ("created", Some("Missing")),
        ("updated", Some("Changed")),
        ("updated", Some("Drift")),
        ("deleted", None),
    ];
    assert_eq!(said, expected.map(|(message, cause)| (Some(message), cause)));
    assert!(of_west.iter().all(|line| line["level"] == "INFO" && line["uid"] == copy), "{of_west:#?}");
    assert!(of_west[..3].iter().all(|line| line["of"] == format!("{directory}/{entry}")), "{of_west:#?}");
    let evidence = of_west[3]["confirmed"].as_str().unwrap();
    assert!([&entry, &own, &directory].iter().all(|uid| evidence.contains(uid.as_str())), "{evidence}");

    // Two heartbeats and a renewal of the Lease say nothing.
    fleet.reason(&agent, "MirrorInSync", "InSync");
    let (before, beats) = (entries(&agent).len(), heartbeats(&agent));
    until(&agent, "two heartbeats", || {
        let now = heartbeats(&agent);
        if now >= beats + 2.0 { Ok(()) } else { Err(now.to_string()) }
    });
    assert_eq!(entries(&agent).len(), before, "{}", agent.log());
}

#[test]
fn each_deletion_for_a_work_or_a_policy_is_told_with_its_reason() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&["--log-format", "json"]);
    let maps =
        |names: &[&str]| -> Value { names.iter().map(|name| config_map("default", name, "one")).collect() };
    put_work(&fleet, "app", &maps(&["a", "b"]));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    put_work(&fleet, "app", &maps(&["a"]));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    until(&agent, "what was dropped gone", || {
        let there = fleet.replica.api().get("/api/v1/namespaces/default/configmaps/b");
        there.map_or(Ok(()), |there| Err(there.to_string()))
    });
    let bindings = json!({"bindings": [{"clusterRole": "view", "groups": ["readers"]}]});
    let spec = json!({"selector": {}, "namespaces": [{"name": "team", "authorization": bindings}]});
    put_policy(&fleet, "reading", &spec);
    until_made(&fleet, &agent, 2);
    fleet.directory.api().delete(&format!("{}/app", works())).unwrap();
    drop_policy(&fleet, "reading");
    let deleted = || -> Vec<(String, String)> {
        let all = entries(&agent).into_iter().filter(|entry| entry["message"] == "deleted");
        let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        all.map(|entry| (text(&entry, "resource"), text(&entry, "confirmed"))).collect()
    };
    until(&agent, "four deletions", || match deleted() {
        deleted if deleted.len() == 4 => Ok(()),
        deleted => Err(format!("{deleted:?}")),
    });
    let told = |resource: &str, words: &[&str]| {
        let all = deleted();
        let is = |(of, why): &(String, String)| {
            of.starts_with(resource) && words.iter().all(|word| why.contains(word))
        };
        assert!(all.iter().any(is), "{resource} {words:?}: {all:#?}");
    };
    told("configmaps", &["Work app", "does not ask for it in generation 2"]);
    told("configmaps", &["Work app", "was deleted"]);
    told("rolebindings", &["reading"]);
    told("clusterpolicies", &["reading"]);
}

#[test]
fn a_long_outage_is_few_lines_and_no_line_holds_a_body() {
    let fleet = Fleet::new();
    fleet.entry("marked", &json!({"label": "canary-one"}));
    let spec =
        json!({"spec": {"secretive": "canary-two"}, "metadata": {"annotations": {"a": "canary-three"}}});
    fleet.directory.api().patch(&format!("{CLUSTERS}/marked"), MERGE_PATCH, &spec).unwrap();
    let agent = fleet.joined(&["--log-level", "trace"]);
    // Where all is at rest there are no lines but those of the outage.
    fleet.reason(&agent, "HeartbeatAccepted", "Accepted");
    fleet.reason(&agent, "PoliciesApplied", "NoneSelected");
    until(&agent, "the state recorded", || {
        let log = agent.log();
        if log.contains("state recorded") { Ok(()) } else { Err(log) }
    });
    let important = |log: &str| {
        log.lines()
            .filter(|line| [" INFO ", " WARN ", "ERROR "].iter().any(|level| line.contains(level)))
            .count()
    };
    // counted before the kill: the first line may come faster than this test goes on
    let before = important(&agent.log());
    fleet.directory.kill_apiserver().unwrap();
    let errors = || {
        let metrics = agent.metrics().map_err(|error| error.to_string())?;
        let seen = metrics.get("muster_watch_errors_total", &[("source", "entries")]).unwrap_or_default();
        if seen >= 6.0 { Ok(()) } else { Err(format!("{seen} failures")) }
    };
    let late = muster_tests::wait::timed("six failures of a watch", DEADLINE * 4, errors);
    late.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    let during = important(&agent.log()) - before;
    println!("{during} lines in the outage");
    assert!((1..=3).contains(&during), "{during} lines:\n{}", agent.log());
    fleet.directory.restart().unwrap();
    fleet.entry("north", &json!({}));
    fleet.in_step(&agent);
    let log = agent.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "not at the most verbose level:\n{log}");
    for body in ["{\"", "\\\"", "apiVersion", "canary-", "managedFields"] {
        assert!(!log.contains(body), "{body} in {:?}", log.lines().find(|line| line.contains(body)));
    }
}
