use serde_json::{Value, json};

use super::*;

mod hostile;
mod messages;
mod samples;
mod workload;

use samples::sample;

/// Edits of a sample: where (a JSON pointer), and what is put there. Null takes the field away.
type Edits = Vec<(&'static str, Value)>;

/// How a state is called, how the sample gets there, and what is said of it: `Current`, `Terminating`, or how far it is
/// and why.
type State = (&'static str, Edits, &'static str);

/// A sample, which is ready, with edits.
fn edited(group: &str, kind: &str, edits: &[(&str, Value)]) -> String {
    let mut object = sample(group, kind);
    for (pointer, value) in edits {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("{kind} has no {parent}"));
        match (parent, value) {
            (Value::Object(fields), Value::Null) => {
                fields.remove(field).unwrap_or_else(|| panic!("{kind} has no {pointer}"));
            }
            (Value::Object(fields), value) => drop(fields.insert(field.to_owned(), value.clone())),
            (Value::Array(list), value) => list[field.parse::<usize>().unwrap()] = value.clone(),
            _ => panic!("{kind} has no {pointer}"),
        }
    }
    object.to_string()
}

fn short(readiness: &Readiness) -> String {
    match readiness {
        Readiness::Current => "Current".to_owned(),
        Readiness::InProgress { reason, .. } => format!("InProgress {reason}"),
        Readiness::Failed { reason, .. } => format!("Failed {reason}"),
        Readiness::Terminating => "Terminating".to_owned(),
    }
}

fn check(group: &str, kind: &str, states: Vec<State>) {
    assert_eq!(
        readiness(group, kind, &edited(group, kind, &[])),
        Readiness::Current,
        "{kind} of the samples"
    );
    for (state, edits, expected) in states {
        let found = readiness(group, kind, &edited(group, kind, &edits));
        assert_eq!(short(&found), expected, "{kind}: {state}: {found:?}");
    }
}

fn condition(kind: &str, status: &str, reason: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": "as its controller says"})
}

#[test]
fn a_job_is_ready_while_it_runs_and_after_unless_it_failed() {
    let conditions = "/status/conditions";
    check(
        "batch",
        "Job",
        vec![
            ("just made", vec![("/status", json!({}))], "InProgress JobNotStarted"),
            (
                "running",
                vec![("/status", json!({"active": 1, "startTime": "2026-01-01T00:00:00Z"}))],
                "Current",
            ),
            (
                "failed",
                vec![(conditions, json!([condition("Failed", "True", "BackoffLimitExceeded")]))],
                "Failed JobFailed",
            ),
            (
                "not failed",
                vec![
                    (conditions, json!([condition("Failed", "False", "")])),
                    ("/status/startTime", Value::Null),
                ],
                "InProgress JobNotStarted",
            ),
            (
                "suspended",
                vec![("/status", json!({"conditions": [condition("Suspended", "True", "JobSuspended")]}))],
                "Current",
            ),
        ],
    );
}

#[test]
fn a_pod_is_ready_when_it_serves_or_has_ended() {
    let (phase, ready) = ("/status/phase", "/status/conditions/1");
    let waiting = |reason: &str| json!([{"name": "web", "state": {"waiting": {"reason": reason}}}]);
    let containers = "/status/containerStatuses";
    check(
        "",
        "Pod",
        vec![
            ("just made", vec![(phase, Value::Null)], "InProgress PodNotObserved"),
            ("pending", vec![(phase, json!("Pending"))], "InProgress PodPending"),
            (
                "for no node",
                vec![
                    (phase, json!("Pending")),
                    ("/status/conditions", json!([condition("PodScheduled", "False", "Unschedulable")])),
                ],
                "Failed PodUnschedulable",
            ),
            (
                "behind a gate",
                vec![
                    (phase, json!("Pending")),
                    ("/status/conditions", json!([condition("PodScheduled", "False", "SchedulingGated")])),
                ],
                "InProgress PodPending",
            ),
            ("not ready", vec![(ready, condition("Ready", "False", ""))], "InProgress PodRunningNotReady"),
            (
                "crashing",
                vec![(ready, condition("Ready", "False", "")), (containers, waiting("CrashLoopBackOff"))],
                "Failed ContainerCrashLooping",
            ),
            (
                "waiting for its image",
                vec![(ready, condition("Ready", "False", "")), (containers, waiting("ImagePullBackOff"))],
                "InProgress PodRunningNotReady",
            ),
            ("ready all the same", vec![(containers, waiting("CrashLoopBackOff"))], "Current"),
            (
                "succeeded",
                vec![(phase, json!("Succeeded")), (ready, condition("Ready", "False", ""))],
                "Current",
            ),
            ("failed", vec![(phase, json!("Failed")), (ready, condition("Ready", "False", ""))], "Current"),
            ("on a lost node", vec![(phase, json!("Unknown"))], "InProgress PodPhaseUnknown"),
        ],
    );
}

