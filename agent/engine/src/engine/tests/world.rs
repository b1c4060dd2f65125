//! A directory with entries and policies, a replica that applies on the server's side and keeps ledgers, and an engine
//! between them. Every write is told in [`PolicyWorld::log`], every read in [`PolicyWorld::reads`].

mod carry;
mod directory;
pub(super) mod replica;

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use muster_api::marks;
use serde_json::{Value, json};

use super::super::*;
use super::{OWN, landmark, never_renewed, object, unreachable};
use crate::era::Beat;
use crate::ledger::Kept;
use crate::pin::{Landmarks, Pin, Reading};
use crate::target::Target;

/// Most events and steps between two moments at rest.
const MOST: usize = 20_000;

/// What a process leaves behind that ends at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    /// The step was carried out, and nobody heard of it.
    Unheard,
    /// The step was not carried out.
    Undone,
}

#[allow(clippy::struct_excessive_bools)] // each is a switch of its own
pub(super) struct PolicyWorld {
    pub(super) engine: Engine,
    scope: Scope,
    pub(super) now: Duration,
    pub(super) version: u64,
    /// Whether there is a session.
    pub(super) online: bool,
    // === the directory ===
    pub(super) entries: BTreeMap<String, Value>,
    pub(super) policies: BTreeMap<String, Value>,
    /// The own Lease.
    pub(super) lease: Reading<Beat>,
    pub(super) landmarks: Landmarks,
    pub(super) unreadable: bool,
    // === the replica ===
    pub(super) objects: BTreeMap<Target, Value>,
    pub(super) ledgers: BTreeMap<String, Kept>,
    pub(super) copies: BTreeMap<String, Value>,
    pub(super) report: Option<Value>,
    pub(super) memory: Option<Memory>,
    pub(super) nonce: String,
    /// The last heartbeat that was acknowledged, as the Lease in the replica has it.
    beat: Option<Beat>,
    /// The era in which the directory was listed.
    pub(super) era: u32,
    /// What else is in namespaces.
    pub(super) content: BTreeMap<String, String>,
    /// Why writes of the objects of this kind, or of ledgers, fail.
    pub(super) refused: BTreeMap<String, (crate::Failure, String)>,
    /// Most items that a ledger can hold.
    pub(super) largest: usize,
    // === what is under way ===
    events: VecDeque<Event>,
    held: VecDeque<Event>,
    pub(super) plans: VecDeque<Plan>,
    /// Plans wait instead of being carried out.
    pub(super) deferring: bool,
    /// What watches of the replica show waits.
    pub(super) lagging: Option<VecDeque<Event>>,
    /// Outcomes are heard before what watches show of them, and the newest plan is carried out first.
    pub(super) done_first: bool,
    /// The next step that writes ends the process, or its outcome is lost on the way.
    pub(super) crash: Option<(usize, Crash)>,
    pub(super) lose_outcome_of: Option<&'static str>,
    pub(super) dead: bool,
    // === what was done ===
    pub(super) log: Vec<String>,
    /// The same of the copies of policies.
    pub(super) copied: Vec<String>,
    pub(super) reads: Vec<String>,
    pub(super) probed: usize,
}

/// An object as tests name it: `Kind NAMESPACE/NAME`, without the hash of a generated name.
pub(super) fn say(target: &Target) -> String {
    let name = match target.name.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
        _ => &target.name,
    };
    let namespace = target.namespace.as_ref().map_or_else(String::new, |namespace| format!("{namespace}/"));
    format!("{} {namespace}{name}", target.resource.kind)
}

impl PolicyWorld {
    pub(super) fn new(scope: Scope) -> Self {
        let landmarks = Landmarks {
            directory: landmark("d"),
            clusters_crd: landmark("c"),
            policies_crd: landmark("p"),
            works_crd: landmark("w"),
            execution_namespace: Some(landmark("x")),
        };
        let mut world = Self {
            engine: Engine::new(scope.clone(), OWN.into()),
            scope,
            now: Duration::from_secs(1),
            version: 100,
            online: false,
            entries: BTreeMap::new(),
            policies: BTreeMap::new(),
            lease: Reading::Found(never_renewed("lease")),
            landmarks,
            unreadable: false,
            objects: BTreeMap::new(),
            ledgers: BTreeMap::new(),
            copies: BTreeMap::new(),
            report: None,
            memory: None,
            nonce: "n".into(),
            beat: None,
            era: 0,
            content: BTreeMap::new(),
            refused: BTreeMap::new(),
            largest: usize::MAX,
            events: VecDeque::new(),
            held: VecDeque::new(),
            plans: VecDeque::new(),
            deferring: false,
            lagging: None,
            done_first: false,
            crash: None,
            lose_outcome_of: None,
            dead: false,
            log: Vec::new(),
            copied: Vec::new(),
            reads: Vec::new(),
            probed: 0,
        };
        world.enter("own", &json!({"cloud": "aws"}));
        world
    }

