//! From Rust types to the structural schemas that a CRD takes.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// Why a type has no schema.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    /// The schema is none that a CRD can hold.
    #[error("unable to read the schema of a CRD: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A CRD would lose a part of the schema without a word.
    #[error("unable to keep all of the schema in a CRD: {0} became {1}")]
    Lossy(Value, Value),
}

/// The structural schema of a type.
pub(crate) fn of<T: JsonSchema>() -> Result<JSONSchemaProps, SchemaError> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    structural(&mut schema);
    let wanted = schema.to_value();
    let kept: JSONSchemaProps = serde_json::from_value(wanted.clone())?;
    let back = serde_json::to_value(&kept)?;
    if back == wanted { Ok(kept) } else { Err(SchemaError::Lossy(wanted, back)) }
}

/// Rewrites a schema, from the leaves up, as a CRD takes it: no null, no default, enums as lists, text that reads well.
fn structural(schema: &mut Schema) {
    transform_subschemas(&mut structural, schema);
    let Some(object) = schema.as_object_mut() else { return };
    optional(object);
    enumeration(object);
    for key in ["title", "default"] {
        object.remove(key);
    }
    // A CRD prunes what it does not know; it does not forbid it.
    if object.get("additionalProperties").is_some_and(Value::is_boolean) {
        object.remove("additionalProperties");
    }
    for bound in ["minimum", "maximum"] {
        if let Some(number) = object.get(bound).and_then(Value::as_f64) {
            object.insert(bound.to_owned(), json!(number));
        }
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = flowing(text);
    }
    // `kubectl explain` shows the text of the list and of its items as one: the list's says it all.
    if let Some(Value::Object(items)) = object.get_mut("items") {
        items.remove("description");
    }
}

/// An optional field is one that may be absent, as with the published kinds. Null is not a value.
fn optional(object: &mut Map<String, Value>) {
    let is_null = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "null");
    if let Some(Value::Array(branches)) = object.get_mut("anyOf")
        && branches.iter().any(is_null)
    {
        branches.retain(|branch| !is_null(branch));
        if let [Value::Object(only)] = branches.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(kinds)) = object.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}

/// Variants with a text of their own come as `oneOf` constants, which no CRD takes.
fn enumeration(object: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = object.get("oneOf") else { return };
    let values: Option<Vec<_>> = branches.iter().map(|branch| branch.get("const").cloned()).collect();
    if let Some(values) = values {
        object.remove("oneOf");
        object.insert("type".to_owned(), json!("string"));
        object.insert("enum".to_owned(), Value::Array(values));
    }
}

/// One line for each paragraph, without the marks of Markdown: `kubectl explain` breaks lines by itself.
fn flowing(text: &str) -> String {
    let paragraphs: Vec<_> = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" ").replace('`', ""))
        .collect();
    paragraphs.join("\n\n")
}

// === what several types ask for ===

/// Conditions are a map by type, so that several writers can each own one.
pub(crate) fn conditions(schema: &mut Schema) {
    schema.insert("maxItems".to_owned(), json!(32));
    schema.insert("x-kubernetes-list-type".to_owned(), json!("map"));
    schema.insert("x-kubernetes-list-map-keys".to_owned(), json!(["type"]));
}

/// Amounts by resource: as many as are told, each as short as a quantity is.
pub(crate) fn amounts(schema: &mut Schema) {
    schema.insert("maxProperties".to_owned(), json!(32));
    if let Some(amount) = schema.get_mut("additionalProperties").and_then(Value::as_object_mut) {
        amount.insert("maxLength".to_owned(), json!(64));
    }
}

/// A list whose items have unique names.
pub(crate) fn map_by_name(schema: &mut Schema) {
    schema.insert("x-kubernetes-list-type".to_owned(), json!("map"));
    schema.insert("x-kubernetes-list-map-keys".to_owned(), json!(["name"]));
}

/// An integer without a format, as SIG-Multicluster publishes it.
pub(crate) fn plain_integer(schema: &mut Schema) {
    schema.remove("format");
}

/// An address without user and password: entries are read by every replica.
pub(crate) fn address(schema: &mut Schema) {
    schema.insert("maxLength".to_owned(), json!(2048));
    rule(
        schema,
        "!self.matches('^([A-Za-z][A-Za-z0-9+.-]*://)?[^/?#]*@')",
        "an address must not hold a user or password: every replica reads it",
    );
}

/// The name of a role: RBAC takes what can be one segment of a path.
pub(crate) fn role_name(schema: &mut Schema) {
    schema.insert("minLength".to_owned(), json!(1));
    schema.insert("maxLength".to_owned(), json!(253));
    schema.insert("pattern".to_owned(), json!("^[^/%]+$"));
}

/// Service accounts, each with its namespace.
pub(crate) fn service_accounts(schema: &mut Schema) {
    let item = json!({
        "type": "string",
        "maxLength": 317,
        "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-.a-z0-9]*[a-z0-9])?$",
    });
    schema.insert("items".to_owned(), item);
}

/// A grant to nobody is a mistake.
pub(crate) fn needs_subject(schema: &mut Schema) {
    rule(
        schema,
        "(has(self.users) && size(self.users) > 0) || (has(self.groups) && size(self.groups) > 0) || (has(self.serviceAccounts) && size(self.serviceAccounts) > 0)",
        "a binding needs a subject: users, groups or serviceAccounts",
    );
}

fn rule(schema: &mut Schema, rule: &str, message: &str) {
    let rules = schema.ensure_object().entry("x-kubernetes-validations").or_insert_with(|| json!([]));
    if let Value::Array(rules) = rules {
        rules.push(json!({ "rule": rule, "message": message }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Sample {
        /// Broken
        /// over two `lines`.
        ///
        /// And more.
        text: Option<String>,
        choice: Option<Choice>,
        count: i64,
        /// Many.
        inner: Vec<Inner>,
    }

    /// One of many.
    #[derive(JsonSchema)]
    struct Inner {}

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Choice {
        /// One.
        One,
        /// Two.
        Two,
    }

    #[test]
    fn options_are_absent_and_texts_flow() {
        let schema = serde_json::to_value(of::<Sample>().unwrap()).unwrap();
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "required": ["count", "inner"],
                "properties": {
                    "text": { "type": "string", "description": "Broken over two lines.\n\nAnd more." },
                    "choice": { "type": "string", "enum": ["One", "Two"] },
                    "count": { "type": "integer", "format": "int64" },
                    "inner": { "type": "array", "description": "Many.", "items": { "type": "object" } },
                },
            })
        );
    }
}
