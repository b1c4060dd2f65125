//! Whether an offer may be used: it leads to the directory that was joined, and has the rights that are needed.

use std::collections::BTreeSet;

use muster_engine::Memory;
use muster_engine::event::Session as Joined;
use muster_engine::pin::Refusal;
use muster_kit::client::CallError;

use super::Session;
use super::probe::{self, Facts, NEEDED, ProbeError, Right};
use super::refusal::OfferError;
use crate::store::Kept;

impl Session {
    /// The session's part of what is kept.
    pub(super) fn joined(&self, kept: Kept) -> Joined {
        let Kept { memory: Memory { pin, departed, holds, set_back }, nonce, .. } = kept;
        Joined { pin, replica: self.wiring.replica.clone(), nonce, departed, holds, set_back }
    }

    /// Whether this is the directory that the replica joined. The record is read anew each time: its owner may have
    /// removed it, to join anew. Gives what is to be recorded before it is used, and what is.
    pub(super) async fn judge(&self, facts: &Facts) -> Result<(Memory, Option<Kept>), OfferError> {
        let kept = self.wiring.store.load().await?;
        let recorded = kept.as_ref().map(|kept| &kept.memory);
        let memory = Memory::join(recorded, &facts.cluster, &facts.landmarks);
        let memory = memory.map_err(|refusal| match refusal {
            Refusal::Mismatch(mismatch) => OfferError::Mismatch(mismatch),
            Refusal::OtherCluster { joined, offered } => OfferError::OtherCluster { joined, offered },
        })?;
        Ok((memory, kept))
    }

    /// The rights that an offer must have: what the session that works had and has still. What was taken from that one
    /// too is not worth asking for, and one that the directory does not know any more is not worth protecting.
    pub(super) async fn needed(&self, offered: &BTreeSet<Right>, facts: &Facts) -> BTreeSet<Right> {
        let Some((_, open)) = &self.working else { return NEEDED.into() };
        if open.rights.is_subset(offered) {
            return NEEDED.into();
        }
        match probe::rights(&open.client, facts).await {
            Ok(still) => NEEDED.into_iter().chain(open.rights.intersection(&still).copied()).collect(),
            Err(ProbeError::Call(CallError::Unauthorized { .. })) => NEEDED.into(),
            Err(_) => open.rights.clone(),
        }
    }
}
