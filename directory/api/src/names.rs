//! Names that other programs and people rely on: they are part of the interface.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Namespace of the agent in a replica.
pub const SYSTEM_NAMESPACE: &str = "muster-system";
/// Name of the agent's Deployment, `ServiceAccount`, default Secret and local report.
pub const AGENT: &str = "directory-sync";
/// Key of the kubeconfig in the Secret.
pub const KUBECONFIG_KEY: &str = "kubeconfig";
/// Optional key of the replica's name in the Secret.
pub const CLUSTER_NAME_KEY: &str = "clusterName";
/// Namespace of the agents' accounts in the directory.
pub const AGENTS_NAMESPACE: &str = "muster-agents";
/// The account that Kubernetes makes in every namespace: no cluster can have its name.
pub const KUBERNETES_ACCOUNT: &str = "default";
/// Namespace of the accounts that apply, in a replica.
pub const APPLIERS_NAMESPACE: &str = "muster-appliers";
/// The Lease that decides which agent of a replica acts; always in [`SYSTEM_NAMESPACE`].
pub const LEADER_LEASE: &str = "muster-agent";
/// Name of the directory's controller: of its Deployment, its `ServiceAccount` and its leader Lease, in
/// [`SYSTEM_NAMESPACE`].
pub const CONTROLLER: &str = "muster-directory";
/// The `ClusterRole` of an agent in its execution namespace, and the name of the binding to it there.
pub const AGENT_ROLE: &str = "muster-agent";
/// The `ClusterRole` with which an agent reads the list of clusters and the policies.
pub const VIEW_ROLE: &str = "view-clusters";
/// What the name of the binding to [`VIEW_ROLE`] begins with; the name of the cluster follows.
pub const VIEW_BINDING: &str = "muster-view-clusters-";
/// What the name begins with of the Role in [`AGENTS_NAMESPACE`], and of the binding to it, with which an agent renews its
/// own token; the name of the cluster follows.
pub const TOKEN_ROLE: &str = "muster-token-";
/// What the name ends with of the Secret in [`AGENTS_NAMESPACE`] to which a credential to join with is bound; before it
/// stands the name of the cluster.
pub const JOINING: &str = "-joining";
/// The Secret with the credential that the agent renewed.
pub const RENEWED_SECRET: &str = "directory-sync-renewed";
/// The `ConfigMap` with what the agent must remember: the pin above all.
pub const STATE_CONFIG_MAP: &str = "muster-agent-state";
/// The namespace whose UID stands for a cluster.
pub const IDENTITY_NAMESPACE: &str = "kube-system";
/// The namespace of the inventory for other tools, in the directory.
pub const INVENTORY_NAMESPACE: &str = "muster-inventory";
/// Namespace of agents that run outside their replicas, with the kubeconfigs for these.
pub const HOSTING_NAMESPACE: &str = "muster-hosted";
/// Field manager of the mirror.
pub const MIRROR_MANAGER: &str = "muster-mirror";

/// Field manager of what Works ask for.
pub const WORKS_MANAGER: &str = "muster-works";
/// Field manager of what policies ask for.
pub const POLICIES_MANAGER: &str = "muster-policies";
/// The account in [`APPLIERS_NAMESPACE`] that applies what policies ask for.
pub const POLICIES_APPLIER: &str = "policies";
/// The account in [`APPLIERS_NAMESPACE`] that applies Works, where they name no other.
pub const WORKS_APPLIER: &str = "works";
/// What the name of a policy's ledger begins with; the policy's UID follows.
pub const POLICY_LEDGER: &str = "muster-policy-";

/// What the name of the Secret begins with that keeps the values of the Secrets of a Work; the Work's UID follows.
const VALUES_SECRET: &str = "muster-work-";

/// What the name of an execution namespace begins with; the name of the cluster follows.
pub const EXECUTION_NAMESPACE: &str = "muster-cluster-";

/// Longest name of a namespace: an RFC 1123 label.
const LONGEST_LABEL: usize = 63;

