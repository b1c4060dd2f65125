//! Masses: thousands of Works, changes without a pause, a Work of which much fails, the largest Works that can be, and all
//! objects edited at once. Each object is made once, none goes, and the agent's memory is bounded. A tenth of all that in the
//! usual run, and the whole by `make faults`.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::AuditMark;
use muster_tests::wait::{DEADLINE, saw, timed};
use serde_json::{Value, json};

use super::bench::turnover;
use super::burst::{PLACE, config_maps, create, place};
use super::{config_map, of_manifest, put_work, until_told, works};
use crate::fleet::{Fleet, condition_of, until};
use crate::trail;

/// Calls of clients under way at once.
const IN_FLIGHT: usize = 16;
/// Changes in a minute.
const CHANGES: usize = 1_000;
/// Within this, the newest change is applied; ten times that is waited for.
const FRESH: Duration = Duration::from_secs(10);
/// Most resident memory at ten thousand Works.
const MEMORY_KIB: u64 = 256 << 10;
/// Most bytes of what is said of a Work.
const LARGEST_STATUS: usize = 32 << 10;

/// How much of it there is.
struct Mass {
    works: usize,
    /// Objects of each Work.
    objects: usize,
    /// Manifests of the large Work. A fifth of them fails.
    manifests: usize,
    memory_kib: u64,
}

const TENTH: Mass = Mass { works: 1_000, objects: 1, manifests: 500, memory_kib: MEMORY_KIB / 4 };
const WHOLE: Mass = Mass { works: 10_000, objects: 5, manifests: 3_000, memory_kib: MEMORY_KIB };

/// Does something for each of these, several at a time.
fn at_once<T: Sync>(all: &[T], act: impl Fn(&T) + Sync) {
    let act = &act;
    thread::scope(|scope| {
        for part in all.chunks(all.len().div_ceil(IN_FLIGHT)) {
            scope.spawn(move || part.iter().for_each(act));
        }
    });
}

/// How many objects that Works made here have this value, and how many there are.
fn having(fleet: &Fleet, value: &str) -> (usize, usize) {
    let path = format!("/api/v1/namespaces/{PLACE}/configmaps?labelSelector=applyset.kubernetes.io/part-of");
    let list = fleet.replica.api().get(&path).unwrap();
    let items = list["items"].as_array().unwrap();
    (items.iter().filter(|item| item["data"]["key"] == value).count(), items.len())
}

fn long(agent: &AgentProcess, what: &str, look: impl FnMut() -> Result<(), String>) -> Duration {
    let waited = timed(what, DEADLINE * 60, look);
    waited.unwrap_or_else(|late| panic!("{late}\n{}", agent.log())).1
}

