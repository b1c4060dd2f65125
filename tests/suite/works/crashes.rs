//! The agent is killed at every write of a Work's life, and another process goes on.

pub(crate) mod gate;
mod replacing;

use std::collections::BTreeMap;
use std::time::Instant;

use muster_tests::wait::saw;
use serde_json::{Value, json};

use self::gate::{Gate, Moment};
use super::bench::{Bench, is_gone, made, settled, turnover};
use super::confirmed::{Word, last};
use super::{config_map, manifest, of_manifest, put_work, until_told, work, works};
use crate::fleet::version;
use crate::random::Random;
use crate::trail;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// Somebody else's object that each Work asks for, too.
const THEIRS: &str = "/api/v1/namespaces/default/configmaps/theirs";

/// A step in the life of a Work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Make,
    Change,
    Delete,
}

const ACTS: [Act; 3] = [Act::Make, Act::Change, Act::Delete];

/// Five objects, and one that is somebody else's.
fn manifests(work: &str, act: Act) -> Vec<Value> {
    let named = |short: &str| format!("{work}-{short}");
    let config = |short: &str, value: &str| config_map("default", &named(short), value);
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]);
    let (first, second) = if act == Act::Make {
        (config("a", "one"), config("b", "one"))
    } else {
        (config("a", "two"), config("f", "one"))
    };
    vec![
        first,
        second,
        manifest("v1", "ServiceAccount", "default", &named("c"), json!({})),
        manifest("rbac.authorization.k8s.io/v1", "Role", "default", &named("d"), json!({"rules": rules})),
        manifest("v1", "Service", "default", &named("e"), json!({"spec": {"ports": [{"port": 80}]}})),
        config_map("default", "theirs", "the Work's"),
    ]
}

/// The objects that are to be there after an act.
fn expected(work: &str, act: Act) -> Vec<String> {
    let second = match act {
        Act::Make => "b",
        Act::Change => "f",
        Act::Delete => return Vec::new(),
    };
    let named = |resource: &str, short: &str| format!("{resource} default/{work}-{short}");
    let mut all = ["a", second].map(|short| named("configmaps", short)).to_vec();
    all.extend([named("roles", "d"), named("serviceaccounts", "c"), named("services", "e")]);
    all
}

/// Whether all is as it is to be after an act, and said to be so.
fn is_done(bench: &Bench, name: &str, act: Act) -> Result<(), String> {
    let there = made(&bench.fleet);
    if !there.keys().eq(expected(name, act).iter()) {
        return Err(format!("{there:?}"));
    }
    if act == Act::Delete {
        return is_gone(&bench.fleet, name);
    }
    let settled = settled(&bench.fleet, name)?;
    if settled != there {
        return Err(format!("the ledger records {settled:?}"));
    }
    let value = bench.api().get(&format!("/api/v1/namespaces/default/configmaps/{name}-a")).unwrap();
    let work = work(&bench.fleet, name);
    let current = &work["metadata"]["generation"]
        == work.pointer("/status/conditions/0/observedGeneration").unwrap_or(&Value::Null);
    let told = current
        && (0..5).all(|ordinal| of_manifest(&work, ordinal, "Applied").0 == "Applied")
        && of_manifest(&work, 5, "Applied").0 == "Conflict";
    let content = if act == Act::Make { "one" } else { "two" };
    if told && value["data"]["key"] == content {
        Ok(())
    } else {
        Err(format!("{} {}", value["data"], work["status"]))
    }
}

/// What is counted over all runs.
#[derive(Default)]
struct Tally {
    /// How many writes each act takes.
    writes: BTreeMap<Act, usize>,
    /// How often the agent was killed.
    kills: usize,
    /// All that people did.
    words: Vec<Word>,
}

/// One act, in which the agent is killed at its writes of these numbers, one process after the other, if it comes to that.
fn perform(bench: &mut Bench, name: &str, act: Act, moment: Moment, lasts: &[usize], tally: &mut Tally) {
    let before = made(&bench.fleet);
    let mark = trail::mark(&bench.fleet.replica);
    let first = bench.agent.pid();
    let over = tally.writes.contains_key(&act);
    let lasts = if over { &[usize::MAX] } else { lasts };
    let mut gate = Gate::new(bench, moment, lasts[0]);
    tally.words.push(Word::now(format!("{}/{name}", works())));
    match act {
        Act::Make | Act::Change => drop(put_work(&bench.fleet, name, &json!(manifests(name, act)))),
        Act::Delete => drop(bench.fleet.directory.api().delete(&format!("{}/{name}", works())).unwrap()),
    }
    let what = format!("{name} {act:?}, killed at writes {lasts:?}, {moment:?}");
    let mut rest = lasts[1..].iter();
    loop {
        bench.until(&what, || if gate.has_killed() { Ok(()) } else { is_done(bench, name, act) });
        let killed = gate.disarm();
        bench.open();
        if !killed {
            break;
        }
        tally.kills += 1;
        gate = Gate::ahead(bench, moment, rest.next().copied().unwrap_or(usize::MAX));
        bench.fleet.revive(&mut bench.agent);
        gate.aim(bench.agent.pid());
    }
    if bench.agent.pid() == first && !over {
        tally.writes.insert(act, gate.seen());
    }
    let turnover = turnover(&bench.fleet, mark);
    let now = made(&bench.fleet);
    let count = |verb: &str, key: &String| turnover.get(&format!("{verb} {key}")).copied().unwrap_or(0);
    for (key, uid) in &now {
        assert!(before.get(key).is_none_or(|old| old == uid), "{what}: {key} was made anew");
        // The log has no code for a write whose answer nobody waited for.
        let creations = if before.contains_key(key) { 0 } else { count("create", key).min(1) };
        assert_eq!((count("create", key), count("delete", key)), (creations, 0), "{what}: {turnover:#?}");
    }
    for key in before.keys().filter(|key| !now.contains_key(*key)) {
        let deletions = count("delete", key).min(1);
        assert_eq!((count("create", key), count("delete", key)), (0, deletions), "{what}: {turnover:#?}");
    }
    let others = turnover.keys().filter(|write| !write.contains(name)).count();
    assert_eq!(others, 0, "{what}: {turnover:#?}");
}

