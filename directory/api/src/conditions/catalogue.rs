//! The list of the report: each type of condition with its question, and each of its reasons with what it means, its status and
//! severity, its cause and its remedy.

use super::{Entry, Explanation, Listed, Reason, normal, warning};
use crate::condition::Status;

conditions! {
    DirectoryReachable: "The directory answers, it is the one that the agent joined, and the agent may read it." => {
        Reachable: "The agent reads the directory." => normal(
            Status::True,
            "The last list or watch of the directory succeeded.",
            "Nothing.",
        ),
        SecretMissing: "There is no Secret with a kubeconfig, so the agent does not know the directory." => warning(
            Status::False,
            "The Secret `directory-sync`, or the one named by `--directory-secret`, is absent, or has no key `kubeconfig`.",
            "Create it: `kubectl -n muster-system create secret generic directory-sync --from-file=kubeconfig=FILE`. No restart is needed.",
        ),
        KubeconfigInvalid: "The kubeconfig is refused, and there is no earlier one to go on with." => warning(
            Status::False,
            "It is malformed, or holds what Muster does not take: more than one context, exec or auth-provider, paths of files, a proxy, impersonation, plain http, insecure TLS, or no CA. The message names the field.",
            "Put a kubeconfig with server, CA data, and a token or client certificate data into the Secret.",
        ),
        Unreachable: "The directory does not answer." => warning(
            Status::False,
            "The network, DNS or TLS fails, or the API server is down or overloaded. The message says which.",
            "From the replica, test the server address of the kubeconfig. The agent tries again at least every 30 s, and the replica keeps what it has.",
        ),
        CredentialsRejected: "The directory answers 401: it does not know the credential." => warning(
            Status::False,
            "The token or certificate has expired, or its account was deleted.",
            "Put a new credential into the Secret. The replica keeps what it has until then. If this cluster is to leave the directory for good: `kubectl -n muster-system annotate clusterreport directory-sync multicluster.coreos.com/leave=true`.",
        ),
        Forbidden: "The directory knows the credential, but does not let it read the list of clusters." => warning(
            Status::False,
            "A binding is missing in the directory, or was removed. The message names the right.",
            "In the directory, bind the account to the ClusterRole `view-clusters`, and in its execution namespace to `muster-agent`.",
        ),
        IdentityMismatch: "Another directory than the one that the agent joined answers." => warning(
            Status::False,
            "The address or the credential leads to another cluster: the UID of its namespace `kube-system` is not the recorded one. Or the directory was built anew.",
            "If the address is wrong, correct the Secret. Nothing is changed in the replica until the recorded directory is back. If the directory was built anew, and this cluster is to join it: `kubectl -n muster-system delete configmap muster-agent-state`.",
        ),
        BeingRemoved: "The directory is being taken apart, or its parts were replaced, so nothing is deleted on its word." => warning(
            Status::False,
            "A CRD of Muster or the execution namespace in the directory is gone, is being deleted, or came back with another UID.",
            "Restore them in the directory. The message names what is missing. The replica keeps what it has. If they were replaced on purpose, `kubectl -n muster-system delete configmap muster-agent-state` in the replica makes it join anew. Enter all clusters again before that: copies of entries that are not there then go.",
        ),
        RolledBack: "The directory was set back to an earlier state, so nothing is deleted on its word." => warning(
            Status::False,
            "It was restored from a backup, or an old copy of it answers. What was recorded of later generations is kept right; a Work or a policy that is changed after that is followed, but for what it drops.",
            "Bring the directory up to date first: apply again what was changed since the backup. Then let its state be followed: `kubectl muster release ID`, or in the directory `kubectl annotate mcl NAME --overwrite multicluster.coreos.com/release=ID`; the message has the id. docs/restore.md says more.",
        ),
    }
    EntryPresent: "The directory's list has an entry for this cluster." => {
        Present: "The entry is there." => normal(
            Status::True,
            "A Cluster with this cluster's name is in the directory.",
            "Nothing.",
        ),
        Missing: "There is no entry of this name. Nothing is removed from the replica for that." => warning(
            Status::False,
            "The entry was never made, was deleted, or the name differs from the one that the agent uses. The message says which name it looks for.",
            "Create the Cluster in the directory, or correct the agent's name: `--cluster-name`, or key `clusterName` of the Secret.",
        ),
        Deregistering: "The entry is being deleted in the directory." => warning(
            Status::True,
            "Someone ran `kubectl delete mcl NAME` in the directory, and a finalizer still holds the entry.",
            "Nothing, if it was meant. Else let the deletion end, then create the entry again: the replica keeps what it has.",
        ),
    }
    ReplicaReachable: "The agent reads and writes the API of its own cluster, the replica." => {
        Reachable: "The replica answers." => normal(
            Status::True,
            "The last request to the replica succeeded.",
            "Nothing.",
        ),
        Unreachable: "The replica's API server does not answer. Heartbeats go on." => warning(
            Status::False,
            "The API server is down or overloaded, or refuses the agent's own account. The message says which.",
            "Look after the replica's API server. The agent tries again at least every 30 s.",
        ),
    }
    CredentialsValid: "The credential that the Secret holds now is good. Where it is not, an earlier one that works stays in use." => {
        Valid: "The credential was tried and works." => normal(
            Status::True,
            "The directory accepted it, and it has all the rights that the agent uses.",
            "Nothing.",
        ),
        ExpiresSoon: "The credential works, and ends soon." => warning(
            Status::True,
            "Less than a third of its life, or less than seven days, is left. The agent renews a token of its account by itself, where it may; where it could not, the message says why.",
            "Mend what the message names, or put a new credential into the Secret before that time: `kubectl muster token NAME` prints one.",
        ),
        Expired: "The credential has ended." => warning(
            Status::False,
            "Nobody replaced it in time, and the agent could not renew it, for example since it was cut off.",
            "Put a new credential into the Secret: `kubectl muster token NAME` in the directory prints it, for `kubectl apply --server-side --force-conflicts -f -` in the replica. The replica keeps what it has until then.",
        ),
        SecretMissing: "There is no Secret with a kubeconfig." => warning(
            Status::False,
            "The Secret was never made, was deleted, or lost its key `kubeconfig`. A session that works goes on until its credential ends.",
            "Create it: `kubectl -n muster-system create secret generic directory-sync --from-file=kubeconfig=FILE`.",
        ),
        KubeconfigInvalid: "The kubeconfig in the Secret is refused." => warning(
            Status::False,
            "It is malformed, or holds what Muster does not take. The message names the field and never its value.",
            "Put a kubeconfig with server, CA data, and a token or client certificate data into the Secret.",
        ),
        CredentialsRejected: "The directory answers 401 to the credential in the Secret." => warning(
            Status::False,
            "The token or certificate has expired, is of another cluster, or its account was deleted.",
            "Put a new credential into the Secret.",
        ),
        Forbidden: "The credential in the Secret has fewer rights than the agent uses." => warning(
            Status::False,
            "A binding is missing in the directory. The message names the right.",
            "In the directory, bind the account to the ClusterRole `view-clusters`, and in its execution namespace to `muster-agent`.",
        ),
        IdentityMismatch: "The kubeconfig in the Secret leads to another directory." => warning(
            Status::False,
            "The UID of the namespace `kube-system` behind it is not the recorded one.",
            "Put the kubeconfig of the directory that this cluster joined into the Secret.",
        ),
        Unknown: "The credential in the Secret could not be tried yet." => warning(
            Status::Unknown,
            "The directory does not answer, so it cannot say whether it accepts the credential.",
            "See the condition DirectoryReachable.",
        ),
    }
    MirrorInSync: "The copies of the directory's Cluster entries in this cluster are as they should be." => {
        InSync: "Each entry that is mirrored has its copy, and no copy differs." => normal(
            Status::True,
            "The last comparison found nothing to do.",
            "Nothing.",
        ),
        NotMirrored: "No copies are kept, as was asked for." => normal(
            Status::True,
            "The agent runs with `--mirror none`.",
            "Nothing, or set `--mirror` to `all` or to a label selector.",
        ),
        SameCluster: "No copies are kept, since the directory is this cluster." => normal(
            Status::True,
            "Directory and replica have the same namespace `kube-system`.",
            "Nothing.",
        ),
        Pending: "Copies are still to be written or removed." => normal(
            Status::False,
            "The agent has just started, has just met the directory, or a removal waits for evidence that the directory is whole.",
            "Wait. If it lasts longer than a minute, see the conditions DirectoryReachable and ReplicaReachable.",
        ),
        Conflict: "A Cluster in this cluster has the name of an entry, but is no copy. It is left alone." => warning(
            Status::False,
            "Someone created it here by hand. The message names up to five.",
            "Delete or rename the local Cluster if the copy is wanted.",
        ),
        Forbidden: "The replica does not let the agent write copies." => warning(
            Status::False,
            "The rights of the account `directory-sync`, an admission policy or the schema in the replica refuses the write, or a webhook changes what is written; or an entry cannot be read. The message says which.",
            "Apply `multicluster.yaml` again in the replica, or correct the admission policy, the webhook or the entry.",
        ),
        Paused: "No copy is written or removed, since the owner of this cluster paused the agent." => normal(
            Status::Unknown,
            "The local report has the annotation `multicluster.coreos.com/pause`.",
            "To go on: `kubectl -n muster-system annotate clusterreport directory-sync multicluster.coreos.com/pause-`.",
        ),
        Left: "No copies are kept, since this cluster left the directory." => normal(
            Status::False,
            "See the condition Deregistered.",
            "See the condition Deregistered.",
        ),
    }
    PoliciesApplied: "What the directory's policies ask for in this cluster is there, and what they no longer ask for is gone." => {
        Applied: "Everything that the policies which select this cluster ask for is there." => normal(
            Status::True,
            "The last comparison found nothing to do. The message says how many policies and objects there are.",
            "Nothing.",
        ),
        NoneSelected: "No policy selects this cluster." => normal(
            Status::True,
            "There are no policies in the directory, or the labels of this cluster's entry match none of their selectors.",
            "Nothing. To make a policy apply here, give the entry the labels that it selects on.",
        ),
        NamespaceRetained: "Everything is applied, and namespaces that no policy asks for any more were kept with all that is in them." => normal(
            Status::True,
            "The last policy that named a namespace is gone, and none of them said `multicluster.coreos.com/namespace-deletion: delete`, or the namespace could not be seen to be empty. The message names them.",
            "Nothing, or delete the namespaces in the replica when their content is needed no more.",
        ),
        Pending: "Objects are still to be written or removed." => normal(
            Status::False,
            "The agent has just started, waits for evidence before it removes something, or waits between attempts. The message says what is missing.",
            "Wait. If it lasts longer than a minute, the message and the conditions DirectoryReachable and ReplicaReachable say why.",
        ),
        Invalid: "A policy cannot be used as it is. What its last valid version asked for stays." => warning(
            Status::False,
            "A field of the policy has a value that the schema allows and Muster does not. The message names policy and field.",
            "Correct the policy in the directory.",
        ),
        TooLarge: "A policy asks for more than a ledger can record. What its last version asked for stays." => warning(
            Status::False,
            "The record of what the policy makes would exceed 1.3 MiB, or the policy asks for more than 5000 objects.",
            "Split the policy in two.",
        ),
        Conflict: "An object that a policy asks for is there already and is not Muster's, or two policies ask for one object in different ways." => warning(
            Status::False,
            "Somebody made an object of the same name by hand, or two policies give one namespace different values of one label, or one role different rules. The message names them. What is there is left alone.",
            "Rename or delete the object in the replica, or make the policies agree.",
        ),
        Forbidden: "The replica does not let Muster write what a policy asks for." => warning(
            Status::False,
            "The account `muster-appliers/policies` has no right to grant that role, or an admission policy or webhook refuses the object. The message has the API server's answer.",
            "If the policy is to be allowed here, extend the rights of that account: see the comments of ClusterRole `muster-policies` in `multicluster.yaml`.",
        ),
        DefinitionsNotAllowed: "A policy defines a role, and this cluster does not allow that." => warning(
            Status::False,
            "Role definitions need the right to escalate, which Muster does not have unless the owner of this cluster grants it.",
            "If policies may define roles here: `kubectl apply -f policies-define-roles.yaml` in the replica.",
        ),
        Paused: "No object of a policy is written or removed, since the owner of this cluster paused the agent." => normal(
            Status::Unknown,
            "The local report has the annotation `multicluster.coreos.com/pause`.",
            "To go on: `kubectl -n muster-system annotate clusterreport directory-sync multicluster.coreos.com/pause-`.",
        ),
        Left: "The grants of the policies were removed, since this cluster left the directory." => normal(
            Status::False,
            "See the condition Deregistered.",
            "See the condition Deregistered.",
        ),
    }
    WorksApplied: "What the Works of this cluster's execution namespace ask for is there." => {
        Applied: "Every Work is applied." => normal(
            Status::True,
            "Each manifest of each Work is in the cluster as the Work has it.",
            "Nothing.",
        ),
        NoneAssigned: "There is no Work for this cluster." => normal(
            Status::True,
            "The execution namespace in the directory holds no Works.",
            "Nothing. To apply something here, make a Work in the execution namespace.",
        ),
        Pending: "The Works of the directory are still to be read, or something of them is still to be applied." => normal(
            Status::False,
            "The agent has just started, or a Work is new or was changed.",
            "Wait. If it lasts longer than a minute, the conditions DirectoryReachable and LedgerUsable say why.",
        ),
        Incomplete: "Some Works are not applied, or not wholly." => warning(
            Status::False,
            "Manifests of them are invalid or refused, or wait for something. The message names the Works.",
            "Read the conditions of these Works: `kubectl -n NAMESPACE get works.multicluster.x-k8s.io NAME -o yaml`.",
        ),
        Forbidden: "The credential may not read the Works of this cluster. What was applied stays." => warning(
            Status::False,
            "The cluster is not enrolled with the rights of ClusterRole `muster-agent`, or its execution namespace is missing.",
            "Nothing, if no Works are to be applied here. Else enrol the cluster in the directory: see `enrol-by-hand.yaml`.",
        ),
        Paused: "Nothing of a Work is written or removed, since the owner of this cluster paused the agent." => normal(
            Status::Unknown,
            "The local report has the annotation `multicluster.coreos.com/pause`.",
            "To go on: `kubectl -n muster-system annotate clusterreport directory-sync multicluster.coreos.com/pause-`.",
        ),
        Left: "The Works of the directory are followed no more, since this cluster left it. What they made stays." => normal(
            Status::False,
            "See the condition Deregistered.",
            "See the condition Deregistered.",
        ),
    }
    Held: "Large deletions wait for somebody's word." => {
        NothingHeld: "No deletion waits for a word." => normal(
            Status::False,
            "Nothing large was deleted, or all of it was released, or is wanted again.",
            "Nothing.",
        ),
        RolledBack: "The directory was set back to an earlier state: all deletions wait." => warning(
            Status::True,
            "It was restored from a backup, or an old copy of it answers. The message says what shows that.",
            "See the condition DirectoryReachable, reason RolledBack.",
        ),
        ManyWorks: "Many Works were deleted within ten minutes: more than ten, and more than a fifth." => warning(
            Status::True,
            "Somebody deleted them on purpose, or by mistake, or the directory is not what it was. What they made stays, and is kept right.",
            "If it is meant: `kubectl muster release ID`, or in the directory `kubectl annotate mcl NAME --overwrite multicluster.coreos.com/release=ID`; the message has the id. If not, read docs/holds.md before the Works are made anew.",
        ),
        AllWorks: "All Works were deleted at once, and there were three or more." => warning(
            Status::True,
            "Somebody deleted them on purpose, or by mistake. What they made stays, and is kept right.",
            "As for ManyWorks.",
        ),
        MostOfWork: "A Work drops more than ten objects at once, and more than half of what it had." => warning(
            Status::True,
            "A new version of the Work does not ask for them, by mistake or on purpose. What it asks for is applied; what it dropped stays.",
            "If it is meant, release it as for ManyWorks. If not, put the manifests back into the Work.",
        ),
        AfterGap: "More than ten objects were found to go after the directory was out of sight for more than five minutes." => warning(
            Status::True,
            "Works were deleted, or made smaller, while this agent could not see it.",
            "As for ManyWorks.",
        ),
        OtherRule: "A later version of the agent held a deletion, by a rule that this one does not know." => warning(
            Status::True,
            "The agent was set back to an earlier version.",
            "As for ManyWorks.",
        ),
    }
    LedgerUsable: "The record of what Muster made in this cluster can be written and read back whole." => {
        Usable: "A trial record came back as it was written." => normal(
            Status::True,
            "The definition of `appliedworks.multicluster.x-k8s.io` in this cluster is Muster's. Where there is a message, it is too old for `spec.deregistration: Delete`, and for nothing else.",
            "Nothing, or what the message says.",
        ),
        Missing: "There is no definition of the record. For policies nothing is written or deleted until it is back." => warning(
            Status::False,
            "The CRD `appliedworks.multicluster.x-k8s.io` is not in this cluster, or is being deleted.",
            "Apply `multicluster.yaml` again in the replica. The record is then rebuilt from the marks on the objects.",
        ),
        Pruned: "The definition of the record drops what Muster must remember. For policies nothing is written or deleted." => warning(
            Status::False,
            "Another tool's CRD `appliedworks.multicluster.x-k8s.io` took the place of Muster's.",
            "Apply `multicluster.yaml` again in the replica, or remove the other tool.",
        ),
        SchemaTooOld: "The definition of the record is older than the agent, and drops what this agent must remember. Nothing is written or deleted for policies and Works." => warning(
            Status::False,
            "The agent was upgraded, and the definitions were not, or they were set back.",
            "Apply the `multicluster.yaml` of the agent's version in the replica.",
        ),
        Forbidden: "Muster may not write its record." => warning(
            Status::False,
            "The rights of the account `directory-sync` were narrowed, or an admission policy refuses it. The message has the API server's answer.",
            "Apply `multicluster.yaml` again in the replica, or correct the admission policy.",
        ),
    }
    Deregistered: "This cluster left the directory: the grants of its policies and the mirrored list are gone from it, namespaces stay, and so do workloads, unless the entry said otherwise." => {
        Member: "This cluster has not left." => normal(
            Status::False,
            "Nobody deleted its entry while the agent watched, and its owner did not ask for it.",
            "Nothing.",
        ),
        Leaving: "Grants and mirrored copies are being removed, and then what Works made, where the entry said so." => normal(
            Status::False,
            "The entry was deleted in the directory, or the local report has the annotation `multicluster.coreos.com/leave`.",
            "Wait. The message says what is still there, and why. Where the directory cannot confirm any more that it goes, delete it by hand.",
        ),
        EntryDeleted: "The entry was deleted in the directory." => normal(
            Status::True,
            "Someone ran `kubectl delete mcl NAME` in the directory.",
            "Nothing. To join again, create an entry of the same name in the directory.",
        ),
        EntryDeletedWithWorks: "The entry was deleted in the directory, and what its Works made went with it." => normal(
            Status::True,
            "Someone ran `kubectl delete mcl NAME` in the directory, and `spec.deregistration` of the entry was Delete. The message says what stays, and why.",
            "Delete by hand what stays and is not wanted. To join again, create an entry of the same name in the directory.",
        ),
        OwnerLeft: "The owner of this cluster asked to leave." => normal(
            Status::True,
            "The local report has the annotation `multicluster.coreos.com/leave`.",
            "Nothing. To join again: `kubectl -n muster-system annotate clusterreport directory-sync multicluster.coreos.com/leave-`.",
        ),
    }
    Acting: "This agent is the one that acts in its cluster." => {
        Acting: "It holds the Lease `muster-system/muster-agent`." => normal(
            Status::True,
            "No other install is active.",
            "Nothing.",
        ),
        AnotherAgent: "Another install of Muster acts in this cluster, so this one idles." => warning(
            Status::False,
            "The Lease `muster-system/muster-agent` is held from another namespace. The message says by whom.",
            "Remove one of the two installs. If this one is to act, remove the other: this one takes over by itself.",
        ),
    }
    HeartbeatAccepted: "The directory takes the agent's heartbeats." => {
        Accepted: "The last heartbeat was written." => normal(
            Status::True,
            "The Lease in the execution namespace was renewed.",
            "Nothing.",
        ),
        Forbidden: "The credential may read the directory, but not report to it. The mirror works." => warning(
            Status::False,
            "The account is bound to a view role only. This is a supported, lesser mode.",
            "In the directory, apply `enrol-by-hand.yaml` for this cluster, if heartbeats and reports are wanted.",
        ),
        Missing: "There is no Lease for this cluster in the directory." => warning(
            Status::False,
            "The cluster was not enrolled: its execution namespace or its Lease is absent.",
            "In the directory, apply `enrol-by-hand.yaml` for this cluster.",
        ),
        Conflict: "Another agent renews this cluster's Lease. This agent is silent: it keeps what it made as it is, and until it holds the Lease again it reports nothing, follows nothing, begins nothing and deletes nothing by the directory's word." => warning(
            Status::False,
            "Two clusters run under one name, for example after a virtual machine was cloned.",
            "Give one of them its own name and entry, or stop it. The message has the identity of the other. Once the other one is stopped, this one speaks again after the duration of the Lease.",
        ),
        Failed: "The last heartbeat did not reach the directory." => warning(
            Status::False,
            "The directory did not answer in time, or answered with an error. The message has its category.",
            "See the condition DirectoryReachable. The agent tries again.",
        ),
    }
    ClockSkew: "The clock of the machine that the agent runs on differs from the directory's by more than half a minute. Nothing that Muster does depends on it." => {
        InStep: "The clocks agree." => normal(
            Status::False,
            "The time in the directory's answers lies in what this machine took for now.",
            "Nothing.",
        ),
        Ahead: "This machine's clock shows a later time than the directory's." => warning(
            Status::True,
            "One of the two clocks is wrong. The message says by how much they differ.",
            "Set the clock that is wrong, for example by NTP. Times in conditions, Events and logs of this agent are off until then.",
        ),
        Behind: "This machine's clock shows an earlier time than the directory's." => warning(
            Status::True,
            "One of the two clocks is wrong. The message says by how much they differ.",
            "Set the clock that is wrong, for example by NTP. Times in conditions, Events and logs of this agent are off until then.",
        ),
    }
}
