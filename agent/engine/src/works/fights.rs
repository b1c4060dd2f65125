//! Who keeps changing what Muster writes. A field that somebody else changes leaves Muster's set of fields and is in
//! theirs, so the set before and the object after tell whose doing it was, and what they want.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_api::Object;
use muster_api::names::WORKS_MANAGER;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Works;
use crate::bounded::line;
use crate::fields::push_field;
use crate::managed;
use crate::target::Target;

/// Most managers, and most fields, that a message names.
const NAMED: usize = 3;
/// Longest name of a manager, and longest path, in bytes.
const LONGEST: usize = 64;
/// Largest set of fields that is remembered of an object, in bytes.
const LARGEST: usize = 64 << 10;
/// Deepest field that is looked for.
const DEEPEST: usize = 64;

/// An object that was put right several times of late.
#[derive(Debug, Default)]
pub(super) struct Fight {
    /// Muster's set of fields when all of them were its own.
    whole: Option<Box<str>>,
    rivals: BTreeSet<String>,
    fields: BTreeSet<String>,
}

impl Works {
    /// What somebody else had changed was put right: this is the object after it.
    pub(super) fn fought(&mut self, target: &Target, object: &Object, work: &str, now: Duration) {
        let Some(slot) = self.slots.get(target).filter(|slot| slot.pace.is_tested(now)) else { return };
        let calm = slot.pace.calm();
        let entries = managed::entries(object.raw.get());
        let own = entries.into_iter().find(|entry| entry.is_applied_by(WORKS_MANAGER));
        let own = own.and_then(|own| own.fields_v1).map(RawValue::get).filter(|set| set.len() <= LARGEST);
        let fight = self.fights.entry(target.clone()).or_default();
        fight.whole = own.map(Into::into);
        self.later(calm, work);
    }

    /// The object as it is shown: where fields were lost, they are somebody's.
    pub(super) fn study(&mut self, target: &Target, object: &Object) {
        let Some(fight) = self.fights.get_mut(target) else { return };
        let entries = managed::entries(object.raw.get());
        let own = entries.iter().find(|entry| entry.is_applied_by(WORKS_MANAGER));
        let own = own.and_then(|own| own.fields_v1).and_then(|set| serde_json::from_str(set.get()).ok());
        let whole = fight.whole.as_deref().and_then(|set| serde_json::from_str(set).ok());
        let (Some(whole), own) = (whole, own.unwrap_or_default()) else { return };
        for entry in entries.iter().filter(|entry| !entry.is_applied_by(WORKS_MANAGER)) {
            let theirs = entry.fields_v1.and_then(|set| serde_json::from_str(set.get()).ok());
            let Some(theirs) = theirs else { continue };
            let mut taken = Vec::new();
            lost(&whole, &own, &theirs, &mut Vec::new(), &mut taken);
            if !taken.is_empty() && fight.rivals.len() < NAMED {
                fight.rivals.insert(line(&entry.manager, LONGEST));
            }
            for path in taken.into_iter().take(NAMED) {
                if fight.fields.len() < NAMED {
                    fight.fields.insert(line(&path, LONGEST));
                }
            }
        }
    }

    /// The fight over an object is over.
    pub(super) fn make_peace(&mut self, target: &Target) {
        self.fights.remove(target);
    }

    /// What people are told of a fight.
    pub(super) fn rivalry(&self, target: &Target) -> String {
        let (rivals, fields) = match self.fights.get(target) {
            Some(fight) => (list(&fight.rivals), list(&fight.fields)),
            None => (String::new(), String::new()),
        };
        match (rivals.as_str(), fields.as_str()) {
            ("", _) => "somebody keeps changing or removing it".to_owned(),
            (rivals, "") => format!("field manager {rivals} keeps changing it"),
            (rivals, fields) => format!("field manager {rivals} keeps changing {fields}"),
        }
    }
}

pub(super) type Fights = BTreeMap<Target, Fight>;

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The paths of what is in the whole, not in ours any more, and in theirs.
fn lost(
    whole: &Map<String, Value>,
    own: &Map<String, Value>,
    theirs: &Map<String, Value>,
    path: &mut Vec<String>,
    taken: &mut Vec<String>,
) {
    if path.len() >= DEEPEST {
        return;
    }
    for (key, below) in whole.iter().filter(|(key, _)| key.as_str() != ".") {
        let Some(theirs) = theirs.get(key) else { continue };
        path.push(key.clone());
        let part = |value: &Value| value.as_object().cloned().unwrap_or_default();
        let below = part(below);
        match own.get(key) {
            None if below.keys().all(|key| key == ".") => taken.push(text(path)),
            own => lost(&below, &own.map(part).unwrap_or_default(), &part(theirs), path, taken),
        }
        path.pop();
    }
}

/// A path for people. Elements of lists are known by keys and values, which may be nobody's business.
fn text(path: &[String]) -> String {
    let mut text = String::new();
    for key in path {
        match key.strip_prefix("f:") {
            Some(name) => push_field(&mut text, name),
            None => text.push_str("[]"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn taken(whole: &Value, own: &Value, theirs: &Value) -> Vec<String> {
        let map = |value: &Value| value.as_object().cloned().unwrap();
        let mut taken = Vec::new();
        lost(&map(whole), &map(own), &map(theirs), &mut Vec::new(), &mut taken);
        taken
    }

    #[test]
    fn what_was_lost_is_what_others_own_instead() {
        let whole =
            json!({"f:data": {"f:a": {}, "f:b": {}}, "f:metadata": {"f:labels": {"f:example.com/x": {}}}});
        let own = json!({"f:data": {"f:b": {}}, "f:metadata": {"f:labels": {"f:example.com/x": {}}}});
        assert_eq!(taken(&whole, &own, &json!({"f:data": {".": {}, "f:a": {}}})), ["data.a"]);
        // What is shared was not lost, and what is somebody's alone never was ours.
        assert_eq!(taken(&whole, &own, &json!({"f:data": {"f:b": {}, "f:c": {}}})), [""; 0]);
        let elements = json!({"f:spec": {"k:{\"name\":\"app\"}": {".": {}, "f:image": {}}}});
        assert_eq!(taken(&elements, &json!({}), &elements), ["spec[].image"]);
    }

    #[test]
    fn a_set_that_is_nested_without_end_is_followed_to_some_depth() {
        let mut deep = json!({});
        for _ in 0..100 {
            deep = json!({"f:a": deep});
        }
        assert_eq!(taken(&deep, &json!({}), &deep), [""; 0]);
    }
}
