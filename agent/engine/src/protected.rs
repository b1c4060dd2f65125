//! The kinds with which more goes than the object itself: they are deleted only where a manifest allows it by name.

use muster_api::Resource;
use muster_api::resource::{CRDS, NAMESPACES};

/// Whether objects of a resource are protected: namespaces and definitions of custom resources, with which all goes
/// that is in them, and volumes, with which data goes.
#[must_use]
pub(crate) fn is_protected(resource: &Resource) -> bool {
    let alike = |known: &Resource| (&known.group, &known.plural) == (&resource.group, &resource.plural);
    // OpenShift's view of a namespace: with one the other goes.
    let project = (resource.group.as_ref(), resource.plural.as_ref()) == ("project.openshift.io", "projects");
    let volumes = ["persistentvolumes", "persistentvolumeclaims"];
    alike(&NAMESPACES)
        || alike(&CRDS)
        || project
        || resource.group.is_empty() && volumes.contains(&resource.plural.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_a_namespace_by_another_name() {
        let project = |group: &'static str| Resource {
            group: group.into(),
            plural: "projects".into(),
            kind: "Project".into(),
            ..NAMESPACES
        };
        assert!(is_protected(&project("project.openshift.io")));
        assert!(!is_protected(&project("example.com")));
    }
}
