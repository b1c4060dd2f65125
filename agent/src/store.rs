//! What the agent must remember: the pin, in `ConfigMap` `muster-agent-state` of its own namespace. Whoever deletes the
//! `ConfigMap` makes the replica join anew: the next directory that its credential leads to is recorded.

use std::collections::BTreeMap;

use muster_api::names::STATE_CONFIG_MAP;
use muster_api::resource::CONFIG_MAPS;
use muster_engine::Pin;
use muster_kit::client::{CallError, Client};
use serde::Deserialize;
use serde_json::json;

use crate::MANAGER;

/// Key of the pin.
const PIN: &str = "pin";

/// Why the state cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The call failed.
    #[error("unable to keep the agent's state: {0}")]
    Call(#[from] CallError),
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
}

impl Store {
    /// A store in the agent's own namespace of the replica.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned() }
    }

    /// Reads the pin. `None`: this replica never joined a directory.
    ///
    /// # Errors
    /// Where the state cannot be read. That is not the same as none: nothing may be recorded in its place.
    pub async fn load(&self) -> Result<Option<Pin>, StoreError> {
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
        let malformed = |_| StoreError::Malformed { namespace: self.namespace.clone() };
        let frame: Frame = serde_json::from_str(object.raw.get()).map_err(malformed)?;
        match frame.data.get(PIN) {
            Some(text) => Ok(Some(serde_json::from_str(text).map_err(malformed)?)),
            None => Ok(None),
        }
    }

    /// Keeps the pin.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn save(&self, pin: &Pin) -> Result<(), StoreError> {
        let text = serde_json::to_string(pin)
            .map_err(|_| StoreError::Malformed { namespace: self.namespace.clone() })?;
        let body = json!({
            "apiVersion": CONFIG_MAPS.api_version(),
            "kind": CONFIG_MAPS.kind,
            "metadata": {"name": STATE_CONFIG_MAP, "namespace": self.namespace},
            "data": {PIN: text},
        });
        let namespace = Some(self.namespace.as_str());
        let (body, update) =
            (body.to_string().into_bytes(), json!({"data": {PIN: text}}).to_string().into_bytes());
        match self.client.create(&CONFIG_MAPS, namespace, MANAGER, body).await {
            Err(CallError::AlreadyExists { .. }) => {
                let name = STATE_CONFIG_MAP;
                self.client.merge_patch(&CONFIG_MAPS, namespace, name, None, MANAGER, update).await?;
            }
            outcome => drop(outcome?),
        }
        Ok(())
    }
}
