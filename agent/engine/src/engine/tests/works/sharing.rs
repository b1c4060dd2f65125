//! One object, and more than one who want it.

use super::*;
use crate::failure::Failure;

fn theirs() -> WorkWorld {
    let mut world = WorkWorld::new();
    world.make(&world::config_named("a"), &json!({"data": {"a": "theirs"}}));
    world.start(true);
    world.tick(1);
    world.forget();
    world
}

#[test]
fn what_somebody_else_made_is_neither_written_nor_deleted() {
    let mut world = theirs();
    let a = world.find("ConfigMap web/a");
    let before = world.objects[&a].clone();
    world.work("app", &[config("a"), config("b")]);
    world.tick(120);
    assert_eq!(world.objects[&a], before);
    world.restart(true);
    world.tick(60);
    world.work("app", &[config("b")]);
    world.tick(30);
    world.work("app", &[config("a"), config("b")]);
    world.tick(30);
    world.delete_work("app");
    world.tick(30);
    assert_eq!(world.objects[&a], before);
    assert_eq!(world.there(), ["ConfigMap web/a"]);
    assert!(world.ledgers.is_empty() && world.works.is_empty());
}

#[test]
fn a_name_that_somebody_else_gives_free_is_taken() {
    let mut world = theirs();
    world.work("app", &[config("a")]);
    world.tick(10);
    world.remove(&world.find("ConfigMap web/a"));
    world.tick(90);
    assert_eq!(world.objects[&world.find("ConfigMap web/a")]["data"]["a"], "1");
    assert_eq!(world.ledgers["app"].ledger.applied.as_ref().unwrap().len(), 1);
}

#[test]
fn what_somebody_else_made_is_taken_over_where_the_work_says_so() {
    for (option, fields) in [("adopt", "theirs"), ("force", "1")] {
        let mut world = theirs();
        let uid = world.objects[&world.find("ConfigMap web/a")]["metadata"]["uid"].clone();
        world.work("app", &[with(config("a"), "on-conflict", option), config("b")]);
        world.tick(20);
        let object = &world.objects[&world.find("ConfigMap web/a")];
        assert_eq!((&object["metadata"]["uid"], &object["data"]["a"]), (&uid, &json!(fields)), "{option}");
        let taken = option == "force";
        assert_eq!(world.ledgers["app"].ledger.applied.as_ref().unwrap().len(), 1 + usize::from(taken));
        if taken {
            assert_eq!(
                world.log[2..5],
                ["refused ConfigMap web/a", "create ConfigMap web/b", "update ConfigMap web/a"]
            );
        }
        world.delete_work("app");
        world.tick(20);
        assert_eq!(world.there().is_empty(), taken, "{option}");
    }
    // Where no field of others differs, it is adopted.
    let mut world = WorkWorld::new();
    world.make(&world::config_named("a"), &json!({"data": {"a": "1"}}));
    world.work("app", &[with(config("a"), "on-conflict", "adopt")]);
    world.start(true);
    world.tick(1);
    assert_eq!(world.ledgers["app"].ledger.applied.as_ref().unwrap().len(), 1);
}

#[test]
fn the_second_who_wants_an_object_waits_and_takes_it_over_when_the_first_gives_it_up() {
    let gives: [(&str, Act); 2] = [
        ("deleted", |world| world.delete_work("one")),
        ("dropped", |world| world.work("one", &[config("b")])),
    ];
    for (what, give_up) in gives {
        for late in [false, true] {
            for restart in [false, true] {
                for done_first in [false, true] {
                    let case = format!("{what} late {late} restart {restart} done first {done_first}");
                    let mut world = WorkWorld::in_step(&[("one", &[config("a"), config("b")])]);
                    world.done_first = done_first;
                    let a = world.find("ConfigMap web/a");
                    let before = world.objects[&a].clone();
                    let two = [config_of("a", "2"), config("c")];
                    if !late {
                        world.work("two", &two);
                        world.tick(120);
                        assert_eq!(world.objects[&a], before, "{case}");
                        assert_eq!(world.ledgers["two"].ledger.applied.as_ref().unwrap().len(), 1, "{case}");
                    }
                    if restart {
                        world.dead = true;
                    }
                    give_up(&mut world);
                    if late {
                        world.work("two", &two); // before the window was quiet
                    }
                    if restart {
                        world.restart(true);
                    }
                    world.tick(30);
                    let object = &world.objects[&a];
                    assert_eq!(object["metadata"]["uid"], before["metadata"]["uid"], "{case}");
                    assert_eq!(object["data"]["a"], "2", "{case}: {:#?}", world.log);
                    assert!(!world.log.contains(&"delete ConfigMap web/a".to_owned()), "{case}");
                    assert_eq!(world.ledgers["two"].ledger.applied.as_ref().unwrap().len(), 2, "{case}");
                    assert_eq!(world.ledgers.contains_key("one"), what == "dropped", "{case}");
                    world.forget();
                    world.tick(60);
                    assert_eq!(world.written(), [""; 0], "{case}");
                    world.delete_work("two");
                    world.tick(10);
                    assert_eq!(world.there().len(), usize::from(what == "dropped"), "{case}");
                    world.check_rest();
                }
            }
        }
    }
}

#[test]
fn what_belongs_to_one_work_is_not_put_right_by_another_that_wants_it_too() {
    let mut world = WorkWorld::in_step(&[("one", &[config("a")]), ("two", &[config_of("a", "2")])]);
    let a = world.find("ConfigMap web/a");
    let owner = world.objects[&a]["metadata"]["annotations"].clone();
    for round in 0..4 {
        if round == 2 {
            world.restart(true);
        }
        world.edit(&a, |value| value["metadata"]["annotations"] = json!({}));
        world.tick(70);
        assert_eq!(world.objects[&a]["metadata"]["annotations"], owner, "{round}");
        world.strip(&a);
        world.tick(70);
        assert_eq!(world.objects[&a]["metadata"]["annotations"], owner, "{round}");
    }
}

