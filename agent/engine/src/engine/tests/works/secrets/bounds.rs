//! Values that are more than what keeps them can hold, and writes of them of which nothing is heard.

use super::*;

/// A Secret with so many values.
fn many(number: usize) -> Value {
    let data: serde_json::Map<String, Value> =
        (0..number).map(|number| (format!("k{number}"), Value::from(format!("v{number}")))).collect();
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "web"},
        "stringData": data})
}

#[test]
fn more_values_than_fit_are_refused_as_a_whole_and_nothing_is_written_again_and_again() {
    for restart in [false, true] {
        let mut world = WorkWorld::in_step(&[("app", &[many(8_000)])]);
        let before = world.objects.clone();
        world.work("app", &[many(16_000)]);
        if restart {
            world.restart(true);
        }
        world.tick(120);
        assert_eq!(world.written(), [""; 0], "{restart}");
        assert_eq!(world.objects, before);
        let status = world.works["app"]["status"]["conditions"].to_string();
        assert!(status.contains("TooLarge"), "{status}");
        world.work("app", &[many(9_000)]);
        world.tick(60);
        assert_eq!(world.written(), ["seal app", "record app", "update Secret web/login"], "{restart}");
    }
}

#[test]
fn old_and_new_values_that_do_not_fit_together_are_replaced_in_one_write() {
    let values = |name: &str| secret_of("login", &format!("{name}{}", "x".repeat(600_000)));
    let mut world = WorkWorld::in_step(&[("app", &[values("one")])]);
    world.work("app", &[values("two")]);
    world.tick(60);
    assert_eq!(world.written(), ["seal app", "record app", "update Secret web/login"]);
    assert!(password(&world, &login(&world)).starts_with("two"));
}

#[test]
fn values_whose_write_nobody_heard_of_go_with_the_work() {
    for released in [false, true] {
        let mut world = WorkWorld::in_step(&[]);
        world.refused.insert("answers".into(), Failure::Unavailable);
        world.work("app", &[secret("login")]);
        assert_eq!(world.vaults.len(), 1);
        world.refused.clear();
        world.refused.insert("AppliedWork".into(), Failure::Unavailable);
        if released {
            world.work("app", &[config("a")]);
        }
        world.delete_work("app");
        world.refused.clear();
        world.tick(60);
        assert!(world.vaults.is_empty() && world.works.is_empty(), "{released}: {:#?}", world.log);
    }
}
