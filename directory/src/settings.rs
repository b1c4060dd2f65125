//! What people set: flag over environment over file over default, checked before anything else happens.

use muster_api::names::{INVENTORY_NAMESPACE, is_label};
use muster_kit::program::Configured;
use muster_kit::settings::{
    CONFIG, Common, HELP, LEADER_LEASE, LISTEN, LOG_FORMAT, LOG_LEVEL, Places, Setting, SettingsError, Start,
    VERSION, Values,
};

use crate::fleet::pace::Pace;

/// How long a heartbeat counts unless something else is set, in seconds.
const LEASE: u64 = 40;
/// How many heartbeats a second the fleet writes at most, unless something else is set.
const RATE: u32 = 25;
/// What may be set.
const RATES: std::ops::RangeInclusive<u32> = 1..=10_000;
/// What may be set, in seconds. Agents renew at a quarter of it, and every second at most.
const LEASES: std::ops::RangeInclusive<u64> = 4..=3600;

/// All settings, in the order of the help.
pub const SETTINGS: [Setting; 11] = [
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
    Setting {
        flag: "heartbeat-rate",
        alias: None,
        value: "NUMBER",
        places: Places::Everywhere,
        default: "25",
        help: "How many heartbeats a second all clusters may write together. In a fleet that would write more, silence may \
               last longer: --heartbeat-lease is doubled as often as it takes.",
        may_be_empty: false,
    },
    Setting {
        flag: "inventory-namespace",
        alias: None,
        value: "NAME",
        places: Places::Everywhere,
        default: "muster-inventory",
        help: "Namespace of the ClusterProfiles, one for each cluster, that other tools read. It must be there, and so must \
               the definition of ClusterProfiles.",
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
    /// How long heartbeats count.
    pub pace: Pace,
    /// Namespace of the inventory for other tools.
    pub inventory: String,
}

impl Configured for Settings {
    const PROGRAM: &'static str = "muster-directory";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = "enrols the clusters of a directory, watches over them, and lets them go.";
    const SETTINGS: &'static [Setting] = &SETTINGS;
    type Error = SettingsError;

    fn check(values: &Values, start: &Start<'_>) -> Result<Self, SettingsError> {
        let common = Common::check(values, start, "the directory")?;
        let lease = values.seconds("heartbeat-lease", LEASE, LEASES)?;
        let pace = Pace { lease, rate: rate(values)? };
        Ok(Self { common, pace, inventory: inventory(values)? })
    }

    fn common(&self) -> &Common {
        &self.common
    }
}

fn rate(values: &Values) -> Result<u32, SettingsError> {
    let Some(origin) = values.get("heartbeat-rate") else { return Ok(RATE) };
    let rate = origin.text.parse().ok().filter(|rate| RATES.contains(rate));
    rate.ok_or_else(|| origin.wrong(format!("a whole number from {} to {}", RATES.start(), RATES.end())))
}

fn inventory(values: &Values) -> Result<String, SettingsError> {
    match values.get("inventory-namespace") {
        None => Ok(INVENTORY_NAMESPACE.to_owned()),
        Some(origin) if is_label(&origin.text) => Ok(origin.text),
        Some(origin) => Err(origin.wrong("the name of a namespace: at most 63 of a-z, 0-9 and '-'")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsString;
    use std::path::Path;
    use std::time::Duration;

    use muster_kit::log::Format;
    use muster_kit::program::Invocation;
    use muster_kit::settings::ClusterSource;

    use super::*;

    fn read(args: &[&str]) -> Result<Invocation<Settings>, SettingsError> {
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
        let pace = Pace { lease: Duration::from_secs(40), rate: 25 };
        assert_eq!(plain, Settings { common: expected, pace, inventory: "muster-inventory".to_owned() });
        let args = [
            "--kubeconfig=/d",
            "--heartbeat-lease=4",
            "--heartbeat-rate=7",
            "--inventory-namespace=fleet",
            "--listen=127.0.0.1:0",
            "--leader-lease=3",
            "--log-format=json",
            "--log-level=debug",
        ];
        let all = settings(&args);
        let pace = Pace { lease: Duration::from_secs(4), rate: 7 };
        assert_eq!((all.pace, all.inventory.as_str()), (pace, "fleet"));
        assert_eq!(all.common.leader_lease, Duration::from_secs(3));
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
        assert_eq!(
            told(&["--kubeconfig=/d", "--heartbeat-rate=0"]),
            "unable to use --heartbeat-rate: \"0\" is not a whole number from 1 to 10000"
        );
        assert!(told(&["--kubeconfig=/d", "--inventory-namespace=A.b"]).contains("the name of a namespace"));
        assert!(told(&[]).starts_with("unable to find the directory: run in a pod of it"), "{}", told(&[]));
        assert!(told(&["--mirror=all"]).contains("there is no such flag"), "{}", told(&["--mirror=all"]));
    }

    #[test]
    fn the_help_has_every_setting() {
        let help = Settings::help();
        assert!(help.starts_with("muster-directory enrols"), "{help}");
        for setting in &SETTINGS {
            assert!(help.contains(&format!("--{}", setting.flag)), "{}", setting.flag);
        }
        assert!(help.lines().all(|line| line.len() <= 100), "{help}");
    }
}
