//! What people set: flag over environment over file over default, checked before anything else happens.

use std::path::Path;
use std::time::Duration;

use muster_kit::settings::{
    self, Asked, CONFIG, Common, HELP, LEADER_LEASE, LISTEN, LOG_FORMAT, LOG_LEVEL, Places, Setting,
    SettingsError, Start, VERSION,
};

/// How long a heartbeat counts unless something else is set, in seconds.
const LEASE: u64 = 40;
/// What may be set, in seconds. Agents renew at a quarter of it, and every second at most.
const LEASES: std::ops::RangeInclusive<u64> = 4..=3600;

/// All settings, in the order of the help.
pub const SETTINGS: [Setting; 9] = [
    Setting {
        flag: "kubeconfig",
        alias: None,
        value: "FILE",
        places: Places::Everywhere,
        default: "the cluster that the controller runs in, else the file that KUBECONFIG names",
        help: "File with the kubeconfig of the directory.",
        may_be_empty: false,
    },
    Setting {
        flag: "heartbeat-lease",
        alias: None,
        value: "SECONDS",
        places: Places::Everywhere,
        default: "40",
        help: "How long a cluster may be silent before it counts as lost. At least 4; agents renew their heartbeat \
               four times in that.",
        may_be_empty: false,
    },
    LISTEN,
    LEADER_LEASE,
    LOG_FORMAT,
    LOG_LEVEL,
    CONFIG,
    VERSION,
    HELP,
];

/// All settings, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What every program lets people set.
    pub common: Common,
    /// How long a heartbeat counts. Whole seconds.
    pub lease: Duration,
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

impl Invocation {
    /// Reads what this process was started with.
    ///
    /// # Errors
    /// A setting is wrong.
    pub fn of_this_process() -> Result<Self, SettingsError> {
        let args: Vec<_> = std::env::args_os().skip(1).collect();
        let env = std::env::vars_os().collect();
        Self::read(&Start { args: &args, env: &env, read: &|path: &Path| std::fs::read_to_string(path) })
    }

    /// The same from parameters.
    ///
    /// # Errors
    /// A setting is wrong.
    pub fn read(start: &Start<'_>) -> Result<Self, SettingsError> {
        Ok(match Asked::read(&SETTINGS, start)? {
            Asked::Help => Self::Help,
            Asked::Version => Self::Version,
            Asked::Run(values) => {
                let common = Common::check(&values, start, "the directory")?;
                let lease = values.seconds("heartbeat-lease", LEASE, LEASES)?;
                Self::Run { settings: Box::new(Settings { common, lease }), warnings: values.warnings }
            }
        })
    }
}

/// The text that `--help` prints, ended by a newline.
#[must_use]
pub fn help() -> String {
    let about = "enrols the clusters of a directory, watches over them, and lets them go.";
    settings::help("muster-directory", about, &SETTINGS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsString;

    use muster_kit::log::Format;
    use muster_kit::settings::ClusterSource;

    use super::*;

    fn read(args: &[&str]) -> Result<Invocation, SettingsError> {
        let args: Vec<OsString> = args.iter().map(Into::into).collect();
        let nothing = |_: &Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
        Invocation::read(&Start { args: &args, env: &BTreeMap::new(), read: &nothing })
    }

    fn settings(args: &[&str]) -> Settings {
        match read(args).unwrap() {
            Invocation::Run { settings, .. } => *settings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_setting_is_taken() {
        let plain = settings(&["--kubeconfig=/d"]);
        let expected = Common {
            cluster: ClusterSource::File("/d".into()),
            listen: None,
            leader_lease: Duration::from_secs(15),
            log_format: Format::Text,
            log_level: tracing::Level::INFO,
        };
        assert_eq!(plain, Settings { common: expected, lease: Duration::from_secs(40) });
        let args = [
            "--kubeconfig=/d",
            "--heartbeat-lease=4",
            "--listen=127.0.0.1:0",
            "--leader-lease=3",
            "--log-format=json",
            "--log-level=debug",
        ];
        let all = settings(&args);
        assert_eq!((all.lease, all.common.leader_lease), (Duration::from_secs(4), Duration::from_secs(3)));
        assert_eq!(all.common.listen, Some("127.0.0.1:0".parse().unwrap()));
        assert_eq!((all.common.log_format, all.common.log_level), (Format::Json, tracing::Level::DEBUG));
        let named = args.len() + ["config", "version", "help"].len();
        assert_eq!(SETTINGS.len(), named, "a new setting needs a value here");
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let told = |args: &[&str]| read(args).unwrap_err().to_string();
        assert_eq!(
            told(&["--kubeconfig=/d", "--heartbeat-lease=3"]),
            "unable to use --heartbeat-lease: \"3\" is not a whole number of seconds from 4 to 3600"
        );
        assert!(told(&[]).starts_with("unable to find the directory: run in a pod of it"), "{}", told(&[]));
        assert!(told(&["--mirror=all"]).contains("there is no such flag"), "{}", told(&["--mirror=all"]));
    }

    #[test]
    fn the_help_has_every_setting() {
        let help = help();
        assert!(help.starts_with("muster-directory enrols"), "{help}");
        for setting in &SETTINGS {
            assert!(help.contains(&format!("--{}", setting.flag)), "{}", setting.flag);
        }
        assert!(help.lines().all(|line| line.len() <= 100), "{help}");
    }
}
