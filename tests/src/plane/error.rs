//! What can go wrong with a control plane.

use std::path::PathBuf;

use super::READY;
use crate::{api::ApiError, etcd::EtcdError, keeper::KeeperError, pki::PkiError, scratch::ScratchError};

/// What went wrong with a control plane.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    /// Its programs are not to be had.
    #[error("{0}")]
    Binaries(String),
    /// Its temporary folder could not be made or kept.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// A key or certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A server could not be started, watched or signalled.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// A request to the API server failed.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A file in its folder could not be read or written.
    #[error("unable to {action} {}: {source}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// etcd did not answer.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// It could not be put back to what it was.
    #[error("unable to put a control plane back to what it was: {0}")]
    NotReset(String),
    /// A server ended while it was waited for.
    #[error("{plane}: {server} ended while starting, {status}; its log ends with:\n{log}")]
    Ended {
        /// The plane's name.
        plane: String,
        /// Which of its servers.
        server: &'static str,
        /// The exit status.
        status: std::process::ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// It did not become ready in time.
    #[error("{plane}: not ready within {READY:?}; last seen: {seen}; the log of {server} ends with:\n{log}")]
    NotReady {
        /// The plane's name.
        plane: String,
        /// The server that was waited for.
        server: &'static str,
        /// The last answer or error.
        seen: String,
        /// The end of its log.
        log: String,
    },
    /// No free port was found, or others took each that was chosen.
    #[error("{plane}: unable to find a free port on 127.0.0.1")]
    NoPort {
        /// The plane's name.
        plane: String,
    },
    /// kubectl could not be run, or took too long.
    #[error("unable to run {command}: {why}")]
    Kubectl {
        /// The command.
        command: String,
        /// Why.
        why: String,
    },
    /// kubectl failed.
    #[error("{command} ended with {code:?}: {stderr}")]
    KubectlFailed {
        /// The command.
        command: String,
        /// Its exit code.
        code: Option<i32>,
        /// What it said.
        stderr: String,
    },
}
