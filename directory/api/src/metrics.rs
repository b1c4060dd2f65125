//! The metrics at `/metrics`: here those of the agent, in [`controller`] those of the directory's controller. Labels are
//! kinds, sources and categories only, never names of objects: what a label can say is bounded. `docs/conditions.md`
//! lists them.

/// How a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricType {
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl MetricType {
    /// The type as Prometheus writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// What a catalogue says of each of its metrics.
pub trait Described: Copy + 'static {
    /// All metrics, in the order of `docs/conditions.md`.
    const ALL: &'static [Self];

    /// The name as Prometheus sees it.
    #[must_use]
    fn name(self) -> &'static str;

    /// How it counts.
    #[must_use]
    fn metric_type(self) -> MetricType;

    /// What it says: the `HELP` line.
    #[must_use]
    fn help(self) -> &'static str;

    /// Its labels, in order.
    #[must_use]
    fn labels(self) -> &'static [&'static str];
}

macro_rules! metrics {
    ($($metric:ident: $type:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        /// A metric.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric {
            $(#[doc = $help] $metric),+
        }

        impl $crate::metrics::Described for Metric {
            const ALL: &'static [Self] = &[$(Self::$metric),+];

            fn name(self) -> &'static str {
                match self { $(Self::$metric => $name),+ }
            }

            fn metric_type(self) -> MetricType {
                match self { $(Self::$metric => MetricType::$type),+ }
            }

            fn help(self) -> &'static str {
                match self { $(Self::$metric => $help),+ }
            }

            fn labels(self) -> &'static [&'static str] {
                match self { $(Self::$metric => &[$($label),*]),+ }
            }
        }
    };
}

pub mod controller;

metrics! {
    BuildInfo: Gauge "muster_build_info" ["version"]
        "Always 1; the label has the version of the agent.";
    Leader: Gauge "muster_leader" []
        "1 while this process is the one that acts for its replica, else 0.";
    DirectoryReachable: Gauge "muster_directory_reachable" []
        "1 while the directory can be read, else 0.";
    DirectoryLastRead: Gauge "muster_directory_seconds_since_last_read" []
        "Seconds since the last answer of the directory to a list, watch or get.";
    CredentialExpiry: Gauge "muster_credential_expiry_timestamp_seconds" []
        "When the credential for the directory ends, in seconds since 1970; 0 where it cannot be told.";
    Rotations: Counter "muster_rotations_total" ["result"]
        "New kubeconfigs that were tried, by what came of them.";
    Renewals: Counter "muster_renewals_total" ["result"]
        "Renewals of the credential for the directory that were tried, by what came of them.";
    Requests: Counter "muster_requests_total" ["side", "verb", "result"]
        "Requests to the API servers.";
    WatchErrors: Counter "muster_watch_errors_total" ["source", "category"]
        "Watches that failed and were begun anew.";
    Heartbeats: Counter "muster_heartbeats_total" ["result"]
        "Renewals of this cluster's Lease in the directory.";
    Objects: Gauge "muster_objects" ["source"]
        "Objects that the agent knows: `entries` of the directory that are mirrored and `copies` of them that are right, `policies` that apply here and `policy-objects` that are there for them and right.";
    Writes: Counter "muster_writes_total" ["verb", "result"]
        "Objects written to or deleted in the replica, ledgers included, and attempts that failed.";
    DriftCorrected: Counter "muster_drift_corrected_total" []
        "Objects put back after a change by hand.";
    Works: Gauge "muster_works" ["state"]
        "Works of this cluster.";
    WorkSteps: Counter "muster_work_steps_total" ["step", "result"]
        "Steps about Works that were carried out.";
    RetryTimers: Counter "muster_retry_timers_fired_total" ["category"]
        "Steps about Works that were tried again since a timer fired, and not since what they wait for changed.";
    FrozenDeletions: Gauge "muster_frozen_deletions" []
        "Copies that are to go, and policies of which something is to go, where evidence is not complete: nothing of them is deleted.";
    Holds: Gauge "muster_holds" []
        "Large deletions that wait for somebody's word.";
}

