//! The list of a `ClusterProfile` (KEP-4322), which the directory's controller keeps for other tools.

use super::{Entry, Explanation, Listed, Reason, normal, warning};
use crate::condition::Status;

conditions! {
    ControlPlaneHealthy: "The cluster's API server answers, as its agent says." => {
        Ready: "The condition Ready of the Cluster entry is True." => normal(
            Status::True,
            "The heartbeats of its agent come, and the report has no objection.",
            "Nothing.",
        ),
        NotReady: "The condition Ready of the Cluster entry is False." => warning(
            Status::False,
            "The message has the reason of that condition, and its message.",
            "See the condition Ready of the entry.",
        ),
        Unknown: "The condition Ready of the Cluster entry is Unknown." => warning(
            Status::Unknown,
            "The message has the reason of that condition, and its message.",
            "See the condition Ready of the entry.",
        ),
    }
    Joined: "The cluster is a member of this fleet." => {
        Joined: "It is enrolled, and its agent has reported." => normal(
            Status::True,
            "The entry is enrolled, and stands for this very cluster.",
            "Nothing.",
        ),
        NotReported: "It is enrolled, and no agent has reported yet." => normal(
            Status::False,
            "Its agent has no credential yet, or cannot reach the directory.",
            "Join the cluster: docs/directory.md says how.",
        ),
        NotEnrolled: "Something that the directory keeps for it is missing." => warning(
            Status::False,
            "The condition Enrolled of the entry says what.",
            "See the condition Enrolled of the entry.",
        ),
        Left: "Its owner made it leave." => warning(
            Status::False,
            "The condition Ready of the entry has the reason Left.",
            "If it left for good, delete the entry: the ClusterProfile goes with it.",
        ),
        Deregistering: "Its entry is being deleted." => normal(
            Status::False,
            "Someone ran `kubectl delete mcl NAME`.",
            "Wait. The ClusterProfile goes when the entry is gone.",
        ),
    }
}
