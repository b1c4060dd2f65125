//! What a Work asks for comes about: in order, once, and as far as it can.

use std::time::Duration;

use super::*;
use crate::event::Event;
use crate::failure::Failure;
use crate::plan::Step;

#[test]
fn a_new_work_is_recorded_and_held_before_its_objects_and_settled_after_them() {
    for done_first in [false, true] {
        let mut world = WorkWorld::in_step(&[]);
        world.done_first = done_first;
        world.work("app", &[config("a"), config("b"), config("c")]);
        let log = world.written();
        assert_eq!(sorted(log[..2].to_vec()), ["finalize app", "record app"], "{log:#?}");
        assert_eq!(
            sorted(log[2..5].to_vec()),
            ["create ConfigMap web/a", "create ConfigMap web/b", "create ConfigMap web/c"]
        );
        assert_eq!(log[5..], ["settle app"]);
        world.tick(90);
        assert_eq!((world.reads.len(), world.written()), (0, vec![]));
        world.restart(true);
        world.tick(90);
        assert_eq!(world.written(), [""; 0]);
    }
}

#[test]
fn no_object_is_written_before_record_and_finalizer_are_both_acknowledged() {
    for first in [0, 1] {
        let mut world = WorkWorld::in_step(&[("known", &[config("z")])]);
        world.deferring = true;
        world.work("app", &[config("a")]);
        let steps = world.plans.len();
        assert_eq!(steps, 2, "{:?}", world.plans);
        let plan = world.plans.remove(first).unwrap();
        world.plans.push_front(plan);
        world.carry_next();
        world.tick(30);
        assert_eq!((world.plans.len(), world.written().len()), (1, 1));
        world.deferring = false;
        world.run();
        assert!(world.there().contains(&"ConfigMap web/a".to_owned()));
    }
}

#[test]
fn where_the_finalizer_cannot_be_set_no_object_is_made() {
    let mut world = WorkWorld::in_step(&[]);
    world.fixed = Some(Failure::Forbidden);
    world.work("app", &[config("a")]);
    world.tick(300);
    assert_eq!(world.written(), ["record app"]);
    world.fixed = None;
    world.tick(90);
    assert_eq!(world.written(), ["finalize app", "create ConfigMap web/a", "settle app"]);
}

fn worst_order() -> Vec<Value> {
    vec![widget("team", "one"), binding(), config_in("team"), role(), definition(), namespace("team")]
}

fn config_in(namespace: &str) -> Value {
    let mut config = config("a");
    config["metadata"]["namespace"] = namespace.into();
    config
}

#[test]
fn in_the_worst_order_all_is_applied_without_a_retry() {
    for establishes in [true, false] {
        for done_first in [false, true] {
            let mut world = WorkWorld::in_step(&[]);
            world.done_first = done_first;
            world.establishes = establishes;
            world.work("app", &worst_order());
            if !establishes {
                assert!(!world.log.iter().any(|line| line.contains("Widget")), "{:#?}", world.log);
                world.establish("widgets.example.com");
                world.run();
            }
            let log = world.written();
            assert!(
                !log.iter().any(|line| line.starts_with("failed") || line.starts_with("refused")),
                "{log:#?}"
            );
            let before = |one: &str, other: &str| place(&log, one) < place(&log, other);
            assert!(before("create Namespace team", "create ConfigMap team/a"));
            assert!(before("create Role team/reader", "create RoleBinding team/readers"));
            assert!(before("create CustomResourceDefinition widgets.example.com", "create Widget team/one"));
            assert_eq!(log.len(), 9, "{log:#?}");
            assert_eq!(log.last().unwrap(), "settle app");
            world.tick(90);
            assert_eq!(world.written(), [""; 0]);
        }
    }
}

#[test]
fn what_cannot_be_applied_holds_nothing_else_up() {
    let unknown = json!({"apiVersion": "none.example.com/v1", "kind": "None", "metadata": {"name": "n"}});
    let invalid = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a/b"}});
    let mut world = WorkWorld::in_step(&[]);
    world.refused.insert("Secret".into(), Failure::Invalid);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "web"}});
    let nowhere =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "nowhere"}});
    world.work("app", &[unknown, invalid, config("a"), config_of("a", "2"), secret, nowhere, config("b")]);
    assert_eq!(world.there(), ["ConfigMap web/a", "ConfigMap web/b"]);
    assert_eq!(world.objects[&world.find("ConfigMap web/a")]["data"]["a"], "1", "the first of two counts");
    let log = world.written();
    assert_eq!(log.iter().filter(|line| *line == "settle app").count(), 1, "{log:#?}");
    world.tick(600);
    let tries = world.written();
    assert!((2..60).contains(&tries.len()), "{tries:#?}");
    assert!(tries.iter().all(|line| line.starts_with("failed")), "{tries:#?}");
}

