//! Nothing is lost: whatever becomes of the directory, nothing that a Work made and no copy is deleted, made anew or emptied,
//! hand edits are undone, and what is wrong is said. When the fault is over, the replica comes in step, with what changed
//! meanwhile.

mod access;
mod address;
pub(crate) mod identity;
pub(crate) mod lies;
mod lists;
mod outage;
pub(crate) mod removal;
mod restart;
mod trust;
mod works;

use std::cell::Cell;
use std::collections::BTreeMap;

use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::AuditMark;
use muster_tests::proxy::{Proxy, RuleId};
use muster_tests::wait::{DEADLINE, eventually, timed};
use serde_json::{Value, json};

use self::lies::Collection;
use crate::fleet::{CLUSTERS, Fleet, version};
use crate::works::{APPLIER, config_map, made, put_work, until_told};

/// The agent's user in the replica.
const AGENT: &str = "system:serviceaccount:muster-system:directory-sync";
/// What the agent recorded of its directory.
const STATE: &str = "/api/v1/namespaces/muster-system/configmaps/muster-agent-state";
/// The agent's Lease in the replica.
const LEADER: &str = "/apis/coordination.k8s.io/v1/namespaces/muster-system/leases/muster-agent";

/// A Work that nobody changes: what it made stays whatever becomes of the directory.
const WORK: &str = "kept";
/// The numbers of what it makes: each is edited by hand once, since what is edited again and again is a fight.
const MADE: std::ops::Range<usize> = 0..40;

/// End of the path of the CRD of the entries.
const CRD: &str = "/customresourcedefinitions/clusters.multicluster.coreos.com";

/// A fleet whose agent reaches the directory through a proxy.
struct Bench {
    agent: AgentProcess,
    proxy: Proxy,
    fleet: Fleet,
    /// How many objects of the Work were edited by hand.
    edited: Cell<usize>,
}

/// What the replica held at some time: UIDs of copies by name, and of what Works made.
struct Held {
    uids: BTreeMap<String, String>,
    made: BTreeMap<String, String>,
    mark: AuditMark,
}

impl Bench {
    /// A bench in step, with entries of these names beside `east` and `west`.
    fn new(entries: &[&str]) -> Self {
        Self::over(entries, Fleet::replica_kubeconfig)
    }

    /// The same, where the agent reaches the replica by this kubeconfig.
    fn over(entries: &[&str], replica: impl FnOnce(&Fleet) -> String) -> Self {
        let fleet = Fleet::new();
        let proxy = Proxy::start(&fleet.directory).unwrap();
        for name in entries {
            create(&fleet, name);
        }
        fleet.offer(&proxy.kubeconfig_for(&fleet.kubeconfig()).unwrap());
        let agent = fleet.agent_over(&replica(&fleet), &[]);
        Self::begin(agent, proxy, fleet)
    }

    /// A bench in step, with the Work.
    fn begin(agent: AgentProcess, proxy: Proxy, fleet: Fleet) -> Self {
        fleet.in_step(&agent);
        let bench = Self { agent, proxy, fleet, edited: Cell::new(0) };
        bench.settled();
        bench.put();
        until_told(&bench.fleet, &bench.agent, WORK, "Applied", "Applied");
        bench
    }

    /// Makes the Work.
    fn put(&self) {
        put_work(&self.fleet, WORK, &MADE.map(kept).collect());
    }

    /// Waits until the report says that all is well.
    fn settled(&self) {
        self.told(&[
            ("DirectoryReachable", "Reachable"),
            ("EntryPresent", "Present"),
            ("MirrorInSync", "InSync"),
            ("HeartbeatAccepted", "Accepted"),
        ]);
    }

    /// Waits until the local report says this.
    fn told(&self, conditions: &[(&str, &str)]) {
        for (condition, reason) in conditions {
            let message = self.fleet.reason(&self.agent, condition, reason);
            println!("    {condition}={reason} {message}");
        }
    }

    /// What the replica holds now.
    fn held(&self) -> Held {
        let mark = self.fleet.replica.audit_mark().unwrap();
        Held { uids: self.uids(), made: made(&self.fleet), mark }
    }

    fn uids(&self) -> BTreeMap<String, String> {
        let list = self.fleet.replica.api().get(CLUSTERS).unwrap();
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .map(|copy| {
                let name = copy["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                assert!(
                    copy["spec"].is_object() && copy["metadata"]["labels"].is_object(),
                    "emptied: {copy}"
                );
                (name, version(copy).0)
            })
            .collect()
    }

    /// Checks that nothing went, came or was made anew, by what is there and by the audit log.
    fn nothing_lost(&self, held: &Held) {
        self.only(held, &[], &[]);
    }

    /// Checks that nothing that a Work made went, came or was made anew.
    fn works_kept(&self, held: &Held) {
        assert_eq!(made(&self.fleet), held.made, "{}", self.agent.log());
        for verb in ["delete", "create"] {
            assert_eq!(self.written(held, verb, "configmaps"), [""; 0], "{verb}: {}", self.agent.log());
        }
    }

    /// The names of the objects of a resource that the agent deleted, or created, since then.
    fn written(&self, held: &Held, verb: &str, resource: &str) -> Vec<String> {
        let audit = self.fleet.replica.audit_since(held.mark).unwrap();
        let ours = audit.into_iter().filter(|event| {
            [AGENT, APPLIER].contains(&event.user.as_str())
                && event.resource == resource
                && event.namespace != "muster-system"
                && event.verb == verb
                && (200..300).contains(&event.code)
        });
        let mut names: Vec<String> =
            ours.map(|event| if event.name.is_empty() { "?".to_owned() } else { event.name }).collect();
        names.sort();
        names
    }

