//! A table of settings: the flags, the variables, the keys of the file and the help all come from it.

use std::fmt::Write as _;

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The flag without its dashes; also the key in the file.
    pub flag: &'static str,
    /// Another name of the flag, which the registry's own agent had.
    pub alias: Option<&'static str>,
    /// What stands for the value in the help.
    pub value: &'static str,
    /// Where it may be set.
    pub places: Places,
    /// What holds where it is set nowhere.
    pub default: &'static str,
    /// What it does: one or two sentences.
    pub help: &'static str,
    /// Whether an empty value is as if nothing were set, and so is a variable that Kubernetes found none for: a manifest
    /// writes `--cluster-name=$(CLUSTER_NAME)`, and that variable may be empty, or may not exist, as with an optional key
    /// of a `ConfigMap`; Kubernetes then leaves the argument as it is written. Elsewhere it is a mistake.
    pub may_be_empty: bool,
}

/// Where a setting may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// Flag, environment variable, file.
    Everywhere,
    /// Flag or environment variable, since it says which file.
    NotInFile,
    /// Only as a flag, without a value: the program prints and ends.
    FlagAlone,
}

/// How long the process that acts may be silent.
pub const LEADER_LEASE: Setting = Setting {
    flag: "leader-lease",
    alias: None,
    value: "SECONDS",
    places: Places::Everywhere,
    default: "15",
    help: "How long the process that acts may be silent before another one of the same cluster takes over. At \
           least 3; it is renewed three times in that.",
    may_be_empty: false,
};
/// Form of the log lines.
pub const LOG_FORMAT: Setting = Setting {
    flag: "log-format",
    alias: None,
    value: "text|json",
    places: Places::Everywhere,
    default: "text",
    help: "Form of the log lines on stderr.",
    may_be_empty: false,
};
/// Which log lines.
pub const LOG_LEVEL: Setting = Setting {
    flag: "log-level",
    alias: None,
    value: "error|warn|info|debug|trace",
    places: Places::Everywhere,
    default: "info",
    help: "The least important lines that are still logged.",
    may_be_empty: false,
};
/// Where the admin server listens.
pub const LISTEN: Setting = Setting {
    flag: "listen",
    alias: None,
    value: "ADDRESS:PORT",
    places: Places::Everywhere,
    default: "[::]:8080, else 0.0.0.0:8080",
    help: "Where /livez, /readyz and /metrics are served.",
    may_be_empty: false,
};
/// The file with settings.
pub const CONFIG: Setting = Setting {
    flag: "config",
    alias: None,
    value: "FILE",
    places: Places::NotInFile,
    default: "none",
    help: "TOML file with settings.",
    may_be_empty: false,
};
/// Print the version.
pub const VERSION: Setting = Setting {
    flag: "version",
    alias: None,
    value: "",
    places: Places::FlagAlone,
    default: "",
    help: "Prints the version.",
    may_be_empty: false,
};
/// Print the help.
pub const HELP: Setting = Setting {
    flag: "help",
    alias: None,
    value: "",
    places: Places::FlagAlone,
    default: "",
    help: "Prints this help.",
    may_be_empty: false,
};
/// What the environment variables of all settings begin with.
pub const PREFIX: &str = "MUSTER_";

/// Columns of a terminal that the help fills at most.
const WIDTH: usize = 100;
const INDENT: &str = "      ";

// === impl Setting ===

impl Setting {
    /// The environment variable, where there is one: `MUSTER_DIRECTORY_SECRET` of `directory-secret`.
    #[must_use]
    pub fn variable(&self) -> Option<String> {
        let named = || format!("{PREFIX}{}", self.flag.to_ascii_uppercase().replace('-', "_"));
        (self.places != Places::FlagAlone).then(named)
    }

    /// The key in the file, where there is one.
    #[must_use]
    pub fn key(&self) -> Option<&'static str> {
        (self.places == Places::Everywhere).then_some(self.flag)
    }
}

/// The text that `--help` prints, ended by a newline. `about`: what the program does, after its name.
#[must_use]
pub fn help(program: &str, about: &str, settings: &[Setting]) -> String {
    let mut text = format!(
        "{program} {about}\n\n\
         Usage: {program} [--SETTING VALUE | --SETTING=VALUE]...\n\n\
         A setting comes from its flag, else from its environment variable, else from the file, else it\n\
         is the default. A variable that is empty is as if it were not set.\n",
    );
    for setting in settings {
        text.push_str("\n  --");
        text.push_str(format!("{} {}", setting.flag, setting.value).trim_end());
        text.push('\n');
        wrap(&mut text, setting.help);
        if let Some(variable) = setting.variable() {
            let _infallible = writeln!(text, "{INDENT}environment: {variable}");
        }
        if let Some(key) = setting.key() {
            let _infallible = writeln!(text, "{INDENT}file: {key}");
        }
        if let Some(alias) = setting.alias {
            let _infallible = writeln!(text, "{INDENT}also: --{alias}");
        }
        if !setting.default.is_empty() {
            wrap(&mut text, &format!("default: {}", setting.default));
        }
    }
    text
}

fn wrap(text: &mut String, sentence: &str) {
    let mut column = 0;
    for word in sentence.split_ascii_whitespace() {
        if column == 0 || column + 1 + word.len() > WIDTH {
            text.push_str(if column == 0 { INDENT } else { "\n      " });
            column = INDENT.len();
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.len();
    }
    text.push('\n');
}
