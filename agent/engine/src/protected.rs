//! The kinds with which more goes than the object itself: they are deleted only where a manifest allows it by name.

use muster_api::Resource;
use muster_api::resource::{CRDS, NAMESPACES};

/// Whether objects of a resource are protected: namespaces and definitions of custom resources, with which all goes
/// that is in them, and volumes, with which data goes.
#[must_use]
pub(crate) fn is_protected(resource: &Resource) -> bool {
    let alike = |known: &Resource| (&known.group, &known.plural) == (&resource.group, &resource.plural);
    let volumes = ["persistentvolumes", "persistentvolumeclaims"];
    alike(&NAMESPACES)
        || alike(&CRDS)
        || resource.group.is_empty() && volumes.contains(&resource.plural.as_ref())
}
