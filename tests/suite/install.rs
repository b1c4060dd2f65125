//! Getting going: manifests, Secret and entry in any order, a second apply, and two agents for one replica.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use muster_tests::agent::AgentProcess;
use muster_tests::wait::{DEADLINE, eventually, saw, throughout};
use muster_tests::{ControlPlane, api::MERGE_PATCH};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::fleet::{
    CLUSTERS, DIRECTORY, ENROL, Fleet, MULTICLUSTER, OWN, REPORT, contents, install, put_secret, until,
    version,
};
use crate::trail;

/// The Lease that the agents of one replica contend for, and how long it lasts.
const LEADER: &str = "/apis/coordination.k8s.io/v1/namespaces/muster-system/leases/muster-agent";
const LEADER_LASTS: Duration = Duration::from_secs(15);

/// What everything must come to, whatever the order: copies, both reports, and who holds the Lease.
#[derive(Debug, PartialEq)]
struct End {
    copies: Vec<Value>,
    local: Value,
    upstream: Value,
    heartbeats: bool,
}

impl End {
    fn of(fleet: &Fleet) -> Self {
        let upstream = "/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-east/clusterreports/east";
        let lease = "/apis/coordination.k8s.io/v1/namespaces/muster-cluster-east/leases/east";
        let lease = fleet.directory.api().get(lease).unwrap();
        let holder = format!("{}/", fleet.replica.cluster_uid().unwrap());
        Self {
            copies: contents(&fleet.replica),
            local: told(fleet, &fleet.replica.api().get(REPORT).unwrap()),
            upstream: told(fleet, &fleet.directory.api().get(upstream).unwrap()),
            heartbeats: lease["spec"]["holderIdentity"]
                .as_str()
                .is_some_and(|held| held.starts_with(&holder)),
        }
    }
}

/// The status of a report without times, addresses and identities, which differ from cluster to cluster.
fn told(fleet: &Fleet, report: &Value) -> Value {
    let mut text = report["status"].to_string();
    for (own, general) in [
        (fleet.directory.cluster_uid().unwrap(), "DIRECTORY"),
        (fleet.replica.cluster_uid().unwrap(), "REPLICA"),
        (fleet.directory.url(), "ADDRESS"),
    ] {
        text = text.replace(&own, general);
    }
    let mut status: Value = serde_json::from_str(&text).unwrap();
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        condition["lastTransitionTime"] = json!("then");
        if condition["type"] == "CredentialsValid" {
            condition["message"] = json!("it ends within the hour");
        }
    }
    // A list by type: its order is that in which they were first told.
    if let Some(conditions) = status["conditions"].as_array_mut() {
        conditions.sort_by_key(|condition| condition["type"].to_string());
    }
    status["credential"]["expires"] = json!("later");
    status
}

/// Waits for the end that is to be.
fn settled(fleet: &Fleet, agent: &AgentProcess) -> End {
    fleet.in_step(agent);
    for (condition, reason) in [
        ("DirectoryReachable", "Reachable"),
        ("EntryPresent", "Present"),
        ("HeartbeatAccepted", "Accepted"),
        ("MirrorInSync", "InSync"),
        ("CredentialsValid", "ExpiresSoon"),
        ("PoliciesApplied", "NoneSelected"),
        ("WorksApplied", "NoneAssigned"),
    ] {
        fleet.reason(agent, condition, reason);
    }
    // Counters follow the conditions within ten seconds.
    eventually("both reports with both copies", DEADLINE, || {
        let end = End::of(fleet);
        let copies = json!(2);
        if end.heartbeats && end.local["mirror"]["copies"] == copies && end.local == end.upstream {
            Ok(end)
        } else {
            Err(format!("{end:#?}"))
        }
    })
    .unwrap_or_else(|late| panic!("{late}\n{}", agent.log()))
}

