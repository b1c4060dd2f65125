//! What each change costs: every write of the agent in the replica, under either of its names, counted in the audit
//! log. A ledger is recorded before the objects and settled after them.

use std::cell::Cell;
use std::collections::BTreeMap;

use muster_tests::agent::AgentProcess;
use muster_tests::api::{Api, MERGE_PATCH};
use muster_tests::plane::{AuditEvent, AuditMark};
use muster_tests::wait::{DEADLINE, throughout, timed};
use serde_json::{Value, json};

use super::{APPLIER, LEDGERS, POLICIES, drop_policy, made, put_policy, put_policy_with, until_made};
use crate::fleet::{Fleet, stop};
use crate::trail::{self, REPLICA_USER, directory_user, lines};

/// What the agent writes that no policy is the cause of: Lease, report and Events.
const BESIDE: [&str; 4] = ["leases", "clusterreports", "clusterreports/status", "events"];
/// Longer than what follows a change takes to come: nothing is to come after it.
const QUIET: std::time::Duration = std::time::Duration::from_secs(3);

/// The writes of the agent in the replica since this began.
struct Trail<'a> {
    fleet: &'a Fleet,
    since: AuditMark,
    /// How many of them were expected so far.
    seen: Cell<usize>,
}

/// The writes that one change brings about: those of ledgers before and after the others, and how many of each of the
/// others there are.
#[derive(Debug, Default, PartialEq)]
struct Writes {
    before: Vec<String>,
    objects: BTreeMap<String, usize>,
    after: Vec<String>,
}

