//! Secrets in Works: their values lie beside the ledger and nowhere else.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;

use super::*;
use crate::Now;
use crate::failure::Failure;
use crate::target::Target;
use crate::values::{Key, Values, Vault};

mod bounds;
mod lost;
mod options;

fn secret_of(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "web"},
        "type": "Opaque", "data": {"user": "YWRtaW4="}, "stringData": {"password": value}})
}

fn secret(name: &str) -> Value {
    secret_of(name, "canary-1")
}

fn in_step() -> WorkWorld {
    WorkWorld::in_step(&[("app", &[secret("login"), config("a")])])
}

/// The password in an object.
fn password(world: &WorkWorld, target: &Target) -> String {
    let text = world.objects[target]["data"]["password"].as_str().unwrap();
    String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap()
}

fn login(world: &WorkWorld) -> Target {
    world.find("Secret web/login")
}

/// What is recorded, and what people are told.
fn said(world: &WorkWorld) -> String {
    let ledgers = world.ledgers.values().map(|kept| {
        let items: Vec<_> = kept.ledger.items.iter().map(|item| item.manifest().to_string()).collect();
        format!("{items:?} {kept:?}")
    });
    let statuses = world.works.values().map(|work| work["status"].to_string());
    let marks = world.objects.values().map(|object| object["metadata"].to_string());
    let conditions = world.engine.conditions(Now { mono: world.now, wall: Timestamp::UNIX_EPOCH });
    let conditions = conditions.iter().map(|condition| condition.message.clone());
    let engine = format!("{:?}", world.engine);
    ledgers.chain(statuses).chain(marks).chain(conditions).chain([engine]).collect::<Vec<_>>().join("\n")
}

fn nothing_is_said(world: &WorkWorld) {
    let said = said(world);
    for word in ["canary", &BASE64_STANDARD.encode("canary-1")[..10], "YWRtaW4"] {
        assert!(!said.contains(word), "{word}: {said}");
    }
}

#[test]
fn values_are_kept_before_the_ledger_refers_to_them_and_the_ledger_before_the_object() {
    let mut world = WorkWorld::in_step(&[]);
    world.work("app", &[secret("login"), config("a")]);
    let log = world.written();
    assert_eq!(
        log,
        [
            "finalize app",
            "seal app",
            "record app",
            "create Secret web/login",
            "create ConfigMap web/a",
            "settle app"
        ]
    );
    let login = login(&world);
    assert_eq!(password(&world, &login), "canary-1");
    assert_eq!(world.objects[&login]["data"]["user"], "YWRtaW4=");
    assert!(world.objects[&login].get("stringData").is_none());
    assert_eq!(world.vault("app").unwrap().values.digests().count(), 2);
    nothing_is_said(&world);
    world.restart(true);
    world.tick(90);
    assert_eq!(world.written(), [""; 0], "a restart with all right");
}

#[test]
fn a_change_of_a_value_is_one_more_write_before_and_the_old_value_goes_with_the_next() {
    let mut world = in_step();
    world.work("app", &[secret_of("login", "canary-2"), config("a")]);
    assert_eq!(world.written(), ["seal app", "record app", "update Secret web/login"]);
    assert_eq!(world.vault("app").unwrap().values.digests().count(), 3, "the old one, too");
    world.work("app", &[secret_of("login", "canary-3"), config("a")]);
    assert_eq!(world.written(), ["seal app", "record app", "update Secret web/login"]);
    assert_eq!(world.vault("app").unwrap().values.digests().count(), 3, "not the first");
    world.work("app", &[secret_of("login", "canary-3"), config_of("a", "2")]);
    assert_eq!(world.written(), ["record app", "update ConfigMap web/a"], "no value changed");
    let login = login(&world);
    assert_eq!(password(&world, &login), "canary-3");
    nothing_is_said(&world);
}

#[test]
fn a_value_that_nothing_refers_to_goes_by_itself_after_an_hour() {
    for restarts in [false, true] {
        let mut world = in_step();
        world.work("app", &[secret_of("login", "canary-2"), config("a")]);
        if restarts {
            world.restart(true);
        }
        world.tick(60 * 60 - 10);
        world.forget();
        assert_eq!(world.vault("app").unwrap().values.digests().count(), 3);
        world.tick(20);
        assert_eq!(world.written(), ["seal app"]);
        assert_eq!(world.vault("app").unwrap().values.digests().count(), 2);
        world.tick(2 * 60 * 60);
        assert_eq!(world.written(), [""; 0]);
    }
}

#[test]
fn a_secret_deleted_or_edited_by_hand_is_back_also_after_a_restart_without_the_directory() {
    for deleted in [true, false] {
        for (restarts, online) in [(false, true), (false, false), (true, false)] {
            let mut world = in_step();
            if restarts {
                world.restart(false);
            } else if !online {
                world.disconnect();
            }
            let login = login(&world);
            if deleted {
                world.remove(&login);
            } else {
                world.edit(&login, |value| value["data"]["password"] = "eA==".into());
            }
            world.tick(15);
            assert_eq!(password(&world, &login), "canary-1", "{deleted} {restarts} {online}");
            let wrote = if deleted { "create Secret web/login" } else { "update Secret web/login" };
            assert_eq!(world.written()[0], wrote);
            nothing_is_said(&world);
            if restarts {
                world.connect();
                world.tick(90);
                assert_eq!(world.written(), [""; 0], "in step");
            }
        }
    }
}

