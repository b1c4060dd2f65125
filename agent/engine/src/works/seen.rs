//! A Work as the directory shows it, or does not show it any more.

use std::collections::BTreeMap;

use muster_api::resource::GROUP;
use muster_api::{Object, marks};

/// How a Work went from the directory's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// A watch saw it go.
    Tombstone,
    /// A list did not show it. That alone says nothing.
    Unseen,
}

/// A Work, as the directory shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) generation: i64,
    pub(super) version: u64,
    pub(super) resource_version: String,
    pub(super) deleting: bool,
    pub(super) finalizers: Vec<String>,
    /// The annotations that are options or might be.
    pub(super) options: BTreeMap<String, String>,
}

impl Seen {
    pub(super) fn of(object: &Object) -> Self {
        let meta = &object.meta;
        let options = meta
            .annotations
            .iter()
            .filter(|(key, _)| key.strip_prefix(GROUP).is_some_and(|rest| rest.starts_with('/')));
        Self {
            generation: meta.generation,
            version: meta.resource_version.parse().unwrap_or(0),
            resource_version: meta.resource_version.clone(),
            deleting: meta.deletion_timestamp.is_some(),
            finalizers: meta.finalizers.clone(),
            options: options.map(|(key, value)| (key.clone(), value.clone())).collect(),
        }
    }

    /// Whether it asks for the same as another state of the Work, which may differ in what others write about it, such as
    /// its status.
    pub(super) fn asks_the_same(&self, other: &Self) -> bool {
        let asked =
            |seen: &Self| (seen.generation, seen.deleting, seen.finalizers.clone(), seen.options.clone());
        asked(self) == asked(other)
    }

    /// The value of an annotation of Muster's group.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// Whether the Work bears Muster's finalizer.
    pub(super) fn is_held(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == marks::WORK_FINALIZER)
    }
}
