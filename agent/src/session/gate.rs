//! Keeps the answers of another server out: behind an address another cluster may appear, and its empty list would
//! look like the directory's. So the directory is asked who it is whenever a watch or a listing begins. For a heartbeat
//! it is asked once for each connection: behind a proxy that speaks HTTP itself another cluster could appear on a
//! connection that stays, and there would be no Lease of this cluster in it.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use muster_api::names::IDENTITY_NAMESPACE;
use muster_api::resource::NAMESPACES;
use muster_kit::client::{Attempt, CallError, Client};
use muster_kit::watch::Gate;
use tokio::sync::mpsc;

/// How often a directory is asked who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// For each answer that is to be admitted.
    Always,
    /// Once for each connection.
    EachConnection,
}

/// Admits the answers of one directory.
pub(super) struct IdentityGate {
    directory: String,
    asks: Asks,
    /// The number of the connection that was asked last.
    verified: AtomicU64,
    doubt: mpsc::Sender<()>,
}

impl IdentityGate {
    /// A gate for the directory of this identity (UID of `kube-system`). `doubt` is told when another one answers.
    #[must_use]
    pub(super) fn new(directory: &str, asks: Asks, doubt: mpsc::Sender<()>) -> Self {
        Self { directory: directory.to_owned(), asks, verified: AtomicU64::new(0), doubt }
    }

    async fn verify(&self, client: &Client) -> Result<(), CallError> {
        let connections = client.connections_opened();
        if self.asks == Asks::EachConnection && self.verified.load(Ordering::Relaxed) == connections {
            return Ok(());
        }
        let found = client.get(&NAMESPACES, None, IDENTITY_NAMESPACE).await?;
        if found.meta.uid != self.directory {
            // Full: the session knows already.
            let _ = self.doubt.try_send(());
            let attempt = Attempt { verb: "trust", resource: "the directory".into(), name: None };
            let reason = format!("another cluster answers: its kube-system has UID {}", found.meta.uid);
            return Err(CallError::Refused { attempt: Box::new(attempt), reason });
        }
        // A connection that came up meanwhile was not asked: it will be, by the next answer.
        self.verified.store(connections, Ordering::Relaxed);
        if client.connections_opened() == connections {
            return Ok(());
        }
        let attempt = Attempt { verb: "trust", resource: "the directory".into(), name: None };
        let reason = "the connection changed while it was asked who it leads to".into();
        Err(CallError::Refused { attempt: Box::new(attempt), reason })
    }
}

impl Gate for IdentityGate {
    fn admit<'a>(&'a self, client: &'a Client) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(self.verify(client))
    }
}