#[test]
fn a_work_without_secrets_any_more_loses_its_values() {
    let mut world = in_step();
    world.work("app", &[config("a")]);
    world.tick(15);
    let log = world.written();
    assert!(place(&log, "record app") < place(&log, "discard app"), "{log:#?}");
    assert_eq!((world.vault("app"), world.there()), (None, vec!["ConfigMap web/a".to_owned()]));
    world.work("app", &[config("a"), config("b")]);
    world.work("app", &[config("a"), config("b"), secret("login")]);
    world.tick(15);
    let login = login(&world);
    assert_eq!(password(&world, &login), "canary-1");
    world.restart(true);
    assert_eq!(world.written(), [""; 0]);
}

#[test]
fn values_of_a_secret_that_was_never_made_go_too_wherever_the_process_ends() {
    for step in 1.. {
        let mut world = WorkWorld::in_step(&[]);
        world.refused.insert("Secret".into(), Failure::Forbidden);
        world.work("app", &[secret("login"), config("a")]);
        world.tick(15);
        assert!(world.vault("app").is_some());
        world.crash = Some((step, world::Crash::Undone));
        world.work("app", &[config("a")]);
        world.tick(15);
        let ended = world.dead;
        world.crash = None;
        world.start(true);
        world.tick(15);
        assert_eq!(world.vault("app"), None, "{step} {:#?}", world.log);
        if !ended {
            assert!(step > 2, "{step}");
            return;
        }
    }
}

#[test]
fn of_a_deleted_work_the_values_go_after_the_finalizer_and_before_the_ledger() {
    let mut world = in_step();
    world.delete_work("app");
    world.tick(15);
    let log = world.written();
    let order = ["record end of app", "delete Secret web/login", "release app"].map(|line| place(&log, line));
    let discard = log.iter().position(|line| line.starts_with("discard")).unwrap();
    assert!(order.is_sorted() && order[2] < discard && discard < place(&log, "forget app"), "{log:#?}");
    assert!(world.vaults.is_empty() && world.ledgers.is_empty());
}

#[test]
fn a_work_goes_though_its_values_cannot_be_read() {
    let mut world = in_step();
    world.refused.insert("Values".into(), Failure::Forbidden);
    world.restart(true);
    world.delete_work("app");
    world.tick(15);
    assert_eq!(world.there(), [""; 0]);
    assert!(
        world.works.is_empty() && world.ledgers.contains_key("app"),
        "the ledger says that values are there"
    );
    world.refused.clear();
    world.tick(90);
    assert!(world.vaults.is_empty() && world.ledgers.is_empty(), "{:#?}", world.log);
}

#[test]
fn where_values_cannot_be_kept_nothing_is_recorded_and_it_is_said() {
    let mut world = WorkWorld::in_step(&[]);
    world.refused.insert("Values".into(), Failure::Forbidden);
    world.work("app", &[secret("login")]);
    world.tick(15);
    assert!(world.ledgers.is_empty() && world.there().is_empty());
    let status = world.works["app"]["status"].to_string();
    assert!(status.contains("LedgerUnusable"), "{status}");
    nothing_is_said(&world);
    world.refused.clear();
    world.tick(90);
    let login = login(&world);
    assert_eq!(password(&world, &login), "canary-1");
}

#[test]
fn what_is_there_is_ready_for_the_generation_that_is_recorded_and_for_no_other() {
    let mut world = in_step();
    world.refused.insert("Values".into(), Failure::Forbidden);
    world.work("app", &[secret_of("login", "canary-2"), config("a")]);
    world.tick(15);
    let work = &world.works["app"];
    let told: Vec<_> = work["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|told| (told["reason"].as_str().unwrap(), told["observedGeneration"].as_i64().unwrap()))
        .collect();
    let now = work["metadata"]["generation"].as_i64().unwrap();
    let expected = [("LedgerUnusable", now), ("Available", now - 1), ("Stopped", now), ("NotApplied", now)];
    assert_eq!(told, expected);
}

#[test]
fn a_secret_that_cannot_be_read_holds_nothing_else_up_and_is_not_repeated() {
    let mut wrong = secret("wrong");
    wrong["data"] = json!({"password": "canary-1 in the clear"});
    let mut world = WorkWorld::in_step(&[("app", &[wrong, secret("login"), config("a")])]);
    assert_eq!(world.there(), ["ConfigMap web/a", "Secret web/login"]);
    let status = world.works["app"]["status"].to_string();
    assert!(status.contains("data[password] is not base64"), "{status}");
    nothing_is_said(&world);
    world.tick(90);
    assert_eq!(world.written(), [""; 0]);
}

#[test]
fn secrets_without_data_and_immutable_ones_are_applied() {
    let empty = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "empty", "namespace": "web"}, "data": {}});
    let mut fixed = secret("fixed");
    fixed["immutable"] = true.into();
    let mut world = WorkWorld::in_step(&[("none", &[empty]), ("app", &[fixed])]);
    assert_eq!(world.there(), ["Secret web/empty", "Secret web/fixed"]);
    let fixed = world.find("Secret web/fixed");
    assert_eq!(world.objects[&fixed]["immutable"], true);
    assert_eq!(world.vault("none"), None);
    world.restart(true);
    world.tick(30);
    assert_eq!(world.written(), [""; 0]);
}
