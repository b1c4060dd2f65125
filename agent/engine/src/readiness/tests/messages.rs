//! What people read.

use super::*;

fn message(group: &str, kind: &str, edits: &[(&str, Value)]) -> String {
    match readiness(group, kind, &edited(group, kind, edits)) {
        Readiness::InProgress { message, .. } | Readiness::Failed { message, .. } => message,
        other => panic!("{kind} is {other:?}"),
    }
}

/// The message of a custom resource whose condition Ready is False.
fn of_ready(reason: &str, said: &str) -> String {
    let conditions = json!([{"type": "Ready", "status": "False", "reason": reason, "message": said}]);
    message("example.com", "Database", &[("/status/conditions", conditions)])
}

#[test]
fn a_message_says_what_is_missing() {
    let scaled = [("/spec/replicas", json!(5))];
    assert_eq!(message("apps", "Deployment", &scaled), "3 of 5 replicas are made");
    let scaled = [("/spec/replicas", json!(1)), ("/status/updatedReplicas", json!(1))];
    assert_eq!(message("apps", "Deployment", &scaled), "2 replicas are still to end");
    let unseen = [("/metadata/generation", json!(9))];
    assert_eq!(message("apps", "Deployment", &unseen), "generation 9 is there, generation 4 was acted upon");
    let rolling =
        [("/spec/updateStrategy/rollingUpdate/partition", json!(1)), ("/status/updatedReplicas", json!(1))];
    assert_eq!(message("apps", "StatefulSet", &rolling), "1 of 2 replicas are updated");
}

#[test]
fn a_message_names_the_containers_that_crash() {
    let crashing = |name: &str| json!({"name": name, "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
    let statuses = json!([crashing("web"), {"name": "log", "state": {"running": {}}}, crashing("proxy")]);
    let edits = [("/status/conditions", json!([])), ("/status/containerStatuses", statuses)];
    assert_eq!(message("", "Pod", &edits), "in a crash loop: web, proxy");
    let many: Vec<Value> = (0..100).map(|index| crashing(&format!("container-{index}"))).collect();
    let edits = [("/status/conditions", json!([])), ("/status/containerStatuses", json!(many))];
    let message = message("", "Pod", &edits);
    assert!(message.len() <= 256 && message.ends_with('…'), "{message}");
}

#[test]
fn a_message_repeats_what_the_condition_says() {
    assert_eq!(of_ready("NoQuota", "the quota is used up"), "NoQuota: the quota is used up");
    assert_eq!(of_ready("NoQuota", ""), "NoQuota");
    assert_eq!(of_ready("", "the quota is used up"), "the quota is used up");
    assert_eq!(of_ready("", ""), "its condition Ready is False");
    let stuck = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
        "message": "ReplicaSet \"web-1\" has timed out progressing."}]);
    assert_eq!(
        message("apps", "Deployment", &[("/status/conditions", stuck)]),
        "ProgressDeadlineExceeded: ReplicaSet \"web-1\" has timed out progressing."
    );
}

#[test]
fn a_reason_that_is_no_word_is_not_repeated() {
    for reason in ["two words", "evil\u{1b}[2J", "7Up", "dash-ed", &"L".repeat(65)] {
        assert_eq!(of_ready(reason, "said"), "said", "{reason}");
    }
    let longest = "L".repeat(64);
    assert_eq!(of_ready(&longest, "said"), format!("{longest}: said"));
}

#[test]
fn what_a_condition_says_is_cut_and_is_one_line() {
    assert_eq!(
        of_ready("", "  first\nsecond\t\u{1b}[31m\u{202e}  "),
        "first\\nsecond\\t\\u{1b}[31m\\u{202e}"
    );
    let cut = of_ready("", &"ä".repeat(1000));
    assert_eq!(cut, format!("{}…", "ä".repeat(78)));
    assert!(cut.len() <= 160);
    let both = of_ready(&"L".repeat(64), &format!("a{}", "\n".repeat(1000)).repeat(2));
    assert!(both.len() <= 256 && both.ends_with("\\n…") && !both.contains('\n'), "{both}");
}

#[test]
fn the_message_of_a_volume_that_failed_is_repeated() {
    let failed = [("/status/phase", json!("Failed")), ("/status/message", json!("the disk\nis gone"))];
    assert_eq!(message("", "PersistentVolume", &failed), "the disk\\nis gone");
}
