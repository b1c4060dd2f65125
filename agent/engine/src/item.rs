//! One object that is wanted in the replica: what is recorded of it in a ledger, what is sent to write it, and the
//! digest by which two of them are compared.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use muster_api::{Resource, Scope};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::target::Target;

/// One object that a source wants in the replica, without Muster's marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Which object.
    pub target: Target,
    /// Labels that it is to have. Others on the object are nobody's business here.
    pub labels: BTreeMap<String, String>,
    /// Annotations that it is to have.
    pub annotations: BTreeMap<String, String>,
    /// Finalizers that it is to have, in the order in which they were written.
    pub finalizers: Vec<String>,
    /// What it is to say beside its metadata.
    pub content: Content,
}

/// The top-level fields beside apiVersion, kind and metadata, sorted by name, each with its value as canonical JSON
/// (keys sorted): text is compact, and equal values are equal text. Printed, it shows the names of the fields alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Content(Vec<(Box<str>, Box<str>)>);

/// On which condition a server is to take a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// There is no such object. Written as resourceVersion "1", which no object can have: applied to an existing object
    /// it is a conflict, and a new one is made all the same.
    Absent,
    /// The object there has this UID.
    Uid(String),
    /// None: the body is one to create.
    New,
}

/// Why a manifest that was recorded is none that Muster wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// It is not JSON, lacks a name, or has metadata that no item has.
    #[error("unable to read a recorded {kind}: its manifest is malformed or nested too deep")]
    Malformed {
        /// The kind that it should be of.
        kind: String,
    },
    /// It is an object of another kind than the record says.
    #[error("unable to read a recorded {kind}: its manifest is of another kind")]
    Kind {
        /// The kind that it should be of.
        kind: String,
    },
    /// It has a namespace where the kind has none, or none where the kind needs one.
    #[error("unable to read a recorded {kind}: a namespace is missing, or there where the kind has none")]
    Namespace {
        /// The kind that it should be of.
        kind: String,
    },
}

// === impl Item ===

