//! The README's rule of deletions, line by line: what is meant goes at once, and what is large waits for somebody's word.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_tests::wait::{saw, timed};
use serde_json::{Value, json};

use crate::fleet::{OWN, REPORT, condition_of};
use crate::policies::{self, drop_policy, put_policy};
use crate::trail;
use crate::works::bench::{Bench, is_gone, made, turnover};
use crate::works::holding::{delete, delete_in_a_gap, fleet, free, gone, held, release};
use crate::works::leaving::leave;
use crate::works::{config_map, namespace, put_work, until_told};

const README: &str = include_str!("../../README.md");
/// The lines of the rule: what goes at once, and what waits. All of them are played below.
const RULE: [[&str; 2]; 5] = [
    [
        "one Work, whatever its size, and ten of them one by one",
        "more than ten Works, and more than a fifth of all, that are deleted within ten minutes",
    ],
    ["two Works, also where these are all", "all Works at once, where there were three or more"],
    [
        "ten objects that a new version of a Work drops, or half of what it had",
        "more than ten objects, and more than half of what the Work had",
    ],
    [
        "ten objects that are found to go after the agent had not heard of the directory for five minutes",
        "more than ten that are found so",
    ],
    [
        "a grant that a policy revokes, and all that a cluster takes along that leaves with `deregistration: Delete`",
        "always: a namespace, a definition or a volume, unless the manifest allows it",
    ],
];

/// What a deletion takes that nobody is asked about: two seconds without another one, and live reads. Ten times that is
/// waited for.
const FIGURE: Duration = Duration::from_secs(4);

/// Waits until something is gone that is to go at once, while nobody is asked about it: there are as many holds as before.
fn at_once(bench: &Bench, holds: usize, what: &str, look: impl FnMut() -> Result<(), String>) {
    let waited = timed(&format!("{what}: gone"), FIGURE * 10, look);
    waited.unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
    let report = bench.api().get(REPORT).unwrap();
    let there = report["status"]["holds"].as_array().map_or(0, Vec::len);
    assert_eq!(there, holds, "{what}: {report:#}");
}

fn maps(work: &str, number: usize) -> Value {
    (0..number).map(|at| config_map("default", &format!("{work}-{at}"), "one")).collect()
}

fn put(bench: &Bench, work: &str, manifests: &Value) {
    put_work(&bench.fleet, work, manifests);
    until_told(&bench.fleet, &bench.agent, work, "Applied", "Applied");
}

/// Whether so many objects of a Work are there.
fn there(bench: &Bench, work: &str, number: usize) -> Result<(), String> {
    let beginning = format!("configmaps default/{work}-");
    match made(&bench.fleet).keys().filter(|object| object.starts_with(&beginning)).count() {
        seen if seen == number => Ok(()),
        seen => Err(format!("{seen} objects")),
    }
}

/// The reasons of all holds.
fn reasons(bench: &Bench) -> Vec<String> {
    let report = bench.api().get(REPORT).unwrap();
    let holds = report["status"]["holds"].as_array().cloned().unwrap_or_default();
    let mut reasons: Vec<String> =
        holds.iter().filter_map(|hold| Some(hold["reason"].as_str()?.to_owned())).collect();
    reasons.sort();
    reasons
}

#[test]
fn the_readme_states_the_lines_that_are_played() {
    let (_, table) =
        README.split_once("| goes at once | waits for a word |\n").expect("the README has the rule");
    let lines: Vec<Vec<&str>> = table
        .lines()
        .skip(1)
        .map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| line.split(" | ").collect())
        .collect();
    assert_eq!(lines, RULE);
}

