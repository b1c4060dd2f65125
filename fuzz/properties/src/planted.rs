//! A value that may be told nowhere, put into each Secret.

use serde_json::{Map, Value};

/// The value, as a Secret has it: base64.
const VALUE: &str = "Y2FuYXJ5LTkxNzM1NTQwODI2MQ==";
/// What it stands for.
const PLAIN: &str = "canary-917355408261";

/// Puts the value into each Secret of an object: itself, or what a Work or a list asks for. Says how many there are.
pub(crate) fn plant(value: &mut Value) -> usize {
    match value {
        Value::Array(list) => list.iter_mut().map(plant).sum(),
        Value::Object(object) if object.get("kind").is_some_and(|kind| kind == "Secret") => {
            for (field, value) in [("data", VALUE), ("stringData", PLAIN)] {
                match object.entry(field).or_insert_with(|| Value::Object(Map::new())) {
                    Value::Object(values) => drop(values.insert("planted".to_owned(), value.into())),
                    // No map: what nobody can read is told nowhere either.
                    other => *other = value.into(),
                }
            }
            1
        }
        Value::Object(object) => object.values_mut().map(plant).sum(),
        _ => 0,
    }
}

/// Whether a text has the value already: then nothing can be said of where it came from.
pub(crate) fn is_in(text: &str) -> bool {
    text.contains(VALUE) || text.contains(PLAIN)
}

/// What is told has nothing of it.
pub(crate) fn is_not_told(text: &str) {
    assert!(!is_in(text), "a value of a Secret is told: {text}");
}