/// What the labels say, in the order of `docs/conditions.md`.
pub const LABELS: &[(&str, &str)] = &[
    (
        "category",
        "What kind of error it was, such as `unreachable`, `deadline`, `forbidden` or `gone`; of a retry what it waits for or was met by: `right`, `quota`, `webhook`, `policy`, `namespace`, `kind`, `object` (it is refused as it is), `conflict`, `unavailable`, `ledger` or `directory`.",
    ),
    ("condition", "The type of a condition of a Cluster entry."),
    (
        "reason",
        "The reason of a condition of a Cluster entry, such as `HeartbeatLost`; `other` where this controller does not know it.",
    ),
    (
        "result",
        "What came of it: `ok`, or the category of the error; of a step about a Work that of a retry; of a step of the controller `failed`, or `conflict` where somebody else wrote the object first, and it is decided anew.",
    ),
    ("side", "Which API server: `directory` or `replica`."),
    (
        "source",
        "What was read. By the agent, on the side of the directory `entries`, `own-entry` and `policies`; in the replica `secret`, `report`, `copies`, `ledgers`, `definition` (the CRD of the ledgers), `policy-copies`, the kinds that policies make, `works` for all kinds that Works bring, and while something was refused for want of a change of them `rights`, `quotas`, `webhooks` and `admission-policies`. By the controller: `entries`, `namespaces`, `accounts`, `roles`, `account-bindings`, `bindings`, `view-bindings`, `leases` and `reports`.",
    ),
    (
        "state",
        "How it stands with a Work: `applied`, `pending`, `failing` (something stays unapplied until somebody acts), `held` (something is kept until somebody allows that it goes), `suspended` or `deleting`.",
    ),
    ("status", "The status of a condition: `True`, `False` or `Unknown`."),
    (
        "step",
        "What the controller does for a cluster: it writes a finalizer of the entry (`finalize`) or its status (`status`), makes something (`make`) or removes it (`remove`), looks at a Lease that did not move (`look`), lists Works (`list`) or lets one go (`release`), or marks the namespace as one that may go (`allow`). What the agent does about a Work: an object is written (`write`), or goes or is looked for (`clear`), or is looked at where no watch shows it (`see`); its `ledger` is written or removed, or read (`recall`), and so are the `values` of Secrets beside it; in the directory its finalizer (`finalize`) or its status (`report`) is written; the replica is asked which kinds it serves (`discover`).",
    ),
    (
        "verb",
        "The verb of the request, as the API has it: `get`, `list`, `watch`, `create`, `update`, `patch` or `delete`.",
    ),
    ("version", "The version of the agent."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_follow_the_rules_of_prometheus() {
        let mut names = BTreeSet::new();
        let agent = Metric::ALL.iter().map(|metric| (metric.name(), metric.metric_type(), metric.help()));
        let controller = controller::Metric::ALL.iter();
        let controller = controller.map(|metric| (metric.name(), metric.metric_type(), metric.help()));
        for (name, kind, help) in agent.chain(controller) {
            assert!(name.starts_with("muster_"), "{name}");
            assert!(names.insert(name), "{name} is there twice");
            assert_eq!(name.ends_with("_total"), kind == MetricType::Counter, "{name}");
            assert!(help.ends_with('.') && !help.contains('|'), "{name}");
        }
    }

    #[test]
    fn every_label_is_bounded_and_explained() {
        let agent = Metric::ALL.iter().flat_map(|metric| metric.labels());
        let controller = controller::Metric::ALL.iter().flat_map(|metric| metric.labels());
        let used: BTreeSet<_> = agent.chain(controller).copied().collect();
        let explained: BTreeSet<_> = LABELS.iter().map(|(label, _)| *label).collect();
        assert_eq!(used, explained);
        for label in ["name", "namespace", "cluster", "object"] {
            assert!(!used.contains(label), "{label} would name objects");
        }
    }
}
