//! What a large policy costs: time, memory and writes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use muster_tests::agent::AgentProcess;
use muster_tests::api::APPLY_PATCH;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use super::cost::{Trail, Writes};
use super::{APPLIER, LEDGERS, POLICIES, count, drop_policy, made, path};
use crate::fleet::Fleet;

const DEFINE_ROLES: &str = include_str!("../../../manifests/policies-define-roles.yaml");
/// Namespaces, and grants in each.
const NAMESPACES: usize = 200;
const GRANTS: usize = 5;
/// All that is made, beside the copy.
const OBJECTS: usize = NAMESPACES * (1 + GRANTS);
/// Most resident memory beside what the agent had before, in bytes, while nothing is under way: the 18 MB that five
/// thousand objects of two kilobytes may take, less the 8.6 MB of an idle agent.
const GROWTH: usize = 9_400_000;
/// How often a ledger is in memory while it is written: as text, in the request, in the answer, as it is read from that,
/// and as it is kept.
const COPIES: usize = 5;
/// How many calls the agent has under way at most.
pub(crate) const IN_FLIGHT: usize = 16;

/// What something cost the agent.
#[derive(Clone, Copy, Debug)]
struct Cost {
    took: Duration,
    cpu: Duration,
    /// Resident memory after it, and the most until then, in KiB.
    memory: (u64, u64),
}

/// What a large policy cost.
pub(crate) struct Played {
    before: (u64, u64),
    applied: Cost,
    revoked: Cost,
    ledger: usize,
}

impl Cost {
    fn of(agent: &AgentProcess, what: impl FnOnce()) -> Self {
        let (began, cpu) = (Instant::now(), agent.cpu().unwrap());
        what();
        Self { took: began.elapsed(), cpu: agent.cpu().unwrap().saturating_sub(cpu), memory: memory(agent) }
    }

    fn tell(&self, what: &str) {
        let (now, most) = self.memory;
        let (took, cpu) = (self.took.as_millis(), self.cpu.as_millis());
        println!("figure: {what}: {took} ms, CPU time {cpu} ms; memory then {now} KiB, at most {most} KiB");
    }
}

impl Played {
    pub(crate) fn tell(&self) {
        let (now, most) = self.before;
        println!("figure: memory before: {now} KiB, at most {most} KiB");
        self.applied.tell(&format!("{NAMESPACES} namespaces with {GRANTS} grants each applied"));
        println!("figure: their ledger: {} bytes as JSON", self.ledger);
        self.revoked.tell("all of them revoked, with the quiet window of 2 s");
    }
}

fn memory(agent: &AgentProcess) -> (u64, u64) {
    (agent.rss_kib().unwrap(), agent.peak_kib().unwrap())
}

/// Roles of the replica that policies may grant: grants of one role in one namespace would be one object.
fn roles(fleet: &Fleet) {
    fleet.replica.apply(DEFINE_ROLES).unwrap();
    let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]);
    for number in 0..GRANTS {
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": format!("role-{number}")}, "rules": rules});
        fleet.replica.api().create("/apis/rbac.authorization.k8s.io/v1/clusterroles", &role).unwrap();
    }
}

/// The policy.
fn many() -> Value {
    let binding = |number: usize| {
        let (role, group) = (format!("role-{number}"), format!("group-{number}"));
        json!({"clusterRole": role, "groups": [group]})
    };
    let bindings: Vec<Value> = (0..GRANTS).map(binding).collect();
    let namespace =
        |number: usize| json!({"name": format!("team-{number}"), "authorization": {"bindings": bindings}});
    let namespaces: Vec<Value> = (0..NAMESPACES).map(namespace).collect();
    json!({"selector": {"cloud": "aws"}, "namespaces": namespaces})
}

