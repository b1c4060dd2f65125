//! What is known beside mirror and policies.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_api::conditions::{CredentialsValid, DirectoryReachable, HeartbeatAccepted, LedgerUsable};

use crate::directory::Health;
use crate::event::{DirectoryWatch, Heartbeat, Problem};
use crate::failure::Failure;

/// What is known beside mirror and policies.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) closed: Option<Problem<DirectoryReachable>>,
    pub(crate) replica: Health,
    /// Whether the replica does not even answer who may write there. Its watches may say nothing of that for long: a
    /// stream is not dead as long as it trickles.
    pub(crate) adrift: bool,
    pub(crate) credential: Option<(Option<Problem<CredentialsValid>>, Option<Timestamp>)>,
    pub(crate) corrected: u64,
    /// Why the last examination proved nothing.
    pub(crate) doubt: Option<String>,
    /// Whether ledgers come back as they are written; `None` until it was tried.
    pub(crate) ledger: Option<Result<(), Problem<LedgerUsable>>>,
    /// Whether they can say that a Work ends with the own entry, or why not; `None` until it was tried.
    pub(crate) leaving: Option<Result<(), String>>,
    reads: BTreeMap<DirectoryWatch, Health>,
    beats: Health,
    pub(crate) heartbeat: Option<Heartbeat>,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            closed: None,
            replica: Health::default(),
            adrift: false,
            credential: None,
            corrected: 0,
            doubt: None,
            ledger: None,
            leaving: None,
            reads: BTreeMap::new(),
            beats: Health::default(),
            heartbeat: None,
        }
    }

    /// All that is known of reading the directory.
    pub(crate) fn reads(&self) -> impl Iterator<Item = &Health> {
        self.reads.values().chain([&self.beats])
    }

    /// Whether the directory does not know the credential of this session any more.
    pub(crate) fn is_rejected(&self) -> bool {
        self.reads().any(|health| matches!(health.news(), Some((Failure::Unauthorized, _))))
    }

    /// Whether a watch of the directory ever succeeded in this session.
    pub(crate) fn ever_read(&self) -> bool {
        self.reads.values().any(Health::ever)
    }

    /// Whether the Lease was ever read in this session.
    pub(crate) fn ever_beat(&self) -> bool {
        self.beats.ever()
    }

    pub(crate) fn read(&mut self, watch: DirectoryWatch) -> &mut Health {
        self.reads.entry(watch).or_default()
    }

    /// A session began: what failed in an earlier one is no news any more.
    pub(crate) fn opened(&mut self) {
        self.closed = None;
        self.reads.clear();
        self.beats = Health::default();
    }

    /// The directory is not followed any more: what its watches last said is no news.
    pub(crate) fn unfollowed(&mut self) {
        self.reads.clear();
    }

    /// A session ended: no heartbeat is sent any more, whatever became of the last.
    pub(crate) fn close(&mut self, problem: Problem<DirectoryReachable>) {
        if self.heartbeat.is_some() {
            let message = "there is no session with the directory".to_owned();
            let problem = Problem { reason: HeartbeatAccepted::Failed, message };
            self.heartbeat = Some(Heartbeat::Failed { failure: Failure::Unavailable, problem });
        }
        self.closed = Some(problem);
    }

    pub(crate) fn heartbeat(&mut self, heartbeat: Heartbeat) {
        match &heartbeat {
            // A right that is missing, or a Lease that is, says nothing of reading the directory.
            Heartbeat::Failed {
                failure: failure @ (Failure::Unauthorized | Failure::Unavailable),
                problem,
            } => {
                self.beats.failed(*failure, problem.message.clone());
            }
            Heartbeat::Renewed(_) | Heartbeat::SetBack { .. } | Heartbeat::Failed { .. } => {
                self.beats.succeeded();
            }
        }
        self.heartbeat = Some(heartbeat);
    }
}