#[test]
fn claims_volumes_and_namespaces_go_by_their_phase() {
    let phase = |phase: &str| vec![("/status/phase", json!(phase))];
    check(
        "",
        "PersistentVolumeClaim",
        vec![
            ("just made", vec![("/status", Value::Null)], "InProgress NotBound"),
            ("pending", phase("Pending"), "InProgress NotBound"),
            ("lost", phase("Lost"), "InProgress NotBound"),
        ],
    );
    check(
        "",
        "PersistentVolume",
        vec![
            ("just made", vec![("/status", json!({}))], "InProgress VolumePending"),
            ("pending", phase("Pending"), "InProgress VolumePending"),
            ("bound", phase("Bound"), "Current"),
            ("released", phase("Released"), "Current"),
            ("failed", phase("Failed"), "Failed VolumeFailed"),
        ],
    );
    check(
        "",
        "Namespace",
        vec![
            ("just made", vec![("/status", json!({}))], "InProgress NotActive"),
            ("ending", phase("Terminating"), "Terminating"),
        ],
    );
}

#[test]
fn a_service_is_ready_once_it_has_an_address_where_it_is_a_load_balancer() {
    check(
        "",
        "Service",
        vec![
            ("no address", vec![("/spec/clusterIP", Value::Null)], "InProgress NoIPAssigned"),
            ("an empty address", vec![("/spec/clusterIP", json!(""))], "InProgress NoIPAssigned"),
            ("no load balancer yet", vec![("/status/loadBalancer", json!({}))], "Current"),
            (
                "an alias",
                vec![("/spec/type", json!("ExternalName")), ("/spec/clusterIP", Value::Null)],
                "Current",
            ),
        ],
    );
}

#[test]
fn an_api_is_ready_when_it_is_served() {
    let (names, established) = ("/status/conditions/0", "/status/conditions/1");
    check(
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        vec![
            ("just made", vec![("/status", json!({}))], "InProgress Installing"),
            (
                "installing",
                vec![(established, condition("Established", "False", "Installing"))],
                "InProgress Installing",
            ),
            (
                "names accepted only",
                vec![("/status/conditions", json!([condition("NamesAccepted", "True", "NoConflicts")]))],
                "InProgress Installing",
            ),
            (
                "a name is taken",
                vec![(names, condition("NamesAccepted", "False", "ListKindConflict"))],
                "Failed NamesNotAccepted",
            ),
            (
                "not established",
                vec![(established, condition("Established", "False", "NotAccepted"))],
                "Failed NotEstablished",
            ),
        ],
    );
    let available = "/status/conditions/0";
    check(
        "apiregistration.k8s.io",
        "APIService",
        vec![
            ("just made", vec![("/status", json!({}))], "InProgress NotAvailable"),
            (
                "no server",
                vec![(available, condition("Available", "False", "MissingEndpoints"))],
                "InProgress NotAvailable",
            ),
            ("unknown", vec![(available, condition("Available", "Unknown", ""))], "InProgress NotAvailable"),
        ],
    );
}

#[test]
fn budgets_and_autoscalers_are_ready_once_their_generation_is_seen() {
    for (group, kind) in [("policy", "PodDisruptionBudget"), ("autoscaling", "HorizontalPodAutoscaler")] {
        check(
            group,
            kind,
            vec![
                ("no status", vec![("/status", Value::Null)], "Current"),
                (
                    "not seen",
                    vec![("/metadata/generation", json!(9))],
                    "InProgress LatestGenerationNotObserved",
                ),
            ],
        );
    }
}