/// The execution namespace of a cluster: `muster-cluster-NAME` where that is a legal name of a namespace, else
/// its beginning and a hash of the whole, so that no two names meet. The directory publishes the name in
/// `status.executionNamespace`; this is the default where nothing is published.
#[must_use]
pub fn execution_namespace(cluster: &str) -> String {
    let plain = format!("{EXECUTION_NAMESPACE}{cluster}");
    if plain.len() <= LONGEST_LABEL && !plain.contains('.') {
        return plain;
    }
    let digest = Sha256::digest(cluster.as_bytes());
    let hash = digest.iter().take(5).fold(String::new(), |mut hash, byte| {
        let _ = write!(hash, "{byte:02x}"); // writing to a String cannot fail
        hash
    });
    let mut cut: String = plain.replace('.', "-").chars().take(LONGEST_LABEL - hash.len() - 1).collect();
    cut.truncate(cut.trim_end_matches('-').len());
    format!("{cut}-{hash}")
}

/// The Secret in a replica that keeps the values of the Secrets of the Work of this UID, in the agent's namespace.
#[must_use]
pub fn values_secret(work: &str) -> String {
    format!("{VALUES_SECRET}{work}")
}

/// The name of the Secret to which a cluster's credential to join with is bound.
#[must_use]
pub fn joining_secret(cluster: &str) -> String {
    format!("{cluster}{JOINING}")
}

/// Whether a namespace is one of Muster's own: what people ask of Muster must never reach into it.
#[must_use]
pub fn is_own_namespace(namespace: &str) -> bool {
    [SYSTEM_NAMESPACE, AGENTS_NAMESPACE, APPLIERS_NAMESPACE, INVENTORY_NAMESPACE, HOSTING_NAMESPACE]
        .contains(&namespace)
        || namespace.starts_with(EXECUTION_NAMESPACE)
}

/// Longest name of most objects: an RFC 1123 subdomain.
const LONGEST_SUBDOMAIN: usize = 253;

/// Whether a text may name a namespace: an RFC 1123 label of 1 to 63 bytes.
#[must_use]
pub fn is_label(text: &str) -> bool {
    text.len() <= LONGEST_LABEL && is_part(text)
}

/// Whether a text may name a cluster, a Secret or a `ServiceAccount`: an RFC 1123 subdomain of 1 to 253 bytes. Its
/// parts may be longer than 63 bytes, as in Kubernetes.
#[must_use]
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= LONGEST_SUBDOMAIN && text.split('.').all(is_part)
}

fn is_part(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_kubernetes_does() {
        for good in ["a", "0", "a-b", "0-9", &"x".repeat(63)] {
            assert!(is_label(good) && is_subdomain(good), "{good}");
        }
        for good in ["a.b", &"x".repeat(64), &"x".repeat(253)] {
            assert!(is_subdomain(good) && !is_label(good), "{good}");
        }
        for bad in
            ["", ".", "a.", ".a", "a..b", "-a", "a-", "a.-b", "A", "a_b", "ä", "a b", "a/b", &"x".repeat(254)]
        {
            assert!(!is_subdomain(bad) && !is_label(bad), "{bad}");
        }
    }

    #[test]
    fn own_namespaces_are_known() {
        let plain =
            ["muster-system", "muster-agents", "muster-appliers", "muster-inventory", "muster-hosted"];
        for own in plain.into_iter().chain([execution_namespace("a.b").as_str()]) {
            assert!(is_own_namespace(own), "{own}");
        }
        for other in ["kube-system", "default", "muster", "muster-system-2", "muster-clusters"] {
            assert!(!is_own_namespace(other), "{other}");
        }
    }

    #[test]
    fn legal_names_stay_and_others_are_cut_without_meeting() {
        assert_eq!(execution_namespace("east"), "muster-cluster-east");
        let dotted = execution_namespace("a.b");
        assert_ne!(dotted, execution_namespace("a-b"));
        let long = execution_namespace(&"x".repeat(253));
        for name in [&dotted, &long] {
            assert!(name.len() <= 63, "{name}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
        }
        assert_ne!(long, execution_namespace(&"x".repeat(252)));
    }
}
