//! What the agent must remember: its memory, in `ConfigMap` `muster-agent-state` of its own namespace. Whoever deletes
//! the `ConfigMap` makes the replica join anew: the next directory that its credential leads to is recorded.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use muster_api::Object;
use muster_api::names::STATE_CONFIG_MAP;
use muster_api::resource::CONFIG_MAPS;
use muster_engine::memory::Departed;
use muster_engine::time::backoff;
use muster_engine::{Failure, Memory};
use muster_kit::client::{CallError, Client};
use muster_kit::leader::Claim;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::watch;

use crate::MANAGER;
use crate::failure::failure;

/// Key of the pin.
const PIN: &str = "pin";
/// Key of why the replica left its directory; absent while it did not.
const DEPARTED: &str = "departed";
/// Key of the UID of the deleted entry, where that said that what Works made goes with it. It has a key of its own, so that an
/// older agent reads that the entry was deleted, and keeps what Works made.
const WITH_WORKS: &str = "departedWithWorks";
/// Key of the deletions that wait for somebody's word; absent while there are none.
const HOLDS: &str = "holds";
/// Key of that the directory was set back to an earlier state; absent while nobody's word is waited for about that.
const SET_BACK: &str = "setBack";

/// First and longest wait before the memory of an earlier life is read again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));

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
        "unable to read the agent's state: key {key} of ConfigMap {STATE_CONFIG_MAP} in namespace {namespace} is not \
         what the agent wrote; restore it, or delete the ConfigMap to join the directory anew"
    )]
    Malformed {
        /// The key.
        key: &'static str,
        /// The agent's namespace.
        namespace: String,
    },
    /// There is nothing to change: its owner removed it.
    #[error(
        "unable to keep the agent's state: ConfigMap {STATE_CONFIG_MAP} in namespace {namespace} was removed"
    )]
    Removed {
        /// The agent's namespace.
        namespace: String,
    },
    /// It is of another directory than what is to be kept in its place.
    #[error("unable to keep the agent's state: another directory was recorded meanwhile")]
    Other,
}

impl StoreError {
    /// What it means for decisions.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Call(error) => failure(error),
            Self::Fenced => Failure::Fenced,
            Self::Malformed { .. } => Failure::Malformed,
            Self::Removed { .. } => Failure::Absent,
            Self::Other => Failure::Conflict,
        }
    }
}

/// Keeps the state.
#[derive(Clone)]
pub struct Store {
    client: Client,
    namespace: String,
    claim: watch::Receiver<Claim>,
}

/// The memory as it is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The memory.
    pub memory: Memory,
    /// UID of what keeps it. After each joining anew it is another one: the nonce of the ledgers that are then made.
    pub nonce: String,
    /// The version of what keeps it: whoever changes it must have seen it.
    version: String,
}

impl Store {
    /// A store in the agent's own namespace of the replica. `claim`: whether this process may write.
    #[must_use]
    pub fn new(client: Client, namespace: &str, claim: watch::Receiver<Claim>) -> Self {
        Self { client, namespace: namespace.to_owned(), claim }
    }

    /// The agent's own namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Reads the memory. `None`: this replica never joined a directory, or its owner wants it to join anew.
    ///
    /// # Errors
    /// Where the state cannot be read. That is not the same as none: nothing may be recorded in its place.
    pub async fn load(&self) -> Result<Option<Kept>, StoreError> {
        match self.client.get(&CONFIG_MAPS, Some(&self.namespace), STATE_CONFIG_MAP).await {
            Ok(object) => self.read(&object).map(Some),
            Err(error) if error.proves_absence() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the memory of an earlier life, trying until it can be read. What the agent did not write is none: the first
    /// session says so, and records nothing in its place.
    pub async fn recall(&self) -> Option<Kept> {
        let mut failures = 0;
        loop {
            match self.load().await {
                Ok(kept) => return kept,
                Err(error @ StoreError::Malformed { .. }) => {
                    tracing::error!(%error, "state not read");
                    return None;
                }
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(%error, "state not read; trying again");
                    }
                    let (first, longest) = AGAIN;
                    tokio::time::sleep(backoff(failures, first, longest, muster_kit::random::salt())).await;
                }
            }
        }
    }

