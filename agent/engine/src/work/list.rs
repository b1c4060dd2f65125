//! Manifests that are lists: `kubectl get -o yaml` and many generators write one for several objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::Slot;
use super::flaw::{self, Flaw};
use super::manifest::{Gvk, Manifest, PREFIX};
use super::named::Named;
use super::options::{OptionError, Options};

/// What the kind of a list ends in, and all of the kind of one that may hold anything.
const LIST: &str = "List";

/// A list, as far as it is one.
struct List<'a> {
    items: Vec<&'a RawValue>,
    /// What the items are that do not say it, as in the answers of a server.
    implied: Option<Gvk>,
}

/// The fields of an object, not parsed any further. `None`: it is no object.
pub(super) fn outer(raw: &RawValue) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// The manifests of a Work, lists expanded: each item has the ordinal of its list. `None`: they are more than `most`.
pub(super) fn slots(manifests: &[&RawValue], options: &Arc<Options>, most: usize) -> Option<Vec<Slot>> {
    let mut slots = Vec::new();
    for (ordinal, raw) in manifests.iter().enumerate() {
        match List::read(raw) {
            None => slots.push(Slot::read(ordinal, raw, None, options)),
            Some(Err(flaw)) => slots.push(Slot::flawed(ordinal, raw, flaw)),
            Some(Ok(list)) => {
                if slots.len().saturating_add(list.items.len()) > most {
                    return None;
                }
                slots.extend(list.items.iter().map(|item| match List::read(item) {
                    None => Slot::read(ordinal, item, list.implied.as_ref(), options),
                    Some(_) => Slot::flawed(ordinal, item, Flaw::NestedList),
                }));
            }
        }
        if slots.len() > most {
            return None;
        }
    }
    Some(slots)
}

// === impl Slot ===

impl Slot {
    fn read(ordinal: usize, raw: &RawValue, implied: Option<&Gvk>, options: &Arc<Options>) -> Self {
        let (named, manifest) = Manifest::read(raw, implied, options);
        Self { ordinal, manifest, named }
    }

    fn flawed(ordinal: usize, raw: &RawValue, flaw: Flaw) -> Self {
        Self { ordinal, manifest: Err(flaw), named: Named::of_text(raw) }
    }
}

// === impl List ===

impl<'a> List<'a> {
    /// `None`: it is no list. Kinds whose names end so by chance have no items.
    fn read(raw: &'a RawValue) -> Option<Result<Self, Flaw>> {
        let fields = outer(raw)?;
        let text = |field: &str| serde_json::from_str::<String>(fields.get(field)?.get()).ok();
        let (kind, api_version) = (text("kind")?, text("apiVersion"));
        let of_kind = kind.strip_suffix(LIST)?;
        let items = fields.get("items").map_or("null", |items| items.get());
        let any = kind == LIST && api_version.as_deref() == Some("v1");
        if !items.starts_with('[') {
            let none = || Ok(Self { items: Vec::new(), implied: None });
            let wrong = || Err(Flaw::malformed("items", "must be a list"));
            return any.then(|| if items == "null" { none() } else { wrong() });
        }
        if fields.get("metadata").is_some_and(|metadata| has_options(metadata)) {
            return Some(Err(Flaw::Option(OptionError::OnList)));
        }
        let implied = api_version.filter(|_| flaw::is_kind(of_kind)).and_then(|api_version| {
            let (group, version) = flaw::api_version(&api_version).ok()?;
            Some(Gvk { group: group.to_owned(), version: version.to_owned(), kind: of_kind.to_owned() })
        });
        // It begins like a list and is JSON: it is one.
        let items = serde_json::from_str(items).map_err(|_| Flaw::malformed("items", "must be a list"));
        Some(items.map(|items| Self { items, implied }))
    }
}

/// Whether options are written in the metadata of a list, where they would hold for nothing.
fn has_options(metadata: &RawValue) -> bool {
    let annotations = outer(metadata).and_then(|metadata| outer(metadata.get("annotations")?));
    annotations.is_some_and(|annotations| annotations.keys().any(|key| key.starts_with(PREFIX)))
}
