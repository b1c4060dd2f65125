//! What the agent did, as the API servers logged it.

use std::sync::atomic::{AtomicU32, Ordering};

use muster_tests::ControlPlane;
use muster_tests::plane::{AuditEvent, AuditMark};

use crate::fleet::{OWN, quietly};

/// The user that the replica knows the agent as.
pub(crate) const REPLICA_USER: &str = "system:serviceaccount:muster-system:directory-sync";

/// The user that the directory knows the agent as.
pub(crate) fn directory_user() -> String {
    format!("system:serviceaccount:muster-agents:{OWN}")
}

/// The end of the log now; every request that was answered before is in front of it.
pub(crate) fn mark(plane: &ControlPlane) -> AuditMark {
    fence(plane);
    plane.audit_mark().unwrap()
}

/// All requests of a user since `mark` that were to change something, whether they did or not.
pub(crate) fn writes(plane: &ControlPlane, mark: AuditMark, user: &str) -> Vec<AuditEvent> {
    fence(plane);
    plane
        .audit_since(mark)
        .unwrap()
        .into_iter()
        .filter(|event| event.user == user && event.writes())
        .collect()
}

/// Those of them that were about Clusters.
pub(crate) fn cluster_writes(plane: &ControlPlane, mark: AuditMark) -> Vec<AuditEvent> {
    writes(plane, mark, REPLICA_USER).into_iter().filter(|event| event.resource == "clusters").collect()
}

/// A line for each request.
pub(crate) fn lines(events: &[AuditEvent]) -> String {
    let line = |e: &AuditEvent| {
        format!(
            "{} {} {} {}/{} {} {}\n",
            e.time, e.verb, e.resource, e.namespace, e.name, e.code, e.user_agent
        )
    };
    events.iter().map(line).collect()
}

/// The log is written after the answer: waits until a request made now is in it.
fn fence(plane: &ControlPlane) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let path = format!("/api/v1/namespaces/default?fence={}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let before = plane.audit_mark().unwrap();
    plane.api().get(&path).unwrap();
    quietly("the audit log", || {
        let events = plane.audit_since(before).map_err(|error| error.to_string())?;
        events.iter().any(|event| event.uri == path).then_some(()).ok_or_else(|| format!("no {path}"))
    });
}
