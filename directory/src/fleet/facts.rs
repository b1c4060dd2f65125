//! What a report says, as far as decisions read it. An agent writes it, so it is not trusted.

use jiff::{SignedDuration, Timestamp};
use muster_api::cluster::Mode;
use muster_api::condition::{Condition, Status};
use muster_api::conditions::ConditionType;
use muster_api::report::ClusterReport;
use muster_api::{Object, Time};

use super::beat::is_identity;

/// Longest version that is taken over, in bytes: what the schema of entries allows.
const LONGEST_VERSION: usize = 64;

/// How long a credential to join with lives at most.
const JOINING_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// What a report says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The identity of the cluster.
    pub(super) id: Option<String>,
    pub(super) version: Option<String>,
    pub(super) agent_version: Option<String>,
    pub(super) mode: Option<Mode>,
    /// When the agent last renewed its credential; `None` while it uses the one that it was given.
    pub(super) renewed: Option<Timestamp>,
    /// Whether the agent has left the directory.
    pub(super) left: bool,
    /// Whether the agent says that its own cluster does not answer.
    pub(super) replica_away: bool,
}

impl Facts {
    /// Whether the agent has just renewed the credential that it was given to join with. Later renewals say nothing of such
    /// a credential: another agent may be about to use one. A controller that was away when it was renewed knows by the
    /// time: what was renewed long ago was given longer ago, and is dead.
    pub(super) fn has_joined(&self, before: Option<&Self>, now: Timestamp) -> bool {
        let Some(renewed) = self.renewed else { return false };
        before.map_or_else(|| now.duration_since(renewed) < JOINING_LIFE, |before| before.renewed.is_none())
    }

    pub(super) fn of(object: &Object) -> Self {
        let report: ClusterReport = serde_json::from_str(object.raw.get()).unwrap_or_default();
        let status = report.status;
        let is = |kind: ConditionType, wanted: Status| {
            let found =
                |condition: &Condition| condition.type_ == kind.as_str() && condition.status == wanted;
            status.conditions.iter().any(found)
        };
        let (left, replica_away) = (
            is(ConditionType::Deregistered, Status::True),
            is(ConditionType::ReplicaReachable, Status::False),
        );
        // People read it in tables of the entries: what is no version is not taken over.
        let plain = |text: &String| text.bytes().all(|byte| byte.is_ascii_graphic());
        let version = |text: Option<String>| text.filter(|text| text.len() <= LONGEST_VERSION && plain(text));
        let (replica, agent) = (status.replica.unwrap_or_default(), status.agent.unwrap_or_default());
        let credential = status.credential.unwrap_or_default();
        Self {
            id: replica.id.filter(|id| is_identity(id)),
            version: version(replica.version),
            agent_version: version(agent.version),
            mode: agent.mode,
            renewed: credential.renewed.map(Time::timestamp),
            left,
            replica_away,
        }
    }
}
