//! A random mix of edits and faults, for as long as is asked for: no object goes or comes that nobody asked for, and once
//! the faults are over all is as the Works ask.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use muster_tests::api::{Api, MERGE_PATCH};
use muster_tests::plane::AuditMark;
use muster_tests::proxy::{Action, Rule};
use muster_tests::wait::timed;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::bench::{Bench, made, turnover};
use super::confirmed::Word;
use super::{LEDGERS, config_map, put_work, told, works};
use crate::fleet::{CLUSTERS, OWN, REPORT};
use crate::random::Random;
use crate::trail;

/// How long it goes on where nobody says: `MUSTER_MINUTES`.
const SHORT: Duration = Duration::from_secs(60);
/// Most Works at a time, and of objects of a Work.
const WORKS: usize = 8;
const OBJECTS: usize = 6;
/// Longest fault, and longest pause between two steps.
const FAULT: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_secs(1);
/// Time between two looks at what came and went, and between two rests.
const LOOK: Duration = Duration::from_secs(60);
const STRETCH: Duration = Duration::from_secs(300);
/// Until all is as asked for after the last fault: connections are given up after a minute.
const REST: Duration = Duration::from_secs(180);
/// Growth of memory, from the first quarter to the last, that is none, in KiB. In a short run all of it is warming up.
const NOISE: u64 = 3 * 1024;
const WARM: usize = 8;

/// Something that is wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    DirectoryCut,
    DirectoryFrozen,
    DirectoryBusy,
    DirectoryAsksForPatience,
    DirectoryReset,
    ReplicaCut,
    ReplicaBusy,
    ReplicaAnswersLost,
    Killed,
    Stopped,
}

const FAULTS: [Fault; 10] = [
    Fault::DirectoryCut,
    Fault::DirectoryFrozen,
    Fault::DirectoryBusy,
    Fault::DirectoryAsksForPatience,
    Fault::DirectoryReset,
    Fault::ReplicaCut,
    Fault::ReplicaBusy,
    Fault::ReplicaAnswersLost,
    Fault::Killed,
    Fault::Stopped,
];

/// What people asked for, and what may come and go for that: values of objects by name, by Work, and how often each object
/// was to come and to go.
#[derive(Default)]
struct Asked {
    works: BTreeMap<String, BTreeMap<String, String>>,
    turnover: BTreeMap<String, usize>,
    number: usize,
    /// What was edited by hand: what is edited again and again is a fight.
    edited: BTreeSet<String>,
}

impl Asked {
    fn expect(&mut self, verb: &str, object: &str) {
        *self.turnover.entry(format!("{verb} configmaps default/{object}")).or_insert(0) += 1;
    }

