//! Revocation ends: what no policy grants any more goes within ten seconds, and nothing else does. It may be that a
//! binding was dropped, that the policy was deleted, or that the own entry lost a label; the agent may have seen it, or
//! have been down, or without its watches; and it may be of one policy or of fifty.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_tests::plane::AuditEvent;
use muster_tests::proxy::{Action, Rule};
use muster_tests::wait::timed;
use serde_json::{Value, json};

use super::bench::Bench;
use super::{APPLIER, LEDGERS, POLICIES, made, objects, until_may, versions};
use crate::fleet::{CLUSTERS, OWN, condition_of, version};
use crate::trail::{self, REPLICA_USER};

/// Within this a grant is gone once the agent can know of it; ten times that is waited for.
const FIGURE: Duration = Duration::from_secs(10);
/// A namespace of the replica's own, where all of these grants are.
const NAMESPACE: &str = "team";

/// What revokes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// One of two bindings is dropped from the policy.
    Dropped,
    /// The policy is deleted.
    Deleted,
    /// The own entry loses the label that the policy selects by.
    Unmatched,
}

/// How it is with the agent meanwhile.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    /// It watches.
    Watching,
    /// It is down.
    Down,
    /// It is cut off, and the directory has no history to resume its watches from.
    Expired,
    /// Its watches are open and silent, and resume.
    Silent,
}

/// Policies that are to be revoked, in all three ways.
struct Grants {
    policies: Vec<(String, Way)>,
}

/// What was there.
struct Before {
    objects: BTreeMap<String, Value>,
    ledgers: BTreeMap<String, (String, String)>,
    mark: muster_tests::plane::AuditMark,
}

impl Grants {
    fn new(number: usize) -> Self {
        let ways = [(Way::Dropped, "drops"), (Way::Deleted, "goes"), (Way::Unmatched, "unmatched")];
        let policy = |(number, (way, name)): (usize, (Way, &str))| (format!("{name}-{number:02}"), way);
        Self { policies: (0..number).zip(ways.into_iter().cycle()).map(policy).collect() }
    }

    fn of(&self, wanted: Way) -> impl Iterator<Item = &str> {
        self.policies.iter().filter(move |(_, way)| *way == wanted).map(|(name, _)| name.as_str())
    }

    /// Each policy grants `view` everywhere, and these roles in one namespace, to a group of its own name.
    fn apply<'a>(bench: &Bench, policies: impl Iterator<Item = (&'a str, Way)>, roles: &[&str]) {
        let document = |(name, way): (&str, Way)| {
            let label = if way == Way::Unmatched { json!({"stage": "one"}) } else { json!({"cloud": "aws"}) };
            let binding = |role: &&str| json!({"clusterRole": role, "groups": [name]});
            let bindings: Vec<Value> = roles.iter().map(binding).collect();
            json!({
                "apiVersion": "multicluster.coreos.com/v1", "kind": "ClusterPolicy", "metadata": {"name": name},
                "spec": {
                    "selector": label,
                    "authorization": {"clusterBindings": [binding(&"view")]},
                    "namespaces": [{"name": NAMESPACE, "authorization": {"bindings": bindings}}],
                },
            })
        };
        let items: Vec<Value> = policies.map(document).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        bench.fleet.directory.apply(&list.to_string()).unwrap();
    }

    /// All of it is granted, and recorded.
    fn grant(&self, bench: &Bench) {
        Self::apply(bench, self.policies.iter().map(|(name, way)| (name.as_str(), *way)), &["view", "edit"]);
        bench.fleet.entry(OWN, &json!({"cloud": "aws", "stage": "one"}));
        let (policies, number) = (self.policies.len() + 2, self.policies.len() * 3 + 7);
        until_settled(bench, policies);
        assert_eq!(made(&bench.fleet.replica).len(), number);
    }

    fn revoke(&self, bench: &Bench) {
        Self::apply(bench, self.of(Way::Dropped).map(|name| (name, Way::Dropped)), &["view"]);
        let go: Vec<&str> = self.of(Way::Deleted).collect();
        let args = ["delete", "clusterpolicies.multicluster.coreos.com", "--wait=false"];
        bench.fleet.directory.kubectl_ok(&[&args[..], &go].concat()).unwrap();
        bench.fleet.entry(OWN, &json!({"cloud": "aws"}));
    }

    /// What is to go of what was there.
    fn doomed(&self, before: &Before) -> BTreeSet<String> {
        let doomed = |object: &Value| {
            let mark = object["metadata"]["annotations"]["multicluster.coreos.com/made-for"].as_str()?;
            let maker = mark.split('/').next()?;
            let (_, way) = self.policies.iter().find(|(name, _)| name == maker)?;
            Some(*way != Way::Dropped || object["roleRef"]["name"] == "edit")
        };
        let doomed = before.objects.iter().filter(|(_, object)| doomed(object) == Some(true));
        doomed.map(|(key, _)| key.clone()).collect()
    }
}

