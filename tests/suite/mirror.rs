//! The mirror: the directory's list of clusters in the replica.

use serde_json::json;

use crate::fleet::{CLUSTERS, Fleet, contents, until, version};

#[test]
fn a_secret_makes_the_replica_mirror_the_list() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    fleet.reason(&agent, "DirectoryReachable", "Reachable");
    fleet.reason(&agent, "EntryPresent", "Present");
    fleet.reason(&agent, "HeartbeatAccepted", "Accepted");
    println!("{}", agent.log());
    println!("{}", fleet.replica.kubectl_ok(&["get", "mcl,mcr", "-A", "-o", "wide"]).unwrap());
    println!("{}", fleet.directory.kubectl_ok(&["get", "mcr", "-A"]).unwrap());
}
