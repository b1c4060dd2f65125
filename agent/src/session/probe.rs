//! What a credential leads to and may do: asked before it is used.

use std::collections::BTreeSet;

use futures::future::join_all;
use muster_api::Object;
use muster_api::names::{IDENTITY_NAMESPACE, execution_namespace};
use muster_api::resource::{
    CLUSTERS, CRDS, LEASES, NAMESPACES, POLICIES, REPORTS, Resource, SELF_SUBJECT_ACCESS_REVIEWS,
    SELF_SUBJECT_REVIEWS, WORKS,
};
use muster_engine::pin::{Found, Landmarks, Reading};
use muster_kit::client::{CallError, Client};
use serde::Deserialize;
use serde_json::json;

use super::credential;

/// Longest name of a user that is taken for one: what the report has room for.
const LONGEST_USER: usize = 1024;

/// What was found.
#[derive(Debug)]
pub struct Facts {
    /// The user that the directory takes the credential for.
    pub user: String,
    /// Name of the replica's entry.
    pub cluster: String,
    /// By what the directory is known.
    pub landmarks: Landmarks,
    /// Name of the execution namespace.
    pub execution_namespace: String,
}

/// A right that the agent uses in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Read one entry.
    GetEntries,
    /// List entries.
    ListEntries,
    /// Watch entries.
    WatchEntries,
    /// Read one policy: without this no policy is known to be gone.
    GetPolicies,
    /// List policies.
    ListPolicies,
    /// Watch policies.
    WatchPolicies,
    /// Renew the heartbeat.
    RenewLease,
    /// Write the report.
    WriteReport,
    /// Read one Work: without this none is known to be gone.
    GetWorks,
    /// List the Works of its execution namespace.
    ListWorks,
    /// Watch them.
    WatchWorks,
    /// Set its finalizer on them.
    FinalizeWorks,
    /// Write their status.
    WriteWorkStatus,
}

/// Without these there is no mirror.
pub const NEEDED: [Right; 3] = [Right::GetEntries, Right::ListEntries, Right::WatchEntries];
const ALL: [Right; 13] = [
    Right::GetEntries,
    Right::ListEntries,
    Right::WatchEntries,
    Right::GetPolicies,
    Right::ListPolicies,
    Right::WatchPolicies,
    Right::RenewLease,
    Right::WriteReport,
    Right::GetWorks,
    Right::ListWorks,
    Right::WatchWorks,
    Right::FinalizeWorks,
    Right::WriteWorkStatus,
];

impl Right {
    /// The right, as people grant it.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::GetEntries => "get clusters.multicluster.coreos.com",
            Self::ListEntries => "list clusters.multicluster.coreos.com",
            Self::WatchEntries => "watch clusters.multicluster.coreos.com",
            Self::GetPolicies => "get clusterpolicies.multicluster.coreos.com",
            Self::ListPolicies => "list clusterpolicies.multicluster.coreos.com",
            Self::WatchPolicies => "watch clusterpolicies.multicluster.coreos.com",
            Self::GetWorks => "get works.multicluster.x-k8s.io in its execution namespace",
            Self::ListWorks => "list works.multicluster.x-k8s.io in its execution namespace",
            Self::WatchWorks => "watch works.multicluster.x-k8s.io in its execution namespace",
            Self::FinalizeWorks => "patch works.multicluster.x-k8s.io in its execution namespace",
            Self::WriteWorkStatus => {
                "patch the status of works.multicluster.x-k8s.io in its execution namespace"
            }
            Self::RenewLease => "update the lease of its execution namespace",
            Self::WriteReport => "update the status of the report in its execution namespace",
        }
    }
}

/// Where a right is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// In the whole directory.
    Cluster,
    /// In the execution namespace.
    Own,
    /// On the object in it that bears the cluster's name.
    OwnName,
}

