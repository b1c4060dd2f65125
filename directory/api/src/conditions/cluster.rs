//! The list of a Cluster entry, which the directory's controller keeps.

use super::{Entry, Explanation, Listed, Reason, normal, warning};
use crate::condition::Status;

conditions! {
    Ready: "The cluster's agent lives, reaches the directory and its own cluster, and makes progress." => {
        Reporting: "Heartbeats come, and the report has no objection." => normal(
            Status::True,
            "The agent renews the Lease in the execution namespace.",
            "Nothing.",
        ),
        ReplicaUnreachable: "Heartbeats come, and the agent says that the API of its own cluster does not answer." => warning(
            Status::False,
            "The API server of the cluster is down or overloaded, or refuses the agent's account. The report has the condition ReplicaReachable.",
            "Look after the cluster's API server.",
        ),
        Left: "The cluster left the directory." => warning(
            Status::False,
            "The owner of the cluster asked its agent to leave. The report has the condition Deregistered.",
            "If it left for good, delete the entry: `kubectl delete clusters.multicluster.coreos.com NAME`. Else its owner takes the annotation `multicluster.coreos.com/leave` off the local report.",
        ),
        OtherCluster: "Another cluster than the one that this entry stands for reports under its name. It is not taken for that." => warning(
            Status::False,
            "The cluster was built anew, or two clusters were given one name. The message has the identities: the UIDs of their namespaces `kube-system`.",
            "If the other one is to take the place, run what the message says. Else give it an entry and an account of its own, and make a new account for this one.",
        ),
        SameCluster: "The cluster that reports under this name is entered under another name already." => warning(
            Status::False,
            "One cluster was joined under two names. The message has the other one.",
            "Delete one of the two entries.",
        ),
        HeartbeatLost: "Heartbeats ended: nothing is known of the cluster." => warning(
            Status::Unknown,
            "The agent, the cluster or the network between it and the directory is down, or its account was deleted. The Lease did not move for its duration.",
            "Look at the agent: `kubectl -n muster-system get mcr directory-sync -o yaml` in the cluster says what it sees of the directory.",
        ),
        KeptOut: "Heartbeats ended, as they should: the cluster is not to come in." => normal(
            Status::Unknown,
            "The entry has the annotation `multicluster.coreos.com/approval` with the value `denied` or `required`, so the agent has no rights. The Lease did not move for its duration.",
            "Nothing. The condition Enrolled says how to let the cluster in.",
        ),
        NeverReported: "No agent has reported yet." => normal(
            Status::Unknown,
            "The cluster was entered, and its agent has no credential yet, or cannot reach the directory.",
            "Join the cluster: docs/directory.md says how.",
        ),
    }
    Enrolled: "All that the directory keeps for the cluster is there: namespace, account, bindings, Lease and report." => {
        Enrolled: "All of it is there." => normal(
            Status::True,
            "The controller made it, or found it.",
            "Nothing.",
        ),
        Pending: "The cluster waits to be approved. Its account has no rights until then." => normal(
            Status::False,
            "The entry has the annotation `multicluster.coreos.com/approval` with the value `required`, or with one that is not known.",
            "Approve it: `kubectl annotate clusters.multicluster.coreos.com NAME --overwrite multicluster.coreos.com/approval=approved`. Or keep it out, with the value `denied`.",
        ),
        Denied: "The cluster is kept out: it has neither an account nor rights." => warning(
            Status::False,
            "The entry has the annotation `multicluster.coreos.com/approval` with the value `denied`.",
            "If it is to come in after all, set the value `approved`, and give its agent a new token. Else delete the entry.",
        ),
        NamespaceTaken: "The execution namespace exists, and is not Muster's." => warning(
            Status::False,
            "A namespace of that name lacks the label `multicluster.coreos.com/execution-namespace: \"true\"`. The message names it.",
            "Delete the namespace, or give it the label if the cluster may have all that is in it; where the name of the cluster is dotted or long also the annotation `multicluster.coreos.com/cluster` with that name.",
        ),
        NamespaceTerminating: "The execution namespace is being deleted. It is made anew when it is gone." => warning(
            Status::False,
            "Someone deleted it, or an earlier entry of this name is just gone.",
            "Wait. If it lasts, see what the namespace still holds: `kubectl describe namespace` says it.",
        ),
        NameTaken: "An object that the cluster needs exists, and is not Muster's." => warning(
            Status::False,
            "It lacks the label `app.kubernetes.io/part-of: muster`, or binds another role. The message names it.",
            "Delete the object.",
        ),
        NameRefused: "No cluster can be entered under this name. What bears the name already is left as it is." => warning(
            Status::False,
            "The account of that name is Kubernetes' own, or the execution namespace that the name leads to is another cluster's. The message says which.",
            "Delete the entry, and make one with another name.",
        ),
        Contested: "Something else keeps changing or removing an object that the cluster needs, or making one that it is not to have. It is put right ever more slowly, every 5 minutes at most." => warning(
            Status::False,
            "A person or a program does not want it so: another controller, a GitOps tool that makes accounts or bindings of a cluster that is kept out, or an agent that writes another duration into its Lease. The message names the object.",
            "Find in the audit log of the API server who changes it, and stop that. It turns back when the object was left alone for a minute, or for twice the wait that it had come to.",
        ),
        Failed: "Something of it cannot be made now. It is tried again." => warning(
            Status::False,
            "The API server refuses it. The message has its answer.",
            "Correct what the message says. If it says forbidden, apply `directory.yaml` again.",
        ),
    }
    Deregistering: "The entry is being deleted, and what the directory keeps for the cluster goes first." => {
        Member: "Nobody deleted the entry." => normal(
            Status::False,
            "The entry has no deletionTimestamp.",
            "Nothing.",
        ),
        Halted: "The entry is being deleted, and nothing of the cluster is removed: its deletion is not believed." => warning(
            Status::False,
            "The definition of entries is being deleted, or was, which deletes every entry. Or the controller may not read the definition. Or by the clocks of the directory the entry was deleted before its definition was made. The message says which.",
            "Bring the definition back: docs/directory.md says how. If the controller may not read it, apply `directory.yaml` again. If this one entry is to go although it seems older than its definition, the message has both times and the commands.",
        ),
        Waiting: "The agent is given time to take away what its policies granted, and the mirrored list." => normal(
            Status::True,
            "The entry was deleted. The agent says in its report when it is done, in the condition Deregistered. It is waited for 5 minutes at most, and 60 seconds where its heartbeats have ended.",
            "Wait.",
        ),
        Removing: "The account, its bindings and the namespace are being removed, in this order." => normal(
            Status::True,
            "The agent is done, or was waited for long enough.",
            "Wait. If it lasts, the message says what is still there.",
        ),
        Retained: "The execution namespace stays, since it holds Works; the account and its rights are gone." => normal(
            Status::True,
            "There are Works in the namespace, and `spec.deregistration` of the entry is not Delete.",
            "Move the Works elsewhere or delete them, then delete the namespace. An entry of the same name finds it again.",
        ),
    }
}
