//! Somebody keeps changing what a Work wrote.

use std::time::Duration;

use super::*;
use crate::target::Target;

/// The reason of the first manifest of `app`, and its message.
fn told(world: &WorkWorld) -> (String, String) {
    let condition = &world.works["app"]["status"]["manifestConditions"][0]["conditions"][0];
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("message"))
}

fn world() -> (WorkWorld, Target) {
    let world = WorkWorld::in_step(&[("app", &[config("a")])]);
    let target = world.find("ConfigMap web/a");
    (world, target)
}

/// A manager of this name takes the field over, as often as it is put right, for so many seconds.
fn fight(world: &mut WorkWorld, it: &Target, manager: &str, seconds: u64) {
    for round in 0..seconds {
        if world.objects[it]["data"]["a"] == "1" {
            world.edit(it, |value| {
                value["data"] = json!({"a": format!("theirs {round}")});
                let entry =
                    json!({"manager": manager, "operation": "Update", "fieldsV1": {"f:data": {"f:a": {}}}});
                value["metadata"]["managedFields"].as_array_mut().unwrap().push(entry);
            });
        }
        world.tick(1);
    }
}

#[test]
fn a_fight_is_braked_for_as_long_as_it_lasts() {
    let (mut world, a) = world();
    fight(&mut world, &a, "rival", 100);
    let writes = world.written().len();
    assert!((6..20).contains(&writes), "{writes} corrections in 100 s of a fight");
    fight(&mut world, &a, "rival", 1_000);
    let writes = world.written().len();
    assert!((10..45).contains(&writes), "{writes} corrections in the next 1000 s");
}

#[test]
fn who_changes_an_object_of_a_large_work_before_that_has_its_turn_is_braked_too() {
    let mut many: Vec<Value> = (0..300).map(|number| config(&format!("c{number}"))).collect();
    let mut world = WorkWorld::in_step(&[]);
    world.work("app", &many);
    world.tick(10);
    let it = world.find("ConfigMap web/c0");
    let right = json!({"a": "asked for anew"});
    many[0]["data"] = right.clone();
    let (mut corrections, end) = (0, world.now + Duration::from_secs(100));
    world.deferring = true;
    world.work("app", &many);
    while world.now < end && corrections < 100 {
        if world.objects[&it]["data"] == right {
            corrections += 1;
            world.edit(&it, |value| value["data"] = json!({"a": "theirs"}));
        }
        if world.plans.is_empty() {
            world.wake();
        } else {
            world.carry_next();
        }
    }
    assert!((6..20).contains(&corrections), "{corrections} in {:?}", world.now);
}

#[test]
fn a_fight_is_reported_with_the_name_of_the_other_and_ends_when_they_stop() {
    let (mut world, a) = world();
    fight(&mut world, &a, "rival\u{202e}\n", 30);
    let (reason, message) = told(&world);
    assert_eq!(reason, "FoughtOver");
    assert!(message.starts_with("field manager rival\\u{202e}\\n keeps changing "), "{message}");
    world.tick(130);
    assert_eq!(told(&world), ("Applied".to_owned(), String::new()));
    assert_eq!(world.objects[&a]["data"]["a"], "1");
    // The brake is off: the next change is undone at once.
    world.forget();
    world.edit(&a, |value| value["data"] = json!({"a": "2"}));
    assert_eq!(world.written(), ["update ConfigMap web/a"]);
    world.tick(1);
    assert_eq!(told(&world).0, "Applied", "one change is no fight");
}

#[test]
fn who_keeps_deleting_an_object_is_braked_too() {
    let (mut world, a) = world();
    for _ in 0..60 {
        if world.objects.contains_key(&a) {
            world.remove(&a);
        }
        world.tick(1);
    }
    let creations = world.log.iter().filter(|line| line.starts_with("create")).count();
    assert!((6..16).contains(&creations), "{creations} in 60 s");
    assert_eq!(told(&world), ("FoughtOver".to_owned(), "somebody keeps changing or removing it".to_owned()));
}

#[test]
fn what_the_owner_took_over_is_no_fight() {
    let (mut world, a) = world();
    world.edit(&a, |value| value["metadata"]["annotations"][muster_api::marks::LET_GO] = "true".into());
    fight(&mut world, &a, "owner", 30);
    assert_eq!(world.written(), [""; 0]);
    assert_eq!(told(&world).0, "LetGo");
}