    /// Edits a copy and what the Work made by hand, and waits until that is undone.
    fn corrects(&self, name: &str) {
        let path = format!("{CLUSTERS}/{name}");
        let edit = json!({"metadata": {"labels": {"edited": "by-hand"}}, "spec": {"edited": true}});
        self.fleet.replica.api().patch(&path, MERGE_PATCH, &edit).unwrap();
        self.wait("a hand edit undone", || {
            let copy = self.fleet.copy(name).map_err(|error| error.to_string())?;
            let edited =
                copy.pointer("/metadata/labels/edited").is_some() || copy.pointer("/spec/edited").is_some();
            if edited { Err(copy.to_string()) } else { Ok(()) }
        });
        self.mends_what_works_made();
    }

    /// Edits what the Work made by hand, and waits until that is undone.
    fn mends_what_works_made(&self) {
        let number = self.edited.replace(self.edited.get() + 1);
        assert!(MADE.contains(&number), "too few");
        let path = format!("/api/v1/namespaces/default/configmaps/kept-{number}");
        let edit = json!({"data": {"key": "edited by hand"}});
        self.fleet.replica.api().patch(&path, MERGE_PATCH, &edit).unwrap();
        self.wait("a hand edit of what a Work made undone", || {
            let object = self.fleet.replica.api().get(&path).map_err(|error| error.to_string())?;
            if object["data"]["key"] == "one" { Ok(()) } else { Err(object.to_string()) }
        });
    }

    /// Waits without printing; fails with the agent's log.
    fn wait<T>(&self, what: &str, look: impl FnMut() -> Result<T, String>) -> T {
        eventually(what, DEADLINE, look).unwrap_or_else(|late| panic!("{late}\n{}", self.agent.log()))
    }

    /// Waits until a rule has acted so often.
    fn hit(&self, rule: RuleId, times: usize) {
        self.wait("the fault to strike", || match self.proxy.hits(rule) {
            hits if hits >= times => Ok(()),
            hits => Err(format!("{hits} of {times} hits")),
        });
    }

    /// Makes the agent list the entries anew: its connections break, and the server serves no history any more.
    fn relist(&self) -> RuleId {
        let rule = Collection::Entries.forget(&self.proxy);
        self.proxy.disconnect();
        rule
    }

    /// Checks what was written since: no copy but these was deleted or made, no other was made anew, and nothing that a Work
    /// made.
    fn only(&self, held: &Held, deleted: &[&str], created: &[&str]) {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(self.written(held, "delete", "clusters"), names(deleted), "{}", self.agent.log());
        assert_eq!(self.written(held, "create", "clusters").len(), created.len(), "{}", self.agent.log());
        let mut kept = held.uids.clone();
        kept.retain(|name, _| !deleted.contains(&name.as_str()));
        let mut now = self.uids();
        assert!(created.iter().all(|name| now.remove(*name).is_some()), "{now:?}");
        assert_eq!(now, kept, "{}", self.agent.log());
        self.works_kept(held);
    }

    /// How often the agent read the CRD of the entries: it does so whenever it looks whether an absence means anything.
    fn examinations(&self) -> usize {
        self.proxy.requests().iter().filter(|seen| seen.path.ends_with(CRD)).count()
    }

    /// Waits until the agent has looked since: before and after the entries in question where the directory is as it
    /// was, and else once now and once more later.
    fn examined(&self, before: usize) {
        self.wait("live reads of the directory", || match self.examinations() {
            reads if reads >= before + 2 => Ok(()),
            reads => Err(format!("{reads} reads of the CRD, {before} before")),
        });
    }

    /// Waits until the copies are those of the entries; prints how long that took.
    fn back(&self, fault: &str) {
        let what = format!("{fault}: in step again");
        let (entries, copies) = (&self.fleet.directory, &self.fleet.replica);
        timed(&what, DEADLINE * 4, || {
            let (entries, copies) = (crate::fleet::contents(entries), crate::fleet::contents(copies));
            if entries == copies {
                Ok(())
            } else {
                Err(format!("{} and {}", names(&entries), names(&copies)))
            }
        })
        .unwrap_or_else(|late| panic!("{late}\n{}", self.agent.log()));
    }

    /// Kills the agent and starts it again. Its Lease is taken away, so that nobody waits for its end.
    fn restart(&mut self) {
        self.agent.kill().unwrap();
        self.fleet.replica.api().delete(LEADER).unwrap();
        self.agent.restart().unwrap();
        let lease = || self.fleet.replica.api().get(LEADER).map(drop).map_err(|error| error.to_string());
        self.wait("the agent to act again", lease);
    }
}

/// An object of the Work.
fn kept(number: usize) -> Value {
    config_map("default", &format!("kept-{number}"), "one")
}

fn names(contents: &[Value]) -> String {
    let all: Vec<String> = contents.iter().map(|c| format!("{}{}", c["name"], c["labels"])).collect();
    all.join(",")
}

/// Makes an entry.
fn create(fleet: &Fleet, name: &str) {
    let entry = json!({
        "apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster",
        "metadata": {"name": name, "labels": {"stage": "one"}},
        "spec": {"KubernetesAPIEndpoints": {"ServerEndpoints": [{"ServerAddress": format!("https://{name}.example.com")}]}},
    });
    fleet.directory.api().create(CLUSTERS, &entry).unwrap();
}

/// Gives an entry another label.
fn relabel(fleet: &Fleet, name: &str, stage: &str) {
    let change = json!({"metadata": {"labels": {"stage": stage}}});
    fleet.directory.api().patch(&format!("{CLUSTERS}/{name}"), MERGE_PATCH, &change).unwrap();
}

/// Deletes an entry.
fn delete(fleet: &Fleet, name: &str) {
    fleet.directory.api().delete(&format!("{CLUSTERS}/{name}")).unwrap();
}
