//! Options that have a Secret compared with what is there: its values are opened for that, and never told.

use super::*;

/// Reason and message of the first manifest of `app`.
fn told(world: &WorkWorld) -> (String, String) {
    let conditions = &world.works["app"]["status"]["manifestConditions"][0]["conditions"];
    let applied = conditions.as_array().into_iter().flatten().find(|it| it["type"] == "Applied");
    let text = |field: &str| applied.unwrap()[field].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("message"))
}

fn change(world: &mut WorkWorld, value: &str) {
    let login = login(world);
    world.edit(&login, |it| it["data"]["password"] = BASE64_STANDARD.encode(value).into());
}

fn theirs(world: &mut WorkWorld) {
    let target = Target { name: "login".into(), ..secrets_target() };
    let data = json!({"user": "YWRtaW4=", "password": BASE64_STANDARD.encode("x")});
    world.make(&target, &json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": data}));
}

fn secrets_target() -> Target {
    Target { resource: muster_api::resource::SECRETS, namespace: Some("web".into()), name: "login".into() }
}

#[test]
fn a_secret_that_is_only_looked_at_is_compared_by_its_values() {
    for restart in [false, true] {
        let mut world = WorkWorld::new();
        theirs(&mut world);
        world.start(true);
        world.work("app", &[with(secret("login"), "apply", "observe")]);
        world.tick(10);
        assert_eq!(told(&world), ("Differs".into(), "data.password".into()));
        if restart {
            world.restart(true);
        }
        change(&mut world, "canary-1");
        world.tick(130);
        assert_eq!(told(&world), ("Observed".into(), String::new()));
        nothing_is_said(&world);
        assert!(!world.log.iter().any(|line| line.ends_with("Secret web/login")), "{:?}", world.log);
    }
}

#[test]
fn without_its_values_a_secret_is_not_compared_with_references() {
    let mut world = WorkWorld::new();
    theirs(&mut world);
    world.start(true);
    world.work("app", &[with(secret("login"), "apply", "observe")]);
    world.tick(10);
    world.vaults.clear();
    world.restart(false);
    change(&mut world, "canary-1");
    let looks = |world: &WorkWorld| world.reads.iter().filter(|read| read.starts_with("look")).count();
    let before = looks(&world);
    world.tick(300);
    assert_eq!(looks(&world), before, "nothing could be said of it");
    world.connect();
    world.tick(60);
    assert_eq!(told(&world), ("Observed".into(), String::new()));
    nothing_is_said(&world);
}

#[test]
fn a_plan_with_a_secret_is_told_and_its_values_are_kept_nowhere() {
    let plan = |world: &mut WorkWorld, manifest: Value| {
        world.edit_work("app", |work| {
            work["metadata"]["annotations"] = json!({"multicluster.coreos.com/plan-only": "true"});
            work["spec"] = json!({"workload": {"manifests": [manifest]}});
        });
        world.tick(10);
    };
    let mut world = WorkWorld::new();
    theirs(&mut world);
    world.start(true);
    plan(&mut world, secret("other"));
    assert_eq!(told(&world), ("Planned".into(), "it would be created".into()));
    plan(&mut world, with(secret("login"), "on-conflict", "force"));
    assert_eq!(told(&world).1, "it would be taken over, and changed: data.password");
    assert!(world.vaults.is_empty() && world.ledgers.is_empty() && !world.is_held("app"));
    // A finalizer of an earlier time changes nothing of that.
    world.edit_work("app", |work| {
        work["metadata"]["finalizers"] = json!([muster_api::marks::WORK_FINALIZER]);
    });
    plan(&mut world, secret("other"));
    assert_eq!(told(&world), ("Planned".into(), "it would be created".into()));
    assert!(world.vaults.is_empty() && world.ledgers.is_empty());
    nothing_is_said(&world);
    world.delete_work("app");
    world.annotate("app", "plan-only", &Value::Null);
    world.tick(30);
    assert!(world.works.is_empty() && world.vaults.is_empty() && world.ledgers.is_empty());
}

#[test]
fn a_plan_under_the_name_of_an_earlier_work_takes_nothing_over_before_it_is_carried_out() {
    let mut world = in_step();
    let before = world.uid("app");
    world.drop_work("app");
    world.edit_work("app", |work| {
        work["metadata"]["annotations"] = json!({"multicluster.coreos.com/plan-only": "true"});
        work["metadata"]["finalizers"] = json!([muster_api::marks::WORK_FINALIZER]);
        work["spec"] = json!({"workload": {"manifests": [secret("login"), config("a")]}});
    });
    world.tick(60);
    assert_eq!(world.ledgers["app"].ledger.maker.uid, before);
    assert!(world.vaults.contains_key(&before), "{:?}", world.log);
    assert_eq!(world.gone(), [""; 0]);
    world.annotate("app", "plan-only", &Value::Null);
    world.tick(60);
    assert_eq!(world.ledgers["app"].ledger.maker.uid, world.uid("app"));
    assert_eq!(world.gone(), [""; 0], "it is handed over");
    assert_eq!(world.there(), ["ConfigMap web/a", "Secret web/login"]);
}

#[test]
fn a_secret_that_was_changed_and_is_left_so_is_told_by_its_keys() {
    for restart in [false, true] {
        let reported = with(secret("login"), "on-drift", "report");
        let mut world = WorkWorld::in_step(&[("app", &[reported])]);
        if restart {
            world.restart(true);
        }
        change(&mut world, "canary-2");
        world.tick(30);
        assert_eq!(told(&world), ("Drifted".into(), "data.password".into()));
        nothing_is_said(&world);
    }
}

#[test]
fn values_that_are_left_to_others_stay_theirs_and_are_not_shown() {
    let of = |label: &str| {
        let mut manifest = with(secret("login"), "ignore", "data");
        manifest["metadata"]["labels"] = json!({"tier": label});
        manifest
    };
    let mut world = WorkWorld::in_step(&[("app", &[of("one")])]);
    change(&mut world, "canary-2");
    world.tick(10);
    assert_eq!(world.written(), [""; 0]);
    world.deferring = true;
    world.work("app", &[of("two")]);
    while !world.reads.iter().any(|read| read == "look Secret web/login") {
        world.carry_next();
        nothing_is_said(&world);
    }
    world.deferring = false;
    world.run();
    world.tick(10);
    let login = login(&world);
    assert_eq!(password(&world, &login), "canary-2");
    assert_eq!(world.objects[&login]["metadata"]["labels"]["tier"], "two");
    nothing_is_said(&world);
}

#[test]
fn a_secret_that_cannot_be_changed_is_made_anew_with_its_values() {
    let fixed = |value: &str| {
        let mut manifest = with(secret_of("login", value), "apply", "replace");
        manifest["immutable"] = true.into();
        manifest
    };
    for restart in [false, true] {
        let mut world = WorkWorld::in_step(&[("app", &[fixed("canary-1")])]);
        let login = login(&world);
        let before = world.objects[&login]["metadata"]["uid"].clone();
        if restart {
            world.restart(true);
        }
        world.work("app", &[fixed("canary-3")]);
        world.tick(30);
        assert_eq!(password(&world, &login), "canary-3");
        assert_ne!(world.objects[&login]["metadata"]["uid"], before);
        nothing_is_said(&world);
    }
}