/// Checks that before each deletion the directory was asked whether its Work asks for it. One Work is acted on at a time.
fn each_deletion_was_read_live(bench: &Bench, tally: &Tally) {
    let deletions = bench.each_deletion_was_read_live(|_, before| last(&tally.words, None, before));
    println!("{deletions} deletions, each after live reads");
    assert!(deletions > 0);
}

fn lives(moment: Moment) {
    let mut bench = Bench::new();
    let started = Instant::now();
    let theirs = config_map("default", "theirs", "somebody's");
    let theirs = bench.api().create(CONFIG_MAPS, &theirs).unwrap();
    let mut tally = Tally::default();
    let mut last = 0;
    while tally.writes.len() < ACTS.len() {
        last += 1;
        assert!(last < 40, "no end of writes: {:?}", tally.writes);
        for act in ACTS {
            perform(&mut bench, &format!("w{last}"), act, moment, &[last], &mut tally);
        }
        let now = bench.api().get(THEIRS).unwrap();
        assert_eq!(version(&now), version(&theirs), "{now:#}");
    }
    each_deletion_was_read_live(&bench, &tally);
    saw(&format!("{} kills, {last} lives, writes {:?}", tally.kills, tally.writes), started.elapsed());
}

#[test]
fn a_process_that_is_killed_after_any_write_leaves_nothing_undone_or_done_twice() {
    lives(Moment::Answered);
}

#[test]
fn a_process_that_is_killed_before_the_answer_to_any_write_leaves_nothing_undone_or_done_twice() {
    lives(Moment::Unanswered);
}

/// How often the agent is killed twice in each act.
const TWICE: usize = 4;

#[test]
fn a_process_that_is_killed_again_while_it_recovers_leaves_nothing_undone_or_done_twice() {
    let mut bench = Bench::new();
    let started = Instant::now();
    let theirs = config_map("default", "theirs", "somebody's");
    bench.api().create(CONFIG_MAPS, &theirs).unwrap();
    let (mut random, mut tally) = (Random::new(), Tally::default());
    for life in 0..TWICE {
        for act in ACTS {
            let moment = random.one_of(&[Moment::Answered, Moment::Unanswered]);
            let lasts = [random.up_to(10), random.up_to(4), random.up_to(4)];
            perform(&mut bench, &format!("w{life}"), act, moment, &lasts, &mut tally);
            tally.writes.clear();
        }
    }
    each_deletion_was_read_live(&bench, &tally);
    assert!(tally.kills > TWICE * ACTS.len(), "nobody was killed again");
    saw(&format!("{} kills", tally.kills), started.elapsed());
}

#[test]
fn what_somebody_makes_while_no_process_runs_is_neither_taken_over_nor_deleted() {
    let mut bench = Bench::new();
    let config = |name: &str, value: &str| config_map("default", name, value);
    let path = |name: &str| format!("{CONFIG_MAPS}/{name}");
    // After the record and the finalizer, before the first object.
    let gate = Gate::new(&bench, Moment::Answered, 2);
    put_work(&bench.fleet, "app", &json!([config("a", "one"), config("b", "one"), config("c", "one")]));
    bench.until("the agent killed", || if gate.has_killed() { Ok(()) } else { Err(gate.seen().to_string()) });
    assert_eq!(made(&bench.fleet), BTreeMap::new());
    let theirs = bench.api().create(CONFIG_MAPS, &config("a", "one")).unwrap();
    bench.open();
    bench.fleet.revive(&mut bench.agent);
    let told = until_told(&bench.fleet, &bench.agent, "app", "Applied", "Incomplete");
    assert_eq!([0, 1, 2].map(|at| of_manifest(&told, at, "Applied").0), ["Conflict", "Applied", "Applied"]);

    // After the record that one is dropped, before its deletion: it is made anew, once with its mark and once without.
    let gate = Gate::new(&bench, Moment::Answered, 1);
    put_work(&bench.fleet, "app", &json!([config("a", "one")]));
    bench.until("the agent killed", || if gate.has_killed() { Ok(()) } else { Err(gate.seen().to_string()) });
    let mut anew: Vec<Value> = Vec::new();
    for name in ["b", "c"] {
        let mut object = bench.api().get(&path(name)).unwrap();
        bench.api().delete(&path(name)).unwrap();
        let metadata = object["metadata"].as_object_mut().unwrap();
        let kept = if name == "b" {
            &["name", "namespace", "labels", "annotations"][..]
        } else {
            &["name", "namespace"]
        };
        metadata.retain(|field, _| kept.contains(&field.as_str()));
        anew.push(bench.api().create(CONFIG_MAPS, &object).unwrap());
    }
    bench.open();
    bench.fleet.revive(&mut bench.agent);
    bench.fleet.directory.api().delete(&format!("{}/app", works())).unwrap();
    bench.until("the Work gone", || is_gone(&bench.fleet, "app"));
    for object in anew.iter().chain([&theirs]) {
        let name = object["metadata"]["name"].as_str().unwrap();
        assert_eq!(version(&bench.api().get(&path(name)).unwrap()), version(object), "{name}");
    }
}
