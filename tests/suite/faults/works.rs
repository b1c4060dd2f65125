//! The same of Works: lists of them that are not what they seem, and their definition that goes.

use std::time::Duration;

use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::throughout;
use serde_json::json;

use super::lies::{Answer, Collection, Lie, Mode, Shown};
use super::removal::{allow, definition, join_anew};
use super::{Bench, Held, MADE, WORK, kept};
use crate::works::{config_map, made, put_work, until_told, work, works};

/// Longer than a deletion waits for quiet, and for live reads.
const WHILE: Duration = Duration::from_secs(6);

/// What is told of Works.
type Told = &'static str;

/// What a directory may say of them.
const LIES: &[(&str, Lie, Told)] = &[
    ("none", Lie::Complete(Shown::None), "Applied"),
    ("one less", Lie::Complete(Shown::Without(WORK)), "Applied"),
    ("as they were", Lie::Complete(Shown::Stale), "Applied"),
    ("all of them going", Lie::Complete(Shown::Deleting), "Applied"),
    (
        "one less, and it is not there for who asks",
        Lie::Single(Shown::Without(WORK), Answer::Absent),
        "Applied",
    ),
    (
        "one less, and single ones are not served",
        Lie::Single(Shown::Without(WORK), Answer::NotServed),
        "Applied",
    ),
    (
        "one less, and single ones are refused",
        Lie::Single(Shown::Without(WORK), Answer::Status(403, "Forbidden")),
        "Applied",
    ),
    ("some bytes", Lie::Cut(300), "Pending"),
    ("one half", Lie::Half, "Pending"),
    ("one half, and the rest is not kept any more", Lie::Expired, "Pending"),
    ("401", Lie::Refused(Answer::Status(401, "Unauthorized")), "Pending"),
    ("403", Lie::Refused(Answer::Status(403, "Forbidden")), "Forbidden"),
    ("404", Lie::Refused(Answer::NotServed), "Pending"),
    ("500", Lie::Refused(Answer::Status(500, "InternalError")), "Pending"),
    ("429", Lie::Refused(Answer::Patience), "Pending"),
    ("a page of something else", Lie::Refused(Answer::Html), "Pending"),
    ("another group", Lie::Refused(Answer::OtherGroup), "Pending"),
    ("another kind", Lie::Refused(Answer::OtherKind), "Pending"),
    ("no version", Lie::Refused(Answer::Unversioned), "Pending"),
];

/// A Work whose object shows whether the agent follows the directory.
const STEADY: &str = "steady";

/// Changes that Work, and waits until that is followed.
fn follows(bench: &Bench, value: &str) {
    put_work(&bench.fleet, STEADY, &json!([config_map("default", STEADY, value)]));
    bench.wait("the agent to follow the directory", || {
        let path = format!("/api/v1/namespaces/default/configmaps/{STEADY}");
        let object = bench.fleet.replica.api().get(&path).map_err(|error| error.to_string())?;
        if object["data"]["key"] == value { Ok(()) } else { Err(object.to_string()) }
    });
}

#[test]
fn lists_of_works_that_lie_take_nothing_away() {
    let bench = Bench::new(&[]);
    let mode = Mode::of(&bench.fleet.directory);
    let stale = bench.fleet.directory.api().get(&works()).unwrap();
    // What the old list has of this Work asks for less.
    put_work(&bench.fleet, WORK, &MADE.map(kept).chain([config_map("default", "more", "one")]).collect());
    until_told(&bench.fleet, &bench.agent, WORK, "Applied", "Applied");
    follows(&bench, "beginning");
    for (says, lie, told) in LIES {
        println!("a directory that says of its Works: {says}");
        // So few are one page.
        if mode == Mode::Paged && matches!(lie, Lie::Half | Lie::Expired) {
            println!("left out: this version of Kubernetes streams no lists unless it is told to");
            continue;
        }
        let held = bench.held();
        let before = bench.examinations();
        let is_stale = matches!(lie, Lie::Complete(Shown::Stale));
        let real = if is_stale { stale.clone() } else { bench.fleet.directory.api().get(&works()).unwrap() };
        let mut rules = lie.tell(&bench.proxy, Collection::Works, mode, &real);
        let strikes = rules[0];
        rules.push(Collection::Works.forget(&bench.proxy));
        bench.proxy.disconnect();
        bench.hit(strikes, if lie.is_complete() { 1 } else { 3 });
        let shows_all = matches!(lie, Lie::Complete(Shown::Stale | Shown::Deleting));
        if lie.is_complete() && !shows_all {
            bench.examined(before);
        }
        bench.told(&[("WorksApplied", told), ("DirectoryReachable", "Reachable")]);
        bench.mends_what_works_made();
        bench.nothing_lost(&held);
        for rule in rules {
            bench.proxy.remove(rule);
        }
        bench.proxy.disconnect();
        follows(&bench, says);
        bench.told(&[("WorksApplied", "Applied")]);
        bench.nothing_lost(&held);
    }
}

