//! The pages about the ends of a life: what they tell to do is done as they print it.

use std::time::Duration;

use muster_tests::agent::AgentProcess;
use muster_tests::directory::DirectoryProcess;
use muster_tests::pool::Leased;
use muster_tests::wait::throughout;
use serde_json::json;

use crate::fleet::{CLUSTERS, DIRECTORY, Fleet, MULTICLUSTER, condition_of, quietly, until};
use crate::guide::Guide;
use crate::trail;
use crate::works::{config_map, put_work, until_told};

const UNINSTALL: &str = include_str!("../../docs/uninstall.md");
const UPGRADE: &str = include_str!("../../docs/upgrade.md");
const ALERTS: &str = include_str!("../../manifests/alerts.yaml");
const HOSTED: &str = include_str!("../../manifests/hosted.yaml");
const PROFILES: &str = include_str!("../../manifests/clusterprofiles.yaml");
const POLICIES: &str = include_str!("../../manifests/samples/policies.yaml");
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn guide(page: &str, fleet: &Fleet) -> Guide {
    let known = [("directory.kubeconfig", &*fleet.directory), ("replica.kubeconfig", &*fleet.replica)];
    Guide::new(page, known.map(|(word, plane)| (word, plane.admin_kubeconfig())).to_vec())
}

/// A replica with policies and two Works applied.
fn in_use(fleet: &Fleet) -> AgentProcess {
    let agent = fleet.joined(&[]);
    fleet.directory.apply(POLICIES).unwrap();
    for name in ["lasting", "passing"] {
        put_work(fleet, name, &json!([config_map("default", name, "value")]));
        until_told(fleet, &agent, name, "Applied", "Applied");
    }
    fleet.reason(&agent, "PoliciesApplied", "Applied");
    agent
}

#[test]
fn the_commands_that_take_muster_off_work_as_printed() {
    let fleet = Fleet::bare();
    fleet.directory.apply(PROFILES).unwrap();
    let mut controller = DirectoryProcess::start(&fleet.directory, &[]).unwrap();
    fleet.entries();
    quietly("the cluster enrolled", || {
        let east =
            fleet.directory.api().get(&format!("{CLUSTERS}/east")).map_err(|error| error.to_string())?;
        condition_of(&east, "Enrolled").filter(|(seen, _)| seen == "Enrolled").ok_or_else(|| east.to_string())
    });
    let mut agent = in_use(&fleet);
    // What else may have been applied, the kinds of the Prometheus operator among it.
    for (plural, kind) in [("podmonitors", "PodMonitor"), ("prometheusrules", "PrometheusRule")] {
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.monitoring.coreos.com")},
            "spec": {
                "group": "monitoring.coreos.com", "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
            },
        });
        fleet.directory.apply(&definition.to_string()).unwrap();
    }
    quietly("the alerts", || fleet.directory.apply(ALERTS).map_err(|error| error.to_string()));
    fleet.directory.apply(&HOSTED.replace("CLUSTER_NAME", "east")).unwrap();
    let mut guide = guide(UNINSTALL, &fleet);

    // What the kubelet would do when a Deployment goes.
    guide.play("A cluster", |done| {
        if done.contains("delete deployment") {
            agent.kill().unwrap();
        }
    });
    let replica = fleet.replica.api();
    assert!(replica.get(&format!("{MAPS}/lasting")).is_ok(), "what a Work made that was not deleted stays");
    assert!(replica.get(&format!("{MAPS}/passing")).is_err(), "what a Work made that was deleted goes");
    assert!(replica.get("/api/v1/namespaces/api-prod").is_ok(), "namespaces stay");
    gone(&fleet.replica);

    guide.play("The directory", |done| {
        if done.contains("manifests/directory.yaml") {
            controller.kill().unwrap();
        }
    });
    let left = "customresourcedefinition.apiextensions.k8s.io/clusterprofiles.multicluster.x-k8s.io";
    assert_eq!(ours(&fleet.directory), ["namespace/muster-hosted", left], "the page says what stays");
    guide.play("What other files made", |_| {});
    gone(&fleet.directory);
    guide.end();
}

/// Nothing of Muster's is in a cluster.
fn gone(plane: &Leased) {
    assert_eq!(ours(plane), [""; 0], "{} keeps", plane.name());
}

/// What of Muster's is in a cluster.
fn ours(plane: &Leased) -> Vec<String> {
    let kinds = "namespaces,crds,clusterroles,clusterrolebindings,validatingadmissionpolicies,\
                 validatingadmissionpolicybindings,flowschemas,prioritylevelconfigurations,roles,rolebindings";
    let all = plane.kubectl_ok(&["get", kinds, "-A", "-o", "name"]).unwrap();
    let ours = |line: &&str| line.contains("muster") || line.contains("multicluster");
    all.lines().filter(ours).map(str::to_owned).collect()
}

#[test]
fn an_upgrade_writes_nothing_that_users_see() {
    let fleet = Fleet::bare();
    // What an older version left: another image, and a definition that lacks something.
    let older = |manifest: &str| manifest.replace(&format!(":v{}", env!("CARGO_PKG_VERSION")), ":v0.0.1");
    for plane in [&fleet.replica, &fleet.directory] {
        plane.apply(&older(MULTICLUSTER)).unwrap();
    }
    fleet.directory.apply(&older(DIRECTORY)).unwrap();
    fleet.enrol("east");
    fleet.entries();
    let mut agent = in_use(&fleet);
    let mark = trail::mark(&fleet.replica);

    let mut guide = guide(UPGRADE, &fleet);
    guide.play("Upgrading", |_| {});
    guide.end();
    let image = "/apis/apps/v1/namespaces/muster-system/deployments/directory-sync";
    let image =
        fleet.replica.api().get(image).unwrap()["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    assert!(image.as_str().unwrap().ends_with(env!("CARGO_PKG_VERSION")), "{image}");

    // The agent that goes on beside it, and then the one that takes its place.
    let quiet = |agent: &AgentProcess| {
        let seen = throughout("no write outside Muster's own namespace", Duration::from_secs(3), || {
            let mut writes = trail::writes(&fleet.replica, mark, trail::REPLICA_USER);
            writes.retain(|event| event.namespace != "muster-system");
            if writes.is_empty() { Ok(()) } else { Err(trail::lines(&writes)) }
        });
        seen.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    };
    quiet(&agent);
    fleet.revive(&mut agent);
    until(&agent, "the new agent to know all copies", || {
        let copies = agent
            .metrics()
            .map_err(|error| error.to_string())?
            .get("muster_objects", &[("source", "copies")]);
        if copies.is_some_and(|copies| copies > 1.5) { Ok(()) } else { Err(format!("{copies:?}")) }
    });
    until(&agent, "the new agent to know all Works", || {
        let applied =
            agent.metrics().map_err(|error| error.to_string())?.get("muster_works", &[("state", "applied")]);
        if applied.is_some_and(|applied| applied > 1.5) { Ok(()) } else { Err(format!("{applied:?}")) }
    });
    quiet(&agent);
}
