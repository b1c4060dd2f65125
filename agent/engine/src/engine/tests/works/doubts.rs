//! Whatever is in doubt deletes nothing.

use muster_api::Resource;

use super::super::landmark;
use super::*;
use crate::event::{Change, Event};
use crate::pin::{Found, Reading};
use crate::plan::Step;

const DOUBTS: [(&str, Act, Act); 9] = [
    ("the definition of Works was replaced", |world| world.landmarks.works_crd = landmark("other"), whole),
    ("it is being deleted", |world| world.landmarks.works_crd = going("w"), whole),
    ("the definition of Clusters is gone", |world| world.landmarks.clusters_crd = Reading::Absent, whole),
    (
        "the execution namespace was replaced",
        |world| world.landmarks.execution_namespace = Some(landmark("y")),
        whole,
    ),
    (
        "the execution namespace is going",
        |world| world.landmarks.execution_namespace = Some(going("x")),
        whole,
    ),
    ("another directory", |world| world.landmarks.directory = landmark("other"), whole),
    ("the own entry is missing", |world| world.set_entry(Value::Null), |world| world.set_entry(own_entry())),
    ("reads fail", |world| world.unreadable = true, |world| world.unreadable = false),
    ("there is no session", WorkWorld::disconnect, WorkWorld::connect),
];

/// Why a manifest of the Work `app` is applied, or is not.
fn reason(world: &WorkWorld, ordinal: usize) -> String {
    let conditions = &world.works["app"]["status"]["manifestConditions"][ordinal]["conditions"];
    let applied = conditions.as_array().into_iter().flatten().find(|told| told["type"] == "Applied");
    applied.map(|told| told["reason"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
}

fn going(uid: &str) -> Reading {
    Reading::Found(Found { uid: uid.into(), deleting: true })
}

fn own_entry() -> Value {
    json!({"metadata": {"name": "own", "uid": "own-uid", "resourceVersion": "5", "labels": {}}, "spec": {}})
}

fn whole(world: &mut WorkWorld) {
    world.landmarks = WorkWorld::new().landmarks;
}

const ENDS: [(&str, Act); 3] = [
    ("deleted", |world| world.delete_work("app")),
    ("gone", |world| world.drop_work("app")),
    ("dropped", |world| world.work("app", &[config("b")])),
];

#[test]
fn nothing_goes_while_the_directory_is_in_doubt_and_all_that_has_to_go_goes_after_it() {
    for (doubt, begins, ends) in DOUBTS {
        for (what, act) in ENDS {
            let mut world =
                WorkWorld::in_step(&[("app", &[config("a"), config("b")]), ("other", &[config("c")])]);
            // An outage hides that the Work went: then it is merely missing.
            let unseen = doubt == "there is no session" && what == "gone";
            begins(&mut world);
            act(&mut world);
            world.tick(300);
            assert_eq!(world.gone(), [""; 0], "{doubt}, {what}");
            assert_eq!(world.there().len(), 3, "{doubt}, {what}");
            ends(&mut world);
            world.tick(60);
            assert_eq!(world.gone().is_empty(), unseen, "{doubt}, {what}: {:#?}", world.log);
            assert!(world.there().contains(&"ConfigMap web/c".to_owned()));
        }
    }
}

#[test]
fn a_work_that_is_merely_missing_is_kept() {
    for restart in [false, true] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
        world.disconnect();
        let work = world.works.remove("app").unwrap();
        if restart {
            world.restart(true);
        } else {
            world.connect();
        }
        world.tick(300);
        assert_eq!(world.written(), [""; 0]);
        let a = world.find("ConfigMap web/a");
        world.edit(&a, |value| value["data"] = json!({}));
        assert_eq!(world.written(), ["update ConfigMap web/a"], "it is enforced");
        world.works.insert("app".into(), work);
        world.list_directory();
        world.tick(60);
        assert_eq!(world.written(), [""; 0]);
        world.delete_work("app");
        world.tick(5);
        assert_eq!(world.there(), [""; 0]);
    }
}

#[test]
fn an_older_generation_drops_nothing() {
    for restart in [false, true] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
        let older = world.works["app"].clone();
        world.work("app", &[config("a"), config("b")]);
        world.forget();
        world.disconnect();
        world.works.insert("app".into(), older);
        if restart {
            world.restart(true);
        } else {
            world.connect();
        }
        world.tick(120);
        assert_eq!(world.written(), [""; 0]);
        assert_eq!(world.there(), ["ConfigMap web/a", "ConfigMap web/b"]);
        // What is changed after that is followed.
        world.edit_work("app", |work| work["metadata"]["generation"] = 7.into());
        world.tick(10);
        assert_eq!(world.gone(), [""; 0], "who knows what else is older");
        world.release_all();
        world.tick(30);
        assert_eq!(world.gone(), ["delete ConfigMap web/b"]);
    }
}

