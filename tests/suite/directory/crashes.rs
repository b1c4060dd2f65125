//! Crash plans for the controller: it is killed at each write that it makes over the life of a cluster, once when the answer has
//! come and once when it is on its way, and another process goes on. The end of each act is as without it, and nothing went
//! oftener. Beside that there is a cluster with an agent and a Work, of which nothing comes or goes.

mod life;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::Method;
use http::request::Parts;
use muster_tests::directory::DirectoryProcess;
use muster_tests::plane::{AuditMark, TokenOptions};
use muster_tests::proxy::Proxy;
use muster_tests::wait::{DEADLINE, eventually, saw, throughout};

use self::life::{ACTS, Act, Life};
use super::{inventory, until};
use crate::fleet::Fleet;
use crate::random::Random;
use crate::trail;
use crate::works::Kept;
use crate::works::crashes::gate::{Gate, Moment};

/// The user that the controller is.
const CONTROLLER: &str = "system:serviceaccount:muster-system:muster-directory";
/// The Lease that decides which controller acts.
const LEADER: &str = "/apis/coordination.k8s.io/v1/namespaces/muster-system/leases/muster-directory";
/// How long a cluster may be silent, in seconds: the least that may be set.
const LEASE: &str = "--heartbeat-lease=4";
/// For how long all is still at the end of an act.
const STILL: Duration = Duration::from_millis(500);
/// Lives in which one act after the other is broken off, where not all plans are made.
const LIVES: usize = 1;

/// Whether a request is to change what the directory keeps for a cluster.
fn is_write(parts: &Parts) -> bool {
    let path = parts.uri.path();
    parts.method != Method::GET && !path.contains("/events") && !path.contains("/namespaces/muster-system/")
}

/// A directory with a controller behind a proxy.
struct Stage {
    fleet: Rc<Fleet>,
    proxy: Proxy,
    controller: DirectoryProcess,
}

/// What an act comes to where nobody interferes.
struct Reference {
    writes: usize,
    state: BTreeSet<String>,
    turnover: BTreeMap<String, usize>,
}

impl Stage {
    fn new() -> Self {
        let fleet = Rc::new(Fleet::new());
        inventory::define(&fleet.directory);
        let proxy = Proxy::start(&fleet.directory).unwrap();
        let account = fleet
            .directory
            .service_account_kubeconfig("muster-system", "muster-directory", &TokenOptions::default())
            .unwrap();
        let kubeconfig = proxy.kubeconfig_for(&account).unwrap();
        let controller = DirectoryProcess::start_over(&kubeconfig, &[LEASE]).unwrap();
        for name in ["east", "west"] {
            super::reason(&fleet.directory, &controller, name, "Enrolled", "Enrolled");
        }
        Self { fleet, proxy, controller }
    }

    /// Kills the controller, and starts another process, which waits for no Lease to run out.
    fn revive(&mut self) {
        self.controller.kill().unwrap();
        // What the killed process had sent may still be under way.
        let _ = self.fleet.directory.api().delete(LEADER);
        self.controller.restart().unwrap();
    }

    fn gate(&self, moment: Moment, last: usize) -> Gate {
        Gate::over(self.controller.pid(), &[&self.proxy], is_write, moment, last)
    }

