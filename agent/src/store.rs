//! What the agent must remember: the pin, in `ConfigMap` `muster-agent-state` of its own namespace. Whoever deletes the
//! `ConfigMap` makes the replica join anew: the next directory that its credential leads to is recorded.

use std::collections::BTreeMap;
use std::time::Instant;

use muster_api::names::STATE_CONFIG_MAP;
use muster_api::resource::CONFIG_MAPS;
use muster_engine::Pin;
use muster_kit::client::{CallError, Client};
use muster_kit::leader::Claim;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use crate::MANAGER;

/// Key of the pin.
const PIN: &str = "pin";

/// Why the state cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The call failed.
    #[error("unable to keep the agent's state: {0}")]
    Call(#[from] CallError),
    /// Another process acts, or may.
    #[error("unable to keep the agent's state: this process is not the one that acts")]
    Fenced,
    /// There is something that Muster did not write.
    #[error(
        "unable to read the agent's state: key {PIN} of ConfigMap {STATE_CONFIG_MAP} in namespace {namespace} is not \
         what the agent wrote; restore it, or delete the ConfigMap to join the directory anew"
    )]
    Malformed {
        /// The agent's namespace.
        namespace: String,
    },
}

/// Keeps the state.
#[derive(Clone)]
pub struct Store {
    client: Client,
    namespace: String,
    claim: watch::Receiver<Claim>,
}

/// The pin as it is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The pin.
    pub pin: Pin,
    /// The version of what keeps it: whoever changes it must have seen it.
    version: String,
}

impl Store {
    /// A store in the agent's own namespace of the replica. `claim`: whether this process may write.
    #[must_use]
    pub fn new(client: Client, namespace: &str, claim: watch::Receiver<Claim>) -> Self {
        Self { client, namespace: namespace.to_owned(), claim }
    }

    /// Reads the pin. `None`: this replica never joined a directory, or its owner wants it to join anew.
    ///
    /// # Errors
    /// Where the state cannot be read. That is not the same as none: nothing may be recorded in its place.
    pub async fn load(&self) -> Result<Option<Kept>, StoreError> {
        #[derive(Deserialize)]
        struct Frame {
            #[serde(default)]
            data: BTreeMap<String, String>,
        }
        let found = self.client.get(&CONFIG_MAPS, Some(&self.namespace), STATE_CONFIG_MAP).await;
        let object = match found {
            Ok(object) => object,
            Err(error) if error.proves_absence() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let malformed = || StoreError::Malformed { namespace: self.namespace.clone() };
        let frame: Frame = serde_json::from_str(object.raw.get()).map_err(|_| malformed())?;
        let text = frame.data.get(PIN).ok_or_else(malformed)?;
        let pin = serde_json::from_str(text).map_err(|_| malformed())?;
        Ok(Some(Kept { pin, version: object.meta.resource_version }))
    }

    /// Keeps a pin in the place of what was read. Where nothing was, somebody else may have kept one meanwhile: then it
    /// is not overwritten.
    ///
    /// # Errors
    /// Where it could not be written, or where this process may not act.
    pub async fn save(&self, pin: &Pin, before: Option<&Kept>) -> Result<(), StoreError> {
        if !self.claim.borrow().holds(Instant::now()) {
            return Err(StoreError::Fenced);
        }
        let text = serde_json::to_string(pin)
            .map_err(|_| StoreError::Malformed { namespace: self.namespace.clone() })?;
        let namespace = Some(self.namespace.as_str());
        match before {
            None => {
                let body = json!({
                    "apiVersion": CONFIG_MAPS.api_version(),
                    "kind": CONFIG_MAPS.kind,
                    "metadata": {"name": STATE_CONFIG_MAP, "namespace": self.namespace},
                    "data": {PIN: text},
                });
                self.client.create(&CONFIG_MAPS, namespace, MANAGER, body.to_string().into_bytes()).await?;
            }
            Some(kept) => {
                let body = json!({"metadata": {"resourceVersion": kept.version}, "data": {PIN: text}});
                let (name, body) = (STATE_CONFIG_MAP, body.to_string().into_bytes());
                self.client.merge_patch(&CONFIG_MAPS, namespace, name, None, MANAGER, body).await?;
            }
        }
        Ok(())
    }
}
