//! What several policies want together. Where they disagree, the one whose name comes first in byte order holds, and
//! the other is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use muster_api::resource::NAMESPACES;

use crate::item::Item;
use crate::target::Target;

/// What several policies want together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The object.
    pub item: Arc<Item>,
    /// The UIDs of the policies that want it, also of those that would have it otherwise.
    pub policies: BTreeSet<String>,
}

/// Two policies want one object in different ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The object.
    pub target: Target,
    /// Name of the policy that yields.
    pub policy: String,
    /// The field that they disagree on.
    pub field: String,
    /// Name of the policy that holds.
    pub with: String,
}

/// What several policies want together, from the UID, name and items of each. The labels and annotations of namespaces
/// are merged; any other object that several want is either the same for all, or as one of them has it. The order in
/// which the policies come does not matter. Conflicts are in the order of the policies that yield.
pub fn union<'a>(
    bundles: impl Iterator<Item = (&'a str, &'a str, &'a [Arc<Item>])>,
) -> (BTreeMap<Target, Wanted>, Vec<Conflict>) {
    let mut bundles: Vec<_> = bundles.collect();
    // The UID decides between a policy and its namesake of another time.
    bundles.sort_by_key(|(uid, name, _)| (*name, *uid));
    let mut all: BTreeMap<Target, Wanted> = BTreeMap::new();
    let mut conflicts = Vec::new();
    let mut holders: BTreeMap<Held<'_>, &str> = BTreeMap::new();
    for (uid, name, items) in bundles {
        for item in items {
            let wanted = all
                .entry(item.target.clone())
                .or_insert_with(|| Wanted { item: item.clone(), policies: BTreeSet::new() });
            wanted.policies.insert(uid.to_owned());
            let holder = *holders.entry((&item.target, None)).or_insert(name);
            let mut yields = |field: String, with: &str| {
                let target = item.target.clone();
                conflicts.push(Conflict { target, policy: name.to_owned(), field, with: with.to_owned() });
            };
            if item.target.resource == NAMESPACES {
                for map in [Map::Labels, Map::Annotations] {
                    for (key, value) in map.of(item) {
                        let holder = *holders.entry((&item.target, Some((map, key)))).or_insert(name);
                        let held = map.of(&wanted.item).get(key);
                        if held.is_none() {
                            // Copied only where it differs from what each of them records.
                            let merged = map.of_mut(Arc::make_mut(&mut wanted.item));
                            merged.insert(key.clone(), value.clone());
                        } else if held != Some(value) {
                            yields(format!("metadata.{}[{key}]", map.name()), holder);
                        }
                    }
                }
            } else if let Some(field) = wanted.item.difference(item) {
                yields(field.to_owned(), holder);
            }
        }
    }
    (all, conflicts)
}

/// What one policy says alone: an object, or a key in a map of its metadata.
type Held<'a> = (&'a Target, Option<(Map, &'a str)>);

/// A map of the metadata.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Map {
    Labels,
    Annotations,
}

impl Map {
    fn name(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::Annotations => "annotations",
        }
    }

    fn of(self, item: &Item) -> &BTreeMap<String, String> {
        match self {
            Self::Labels => &item.labels,
            Self::Annotations => &item.annotations,
        }
    }

    fn of_mut(self, item: &mut Item) -> &mut BTreeMap<String, String> {
        match self {
            Self::Labels => &mut item.labels,
            Self::Annotations => &mut item.annotations,
        }
    }
}

#[cfg(test)]
mod tests;
