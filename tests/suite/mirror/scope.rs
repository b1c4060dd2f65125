//! What is mirrored at all: by `--mirror`, by who made a Cluster, and by which cluster this is.

use std::path::Path;

use muster_tests::agent::AgentProcess;
use muster_tests::plane::TokenOptions;
use muster_tests::pool;
use muster_tests::scratch::Scratch;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use super::{cluster, edit, is_absent, label, stop};
use crate::fleet::{
    CLUSTERS, DIRECTORY, ENROL, Fleet, OWN, REPORT, condition_of, install, put_secret, until, version,
};
use crate::trail::{self, REPLICA_USER, directory_user, lines};

#[test]
fn mirror_none_copies_nothing_and_follows_the_own_entry() {
    let fleet = Fleet::new();
    fleet.offer(&fleet.kubeconfig());
    let mut agent = fleet.agent(&["--mirror", "none"]);
    fleet.reason(&agent, "EntryPresent", "Present");
    fleet.reason(&agent, "MirrorInSync", "NotMirrored");
    label(&fleet.directory, "west", "after", "joining");
    fleet.directory.api().delete(&cluster(OWN)).unwrap();
    fleet.reason(&agent, "EntryPresent", "Missing");
    assert_eq!(fleet.replica.api().get(CLUSTERS).unwrap()["items"], json!([]));
    fleet.entry(OWN, &json!({}));
    fleet.reason(&agent, "EntryPresent", "Present");
    stop(&mut agent);

    // Copies from before go, on the same evidence as others.
    let mut all = fleet.agent(&[]);
    fleet.in_step(&all);
    stop(&mut all);
    agent.restart().unwrap();
    until(&agent, "no copies any more", || match &fleet.replica.api().get(CLUSTERS).unwrap()["items"] {
        items if *items == json!([]) => Ok(()),
        items => Err(items.to_string()),
    });
}

#[test]
fn a_selector_mirrors_what_it_selects() {
    let fleet = Fleet::new();
    fleet.entry("north", &json!({"stage": "production"}));
    fleet.offer(&fleet.kubeconfig());
    let agent = fleet.agent(&["--mirror", "stage=production"]);
    let names = |wanted: &[&str]| {
        let list = fleet.replica.api().get(CLUSTERS).map_err(|error| error.to_string())?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let names: Vec<_> = items.iter().filter_map(|item| item["metadata"]["name"].as_str()).collect();
        if names == wanted { Ok(()) } else { Err(format!("{names:?}")) }
    };
    until(&agent, "the selected copies", || names(&["north", "west"]));
    fleet.reason(&agent, "EntryPresent", "Present");
    fleet.reason(&agent, "MirrorInSync", "InSync");
    let kept = version(&fleet.copy("north").unwrap()).0;
    label(&fleet.directory, "west", "stage", "test");
    until(&agent, "the one that leaves the selection gone", || names(&["north"]));
    label(&fleet.directory, "west", "stage", "production");
    until(&agent, "the one that enters it", || names(&["north", "west"]));
    assert_eq!(version(&fleet.copy("north").unwrap()).0, kept);
    // The own entry is followed though it is not selected.
    fleet.directory.api().delete(&cluster(OWN)).unwrap();
    fleet.reason(&agent, "EntryPresent", "Missing");
    fleet.entry(OWN, &json!({"stage": "production"}));
    fleet.reason(&agent, "EntryPresent", "Present");
    until(&agent, "the own entry, now selected", || names(&["east", "north", "west"]));
}

