//! A directory with Works, a replica that applies on the server's side, and an engine between them. Every write is told
//! in [`WorkWorld::log`], every read in [`WorkWorld::reads`]. What no plan may ever do is checked at each step.

mod carry;
mod departure;
mod directory;
mod replica;
mod rules;
mod session;
mod sight;
mod vaults;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use muster_api::Resource;
use serde_json::{Value, json};

pub(super) use self::replica::{config_named, namespace as namespace_named};
pub(super) use self::rules::maker;
pub(super) use self::session::Backup;
use super::super::super::*;
use super::super::{OWN, heartbeat, landmark, never_renewed, object, unreachable};
pub(super) use crate::engine::tests::world::{Crash, say};
use crate::era::Beat;
use crate::event::{Change, DirectoryWatch};
use crate::failure::Failure;
use crate::ledger::Kept;
use crate::pin::{Landmarks, Pin, Reading};
use crate::refusal::Awaited;
use crate::target::Target;
use crate::values::Vault;

/// Most events and steps between two moments at rest.
const MOST: usize = 60_000;
const UNDER_WAY: usize = 48; // most steps of Works that may be

#[allow(clippy::struct_excessive_bools)] // each is a switch of its own
pub(super) struct WorkWorld {
    pub(super) engine: Engine,
    pub(super) now: Duration,
    pub(super) version: u64,
    /// Whether there is a session.
    pub(super) online: bool,
    // === the directory ===
    entry: Value,
    /// UIDs of the own entries that were deleted, and what they said of the workloads then.
    said: Vec<(String, String)>,
    /// By name.
    pub(super) works: BTreeMap<String, Value>,
    /// The own Lease.
    pub(super) lease: Reading<Beat>,
    pub(super) landmarks: Landmarks,
    pub(super) unreadable: bool,
    /// The watch of Works tells nothing, and nobody knows.
    pub(super) mute: bool,
    /// Why finalizers cannot be set.
    pub(super) fixed: Option<Failure>,
    // === the replica ===
    pub(super) objects: BTreeMap<Target, Value>,
    /// By the name of the object that keeps it.
    pub(super) ledgers: BTreeMap<String, Kept>,
    /// What lies beside the ledgers, by the UID of the Work.
    pub(super) vaults: BTreeMap<String, Vault>,
    /// How many keys were made.
    keys: u8,
    pub(super) served: BTreeSet<Resource>,
    /// Why nothing can be deleted.
    pub(super) undeletable: Option<Failure>,
    /// Definitions make their kinds served at once.
    pub(super) establishes: bool,
    pub(super) memory: Option<Memory>,
    /// The nonce of new ledgers: another one after each joining anew.
    pub(super) nonce: &'static str,
    /// What the last process heard of the directory, as the Lease in the replica has it.
    pub(super) heard: Option<Timestamp>,
    /// The Works that it let go, as the Lease has it.
    pub(super) passed: String,
    /// The last heartbeat that was acknowledged, as the Lease has it.
    pub(super) beat: Option<Beat>,
    /// The era in which the directory was listed.
    pub(super) era: u32,
    /// The directory was set back, and no heartbeat showed it yet.
    restored: bool,
    paused: bool,
    /// The local report, with what the owner of the replica says.
    report: Option<Value>,
    /// Why writes of the objects of this kind, or of ledgers, or the end of the ledger of this name fail.
    pub(super) refused: BTreeMap<String, Failure>,
    /// What the server says then.
    pub(super) why: &'static str,
    // === what is under way ===
    events: VecDeque<Event>,
    pub(super) plans: VecDeque<Plan>,
    watching: BTreeSet<Resource>,
    /// What is watched since something waits for a change of it.
    pub(super) awaiting: BTreeSet<Awaited>,
    unwatchable: BTreeSet<Resource>,
    /// The namespaces in which objects may be watched, where that is not everywhere, and the views that were told.
    seen_in: Option<BTreeSet<String>>,
    views: BTreeSet<(Resource, Option<String>)>,
    /// What somebody took the mark off: it may be theirs by now.
    pub(super) stripped: BTreeSet<Target>,
    /// UIDs of Works that somebody took the finalizer off when their values were kept, and no ledger told of them yet. A
    /// process that begins after that cannot know of these values: the agent may not list Secrets.
    pub(super) forlorn: BTreeSet<String>,
    /// Plans wait instead of being carried out.
    pub(super) deferring: bool,
    /// Discovery of named groups does not answer, and this waits for it.
    pub(super) hangs: bool,
    hanging: VecDeque<Plan>,
    /// Outcomes are heard before what watches show of them, and the newest plan is carried out first.
    pub(super) done_first: bool,
    pub(super) crash: Option<(usize, Crash)>,
    pub(super) dead: bool,
    /// Whether live reads showed to this process that the own entry went from a directory that is whole, and none has shown
    /// otherwise since.
    confirmed: bool,
    /// What live reads proved so far.
    proved: rules::Proved,
    /// The versions of objects that this process wrote.
    wrote: BTreeMap<Target, String>,
    // === what was done ===
    pub(super) log: Vec<String>,
    pub(super) reads: Vec<String>,
}