#[test]
fn ten_works_and_ten_objects_and_a_grant_go_at_once_and_one_more_waits_until_the_cluster_leaves() {
    let bench = fleet(25);
    put(&bench, "large", &maps("large", 40));
    put(&bench, "changing", &maps("changing", 34));
    let mut place = namespace("free");
    place["metadata"]["annotations"] = json!({"multicluster.coreos.com/allow-deletion": "true"});
    put(&bench, "places", &json!([place, namespace("kept"), config_map("default", "places-0", "one")]));
    let bindings = json!({"bindings": [{"clusterRole": "view", "groups": ["team"]}]});
    let spec =
        json!({"selector": {"cloud": "aws"}, "namespaces": [{"name": "team", "authorization": bindings}]});
    put_policy(&bench.fleet, "team", &spec);
    let grants = || {
        let made = policies::made(&bench.fleet.replica);
        made.into_keys().filter(|object| object.starts_with("RoleBinding ")).count()
    };
    bench.until("the grant", || if grants() == 1 { Ok(()) } else { Err(grants().to_string()) });
    let (all, mark) = (made(&bench.fleet), trail::mark(&bench.fleet.replica));

    let [goes, waits] = RULE[0];
    let one_by_one = std::iter::once("large".to_owned()).chain((0..9).map(|at| format!("w{at:02}")));
    for name in one_by_one {
        delete(&bench, &name);
        at_once(&bench, 0, &format!("{goes}: {name}"), || is_gone(&bench.fleet, &name));
    }
    delete(&bench, "w09");
    let hold = held(&bench, "ManyWorks");
    assert_eq!(hold["works"], json!(["w09"]), "{waits}");

    let [goes, waits] = RULE[2];
    for left in [24, 12] {
        put_work(&bench.fleet, "changing", &maps("changing", left));
        at_once(&bench, 1, &format!("{goes}: {left} left"), || there(&bench, "changing", left));
    }
    put_work(&bench.fleet, "changing", &maps("changing", 1));
    bench.until(waits, || match reasons(&bench) {
        reasons if reasons == ["ManyWorks", "MostOfWork"] => Ok(()),
        reasons => Err(format!("{reasons:?}")),
    });
    there(&bench, "changing", 12).unwrap();

    let [goes, waits] = RULE[4];
    put_work(&bench.fleet, "places", &json!([config_map("default", "places-0", "one")]));
    at_once(&bench, 2, "a namespace whose manifest allows it", || {
        match bench.api().get("/api/v1/namespaces/free") {
            Ok(seen) if seen["metadata"]["deletionTimestamp"].is_null() => Err(seen["status"].to_string()),
            _ => Ok(()),
        }
    });
    until_told(&bench.fleet, &bench.agent, "places", "Applied", "Kept");
    let kept =
        || bench.api().get("/api/v1/namespaces/kept").unwrap()["metadata"]["deletionTimestamp"].clone();
    assert!(kept().is_null(), "{waits}");
    drop_policy(&bench.fleet, "team");
    at_once(&bench, 2, &format!("{goes}: a grant"), || {
        if grants() == 0 { Ok(()) } else { Err(grants().to_string()) }
    });
    leave(&bench);
    let left = timed(&format!("{goes}: all"), FIGURE * 10, || {
        let report = bench.api().get(REPORT).map_err(|error| error.to_string())?;
        match (condition_of(&report, "Deregistered"), made(&bench.fleet)) {
            (Some((reason, _)), made) if reason == "EntryDeletedWithWorks" && made.is_empty() => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    });
    left.unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
    assert!(kept().is_null(), "{waits}");

    let turnover: BTreeMap<String, usize> = turnover(&bench.fleet, mark)
        .into_iter()
        .filter(|(write, _)| write.contains(" configmaps default/"))
        .collect();
    assert_eq!(turnover, all.into_keys().map(|object| (format!("delete {object}"), 1)).collect());
    saw("objects deleted once each, and none made anew", Duration::ZERO);
}

#[test]
fn two_works_and_ten_objects_after_a_gap_go_at_once_and_all_works_or_one_object_more_wait() {
    let mut bench = fleet(2);
    let mark = trail::mark(&bench.fleet.replica);
    let [goes, waits] = RULE[1];
    for name in ["w00", "w01"] {
        delete(&bench, name);
    }
    at_once(&bench, 0, goes, || is_gone(&bench.fleet, "w00").and_then(|()| is_gone(&bench.fleet, "w01")));
    let three = ["a", "b", "c"];
    for name in three {
        put(&bench, name, &maps(name, 1));
    }
    for name in three {
        delete(&bench, name);
    }
    let hold = held(&bench, "AllWorks");
    assert_eq!(hold["works"], json!(three), "{waits}");
    release(&bench, &hold);
    for name in three {
        gone(&bench, name);
    }
    free(&bench);

    let [goes, waits] = RULE[3];
    put(&bench, "ten", &maps("ten", 10));
    put(&bench, "eleven", &maps("eleven", 11));
    delete_in_a_gap(&mut bench, "ten");
    at_once(&bench, 0, goes, || is_gone(&bench.fleet, "ten"));
    delete_in_a_gap(&mut bench, "eleven");
    let hold = held(&bench, "AfterGap");
    assert_eq!((&hold["works"], &hold["objects"]), (&json!(["eleven"]), &json!(11)), "{waits}");
    there(&bench, "eleven", 11).unwrap();
    release(&bench, &hold);
    gone(&bench, "eleven");
    free(&bench);
    let turnover = turnover(&bench.fleet, mark);
    assert!(turnover.values().all(|times| *times == 1), "{OWN}: {turnover:?}");
    assert_eq!(turnover.keys().filter(|write| write.starts_with("delete ")).count(), 2 + 3 + 10 + 11);
}