impl Writes {
    fn new(before: &[&str], objects: &[(&str, usize)], after: &[&str]) -> Self {
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
    fn new(fleet: &'a Fleet) -> Self {
        Self { fleet, since: trail::mark(&fleet.replica), seen: Cell::new(0) }
    }

    fn all(&self) -> Vec<AuditEvent> {
        let users = [REPLICA_USER, APPLIER].map(|user| trail::writes(&self.fleet.replica, self.since, user));
        users.into_iter().flatten().collect()
    }

    fn events(&self) -> Vec<AuditEvent> {
        self.all().into_iter().filter(|event| !BESIDE.contains(&event.resource.as_str())).collect()
    }

    /// Waits until exactly these writes were made since the last look: one more than expected shows here, or at the
    /// next look.
    fn shows(&self, agent: &AgentProcess, change: &str, expected: &Writes) {
        let looked = timed(&format!("{change}: {} writes", expected.number()), DEADLINE, || {
            let events = self.events();
            let seen = Writes::read(events.get(self.seen.get()..).unwrap_or_default());
            if seen == *expected { Ok(()) } else { Err(format!("{seen:#?} instead of {expected:#?}")) }
        });
        looked.unwrap_or_else(|late| panic!("{late}\n{}\n{}", lines(&self.events()), agent.log()));
        self.seen.set(self.seen.get() + expected.number());
    }

    /// Checks that nothing more comes, and that each write was made under the right name. Prints what was beside.
    fn ends(&self, agent: &AgentProcess) {
        let quiet = throughout("no more writes", QUIET, || {
            let events = self.events();
            if events.len() == self.seen.get() { Ok(()) } else { Err(lines(&events[self.seen.get()..])) }
        });
        quiet.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
        for event in self.events() {
            let name = if event.group.starts_with("multicluster.") { None } else { Some(APPLIER) };
            assert!(event.impersonated.as_deref() == name, "{}", lines(&[event]));
        }
        let mut beside = BTreeMap::new();
        for event in self.all().iter().filter(|event| BESIDE.contains(&event.resource.as_str())) {
            *beside.entry(tell(event)).or_insert(0) += 1;
        }
        println!("beside them: {beside:?}");
    }
}

/// A policy that grants roles to a group each, in two namespaces.
fn grants(group: &str, roles: &[&str]) -> Value {
    let bindings: Vec<Value> =
        roles.iter().map(|role| json!({"clusterRole": role, "groups": [group]})).collect();
    let namespaces =
        ["one", "two"].map(|name| json!({"name": name, "authorization": {"bindings": bindings}}));
    json!({"selector": {"cloud": "aws"}, "namespaces": namespaces})
}

#[test]
fn each_change_costs_its_writes_and_no_others() {
    let fleet = Fleet::new();
    let mut agent = fleet.joined(&[]);
    fleet.reason(&agent, "PoliciesApplied", "NoneSelected");
    let upstream = trail::mark(&fleet.directory);
    let trail = Trail::new(&fleet);
    let shows = |agent: &AgentProcess, change: &str, before: &[&str], objects: &[_], after: &[&str]| {
        trail.shows(agent, change, &Writes::new(before, objects, after));
    };
    let (post, put, status) = ("create appliedworks", "update appliedworks", "patch appliedworks/status");

    put_policy(&fleet, "team", &grants("a", &["view", "edit"]));
    let all = [("create clusterpolicies", 1), ("create namespaces", 2), ("create rolebindings", 4)];
    shows(&agent, "a new policy", &[post], &all, &[status]);

    put_policy(&fleet, "team", &grants("b", &["view", "edit"]));
    let changed = [("patch clusterpolicies", 1), ("patch rolebindings", 4)];
    shows(&agent, "other subjects", &[put], &changed, &[]);

    put_policy(&fleet, "team", &grants("b", &["view", "edit", "admin"]));
    let added = [("patch clusterpolicies", 1), ("create rolebindings", 2)];
    shows(&agent, "roles added", &[put], &added, &[status]);

    put_policy(&fleet, "team", &grants("b", &["edit", "admin"]));
    let dropped = [("patch clusterpolicies", 1), ("delete rolebindings", 2)];
    shows(&agent, "roles dropped", &[put], &dropped, &[status]);

    put_policy(&fleet, "team", &grants("b", &["edit", "view"]));
    let both = [("patch clusterpolicies", 1), ("create rolebindings", 2), ("delete rolebindings", 2)];
    shows(&agent, "roles added and dropped", &[put], &both, &[status]);

    let deletion = json!({"multicluster.coreos.com/namespace-deletion": "delete"});
    put_policy_with(&fleet, "team", &deletion, &grants("b", &["edit", "view"]));
    shows(&agent, "an option", &[put], &[], &[]);

    let (path, _) = binding(&fleet);
    fleet.replica.api().patch(&path, MERGE_PATCH, &json!({"subjects": null})).unwrap();
    shows(&agent, "a hand edit", &[], &[("patch rolebindings", 1)], &[]);

    fleet.replica.api().delete(&path).unwrap();
    shows(&agent, "a grant deleted by hand", &[], &[("create rolebindings", 1)], &[status]);

    stop(&mut agent);
    agent.restart().unwrap();
    fleet.reason(&agent, "PoliciesApplied", "Applied");
    fleet.reason(&agent, "HeartbeatAccepted", "Accepted");
    shows(&agent, "a restart with all right", &[], &[], &[]);

    // Another policy wants a namespace too: it costs nothing, and it stays.
    let namespace = json!({"selector": {"cloud": "aws"}, "namespaces": [{"name": "two"}]});
    put_policy(&fleet, "other", &namespace);
    shows(&agent, "a policy of what is there", &[post], &[("create clusterpolicies", 1)], &[status]);

    drop_policy(&fleet, "team");
    let gone = [("delete clusterpolicies", 1), ("delete namespaces", 1), ("delete rolebindings", 4)];
    shows(&agent, "a policy deleted", &[put], &gone, &["delete appliedworks"]);

    drop_policy(&fleet, "other");
    let unmarked = [("delete clusterpolicies", 1), ("patch namespaces", 1)];
    shows(&agent, "a namespace that stays", &[put], &unmarked, &["delete appliedworks"]);
    trail.ends(&agent);

    for event in trail::writes(&fleet.directory, upstream, &directory_user()) {
        assert!(BESIDE.contains(&event.resource.as_str()), "{}", lines(&[event]));
    }
}

/// A grant of a policy, with its path.
fn binding(fleet: &Fleet) -> (String, Value) {
    let made = made(&fleet.replica);
    let (_, binding) = made.into_iter().find(|(key, _)| key.starts_with("RoleBinding")).unwrap();
    let meta = |key: &str| binding["metadata"][key].as_str().unwrap();
    let (namespace, name) = (meta("namespace"), meta("name"));
    (format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings/{name}"), binding)
}

#[test]
fn a_thousand_events_that_change_nothing_write_nothing() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    put_policy(&fleet, "team", &grants("a", &["view", "edit"]));
    until_made(&fleet, &agent, 6);
    fleet.reason(&agent, "PoliciesApplied", "Applied");
    let (path, grant) = binding(&fleet);
    let policy = format!("{POLICIES}/team");
    let uid = fleet.directory.api().get(&policy).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    let ledger = format!("{LEDGERS}/muster-policy-{uid}");
    let namespace = "/api/v1/namespaces/one".to_owned();
    let (directory, replica) = (fleet.directory.api(), fleet.replica.api());
    let recorded = replica.get(&ledger).unwrap();
    assert!(!recorded["status"]["appliedResources"].as_array().unwrap().is_empty(), "{recorded:#}");

    let trail = Trail::new(&fleet);
    let touched = [
        (&directory, &policy),
        (&replica, &policy),
        (&replica, &namespace),
        (&replica, &path),
        (&replica, &ledger),
    ];
    std::thread::scope(|scope| {
        for (api, path) in touched {
            scope.spawn(move || (0..200).for_each(|number| touch(api, path, number)));
        }
    });
    // Each watch shows what comes after those: once that is put right, the agent has seen them all.
    replica.patch(&path, MERGE_PATCH, &json!({"subjects": null})).unwrap();
    trail.shows(&agent, "a grant edited", &Writes::new(&[], &[("patch rolebindings", 1)], &[]));
    let unmarked = json!({"metadata": {"annotations": {"multicluster.coreos.com/made-for": null}}});
    replica.patch(&namespace, MERGE_PATCH, &unmarked).unwrap();
    trail.shows(&agent, "a namespace's mark removed", &Writes::new(&[], &[("patch namespaces", 1)], &[]));
    replica.patch(&policy, MERGE_PATCH, &json!({"spec": {"selector": null}})).unwrap();
    trail.shows(&agent, "a copy edited", &Writes::new(&[], &[("patch clusterpolicies", 1)], &[]));
    replica.patch(&ledger, MERGE_PATCH, &json!({"spec": {"ledger": {"manifests": []}}})).unwrap();
    trail.shows(&agent, "a ledger edited", &Writes::new(&["update appliedworks"], &[], &[]));
    put_policy(&fleet, "team", &grants("b", &["view", "edit"]));
    let changed = [("patch clusterpolicies", 1), ("patch rolebindings", 4)];
    trail.shows(&agent, "other subjects", &Writes::new(&["update appliedworks"], &changed, &[]));
    trail.ends(&agent);
    let now = replica.get(&path).unwrap();
    assert_eq!(now["metadata"]["annotations"]["example.com/touched"], "199", "{now:#}");
    assert_eq!(now["metadata"]["uid"], grant["metadata"]["uid"]);
}

/// Changes what is nobody's business here: the resourceVersion moves.
fn touch(api: &Api, path: &str, number: usize) {
    let change = json!({"metadata": {
        "annotations": {"example.com/touched": number.to_string()},
        "labels": {"example.com/touched": number.to_string()},
    }});
    api.patch(path, MERGE_PATCH, &change).unwrap();
}
