//! What is left to others is no reason to wait, however often they change it.

use super::world::config_named;
use super::*;

fn noted(data: &str, options: &[(&str, &str)]) -> Value {
    let mut manifest = config_of("a", data);
    manifest["metadata"]["annotations"]["note"] = "ours".into();
    options.iter().fold(manifest, |manifest, (option, value)| with(manifest, option, value))
}

const IGNORED: [(&str, &str); 1] = [("ignore", "metadata.annotations.note")];

fn says(world: &WorkWorld) -> (String, String) {
    let conditions = &world.works["app"]["status"]["manifestConditions"][0]["conditions"];
    let applied = conditions.as_array().unwrap().iter().find(|condition| condition["type"] == "Applied");
    let text = |field: &str| applied.unwrap()[field].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("message"))
}

/// Something else is asked for, time passes, and whenever the object was read, somebody changes it before it is written.
fn changing(world: &mut WorkWorld, seconds: u64, change: impl Fn(&mut Value, u64)) {
    let end = world.now + std::time::Duration::from_secs(seconds);
    let (mut round, mut looks) = (0, 0);
    world.deferring = true;
    world.work("app", &[noted("2", &IGNORED)]);
    while world.now < end {
        world.tick(1);
        while !world.plans.is_empty() {
            world.carry_next();
            let seen = world.reads.iter().filter(|read| read.starts_with("look")).count();
            if seen > looks {
                (round, looks) = (round + 1, seen);
                world.edit(&config_named("a"), |value| change(value, round));
            }
        }
    }
    world.deferring = false;
}

fn note(value: &mut Value, round: u64) {
    value["metadata"]["annotations"]["note"] = round.to_string().into();
}

#[test]
fn what_others_change_all_the_time_holds_up_no_write_of_what_is_not_theirs() {
    let mut world = WorkWorld::in_step(&[("app", &[noted("1", &IGNORED)])]);
    world.edit(&config_named("a"), |value| note(value, 0));
    changing(&mut world, 3, note);
    assert_eq!(world.objects[&config_named("a")]["data"]["a"], "2", "{:#?}", world.log);
    assert_ne!(world.objects[&config_named("a")]["metadata"]["annotations"]["note"], "ours");
    assert!(!world.log.iter().any(|line| line.starts_with("refused")), "{:#?}", world.log);
    world.tick(5);
    assert_eq!(says(&world).0, "Applied");
}

#[test]
fn what_changes_all_the_time_and_is_muster_s_still_is_tried_calmly_and_told() {
    let mut world = WorkWorld::in_step(&[("app", &[noted("1", &IGNORED)])]);
    // Somebody changes what is nobody's business here: the note is as Muster made it, and may be taken at any time.
    changing(&mut world, 120, |value, round| {
        value["metadata"]["labels"]["theirs"] = round.to_string().into();
    });
    let (reason, message) = says(&world);
    assert_eq!(reason, "Conflict", "{message}");
    assert!(message.contains("changes it all the time"), "{message}");
    let tries = world.log.iter().filter(|line| line.starts_with("refused")).count();
    assert!((4..=15).contains(&tries), "{tries}");
    world.tick(61);
    assert_eq!(world.objects[&config_named("a")]["data"]["a"], "2");
    assert_eq!(says(&world).0, "Applied");
}

#[test]
fn what_changed_once_between_reading_and_writing_is_written_at_once() {
    let mut world = WorkWorld::in_step(&[("app", &[noted("1", &IGNORED)])]);
    changing(&mut world, 1, |value, round| {
        if round == 1 {
            note(value, round);
        }
    });
    assert_eq!(world.objects[&config_named("a")]["data"]["a"], "2");
    assert_eq!(world.objects[&config_named("a")]["metadata"]["annotations"]["note"], "1");
}