#[test]
fn the_order_does_not_matter() {
    let manifests_first = {
        let fleet = Fleet::new();
        let agent = fleet.agent(&[]);
        let message = fleet.reason(&agent, "DirectoryReachable", "SecretMissing");
        assert!(message.contains("muster-system/directory-sync"), "{message}");
        fleet.reason(&agent, "CredentialsValid", "SecretMissing");
        assert_eq!(fleet.replica.api().get(CLUSTERS).unwrap()["items"], json!([]));
        let (pid, offered) = (agent.pid(), Instant::now());
        fleet.offer(&fleet.kubeconfig());
        let end = settled(&fleet, &agent);
        saw("everything settled from the Secret on", offered.elapsed());
        assert_eq!(agent.pid(), pid);
        end
    };
    let secret_first = {
        let fleet = Fleet::empty();
        fleet.install_directory();
        fleet.enrol(OWN);
        fleet.entries();
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "muster-system"}});
        fleet.replica.api().create("/api/v1/namespaces", &namespace).unwrap();
        put_secret(&fleet.replica, fleet.kubeconfig().as_bytes());
        install(&fleet.replica);
        settled(&fleet, &fleet.agent(&[]))
    };
    let entry_last = {
        let fleet = Fleet::bare();
        fleet.enrol(OWN);
        fleet.offer(&fleet.kubeconfig());
        let agent = fleet.agent(&[]);
        let message = fleet.reason(&agent, "EntryPresent", "Missing");
        assert!(message.contains(OWN), "{message}");
        fleet.reason(&agent, "DirectoryReachable", "Reachable");
        fleet.reason(&agent, "HeartbeatAccepted", "Accepted");
        fleet.entries();
        settled(&fleet, &agent)
    };
    println!("{}", manifests_first.local);
    assert_eq!(secret_first, manifests_first);
    assert_eq!(entry_last, manifests_first);
}

/// UID and resourceVersion of each object of some manifests, but for what the agent and Kubernetes' own controllers
/// write to.
pub(crate) fn versions(plane: &ControlPlane, manifests: &str) -> BTreeMap<String, (String, String)> {
    let list = plane.kubectl_with(&["get", "-f", "-", "-o", "json"], manifests).unwrap();
    assert_eq!(list.code, Some(0), "{}", list.stderr);
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    let objects = list["items"].as_array().unwrap().iter();
    let written = |object: &&Value| object["kind"] != "Lease" && object["kind"] != "ClusterReport";
    let name = |object: &Value| {
        let metadata = &object["metadata"];
        format!("{} {}/{}", object["kind"], metadata["namespace"], metadata["name"])
    };
    objects.filter(written).map(|object| (name(object), version(object))).collect()
}

#[test]
fn a_second_apply_beside_an_agent_changes_nothing() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    settled(&fleet, &agent);
    let enrol = ENROL.replace("CLUSTER_NAME", OWN);
    let all = [
        (&*fleet.replica, MULTICLUSTER.to_owned()),
        (&*fleet.directory, [MULTICLUSTER, DIRECTORY, &enrol].join("\n---\n")),
    ];
    let looks = || all.each_ref().map(|(plane, manifests)| versions(plane, manifests));
    let rights = |reason: &str| fleet.reason(&agent, "HeartbeatAccepted", reason);
    // Kubernetes' controllers write the first status of the Deployment and the definitions in their own time.
    let counts = eventually("an apply that changes no resourceVersion", DEADLINE, || {
        let before = looks();
        for (plane, manifests) in &all {
            plane.apply(manifests).unwrap();
        }
        let after = looks();
        if before == after {
            Ok(after.each_ref().map(BTreeMap::len))
        } else {
            Err(format!("{before:?} {after:?}"))
        }
    });
    let counts = counts.unwrap();
    println!("{counts:?} objects unchanged");
    assert!(counts[0] >= 21 && counts[1] >= 33, "{counts:?}");
    // And the agent works on with what is there.
    rights("Accepted");
    fleet.entry("north", &json!({}));
    fleet.in_step(&agent);
    assert_eq!(agent.metrics().unwrap().get("muster_drift_corrected_total", &[]), Some(0.0));
}

/// Whether this process says that it acts.
fn acts(agent: &AgentProcess) -> Option<f64> {
    agent.metrics().ok()?.get("muster_leader", &[])
}

fn takes_over(agent: &AgentProcess, what: &str) -> Duration {
    until(agent, what, || if acts(agent) == Some(1.0) { Ok(()) } else { Err("it waits".to_owned()) })
}

