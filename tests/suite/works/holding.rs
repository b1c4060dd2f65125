//! Large deletions wait for somebody's word, and small ones for nobody's: the rule of docs/holds.md by its examples.

use muster_tests::api::MERGE_PATCH;
use serde_json::{Value, json};

use super::bench::{Bench, is_gone, made};
use super::{config_map, of_manifest, put_work, until_told, work, works};
use crate::cli::{done, muster};
use crate::fleet::{CLUSTERS, OWN, REPORT, condition_of, quietly, stop, version};

const EVENTS: &str = "/api/v1/namespaces/muster-system/events";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/muster-system/leases/muster-agent";
const UPSTREAM: &str = "/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-east/clusterreports/east";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

pub(crate) fn some(objects: std::ops::Range<usize>) -> Value {
    objects.map(|at| config_map("default", &format!("o{at:03}"), "one")).collect()
}

pub(crate) fn delete(bench: &Bench, name: &str) {
    drop(bench.fleet.directory.api().delete(&format!("{}/{name}", works())).unwrap());
}

fn annotate(bench: &Bench, name: &str, key: &str, value: &str) {
    let change = json!({"metadata": {"annotations": {key: value}}});
    bench.fleet.directory.api().patch(&format!("{}/{name}", works()), MERGE_PATCH, &change).unwrap();
}

fn say_here(bench: &Bench, key: &str, value: &str) {
    bench.api().patch(REPORT, MERGE_PATCH, &json!({"metadata": {"annotations": {key: value}}})).unwrap();
}

/// The only hold, once the report has one of this reason.
pub(crate) fn held(bench: &Bench, reason: &str) -> Value {
    let message = bench.fleet.reason(&bench.agent, "Held", reason);
    let report = bench.api().get(REPORT).unwrap();
    let holds = report["status"]["holds"].as_array().unwrap();
    assert_eq!(holds.len(), 1, "{report:#}");
    assert!(message.contains(holds[0]["id"].as_str().unwrap()), "{message}");
    assert_eq!(holds[0]["reason"], reason);
    holds[0].clone()
}

pub(crate) fn id(hold: &Value) -> &str {
    hold["id"].as_str().unwrap()
}

/// Waits until the directory is told of it, too.
fn is_told(bench: &Bench, hold: &Value) {
    quietly("the directory to be told of it, too", || {
        let report = bench.fleet.directory.api().get(UPSTREAM).map_err(|error| error.to_string())?;
        if report["status"]["holds"][0] == *hold {
            Ok(())
        } else {
            Err(report["status"]["holds"].to_string())
        }
    });
}

/// Releases it in the directory, once that is told of it.
pub(crate) fn release(bench: &Bench, hold: &Value) {
    is_told(bench, hold);
    done(&bench.fleet.directory, &["release", id(hold)]);
}

pub(crate) fn free(bench: &Bench) {
    bench.fleet.reason(&bench.agent, "Held", "NothingHeld");
}

pub(crate) fn gone(bench: &Bench, name: &str) {
    bench.until(&format!("{name} gone"), || is_gone(&bench.fleet, name));
}

/// Waits until it is noted in the replica that the directory was heard: else the next process takes it for a gap.
fn noted(bench: &Bench) {
    quietly("what was heard is noted", || {
        let lease = bench.api().get(LEASE).map_err(|error| error.to_string())?;
        let heard = &lease["metadata"]["annotations"]["multicluster.coreos.com/directory-heard"];
        if heard.is_string() { Ok(()) } else { Err(lease["metadata"].to_string()) }
    });
}

/// Many small Works, all applied.
pub(crate) fn fleet(count: usize) -> Bench {
    let bench = Bench::new();
    let name = |at: usize| format!("w{at:02}");
    for at in 0..count {
        put_work(&bench.fleet, &name(at), &json!([config_map("default", &name(at), "one")]));
    }
    for at in 0..count {
        until_told(&bench.fleet, &bench.agent, &name(at), "Applied", "Applied");
    }
    bench
}

