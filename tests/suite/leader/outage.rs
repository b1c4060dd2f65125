//! The replica's own API does not answer: the directory goes on hearing of it.

use std::time::{Duration, Instant};

use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use super::{Party, SYSTEM};
use crate::fleet::{Fleet, OWN, condition_of, until};
use crate::policies::{DOCUMENTED, made, one, put_policy, until_made};

/// For how long it does not answer: four claims to the Lease.
const OUTAGE: Duration = Duration::from_secs(62);
/// Between two heartbeats, a quarter of what the Lease in the directory says.
const BEAT: Duration = Duration::from_secs(10);

/// When the heartbeat was last renewed, as the directory has it.
fn beat(fleet: &Fleet) -> String {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/muster-cluster-{OWN}/leases/{OWN}");
    let lease = fleet.directory.api().get(&path).unwrap();
    lease["spec"]["renewTime"].as_str().unwrap_or_default().to_owned()
}

/// Waits until the report in the directory has this reason for a condition.
fn told(fleet: &Fleet, party: &Party, condition: &str, reason: &str) -> (String, Duration) {
    let path =
        format!("/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-{OWN}/clusterreports/{OWN}");
    let looked = timed(&format!("{condition} {reason} in the directory"), DEADLINE * 2, || {
        let report = fleet.directory.api().get(&path).map_err(|error| error.to_string())?;
        match condition_of(&report, condition) {
            Some((seen, message)) if seen == reason => Ok(message),
            seen => Err(format!("{seen:?}")),
        }
    });
    looked.unwrap_or_else(|late| panic!("{late}\n{}", party.agent.log()))
}

fn probes(party: &Party) -> [u16; 2] {
    ["/livez", "/readyz"].map(|path| party.agent.admin(path).unwrap().0)
}

#[test]
fn heartbeats_go_on_while_the_api_of_the_replica_is_down() {
    let fleet = Fleet::new();
    fleet.directory.apply(DOCUMENTED).unwrap();
    let party = Party::start(&fleet, SYSTEM, &[]);
    until_made(&fleet, &party.agent, 7);
    told(&fleet, &party, "ReplicaReachable", "Reachable");
    told(&fleet, &party, "PoliciesApplied", "Applied");

    party.replica.cut().unwrap();
    let cut = Instant::now();
    let (message, after) = told(&fleet, &party, "ReplicaReachable", "Unreachable");
    println!("{message}");
    let mut beats = vec![beat(&fleet)];
    // What the agent cannot see or do meanwhile: a hand edit of a grant, a new policy, one that is changed.
    let grants = made(&fleet.replica);
    let (_, binding) = one(&grants, "ClusterRoleBinding ");
    let name = binding["metadata"]["name"].as_str().unwrap();
    let path = format!("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{name}");
    fleet.replica.api().patch(&path, MERGE_PATCH, &json!({"subjects": null})).unwrap();
    let bindings = json!({"bindings": [{"clusterRole": "view", "groups": ["new"]}]});
    let spec =
        json!({"selector": {"cloud": "aws"}, "namespaces": [{"name": "new", "authorization": bindings}]});
    put_policy(&fleet, "new", &spec);
    let mut readiness = Vec::new();
    while cut.elapsed() < OUTAGE {
        let last = beats[beats.len() - 1].clone();
        until(&party.agent, "a heartbeat", || match beat(&fleet) {
            now if now > last => Ok(()),
            now => Err(now),
        });
        beats.push(beat(&fleet));
        readiness.push(probes(&party));
    }
    println!("cut for {:?}, told after {after:?}; heartbeats {beats:?}", cut.elapsed());
    let least = usize::try_from(OUTAGE.as_secs() / BEAT.as_secs()).unwrap() - 2;
    assert!(beats.len() >= least, "{} of {least}", beats.len());
    assert!(readiness.iter().all(|probes| *probes == [200, 200]), "{readiness:?}");
    told(&fleet, &party, "ReplicaReachable", "Unreachable");
    told(&fleet, &party, "HeartbeatAccepted", "Accepted");
    assert!(made(&fleet.replica).len() == 7, "nothing was written");

    party.replica.restore().unwrap();
    let (_, back) = told(&fleet, &party, "ReplicaReachable", "Reachable");
    until_made(&fleet, &party.agent, 9);
    until(&party.agent, "the hand edit undone", || {
        let now = fleet.replica.api().get(&path).unwrap();
        let subjects = |binding: &Value| binding["subjects"].clone();
        if subjects(&now) == subjects(binding) { Ok(()) } else { Err(now.to_string()) }
    });
    fleet.in_step(&party.agent);
    told(&fleet, &party, "PoliciesApplied", "Applied");
    println!("told of the return after {back:?}");
}
