//! The agent outside the replica: the kubeconfig of the replica is a file, such as a mounted Secret, and is followed. A new
//! one is tried before it is used, and the one in use goes on until then.

use std::time::Duration;

use muster_engine::time::backoff;

use crate::files::{LOOK, Stamp, stamp};
use crate::metrics::Metrics;
use crate::replica::{self, Clients, Replica};
use crate::settings::Settings;
use muster_kit::settings::ClusterSource;

/// First and longest wait before a new kubeconfig is tried again whose server did not answer.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Follows the file.
pub struct Follower<'a> {
    settings: &'a Settings,
    metrics: &'a Metrics,
    /// The file when it was last read; an unreadable one has none.
    seen: Option<Stamp>,
}

/// The file as it is at a moment. In the replica itself there is none.
pub struct Look(Option<Stamp>);

// === impl Look ===

impl Look {
    /// Takes a look.
    #[must_use]
    pub fn at(replica: &ClusterSource) -> Self {
        Self(match replica {
            ClusterSource::InCluster => None,
            ClusterSource::File(path) => stamp(path).ok(),
        })
    }
}

// === impl Follower ===

impl<'a> Follower<'a> {
    /// Follows it from a look on that was taken before it was read.
    #[must_use]
    pub fn new(settings: &'a Settings, metrics: &'a Metrics, seen: Look) -> Self {
        Self { settings, metrics, seen: seen.0 }
    }

    /// Waits until the file is another one. In the replica itself there is none, and this never ends.
    async fn changed(&mut self) {
        loop {
            let Look(stamp) = Look::at(&self.settings.common.cluster);
            if stamp.is_some() && stamp != self.seen {
                self.seen = stamp;
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits for another kubeconfig, and gives clients of it. One that is refused is told of, and changes nothing.
    pub async fn clients(&mut self) -> Clients {
        loop {
            self.changed().await;
            match replica::clients(self.settings, self.metrics) {
                Ok(clients) => return clients,
                Err(error) => {
                    tracing::warn!(%error, "new kubeconfig of the replica refused; the one in use goes on");
                }
            }
        }
    }

    /// Waits for another kubeconfig that leads to the same cluster.
    pub async fn replica(&mut self, before: &Replica) -> Replica {
        let mut clients = self.clients().await;
        let mut failures = 0;
        loop {
            let (first, longest) = AGAIN;
            let wait = match replica::identify(self.settings, &clients).await {
                Ok(replica) if (&replica.id, &replica.install) == (&before.id, &before.install) => {
                    tracing::info!("new kubeconfig of the replica in use");
                    return replica;
                }
                Ok(replica) => {
                    tracing::error!(
                        found = replica.id,
                        "new kubeconfig of the replica refused: it leads to another cluster, or to one that was built anew; \
                         restart the agent if that is meant"
                    );
                    None
                }
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(%error, "new kubeconfig of the replica does not work yet; the one in use goes on");
                    }
                    Some(backoff(failures, first, longest, muster_kit::random::salt()))
                }
            };
            let waiting = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = waiting => {}
                newer = self.clients() => (clients, failures) = (newer, 0),
            }
        }
    }
}
