//! The values of Secrets in Works, in one Secret for each such Work in the agent's own namespace. Only this module knows
//! how it is laid out; what it means is `muster_engine::values`'s. Nothing here is logged but names.

use std::collections::{BTreeMap, BTreeSet};

use muster_api::marks::VALUES_OF;
use muster_api::names::values_secret;
use muster_api::resource::SECRETS;
use muster_api::{Meta, Object};
use muster_engine::Failure;
use muster_engine::values::{Digest, Key, MOST_BYTES, Values, Vault};
use muster_kit::client::{CallError, Client, Preconditions};
use muster_kit::random::{self, RandomError};
use serde::Deserialize;
use serde_json::json;

use crate::MANAGER;
use crate::failure::failure;

/// The type of these Secrets.
const TYPE: &str = "multicluster.coreos.com/work-values";

/// Why values were not read or kept.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The call failed.
    #[error("unable to keep the values of Secrets: {0}")]
    Call(#[from] CallError),
    /// There is no key to be had.
    #[error("unable to keep the values of Secrets: {0}")]
    Random(#[from] RandomError),
    /// Somebody else made a Secret of this name.
    #[error(
        "unable to keep the values of Secrets: Secret {name} lacks the label {VALUES_OF} with the UID of the Work, so \
         it is not Muster's: remove it"
    )]
    Foreign {
        /// Its name.
        name: String,
    },
    /// There is more to keep than a Secret can hold.
    #[error(
        "unable to keep the values of Secrets: they take {bytes} bytes, and {MOST_BYTES} are the most: split the Work"
    )]
    TooLarge {
        /// Bytes that they take.
        bytes: usize,
    },
}

impl VaultError {
    /// What it means for decisions.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Call(error) => failure(error),
            Self::Random(_) => Failure::Unavailable,
            Self::Foreign { .. } => Failure::Conflict,
            Self::TooLarge { .. } => Failure::TooLarge,
        }
    }

    /// A stable word for metrics; `None` where no server was asked to write.
    #[must_use]
    pub fn category(&self) -> Option<&'static str> {
        match self {
            Self::Call(error) => Some(error.category()),
            _ => None,
        }
    }
}

/// The Secrets of one namespace.
#[derive(Clone, Copy)]
pub struct Vaults<'a> {
    /// The replica, as the agent itself.
    pub client: &'a Client,
    /// The agent's own namespace.
    pub namespace: &'a str,
}

impl Vaults<'_> {
    /// Reads what is kept for the Work of this UID. Where nothing is, or nothing that can be read, the key is a new one.
    ///
    /// # Errors
    /// Where it cannot be told what is there.
    pub async fn unlock(self, work: &str) -> Result<Vault, VaultError> {
        let there = self.find(work).await?;
        let read = there.as_ref().and_then(|(_, vault)| vault.clone());
        match read {
            Some(vault) => Ok(vault),
            None => Ok(Vault {
                key: Key::new(random::bytes()?),
                values: Values::default(),
                there: there.is_some(),
            }),
        }
    }

    /// Keeps what is there and asked for, and more. Gives the digests of all that is kept then, and the verb of the
    /// write; none where all was there.
    ///
    /// # Errors
    /// Where it is not kept then.
    pub async fn seal(
        self,
        work: &str,
        key: &Key,
        keep: &BTreeSet<Digest>,
        add: &Values,
    ) -> Result<(BTreeSet<Digest>, Option<&'static str>), VaultError> {
        if add.bytes() > MOST_BYTES {
            return Err(VaultError::TooLarge { bytes: add.bytes() });
        }
        let there = self.find(work).await?;
        let before = there.as_ref().and_then(|(_, vault)| vault.clone());
        let none = || Vault { key: key.clone(), values: Values::default(), there: false };
        let after = before.clone().unwrap_or_else(none).with(key, keep, add);
        let held = after.values.digests().cloned().collect();
        if before.as_ref() == Some(&after) {
            return Ok((held, None));
        }
        let name = values_secret(work);
        let mut metadata = json!({"name": name, "namespace": self.namespace, "labels": {VALUES_OF: work}});
        let verb = match &there {
            None => {
                let body = body(&metadata, &after);
                self.client.create(&SECRETS, Some(self.namespace), MANAGER, body).await?;
                "create"
            }
            Some((meta, _)) => {
                metadata["uid"] = meta.uid.as_str().into();
                metadata["resourceVersion"] = meta.resource_version.as_str().into();
                let body = body(&metadata, &after);
                self.client.replace(&SECRETS, Some(self.namespace), &name, MANAGER, body).await?;
                "update"
            }
        };
        Ok((held, Some(verb)))
    }

    /// Removes what is kept. What somebody else made under its name stays. Returns whether there was anything.
    ///
    /// # Errors
    /// Where it may still be there.
    pub async fn discard(self, work: &str) -> Result<bool, VaultError> {
        let meta = match self.find(work).await {
            Ok(Some((meta, _))) => meta,
            Ok(None) | Err(VaultError::Foreign { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let preconditions = Preconditions { uid: Some(meta.uid), resource_version: None };
        match self.client.delete(&SECRETS, Some(self.namespace), &meta.name, &preconditions).await {
            Err(error) if error.proves_absence() => Ok(true),
            deleted => Ok(deleted.map(|()| true)?),
        }
    }

    /// The Secret of a Work, and what it keeps, if that can be read.
    async fn find(self, work: &str) -> Result<Option<(Meta, Option<Vault>)>, VaultError> {
        let name = values_secret(work);
        let object = match self.client.get(&SECRETS, Some(self.namespace), &name).await {
            Ok(object) => object,
            Err(error) if error.proves_absence() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if object.meta.labels.get(VALUES_OF).map(String::as_str) != Some(work) {
            return Err(VaultError::Foreign { name });
        }
        let vault = read(&object);
        Ok(Some((object.meta, vault)))
    }
}

fn read(object: &Object) -> Option<Vault> {
    #[derive(Deserialize)]
    struct Frame {
        data: BTreeMap<String, String>,
    }
    let Frame { data } = serde_json::from_str(object.raw.get()).ok()?;
    Vault::read(data)
}

fn body(metadata: &serde_json::Value, vault: &Vault) -> Vec<u8> {
    let body = json!({
        "apiVersion": SECRETS.api_version(), "kind": SECRETS.kind, "metadata": metadata, "type": TYPE,
        "data": vault.data(),
    });
    body.to_string().into_bytes()
}

#[cfg(test)]
mod tests;