#[test]
fn any_other_object_goes_by_its_generation_and_by_conditions_that_all_know() {
    let conditions = |list: Value| vec![("/status/conditions", list)];
    check(
        "example.com",
        "Database",
        vec![
            ("no status", vec![("/status", Value::Null)], "Current"),
            ("no conditions", conditions(Value::Null), "Current"),
            ("others", conditions(json!([condition("Synced", "False", "Behind")])), "Current"),
            (
                "behind",
                vec![("/status/observedGeneration", json!(6))],
                "InProgress LatestGenerationNotObserved",
            ),
            (
                "ahead",
                vec![("/status/observedGeneration", json!(8))],
                "InProgress LatestGenerationNotObserved",
            ),
            ("nothing observed", vec![("/status/observedGeneration", Value::Null)], "Current"),
            (
                "not ready",
                conditions(json!([condition("Ready", "False", "Starting")])),
                "InProgress NotReady",
            ),
            (
                "unknown",
                conditions(json!([condition("Ready", "Unknown", "Starting")])),
                "InProgress ReadyUnknown",
            ),
            ("strange", conditions(json!([condition("Ready", "true", "Started")])), "Current"),
            (
                "reconciling, ready before",
                conditions(json!([
                    condition("Ready", "True", ""),
                    condition("Reconciling", "True", "Scaling")
                ])),
                "InProgress Reconciling",
            ),
            (
                "stalled",
                conditions(json!([condition("Stalled", "True", "NoQuota"), condition("Ready", "True", "")])),
                "Failed Stalled",
            ),
            (
                "the first of two",
                conditions(json!([condition("Stalled", "True", ""), condition("Reconciling", "True", "")])),
                "Failed Stalled",
            ),
            (
                "neither",
                conditions(json!([
                    condition("Stalled", "False", ""),
                    condition("Reconciling", "Unknown", "")
                ])),
                "Current",
            ),
        ],
    );
    // The rules of a kind are for its own API group alone.
    assert_eq!(readiness("example.com", "Deployment", r#"{"spec":{"replicas":3}}"#), Readiness::Current);
}

#[test]
fn the_two_conditions_that_all_know_win_over_the_rule_of_the_kind() {
    let stalled = [("/status/conditions/0", condition("Stalled", "True", "Quota"))];
    let found = readiness("apps", "Deployment", &edited("apps", "Deployment", &stalled));
    assert_eq!(short(&found), "Failed Stalled");
}

#[test]
fn an_object_whose_deletion_was_asked_for_is_terminating_whatever_its_kind_and_state() {
    let deleted = [("/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"))];
    for (group, kind) in samples::KINDS {
        let found = readiness(group, kind, &edited(group, kind, &deleted));
        assert_eq!(found, Readiness::Terminating, "{kind}");
        let nothing = [("/metadata/deletionTimestamp", json!(""))];
        assert_eq!(readiness(group, kind, &edited(group, kind, &nothing)), Readiness::Current, "{kind}");
    }
}

#[test]
fn what_is_ready_when_it_is_there_is_so_by_its_metadata_alone() {
    let metadata = r#"{"kind":"PartialObjectMetadata","metadata":{"name":"a","generation":4}}"#;
    for (group, kind) in [
        ("", "ConfigMap"),
        ("", "Secret"),
        ("", "ServiceAccount"),
        ("", "ResourceQuota"),
        ("", "LimitRange"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "RoleBinding"),
        ("networking.k8s.io", "NetworkPolicy"),
        ("networking.k8s.io", "Ingress"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "StorageClass"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("coordination.k8s.io", "Lease"),
        ("batch", "CronJob"),
    ] {
        assert!(is_ready_when_there(group, kind), "{kind}");
        assert_eq!(readiness(group, kind, metadata), Readiness::Current, "{kind}");
    }
}

#[test]
fn what_is_ready_when_it_is_there_is_so_whatever_its_status_says() {
    let raw = json!({
        "metadata": {"generation": 4},
        "status": {"observedGeneration": 3, "conditions": [condition("Stalled", "True", "NoQuota")]},
    });
    assert_eq!(readiness("batch", "CronJob", &raw.to_string()), Readiness::Current);
}

#[test]
fn what_has_a_rule_is_watched_whole_and_so_is_what_nobody_here_knows() {
    let with_rule = samples::KINDS.into_iter().filter(|(_, kind)| !["CronJob", "Ingress"].contains(kind));
    let unknown = [
        ("example.com", "ConfigMap"),
        ("", "Role"),
        ("serving.knative.dev", "Ingress"),
        ("storage.k8s.io", "VolumeAttachment"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ];
    for (group, kind) in with_rule.chain(unknown) {
        assert!(!is_ready_when_there(group, kind), "{group} {kind}");
    }
}