/// Why a probe came to no end.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The directory did not answer a question.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The answer to a review is none.
    #[error("unable to learn who the credential is: the answer is malformed")]
    Malformed,
    /// Nothing says what this cluster is called.
    #[error(
        "unable to tell this cluster's name: the credential is not a ServiceAccount's; set --cluster-name, or key \
         clusterName of the Secret"
    )]
    NoName,
}

/// Asks the directory. `name`: this cluster's name, where it is set; else it is that of the credential's account.
///
/// # Errors
/// Where a question that every session needs answered was not.
pub async fn probe(client: &Client, name: Option<&str>) -> Result<Facts, ProbeError> {
    let user = who_am_i(client).await?;
    let cluster = match name {
        Some(name) => name.to_owned(),
        None => credential::account(&user).map(|account| account.1.to_owned()).ok_or(ProbeError::NoName)?,
    };
    let (directory, clusters_crd, policies_crd, works_crd, entry) = futures::join!(
        async { client.get(&NAMESPACES, None, IDENTITY_NAMESPACE).await },
        definition(client, CLUSTERS),
        definition(client, POLICIES),
        definition(client, WORKS),
        async { client.get(&CLUSTERS, None, &cluster).await },
    );
    let directory = landmark(directory, true)?;
    let clusters_crd = landmark(clusters_crd, true)?;
    // A credential that may read entries alone is a lesser one, and no policy is applied with it.
    let policies_crd = landmark(policies_crd, false)?;
    let works_crd = landmark(works_crd, false)?;
    let execution_namespace = published(entry.ok().as_ref()).unwrap_or_else(|| execution_namespace(&cluster));
    let namespace = landmark(client.get(&NAMESPACES, None, &execution_namespace).await, false)?;
    let execution = Some(namespace);
    let landmarks =
        Landmarks { directory, clusters_crd, policies_crd, works_crd, execution_namespace: execution };
    Ok(Facts { user, cluster, landmarks, execution_namespace })
}

/// Reads the landmarks alone, for evidence.
pub async fn landmarks(client: &Client, execution_namespace: Option<&str>) -> Landmarks {
    let (directory, clusters_crd, policies_crd, works_crd) = futures::join!(
        async { client.get(&NAMESPACES, None, IDENTITY_NAMESPACE).await },
        definition(client, CLUSTERS),
        definition(client, POLICIES),
        definition(client, WORKS),
    );
    let namespace = match execution_namespace {
        Some(name) => Some(reading(client.get(&NAMESPACES, None, name).await).map(found)),
        None => None,
    };
    Landmarks {
        directory: reading(directory).map(found),
        clusters_crd: reading(clusters_crd).map(found),
        policies_crd: reading(policies_crd).map(found),
        works_crd: reading(works_crd).map(found),
        execution_namespace: namespace,
    }
}

async fn definition(client: &Client, resource: Resource) -> Result<Object, CallError> {
    client.get(&CRDS, None, &resource.full_name()).await
}

/// What a live read of one object says. Only an answer that names the object proves that it is absent.
#[must_use]
pub fn reading(result: Result<Object, CallError>) -> Reading<Box<Object>> {
    match result {
        Ok(object) => Reading::Found(Box::new(object)),
        Err(error) if error.proves_absence() => Reading::Absent,
        Err(error) => Reading::Unreadable(error.to_string()),
    }
}

#[allow(clippy::needless_pass_by_value)] // it is what `Reading::map` hands over
fn found(object: Box<Object>) -> Found {
    Found { uid: object.meta.uid.clone(), deleting: object.meta.deletion_timestamp.is_some() }
}

/// A landmark without which there is no session is an error where it cannot be read; another one may be forbidden.
fn landmark(result: Result<Object, CallError>, needed: bool) -> Result<Reading, CallError> {
    match result {
        Err(error)
            if !error.proves_absence() && (needed || !matches!(error, CallError::Forbidden { .. })) =>
        {
            Err(error)
        }
        result => Ok(reading(result).map(found)),
    }
}

