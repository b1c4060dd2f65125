//! What the agent keeps of itself in the replica: whom it joined, whether it left, and what waits for a word.

use serde::{Deserialize, Serialize};

use crate::era::SetBack;
use crate::hold::Hold;
use crate::pin::Pin;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The directory that was joined.
    pub pin: Pin,
    /// That the replica left it, or is about to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departed: Option<Departed>,
    /// The deletions that wait for somebody's word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// That the directory was set back to an earlier state, while that waits for somebody's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_back: Option<SetBack>,
}

/// Why a replica left its directory. It is kept before the first object goes, so that a restart goes on with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Departed {
    /// Its entry of this UID was deleted in the directory. A new entry of its name ends it.
    EntryDeleted(String),
    /// The same, and what its Works made goes, too: the entry said so when its deletion was asked for.
    EntryDeletedWithWorks(String),
    /// Its owner asked for it. It ends when the owner asks for it no more.
    OwnerLeft,
}
