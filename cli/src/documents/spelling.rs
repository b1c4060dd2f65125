//! How the scalars are spelled that must be text: read from the same YAML as text, whatever they look like.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

/// A document, of which only the texts are read. Where anything in a file has another shape, nothing of it is known.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Spelling {
    pub(super) metadata: Labelled,
    pub(super) spec: Option<Spec>,
    pub(super) items: Vec<Self>,
}

/// What has labels and annotations.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Labelled {
    pub(super) labels: Option<Texts>,
    pub(super) annotations: Option<Texts>,
}

/// What in a policy is text.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Spec {
    pub(super) selector: Option<Selector>,
    pub(super) namespaces: Option<Vec<Labelled>>,
}

/// A selector: flat, or as Kubernetes has it. What is below matchExpressions is not text alone.
#[derive(Clone, Default)]
pub(super) struct Selector {
    pub(super) flat: Texts,
    pub(super) labels: Texts,
}

pub(super) type Texts = BTreeMap<String, Option<String>>;

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys)
    }
}

/// Key by key, since a buffer in between would keep values and forget how they are spelled.
struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Selector;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a selector")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Selector, A::Error> {
        let mut selector = Selector::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "matchLabels" => selector.labels = map.next_value()?,
                "matchExpressions" => drop(map.next_value::<IgnoredAny>()?),
                _ => drop(selector.flat.insert(key, map.next_value()?)),
            }
        }
        Ok(selector)
    }
}
