//! Manifests that are Secrets. What they hold is brought into one form, so that what is recorded, compared and owned is
//! that form: `data`, in base64 as servers write it. No message repeats anything of it but the names of keys.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use super::flaw::{Flaw, shown};
use super::manifest::Gvk;

const DATA: &str = "data";
const PLAIN: &str = "stringData";

/// Whether a manifest is a Secret of Kubernetes itself.
pub(super) fn is_secret(gvk: &Gvk) -> bool {
    gvk.group.is_empty() && gvk.kind == "Secret"
}

/// Brings `stringData` into `data`, where it wins over what is there. A field that no Secret has is refused: misspelt
/// data would be recorded in the clear.
pub(super) fn bring_into_form(fields: &mut BTreeMap<String, Value>) -> Result<(), Flaw> {
    let mut data = Map::new();
    for (name, value) in map(fields, DATA)? {
        let text = text(DATA, &name, &value)?;
        // Servers read over line breaks in it.
        let text = text.replace(['\r', '\n'], "");
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| wrong(DATA, &name, "is not base64"))?;
        data.insert(name, BASE64_STANDARD.encode(bytes).into());
    }
    for (name, value) in map(fields, PLAIN)? {
        let text = text(PLAIN, &name, &value)?;
        data.insert(name, BASE64_STANDARD.encode(text).into());
    }
    for (field, value) in fields.iter() {
        match (field.as_str(), value) {
            ("type", Value::String(_)) | ("immutable", Value::Bool(_)) => {}
            ("type", _) => return Err(Flaw::malformed("type", "must be a string")),
            ("immutable", _) => return Err(Flaw::malformed("immutable", "must be true or false")),
            _ => return Err(Flaw::malformed(shown(field), "is no field of a Secret")),
        }
    }
    if !data.is_empty() {
        fields.insert(DATA.to_owned(), Value::Object(data));
    }
    Ok(())
}

/// Takes a map out of the fields.
fn map(fields: &mut BTreeMap<String, Value>, field: &'static str) -> Result<Map<String, Value>, Flaw> {
    match fields.remove(field) {
        None => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map),
        Some(_) => Err(Flaw::malformed(field, "must be an object")),
    }
}

fn text<'a>(field: &str, name: &str, value: &'a Value) -> Result<&'a str, Flaw> {
    value.as_str().ok_or_else(|| wrong(field, name, "must be a string"))
}

fn wrong(field: &str, name: &str, problem: &'static str) -> Flaw {
    Flaw::malformed(format!("{field}[{}]", shown(name)), problem)
}
