//! Policies of the directory, compiled: which clusters each selects, and which objects it asks for.
//!
//! ```text
//!  ClusterPolicy ─▶ Policy::read ─▶ Policy { selector, items } ─┐
//!                   (all of it valid, or an error)              ├─▶ union ─▶ what all of them want together
//!  further policies that select this cluster ───────────────────┘
//! ```

mod compile;
mod flaw;
mod name;
mod union;

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_api::names::is_subdomain;
use muster_api::policy::{self as api, ClusterAuthorization, PolicyNamespace};
use muster_api::resource::POLICIES;
use muster_api::{Object, marks};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::item::Item;
use crate::selector::Selector;
use crate::target::Target;

pub use compile::MOST_ITEMS;
pub use flaw::Flaw;
pub(crate) use flaw::quoted;
pub use union::{Conflict, Wanted, union};

/// A policy of the directory, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Generation: it moves when the spec does.
    pub generation: i64,
    /// resourceVersion, as the server writes it.
    pub resource_version: String,
    /// resourceVersion as a number (KEP-5504); 0 where it is none.
    pub version: u64,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// The clusters that it selects, by the labels of their entries.
    pub selector: Selector,
    /// Whether the namespaces that were made for it go with the last policy that names them.
    pub delete_namespaces: bool,
    /// What it asks for, in the order in which it is to be made, that of targets; no target twice.
    pub items: Vec<Arc<Item>>,
    /// The policy itself as an object of the replica: its spec, and nothing that people note on it.
    copy: Arc<Item>,
}

/// Why a policy cannot be followed. No message repeats more of the policy than a short excerpt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A part of it has other fields or types than the API says.
    #[error("unable to read policy {policy}: {field}: {reason}")]
    Malformed {
        /// Name of the policy.
        policy: String,
        /// The part.
        field: String,
        /// What is wrong there.
        reason: String,
    },
    /// It does not say which clusters it is for.
    #[error("unable to tell which clusters policy {policy} selects: {field}: {reason}")]
    Selector {
        /// Name of the policy.
        policy: String,
        /// The part.
        field: String,
        /// What is wrong there, and what to do.
        reason: String,
    },
    /// It asks for what cannot be, or must not be.
    #[error("unable to follow policy {policy}: {field}: {flaw}")]
    Flawed {
        /// Name of the policy.
        policy: String,
        /// The part.
        field: String,
        /// What is wrong there, and what to do.
        flaw: Flaw,
    },
    /// It asks for more objects than one policy may.
    #[error("unable to follow policy {policy}: it asks for more than {MOST_ITEMS} objects: split it")]
    TooLarge {
        /// Name of the policy.
        policy: String,
    },
}

// === impl Policy ===

impl Policy {
    /// Reads a policy. It is taken as a whole or not at all: half of what it asks for may be more than was meant.
    ///
    /// # Errors
    /// Where a part of it is missing, malformed, or asks for what cannot or must not be.
    pub fn read(object: &Object) -> Result<Self, PolicyError> {
        let meta = &object.meta;
        let flawed = |field: &str, flaw| {
            let policy = flaw::excerpt(&meta.name);
            Err(PolicyError::Flawed { policy, field: field.to_owned(), flaw })
        };
        if !is_subdomain(&meta.name) {
            return flawed("metadata.name", Flaw::PolicyName);
        }
        let delete_namespaces = match meta.annotations.get(marks::NAMESPACE_DELETION).map(String::as_str) {
            None | Some("retain") => false,
            Some("delete") => true,
            Some(other) => {
                let field = format!("metadata.annotations[{}]", marks::NAMESPACE_DELETION);
                return flawed(&field, Flaw::NamespaceDeletion(flaw::quoted(other)));
            }
        };
        let reader = Reader { policy: &meta.name };
        let (spec, whole) = reader.spec(&object.raw)?;
        let selector = reader.selector(spec.selector)?;
        let authorization: Option<ClusterAuthorization> = match spec.authorization {
            Some(raw) => Some(reader.part("spec.authorization", raw)?),
            None => None,
        };
        let mut namespaces: Vec<PolicyNamespace> = Vec::new();
        for (index, raw) in spec.namespaces.into_iter().flatten().enumerate() {
            namespaces.push(reader.part(&format!("spec.namespaces[{index}]"), raw)?);
        }
        let items = compile::items(&meta.name, authorization.as_ref(), &namespaces)?;
        Ok(Self {
            name: meta.name.clone(),
            uid: meta.uid.clone(),
            generation: meta.generation,
            resource_version: meta.resource_version.clone(),
            version: meta.resource_version.parse().unwrap_or(0),
            deleting: meta.deletion_timestamp.is_some(),
            selector,
            delete_namespaces,
            items,
            copy: Arc::new(Item::new(copy(&meta.name)).with("spec", whole)),
        })
    }

