//! One object that cannot be written, since somebody else has its name or the server refuses it each time: it is asked
//! about seldom, and holds nothing else up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::Method;
use muster_tests::proxy::{Action, Rule};
use muster_tests::wait::{DEADLINE, throughout, timed};
use serde_json::Value;

use super::bench::{Bench, is_gone, made, turnover};
use super::troubles::{BURST, are_bounded, in_turn};
use super::{config_map, of_manifest, put_work, told, until_told, work, works};
use crate::fleet::version;
use crate::trail;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// For how long an object cannot be written.
const LASTS: Duration = Duration::from_secs(5);
/// Until what lies beside it is done.
const SOON: Duration = Duration::from_secs(10);
/// How a server refuses.
const REFUSALS: [(u16, &str); 5] = [
    (500, "InternalError"),
    (403, "Forbidden"),
    (409, "Conflict"),
    (429, "TooManyRequests"),
    (422, "Invalid"),
];
/// How much later a write comes to the server than it is sent: enough for somebody else to be faster.
const LATER: Duration = Duration::from_secs(3);

fn path(name: &str) -> String {
    format!("{CONFIG_MAPS}/{name}")
}

/// One value for each of these objects.
fn maps<N: AsRef<str>>(names: impl IntoIterator<Item = N>, value: &str) -> Value {
    names.into_iter().map(|name| config_map("default", name.as_ref(), value)).collect()
}

/// Whether an object is there with this value.
fn is(bench: &Bench, name: &str, value: &str) -> Result<(), String> {
    let object = bench.api().get(&path(name)).map_err(|error| error.to_string())?;
    if object["data"]["key"] == value { Ok(()) } else { Err(object.to_string()) }
}

/// A bench, of which the requests since a moment are looked at.
struct Watched {
    bench: Bench,
    /// How many requests either proxy had got by then.
    before: [usize; 2],
    since: Instant,
}

impl Watched {
    fn new(bench: Bench) -> Self {
        let before = [&bench.directory, &bench.replica].map(|proxy| proxy.requests().len());
        Self { bench, before, since: Instant::now() }
    }

    /// None of these objects is asked about, and nothing written, oftener than about once in a second.
    fn is_calm<N: AsRef<str>>(&self, names: &[N]) -> Result<(), String> {
        let lasted = self.since.elapsed();
        let [upstream, own] =
            [(&self.bench.directory, self.before[0]), (&self.bench.replica, self.before[1])]
                .map(|(proxy, before)| proxy.requests().split_off(before));
        are_bounded(&upstream, lasted)?;
        are_bounded(&own, lasted)?;
        for name in names {
            let name = name.as_ref();
            let path = path(name);
            let asked = own.iter().filter(|seen| seen.path == path).count();
            if u64::try_from(asked).unwrap() > lasted.as_secs() + BURST {
                return Err(format!("{name}: {asked} requests in {lasted:?}"));
            }
        }
        Ok(())
    }

    /// How often an object was asked about.
    fn asked(&self, name: &str) -> usize {
        let path = path(name);
        self.bench.replica.requests()[self.before[1]..].iter().filter(|seen| seen.path == path).count()
    }

    /// A Work beside is changed again and again for so long, and each time done soon. Checks meanwhile that this holds.
    fn goes_on_beside(&self, lasts: Duration, holds: impl Fn() -> Result<(), String>) {
        let Bench { fleet, agent, .. } = &self.bench;
        let began = Instant::now();
        let mut longest = Duration::ZERO;
        for number in 0.. {
            put_work(fleet, "beside", &maps(["beside"], &number.to_string()));
            let changed = Instant::now();
            until_told(fleet, agent, "beside", "Applied", "Applied");
            longest = longest.max(changed.elapsed());
            let span = lasts.saturating_sub(began.elapsed());
            throughout("few requests", span.min(Duration::from_secs(2)), &holds)
                .unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
            if began.elapsed() >= lasts {
                break;
            }
        }
        println!("a Work beside was done after {longest:?} at most");
        assert!(longest < SOON, "{longest:?}\n{}", agent.log());
    }
}

