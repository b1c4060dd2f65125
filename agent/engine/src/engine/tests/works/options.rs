//! Options that say what of an object is Muster's to write, and what is told of it.

use super::world::config_named;
use super::*;

fn told<'a>(world: &'a WorkWorld, work: &str, ordinal: usize, kind: &str) -> &'a Value {
    let conditions = &world.works[work]["status"]["manifestConditions"][ordinal]["conditions"];
    let found = conditions.as_array().into_iter().flatten().find(|condition| condition["type"] == kind);
    found.unwrap_or(&Value::Null)
}

fn says(world: &WorkWorld, kind: &str) -> (String, String) {
    let condition = told(world, "app", 0, kind);
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("message"))
}

fn of_work(world: &WorkWorld, kind: &str) -> (String, String) {
    let conditions = world.works["app"]["status"]["conditions"].as_array().unwrap();
    let condition = conditions.iter().find(|condition| condition["type"] == kind).unwrap();
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("message"))
}

fn noted(data: &str, note: &str) -> Value {
    let mut manifest = config_of("a", data);
    manifest["metadata"]["annotations"]["note"] = note.into();
    manifest
}

fn note(world: &WorkWorld) -> &Value {
    &world.objects[&config_named("a")]["metadata"]["annotations"]["note"]
}

const IGNORED: &str = "metadata.annotations.note";

#[test]
fn an_ignored_field_is_set_once_and_then_left_to_whoever_takes_it() {
    for restart in [false, true] {
        let mut world = WorkWorld::in_step(&[("app", &[with(noted("1", "ours"), "ignore", IGNORED)])]);
        assert_eq!(note(&world), "ours");
        world.edit(&config_named("a"), |value| value["metadata"]["annotations"]["note"] = "theirs".into());
        world.tick(5);
        if restart {
            world.restart(true);
            world.tick(5);
        }
        assert_eq!(world.written(), [""; 0], "it is no drift");
        // What else changes is written, and what they set stays; so it is when the manifest says something else of it.
        for data in ["2", "3"] {
            world.work("app", &[with(noted(data, data), "ignore", IGNORED)]);
            world.tick(5);
            assert_eq!(world.objects[&config_named("a")]["data"]["a"], data);
            assert_eq!(note(&world), "theirs");
            let writes = world.written();
            assert!(writes.contains(&"update ConfigMap web/a".to_owned()), "{writes:?}");
        }
        // Drift of another field is put right as ever.
        world.edit(&config_named("a"), |value| value["data"] = json!({}));
        world.tick(5);
        assert_eq!(world.objects[&config_named("a")]["data"]["a"], "3");
        assert_eq!(note(&world), "theirs");
    }
}

#[test]
fn a_field_that_is_ignored_from_now_on_keeps_its_value_also_when_it_leaves_the_manifest() {
    let mut world = WorkWorld::in_step(&[("app", &[noted("1", "ours")])]);
    world.work("app", &[with(noted("1", "other"), "ignore", IGNORED)]);
    world.tick(5);
    assert_eq!(note(&world), "ours", "it is not Muster's to change any more");
    world.work("app", &[with(config_of("a", "2"), "ignore", IGNORED)]);
    world.tick(5);
    assert_eq!(world.objects[&config_named("a")]["data"]["a"], "2");
    assert_eq!(note(&world), "ours", "what nobody else owns would go if it were not sent");
    // Without the option it is the manifest's again.
    world.work("app", &[noted("2", "mine")]);
    world.tick(5);
    assert_eq!(note(&world), "mine");
    let rest = world.written();
    world.tick(90);
    world.restart(true);
    world.tick(5);
    assert_eq!(world.written(), [""; 0], "after {rest:?}");
}

#[test]
fn without_ignore_the_same_edit_is_undone() {
    let mut world = WorkWorld::in_step(&[("app", &[noted("1", "ours")])]);
    world.edit(&config_named("a"), |value| value["metadata"]["annotations"]["note"] = "theirs".into());
    world.tick(5);
    assert_eq!(note(&world), "ours");
}

