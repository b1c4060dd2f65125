//! What keeps a number of Pods running.

use super::*;

#[test]
fn a_deployment_is_ready_when_the_new_pods_are_and_the_old_are_gone() {
    let (progressing, available) = ("/status/conditions/1", "/status/conditions/0");
    check(
        "apps",
        "Deployment",
        vec![
            ("just made", vec![("/status", json!({}))], "InProgress LessReplicas"),
            ("not seen", vec![("/metadata/generation", json!(5))], "InProgress LatestGenerationNotObserved"),
            ("scaled up", vec![("/spec/replicas", json!(4))], "InProgress LessReplicas"),
            ("rolling out", vec![("/status/updatedReplicas", json!(1))], "InProgress LessUpdated"),
            ("the old still end", vec![("/status/replicas", json!(4))], "InProgress ExtraPods"),
            ("one not available", vec![("/status/availableReplicas", json!(2))], "InProgress LessAvailable"),
            ("one not ready", vec![("/status/readyReplicas", Value::Null)], "InProgress LessReady"),
            (
                "still progressing",
                vec![(progressing, condition("Progressing", "True", "ReplicaSetUpdated"))],
                "InProgress ReplicaSetNotAvailable",
            ),
            (
                "progressing no more",
                vec![(progressing, condition("Progressing", "Unknown", "NewReplicaSetAvailable"))],
                "InProgress ReplicaSetNotAvailable",
            ),
            (
                "no deadline, so no condition",
                vec![
                    ("/spec/progressDeadlineSeconds", json!(i32::MAX)),
                    (progressing, condition("Other", "True", "Other")),
                ],
                "Current",
            ),
            (
                "no deadline by default",
                vec![
                    ("/spec/progressDeadlineSeconds", Value::Null),
                    (progressing, condition("Other", "True", "Other")),
                ],
                "Current",
            ),
            (
                "too few available",
                vec![(available, condition("Available", "False", "MinimumReplicasUnavailable"))],
                "InProgress DeploymentNotAvailable",
            ),
            (
                "stuck",
                vec![
                    ("/status/updatedReplicas", json!(1)),
                    (progressing, condition("Progressing", "False", "ProgressDeadlineExceeded")),
                ],
                "Failed ProgressDeadlineExceeded",
            ),
            (
                "one replica by default, none made",
                vec![("/spec/replicas", Value::Null), ("/status/replicas", Value::Null)],
                "InProgress LessReplicas",
            ),
            (
                "one replica by default",
                vec![("/spec/replicas", Value::Null), ("/status/replicas", json!(3))],
                "InProgress ExtraPods",
            ),
            (
                "scaled to nothing",
                vec![
                    ("/spec/replicas", json!(0)),
                    ("/status/replicas", Value::Null),
                    ("/status/updatedReplicas", Value::Null),
                    ("/status/readyReplicas", Value::Null),
                    ("/status/availableReplicas", Value::Null),
                ],
                "Current",
            ),
        ],
    );
}

#[test]
fn a_replica_set_is_ready_when_all_its_pods_are() {
    check(
        "apps",
        "ReplicaSet",
        vec![
            ("just made", vec![("/status", json!({"replicas": 0}))], "InProgress LessLabelled"),
            ("not available", vec![("/status/availableReplicas", json!(1))], "InProgress LessAvailable"),
            ("not ready", vec![("/status/readyReplicas", json!(1))], "InProgress LessReady"),
            ("scaled down", vec![("/status/replicas", json!(3))], "InProgress ExtraPods"),
            (
                "over quota",
                vec![("/status/conditions", json!([condition("ReplicaFailure", "True", "FailedCreate")]))],
                "InProgress ReplicaFailure",
            ),
            (
                "no longer over quota",
                vec![("/status/conditions", json!([condition("ReplicaFailure", "False", "FailedCreate")]))],
                "Current",
            ),
        ],
    );
}

#[test]
fn a_stateful_set_is_ready_when_its_update_went_as_far_as_asked() {
    let partition = "/spec/updateStrategy/rollingUpdate/partition";
    let rolling = "/spec/updateStrategy/rollingUpdate";
    check(
        "apps",
        "StatefulSet",
        vec![
            ("just made", vec![("/status", json!({"replicas": 0}))], "InProgress LessReplicas"),
            ("not ready", vec![("/status/readyReplicas", json!(2))], "InProgress LessReady"),
            ("scaled down", vec![("/spec/replicas", json!(2))], "InProgress ExtraPods"),
            ("rolling out", vec![("/status/updatedReplicas", json!(2))], "InProgress PartitionRollout"),
            (
                "up to the partition",
                vec![(partition, json!(2)), ("/status/updatedReplicas", json!(1))],
                "Current",
            ),
            (
                "not yet up to the partition",
                vec![(partition, json!(1)), ("/status/updatedReplicas", json!(1))],
                "InProgress PartitionRollout",
            ),
            (
                "no partition, some old",
                vec![(rolling, Value::Null), ("/status/currentReplicas", json!(2))],
                "InProgress LessCurrent",
            ),
            (
                "no partition, another revision",
                vec![(rolling, Value::Null), ("/status/updateRevision", json!("db-2"))],
                "InProgress RevisionMismatch",
            ),
            ("no partition", vec![(rolling, Value::Null)], "Current"),
            (
                "updated by hand",
                vec![
                    ("/spec/updateStrategy", json!({"type": "OnDelete"})),
                    ("/status/updatedReplicas", Value::Null),
                    ("/status/readyReplicas", json!(1)),
                ],
                "Current",
            ),
            (
                "not seen",
                vec![("/status/observedGeneration", json!(1))],
                "InProgress LatestGenerationNotObserved",
            ),
        ],
    );
}

#[test]
fn a_daemon_set_is_ready_when_every_node_has_the_new_pod() {
    check(
        "apps",
        "DaemonSet",
        vec![
            ("no generation", vec![("/metadata/generation", Value::Null)], "InProgress NoGeneration"),
            ("just made", vec![("/status", Value::Null)], "InProgress NoObservedGeneration"),
            ("not seen", vec![("/metadata/generation", json!(3))], "InProgress LatestGenerationNotObserved"),
            (
                "not counted",
                vec![("/status/desiredNumberScheduled", Value::Null)],
                "InProgress NoDesiredNumber",
            ),
            ("not made", vec![("/status/currentNumberScheduled", json!(4))], "InProgress LessCurrent"),
            ("rolling out", vec![("/status/updatedNumberScheduled", json!(4))], "InProgress LessUpdated"),
            ("not available", vec![("/status/numberAvailable", json!(4))], "InProgress LessAvailable"),
            ("not ready", vec![("/status/numberReady", Value::Null)], "InProgress LessReady"),
            (
                "no node for it",
                vec![("/status", json!({"observedGeneration": 2, "desiredNumberScheduled": 0}))],
                "Current",
            ),
        ],
    );
}
