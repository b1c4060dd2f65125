//! Which entries a replica mirrors: all, none, or those that a selector matches.

use std::collections::BTreeMap;

use crate::selector::Selector;

/// Which entries a replica mirrors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// None.
    None,
    /// Those whose labels match.
    Selected(Selector),
}

impl Scope {
    /// Whether an entry with these labels is mirrored.
    #[must_use]
    pub fn includes(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Selected(selector) => selector.matches(labels),
        }
    }
}
