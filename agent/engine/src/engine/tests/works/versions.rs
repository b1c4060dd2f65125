//! What was made in a version of its API that is not served any more goes by way of another one.

use super::*;

fn world(manifests: &[Value]) -> WorkWorld {
    let mut world = WorkWorld::in_step(&[("kinds", &[definition()])]);
    world.work("app", manifests);
    world.tick(5);
    world.forget();
    world
}

fn widgets(world: &WorkWorld) -> Vec<String> {
    world.there().into_iter().filter(|line| line.starts_with("Widget")).collect()
}

#[test]
fn what_a_work_drops_or_leaves_goes_in_another_version() {
    for dropped in [true, false] {
        for restart in [true, false] {
            let orphan = with(widget("web", "stays"), "deletion", "orphan");
            let mut world = world(&[widget("web", "one"), orphan, config("a")]);
            world.serve_as("Widget", "v2");
            if restart {
                world.restart(true);
            }
            if dropped {
                world.work("app", &[config("a")]);
            } else {
                world.delete_work("app");
            }
            world.tick(60);
            let case = format!("dropped: {dropped}, restart: {restart}: {:#?} {:#?}", world.log, world.reads);
            assert_eq!(widgets(&world), ["Widget web/stays"], "{case}");
            assert_eq!(world.works.contains_key("app"), dropped, "{case}");
            let left = world.ledgers.get("app").map_or(0, |kept| kept.ledger.resources.len());
            world.check_rest();
            assert!(left <= 3, "{case}");
            world.forget();
            world.tick(120);
            assert_eq!((world.written(), world.reads.len()), (vec![], 0), "{case}");
        }
    }
}

#[test]
fn what_waits_for_its_finalizers_there_is_looked_at_until_it_is_gone() {
    let mut world = world(&[widget("web", "one"), config("a")]);
    world.serve_as("Widget", "v2");
    let there = world.find("Widget web/one");
    world.edit(&there, |value| value["metadata"]["finalizers"] = json!(["example.com/slow"]));
    world.delete_work("app");
    world.tick(60);
    assert_eq!(widgets(&world), ["Widget web/one"]);
    assert!(world.works["app"]["status"].to_string().contains("example.com/slow"));
    world.edit(&there, |value| value["metadata"]["finalizers"] = json!([]));
    world.tick(15);
    assert!(widgets(&world).is_empty() && !world.works.contains_key("app"), "{:#?}", world.reads);
}

#[test]
fn what_somebody_made_anew_there_stays() {
    let mut world = world(&[widget("web", "one"), config("a")]);
    world.serve_as("Widget", "v2");
    world.dead = true;
    let there = world.find("Widget web/one");
    let copy = world.objects[&there].clone();
    world.remove(&there);
    // A copy of it bears its mark, and is another object.
    world.make(&there, &copy);
    world.restart(true);
    world.delete_work("app");
    world.tick(60);
    assert_eq!(widgets(&world), ["Widget web/one"], "{:#?}", world.log);
    assert!(!world.works.contains_key("app"));
}

#[test]
fn a_version_that_changes_once_more_is_followed() {
    let mut world = world(&[widget("web", "one"), config("a")]);
    world.serve_as("Widget", "v2");
    world.undeletable = Some(crate::Failure::Forbidden);
    world.delete_work("app");
    world.tick(30);
    world.serve_as("Widget", "v3");
    world.undeletable = None;
    world.tick(120);
    assert!(widgets(&world).is_empty() && !world.works.contains_key("app"), "{:#?}", world.reads);
    for served in ["v1", "v2"] {
        let mut world = self::world(&[widget("web", "one"), config("a")]);
        world.serve_as("Widget", "v2");
        world.undeletable = Some(crate::Failure::Forbidden);
        world.delete_work("app");
        world.tick(30);
        world.serve_as("Widget", served);
        world.undeletable = None;
        world.tick(120);
        assert!(
            widgets(&world).is_empty() && !world.works.contains_key("app"),
            "{served}: {:#?}",
            world.reads
        );
    }
}
