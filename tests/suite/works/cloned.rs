//! The replica is cloned with the agent in it, as a snapshot of its machines would be: two clusters say that they are one.
//! Who renews the Lease of the cluster in the directory speaks for it; the other one holds what it holds, and is silent.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use muster_api::marks;
use muster_tests::ControlPlane;
use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::{AuditMark, Options, TokenOptions};
use muster_tests::proxy::{Proxy, Seen};
use muster_tests::scratch::Scratch;
use muster_tests::wait::{DEADLINE, throughout, timed};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::bench::{Bench, is_gone, made, settled};
use super::{config_map, put_work, until_told, work, works};
use crate::fleet::{OWN, REPORT, condition_of, install, put_secret};
use crate::trail;

/// How long the Lease of the cluster lasts here.
const LASTS: Duration = Duration::from_secs(4);
const LEADER: &str = "/apis/coordination.k8s.io/v1/namespaces/muster-system/leases/muster-agent";

fn lease() -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/muster-cluster-{OWN}/leases/{OWN}")
}

fn maps(names: &[&str]) -> Value {
    names.iter().map(|name| config_map("default", name, "one")).collect()
}

/// The UIDs of these objects of a cluster.
fn uids(plane: &ControlPlane, names: &[&str]) -> Vec<Option<String>> {
    let uid = |name: &&str| {
        let object = plane.api().get(&format!("/api/v1/namespaces/default/configmaps/{name}")).ok()?;
        Some(object["metadata"]["uid"].as_str()?.to_owned())
    };
    names.iter().map(uid).collect()
}

/// The `ConfigMap`s that an agent made or deleted in a cluster since a mark, and how often.
fn turnover(plane: &ControlPlane, since: AuditMark) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in trail::writes(plane, since, trail::REPLICA_USER) {
        let verb = match (event.verb.as_str(), event.code) {
            ("patch" | "create", 201) => "create",
            ("delete" | "deletecollection", 200) => "delete",
            _ => continue,
        };
        if event.resource == "configmaps" && event.namespace == "default" {
            *counts.entry(format!("{verb} {}", event.name)).or_insert(0) += 1;
        }
    }
    counts
}

fn once(writes: &[&str]) -> BTreeMap<String, usize> {
    writes.iter().map(|write| ((*write).to_owned(), 1)).collect()
}

/// An agent, the cluster that it serves, and what it asks of the directory.
struct Side<'a> {
    plane: &'a ControlPlane,
    directory: &'a Proxy,
    agent: &'a AgentProcess,
}

impl Side<'_> {
    /// Waits until it says this of its heartbeat.
    fn says(&self, reason: &str) {
        self.says_why(reason, "");
    }

    /// Waits until it says this of its heartbeat, with this in the message; gives the message.
    fn says_why(&self, reason: &str, why: &str) -> String {
        let looked = timed(&format!("HeartbeatAccepted {reason}"), DEADLINE, || {
            let report = self.plane.api().get(REPORT).map_err(|error| error.to_string())?;
            match condition_of(&report, "HeartbeatAccepted") {
                Some((seen, message)) if seen == reason && message.contains(why) => Ok(message),
                seen => Err(format!("{seen:?}")),
            }
        });
        looked.unwrap_or_else(|late| panic!("{late}\n{}", self.agent.log())).0
    }

    /// It says that it is silent, and what is to be done.
    fn is_told_off(&self) {
        let message = self.says_why("Conflict", "another agent runs under this cluster's name");
        println!("    {message}");
        assert!(message.contains("stop one of the two"), "{message}");
        let events = self.plane.api().get("/apis/events.k8s.io/v1/namespaces/muster-system/events").unwrap();
        let told = events["items"].as_array().unwrap().iter();
        assert!(
            told.filter(|event| event["reason"] == "HeartbeatRefused").count() > 0,
            "{}",
            self.agent.log()
        );
    }

    /// How many requests it sent to the directory so far.
    fn sent(&self) -> usize {
        self.directory.requests().len()
    }

    /// What it wrote in the directory beside its Lease since then.
    fn told(&self, since: usize) -> Vec<Seen> {
        let all = self.directory.requests().split_off(since);
        let writes = |seen: &Seen| seen.method != Method::GET && !seen.path.ends_with("reviews");
        all.into_iter().filter(|seen| writes(seen) && !seen.path.ends_with(&lease())).collect()
    }

    /// Somebody deletes one of its `ConfigMap`s, and it is back.
    fn mends(&self, name: &str) {
        self.plane.api().delete(&format!("/api/v1/namespaces/default/configmaps/{name}")).unwrap();
        let back = timed("what somebody deleted is back", DEADLINE, || {
            uids(self.plane, &[name])[0].clone().map(drop).ok_or("it is not there")
        });
        back.unwrap_or_else(|late| panic!("{late}\n{}", self.agent.log()));
    }

    /// Waits until its cluster has these `ConfigMap`s of ours, and no others.
    fn has(&self, names: &[&str]) {
        let all = ["a", "b", "c", "g", "n", "late"];
        let looked = timed(&format!("{names:?}"), DEADLINE, || {
            let there = uids(self.plane, &all);
            let there: Vec<_> = all.iter().zip(there).filter_map(|(name, uid)| uid.map(|_| *name)).collect();
            if there == names { Ok(()) } else { Err(format!("{there:?}")) }
        });
        looked.unwrap_or_else(|late| panic!("{late}\n{}", self.agent.log()));
    }
}

