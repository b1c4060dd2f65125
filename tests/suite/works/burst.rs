//! Many Works at once, and large ones.

use std::thread;

use muster_tests::agent::AgentProcess;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use super::{config_map, put_work, until_told, works};
use crate::fleet::Fleet;

/// Calls of a client that makes Works, under way at once.
const IN_FLIGHT: usize = 16;
/// The namespace of what they make.
pub(crate) const PLACE: &str = "burst";
const MADE: &str = "/api/v1/namespaces/burst/configmaps";

/// A namespace for what the Works of a burst make: what is there is counted in it.
pub(crate) fn place(fleet: &Fleet) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}});
    fleet.replica.api().create("/api/v1/namespaces", &namespace).unwrap();
    until_empty(fleet);
}

/// The controllers put one thing of their own into a new namespace.
fn until_empty(fleet: &Fleet) {
    let root = format!("{MADE}/kube-root-ca.crt");
    crate::fleet::quietly("the root certificate", || {
        fleet.replica.api().get(&root).map(drop).map_err(|error| error.to_string())
    });
}

/// `ConfigMap`s of a Work, each with as many bytes.
pub(crate) fn config_maps(work: &str, number: usize, bytes: usize) -> Vec<Value> {
    let value = "x".repeat(bytes);
    (0..number).map(|place| config_map(PLACE, &format!("{work}-{place}"), &value)).collect()
}

/// Makes Works, several at a time.
pub(crate) fn create(fleet: &Fleet, names: &[String], manifests: impl Fn(&str) -> Vec<Value> + Sync) {
    let (api, manifests) = (fleet.directory.api(), &manifests);
    thread::scope(|scope| {
        for names in names.chunks(names.len().div_ceil(IN_FLIGHT)) {
            let api = api.clone();
            scope.spawn(move || {
                for name in names {
                    let work = json!({
                        "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work", "metadata": {"name": name},
                        "spec": {"workload": {"manifests": manifests(name)}},
                    });
                    api.create(&works(), &work).unwrap();
                }
            });
        }
    });
}

/// How many objects there are, without a list of them all.
pub(crate) fn there(fleet: &Fleet) -> usize {
    let page = fleet.replica.api().get(&format!("{MADE}?limit=1")).unwrap();
    let more = page["metadata"]["remainingItemCount"].as_u64().unwrap_or(0);
    usize::try_from(more).unwrap() // the one that is shown is the controllers' own
}

/// How many Works say that they are applied.
pub(crate) fn applied(fleet: &Fleet) -> usize {
    let list = fleet.directory.api().get(&works()).unwrap();
    let applied = |work: &&Value| {
        let told = crate::fleet::condition_of(work, "Applied");
        told.is_some_and(|(reason, _)| reason == "Applied")
    };
    list["items"].as_array().unwrap().iter().filter(applied).count()
}

/// Waits until so many are there: all of it takes its time on a busy machine.
pub(crate) fn wait(agent: &AgentProcess, what: &str, look: impl Fn() -> usize, number: usize) {
    let waited = timed(what, DEADLINE * 10, || {
        let seen = look();
        if seen >= number { Ok(()) } else { Err(seen.to_string()) }
    });
    waited.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
}

/// When an object was made, in the order of the API server.
fn made(fleet: &Fleet, name: &str) -> u64 {
    let object = fleet.replica.api().get(&format!("{MADE}/{name}")).unwrap();
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn until_there(fleet: &Fleet, agent: &AgentProcess, number: usize) {
    wait(agent, &format!("{number} objects"), || there(fleet), number);
}

#[test]
fn a_new_work_is_not_the_last_of_a_burst_and_a_large_one_holds_up_nobody() {
    let fleet = Fleet::new();
    place(&fleet);
    let names: Vec<String> = (0..100).map(|number| format!("work-{number}")).collect();
    create(&fleet, &names, |name| config_maps(name, 1, 1024));
    let large = config_maps("large", 300, 512);
    put_work(&fleet, "large", &json!(large));
    let agent = fleet.joined(&[]);
    until_there(&fleet, &agent, 50);
    put_work(&fleet, "late", &json!(config_maps("late", 1, 1024)));
    until_there(&fleet, &agent, names.len() + large.len() + 1);
    until_told(&fleet, &agent, "large", "Applied", "Applied");
    wait(&agent, "all Works applied", || applied(&fleet), names.len() + 2);

    let late = made(&fleet, "late-0");
    let after = |name: &String| made(&fleet, &format!("{name}-0")) > late;
    let later = names.iter().filter(|name| after(name)).count();
    let later_large =
        (0..large.len()).filter(|number| made(&fleet, &format!("large-{number}")) > late).count();
    println!(
        "saw {later} Works that were there before applied after the new one, and {later_large} of a large one"
    );
    assert!(later + later_large > 0, "the new one was the last");
    // Nor do the others wait for the large one.
    let last = names.iter().map(|name| made(&fleet, &format!("{name}-0"))).max().unwrap();
    let rest = (0..large.len()).filter(|number| made(&fleet, &format!("large-{number}")) > last).count();
    println!("saw {rest} objects of the large one made after all others");
}