#[test]
fn a_kind_that_appears_wakes_what_waits() {
    let mut world = WorkWorld::in_step(&[("app", &[widget("web", "one"), config("a")])]);
    assert_eq!(world.there(), ["ConfigMap web/a"]);
    world.tick(600);
    assert_eq!(world.written(), [""; 0]);
    world.work("kinds", &[definition()]);
    world.work("other", &[config("b")]);
    let log = world.written();
    assert!(log.contains(&"create Widget web/one".to_owned()), "{log:#?}");
    assert_eq!(log.iter().filter(|line| *line == "record app").count(), 1, "{log:#?}");
}

#[test]
fn a_kind_that_is_served_a_moment_after_its_definition_is_asked_for_again() {
    let mut world = WorkWorld::in_step(&[("app", &[widget("web", "one")])]);
    world.establishes = false;
    world.work("kinds", &[definition()]);
    world.tick(1);
    world.served.extend(world.defined("widgets.example.com")); // no event tells
    world.tick(10);
    assert!(world.there().contains(&"Widget web/one".to_owned()), "{:#?}", world.log);
}

#[test]
fn a_namespace_that_appears_wakes_what_waits() {
    let mut world = WorkWorld::in_step(&[("app", &[config_in("later")])]);
    world.tick(600);
    world.forget();
    world.make(&world::namespace_named("later"), &json!({}));
    world.now += Duration::from_millis(50);
    world.send(Event::Tick);
    assert_eq!(world.written(), ["create ConfigMap later/a", "settle app"]);
}

#[test]
fn a_server_that_does_not_answer_is_asked_again() {
    for kind in ["AppliedWork", "ConfigMap"] {
        let mut world = WorkWorld::in_step(&[]);
        world.refused.insert(kind.into(), Failure::Unavailable);
        world.work("app", &[config("a")]);
        world.tick(20);
        world.refused.clear();
        world.tick(60);
        assert_eq!(world.there(), ["ConfigMap web/a"], "{kind}");
        assert!(world.ledgers["app"].ledger.applied.as_ref().is_some_and(|applied| applied.len() == 1));
    }
}

#[test]
fn while_a_work_is_suspended_nothing_of_it_is_written_or_deleted() {
    for option in ["suspend", "plan-only"] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.annotate("app", option, &"true".into());
        assert_eq!(world.written(), ["record app"]);
        world.remove(&world.find("ConfigMap web/b"));
        world.work("app", &[config_of("a", "2")]);
        world.tick(30);
        assert_eq!(world.written(), ["record app"]);
        world.restart(false);
        world.tick(30);
        world.connect();
        world.delete_work("app");
        world.tick(30);
        assert_eq!(world.written(), [""; 0]);
        assert_eq!(world.objects[&world.find("ConfigMap web/a")]["data"]["a"], "1");
        world.annotate("app", option, &Value::Null);
        world.tick(30);
        let log = world.written();
        assert_eq!(
            log[log.len() - 4..],
            ["record end of app", "delete ConfigMap web/a", "release app", "forget app"]
        );
    }
}

#[test]
fn a_new_work_that_is_suspended_makes_nothing_until_it_is_not() {
    let mut world = WorkWorld::in_step(&[]);
    world.edit_work("app", |work| {
        work["spec"] = json!({"workload": {"manifests": [config("a")]}});
        work["metadata"]["annotations"]["multicluster.coreos.com/suspend"] = "true".into();
    });
    world.tick(30);
    assert_eq!(sorted(world.written()), ["finalize app", "record app"]);
    world.annotate("app", "suspend", &Value::Null);
    assert_eq!(world.written(), ["record app", "create ConfigMap web/a", "settle app"]);
}

#[test]
fn a_late_work_is_not_the_last_of_many_and_no_more_than_some_steps_are_under_way() {
    let mut world = WorkWorld::in_step(&[]);
    world.deferring = true;
    for number in 0..500 {
        world.work(&format!("w{number}"), &[config(&format!("c{number}")), config(&format!("d{number}"))]);
    }
    for _ in 0..100 {
        world.carry_next();
    }
    world.work("late", &[config("late")]);
    world.deferring = false;
    world.run();
    let log = world.written();
    let settled: Vec<_> = log.iter().filter(|line| line.starts_with("settle")).collect();
    assert_eq!(settled.len(), 501);
    let place = settled.iter().position(|line| *line == "settle late").unwrap();
    assert!(place < 200, "settled as number {place}");
    assert_eq!(log.len(), 500 * 5 + 4);
}

