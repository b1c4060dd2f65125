//! Time as a parameter: decisions take [`Now`] and never read a clock.

use std::hash::{DefaultHasher, Hash, Hasher};

pub use muster_api::clock::{Now, backoff};

/// What [`backoff`] needs of what is tried again: the same for the same, in this process.
#[must_use]
pub fn salt(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