#[test]
fn a_change_between_reading_and_writing_is_not_overwritten() {
    let mut world = WorkWorld::in_step(&[("app", &[with(noted("1", "ours"), "ignore", IGNORED)])]);
    world.deferring = true;
    world.work("app", &[with(noted("2", "ours"), "ignore", IGNORED)]);
    // The ledger, and the read.
    while !world.reads.iter().any(|read| read.starts_with("look")) {
        world.carry_next();
    }
    world.edit(&config_named("a"), |value| value["metadata"]["annotations"]["note"] = "theirs".into());
    world.deferring = false;
    world.run();
    world.tick(10);
    assert_eq!(note(&world), "theirs");
    assert_eq!(world.objects[&config_named("a")]["data"]["a"], "2");
}

#[test]
fn values_follow_the_object_and_the_option() {
    let valued = |paths: &str| with(noted("1", "one"), "feedback", paths);
    let path = "note=.metadata.annotations.note";
    let given = with(valued(path), "ignore", IGNORED);
    let mut world = WorkWorld::in_step(&[("app", &[given])]);
    assert_eq!(says(&world, "Feedback"), ("Read".into(), r#"{"note":"one"}"#.into()));
    world.edit(&config_named("a"), |value| value["metadata"]["annotations"]["note"] = "two".into());
    assert_eq!(says(&world, "Feedback").1, r#"{"note":"two"}"#);
    world.work("app", &[with(valued("n=.metadata.name"), "ignore", IGNORED)]);
    world.tick(2);
    assert_eq!(says(&world, "Feedback").1, r#"{"n":"a"}"#);
    assert_eq!(world.reads.iter().filter(|read| read.starts_with("look")).count(), 1);
    world.restart(true);
    world.tick(2);
    assert_eq!(says(&world, "Feedback").1, r#"{"n":"a"}"#);
    world.work("app", &[with(noted("1", "two"), "ignore", IGNORED)]);
    world.tick(2);
    assert_eq!(told(&world, "app", 0, "Feedback"), &Value::Null);
}

#[test]
fn from_the_moment_on_that_a_work_asks_for_values_whole_objects_are_watched() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    let resource = config_named("a").resource;
    let before = world.engine.watched_edition();
    assert!(!world.engine.watches_whole(&resource));
    world.work("app", &[with(config("a"), "feedback", ".metadata.name")]);
    world.tick(2);
    assert!(world.engine.watches_whole(&resource));
    assert_ne!(world.engine.watched_edition(), before);
    // Also where what the Work asks for is another object of the kind by now.
    world.work("app", &[with(config("b"), "feedback", ".metadata.name")]);
    world.tick(10);
    assert_eq!(world.there(), ["ConfigMap web/b"]);
    assert!(world.engine.watches_whole(&resource));
}

#[test]
fn what_is_only_looked_at_is_compared_and_never_written() {
    let observed = with(config_of("a", "hunter2"), "apply", "observe");
    let mut world = WorkWorld::in_step(&[("app", &[observed])]);
    assert_eq!(says(&world, "Applied"), ("Differs".into(), "it is not there".into()));
    assert_eq!(says(&world, "Available").0, "Missing");
    world
        .make(&config_named("a"), &json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "theirs"}}));
    world.tick(61);
    assert_eq!(says(&world, "Applied"), ("Differs".into(), "data.a".into()));
    assert_eq!(says(&world, "Available").0, "Available");
    world.edit(&config_named("a"), |value| value["data"]["a"] = "hunter2".into());
    world.tick(61);
    assert_eq!(says(&world, "Applied").0, "Observed");
    assert_eq!(of_work(&world, "Applied").0, "Applied");
    assert_eq!(world.written(), [""; 0]);
    world.delete_work("app");
    world.tick(60);
    assert!(world.objects.contains_key(&config_named("a")) && world.works.is_empty());
    assert!(!world.log.iter().any(|line| line.contains("ConfigMap")), "{:?}", world.log);
}

#[test]
fn what_was_changed_and_is_left_so_is_told_by_its_fields() {
    let reported = with(noted("hunter2", "ours"), "on-drift", "report");
    let mut world = WorkWorld::in_step(&[("app", &[reported])]);
    world.edit(&config_named("a"), |value| value["data"]["a"] = "theirs".into());
    world.tick(2);
    assert_eq!(says(&world, "Applied"), ("Drifted".into(), "data.a".into()));
    let looks = |world: &WorkWorld| world.reads.iter().filter(|read| read.starts_with("look")).count();
    assert_eq!(looks(&world), 1);
    // Others go on with what is theirs: that is no reason to look again.
    world.edit(&config_named("a"), |value| value["metadata"]["labels"]["x"] = "y".into());
    world.tick(90);
    assert_eq!(looks(&world), 1);
    world.edit(&config_named("a"), |value| value["metadata"]["annotations"]["note"] = "theirs".into());
    world.tick(2);
    assert_eq!(says(&world, "Applied").1, "data.a, metadata.annotations.note");
    world.remove(&config_named("a"));
    world.tick(2);
    assert_eq!(says(&world, "Applied"), ("Drifted".into(), "it was deleted".into()));
}

#[test]
fn a_plan_for_a_new_work_is_told_and_leaves_no_trace() {
    let mut world = WorkWorld::new();
    world
        .make(&config_named("b"), &json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "theirs"}}));
    world.start(true);
    world.forget();
    world.edit_work("app", |work| {
        work["metadata"]["annotations"] = json!({"multicluster.coreos.com/plan-only": "true"});
        let manifests = [config("a"), config("b"), with(config_of("b", "2"), "on-conflict", "force")];
        work["spec"] = json!({"workload": {"manifests": manifests[..2]}});
    });
    world.tick(2);
    assert_eq!(says(&world, "Applied"), ("Planned".into(), "it would be created".into()));
    let refused = told(&world, "app", 1, "Applied")["message"].as_str().unwrap();
    assert_eq!(refused, "it would not be applied: it is there already, and is not Muster's");
    let whole = ("Planned".into(), "1 would be created; 1 would not be applied".into());
    assert_eq!(of_work(&world, "Applied"), whole);
    world.edit_work("app", |work| {
        let forced = with(config_of("b", "2"), "on-conflict", "force");
        work["spec"] = json!({"workload": {"manifests": [forced]}});
    });
    world.tick(2);
    assert_eq!(says(&world, "Applied").1, "it would be taken over, and changed: data.a");
    assert_eq!(world.written(), [""; 0]);
    assert!(!world.is_held("app") && world.ledgers.is_empty());
    // A Work of which nothing is there goes at once.
    world.delete_work("app");
    world.tick(2);
    assert!(world.works.is_empty());
    assert_eq!(world.written(), [""; 0]);
}

