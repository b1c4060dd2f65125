//! What a Work says of itself is so.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use muster_tests::api::MERGE_PATCH;
use muster_tests::proxy::{Action, Rule};
use muster_tests::wait::saw;
use serde_json::{Value, json};

use super::bench::{Bench, written, written_upstream};
use super::{config_map, manifest, put_work, until_told, work, works};
use crate::fleet::{condition_of, quietly, until};
use crate::trail::{self, lines};

const PATH: &str = "/api/v1/namespaces/default/configmaps/a";

/// Answers to patches of what lies under a path come late, some more so than others, and some reach the server late.
fn lag(path: &'static str) -> Rule {
    let times = [0, 150, 40, 400, 0, 250];
    let turn = AtomicUsize::new(0);
    let action = Action::choose(move |_| {
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        let time = Duration::from_millis(times[turn % times.len()]);
        if turn.is_multiple_of(2) { Action::Delay(time) } else { Action::DelayReply(time) }
    });
    Rule::on("", action).method(Method::PATCH).when(move |parts| parts.uri.path().contains(path))
}

/// What a Work asks for in a generation: of each third one the object is refused.
fn manifests(generation: i64) -> Value {
    let mut object = config_map("default", "a", &generation.to_string());
    if is_bad(generation) {
        object["data"] = json!({"key": 1});
    }
    json!([object])
}

fn is_bad(generation: i64) -> bool {
    generation % 3 == 0
}

#[test]
fn what_is_said_of_a_generation_holds_for_it_however_late_answers_come() {
    const GENERATIONS: i64 = 25;
    let bench = Bench::new();
    bench.replica.add(lag(PATH));
    bench.directory.add(lag("/works/"));
    let started = Instant::now();
    let mut told = BTreeSet::new();
    let mut looks = 0;
    // What the object holds is looked at after what the Work says: it may be newer, and never older.
    let mut look = |bench: &Bench| {
        looks += 1;
        let seen = work(&bench.fleet, "app");
        let Some((reason, message)) = condition_of(&seen, "Applied") else { return 0 };
        let generation = seen["status"]["conditions"][0]["observedGeneration"].as_i64().unwrap();
        assert!(generation <= seen["metadata"]["generation"].as_i64().unwrap(), "{seen:#}");
        let last = told.last().copied().unwrap_or_default();
        assert!(generation >= last, "{generation} after {last}: {seen:#}");
        let expected = if is_bad(generation) { "Incomplete" } else { "Applied" };
        assert_eq!(reason, expected, "generation {generation}: {message}");
        if reason == "Applied" {
            let object = bench.api().get(PATH).unwrap();
            let value: i64 = object["data"]["key"].as_str().unwrap().parse().unwrap();
            assert!(value >= generation, "generation {generation} is said to be applied: {object:#}");
        }
        told.insert(generation);
        generation
    };
    for generation in 1..=GENERATIONS {
        put_work(&bench.fleet, "app", &manifests(generation));
        // Some changes follow each other at once, others when something, or all, was said.
        for _ in 0..(generation * 7) % 23 {
            look(&bench);
        }
        if generation % 4 == 1 || generation % 5 == 2 {
            quietly(&format!("generation {generation} told"), || match look(&bench) {
                told if told == generation => Ok(()),
                other => Err(other.to_string()),
            });
        }
    }
    saw(&format!("{looks} looks, and told of {told:?}"), started.elapsed());
}

#[test]
fn what_is_available_follows_what_the_object_says_of_itself() {
    let bench = Bench::new();
    let template = json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]},
    });
    let spec = json!({"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template});
    put_work(
        &bench.fleet,
        "app",
        &json!([manifest("apps/v1", "Deployment", "default", "web", json!({"spec": spec}))]),
    );
    until_told(&bench.fleet, &bench.agent, "app", "Applied", "Applied");
    until_told(&bench.fleet, &bench.agent, "app", "Available", "Unavailable");
    let path = "/apis/apps/v1/namespaces/default/deployments/web";
    let mark = trail::mark(&bench.fleet.replica);
    // There is no node: what a kubelet would say of the Pod is said by hand, and the controllers count.
    let pods = "/api/v1/namespaces/default/pods";
    let pod = quietly("a Pod of the Deployment", || {
        let list = bench.api().get(pods).map_err(|error| error.to_string())?;
        let name = list["items"][0]["metadata"]["name"].as_str().map(str::to_owned);
        name.ok_or_else(|| list.to_string())
    });
    for (ready, reason) in [("True", "Available"), ("False", "Unavailable"), ("True", "Available")] {
        let condition =
            json!({"type": "Ready", "status": ready, "lastTransitionTime": jiff::Timestamp::now()});
        let status = json!({"status": {"phase": "Running", "conditions": [condition]}});
        bench.api().patch(&format!("{pods}/{pod}/status"), MERGE_PATCH, &status).unwrap();
        let counted = json!(u32::from(ready == "True"));
        until(&bench.agent, &format!("the Deployment itself: {reason}"), || {
            let available = bench.api().get(path).unwrap()["status"]["availableReplicas"].clone();
            if available == counted || counted == 0 && available.is_null() {
                Ok(())
            } else {
                Err(available.to_string())
            }
        });
        until_told(&bench.fleet, &bench.agent, "app", "Available", reason);
    }
    // What is reported is not written: the object is as it is wanted.
    assert_eq!(written(&bench.fleet, mark), []);
}

#[test]
fn a_thousand_changes_by_others_that_concern_nothing_of_muster_are_no_write() {
    let bench = Bench::new();
    put_work(&bench.fleet, "app", &json!([config_map("default", "a", "one")]));
    until_told(&bench.fleet, &bench.agent, "app", "Applied", "Applied");
    let directory = bench.fleet.directory.api();
    let of_work = format!("{}/app", works());
    let marks = (trail::mark(&bench.fleet.replica), trail::mark(&bench.fleet.directory));
    let started = Instant::now();
    for number in 0..500 {
        let touch = json!({"metadata": {"labels": {"example.com/touched": number.to_string()},
            "annotations": {"example.com/touched": number.to_string()}}});
        directory.patch(&of_work, MERGE_PATCH, &touch).unwrap();
        bench.api().patch(PATH, MERGE_PATCH, &touch).unwrap();
    }
    saw("a thousand changes made", started.elapsed());
    // These concern Muster, and come after the others.
    bench.api().patch(PATH, MERGE_PATCH, &json!({"data": {"key": "by hand"}})).unwrap();
    until(&bench.agent, "a hand edit undone", || {
        let seen = bench.api().get(PATH).unwrap();
        if seen["data"]["key"] == "one" { Ok(()) } else { Err(seen.to_string()) }
    });
    put_work(&bench.fleet, "app", &json!([config_map("default", "a", "two")]));
    until_told(&bench.fleet, &bench.agent, "app", "Applied", "Applied");
    let writes = written(&bench.fleet, marks.0);
    let said: Vec<String> = writes.iter().map(|event| format!("{} {}", event.verb, event.resource)).collect();
    assert_eq!(said, ["patch configmaps", "update appliedworks", "patch configmaps"], "{}", lines(&writes));
    let writes = written_upstream(&bench.fleet, marks.1);
    let said: Vec<String> = writes.iter().map(|event| format!("{} {}", event.verb, event.resource)).collect();
    assert_eq!(said, ["patch works/status"], "{}", lines(&writes));
}
