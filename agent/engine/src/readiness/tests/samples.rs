//! Objects as servers send them, one of each kind that a rule is about, all ready.

use serde_json::{Value, json};

pub(super) const KINDS: [(&str, &str); 17] = [
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("", "Pod"),
    ("", "PersistentVolumeClaim"),
    ("", "PersistentVolume"),
    ("", "Namespace"),
    ("", "Service"),
    ("networking.k8s.io", "Ingress"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("policy", "PodDisruptionBudget"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("example.com", "Database"),
];

/// A ready object of one of these kinds.
pub(super) fn sample(group: &str, kind: &str) -> Value {
    let (generation, spec, status) = match (group, kind) {
        ("apps", "Deployment") => deployment(),
        ("apps", "ReplicaSet") => replica_set(),
        ("apps", "StatefulSet") => stateful_set(),
        ("apps", "DaemonSet") => daemon_set(),
        ("batch", "Job") => job(),
        ("", "Pod") => pod(),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(),
        ("batch", "CronJob") => (
            1,
            json!({"schedule": "0 * * * *", "suspend": false}),
            json!({"lastScheduleTime": "2026-01-01T10:00:00Z"}),
        ),
        ("", "PersistentVolumeClaim") => (
            0,
            json!({"accessModes": ["ReadWriteOnce"], "volumeName": "pv-1"}),
            json!({"phase": "Bound", "capacity": {"storage": "8Gi"}}),
        ),
        ("", "PersistentVolume") => {
            (0, json!({"capacity": {"storage": "8Gi"}}), json!({"phase": "Available"}))
        }
        ("", "Namespace") => (0, json!({"finalizers": ["kubernetes"]}), json!({"phase": "Active"})),
        ("", "Service") => (
            0,
            json!({"type": "LoadBalancer", "clusterIP": "10.96.0.7", "ports": [{"port": 80}]}),
            json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}),
        ),
        ("networking.k8s.io", "Ingress") => {
            (1, json!({"ingressClassName": "nginx"}), json!({"loadBalancer": {}}))
        }
        ("apiregistration.k8s.io", "APIService") => (
            0,
            json!({"group": "metrics.k8s.io", "version": "v1beta1", "service": {"name": "metrics-server"}}),
            json!({"conditions": [{"type": "Available", "status": "True", "reason": "Passed"}]}),
        ),
        ("policy", "PodDisruptionBudget") => (
            1,
            json!({"minAvailable": 2}),
            json!({"observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 2}),
        ),
        ("autoscaling", "HorizontalPodAutoscaler") => (
            3,
            json!({"minReplicas": 1, "maxReplicas": 5}),
            json!({"observedGeneration": 3, "conditions": [{"type": "ScalingLimited", "status": "True"}]}),
        ),
        ("example.com", "Database") => (
            7,
            json!({"size": "small"}),
            json!({"observedGeneration": 7, "conditions": [{"type": "Ready", "status": "True", "reason": "Up"}]}),
        ),
        other => panic!("there is no sample of {other:?}"),
    };
    let mut object = json!({
        "apiVersion": if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") },
        "kind": kind,
        "metadata": {
            "name": "web", "namespace": "api-prod", "uid": "9c1d", "resourceVersion": "812",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [{"manager": "muster", "operation": "Apply", "fieldsV1": {"f:spec": {}}}],
        },
        "spec": spec,
        "status": status,
    });
    if generation > 0 {
        object["metadata"]["generation"] = generation.into();
    }
    object
}

fn deployment() -> (i64, Value, Value) {
    let spec = json!({
        "replicas": 3, "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        "template": {"spec": {"containers": [{"name": "web", "image": "nginx"}]}},
    });
    let status = json!({
        "observedGeneration": 4, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3,
        "conditions": [
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        ],
    });
    (4, spec, status)
}

fn replica_set() -> (i64, Value, Value) {
    let status = json!({
        "observedGeneration": 1, "replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
    });
    (1, json!({"replicas": 2}), status)
}

fn stateful_set() -> (i64, Value, Value) {
    let spec = json!({
        "replicas": 3, "serviceName": "db", "podManagementPolicy": "OrderedReady",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
    });
    let status = json!({
        "observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "currentReplicas": 3, "updatedReplicas": 3,
        "currentRevision": "db-1", "updateRevision": "db-1", "collisionCount": 0,
    });
    (2, spec, status)
}

fn daemon_set() -> (i64, Value, Value) {
    let status = json!({
        "observedGeneration": 2, "desiredNumberScheduled": 5, "currentNumberScheduled": 5,
        "updatedNumberScheduled": 5, "numberAvailable": 5, "numberReady": 5, "numberMisscheduled": 0,
    });
    (2, json!({"updateStrategy": {"type": "RollingUpdate"}}), status)
}

fn job() -> (i64, Value, Value) {
    let status = json!({
        "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:01:00Z", "succeeded": 1,
        "conditions": [{"type": "Complete", "status": "True"}],
    });
    (1, json!({"completions": 1, "parallelism": 1, "backoffLimit": 6}), status)
}

fn pod() -> (i64, Value, Value) {
    let status = json!({
        "phase": "Running", "podIP": "10.0.0.7", "qosClass": "BestEffort",
        "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Ready", "status": "True"},
        ],
        "containerStatuses": [
            {"name": "web", "ready": true, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}},
        ],
    });
    (1, json!({"containers": [{"name": "web", "image": "nginx"}]}), status)
}

fn definition() -> (i64, Value, Value) {
    let status = json!({
        "acceptedNames": {"kind": "Database", "plural": "databases"}, "storedVersions": ["v1"],
        "conditions": [
            {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts"},
            {"type": "Established", "status": "True", "reason": "InitialNamesAccepted"},
        ],
    });
    (1, json!({"group": "example.com", "scope": "Namespaced"}), status)
}
