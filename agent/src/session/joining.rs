//! Whether an offer may be used: it leads to the directory that was joined, and has the rights that are needed.

use std::collections::BTreeSet;

use muster_engine::Memory;
use muster_engine::event::Session as Joined;
use muster_engine::pin::{Pin, Refusal};

use super::Session;
use super::probe::{self, Facts, NEEDED, Right};
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
        let recorded = kept.as_ref().map(|kept| &kept.memory.pin);
        let pin = Pin::join(recorded, &facts.cluster, &facts.landmarks);
        let pin = pin.map_err(|refusal| match refusal {
            Refusal::Mismatch(mismatch) => OfferError::Mismatch(mismatch),
            Refusal::OtherCluster { joined, offered } => OfferError::OtherCluster { joined, offered },
        })?;
        let memory = kept.as_ref().map(|kept| kept.memory.clone()).unwrap_or_default();
        Ok((Memory { pin, ..memory }, kept))
    }

    /// The rights that an offer must have: those of the session that works. A session that the directory does not
    /// know any more is not worth protecting.
    pub(super) async fn needed(&self, offered: &BTreeSet<Right>) -> BTreeSet<Right> {
        match &self.working {
            Some((_, open)) if !open.rights.is_subset(offered) && probe::is_known(&open.client).await => {
                open.rights.clone()
            }
            _ => NEEDED.into(),
        }
    }
}
