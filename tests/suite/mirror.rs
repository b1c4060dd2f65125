//! The mirror: the directory's list of clusters in the replica.

mod content;
mod drift;
mod follow;
mod removal;
mod scope;

use muster_tests::ControlPlane;
use muster_tests::api::MERGE_PATCH;
use serde_json::{Value, json};

use crate::fleet::{CLUSTERS, stop};

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

fn is_absent(plane: &ControlPlane, name: &str) -> bool {
    plane.api().get(&cluster(name)).is_err_and(|error| error.status() == Some(http::StatusCode::NOT_FOUND))
}
