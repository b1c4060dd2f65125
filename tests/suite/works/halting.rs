//! The agent is killed, or asked to end, amid a burst.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use muster_tests::plane::AuditMark;
use muster_tests::proxy::{Action, Rule};
use muster_tests::wait::{DEADLINE, timed};
use rustix::process::Signal;

use super::bench::{Bench, is_gone, made, turnover};
use super::burst::{self, PLACE, config_maps};
use super::works;
use crate::random::Random;
use crate::trail;

/// How many Works come at once, and how many objects each of them has.
const WORKS: usize = 60;
const OBJECTS: usize = 3;
/// How often the agent ends meanwhile.
const ENDS: usize = 4;
/// Works that are deleted while it ends, one after the other. They have no more objects than need no word, also where the
/// Lease of the agent was removed.
const DELETED: usize = 3;
/// How much later the agent hears of a write than it is made: else all is done before anybody can end it.
const LATER: Duration = Duration::from_millis(200);
/// After what came or went it ends at a random time up to this.
const SPAN: Duration = Duration::from_millis(300);
/// Within this an agent that is asked to has ended.
const GRACE: Duration = Duration::from_secs(10);

fn killed(bench: &mut Bench) {
    bench.fleet.revive(&mut bench.agent);
}

fn asked_to_end(bench: &mut Bench) {
    // One that has just begun does not know yet how it is asked.
    bench.until("the agent to live", || match bench.agent.admin("/livez") {
        Ok((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    bench.agent.signal(Signal::TERM).unwrap();
    let agent = &mut bench.agent;
    let ended = timed("the end that was asked for", GRACE * 3, || match agent.ended() {
        Ok(Some(status)) => Ok(status),
        other => Err(format!("{other:?}")),
    });
    let (status, took) = ended.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    println!("ended after {took:?}, figure {GRACE:?}");
    assert_eq!(status.code(), Some(0), "{}", agent.log());
    agent.restart().unwrap();
}

/// The names of all objects of these Works.
fn all(works: &[String]) -> BTreeSet<String> {
    let objects = |name: &String| {
        (0..OBJECTS).map(|place| format!("configmaps {PLACE}/{name}-{place}")).collect::<Vec<_>>()
    };
    works.iter().flat_map(objects).collect()
}

/// Checks that since then nothing came or went but these, in this way, and none oftener than once. The log has no code for
/// a write whose answer nobody waited for.
fn once(bench: &Bench, since: AuditMark, verb: &str, objects: &BTreeSet<String>) {
    let asked: BTreeSet<String> = objects.iter().map(|object| format!("{verb} {object}")).collect();
    let turnover = turnover(&bench.fleet, since);
    let other = turnover.iter().find(|(write, times)| !asked.contains(*write) || **times > 1);
    assert!(other.is_none(), "{other:?}\n{}", bench.agent.log());
}

/// Whenever something came or went since the last time, the agent ends a moment later, until so many objects are there. Gives
/// how often it ended amid it.
fn amid(bench: &mut Bench, random: &mut Random, objects: usize, end: fn(&mut Bench)) -> usize {
    let (mut ends, mut last) = (0, made(&bench.fleet).len());
    while ends < ENDS && last != objects {
        bench.until("something to come or go", || match made(&bench.fleet).len() {
            now if now != last => Ok(()),
            now => Err(now.to_string()),
        });
        std::thread::sleep(random.below(SPAN)); // at any moment
        last = made(&bench.fleet).len();
        ends += usize::from(last != objects);
        end(bench);
    }
    ends
}

/// While Works come, and then while some of them go, the agent ends again and again.
fn ends(end: fn(&mut Bench)) {
    let mut bench = Bench::new();
    let mut random = Random::new();
    burst::place(&bench.fleet);
    bench.replica.add(Rule::on("/api/v1/namespaces/burst/", Action::DelayReply(LATER)).method(Method::PATCH));
    for (number, wave) in (0..DELETED).zip(1..) {
        let path = format!("/api/v1/namespaces/{PLACE}/configmaps/work-{number}-");
        bench.replica.add(Rule::on(&path, Action::Delay(SPAN * 2 * wave)).method(Method::DELETE));
    }
    let names: Vec<String> = (0..WORKS).map(|number| format!("work-{number}")).collect();
    let mark = trail::mark(&bench.fleet.replica);
    burst::create(&bench.fleet, &names, |name| config_maps(name, OBJECTS, 512));
    let ended = amid(&mut bench, &mut random, WORKS * OBJECTS, end);
    assert!(ended > 0, "all was there before anybody ended");
    burst::wait(&bench.agent, "all Works applied", || burst::applied(&bench.fleet), WORKS);
    let before = made(&bench.fleet);
    assert_eq!(before.keys().cloned().collect::<BTreeSet<_>>(), all(&names));
    once(&bench, mark, "create", &all(&names));

    let mark = trail::mark(&bench.fleet.replica);
    let (gone, kept) = names.split_at(DELETED);
    for name in gone {
        bench.fleet.directory.api().delete(&format!("{}/{name}", works())).unwrap();
    }
    let gone_amid = amid(&mut bench, &mut random, kept.len() * OBJECTS, end);
    println!("ended {ended} times while Works came, and {gone_amid} times while they went");
    assert!(gone_amid > 0, "all was gone before anybody ended");
    let waited = timed("the deleted ones gone", DEADLINE * 4, || {
        gone.iter().try_for_each(|name| is_gone(&bench.fleet, name))
    });
    waited.unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
    let now = made(&bench.fleet);
    assert_eq!(now.keys().cloned().collect::<BTreeSet<_>>(), all(kept));
    assert!(now.iter().all(|(object, uid)| before[object] == *uid), "some were made anew");
    once(&bench, mark, "delete", &all(gone));
}

#[test]
fn an_agent_that_is_killed_at_any_moment_of_a_burst_does_nothing_twice() {
    ends(killed);
}

#[test]
fn an_agent_that_is_asked_to_end_at_any_moment_of_a_burst_does_so_soon_and_does_nothing_twice() {
    ends(asked_to_end);
}
