//! Something is to go, and waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::throughout;
use serde_json::{Value, json};

use super::{Lasting, play};
use crate::fleet::stop;
use crate::trail;
use crate::works::bench::{Bench, made, turnover};
use crate::works::{config_map, put_work, until_told, works};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[test]
fn a_deletion_that_waits_goes_on_after_a_word() {
    let bench = Bench::new();
    let theirs: Value = config_map("default", "theirs", "one");
    bench.api().create(MAPS, &theirs).unwrap();
    let names = ["a", "b", "c"];
    for name in names {
        put_work(&bench.fleet, name, &json!([config_map("default", name, "one")]));
        until_told(&bench.fleet, &bench.agent, name, "Applied", "Applied");
    }
    let mark = trail::mark(&bench.fleet.replica);
    for name in names {
        bench.fleet.directory.api().delete(&format!("{}/{name}", works())).unwrap();
    }
    let mut word = false;
    play(&bench, "A large deletion waits", &[], |done| {
        word |= done.contains("release");
        assert!(word || turnover(&bench.fleet, mark).is_empty(), "before the word");
    });
    bench.until("all of it gone", || {
        let now = made(&bench.fleet);
        if now.is_empty() { Ok(()) } else { Err(format!("{now:?}")) }
    });
    let gone = names.map(|name| (format!("delete configmaps default/{name}"), 1));
    assert_eq!(turnover(&bench.fleet, mark), BTreeMap::from(gone));
    bench.api().get(&format!("{MAPS}/theirs")).unwrap();
}

#[test]
fn a_fight_ends_where_one_leaves_the_field_to_the_other() {
    let bench = Bench::new();
    Lasting::put(&bench);
    put_work(&bench.fleet, "shop", &json!([config_map("default", "fought", "ours")]));
    until_told(&bench.fleet, &bench.agent, "shop", "Applied", "Applied");
    let (before, mark) = (made(&bench.fleet), trail::mark(&bench.fleet.replica));
    let over = AtomicBool::new(false);
    let path = format!("{MAPS}/fought");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let theirs = json!({"data": {"key": "theirs"}});
            while !over.load(Ordering::Relaxed) {
                if bench.api().get(&path).is_ok_and(|object| object["data"]["key"] == "ours") {
                    let _ = bench.api().patch(
                        &format!("{path}?fieldManager=rival-controller"),
                        MERGE_PATCH,
                        &theirs,
                    );
                }
                std::thread::sleep(Duration::from_millis(100)); // as a controller that polls
            }
        });
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            play(&bench, "Somebody else keeps changing an object", &[], |_| {});
        }));
        over.store(true, Ordering::Relaxed);
        played.unwrap_or_else(|cause| std::panic::resume_unwind(cause));
    });
    assert_eq!(bench.api().get(&path).unwrap()["data"]["key"], "theirs");
    assert_eq!((made(&bench.fleet), turnover(&bench.fleet, mark)), (before, BTreeMap::new()));
}

#[test]
fn a_work_whose_cluster_is_gone_can_be_let_go() {
    let mut bench = Bench::new();
    let kept = Lasting::put(&bench);
    stop(&mut bench.agent);
    bench.fleet.directory.api().delete(&format!("{}/kept", works())).unwrap();
    play(&bench, "A Work does not go, and its cluster is gone", &[], |_| {});
    bench.agent.restart().unwrap();
    bench.fleet.in_step(&bench.agent);
    throughout("what it made there", Duration::from_secs(4), || match made(&bench.fleet).len() {
        3 => Ok(()),
        left => Err(left.to_string()),
    })
    .unwrap();
    kept.is_unharmed(&bench);
}

#[test]
fn an_object_that_is_held_is_let_go_by_who_holds_it() {
    let bench = Bench::new();
    Lasting::put(&bench);
    put_work(&bench.fleet, "shop", &json!([config_map("default", "prices", "one")]));
    until_told(&bench.fleet, &bench.agent, "shop", "Applied", "Applied");
    let hold = json!({"metadata": {"finalizers": ["example.com/slow"]}});
    bench.api().patch(&format!("{MAPS}/prices"), MERGE_PATCH, &hold).unwrap();
    let mark = trail::mark(&bench.fleet.replica);
    bench.fleet.directory.api().delete(&format!("{}/shop", works())).unwrap();
    play(&bench, "A Work does not go, and an object of it is held", &[], |_| {});
    assert_eq!(turnover(&bench.fleet, mark), [("delete configmaps default/prices".to_owned(), 1)].into());
    assert_eq!(made(&bench.fleet).len(), 3);
}
