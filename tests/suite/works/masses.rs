//! Masses: thousands of Works, changes without a pause, all objects edited at once, a Work of which much fails, and the largest
//! Works that can be. Each object is made once, none goes, and the agent's memory is bounded. A tenth of all that in the usual
//! run, and the whole by `make faults`.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::{AuditEvent, AuditMark};
use muster_tests::wait::{DEADLINE, saw, timed};
use serde_json::{Value, json};

use super::bench::turnover;
use super::burst::{PLACE, config_maps, create, place};
use super::waking::config_path;
use super::{config_map, of_manifest, put_work, until_told, work, works};
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
/// Writes of one Work that the agent has under way at once.
const SHARE: usize = 12;

/// How much of it there is.
struct Mass {
    works: usize,
    /// Objects of each.
    objects: usize,
    /// Manifests of the large Work. A fifth of them fails.
    manifests: usize,
    memory_kib: u64,
}

/// A debug build takes more memory than one that is shipped, however little there is. The whole is for one that is shipped.
const TENTH: Mass = Mass { works: 1_000, objects: 1, manifests: 250, memory_kib: MEMORY_KIB / 2 };
/// A record has no room for more manifests than that.
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

/// Waits until a metric of the agent says so.
fn counted(agent: &AgentProcess, name: &str, labels: &[(&str, &str)], number: usize) {
    long(agent, &format!("{name} {labels:?}: {number}"), || {
        let metrics = agent.metrics().map_err(|error| error.to_string())?;
        match metrics.get(name, labels) {
            Some(seen) if seen.to_string() == number.to_string() => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    });
}

/// Waits until so many Works are applied, by the agent's own count.
fn applied(agent: &AgentProcess, number: usize) {
    counted(agent, "muster_works", &[("state", "applied")], number);
}

/// What came and went is this many objects, each once.
fn only_came(fleet: &Fleet, since: AuditMark, number: usize, what: &str) {
    let turnover = turnover(fleet, since);
    let other: BTreeMap<_, _> =
        turnover.iter().filter(|(write, times)| !write.starts_with("create ") || **times != 1).collect();
    assert_eq!((turnover.len(), other), (number, BTreeMap::new()), "{what}");
}

/// The agent is the process that it was, and its memory is bounded.
fn remember(agent: &AgentProcess, mass: &Mass, what: &str) {
    let (now, most) = (agent.rss_kib().unwrap(), agent.peak_kib().unwrap());
    println!("{what}: memory {now} KiB, at most {most} KiB of {} KiB", mass.memory_kib);
    assert!(most <= mass.memory_kib, "{what}: {most} KiB");
    assert!(!agent.log().contains("panicked"), "{what}: {}", agent.log());
}

fn begin(mass: &Mass) -> (Fleet, AgentProcess) {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    place(&fleet);
    remember(&agent, mass, "at first");
    (fleet, agent)
}

fn many(mass: &Mass) {
    let (fleet, agent) = begin(mass);
    let names: Vec<String> = (0..mass.works).map(|number| format!("work-{number}")).collect();
    many_works(&fleet, &agent, mass, &names);
    many_changes(&fleet, &agent, mass, &names);
    many_edits(&fleet, &agent, mass, &names);
}

fn large(mass: &Mass) {
    let (fleet, agent) = begin(mass);
    much_fails(&fleet, &agent, mass);
    the_largest(&fleet, &agent, mass);
}

fn many_works(fleet: &Fleet, agent: &AgentProcess, mass: &Mass, names: &[String]) {
    let (mark, began) = (trail::mark(&fleet.replica), Instant::now());
    create(fleet, names, |name| config_maps(name, mass.objects, 3));
    applied(agent, mass.works);
    saw(&format!("{} Works made and applied", mass.works), began.elapsed());
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
        let mut manifests = config_maps(name, mass.objects, 3);
        manifests[0] = config_map(PLACE, &format!("{name}-0"), "two");
        let change = json!({"spec": {"workload": {"manifests": manifests}}});
        api.patch(&format!("{}/{name}", works()), MERGE_PATCH, &change).unwrap();
        thread::sleep((pace * number).saturating_sub(began.elapsed()));
    }
    let newest = format!("{}-0", changed.last().unwrap());
    let what = format!("the newest of {} changes in {:?} applied", changed.len(), began.elapsed());
    let waited = timed(&what, FRESH * 10, || {
        let seen =
            fleet.replica.api().get(&config_path(PLACE, &newest)).map_err(|error| error.to_string())?;
        if seen["data"]["key"] == "two" { Ok(()) } else { Err(seen.to_string()) }
    });
    waited.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    long(agent, "all of them", || match having(fleet, "two") {
        seen if seen == (changed.len(), mass.works * mass.objects) => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
    only_came(fleet, mark, 0, "many changes");
    remember(agent, mass, "many changes");
}

/// Somebody edits all that Works made at once: each is looked at, and put right by one write.
fn many_edits(fleet: &Fleet, agent: &AgentProcess, mass: &Mass, names: &[String]) {
    let mark = trail::mark(&fleet.replica);
    let began = Instant::now();
    at_once(names, |name| {
        let path = config_path(PLACE, &format!("{name}-0"));
        fleet.replica.api().patch(&path, MERGE_PATCH, &json!({"data": {"key": "by hand"}})).unwrap();
    });
    let number = mass.works;
    saw(&format!("{number} objects edited by hand"), began.elapsed());
    long(agent, "all hand edits undone", || match having(fleet, "by hand") {
        (0, all) if all == number * mass.objects => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
    only_came(fleet, mark, 0, "many edits");
    let mut requests = fleet.replica.audit_since(mark).unwrap();
    requests.retain(|event| event.user == trail::REPLICA_USER);
    let mut tries = BTreeMap::new();
    for event in requests.iter().filter(|event| event.namespace == PLACE && event.writes()) {
        *tries.entry(event.name.clone()).or_insert(0) += 1;
    }
    let most = tries.values().max().copied().unwrap_or(0);
    println!("{number} corrections, {most} of one object at most, {} requests", requests.len());
    // The same object was edited once: twice is that an answer was slower than its event.
    assert!(tries.len() == number && most <= 2, "{} objects were put right, one {most} times", tries.len());
    // A look and a write for each, and what goes on beside that, by the time that it takes.
    assert!(requests.len() <= 2 * number + number / 10 + 100, "{} requests", requests.len());
    applied(agent, mass.works);
    remember(agent, mass, "many edits");
}

fn is_bad(at: usize) -> bool {
    at % 5 == 3
}

/// One Work of which a fifth of the manifests fails: the rest is applied, each of the others is told as far as there is room,
/// and is made when it is mended.
fn much_fails(fleet: &Fleet, agent: &AgentProcess, mass: &Mass) {
    let mark = trail::mark(&fleet.replica);
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
    only_came(fleet, mark, mass.manifests - bad, "a fifth fails");
    tried_in_order(fleet, mark, mass);
    let (reason, message) = of_manifest(&said, 3, "Applied");
    assert!(reason == "Rejected" && message.contains("l3"), "{reason} {message}");
    // The first that fail, in the order of the Work: always the same ones.
    let listed = said["status"]["manifestConditions"].as_array().unwrap();
    let listed = listed.iter().map(|entry| entry["identifier"]["ordinal"].as_u64().unwrap());
    let listed: Vec<u64> = listed.filter(|at| at % 5 == 3).collect();
    let failing: Vec<u64> = (0..).filter(|at| at % 5 == 3).take(listed.len()).collect();
    assert!(listed == failing && !listed.is_empty(), "{listed:?}");
    bounded(fleet, "large");

    put_work(fleet, "large", &manifests(true));
    long(agent, "all of it applied", || super::told(fleet, "large", "Applied", "Applied").map(drop));
    only_came(fleet, mark, mass.manifests, "a fifth failed");
    remember(agent, mass, "a fifth fails");
}

/// Each was tried once before any was tried again, in the order of the Work but for those that were under way together.
fn tried_in_order(fleet: &Fleet, mark: AuditMark, mass: &Mass) {
    let mut writes: Vec<AuditEvent> = trail::writes(&fleet.replica, mark, trail::REPLICA_USER);
    writes.retain(|event| event.namespace == PLACE);
    writes.sort_by_key(|event| event.time);
    let (mut tried, mut again, mut late) = (BTreeSet::new(), false, 0);
    for event in &writes {
        let at: usize = event.name.trim_start_matches('l').parse().unwrap();
        if !tried.insert(at) {
            again = true;
            continue;
        }
        late += usize::from(again);
        assert!(tried.len().abs_diff(at + 1) <= 4 * SHARE, "{at} was tried as number {}", tried.len());
    }
    println!("{} writes, {late} were tried first after one was tried again", writes.len());
    assert!(tried.len() == mass.manifests && late <= 2 * SHARE, "{late} of {}", tried.len());
}

/// What is said of a Work is not too much.
fn bounded(fleet: &Fleet, name: &str) {
    let bytes = work(fleet, name)["status"].to_string().len();
    println!("the status of {name} has {bytes} bytes");
    assert!(bytes <= LARGEST_STATUS, "{name}: {bytes}");
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
    for name in ["largest", "larger", "numerous", "small"] {
        bounded(fleet, name);
    }
    fleet.directory.api().delete(&format!("{}/largest", works())).unwrap();
    until(agent, "the largest gone", || super::is_gone(fleet, "largest"));
    let gone: Vec<String> =
        turnover(fleet, mark).into_keys().filter(|write| write.starts_with("delete ")).collect();
    let both = [0, 1].map(|at| format!("delete configmaps {PLACE}/largest-{at}"));
    assert_eq!(gone, both);
    remember(agent, mass, "the largest");
}

#[test]
fn a_thousand_works_their_changes_and_edits_are_borne() {
    many(&TENTH);
}

#[test]
fn a_work_of_which_much_fails_and_the_largest_ones_are_borne() {
    large(&TENTH);
}

#[test]
#[ignore = "takes ten minutes: run by make faults"]
fn ten_thousand_works_their_changes_and_edits_are_borne() {
    many(&WHOLE);
}

#[test]
#[ignore = "takes minutes: run by make faults"]
fn a_work_of_thousands_of_manifests_of_which_much_fails_is_borne() {
    large(&WHOLE);
}
