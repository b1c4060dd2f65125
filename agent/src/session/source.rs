//! Where the kubeconfig comes from: a Secret that is watched, or a file that is looked at.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use muster_api::names::{CLUSTER_NAME_KEY, KUBECONFIG_KEY};
use muster_api::resource::SECRETS;
use muster_api::{Object, names};
use muster_kit::client::CallError;
use muster_kit::watch::{Form, Link, Target, WatchEvent, WatchOptions, Watched, watch};
use secrecy::SecretSlice;
use serde::Deserialize;
use tokio::sync::{mpsc, watch as channel};
use tokio_util::sync::CancellationToken;

use super::renewal;
use crate::files::{LOOK, Stamp, stamp};
use crate::metrics::Metrics;
use crate::settings::DirectorySource;

/// Largest file that is read. The parser refuses less.
const LARGEST_FILE: u64 = 2 * 1024 * 1024;

/// What was offered.
pub enum Offer {
    /// A kubeconfig.
    Material(Material),
    /// None, and why.
    Nothing(String),
    /// Something that is no kubeconfig even before it is read, and why.
    Unusable(String),
}

/// A kubeconfig as it was offered, and the name that came with it.
pub struct Material {
    /// The bytes, as they are.
    pub kubeconfig: SecretSlice<u8>,
    /// This cluster's name, where the source gives it.
    pub cluster_name: Option<String>,
    /// Where it came from, for people.
    pub origin: String,
    /// The digest of what people gave: of this, or of what this was renewed from.
    pub input: String,
    /// The agent asked for it itself.
    pub is_renewed: bool,
}

impl Material {
    fn new(kubeconfig: Vec<u8>, cluster_name: Option<String>, origin: &str) -> Self {
        let input = renewal::digest(&kubeconfig, cluster_name.as_deref());
        let (kubeconfig, origin) = (kubeconfig.into(), origin.to_owned());
        Self { kubeconfig, cluster_name, origin, input, is_renewed: false }
    }

    /// One that was renewed. `input`: the digest of what people gave.
    pub(super) fn renewed(
        kubeconfig: Vec<u8>,
        cluster_name: Option<String>,
        origin: String,
        input: String,
    ) -> Self {
        Self { kubeconfig: kubeconfig.into(), cluster_name, origin, input, is_renewed: true }
    }
}

/// Follows the source until `cancel`.
pub async fn follow(
    source: DirectorySource,
    replica: channel::Receiver<Option<Link>>,
    offers: mpsc::Sender<Offer>,
    metrics: Metrics,
    cancel: CancellationToken,
) {
    match source {
        DirectorySource::Secret { namespace, name } => {
            follow_secret(&namespace, &name, replica, &offers, &metrics, cancel).await;
        }
        DirectorySource::File(path) => {
            let _ = cancel.run_until_cancelled(follow_file(&path, &offers)).await;
        }
    }
}

async fn follow_secret(
    namespace: &str,
    name: &str,
    replica: channel::Receiver<Option<Link>>,
    offers: &mpsc::Sender<Offer>,
    metrics: &Metrics,
    cancel: CancellationToken,
) {
    let target = Target {
        resource: SECRETS,
        namespace: Some(namespace.to_owned()),
        labels: None,
        fields: Some(format!("metadata.name={name}")),
        form: Form::Whole,
    };
    let origin = format!("Secret {namespace}/{name}");
    let (sender, mut watched) = mpsc::channel(4);
    let watching = watch(target, replica, sender, WatchOptions::default(), cancel);
    let reading = async {
        let mut shown = false;
        while let Some(Watched { event, .. }) = watched.recv().await {
            let offer = match event {
                WatchEvent::Init => {
                    shown = false;
                    continue;
                }
                WatchEvent::Listed(secret) | WatchEvent::Applied(secret) => {
                    shown = true;
                    read(&secret, &origin)
                }
                WatchEvent::Complete { .. } if !shown => Offer::Nothing(format!("{origin} does not exist")),
                WatchEvent::Deleted(_) => Offer::Nothing(format!("{origin} was deleted")),
                WatchEvent::Failed(error) => {
                    tracing::debug!(%error, "watch of the Secret failed");
                    metrics.watch_errors.with_label_values(&["secret", error.category()]).inc();
                    if !matches!(error, CallError::Forbidden { .. }) {
                        continue; // it will be read again
                    }
                    let remedy = "let the Role directory-sync of that namespace name the Secret";
                    Offer::Nothing(format!("{origin} may not be read: {error}; {remedy}"))
                }
                WatchEvent::Complete { .. } | WatchEvent::Resumed | WatchEvent::Bookmark { .. } => continue,
            };
            if offers.send(offer).await.is_err() {
                return;
            }
        }
    };
    futures::join!(watching, reading);
}

/// Reads what a Secret offers. Nothing of it is repeated in messages but the names of its keys that Muster knows.
fn read(secret: &Object, origin: &str) -> Offer {
    #[derive(Deserialize)]
    struct Frame {
        #[serde(default)]
        data: BTreeMap<String, String>,
    }
    let Ok(Frame { mut data }) = serde_json::from_str(secret.raw.get()) else {
        return Offer::Unusable(format!("{origin} cannot be read"));
    };
    let mut take = |key: &str| data.remove(key).and_then(|value| STANDARD.decode(value).ok());
    let Some(kubeconfig) = take(KUBECONFIG_KEY) else {
        return Offer::Nothing(format!("{origin} has no key {KUBECONFIG_KEY}"));
    };
    let cluster_name = take(CLUSTER_NAME_KEY)
        .and_then(|name| String::from_utf8(name).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty());
    if cluster_name.as_ref().is_some_and(|name| !names::is_subdomain(name)) {
        let why = "is no legal name of a Cluster; correct it, or remove it";
        return Offer::Unusable(format!("{origin}: key {CLUSTER_NAME_KEY} {why}"));
    }
    Offer::Material(Material::new(kubeconfig, cluster_name, origin))
}

async fn follow_file(path: &Path, offers: &mpsc::Sender<Offer>) {
    let mut seen: Option<Result<Stamp, String>> = None;
    loop {
        let stamp = stamp(path);
        if seen.as_ref() != Some(&stamp) {
            let offer = match &stamp {
                Ok(_) => read_file(path),
                Err(why) => Offer::Nothing(format!("file {}: {why}", path.display())),
            };
            seen = Some(stamp);
            if offers.send(offer).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn read_file(path: &Path) -> Offer {
    let origin = format!("file {}", path.display());
    match std::fs::metadata(path).map(|facts| facts.len()) {
        Ok(length) if length > LARGEST_FILE => return Offer::Unusable(format!("{origin} is too large")),
        _ => {}
    }
    match std::fs::read(path) {
        Ok(kubeconfig) => Offer::Material(Material::new(kubeconfig, None, &origin)),
        Err(error) => Offer::Nothing(format!("{origin}: {error}")),
    }
}