#[test]
fn a_plan_for_a_work_that_was_applied_tells_what_would_change_and_go() {
    let mut world = WorkWorld::in_step(&[("app", &[config_of("a", "hunter2"), config("b"), config("c")])]);
    world.annotate("app", "plan-only", &"true".into());
    world.work("app", &[config_of("a", "2"), config("b")]);
    world.tick(5);
    assert_eq!(says(&world, "Applied"), ("Planned".into(), "it would be changed: data.a".into()));
    let whole = of_work(&world, "Applied").1;
    assert_eq!(
        whole,
        "1 would be changed; 1 would stay as they are; 1 would be deleted: ConfigMap c in namespace web"
    );
    assert!(!world.log.iter().any(|line| line.contains("ConfigMap")), "{:?}", world.log);
    world.annotate("app", "plan-only", &Value::Null);
    world.tick(10);
    assert_eq!(world.there(), ["ConfigMap web/a", "ConfigMap web/b"]);
    assert_eq!(of_work(&world, "Applied").0, "Applied");
    assert_eq!(world.objects[&config_named("a")]["data"]["a"], "2");
}

fn bound_to(role: &str) -> Value {
    let mut binding = binding();
    binding["metadata"]["namespace"] = "web".into();
    binding["roleRef"]["name"] = role.into();
    with(binding, "apply", "replace")
}

