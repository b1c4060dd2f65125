//! Works: how soon they are applied, told and repaired, and what many of them, or large ones, cost.

use std::time::{Duration, Instant};

use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use serde_json::{Value, json};

use super::{SAMPLES, joined, print, time};
use crate::fleet::condition_of;
use crate::works::burst::{PLACE, applied, config_maps, create, place, there, wait};
use crate::works::{config_map, put_work, work, works};

fn is_applied(work: &Value) -> bool {
    condition_of(work, "Applied").is_some_and(|(reason, _)| reason == "Applied")
}

#[test]
#[ignore = "measures: run by make bench"]
fn a_work_is_applied_told_repaired_and_removed() {
    let (fleet, _agent) = joined();
    place(&fleet);
    let replica = fleet.replica.api();
    let (mut made, mut told, mut repaired, mut removed) = (vec![], vec![], vec![], vec![]);
    for number in 0..SAMPLES {
        let name = format!("work-{number}");
        let path = format!("/api/v1/namespaces/{PLACE}/configmaps/{name}");
        let began = Instant::now();
        put_work(&fleet, &name, &json!([config_map(PLACE, &name, "one")]));
        time("the object", || replica.get(&path).is_ok());
        made.push(began.elapsed());
        time("its status", || is_applied(&work(&fleet, &name)));
        told.push(began.elapsed());
        replica.patch(&path, MERGE_PATCH, &json!({"data": {"key": "mine"}})).unwrap();
        repaired.push(time("the object as it was", || replica.get(&path).unwrap()["data"]["key"] == "one"));
    }
    for number in 0..3 {
        let name = format!("work-{number}");
        fleet.directory.api().delete(&format!("{}/{name}", works())).unwrap();
        let path = format!("/api/v1/namespaces/{PLACE}/configmaps/{name}");
        removed.push(time("the object gone", || replica.get(&path).is_err()));
    }
    print("Work made, its object there", made);
    print("Work made, its status says so", told);
    print("hand edit of a Work's object undone", repaired);
    print("Work deleted, its object gone, with the quiet window of 2 s", removed);
}

/// Makes Works, and prints what it costs until all are applied.
fn burst(number: usize, objects: usize, bytes: usize) {
    let (fleet, agent) = joined();
    place(&fleet);
    tell(&agent, "before");
    let names: Vec<String> = (0..number).map(|number| format!("work-{number}")).collect();
    let (began, cpu) = (Instant::now(), agent.cpu().unwrap());
    create(&fleet, &names, |name| config_maps(name, objects, bytes));
    println!("figure: {number} Works made after {} ms", began.elapsed().as_millis());
    wait(&agent, "all objects", || there(&fleet), number * objects);
    let took = began.elapsed();
    wait(&agent, "all told", || applied(&fleet), number);
    let cpu = agent.cpu().unwrap().saturating_sub(cpu);
    #[allow(clippy::cast_precision_loss)] // small numbers
    let rate = number as f64 / took.as_secs_f64();
    println!(
        "figure: {number} Works of {objects} x {bytes} bytes: all objects after {} ms ({rate:.0} Works a second), all \
         told after {} ms, CPU time {} ms",
        took.as_millis(),
        began.elapsed().as_millis(),
        cpu.as_millis()
    );
    tell(&agent, "after");
}

fn tell(agent: &AgentProcess, when: &str) {
    let (now, most) = (agent.rss_kib().unwrap(), agent.peak_kib().unwrap());
    println!("figure: memory {when}: {now} KiB, at most {most} KiB");
}

#[test]
#[ignore = "measures: run by make bench"]
fn two_thousand_five_hundred_works_are_applied() {
    burst(2_500, 1, 1024);
}

#[test]
#[ignore = "measures: run by make bench"]
fn a_thousand_works_of_five_objects_are_applied() {
    burst(1_000, 5, 2048);
}

#[test]
#[ignore = "measures: run by make bench"]
fn a_work_of_five_hundred_manifests_is_applied() {
    burst(1, 500, 1024);
}

#[test]
#[ignore = "measures: run by make bench"]
fn drift_of_many_objects_is_repaired() {
    let (fleet, agent) = joined();
    place(&fleet);
    create(&fleet, &["many".to_owned()], |name| config_maps(name, SAMPLES, 64));
    wait(&agent, "all told", || applied(&fleet), 1);
    let replica = fleet.replica.api();
    let samples: Vec<Duration> = (0..SAMPLES)
        .map(|number| {
            let path = format!("/api/v1/namespaces/{PLACE}/configmaps/many-{number}");
            replica.delete(&path).unwrap();
            time("the object again", || replica.get(&path).is_ok())
        })
        .collect();
    print("deleted object of a Work made again", samples);
}
