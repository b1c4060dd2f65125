//! What the ledger of a Work records beside that of a policy: kinds that only the replica knows, the places of manifests,
//! and the options that hold for each object.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use muster_api::applied_work::LedgerResource;
use muster_api::names::{is_label, is_subdomain};
use muster_api::{Resource, Scope};
use muster_engine::Target;
use muster_engine::item::Item;
use muster_engine::ledger::{Place, WorkPart};
use muster_engine::work::Options;

use super::Unreadable;
use super::layout::resource;

/// All that may be there for a Work: what is wanted, and what is not any more.
pub(super) fn resources(part: &WorkPart) -> Vec<LedgerResource> {
    let own = |options: &Arc<Options>| (**options != *part.options).then(|| options.to_map());
    let wanted = part.places.iter().map(|(target, place)| LedgerResource {
        ordinal: i64::try_from(place.ordinal).ok(),
        options: own(&place.options),
        ..resource(target)
    });
    let left = part
        .left
        .iter()
        .map(|(target, options)| LedgerResource { options: own(options), ..resource(target) });
    wanted.chain(left).collect()
}

/// Reads what only a Work's ledger has.
pub(super) fn part(
    namespace: String,
    options: &BTreeMap<String, String>,
    resources: &[LedgerResource],
    items: &[Arc<Item>],
) -> Result<WorkPart, Unreadable> {
    let read =
        |map: &BTreeMap<String, String>| Options::from_map(map).map(Arc::new).map_err(|_| Unreadable::Option);
    let options = read(options)?;
    let mut places = BTreeMap::new();
    let mut left = BTreeMap::new();
    for entry in resources {
        let target = target(entry).ok_or(Unreadable::Field("spec.ledger.resources"))?;
        let own = match &entry.options {
            None => Arc::clone(&options),
            Some(own) => read(own)?,
        };
        match entry.ordinal.map(usize::try_from) {
            None => drop(left.insert(target, own)),
            Some(Ok(ordinal)) => drop(places.insert(target, Place { ordinal, options: own })),
            Some(Err(_)) => return Err(Unreadable::Field("spec.ledger.resources")),
        }
    }
    if places.len() != items.len() || !items.iter().all(|item| places.contains_key(&item.target)) {
        return Err(Unreadable::Field("spec.ledger.resources"));
    }
    Ok(WorkPart { namespace, options, places, left, departure: None })
}

/// An object of any kind, as a ledger names it; `None` where nothing can be called so.
pub(super) fn target(entry: &LedgerResource) -> Option<Target> {
    let LedgerResource { group, version, kind, resource: plural, namespace, name, .. } = entry;
    let legal = (group.is_empty() || is_subdomain(group))
        && is_label(version)
        && !kind.is_empty()
        && is_label(plural)
        && !name.is_empty()
        && (namespace.is_empty() || is_label(namespace));
    let owned = |text: &str| Cow::Owned(text.to_owned());
    legal.then(|| Target {
        resource: Resource {
            group: owned(group),
            version: owned(version),
            kind: owned(kind),
            plural: owned(plural),
            scope: if namespace.is_empty() { Scope::Cluster } else { Scope::Namespaced },
        },
        namespace: (!namespace.is_empty()).then(|| namespace.clone()),
        name: name.clone(),
    })
}
