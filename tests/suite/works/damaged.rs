//! What the agent keeps in the replica is damaged, of another version, or gone, while it runs and while none does: it is made
//! anew from what the directory asks for and the marks of the objects say. Nothing goes for that, and nothing is made anew.

use std::collections::BTreeMap;

use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::AuditMark;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use super::bench::{Bench, made, settled, turnover};
use super::{LEDGERS, config_map, manifest, put_work, told, until_told};
use crate::fleet::{REPORT, SECRETS, condition_of, stop, version};
use crate::trail;

const STATE: &str = "/api/v1/namespaces/muster-system/configmaps/muster-agent-state";
const LOGIN: &str = "/api/v1/namespaces/default/secrets/login";
/// No object has it.
const NO_UID: &str = "00000000-0000-4000-8000-000000000000";

/// What happens to a ledger.
type Damage = (&'static str, fn(&mut Value));

/// What happens to the status of a ledger, each to that of a Work of its own.
const STATUS: [Damage; 4] = [
    ("emptied", |ledger| ledger["status"] = json!({})),
    ("cut", |ledger| drop(ledger["status"]["appliedResources"].as_array_mut().unwrap().pop())),
    ("misled", |ledger| {
        for entry in ledger["status"]["appliedResources"].as_array_mut().unwrap() {
            (entry["uid"], entry["digest"]) = (json!(NO_UID), json!("0123456789abcdef"));
        }
    }),
    ("misplaced", |ledger| {
        for entry in ledger["status"]["appliedResources"].as_array_mut().unwrap() {
            (entry["name"], entry["ordinal"]) = (json!("nobody"), json!(7));
        }
    }),
];

/// What happens to the spec, and can be read.
const SPEC: [Damage; 1] =
    [("of another nonce", |ledger| ledger["spec"]["ledger"]["nonce"] = json!("0123456789abcdef"))];

/// What happens to the spec, and cannot be read: it may be of a later version, and is left alone until somebody deletes it.
const UNREADABLE: [Damage; 5] = [
    ("without its record", |ledger| drop(ledger["spec"].as_object_mut().unwrap().remove("ledger"))),
    ("without manifests", |ledger| ledger["spec"]["ledger"]["manifests"] = json!([])),
    ("with manifests that are none", |ledger| {
        ledger["spec"]["ledger"]["manifests"] = json!([{}, {"kind": 7}]);
    }),
    ("without resources", |ledger| ledger["spec"]["ledger"]["resources"] = json!([])),
    ("of another version", |ledger| {
        ledger["spec"]["ledger"]["options"] = json!({"of-a-later-version": "true"});
    }),
];

/// The Works, one for each damage and one more, and what they made.
struct Kept {
    works: Vec<String>,
    made: BTreeMap<String, String>,
    login: (String, String),
    mark: AuditMark,
    /// How many objects of each Work were edited by hand.
    edited: usize,
}

/// How many objects of each Work can be edited by hand once.
const EDITED: usize = 10;

impl Kept {
    fn new(bench: &Bench) -> Self {
        let works: Vec<String> =
            (0..=STATUS.len() + SPEC.len() + UNREADABLE.len()).map(|at| format!("work{at}")).collect();
        for name in &works {
            let maps: Value =
                (0..EDITED).map(|at| config_map("default", &format!("{name}-{at}"), "one")).collect();
            put_work(&bench.fleet, name, &maps);
        }
        let login = manifest("v1", "Secret", "default", "login", json!({"stringData": {"password": "one"}}));
        put_work(&bench.fleet, "secret", &json!([login]));
        for name in works.iter().map(String::as_str).chain(["secret"]) {
            until_told(&bench.fleet, &bench.agent, name, "Applied", "Applied");
        }
        let login = version(&bench.api().get(LOGIN).unwrap());
        Self { works, made: made(&bench.fleet), login, mark: trail::mark(&bench.fleet.replica), edited: 0 }
    }

    /// Nothing that a Work made went, came, or was made anew; and what the agent keeps is as it should be again: an object of
    /// each Work that is edited by hand is put right.
    fn unharmed(&mut self, bench: &Bench, what: &str) {
        let replica = bench.fleet.replica.cluster_uid().unwrap();
        let rebuilt = || {
            for name in &self.works {
                told(&bench.fleet, name, "Applied", "Applied")?;
                let beginning = format!("configmaps default/{name}-");
                let mut expected = self.made.clone();
                expected.retain(|object, _| object.starts_with(&beginning));
                let seen = settled(&bench.fleet, name)?;
                let ledger =
                    bench.api().get(&format!("{LEDGERS}/{name}")).map_err(|error| error.to_string())?;
                let record = &ledger["spec"]["ledger"];
                let whole = record["manifests"].as_array().is_some_and(|all| all.len() == EDITED);
                if seen != expected
                    || !whole
                    || record["replicaID"] != replica
                    || record["options"] != Value::Null
                {
                    return Err(format!("{name}: {ledger:#}"));
                }
            }
            Ok(())
        };
        let waited = timed(&format!("{what}: all ledgers right"), DEADLINE * 2, rebuilt);
        waited.unwrap_or_else(|late| panic!("{what}: {late}\n{}", bench.agent.log()));
        self.corrected(bench, what);
        self.nothing_came_or_went(bench, what);
    }

    fn corrected(&mut self, bench: &Bench, what: &str) {
        let number = self.edited;
        self.edited += 1;
        assert!(number < EDITED, "too many");
        let path = |name: &String| format!("/api/v1/namespaces/default/configmaps/{name}-{number}");
        for name in &self.works {
            bench.api().patch(&path(name), MERGE_PATCH, &json!({"data": {"key": "by hand"}})).unwrap();
        }
        bench.api().patch(LOGIN, MERGE_PATCH, &json!({"data": {"password": "dHdv"}})).unwrap();
        bench.until(&format!("{what}: hand edits undone"), || {
            for name in &self.works {
                let seen = bench.api().get(&path(name)).map_err(|error| error.to_string())?;
                if seen["data"]["key"] != "one" {
                    return Err(seen.to_string());
                }
            }
            let login = bench.api().get(LOGIN).map_err(|error| error.to_string())?;
            if login["data"]["password"] == "b25l" { Ok(()) } else { Err(login["metadata"].to_string()) }
        });
    }

    fn nothing_came_or_went(&self, bench: &Bench, what: &str) {
        assert_eq!(made(&bench.fleet), self.made, "{what}: {}", bench.agent.log());
        assert_eq!(version(&bench.api().get(LOGIN).unwrap()).0, self.login.0, "{what}");
        let mut turnover = turnover(&bench.fleet, self.mark);
        turnover.retain(|write, _| !write.contains(" muster-system/"));
        assert_eq!(turnover, BTreeMap::new(), "{what}: {}", bench.agent.log());
    }

    fn ledger(&self, at: usize) -> String {
        format!("{LEDGERS}/{}", self.works[at])
    }

    /// All of the damage that can be read at once, each to another ledger; one more is gone.
    fn damage(&self, bench: &Bench) {
        let api = bench.api();
        for (at, (_, damage)) in STATUS.iter().enumerate() {
            let mut ledger = api.get(&self.ledger(at)).unwrap();
            damage(&mut ledger);
            api.replace(&format!("{}/status", self.ledger(at)), &ledger).unwrap();
        }
        self.change(bench, STATUS.len(), &SPEC);
        api.delete(&self.ledger(self.works.len() - 1)).unwrap();
    }

    /// Damages the specs of the ledgers from this one on.
    fn change(&self, bench: &Bench, from: usize, damages: &[Damage]) {
        for (at, (what, damage)) in damages.iter().enumerate() {
            let path = self.ledger(from + at);
            let mut ledger = bench.api().get(&path).unwrap();
            damage(&mut ledger);
            bench.api().replace(&path, &ledger).unwrap_or_else(|error| panic!("a ledger {what}: {error}"));
        }
    }

    /// The names of the Works whose ledgers cannot be read.
    fn unreadable(&self) -> &[String] {
        &self.works[STATUS.len() + SPEC.len()..][..UNREADABLE.len()]
    }

    fn make_unreadable(&self, bench: &Bench) {
        self.change(bench, STATUS.len() + SPEC.len(), &UNREADABLE);
    }

    /// Ledgers are deleted by hand.
    fn lose(bench: &Bench, works: &[String]) {
        for name in works {
            bench.api().delete(&format!("{LEDGERS}/{name}")).unwrap();
        }
    }
}

/// The Secrets with values of Secrets in Works.
fn vaults(bench: &Bench) -> Vec<String> {
    let list = bench.api().get(SECRETS).unwrap();
    let all = list["items"].as_array().unwrap().iter();
    let vaults = all.filter(|secret| secret["type"] == "multicluster.coreos.com/work-values");
    vaults.map(|secret| format!("{SECRETS}/{}", secret["metadata"]["name"].as_str().unwrap())).collect()
}

fn damage_vault(bench: &Bench) {
    let [vault] = &vaults(bench)[..] else { panic!("one Work has a Secret") };
    let seen = bench.api().get(vault).unwrap();
    let data: BTreeMap<&String, &str> =
        seen["data"].as_object().unwrap().keys().map(|key| (key, "bm9uZQ==")).collect();
    bench.api().patch(vault, MERGE_PATCH, &json!({"data": data})).unwrap();
}

fn delete_vault(bench: &Bench) {
    for vault in vaults(bench) {
        bench.api().delete(&vault).unwrap();
    }
}

#[test]
fn what_the_agent_keeps_is_damaged_or_gone_and_nothing_goes_or_is_made_anew() {
    let mut bench = Bench::new();
    let mut kept = Kept::new(&bench);

    kept.damage(&bench);
    damage_vault(&bench);
    kept.unharmed(&bench, "damaged while the agent runs");

    delete_vault(&bench);
    Kept::lose(&bench, &kept.works);
    kept.unharmed(&bench, "all gone while the agent runs");
    bench.until("the values there again", || match &vaults(&bench)[..] {
        [_] => Ok(()),
        other => Err(format!("{other:?}")),
    });

    stop(&mut bench.agent);
    kept.damage(&bench);
    damage_vault(&bench);
    bench.agent.restart().unwrap();
    kept.unharmed(&bench, "damaged while no agent runs");

    stop(&mut bench.agent);
    Kept::lose(&bench, &kept.works);
    delete_vault(&bench);
    bench.api().delete(STATE).unwrap();
    bench.agent.restart().unwrap();
    kept.unharmed(&bench, "all gone while no agent runs, also what it knew of its directory");

    // What somebody made of the state is no state, and nothing is recorded in its place. Nobody knows then whose the ledgers are.
    let state = bench.api().get(STATE).unwrap();
    stop(&mut bench.agent);
    bench
        .api()
        .patch(STATE, MERGE_PATCH, &json!({"data": {"pin": "{\"cut", "of-a-later-version": "1"}}))
        .unwrap();
    bench.agent.restart().unwrap();
    let message = bench.fleet.reason(&bench.agent, "DirectoryReachable", "IdentityMismatch");
    println!("{message}");
    assert!(message.contains("muster-agent-state") && message.contains("restore it, or delete"), "{message}");
    kept.nothing_came_or_went(&bench, "damaged state");
    bench.api().patch(STATE, MERGE_PATCH, &json!({"data": state["data"]})).unwrap();
    bench.fleet.reason(&bench.agent, "DirectoryReachable", "Reachable");
    kept.unharmed(&bench, "the state restored, with a key of a later version");
}

#[test]
fn a_record_that_cannot_be_read_is_left_alone_told_and_made_anew_once_it_is_deleted() {
    let mut bench = Bench::new();
    let mut kept = Kept::new(&bench);
    kept.make_unreadable(&bench);
    // What has nothing of Muster's any more is some other tool's: the agent goes on by what it knows.
    let told = format!("{} of ", UNREADABLE.len() - 1);
    bench.until("the records told of", || {
        let report = bench.api().get(REPORT).map_err(|error| error.to_string())?;
        match condition_of(&report, "WorksApplied") {
            Some((reason, message))
                if reason == "Incomplete"
                    && message.starts_with(&told)
                    && message.contains("was changed or removed by hand") =>
            {
                println!("{message}");
                Ok(())
            }
            seen => Err(format!("{seen:?}")),
        }
    });
    kept.nothing_came_or_went(&bench, "unreadable while the agent runs");
    Kept::lose(&bench, kept.unreadable());
    kept.unharmed(&bench, "deleted while the agent runs");

    stop(&mut bench.agent);
    kept.make_unreadable(&bench);
    bench.agent.restart().unwrap();
    for (name, (what, _)) in kept.unreadable().iter().zip(UNREADABLE) {
        let told = until_told(&bench.fleet, &bench.agent, name, "Applied", "LedgerUnusable");
        println!("{what}: {}", told["status"]["conditions"][0]["message"]);
    }
    kept.nothing_came_or_went(&bench, "unreadable while no agent runs");
    Kept::lose(&bench, kept.unreadable());
    kept.unharmed(&bench, "deleted after the agent began");
}
