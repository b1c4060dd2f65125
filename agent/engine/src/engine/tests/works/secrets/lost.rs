//! What keeps the values is deleted or altered by hand.

use super::*;

type Harm = fn(&mut WorkWorld);

const HARMS: [(&str, Harm); 4] = [
    ("deleted", |world| world.vaults.clear()),
    ("a value altered", |world| {
        alter(world, |data| {
            let name = data.keys().find(|name| *name != "key").unwrap().clone();
            data.insert(name, "eA==".into());
        });
    }),
    ("the key altered", |world| {
        alter(world, |data| drop(data.insert("key".into(), BASE64_STANDARD.encode([99; 32]))));
    }),
    ("emptied", |world| alter(world, |data| data.retain(|name, _| name == "key"))),
];

fn alter(world: &mut WorkWorld, edit: impl Fn(&mut std::collections::BTreeMap<String, String>)) {
    for vault in world.vaults.values_mut() {
        let mut data = vault.data().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        edit(&mut data);
        *vault = Vault::read(data).unwrap();
    }
}

/// Password and user are both wrong.
fn edit(world: &mut WorkWorld) {
    let login = login(world);
    world.edit(&login, |value| value["data"] = json!({"password": "eA==", "user": "eA=="}));
}

#[test]
fn lost_values_leave_the_secret_as_it_is_until_the_directory_shows_the_work() {
    for (harm, act) in HARMS {
        for restarts in [true, false] {
            let mut world = in_step();
            act(&mut world);
            if restarts {
                world.restart(false);
            } else {
                world.disconnect();
            }
            edit(&mut world);
            world.tick(120);
            let login = login(&world);
            assert_eq!(world.written(), [""; 0], "{harm}");
            assert_eq!(password(&world, &login), "x", "{harm}");
            world.connect();
            world.tick(30);
            assert_eq!(password(&world, &login), "canary-1", "{harm} {:#?}", world.log);
            assert_eq!(world.objects[&login]["data"]["user"], "YWRtaW4=");
            world.forget();
            world.restart(false);
            edit(&mut world);
            world.tick(15);
            assert_eq!(password(&world, &login), "canary-1", "{harm}: kept anew");
            nothing_is_said(&world);
        }
    }
}

#[test]
fn lost_values_are_taken_from_the_directory_at_once_where_it_is_there() {
    for (harm, act) in HARMS {
        for restarts in [true, false] {
            let mut world = in_step();
            act(&mut world);
            if restarts {
                world.restart(true);
            }
            edit(&mut world);
            world.tick(15);
            let login = login(&world);
            assert_eq!(password(&world, &login), "canary-1", "{harm} {:#?}", world.log);
            world.forget();
            world.tick(90);
            assert_eq!(world.written(), [""; 0], "{harm}");
        }
    }
}

#[test]
fn a_lost_secret_that_is_not_there_is_not_made_empty_and_it_is_said() {
    let mut world = in_step();
    world.vaults.clear();
    world.unreadable = true; // nothing can be read anew
    let login = login(&world);
    world.remove(&login);
    world.tick(30);
    assert_eq!(world.there(), ["ConfigMap web/a"]);
    let status = world.works["app"]["status"].to_string();
    assert!(status.contains("ValuesLost"), "{status}");
    world.unreadable = false;
    world.tick(90);
    assert_eq!(password(&world, &login), "canary-1");
    let status = world.works["app"]["status"].to_string();
    assert!(!status.contains("ValuesLost"), "{status}");
}

#[test]
fn values_that_were_recorded_are_not_lost_to_a_change_that_is_never_made() {
    let mut world = in_step();
    world.refused.insert("AppliedWork".into(), Failure::Unavailable);
    world.work("app", &[secret_of("login", "canary-2"), config("a")]);
    world.disconnect();
    world.crash = None;
    world.refused.clear();
    world.restart(false);
    edit(&mut world);
    world.tick(15);
    let login = login(&world);
    assert_eq!(password(&world, &login), "canary-1", "what the ledger records");
    assert_eq!(Key::new([1; 32]), world.vault("app").unwrap().key);
    assert_ne!(world.vault("app").unwrap().values, Values::default());
}

fn unlocks(world: &WorkWorld) -> usize {
    world.reads.iter().filter(|read| read.starts_with("unlock")).count()
}

#[test]
fn lost_values_are_looked_for_with_pauses() {
    for (harm, act) in HARMS {
        for restarts in [true, false] {
            let mut world = in_step();
            act(&mut world);
            if restarts {
                world.restart(false);
            } else {
                world.disconnect();
            }
            edit(&mut world);
            world.tick(120);
            let unlocks = unlocks(&world);
            assert!((3..=10).contains(&unlocks), "{harm}: {unlocks} in two minutes");
        }
    }
}

#[test]
fn a_record_with_something_else_in_the_place_of_a_reference_is_read_with_pauses_and_followed_in_nothing() {
    for whole in [true, false] {
        let mut world = in_step();
        for item in &mut world.ledgers.get_mut("app").unwrap().ledger.items {
            if item.target.resource.kind == "Secret" {
                let mut data: Value = serde_json::from_str(item.content.field("data").unwrap()).unwrap();
                data["user"] = "YWRtaW4=".into();
                if whole {
                    data["password"] = "eA==".into();
                }
                *item = std::sync::Arc::new((**item).clone().with("data", data));
            }
        }
        world.restart(false);
        edit(&mut world);
        world.tick(120);
        let login = login(&world);
        // Where it refers to nothing, nothing is kept for it.
        let expected = if whole { vec!["discard app"] } else { vec![] };
        assert_eq!(world.written(), expected);
        assert_eq!(password(&world, &login), "x");
        world.tick(120);
        let unlocks = unlocks(&world);
        assert!((1..=5).contains(&unlocks), "{unlocks} in two minutes");
        world.connect();
        world.tick(30);
        assert_eq!(password(&world, &login), "canary-1", "{:#?}", world.log);
    }
}