fn taken(lasts: Duration) {
    let bench = Bench::new();
    put_work(&bench.fleet, "beside", &maps(["beside"], "one"));
    until_told(&bench.fleet, &bench.agent, "beside", "Applied", "Applied");
    let api = bench.api();
    let make =
        |name: &str, value: &str| api.create(CONFIG_MAPS, &config_map("default", name, value)).unwrap();
    // One is as the Work wants it, and one comes between the last look and the write.
    let mut theirs = vec![make("stays", "theirs"), make("goes", "theirs"), make("alike", "ours")];
    let mark = trail::mark(&bench.fleet.replica);
    let late =
        bench.replica.add(Rule::on(&path("between"), Action::Delay(LATER)).method(Method::PATCH).times(1));
    let watched = Watched::new(bench);
    let bench = &watched.bench;
    put_work(&bench.fleet, "app", &maps(["ours", "stays", "goes", "alike", "between"], "ours"));
    bench.until("the write on its way", || {
        if bench.replica.hits(late) > 0 { Ok(()) } else { Err("none".to_owned()) }
    });
    theirs.push(make("between", "ours"));
    let names = ["stays", "goes", "alike", "between"];
    timed("all conflicts told", DEADLINE, || {
        let work = told(&bench.fleet, "app", "Applied", "Incomplete")?;
        let reasons = [0, 1, 2, 3, 4].map(|at| of_manifest(&work, at, "Applied").0);
        let expected = ["Applied", "Conflict", "Conflict", "Conflict", "Conflict"];
        if reasons == expected { Ok(()) } else { Err(format!("{reasons:?}")) }
    })
    .unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
    let refused = trail::writes(&bench.fleet.replica, mark, trail::REPLICA_USER);
    let refused = refused.iter().filter(|event| event.name == "between" && event.code == 409).count();
    assert!(refused > 0, "the server was never asked to make what was there by then");
    watched.goes_on_beside(lasts, || {
        watched.is_calm(&names)?;
        for (name, before) in names.iter().zip(&theirs) {
            let now = api.get(&path(name)).map_err(|error| error.to_string())?;
            if version(&now) != version(before) {
                return Err(format!("{name}: {now:#}"));
            }
        }
        Ok(())
    });
    println!("asked in {:?}: {:?}", watched.since.elapsed(), names.map(|name| (name, watched.asked(name))));

    // Their owners delete all but one.
    for name in &names[1..] {
        api.delete(&path(name)).unwrap();
    }
    timed("what is free made for the Work", DEADLINE * 4, || {
        let work = work(&bench.fleet, "app");
        let reasons = [0, 1, 2, 3, 4].map(|at| of_manifest(&work, at, "Applied").0);
        let expected = ["Applied", "Conflict", "Applied", "Applied", "Applied"];
        if reasons == expected { Ok(()) } else { Err(format!("{reasons:?}")) }
    })
    .unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
    bench.fleet.directory.api().delete(&format!("{}/app", works())).unwrap();
    bench.until("the Work gone", || is_gone(&bench.fleet, "app"));
    assert_eq!(version(&api.get(&path("stays")).unwrap()), version(&theirs[0]), "it is somebody else's");
    let ours = ["ours", "goes", "alike", "between"];
    let each = ours
        .iter()
        .flat_map(|name| ["create", "delete"].map(|verb| format!("{verb} configmaps default/{name}")));
    assert_eq!(turnover(&bench.fleet, mark), each.map(|write| (write, 1)).collect::<BTreeMap<_, _>>());
}

#[test]
fn what_has_a_name_already_keeps_it_and_the_work_has_it_once_it_is_free() {
    taken(LASTS);
}

#[test]
#[ignore = "takes three minutes: run by make faults"]
fn what_has_a_name_for_two_minutes_keeps_it_and_the_work_has_it_once_it_is_free() {
    taken(Duration::from_secs(120));
}

fn refused(lasts: Duration) {
    let bench = Bench::new();
    // Those of one kind are always refused in the same way, and one kind in another way each time.
    let mut ways: Vec<(String, Action)> =
        REFUSALS.map(|(code, reason)| (format!("refused-{code}"), Action::failure(code, reason))).to_vec();
    let all = ways.iter().map(|(_, way)| way.clone()).collect();
    ways.push(("refused-in-turn".to_owned(), in_turn(all)));
    let names = |age: &str| ways.iter().map(|(kind, _)| format!("{kind}-{age}")).collect::<Vec<_>>();
    let (old, new) = (names("old"), names("new"));
    put_work(&bench.fleet, "beside", &maps(["beside"], "one"));
    put_work(&bench.fleet, "app", &maps(old.iter().chain([&"fine".to_owned()]), "one"));
    for work in ["beside", "app"] {
        until_told(&bench.fleet, &bench.agent, work, "Applied", "Applied");
    }
    let before = made(&bench.fleet);
    let mark = trail::mark(&bench.fleet.replica);
    let watched = Watched::new(bench);
    let bench = &watched.bench;
    let rules = ways.into_iter().map(|(kind, way)| {
        bench.replica.add(Rule::on(&path(&kind), way).when(|parts| parts.method != Method::GET))
    });
    let rules: Vec<_> = rules.collect();
    let names: Vec<&String> = old.iter().chain(&new).collect();
    put_work(&bench.fleet, "app", &maps(names.iter().copied().chain([&"fine".to_owned()]), "two"));
    bench.until("what is not refused done", || is(bench, "fine", "two"));
    watched.goes_on_beside(lasts, || watched.is_calm(&names));
    let asked = names.iter().map(|name| (name, watched.asked(name))).collect::<Vec<_>>();
    println!("asked in {:?}: {asked:?}", watched.since.elapsed());
    for rule in rules {
        assert!(bench.replica.hits(rule) >= 4, "each is tried again");
    }
    assert_eq!(made(&bench.fleet), before, "nothing else came or went");
    bench.open();
    timed("all as asked for", DEADLINE * 4, || told(&bench.fleet, "app", "Applied", "Applied"))
        .unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
    for name in names {
        is(bench, name, "two").unwrap();
    }
    let mut now = made(&bench.fleet);
    now.retain(|object, _| before.contains_key(object));
    assert_eq!(now, before);
    let once = new.iter().map(|name| (format!("create configmaps default/{name}"), 1));
    assert_eq!(turnover(&bench.fleet, mark), once.collect());
}

#[test]
fn an_object_that_is_refused_each_time_is_tried_seldom_and_holds_nothing_up() {
    refused(LASTS);
}

#[test]
#[ignore = "takes two minutes: run by make faults"]
fn an_object_that_is_refused_for_a_minute_is_tried_seldom_and_holds_nothing_up() {
    refused(Duration::from_secs(60));
}