/// The execution namespace that the directory publishes in the entry's status.
fn published(entry: Option<&Object>) -> Option<String> {
    #[derive(Deserialize)]
    struct Frame {
        status: Option<Status>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        execution_namespace: Option<String>,
    }
    let frame: Frame = serde_json::from_str(entry?.raw.get()).ok()?;
    frame.status?.execution_namespace.filter(|namespace| !namespace.is_empty())
}

async fn who_am_i(client: &Client) -> Result<String, ProbeError> {
    #[derive(Deserialize)]
    struct Frame {
        status: Status,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        user_info: UserInfo,
    }
    #[derive(Deserialize)]
    struct UserInfo {
        username: String,
    }
    let question = review(&SELF_SUBJECT_REVIEWS, None);
    let answer = client.review(&SELF_SUBJECT_REVIEWS, question).await?;
    let frame: Frame = serde_json::from_str(answer.get()).map_err(|_| ProbeError::Malformed)?;
    let user = frame.status.user_info.username;
    if user.len() > LONGEST_USER { Err(ProbeError::Malformed) } else { Ok(user) }
}

/// What the credential may do. To be asked of a directory that is known to be the right one.
///
/// # Errors
/// Where a question was not answered.
pub async fn rights(client: &Client, facts: &Facts) -> Result<BTreeSet<Right>, ProbeError> {
    let Facts { cluster, execution_namespace: namespace, .. } = facts;
    let asked = join_all(ALL.map(async |right| {
        let (verb, resource, subresource, scope) = match right {
            Right::GetEntries => ("get", &CLUSTERS, "", Scope::Cluster),
            Right::ListEntries => ("list", &CLUSTERS, "", Scope::Cluster),
            Right::WatchEntries => ("watch", &CLUSTERS, "", Scope::Cluster),
            Right::GetPolicies => ("get", &POLICIES, "", Scope::Cluster),
            Right::ListPolicies => ("list", &POLICIES, "", Scope::Cluster),
            Right::WatchPolicies => ("watch", &POLICIES, "", Scope::Cluster),
            Right::GetWorks => ("get", &WORKS, "", Scope::Own),
            Right::ListWorks => ("list", &WORKS, "", Scope::Own),
            Right::WatchWorks => ("watch", &WORKS, "", Scope::Own),
            Right::FinalizeWorks => ("patch", &WORKS, "", Scope::Own),
            Right::WriteWorkStatus => ("patch", &WORKS, "status", Scope::Own),
            Right::RenewLease => ("update", &LEASES, "", Scope::OwnName),
            Right::WriteReport => ("update", &REPORTS, "status", Scope::OwnName),
        };
        let attributes = json!({
            "verb": verb, "group": resource.group, "version": resource.version, "resource": resource.plural,
            "subresource": subresource,
            "name": if scope == Scope::OwnName { cluster } else { "" },
            "namespace": if scope == Scope::Cluster { "" } else { namespace },
        });
        Ok::<_, ProbeError>(allowed(client, &attributes).await?.then_some(right))
    }))
    .await;
    asked.into_iter().filter_map(Result::transpose).collect()
}

async fn allowed(client: &Client, attributes: &serde_json::Value) -> Result<bool, ProbeError> {
    #[derive(Deserialize)]
    struct Frame {
        status: Status,
    }
    #[derive(Deserialize)]
    struct Status {
        allowed: bool,
    }
    let question = review(&SELF_SUBJECT_ACCESS_REVIEWS, Some(json!({"resourceAttributes": attributes})));
    let answer = client.review(&SELF_SUBJECT_ACCESS_REVIEWS, question).await?;
    let frame: Frame = serde_json::from_str(answer.get()).map_err(|_| ProbeError::Malformed)?;
    Ok(frame.status.allowed)
}

fn review(resource: &Resource, spec: Option<serde_json::Value>) -> Vec<u8> {
    let mut review = json!({"apiVersion": resource.api_version(), "kind": resource.kind});
    if let Some(spec) = spec {
        review["spec"] = spec;
    }
    review.to_string().into_bytes()
}
