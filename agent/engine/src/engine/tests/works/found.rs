//! What random stories found, told for itself.

use super::world::config_named;
use super::*;
use crate::failure::Failure;

#[test]
fn what_was_made_anew_and_nobody_heard_of_goes_with_its_manifest() {
    for done_first in [false, true] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.done_first = done_first;
        world.refused.insert("answers".into(), Failure::Unavailable);
        world.remove(&config_named("a"));
        assert!(world.objects.contains_key(&config_named("a")), "{:#?}", world.log);
        world.work("app", &[config("b")]);
        world.refused.clear();
        world.tick(60);
        assert_eq!(world.there(), ["ConfigMap web/b"], "{:#?}", world.log);
        world.check_rest();
    }
}

#[test]
fn what_an_earlier_work_left_waits_for_the_word_of_whichever_bears_its_name_now() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    // Nobody sees the first one go.
    world.dead = true;
    world.drop_work("app");
    world.work("app", &[config("b")]);
    world.restart(true);
    world.tick(30);
    // The second one is seen to go, and does not wait for what the first one left.
    world.delete_work("app");
    world.tick(30);
    assert_eq!(world.there(), ["ConfigMap web/a"]);
    world.drop_work("app");
    world.work("app", &[config("c")]);
    world.tick(30);
    assert_eq!(world.there(), ["ConfigMap web/a", "ConfigMap web/c"], "{}", world.works["app"]["status"]);
    world.annotate("app", "allow-deletion", &"true".into());
    world.tick(30);
    assert_eq!(world.there(), ["ConfigMap web/c"]);
    world.check_rest();
}
