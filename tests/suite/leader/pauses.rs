//! The acting process is stopped at random points while it writes, and woken after the other one took over: it begins
//! no write, in either cluster, and what the policies ask for is there in the end, once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use muster_tests::api::MERGE_PATCH;
use muster_tests::proxy::Seen;
use muster_tests::wait::{DEADLINE, throughout};
use serde_json::{Value, json};

use super::{Party, SYSTEM, lease_duration, renews};
use crate::fleet::{Fleet, until};
use crate::policies::{LEDGERS, POLICIES, drop_policy, made, put_policy};
use crate::random::Random;

/// The shortest that the agent takes, in seconds: each takeover waits for it.
const LEASE: &str = "3";
/// A process is stopped at a random time before it has acted so long: from when it begins to act to when all is settled.
const SPAN: Duration = Duration::from_millis(1500);
/// A process is woken at a random time before the other one has acted so long.
const OVERLAP: Duration = Duration::from_millis(200);
/// A process that was stopped so soon after one of its writes was amid others.
const AMID: Duration = Duration::from_millis(20);
/// Between two edits of policies.
const PACE: Duration = Duration::from_millis(60);
/// How many policies are edited by turns.
const EDITED: usize = 3;
/// Longer than what is planned takes to be written.
const QUIET: Duration = Duration::from_secs(3);

/// What a policy asks for: one namespace with a label, and one grant in it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Wanted {
    label: String,
    role: &'static str,
    group: &'static str,
}

impl Wanted {
    fn random(random: &mut Random, number: usize) -> Self {
        let role = random.one_of(&["view", "edit", "admin"]);
        Self { label: format!("edit-{number}"), role, group: random.one_of(&["red", "green", "blue"]) }
    }

    fn spec(&self, policy: usize) -> Value {
        let bindings = json!({"bindings": [{"clusterRole": self.role, "groups": [self.group]}]});
        json!({"selector": {"cloud": "aws"}, "namespaces": [
            {"name": format!("team-{policy}"), "labels": {"edit": self.label}, "authorization": bindings},
        ]})
    }
}

/// Edits the policies by turns until told to stop; gives what each of them asks for last.
fn edit(fleet: &Fleet, mut random: Random, editing: &AtomicBool) -> (usize, Vec<Wanted>) {
    let mut wanted = vec![Wanted::default(); EDITED];
    let mut number = 0;
    // Each of them at least once.
    while number < EDITED || editing.load(Ordering::Relaxed) {
        let policy = number % EDITED;
        let edit = Wanted::random(&mut random, number);
        let change = json!({"spec": edit.spec(policy)});
        let path = format!("{POLICIES}/team-{policy}");
        fleet.directory.api().patch(&path, MERGE_PATCH, &change).unwrap();
        wanted[policy] = edit;
        number += 1;
        std::thread::sleep(PACE);
    }
    (number, wanted)
}

