//! What a change costs: every write of the agent in the replica, under either of its names, counted in the audit log.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use muster_tests::agent::AgentProcess;
use muster_tests::plane::{AuditEvent, AuditMark};
use muster_tests::wait::{DEADLINE, throughout, timed};

use crate::fleet::Fleet;
use crate::trail::{self, REPLICA_USER, lines};

/// What the agent writes that no policy and no Work is the cause of: Lease, report, Events and copies of entries.
pub(crate) const BESIDE: [&str; 5] =
    ["leases", "clusterreports", "clusterreports/status", "events", "clusters"];
/// Longer than what follows a change takes to come: nothing is to come after it.
const QUIET: Duration = Duration::from_secs(3);

/// The writes of the agent in the replica since this began.
pub(crate) struct Trail<'a> {
    fleet: &'a Fleet,
    /// The account as which objects are written.
    applier: &'a str,
    since: AuditMark,
    /// How many of them were expected so far.
    seen: Cell<usize>,
}

/// The writes that one change brings about: those of ledgers before and after the others, and how many of each of the
/// others there are.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Writes {
    before: Vec<String>,
    objects: BTreeMap<String, usize>,
    after: Vec<String>,
}

impl Writes {
    pub(crate) fn new(before: &[&str], objects: &[(&str, usize)], after: &[&str]) -> Self {
        let own = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        Self {
            before: own(before),
            objects: objects.iter().map(|(write, number)| ((*write).to_owned(), *number)).collect(),
            after: own(after),
        }
    }

    fn read(events: &[AuditEvent]) -> Self {
        let is_ledger = |event: &AuditEvent| event.resource.starts_with("appliedworks");
        let first = events.iter().position(|event| !is_ledger(event)).unwrap_or(events.len());
        let last = events.iter().rposition(|event| !is_ledger(event)).map_or(first, |last| last + 1);
        let told = |events: &[AuditEvent]| events.iter().map(tell).collect();
        let mut objects = BTreeMap::new();
        for event in &events[first..last] {
            *objects.entry(tell(event)).or_insert(0) += 1;
        }
        Self { before: told(&events[..first]), objects, after: told(&events[last..]) }
    }

    fn number(&self) -> usize {
        self.before.len() + self.objects.values().sum::<usize>() + self.after.len()
    }
}

/// A write in two words. An apply that made its object is a creation.
fn tell(event: &AuditEvent) -> String {
    let AuditEvent { verb, resource, code, .. } = event;
    match (verb.as_str(), code) {
        ("patch", 201) => format!("create {resource}"),
        (verb, 200 | 201) => format!("{verb} {resource}"),
        (verb, code) => format!("{verb} {resource}: {code}"),
    }
}

impl<'a> Trail<'a> {
    pub(crate) fn new(fleet: &'a Fleet, applier: &'a str) -> Self {
        Self { fleet, applier, since: trail::mark(&fleet.replica), seen: Cell::new(0) }
    }

    fn all(&self) -> Vec<AuditEvent> {
        let users =
            [REPLICA_USER, self.applier].map(|user| trail::writes(&self.fleet.replica, self.since, user));
        users.into_iter().flatten().collect()
    }

    /// In the order in which they came: a watch can show what was written before the request for it ends.
    fn events(&self) -> Vec<AuditEvent> {
        let mut events = self.all();
        events.retain(|event| !BESIDE.contains(&event.resource.as_str()));
        events.sort_by_key(|event| event.time);
        events
    }

    /// Waits until exactly these writes were made since the last look: one more than expected shows here, or at the
    /// next look.
    pub(crate) fn shows(&self, agent: &AgentProcess, change: &str, expected: &Writes) {
        let looked = timed(&format!("{change}: {} writes", expected.number()), DEADLINE, || {
            let events = self.events();
            let seen = Writes::read(events.get(self.seen.get()..).unwrap_or_default());
            if seen == *expected { Ok(()) } else { Err(format!("{seen:#?} instead of {expected:#?}")) }
        });
        looked.unwrap_or_else(|late| panic!("{late}\n{}\n{}", lines(&self.events()), agent.log()));
        self.seen.set(self.seen.get() + expected.number());
    }

    /// Checks that nothing more comes, and that each write was made under the right name. Prints what was beside.
    pub(crate) fn ends(&self, agent: &AgentProcess) {
        let quiet = throughout("no more writes", QUIET, || {
            let events = self.events();
            if events.len() == self.seen.get() { Ok(()) } else { Err(lines(&events[self.seen.get()..])) }
        });
        quiet.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
        for event in self.events() {
            let name = if event.group.starts_with("multicluster.") { None } else { Some(self.applier) };
            assert!(event.impersonated.as_deref() == name, "{}", lines(&[event]));
        }
        let mut beside = BTreeMap::new();
        for event in self.all().iter().filter(|event| BESIDE.contains(&event.resource.as_str())) {
            *beside.entry(tell(event)).or_insert(0) += 1;
        }
        println!("beside them: {beside:?}");
    }
}
