//! The renewal of the agent's own token: it is asked for in time, kept in a Secret of the agent's own, and only then
//! used. The Secret that people write is never written: what keeps applying it would undo that.
//!
//! The renewed credential is stamped with the digest of the one that it came from. So it goes on after a restart for as
//! long as people leave theirs as it is, and what they put in its place wins as soon as it works.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use muster_api::names::{CLUSTER_NAME_KEY, KUBECONFIG_KEY, RENEWED_SECRET};
use muster_api::resource::{SECRETS, SERVICE_ACCOUNTS};
use muster_api::{Object, marks};
use muster_kit::client::{CallError, Client, Preconditions};
use muster_kit::kubeconfig::{Kubeconfig, KubeconfigError};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::credential::{self, Facts};
use super::source::Material;
use crate::MANAGER;

/// First and longest wait before a renewal that failed is tried again.
const AGAIN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));
/// The same where the directory refuses it: a credential that people made may lack the right, and keeps lacking it.
const REFUSED: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// A token that lives no longer is one to join with.
const JOINING: Duration = Duration::from_secs(3600);

/// Least time between two renewals, where nothing shorter is asked for.
const LEAST: Duration = Duration::from_secs(60);

/// Why a credential was not renewed, or not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum RenewalError {
    /// The directory gave no token.
    #[error("unable to ask for a new token: {0}")]
    Ask(CallError),
    /// The answer holds none.
    #[error("unable to ask for a new token: the answer holds none")]
    Malformed,
    /// What it came from cannot be read any more.
    #[error("unable to renew the credential: {0}")]
    Kubeconfig(#[from] KubeconfigError),
    /// The replica does not keep it.
    #[error("unable to keep the renewed credential: {0}")]
    Keep(CallError),
}

impl RenewalError {
    /// First and longest wait before the next attempt.
    pub(super) fn wait(&self) -> (Duration, Duration) {
        match self {
            Self::Ask(CallError::Forbidden { .. }) => REFUSED,
            _ => AGAIN,
        }
    }
}

/// When tokens are renewed, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// How long a token is to live. Servers may grant less.
    pub life: Duration,
    /// How long after it was issued a token is renewed; `None`: after a third of its life.
    pub after: Option<Duration>,
}

impl Renewal {
    /// How long to wait before a credential is renewed; `None` where that cannot be: it is no token of an account, or does
    /// not say how long it lives. A tenth more or less, by `salt`: many agents do not come at once. What was given to join
    /// with is renewed at once; what the agent asked for itself, `own`, is not taken for that.
    #[must_use]
    pub fn wait(
        &self,
        user: &str,
        (life, own): (&Facts, bool),
        now: Timestamp,
        salt: u64,
    ) -> Option<Duration> {
        credential::account(user)?;
        let (issued, expires) = (life.issued_at?, life.expires_at?);
        let whole = Duration::try_from(expires.duration_since(issued)).ok()?;
        if !own && whole <= JOINING {
            return Some(Duration::ZERO);
        }
        let permille = u32::try_from(900 + salt % 201).unwrap_or(1000);
        let after = self.after.unwrap_or(whole / 3) * permille / 1000;
        let due = issued.saturating_add(after).ok()?;
        let wait = Duration::try_from(due.duration_since(now)).unwrap_or_default();
        // The clock of this machine may be wrong either way: it makes nothing hot, and lets nothing die.
        Some(wait.clamp(LEAST.min(after), after))
    }
}

/// Where the renewed credential is kept: a Secret in the agent's own namespace.
pub(super) struct Renewed<'a> {
    /// The replica.
    pub(super) client: &'a Client,
    /// The agent's own namespace.
    pub(super) namespace: &'a str,
}

