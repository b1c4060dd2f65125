//! The guards against loss, how each is switched off, and which test turns red then.

use serde::Deserialize;

/// A guard: a piece of code without which something could be lost.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// What it sees to.
    pub guard: String,
    /// Where it stands, from the root of the repository.
    pub file: String,
    /// The piece, which stands there once.
    pub text: String,
    /// What stands in its place where it is switched off.
    pub without: String,
    /// The test that fails then: `engine::` and its path.
    pub test: String,
}

/// All of them.
///
/// # Errors
/// Where the table is malformed.
pub fn guards() -> Result<Vec<Guard>, serde_saphyr::Error> {
    serde_saphyr::from_str(include_str!("../guards.yaml"))
}