/// Waits until so many ledgers are there, and each says what was made of all that it asks for.
fn until_settled(bench: &Bench, number: usize) {
    let look = || {
        let list = bench.fleet.replica.api().get(LEDGERS).map_err(|error| error.to_string())?;
        let ledgers = list["items"].as_array().ok_or("no list")?;
        let length = |ledger: &Value, path: &str| {
            let list = ledger.pointer(path)?.as_array()?;
            // The namespace is the replica's own: it is used, and nobody's who grants.
            let used = |entry: &&Value| entry["kind"] == "Namespace" && !entry.to_string().contains("api-");
            Some(list.len() - list.iter().filter(used).count())
        };
        let settled = |ledger: &&Value| {
            // What was dropped stays in the record until the next one; that it is gone, the status says.
            let lists = ["/status/appliedResources", "/spec/ledger/manifests"];
            let [applied, asked] = lists.map(|path| length(ledger, path));
            applied.is_some() && applied == asked
        };
        match ledgers.iter().filter(settled).count() {
            settled if settled == ledgers.len() && settled == number => Ok(()),
            settled => Err(format!("{settled} of {} ledgers settled, {number} expected", ledgers.len())),
        }
    };
    let waited = timed(&format!("{number} ledgers settled"), FIGURE * 10, look);
    waited.unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
}

impl Before {
    fn new(bench: &Bench) -> Self {
        Self { objects: objects(&bench.fleet.replica), ledgers: ledgers(bench), mark: bench.mark() }
    }
}

/// UID and resourceVersion of the ledger of each policy.
fn ledgers(bench: &Bench) -> BTreeMap<String, (String, String)> {
    let list = bench.fleet.replica.api().get(LEDGERS).unwrap();
    let name = |ledger: &Value| ledger["spec"]["workName"].as_str().unwrap().to_owned();
    list["items"].as_array().unwrap().iter().map(|ledger| (name(ledger), version(ledger))).collect()
}

