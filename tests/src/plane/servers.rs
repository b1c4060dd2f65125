//! The server processes of one control plane.

use crate::keeper::{KeeperError, Server};

/// The servers that run. The order is that of dropping.
#[derive(Default)]
pub(super) struct Running {
    pub(super) controllers: Option<Server>,
    pub(super) apiserver: Option<Server>,
    pub(super) etcd: Option<Server>,
}

/// Process ids of the servers that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pids {
    /// etcd.
    pub etcd: Option<u32>,
    /// kube-apiserver.
    pub apiserver: Option<u32>,
    /// kube-controller-manager.
    pub controllers: Option<u32>,
}

impl Pids {
    /// Those there are.
    #[must_use]
    pub fn all(&self) -> Vec<u32> {
        [self.etcd, self.apiserver, self.controllers].into_iter().flatten().collect()
    }
}

impl Running {
    /// A server that has ended by itself is one to start.
    pub(super) fn forget_ended(&mut self) -> Result<(), KeeperError> {
        for server in [&mut self.etcd, &mut self.apiserver, &mut self.controllers] {
            if server.as_mut().map(Server::ended).transpose()?.flatten().is_some() {
                *server = None;
            }
        }
        Ok(())
    }

    pub(super) fn named(&mut self) -> Vec<(&'static str, &mut Server)> {
        // etcd before the API server: when both ended, etcd is the reason
        let servers = [
            ("etcd", &mut self.etcd),
            ("kube-apiserver", &mut self.apiserver),
            ("kube-controller-manager", &mut self.controllers),
        ];
        servers.into_iter().filter_map(|(name, server)| Some((name, server.as_mut()?))).collect()
    }
}
