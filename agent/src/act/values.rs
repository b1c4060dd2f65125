//! The values of Secrets in Works. They are the agent's own affair: no account that applies Works sees them here.

use std::collections::BTreeSet;

use muster_engine::event::StepOutcome;
use muster_engine::values::{Digest, Key, Values};

use super::Actor;
use crate::vaults::{VaultError, Vaults};

impl Actor {
    fn vaults(&self) -> Vaults<'_> {
        Vaults { client: &self.replica, namespace: self.store.namespace() }
    }

    pub(super) async fn unlock(&self, work: &str) -> StepOutcome {
        match self.vaults().unlock(work).await {
            Ok(vault) => StepOutcome::Unlocked(vault),
            Err(error) => unkept(&error),
        }
    }

    pub(super) async fn seal(
        &self,
        work: &str,
        key: &Key,
        keep: &BTreeSet<Digest>,
        add: &Values,
    ) -> StepOutcome {
        match self.vaults().seal(work, key, keep, add).await {
            Ok((held, verb)) => {
                if let Some(verb) = verb {
                    self.count(verb, "ok");
                    tracing::info!(of = work, verb, values = held.len(), "values kept");
                }
                StepOutcome::Sealed(held)
            }
            Err(error) => {
                if let Some(category) = error.category() {
                    self.count("update", category);
                }
                unkept(&error)
            }
        }
    }

    pub(super) async fn discard(&self, work: &str) -> StepOutcome {
        match self.vaults().discard(work).await {
            Ok(there) => {
                if there {
                    self.count("delete", "ok");
                    tracing::info!(of = work, "values removed");
                }
                StepOutcome::Deleted
            }
            Err(error) => {
                if let Some(category) = error.category() {
                    self.count("delete", category);
                }
                unkept(&error)
            }
        }
    }
}

fn unkept(error: &VaultError) -> StepOutcome {
    tracing::debug!(%error, "step failed");
    StepOutcome::Failed(error.failure(), error.to_string())
}
