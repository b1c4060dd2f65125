//! What people set: flag over environment over file over default, checked before anything else happens.
//!
//! A wrong setting is one line that says what is wrong, where it was set and what would be right, and the exit
//! status [`muster_kit::settings::EX_USAGE`].

mod error;
mod table;

#[cfg(test)]
mod tests;

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use muster_api::names;
use muster_engine::Scope;
use muster_engine::selector::Selector;
use muster_kit::client::Proxy;
use muster_kit::program::Configured;
use muster_kit::settings::{ClusterSource, Common, Origin, Setting, Start, Values};

use crate::session::renewal::Renewal;

pub use self::{error::SettingsError, table::SETTINGS};

/// Where Kubernetes tells a pod its namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// All settings, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What every program lets people set; its cluster is the replica.
    pub common: Common,
    /// Where the kubeconfig of the directory is.
    pub directory: DirectorySource,
    /// Through what the directory is reached, and nothing else.
    pub directory_proxy: Option<Proxy>,
    /// The name of this cluster, where it was set.
    pub cluster_name: Option<String>,
    /// The agent's own namespace in the replica.
    pub namespace: String,
    /// Which entries are mirrored.
    pub mirror: Scope,
    /// When the credential for the directory is renewed, and for how long.
    pub renewal: Renewal,
    /// How often facts of the replica are read. Whole seconds.
    pub facts_interval: Duration,
}

/// Where the kubeconfig of the directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectorySource {
    /// In a Secret in the replica, under [`names::KUBECONFIG_KEY`].
    Secret {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// In a file.
    File(PathBuf),
}

/// How long a token is to live that the agent asks for, in seconds.
const TOKEN_LIFE: u64 = 30 * 24 * 3600;
/// How long it may be: servers give none for less, and what lives for longer is not renewed for a long time.
const TOKEN_LIVES: RangeInclusive<u64> = 600..=366 * 24 * 3600;
/// After how long it may be renewed.
const RENEWALS: RangeInclusive<u64> = 1..=366 * 24 * 3600;

/// How often facts of the replica are read, in seconds.
const FACTS: u64 = 300;
/// How often they may be.
const FACTS_INTERVALS: RangeInclusive<u64> = 1..=24 * 3600;

impl Configured for Settings {
    const PROGRAM: &'static str = "muster-agent";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = "keeps one cluster, the replica, in step with a directory of clusters.";
    const SETTINGS: &'static [Setting] = &SETTINGS;
    type Error = SettingsError;

    fn check(values: &Values, start: &Start<'_>) -> Result<Self, SettingsError> {
        let common = Common::check(values, start, "the replica")?;
        let namespace = namespace(values, start, &common.cluster)?;
        Ok(Self {
            common,
            directory: directory(values, &namespace)?,
            directory_proxy: directory_proxy(values)?,
            cluster_name: cluster_name(values)?,
            namespace,
            mirror: mirror(values)?,
            renewal: renewal(values)?,
            facts_interval: values.seconds("facts-interval", FACTS, FACTS_INTERVALS)?,
        })
    }

    fn common(&self) -> &Common {
        &self.common
    }
}

/// The pod's namespace counts only where the pod runs in the replica: elsewhere it names a namespace of another
/// cluster.
fn namespace(values: &Values, start: &Start<'_>, replica: &ClusterSource) -> Result<String, SettingsError> {
    let origin = values.get("namespace").or_else(|| {
        let text = (*replica == ClusterSource::InCluster)
            .then(|| (start.read)(Path::new(NAMESPACE_FILE)).ok())??;
        Some(Origin { text: text.trim().to_owned(), place: NAMESPACE_FILE.to_owned() })
    });
    match origin {
        None => Ok(names::SYSTEM_NAMESPACE.to_owned()),
        Some(origin) if names::is_label(&origin.text) => Ok(origin.text),
        Some(origin) => Err(wrong(&origin, "the name of a namespace: at most 63 of a-z, 0-9 and '-'")),
    }
}

fn directory(values: &Values, own_namespace: &str) -> Result<DirectorySource, SettingsError> {
    let secret = values.get("directory-secret");
    let (namespace, name) = match &secret {
        None => (own_namespace, names::AGENT),
        Some(origin) => {
            let (namespace, name) =
                origin.text.split_once('/').unwrap_or((own_namespace, origin.text.as_str()));
            if !names::is_label(namespace) || !names::is_subdomain(name) {
                return Err(wrong(
                    origin,
                    "[NAMESPACE/]NAME of a Secret such as muster-system/directory-sync",
                ));
            }
            (namespace, name)
        }
    };
    let file = values.get("directory-kubeconfig");
    match (file, &secret) {
        (Some(file), Some(secret)) if (namespace, name) != (own_namespace, names::AGENT) => {
            Err(SettingsError::TwoDirectories { file: file.place, secret: secret.place.clone() })
        }
        (Some(file), _) => Ok(DirectorySource::File(file.text.into())),
        (None, _) => Ok(DirectorySource::Secret { namespace: namespace.to_owned(), name: name.to_owned() }),
    }
}

/// The value may hold a password: nothing of it is repeated.
fn directory_proxy(values: &Values) -> Result<Option<Proxy>, SettingsError> {
    let Some(Origin { text, place }) = values.get("directory-proxy") else { return Ok(None) };
    Proxy::parse(&text).map(Some).map_err(|error| {
        let origin = Origin { text: "…".to_owned(), place };
        wrong(&origin, format!("http://[USER:PASSWORD@]HOST:PORT: {error}"))
    })
}

fn cluster_name(values: &Values) -> Result<Option<String>, SettingsError> {
    match values.get("cluster-name") {
        None => Ok(None),
        Some(origin) if names::is_subdomain(&origin.text) => Ok(Some(origin.text)),
        Some(origin) => {
            Err(wrong(&origin, "the name of a Cluster: at most 253 of a-z, 0-9, '-' and '.', such as east-1"))
        }
    }
}

fn renewal(values: &Values) -> Result<Renewal, SettingsError> {
    let life = values.seconds("token-life", TOKEN_LIFE, TOKEN_LIVES)?;
    let after = values.get("renew-token-after").is_some();
    let after = after.then(|| values.seconds("renew-token-after", TOKEN_LIFE, RENEWALS)).transpose()?;
    Ok(Renewal { life, after })
}

fn mirror(values: &Values) -> Result<Scope, SettingsError> {
    let Some(origin) = values.get("mirror") else { return Ok(Scope::All) };
    match origin.text.as_str() {
        "all" => Ok(Scope::All),
        "none" => Ok(Scope::None),
        text => Selector::parse(text)
            .map(Scope::Selected)
            .map_err(|error| wrong(&origin, format!("all, none or a label selector: {error}"))),
    }
}

fn wrong(origin: &Origin, right: impl Into<String>) -> SettingsError {
    origin.wrong(right).into()
}
