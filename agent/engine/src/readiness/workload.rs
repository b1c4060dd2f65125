//! What keeps a number of Pods running.

use serde::Deserialize;

use super::Readiness;
use super::object::{Conditions, Object};
use crate::lenient::{Maybe, Part, Text};

/// The deadline that means none (kubernetes, `HasProgressDeadline`); then no condition speaks of progress.
const NO_DEADLINE: i64 = i32::MAX as i64;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec<'a> {
    replicas: Maybe<i64>,
    progress_deadline_seconds: Maybe<i64>,
    #[serde(borrow)]
    update_strategy: Part<UpdateStrategy<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct UpdateStrategy<'a> {
    #[serde(borrow, rename = "type")]
    kind: Maybe<Text<'a>>,
    rolling_update: Part<RollingUpdate>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RollingUpdate {
    partition: Maybe<i64>,
}

/// Counts of Pods. A server leaves out the ones that are 0.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status<'a> {
    replicas: Maybe<i64>,
    updated_replicas: Maybe<i64>,
    ready_replicas: Maybe<i64>,
    available_replicas: Maybe<i64>,
    current_replicas: Maybe<i64>,
    fully_labeled_replicas: Maybe<i64>,
    #[serde(borrow)]
    current_revision: Maybe<Text<'a>>,
    #[serde(borrow)]
    update_revision: Maybe<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DaemonStatus {
    desired_number_scheduled: Maybe<i64>,
    current_number_scheduled: Maybe<i64>,
    updated_number_scheduled: Maybe<i64>,
    number_available: Maybe<i64>,
    number_ready: Maybe<i64>,
}

pub(super) fn deployment(object: &Object<'_>, conditions: &Conditions<'_>) -> Readiness {
    let exceeded = conditions.of("Progressing").find(|it| it.reason() == "ProgressDeadlineExceeded");
    if let Some(condition) = exceeded {
        let message = condition.said("it made no progress for too long");
        return Readiness::failed("ProgressDeadlineExceeded", &message);
    }
    let (spec, status): (Spec<'_>, Status<'_>) = (object.spec(), object.status());
    let (wanted, updated) = (spec.wanted(), status.updated_replicas.count());
    let short = missing("LessReplicas", status.replicas.count(), wanted, "made")
        .or_else(|| missing("LessUpdated", updated, wanted, "updated"))
        .or_else(|| extra(status.replicas.count(), wanted))
        .or_else(|| missing("LessAvailable", status.available_replicas.count(), updated, "available"))
        .or_else(|| missing("LessReady", status.ready_replicas.count(), wanted, "ready"));
    if let Some(short) = short {
        return short;
    }
    let timed = spec.progress_deadline_seconds.0.is_some_and(|seconds| seconds != NO_DEADLINE);
    let rolled_out =
        |it: &super::object::Condition<'_>| it.is_true() && it.reason() == "NewReplicaSetAvailable";
    if timed && !conditions.of("Progressing").any(rolled_out) {
        return Readiness::in_progress("ReplicaSetNotAvailable", "its new ReplicaSet is not available yet");
    }
    if conditions.with("Available", "True").is_none() {
        let said = conditions.of("Available").next();
        let message =
            said.map_or_else(|| "it is not available".to_owned(), |it| it.said("it is not available"));
        return Readiness::in_progress("DeploymentNotAvailable", &message);
    }
    Readiness::Current
}

pub(super) fn replica_set(object: &Object<'_>, conditions: &Conditions<'_>) -> Readiness {
    if let Some(condition) = conditions.with("ReplicaFailure", "True") {
        return Readiness::in_progress(
            "ReplicaFailure",
            &condition.said("a Pod could not be made or deleted"),
        );
    }
    let (spec, status): (Spec<'_>, Status<'_>) = (object.spec(), object.status());
    let wanted = spec.wanted();
    missing("LessLabelled", status.fully_labeled_replicas.count(), wanted, "made with all labels")
        .or_else(|| missing("LessAvailable", status.available_replicas.count(), wanted, "available"))
        .or_else(|| missing("LessReady", status.ready_replicas.count(), wanted, "ready"))
        .or_else(|| extra(status.replicas.count(), wanted))
        .unwrap_or(Readiness::Current)
}

pub(super) fn stateful_set(object: &Object<'_>) -> Readiness {
    let (spec, status): (Spec<'_>, Status<'_>) = (object.spec(), object.status());
    let wanted = spec.wanted();
    let strategy = spec.update_strategy.0.unwrap_or_default();
    if strategy.kind.text() == "OnDelete" {
        return Readiness::Current; // a person decides how far it goes
    }
    let short = missing("LessReplicas", status.replicas.count(), wanted, "made")
        .or_else(|| missing("LessReady", status.ready_replicas.count(), wanted, "ready"))
        .or_else(|| extra(status.replicas.count(), wanted));
    if let Some(short) = short {
        return short;
    }
    // Replicas below the partition stay as they are: no revision is reached by all.
    if let Some(partition) = strategy.rolling_update.0.unwrap_or_default().partition.0 {
        let wanted = wanted.saturating_sub(partition);
        return missing("PartitionRollout", status.updated_replicas.count(), wanted, "updated")
            .unwrap_or(Readiness::Current);
    }
    if let Some(short) =
        missing("LessCurrent", status.current_replicas.count(), wanted, "of the current revision")
    {
        return short;
    }
    if status.current_revision.text() != status.update_revision.text() {
        return Readiness::in_progress("RevisionMismatch", "the new revision is not the current one yet");
    }
    Readiness::Current
}

pub(super) fn daemon_set(object: &Object<'_>) -> Readiness {
    // Its controller always says which generation it saw: without that, the counts are of nothing.
    if object.generation().is_none() {
        return Readiness::in_progress("NoGeneration", "it has no metadata.generation");
    }
    if object.observed_generation().is_none() {
        return Readiness::in_progress("NoObservedGeneration", "its controller has not seen it yet");
    }
    let status: DaemonStatus = object.status();
    let Some(wanted) = status.desired_number_scheduled.0 else {
        return Readiness::in_progress("NoDesiredNumber", "its controller has not counted the nodes yet");
    };
    missing("LessCurrent", status.current_number_scheduled.count(), wanted, "made")
        .or_else(|| missing("LessUpdated", status.updated_number_scheduled.count(), wanted, "updated"))
        .or_else(|| missing("LessAvailable", status.number_available.count(), wanted, "available"))
        .or_else(|| missing("LessReady", status.number_ready.count(), wanted, "ready"))
        .unwrap_or(Readiness::Current)
}

fn missing(reason: &'static str, there: i64, wanted: i64, what: &str) -> Option<Readiness> {
    (there < wanted)
        .then(|| Readiness::in_progress(reason, &format!("{there} of {wanted} replicas are {what}")))
}

fn extra(there: i64, wanted: i64) -> Option<Readiness> {
    let message = || format!("{} replicas are still to end", there.saturating_sub(wanted));
    (there > wanted).then(|| Readiness::in_progress("ExtraPods", &message()))
}

// === impl Spec ===

impl Spec<'_> {
    /// How many Pods are asked for: one, where nothing is said.
    fn wanted(&self) -> i64 {
        self.replicas.0.unwrap_or(1)
    }
}

// === impl Maybe ===

impl Maybe<i64> {
    fn count(&self) -> i64 {
        self.0.unwrap_or(0)
    }
}