    /// Keeps a memory in the place of what was read. Where nothing was, somebody else may have kept one meanwhile: then
    /// it is not overwritten.
    ///
    /// # Errors
    /// Where it could not be written, or where this process may not act.
    pub async fn save(&self, memory: &Memory, before: Option<&Kept>) -> Result<Kept, StoreError> {
        if !self.claim.borrow().holds(Instant::now()) {
            return Err(StoreError::Fenced);
        }
        let namespace = Some(self.namespace.as_str());
        let written = match before {
            None => {
                let mut data = data(memory);
                data.retain(|_, value| value.is_some());
                let body = json!({
                    "apiVersion": CONFIG_MAPS.api_version(),
                    "kind": CONFIG_MAPS.kind,
                    "metadata": {"name": STATE_CONFIG_MAP, "namespace": self.namespace},
                    "data": data,
                });
                self.client.create(&CONFIG_MAPS, namespace, MANAGER, body.to_string().into_bytes()).await?
            }
            Some(kept) => {
                let body = json!({"metadata": {"resourceVersion": kept.version}, "data": data(memory)});
                let (name, body) = (STATE_CONFIG_MAP, body.to_string().into_bytes());
                self.client.merge_patch(&CONFIG_MAPS, namespace, name, None, MANAGER, body).await?
            }
        };
        self.read(&written)
    }

    /// Keeps a memory in the place of whatever is kept of the same directory. A record that its owner removed is not
    /// made again.
    ///
    /// # Errors
    /// Where it is not kept then.
    pub async fn change(&self, memory: &Memory) -> Result<Kept, StoreError> {
        let removed = || StoreError::Removed { namespace: self.namespace.clone() };
        let kept = self.load().await?.ok_or_else(removed)?;
        if !kept.memory.pin.goes_on_as(&memory.pin) {
            return Err(StoreError::Other);
        }
        self.save(memory, Some(&kept)).await
    }

    fn read(&self, object: &Object) -> Result<Kept, StoreError> {
        #[derive(Deserialize)]
        struct Frame {
            #[serde(default)]
            data: BTreeMap<String, String>,
        }
        let malformed = |key| StoreError::Malformed { key, namespace: self.namespace.clone() };
        let frame: Frame = serde_json::from_str(object.raw.get()).map_err(|_| malformed(PIN))?;
        let memory = memory(&frame.data).map_err(malformed)?;
        Ok(Kept { memory, nonce: object.meta.uid.clone(), version: object.meta.resource_version.clone() })
    }
}

/// What is written, key by key. In a patch, none takes a key away.
fn data(memory: &Memory) -> BTreeMap<&'static str, Option<String>> {
    let Memory { pin, departed, holds, set_back } = memory;
    let (departed, with_works) = match departed {
        Some(Departed::EntryDeletedWithWorks(uid)) => {
            (Some(Departed::EntryDeleted(uid.clone())), Some(uid.clone()))
        }
        other => (other.clone(), None),
    };
    let departed = departed.map(|departed| json!(departed).to_string());
    let holds = (!holds.is_empty()).then(|| json!(holds).to_string());
    let pin = Some(json!(pin).to_string());
    let set_back = set_back.as_ref().map(|set_back| json!(set_back).to_string());
    BTreeMap::from([
        (PIN, pin),
        (DEPARTED, departed),
        (WITH_WORKS, with_works),
        (HOLDS, holds),
        (SET_BACK, set_back),
    ])
}

/// Reads what was written. The error is the key that holds something else.
fn memory(data: &BTreeMap<String, String>) -> Result<Memory, &'static str> {
    fn read<T: DeserializeOwned>(text: &str, key: &'static str) -> Result<T, &'static str> {
        serde_json::from_str(text).map_err(|_| key)
    }
    let pin = read(data.get(PIN).ok_or(PIN)?, PIN)?;
    let departed = match data.get(DEPARTED).map(|text| read(text, DEPARTED)).transpose()? {
        // Of another entry it was said before an older agent acted here.
        Some(Departed::EntryDeleted(uid)) if data.get(WITH_WORKS) == Some(&uid) => {
            Some(Departed::EntryDeletedWithWorks(uid))
        }
        // It is written otherwise.
        Some(Departed::EntryDeletedWithWorks(_)) => return Err(DEPARTED),
        other => other,
    };
    let holds = data.get(HOLDS).map(|text| read(text, HOLDS)).transpose()?.unwrap_or_default();
    let set_back = data.get(SET_BACK).map(|text| read(text, SET_BACK)).transpose()?;
    Ok(Memory { pin, departed, holds, set_back })
}

