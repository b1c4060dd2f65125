//! A place where the report lies: it knows what is there, and writes only what differs.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use muster_api::Object;
use muster_api::names::AGENT;
use muster_api::report::{ClusterReport, ClusterReportStatus};
use muster_api::resource::REPORTS;
use muster_kit::client::{CallError, Client};
use muster_kit::watch::Gate;
use serde_json::json;

use crate::MANAGER;
use crate::replica::Replica;
use crate::session::Open;

/// Time for one call.
const DEADLINE: Duration = Duration::from_secs(10);

/// One `ClusterReport`.
pub(crate) struct Place {
    client: Client,
    gate: Option<Arc<dyn Gate>>,
    namespace: String,
    name: String,
    /// Whether the agent makes it where it is missing. The directory's is made by whoever enrols the cluster.
    makes: bool,
    known: Option<Known>,
    failure: Option<&'static str>,
}

struct Known {
    uid: String,
    resource_version: String,
    status: ClusterReportStatus,
}

impl Place {
    /// The copy in the agent's own namespace.
    #[must_use]
    pub(crate) fn own(replica: &Replica) -> Self {
        Self {
            client: replica.client.with_deadline(DEADLINE),
            gate: None,
            namespace: replica.namespace.clone(),
            name: AGENT.to_owned(),
            makes: true,
            known: None,
            failure: None,
        }
    }

    /// The report in the execution namespace.
    #[must_use]
    pub(crate) fn upstream(open: &Open) -> Self {
        Self {
            client: open.beats.with_deadline(DEADLINE),
            gate: Some(Arc::clone(&open.gates[1])),
            namespace: open.execution_namespace.clone(),
            name: open.joined.pin.cluster.clone(),
            makes: false,
            known: None,
            failure: None,
        }
    }

    /// Whether this is the place of a session.
    #[must_use]
    pub(crate) fn is_of(&self, open: &Open) -> bool {
        self.gate.as_ref().is_some_and(|gate| Arc::ptr_eq(gate, &open.gates[1]))
    }

    /// What Events are about.
    #[must_use]
    pub(crate) fn reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some(REPORTS.api_version()),
            kind: Some(REPORTS.kind.to_string()),
            namespace: Some(self.namespace.clone()),
            name: Some(self.name.clone()),
            uid: self.known.as_ref().map(|known| known.uid.clone()),
            ..ObjectReference::default()
        }
    }

    /// What the report says now; `None` where there is none, or it cannot be read.
    pub(crate) async fn read(&mut self) -> Option<ClusterReportStatus> {
        match self.client.get(&REPORTS, Some(&self.namespace), &self.name).await {
            Ok(object) => Some(self.known.insert(Known::of(&object)).status.clone()),
            Err(error) if error.proves_absence() => None,
            Err(error) => {
                self.note(&error);
                None
            }
        }
    }

    /// Makes the report say this, if there is one. Returns whether it does, or there is none.
    pub(crate) async fn keep_right(&mut self, status: &ClusterReportStatus) -> bool {
        self.known.is_none() || self.write(status).await
    }

    /// Makes the report say this. Returns whether it does.
    pub(crate) async fn write(&mut self, status: &ClusterReportStatus) -> bool {
        for _ in 0..2 {
            match self.put(status).await {
                Ok(()) => {
                    self.failure = None;
                    return true;
                }
                Err(error) => {
                    self.known = None;
                    // Somebody else wrote: once more, on what is there now.
                    if !matches!(error, CallError::Conflict { .. }) {
                        self.note(&error);
                        return false;
                    }
                }
            }
        }
        false
    }

    async fn put(&mut self, status: &ClusterReportStatus) -> Result<(), CallError> {
        if let Some(gate) = &self.gate {
            gate.admit(&self.client).await?;
        }
        let known = self.know().await?;
        if known.status == *status {
            return Ok(());
        }
        let resource_version = known.resource_version.clone();
        let body = json!({
            "apiVersion": REPORTS.api_version(),
            "kind": REPORTS.kind,
            "metadata": {"name": self.name, "namespace": self.namespace, "resourceVersion": resource_version},
            "status": status,
        });
        let (namespace, body) = (Some(self.namespace.as_str()), body.to_string().into_bytes());
        let written = self.client.replace_status(&REPORTS, namespace, &self.name, MANAGER, body).await?;
        self.known = Some(Known::of(&written));
        Ok(())
    }

    async fn know(&mut self) -> Result<&mut Known, CallError> {
        let known = match self.known.take() {
            Some(known) => known,
            None => Known::of(&self.fetch().await?),
        };
        Ok(self.known.insert(known))
    }

    async fn fetch(&self) -> Result<Object, CallError> {
        let namespace = Some(self.namespace.as_str());
        match self.client.get(&REPORTS, namespace, &self.name).await {
            Err(error) if self.makes && error.proves_absence() => {
                let body = json!({
                    "apiVersion": REPORTS.api_version(),
                    "kind": REPORTS.kind,
                    "metadata": {"name": self.name, "namespace": self.namespace},
                });
                self.client.create(&REPORTS, namespace, MANAGER, body.to_string().into_bytes()).await
            }
            outcome => outcome,
        }
    }

    /// One line when a failure begins or changes its kind, none while it lasts.
    fn note(&mut self, error: &CallError) {
        if self.failure.replace(error.category()) != Some(error.category()) {
            tracing::warn!(%error, namespace = self.namespace, "report not written");
        }
    }
}

impl Known {
    /// What is there. A status that is none is written anew.
    fn of(object: &Object) -> Self {
        let report: ClusterReport = serde_json::from_str(object.raw.get()).unwrap_or_default();
        Self {
            uid: object.meta.uid.clone(),
            resource_version: object.meta.resource_version.clone(),
            status: report.status,
        }
    }
}
