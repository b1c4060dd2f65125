//! The kinds with which more goes than the object itself: they are deleted only where a manifest allows it by name.

use muster_api::Resource;
use muster_api::resource::{CRDS, NAMESPACES};

use crate::target::Target;

/// Whether objects of a resource are protected: namespaces and definitions of custom resources, with which all goes
/// that is in them, and volumes, with which data goes.
#[must_use]
pub(crate) fn is_protected(resource: &Resource) -> bool {
    let volumes = ["persistentvolumes", "persistentvolumeclaims"];
    is_namespace(resource)
        || alike(resource, &CRDS)
        || resource.group.is_empty() && volumes.contains(&resource.plural.as_ref())
}

/// Whether an object goes with another one: with its namespace, or with the definition of its kind.
#[must_use]
pub(crate) fn lies_in(target: &Target, container: &Target) -> bool {
    let Target { resource, namespace, .. } = target;
    if alike(&container.resource, &CRDS) {
        let definition = container.name.split_once('.');
        return definition == Some((resource.plural.as_ref(), resource.group.as_ref()));
    }
    is_namespace(&container.resource) && namespace.as_ref() == Some(&container.name)
}

fn is_namespace(resource: &Resource) -> bool {
    // OpenShift's view of a namespace: with one the other goes.
    let project = (resource.group.as_ref(), resource.plural.as_ref()) == ("project.openshift.io", "projects");
    alike(resource, &NAMESPACES) || project
}

fn alike(resource: &Resource, known: &Resource) -> bool {
    (&known.group, &known.plural) == (&resource.group, &resource.plural)
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
