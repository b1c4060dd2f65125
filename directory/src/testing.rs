//! What the tests with a server in memory share.

use muster_api::Object;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// An object as a server answers it.
pub(crate) fn object(value: &Value) -> Object {
    Object::parse(RawValue::from_string(value.to_string()).unwrap()).unwrap()
}

/// What a merge patch makes of an object; null stays, as a value.
pub(crate) fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key.clone()).or_insert_with(|| json!({})), value);
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}
