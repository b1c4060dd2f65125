//! Live reads of the directory, for evidence.

use futures::StreamExt as _;
use muster_api::Resource;
use muster_api::resource::{CLUSTERS, POLICIES, WORKS};
use muster_engine::Failure;
use muster_engine::event::StepOutcome;
use muster_engine::evidence::{Examination, Findings};
use muster_kit::client::Client;

use crate::session::Open;
use crate::session::probe::{landmarks, reading};

/// Objects read at once: each may be large.
const READS: usize = 8;

/// Carries out an examination, over one connection from its beginning to its end.
pub(super) async fn examine(open: &Open, examination: Examination) -> StepOutcome {
    let Examination { pin, entries, policies, works } = examination;
    let client = &open.client;
    let connections = client.connections_opened();
    let around = async || {
        let namespace = pin.execution_namespace.is_some().then_some(open.execution_namespace.as_str());
        // The landmarks last: whatever took the entry away shows in them.
        let own_entry = reading(client.get(&CLUSTERS, None, &pin.cluster).await);
        let landmarks = landmarks(client, namespace).await;
        Findings { landmarks, own_entry, entries: Vec::new(), policies: Vec::new(), works: Vec::new() }
    };
    let before = around().await;
    if before.standing(&pin).is_err() {
        return StepOutcome::Found(before);
    }
    let entries = by_name(client, &CLUSTERS, None, entries).await;
    let policies = by_name(client, &POLICIES, None, policies).await;
    let works = by_name(client, &WORKS, Some(&open.execution_namespace), works).await;
    let findings = Findings { entries, policies, works, ..around().await };
    if client.connections_opened() != connections {
        // The reads may have come from two servers.
        let why = "the connection to the directory changed while it was read";
        return StepOutcome::Failed(Failure::Unavailable, why.into());
    }
    StepOutcome::Found(findings)
}

async fn by_name(
    client: &Client,
    resource: &Resource,
    namespace: Option<&str>,
    names: Vec<String>,
) -> Vec<(String, muster_engine::pin::Reading<Box<muster_api::Object>>)> {
    let reads = names.into_iter().map(async |name| {
        let reading = reading(client.get(resource, namespace, &name).await);
        (name, reading)
    });
    futures::stream::iter(reads).buffered(READS).collect().await
}
