//! How the cluster is reached that a program works in.

use std::{ffi::OsStr, path::PathBuf};

use super::{SettingsError, Start, Values, is_set, shown};
use crate::endpoint::{Endpoint, EndpointError};
use crate::kubeconfig::{Kubeconfig, KubeconfigError};

/// What Kubernetes sets in every pod.
const IN_CLUSTER: [&str; 2] = ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"];

/// How the cluster is reached that a program works in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterSource {
    /// The program runs in it: by what Kubernetes puts into every pod.
    InCluster,
    /// By a kubeconfig in a file.
    File(PathBuf),
}

/// Why a cluster cannot be reached that way.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The program is not in a pod, or its account is not there.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The kubeconfig cannot be read.
    #[error("unable to read the kubeconfig {path}: {source}")]
    File {
        /// Its path.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The kubeconfig is refused.
    #[error("unable to use the kubeconfig {path}: {source}")]
    Kubeconfig {
        /// Its path.
        path: String,
        /// Why.
        source: KubeconfigError,
    },
}

impl ClusterSource {
    /// The way to the cluster. A kubeconfig is held to the same rules as one from a Secret.
    ///
    /// # Errors
    /// Where there is no usable credential.
    pub fn endpoint(&self) -> Result<Endpoint, ClusterError> {
        let path = match self {
            Self::InCluster => return Ok(Endpoint::in_cluster()?),
            Self::File(path) => path,
        };
        let name = path.display().to_string();
        let bytes =
            std::fs::read(path).map_err(|source| ClusterError::File { path: name.clone(), source })?;
        let kubeconfig = Kubeconfig::parse(&bytes);
        Ok(kubeconfig.map_err(|source| ClusterError::Kubeconfig { path: name, source })?.endpoint())
    }

    /// The one that was set: `--kubeconfig`, else the cluster that the program runs in, else `KUBECONFIG`. `what`: what
    /// the program calls the cluster.
    pub(super) fn check(
        values: &Values,
        start: &Start<'_>,
        what: &'static str,
    ) -> Result<Self, SettingsError> {
        if let Some(origin) = values.get("kubeconfig") {
            return Ok(Self::File(origin.text.into()));
        }
        if IN_CLUSTER.iter().all(|variable| is_set(start.env, variable)) {
            return Ok(Self::InCluster);
        }
        let value = start.env.get(OsStr::new("KUBECONFIG")).filter(|value| !value.is_empty());
        let path = value.ok_or(SettingsError::NoCluster { what })?;
        // kubectl merges the files of a list. What is merged from where is hard to see, so one it must be.
        if std::env::split_paths(path).count() > 1 {
            return Err(SettingsError::Wrong {
                place: "KUBECONFIG".to_owned(),
                text: shown(&path.to_string_lossy()),
                right: "one file; set --kubeconfig to the one that is meant".to_owned(),
            });
        }
        Ok(Self::File(path.into()))
    }
}