#[test]
fn a_large_work_does_not_keep_others_waiting() {
    let many: Vec<Value> = (0..600).map(|number| config(&format!("c{number}"))).collect();
    let mut world = WorkWorld::in_step(&[]);
    world.deferring = true;
    world.work("large", &many);
    for _ in 0..50 {
        if world.plans.is_empty() {
            world.wake();
        }
        world.carry_next();
    }
    world.work("small", &[config("small")]);
    world.deferring = false;
    world.run();
    world.tick(5);
    let log = world.written();
    assert!(place(&log, "settle small") < 150, "{}", place(&log, "settle small"));
    assert_eq!(log.len(), 603 + 4);
    world.delete_work("large");
    world.tick(5);
    assert_eq!(world.there(), ["ConfigMap web/small"]);
    assert_eq!(world.written().len(), 603);
}

#[test]
fn a_large_work_looks_at_all_its_objects_once_for_many_events() {
    for (size, at_once) in [(200, true), (1_000, false)] {
        let many: Vec<Value> = (0..size).map(|number| config(&format!("c{number}"))).collect();
        let mut world = WorkWorld::in_step(&[]);
        world.deferring = true;
        world.work("work", &many);
        let writes = |world: &WorkWorld| {
            world.plans.iter().filter(|plan| matches!(&plan.steps[..], [Step::Apply { .. }])).count()
        };
        while writes(&world) == 0 {
            if world.plans.is_empty() {
                world.wake();
            }
            world.carry_next();
        }
        let most = writes(&world);
        world.carry_next();
        world.carry_next();
        assert_eq!(writes(&world), if at_once { most } else { most - 2 }, "{size} objects");
        world.wake();
        assert!(writes(&world) >= most, "{size} objects, a moment later: {}", writes(&world));
    }
}

#[test]
fn namespaces_of_musters_own_are_not_for_works() {
    let project = |name: &str| json!({"apiVersion": "project.openshift.io/v1", "kind": "Project", "metadata": {"name": name}});
    let within = |namespace: &str| {
        let mut config = config("a");
        config["metadata"]["namespace"] = namespace.into();
        config
    };
    let own =
        [within(OWN), within("muster-system"), namespace(OWN), project(OWN), within("muster-cluster-own")];
    let mut world = WorkWorld::in_step(&[("app", &own)]);
    world.tick(30);
    assert_eq!(world.there(), [""; 0]);
    let manifests = world.works["app"]["status"]["manifestConditions"].as_array().unwrap().clone();
    assert_eq!(manifests.len(), own.len());
    for manifest in manifests {
        let applied = &manifest["conditions"][0];
        assert!(applied["message"].to_string().contains("namespaces of Muster's own"), "{manifest}");
    }
}

#[test]
fn what_muster_itself_rests_on_is_not_for_works() {
    let named = |api_version: &str, kind: &str, name: &str| {
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name,
            "annotations": {"multicluster.coreos.com/on-conflict": "force"}}})
    };
    let rbac = "rbac.authorization.k8s.io/v1";
    let crds = "apiextensions.k8s.io/v1";
    let own = [
        named(rbac, "ClusterRole", "directory-sync"),
        named(rbac, "ClusterRoleBinding", "muster-works-default"),
        named("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "muster-protect"),
        named(crds, "CustomResourceDefinition", "appliedworks.multicluster.x-k8s.io"),
        named(crds, "CustomResourceDefinition", "clusters.multicluster.coreos.com"),
        named("multicluster.x-k8s.io/v1alpha1", "AppliedWork", "app"),
    ];
    let others =
        [named(rbac, "ClusterRole", "shop"), named(crds, "CustomResourceDefinition", "widgets.example.com")];
    let mut world = WorkWorld::in_step(&[("app", &[&own[..], &others[..]].concat())]);
    world.tick(30);
    let manifests = world.works["app"]["status"]["manifestConditions"].as_array().unwrap().clone();
    let refused =
        |manifest: &Value| manifest["conditions"][0]["message"].to_string().contains("Muster's own");
    let refused: Vec<bool> = manifests.iter().map(refused).collect();
    assert_eq!(refused, [vec![true; own.len()], vec![false; others.len()]].concat(), "{manifests:#?}");
}
