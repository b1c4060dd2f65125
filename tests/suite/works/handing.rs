//! An object that passes from one Work to another that is suspended, and asks for it in another version of its API.

use serde_json::{Value, json};

use super::bench::{Bench, is_gone, made, settled, turnover};
use super::{manifest, put_work, put_work_with, until_told, work, works};
use crate::trail::{self, lines};

/// The autoscaler in the tables of what is made.
const WEB: &str = "horizontalpodautoscalers default/web";
const PATH: &str = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/web";
/// What tells that a Work has gone as far as it can.
const BESIDE: &str = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/beside";

fn scaler(version: &str, name: &str, percent: u32) -> Value {
    let mut spec = json!({"maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}});
    if version == "autoscaling/v1" {
        spec["targetCPUUtilizationPercentage"] = percent.into();
    } else {
        spec["metrics"] = json!([{"type": "Resource", "resource": {"name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": percent}}}]);
    }
    manifest(version, "HorizontalPodAutoscaler", "default", name, json!({"spec": spec}))
}

fn suspended(is: bool) -> Value {
    json!({"multicluster.coreos.com/suspend": if is { json!("true") } else { Value::Null }})
}

/// What is there of it: its UID, and the percentage that it aims at.
fn seen(bench: &Bench) -> (String, Value) {
    let percent = "/spec/metrics/0/resource/target/averageUtilization";
    let object = bench.api().get(PATH).unwrap();
    (made(&bench.fleet)[WEB].clone(), object.pointer(percent).cloned().unwrap_or_default())
}

/// Hands the object of Work `first` over to `second`, which is suspended.
fn hands_over(versions: [&str; 2], claimed_first: bool, deleted: bool) {
    let mut bench = Bench::new();
    let what = format!("{versions:?}, claimed first: {claimed_first}, deleted: {deleted}");
    put_work(
        &bench.fleet,
        "first",
        &json!([scaler(versions[0], "web", 50), scaler(versions[0], "beside", 50)]),
    );
    until_told(&bench.fleet, &bench.agent, "first", "Applied", "Applied");
    let (uid, _) = seen(&bench);
    let mark = trail::mark(&bench.fleet.replica);
    let manifests = json!([scaler(versions[1], "web", 70)]);
    if claimed_first {
        put_work(&bench.fleet, "second", &manifests);
        until_told(&bench.fleet, &bench.agent, "second", "Applied", "Incomplete");
    }
    put_work_with(&bench.fleet, "second", &suspended(true), &manifests);
    until_told(&bench.fleet, &bench.agent, "second", "Applied", "Suspended");
    if deleted {
        bench.fleet.directory.api().delete(&format!("{}/first", works())).unwrap();
    } else {
        put_work(&bench.fleet, "first", &json!([]));
    }
    // What stands beside it goes, and is judged with it: what nobody claimed would go now.
    bench.until(&format!("{what}: what stands beside it gone"), || match bench.api().get(BESIDE) {
        Err(error) if error.status().is_some_and(|status| status == 404) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(seen(&bench), (uid.clone(), json!(50)), "{what}");
    // Another process knows it as well.
    bench.fleet.revive(&mut bench.agent);
    bench.until("the second Work as it was", || {
        let told = work(&bench.fleet, "second")["status"].to_string();
        if told.contains("Suspended") { Ok(()) } else { Err(told) }
    });
    assert_eq!(seen(&bench), (uid.clone(), json!(50)), "{what}");

    put_work_with(&bench.fleet, "second", &suspended(false), &manifests);
    until_told(&bench.fleet, &bench.agent, "second", "Applied", "Applied");
    if deleted {
        bench.until("the first Work gone", || is_gone(&bench.fleet, "first"));
    } else {
        until_told(&bench.fleet, &bench.agent, "first", "Applied", "Applied");
    }
    assert_eq!(seen(&bench), (uid.clone(), json!(70)), "{what}");
    assert_eq!(settled(&bench.fleet, "second").unwrap()[WEB], uid, "{what}");
    let turnover = turnover(&bench.fleet, mark);
    let writes = trail::writes(&bench.fleet.replica, mark, trail::REPLICA_USER);
    assert!(!turnover.keys().any(|write| write.ends_with(WEB)), "{what}: {}", lines(&writes));
    assert_eq!(
        turnover.get("delete horizontalpodautoscalers default/beside"),
        Some(&1),
        "{what}: {turnover:?}"
    );
}

#[test]
fn what_a_suspended_work_claims_in_another_version_stays_when_it_is_dropped() {
    hands_over(["autoscaling/v1", "autoscaling/v2"], true, false);
    hands_over(["autoscaling/v2", "autoscaling/v1"], false, false);
}

#[test]
fn what_a_suspended_work_claims_in_another_version_stays_when_the_other_one_is_deleted() {
    hands_over(["autoscaling/v1", "autoscaling/v2"], false, true);
    hands_over(["autoscaling/v2", "autoscaling/v1"], true, true);
}
