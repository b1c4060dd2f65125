//! Accounts that may not watch everything, and what is seen and put right then.

use muster_api::resource::CONFIG_MAPS;

use super::super::object;
use super::world::config_named;
use super::*;
use crate::event::{Change, Event};
use crate::failure::Failure;
use crate::refusal::Awaited;

/// The longest time from one look to the next.
const LOOK: u64 = 72;

/// What is told of a manifest: reason and message of Applied.
fn told(world: &WorkWorld, ordinal: usize) -> (String, String) {
    let status = &world.works["app"]["status"]["manifestConditions"][ordinal];
    let conditions = status["conditions"].as_array().unwrap();
    let applied = conditions.iter().find(|condition| condition["type"] == "Applied").unwrap();
    let text = |key: &str| applied[key].as_str().unwrap().to_owned();
    (text("reason"), text("message"))
}

fn looks(world: &WorkWorld) -> usize {
    world.reads.iter().filter(|read| read.starts_with("look")).count()
}

fn world(seen: &[&str]) -> WorkWorld {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.may_watch(Some(seen));
    world.tick(1);
    assert_eq!(world.written(), [""; 0], "nothing follows from what may be seen");
    world
}

#[test]
fn a_namespace_that_is_watched_alone_is_put_right_at_once() {
    for restart in [false, true] {
        let mut world = world(&["web"]);
        if restart {
            world.restart(false);
            world.tick(1);
            assert_eq!(world.written(), [""; 0]);
        }
        world.edit(&config_named("a"), |value| value["data"] = json!({}));
        assert_eq!(world.written(), ["update ConfigMap web/a"]);
        world.remove(&config_named("b"));
        assert_eq!(world.written(), ["create ConfigMap web/b", "settle app"]);
        world.tick(LOOK);
        assert_eq!((looks(&world), world.written()), (0, vec![]));
        world.work("app", &[config("b")]);
        world.restart(true);
        world.tick(5);
        assert_eq!(world.there(), ["ConfigMap web/b"]);
    }
}

#[test]
fn what_nobody_may_watch_is_looked_at_now_and_then_and_put_right() {
    let mut world = world(&[]);
    world.edit(&config_named("a"), |value| value["data"] = json!({}));
    world.remove(&config_named("b"));
    assert_eq!(world.written(), [""; 0], "nobody saw it");
    world.tick(LOOK);
    assert_eq!(sorted(world.written()), ["create ConfigMap web/b", "settle app", "update ConfigMap web/a"]);
    world.tick(600);
    let looks = looks(&world);
    assert!((16..=26).contains(&looks), "{looks} looks at two objects in ten minutes");
    assert_eq!(world.written(), [""; 0]);
}

#[test]
fn what_nobody_may_watch_is_looked_at_before_a_process_that_began_writes() {
    for edited in [false, true] {
        for online in [false, true] {
            let mut world = world(&[]);
            world.dead = true;
            if edited {
                world.edit(&config_named("a"), |value| value["data"] = json!({}));
            }
            world.restart(online);
            world.tick(1);
            let read: Vec<_> = world.reads.iter().filter(|read| read.starts_with("look")).cloned().collect();
            assert_eq!(sorted(read), ["look ConfigMap web/a", "look ConfigMap web/b"]);
            // The bodies are at hand where the directory shows the Work: that is waited for.
            let recalled = world.reads.contains(&"recall app".to_owned());
            assert_eq!(recalled, edited && !online, "no write was prepared before the look");
            assert_eq!(world.written(), if edited { vec!["update ConfigMap web/a"] } else { vec![] });
        }
    }
}

#[test]
fn a_work_says_how_its_objects_are_seen() {
    let mut world = world(&[]);
    let (reason, message) = told(&world, 0);
    assert_eq!(reason, "Applied");
    assert!(message.contains("may list and watch configmaps in namespace web"), "{message}");
    for seen in [Some(&["web"][..]), None] {
        world.may_watch(Some(&[]));
        world.may_watch(seen);
        world.tick(1);
        assert_eq!(told(&world, 0), ("Applied".to_owned(), String::new()), "{seen:?}");
    }
    world.send(Event::Paced { resource: CONFIG_MAPS, namespace: None });
    world.tick(1);
    let (reason, message) = told(&world, 1);
    assert_eq!(reason, "Applied");
    assert!(message.contains("listed now and then"), "{message}");
    world.edit(&config_named("a"), |value| value["data"] = json!({}));
    assert_eq!(world.written(), ["update ConfigMap web/a"], "what it shows counts as ever");
    world.may_watch(None);
    world.tick(1);
    assert_eq!(told(&world, 1).1, "");
}