/// Waits until the agent counts so many objects of policies. To ask the server each time would cost as much as to apply.
fn until_counted(agent: &AgentProcess, number: usize) {
    let what = format!("{number} objects of policies, as the agent counts");
    let counted = timed(&what, DEADLINE * 4, || {
        let metrics = agent.metrics().map_err(|error| error.to_string())?;
        let counted = metrics.get("muster_objects", &[("source", "policy-objects")]);
        #[allow(clippy::cast_precision_loss)] // small numbers
        if counted == Some(number as f64) { Ok(()) } else { Err(format!("{counted:?}")) }
    });
    counted.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
}

/// A large policy is made and applied, and then deleted and revoked.
pub(crate) fn played(fleet: &Fleet, agent: &AgentProcess) -> Played {
    fleet.reason(agent, "PoliciesApplied", "NoneSelected");
    roles(fleet);
    let before = memory(agent);
    let trail = Trail::new(fleet, APPLIER);
    let applied = Cost::of(agent, || {
        // `kubectl apply` would put all of it into an annotation, too.
        let policy = json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "ClusterPolicy",
            "metadata": {"name": "many"}, "spec": many()});
        fleet.directory.api().create(POLICIES, &policy).unwrap();
        until_counted(agent, OBJECTS);
        fleet.reason(agent, "PoliciesApplied", "Applied");
    });
    let created = [
        ("create clusterpolicies", 1),
        ("create namespaces", NAMESPACES),
        ("create rolebindings", NAMESPACES * GRANTS),
    ];
    let writes = Writes::new(&["create appliedworks"], &created, &["patch appliedworks/status"]);
    trail.shows(agent, "the policy applied", &writes);
    let there = made(&fleet.replica);
    let there: Vec<_> = count(&there).into_iter().collect();
    assert_eq!(there, [("Namespace", NAMESPACES), ("RoleBinding", NAMESPACES * GRANTS)]);
    let ledger = fleet.replica.api().get(LEDGERS).unwrap()["items"][0].to_string().len();

    let revoked = Cost::of(agent, || {
        drop_policy(fleet, "many");
        fleet.reason(agent, "PoliciesApplied", "NamespaceRetained");
    });
    let gone = [
        ("delete clusterpolicies", 1),
        ("delete rolebindings", NAMESPACES * GRANTS),
        ("patch namespaces", NAMESPACES),
    ];
    let writes = Writes::new(&["update appliedworks"], &gone, &["delete appliedworks"]);
    trail.shows(agent, "the policy revoked", &writes);
    assert_eq!(made(&fleet.replica).len(), 0);
    trail.ends(agent);
    Played { before, applied, revoked, ledger }
}

/// How long a client that decides nothing takes to apply as many objects of the same kinds, with as many calls under way.
pub(crate) fn bare(fleet: &Fleet) -> Duration {
    let namespaces = (0..NAMESPACES).map(|number| {
        let body =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("bare-{number}")}});
        (path(&format!("Namespace bare-{number}")), body)
    });
    let grants = (0..NAMESPACES * GRANTS).map(|number| {
        let (namespace, name) = (format!("bare-{}", number / GRANTS), format!("grant-{}", number % GRANTS));
        let body = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "role-0"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}]});
        (path(&format!("RoleBinding {namespace}/{name}")), body)
    });
    let began = Instant::now();
    for calls in [namespaces.collect::<Vec<_>>(), grants.collect()] {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..IN_FLIGHT {
                scope.spawn(|| {
                    let api = fleet.replica.api();
                    while let Some((path, body)) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                        api.patch(&format!("{path}?fieldManager=bare"), APPLY_PATCH, body).unwrap();
                    }
                });
            }
        });
    }
    began.elapsed()
}

#[test]
fn two_hundred_namespaces_with_five_grants_each() {
    let fleet = Fleet::new();
    fleet.offer(&fleet.kubeconfig());
    let agent = fleet.shipped_agent(&[]);
    fleet.in_step(&agent);
    let played = played(&fleet, &agent);
    played.tell();
    let before = usize::try_from(played.before.0).unwrap();
    let most = before + (GROWTH + COPIES * played.ledger) / 1024;
    let peak = usize::try_from(agent.peak_kib().unwrap()).unwrap();
    assert!(peak <= most, "{peak} KiB, more than {most}");
}
