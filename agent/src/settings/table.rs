//! The agent's settings.

use muster_kit::settings::{
    CONFIG, HELP, LEADER_LEASE, LISTEN, LOG_FORMAT, LOG_LEVEL, Places, Setting, VERSION,
};

/// All settings, in the order of the help.
pub const SETTINGS: [Setting; 17] = [
    Setting {
        flag: "directory-secret",
        alias: None,
        value: "[NAMESPACE/]NAME",
        places: Places::Everywhere,
        default: "directory-sync in the own namespace",
        help: "Secret in the replica with the kubeconfig of the directory under the key \"kubeconfig\".",
        may_be_empty: false,
    },
    Setting {
        flag: "directory-kubeconfig",
        alias: Some("registry-kubeconfig"),
        value: "FILE",
        places: Places::Everywhere,
        default: "none (the Secret is used)",
        help: "File with the kubeconfig of the directory, instead of the Secret. It is read again when it changes.",
        may_be_empty: false,
    },
    Setting {
        flag: "directory-proxy",
        alias: None,
        value: "URL",
        places: Places::Everywhere,
        default: "none",
        help: "Proxy through which the directory is reached, as http://[USER:PASSWORD@]HOST:PORT, by CONNECT. The replica \
               is never reached through it.",
        may_be_empty: false,
    },
    Setting {
        flag: "cluster-name",
        alias: Some("local-cluster-name"),
        value: "NAME",
        places: Places::Everywhere,
        default: "the key \"clusterName\" of the Secret, else the name of the ServiceAccount in the kubeconfig",
        help: "Name of this cluster in the directory. Empty is as if it were not set.",
        may_be_empty: true,
    },
    Setting {
        flag: "kubeconfig",
        alias: None,
        value: "FILE",
        places: Places::Everywhere,
        default: "the cluster that the agent runs in, else the file that KUBECONFIG names",
        help: "File with the kubeconfig of the replica.",
        may_be_empty: false,
    },
    Setting {
        flag: "namespace",
        alias: None,
        value: "NAME",
        places: Places::Everywhere,
        default: "the namespace that the agent runs in, else muster-system",
        help: "The agent's own namespace in the replica.",
        may_be_empty: false,
    },
    LISTEN,
    Setting {
        flag: "mirror",
        alias: None,
        value: "all|none|SELECTOR",
        places: Places::Everywhere,
        default: "all",
        help: "Which entries of the directory are copied into the replica: all, none, or those that a label selector \
               such as \"env=prod,region in (east,west)\" selects.",
        may_be_empty: false,
    },
    Setting {
        flag: "token-life",
        alias: None,
        value: "SECONDS",
        places: Places::Everywhere,
        default: "2592000, which is 30 days",
        help: "How long a token is to live with which the agent renews its credential for the directory. At least 600. The \
               directory may grant less.",
        may_be_empty: false,
    },
    Setting {
        flag: "renew-token-after",
        alias: None,
        value: "SECONDS",
        places: Places::Everywhere,
        default: "a third of its life",
        help: "How long after it was issued the agent renews its token for the directory, a tenth more or less.",
        may_be_empty: false,
    },
    Setting {
        flag: "facts-interval",
        alias: None,
        value: "SECONDS",
        places: Places::Everywhere,
        default: "300",
        help: "How often the agent reads what it reports of the replica's nodes, networks and properties, a tenth more or \
               less.",
        may_be_empty: false,
    },
    LEADER_LEASE,
    LOG_FORMAT,
    LOG_LEVEL,
    CONFIG,
    VERSION,
    HELP,
];
