//! What cannot be changed is made anew, and is never lost by that.

use super::world::Crash;
use super::*;

fn bound_to(role: &str, options: &[(&str, &str)]) -> Value {
    let mut binding = binding();
    binding["metadata"]["namespace"] = "web".into();
    binding["roleRef"]["name"] = role.into();
    let given = [("apply", "replace"), ("on-drift", "report")];
    given.iter().chain(options).fold(binding, |binding, (option, value)| with(binding, option, value))
}

fn says(world: &WorkWorld, ordinal: usize) -> (String, String) {
    let conditions = &world.works["app"]["status"]["manifestConditions"][ordinal]["conditions"];
    let applied = conditions.as_array().unwrap().iter().find(|condition| condition["type"] == "Applied");
    let text = |field: &str| applied.unwrap()[field].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("message"))
}

#[test]
fn what_makes_room_comes_back_wherever_the_process_ends_also_where_drift_is_only_told() {
    for crash in [Crash::Undone, Crash::Unheard] {
        for online in [true, false] {
            for step in 1.. {
                let mut world = WorkWorld::in_step(&[("app", &[bound_to("one", &[]), config("a")])]);
                world.restart(true);
                world.tick(5);
                world.crash = Some((step, crash));
                world.work("app", &[bound_to("two", &[]), config("a")]);
                world.tick(30);
                if !world.dead {
                    assert!(step > 4, "{:#?}", world.log);
                    break;
                }
                world.crash = None;
                let recorded = world.ledgers["app"]
                    .ledger
                    .items
                    .iter()
                    .any(|item| item.content.field("roleRef").is_some_and(|role| role.contains("two")));
                world.start(online);
                world.tick(30);
                let case = format!("{crash:?} {step}, online: {online}: {:#?}", world.log);
                let binding = world.find("RoleBinding web/readers");
                let now = if online || recorded { "two" } else { "one" };
                assert_eq!(world.objects[&binding]["roleRef"]["name"], now, "{case}");
                world.connect();
                world.tick(30);
                assert_eq!(world.objects[&binding]["roleRef"]["name"], "two", "{case}");
                assert_eq!(says(&world, 0).0, "Applied", "{case}");
                world.forget();
                world.restart(true);
                world.tick(90);
                assert_eq!(world.written(), [""; 0], "{case}");
            }
        }
    }
}

#[test]
fn what_makes_room_and_goes_late_comes_back_after_a_restart_too() {
    let mut world = WorkWorld::in_step(&[("app", &[bound_to("one", &[])])]);
    let target = world.find("RoleBinding web/readers");
    world.edit(&target, |value| value["metadata"]["finalizers"] = json!(["example.com/slow"]));
    world.work("app", &[bound_to("two", &[])]);
    world.tick(60);
    assert!(!world.objects[&target]["metadata"]["deletionTimestamp"].is_null(), "{:#?}", world.log);
    world.dead = true;
    world.edit(&target, |value| value["metadata"]["finalizers"] = json!([]));
    world.restart(true);
    world.tick(30);
    assert_eq!(world.objects[&target]["roleRef"]["name"], "two");
}

#[test]
fn what_somebody_else_deleted_is_still_only_told_where_the_work_says_so() {
    let mut world = WorkWorld::in_step(&[("app", &[bound_to("one", &[])])]);
    world.work("app", &[bound_to("two", &[])]);
    world.tick(30);
    let target = world.find("RoleBinding web/readers");
    world.remove(&target);
    world.tick(30);
    world.restart(true);
    world.tick(90);
    assert_eq!(says(&world, 0).0, "Drifted");
    assert_eq!(world.there(), [""; 0]);
}

#[test]
fn what_is_to_make_room_and_may_not_be_deleted_is_recorded_once_and_not_with_each_attempt() {
    let mut world = WorkWorld::in_step(&[("app", &[bound_to("one", &[])])]);
    world.undeletable = Some(crate::Failure::Forbidden);
    world.work("app", &[bound_to("two", &[])]);
    world.tick(600);
    let settled = world.log.iter().filter(|line| *line == "settle app").count();
    assert!(settled <= 2, "{:#?}", world.log);
    world.undeletable = None;
    world.tick(120);
    assert_eq!(says(&world, 0).0, "Applied");
    // What was to make room, and is asked for as before again, is known.
    world.undeletable = Some(crate::Failure::Forbidden);
    world.work("app", &[bound_to("three", &[])]);
    world.tick(30);
    world.work("app", &[bound_to("two", &[])]);
    world.tick(120);
    assert_eq!(says(&world, 0).0, "Applied");
    world.restart(true);
    world.tick(90);
    assert_eq!(world.written(), [""; 0]);
}

#[test]
fn a_stateful_set_with_which_its_claims_may_go_is_not_made_anew() {
    let set = |name: &str, claims: &Value| {
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "db", "namespace": "web", "annotations": {"multicluster.coreos.com/apply": "replace"}},
            "spec": {"serviceName": name, "volumeClaimTemplates": claims}})
    };
    let claims = json!([{"metadata": {"name": "data"}}]);
    let mut world = WorkWorld::in_step(&[("app", &[set("one", &claims)])]);
    world.work("app", &[set("two", &claims)]);
    world.tick(120);
    assert_eq!(world.gone(), [""; 0]);
    let (reason, message) = says(&world, 0);
    assert_eq!(reason, "Immutable");
    assert!(message.contains("its claims may go with it"), "{message}");
    let mut world = WorkWorld::in_step(&[("app", &[set("one", &json!([]))])]);
    world.work("app", &[set("two", &json!([]))]);
    world.tick(5);
    assert_eq!(world.gone(), ["delete StatefulSet web/db"]);
    assert_eq!(says(&world, 0).0, "Applied");
}

#[test]
fn the_binding_of_the_account_that_applies_is_not_made_anew_by_that_account() {
    let bound = |role: &str, account: &str| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "apply", "annotations": {"multicluster.coreos.com/apply": "replace"}},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "muster-appliers"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}})
    };
    let mut world = WorkWorld::in_step(&[("app", &[bound("one", "works")])]);
    world.work("app", &[bound("two", "works")]);
    world.tick(120);
    assert_eq!(world.gone(), [""; 0]);
    let (reason, message) = says(&world, 0);
    assert_eq!(reason, "Immutable");
    assert!(message.contains("it grants rights to works"), "{message}");
    // Another account may.
    world.annotate("app", "service-account", &"team".into());
    world.tick(120);
    assert_eq!(world.gone(), ["delete ClusterRoleBinding apply"], "{:#?}", world.log);
    assert_eq!(says(&world, 0).0, "Applied");
}

#[test]
fn why_a_protected_object_is_not_made_anew_is_told() {
    let claim = |class: &str| {
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": "web"}, "spec": {"storageClassName": class}});
        with(with(claim, "apply", "replace"), "allow-deletion", "true")
    };
    let mut world = WorkWorld::in_step(&[("app", &[claim("one")])]);
    world.work("app", &[claim("two")]);
    world.tick(120);
    let (reason, message) = says(&world, 0);
    assert_eq!(reason, "Immutable");
    assert!(message.contains("with an object of its kind go other objects, or data"), "{message}");
    assert_eq!(world.gone(), [""; 0]);
}
