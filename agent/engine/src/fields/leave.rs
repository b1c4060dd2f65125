//! Manifests that leave some of their fields to others, for an object that is there.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::path::{Path, Step};
use super::set::is_leaf;
use super::strip::strip;
use super::text::{key_text, scalar};

/// Takes what stands at the paths out of a manifest that is to be applied to an object, `there`, on the server's side as
/// `manager`. Afterwards each of these fields is on the object what it was before:
///
/// - what others own is not sent, so it stays theirs;
/// - what the manager owns is sent as it is there: what its only owner stops sending, the server deletes;
/// - where a path leads into what a server knows only as a whole (an atomic list or map), the whole is the manifest's, and
///   in it stands at the path what is there.
///
/// Returns whether anything is sent as it is there, or with what it is in: then the manifest is good only for the object as
/// it was read. Else it says nothing of these fields, whoever changes them.
pub fn leave(manifest: &mut Value, paths: &[Path], there: &Value, manager: &str) -> bool {
    let entries = managed(there);
    let sets = || entries.iter().map(|entry| &entry.fields_v1);
    let (within, apart): (Vec<&Path>, Vec<&Path>) =
        paths.iter().partition(|path| sets().any(|set| is_within(set, path.steps())));
    let mut sent = !within.is_empty();
    for path in within {
        match value_at(there, path.steps()) {
            Some(value) => put(manifest, path.steps(), value),
            None => strip(manifest, std::slice::from_ref(path)),
        }
    }
    let apart: Vec<Path> = apart.into_iter().cloned().collect();
    strip(manifest, &apart);
    let own = entries.iter().find(|entry| entry.manager == manager && entry.operation == "Apply");
    if let Some(own) = own {
        let before = manifest.clone();
        for path in &apart {
            copy(manifest, there, &own.fields_v1, path.steps());
        }
        sent |= *manifest != before;
    }
    sent
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    manager: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    fields_v1: Map<String, Value>,
}

/// Who owns what of an object. What cannot be read is nobody's.
fn managed(there: &Value) -> Vec<Entry> {
    let entries = there.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.into_iter().flatten().filter_map(|entry| Entry::deserialize(entry).ok()).collect()
}

/// Whether a path leads into what this set has as a whole.
fn is_within(set: &Map<String, Value>, steps: &[Step]) -> bool {
    let Some((first, rest)) = steps.split_first().filter(|(_, rest)| !rest.is_empty()) else { return false };
    set.iter().filter(|(key, _)| first.may_be_in_set(key)).any(|(key, below)| match below.as_object() {
        // Where parts of it can be owned, a field that has none now says so by a dot, or is a scalar.
        Some(below) if below.is_empty() => key.starts_with("f:"),
        Some(below) => is_within(below, rest),
        None => false,
    })
}

fn value_at<'a>(there: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(there, |value, step| match step {
        Step::Field(name) => value.get(name.as_ref()),
        Step::Element(element) => element.find(value.as_array()?),
    })
}

/// Sets what stands at a path, where there is a place for it.
fn put(manifest: &mut Value, steps: &[Step], value: &Value) {
    let Some((first, rest)) = steps.split_first() else {
        *manifest = value.clone();
        return;
    };
    match (first, manifest) {
        (Step::Field(name), Value::Object(fields)) => {
            let empty = || Value::Object(Map::new());
            put(fields.entry(name.as_ref()).or_insert_with(empty), rest, value);
        }
        (Step::Element(element), Value::Array(list)) => {
            let place = list.iter().enumerate().position(|(index, value)| element.is_at(index, value));
            if let Some(found) = place.and_then(|place| list.get_mut(place)) {
                put(found, rest, value);
            }
        }
        _ => {}
    }
}

/// Copies what a set has at or below a path.
fn copy(manifest: &mut Value, there: &Value, set: &Map<String, Value>, steps: &[Step]) {
    for (key, below) in set {
        let rest = match steps.split_first() {
            Some((first, rest)) if first.may_be_in_set(key) => rest,
            Some(_) => continue,
            None => steps,
        };
        let (Some((kind, name)), Some(below)) = (key.split_once(':'), below.as_object()) else { continue };
        match (kind, manifest.as_object_mut()) {
            ("f", Some(fields)) => {
                let Some(found) = there.get(name) else { continue };
                if below.is_empty() && rest.is_empty() {
                    fields.insert(name.to_owned(), found.clone());
                } else {
                    let is_new = !fields.contains_key(name);
                    let child = fields.entry(name).or_insert_with(|| empty_like(found));
                    copy(child, found, below, rest);
                    // An empty one that is owned as such is marked by a dot.
                    let is_empty = child.as_object().is_some_and(Map::is_empty)
                        || child.as_array().is_some_and(Vec::is_empty);
                    if is_new && is_empty && !(rest.is_empty() && is_leaf(below)) {
                        fields.remove(name);
                    }
                }
            }
            ("k", None) => copy_element(manifest, there, (name, below), rest),
            ("v", None) => {
                let (Some(list), Ok(member)) = (manifest.as_array_mut(), serde_json::from_str(name)) else {
                    continue;
                };
                let is_there = there.as_array().is_some_and(|there| there.contains(&member));
                if is_there && !list.contains(&member) {
                    list.push(member);
                }
            }
            _ => {}
        }
    }
}

/// The same of one element of a list, known by its merge keys.
fn copy_element(
    manifest: &mut Value,
    there: &Value,
    (keys, below): (&str, &Map<String, Value>),
    rest: &[Step],
) {
    let Ok(keys) = serde_json::from_str::<Map<String, Value>>(keys) else { return };
    let is_it = |value: &Value| {
        let element = value.as_object();
        element.is_some_and(|element| {
            keys.iter()
                .all(|(key, value)| key_text(element, key).is_some_and(|own| Some(own) == scalar(value)))
        })
    };
    let found = there.as_array().and_then(|list| list.iter().find(|value| is_it(value)));
    let (Some(found), Some(list)) = (found, manifest.as_array_mut()) else { return };
    let place = list.iter().position(is_it);
    let mut fresh = Value::Object(keys.clone());
    let element = match place.and_then(|place| list.get_mut(place)) {
        Some(element) => element,
        None => &mut fresh,
    };
    copy(element, found, below, rest);
    let has_more = fresh.as_object().is_some_and(|fresh| fresh.len() > keys.len());
    if place.is_none() && (has_more || rest.is_empty()) {
        list.push(fresh);
    }
}

fn empty_like(value: &Value) -> Value {
    if value.is_array() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) }
}

#[cfg(test)]
mod tests;
