//! The name of the set of objects that a Work made, after KEP-3659 (ApplySet): `kubectl get -l
//! applyset.kubernetes.io/part-of=ID` lists them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use muster_api::resource::APPLIED_WORKS;
use sha2::{Digest as _, Sha256};

/// The ID of the set whose parent is the `AppliedWork` of this name: `applyset-DIGEST-v1`, where DIGEST is the SHA-256 of
/// `NAME.NAMESPACE.KIND.GROUP` in unpadded URL-safe base64.
#[must_use]
pub fn id(name: &str) -> String {
    let parent = format!("{name}..{}.{}", APPLIED_WORKS.kind, APPLIED_WORKS.group);
    format!("applyset-{}-v1", URL_SAFE_NO_PAD.encode(Sha256::digest(parent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by kubectl's own rule: `printf %s web..AppliedWork.multicluster.x-k8s.io | sha256sum`.
    #[test]
    fn an_id_is_the_one_that_kubectl_expects() {
        assert_eq!(id("web"), EXPECTED);
        assert!(id(&"a".repeat(253)).len() <= 63, "it is the value of a label");
    }

    const EXPECTED: &str = "applyset-eqFFXvcIXPkSWgRsxVvzlK8kalR_4CD3yDgXZsENEqY-v1";
}