#[test]
fn what_cannot_be_changed_is_made_anew_where_the_work_says_so() {
    for done_first in [false, true] {
        let mut world = WorkWorld::in_step(&[("app", &[bound_to("one")])]);
        world.done_first = done_first;
        let target = world.find("RoleBinding web/readers");
        let before = world.objects[&target]["metadata"]["uid"].clone();
        world.work("app", &[bound_to("two")]);
        world.tick(5);
        assert_eq!(world.objects[&target]["roleRef"]["name"], "two");
        assert_ne!(world.objects[&target]["metadata"]["uid"], before);
        let writes = world.written();
        let expected = [
            "record app",
            "immutable RoleBinding web/readers",
            "delete RoleBinding web/readers",
            "create RoleBinding web/readers",
            "settle app",
        ];
        assert_eq!(writes, expected);
        assert_eq!(says(&world, "Applied").0, "Applied");
        world.restart(true);
        world.tick(5);
        assert_eq!(world.written(), [""; 0]);
    }
}

#[test]
fn what_cannot_be_changed_is_told_and_tried_calmly_where_the_work_says_nothing() {
    let plain = |role: &str| with(bound_to(role), "apply", "apply");
    let mut world = WorkWorld::in_step(&[("app", &[plain("one")])]);
    world.work("app", &[plain("two")]);
    world.tick(5);
    let (reason, message) = says(&world, "Applied");
    assert_eq!(reason, "Immutable");
    assert_eq!(message, "x is invalid: roleRef: Invalid value: cannot change roleRef");
    world.forget();
    world.tick(600);
    let tries = world.log.iter().filter(|line| line.starts_with("immutable")).count();
    assert!((8..=25).contains(&tries), "{tries} in ten minutes");
    assert_eq!(world.gone(), [""; 0]);
}

#[test]
fn what_cannot_be_changed_and_is_deleted_by_hand_is_made_at_once_as_it_is_wanted() {
    let plain = |role: &str| with(bound_to(role), "apply", "apply");
    for waited in [1, 30, 300] {
        let mut world = WorkWorld::in_step(&[("app", &[plain("one")])]);
        world.work("app", &[plain("two")]);
        world.tick(waited);
        assert_eq!(says(&world, "Applied").0, "Immutable");
        let target = world.find("RoleBinding web/readers");
        world.remove(&target);
        world.tick(1);
        assert!(world.objects.contains_key(&target), "after {waited} s: {:#?}", world.log);
        assert_eq!(world.objects[&target]["roleRef"]["name"], "two");
    }
}

#[test]
fn what_could_not_come_back_does_not_go() {
    let mut world = WorkWorld::in_step(&[("app", &[bound_to("one")])]);
    world.refused.insert("new".into(), crate::failure::Failure::Invalid);
    world.work("app", &[bound_to("two")]);
    world.tick(120);
    assert_eq!(world.gone(), [""; 0]);
    let (_, message) = says(&world, "Applied");
    assert!(message.starts_with("what is there stays"), "{message}");
    world.refused.clear();
    world.tick(120);
    assert_eq!(world.objects[&world.find("RoleBinding web/readers")]["roleRef"]["name"], "two");
}

#[test]
fn what_is_protected_taken_over_or_not_the_works_own_is_never_made_anew() {
    let claim = |class: &str| {
        with(
            with(
                json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "web"},
                    "spec": {"storageClassName": class}}),
                "apply",
                "replace",
            ),
            "allow-deletion",
            "true",
        )
    };
    let mut world = WorkWorld::in_step(&[("app", &[claim("one")])]);
    world.work("app", &[claim("two")]);
    world.tick(120);
    assert_eq!(says(&world, "Applied").0, "Immutable");
    assert_eq!(world.gone(), [""; 0]);

    let acts: [Act; 2] = [
        |world| {
            let target = world.find("RoleBinding web/readers");
            world.edit(&target, |value| {
                value["metadata"]["annotations"]["multicluster.coreos.com/let-go"] = "true".into();
            });
        },
        |world| {
            // Somebody made another one of the name.
            let target = world.find("RoleBinding web/readers");
            world.remove(&target);
        },
    ];
    for act in acts {
        let mut world = WorkWorld::in_step(&[("app", &[bound_to("one")])]);
        world.deferring = true;
        world.work("app", &[bound_to("two")]);
        while !world.reads.iter().any(|read| read.starts_with("rehearse")) {
            world.carry_next();
        }
        act(&mut world);
        world.deferring = false;
        world.run();
        world.tick(10);
        assert_eq!(world.gone(), [""; 0], "{:?}", world.log);
    }
}

