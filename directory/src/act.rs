//! Carries out plans: each is one call, and its outcome an event again.

use muster_api::Object;
use muster_api::marks::{ALLOW_DELETION, ENTRY_FINALIZER, WORK_FINALIZER};
use muster_api::names;
use muster_api::resource::{CLUSTERS, CRDS, NAMESPACES, SECRETS, WORKS};
use muster_kit::Client;
use muster_kit::client::{CallError, ListQuery, Preconditions};
use serde_json::{Value, json};

use crate::MANAGER;
use crate::fleet::part::Part;
use crate::fleet::plan::{Failure, FailureKind, Outcome, Plan, Step, Work};

/// Works of a page.
const PAGE: u32 = 200;

/// Carries out one plan.
pub async fn act(client: &Client, plan: &Plan) -> Outcome {
    if let Some(uid) = &plan.under {
        match definition(client).await {
            Ok(found) if found.as_ref().is_some_and(|found| is_sound(found, uid)) => {}
            Ok(found) => return Outcome::Doubtful(found),
            Err(error) => return failed(&Step::Verify, &error),
        }
    }
    match attempt(client, &plan.cluster, &plan.step).await {
        Ok(outcome) => outcome,
        Err(error) => failed(&plan.step, &error),
    }
}

/// The definition of entries, if there is any.
pub(crate) async fn definition(client: &Client) -> Result<Option<Object>, CallError> {
    match client.get(&CRDS, None, &CLUSTERS.full_name()).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.proves_absence() => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_sound(definition: &Object, uid: &str) -> bool {
    definition.meta.uid == uid && definition.meta.deletion_timestamp.is_none()
}

async fn attempt(client: &Client, cluster: &str, step: &Step) -> Result<Outcome, CallError> {
    match step {
        Step::Finalize { uid, resource_version, finalizers } => {
            if !finalizers.iter().any(|finalizer| finalizer == ENTRY_FINALIZER) {
                retire(client, cluster).await?;
            }
            let metadata = json!({
                "uid": uid, "resourceVersion": resource_version, "finalizers": finalizers,
            });
            let body = bytes(&json!({ "metadata": metadata }));
            client.merge_patch(&CLUSTERS, None, cluster, None, MANAGER, body).await.map(Outcome::Object)
        }
        Step::Status { resource_version, status } => {
            let body = bytes(&json!({
                "apiVersion": CLUSTERS.api_version(), "kind": CLUSTERS.kind,
                "metadata": {"name": cluster, "resourceVersion": resource_version}, "status": status,
            }));
            client.replace_status(&CLUSTERS, None, cluster, MANAGER, body).await.map(Outcome::Object)
        }
        Step::Make { part, body, over } => make(client, cluster, *part, bytes(body), *over).await,
        Step::Remove { part, uid } => {
            let namespace = part.namespace(cluster);
            let same = Preconditions { uid: Some(uid.clone()), resource_version: None };
            client.delete(&part.resource(), namespace.as_deref(), &part.name(cluster), &same).await?;
            Ok(Outcome::Removed)
        }
        Step::Retire => {
            retire(client, cluster).await?;
            Ok(Outcome::Removed)
        }
        Step::Verify => Ok(definition(client).await?.map_or(Outcome::Absent, Outcome::Object)),
        Step::Inspect => {
            let name = names::execution_namespace(cluster);
            client.get(&NAMESPACES, None, &name).await.map(Outcome::Object)
        }
        Step::Look => {
            let namespace = Part::Lease.namespace(cluster);
            let (resource, name) = (Part::Lease.resource(), Part::Lease.name(cluster));
            client.get(&resource, namespace.as_deref(), &name).await.map(Outcome::Object)
        }
        Step::List => list(client, cluster).await.map(Outcome::Works),
        Step::Release(work) => {
            let others: Vec<_> = work.finalizers.iter().filter(|name| *name != WORK_FINALIZER).collect();
            let body = bytes(&json!({
                "metadata": {"resourceVersion": work.resource_version, "finalizers": others},
            }));
            let namespace = names::execution_namespace(cluster);
            let namespace = Some(namespace.as_str());
            let patched = client.merge_patch(&WORKS, namespace, &work.name, None, MANAGER, body).await;
            patched.map(Outcome::Object)
        }
        Step::Allow { uid } => {
            let metadata = json!({"uid": uid, "annotations": {ALLOW_DELETION: "true"}});
            let body = bytes(&json!({ "metadata": metadata }));
            let name = names::execution_namespace(cluster);
            client.merge_patch(&NAMESPACES, None, &name, None, MANAGER, body).await.map(Outcome::Object)
        }
    }
}

/// Deletes the Secret to which a credential to join with is bound, if it is there.
async fn retire(client: &Client, cluster: &str) -> Result<(), CallError> {
    let (namespace, name) = (Some(names::AGENTS_NAMESPACE), names::joining_secret(cluster));
    match client.delete(&SECRETS, namespace, &name, &Preconditions::default()).await {
        Err(error) if !error.proves_absence() => Err(error),
        _ => Ok(()),
    }
}

async fn make(
    client: &Client,
    cluster: &str,
    part: Part,
    body: Vec<u8>,
    over: bool,
) -> Result<Outcome, CallError> {
    let (resource, namespace) = (part.resource(), part.namespace(cluster));
    let namespace = namespace.as_deref();
    let made: Object = if over {
        client.apply(&resource, namespace, &part.name(cluster), MANAGER, true, body).await?
    } else {
        client.create(&resource, namespace, MANAGER, body).await?
    };
    Ok(Outcome::Object(made))
}

async fn list(client: &Client, cluster: &str) -> Result<Vec<Work>, CallError> {
    let namespace = names::execution_namespace(cluster);
    let mut query = ListQuery { limit: Some(PAGE), ..ListQuery::default() };
    let mut works = Vec::new();
    loop {
        let page = client.metadata_page(&WORKS, Some(&namespace), &query).await?;
        works.extend(page.items.into_iter().map(|object| Work {
            name: object.meta.name,
            resource_version: object.meta.resource_version,
            finalizers: object.meta.finalizers,
        }));
        query.continue_token = page.next;
        if query.continue_token.is_none() {
            return Ok(works);
        }
    }
}

fn failed(step: &Step, error: &CallError) -> Outcome {
    let kind = match error {
        CallError::NotFound { .. } if error.proves_absence() && !matches!(step, Step::Make { .. }) => {
            return Outcome::Absent;
        }
        CallError::Conflict { .. } => FailureKind::Outdated,
        CallError::AlreadyExists { .. } => FailureKind::Exists,
        CallError::Forbidden { .. }
        | CallError::Invalid { .. }
        | CallError::TooLarge { .. }
        | CallError::NotFound { .. }
        | CallError::Malformed { .. } => FailureKind::Refused,
        CallError::Unreachable { .. }
        | CallError::Deadline { .. }
        | CallError::Unauthorized { .. }
        | CallError::Gone { .. }
        | CallError::Throttled { .. }
        | CallError::Server { .. }
        | CallError::Fenced { .. }
        | CallError::Refused { .. } => FailureKind::Unavailable,
    };
    Outcome::Failed(Failure { kind, message: error.to_string() })
}

fn bytes(body: &Value) -> Vec<u8> {
    body.to_string().into_bytes()
}
