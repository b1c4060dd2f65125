//! Sessions for tests of what uses them.

use std::collections::BTreeSet;
use std::sync::Arc;

use muster_engine::pin::Pin;
use muster_kit::client::Client;
use muster_kit::watch;

use super::{Gate, Joined, Lifespan, Open};

/// A session of the cluster `east` with whatever this client leads to.
pub(crate) fn open(client: Client) -> Open {
    let gate = || -> Arc<dyn Gate> { Arc::new(watch::Open) };
    let pin = Pin { directory: "directory".into(), cluster: "east".into(), ..Pin::default() };
    let joined = Joined {
        pin,
        replica: "replica".into(),
        nonce: "nonce".into(),
        departed: None,
        holds: Vec::new(),
        set_back: None,
    };
    Open {
        beats: client.clone(),
        client,
        gates: [gate(), gate()],
        joined,
        execution_namespace: "muster-cluster-east".into(),
        user: "user".into(),
        server: "server".into(),
        renewed: None,
        rights: BTreeSet::new(),
        life: Lifespan::default(),
    }
}