#[test]
fn what_nobody_may_watch_stays_recorded_while_its_kind_is_not_served() {
    let mut world = world(&[]);
    let before = world.ledgers["app"].clone();
    let kind = world.served.iter().find(|resource| resource.kind == "ConfigMap").unwrap().clone();
    world.served.remove(&kind);
    for restart in [false, true] {
        if restart {
            world.restart(true);
        }
        world.tick(LOOK);
        assert_eq!(told(&world, 0).0, "Waiting", "after a restart: {restart}");
        assert_eq!(world.written(), [""; 0]);
    }
    assert_eq!(world.ledgers["app"].ledger.applied, before.ledger.applied);
    world.served.insert(kind);
    world.tick(LOOK);
    assert_eq!((told(&world, 0).0.as_str(), world.written()), ("Applied", Vec::new()));
}

#[test]
fn a_right_that_comes_and_goes_writes_nothing_and_hides_nothing() {
    let mut world = world(&[]);
    for seen in [Some(&["web"][..]), None, Some(&["web"]), Some(&[]), None, Some(&[]), Some(&["default"])] {
        world.may_watch(seen);
        world.tick(1);
        assert_eq!(world.written(), [""; 0], "{seen:?}");
        world.edit(&config_named("a"), |value| value["data"] = json!({}));
        world.remove(&config_named("b"));
        world.tick(LOOK);
        let writes = sorted(world.written());
        assert_eq!(writes, ["create ConfigMap web/b", "settle app", "update ConfigMap web/a"], "{seen:?}");
    }
}

#[test]
fn a_listing_of_a_namespace_says_nothing_of_another_one() {
    let other =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "namespace": "default"}});
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), other])]);
    world.send(Event::Unwatched { resource: CONFIG_MAPS, namespace: None });
    let listed = Change::Listed(object(&world.objects[&config_named("a")]));
    for (namespace, change) in [
        ("web", Change::ListBegan),
        ("web", listed),
        ("web", Change::ListComplete),
        ("default", Change::ListBegan),
        ("default", Change::ListComplete),
    ] {
        world.send(Event::Objects { resource: CONFIG_MAPS, namespace: Some(namespace.into()), change });
    }
    assert_eq!(world.written(), ["refused ConfigMap default/b"], "the one that it did not show is tried");
}

#[test]
fn what_goes_slowly_where_nobody_may_watch_is_waited_for() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.edit(&config_named("a"), |value| value["metadata"]["finalizers"] = json!(["example.com/hold"]));
    world.may_watch(Some(&[]));
    world.work("app", &[config("b")]);
    world.tick(30);
    assert_eq!(world.gone(), ["delete ConfigMap web/a"]);
    world.edit(&config_named("a"), |value| value["metadata"]["finalizers"] = json!([]));
    assert_eq!(world.there(), ["ConfigMap web/b"]);
    world.tick(15);
    world.delete_work("app");
    world.tick(30);
    assert!(world.works.is_empty() && world.there().is_empty(), "{:?}", world.there());
    assert!(world.ledgers.is_empty());
}

/// What is to be watched: `KIND NAMESPACE: ACCOUNTS`.
fn watched(world: &WorkWorld) -> Vec<String> {
    let places = world.engine.watched().flat_map(|(resource, places)| {
        places.iter().map(move |(namespace, accounts)| {
            let accounts: Vec<_> = accounts.map(|account| account.unwrap_or("-")).collect();
            format!("{} {}: {}", resource.kind, namespace.unwrap_or("-"), accounts.join(" "))
        })
    });
    places.collect()
}