/// A cluster with what the replica of the bench had at a backup, and its agent, which reaches the directory by this proxy.
fn clone_of(bench: &Bench, directory: &Proxy, folder: &Scratch) -> (ControlPlane, AgentProcess) {
    let beat = || bench.fleet.directory.api().get(&lease()).unwrap()["spec"]["renewTime"].clone();
    let time = |beat: &Value| beat.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    bench.until("a heartbeat written down", || {
        let lease = bench.api().get(LEADER).map_err(|error| error.to_string())?;
        let known =
            lease["metadata"]["annotations"][marks::BEAT].as_str().is_some_and(|beat| !beat.is_empty());
        if known { Ok(()) } else { Err(lease.to_string()) }
    });
    let before = beat();
    let backup = bench.fleet.replica.backup().unwrap();
    let clone = ControlPlane::start(Options::named("clone")).unwrap();
    clone.restore(&backup).unwrap();
    assert_eq!(clone.cluster_uid().unwrap(), bench.fleet.replica.cluster_uid().unwrap());
    // Nobody waits for the process that acted when the backup was made; what that said is there still.
    clone.api().patch(LEADER, MERGE_PATCH, &json!({"spec": {"leaseDurationSeconds": 1}})).unwrap();
    put_secret(&clone, directory.kubeconfig_for(&bench.fleet.kubeconfig()).unwrap().as_bytes());
    // A backup of a moment ago could be of the very process that acts.
    bench.until("a backup that is older than a claim and a heartbeat", || {
        let age = time(&beat()).duration_since(time(&before));
        if age > jiff::SignedDuration::from_secs(5) { Ok(()) } else { Err(format!("{age:#}")) }
    });
    let file = folder.path().join("kubeconfig");
    let own = clone.service_account_kubeconfig("muster-system", "directory-sync", &TokenOptions::default());
    std::fs::write(&file, own.unwrap()).unwrap();
    let args = ["--kubeconfig", file.to_str().unwrap(), "--leader-lease", "3"];
    let agent = AgentProcess::start(&args, &[]).unwrap();
    (clone, agent)
}

#[test]
fn a_cluster_and_its_clone_lose_nothing_and_one_of_them_is_silent() {
    let bench = Bench::new();
    let short = json!({"spec": {"leaseDurationSeconds": LASTS.as_secs()}});
    bench.fleet.directory.api().patch(&lease(), MERGE_PATCH, &short).unwrap();
    put_work(&bench.fleet, "app", &maps(&["a", "b", "c"]));
    put_work(&bench.fleet, "gone", &maps(&["g"]));
    for work in ["app", "gone"] {
        until_told(&bench.fleet, &bench.agent, work, "Applied", "Applied");
        bench.until("the ledger to know all", || {
            let (known, made) = (settled(&bench.fleet, work)?, made(&bench.fleet));
            let all = known.iter().all(|(object, uid)| made.get(object) == Some(uid));
            if all && !known.is_empty() { Ok(()) } else { Err(format!("{known:?}")) }
        });
    }
    let (proxy, folder) =
        (Proxy::start(&bench.fleet.directory).unwrap(), Scratch::new("clone-agent").unwrap());
    let (clone, agent) = clone_of(&bench, &proxy, &folder);
    let own = Side { plane: &bench.fleet.replica, directory: &bench.directory, agent: &bench.agent };
    let other = Side { plane: &clone, directory: &proxy, agent: &agent };
    let marks = [own.plane, other.plane].map(trail::mark);
    let before = uids(&clone, &["a", "c", "g"]);
    assert_eq!(before, uids(own.plane, &["a", "c", "g"]));

    // The clone finds that its Lease is renewed by another one: it says so here, and nothing there.
    other.is_told_off();
    own.says("Accepted");
    // What is said to the cluster is said to the other one. Each goes on to hold what it holds.
    put_work(&bench.fleet, "app", &maps(&["a", "b"]));
    put_work(&bench.fleet, "new", &maps(&["n"]));
    bench.fleet.directory.api().delete(&format!("{}/gone", works())).unwrap();
    bench.until("the Work gone", || is_gone(&bench.fleet, "gone"));
    own.has(&["a", "b", "n"]);
    until_told(&bench.fleet, &bench.agent, "new", "Applied", "Applied");
    for side in [&own, &other] {
        side.mends("b");
    }
    let silent = throughout("silence", LASTS, || match other.told(0) {
        told if told.is_empty() => Ok(()),
        told => Err(format!("{told:#?}")),
    });
    silent.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    assert_eq!(turnover(own.plane, marks[0]), once(&["create b", "create n", "delete c", "delete g"]));
    assert_eq!(turnover(other.plane, marks[1]), once(&["create b"]));
    assert_eq!(uids(other.plane, &["a", "c", "g"]), before);

    // The first one is stopped for longer than the Lease lasts: the clone speaks, and follows what was said meanwhile. Of the
    // Work that is gone nobody tells any more: what it made stays.
    bench.agent.signal(Signal::STOP).unwrap();
    let marks = [own.plane, other.plane].map(trail::mark);
    other.says("Accepted");
    other.has(&["a", "b", "g", "n"]);
    bench.fleet.directory.api().delete(&format!("{}/new", works())).unwrap();
    bench.until("the other Work gone", || {
        let found = bench.fleet.directory.api().get(&format!("{}/new", works()));
        if found.is_err() { Ok(()) } else { Err(work(&bench.fleet, "new").to_string()) }
    });
    other.has(&["a", "b", "g"]);
    bench.agent.signal(Signal::CONT).unwrap();
    own.is_told_off();
    let sent = own.sent();
    own.mends("a");
    put_work(&bench.fleet, "late", &maps(&["late"]));
    until_told(&bench.fleet, other.agent, "late", "Applied", "Applied");
    other.has(&["a", "b", "g", "late"]);
    let silent = throughout("silence", LASTS, || match own.told(sent) {
        told if told.is_empty() => Ok(()),
        told => Err(format!("{told:#?}")),
    });
    silent.unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
    other.says("Accepted");
    assert_eq!(turnover(own.plane, marks[0]), once(&["create a"]));
    own.has(&["a", "b", "n"]);
    assert_eq!(turnover(other.plane, marks[1]), once(&["create late", "create n", "delete c", "delete n"]));
}