    /// A world with these policies, in step, and a clean log.
    pub(super) fn in_step(policies: &[(&str, Value)]) -> Self {
        let mut world = Self::new(Scope::None);
        for (name, spec) in policies {
            world.policy(name, spec);
        }
        world.start(true);
        world.tick(1);
        world.forget();
        world
    }

    /// The log begins anew.
    pub(super) fn forget(&mut self) {
        self.log.clear();
        self.copied.clear();
        self.reads.clear();
    }

    pub(super) fn note(&mut self, line: String) {
        if line.contains("ClusterPolicy") { self.copied.push(line) } else { self.log.push(line) }
    }

    /// What was written since the log began, which begins anew. Copies of policies are told only where nothing else was
    /// written.
    pub(super) fn written(&mut self) -> Vec<String> {
        self.reads.clear();
        let (log, copied) = (std::mem::take(&mut self.log), std::mem::take(&mut self.copied));
        if log.is_empty() { copied } else { log }
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
        self.engine = Engine::new(self.scope.clone(), OWN.into());
        (self.dead, self.online) = (false, false);
        self.events.clear();
        self.plans.clear();
        if let Some(beat) = self.beat.clone() {
            self.send(Event::Acknowledged(beat));
        }
        if let Some(memory) = self.memory.clone() {
            let (replica, nonce) = ("r".into(), self.nonce.clone());
            self.send(Event::Recalled { memory, replica, nonce, heard: None, passed: Passed::default() });
        }
        if directory_first {
            self.connect();
        }
        self.list_report();
        self.send(Event::LedgerTried(Ok(())));
        self.list_replica();
    }

    /// The process ends, and another one begins.
    pub(super) fn restart(&mut self, online: bool) {
        self.forget();
        self.start(online);
    }

    pub(super) fn session(&mut self) -> Session {
        let pin = Pin {
            directory: "d".into(),
            clusters_crd: "c".into(),
            policies_crd: Some("p".into()),
            works_crd: Some("w".into()),
            execution_namespace: Some("x".into()),
            cluster: "own".into(),
            entry: None,
            era: 0,
        };
        let memory = self.memory.get_or_insert_with(|| Memory { pin, ..Memory::default() }).clone();
        let Memory { pin, departed, holds, set_back } = memory;
        Session { pin, replica: "r".into(), nonce: self.nonce.clone(), departed, holds, set_back }
    }

    pub(super) fn connect(&mut self) {
        let session = self.session();
        self.online = true;
        self.send(Event::Opened(session));
        self.list_directory();
    }

    pub(super) fn disconnect(&mut self) {
        self.online = false;
        self.send(Event::Closed(unreachable()));
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
                let now = Now { mono: self.now, wall: Timestamp::UNIX_EPOCH };
                let plans = self.engine.on(event, now);
                assert!(plans.is_empty() || !self.is_paused(), "while paused: {plans:?}");
                self.plans.extend(plans);
                self.beat = self.engine.beat().cloned();
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
        panic!("no end: {:#?}", &self.log[self.log.len().saturating_sub(40)..]);
    }

    /// What a watch of the replica shows.
    pub(super) fn show(&mut self, event: Event) {
        match &mut self.lagging {
            Some(waiting) => waiting.push_back(event),
            None => self.events.push_back(event),
        }
    }

    /// What waited is shown.
    pub(super) fn catch_up(&mut self) {
        self.events.extend(self.lagging.take().into_iter().flatten());
        self.run();
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

    fn is_paused(&self) -> bool {
        self.report.as_ref().is_some_and(|report| !report["metadata"]["annotations"][marks::PAUSE].is_null())
    }

    pub(super) fn condition(&self, kind: &str) -> (String, String) {
        let now = Now { mono: self.now, wall: Timestamp::UNIX_EPOCH };
        let conditions = self.engine.conditions(now);
        let found = conditions.into_iter().find(|condition| condition.type_ == kind);
        found.map(|condition| (condition.reason, condition.message)).unwrap_or_default()
    }

    pub(super) fn reason(&self, kind: &str) -> String {
        self.condition(kind).0
    }
}