#[test]
fn what_is_to_be_watched_names_the_accounts_that_apply_it_there() {
    let mut world =
        WorkWorld::in_step(&[("app", &[config("a")]), ("other", &[config("b"), namespace("team")])]);
    let shared = ["ConfigMap web: -", "Namespace -: -"];
    assert_eq!(watched(&world), shared);
    let told = world.engine.watched_edition();
    for account in ["works", "team-a"] {
        world.annotate("app", "service-account", &account.into());
        world.tick(5);
        let own = account != "works";
        let expected = if own { ["ConfigMap web: - team-a", "Namespace -: -"] } else { shared };
        assert_eq!(watched(&world), expected);
        assert_eq!(world.engine.watched_edition() != told, own, "{account}");
    }
    world.annotate("other", "allow-deletion", &"true".into());
    world.delete_work("other");
    world.tick(30);
    assert_eq!(watched(&world), ["ConfigMap web: team-a"]);
}

#[test]
fn what_may_have_been_made_goes_with_the_work_though_nobody_saw_it() {
    let mut world = WorkWorld::new();
    world.make(&config_named("a"), &json!({"data": {"a": "theirs"}}));
    world.work("app", &[config("a"), config("b")]);
    world.start(true);
    world.may_watch(Some(&[]));
    world.tick(5);
    assert_eq!(told(&world, 0).0, "Conflict");
    world.remove(&config_named("a"));
    world.refused.insert("answers".into(), Failure::Unavailable);
    while !world.log.contains(&"create ConfigMap web/a".to_owned()) {
        world.tick(1);
    }
    world.delete_work("app");
    world.refused.clear();
    world.tick(120);
    assert_eq!(world.there(), [""; 0], "{:#?}", world.log);
    assert!(world.works.is_empty());
}

#[test]
fn a_first_look_that_fails_says_nothing_of_an_object_and_is_made_again_with_pauses() {
    for (failure, reason) in [(Failure::Unavailable, "Retrying"), (Failure::Forbidden, "Forbidden")] {
        let mut world = world(&[]);
        world.dead = true;
        world.edit(&config_named("a"), |value| value["data"] = json!({}));
        world.refused.insert("look".into(), failure);
        world.restart(true);
        world.tick(60);
        let looks = looks(&world);
        assert!((8..=20).contains(&looks), "{looks} looks at two objects in a minute");
        assert_eq!(world.written(), [""; 0], "nobody knows what is there");
        assert_eq!(told(&world, 0).0, reason);
        world.refused.clear();
        world.tell_awaited(Awaited::Rights, Some("web"));
        world.tick(if failure == Failure::Forbidden { 2 } else { 61 });
        assert_eq!(world.written(), ["update ConfigMap web/a"], "{failure:?}");
        assert_eq!(told(&world, 0).0, "Applied");
    }
}

#[test]
fn a_look_that_fails_later_is_made_again_at_its_time_and_forgets_nothing() {
    let mut world = world(&[]);
    world.refused.insert("look".into(), Failure::Unavailable);
    world.tick(600);
    let looks = looks(&world);
    assert!((16..=26).contains(&looks), "{looks} looks at two objects in ten minutes");
    assert_eq!(world.written(), [""; 0]);
    assert_eq!(told(&world, 0).0, "Applied");
}

#[test]
fn it_is_known_how_many_objects_no_watch_shows_however_views_come_and_go() {
    let within = |namespace: u32| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a", "namespace": format!("n{namespace}")}})
    };
    let all = |from: u32, to: u32| (from..to).map(within).collect::<Vec<_>>();
    let mut world = WorkWorld::new();
    world.work("app", &all(0, 30));
    world.start(true);
    // The world looks at each event whether the number is right.
    for step in 0..600_u32 {
        let namespace = (step % 7 != 0).then(|| format!("n{}", (step * 17) % 40));
        let resource = CONFIG_MAPS;
        world.send(match step % 5 {
            0 | 1 => {
                let change = Change::Failed(Failure::Forbidden, "no".into());
                Event::Objects { resource, namespace, change }
            }
            2 => Event::Objects { resource, namespace, change: Change::ListBegan },
            3 => Event::Objects { resource, namespace, change: Change::ListComplete },
            _ => Event::Unwatched { resource, namespace },
        });
        if step % 11 == 0 {
            world.work(if step % 2 == 0 { "app" } else { "other" }, &all(step % 20, 40 - step % 13));
        }
    }
}
