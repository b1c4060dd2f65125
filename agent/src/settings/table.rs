//! The one table of settings: the flags, the variables, the keys of the file and the help all come from it.

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

/// All settings, in the order of the help.
pub const SETTINGS: [Setting; 13] = [
    Setting {
        flag: "directory-secret",
        alias: None,
        value: "[NAMESPACE/]NAME",
        places: Places::Everywhere,
        default: "directory-sync in the own namespace",
        help: "Secret in the replica with the kubeconfig of the directory under the key \"kubeconfig\".",
    },
    Setting {
        flag: "directory-kubeconfig",
        alias: Some("registry-kubeconfig"),
        value: "FILE",
        places: Places::Everywhere,
        default: "none (the Secret is used)",
        help: "File with the kubeconfig of the directory, instead of the Secret. It is read again when it changes.",
    },
    Setting {
        flag: "cluster-name",
        alias: Some("local-cluster-name"),
        value: "NAME",
        places: Places::Everywhere,
        default: "the key \"clusterName\" of the Secret, else the name of the ServiceAccount in the kubeconfig",
        help: "Name of this cluster in the directory. Empty is as if it were not set.",
    },
    Setting {
        flag: "kubeconfig",
        alias: None,
        value: "FILE",
        places: Places::Everywhere,
        default: "the cluster that the agent runs in, else the file that KUBECONFIG names",
        help: "File with the kubeconfig of the replica.",
    },
    Setting {
        flag: "namespace",
        alias: None,
        value: "NAME",
        places: Places::Everywhere,
        default: "the namespace that the agent runs in, else muster-system",
        help: "The agent's own namespace in the replica.",
    },
    Setting {
        flag: "listen",
        alias: None,
        value: "ADDRESS:PORT",
        places: Places::Everywhere,
        default: "[::]:8080, else 0.0.0.0:8080",
        help: "Where /livez, /readyz and /metrics are served.",
    },
    Setting {
        flag: "mirror",
        alias: None,
        value: "all|none|SELECTOR",
        places: Places::Everywhere,
        default: "all",
        help: "Which entries of the directory are copied into the replica: all, none, or those that a label selector \
               such as \"env=prod,region in (east,west)\" selects.",
    },
    Setting {
        flag: "leader-lease",
        alias: None,
        value: "SECONDS",
        places: Places::Everywhere,
        default: "15",
        help: "How long the process that acts may be silent before another one of the same cluster takes over. At \
               least 3; it is renewed three times in that.",
    },
    Setting {
        flag: "log-format",
        alias: None,
        value: "text|json",
        places: Places::Everywhere,
        default: "text",
        help: "Form of the log lines on stderr.",
    },
    Setting {
        flag: "log-level",
        alias: None,
        value: "error|warn|info|debug|trace",
        places: Places::Everywhere,
        default: "info",
        help: "The least important lines that are still logged.",
    },
    Setting {
        flag: "config",
        alias: None,
        value: "FILE",
        places: Places::NotInFile,
        default: "none",
        help: "TOML file with settings.",
    },
    Setting {
        flag: "version",
        alias: None,
        value: "",
        places: Places::FlagAlone,
        default: "",
        help: "Prints the version.",
    },
    Setting {
        flag: "help",
        alias: None,
        value: "",
        places: Places::FlagAlone,
        default: "",
        help: "Prints this help.",
    },
];

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

/// The text that `--help` prints, ended by a newline.
#[must_use]
pub fn help() -> String {
    let mut text = String::from(
        "muster-agent keeps one cluster, the replica, in step with a directory of clusters.\n\n\
         Usage: muster-agent [--SETTING VALUE | --SETTING=VALUE]...\n\n\
         A setting comes from its flag, else from its environment variable, else from the file, else it\n\
         is the default. A variable that is empty is as if it were not set.\n",
    );
    for setting in &SETTINGS {
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
