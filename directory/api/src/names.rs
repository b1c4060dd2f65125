//! Names that other programs and people rely on: they are part of the interface.

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
/// Namespace of the accounts that apply, in a replica.
pub const APPLIERS_NAMESPACE: &str = "muster-appliers";
/// The Lease that decides which agent of a replica acts; always in [`SYSTEM_NAMESPACE`].
pub const LEADER_LEASE: &str = "muster-agent";
/// The `ConfigMap` with what the agent must remember: the pin above all.
pub const STATE_CONFIG_MAP: &str = "muster-agent-state";
/// The namespace whose UID stands for a cluster.
pub const IDENTITY_NAMESPACE: &str = "kube-system";
/// Field manager of the mirror.
pub const MIRROR_MANAGER: &str = "muster-mirror";

/// Longest name of a namespace: an RFC 1123 label.
const LONGEST_LABEL: usize = 63;

/// The execution namespace of a cluster: `muster-cluster-NAME` where that is a legal name of a namespace, else
/// its beginning and a hash of the whole, so that no two names meet. The directory publishes the name in
/// `status.executionNamespace`; this is the default where nothing is published.
#[must_use]
pub fn execution_namespace(cluster: &str) -> String {
    let plain = format!("muster-cluster-{cluster}");
    if plain.len() <= LONGEST_LABEL && !plain.contains('.') {
        return plain;
    }
    let digest = Sha256::digest(cluster.as_bytes());
    let hash: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    let mut cut: String = plain.replace('.', "-").chars().take(LONGEST_LABEL - hash.len() - 1).collect();
    cut.truncate(cut.trim_end_matches('-').len());
    format!("{cut}-{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

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