#[test]
fn a_work_that_cannot_be_read_changes_nothing_and_can_still_be_deleted() {
    type Edit = fn(&mut Value);
    let edits: [(&str, Edit); 4] = [
        ("no workload", |work| work["spec"] = json!({})),
        ("no list", |work| work["spec"] = json!({"workload": {"manifests": "a"}})),
        ("an option", |work| {
            work["spec"] = json!({"workload": {"manifests": []}});
            work["metadata"]["annotations"]["multicluster.coreos.com/deletions"] = "orphan".into();
        }),
        ("a value", |work| {
            work["spec"] = json!({"workload": {"manifests": []}});
            work["metadata"]["annotations"]["multicluster.coreos.com/deletion"] = "perhaps".into();
        }),
    ];
    for (what, edit) in edits {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.edit_work("app", edit);
        world.tick(60);
        world.restart(true);
        world.tick(60);
        assert_eq!(world.written(), [""; 0], "{what}");
        let a = world.find("ConfigMap web/a");
        world.remove(&a);
        assert_eq!(world.written()[0], "create ConfigMap web/a", "{what}");
        world.delete_work("app");
        world.tick(10);
        // What is to become of the objects is not known where an option cannot be followed.
        let options = ["deletions", "deletion"].map(|name| format!("multicluster.coreos.com/{name}"));
        if ["an option", "a value"].contains(&what) {
            assert_eq!(world.there().len(), 2, "{what}");
            world.edit_work("app", |work| {
                let annotations = work["metadata"]["annotations"].as_object_mut().unwrap();
                annotations.retain(|key, _| !options.contains(key));
            });
            world.tick(10);
        }
        assert_eq!(world.there(), [""; 0], "{what}");
        assert!(world.ledgers.is_empty() && world.works.is_empty(), "{what}");
    }
}

#[test]
fn a_manifest_that_does_not_say_what_it_is_may_be_any_of_those_that_were_there() {
    let unsaid =
        [json!({"kind": "ConfigMap"}), json!("text"), json!({"apiVersion": "v1", "metadata": {"name": "a"}})];
    for unsaid in unsaid {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.work("app", &[unsaid, config("b")]);
        world.tick(300);
        assert_eq!(world.gone(), [""; 0]);
        assert_eq!(world.there(), ["ConfigMap web/a", "ConfigMap web/b"]);
        world.work("app", &[config("b")]);
        world.tick(30);
        assert_eq!(world.gone(), ["delete ConfigMap web/a"]);
    }
}

#[test]
fn a_manifest_that_becomes_wrong_takes_nothing_away() {
    let wrong = with(config("a"), "deletion", "perhaps");
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.work("app", &[wrong, config("b")]);
    world.tick(300);
    assert_eq!(world.gone(), [""; 0]);
}

#[test]
fn a_kind_that_is_not_served_any_more_takes_nothing_away() {
    let mut world = WorkWorld::in_step(&[("kinds", &[definition()])]);
    world.work("app", &[widget("web", "one"), config("a")]);
    world.forget();
    let widgets = world.served.iter().find(|resource| resource.kind == "Widget").unwrap().clone();
    world.served.remove(&widgets);
    world.work("app", &[widget("web", "one"), config_of("a", "2")]);
    world.restart(true);
    world.tick(120);
    assert_eq!(world.gone(), [""; 0]);
    assert!(world.there().contains(&"Widget web/one".to_owned()));
}

#[test]
fn of_a_kind_that_is_not_served_any_more_nobody_says_that_it_is_applied() {
    let mut world = WorkWorld::in_step(&[("kinds", &[definition()])]);
    world.work("app", &[widget("web", "one"), config("a")]);
    world.tick(1);
    world.forget();
    let widgets = world.served.iter().find(|resource| resource.kind == "Widget").unwrap().clone();
    let uid = |world: &WorkWorld| world.objects[&world.find("Widget web/one")]["metadata"]["uid"].clone();
    let before = uid(&world);
    world.served.remove(&widgets);
    let message = "404 page not found".to_owned();
    let change = Change::Failed(crate::Failure::NotServed, message);
    world.send(Event::Objects { resource: widgets.clone(), namespace: None, change });
    world.tick(1);
    assert_eq!([reason(&world, 0), reason(&world, 1)], ["Waiting", "Applied"]);
    // A server that begins to serve it again has nothing to show at first.
    let change = Change::Failed(crate::Failure::Unavailable, "storage is (re)initializing".into());
    world.send(Event::Objects { resource: widgets.clone(), namespace: None, change });
    world.tick(1);
    assert_eq!(reason(&world, 0), "Waiting");
    // The next process says the same.
    world.restart(true);
    world.tick(60);
    assert_eq!([reason(&world, 0), reason(&world, 1)], ["Waiting", "Applied"]);
    // It was away for a while: what is there is as it was.
    world.served.insert(widgets);
    world.restart(true);
    world.tick(60);
    assert_eq!(reason(&world, 0), "Applied");
    assert_eq!((uid(&world), world.written()), (before, Vec::new()));
}