    fn objects(&self) -> BTreeMap<String, String> {
        self.works.values().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

struct Soak {
    bench: Bench,
    random: Random,
    asked: Asked,
    /// What came and went since the last rest is after this.
    mark: AuditMark,
    /// The UIDs of what was there at the last rest.
    uids: BTreeMap<String, String>,
    fault: Option<(Fault, Instant)>,
    faults: usize,
    /// All that people did to Works, and what objects the Work asked for then.
    words: Vec<(Word, BTreeSet<String>)>,
    /// Memory of the process at the looks, in KiB.
    memory: Vec<u64>,
}

impl Soak {
    fn new() -> Self {
        let bench = Bench::new();
        let mark = trail::mark(&bench.fleet.replica);
        Self {
            bench,
            random: Random::new(),
            asked: Asked::default(),
            mark,
            uids: BTreeMap::new(),
            fault: None,
            faults: 0,
            words: Vec::new(),
            memory: Vec::new(),
        }
    }

    /// A Work is made, or asks for something else.
    fn put(&mut self) {
        self.asked.number += 1;
        let number = self.asked.number;
        let names: Vec<String> = self.asked.works.keys().cloned().collect();
        let anew = names.is_empty() || names.len() < WORKS && self.random.up_to(3) == 1;
        let name =
            if anew { format!("w{number}") } else { names[self.random.up_to(names.len()) - 1].clone() };
        let before = self.asked.works.get(&name).cloned().unwrap_or_default();
        let mut now = BTreeMap::new();
        for object in 0..OBJECTS {
            let object = format!("{name}-{object}");
            let value = format!("{number}");
            match self.random.up_to(6) {
                1 | 2 => {}
                3 if before.contains_key(&object) => {
                    drop(now.insert(object.clone(), before[&object].clone()));
                }
                _ => drop(now.insert(object, value)),
            }
        }
        for object in before.keys().filter(|object| !now.contains_key(*object)) {
            self.asked.expect("delete", object);
        }
        for object in now.keys().filter(|object| !before.contains_key(*object)) {
            self.asked.expect("create", object);
        }
        let manifests: Value =
            now.iter().map(|(object, value)| config_map("default", object, value)).collect();
        let asked = now.keys().cloned().collect();
        self.words.push((Word::now(format!("{}/{name}", works())), asked));
        put_work(&self.bench.fleet, &name, &manifests);
        self.asked.works.insert(name, now);
    }

    fn delete(&mut self) {
        let Some((name, objects)) = self.asked.works.pop_first() else { return };
        for object in objects.keys() {
            self.asked.expect("delete", object);
        }
        let path = format!("{}/{name}", works());
        self.words.push((Word::now(path.clone()), BTreeSet::new()));
        self.bench.fleet.directory.api().delete(&path).unwrap();
    }

    /// Somebody edits an object by hand, or deletes it.
    fn meddle(&mut self) {
        let objects: Vec<String> = self.asked.objects().into_keys().collect();
        if objects.is_empty() {
            return;
        }
        let object = &objects[self.random.up_to(objects.len()) - 1];
        if !self.asked.edited.insert(object.clone()) {
            return;
        }
        let path = format!("/api/v1/namespaces/default/configmaps/{object}");
        if self.random.up_to(2) == 1 {
            let _ = self.bench.api().patch(&path, MERGE_PATCH, &json!({"data": {"key": "by hand"}}));
        } else if self.bench.api().delete(&path).is_ok() {
            self.asked.expect("create", object);
        }
    }

    fn strike(&mut self) {
        if self.fault.is_some() {
            return;
        }
        let fault = self.random.one_of(&FAULTS);
        let storm = |code: u16, headers: Vec<(&'static str, String)>| {
            let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code});
            Action::Status(code, headers, body.to_string())
        };
        let Bench { agent, directory, replica, fleet } = &mut self.bench;
        match fault {
            Fault::DirectoryCut => directory.cut().unwrap(),
            Fault::DirectoryFrozen => directory.freeze(),
            Fault::DirectoryBusy => drop(directory.add(Rule::on("/", storm(503, Vec::new())))),
            Fault::DirectoryAsksForPatience => {
                let patience = vec![("retry-after", "2".to_owned())];
                directory.add(Rule::on("/", storm(429, patience)));
            }
            Fault::DirectoryReset => directory.disconnect(),
            Fault::ReplicaCut => replica.cut().unwrap(),
            Fault::ReplicaBusy => drop(replica.add(Rule::on("/", storm(500, Vec::new())))),
            Fault::ReplicaAnswersLost => {
                let writes = Rule::on("/", Action::DropReply).when(|parts| parts.method != http::Method::GET);
                replica.add(writes.times(3));
            }
            Fault::Killed => fleet.revive(agent),
            Fault::Stopped => agent.signal(Signal::STOP).unwrap(),
        }
        self.faults += 1;
        self.fault = Some((fault, Instant::now() + self.random.below(FAULT)));
    }

    /// What is wrong is over.
    fn heal(&mut self) {
        let Bench { agent, directory, replica, .. } = &self.bench;
        match self.fault.take() {
            Some((Fault::DirectoryCut | Fault::DirectoryFrozen, _)) => directory.restore().unwrap(),
            Some((Fault::ReplicaCut, _)) => replica.restore().unwrap(),
            Some((Fault::Stopped, _)) => agent.signal(Signal::CONT).unwrap(),
            _ => {}
        }
        self.bench.open();
    }

    /// Whoever sees a large deletion wait lets it go: it was asked for.
    fn release(&self) {
        let report = self.bench.api().get(REPORT).unwrap();
        let holds = report["status"]["holds"].as_array().cloned().unwrap_or_default();
        let ids: Vec<&str> = holds.iter().filter_map(|hold| hold["id"].as_str()).collect();
        if !ids.is_empty() {
            let word =
                json!({"metadata": {"annotations": {"multicluster.coreos.com/release": ids.join(" ")}}});
            let path = format!("{CLUSTERS}/{OWN}");
            self.bench.fleet.directory.api().patch(&path, MERGE_PATCH, &word).unwrap();
        }
    }

    /// Nothing came or went oftener than it was asked for since the last rest.
    fn look(&mut self) {
        for (write, count) in turnover(&self.bench.fleet, self.mark) {
            let asked = self.asked.turnover.get(&write).copied().unwrap_or(0);
            assert!(
                count <= asked,
                "{write}: {count} times, asked for {asked} times\n{}",
                self.bench.agent.log()
            );
        }
        self.release();
        if let Some(rss) = self.bench.agent.rss_kib() {
            self.memory.push(rss);
        }
    }

