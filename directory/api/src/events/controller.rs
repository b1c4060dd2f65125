//! The Events of the directory's controller. They are about Cluster entries, and lie in the namespace `default`.

use crate::conditions::Severity;

events! {
    ClusterEnrolled: Normal,
        "All that the directory keeps for a cluster is there.",
        "Join the cluster, if it has not joined.";
    EnrolmentRefused: Warning,
        "What a cluster needs in the directory cannot be made.",
        "Read the condition Enrolled of the entry.";
    ClusterReady: Normal,
        "The heartbeats of a cluster come.",
        "Nothing.";
    ClusterNotReady: Warning,
        "The heartbeats of a cluster come, and it is not ready.",
        "Read the condition Ready of the entry.";
    HeartbeatLost: Warning,
        "The heartbeats of a cluster ended.",
        "Read the condition Ready of the entry.";
    ClusterBound: Normal,
        "An entry stands for this very cluster from now on.",
        "Nothing.";
    DirectoryBlind: Warning,
        "Many clusters fell silent at once. That is more likely the fault of the directory, so all are granted their time anew.",
        "Look after the directory's API server and its network.";
    NamespaceRetained: Normal,
        "The entry of a cluster was deleted, and its execution namespace stays, since it holds Works.",
        "Delete the namespace when its Works are needed no more.";
    ClusterDeregistered: Normal,
        "The entry of a cluster was deleted, and its account and rights in the directory are gone.",
        "Nothing.";
}
