//! What can go wrong between the agent and a cluster, on either side.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use http::request::Parts;
use muster_tests::plane::ControlPlane;
use muster_tests::proxy::{Action, Proxy, Rule, RuleId, Seen};
use muster_tests::wait::{DEADLINE, throughout, timed};

use super::LEDGERS;
use super::bench::Bench;
use super::rounds::Rounds;
use crate::fleet::{REPORT, condition_of};
use crate::rotation::{LONGEST_PAUSE, beats};

/// The report in the directory.
const UPSTREAM: &str = "/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-east/clusterreports/east";
/// For how long a fault goes on after it is noticed.
const LASTS: Duration = Duration::from_secs(5);
/// For how long conflicts go on where there is time for it.
const LASTS_LONG: Duration = Duration::from_secs(120);
/// How long the Lease lasts by which it acts.
const LEASE: Duration = Duration::from_secs(15);
/// How much later the agent hears of a write than it is made, by a server that ends amid others.
const LATER: Duration = Duration::from_millis(300);
/// Requests of one kind for one object beyond one in a second: what begins is tried again soon, and later less often.
pub(super) const BURST: u64 = 6;

/// With which cluster something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Directory,
    Replica,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Connections are refused.
    Cut,
    /// Packets are swallowed, also those of connections that are open.
    Frozen,
    /// All is answered with 500 to 504.
    Storm,
    /// All is answered with 429, and times to wait of all kinds.
    Patience,
    /// Answers end amid their bodies.
    Broken,
    /// Answers come at one byte in a second.
    Slow,
    /// All writes meet a conflict: others were faster, or had the name before.
    Conflicts,
    /// All writes but those of Leases do: who acts goes on to act.
    Contended,
    /// The server has no room for ledgers.
    Full,
    /// The server ends, and begins anew.
    Restarted,
}

impl Side {
    fn proxy(self, bench: &Bench) -> &Proxy {
        match self {
            Self::Directory => &bench.directory,
            Self::Replica => &bench.replica,
        }
    }

    fn plane(self, bench: &Bench) -> &ControlPlane {
        match self {
            Self::Directory => &bench.fleet.directory,
            Self::Replica => &bench.fleet.replica,
        }
    }

    /// Waits until the other side is told that this one can be reached.
    fn reached(self, bench: &Bench) {
        self.told(bench, "Reachable");
    }

    /// Waits until the other side is told that this one cannot be reached.
    pub(super) fn noticed(self, bench: &Bench) {
        self.told(bench, "Unreachable");
    }

    fn told(self, bench: &Bench, expected: &str) {
        let (plane, path, condition) = match self {
            Self::Directory => (&bench.fleet.replica, REPORT, "DirectoryReachable"),
            Self::Replica => (&bench.fleet.directory, UPSTREAM, "ReplicaReachable"),
        };
        let looked = timed(&format!("{condition} {expected}"), DEADLINE * 3, || {
            let report = plane.api().get(path).map_err(|error| error.to_string())?;
            match condition_of(&report, condition) {
                Some((reason, _)) if reason == expected => Ok(()),
                seen => Err(format!("{seen:?}")),
            }
        });
        looked.unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
    }
}