    /// The faults are over for a while: all comes to be as the Works ask, and what nobody touched is the same as before.
    fn rest(&mut self) {
        self.heal();
        timed("all as the Works ask", REST, || self.is_at_rest())
            .unwrap_or_else(|late| panic!("{late}\n{}", self.bench.agent.log()));
        self.look();
        let now = made(&self.bench.fleet);
        for (object, uid) in &now {
            let touched = self.asked.turnover.contains_key(&format!("create {object}"));
            let same = self.uids.get(object).is_none_or(|before| before == uid);
            assert!(touched || same, "{object} was made anew\n{}", self.bench.agent.log());
        }
        self.uids = now;
        self.mark = trail::mark(&self.bench.fleet.replica);
        self.asked.turnover.clear();
    }

    fn each_deletion_was_read_live(&self) -> usize {
        self.bench.each_deletion_was_read_live(|path, before| {
            let object = path.rsplit('/').next().unwrap();
            let about = format!("{}/{}", works(), object.split('-').next().unwrap());
            // Each word since the object was last asked for: somebody may say one more while it goes for the one before.
            let words = self.words.iter().rev().filter(|(word, _)| word.is_about(&about, before));
            words.take_while(|(_, asked)| !asked.contains(object)).map(|(word, _)| word).collect()
        })
    }

    fn step(&mut self) {
        match self.random.up_to(20) {
            1..=10 => self.put(),
            11 => self.delete(),
            12..=16 => self.meddle(),
            _ => self.strike(),
        }
        if self.fault.is_some_and(|(_, end)| end <= Instant::now()) {
            self.heal();
        }
    }

    /// Whether all is as the Works ask.
    fn is_at_rest(&self) -> Result<(), String> {
        self.release();
        let there = made(&self.bench.fleet);
        let asked = self.asked.objects();
        let expected: BTreeSet<String> =
            asked.keys().map(|name| format!("configmaps default/{name}")).collect();
        let now: BTreeSet<String> = there.into_keys().collect();
        if now != expected {
            return Err(format!("{:?}", now.symmetric_difference(&expected)));
        }
        for (name, value) in &asked {
            let object = self.bench.api().get(&format!("/api/v1/namespaces/default/configmaps/{name}"));
            let object = object.map_err(|error| error.to_string())?;
            if object["data"]["key"] != **value {
                return Err(format!("{name}: {} and {value}", object["data"]));
            }
        }
        let names = |api: Api, path: &str| -> BTreeSet<String> {
            let list = api.get(path).unwrap_or_default();
            let items = list["items"].as_array().into_iter().flatten();
            items.map(|item| item["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect()
        };
        let asked: BTreeSet<String> = self.asked.works.keys().cloned().collect();
        let works = names(self.bench.fleet.directory.api(), &works());
        let ledgers = names(self.bench.api(), LEDGERS);
        if works != asked || ledgers != asked {
            return Err(format!("Works {works:?}, ledgers {ledgers:?}, asked for {asked:?}"));
        }
        asked.iter().try_for_each(|name| told(&self.bench.fleet, name, "Applied", "Applied").map(drop))
    }
}

fn soak(duration: Duration) {
    let mut soak = Soak::new();
    let begun = Instant::now();
    let (mut looked, mut rested) = (begun, begun);
    while begun.elapsed() < duration {
        soak.step();
        std::thread::sleep(soak.random.below(PAUSE)); // the pace of people, not a wait for something
        if looked.elapsed() > LOOK {
            looked = Instant::now();
            soak.look();
        }
        if rested.elapsed() > STRETCH {
            soak.rest();
            rested = Instant::now();
        }
    }
    soak.rest();
    println!("{} deletions, each after live reads", soak.each_deletion_was_read_live());
    let (edits, faults) = (soak.asked.number, soak.faults);
    println!(
        "{edits} edits of Works and {faults} faults in {:?}; memory in KiB {:?}",
        begun.elapsed(),
        soak.memory
    );
    assert!(edits > 0 && faults > 0);
    let quarter = soak.memory.len() / 4;
    if soak.memory.len() >= WARM {
        let mean = |part: &[u64]| part.iter().sum::<u64>() / part.len() as u64;
        let first = mean(&soak.memory[quarter..2 * quarter]);
        let last = mean(&soak.memory[soak.memory.len() - quarter..]);
        println!("{first} KiB in the second quarter, {last} KiB in the last");
        assert!(last <= first + NOISE, "memory grows: {:?}", soak.memory);
    }
}

#[test]
fn whatever_happens_nothing_comes_or_goes_that_nobody_asked_for() {
    soak(SHORT);
}

#[test]
#[ignore = "as long as MUSTER_MINUTES says: run by make soak"]
fn however_long_it_goes_on_nothing_comes_or_goes_that_nobody_asked_for() {
    let minutes = std::env::var("MUSTER_MINUTES").ok().and_then(|minutes| minutes.parse().ok()).unwrap_or(30);
    soak(Duration::from_secs(60 * minutes));
}
