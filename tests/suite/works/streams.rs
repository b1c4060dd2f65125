//! Watches that stammer, lag, skip, or say what nobody can read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use muster_tests::api::MERGE_PATCH;
use muster_tests::proxy::{Action, Proxy, Rule};
use muster_tests::wait::throughout;
use serde_json::{Value, json};

use super::bench::{Bench, is_gone, made, turnover};
use super::rounds::Rounds;
use super::{config_map, put_work, put_work_with, until_told, work, works};
use crate::faults::lies::{Collection, expired, streams};
use crate::fleet::version;
use crate::trail;

/// What lets go what is protected.
const ALLOW: &str = "multicluster.coreos.com/allow-deletion";
/// Longer than an agent takes to act upon what it learns.
const REST: Duration = Duration::from_secs(3);

/// What becomes of the lines of a watch.
#[derive(Clone, Copy, Debug)]
enum Lines {
    /// Each comes twice.
    Twice,
    /// After each the one before it comes again.
    Late,
    /// Before each all of the last ones come again.
    Again,
    /// After each comes a bookmark with an earlier version.
    EarlierBookmarks,
    /// No bookmark comes but the one that ends a list.
    NoBookmarks,
    /// Before each change comes a line that nobody can read.
    Unreadable,
    /// Before each change comes an object of another kind.
    OtherKind,
    /// After each change the history is gone.
    Expired,
}

const ALL: [Lines; 8] = [
    Lines::Twice,
    Lines::Late,
    Lines::Again,
    Lines::EarlierBookmarks,
    Lines::NoBookmarks,
    Lines::Unreadable,
    Lines::OtherKind,
    Lines::Expired,
];

/// How many lines come again.
const MEMORY: usize = 20;

fn kind(line: &str) -> String {
    let event: Value = serde_json::from_str(line).unwrap_or_default();
    event["type"].as_str().unwrap_or_default().to_owned()
}

fn bookmark(line: &str, version: Option<&str>) -> String {
    let mut event: Value = serde_json::from_str(line).unwrap_or_default();
    let version = version
        .map_or_else(|| event["object"]["metadata"]["resourceVersion"].clone(), |version| json!(version));
    let object = &event["object"];
    let mark = json!({"kind": object["kind"], "apiVersion": object["apiVersion"], "metadata": {"resourceVersion": version}});
    event = json!({"type": "BOOKMARK", "object": mark});
    event.to_string()
}

impl Lines {
    fn change(self, line: &str, last: &mut Vec<String>) -> Vec<String> {
        let own = line.to_owned();
        let kind = kind(line);
        let with = |before: &str| vec![before.to_owned(), own.clone()];
        if kind == "BOOKMARK" {
            let dropped = matches!(self, Self::NoBookmarks) && !line.contains("initial-events-end");
            return if dropped { Vec::new() } else { vec![own] };
        }
        match self {
            Self::Twice => vec![own.clone(), own],
            Self::Late => {
                let before = last.pop();
                last.push(own.clone());
                std::iter::once(own).chain(before).collect()
            }
            Self::Again => {
                let mut all = last.clone();
                all.push(own);
                last.clone_from(&all);
                last.drain(..last.len().saturating_sub(MEMORY));
                all
            }
            Self::EarlierBookmarks => vec![own.clone(), bookmark(line, Some("1"))],
            Self::Unreadable if kind == "MODIFIED" => {
                with("{\"type\":\"MODIFIED\",\"object\":{\"metadata\":[")
            }
            Self::OtherKind if kind == "MODIFIED" => with(
                r#"{"type":"MODIFIED","object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}}"#,
            ),
            Self::Expired if kind == "MODIFIED" => vec![own.clone(), expired().to_string()],
            Self::NoBookmarks | Self::Unreadable | Self::OtherKind | Self::Expired => vec![own],
        }
    }

    /// A rule, and how many lines it changed.
    fn rule(self, path: &str) -> (Rule, Arc<AtomicUsize>) {
        let (last, changed) = (Mutex::new(Vec::new()), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&changed);
        let change = move |line: &str| {
            let lines = self.change(line, &mut last.lock().unwrap());
            count.fetch_add(usize::from(lines != [line]), Ordering::SeqCst);
            lines
        };
        (Rule::on(path, Action::lines(change)).watches(), changed)
    }
}

