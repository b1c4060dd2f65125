//! What a replica holds of policies at some time, that nobody takes it away, and that it is put right meanwhile.

use std::collections::BTreeMap;

use muster_tests::plane::{AuditEvent, AuditMark};
use serde_json::{Value, json};

use super::bench::{Bench, key, path};
use super::{LEDGERS, put_policy};
use crate::fleet::version;
use crate::trail::lines;

/// UIDs and resourceVersions of the objects and of their ledgers at some time.
pub(super) struct Held {
    objects: BTreeMap<String, (String, String)>,
    ledgers: BTreeMap<String, (String, String)>,
    mark: AuditMark,
}

impl Held {
    /// As it is now.
    pub(super) fn now(bench: &Bench) -> Self {
        Self { objects: bench.versions(), ledgers: ledgers(bench), mark: bench.mark() }
    }

    /// All that the agent wrote since, but copies of entries: they show what the directory tells, a lie too.
    pub(super) fn writes(&self, bench: &Bench) -> Vec<AuditEvent> {
        bench.writes(self.mark).into_iter().filter(|event| event.resource != "clusters").collect()
    }

    /// Checks that nothing was written since, neither objects nor ledgers.
    pub(super) fn untouched(&self, bench: &Bench) {
        assert_eq!(bench.versions(), self.objects, "{}", bench.agent.log());
        assert_eq!(ledgers(bench), self.ledgers, "{}", bench.agent.log());
        let writes = self.writes(bench);
        assert!(writes.is_empty(), "{}\n{}", lines(&writes), bench.agent.log());
    }

    /// Checks that the agent deleted nothing since, and that all objects are the ones that they were, but for those
    /// that were deleted by hand and made anew.
    pub(super) fn kept(&self, bench: &Bench, by_hand: &[String]) {
        self.only(bench, by_hand, &BTreeMap::new());
    }

    /// The same, where the agent is to delete so many of a resource. What nothing waits for goes last, as the ledger
    /// of a policy that has another one.
    pub(super) fn only(&self, bench: &Bench, gone: &[String], deleted: &BTreeMap<String, usize>) {
        let writes = || format!("{}\n{}", lines(&self.writes(bench)), bench.agent.log());
        let seen = || {
            let mut seen = bench.deleted(self.mark);
            seen.remove("clusters");
            seen
        };
        if !deleted.is_empty() {
            let number = |of: &BTreeMap<String, usize>| of.values().sum::<usize>();
            bench.until("the deletions", || match seen() {
                seen if number(&seen) >= number(deleted) => Ok(()),
                seen => Err(format!("{seen:?}")),
            });
        }
        assert_eq!(seen(), *deleted, "{}", writes());
        let uids = |objects: &BTreeMap<String, (String, String)>| -> BTreeMap<String, String> {
            let kept = objects.iter().filter(|(key, _)| !gone.contains(key));
            kept.map(|(key, (uid, _))| (key.clone(), uid.clone())).collect()
        };
        assert_eq!(uids(&bench.versions()), uids(&self.objects), "{}", writes());
        let ledgers = ledgers(bench);
        let same =
            self.ledgers.iter().all(|(name, (uid, _))| ledgers.get(name).is_some_and(|it| it.0 == *uid));
        assert!(same || !deleted.is_empty(), "{}", writes());
    }
}

/// UID and resourceVersion of each ledger.
fn ledgers(bench: &Bench) -> BTreeMap<String, (String, String)> {
    let list = bench.fleet.replica.api().get(LEDGERS).unwrap();
    let name = |ledger: &Value| ledger["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    list["items"].as_array().unwrap().iter().map(|ledger| (name(ledger), version(ledger))).collect()
}

/// Edits or deletes a grant by hand, in turn, and waits until that is undone. Gives what was deleted.
pub(super) fn meddle(bench: &Bench, number: usize) -> Vec<String> {
    let kinds = ["ClusterRoleBinding", "RoleBinding"];
    let kind = kinds[number / 2 % kinds.len()];
    if number.is_multiple_of(2) {
        bench.corrects(kind);
        return Vec::new();
    }
    vec![restores(bench, kind)]
}

/// Deletes a grant by hand, and waits until there is one like it again. Gives its key.
pub(super) fn restores(bench: &Bench, kind: &str) -> String {
    let (path, binding) = bench.binding(kind);
    bench.fleet.replica.api().delete(&path).unwrap();
    bench.until("a deleted grant made again", || {
        let now = bench.fleet.replica.api().get(&path).map_err(|error| error.to_string())?;
        let same = now["subjects"] == binding["subjects"] && now["roleRef"] == binding["roleRef"];
        if same && version(&now).0 != version(&binding).0 { Ok(()) } else { Err(now.to_string()) }
    });
    key(&binding)
}

/// A policy in the directory that grants `view` in the whole cluster to a group of that name.
pub(super) fn grant(bench: &Bench, name: &str, group: &str) {
    let bindings = json!([{"clusterRole": "view", "groups": [group]}]);
    put_policy(
        &bench.fleet,
        name,
        &json!({"selector": {"cloud": "aws"}, "authorization": {"clusterBindings": bindings}}),
    );
}

/// Whether somebody made a grant to this group alone.
pub(super) fn granted(bench: &Bench, group: &str) -> Option<(String, Value)> {
    let made = super::made(&bench.fleet.replica);
    let to = |object: &Value| object["subjects"][0]["name"] == group && object["subjects"][1].is_null();
    made.into_iter().find(|(_, object)| to(object))
}

/// Grants something new in the directory, and waits until it is granted in the replica: the agent sees what is so there.
pub(super) fn follows(bench: &Bench, name: &str, group: &str) {
    grant(bench, name, group);
    bench.until(&format!("a grant to {group}"), || match granted(bench, group) {
        Some((_, binding)) if path(&binding).contains("clusterrolebindings") => Ok(()),
        _ => Err("none".to_owned()),
    });
}
