//! The directory's controller on a real API server: what it makes, watches over and removes.

mod agents;
mod approval;
mod brakes;
mod claims;
mod crashes;
mod definition;
mod enrolment;
mod hostile;
mod inventory;
mod joined;
mod leaving;
mod liveness;
mod paces;
mod rights;
mod scale;

use std::time::Duration;

use muster_tests::api::{ApiError, MERGE_PATCH};
use muster_tests::directory::DirectoryProcess;
use muster_tests::pool::{self, Leased};
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use crate::fleet::{CLUSTERS, DIRECTORY, condition_of, install};

/// Path of the Leases of an execution namespace.
fn leases(cluster: &str) -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/muster-cluster-{cluster}/leases/{cluster}")
}

/// A directory with the manifests.
fn directory() -> Leased {
    let plane = pool::plane().unwrap();
    install(&plane);
    plane.apply(DIRECTORY).unwrap();
    plane
}

/// Starts a controller.
fn controller(directory: &Leased, args: &[&str]) -> DirectoryProcess {
    DirectoryProcess::start(directory, args).unwrap()
}

/// Makes an entry.
fn enter(directory: &Leased, name: &str) -> Value {
    let entry = json!({
        "apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster", "metadata": {"name": name},
    });
    directory.api().create(CLUSTERS, &entry).unwrap()
}

/// An entry.
fn entry(directory: &Leased, name: &str) -> Result<Value, ApiError> {
    directory.api().get(&format!("{CLUSTERS}/{name}"))
}

/// Waits until something is so, and fails with the controller's log.
fn until<T>(
    controller: &DirectoryProcess,
    what: &str,
    deadline: Duration,
    look: impl FnMut() -> Result<T, String>,
) -> (T, Duration) {
    timed(what, deadline, look).unwrap_or_else(|late| panic!("{late}\n{}", controller.log()))
}

/// Waits until a condition of an entry has this reason; gives its message.
fn reason(
    directory: &Leased,
    controller: &DirectoryProcess,
    name: &str,
    condition: &str,
    reason: &str,
) -> (String, Duration) {
    until(controller, &format!("{name}: {condition} {reason}"), DEADLINE * 2, || {
        let entry = entry(directory, name).map_err(|error| error.to_string())?;
        match condition_of(&entry, condition) {
            Some((seen, message)) if seen == reason => Ok(message),
            seen => Err(format!("{seen:?}")),
        }
    })
}

/// What an agent would do: renews the Lease as this cluster.
fn beat(directory: &Leased, name: &str, cluster_id: &str) {
    let now = jiff::Timestamp::now();
    let renewal = json!({"spec": {
        "holderIdentity": format!("{cluster_id}/install"), "renewTime": format!("{now:.6}"),
    }});
    directory.api().patch(&leases(name), MERGE_PATCH, &renewal).unwrap();
}

/// What an agent would say.
fn report(directory: &Leased, name: &str, cluster_id: &str, conditions: &Value) {
    let path = format!(
        "/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-{name}/clusterreports/{name}/status"
    );
    let status = json!({"status": {
        "cluster": name, "conditions": conditions,
        "replica": {"id": cluster_id, "version": "v1.36.3"},
        "agent": {"version": "0.1.0", "mode": "Pull"},
    }});
    directory.api().patch(&path, MERGE_PATCH, &status).unwrap();
}