#[test]
fn a_namespace_of_another_work_serves_as_well() {
    let mut world = WorkWorld::in_step(&[("one", &[namespace("team")])]);
    world.work("two", &[namespace("team"), role(), binding()]);
    assert_eq!(world.there(), ["Namespace team", "Role team/reader", "RoleBinding team/readers"]);
    assert_eq!(world.written().last().unwrap(), "settle two");
    world.delete_work("two");
    world.tick(10);
    assert_eq!(world.there(), ["Namespace team"]);
}

#[test]
fn who_may_not_delete_says_so_and_tries_again() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    world.undeletable = Some(Failure::Forbidden);
    world.delete_work("app");
    world.tick(120);
    assert_eq!(world.there(), ["ConfigMap web/a"]);
    assert!(world.is_held("app"));
    world.undeletable = None;
    world.tick(90);
    assert!(world.there().is_empty() && world.works.is_empty() && world.ledgers.is_empty());
}

#[test]
fn policies_and_works_leave_each_others_objects_alone() {
    // A Work's namespace bears a mark as those of policies do, and all namespaces are shown to policies.
    for stripped in [false, true] {
        let mut world = WorkWorld::in_step(&[("app", &[namespace("team"), config("a")])]);
        let team = world.find("Namespace team");
        let before = world.objects[&team]["metadata"]["annotations"].clone();
        if stripped {
            world.strip(&team);
        }
        world.tick(60);
        world.restart(true);
        world.tick(60);
        assert_eq!(world.objects[&team]["metadata"]["annotations"], before);
        assert_eq!((world.ledgers.len(), world.gone().len()), (1, 0));
    }
    let mut world = WorkWorld::new();
    let target = world::namespace_named("granted");
    let mark = crate::mark::Mark::of(&crate::item::Item::new(target.clone()), None, "n").text();
    let labels = json!({muster_api::marks::PART_OF: muster_api::marks::POLICY_SET});
    let annotations = json!({muster_api::marks::MADE_FOR: mark});
    world.make(&target, &json!({"metadata": {"labels": labels, "annotations": annotations}}));
    let before = world.objects[&target].clone();
    world.work("app", &[with(namespace("granted"), "on-conflict", "force")]);
    world.start(true);
    world.tick(60);
    assert_eq!(world.objects[&target], before);
}

#[test]
fn what_is_adopted_keeps_the_fields_of_others_and_drift_of_its_own_is_put_right() {
    let says = |fields: &[(&str, Value)]| {
        let mut config = with(config("a"), "on-conflict", "adopt");
        for (field, value) in fields {
            config[*field] = value.clone();
        }
        config
    };
    for restart in [false, true] {
        let mut world = WorkWorld::new();
        world.make(&world::config_named("a"), &json!({"data": {"a": "1"}, "immutable": false}));
        world.work("app", &[says(&[])]);
        world.start(true);
        world.tick(1);
        let a = world.find("ConfigMap web/a");
        world.edit(&a, |value| value["data"]["a"] = "hand".into());
        world.tick(5);
        assert_eq!(world.objects[&a]["data"]["a"], "1", "drift of what it owns");
        world.dead = restart;
        world.work("app", &[says(&[("immutable", true.into())])]);
        if restart {
            world.restart(true);
        }
        world.tick(120);
        assert_eq!(world.objects[&a]["immutable"], false, "restart {restart}");
        let status = world.works["app"]["status"].to_string();
        assert!(status.contains("others own fields of it"), "{status}");
        world.work("app", &[says(&[("data", json!({"a": "2"}))])]);
        world.tick(120);
        let object = &world.objects[&a];
        assert_eq!((&object["data"]["a"], &object["immutable"]), (&json!("2"), &json!(false)), "{restart}");
    }
}

#[test]
fn what_is_handed_over_to_who_leaves_it_as_it_is_found_keeps_the_fields_of_others() {
    for (option, value) in
        [("apply", "create"), ("on-drift", "report"), ("on-conflict", "adopt"), ("on-drift", "correct")]
    {
        let mut world =
            WorkWorld::in_step(&[("one", &[with(config("a"), "on-drift", "report"), config("b")])]);
        let a = world.find("ConfigMap web/a");
        world.edit(&a, |value| value["data"]["a"] = "theirs".into());
        world.work("two", &[with(config_of("a", "2"), option, value)]);
        world.work("one", &[config("b")]);
        world.tick(60);
        let expected = if value == "correct" { "2" } else { "theirs" };
        assert_eq!(world.objects[&a]["data"]["a"], expected, "{option} {value}");
        assert_eq!(world.gone(), [""; 0]);
    }
}

#[test]
fn what_the_owner_takes_over_before_it_is_deleted_stays() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    world.delete_work("app");
    world.deferring = true;
    for _ in 0..20 {
        let deletes = |plan: &crate::Plan| matches!(plan.steps[0], crate::Step::Delete(_));
        if world.plans.iter().any(deletes) {
            break;
        }
        if world.plans.is_empty() {
            world.tick(1);
        } else {
            world.carry_next();
        }
    }
    assert!(!world.plans.is_empty());
    let a = world.find("ConfigMap web/a");
    world.edit(&a, |value| value["metadata"]["annotations"][muster_api::marks::LET_GO] = "true".into());
    world.deferring = false;
    world.run();
    world.tick(60);
    assert_eq!(world.there(), ["ConfigMap web/a"]);
    assert!(world.works.is_empty() && world.ledgers.is_empty());
}
