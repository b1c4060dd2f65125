//! The entry of the cluster is deleted and says that what Works made goes with it. What anybody keeps back stays.

mod anew;

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::AuditMark;
use muster_tests::proxy::{Action, Rule};
use muster_tests::wait::throughout;
use serde_json::json;

use super::bench::{Bench, made, turnover};
use super::{LEDGERS, config_map, namespace, put_work, put_work_with, until_told};
use crate::fleet::{CLUSTERS, OWN, REPORT, condition_of};
use crate::trail;

/// Where the objects lie that Works make here.
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn entry() -> String {
    format!("{CLUSTERS}/{OWN}")
}

/// The entry is deleted, and says so of the workloads. Something of people's own holds it, as the controller would.
pub(crate) fn leave(bench: &Bench) {
    let says = json!({
        "metadata": {"finalizers": ["example.com/held"]}, "spec": {"deregistration": "Delete"},
    });
    bench.fleet.directory.api().patch(&entry(), MERGE_PATCH, &says).unwrap();
    bench.fleet.directory.api().delete(&entry()).unwrap();
}

/// The same, and the first deletion passes, and no other.
fn leave_in_part(bench: &Bench) {
    let rest = bench.replica.add(Rule::on(MAPS, Action::Hold).method(Method::DELETE).skip(1));
    leave(bench);
    bench.until("one deletion made and others sent", || {
        match (bench.replica.hits(rest), names(bench).len()) {
            (1.., 2..=4) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    });
}

fn let_go(bench: &Bench) {
    let free = json!({"metadata": {"finalizers": null}});
    bench.fleet.directory.api().patch(&entry(), MERGE_PATCH, &free).unwrap();
}

fn names(bench: &Bench) -> Vec<String> {
    made(&bench.fleet).into_keys().collect()
}

fn bench() -> Bench {
    let bench = Bench::new();
    let config = |name: &str| config_map("default", name, "one");
    put_work(&bench.fleet, "app", &json!([config("a"), config("b"), config("c"), namespace("kept")]));
    let orphan = json!({"multicluster.coreos.com/deletion": "orphan"});
    put_work_with(&bench.fleet, "orphan", &orphan, &json!([config("orphan")]));
    put_work(&bench.fleet, "idle", &json!([config("idle")]));
    for work in ["app", "orphan", "idle"] {
        until_told(&bench.fleet, &bench.agent, work, "Applied", "Applied");
    }
    let suspend = json!({"multicluster.coreos.com/suspend": "true"});
    put_work_with(&bench.fleet, "idle", &suspend, &json!([config("idle")]));
    until_told(&bench.fleet, &bench.agent, "idle", "Applied", "Suspended");
    bench
}

#[test]
fn what_works_made_goes_with_an_entry_that_says_so_also_over_a_crash() {
    let mut bench = bench();
    leave_in_part(&bench);
    let message = bench.fleet.reason(&bench.agent, "Deregistered", "Leaving");
    assert!(message.contains("Work app"), "{message}");
    bench.agent.kill().unwrap();
    bench.open();
    bench.agent.restart().unwrap();
    let message = bench.fleet.reason(&bench.agent, "Deregistered", "EntryDeletedWithWorks");
    assert!(message.contains("Work idle (it is suspended"), "{message}");
    assert_eq!(names(&bench), ["configmaps default/idle"]);
    for kept in ["/api/v1/namespaces/default/configmaps/orphan", "/api/v1/namespaces/kept"] {
        let kept = bench.api().get(kept).unwrap();
        let marks = kept["metadata"]["labels"]["applyset.kubernetes.io/part-of"].is_null();
        assert!(marks && kept["metadata"]["deletionTimestamp"].is_null(), "{kept}");
    }
    let ledgers = bench.api().get(LEDGERS).unwrap();
    let left: Vec<_> =
        ledgers["items"].as_array().unwrap().iter().map(|kept| &kept["metadata"]["name"]).collect();
    assert_eq!(left, ["idle"]);
}

/// What is recorded says what was so. Whether it is still so nobody told the process that begins now.
#[test]
fn an_agent_that_begins_while_the_directory_is_away_deletes_nothing() {
    let mut bench = bench();
    leave_in_part(&bench);
    bench.agent.kill().unwrap();
    bench.directory.cut().unwrap();
    bench.open();
    let left = names(&bench);
    bench.agent.restart().unwrap();
    bench.until("what it waits for", || {
        let report = bench.api().get(REPORT).map_err(|error| error.to_string())?;
        match condition_of(&report, "Deregistered") {
            Some((reason, message)) if reason == "Leaving" && message.contains("has still to confirm") => {
                Ok(())
            }
            seen => Err(format!("{seen:?}")),
        }
    });
    throughout("all there", Duration::from_secs(5), || {
        let now = names(&bench);
        if now == left { Ok(()) } else { Err(format!("{now:?} of {left:?}")) }
    })
    .unwrap();
    bench.directory.restore().unwrap();
    bench.fleet.reason(&bench.agent, "Deregistered", "EntryDeletedWithWorks");
    assert_eq!(names(&bench), ["configmaps default/idle"]);
}

#[test]
fn an_entry_made_anew_in_the_midst_keeps_the_rest() {
    let bench = bench();
    let rest = bench.replica.add(Rule::on(MAPS, Action::Hold).method(Method::DELETE).skip(1));
    leave(&bench);
    bench.until("deletions sent", || match bench.replica.hits(rest) {
        1.. => Ok(()),
        seen => Err(seen.to_string()),
    });
    let_go(&bench);
    bench.fleet.entry(OWN, &json!({"cloud": "aws"}));
    bench.fleet.reason(&bench.agent, "Deregistered", "Member");
    bench.until("the ledger says that its objects are wanted", || {
        let ledger = bench.api().get(&format!("{LEDGERS}/app")).map_err(|error| error.to_string())?;
        match &ledger["spec"]["ledger"]["phase"] {
            phase if *phase == "Applying" => Ok(()),
            phase => Err(phase.to_string()),
        }
    });
    bench.open();
    // What was on its way goes yet, and comes again.
    bench.until("all that its Works ask for", || {
        let now = names(&bench);
        let there = |name: &&str| now.contains(&format!("configmaps default/{name}"));
        if ["a", "b", "c", "idle"].iter().all(there) { Ok(()) } else { Err(format!("{now:?}")) }
    });
    until_told(&bench.fleet, &bench.agent, "app", "Applied", "Applied");
}

/// What came and went, but for the copies of entries: these go with the own one, and come with it.
fn workloads(bench: &Bench, mark: AuditMark) -> BTreeMap<String, usize> {
    let all = turnover(&bench.fleet, mark).into_iter();
    all.filter(|(write, _)| !write.contains(" clusters ")).collect()
}

#[test]
fn what_works_made_stays_with_an_entry_that_says_nothing_and_is_taken_up_by_the_next_one() {
    let bench = bench();
    let (before, mark) = (made(&bench.fleet), trail::mark(&bench.fleet.replica));
    bench.fleet.directory.api().delete(&entry()).unwrap();
    bench.fleet.reason(&bench.agent, "Deregistered", "EntryDeleted");
    // What the directory asks for is nothing to it any more.
    put_work(&bench.fleet, "app", &json!([config_map("default", "a", "two")]));
    throughout("all there", Duration::from_secs(5), || {
        let now = made(&bench.fleet);
        if now == before { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .unwrap();
    assert_eq!(workloads(&bench, mark), BTreeMap::new());
    assert_eq!(bench.api().get(&format!("{MAPS}/a")).unwrap()["data"]["key"], "one");

    put_work(
        &bench.fleet,
        "app",
        &json!([config_map("default", "a", "two"), config_map("default", "b", "one")]),
    );
    bench.fleet.entry(OWN, &json!({"cloud": "aws"}));
    bench.fleet.reason(&bench.agent, "Deregistered", "Member");
    // The namespace that it asked for before is of a kind that goes by a word alone.
    until_told(&bench.fleet, &bench.agent, "app", "Applied", "Kept");
    bench.until("what it asks for no more gone", || {
        let now = made(&bench.fleet);
        if now.contains_key("configmaps default/c") { Err(format!("{now:?}")) } else { Ok(()) }
    });
    let now = made(&bench.fleet);
    assert!(now.iter().all(|(object, uid)| before[object] == *uid), "{now:?}");
    assert_eq!(workloads(&bench, mark), [("delete configmaps default/c".to_owned(), 1)].into());
    let kept = bench.api().get("/api/v1/namespaces/kept").unwrap();
    assert!(kept["metadata"]["deletionTimestamp"].is_null(), "{kept}");
}
