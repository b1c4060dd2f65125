//! Objects that policies ask for. Each call about what they grant, reads included, is made as the account that applies
//! policies: what it may not do is not done.

use muster_api::marks::{MADE_FOR, PART_OF};
use muster_engine::event::StepOutcome;
use muster_engine::plan::Cause;
use muster_engine::{Failure, Target};
use muster_kit::client::CallError;
use serde_json::json;

use super::{Actor, By, failed, manager, of, written};

impl Actor {
    pub(super) async fn apply(
        &self,
        by: By<'_>,
        target: &Target,
        body: String,
        (cause, force): (Cause, bool),
    ) -> StepOutcome {
        let Target { resource, namespace, name } = target;
        let namespace = namespace.as_deref();
        let client = self.client(by, resource);
        let applied =
            client.apply(resource, namespace, name, manager(by.source), force, body.into_bytes()).await;
        self.account("patch", &applied);
        if let (Err(CallError::NotFound { named: false, message, .. }), Some(namespace)) =
            (&applied, namespace)
            && message.contains(&format!("namespaces \"{namespace}\" not found"))
        {
            return StepOutcome::Failed(Failure::Absent, message.clone());
        }
        let Err(CallError::Conflict { .. } | CallError::AlreadyExists { .. }) = &applied else {
            return written(applied, |object| {
                let uid = &object.meta.uid;
                tracing::info!(%resource, namespace, name, uid, ?cause, of = of(object), "applied");
            });
        };
        match self.look(by, target).await {
            StepOutcome::Missing => {
                let why = format!(
                    "{resource} {name}: it is not as it was, and was not there when it was looked for"
                );
                StepOutcome::Failed(Failure::Conflict, why)
            }
            outcome => outcome,
        }
    }

    /// Reads an object, live.
    pub(super) async fn look(&self, by: By<'_>, target: &Target) -> StepOutcome {
        let Target { resource, namespace, name } = target;
        let client = self.client(by, resource);
        match client.get(resource, namespace.as_deref(), name).await {
            Ok(object) => StepOutcome::Present(object),
            Err(error) if error.proves_absence() => StepOutcome::Missing,
            Err(error) => failed(&error),
        }
    }

    /// Asks whether the server would take an object as a new one, and reads what is there. It judges an object before it
    /// finds that there is one of its name.
    pub(super) async fn rehearse(&self, by: By<'_>, target: &Target, body: String) -> StepOutcome {
        let Target { resource, namespace, .. } = target;
        let client = self.client(by, resource);
        let namespace = namespace.as_deref();
        match client.create_dry_run(resource, namespace, manager(by.source), body.into_bytes()).await {
            Ok(_) => StepOutcome::Missing,
            Err(CallError::AlreadyExists { .. }) => self.look(by, target).await,
            Err(error) => failed(&error),
        }
    }

    /// Takes label and mark off. An object that is gone bears neither.
    pub(super) async fn unmark(&self, by: By<'_>, target: &Target, uid: &str) -> StepOutcome {
        let Target { resource, namespace, name } = target;
        let namespace = namespace.as_deref();
        let client = self.client(by, resource);
        let body =
            json!({"metadata": {"uid": uid, "labels": {PART_OF: null}, "annotations": {MADE_FOR: null}}});
        let body = body.to_string().into_bytes();
        let patched = client.merge_patch(resource, namespace, name, None, manager(by.source), body).await;
        self.account("patch", &patched);
        match patched {
            Ok(_) => {
                tracing::info!(%resource, namespace, name, uid, "let go");
                StepOutcome::Unmarked
            }
            Err(error) if error.proves_absence() => StepOutcome::Unmarked,
            Err(error) => failed(&error),
        }
    }
}