    /// With its read-only copy for a replica of this directory, marked as one.
    #[must_use]
    pub fn with_copy(mut self, directory: &str) -> Self {
        let mut copy = Item::clone(&self.copy);
        copy.annotations.insert(marks::COPIED_FROM.into(), marks::copied_from(directory, &self.uid));
        let place = self.items.partition_point(|item| item.target < copy.target);
        self.items.insert(place, Arc::new(copy));
        self
    }

    /// All objects that it asks for where it selects a cluster, its copy included.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.items.iter().chain([&self.copy]).map(|item| &item.target)
    }

    /// Whether it selects a cluster whose entry has these labels.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.selector.matches(labels)
    }
}

fn copy(name: &str) -> Target {
    Target { resource: POLICIES, namespace: None, name: name.to_owned() }
}

// === impl Reader ===

/// The spec, part by part: so that an error can say which part it is about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec<'a> {
    #[serde(borrow, default)]
    selector: Option<&'a RawValue>,
    #[serde(borrow, default)]
    authorization: Option<&'a RawValue>,
    #[serde(borrow, default)]
    namespaces: Option<Vec<&'a RawValue>>,
}

struct Reader<'a> {
    policy: &'a str,
}

impl Reader<'_> {
    fn spec<'a>(&self, raw: &'a RawValue) -> Result<(Spec<'a>, Value), PolicyError> {
        #[derive(Deserialize)]
        struct Frame<'a> {
            #[serde(borrow, default)]
            spec: Option<&'a RawValue>,
        }
        let malformed = |reason: &str| PolicyError::Malformed {
            policy: self.policy.to_owned(),
            field: "spec".to_owned(),
            reason: reason.to_owned(),
        };
        let frame: Frame<'a> =
            serde_json::from_str(raw.get()).map_err(|error| malformed(&flaw::excerpt(&error.to_string())))?;
        let spec = frame.spec.ok_or_else(|| malformed("is missing"))?;
        let read = |error: serde_json::Error| malformed(&flaw::excerpt(&error.to_string()));
        let whole = serde_json::from_str(spec.get()).map_err(read)?;
        Ok((serde_json::from_str(spec.get()).map_err(read)?, whole))
    }

    fn part<T: DeserializeOwned>(&self, field: &str, raw: &RawValue) -> Result<T, PolicyError> {
        serde_json::from_str(raw.get()).map_err(|error| PolicyError::Malformed {
            policy: self.policy.to_owned(),
            field: field.to_owned(),
            reason: flaw::excerpt(&error.to_string()),
        })
    }

    /// The selector must be there, and none of it may be null: what is missing by mistake must not mean every cluster.
    fn selector(&self, raw: Option<&RawValue>) -> Result<Selector, PolicyError> {
        let wrong = |field: &str, reason: &str| PolicyError::Selector {
            policy: self.policy.to_owned(),
            field: field.to_owned(),
            reason: flaw::excerpt(reason),
        };
        let missing = |field| wrong(field, "is missing or null: give labels, or {} for every cluster");
        let raw = raw.ok_or_else(|| missing("spec.selector"))?;
        let read = |error: serde_json::Error| wrong("spec.selector", &error.to_string());
        let value: Value = serde_json::from_str(raw.get()).map_err(read)?;
        for field in ["matchLabels", "matchExpressions"] {
            if value.get(field).is_some_and(Value::is_null) {
                return Err(missing(&format!("spec.selector.{field}")));
            }
        }
        let selector: api::Selector = serde_json::from_value(value).map_err(read)?;
        Selector::of_policy(&selector).map_err(|error| wrong("spec.selector", &error.to_string()))
    }
}

#[cfg(test)]
mod tests;