#[test]
fn local_clusters_are_left_alone_and_reported() {
    let fleet = Fleet::new();
    let local = |name: &str| {
        let local = json!({
            "apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster",
            "metadata": {"name": name, "labels": {"local": "yes"}}, "spec": {},
        });
        fleet.replica.api().create(CLUSTERS, &local).unwrap()
    };
    let before = [local("garage"), local("west")];
    fleet.offer(&fleet.kubeconfig());
    let agent = fleet.agent(&[]);
    let message = fleet.reason(&agent, "MirrorInSync", "Conflict");
    assert!(message.contains("west") && !message.contains("garage"), "{message}");
    until(&agent, "the copy of the other entry", || {
        fleet.copy(OWN).map(drop).map_err(|error| error.to_string())
    });
    // A change of the entry, and one by hand that makes the two alike but for the mark.
    label(&fleet.directory, "west", "after", "conflict");
    label(&fleet.directory, OWN, "after", "conflict");
    until(&agent, "a change of the other entry", || {
        let copy = fleet.copy(OWN).map_err(|error| error.to_string())?;
        if copy["metadata"]["labels"]["after"] == "conflict" { Ok(()) } else { Err(copy.to_string()) }
    });
    let after = ["garage", "west"].map(|name| fleet.copy(name).unwrap());
    assert_eq!(after.each_ref().map(version), before.each_ref().map(version), "{after:#?}");

    // Its owner lets it go: the copy takes its place, and the other one is told of.
    fleet.replica.api().delete(&cluster("west")).unwrap();
    let message = fleet.reason(&agent, "MirrorInSync", "InSync");
    assert!(message.contains("left alone: 1"), "{message}");
    until(&agent, "the copy in its place", || {
        let copy = fleet.copy("west").map_err(|error| error.to_string())?;
        if copy["metadata"]["labels"]["after"] == "conflict" { Ok(()) } else { Err(copy.to_string()) }
    });
    assert_eq!(version(&fleet.copy("garage").unwrap()), version(&before[0]));
}

/// An agent of a directory that is its own replica: the Secret points at the cluster that it lies in.
fn own_replica(plane: &pool::Leased, folder: &Path) -> AgentProcess {
    install(plane);
    plane.apply(DIRECTORY).unwrap();
    plane.apply(&ENROL.replace("CLUSTER_NAME", OWN)).unwrap();
    for name in [OWN, "west"] {
        let entry = json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster", "metadata": {"name": name}});
        plane.api().create(CLUSTERS, &entry).unwrap();
    }
    let token = |namespace: &str, name: &str| {
        plane.service_account_kubeconfig(namespace, name, &TokenOptions::default()).unwrap()
    };
    put_secret(plane, token("muster-agents", OWN).as_bytes());
    let path = folder.join("replica.kubeconfig");
    std::fs::write(&path, token("muster-system", "directory-sync")).unwrap();
    AgentProcess::start(&["--kubeconfig", path.to_str().unwrap()], &[]).unwrap()
}

#[test]
fn a_directory_that_is_its_own_replica_has_no_mirror() {
    let plane = pool::plane().unwrap();
    let folder = Scratch::new("own").unwrap();
    let mark = trail::mark(&plane);
    let agent = own_replica(&plane, folder.path());
    let upstream =
        format!("/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-{OWN}/clusterreports/{OWN}");
    let report = |condition: &str, reason: &str| -> Value {
        let looked = timed(&format!("{condition} {reason}"), DEADLINE * 2, || {
            let report = plane.api().get(&upstream).map_err(|error| error.to_string())?;
            match condition_of(&report, condition) {
                Some((seen, _)) if seen == reason => Ok(report),
                seen => Err(format!("{seen:?}")),
            }
        });
        looked.unwrap_or_else(|late| panic!("{late}\n{}", agent.log())).0
    };
    report("MirrorInSync", "SameCluster");
    report("HeartbeatAccepted", "Accepted");
    let seen = report("EntryPresent", "Present");
    assert_eq!(seen["status"]["mirror"]["conflicts"], json!(0), "{seen:#}");
    assert_eq!(seen["status"]["mirror"]["frozenDeletions"], json!(0), "{seen:#}");
    // Nothing is put back, and nothing is marked.
    label(&plane, "west", "changed", "by-hand");
    plane.api().delete(&cluster("west")).unwrap();
    edit(&plane, OWN, &json!({"metadata": {"labels": {"changed": "by-hand"}}}));
    plane.api().delete(&cluster(OWN)).unwrap();
    report("EntryPresent", "Missing");
    assert!(is_absent(&plane, "west") && is_absent(&plane, OWN), "{}", agent.log());
    let writes = [REPLICA_USER, &directory_user()].map(|user| trail::writes(&plane, mark, user));
    let clusters: Vec<_> =
        writes.into_iter().flatten().filter(|write| write.resource.starts_with("clusters")).collect();
    assert!(clusters.is_empty(), "{}", lines(&clusters));
    // One report is enough.
    assert!(plane.api().get(REPORT).is_err());
}