#[test]
fn of_two_clusters_that_claim_one_name_at_once_one_has_it_and_the_other_one_does_nothing() {
    let bench = Bench::unjoined();
    let second = ControlPlane::start(Options::named("second")).unwrap();
    install(&second);
    let (proxy, folder) =
        (Proxy::start(&bench.fleet.directory).unwrap(), Scratch::new("second-agent").unwrap());
    put_work(&bench.fleet, "app", &maps(&["a", "b"]));
    let file = folder.path().join("kubeconfig");
    let own = second.service_account_kubeconfig("muster-system", "directory-sync", &TokenOptions::default());
    std::fs::write(&file, own.unwrap()).unwrap();
    let agent = AgentProcess::start(&["--kubeconfig", file.to_str().unwrap()], &[]).unwrap();
    let sides = [
        Side { plane: &bench.fleet.replica, directory: &bench.directory, agent: &bench.agent },
        Side { plane: &second, directory: &proxy, agent: &agent },
    ];
    timed("the second agent to wait for a Secret", DEADLINE, || {
        let report = second.api().get(REPORT).map_err(|error| error.to_string())?;
        condition_of(&report, "DirectoryReachable").map(drop).ok_or_else(|| report.to_string())
    })
    .unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    let marks = [0, 1].map(|side: usize| trail::mark(sides[side].plane));
    // One credential, and both have it in the same moment.
    let kubeconfig = bench.fleet.kubeconfig();
    std::thread::scope(|scope| {
        for side in &sides {
            let offered = side.directory.kubeconfig_for(&kubeconfig).unwrap();
            scope.spawn(move || put_secret(side.plane, offered.as_bytes()));
        }
    });
    until_told(&bench.fleet, &bench.agent, "app", "Applied", "Applied");
    let holder = bench.fleet.directory.api().get(&lease()).unwrap()["spec"]["holderIdentity"].clone();
    let is_holder = |side: &Side<'_>| {
        holder.as_str().unwrap().starts_with(&format!("{}/", side.plane.cluster_uid().unwrap()))
    };
    let first = usize::from(!is_holder(&sides[0]));
    let (winner, loser) = (&sides[first], &sides[1 - first]);
    assert!(is_holder(winner) && !is_holder(loser));
    println!("    the {} one has it", ["first", "second"][first]);
    winner.says("Accepted");
    loser.is_told_off();
    winner.mends("a");

    // What is said to the cluster is not said to the second one.
    bench.fleet.directory.api().delete(&format!("{}/app", works())).unwrap();
    put_work(&bench.fleet, "new", &maps(&["n"]));
    winner.has(&["n"]);
    until_told(&bench.fleet, winner.agent, "new", "Applied", "Applied");
    assert_eq!(loser.told(0), [], "{}", loser.agent.log());
    assert_eq!(turnover(loser.plane, marks[1 - first]), BTreeMap::new());
    let mut counts = once(&["create b", "create n", "delete a", "delete b"]);
    counts.insert("create a".to_owned(), 2);
    assert_eq!(turnover(winner.plane, marks[first]), counts);
    assert_eq!(bench.fleet.directory.api().get(&lease()).unwrap()["spec"]["holderIdentity"], holder);
}
