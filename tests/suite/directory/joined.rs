//! A controller and an agent together.

use std::time::Duration;

use muster_tests::directory::DirectoryProcess;
use muster_tests::plane::TokenOptions;
use muster_tests::wait::{DEADLINE, timed};
use rustix::process::Signal;

use super::until;
use crate::fleet::{CLUSTERS, Fleet, OWN, condition_of};
use crate::manifests::rights::{ANYONE, rights};
use crate::renewal::{JOINING, bound};

/// Waits until the entry of the replica has this reason for a condition.
fn reason(fleet: &Fleet, controller: &DirectoryProcess, condition: &str, reason: &str) -> Duration {
    let what = format!("{condition} {reason}");
    let look = || {
        let entry =
            fleet.directory.api().get(&format!("{CLUSTERS}/east")).map_err(|error| error.to_string())?;
        let seen = condition_of(&entry, condition);
        if seen.as_ref().is_some_and(|(seen, _)| seen == reason) { Ok(()) } else { Err(format!("{seen:?}")) }
    };
    until(controller, &what, DEADLINE * 3, look).1
}

#[test]
fn a_cluster_joins_falls_silent_comes_back_and_leaves() {
    let fleet = Fleet::bare();
    let controller = DirectoryProcess::start(&fleet.directory, &["--heartbeat-lease=8"]).unwrap();
    fleet.entries();
    reason(&fleet, &controller, "Enrolled", "Enrolled");
    fleet.offer(&fleet.kubeconfig());
    let mut agent = fleet.agent(&[]);
    let took = reason(&fleet, &controller, "Ready", "Reporting");
    assert!(took < Duration::from_secs(15), "{took:?}");
    let entry = fleet.directory.api().get(&format!("{CLUSTERS}/east")).unwrap();
    assert_eq!(entry["status"]["id"], fleet.replica.cluster_uid().unwrap());
    assert!(entry["status"]["version"].as_str().unwrap().starts_with("v1."), "{entry}");
    assert_eq!(entry["status"]["mode"], "Hosted", "the test's agent runs beside the replica");

    agent.kill().unwrap();
    let took = reason(&fleet, &controller, "Ready", "HeartbeatLost");
    assert!(took < Duration::from_secs(18), "{took:?}");
    fleet.revive(&mut agent);
    let took = reason(&fleet, &controller, "Ready", "Reporting");
    assert!(took < Duration::from_secs(15), "{took:?}");

    fleet.in_step(&agent);
    fleet.directory.api().delete(&format!("{CLUSTERS}/east")).unwrap();
    reason(&fleet, &controller, "Deregistering", "Waiting");
    let gone = timed("the entry gone", DEADLINE * 2, || {
        match fleet.directory.api().get(&format!("{CLUSTERS}/east")) {
            Err(error) if error.status().is_some_and(|status| status == 404) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    gone.unwrap_or_else(|late| panic!("{late}\n{}\n{}", controller.log(), agent.log()));
    assert!(fleet.copy("west").is_err() && fleet.copy("east").is_err(), "the mirrored list is gone");
    assert!(agent.ended().unwrap().is_none(), "the agent goes on");
}

#[test]
fn another_controller_takes_over_and_goes_on() {
    let fleet = Fleet::bare();
    let args = ["--leader-lease=10"];
    let mut first = DirectoryProcess::start(&fleet.directory, &args).unwrap();
    fleet.entries();
    reason(&fleet, &first, "Enrolled", "Enrolled");
    let second = DirectoryProcess::start(&fleet.directory, &args).unwrap();
    let leads = |process: &DirectoryProcess| {
        let metrics = process.admin("/metrics").map_err(|error| error.to_string())?.1;
        if metrics.contains("\nmuster_controller_leader 1\n") { Ok(()) } else { Err(metrics) }
    };
    leads(&first).unwrap();
    until(&second, "the second alive", DEADLINE, || {
        second.admin("/livez").map_err(|error| error.to_string())
    });
    assert!(leads(&second).is_err(), "one acts");
    first.signal(Signal::KILL).unwrap();
    until(&second, "the second to act", DEADLINE * 2, || leads(&second));
    fleet.entry("north", &serde_json::json!({}));
    until(&second, "north enrolled", DEADLINE, || {
        let north =
            fleet.directory.api().get(&format!("{CLUSTERS}/north")).map_err(|error| error.to_string())?;
        condition_of(&north, "Enrolled")
            .filter(|(seen, _)| seen == "Enrolled")
            .ok_or_else(|| north.to_string())
    });
    first.exit(DEADLINE).unwrap();
}

#[test]
fn a_token_to_join_with_is_refused_once_the_agent_has_one_of_its_own() {
    let fleet = Fleet::bare();
    let controller = DirectoryProcess::start(&fleet.directory, &[]).unwrap();
    fleet.entries();
    reason(&fleet, &controller, "Enrolled", "Enrolled");
    let joining = bound(&fleet);
    let kubeconfig: serde_json::Value = serde_saphyr::from_str(&joining).unwrap();
    let api = fleet.directory.api_with(kubeconfig["users"][0]["user"]["token"].as_str().unwrap()).unwrap();
    // It is the account of the cluster: it may do what that may, and makes no right.
    let token =
        fleet.directory.service_account_token("muster-agents", OWN, &TokenOptions::default()).unwrap();
    let own = fleet.directory.api_with(&token).unwrap();
    for namespace in ["muster-cluster-east", "muster-agents", "muster-system", "default"] {
        let may = rights(&api, namespace);
        assert_eq!(may, rights(&own, namespace), "{namespace}");
        assert!(may.len() > ANYONE.len() && !may.iter().any(|right| right.contains("rbac.")), "{may:?}");
    }
    fleet.offer(&joining);
    let agent = fleet.agent(&[]);
    reason(&fleet, &controller, "Ready", "Reporting");
    until(&controller, "the joining token refused", DEADLINE, || match api.get(CLUSTERS) {
        Err(error) if error.status().is_some_and(|status| status == 401) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    fleet.in_step(&agent);
}

#[test]
fn a_credential_to_join_with_ends_also_where_the_controller_was_away_and_with_the_entry() {
    let fleet = Fleet::bare();
    let mut controller = DirectoryProcess::start(&fleet.directory, &["--leader-lease=3"]).unwrap();
    fleet.entries();
    reason(&fleet, &controller, "Enrolled", "Enrolled");
    let api = fleet.directory.api();
    fleet.offer(&bound(&fleet));
    controller.kill().unwrap();
    let agent = fleet.agent(&[]);
    crate::fleet::until(&agent, "the report of a renewal", || {
        let report = "/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-east/clusterreports/east";
        let status = api.get(report).map_err(|error| error.to_string())?["status"].clone();
        if status["credential"]["renewed"].is_string() { Ok(()) } else { Err(status.to_string()) }
    });
    assert!(api.get(JOINING).is_ok());
    controller.restart().unwrap();
    let gone = |path: &str| match api.get(path) {
        Err(error) if error.status().is_some_and(|status| status == 404) => Ok(()),
        other => Err(format!("{other:?}")),
    };
    until(&controller, "the joining Secret gone", DEADLINE, || gone(JOINING));
    fleet.in_step(&agent);

    // One that was made since, for an agent that never came, outlives neither the account nor the entry.
    bound(&fleet);
    api.delete(&format!("{CLUSTERS}/east")).unwrap();
    until(&controller, "the entry gone", DEADLINE * 3, || gone(&format!("{CLUSTERS}/east")));
    gone(JOINING).unwrap();
}
