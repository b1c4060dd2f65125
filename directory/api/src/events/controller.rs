//! The Events of the directory's controller. They are about Cluster entries, and lie in the namespace `default`.

use crate::conditions::Severity;

events! {
    ClusterEnrolled: Normal,
        "All that the directory keeps for a cluster is there.",
        "Join the cluster, if it has not joined.";
    ApprovalAwaited: Normal,
        "A cluster was entered whose entry asks for approval. Its account has no rights until then.",
        "Approve it or keep it out: docs/directory.md says how.";
    ClusterDenied: Normal,
        "A cluster is kept out, as its entry says: its account and its rights are gone.",
        "Delete the entry, if it is to be forgotten.";
    PartContested: Warning,
        "Something else keeps changing or removing what a cluster needs. It is put right ever more slowly.",
        "Find in the audit log of the API server who does it, and stop that.";
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
    DefinitionInDoubt: Warning,
        "Entries are being deleted since their definition is, or was. Nothing that the directory keeps for clusters is removed.",
        "docs/directory.md says how to bring the definition back.";
    NamespaceRetained: Normal,
        "The entry of a cluster was deleted, and its execution namespace stays, since it holds Works.",
        "Delete the namespace when its Works are needed no more.";
    ProfileTaken: Warning,
        "Somebody else's `ClusterProfile` has the name of a cluster, so other tools do not see that cluster.",
        "Remove that ClusterProfile, or give Muster's a namespace of their own: `--inventory-namespace`.";
    ClusterDeregistered: Normal,
        "The entry of a cluster was deleted, and its account and rights in the directory are gone.",
        "Nothing.";
}
