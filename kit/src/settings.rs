//! What people set: flag over environment over file over default, checked before anything else happens.
//!
//! A wrong setting is one line that says what is wrong, where it was set and what would be right, and the exit
//! status [`EX_USAGE`].

mod cluster;
mod error;
mod sources;
mod table;

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

pub use self::{
    cluster::{ClusterError, ClusterSource},
    error::SettingsError,
    sources::{Asked, Origin, ReadFile, Start, Values, is_set, shown},
    table::{
        CONFIG, HELP, LEADER_LEASE, LISTEN, LOG_FORMAT, LOG_LEVEL, PREFIX, Places, Setting, VERSION, help,
    },
};
use crate::log::Format;

/// Exit status of a program that was called wrongly, after `sysexits.h`.
pub const EX_USAGE: u8 = 64;

/// How long a claim to act lasts unless something else is set, in seconds.
const CLAIM: u64 = 15;
/// What may be set, in seconds. Below that, a slow answer of the API server would end a claim.
const CLAIMS: RangeInclusive<u64> = 3..=3600;

/// What every program lets people set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Common {
    /// How the cluster is reached that the program works in: `--kubeconfig`, else the one that it runs in, else
    /// `KUBECONFIG`.
    pub cluster: ClusterSource,
    /// Where the admin server listens; `None` for `[::]:8080`, else `0.0.0.0:8080`.
    pub listen: Option<SocketAddr>,
    /// How long the process that acts may be silent before another one takes over. Whole seconds.
    pub leader_lease: Duration,
    /// Form of the log lines.
    pub log_format: Format,
    /// The least important log lines.
    pub log_level: tracing::Level,
}

impl Common {
    /// Checks what was set. `what`: what the program calls its cluster.
    ///
    /// # Errors
    /// A value is wrong, or nothing says which cluster it is.
    pub fn check(values: &Values, start: &Start<'_>, what: &'static str) -> Result<Self, SettingsError> {
        let cluster = ClusterSource::check(values, start, what)?;
        let listen = values.get("listen").map(|origin| {
            let wrong = |_| origin.wrong("an IP address and a port such as [::]:8080 or 127.0.0.1:8080");
            origin.text.parse().map_err(wrong)
        });
        Ok(Self {
            cluster,
            listen: listen.transpose()?,
            leader_lease: values.seconds("leader-lease", CLAIM, CLAIMS)?,
            log_format: values.one_of("log-format", &FORMATS)?.unwrap_or(Format::Text),
            log_level: values.one_of("log-level", &LEVELS)?.unwrap_or(tracing::Level::INFO),
        })
    }
}

const FORMATS: [(&str, Format); 2] = [("text", Format::Text), ("json", Format::Json)];

const LEVELS: [(&str, tracing::Level); 5] = [
    ("error", tracing::Level::ERROR),
    ("warn", tracing::Level::WARN),
    ("info", tracing::Level::INFO),
    ("debug", tracing::Level::DEBUG),
    ("trace", tracing::Level::TRACE),
];

impl Origin {
    /// That the value is not `right`.
    #[must_use]
    pub fn wrong(&self, right: impl Into<String>) -> SettingsError {
        SettingsError::Wrong { place: self.place.clone(), text: shown(&self.text), right: right.into() }
    }
}

impl Values {
    /// A number of seconds; `default` where nothing is set.
    ///
    /// # Errors
    /// The value is no whole number, or out of `range`.
    pub fn seconds(
        &self,
        setting: &str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<Duration, SettingsError> {
        let Some(origin) = self.get(setting) else { return Ok(Duration::from_secs(default)) };
        let seconds = origin.text.parse().ok().filter(|seconds| range.contains(seconds));
        let right = || format!("a whole number of seconds from {} to {}", range.start(), range.end());
        seconds.map(Duration::from_secs).ok_or_else(|| origin.wrong(right()))
    }

    /// What one of some words stands for; none where nothing is set.
    ///
    /// # Errors
    /// The value is none of them.
    pub fn one_of<T: Copy>(&self, setting: &str, known: &[(&str, T)]) -> Result<Option<T>, SettingsError> {
        let Some(origin) = self.get(setting) else { return Ok(None) };
        let found = known.iter().find(|(name, _)| *name == origin.text);
        found.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            origin.wrong(format!("one of {}", names.join(", ")))
        })
    }
}
