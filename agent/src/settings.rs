//! What people set: flag over environment over file over default, checked before anything else happens.
//!
//! A wrong setting is one line that says what is wrong, where it was set and what would be right, and the exit
//! status [`EX_USAGE`].

mod error;
mod sources;
mod table;

#[cfg(test)]
mod tests;

use std::{
    ffi::OsStr,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use muster_api::names;
use muster_engine::Scope;
use muster_engine::selector::Selector;

use self::sources::{Asked, Origin, Values, is_set, shown};
pub use self::{
    error::SettingsError,
    sources::{ReadFile, Start},
    table::{PREFIX, Places, SETTINGS, Setting, help},
};

/// Exit status of a program that was called wrongly, after `sysexits.h`.
pub const EX_USAGE: u8 = 64;

/// Where Kubernetes tells a pod its namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// How long a claim to act lasts unless something else is set.
const LEADER_LEASE: Duration = Duration::from_secs(15);
/// What may be set, in seconds. Below that, a slow answer of the API server would end a claim.
const LEADER_LEASES: RangeInclusive<u64> = 3..=3600;
/// What Kubernetes sets in every pod.
const IN_CLUSTER: [&str; 2] = ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"];

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
    /// Form of the log lines.
    pub log_format: LogFormat,
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

/// How the replica is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplicaSource {
    /// The agent runs in it: by what Kubernetes puts into every pod.
    InCluster,
    /// By a kubeconfig in a file.
    File(PathBuf),
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

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
        Ok(match Asked::read(start)? {
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
        let replica = replica(values, start)?;
        let namespace = namespace(values, start, &replica)?;
        Ok(Self {
            directory: directory(values, &namespace)?,
            cluster_name: cluster_name(values)?,
            replica,
            namespace,
            listen: values
                .get("listen")
                .map(|origin| {
                    let wrong =
                        |_| origin.wrong("an IP address and a port such as [::]:8080 or 127.0.0.1:8080");
                    origin.text.parse().map_err(wrong)
                })
                .transpose()?,
            mirror: mirror(values)?,
            leader_lease: leader_lease(values)?,
            log_format: one_of(
                values,
                "log-format",
                &[("text", LogFormat::Text), ("json", LogFormat::Json)],
            )?
            .unwrap_or(LogFormat::Text),
            log_level: one_of(values, "log-level", &LEVELS)?.unwrap_or(tracing::Level::INFO),
        })
    }
}

const LEVELS: [(&str, tracing::Level); 5] = [
    ("error", tracing::Level::ERROR),
    ("warn", tracing::Level::WARN),
    ("info", tracing::Level::INFO),
    ("debug", tracing::Level::DEBUG),
    ("trace", tracing::Level::TRACE),
];

impl Origin {
    fn wrong(&self, right: impl Into<String>) -> SettingsError {
        SettingsError::Wrong { place: self.place.clone(), text: shown(&self.text), right: right.into() }
    }
}

fn replica(values: &Values, start: &Start<'_>) -> Result<ReplicaSource, SettingsError> {
    if let Some(origin) = values.get("kubeconfig") {
        return Ok(ReplicaSource::File(origin.text.into()));
    }
    if IN_CLUSTER.iter().all(|variable| is_set(start.env, variable)) {
        return Ok(ReplicaSource::InCluster);
    }
    let value = start.env.get(OsStr::new("KUBECONFIG")).filter(|value| !value.is_empty());
    let path = value.ok_or(SettingsError::NoReplica)?;
    // kubectl merges the files of a list. What is merged from where is hard to see, so one it must be.
    if std::env::split_paths(path).count() > 1 {
        return Err(SettingsError::Wrong {
            place: "KUBECONFIG".to_owned(),
            text: shown(&path.to_string_lossy()),
            right: "one file; set --kubeconfig to the one that is meant".to_owned(),
        });
    }
    Ok(ReplicaSource::File(path.into()))
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
        Some(origin) => Err(origin.wrong("the name of a namespace: at most 63 of a-z, 0-9 and '-'")),
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
                return Err(origin.wrong("[NAMESPACE/]NAME of a Secret such as muster-system/directory-sync"));
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
            Err(origin.wrong("the name of a Cluster: at most 253 of a-z, 0-9, '-' and '.', such as east-1"))
        }
    }
}

fn mirror(values: &Values) -> Result<Scope, SettingsError> {
    let Some(origin) = values.get("mirror") else { return Ok(Scope::All) };
    match origin.text.as_str() {
        "all" => Ok(Scope::All),
        "none" => Ok(Scope::None),
        text => Selector::parse(text)
            .map(Scope::Selected)
            .map_err(|error| origin.wrong(format!("all, none or a label selector: {error}"))),
    }
}

fn leader_lease(values: &Values) -> Result<Duration, SettingsError> {
    let Some(origin) = values.get("leader-lease") else { return Ok(LEADER_LEASE) };
    let seconds = origin.text.parse().ok().filter(|seconds| LEADER_LEASES.contains(seconds));
    let (least, most) = (LEADER_LEASES.start(), LEADER_LEASES.end());
    let right = || format!("a whole number of seconds from {least} to {most}");
    seconds.map(Duration::from_secs).ok_or_else(|| origin.wrong(right()))
}

fn one_of<T: Copy>(values: &Values, setting: &str, known: &[(&str, T)]) -> Result<Option<T>, SettingsError> {
    let Some(origin) = values.get(setting) else { return Ok(None) };
    let found = known.iter().find(|(name, _)| *name == origin.text);
    found.map(|(_, value)| Some(*value)).ok_or_else(|| {
        origin.wrong(format!("one of {}", known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")))
    })
}
