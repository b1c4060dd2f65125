//! From the previous state of the repository to this one, and back.

use std::path::PathBuf;
use std::time::Duration;

use muster_tests::ControlPlane;
use muster_tests::agent::{AgentProcess, agent_binary};
use muster_tests::directory::{DirectoryProcess, directory_binary};
use muster_tests::plane::AuditMark;
use muster_tests::previous::{is_shallow, previous};
use muster_tests::wait::throughout;
use serde_json::{Value, json};

use crate::fleet::{
    CLUSTERS, DIRECTORY, Fleet, MULTICLUSTER, OWN, condition_of, install_version, quietly, stop, until,
};
use crate::trail;
use crate::works::{config_map, manifest, namespace, put_work, put_work_with, until_told, widgets, works};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const POLICIES: &str = include_str!("../../manifests/samples/policies.yaml");

/// What is installed of a state.
struct State {
    multicluster: String,
    directory: String,
    agent: PathBuf,
    controller: PathBuf,
}

impl State {
    fn this() -> Self {
        Self {
            multicluster: MULTICLUSTER.to_owned(),
            directory: DIRECTORY.to_owned(),
            agent: agent_binary().unwrap(),
            controller: directory_binary().unwrap(),
        }
    }

    fn previous() -> Self {
        let previous = previous().unwrap();
        Self {
            multicluster: previous.manifest("multicluster.yaml").unwrap(),
            directory: previous.manifest("directory.yaml").unwrap(),
            agent: previous.agent(),
            controller: previous.directory(),
        }
    }

    fn install_directory(&self, fleet: &Fleet) -> DirectoryProcess {
        install_version(&fleet.directory, &self.multicluster);
        fleet.directory.apply(&self.directory).unwrap();
        DirectoryProcess::start_binary(self.controller.clone(), &fleet.directory, &[]).unwrap()
    }

    fn install_replica(&self, fleet: &Fleet) -> AgentProcess {
        install_version(&fleet.replica, &self.multicluster);
        fleet.agent_of(self.agent.clone(), &fleet.replica_kubeconfig(), &[], &[])
    }
}

/// Works of all sorts.
fn put_works(fleet: &Fleet) -> usize {
    let secret = manifest("v1", "Secret", "default", "values", json!({"stringData": {"key": "hunter2"}}));
    let labels = json!({"app": "web"});
    let pod =
        json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}});
    let spec = json!({"replicas": 1, "selector": {"matchLabels": labels}, "template": pod});
    let web = manifest("apps/v1", "Deployment", "default", "web", json!({"spec": spec}));
    let widget = manifest("upgrades.example.com/v1", "Widget", "shop", "one", json!({"spec": {"size": 1}}));
    put_work(fleet, "plain", &json!([config_map("default", "plain", "one"), secret]));
    put_work(fleet, "web", &json!([web]));
    put_work(fleet, "kinds", &json!([widget, widgets("upgrades.example.com"), namespace("shop")]));
    let orphan = json!({"multicluster.coreos.com/deletion": "orphan"});
    put_work_with(fleet, "kept", &orphan, &json!([config_map("default", "kept", "one")]));
    put_work(fleet, "passing", &json!([config_map("default", "passing", "one")]));
    5
}

/// What is of users in a replica, with its version.
fn users_objects(fleet: &Fleet) -> Vec<(String, Value)> {
    let api = fleet.replica.api();
    let paths = [
        format!("{MAPS}/plain"),
        format!("{MAPS}/kept"),
        "/api/v1/namespaces/default/secrets/values".to_owned(),
        "/apis/apps/v1/namespaces/default/deployments/web".to_owned(),
        "/apis/upgrades.example.com/v1/namespaces/shop/widgets/one".to_owned(),
        "/api/v1/namespaces/api-prod".to_owned(),
    ];
    paths
        .map(|path| {
            let meta = api.get(&path).unwrap_or_else(|error| panic!("{path}: {error}"))["metadata"].clone();
            let seen = json!({"uid": meta["uid"], "generation": meta["generation"],
                "labels": meta["labels"], "annotations": meta["annotations"]});
            (path, seen)
        })
        .into()
}

/// Nothing was written that is users', and nothing at all was deleted.
fn is_untouched(fleet: &Fleet, mark: AuditMark) -> Result<(), String> {
    let mut writes = trail::writes(&fleet.replica, mark, trail::REPLICA_USER);
    writes.retain(|event| event.impersonated.is_some() || event.verb.starts_with("delete"));
    if writes.is_empty() { Ok(()) } else { Err(trail::lines(&writes)) }
}

