//! What people set: flag over environment over file over default, checked before anything else happens.
//!
//! A wrong setting is one line that says what is wrong, where it was set and what would be right, and the exit
//! status [`EX_USAGE`].

mod error;
mod table;

#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use muster_api::names;
use muster_engine::Scope;
use muster_engine::selector::Selector;
use muster_kit::log::Format;
use muster_kit::settings::{Asked, Common, Origin, Values};
pub use muster_kit::settings::{ClusterSource as ReplicaSource, EX_USAGE, Setting, Start};

use crate::session::renewal::Renewal;

pub use self::{
    error::SettingsError,
    table::{SETTINGS, help},
};

/// Where Kubernetes tells a pod its namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// All settings, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the kubeconfig of the directory is.
    pub directory: DirectorySource,
    /// The name of this cluster, where it was set.
    pub cluster_name: Option<String>,
    /// How the replica is reached.
    pub replica: ReplicaSource,
    /// The agent's own namespace in the replica.
    pub namespace: String,
    /// Where the admin server listens; `None` for `[::]:8080`, else `0.0.0.0:8080`.
    pub listen: Option<SocketAddr>,
    /// Which entries are mirrored.
    pub mirror: Scope,
    /// How long the process that acts may be silent before another one takes over. Whole seconds.
    pub leader_lease: Duration,
    /// When the credential for the directory is renewed, and for how long.
    pub renewal: Renewal,
    /// Form of the log lines.
    pub log_format: Format,
    /// The least important log lines.
    pub log_level: tracing::Level,
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

/// What the program was called for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// Print [`help`] to stdout and end with 0.
    Help,
    /// Print the version to stdout and end with 0.
    Version,
    /// Run.
    Run {
        /// With these settings.
        settings: Box<Settings>,
        /// To be logged as warnings, one line each.
        warnings: Vec<String>,
    },
}

// === impl Invocation ===

impl Invocation {
    /// Reads what this process was started with.
    ///
    /// # Errors
    ///
    /// A setting is wrong.
    pub fn of_this_process() -> Result<Self, SettingsError> {
        let args: Vec<_> = std::env::args_os().skip(1).collect();
        let env = std::env::vars_os().collect();
        Self::read(&Start { args: &args, env: &env, read: &|path: &Path| std::fs::read_to_string(path) })
    }

    /// The same from parameters.
    ///
    /// # Errors
    ///
    /// A setting is wrong.
    pub fn read(start: &Start<'_>) -> Result<Self, SettingsError> {
        Ok(match Asked::read(&SETTINGS, start)? {
            Asked::Help => Self::Help,
            Asked::Version => Self::Version,
            Asked::Run(values) => {
                Self::Run { settings: Box::new(Settings::check(&values, start)?), warnings: values.warnings }
            }
        })
    }
}

// === impl Settings ===

impl Settings {
    fn check(values: &Values, start: &Start<'_>) -> Result<Self, SettingsError> {
        let Common { cluster: replica, listen, leader_lease, log_format, log_level } =
            Common::check(values, start, "the replica")?;
        let namespace = namespace(values, start, &replica)?;
        Ok(Self {
            directory: directory(values, &namespace)?,
            cluster_name: cluster_name(values)?,
            replica,
            namespace,
            listen,
            mirror: mirror(values)?,
            leader_lease,
            renewal: renewal(values)?,
            log_format,
            log_level,
        })
    }
}

/// The pod's namespace counts only where the pod runs in the replica: elsewhere it names a namespace of another
/// cluster.
fn namespace(values: &Values, start: &Start<'_>, replica: &ReplicaSource) -> Result<String, SettingsError> {
    let origin = values.get("namespace").or_else(|| {
        let text = (*replica == ReplicaSource::InCluster)
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
