//! What a planned Work says is what would happen.

use super::world::config_named;
use super::*;

fn plan(work: &mut Value, manifests: &[Value]) {
    work["metadata"]["annotations"]["multicluster.coreos.com/plan-only"] = "true".into();
    work["spec"] = json!({"workload": {"manifests": manifests}});
}

fn of_work(world: &WorkWorld, name: &str) -> String {
    world.works[name]["status"]["conditions"][0]["message"].as_str().unwrap_or_default().to_owned()
}

fn says(world: &WorkWorld, name: &str, ordinal: usize) -> String {
    let conditions = &world.works[name]["status"]["manifestConditions"][ordinal]["conditions"];
    let applied = conditions.as_array().unwrap().iter().find(|condition| condition["type"] == "Applied");
    applied.unwrap()["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_would_be_made_anew_left_to_others_or_only_told_is_said() {
    let mut world = WorkWorld::in_step(&[(
        "app",
        &[
            with(config("a"), "apply", "replace"),
            with(config("b"), "on-drift", "report"),
            with(config("c"), "ignore", "metadata.annotations.note"),
        ],
    )]);
    world.edit(&config_named("b"), |value| value["data"]["a"] = "theirs".into());
    world.forget();
    let changed = with(config_of("c", "2"), "ignore", "metadata.annotations.note");
    let manifests =
        [with(config_of("a", "2"), "apply", "replace"), with(config("b"), "on-drift", "report"), changed];
    world.edit_work("app", |work| plan(work, &manifests));
    world.tick(5);
    let replaced =
        "it would be changed, or deleted and made anew where a field of these cannot be changed: data.a";
    assert_eq!(says(&world, "app", 0), replaced);
    assert_eq!(
        says(&world, "app", 1),
        "it would stay as it is: others changed it, which is only told: data.a"
    );
    assert_eq!(
        says(&world, "app", 2),
        "it would be changed: data.a; left to others: metadata.annotations.note"
    );
    let whole = "1 were changed by others and would be left so; 1 would be changed; 1 would be changed, or deleted and made anew";
    assert_eq!(of_work(&world, "app"), whole);
    assert!(!world.log.iter().any(|line| line.contains("ConfigMap")), "{:?}", world.log);
}

#[test]
fn what_would_wait_for_a_namespace_or_a_definition_is_said_until_it_is_there() {
    let mut world = WorkWorld::in_step(&[]);
    let mut away = config("a");
    away["metadata"]["namespace"] = "away".into();
    let mut team = config("b");
    team["metadata"]["namespace"] = "team".into();
    let unknown = json!({"apiVersion": "other.example.com/v1", "kind": "Other", "metadata": {"name": "o", "namespace": "web"}});
    let manifests = [away, namespace("team"), team, definition(), widget("web", "one"), unknown];
    world.edit_work("app", |work| plan(work, &manifests));
    world.tick(5);
    let told: Vec<_> = (0..5).map(|at| says(&world, "app", at)).collect();
    let made = "it would be created";
    let waits = "it would be created once Namespace away is there";
    let served = "it would be created once CustomResourceDefinition widgets.example.com is served";
    assert_eq!(told, [waits, made, made, made, served]);
    let whole = "3 would be created; 1 would not be applied; 2 would wait for what is not there";
    assert_eq!(of_work(&world, "app"), whole);
    world.make(&world::namespace_named("away"), &json!({}));
    world.tick(5);
    assert_eq!(says(&world, "app", 0), made);
    assert_eq!(world.written(), [""; 0]);
}

#[test]
fn what_passes_from_one_work_to_another_is_said_on_both_sides() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.work("taker", &[config_of("a", "2")]);
    world.tick(5);
    world.edit_work("app", |work| plan(work, &[config("b")]));
    world.tick(5);
    let whole =
        "1 would stay as they are; 1 would be handed over to another Work: ConfigMap a in namespace web";
    assert_eq!(of_work(&world, "app"), whole);
    assert_eq!(world.gone(), [""; 0]);

    let mut world = WorkWorld::in_step(&[("giver", &[config("a"), config("b")])]);
    world.edit_work("app", |work| plan(work, &[config_of("a", "2")]));
    world.tick(5);
    assert_eq!(says(&world, "app", 0), "it would not be applied: it was made for giver");
    world.annotate("giver", "suspend", &"true".into());
    world.work("giver", &[config("b")]);
    world.tick(301);
    assert_eq!(says(&world, "app", 0), "it would be taken over from Work giver, and changed: data.a");
    assert_eq!(of_work(&world, "app"), "1 would be taken over from other Works");
    assert_eq!(world.gone(), [""; 0]);
}

#[test]
fn what_would_be_held_or_left_is_said() {
    let mut world = WorkWorld::in_step(&[(
        "app",
        &[namespace("team"), with(config("a"), "deletion", "orphan"), config("b")],
    )]);
    world.edit_work("app", |work| plan(work, &[]));
    world.tick(5);
    let whole = "1 would be deleted: ConfigMap b in namespace web; 1 would be held until somebody allows that it goes: Namespace team; 1 would be left without marks: ConfigMap a in namespace web";
    assert_eq!(of_work(&world, "app"), whole);
    assert_eq!(world.gone(), [""; 0]);
}
