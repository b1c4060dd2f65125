//! The list of the manifests of a Work.

use super::{Entry, Explanation, Listed, Reason, normal, warning};
use crate::condition::Status;

conditions! {
    Applied: "The manifest is applied in the cluster." => {
        Applied: "The object is as the manifest has it." => normal(
            Status::True,
            "It was applied, and nobody changed what Muster wrote. If the message says that changes by others are noticed within minutes, the object is not watched: a right is missing, or too much is watched.",
            "Nothing. To have changes undone at once, grant `list` and `watch` to the account that the Work is applied by.",
        ),
        Observed: "The object is as the manifest has it, and Muster only looks." => normal(
            Status::True,
            "The option `multicluster.coreos.com/apply` is `observe`, and no field of the manifest differs.",
            "Nothing.",
        ),
        Pending: "The manifest is still to be applied." => normal(
            Status::False,
            "Its turn is yet to come.",
            "Wait.",
        ),
        Waiting: "The manifest waits for what it needs." => normal(
            Status::False,
            "Its kind or its namespace is not there yet, or its namespace is being deleted. The message says which.",
            "Nothing, if it is to come. Else create what is missing: the manifest is applied at once.",
        ),
        Retrying: "The last attempt did not succeed, for a reason that may pass." => warning(
            Status::False,
            "The API server of the replica did not answer, or not in time. The message has its category.",
            "Wait. If it lasts, look after the API server of the replica.",
        ),
        InvalidManifest: "The manifest is no object that can be applied." => warning(
            Status::False,
            "It lacks apiVersion, kind or a name, is malformed, or is not allowed in a Work. The message says what.",
            "Correct the manifest in the directory.",
        ),
        InvalidOption: "An option of the manifest is unknown or has an unknown value." => warning(
            Status::False,
            "An annotation `multicluster.coreos.com/...` of the manifest is not one that this agent knows. The message names it.",
            "Correct the annotation in the directory.",
        ),
        Unsupported: "This version of Muster does not apply the manifest." => warning(
            Status::False,
            "It is Muster's own, or in a namespace of Muster's own, or names an account that is not for Works. The message says which.",
            "Apply the object in the replica by other means, or correct the manifest.",
        ),
        GenerateName: "The manifest has no name, but a prefix of one." => warning(
            Status::False,
            "The manifest has `metadata.generateName`: each attempt would make another object.",
            "Give the manifest a name.",
        ),
        ForeignOwner: "The manifest names owners, and they are another cluster's." => warning(
            Status::False,
            "The manifest has `metadata.ownerReferences`: the garbage collector of the replica would delete the object, since it does not know its owner.",
            "Remove the owner references.",
        ),
        Duplicate: "An earlier manifest of the Work is the same object." => warning(
            Status::False,
            "Two manifests have the same kind, namespace and name.",
            "Remove or rename one of the two.",
        ),
        UnknownKind: "The replica does not serve the kind." => warning(
            Status::False,
            "Its definition is not installed, or apiVersion or kind is misspelt.",
            "Install the definition, and the manifest is applied at once; or correct the manifest.",
        ),
        Conflict: "An object of this name is there already and is not this Work's, or others own fields of it." => warning(
            Status::False,
            "Somebody else, or another Work, made the object or owns the fields that the message names.",
            "Rename one of the two, or set the option `multicluster.coreos.com/on-conflict`.",
        ),
        Forbidden: "The account that applies the Work may not write this object." => warning(
            Status::False,
            "A right of that account is missing in the replica. The message names the right.",
            "If it is to be allowed, grant the right in the replica: the manifest is applied at once.",
        ),
        Immutable: "The object exists, and a field of it that differs cannot be changed." => warning(
            Status::False,
            "Kubernetes does not let the field be changed that the message names.",
            "Undo the change; or set the option `multicluster.coreos.com/apply` to `replace`, and it is deleted and made anew, unless more would be lost by that, which the message says then; or delete it in the replica yourself.",
        ),
        QuotaExceeded: "The object would exceed a quota of its namespace." => warning(
            Status::False,
            "A ResourceQuota of the namespace has no room for it. The message names it.",
            "Raise the quota, or ask for less.",
        ),
        WebhookRefused: "A webhook of the replica refuses the object." => warning(
            Status::False,
            "An admission webhook denied the request. The message has its name and its answer.",
            "Correct the manifest, or ask the owner of the webhook.",
        ),
        WebhookUnavailable: "A webhook of the replica that is to judge the object does not answer." => warning(
            Status::False,
            "An admission webhook is configured to be asked in any case, and its service is away. The message has its name.",
            "Look after the webhook's service in the replica. It is asked again every minute at least, and at once when its configuration changes.",
        ),
        PolicyRefused: "A policy of the replica refuses the object." => warning(
            Status::False,
            "A ValidatingAdmissionPolicy, the Pod Security level of the namespace, or a LimitRange does not admit it. The message says which.",
            "Correct the manifest, or ask the owner of the policy.",
        ),
        Rejected: "The API server of the replica refuses the object as it is." => warning(
            Status::False,
            "A field is unknown or invalid. The message has the answer.",
            "Correct the manifest in the directory.",
        ),
        TooLarge: "The object is larger than the API server of the replica takes." => warning(
            Status::False,
            "It exceeds the limit of a request or of the store.",
            "Split the object.",
        ),
        Drifted: "The object was changed in the replica, and is left like that." => warning(
            Status::False,
            "Somebody changed fields that Muster wrote, and the option `multicluster.coreos.com/on-drift` is `report`. The message names fields.",
            "Make the change in the directory, or undo it in the replica.",
        ),
        Differs: "The object is not as the manifest has it, and Muster only looks." => warning(
            Status::False,
            "The option `multicluster.coreos.com/apply` is `observe`, and the object is not there, or the fields differ that the message names.",
            "Nothing, if it is meant. Else correct the one or the other.",
        ),
        ValuesLost: "The object is to be written, and values of it are not at hand: it is left as it is." => warning(
            Status::False,
            "It is a Secret, and the Secret of the agent that keeps the values of the Work beside its record was deleted or altered.",
            "Nothing, while the directory can be reached: the values are taken from there anew. Else see that it can.",
        ),
        FoughtOver: "Somebody keeps changing the object, so Muster puts it back less often." => warning(
            Status::False,
            "Another controller or person wants the same fields in another way. The message names it and the fields, where they can be told.",
            "Stop the one or the other, or leave these fields to it with the option `multicluster.coreos.com/ignore`.",
        ),
        Planned: "It is told what would be done, and nothing is written." => normal(
            Status::Unknown,
            "The option `multicluster.coreos.com/plan-only` is set. The message says what would be done.",
            "To apply the manifest, remove the annotation in the directory.",
        ),
        Suspended: "The manifest is suspended: its object is neither written nor put right." => normal(
            Status::Unknown,
            "The option `multicluster.coreos.com/suspend` is set, or the agent is paused.",
            "To go on, remove the annotation.",
        ),
        LetGo: "The owner of the cluster took the object over: it is neither put right nor deleted." => normal(
            Status::Unknown,
            "The object in the replica has the annotation `multicluster.coreos.com/let-go`.",
            "To hand it back, remove the annotation in the replica.",
        ),
    }
    Available: "The object is there and ready." => {
        Available: "The object is ready, or is of a kind that is ready once it is there." => normal(
            Status::True,
            "Its own status says so.",
            "Nothing.",
        ),
        Progressing: "The object becomes ready." => normal(
            Status::False,
            "What it asks for is not done yet. The message says what is missing.",
            "Wait.",
        ),
        Failed: "The object failed, and does not become ready by itself." => warning(
            Status::False,
            "Its own status says so, for example that of a Deployment beyond its deadline, or of a Job.",
            "Look at the object in the replica.",
        ),
        Terminating: "The object is being deleted." => normal(
            Status::False,
            "Someone deleted it in the replica, and a finalizer still holds it.",
            "Wait. If it lasts, look after the program that the finalizer is of.",
        ),
        Missing: "The object is not there." => warning(
            Status::False,
            "It was not applied: see the condition Applied of the manifest.",
            "See the condition Applied of the manifest.",
        ),
        Unknown: "It cannot be told whether the object is ready." => warning(
            Status::Unknown,
            "It cannot be read, or its status has a form that Muster does not know.",
            "See the condition Applied of the manifest, and ReplicaReachable of the cluster's report.",
        ),
    }
    Feedback: "The values of the object that the Work asks for, as JSON in the message." => {
        Read: "The message has the values." => normal(
            Status::True,
            "The option `multicluster.coreos.com/feedback` asks for them.",
            "Nothing.",
        ),
        TooLarge: "The values are left out." => warning(
            Status::False,
            "They are longer than 512 bytes, or the status of the Work has no room for them.",
            "Ask for less, or split the Work.",
        ),
    }
}