    /// What came and went since then by the controller's hand: `delete RESOURCE NAMESPACE/NAME`, and how often.
    fn turnover(&self, life: &Life, since: AuditMark) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for event in trail::writes(&self.fleet.directory, since, CONTROLLER) {
            let verb = match (event.verb.as_str(), event.code) {
                ("patch" | "create", 201) => "create",
                ("delete" | "deletecollection", 200 | 202) => "delete",
                _ => continue,
            };
            if event.namespace != "muster-system" && event.resource != "events" {
                let about = format!("{verb} {} {}/{}", event.resource, event.namespace, event.name);
                *counts.entry(life.unnamed(&about)).or_insert(0) += 1;
            }
        }
        counts
    }

    /// An act that nobody interferes with.
    fn reference(&self, life: &Life, act: Act) -> Reference {
        let mark = trail::mark(&self.fleet.directory);
        let gate = self.gate(Moment::Answered, usize::MAX);
        act.perform(life);
        let what = format!("{act:?} at its end");
        until(&self.controller, &what, DEADLINE * 2, || act.rests(life));
        let mut state = BTreeSet::new();
        eventually("all still", DEADLINE, || {
            state = act.state(life);
            throughout("all still", STILL, || is_as(&act.state(life), &state))
        })
        .unwrap();
        self.proxy.clear();
        Reference { writes: gate.seen(), state, turnover: self.turnover(life, mark) }
    }

    /// The controller is killed at a write, or at rest where it makes fewer. Says whether it was at a write.
    fn broken_off(
        &mut self,
        life: &Life,
        act: Act,
        (moment, last): (Moment, usize),
        reference: &Reference,
    ) -> bool {
        let what = format!("{act:?}, killed at write {last} of {}, {moment:?}", reference.writes);
        let mark = trail::mark(&self.fleet.directory);
        let gate = self.gate(moment, last);
        act.perform(life);
        let is_done = || is_as(&act.state(life), &reference.state);
        until(&self.controller, &what, DEADLINE * 2, || if gate.has_killed() { Ok(()) } else { is_done() });
        let killed = gate.disarm();
        self.proxy.clear();
        self.revive();
        until(&self.controller, &format!("{what}: as without it"), DEADLINE * 2, is_done);
        for (write, times) in self.turnover(life, mark) {
            // The log has no code for a write whose answer nobody waited for.
            let asked = reference.turnover.get(&write).copied().unwrap_or(0);
            assert!(times <= asked, "{what}: {write}, {times} times\n{}", self.controller.log());
        }
        killed
    }
}

fn is_as(now: &BTreeSet<String>, then: &BTreeSet<String>) -> Result<(), String> {
    let more: Vec<_> = now.difference(then).collect();
    let less: Vec<_> = then.difference(now).collect();
    if more.is_empty() && less.is_empty() { Ok(()) } else { Err(format!("more: {more:#?}, less: {less:#?}")) }
}

/// Lives of clusters, one after the other: in each, the controller is killed once in each act. All plans, or a sample.
fn plans(is_sampled: bool) {
    let mut random = Random::new();
    let mut stage = Stage::new();
    stage.fleet.offer(&stage.fleet.kubeconfig());
    // Without copies of the entries, which come and go.
    let agent = stage.fleet.agent(&["--mirror=none"]);
    let kept = Kept::put(&stage.fleet, &agent);
    let began = Instant::now();
    let first = Life::new(&stage.fleet, 0);
    let references: Vec<(Act, Reference)> =
        ACTS.iter().map(|act| (*act, stage.reference(&first, *act))).collect();
    for (act, reference) in &references {
        println!("{act:?}: {} writes, {:?}", reference.writes, reference.turnover);
        let takes_away = reference.turnover.keys().any(|write| write.starts_with("delete "));
        assert_eq!(takes_away, act.takes_away(), "{act:?}: {:?}", reference.turnover);
    }
    let longest = references.iter().map(|(_, reference)| reference.writes).max().unwrap();
    let (mut made, mut kills) = (0, 0);
    for number in 0..if is_sampled { LIVES } else { 2 * longest } {
        let life = Life::new(&stage.fleet, number + 1);
        for (act, reference) in &references {
            let moments = [Moment::Answered, Moment::Unanswered];
            let plan = if is_sampled {
                let last = random.up_to(reference.writes);
                // After the last answer there is no next write at which somebody could be killed.
                let of = if last == reference.writes { &moments[1..] } else { &moments };
                (random.one_of(of), last)
            } else {
                (moments[number % 2], (number / 2 % reference.writes) + 1)
            };
            made += 1;
            kills += usize::from(stage.broken_off(&life, *act, plan, reference));
        }
    }
    let writes: usize = references.iter().map(|(_, reference)| reference.writes).sum();
    saw(&format!("{writes} writes, {made} crash plans, {kills} kills at a write"), began.elapsed());
    assert!(kills * 10 >= made * 6, "{kills} kills in {made} plans");
    kept.is_unharmed(&stage.fleet, &agent);
}

#[test]
fn of_all_crash_plans_for_the_controller_a_sample_ends_as_without_a_crash() {
    plans(true);
}

#[test]
#[ignore = "takes some minutes: run by make faults"]
fn all_crash_plans_for_the_controller_end_as_without_a_crash() {
    plans(false);
}