fn uids(fleet: &Fleet) -> BTreeMap<String, String> {
    let list = fleet.replica.api().get(CLUSTERS).unwrap();
    let items = list["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| (item["metadata"]["name"].to_string(), version(item).0)).collect()
}

#[test]
fn of_two_agents_one_acts_and_the_other_takes_over() {
    let fleet = Fleet::new();
    let mut first = fleet.joined(&[]);
    let before = uids(&fleet);
    let mut second = fleet.agent(&[]);
    let ready = |agent: &AgentProcess| {
        until(agent, "the second one ready", || match agent.admin("/readyz") {
            Ok((200, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    };
    ready(&second);
    let port = fleet.directory.url().rsplit(':').next().unwrap().parse().unwrap();
    // It idles: while the first one follows a change, the second one has no connection to the directory.
    fleet.directory.api().patch(&format!("{CLUSTERS}/west"), MERGE_PATCH, &change("first")).unwrap();
    fleet.in_step(&first);
    let idles = |agent: &AgentProcess| {
        throughout("the second one idle", Duration::from_secs(2), || {
            let asked = agent.metrics().unwrap().get("muster_requests_total", &[("side", "directory")]);
            match (acts(agent), asked.unwrap_or_default(), agent.connections_to(port)) {
                (Some(0.0), 0.0, 0) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
    };
    idles(&second).unwrap_or_else(|late| panic!("{late}\n{}\n{}", first.log(), second.log()));
    assert_eq!((acts(&first), first.connections_to(port)), (Some(1.0), 2));

    // The first one dies without a word.
    first.kill().unwrap();
    fleet.entry("north", &json!({}));
    fleet.replica.api().delete(&format!("{CLUSTERS}/west")).unwrap();
    let elapsed = takes_over(&second, "the other one acting after kill -9");
    assert!(elapsed < LEADER_LASTS + DEADLINE);
    fleet.in_step(&second);
    let after = uids(&fleet);
    assert_eq!(after["\"east\""], before["\"east\""], "made anew");

    // The second one leaves in an orderly way, and a third is there at once: the Lease is given up, not run out.
    first.restart().unwrap();
    ready(&first);
    idles(&first).unwrap();
    let holder = || fleet.replica.api().get(LEADER).unwrap()["spec"]["holderIdentity"].clone();
    let held = holder();
    let mark = trail::mark(&fleet.replica);
    second.signal(Signal::TERM).unwrap();
    let asked = Instant::now();
    assert_eq!(second.exit(DEADLINE).unwrap().code(), Some(0), "{}", second.log());
    assert_ne!(holder(), held, "the Lease is still that of the process that has ended");
    takes_over(&first, "the other one acting after SIGTERM");
    saw("the handover from SIGTERM on", asked.elapsed());
    until(&first, "the directory met", || {
        let metrics = first.metrics().map_err(|error| error.to_string())?;
        let copies = metrics.get("muster_objects", &[("source", "copies")]);
        if copies == Some(3.0) { Ok(()) } else { Err(format!("{copies:?} copies")) }
    });
    assert_eq!(uids(&fleet), after);
    fleet.directory.api().patch(&format!("{CLUSTERS}/west"), MERGE_PATCH, &change("third")).unwrap();
    fleet.in_step(&first);
    let writes = trail::cluster_writes(&fleet.replica, mark);
    assert_eq!(writes.len(), 1, "{}", trail::lines(&writes));
}

fn change(by: &str) -> Value {
    json!({"metadata": {"labels": {"changed": by}}})
}

#[test]
fn a_process_that_was_paused_writes_nothing_after_its_claim() {
    let fleet = Fleet::new();
    let first = fleet.joined(&[]);
    let second = fleet.agent(&[]);
    // What it finds to do when it wakes, in the events that wait for it, is done by the other one by then.
    first.signal(Signal::STOP).unwrap();
    fleet.replica.api().patch(&format!("{CLUSTERS}/west"), MERGE_PATCH, &change("by-hand")).unwrap();
    takes_over(&second, "the other one acting after SIGSTOP");
    fleet.directory.api().patch(&format!("{CLUSTERS}/west"), MERGE_PATCH, &change("second")).unwrap();
    fleet.in_step(&second);
    let mark = trail::mark(&fleet.replica);
    first.signal(Signal::CONT).unwrap();
    until(&first, "the first one idle", || {
        if acts(&first) == Some(0.0) { Ok(()) } else { Err("it acts".to_owned()) }
    });
    let writes = trail::cluster_writes(&fleet.replica, mark);
    assert!(writes.is_empty(), "{}", trail::lines(&writes));
}