/// Ends the edits, also where a test fails meanwhile.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// What is there of it: the namespaces' labels, and all grants.
fn there(fleet: &Fleet) -> BTreeMap<String, Vec<String>> {
    let mut there = BTreeMap::new();
    for (key, object) in made(&fleet.replica) {
        let metadata = &object["metadata"];
        let (namespace, what) = match key.split(' ').next() {
            Some("Namespace") => (&metadata["name"], format!("edit={}", text(&metadata["labels"]["edit"]))),
            Some("RoleBinding") => {
                let subjects = object["subjects"].as_array().unwrap();
                let subjects: Vec<_> = subjects.iter().map(|subject| text(&subject["name"])).collect();
                let role = text(&object["roleRef"]["name"]);
                (&metadata["namespace"], format!("{role} to {}", subjects.join(", ")))
            }
            _ => panic!("{key}"),
        };
        there.entry(text(namespace)).or_insert_with(Vec::new).push(what);
    }
    there
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What is to be there.
fn expected(wanted: &[Wanted]) -> BTreeMap<String, Vec<String>> {
    let there = |(policy, wanted): (usize, &Wanted)| {
        let Wanted { label, role, group } = wanted;
        (format!("team-{policy}"), vec![format!("edit={label}"), format!("{role} to {group}")])
    };
    wanted.iter().enumerate().map(there).collect()
}

/// Writes of a process after the other one had taken the Lease over, and before it took it back. What tries for the
/// Lease and does not get it is a write like any other.
fn breaches(parties: &[Party; 2]) -> Vec<String> {
    let mut sent: Vec<(Instant, usize, Seen)> = Vec::new();
    for (index, party) in parties.iter().enumerate() {
        sent.extend(party.sent().into_iter().map(|(at, seen)| (at, index, seen)));
    }
    sent.sort_by_key(|(at, ..)| *at);
    let (mut holder, mut breaches) = (None, Vec::new());
    for (_, index, seen) in sent {
        if renews(&seen) {
            holder = Some(index);
        } else if holder != Some(index) {
            breaches.push(format!("{index} while {holder:?} leads: {seen:?}"));
        }
    }
    breaches
}

fn print(what: &str, mut samples: Vec<Duration>) {
    samples.sort();
    let at = |percent: usize| samples[(samples.len() - 1) * percent / 100].as_millis();
    println!("{what}: min {} ms, median {} ms, max {} ms", at(0), at(50), at(100));
}

/// Stops the one that acts and wakes it when the other one acts, so many times.
fn stop_and_wake(parties: &[Party; 2], random: &mut Random, times: usize, duration: Duration) {
    let (mut acting, mut taken, mut busy) = (0, Vec::new(), 0);
    for _ in 0..times {
        let (one, other) = (&parties[acting], &parties[1 - acting]);
        std::thread::sleep(random.below(SPAN));
        let stopped = one.pause();
        let took = other.takes_over(stopped);
        let renewed = *one.renewals(stopped.checked_sub(DEADLINE).unwrap()).last().unwrap();
        assert!(took - renewed >= duration, "taken over {:?} after the last renewal", took - renewed);
        taken.push(took - stopped);
        busy += usize::from(one.writes().last().is_some_and(|last| last.at + AMID > stopped));
        std::thread::sleep(random.below(OVERLAP));
        one.wake();
        acting = 1 - acting;
    }
    print("taken over after the stop", taken);
    println!("{busy} of {times} stops within {AMID:?} of a write");
}

/// A process acts, and its deputy idles: then they are stopped by turns, so many times.
fn contest(times: usize) {
    let fleet = Fleet::new();
    let mut random = Random::new();
    for policy in 0..EDITED {
        put_policy(&fleet, &format!("team-{policy}"), &Wanted::random(&mut random, 0).spec(policy));
    }
    let start = || Party::start(&fleet, SYSTEM, &["--leader-lease", LEASE]);
    let one = start();
    let began = Instant::now();
    one.takes_over(began.checked_sub(DEADLINE).unwrap());
    let parties = [one, start()];
    parties[1].idles(began);
    let duration = lease_duration(&fleet);

    let editing = AtomicBool::new(true);
    let edits = random.another();
    let (number, wanted) = std::thread::scope(|scope| {
        let edited = scope.spawn(|| edit(&fleet, edits, &editing));
        let ends = Ends(&editing);
        stop_and_wake(&parties, &mut random, times, duration);
        drop(ends);
        edited.join().unwrap()
    });
    println!("{number} edits, {times} stops in {} s", began.elapsed().as_secs());
    let logs = || parties.each_ref().map(|party| party.agent.log()).join("\n---\n");

    let acting = &parties[times % 2];
    let expected = expected(&wanted);
    let as_wanted = || match there(&fleet) {
        there if there == expected => Ok(()),
        there => Err(format!("{there:#?} instead of {expected:#?}")),
    };
    until(&acting.agent, "what the policies ask for last", as_wanted);
    throughout("what the policies ask for last", QUIET, as_wanted).unwrap();
    let breaches = breaches(&parties);
    assert!(breaches.is_empty(), "{breaches:#?}\n{}", logs());
    let writes = parties.iter().flat_map(Party::writes).collect::<Vec<_>>();
    let torn = writes.iter().filter(|seen| seen.whole.is_none()).count();
    println!("{} writes, and {torn} given up after their headers", writes.len() - torn);

    for policy in 0..EDITED {
        drop_policy(&fleet, &format!("team-{policy}"));
    }
    until(&acting.agent, "nothing of the policies left", || {
        let ledgers = fleet.replica.api().get(LEDGERS).unwrap()["items"].as_array().unwrap().len();
        let made = made(&fleet.replica);
        if made.is_empty() && ledgers == 0 {
            Ok(())
        } else {
            Err(format!("{ledgers} ledgers, {:?}", made.keys()))
        }
    });
}

#[test]
fn whoever_was_stopped_at_a_random_point_begins_no_write() {
    contest(20);
}

/// Each takeover waits for the Lease.
#[test]
#[ignore = "takes six minutes: run by make bench"]
fn whoever_was_stopped_at_one_of_a_hundred_random_points_begins_no_write() {
    contest(100);
}
