//! Resources that this tool alone speaks of.

use std::borrow::Cow;

use muster_api::{Resource, Scope};

const fn resource(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    scope: Scope,
) -> Resource {
    Resource {
        group: Cow::Borrowed(group),
        version: Cow::Borrowed(version),
        kind: Cow::Borrowed(kind),
        plural: Cow::Borrowed(plural),
        scope,
    }
}

/// Where the agent runs, and the controller.
pub(crate) const DEPLOYMENTS: Resource =
    resource("apps", "v1", "Deployment", "deployments", Scope::Namespaced);

/// One object, or a collection, as messages name it.
pub(crate) fn subject(resource: &Resource, namespace: Option<&str>, name: Option<&str>) -> String {
    let kind = resource.full_name();
    match (namespace, name) {
        (Some(namespace), Some(name)) => format!("{kind} {namespace}/{name}"),
        (None, Some(name)) => format!("{kind} {name}"),
        (Some(namespace), None) => format!("{kind} in {namespace}"),
        (None, None) => kind,
    }
}