fn stammered(proxy: fn(&Bench) -> &Proxy, path: &str) {
    let mut rounds = Rounds::new();
    for lines in ALL {
        let what = format!("{lines:?}");
        let (rule, changed) = lines.rule(path);
        let rule = proxy(&rounds.bench).add(rule);
        proxy(&rounds.bench).disconnect();
        rounds.prepare();
        rounds.ask();
        rounds.done(&what);
        // A bookmark comes once in a minute.
        let changed = changed.load(Ordering::SeqCst);
        assert!(changed > 0 || matches!(lines, Lines::NoBookmarks), "{what}: nothing of {path} was changed");
        proxy(&rounds.bench).remove(rule);
        proxy(&rounds.bench).disconnect();
    }
}

#[test]
fn works_are_followed_however_their_watch_stammers() {
    stammered(|bench| &bench.directory, &works());
}

#[test]
fn what_is_there_is_known_however_its_watch_stammers() {
    stammered(|bench| &bench.replica, "/api/v1/configmaps");
}

/// Watches of Works that show nothing but how far they are, and how many events they have kept back.
fn skipping(bench: &Bench) -> Arc<AtomicUsize> {
    let skipped = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&skipped);
    let change = move |line: &str| {
        if kind(line) == "BOOKMARK" {
            return vec![line.to_owned()];
        }
        count.fetch_add(1, Ordering::SeqCst);
        vec![bookmark(line, None)]
    };
    let rule = Rule::on(&works(), Action::lines(change)).watches().when(|parts| !streams(parts));
    let rule = bench.directory.add(rule);
    bench.directory.disconnect();
    bench.until("the agent to watch again", || match bench.directory.hits(rule) {
        1.. => Ok(()),
        hits => Err(hits.to_string()),
    });
    skipped
}

fn maps(names: &[&str], value: &str) -> Value {
    names.iter().map(|name| config_map("default", name, value)).collect()
}

fn applied(bench: &Bench, work: &str) {
    until_told(&bench.fleet, &bench.agent, work, "Applied", "Applied");
}

#[test]
fn what_cancels_itself_unseen_changes_nothing_and_what_does_not_is_found() {
    let bench = Bench::new();
    for work in ["same", "changed", "gone"] {
        put_work(&bench.fleet, work, &maps(&[&format!("{work}-a"), &format!("{work}-b")], "one"));
        applied(&bench, work);
    }
    let before = made(&bench.fleet);
    let mark = trail::mark(&bench.fleet.replica);
    let skipped = skipping(&bench);
    let api = bench.fleet.directory.api();
    put_work(&bench.fleet, "flash", &maps(&["flash"], "one"));
    api.delete(&format!("{}/flash", works())).unwrap();
    put_work(&bench.fleet, "same", &maps(&["same-a"], "two"));
    put_work(&bench.fleet, "same", &maps(&["same-a", "same-b"], "one"));
    bench.until("events kept back", || match skipped.load(Ordering::SeqCst) {
        4.. => Ok(()),
        seen => Err(seen.to_string()),
    });
    bench.directory.clear();
    bench.directory.disconnect();
    put_work(&bench.fleet, "probe", &maps(&["probe"], "one"));
    applied(&bench, "probe");
    let mut now = made(&bench.fleet);
    now.remove("configmaps default/probe");
    assert_eq!(now, before, "{}", bench.agent.log());

    let seen = skipping(&bench);
    put_work(&bench.fleet, "changed", &maps(&["changed-a", "changed-c"], "two"));
    api.delete(&format!("{}/gone", works())).unwrap();
    put_work(&bench.fleet, "new", &maps(&["new"], "one"));
    bench.until("events kept back", || match seen.load(Ordering::SeqCst) {
        3.. => Ok(()),
        seen => Err(seen.to_string()),
    });
    bench.directory.clear();
    Collection::Works.forget(&bench.directory);
    bench.directory.disconnect();
    for work in ["changed", "new", "same"] {
        applied(&bench, work);
    }
    bench.until("the Work gone", || is_gone(&bench.fleet, "gone"));
    let written: Vec<String> =
        turnover(&bench.fleet, mark).into_iter().map(|(write, times)| format!("{write} {times}")).collect();
    let once = [
        "create configmaps default/changed-c 1",
        "create configmaps default/new 1",
        "create configmaps default/probe 1",
        "delete configmaps default/changed-b 1",
        "delete configmaps default/gone-a 1",
        "delete configmaps default/gone-b 1",
    ];
    assert_eq!(written, once, "{}", bench.agent.log());
}

