//! The list of a Work as a whole.

use super::{Entry, Explanation, Listed, Reason, normal, warning};
use crate::condition::Status;

conditions! {
    Applied: "All manifests of the Work are applied in the cluster." => {
        Applied: "All manifests are applied." => normal(
            Status::True,
            "Each manifest is in the cluster as the Work has it.",
            "Nothing.",
        ),
        Kept: "All manifests are applied, and something that the Work does not ask for any more is still there." => normal(
            Status::True,
            "It goes only by somebody's word, waits for what is not Muster's, or nothing confirms that it has to go. The message names one such object and says what it waits for.",
            "Do what the message says. Where it names finalizers, look at who sets them.",
        ),
        Pending: "Manifests are still to be applied, and nothing stands in the way." => normal(
            Status::False,
            "The Work is new or was changed, a manifest waits for what it needs, or an attempt failed that is made again.",
            "Wait. The message counts what is missing, and the conditions of the manifests say what they wait for.",
        ),
        Incomplete: "Some manifests are not applied, or not as the Work has them." => warning(
            Status::False,
            "A manifest is invalid, is refused, meets somebody else's object, or its object was changed. The message counts them by reason.",
            "Read the conditions of these manifests.",
        ),
        Suspended: "The Work is suspended: nothing of it is written." => normal(
            Status::Unknown,
            "The Work has the annotation `multicluster.coreos.com/suspend`.",
            "To go on, remove the annotation in the directory.",
        ),
        Paused: "Nothing of the Work is written, since the owner of the cluster paused the agent." => normal(
            Status::Unknown,
            "The local report has the annotation `multicluster.coreos.com/pause`.",
            "To go on, in the replica: `kubectl -n muster-system annotate clusterreport directory-sync multicluster.coreos.com/pause-`.",
        ),
        Planned: "It is told what the Work would change, and nothing of it is written." => normal(
            Status::Unknown,
            "The Work has the annotation `multicluster.coreos.com/plan-only`.",
            "To apply it, remove the annotation in the directory.",
        ),
        Deleting: "The Work is being deleted: what it made goes first." => normal(
            Status::False,
            "Someone deleted the Work in the directory.",
            "Wait. The message says what is still there, and why.",
        ),
        Preceded: "An earlier Work of this name is to end first: its record bears the name." => normal(
            Status::False,
            "The Work was deleted and made anew while its finalizer was taken off by hand, or the directory was restored.",
            "Wait: what both ask for is handed over, and stays. The message says what is still there of the earlier one, and why.",
        ),
        Malformed: "The Work cannot be read, so nothing of it is written or deleted." => warning(
            Status::False,
            "A field of it is missing or has another type than the API says, or its name is reserved. The message names it.",
            "Correct the Work in the directory.",
        ),
        InvalidOption: "An option of the Work is unknown or has an unknown value, so nothing of it is written or deleted." => warning(
            Status::False,
            "An annotation `multicluster.coreos.com/...` of the Work is not one that this agent knows. The message names it.",
            "Correct the annotation in the directory. If it is of a newer version, update the agent.",
        ),
        TooLarge: "The Work is larger than can be recorded, so nothing of it is written." => warning(
            Status::False,
            "The Work exceeds 900 KiB, or the record of what it makes 1.3 MiB.",
            "Split the Work in two.",
        ),
        LedgerUnusable: "What the Work makes cannot be recorded, so nothing of it is written or deleted." => warning(
            Status::False,
            "The definition of the record is missing, or not Muster's, or the record, or the values of Secrets beside it, cannot be written.",
            "Read the message, and the condition LedgerUsable of the cluster's report.",
        ),
    }
    Available: "All that the Work applies is there and ready." => {
        Available: "All objects are there and ready." => normal(
            Status::True,
            "Each object says so, or is of a kind that is ready once it is there.",
            "Nothing.",
        ),
        Unavailable: "Some objects are not there, or not ready." => warning(
            Status::False,
            "They become ready, failed, or were not applied. The message counts them by reason.",
            "Read the conditions of these manifests.",
        ),
        Unknown: "It cannot be told of all objects whether they are ready." => warning(
            Status::Unknown,
            "They cannot be read, or nothing was applied yet.",
            "Read the conditions of the manifests, and the condition Applied.",
        ),
    }
    Progressing: "Something of the Work is still to be applied, or becomes ready." => {
        Progressing: "Manifests are still to be applied, or objects become ready." => normal(
            Status::True,
            "The Work is new or was changed, or an object was.",
            "Wait.",
        ),
        Settled: "Nothing is under way: what could be done is done." => normal(
            Status::False,
            "Each manifest is applied and its object ready, or it stays as it is until somebody acts.",
            "Nothing, where the conditions Applied and Available are True.",
        ),
        Stopped: "Nothing is under way, since the Work as a whole is not applied now." => normal(
            Status::False,
            "See the condition Applied of the Work.",
            "See the condition Applied of the Work.",
        ),
    }
    Degraded: "Something of the Work failed, is fought over, or cannot be applied." => {
        NotApplied: "Manifests, or the Work as a whole, cannot be applied." => warning(
            Status::True,
            "A manifest is invalid, is refused, or meets somebody else's object, or the Work cannot be used as it is.",
            "Read the condition Applied of the Work and of its manifests.",
        ),
        FoughtOver: "Somebody keeps changing an object, and Muster keeps putting it back." => warning(
            Status::True,
            "Another controller or person wants the same fields in another way.",
            "Read the condition Applied of these manifests.",
        ),
        Failed: "Objects failed, and do not become ready by themselves." => warning(
            Status::True,
            "An object says that it failed, for example a Deployment beyond its deadline, or a Job.",
            "Look at these objects in the replica.",
        ),
        Healthy: "Nothing failed, is fought over, or cannot be applied." => normal(
            Status::False,
            "No manifest has such a reason.",
            "Nothing.",
        ),
    }
}
