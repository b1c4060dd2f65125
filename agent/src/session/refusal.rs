//! Why an offer is not taken, what people are told of it, and when it is worth another attempt.

use std::fmt::Display;
use std::time::Duration;

use muster_api::conditions::{CredentialsValid, DirectoryReachable};
use muster_engine::pin::Mismatch;
use muster_kit::client::CallError;

use super::probe::{ProbeError, Right};
use crate::failure::told;
use crate::store::StoreError;
use muster_kit::kubeconfig::KubeconfigError;

/// First and longest wait before a directory that did not answer, or was not the recorded one, is asked again. A
/// directory that is back is found within 10 s.
pub(super) const WAIT_FOR_ANSWER: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(6));
/// The same for a directory that refused: only people can change that.
const WAIT_FOR_PEOPLE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Why an offer is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum OfferError {
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    #[error("unable to use the kubeconfig: {0}")]
    Client(#[from] muster_kit::client::ClientError),
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// It does not answer: the address may be the wrong one.
    #[error("{error}; test from this cluster whether {server} is the directory: the kubeconfig says so")]
    Unanswered { error: CallError, server: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "this is not the directory that this cluster joined: {0}; if that is meant, delete ConfigMap \
         muster-agent-state, and this cluster joins it anew"
    )]
    Mismatch(Mismatch),
    #[error("the credential is of cluster {offered}, and this cluster joined as {joined}")]
    OtherCluster { joined: String, offered: String },
    #[error("user {user} lacks the right to {}", right.describe())]
    Right { user: String, right: Right },
}

impl OfferError {
    /// What came of asking this server for the first time.
    pub(super) fn of(error: ProbeError, server: impl Display) -> Self {
        match error {
            ProbeError::Call(error @ (CallError::Unreachable { .. } | CallError::Deadline { .. })) => {
                Self::Unanswered { error, server: server.to_string() }
            }
            error => error.into(),
        }
    }

    /// What people are told. `namespace`: the agent's own.
    pub(super) fn told(&self, namespace: &str) -> String {
        match self {
            Self::Probe(ProbeError::Call(error)) => told(error, namespace),
            _ => self.to_string(),
        }
    }

    pub(super) fn reason(&self) -> DirectoryReachable {
        match self {
            Self::Kubeconfig(_) | Self::Client(_) | Self::Probe(ProbeError::NoName) => {
                DirectoryReachable::KubeconfigInvalid
            }
            Self::Probe(ProbeError::Call(CallError::Unauthorized { .. })) => {
                DirectoryReachable::CredentialsRejected
            }
            Self::Probe(ProbeError::Call(CallError::Forbidden { .. })) | Self::Right { .. } => {
                DirectoryReachable::Forbidden
            }
            Self::Probe(_)
            | Self::Unanswered { .. }
            | Self::Store(
                StoreError::Call(_) | StoreError::Fenced | StoreError::Removed { .. } | StoreError::Other,
            )
            | Self::Mismatch(Mismatch::Unknown { .. }) => DirectoryReachable::Unreachable,
            Self::Mismatch(Mismatch::BeingRemoved { .. }) => DirectoryReachable::BeingRemoved,
            Self::Mismatch(Mismatch::OtherDirectory { .. })
            | Self::OtherCluster { .. }
            | Self::Store(StoreError::Malformed { .. }) => DirectoryReachable::IdentityMismatch,
        }
    }

    /// How long to wait before the same offer is tried again; `None` where it can only fail again.
    pub(super) fn wait(&self) -> Option<(Duration, Duration)> {
        match self.reason() {
            DirectoryReachable::KubeconfigInvalid => None,
            DirectoryReachable::CredentialsRejected | DirectoryReachable::Forbidden => Some(WAIT_FOR_PEOPLE),
            _ => Some(WAIT_FOR_ANSWER),
        }
    }
}

/// The same, said of a credential.
pub(super) fn of_credential(reason: DirectoryReachable) -> CredentialsValid {
    match reason {
        DirectoryReachable::SecretMissing => CredentialsValid::SecretMissing,
        DirectoryReachable::KubeconfigInvalid => CredentialsValid::KubeconfigInvalid,
        DirectoryReachable::CredentialsRejected => CredentialsValid::CredentialsRejected,
        DirectoryReachable::Forbidden => CredentialsValid::Forbidden,
        DirectoryReachable::IdentityMismatch => CredentialsValid::IdentityMismatch,
        DirectoryReachable::Unreachable
        | DirectoryReachable::BeingRemoved
        | DirectoryReachable::RolledBack
        | DirectoryReachable::Reachable => CredentialsValid::Unknown,
    }
}