impl WorkWorld {
    pub(super) fn new() -> Self {
        let landmarks = Landmarks {
            directory: landmark("d"),
            clusters_crd: landmark("c"),
            policies_crd: landmark("p"),
            works_crd: landmark("w"),
            execution_namespace: Some(landmark("x")),
        };
        let entry = json!({"metadata": {"name": "own", "uid": "own-uid", "resourceVersion": "5", "labels": {}}, "spec": {}});
        let mut world = Self {
            engine: Engine::new(Scope::None, OWN.into()),
            now: Duration::from_secs(1),
            version: 100,
            online: false,
            entry,
            said: Vec::new(),
            works: BTreeMap::new(),
            lease: Reading::Found(never_renewed("lease")),
            landmarks,
            unreadable: false,
            mute: false,
            fixed: None,
            objects: BTreeMap::new(),
            ledgers: BTreeMap::new(),
            vaults: BTreeMap::new(),
            keys: 0,
            served: replica::built_in(),
            undeletable: None,
            establishes: true,
            memory: None,
            heard: None,
            passed: String::new(),
            beat: None,
            era: 0,
            restored: false,
            paused: false,
            report: None,
            refused: BTreeMap::new(),
            why: "no",
            events: VecDeque::new(),
            plans: VecDeque::new(),
            watching: BTreeSet::new(),
            awaiting: BTreeSet::new(),
            unwatchable: BTreeSet::new(),
            seen_in: None,
            views: BTreeSet::new(),
            stripped: BTreeSet::new(),
            forlorn: BTreeSet::new(),
            deferring: false,
            hangs: false,
            hanging: VecDeque::new(),
            done_first: false,
            crash: None,
            dead: false,
            confirmed: false,
            nonce: "n",
            proved: rules::Proved::default(),
            wrote: BTreeMap::new(),
            log: Vec::new(),
            reads: Vec::new(),
        };
        for namespace in ["default", "web"] {
            world.make(&replica::namespace(namespace), &json!({}));
        }
        world
    }

    /// A world with these Works, in step, and a clean log.
    pub(super) fn in_step(works: &[(&str, &[Value])]) -> Self {
        let mut world = Self::new();
        for (name, manifests) in works {
            world.work(name, manifests);
        }
        world.start(true);
        world.tick(1);
        world.forget();
        world
    }

    /// The log begins anew.
    pub(super) fn forget(&mut self) {
        self.log.clear();
        self.reads.clear();
    }

    /// What was written since the log began, which begins anew.
    pub(super) fn written(&mut self) -> Vec<String> {
        self.reads.clear();
        std::mem::take(&mut self.log)
    }

    /// What was deleted or released since the log began.
    pub(super) fn gone(&self) -> Vec<&str> {
        let ends = |line: &&String| line.starts_with("delete") || line.starts_with("unmark");
        self.log.iter().filter(ends).map(String::as_str).collect()
    }

    pub(super) fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    // === the process ===

    /// The process begins, and reads what there is.
    pub(super) fn start(&mut self, online: bool) {
        self.begin(online && self.done_first);
        if !online {
            self.disconnect();
        } else if !self.online {
            self.connect();
        }
    }