impl Renewed<'_> {
    /// What is kept, if that can be read.
    ///
    /// # Errors
    /// Where it cannot be told what is there.
    pub(super) async fn load(&self) -> Result<Option<Material>, RenewalError> {
        match self.client.get(&SECRETS, Some(self.namespace), RENEWED_SECRET).await {
            Ok(secret) => Ok(self.read(&secret)),
            Err(error) if error.proves_absence() => Ok(None),
            Err(error) => Err(RenewalError::Keep(error)),
        }
    }

    fn read(&self, secret: &Object) -> Option<Material> {
        #[derive(Deserialize)]
        struct Frame {
            data: BTreeMap<String, String>,
        }
        let input = secret.meta.annotations.get(marks::RENEWED_FROM)?.clone();
        let Frame { mut data } = serde_json::from_str(secret.raw.get()).ok()?;
        let mut take = |key: &str| data.remove(key).and_then(|value| STANDARD.decode(value.as_bytes()).ok());
        let kubeconfig = take(KUBECONFIG_KEY)?;
        let cluster_name = take(CLUSTER_NAME_KEY).and_then(|name| String::from_utf8(name).ok());
        let origin = format!("Secret {}/{RENEWED_SECRET}", self.namespace);
        Some(Material::renewed(kubeconfig, cluster_name, origin, input))
    }

    /// Asks the directory for another token of the own account, and keeps it. `directory`: the session that works;
    /// `user`: whom it is taken for.
    ///
    /// # Errors
    /// Where none is kept then.
    pub(super) async fn renew(
        &self,
        directory: &Client,
        user: &str,
        from: &Material,
        life: Duration,
    ) -> Result<Material, RenewalError> {
        let (namespace, name) = credential::account(user).ok_or(RenewalError::Malformed)?;
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"expirationSeconds": life.as_secs()},
        });
        let body = request.to_string().into_bytes();
        let answer = directory.create_sub(&SERVICE_ACCOUNTS, namespace, name, "token", body).await;
        let token = token(answer.map_err(RenewalError::Ask)?.get()).ok_or(RenewalError::Malformed)?;
        let kubeconfig = Kubeconfig::with_token(from.kubeconfig.expose_secret(), &token)?;
        self.keep(&kubeconfig, from).await?;
        let origin = format!("Secret {}/{RENEWED_SECRET}", self.namespace);
        let bytes = kubeconfig.expose_secret().as_bytes().to_vec();
        Ok(Material::renewed(bytes, from.cluster_name.clone(), origin, from.input.clone()))
    }

    async fn keep(&self, kubeconfig: &SecretString, from: &Material) -> Result<(), RenewalError> {
        let mut data = BTreeMap::from([(KUBECONFIG_KEY, STANDARD.encode(kubeconfig.expose_secret()))]);
        if let Some(name) = &from.cluster_name {
            data.insert(CLUSTER_NAME_KEY, STANDARD.encode(name));
        }
        let there = match self.client.get(&SECRETS, Some(self.namespace), RENEWED_SECRET).await {
            Ok(secret) => Some(secret.meta),
            Err(error) if error.proves_absence() => None,
            Err(error) => return Err(RenewalError::Keep(error)),
        };
        let mut metadata = json!({
            "name": RENEWED_SECRET, "namespace": self.namespace,
            "labels": {"app.kubernetes.io/part-of": "muster"},
            "annotations": {marks::RENEWED_FROM: from.input},
        });
        if let Some(meta) = &there {
            metadata["uid"] = meta.uid.as_str().into();
            metadata["resourceVersion"] = meta.resource_version.as_str().into();
        }
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data});
        let body = Zeroizing::new(secret.to_string()).as_bytes().to_vec();
        let kept = match there {
            None => self.client.create(&SECRETS, Some(self.namespace), MANAGER, body).await,
            Some(_) => {
                self.client.replace(&SECRETS, Some(self.namespace), RENEWED_SECRET, MANAGER, body).await
            }
        };
        kept.map(drop).map_err(RenewalError::Keep)
    }

    /// Removes what is kept: people gave another credential, and it works.
    ///
    /// # Errors
    /// Where it may still be there.
    pub(super) async fn discard(&self) -> Result<(), RenewalError> {
        let none = Preconditions::default();
        match self.client.delete(&SECRETS, Some(self.namespace), RENEWED_SECRET, &none).await {
            Err(error) if !error.proves_absence() => Err(RenewalError::Keep(error)),
            _ => Ok(()),
        }
    }
}

fn token(answer: &str) -> Option<SecretString> {
    #[derive(Deserialize)]
    struct Answer {
        status: Status,
    }
    #[derive(Deserialize)]
    struct Status {
        token: SecretText,
    }
    let Answer { status } = serde_json::from_str(answer).ok()?;
    Some(status.token.0)
}

/// A text that is never printed.
struct SecretText(SecretString);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

/// The digest of what people gave, in hexadecimal digits.
pub(super) fn digest(kubeconfig: &[u8], cluster_name: Option<&str>) -> String {
    use sha2::{Digest as _, Sha256};
    let name = cluster_name.unwrap_or_default();
    let digest = Sha256::new().chain_update(kubeconfig).chain_update([0]).chain_update(name).finalize();
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_is_renewed_at_a_third_of_its_life() {
        const USER: &str = "system:serviceaccount:muster-agents:east";
        let renewal = Renewal { life: Duration::from_secs(1), after: None };
        let life = Facts { issued_at: Some(at(1_000)), expires_at: Some(at(4_000)) };
        let wait = |renewal: Renewal, user, life, now, salt| {
            renewal.wait(user, (&life, true), at(now), salt).map(|wait| wait.as_secs())
        };
        assert_eq!(wait(renewal, USER, life, 1_000, 100), Some(1_000));
        assert_eq!([0, 200].map(|salt| wait(renewal, USER, life, 1_000, salt)), [Some(900), Some(1_100)]);
        assert_eq!(wait(renewal, USER, life, 1_500, 100), Some(500));
        assert_eq!(wait(renewal, USER, life, 3_000, 100), Some(60), "it is late, or the clock is wrong");
        assert_eq!(wait(renewal, USER, life, 0, 100), Some(1_000), "the clock is wrong");
        let soon = Renewal { after: Some(Duration::from_secs(10)), ..renewal };
        assert_eq!(wait(soon, USER, life, 1_000, 100), Some(10));
        let given = |life| renewal.wait(USER, (&life, false), at(2_000), 100).unwrap().as_secs();
        assert_eq!(given(life), 0, "it was given to join with");
        assert_eq!(given(Facts { expires_at: Some(at(10_001)), ..life }), 2_000);
        assert_eq!(wait(renewal, "kubernetes-admin", life, 1_000, 100), None, "it is no account's");
        assert_eq!(wait(renewal, USER, Facts { expires_at: None, ..life }, 1_000, 100), None);
        assert_eq!(wait(renewal, USER, Facts { issued_at: None, ..life }, 1_000, 100), None);
    }

    #[test]
    fn what_people_gave_is_known_by_all_of_it() {
        let digests =
            [digest(b"a", None), digest(b"b", None), digest(b"a", Some("east")), digest(b"aeast", None)];
        let different: std::collections::BTreeSet<_> = digests.iter().collect();
        assert_eq!(different.len(), digests.len());
    }

    #[test]
    fn an_answer_without_a_token_is_none() {
        assert_eq!(token(r#"{"status":{"token":"t"}}"#).unwrap().expose_secret(), "t");
        for answer in ["{}", r#"{"status":null}"#, r#"{"status":{"token":1}}"#, "null"] {
            assert!(token(answer).is_none(), "{answer}");
        }
    }
}
