//! What somebody else does to the records, the finalizers and the statuses of Works.

use super::*;

type Edit = fn(&mut WorkWorld);

#[test]
fn a_ledger_that_is_changed_while_the_directory_is_away_is_put_back_from_what_is_left_of_it() {
    let edits: [(&str, Edit); 3] = [
        ("its phase", |world| {
            world.edit_ledger("app", |ledger| ledger.phase = crate::ledger::Phase::Deleting);
        }),
        ("its directory", |world| {
            world.edit_ledger("app", |ledger| ledger.directory = "another".into());
        }),
        ("its generation", |world| {
            world.edit_ledger("app", |ledger| ledger.generation = 70);
        }),
    ];
    for (what, edit) in edits {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        let before = world.ledgers["app"].ledger.clone();
        world.disconnect();
        edit(&mut world);
        world.tick(5);
        assert!(world.ledgers["app"].ledger.same_record(&before), "{what}");
        assert_eq!(world.gone(), [""; 0], "{what}");
        world.forget();
        world.remove(&world.find("ConfigMap web/a"));
        assert_eq!(world.written()[0], "create ConfigMap web/a", "{what}");
        world.connect();
        world.tick(60);
        assert_eq!(world.gone(), [""; 0], "{what}");
    }
}

#[test]
fn a_ledger_that_cannot_be_put_back_is_told() {
    let edits: [(&str, Edit); 2] = [
        ("lost", |world| world.lose_ledger("app")),
        ("emptied", |world| {
            world.edit_ledger("app", |ledger| (ledger.items, ledger.resources) = Default::default());
        }),
    ];
    for (what, edit) in edits {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.disconnect();
        edit(&mut world);
        world.tick(30);
        let (_, message, _) = world.engine.works.told();
        assert!(message.contains("the record of app was changed or removed by hand"), "{what}: {message}");
        assert_eq!(world.written(), [""; 0], "{what}");
        world.connect();
        world.tick(60);
        let (_, message, _) = world.engine.works.told();
        assert_eq!(message, "", "{what}");
    }
}

#[test]
fn a_status_that_the_directory_does_not_keep_is_written_ever_more_rarely_and_that_is_told() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    let mut writes = 0;
    for _ in 0..100 {
        if world.works["app"]["status"]["conditions"].is_array() {
            writes += 1;
            world.edit_work("app", |work| work["status"] = json!({}));
        }
        world.tick(1);
    }
    assert!((6..20).contains(&writes), "{writes} writes in 100 s of a fight");
    let (_, message, _) = world.engine.works.told();
    assert!(message.contains("somebody keeps changing the finalizers or the status of app"), "{message}");
    world.tick(180);
    assert!(world.works["app"]["status"]["conditions"].is_array());
    assert_eq!(world.engine.works.told().1, "", "the fight is over, and is still told");
}

#[test]
fn a_finalizer_that_somebody_takes_off_again_and_again_is_set_ever_more_rarely() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    for _ in 0..100 {
        if world.is_held("app") {
            world.edit_work("app", |work| work["metadata"]["finalizers"] = json!([]));
        }
        world.tick(1);
    }
    let writes = world.written().iter().filter(|line| *line == "finalize app").count();
    assert!((6..20).contains(&writes), "{writes} writes in 100 s of a fight");
    let (_, message, _) = world.engine.works.told();
    assert!(message.contains("somebody keeps changing the finalizers or the status of app"), "{message}");
    world.tick(180);
    assert!(world.is_held("app"));
    assert_eq!(world.engine.works.told().1, "", "the fight is over, and is still told");
}

#[test]
fn what_cannot_be_written_of_a_work_is_no_fight() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    world.refused.insert("reports".into(), crate::Failure::Unavailable);
    world.work("app", &[config("a"), config("b")]);
    world.tick(120);
    assert_eq!(world.engine.works.told().1, "", "while it is refused");
    world.refused.clear();
    world.tick(60);
    assert_eq!(world.works["app"]["status"]["conditions"][0]["observedGeneration"], json!(2));

    let mut world = WorkWorld::in_step(&[]);
    world.fixed = Some(crate::Failure::Unavailable);
    world.work("app", &[config("a")]);
    world.tick(120);
    let (_, message, _) = world.engine.works.told();
    assert!(!message.contains("somebody"), "{message}");
    world.fixed = None;
    world.tick(60);
    assert!(world.is_held("app"));
    assert_eq!(world.engine.works.told().1, "");
}

#[test]
fn whoever_changes_a_work_faster_than_it_is_written_is_told_and_outrun_no_oftener() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    world.refused.insert("reports".into(), crate::Failure::Conflict);
    world.work("app", &[config("a"), config("b")]);
    let refused = |world: &WorkWorld| world.reads.iter().filter(|line| *line == "report refused").count();
    for second in 0..100 {
        world.edit_work("app", |work| work["metadata"]["annotations"] = json!({"note": second.to_string()}));
        world.tick(1);
    }
    let attempts = refused(&world);
    assert!((6..20).contains(&attempts), "{attempts} attempts in 100 s");
    let (_, message, _) = world.engine.works.told();
    assert!(message.contains("somebody keeps changing the finalizers or the status of app"), "{message}");
    world.refused.clear();
    world.tick(90);
    assert_eq!(world.works["app"]["status"]["conditions"][0]["observedGeneration"], json!(2));
    assert_eq!(world.engine.works.told().1, "");
}

#[test]
fn what_nobody_knows_of_is_looked_for_before_it_is_forgotten() {
    // The write came about, and its answer was lost; and the label is off, so that no watch shows the object.
    for restart in [false, true] {
        let mut world = WorkWorld::in_step(&[("app", &[config("b")])]);
        world.refused.insert("ConfigMap".into(), crate::Failure::Unavailable);
        world.work("app", &[config("a"), config("b")]);
        world.tick(60);
        let mark = world.objects[&world.find("ConfigMap web/b")]["metadata"].clone();
        let target = world::config_named("a");
        let wanted = world.ledgers["app"].ledger.items[0].clone();
        let maker = world.ledgers["app"].ledger.maker.clone();
        let text = crate::mark::Mark::of_work(&target, maker, "n", &wanted.digest()).text();
        let annotations = json!({muster_api::marks::MADE_FOR: text});
        world.make(&target, &json!({"metadata": {"annotations": annotations}, "data": {"a": "1"}}));
        assert!(mark.is_object());
        world.refused.clear();
        world.dead = restart;
        world.work("app", &[config("b")]);
        if restart {
            world.restart(true);
        }
        world.tick(30);
        assert_eq!(world.there(), ["ConfigMap web/b"], "{restart}: {:#?}", world.log);
        world.check_rest();
    }
}
