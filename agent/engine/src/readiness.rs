//! Whether an applied object has become what its manifest asks for, judged by the object alone.
//!
//! The rules are those of [kstatus], which Flux, Config Sync and kpt go by too, so that people read
//! the same of an object wherever they look. What holds for any kind comes first, then the rule of the kind, then a
//! condition `Ready`. kstatus has no rule for volumes, `APIService` and `Namespace`; those here are Muster's own.
//!
//! [kstatus]: https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus

mod batch;
mod object;
mod phase;
mod serving;
mod workload;

use crate::bounded;
use object::{Conditions, Object};

/// Longest message, in bytes.
const LONGEST_MESSAGE: usize = 256;

/// How far an object is. The reason is one word in CamelCase, of this module's own and so a fit label of a metric; the
/// message is one line of at most 256 bytes, may be empty, and may repeat the message of a condition of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is what was asked for.
    Current,
    /// It is becoming so, as far as can be told.
    InProgress {
        /// What is still to happen.
        reason: &'static str,
        /// The same for people, with numbers or with the words of who works on it.
        message: String,
    },
    /// It failed, or does not move on.
    Failed {
        /// What went wrong.
        reason: &'static str,
        /// The same for people, with numbers or with the words of who works on it.
        message: String,
    },
    /// Its deletion was asked for.
    Terminating,
}

/// Judges an object of a kind in an API group ("" for the core). `raw` is the whole object as JSON, or for a kind that
/// [is ready when it is there](is_ready_when_there) at least its metadata.
///
/// A field that is missing and one of the wrong type are the same. What is no JSON object at all is in progress, of
/// whatever kind: nothing is known of it.
#[must_use]
pub fn readiness(group: &str, kind: &str, raw: &str) -> Readiness {
    let Some(object) = Object::read(raw) else {
        return Readiness::in_progress("Unreadable", "the object is no JSON object");
    };
    if object.is_terminating() {
        return Readiness::Terminating;
    }
    if is_ready_when_there(group, kind) {
        return Readiness::Current;
    }
    let conditions = object.conditions();
    if let Some(readiness) = of_any_kind(&object, &conditions) {
        return readiness;
    }
    match (group, kind) {
        ("apps", "Deployment") => workload::deployment(&object, &conditions),
        ("apps", "ReplicaSet") => workload::replica_set(&object, &conditions),
        ("apps", "StatefulSet") => workload::stateful_set(&object),
        ("apps", "DaemonSet") => workload::daemon_set(&object),
        ("batch", "Job") => batch::job(&object, &conditions),
        ("", "Pod") => batch::pod(&object, &conditions),
        ("", "PersistentVolumeClaim") => phase::claim(&object),
        ("", "PersistentVolume") => phase::volume(&object),
        ("", "Namespace") => phase::namespace(&object),
        ("", "Service") => serving::service(&object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => serving::definition(&conditions),
        ("apiregistration.k8s.io", "APIService") => serving::api_service(&conditions),
        // The generation was checked, and the disruption controller says nothing more of interest.
        ("policy", "PodDisruptionBudget") => Readiness::Current,
        _ => of_condition_ready(&conditions),
    }
}

/// Whether an object of a kind in an API group ("" for the core) is ready as soon as it is there: its metadata is then
/// all that need be watched for [`readiness`] (not for values of its spec or status that somebody asks for).
///
/// These are the kinds that nothing works on, and those whose status says nothing of readiness by kstatus's rules:
/// quotas, `CronJob` and `Ingress`.
#[must_use]
pub fn is_ready_when_there(group: &str, kind: &str) -> bool {
    match group {
        "" => matches!(
            kind,
            "ConfigMap"
                | "Endpoints"
                | "Event"
                | "LimitRange"
                | "PodTemplate"
                | "ResourceQuota"
                | "Secret"
                | "ServiceAccount"
        ),
        "admissionregistration.k8s.io" => matches!(
            kind,
            "MutatingAdmissionPolicy"
                | "MutatingAdmissionPolicyBinding"
                | "MutatingWebhookConfiguration"
                | "ValidatingAdmissionPolicyBinding"
                | "ValidatingWebhookConfiguration"
        ),
        "apps" => kind == "ControllerRevision",
        "batch" => kind == "CronJob",
        "coordination.k8s.io" => kind == "Lease",
        "discovery.k8s.io" => kind == "EndpointSlice",
        "events.k8s.io" => kind == "Event",
        "networking.k8s.io" => matches!(kind, "Ingress" | "IngressClass" | "IPAddress" | "NetworkPolicy"),
        "node.k8s.io" => kind == "RuntimeClass",
        "rbac.authorization.k8s.io" => {
            matches!(kind, "ClusterRole" | "ClusterRoleBinding" | "Role" | "RoleBinding")
        }
        "resource.k8s.io" => matches!(kind, "DeviceClass" | "ResourceClaimTemplate" | "ResourceSlice"),
        "scheduling.k8s.io" => kind == "PriorityClass",
        "storage.k8s.io" => matches!(
            kind,
            "CSIDriver" | "CSINode" | "CSIStorageCapacity" | "StorageClass" | "VolumeAttributesClass"
        ),
        _ => false,
    }
}

/// What decides for an object of any kind: a generation that nobody acted upon yet, and the two conditions that kstatus
/// asks controllers for.
fn of_any_kind(object: &Object<'_>, conditions: &Conditions<'_>) -> Option<Readiness> {
    if let (Some(generation), Some(observed)) = (object.generation(), object.observed_generation()) {
        // Also where it is ahead: an object that was made anew can bring the status of the one before.
        if observed != generation {
            let message = format!("generation {generation} is there, generation {observed} was acted upon");
            return Some(Readiness::in_progress("LatestGenerationNotObserved", &message));
        }
    }
    conditions.iter().filter(|condition| condition.is_true()).find_map(|condition| match condition.kind() {
        "Reconciling" => {
            Some(Readiness::in_progress("Reconciling", &condition.said("its controller works on it")))
        }
        "Stalled" => Some(Readiness::failed("Stalled", &condition.said("its controller cannot go on"))),
        _ => None,
    })
}

/// What decides where neither a rule for any kind nor one for this kind does. Without such a condition an object is
/// taken for ready: nobody said that it is not.
fn of_condition_ready(conditions: &Conditions<'_>) -> Readiness {
    let of = |condition: &object::Condition<'_>| match condition.status() {
        "True" => Some(Readiness::Current),
        "False" => Some(Readiness::in_progress("NotReady", &condition.said("its condition Ready is False"))),
        "Unknown" => {
            Some(Readiness::in_progress("ReadyUnknown", &condition.said("its condition Ready is Unknown")))
        }
        _ => None,
    };
    conditions.of("Ready").find_map(of).unwrap_or(Readiness::Current)
}

// === impl Readiness ===

impl Readiness {
    fn in_progress(reason: &'static str, message: &str) -> Self {
        Self::InProgress { reason, message: bounded::line(message, LONGEST_MESSAGE) }
    }

    fn failed(reason: &'static str, message: &str) -> Self {
        Self::Failed { reason, message: bounded::line(message, LONGEST_MESSAGE) }
    }
}

#[cfg(test)]
mod tests;