/// One round: all is granted, all is revoked while this is so, and all that is to go goes.
fn round(bench: &mut Bench, grants: &Grants, meanwhile: Meanwhile) {
    let number = grants.policies.len();
    println!("{number} revoked, {meanwhile:?}:");
    grants.grant(bench);
    let before = Before::new(bench);
    let doomed = grants.doomed(&before);
    let whole = grants.of(Way::Deleted).chain(grants.of(Way::Unmatched)).count();
    assert_eq!(doomed.len(), 3 * whole + grants.of(Way::Dropped).count(), "{doomed:?}");

    match meanwhile {
        Meanwhile::Watching => grants.revoke(bench),
        Meanwhile::Down => {
            bench.stop();
            grants.revoke(bench);
            bench.agent.restart().unwrap();
        }
        Meanwhile::Expired => {
            bench.directory.cut().unwrap();
            grants.revoke(bench);
            for path in [POLICIES, CLUSTERS] {
                let resumes = |parts: &http::request::Parts| {
                    !parts.uri.query().unwrap_or_default().contains("sendInitialEvents")
                };
                let expired = Rule::on(path, Action::failure(410, "Expired")).watches().when(resumes);
                bench.directory.add(expired.times(1));
            }
            bench.directory.restore().unwrap();
        }
        Meanwhile::Silent => {
            let mute = |path| bench.directory.add(Rule::on(path, Action::Mute).watches());
            let muted = [POLICIES, CLUSTERS].map(mute);
            bench.directory.disconnect();
            bench.until("silent watches", || match muted.map(|rule| bench.directory.hits(rule)) {
                [policies, entries] if policies > 0 && entries > 0 => Ok(()),
                hits => Err(format!("{hits:?}")),
            });
            grants.revoke(bench);
            bench.directory.clear();
            bench.directory.disconnect();
        }
    }
    let gone = || {
        let there = objects(&bench.fleet.replica);
        match doomed.iter().filter(|key| there.contains_key(*key)).count() {
            0 => Ok(()),
            left => Err(format!("{left} of {} grants are there", doomed.len())),
        }
    };
    let what = format!("{} grants of {number} policies gone, {meanwhile:?}", doomed.len());
    let waited = timed(&what, FIGURE * 10, gone);
    waited.unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
    until_settled(bench, number - whole + 2);
    let told = format!("{} policies, ", number - whole + 2);
    bench.until("the report to say so", || match condition_of(&bench.report(), "PoliciesApplied") {
        Some((reason, message)) if reason == "Applied" && message.starts_with(&told) => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
    bench.directory.clear();
    nothing_else(bench, &before, &doomed, whole);

    let member = |name: &str| json!({"user": "somebody", "groups": [name]});
    for (name, way) in grants.policies.iter().take(3) {
        until_may(&bench.fleet, &member(name), ("create", "pods", NAMESPACE), false);
        until_may(&bench.fleet, &member(name), ("list", "pods", NAMESPACE), *way == Way::Dropped);
    }
}

/// Only what was to go went, by the applier's hand; and all the rest is as it was.
fn nothing_else(bench: &Bench, before: &Before, doomed: &BTreeSet<String>, whole: usize) {
    let deleted: Vec<AuditEvent> = trail::writes(&bench.fleet.replica, before.mark, REPLICA_USER)
        .into_iter()
        .filter(|event| event.verb.starts_with("delete"))
        .collect();
    let log = trail::lines(&deleted);
    assert!(deleted.iter().all(|event| event.verb == "delete" && event.code == 200), "{log}");
    let (by_applier, own): (Vec<_>, Vec<_>) =
        deleted.iter().partition(|event| event.impersonated.as_deref() == Some(APPLIER));
    let kind = |event: &AuditEvent| match event.resource.as_str() {
        "clusterrolebindings" => format!("ClusterRoleBinding {}", event.name),
        "rolebindings" => format!("RoleBinding {}/{}", event.namespace, event.name),
        other => panic!("{other} deleted:\n{log}"),
    };
    let gone: Vec<String> = by_applier.into_iter().map(kind).collect();
    assert_eq!(gone.len(), doomed.len(), "{log}");
    assert_eq!(gone.into_iter().collect::<BTreeSet<_>>(), *doomed, "{log}");
    // A ledger and a copy of each policy that is revoked as a whole.
    let own_of = |resource: &str| own.iter().filter(|event| event.resource == resource).count();
    assert_eq!((own_of("appliedworks"), own_of("clusterpolicies"), own.len()), (whole, whole, 2 * whole));

    let now = objects(&bench.fleet.replica);
    let mut kept = before.objects.clone();
    kept.retain(|key, _| !doomed.contains(key));
    assert_eq!(versions(&now), versions(&kept), "{}", bench.agent.log());
    let ledgers = ledgers(bench);
    for documented in ["ldap-group-admin", "web-api"] {
        assert_eq!(ledgers[documented], before.ledgers[documented], "{documented}");
    }
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.fleet.replica.kubectl_ok(&["create", "namespace", NAMESPACE]).unwrap();
    bench
}

#[test]
fn each_way_ends_the_grant_and_nothing_else() {
    let mut bench = bench();
    let grants = Grants::new(3);
    for meanwhile in [Meanwhile::Watching, Meanwhile::Down, Meanwhile::Expired, Meanwhile::Silent] {
        round(&mut bench, &grants, meanwhile);
    }
}

#[test]
fn fifty_at_once_end_and_nothing_else() {
    let mut bench = bench();
    let grants = Grants::new(50);
    for meanwhile in [Meanwhile::Watching, Meanwhile::Down, Meanwhile::Expired] {
        round(&mut bench, &grants, meanwhile);
    }
}
