//! The names of what policies ask for: readable, legal, the same at every time and place, and never the same for two
//! policies.

use serde_json::json;

use crate::item::short_digest;

/// Longest name of an object, in bytes.
const LONGEST: usize = 253;
/// Length of the hash at the end, in hexadecimal digits.
const HASH: usize = 8;

/// Name of a binding: `POLICY-ROLE-HASH`. The subjects are no part of it, so that they can change; the role is, since
/// a binding's role cannot. RBAC takes upper case and ':' in names.
pub(super) fn binding(policy: &str, kind: &str, namespace: Option<&str>, role: (&str, &str)) -> String {
    let (role_kind, role_name) = role;
    let hash = hash(&json!([policy, kind, namespace, role_kind, role_name]).to_string());
    let legible = |letter: char| if is_plain(letter) { letter } else { '-' };
    let readable: String = policy.chars().chain(['-']).chain(role_name.chars().map(legible)).collect();
    join(&readable, &hash)
}

/// Name of a quota or of limits: `POLICY-HASH`, an RFC 1123 subdomain as the policy's is.
pub(super) fn limit(policy: &str, kind: &str, namespace: &str) -> String {
    join(policy, &hash(&json!([policy, kind, namespace]).to_string()))
}

/// What may stand in a name without being escaped in a URL.
fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-._:".contains(letter)
}

/// The readable part, cut where it is too long, and the hash, never cut. No part of a subdomain may end in a sign.
fn join(readable: &str, hash: &str) -> String {
    let cut: String = readable.chars().take(LONGEST - HASH - 1).collect(); // all ASCII: a letter is a byte
    format!("{}-{hash}", cut.trim_end_matches(['-', '.', '_', ':']))
}

fn hash(text: &str) -> String {
    let mut hash = short_digest(text.as_bytes());
    hash.truncate(HASH);
    hash
}

#[cfg(test)]
mod tests {
    use muster_api::names::is_subdomain;

    use super::*;

    #[test]
    fn a_name_depends_on_policy_kind_namespace_and_role() {
        let name = binding("web-api", "RoleBinding", Some("api-prod"), ("ClusterRole", "view"));
        assert_eq!(name, "web-api-view-6187355c"); // pinned: another name would make every binding anew
        let others = [
            binding("web", "RoleBinding", Some("api-prod"), ("ClusterRole", "api-view")),
            binding("web-api", "ClusterRoleBinding", None, ("ClusterRole", "view")),
            binding("web-api", "RoleBinding", Some("api-test"), ("ClusterRole", "view")),
            binding("web-api", "RoleBinding", Some("api-prod"), ("Role", "view")),
            binding("web-api", "RoleBinding", Some("api-prod"), ("ClusterRole", "edit")),
        ];
        for other in others {
            assert_ne!(other, name);
        }
        assert_ne!(limit("p", "ResourceQuota", "a"), limit("p", "ResourceQuota", "b"));
    }

    #[test]
    fn long_and_strange_names_are_cut_and_spelt_but_never_meet() {
        let (long, longer) = ("x".repeat(252), "x".repeat(253));
        let names: Vec<_> =
            [&long, &longer].map(|role| binding("p", "RoleBinding", None, ("Role", role))).into();
        assert_ne!(names[0], names[1]);
        assert!(names.iter().all(|name| name.len() == 253), "{names:?}");
        let colon = binding("p", "ClusterRoleBinding", None, ("ClusterRole", "system:Node"));
        assert!(colon.starts_with("p-system:Node-"), "{colon}");
        let strange = binding("p", "ClusterRoleBinding", None, ("ClusterRole", "ä?b c#"));
        assert!(
            strange.starts_with("p---b-c-") && strange.bytes().all(|byte| is_plain(byte.into())),
            "{strange}"
        );
        let colliding = binding("p", "ClusterRoleBinding", None, ("ClusterRole", "ö?b c#"));
        assert_ne!(strange, colliding);
    }

    #[test]
    fn quotas_of_any_policy_have_legal_names() {
        for policy in ["p", &"x".repeat(253), &format!("{}.{}", "x".repeat(243), "y".repeat(9)), "a.b"] {
            let name = limit(policy, "ResourceQuota", "a");
            assert!(is_subdomain(&name), "{name}");
        }
    }
}
