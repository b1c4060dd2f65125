//! Sets of fields as a server writes them in `metadata.managedFields[].fieldsV1` (KEP-555): a tree whose keys are
//! `f:NAME` for a field, `k:{"name":"app"}` for an element of a list by its merge keys, `v:VALUE` for one by its value,
//! `i:0` for one by its place, and `.` where what has such parts is in the set itself. A leaf is in the set.

use serde_json::{Map, Value};

use super::path::{Path, Step};
use crate::item::short_digest;

/// In the set itself.
const SELF: &str = ".";

/// Digest of the fields that a manager owns (the first 16 hexadecimal digits of a SHA-256), without those at or below
/// the paths. `None`: it is no set of fields.
///
/// Without paths it is the digest of the text as it is. With paths it is that of a canonical text, so that it does not
/// change when somebody takes over, or lets go of, what is at or below them: also what held nothing else goes with it.
/// What a server owns as a whole (an atomic list or map) is not cut where a path leads into it. Digests under different
/// paths have nothing to do with each other.
#[must_use]
pub fn digest(fields_v1: &str, without: &[Path]) -> Option<String> {
    if without.is_empty() {
        return Some(short_digest(fields_v1.as_bytes()));
    }
    let mut set: Map<String, Value> = serde_json::from_str(fields_v1).ok()?;
    let paths: Vec<&[Step]> = without.iter().map(Path::steps).collect();
    remove(&mut set, &paths);
    Some(short_digest(Value::Object(set).to_string().as_bytes()))
}

fn remove(set: &mut Map<String, Value>, paths: &[&[Step]]) {
    set.retain(|key, below| {
        let rests = || {
            let met = paths.iter().filter_map(|path| path.split_first());
            met.filter(|(first, _)| first.may_be_in_set(key)).map(|(_, rest)| rest)
        };
        if rests().any(<[Step]>::is_empty) {
            return false;
        }
        let paths: Vec<&[Step]> = rests().collect();
        let Some(below) = below.as_object_mut().filter(|below| !paths.is_empty() && !is_leaf(below)) else {
            return true;
        };
        remove(below, &paths);
        let is_left = !below.is_empty();
        if is_leaf(below) {
            below.clear(); // a leaf has no mark that it is in the set itself
        }
        is_left
    });
}

pub(super) fn is_leaf(set: &Map<String, Value>) -> bool {
    set.keys().all(|key| key == SELF)
}

// === impl Step ===

impl Step {
    /// Whether this is, or cannot be told not to be, what a key of a set stands for.
    pub(super) fn may_be_in_set(&self, key: &str) -> bool {
        let Some((kind, name)) = key.split_once(':') else { return false };
        match (self, kind) {
            (Self::Field(own), "f") => own.as_ref() == name,
            (Self::Element(own), "k") => {
                serde_json::from_str(name).is_ok_and(|merge_keys| own.may_have(&merge_keys))
            }
            (Self::Element(own), "v") => serde_json::from_str(name).is_ok_and(|member| own.may_be(&member)),
            (Self::Element(own), "i") => name.parse().is_ok_and(|index| own.is_index(index)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