#[test]
fn a_definition_that_does_not_end_is_asked_about_ever_more_rarely() {
    let mut world = WorkWorld::in_step(&[("kinds", &[definition()])]);
    world.work("app", &[widget("web", "one"), config("a")]);
    world.tick(1);
    let widgets = world.served.iter().find(|resource| resource.kind == "Widget").unwrap().clone();
    world.served.remove(&widgets);
    let change = Change::Failed(crate::Failure::NotServed, "404".into());
    world.send(Event::Objects { resource: widgets.clone(), namespace: None, change });
    world.tick(1);
    world.delete_work("app");
    world.tick(3);
    let before = world.reads.len();
    let version = world.works["app"]["metadata"]["resourceVersion"].clone();
    world.tick(300);
    let asked = world.reads.len() - before;
    assert!((4..20).contains(&asked), "{asked} questions in five minutes");
    assert_eq!(world.works["app"]["metadata"]["resourceVersion"], version, "the status says the same");
    assert!(world.there().contains(&"Widget web/one".to_owned()));
    // It is served again after all.
    world.served.insert(widgets);
    world.restart(true);
    world.tick(120);
    assert!(!world.works.contains_key("app"));
    assert!(!world.there().contains(&"Widget web/one".to_owned()));
}

#[test]
fn a_work_that_went_unseen_before_it_was_held_leaves_no_ledger_in_the_way_of_the_next() {
    for again in [false, true] {
        let mut world = WorkWorld::in_step(&[]);
        world.fixed = Some(crate::Failure::Unavailable);
        world.work("app", &[config("a")]);
        world.disconnect();
        world.fixed = None;
        world.delete_work("app");
        if again {
            world.work("app", &[config("b")]);
        }
        world.connect();
        world.tick(30);
        assert_eq!(world.gone(), [""; 0]);
        assert_eq!(world.there().len(), usize::from(again));
        assert_eq!(world.ledgers.len(), usize::from(again));
    }
}

#[test]
fn a_record_that_somebody_changed_meanwhile_is_read_again_before_it_goes() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    world.deferring = true;
    world.delete_work("app");
    let forgets = |world: &WorkWorld| {
        let steps = world.plans.iter().flat_map(|plan| &plan.steps);
        steps.into_iter().any(|step| matches!(step, Step::Forget { .. }))
    };
    for _ in 0..50 {
        match world.plans.is_empty() {
            _ if forgets(&world) => break,
            true => world.tick(1),
            false => world.carry_next(),
        }
    }
    assert!(forgets(&world) && world.there().is_empty());
    world.edit_ledger("app", |_| {});
    world.deferring = false;
    world.run();
    assert_eq!(world.log.last().map(String::as_str), Some("refused forget app"));
    assert!(world.ledgers.contains_key("app"));
    world.tick(5);
    assert_eq!(world.log.last().map(String::as_str), Some("forget app"));
    assert!(world.ledgers.is_empty());
}

#[test]
fn a_kind_that_is_away_for_a_moment_takes_nothing_with_it() {
    let text = |text: &'static str| std::borrow::Cow::Borrowed(text);
    // Of an API server behind the replica's own: nothing there defines it.
    let gauges = Resource {
        group: text("metering.example.com"),
        version: text("v1"),
        kind: text("Gauge"),
        plural: text("gauges"),
        scope: muster_api::Scope::Namespaced,
    };
    let gauge = json!({"apiVersion": "metering.example.com/v1", "kind": "Gauge",
        "metadata": {"name": "one", "namespace": "web"}});
    for back in [true, false] {
        let mut world = WorkWorld::new();
        world.served.insert(gauges.clone());
        world.work("app", &[gauge.clone(), config("a")]);
        world.start(true);
        world.tick(1);
        world.served.remove(&gauges);
        world.delete_work("app");
        world.tick(9);
        let seeks = |world: &WorkWorld| world.reads.iter().filter(|read| *read == "seek gauges").count();
        assert_eq!(seeks(&world), 1);
        assert!(world.is_held("app") && world.ledgers.contains_key("app"), "it may come back");
        if back {
            world.served.insert(gauges.clone());
        }
        world.tick(30);
        assert_eq!(world.gone().contains(&"delete Gauge web/one"), back, "{:#?}", world.log);
        assert!(world.works.is_empty() && world.ledgers.is_empty(), "{:#?}", world.log);
        assert_eq!(seeks(&world), 2);
    }
}
