//! Which Works that end are counted.

use super::*;

/// A Work `reads` that looks at what others made, and says so.
fn observing(objects: std::ops::Range<usize>) -> Vec<Value> {
    objects.map(|at| with(config(&format!("c{at:03}")), "apply", "observe")).collect()
}

#[test]
fn what_another_work_only_looks_at_or_once_had_is_counted() {
    let mut world = fleet(12);
    world.work("reads", &observing(0..12));
    world.tick(10);
    delete(&mut world, 0..12);
    world.tick(30);
    assert_eq!((deleted(&world), only(&world).objects), (0, 12));

    let mut world = WorkWorld::in_step(&[("b", &some(0..30)), ("other", &[config("other")])]);
    for at in 0..12 {
        world.work(&format!("w{at:03}"), &some(at..at + 1));
    }
    world.work("b", &some(12..30));
    world.tick(30);
    assert_eq!((deleted(&world), world.engine.holds()), (0, vec![]), "they moved");
    for online in [true, false] {
        if !online {
            world.restart(true);
            world.tick(10);
        }
        delete(&mut world, if online { 0..1 } else { 1..12 });
        world.tick(30);
        let expected = usize::from(online);
        assert_eq!((deleted(&world), world.engine.holds().len()), (expected, 1 - expected));
    }
}

#[test]
fn works_that_are_suspended_are_judged_once_they_are_not() {
    let mut world = fleet(12);
    for at in 0..11 {
        world.annotate(&format!("w{at:03}"), "suspend", &"true".into());
    }
    delete(&mut world, 0..11);
    world.tick(30);
    assert_eq!((deleted(&world), world.engine.holds()), (0, vec![]));
    for at in 0..11 {
        world.annotate(&format!("w{at:03}"), "suspend", &Value::Null);
    }
    world.tick(30);
    assert_eq!((deleted(&world), only(&world).work_count), (0, 11));
}

#[test]
fn works_that_were_made_anew_and_say_nothing_clear_yet_are_judged_by_what_may_go() {
    let mut world = fleet(12);
    for at in 0..12 {
        let name = format!("w{at:03}");
        world.drop_work(&name);
        world.work(&name, &[with(config("other"), "deletion", "perhaps")]);
        world.annotate(&name, "deletion", &"perhaps".into());
    }
    world.tick(60);
    assert_eq!((deleted(&world), only(&world).work_count), (0, 12));
}

#[test]
fn works_that_made_nothing_are_not_counted() {
    let mut world = WorkWorld::in_step(&[("w000", &[config("c000")])]);
    world.refused.insert("ConfigMap".into(), Failure::Forbidden);
    world.work("w001", &[config("c001")]);
    world.work("w002", &[config("c002")]);
    world.tick(20);
    delete(&mut world, 0..3);
    world.tick(20);
    assert_eq!((world.gone(), world.engine.holds()), (vec!["delete ConfigMap web/c000"], vec![]));
}

#[test]
fn more_works_than_are_read_at_once_are_judged_together() {
    let mut world = fleet(300);
    delete(&mut world, 0..80);
    world.tick(30);
    assert_eq!((deleted(&world), only(&world).work_count), (0, 80));
}

#[test]
fn works_that_were_made_anew_and_ask_for_the_same_wait_for_no_word() {
    let mut world = fleet(12);
    for at in 0..12 {
        world.drop_work(&format!("w{at:03}"));
        world.work(&format!("w{at:03}"), &[config(&format!("c{at:03}"))]);
    }
    world.tick(60);
    assert_eq!((deleted(&world), world.engine.holds()), (0, vec![]));
    assert_eq!(world.there().len(), 12);
    world.check_rest();
}

#[test]
fn what_is_of_a_kind_that_is_not_served_counts() {
    let manifests = ["one", "two", "three"].map(|name| (name, [widget("web", name)]));
    let mut world = WorkWorld::in_step(&[("kinds", &[definition()])]);
    for (name, manifests) in &manifests {
        world.work(name, manifests);
    }
    world.tick(5);
    let recorded = |world: &WorkWorld| {
        let applied = |name: &str| world.ledgers[name].ledger.applied.clone().unwrap_or_default().len();
        ["one", "two", "three"].map(applied)
    };
    assert_eq!(recorded(&world), [1, 1, 1]);
    let widgets = world.served.iter().find(|resource| resource.kind == "Widget").unwrap().clone();
    world.served.remove(&widgets);
    world.restart(true);
    world.tick(60);
    assert_eq!(recorded(&world), [1, 1, 1], "nobody can tell that they are gone");
    for name in ["one", "two", "three", "kinds"] {
        world.delete_work(name);
    }
    world.tick(30);
    assert_eq!(only(&world).reason, "AllWorks");
    world.served.insert(widgets);
    world.tick(60);
    assert_eq!(world.gone(), [""; 0]);
}