#[test]
fn a_work_that_was_made_anew_unseen_takes_over_what_both_ask_for() {
    let bench = Bench::new();
    put_work(&bench.fleet, "app", &maps(&["a", "b"], "one"));
    applied(&bench, "app");
    let before = made(&bench.fleet);
    let mark = trail::mark(&bench.fleet.replica);
    // The agent sees nothing of the end of the first one.
    let change = |line: &str| {
        let end = kind(line) == "DELETED" || line.contains("deletionTimestamp");
        vec![if end { bookmark(line, None) } else { line.to_owned() }]
    };
    bench.directory.add(Rule::on(&works(), Action::lines(change)).watches());
    bench.directory.disconnect();
    put_work(&bench.fleet, "probe", &maps(&["probe"], "one"));
    applied(&bench, "probe");
    let first = version(&work(&bench.fleet, "app")).0;
    let api = bench.fleet.directory.api();
    let path = format!("{}/app", works());
    api.patch(&path, MERGE_PATCH, &json!({"metadata": {"finalizers": null}})).unwrap();
    api.delete(&path).unwrap();
    crate::fleet::quietly("the first one to go, whoever holds it", || match api.get(&path) {
        Err(_) => Ok(()),
        Ok(held) => {
            let _ = api.patch(&path, MERGE_PATCH, &json!({"metadata": {"finalizers": null}}));
            Err(held["metadata"].to_string())
        }
    });
    put_work(&bench.fleet, "app", &maps(&["b", "c"], "two"));
    assert_ne!(version(&work(&bench.fleet, "app")).0, first);
    // The other one waits until a whole list shows that the first one is not there any more.
    until_told(&bench.fleet, &bench.agent, "app", "Applied", "Preceded");
    bench.directory.clear();
    Collection::Works.forget(&bench.directory);
    bench.directory.disconnect();
    let told = until_told(&bench.fleet, &bench.agent, "app", "Applied", "Kept");
    let message = told["status"]["conditions"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("ConfigMap a") && message.contains(ALLOW), "{message}");
    put_work(&bench.fleet, "probe", &maps(&["probe"], "two"));
    applied(&bench, "probe");
    let now = made(&bench.fleet);
    let b = "configmaps default/b";
    assert_eq!(now.get(b), before.get(b), "{}", bench.agent.log());
    let kept = bench.api().get("/api/v1/namespaces/default/configmaps/a").unwrap();
    assert_eq!(version(&kept).0, before["configmaps default/a"], "nobody saw who dropped it");
    let written: Vec<String> = turnover(&bench.fleet, mark).into_keys().collect();
    assert_eq!(written, ["create configmaps default/c", "create configmaps default/probe"]);
    // The way out that it names.
    put_work_with(&bench.fleet, "app", &json!({ALLOW: "true"}), &maps(&["b", "c"], "two"));
    applied(&bench, "app");
    bench.until("what nobody asks for gone", || {
        let there = made(&bench.fleet);
        if there.contains_key("configmaps default/a") { Err(format!("{there:?}")) } else { Ok(()) }
    });
    let written: Vec<String> = turnover(&bench.fleet, mark).into_keys().collect();
    assert_eq!(written.last().map(String::as_str), Some("delete configmaps default/a"));
    assert_eq!(written.len(), 3);
}

#[test]
fn what_the_agent_wrote_is_known_to_it_before_a_watch_shows_it() {
    let bench = Bench::new();
    put_work(&bench.fleet, "first", &maps(&["first"], "one"));
    applied(&bench, "first");
    let mark = trail::mark(&bench.fleet.replica);
    let silent = Rule::on("/", Action::Mute).watches().when(|parts| !streams(parts));
    let silent = bench.replica.add(silent);
    bench.replica.disconnect();
    bench.until("watches that say nothing", || match bench.replica.hits(silent) {
        3.. => Ok(()),
        hits => Err(hits.to_string()),
    });
    put_work(&bench.fleet, "app", &maps(&["a", "b"], "one"));
    applied(&bench, "app");
    put_work(&bench.fleet, "app", &maps(&["a", "c"], "two"));
    applied(&bench, "app");
    bench.until("what was dropped gone", || {
        let there = made(&bench.fleet);
        if there.contains_key("configmaps default/b") { Err(format!("{there:?}")) } else { Ok(()) }
    });
    bench.fleet.directory.api().delete(&format!("{}/app", works())).unwrap();
    bench.until("the Work gone", || is_gone(&bench.fleet, "app"));
    bench.replica.clear();
    bench.replica.disconnect();
    let once = ["create configmaps default/a", "create configmaps default/b", "create configmaps default/c"];
    let once = once
        .map(str::to_owned)
        .into_iter()
        .chain(["a", "b", "c"].map(|name| format!("delete configmaps default/{name}")));
    let once = once.map(|write| (write, 1)).collect();
    throughout("nothing is written twice", REST, || {
        let written = turnover(&bench.fleet, mark);
        if written == once { Ok(()) } else { Err(format!("{written:?}")) }
    })
    .unwrap();
}
