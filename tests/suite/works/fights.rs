//! Another writer that wants a field in another way: it is answered less and less often, named, and forgotten.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::json;

use super::bench::turnover;
use super::{config_map, of_manifest, put_work, until_told, work};
use crate::fleet::{Fleet, REPORT, until};
use crate::trail;

const PATH: &str = "/api/v1/namespaces/default/configmaps/fought";

#[test]
fn a_fight_is_braked_reported_with_the_name_of_the_other_and_over_when_they_stop() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let replica = fleet.replica.api();
    put_work(
        &fleet,
        "app",
        &json!([config_map("default", "fought", "ours"), config_map("default", "b", "1")]),
    );
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    let mark = trail::mark(&fleet.replica);
    let edit = json!({"data": {"key": "theirs"}});
    let mut edits = 0;
    until(&agent, "the fight reported", || {
        if replica.get(PATH).map_err(|error| error.to_string())?["data"]["key"] == "ours" {
            replica.patch(&format!("{PATH}?fieldManager=rival-controller"), MERGE_PATCH, &edit).unwrap();
            edits += 1;
        }
        let told = work(&fleet, "app");
        match of_manifest(&told, 0, "Applied") {
            (reason, message) if reason == "FoughtOver" && message.contains("rival-controller") => {
                assert_eq!(message, "field manager rival-controller keeps changing data.key");
                Ok(())
            }
            seen => Err(format!("after {edits} edits: {seen:?}")),
        }
    });
    let told = work(&fleet, "app");
    assert_eq!(of_manifest(&told, 1, "Applied").0, "Applied", "the other object is at peace");
    // The other one goes on for ten seconds, and looks as often as tests do.
    let began = Instant::now();
    until(&agent, "the other one tired", || {
        if replica.get(PATH).unwrap()["data"]["key"] == "ours" {
            replica.patch(&format!("{PATH}?fieldManager=rival-controller"), MERGE_PATCH, &edit).unwrap();
            edits += 1;
        }
        if began.elapsed() < Duration::from_secs(10) { Err(format!("{edits} edits")) } else { Ok(()) }
    });
    let written = trail::writes(&fleet.replica, mark, trail::REPLICA_USER);
    let written = written.iter().filter(|event| event.name == "fought").count();
    println!("{edits} edits, {written} corrections");
    assert!((5..=12).contains(&written), "{written} corrections for {edits} edits");

    let looked = timed("the fight over", DEADLINE * 5, || {
        let told = work(&fleet, "app");
        match of_manifest(&told, 0, "Applied") {
            (reason, _) if reason == "Applied" => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    });
    looked.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    assert_eq!(replica.get(PATH).unwrap()["data"]["key"], "ours");
    assert_eq!(turnover(&fleet, mark), BTreeMap::new(), "nothing was made anew");
    let expected = json!({"total": 1, "applied": 1, "failing": 0, "held": 0});
    until(&agent, "the report counts the Work", || {
        let report = replica.get(REPORT).map_err(|error| error.to_string())?;
        if report["status"]["works"] == expected {
            Ok(())
        } else {
            Err(report["status"]["works"].to_string())
        }
    });
}