#[cfg(test)]
mod tests {
    use muster_engine::Pin;
    use muster_engine::era::SetBack;
    use muster_engine::hold::{Hold, Rule};

    use super::*;

    fn kept(memory: &Memory) -> BTreeMap<String, String> {
        data(memory).into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }

    #[test]
    fn what_is_kept_reads_back_and_so_does_what_earlier_versions_kept() {
        let pin =
            Pin { directory: "d".into(), clusters_crd: "c".into(), cluster: "east".into(), ..Pin::default() };
        let works = ["u".to_owned()].into();
        let hold = Hold::new(Rule::AllWorks, works, BTreeMap::new(), 3, jiff::Timestamp::UNIX_EPOCH);
        let deleted = [Departed::EntryDeleted("e".into()), Departed::EntryDeletedWithWorks("e".into())];
        for departed in [None, Some(Departed::OwnerLeft)].into_iter().chain(deleted.map(Some)) {
            let holds = if departed.is_some() { vec![hold.clone()] } else { Vec::new() };
            let set_back =
                departed.is_some().then(|| SetBack::new("why".into(), jiff::Timestamp::UNIX_EPOCH));
            let memory = Memory { pin: pin.clone(), departed, holds, set_back };
            let kept = kept(&memory);
            assert_eq!(kept.contains_key(SET_BACK), memory.set_back.is_some());
            assert_eq!(kept.contains_key(DEPARTED), memory.departed.is_some());
            assert_eq!(kept.contains_key(HOLDS), !memory.holds.is_empty());
            assert_eq!(super::memory(&kept), Ok(memory));
        }
        let old = r#"{"directory":"d","clustersCrd":"c","cluster":"east"}"#;
        let old = BTreeMap::from([(PIN.to_owned(), old.to_owned())]);
        assert_eq!(super::memory(&old), Ok(Memory { pin, ..Memory::default() }));
    }

    /// An older agent knows the key no more than what it means, and leaves it as it is.
    #[test]
    fn an_older_agent_reads_that_the_entry_was_deleted_and_nothing_of_works() {
        let with_works =
            Memory { departed: Some(Departed::EntryDeletedWithWorks("e".into())), ..Memory::default() };
        let written = kept(&with_works);
        assert_eq!(written[DEPARTED], r#"{"entryDeleted":"e"}"#);
        let patched =
            data(&Memory { departed: Some(Departed::EntryDeleted("e".into())), ..Memory::default() });
        assert_eq!(patched[WITH_WORKS], None, "it is taken back");
        for (departed, expected) in [
            (None, None),
            (Some(r#""ownerLeft""#), Some(Departed::OwnerLeft)),
            (Some(r#"{"entryDeleted":"later"}"#), Some(Departed::EntryDeleted("later".into()))),
        ] {
            let mut older = written.clone();
            older.remove(DEPARTED);
            older.extend(departed.map(|text| (DEPARTED.to_owned(), text.to_owned())));
            assert_eq!(memory(&older).unwrap().departed, expected);
        }
    }

    #[test]
    fn what_the_agent_did_not_write_is_named_and_never_taken() {
        let pin = json!(Pin::default()).to_string();
        for (data, key) in [
            (vec![], PIN),
            (vec![(PIN, "{}")], PIN),
            (vec![(DEPARTED, r#""ownerLeft""#)], PIN),
            (vec![(PIN, pin.as_str()), (DEPARTED, "")], DEPARTED),
            (vec![(PIN, pin.as_str()), (DEPARTED, r#""elsewhere""#)], DEPARTED),
            (vec![(PIN, pin.as_str()), (DEPARTED, r#"{"entryDeletedWithWorks":"e"}"#)], DEPARTED),
            (vec![(PIN, pin.as_str()), (HOLDS, "{}")], HOLDS),
            (vec![(PIN, pin.as_str()), (SET_BACK, "{}")], SET_BACK),
        ] {
            let data = data.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            assert_eq!(memory(&data), Err(key), "{data:?}");
        }
    }
}
