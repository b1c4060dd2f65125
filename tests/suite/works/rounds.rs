//! The same for each thing that can go wrong: Works come, change and go while it lasts. When it is over all is as it would be
//! without it, nothing came or went oftener than once, and what was there before is the same.

use std::collections::{BTreeMap, BTreeSet};

use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::AuditMark;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use super::bench::{Bench, is_gone, made, turnover};
use super::confirmed::{Word, last};
use super::{config_map, put_work, told, until_told, works};
use crate::fleet::until;
use crate::trail;

/// A Work that nobody changes, and how many objects it has: one of them is edited by hand in each round.
const STEADY: &str = "steady";
const EDITED: usize = 20;
/// Objects of the Work that comes: enough that something can go wrong between two of them.
const MANY: usize = 30;

/// A bench, and what is to be there.
pub(super) struct Rounds {
    pub(super) bench: Bench,
    /// Names of the objects that are there between two rounds.
    there: BTreeSet<String>,
    number: usize,
    before: BTreeMap<String, String>,
    mark: Option<AuditMark>,
    came: BTreeSet<String>,
    went: BTreeSet<String>,
    /// All that people did by which something went.
    words: Vec<Word>,
}

impl Rounds {
    /// A bench with the steady Work.
    pub(super) fn new() -> Self {
        let bench = Bench::new();
        let there: BTreeSet<String> = (0..EDITED).map(|number| format!("{STEADY}-{number}")).collect();
        let manifests: Value = there.iter().map(|name| config_map("default", name, "one")).collect();
        put_work(&bench.fleet, STEADY, &manifests);
        until_told(&bench.fleet, &bench.agent, STEADY, "Applied", "Applied");
        let (came, went) = (BTreeSet::new(), BTreeSet::new());
        Self { bench, there, number: 0, before: BTreeMap::new(), mark: None, came, went, words: Vec::new() }
    }

    fn named(&self, short: &str) -> String {
        format!("{short}-{}", self.number)
    }

    /// Prepares the next round: a Work that is to change, and one that is to go.
    pub(super) fn prepare(&mut self) {
        self.number += 1;
        assert!(self.number < EDITED, "too many rounds");
        let (grown, gone) = (self.named("grown"), self.named("gone"));
        let all = [(&grown, ["a", "b", "c"].as_slice()), (&gone, &["p", "q"])];
        for (work, short) in all {
            let names: Vec<String> = short.iter().map(|short| self.named(short)).collect();
            let manifests: Value = names.iter().map(|name| config_map("default", name, "one")).collect();
            put_work(&self.bench.fleet, work, &manifests);
            self.there.extend(names);
        }
        for (work, _) in all {
            until_told(&self.bench.fleet, &self.bench.agent, work, "Applied", "Applied");
        }
        self.before = made(&self.bench.fleet);
        self.mark = Some(trail::mark(&self.bench.fleet.replica));
    }

    /// People change a Work, make one and delete one, and somebody edits an object by hand.
    pub(super) fn ask(&mut self) {
        let map = |name: &str, value: &str| config_map("default", name, value);
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|short| self.named(short));
        for work in ["grown", "gone"] {
            self.words.push(Word::now(format!("{}/{}", works(), self.named(work))));
        }
        put_work(
            &self.bench.fleet,
            &self.named("grown"),
            &json!([map(&a, "two"), map(&b, "one"), map(&d, "one")]),
        );
        let many: Vec<String> = (0..MANY).map(|number| self.named(&format!("x{number}"))).collect();
        let manifests: Value = many.iter().map(|name| map(name, "one")).collect();
        put_work(&self.bench.fleet, &self.named("new"), &manifests);
        self.bench.fleet.directory.api().delete(&format!("{}/{}", works(), self.named("gone"))).unwrap();
        let edit = json!({"data": {"key": "by hand"}});
        self.bench.api().patch(&self.edited(), MERGE_PATCH, &edit).unwrap();
        self.came = many.into_iter().chain([d]).collect();
        self.went = [c, self.named("p"), self.named("q")].into();
        self.there.retain(|name| !self.went.contains(name));
        self.there.extend(self.came.iter().cloned());
    }

    /// The object that is edited by hand in this round.
    fn edited(&self) -> String {
        format!("/api/v1/namespaces/default/configmaps/{STEADY}-{}", self.number)
    }

    /// Waits until the hand edit is undone.
    pub(super) fn corrected(&self) {
        until(&self.bench.agent, "the hand edit undone", || self.has(&self.edited(), "one"));
    }

    fn has(&self, path: &str, value: &str) -> Result<(), String> {
        let object = self.bench.api().get(path).map_err(|error| error.to_string())?;
        if object["data"]["key"] == value { Ok(()) } else { Err(object.to_string()) }
    }

    /// Whether something of what was asked for is still to come or to go.
    pub(super) fn is_amid(&self) -> bool {
        self.names() != self.there
    }

    /// The names of what Works made.
    fn names(&self) -> BTreeSet<String> {
        let made = made(&self.bench.fleet).into_keys();
        made.filter_map(|key| Some(key.strip_prefix("configmaps default/")?.to_owned())).collect()
    }

    /// Waits until all is as asked for, and said to be so. Checks what came and went for that.
    pub(super) fn done(&self, what: &str) {
        let waited = timed(&format!("{what}: all as asked for"), DEADLINE * 4, || self.is_done());
        waited.unwrap_or_else(|late| panic!("{late}\n{}", self.bench.agent.log()));
        let now = made(&self.bench.fleet);
        for (object, uid) in &self.before {
            assert!(now.get(object).is_none_or(|now| now == uid), "{what}: {object} was made anew");
        }
        let turnover = turnover(&self.bench.fleet, self.mark.unwrap());
        let all = |verb: &'static str, names: &BTreeSet<String>| -> BTreeSet<String> {
            names.iter().map(|name| format!("{verb} configmaps default/{name}")).collect()
        };
        let asked: BTreeSet<String> =
            all("create", &self.came).union(&all("delete", &self.went)).cloned().collect();
        // A server that is killed does not log all that it did.
        let unasked = turnover.iter().find(|(write, times)| !asked.contains(*write) || **times > 1);
        assert!(unasked.is_none(), "{what}: {unasked:?}\n{}", self.bench.agent.log());
        self.bench.each_deletion_was_read_live(|path, before| {
            let (short, number) = path.rsplit('/').next().unwrap().split_once('-').unwrap();
            let work = if short == "c" { "grown" } else { "gone" };
            last(&self.words, Some(&format!("{}/{work}-{number}", works())), before)
        });
    }

    fn is_done(&self) -> Result<(), String> {
        let path = |name: &str| format!("/api/v1/namespaces/default/configmaps/{name}");
        let now = self.names();
        if now != self.there {
            let differ: Vec<&String> = now.symmetric_difference(&self.there).collect();
            return Err(format!("{differ:?}"));
        }
        self.has(&path(&self.named("a")), "two")?;
        self.has(&self.edited(), "one")?;
        for work in ["grown", "new"] {
            told(&self.bench.fleet, &self.named(work), "Applied", "Applied")?;
        }
        is_gone(&self.bench.fleet, &self.named("gone"))
    }
}
