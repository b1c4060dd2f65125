//! The slim form in which Muster holds objects of any kind: the metadata that decisions need, and the JSON as it
//! came. A parsed tree costs many times its text, so the text is parsed when it is used.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The part of `metadata` that decisions read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// Name.
    pub name: String,
    /// Namespace; absent where the kind is cluster-scoped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// UID; empty only in objects that no server has seen.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// `resourceVersion`; empty only in objects that no server has seen.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// Generation; 0 where the kind has none.
    #[serde(skip_serializing_if = "is_zero")]
    pub generation: i64,
    /// When deletion was asked for; absent while it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<String>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Finalizers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde asks for
fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// An object of any kind, as a server sent it. Printed, it shows its metadata alone, and no annotation.
#[derive(Clone)]
pub struct Object {
    /// Metadata.
    pub meta: Meta,
    /// The whole object as JSON, `managedFields` included.
    pub raw: Box<RawValue>,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Meta { name, namespace, uid, resource_version, .. } = &self.meta;
        f.debug_struct("Object")
            .field("name", name)
            .field("namespace", namespace)
            .field("uid", uid)
            .field("resource_version", resource_version)
            .finish_non_exhaustive()
    }
}

/// Why a text is no object.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The text is not JSON, or its metadata has other types than the API's. The text itself is not repeated:
    /// it may hold a secret.
    #[error("unable to read an object: malformed at line {line}, column {column}")]
    Malformed {
        /// Line in the text, from 1.
        line: usize,
        /// Column in the line, from 1.
        column: usize,
    },
    /// Name, UID or resourceVersion is missing: no API server sends such an object.
    #[error("unable to read an object: it has no {0}")]
    Incomplete(&'static str),
}

impl Object {
    /// Reads an object that a server sent.
    ///
    /// # Errors
    /// Where the text is malformed or lacks name, UID or resourceVersion.
    pub fn parse(raw: Box<RawValue>) -> Result<Self, ObjectError> {
        #[derive(Deserialize)]
        struct Frame {
            #[serde(default)]
            metadata: Meta,
        }
        let frame: Frame = serde_json::from_str(raw.get())
            .map_err(|error| ObjectError::Malformed { line: error.line(), column: error.column() })?;
        let meta = frame.metadata;
        if meta.name.is_empty() {
            return Err(ObjectError::Incomplete("name"));
        }
        if meta.uid.is_empty() {
            return Err(ObjectError::Incomplete("uid"));
        }
        if meta.resource_version.is_empty() {
            return Err(ObjectError::Incomplete("resourceVersion"));
        }
        Ok(Self { meta, raw })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn an_error_never_repeats_the_text() {
        let error = Object::parse(raw(r#"{"metadata":{"name":["hunter2"]}}"#)).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn an_object_is_printed_without_its_content() {
        let text = r#"{"metadata":{"name":"n","uid":"u","resourceVersion":"1","annotations":{"a":"hunter2"}},"data":{"a":"hunter2"}}"#;
        let printed = format!("{:?}", Object::parse(raw(text)).unwrap());
        assert!(printed.contains("\"n\"") && !printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn an_object_without_identity_is_refused() {
        for (text, field) in [
            (r#"{"metadata":{"uid":"u","resourceVersion":"1"}}"#, "name"),
            (r#"{"metadata":{"name":"n","resourceVersion":"1"}}"#, "uid"),
            (r#"{"metadata":{"name":"n","uid":"u"}}"#, "resourceVersion"),
        ] {
            let error = Object::parse(raw(text)).unwrap_err();
            assert!(error.to_string().contains(field), "{error}");
        }
    }
}
