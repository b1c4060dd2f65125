//! What runs to an end: Pods, and the Jobs that make them.

use serde::Deserialize;

use super::Readiness;
use super::object::{Conditions, Object};
use crate::lenient::{Few, Maybe, Part, Text};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct JobStatus<'a> {
    #[serde(borrow)]
    start_time: Maybe<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodStatus<'a> {
    #[serde(borrow)]
    phase: Maybe<Text<'a>>,
    #[serde(borrow)]
    container_statuses: Maybe<Few<ContainerStatus<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerStatus<'a> {
    #[serde(borrow)]
    name: Maybe<Text<'a>>,
    #[serde(borrow)]
    state: Part<ContainerState<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerState<'a> {
    #[serde(borrow)]
    waiting: Part<Waiting<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Waiting<'a> {
    #[serde(borrow)]
    reason: Maybe<Text<'a>>,
}

/// A Job is ready once it runs: how long it runs is its own affair.
pub(super) fn job(object: &Object<'_>, conditions: &Conditions<'_>) -> Readiness {
    for condition in conditions.iter().filter(|condition| condition.is_true()) {
        match condition.kind() {
            "Complete" | "Suspended" => return Readiness::Current,
            "Failed" => return Readiness::failed("JobFailed", &condition.said("the Job failed")),
            _ => {}
        }
    }
    if object.status::<JobStatus<'_>>().start_time.text().is_empty() {
        return Readiness::in_progress("JobNotStarted", "the Job has not started");
    }
    Readiness::Current
}

/// A Pod that ended is as it should be, however it ended. One that cannot be scheduled failed at once: kstatus waits 15
/// seconds before it says so, for which there is no clock here.
pub(super) fn pod(object: &Object<'_>, conditions: &Conditions<'_>) -> Readiness {
    let status: PodStatus<'_> = object.status();
    match status.phase.text() {
        "Succeeded" | "Failed" => Readiness::Current,
        "Running" => {
            if conditions.with("Ready", "True").is_some() {
                return Readiness::Current;
            }
            let looping = status.looping();
            if !looping.is_empty() {
                let message = format!("in a crash loop: {}", looping.join(", "));
                return Readiness::failed("ContainerCrashLooping", &message);
            }
            let message = "the Pod runs, and is not ready yet";
            let message =
                conditions.of("Ready").next().map_or_else(|| message.to_owned(), |it| it.said(message));
            Readiness::in_progress("PodRunningNotReady", &message)
        }
        "Pending" => {
            let unscheduled = conditions.with("PodScheduled", "False");
            match unscheduled.filter(|condition| condition.reason() == "Unschedulable") {
                Some(condition) => {
                    Readiness::failed("PodUnschedulable", &condition.said("no node takes the Pod"))
                }
                None => Readiness::in_progress("PodPending", "the Pod is not running yet"),
            }
        }
        "" => Readiness::in_progress("PodNotObserved", "the Pod has no phase yet"),
        _ => Readiness::in_progress("PodPhaseUnknown", "the Pod's node does not tell how it is"),
    }
}

// === impl PodStatus ===

impl PodStatus<'_> {
    /// The containers that crash again and again.
    fn looping(&self) -> Vec<&str> {
        let containers = self.container_statuses.0.iter().flat_map(|few| &few.0);
        containers.filter(|it| it.waits_for() == "CrashLoopBackOff").map(|it| it.name.text()).collect()
    }
}

// === impl ContainerStatus ===

impl ContainerStatus<'_> {
    /// Why it does not run; "" where it does.
    fn waits_for(&self) -> &str {
        let waiting = self.state.0.as_ref().and_then(|state| state.waiting.0.as_ref());
        waiting.map_or("", |waiting| waiting.reason.text())
    }
}
