//! Two installs in one cluster, in namespaces of their own.

use std::time::{Duration, Instant};

use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::{DEADLINE, throughout, timed};
use serde_json::json;

use super::{Party, SYSTEM, lease_duration};
use crate::fleet::{Fleet, OWN, condition_of, stop, until};
use crate::policies::{DOCUMENTED, drop_policy, made, until_made, versions};

const OVERLAY: &str = include_str!("../../../manifests/tectonic/multicluster.yaml");
/// The namespace of the second install.
const SECOND: &str = "tectonic-system";
/// Longer than an install takes to begin to act.
const IDLE: Duration = Duration::from_secs(5);

/// Waits until the report of an install has this reason for a condition; gives its message.
fn told(fleet: &Fleet, party: &Party, namespace: &str, condition: &str, reason: &str) -> String {
    let path =
        format!("/apis/multicluster.coreos.com/v1/namespaces/{namespace}/clusterreports/directory-sync");
    let looked = timed(&format!("{condition} {reason} in {namespace}"), DEADLINE * 2, || {
        let report = fleet.replica.api().get(&path).map_err(|error| error.to_string())?;
        match condition_of(&report, condition) {
            Some((seen, message)) if seen == reason => Ok(message),
            seen => Err(format!("{seen:?}")),
        }
    });
    looked.unwrap_or_else(|late| panic!("{late}\n{}", party.agent.log())).0
}

#[test]
fn a_second_install_says_that_another_one_acts_and_follows_it() {
    let fleet = Fleet::new();
    fleet.replica.apply(OVERLAY).unwrap();
    fleet.directory.apply(DOCUMENTED).unwrap();
    // Another install is a stranger to the directory until the last heartbeat of the first is over.
    let short = json!({"spec": {"leaseDurationSeconds": 4}});
    let beats = format!("/apis/coordination.k8s.io/v1/namespaces/muster-cluster-{OWN}/leases/{OWN}");
    fleet.directory.api().patch(&beats, MERGE_PATCH, &short).unwrap();
    let mut one = Party::start(&fleet, SYSTEM, &[]);
    until_made(&fleet, &one.agent, 7);
    told(&fleet, &one, SYSTEM, "PoliciesApplied", "Applied");
    told(&fleet, &one, SYSTEM, "HeartbeatAccepted", "Accepted");

    let other = Party::start(&fleet, SECOND, &[]);
    let message = told(&fleet, &other, SECOND, "Acting", "AnotherAgent");
    let install = |namespace: &str| {
        let namespace = fleet.replica.api().get(&format!("/api/v1/namespaces/{namespace}")).unwrap();
        namespace["metadata"]["uid"].as_str().unwrap().to_owned()
    };
    println!("{message}");
    assert!(
        message.contains(&install(SYSTEM)) && message.contains("muster-system/muster-agent"),
        "{message}"
    );
    let beside = |party: &Party| -> Vec<String> {
        let writes = party.writes().into_iter().map(|seen| seen.path);
        writes.filter(|path| !path.contains("/clusterreports") && !path.contains("/events")).collect()
    };
    let idles = throughout("nothing but its report", IDLE, || match beside(&other) {
        writes if writes.is_empty() => Ok(()),
        writes => Err(format!("{writes:?}")),
    });
    idles.unwrap_or_else(|late| panic!("{late}\n{}", other.agent.log()));
    assert_eq!(other.directory.accepted(), 0);
    told(&fleet, &one, SYSTEM, "Acting", "Acting");
    let own = other.writes();
    assert!(own.iter().all(|seen| seen.path.contains(SECOND)), "{own:#?}");

    // The first one goes: the second one takes over what it made.
    let before = made(&fleet.replica);
    let ended = Instant::now();
    stop(&mut one.agent);
    let taken = other.takes_over(ended);
    println!("taken over {:?} after the end was asked for", taken - ended);
    assert!(taken - ended < lease_duration(&fleet) / 2, "{}", one.agent.log());
    told(&fleet, &other, SECOND, "Acting", "Acting");
    told(&fleet, &other, SECOND, "PoliciesApplied", "Applied");
    // They bear its mark now, and are the same: none was made anew.
    let after = made(&fleet.replica);
    let uids = |objects| versions(objects).into_iter().map(|(key, (uid, _))| (key, uid)).collect::<Vec<_>>();
    assert_eq!(uids(&before), uids(&after));
    drop_policy(&fleet, "ldap-group-admin");
    until_made(&fleet, &other.agent, 6);
    told(&fleet, &other, SECOND, "HeartbeatAccepted", "Accepted");

    // It comes back: it is the one that idles now.
    one.agent.restart().unwrap();
    let message = told(&fleet, &one, SYSTEM, "Acting", "AnotherAgent");
    assert!(message.contains(&install(SECOND)), "{message}");
    until(&other.agent, "the second install in charge", || {
        let holds = other.agent.metrics().unwrap().get("muster_leader", &[]) == Some(1.0);
        holds.then_some(()).ok_or_else(|| "it idles".to_owned())
    });
}
