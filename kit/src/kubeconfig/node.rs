//! The bytes of a kubeconfig as a tree, read within a budget.
//!
//! The tree knows nothing of kubeconfigs. Its texts are wiped when they are dropped, and no complaint repeats one:
//! the reader's own messages do, so only their kind and the line are taken over.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{
    DuplicateKeyPolicy, Error, Options,
    budget::BudgetBreach,
    options::{MergeKeyPolicy, NonFiniteFloatPolicy},
};

use super::KubeconfigError;

/// Most bytes of a kubeconfig. One with a chain of certificates has about 10 KiB.
pub(super) const LARGEST: usize = 64 * 1024;
/// Most values in it; a kubeconfig of one context has about 30.
const MOST_NODES: usize = 1_000;
/// Deepest nesting; a kubeconfig has 4 levels, one with an exec plugin 7.
const DEEPEST: usize = 16;

/// One value.
pub(super) enum Node {
    Null,
    Bool(bool),
    Number,
    Text(SecretString),
    List(Vec<Self>),
    Map(Vec<(Key, Self)>),
}

/// A key of a mapping. It may be anything, a misplaced token for one.
pub(super) struct Key(SecretString);

// === impl Node ===

impl Node {
    /// Reads one document of YAML, and so of JSON.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, KubeconfigError> {
        if bytes.len() > LARGEST {
            return Err(KubeconfigError::TooLarge { limit: LARGEST });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| KubeconfigError::NotUtf8)?;
        serde_saphyr::from_str_with_options(text, options()).map_err(|error| refusal(&error))
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: MOST_NODES,
            max_depth: DEEPEST,
            flow_nesting_limit: DEEPEST,
            max_total_scalar_bytes: LARGEST,
            max_documents: 1,
            // A kubeconfig has no use for what makes a small text large.
            max_aliases: 0,
            max_anchors: 0,
            max_recorded_anchor_events: 0,
            max_recorded_anchor_bytes: 0,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        reject_unsupported_tags: true,
        // Comments are nothing to keep, and many of them nothing to refuse.
        emit_comments: false,
        // A snippet is a piece of the secret.
        with_snippet: false,
    }
}

fn refusal(error: &Error) -> KubeconfigError {
    let line = error.location().map_or(0, |location| location.line());
    match error.without_snippet() {
        Error::Eof { .. } => KubeconfigError::Empty,
        Error::MultipleDocuments { .. } | Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            KubeconfigError::MultipleDocuments
        }
        Error::DuplicateMappingKey { .. } => KubeconfigError::DuplicateKey { line },
        Error::MergeKeyNotAllowed { .. } => KubeconfigError::MergeKey { line },
        Error::UnsupportedTag { .. } => KubeconfigError::Tag { line },
        Error::UnknownAnchor { .. }
        | Error::Budget { breach: BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. }, .. } => {
            KubeconfigError::Alias { line }
        }
        Error::Budget { .. } => KubeconfigError::TooComplex { line },
        _ => KubeconfigError::Syntax { line },
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.into()))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(pair) = pairs.next_entry()? {
            map.push(pair);
        }
        Ok(Node::Map(map))
    }
}

// === impl Key ===

impl Key {
    pub(super) fn is(&self, name: &str) -> bool {
        self.0.expose_secret() == name
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}