#[test]
fn an_old_tombstone_is_not_that_of_the_work_that_bears_the_name_now() {
    const AGAIN: &str = "again";
    let bench = Bench::new(&[]);
    let path = format!("{}/{AGAIN}", works());
    let put = || {
        let manifests = ["again-a", "again-b"].map(|name| config_map("default", name, "one"));
        put_work(&bench.fleet, AGAIN, &json!(manifests));
        until_told(&bench.fleet, &bench.agent, AGAIN, "Applied", "Applied");
    };
    put();
    let api = bench.fleet.directory.api();
    let mut all = work(&bench.fleet, AGAIN)["metadata"]["finalizers"].as_array().unwrap().clone();
    all.push(json!("example.com/held"));
    api.patch(&path, MERGE_PATCH, &json!({"metadata": {"finalizers": all}})).unwrap();
    api.delete(&path).unwrap();
    bench.wait("the agent to be done with it", || {
        let left = work(&bench.fleet, AGAIN)["metadata"]["finalizers"].clone();
        if left == json!(["example.com/held"]) { Ok(()) } else { Err(left.to_string()) }
    });
    let stale = api.get(&works()).unwrap();
    api.patch(&path, MERGE_PATCH, &json!({"metadata": {"finalizers": null}})).unwrap();
    put();
    follows(&bench, "before");

    let held = bench.held();
    let mode = Mode::of(&bench.fleet.directory);
    let mut rules = Lie::Complete(Shown::Stale).tell(&bench.proxy, Collection::Works, mode, &stale);
    let strikes = rules[0];
    rules.push(Collection::Works.forget(&bench.proxy));
    bench.proxy.disconnect();
    bench.hit(strikes, 1);
    throughout("all there while the old list stands", WHILE, || {
        let now = made(&bench.fleet);
        if now == held.made { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .unwrap();
    bench.mends_what_works_made();
    bench.nothing_lost(&held);
    for rule in rules {
        bench.proxy.remove(rule);
    }
    bench.proxy.disconnect();
    follows(&bench, "after");
    until_told(&bench.fleet, &bench.agent, AGAIN, "Applied", "Applied");
    bench.nothing_lost(&held);
}

/// Lets the Work go that waits for the agent, as people do where that one may not say so. What it made stays.
pub(super) fn free(bench: &Bench, held: &Held) {
    bench.wait("the Work to be going", || {
        let work = work(&bench.fleet, WORK);
        if work["metadata"]["deletionTimestamp"].is_string() { Ok(()) } else { Err(work.to_string()) }
    });
    bench.corrects("west");
    bench.nothing_lost(held);
    let path = format!("{}/{WORK}", works());
    let free = json!({"metadata": {"finalizers": []}});
    bench.fleet.directory.api().patch(&path, MERGE_PATCH, &free).unwrap();
}

/// Makes the Work again under its name: it takes over what the other one made.
pub(super) fn made_again(bench: &Bench, held: &Held, deleted: &[&str]) {
    bench.put();
    until_told(&bench.fleet, &bench.agent, WORK, "Applied", "Applied");
    bench.only(held, deleted, &[]);
}

#[test]
fn their_definition_is_deleted_and_made_anew() {
    const CRD: &str = "works.multicluster.x-k8s.io";
    let mut bench = Bench::new(&[]);
    let held = bench.held();
    let refused = bench.fleet.directory.kubectl(&["delete", "crd", CRD]).unwrap();
    assert_ne!(refused.code, Some(0), "the admission policy lets it go");
    allow(&bench.fleet.directory, "crd", CRD);
    bench.fleet.directory.kubectl_ok(&["delete", "crd", CRD, "--wait=false"]).unwrap();
    bench.told(&[("DirectoryReachable", "BeingRemoved")]);
    free(&bench, &held);
    let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CRD}");
    bench.wait("the definition to go", || {
        bench.fleet.directory.api().get(&path).map_or(Ok(()), |crd| Err(crd["status"].to_string()))
    });
    bench.restart();
    bench.told(&[("DirectoryReachable", "BeingRemoved")]);
    bench.mends_what_works_made();
    bench.fleet.directory.apply(&definition(CRD)).unwrap();
    bench.proxy.disconnect();
    bench.told(&[("DirectoryReachable", "BeingRemoved")]);
    bench.nothing_lost(&held);
    join_anew(&bench);
    bench.settled();
    made_again(&bench, &held, &[]);
}
