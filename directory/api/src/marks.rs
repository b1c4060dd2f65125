//! What Muster writes on objects to find them and to know them again, and the annotations that people write.

use std::collections::BTreeMap;

/// Label of every object that Muster made, after KEP-3659 (ApplySet): its value says which set it is part of.
pub const PART_OF: &str = "applyset.kubernetes.io/part-of";
/// Value of [`PART_OF`] on the mirrored copies.
pub const MIRROR_SET: &str = "muster-mirror";
/// Annotation of a mirrored copy: `DIRECTORY-UID/ENTRY-UID`, the `kube-system` UID of the directory that it was
/// copied from and the UID of the entry there.
pub const COPIED_FROM: &str = "multicluster.coreos.com/copied-from";
/// Value of [`PART_OF`] on what policies made.
pub const POLICY_SET: &str = "muster-policies";
/// Annotation of every object that policies made: for which of them, and the digests by which the agent knows the
/// object again. `agent/engine/src/mark.rs` says what is in it.
pub const MADE_FOR: &str = "multicluster.coreos.com/made-for";
/// Label of a Secret in a replica that keeps the values of the Secrets of a Work, beside its record: the UID of the Work.
pub const VALUES_OF: &str = "multicluster.coreos.com/values-of";
/// Annotation of the Secret with a renewed credential: the digest of what people gave, from which it was renewed.
pub const RENEWED_FROM: &str = "multicluster.coreos.com/renewed-from";
/// Annotation by which the owner of a replica stops all writes; on the local report. Any value but `false` counts.
pub const PAUSE: &str = "multicluster.coreos.com/pause";
/// Annotation by which the owner of a replica makes it leave the directory; on the local report, with the value `true`.
pub const LEAVE: &str = "multicluster.coreos.com/leave";
/// Annotation by which the owner of a replica takes an object over: it is neither put right nor deleted any more.
/// Any value but `false` counts.
pub const LET_GO: &str = "multicluster.coreos.com/let-go";
/// Annotation by which people release holds, on a Work, on the Cluster entry or on the local report: its value is the
/// hold's id, or some with commas between them.
pub const RELEASE: &str = "multicluster.coreos.com/release";
/// Annotation by which the owner of a replica has it that only [`RELEASE`] on the local report releases a hold; on the
/// local report. Any value but `false` counts.
pub const RELEASE_HERE: &str = "multicluster.coreos.com/release-here-only";
/// Annotation of the Lease by which one agent acts in a replica: when it last heard of the Works of the directory and had
/// judged what was found to go after it had not, RFC 3339.
pub const HEARD: &str = "multicluster.coreos.com/directory-heard";
/// Annotation of the same Lease: the last renewal of the replica's own Lease that the directory acknowledged: renewTime,
/// leaseTransitions, directory, name, UID and holder of that.
pub const BEAT: &str = "multicluster.coreos.com/directory-renewed";
/// Annotation of the same Lease: which Works were let go within the last ten minutes, by digests of their UIDs.
pub const PASSED: &str = "multicluster.coreos.com/works-ended";
/// Annotation of a policy: what becomes of the namespaces that it made when no policy asks for them any more, `delete`
/// or `retain`.
pub const NAMESPACE_DELETION: &str = "multicluster.coreos.com/namespace-deletion";
/// Annotation that allows what is otherwise refused or held: the deletion of a protected object.
pub const ALLOW_DELETION: &str = "multicluster.coreos.com/allow-deletion";
/// Annotation by which people say that an entry is the directory itself.
pub const DIRECTORY: &str = "multicluster.coreos.com/directory";
/// Annotation with the address of a console for people.
pub const CONSOLE_URL: &str = "multicluster.coreos.com/console-url";
/// Label, with the value `true`, of the execution namespaces in the directory.
pub const EXECUTION_NAMESPACE: &str = "multicluster.coreos.com/execution-namespace";
/// Annotation of an execution namespace: the name of the cluster that it is for.
pub const FOR_CLUSTER: &str = "multicluster.coreos.com/cluster";
/// Finalizer of a Cluster entry: what the directory keeps for the cluster goes before the entry does.
pub const ENTRY_FINALIZER: &str = "multicluster.coreos.com/deregistration";
/// Annotation of a Cluster entry by which people say that another cluster takes its place: the identity of that one, the
/// UID of its namespace `kube-system`.
pub const REBIND: &str = "multicluster.coreos.com/rebind";
/// Annotation of a Cluster entry that says whether the cluster may come in: [`APPROVAL_REQUIRED`], [`APPROVAL_APPROVED`] or
/// [`APPROVAL_DENIED`]. Where it is missing, nobody is asked. A value that is none of these grants nothing.
pub const APPROVAL: &str = "multicluster.coreos.com/approval";
/// Value of [`APPROVAL`]: the account of the cluster has no rights until somebody approves.
pub const APPROVAL_REQUIRED: &str = "required";
/// Value of [`APPROVAL`]: the cluster has been approved.
pub const APPROVAL_APPROVED: &str = "approved";
/// Value of [`APPROVAL`]: the cluster is kept out. Its account goes, and with it all its tokens.
pub const APPROVAL_DENIED: &str = "denied";
/// Annotation of a `ClusterProfile` that Muster made: the UID of the entry that it was made for.
pub const PROFILE_OF: &str = "multicluster.coreos.com/profile-of";
/// Annotation of a `ClusterProfile`: when the entry was made that it is for, RFC 3339.
pub const PROFILE_SINCE: &str = "multicluster.coreos.com/profile-since";
/// Label of what Muster is made of, after the recommended labels of Kubernetes; its value is [`MUSTER`].
pub const PART_OF_MUSTER: &str = "app.kubernetes.io/part-of";
/// Value of [`PART_OF_MUSTER`].
pub const MUSTER: &str = "muster";
/// Finalizer of a Work whose objects may be in a replica. The name is that of the standard's own controller
/// (kubernetes-sigs/work-api).
pub const WORK_FINALIZER: &str = "multicluster.x-k8s.io/work-cleanup";
/// Annotation of `kubectl apply`. It repeats the object and means nothing on a copy, so it is never copied.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The value of [`COPIED_FROM`] for an entry.
#[must_use]
pub fn copied_from(directory: &str, entry: &str) -> String {
    format!("{directory}/{entry}")
}

/// Whether an annotation is set as a switch: any value but `false`.
#[must_use]
pub fn is_on(annotations: &BTreeMap<String, String>, name: &str) -> bool {
    annotations.get(name).is_some_and(|value| value != "false")
}
