//! What is written in the directory for Works: it is the only thing that plans change there.

use muster_api::resource::{CRDS, Resource, WORKS};
use muster_engine::Failure;
use muster_engine::event::StepOutcome;
use muster_kit::client::{CallError, Served, ServedKind};
use serde_json::json;

use super::{Actor, failed, written};
use crate::MANAGER;

impl Actor {
    /// Sets the finalizers of a Work, if it is the one of this UID and as it was seen.
    pub(super) async fn finalize(
        &self,
        name: &str,
        uid: &str,
        version: &str,
        finalizers: &[String],
    ) -> StepOutcome {
        let Some(open) = self.opened.borrow().clone() else {
            let why = "there is no session with the directory";
            return StepOutcome::Failed(Failure::Unavailable, why.into());
        };
        let metadata = json!({"uid": uid, "resourceVersion": version, "finalizers": finalizers});
        let body = json!({"metadata": metadata}).to_string().into_bytes();
        let namespace = Some(open.execution_namespace.as_str());
        match open.client.merge_patch(&WORKS, namespace, name, None, MANAGER, body).await {
            Err(error) if error.proves_absence() => StepOutcome::Missing,
            patched => written(patched, |object| {
                tracing::info!(name, uid = object.meta.uid, ?finalizers, "finalizers set");
            }),
        }
    }

    /// Writes the status of a Work, if it is as it was seen: what is said of one state is not said of another.
    pub(super) async fn report(&self, name: &str, version: &str, status: &str) -> StepOutcome {
        let Some(open) = self.opened.borrow().clone() else {
            let why = "there is no session with the directory";
            return StepOutcome::Failed(Failure::Unavailable, why.into());
        };
        let body =
            format!(r#"{{"metadata":{{"resourceVersion":"{version}"}},"status":{status}}}"#).into_bytes();
        let namespace = Some(open.execution_namespace.as_str());
        match open.client.merge_patch(&WORKS, namespace, name, Some("status"), MANAGER, body).await {
            Err(error) if error.proves_absence() => StepOutcome::Missing,
            patched => written(patched, |_| tracing::debug!(name, "status written")),
        }
    }

    /// Asks the replica which kinds of a version of an API group it serves.
    pub(super) async fn discover(&self, group: &str, version: &str) -> StepOutcome {
        match self.replica.kinds(group, version).await {
            Ok(kinds) => {
                let can = |kind: &ServedKind| kind.can("get") && kind.can("patch");
                let kinds = kinds.into_iter().filter(can).map(|kind| kind.resource);
                StepOutcome::Served(Some(kinds.collect()))
            }
            Err(CallError::NotFound { .. }) => StepOutcome::Served(None),
            Err(error) => failed(&error),
        }
    }

    /// Whether the replica serves a resource in any version, or has a definition of it. A server that just began may not
    /// serve yet what is defined, and one that is down hides what it keeps.
    pub(super) async fn seek(&self, resource: &Resource) -> StepOutcome {
        let defined = match self.replica.get(&CRDS, None, &resource.full_name()).await {
            Ok(_) => true,
            Err(error) if error.proves_absence() => false,
            Err(error) => return failed(&error),
        };
        match self.replica.resources().await {
            Ok(Served { resources, complete }) => {
                let alike =
                    |other: &Resource| (&other.group, &other.plural) == (&resource.group, &resource.plural);
                let served: Vec<_> = resources.into_iter().filter(alike).collect();
                if served.is_empty() && !complete && !defined {
                    let why = "an aggregated API server is down, so that not all kinds are known";
                    return StepOutcome::Failed(Failure::NotServed, why.into());
                }
                StepOutcome::Served((defined || !served.is_empty()).then_some(served))
            }
            Err(error) => failed(&error),
        }
    }
}