impl Item {
    /// An object of which only the name is asked for.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            finalizers: Vec::new(),
            content: Content::default(),
        }
    }

    /// With a top-level field, such as roleRef or spec. A field that was there already is replaced.
    #[must_use]
    #[allow(clippy::needless_pass_by_value)] // what callers give is made on the spot, by `json!`
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.content.set(field, &value);
        self
    }

    /// As a manifest: apiVersion, kind, metadata (name, namespace, labels, annotations, finalizers) and the other
    /// fields. This is what a ledger records.
    #[must_use]
    pub fn manifest(&self) -> Box<RawValue> {
        let text = self.text(self.metadata());
        // The text is made of JSON values: it cannot fail to be JSON. Read back, null would be refused.
        RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }

    /// The same as a value; null where it is nested deeper than JSON is read.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.text(self.metadata())).unwrap_or_default()
    }

    /// Reads a manifest that a ledger recorded.
    ///
    /// # Errors
    /// Where it is none that [`manifest`](Self::manifest) makes for this resource.
    pub fn read(resource: Resource, manifest: &RawValue) -> Result<Self, ItemError> {
        let kind = || resource.kind.to_string();
        let frame: Frame =
            serde_json::from_str(manifest.get()).map_err(|_| ItemError::Malformed { kind: kind() })?;
        if frame.kind != resource.kind || frame.api_version != resource.api_version() {
            return Err(ItemError::Kind { kind: kind() });
        }
        let FrameMeta { name, namespace, labels, annotations, finalizers } = frame.metadata;
        if name.is_empty() {
            return Err(ItemError::Malformed { kind: kind() });
        }
        let namespaced = namespace.as_ref().is_some_and(|namespace| !namespace.is_empty());
        if namespaced != (resource.scope == Scope::Namespaced) || namespaced != namespace.is_some() {
            return Err(ItemError::Namespace { kind: kind() });
        }
        let target = Target { resource, namespace, name };
        Ok(Self { target, labels, annotations, finalizers, content: Content::of(&frame.rest) })
    }

    /// Digest of all that is asked for: the first 16 hexadecimal digits of the SHA-256 of the manifest.
    #[must_use]
    pub fn digest(&self) -> String {
        short_digest(self.text(self.metadata()).as_bytes())
    }

    /// The first field in which another item for the same object differs.
    #[must_use]
    pub fn difference<'a>(&'a self, other: &'a Self) -> Option<&'a str> {
        if self.labels != other.labels {
            return Some("metadata.labels");
        }
        if self.annotations != other.annotations {
            return Some("metadata.annotations");
        }
        if self.finalizers != other.finalizers {
            return Some("metadata.finalizers");
        }
        self.content.difference(&other.content).or_else(|| other.content.difference(&self.content))
    }

    /// The body to apply: the manifest with more labels and annotations, which win over its own, and a guard.
    #[must_use]
    pub fn body(
        &self,
        extra_labels: &[(&str, &str)],
        extra_annotations: &[(&str, &str)],
        guard: Guard,
    ) -> String {
        let mut metadata = self.metadata();
        for (field, extra) in [("labels", extra_labels), ("annotations", extra_annotations)] {
            if extra.is_empty() {
                continue;
            }
            let pairs = metadata.entry(field).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(pairs) = pairs {
                pairs.extend(extra.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))));
            }
        }
        match guard {
            Guard::Absent => drop(metadata.insert("resourceVersion".to_owned(), "1".into())),
            Guard::Uid(uid) => drop(metadata.insert("uid".to_owned(), uid.into())),
            Guard::New => {}
        }
        self.text(metadata)
    }

    fn metadata(&self) -> Map<String, Value> {
        let mut metadata = Map::new();
        metadata.insert("name".to_owned(), self.target.name.as_str().into());
        if let Some(namespace) = &self.target.namespace {
            metadata.insert("namespace".to_owned(), namespace.as_str().into());
        }
        for (field, pairs) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            if !pairs.is_empty() {
                let pairs = pairs.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
                metadata.insert(field.to_owned(), Value::Object(pairs.collect()));
            }
        }
        if !self.finalizers.is_empty() {
            let finalizers = self.finalizers.iter().map(|finalizer| Value::from(finalizer.as_str()));
            metadata.insert("finalizers".to_owned(), finalizers.collect());
        }
        metadata
    }

    fn text(&self, metadata: Map<String, Value>) -> String {
        let resource = &self.target.resource;
        let mut text = format!(
            r#"{{"apiVersion":{},"kind":{},"metadata":{}"#,
            Value::from(resource.api_version()),
            Value::from(resource.kind.as_ref()),
            Value::Object(metadata)
        );
        for (field, value) in &self.content.0 {
            let _ = write!(text, ",{}:{value}", Value::from(field.as_ref())); // writing to a String cannot fail
        }
        text.push('}');
        text
    }
}

// === impl Content ===

impl Content {
    /// From fields and their values.
    #[must_use]
    pub fn of(fields: &BTreeMap<String, Value>) -> Self {
        // Such a map is sorted as the fields are to be: with `set`, a thousand fields would be moved a thousand times.
        let text = |(field, value): (&String, &Value)| (field.as_str().into(), value.to_string().into());
        Self(fields.iter().map(text).collect())
    }

    /// The value of a top-level field, as JSON.
    #[must_use]
    pub fn field(&self, field: &str) -> Option<&str> {
        let place = self.0.binary_search_by(|(other, _)| other.as_ref().cmp(field)).ok()?;
        self.0.get(place).map(|(_, value)| value.as_ref())
    }

    fn set(&mut self, field: &str, value: &Value) {
        let value = value.to_string().into_boxed_str();
        match self.0.binary_search_by(|(other, _)| other.as_ref().cmp(field)) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => {
                self.0.reserve_exact(1);
                self.0.insert(place, (field.into(), value));
            }
        }
    }

    /// The first field that the other has not, or has with another value.
    fn difference(&self, other: &Self) -> Option<&str> {
        self.0.iter().find(|field| !other.0.contains(field)).map(|(field, _)| field.as_ref())
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(field, _)| field)).finish()
    }
}

/// The first 16 hexadecimal digits of the SHA-256 of a text.
pub(crate) fn short_digest(text: &[u8]) -> String {
    Sha256::digest(text).iter().take(8).fold(String::with_capacity(16), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
        hex
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame {
    api_version: String,
    kind: String,
    metadata: FrameMeta,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrameMeta {
    name: String,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    finalizers: Vec<String>,
}

#[cfg(test)]
mod tests;
