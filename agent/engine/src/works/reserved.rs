//! What is Muster's own in a replica. Works are not for that: one that took it over could give itself rights, stop the agent,
//! or take away with its end what all the others rest on.

use muster_api::names::{AGENT, POLICIES_APPLIER, VIEW_ROLE, is_own_namespace};
use muster_api::resource::{APPLIED_WORKS, CLUSTERS, POLICIES, REPORTS, WORKS};

use crate::work::Manifest;

/// Kinds that stand for the namespace of their name, by group: that of Kubernetes, and those of `OpenShift`.
const NAMESPACES: [(&str, &str); 3] =
    [("", "Namespace"), ("project.openshift.io", "Project"), ("project.openshift.io", "ProjectRequest")];

/// Kinds, by group, of which Muster has objects by name in a cluster.
const NAMED: [(&str, &str); 6] = [
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
];
/// How the names of these objects begin.
const PREFIX: &str = "muster-";
/// Those that begin otherwise, with the names that the registry gave them.
const OTHERS: [&str; 4] = [AGENT, "tectonic-directory-sync", VIEW_ROLE, "tectonic-view-clusters"];

/// Why a manifest is not applied that is right in itself. `own`: the agent's own namespace.
pub(super) fn reserved(manifest: &Manifest, own: &str) -> Option<&'static str> {
    let (group, kind, name) = (&*manifest.gvk.group, &*manifest.gvk.kind, &*manifest.name);
    if manifest.options.service_account.as_deref() == Some(POLICIES_APPLIER) {
        return Some(
            "the account policies is for policies alone: name another one in option service-account",
        );
    }
    let of_namespace = NAMESPACES.contains(&(group, kind)).then_some(name);
    let is_own = |namespace: &str| is_own_namespace(namespace) || namespace == own;
    if manifest.namespace.as_deref().or(of_namespace).is_some_and(is_own) {
        return Some("namespaces of Muster's own are not for Works");
    }
    let is_ledger = group == APPLIED_WORKS.group && kind == APPLIED_WORKS.kind;
    let is_definition = (group, kind) == ("apiextensions.k8s.io", "CustomResourceDefinition")
        && [CLUSTERS, POLICIES, REPORTS, WORKS, APPLIED_WORKS].iter().any(|own| own.full_name() == name);
    let is_named = NAMED.contains(&(group, kind)) && (name.starts_with(PREFIX) || OTHERS.contains(&name));
    (is_ledger || is_definition || is_named).then_some(
        "this object is Muster's own, and not for Works: apply the file of Muster that it is in to the cluster itself",
    )
}