/// Waits until so many Works are applied, by the agent's own count.
fn applied(agent: &AgentProcess, number: usize) {
    #[allow(clippy::cast_precision_loss)] // small numbers
    let number = number as f64;
    long(agent, &format!("{number} Works applied"), || {
        let metrics = agent.metrics().map_err(|error| error.to_string())?;
        match metrics.get("muster_works", &[("state", "applied")]) {
            Some(seen) if (seen - number).abs() < 0.5 => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    });
}

/// What came and went is this many objects, each once.
fn only_came(fleet: &Fleet, since: AuditMark, number: usize, what: &str) {
    let turnover = turnover(fleet, since);
    let other: BTreeMap<_, _> =
        turnover.iter().filter(|(write, times)| !write.starts_with("create ") || **times != 1).collect();
    assert_eq!((turnover.len(), other), (number, BTreeMap::new()), "{what}");
}

fn remember(agent: &AgentProcess, mass: &Mass, what: &str) {
    let (now, most) = (agent.rss_kib().unwrap(), agent.peak_kib().unwrap());
    println!("{what}: memory {now} KiB, at most {most} KiB of {} KiB", mass.memory_kib);
    assert!(most <= mass.memory_kib, "{what}: {most} KiB");
}

fn bear(mass: &Mass) {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    place(&fleet);
    remember(&agent, mass, "at first");
    let names: Vec<String> = (0..mass.works).map(|number| format!("work-{number}")).collect();
    many_works(&fleet, &agent, mass, &names);
    many_changes(&fleet, &agent, mass, &names);
    many_edits(&fleet, &agent, mass, &names);
    much_fails(&fleet, &agent, mass);
    the_largest(&fleet, &agent, mass);
}

fn many_works(fleet: &Fleet, agent: &AgentProcess, mass: &Mass, names: &[String]) {
    let (mark, began) = (trail::mark(&fleet.replica), Instant::now());
    create(fleet, names, |name| config_maps(name, mass.objects, 3));
    applied(agent, mass.works);
    saw(&format!("{} Works of {} objects made and applied", mass.works, mass.objects), began.elapsed());
    only_came(fleet, mark, mass.works * mass.objects, "many Works");
    remember(agent, mass, "many Works");
}

/// As many changes as come in a minute at the scale, at their pace.
fn many_changes(fleet: &Fleet, agent: &AgentProcess, mass: &Mass, names: &[String]) {
    let mark = trail::mark(&fleet.replica);
    let changed = &names[..CHANGES * mass.works / WHOLE.works];
    let pace = Duration::from_secs(60) / u32::try_from(CHANGES).unwrap();
    let began = Instant::now();
    let api = fleet.directory.api();
    for (number, name) in (1..).zip(changed) {
        let manifests: Vec<Value> =
            (0..mass.objects).map(|at| config_map(PLACE, &format!("{name}-{at}"), "two")).collect();
        let change = json!({"spec": {"workload": {"manifests": manifests}}});
        api.patch(&format!("{}/{name}", works()), MERGE_PATCH, &change).unwrap();
        thread::sleep((pace * number).saturating_sub(began.elapsed()));
    }
    let number = changed.len() * mass.objects;
    let waited =
        timed(&format!("{} changes in {:?} applied", changed.len(), began.elapsed()), FRESH * 10, || {
            let seen = having(fleet, "two");
            if seen == (number, mass.works * mass.objects) { Ok(()) } else { Err(format!("{seen:?}")) }
        });
    waited.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    only_came(fleet, mark, 0, "many changes");
    remember(agent, mass, "many changes");
}

/// Somebody edits all that Works made at once.
fn many_edits(fleet: &Fleet, agent: &AgentProcess, mass: &Mass, names: &[String]) {
    let mark = trail::mark(&fleet.replica);
    let began = Instant::now();
    at_once(names, |name| {
        let api = fleet.replica.api();
        for at in 0..mass.objects {
            let path = format!("/api/v1/namespaces/{PLACE}/configmaps/{name}-{at}");
            api.patch(&path, MERGE_PATCH, &json!({"data": {"key": "by hand"}})).unwrap();
        }
    });
    let number = mass.works * mass.objects;
    saw(&format!("{number} objects edited by hand"), began.elapsed());
    long(agent, "all hand edits undone", || match having(fleet, "by hand") {
        (0, all) if all == number => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
    only_came(fleet, mark, 0, "many edits");
    let writes = trail::writes(&fleet.replica, mark, trail::REPLICA_USER);
    let mut tries = BTreeMap::new();
    for event in writes.into_iter().filter(|event| event.namespace == PLACE) {
        *tries.entry(event.name).or_insert(0) += 1;
    }
    let (most, all) = (tries.values().max().copied().unwrap_or(0), tries.values().sum::<usize>());
    println!("{all} corrections, {most} of one object at most");
    assert!(tries.len() == number && most <= 3, "{} objects were put right, one {most} times", tries.len());
    applied(agent, mass.works);
    remember(agent, mass, "many edits");
}

/// One Work of which a fifth of the manifests fails: the rest is applied, each of the others is told, and is made when it is
/// mended.
fn much_fails(fleet: &Fleet, agent: &AgentProcess, mass: &Mass) {
    let mark = trail::mark(&fleet.replica);
    let is_bad = |at: usize| at % 5 == 3;
    let manifests = |good: bool| -> Value {
        let one = |at: usize| {
            let mut map = config_map(PLACE, &format!("l{at}"), "x");
            if is_bad(at) && !good {
                map["data"] = json!([1]);
            }
            map
        };
        (0..mass.manifests).map(one).collect()
    };
    put_work(fleet, "large", &manifests(false));
    let bad = mass.manifests / 5;
    let words =
        format!("{} of {} manifests are applied; {bad} Rejected", mass.manifests - bad, mass.manifests);
    let mut said = Value::Null;
    long(agent, &words, || {
        said = super::told(fleet, "large", "Applied", "Incomplete")?;
        let (_, message) = condition_of(&said, "Applied").unwrap_or_default();
        if message.starts_with(&words) { Ok(()) } else { Err(message) }
    });
    println!("{}", said["status"]["conditions"][0]["message"]);
    let (reason, message) = of_manifest(&said, 3, "Applied");
    assert!(reason == "Rejected" && message.contains("l3"), "{reason} {message}");
    let bytes = said["status"].to_string().len();
    println!("its status has {bytes} bytes");
    assert!(bytes <= LARGEST_STATUS, "{bytes}");
    only_came(fleet, mark, mass.manifests - bad, "a fifth fails");
    put_work(fleet, "large", &manifests(true));
    long(agent, "all of it applied", || super::told(fleet, "large", "Applied", "Applied").map(drop));
    only_came(fleet, mark, mass.manifests, "a fifth failed");
    remember(agent, mass, "a fifth fails");
}

/// Works as large as they may be, and larger: the one is applied, the other told, and holds up nothing.
fn the_largest(fleet: &Fleet, agent: &AgentProcess, mass: &Mass) {
    let mark = trail::mark(&fleet.replica);
    let filled = |name: &str, kib: usize| {
        let map = |at: usize| config_map(PLACE, &format!("{name}-{at}"), &"x".repeat(kib << 10));
        json!([map(0), map(1)])
    };
    let numerous: Value = (0..5_000).map(|at| config_map(PLACE, &format!("n{at}"), "x")).collect();
    put_work(fleet, "numerous", &numerous);
    put_work(fleet, "largest", &filled("largest", 446));
    put_work(fleet, "larger", &filled("larger", 456));
    put_work(fleet, "small", &json!([config_map(PLACE, "small", "x")]));
    until_told(fleet, agent, "small", "Applied", "Applied");
    until_told(fleet, agent, "largest", "Applied", "Applied");
    for name in ["larger", "numerous"] {
        let told = until_told(fleet, agent, name, "Applied", "TooLarge");
        println!("{name}: {}", told["status"]["conditions"][0]["message"]);
    }
    only_came(fleet, mark, 3, "the largest");
    // What was applied stays as it is when the Work becomes too large, and the Work goes as a whole when it is deleted.
    put_work(fleet, "largest", &filled("largest", 456));
    until_told(fleet, agent, "largest", "Applied", "TooLarge");
    only_came(fleet, mark, 3, "what became too large");
    fleet.directory.api().delete(&format!("{}/largest", works())).unwrap();
    until(agent, "the largest gone", || super::is_gone(fleet, "largest"));
    let gone: usize = turnover(fleet, mark)
        .iter()
        .filter(|(write, _)| write.starts_with("delete "))
        .map(|(_, times)| times)
        .sum();
    assert_eq!(gone, 2);
    remember(agent, mass, "the largest");
}

#[test]
fn a_tenth_of_ten_thousand_works_of_their_changes_failures_and_edits_is_borne() {
    bear(&TENTH);
}

#[test]
#[ignore = "takes a quarter of an hour: run by make faults"]
fn ten_thousand_works_their_changes_failures_and_edits_are_borne() {
    bear(&WHOLE);
}
