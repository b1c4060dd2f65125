//! The mirror: the directory's list of clusters in the replica.

mod content;
mod drift;
mod follow;
mod removal;
mod scope;

use muster_tests::ControlPlane;
use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::DEADLINE;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::fleet::CLUSTERS;

/// Path of one Cluster.
fn cluster(name: &str) -> String {
    format!("{CLUSTERS}/{name}")
}

/// Changes a Cluster as an admin would by hand.
fn edit(plane: &ControlPlane, name: &str, change: &Value) -> Value {
    plane.api().patch(&cluster(name), MERGE_PATCH, change).unwrap()
}

fn label(plane: &ControlPlane, name: &str, key: &str, value: &str) -> Value {
    edit(plane, name, &json!({"metadata": {"labels": {key: value}}}))
}

/// Ends an agent as Kubernetes does, so that the next one need not wait for its Lease to run out.
fn stop(agent: &mut AgentProcess) {
    agent.signal(Signal::TERM).unwrap();
    let status = agent.exit(DEADLINE).unwrap();
    assert_eq!(status.code(), Some(0), "{}", agent.log());
}

fn is_absent(plane: &ControlPlane, name: &str) -> bool {
    plane.api().get(&cluster(name)).is_err_and(|error| error.status() == Some(http::StatusCode::NOT_FOUND))
}