fn status(code: u16, headers: Vec<(&'static str, String)>) -> Action {
    let Action::Status(code, mut all, body) = Action::failure(code, "Trouble") else {
        return Action::Forward;
    };
    all.extend(headers);
    Action::Status(code, all, body)
}

/// One after the other, for one request after the other.
pub(super) fn in_turn(actions: Vec<Action>) -> Action {
    let next = AtomicUsize::new(0);
    Action::choose(move |_| actions[next.fetch_add(1, Ordering::Relaxed) % actions.len()].clone())
}

/// What a write meets where others write the same.
fn conflict(parts: &Parts) -> Action {
    Action::failure(409, if parts.method == Method::POST { "AlreadyExists" } else { "Conflict" })
}

fn is_of_lease(parts: &Parts) -> bool {
    parts.uri.path().contains("/leases/")
}

impl Fault {
    /// What a proxy does to requests.
    fn rule(self) -> Option<Rule> {
        let writes = |path: &str, action| Rule::on(path, action).when(|parts| parts.method != Method::GET);
        Some(match self {
            Self::Cut | Self::Frozen | Self::Restarted => return None,
            Self::Storm => {
                Rule::on("/", in_turn([500, 502, 503, 504].map(|code| status(code, Vec::new())).to_vec()))
            }
            Self::Patience => {
                let waits = ["86400", "-1", "0", "soon", "Fri, 31 Dec 2038 23:59:59 GMT", "1e9", "1"];
                let told = |wait: &str| status(429, vec![("retry-after", wait.to_owned())]);
                Rule::on("/", in_turn(waits.map(told).to_vec()))
            }
            Self::Broken => Rule::on("/", Action::Truncate(20)),
            Self::Slow => Rule::on("/", Action::slow(1)),
            Self::Conflicts => writes("/", Action::choose(conflict)),
            Self::Contended => writes("/", Action::choose(conflict)).when(|parts| !is_of_lease(parts)),
            Self::Full => writes(LEDGERS, Action::failure(507, "InternalError")),
        })
    }

    fn begins(self, side: Side, bench: &Bench) -> Option<RuleId> {
        let proxy = side.proxy(bench);
        match self {
            Self::Cut => proxy.cut().unwrap(),
            Self::Frozen => proxy.freeze(),
            Self::Restarted => side.plane(bench).kill_apiserver().unwrap(),
            _ => {}
        }
        let rule = proxy.add(self.rule()?);
        if !matches!(self, Self::Conflicts | Self::Contended | Self::Full) {
            proxy.disconnect();
        }
        Some(rule)
    }

    fn ends(self, side: Side, bench: &Bench) {
        match self {
            Self::Cut | Self::Frozen => side.proxy(bench).restore().unwrap(),
            Self::Restarted => side.plane(bench).restart().unwrap(),
            _ => {}
        }
        side.proxy(bench).clear();
    }

    /// Whether the cluster cannot be reached for anything.
    fn is_whole(self) -> bool {
        !matches!(self, Self::Conflicts | Self::Contended | Self::Full | Self::Restarted)
    }
}

/// No write of one kind of one object is tried oftener than about once in a second.
pub(super) fn are_bounded(seen: &[Seen], lasted: Duration) -> Result<(), String> {
    let mut counts = BTreeMap::new();
    for seen in seen.iter().filter(|seen| seen.method != Method::GET) {
        *counts.entry(format!("{} {}", seen.method, seen.path)).or_insert(0) += 1;
    }
    let Some((write, count)) = counts.into_iter().max_by_key(|(_, count)| *count) else { return Ok(()) };
    if count <= lasted.as_secs() + BURST {
        Ok(())
    } else {
        Err(format!("{write}: {count} times in {lasted:?}"))
    }
}

fn suffered(side: Side, faults: &[Fault]) {
    suffered_for(LASTS, side, faults);
}

fn suffered_for(lasts: Duration, side: Side, faults: &[Fault]) {
    let mut rounds = Rounds::new();
    let began = Instant::now();
    for fault in faults {
        let what = format!("{side:?} {fault:?}");
        rounds.prepare();
        side.reached(&rounds.bench);
        let before = side.proxy(&rounds.bench).requests().len();
        // A server that is dead is asked for nothing: it ends amid what it was asked for before.
        if *fault == Fault::Restarted {
            let later = Rule::on("/", Action::DelayReply(LATER)).when(|parts| parts.method != Method::GET);
            side.proxy(&rounds.bench).add(later);
            rounds.ask();
            assert!(rounds.is_amid(), "{what}: all was done before it struck");
        }
        let struck = Instant::now();
        let rule = fault.begins(side, &rounds.bench);
        if *fault != Fault::Restarted {
            rounds.ask();
        }
        let bench = &rounds.bench;
        if fault.is_whole() {
            side.noticed(bench);
        }
        if side == Side::Directory {
            rounds.corrected();
        }
        let bounded = || are_bounded(&side.proxy(bench).requests()[before..], struck.elapsed());
        throughout("few requests", lasts, bounded).unwrap_or_else(|late| panic!("{what}: {late}"));
        assert!(rule.is_none_or(|rule| side.proxy(bench).hits(rule) > 0), "{what}: it met nothing");
        fault.ends(side, bench);
        rounds.done(&what);
    }
    // Who meets a conflict each time it renews the Lease by which it acts may have been followed by another one, which speaks.
    let silent = lasts > LEASE && faults.contains(&Fault::Conflicts);
    if side == Side::Replica && !silent {
        let beats = beats(&rounds.bench.directory.requests(), &[began, Instant::now()]);
        let longest = beats.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        println!("{} heartbeats, {longest:?} between two of them at most", beats.len());
        assert!(longest <= LONGEST_PAUSE, "{longest:?}");
    }
}

#[test]
fn nothing_is_lost_or_done_twice_over_a_network_to_the_replica_that_fails() {
    suffered(Side::Replica, &[Fault::Cut, Fault::Frozen, Fault::Slow, Fault::Broken]);
}

#[test]
fn nothing_is_lost_or_done_twice_over_a_replica_that_is_beside_itself() {
    suffered(
        Side::Replica,
        &[Fault::Storm, Fault::Patience, Fault::Conflicts, Fault::Contended, Fault::Full, Fault::Restarted],
    );
}

#[test]
fn nothing_is_lost_or_done_twice_over_a_directory_that_is_beside_itself() {
    suffered(
        Side::Directory,
        &[Fault::Storm, Fault::Patience, Fault::Conflicts, Fault::Contended, Fault::Restarted],
    );
}

#[test]
fn nothing_is_lost_or_done_twice_over_a_network_to_the_directory_that_fails() {
    suffered(Side::Directory, &[Fault::Frozen, Fault::Slow, Fault::Broken]);
}

#[test]
#[ignore = "takes three minutes: run by make faults"]
fn nothing_is_lost_or_done_twice_over_two_minutes_of_conflicts_in_the_replica() {
    suffered_for(LASTS_LONG, Side::Replica, &[Fault::Conflicts]);
}

#[test]
#[ignore = "takes three minutes: run by make faults"]
fn nothing_is_lost_or_done_twice_over_two_minutes_of_conflicts_of_all_but_leases_in_the_replica() {
    suffered_for(LASTS_LONG, Side::Replica, &[Fault::Contended]);
}

#[test]
#[ignore = "takes six minutes: run by make faults"]
fn nothing_is_lost_or_done_twice_over_two_minutes_of_conflicts_in_the_directory() {
    suffered_for(LASTS_LONG, Side::Directory, &[Fault::Conflicts, Fault::Contended]);
}
