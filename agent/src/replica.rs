//! The replica: the cluster that the agent serves, and how it is reached.

use std::sync::Arc;
use std::time::Duration;

use muster_api::cluster::Mode;
use muster_api::names::{APPLIERS_NAMESPACE, IDENTITY_NAMESPACE, POLICIES_APPLIER};
use muster_api::resource::NAMESPACES;
use muster_engine::time::backoff;
use muster_kit::client::{Account, AccountError, CallError, Client, ClientError, ClientOptions};
use muster_kit::leader::{Claim, Leading};
use tokio::sync::watch;

use crate::client_options;
use crate::metrics::{Metrics, REPLICA};
use crate::settings::Settings;
use muster_kit::settings::{ClusterError, ClusterSource};

/// Time for a question that only adds to the report.
const ASIDE: Duration = Duration::from_secs(5);

/// The replica, met.
#[derive(Clone)]
pub struct Replica {
    /// Its client.
    pub client: Client,
    /// The same, as the account that applies what policies ask for.
    pub applier: Client,
    /// The agent's own namespace.
    pub namespace: String,
    /// UID of that namespace: what sets this install apart from another one in the same cluster.
    pub install: String,
    /// UID of its `kube-system`.
    pub id: String,
    /// Version of its API server.
    pub version: Option<String>,
    /// Whether the agent runs in it.
    pub mode: Mode,
}

impl Replica {
    /// The same replica for whoever acts: nothing is written to it but under this claim.
    #[must_use]
    pub fn under(&self, claim: &watch::Receiver<Claim>) -> Self {
        let under = |client: &Client| client.fenced(Arc::new(Leading(claim.clone())));
        Self { client: under(&self.client), applier: under(&self.applier), ..self.clone() }
    }
}

/// Why there is no client of the replica.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// There is no usable credential.
    #[error("unable to reach the replica: {0}")]
    Cluster(#[from] ClusterError),
    /// There is no client for it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The account that applies what policies ask for has no legal name.
    #[error(transparent)]
    Account(#[from] AccountError),
}

/// Clients of the replica, over one connection.
#[derive(Clone)]
pub struct Clients {
    /// As the agent itself.
    pub own: Client,
    /// As the account that applies what policies ask for. With it no request is made as the agent, reads included.
    pub applier: Client,
}

/// Clients of the replica. The kubeconfig of the replica is held to the same rules as the directory's.
///
/// # Errors
/// Where the settings lead to no usable credential.
pub fn clients(settings: &Settings, metrics: &Metrics) -> Result<Clients, ReplicaError> {
    let endpoint = settings.common.cluster.endpoint()?;
    let options = ClientOptions { observer: Some(metrics.observer(REPLICA)), ..client_options() };
    let own = Client::new(&endpoint, options)?;
    let applier = own.acting_as(&Account::service_account(APPLIERS_NAMESPACE, POLICIES_APPLIER)?);
    Ok(Clients { own, applier })
}

/// Meets the replica: waits until it answers who it is.
pub async fn meet(settings: &Settings, clients: Clients) -> Replica {
    let mut failures = 0;
    loop {
        match identify(settings, &clients).await {
            Ok(replica) => return replica,
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    tracing::warn!(%error, "the replica does not answer; trying again");
                }
                let (first, longest) = (Duration::from_millis(500), Duration::from_secs(8));
                tokio::time::sleep(backoff(failures, first, longest, muster_kit::random::salt())).await;
            }
        }
    }
}

/// Asks who it is.
///
/// # Errors
/// Where it does not answer.
pub async fn identify(settings: &Settings, clients: &Clients) -> Result<Replica, CallError> {
    let Clients { own: client, applier } = clients;
    let id = client.get(&NAMESPACES, None, IDENTITY_NAMESPACE).await?.meta.uid;
    let install = client.get(&NAMESPACES, None, &settings.namespace).await?.meta.uid;
    let version = tokio::time::timeout(ASIDE, client.kube().apiserver_version()).await;
    Ok(Replica {
        client: client.clone(),
        applier: applier.clone(),
        namespace: settings.namespace.clone(),
        install,
        id,
        version: version.ok().and_then(Result::ok).map(|version| version.git_version),
        mode: match settings.common.cluster {
            ClusterSource::InCluster => Mode::Pull,
            ClusterSource::File(_) => Mode::Hosted,
        },
    })
}
