//! What the agent wrote of the objects that policies ask for, change by change, from the audit log.

use std::collections::{BTreeMap, BTreeSet};

use muster_tests::agent::AgentProcess;
use muster_tests::plane::{AuditEvent, AuditMark};

use super::APPLIER;
use crate::fleet::{Fleet, until};
use crate::trail::{self, REPLICA_USER, lines};

/// The resources that policies make objects of.
const RESOURCES: [&str; 7] = [
    "namespaces",
    "clusterroles",
    "roles",
    "clusterrolebindings",
    "rolebindings",
    "resourcequotas",
    "limitranges",
];

/// The writes since this began.
pub(super) struct Written<'a> {
    fleet: &'a Fleet,
    since: AuditMark,
    /// How many of them were looked at.
    seen: usize,
}

impl<'a> Written<'a> {
    /// Begins now.
    pub(super) fn new(fleet: &'a Fleet) -> Self {
        Self { fleet, since: trail::mark(&fleet.replica), seen: 0 }
    }

    /// All of them, whether they were looked at or not.
    fn all(&self) -> Vec<AuditEvent> {
        let users = [REPLICA_USER, APPLIER].map(|user| trail::writes(&self.fleet.replica, self.since, user));
        let made = |event: &AuditEvent| RESOURCES.contains(&event.resource.as_str());
        users.into_iter().flatten().filter(made).collect()
    }

    /// Waits until exactly these were written since the last look, as in `create rolebindings`, and gives them. What
    /// comes later shows at the next look. All must have been written as the account that applies policies.
    pub(super) fn shows(
        &mut self,
        agent: &AgentProcess,
        change: &str,
        expected: &[(&str, usize)],
    ) -> Vec<AuditEvent> {
        let expected: BTreeMap<String, usize> =
            expected.iter().map(|(write, number)| ((*write).to_owned(), *number)).collect();
        until(agent, &format!("{change}: {expected:?}"), || {
            let all = self.all();
            let new = &all[self.seen..];
            if count(new) == expected { Ok(()) } else { Err(lines(new)) }
        });
        let new = self.all().split_off(self.seen);
        assert_eq!(count(&new), expected, "{change}: {}", lines(&new));
        let as_policies = |event: &AuditEvent| event.impersonated.as_deref() == Some(APPLIER);
        assert!(new.iter().all(as_policies), "{change}: {}", lines(&new));
        self.seen += new.len();
        new
    }
}

/// How many there are of each. An apply that made its object is a creation. What is refused is tried again, more or less
/// often: its objects are counted, not the attempts.
fn count(events: &[AuditEvent]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let mut refused = BTreeSet::new();
    for AuditEvent { verb, resource, namespace, name, code, .. } in events {
        let write = match (verb.as_str(), code) {
            ("patch", 201) => format!("create {resource}"),
            (verb, 200 | 201) => format!("{verb} {resource}"),
            (verb, code) => format!("{verb} {resource}: {code}"),
        };
        if matches!(code, 200 | 201) || refused.insert((write.clone(), namespace, name)) {
            *counts.entry(write).or_insert(0) += 1;
        }
    }
    counts
}