#[test]
fn values_of_a_status_follow_it() {
    let given = with(config("a"), "feedback", "ready=.status.ready");
    let mut world = WorkWorld::in_step(&[("app", &[given])]);
    assert_eq!(says(&world, "Feedback").1, "{}");
    world.edit(&config_named("a"), |value| value["status"] = json!({"ready": 1}));
    assert_eq!(says(&world, "Feedback").1, r#"{"ready":1}"#);
}

#[test]
fn what_is_to_be_made_anew_and_may_not_be_deleted_is_tried_with_pauses_and_told() {
    let mut world = WorkWorld::in_step(&[("app", &[bound_to("one"), config("a")])]);
    world.undeletable = Some(crate::Failure::Forbidden);
    world.work("app", &[bound_to("two"), config("a")]);
    world.tick(300);
    let tries = world.log.iter().filter(|line| line.starts_with("immutable")).count();
    assert_eq!(tries, 1, "it is known that it cannot be changed");
    let rehearsed = world.reads.iter().filter(|read| read.starts_with("rehearse")).count();
    assert!((2..=20).contains(&rehearsed), "{rehearsed}");
    let status = world.works["app"]["status"].to_string();
    assert!(status.contains("\"Forbidden\""), "{status}");
    world.undeletable = None;
    world.tick(120);
    let binding = world.find("RoleBinding web/readers");
    assert_eq!(world.objects[&binding]["roleRef"]["name"], "two");
    world.check_rest();
}

#[test]
fn what_is_only_looked_at_from_now_on_is_free_for_another_work_and_loses_its_marks_with_its_own() {
    let observed = || with(config("a"), "apply", "observe");
    let mut world = WorkWorld::in_step(&[("one", &[config("a"), config("b")])]);
    let uid = world.objects[&config_named("a")]["metadata"]["uid"].clone();
    world.work("one", &[observed(), config("b")]);
    world.tick(5);
    world.work("two", &[config_of("a", "2")]);
    world.tick(30);
    assert_eq!(world.objects[&config_named("a")]["data"]["a"], "2", "{:#?}", world.log);
    assert_eq!(world.objects[&config_named("a")]["metadata"]["uid"], uid);

    let mut world = WorkWorld::in_step(&[("one", &[config("a"), config("b")])]);
    world.work("one", &[observed(), config("b")]);
    world.tick(5);
    world.delete_work("one");
    world.tick(30);
    let left = &world.objects[&config_named("a")]["metadata"];
    assert!(left["annotations"].get("multicluster.coreos.com/made-for").is_none(), "{left}");
    assert_eq!((world.there(), world.works.len()), (vec!["ConfigMap web/a".to_owned()], 0));
}

#[test]
fn what_was_written_before_a_process_ended_is_no_drift() {
    let manifest = |data: &Value| {
        let mut config = with(config("a"), "on-drift", "report");
        config["data"] = data.clone();
        config
    };
    let crashes = (1..6).flat_map(|step| [(step, world::Crash::Unheard), (step, world::Crash::Undone)]);
    for crash in crashes {
        let mut world = WorkWorld::in_step(&[("app", &[manifest(&json!({"a": "1"}))])]);
        world.crash = Some(crash);
        world.work(
            "app",
            &[manifest(&json!({"a": "2", "more": "2"})), with(config("b"), "on-drift", "report")],
        );
        world.restart(true);
        world.tick(60);
        let status = world.works["app"]["status"]["conditions"][0].to_string();
        assert!(status.contains("\"reason\":\"Applied\""), "{crash:?}: {status}");
        assert_eq!(world.objects[&config_named("a")]["data"]["a"], "2", "{crash:?}");
    }
}