    /// It begins, and reads what there is in the replica. `directory_first`: after what there is in the directory, of which
    /// nothing is known otherwise.
    pub(super) fn begin(&mut self, directory_first: bool) {
        self.engine = Engine::new(Scope::None, OWN.into());
        (self.dead, self.online, self.confirmed) = (false, false, false);
        self.crash = self.crash.filter(|(left, _)| *left > 0); // it ended the process before
        self.events.clear();
        self.plans.clear();
        self.hanging.clear();
        self.wrote.clear();
        self.watching.clear();
        self.awaiting.clear();
        self.unwatchable.clear();
        self.views.clear();
        if let Some(beat) = self.beat.clone() {
            self.send(Event::Acknowledged(beat));
        }
        if let Some(memory) = self.memory.clone() {
            self.send(Event::Recalled {
                memory,
                replica: "r".into(),
                nonce: self.nonce.into(),
                heard: self.heard,
                passed: Passed::read(&self.passed),
            });
        }
        if directory_first {
            self.connect();
        }
        self.list_report();
        self.send(Event::LedgerTried(Ok(())));
        self.send(Event::LeavingTried(Ok(())));
        self.list_replica();
    }

    /// The process ends, and another one begins.
    pub(super) fn restart(&mut self, online: bool) {
        self.forget();
        self.start(online);
    }

    /// The same, and what was done is not forgotten.
    pub(super) fn restart_in_the_midst(&mut self, online: bool) {
        self.start(online);
    }

    pub(super) fn send(&mut self, event: Event) {
        self.events.push_back(event);
        self.run();
    }

    /// What waits is taken in and carried out, until nothing is left to do.
    pub(super) fn run(&mut self) {
        for _ in 0..MOST {
            if self.dead {
                self.events.clear();
                self.plans.clear();
                return;
            }
            if let Some(event) = self.events.pop_front() {
                self.take_in(event);
                if self.online && self.era != self.engine.era_number() {
                    self.queue_lists();
                }
                continue;
            }
            if self.deferring && !self.plans.is_empty() {
                return;
            }
            let next = if self.done_first { self.plans.pop_back() } else { self.plans.pop_front() };
            let Some(plan) = next else {
                let wake = self.engine.wake();
                assert!(wake.is_none_or(|wake| wake > self.now), "busy at {:?}: {wake:?}", self.now);
                return;
            };
            self.carry_out(plan);
        }
        let last = |lines: &Vec<String>| lines[lines.len().saturating_sub(40)..].to_vec();
        panic!("no end: {:#?} {:#?}", last(&self.log), last(&self.reads));
    }

    fn take_in(&mut self, event: Event) {
        let now = Now { mono: self.now, wall: self.wall() };
        let plans = self.engine.on(event, now);
        assert!(self.engine.works.counts_right(), "objects that no watch shows");
        let of_works = |plan: &&Plan| plan.source == Source::Works;
        let mut steps = plans.iter().flat_map(|plan| &plan.steps);
        let own =
            steps.all(|step| matches!(step, Step::Remember(_) | Step::Probe)) && self.engine.is_set_back();
        assert!(!self.paused || plans.is_empty() || own, "while paused: {plans:?}");
        for step in plans.iter().flat_map(|plan| &plan.steps) {
            self.check_idle(step);
            self.check_unheld(step);
            self.check_silent(step);
            match step {
                Step::Delete(deletion) => {
                    self.check_unwanted(deletion.target(), true);
                    self.check_confirmed(deletion.target());
                }
                Step::Unmark { target, .. } => {
                    self.check_unwanted(target, false);
                    self.check_confirmed(target);
                }
                _ => {}
            }
        }
        self.heard = self.engine.heard().or(self.heard);
        self.passed = self.engine.passed().text();
        self.beat = self.engine.beat().cloned();
        self.plans.extend(plans);
        let under_way = self.plans.iter().filter(of_works).count();
        assert!(under_way <= UNDER_WAY, "{under_way} steps under way");
        self.follow();
    }

    /// It is the moment at which something is due.
    pub(super) fn wake(&mut self) {
        self.now = self.engine.wake().expect("nothing is due").max(self.now);
        self.send(Event::Tick);
    }

    /// Time passes, as the agent lets it pass: a tick when one is wanted, and one every half second.
    pub(super) fn tick(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            let next = self.now + Duration::from_millis(500);
            let wake = self.engine.wake().filter(|_| !self.dead);
            self.now = wake.map_or(next, |wake| wake.clamp(self.now, next)).min(end);
            self.send(Event::Tick);
            let idle = self.dead || !self.plans.is_empty();
            assert!(idle || self.engine.wake().is_none_or(|wake| wake > self.now));
        }
    }
}