#[test]
fn many_works_wait_and_a_word_lets_them_go() {
    let mut bench = fleet(25);
    for at in 0..10 {
        delete(&bench, &format!("w{at:02}"));
    }
    for at in 0..10 {
        gone(&bench, &format!("w{at:02}"));
    }
    for at in 10..13 {
        delete(&bench, &format!("w{at}"));
    }
    let hold = held(&bench, "ManyWorks");
    assert_eq!((&hold["works"], &hold["objects"]), (&json!(["w10", "w11", "w12"]), &json!(3)));
    bench.until("a Work to tell of it", || {
        let told = work(&bench.fleet, "w10")["status"].to_string();
        if told.contains(&format!("multicluster.coreos.com/release={}", id(&hold))) {
            Ok(())
        } else {
            Err(told)
        }
    });
    quietly("the Event", || {
        let events = bench.api().get(EVENTS).map_err(|error| error.to_string())?;
        let about = |event: &&Value| {
            event["reason"] == "DeletionHeld" && event["message"].to_string().contains(id(&hold))
        };
        events["items"].as_array().unwrap().iter().find(about).map(drop).ok_or_else(|| events.to_string())
    });
    assert_eq!(bench.agent.metrics().unwrap().get("muster_holds", &[]), Some(1.0));
    // What waits is kept right, also by another process, which knows what waits.
    bench.agent.kill().unwrap();
    bench.agent.restart().unwrap();
    bench.fleet.in_step(&bench.agent);
    let before = bench.api().get(&format!("{MAPS}/w11")).unwrap();
    bench.api().delete(&format!("{MAPS}/w11")).unwrap();
    bench.until("what somebody deleted is back", || {
        let now = bench.api().get(&format!("{MAPS}/w11")).map_err(|error| error.to_string())?;
        if version(&now).0 == version(&before).0 { Err(now.to_string()) } else { Ok(()) }
    });
    assert_eq!(held(&bench, "ManyWorks"), hold);
    // The copy in the cluster is written first.
    is_told(&bench, &hold);

    // A word on one Work is for that one; another id is for nobody.
    let refused = muster(&bench.fleet.directory, &["release", "0123456789abcdef"]);
    assert_eq!(refused.code, Some(1));
    for told in ["no cluster reports that one", id(&hold), "in east", "next:"] {
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
    annotate(&bench, "w10", "multicluster.coreos.com/release", id(&hold));
    gone(&bench, "w10");
    quietly("the others wait", || {
        let report = bench.api().get(REPORT).map_err(|error| error.to_string())?;
        let works = &report["status"]["holds"][0]["works"];
        if *works == json!(["w11", "w12"]) { Ok(()) } else { Err(works.to_string()) }
    });
    let status = quietly("status tells of it", || {
        let status = done(&bench.fleet.directory, &["status", OWN]);
        if status.contains("(w11, w12), is to go") { Ok(status) } else { Err(status) }
    });
    assert!(status.contains(&format!("kubectl muster release {}", id(&hold))), "{status}");
    let rehearsed = muster(&bench.fleet.directory, &["release", id(&hold), "--dry-run"]);
    assert!(rehearsed.stderr.contains("would go there"), "{}", rehearsed.stderr);
    done(&bench.fleet.directory, &["release", id(&hold)]);
    gone(&bench, "w11");
    gone(&bench, "w12");
    free(&bench);
    assert_eq!(made(&bench.fleet).len(), 12);
}

#[test]
fn all_works_at_once_wait_and_the_owner_of_the_replica_may_have_the_only_word() {
    let bench = fleet(3);
    for name in ["w00", "w01", "w02"] {
        delete(&bench, name);
    }
    let hold = held(&bench, "AllWorks");
    say_here(&bench, "multicluster.coreos.com/release-here-only", "true");
    let release = json!({"metadata": {"annotations": {"multicluster.coreos.com/release": id(&hold)}}});
    bench.fleet.directory.api().patch(&format!("{CLUSTERS}/{OWN}"), MERGE_PATCH, &release).unwrap();
    bench.until("the entry read", || {
        let copy = bench.api().get(&format!("{CLUSTERS}/{OWN}")).map_err(|error| error.to_string())?;
        let word = &copy["metadata"]["annotations"]["multicluster.coreos.com/release"];
        if word == id(&hold) { Ok(()) } else { Err(copy.to_string()) }
    });
    assert_eq!(held(&bench, "AllWorks"), hold);
    assert_eq!(made(&bench.fleet).len(), 3);
    // What is to be kept after all needs no word.
    annotate(&bench, "w02", "multicluster.coreos.com/deletion", "orphan");
    gone(&bench, "w02");
    bench.api().get(&format!("{MAPS}/w02")).unwrap();
    say_here(&bench, "multicluster.coreos.com/release", id(&hold));
    gone(&bench, "w00");
    gone(&bench, "w01");
    free(&bench);
    assert_eq!(made(&bench.fleet).len(), 0);
}

#[test]
fn most_of_a_work_waits_and_what_it_asks_for_is_applied() {
    let mut bench = fleet(1);
    put_work(&bench.fleet, "big", &some(0..30));
    until_told(&bench.fleet, &bench.agent, "big", "Applied", "Applied");
    let mut fewer: Vec<Value> = some(0..5).as_array().unwrap().clone();
    fewer.push(config_map("default", "new", "one"));
    put_work(&bench.fleet, "big", &json!(fewer));
    let hold = held(&bench, "MostOfWork");
    assert_eq!(hold["objects"], 25);
    bench.until("what is new is there", || {
        bench.api().get(&format!("{MAPS}/new")).map(drop).map_err(|error| error.to_string())
    });
    noted(&bench);
    bench.agent.kill().unwrap();
    bench.agent.restart().unwrap();
    bench.fleet.in_step(&bench.agent);
    assert_eq!(held(&bench, "MostOfWork"), hold);
    assert_eq!(made(&bench.fleet).len(), 32);
    let told = work(&bench.fleet, "big");
    assert_eq!(of_manifest(&told, 5, "Applied").0, "Applied");
    // They are wanted again.
    put_work(&bench.fleet, "big", &some(0..30));
    free(&bench);
    bench.until("what is not wanted again gone", || {
        let now = made(&bench.fleet);
        if now.len() == 31 { Ok(()) } else { Err(format!("{}", now.len())) }
    });
    // A Work that is deleted as a whole goes, whatever its size.
    delete(&bench, "big");
    gone(&bench, "big");
    assert_eq!(made(&bench.fleet).len(), 1);
}

/// No agent runs for a long time, and this Work is deleted meanwhile.
pub(crate) fn delete_in_a_gap(bench: &mut Bench, name: &str) {
    noted(bench);
    stop(&mut bench.agent);
    let long_ago = json!({"metadata": {"annotations": {
        "multicluster.coreos.com/directory-heard": "2026-01-01T00:00:00Z"}}});
    bench.api().patch(LEASE, MERGE_PATCH, &long_ago).unwrap();
    delete(bench, name);
    bench.agent.restart().unwrap();
}

#[test]
fn what_is_found_to_go_after_a_gap_goes_where_it_is_little_and_waits_where_it_is_much() {
    let mut bench = fleet(3);
    put_work(&bench.fleet, "big", &some(0..12));
    until_told(&bench.fleet, &bench.agent, "big", "Applied", "Applied");
    delete_in_a_gap(&mut bench, "w02");
    gone(&bench, "w02");
    free(&bench);
    assert_eq!(made(&bench.fleet).len(), 14);
    delete_in_a_gap(&mut bench, "big");
    let hold = held(&bench, "AfterGap");
    assert_eq!((&hold["works"], &hold["objects"]), (&json!(["big"]), &json!(12)));
    assert_eq!(made(&bench.fleet).len(), 14);
    assert_eq!(condition_of(&bench.api().get(REPORT).unwrap(), "WorksApplied").unwrap().0, "Incomplete");
    let command =
        format!("kubectl annotate mcl {OWN} --overwrite multicluster.coreos.com/release={}", id(&hold));
    crate::cli::shell(&bench.fleet.directory, bench.fleet.directory.folder(), &command);
    gone(&bench, "big");
    free(&bench);
}