fn knows_all(agent: &AgentProcess, count: usize) -> Result<(), String> {
    let metrics = agent.metrics().map_err(|error| error.to_string())?;
    let (copies, applied) = (
        metrics.get("muster_objects", &[("source", "copies")]),
        metrics.get("muster_works", &[("state", "applied")]),
    );
    #[allow(clippy::cast_precision_loss)] // a handful
    let enough = |seen: Option<f64>, wanted: usize| seen.is_some_and(|seen| seen > wanted as f64 - 0.5);
    if enough(copies, 2) && enough(applied, count) { Ok(()) } else { Err(format!("{copies:?} {applied:?}")) }
}

fn enrolled(directory: &ControlPlane) {
    quietly("the clusters enrolled", || {
        for name in [OWN, "west"] {
            let path = format!("{CLUSTERS}/{name}");
            let entry = directory.api().get(&path).map_err(|error| error.to_string())?;
            condition_of(&entry, "Enrolled")
                .filter(|(seen, _)| seen == "Enrolled")
                .ok_or_else(|| entry.to_string())?;
        }
        Ok(())
    });
}

/// A Work is changed, one is deleted, and what a hand changes is put back.
fn works_on(fleet: &Fleet, agent: &AgentProcess, value: &str) {
    put_work(fleet, "kept", &json!([config_map("default", "kept", value)]));
    let of_map = |name: &str, expected: Option<&str>| {
        let found = fleet.replica.api().get(&format!("{MAPS}/{name}"));
        let seen = found.as_ref().ok().and_then(|map| map["data"]["key"].as_str());
        if seen == expected { Ok(()) } else { Err(format!("{found:?}")) }
    };
    until(agent, "the change applied", || of_map("kept", Some(value)));
    fleet.replica.apply(&config_map("default", "plain", "by hand").to_string()).unwrap();
    until(agent, "the hand edit undone", || of_map("plain", Some("one")));
    fleet.directory.api().delete(&format!("{}/passing", works())).unwrap();
    until(agent, "what the Work made gone", || of_map("passing", None));
    let passing = format!("{}/passing", works());
    until(agent, "the Work gone", || match fleet.directory.api().get(&passing) {
        Err(error) if error.status().is_some_and(|status| status == 404) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    put_work(fleet, "passing", &json!([config_map("default", "passing", value)]));
    until(agent, "the new Work applied", || of_map("passing", Some(value)));
}

#[test]
fn what_the_previous_state_made_stays_as_it_is_with_this_one_and_the_other_way_round() {
    if is_shallow() {
        println!("PREVIOUS STATE NOT CHECKED: this clone has no history");
        return;
    }
    let fleet = Fleet::empty();
    let (before, now) = (State::previous(), State::this());
    let mut controller = before.install_directory(&fleet);
    install_version(&fleet.replica, &before.multicluster);
    fleet.entries();
    enrolled(&fleet.directory);
    fleet.directory.apply(POLICIES).unwrap();
    let count = put_works(&fleet);
    fleet.offer(&fleet.kubeconfig());
    let mut agent = before.install_replica(&fleet);
    for name in ["plain", "web", "kinds", "kept", "passing"] {
        until_told(&fleet, &agent, name, "Applied", "Applied");
    }
    fleet.reason(&agent, "PoliciesApplied", "Applied");

    // As the page says: to a newer one the directory first, back the clusters first.
    for (state, directory_first, value) in
        [(&now, true, "two"), (&before, false, "three"), (&now, true, "four")]
    {
        let (mark, objects) = (trail::mark(&fleet.replica), users_objects(&fleet));
        let entries = fleet.directory.kubectl_ok(&["get", "mcl", "-o", "jsonpath={..uid}"]).unwrap();
        for directory in [directory_first, !directory_first] {
            if directory {
                controller.kill().unwrap();
                controller = state.install_directory(&fleet);
            } else {
                stop(&mut agent);
                agent = state.install_replica(&fleet);
            }
        }
        until(&agent, "the agent to know all", || knows_all(&agent, count));
        let seen = throughout("untouched", Duration::from_secs(3), || is_untouched(&fleet, mark));
        seen.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
        assert_eq!(users_objects(&fleet), objects);
        let after = fleet.directory.kubectl_ok(&["get", "mcl", "-o", "jsonpath={..uid}"]).unwrap();
        assert_eq!(after, entries);
        fleet.reason(&agent, "WorksApplied", "Applied");
        fleet.reason(&agent, "PoliciesApplied", "Applied");
        fleet.reason(&agent, "LedgerUsable", "Usable");
        works_on(&fleet, &agent, value);
    }
    enrolled(&fleet.directory);
    drop(controller);
}
