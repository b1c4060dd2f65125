//! Many agents of one directory, which goes, and is back: they come back each in its own time, and not as one.
//!
//! All of them act in one replica, each with a namespace, a name, a Work and a proxy of its own. The proxy keeps the Lease apart
//! that lets one agent act in a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use muster_tests::agent::{AgentProcess, agent_binary, shipped_binary};
use muster_tests::plane::{AuditMark, TokenOptions};
use muster_tests::proxy::{Action, Proxy, Rule, Seen};
use muster_tests::scratch::Scratch;
use muster_tests::wait::{DEADLINE, saw, throughout, timed};
use serde_json::json;

use crate::fleet::{ENROL, Fleet, condition_of};
use crate::trail;
use crate::works::config_map;

/// How many agents there are, and how many in the long run.
const AGENTS: usize = 20;
const MANY: usize = 1000;
/// For how long the directory is away: longer than it takes until waits are as long as they get.
const AWAY: Duration = Duration::from_secs(15);
/// Requests of an agent in a second, on average of all of them.
const MOST: usize = 30;
/// Until all is in step again.
const AGAIN: Duration = Duration::from_secs(60);
/// The same of many: they share the processors with their servers.
const AGAIN_OF_MANY: Duration = Duration::from_secs(1200);
/// The Lease that lets one agent act in a cluster.
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/muster-system/leases";

/// One agent, and what is its own.
struct Member {
    name: String,
    agent: AgentProcess,
    _replica: Proxy,
    // last: its files go after the process
    _files: Scratch,
}

struct Herd {
    // first: who still acts when the clusters are given back makes anew what is cleared there
    members: Vec<Member>,
    /// Between all of them and the directory.
    directory: Proxy,
    fleet: Fleet,
}

impl Member {
    fn start(fleet: &Fleet, directory: &Proxy, name: &str, binary: &Path) -> Self {
        let replica = Proxy::start(&fleet.replica).unwrap();
        let apart = Action::Rename("muster-agent".to_owned(), format!("lease-of-{name}"));
        replica.add(Rule::on(LEASE, apart));
        let own = fleet.replica.token_kubeconfig(fleet.replica.admin_token());
        let token = TokenOptions::default();
        let upstream = fleet.directory.service_account_kubeconfig("muster-agents", name, &token).unwrap();
        let files = Scratch::new("herd").unwrap();
        let file = |short: &str, kubeconfig: String| {
            let path = files.path().join(short);
            std::fs::write(&path, kubeconfig).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let own = file("replica", replica.kubeconfig_for(&own).unwrap());
        let upstream = file("directory", directory.kubeconfig_for(&upstream).unwrap());
        let args = ["--kubeconfig", &own, "--directory-kubeconfig", &upstream, "--namespace", name];
        let agent = AgentProcess::start_binary(binary.to_owned(), &args, &[]).unwrap();
        Self { name: name.to_owned(), agent, _replica: replica, _files: files }
    }

    fn works(&self) -> String {
        works(&self.name)
    }
}

fn works(cluster: &str) -> String {
    format!("/apis/multicluster.x-k8s.io/v1alpha1/namespaces/muster-cluster-{cluster}/works")
}

impl Herd {
    fn new(agents: usize, binary: &Path, deadline: Duration) -> Self {
        let fleet = Fleet::bare();
        let directory = Proxy::start(&fleet.directory).unwrap();
        let names: Vec<String> = (0..agents).map(|number| format!("c{number:03}")).collect();
        let enrolled: Vec<String> = names.iter().map(|name| ENROL.replace("CLUSTER_NAME", name)).collect();
        fleet.directory.apply(&enrolled.join("\n---\n")).unwrap();
        for name in &names {
            fleet.entry(name, &json!({"cloud": "aws"}));
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            fleet.replica.api().create("/api/v1/namespaces", &namespace).unwrap();
        }
        let members = names.iter().map(|name| Member::start(&fleet, &directory, name, binary)).collect();
        let herd = Self { members, directory, fleet };
        herd.ask("one");
        herd.in_step("one", deadline);
        herd
    }

    /// One Work for each, with this value.
    fn ask(&self, value: &str) {
        let api = self.fleet.directory.api();
        for Member { name, .. } in &self.members {
            let manifests = [config_map("default", name, value)];
            let work = json!({
                "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work", "metadata": {"name": format!("work-{name}")},
                "spec": {"workload": {"manifests": manifests}},
            });
            if value == "one" {
                api.create(&works(name), &work).unwrap();
            } else {
                let path = format!("{}/work-{name}", works(name));
                api.patch(&path, muster_tests::api::MERGE_PATCH, &json!({"spec": work["spec"]})).unwrap();
            }
        }
    }

    /// Waits until all Works are applied, and said to be so.
    fn in_step(&self, value: &str, deadline: Duration) {
        let mut late: BTreeSet<usize> = (0..self.members.len()).collect();
        let looked = timed("all in step", deadline, || {
            late.retain(|number| !self.is_in_step(&self.members[*number], value));
            if late.is_empty() { Ok(()) } else { Err(format!("{late:?}")) }
        });
        looked.unwrap_or_else(|error| {
            let member = &self.members[*late.first().unwrap()];
            panic!("{error}\n{}\n{}", member.name, member.agent.log())
        });
    }

    fn is_in_step(&self, member: &Member, value: &str) -> bool {
        let path = format!("/api/v1/namespaces/default/configmaps/{}", member.name);
        let there = self.fleet.replica.api().get(&path).is_ok_and(|object| object["data"]["key"] == value);
        let work = self.fleet.directory.api().get(&format!("{}/work-{}", member.works(), member.name));
        let told = work.is_ok_and(|work| {
            let current = work.pointer("/status/conditions/0/observedGeneration");
            let reason = condition_of(&work, "Applied").unwrap_or_default().0;
            current == work.pointer("/metadata/generation") && reason == "Applied"
        });
        there && told
    }

    /// What agents had deleted in the replica since then.
    fn deletions(&self, since: AuditMark) -> Vec<String> {
        let events = trail::writes(&self.fleet.replica, since, "admin");
        let of_agents = events.into_iter().filter(|event| event.user_agent.starts_with("muster-agent"));
        of_agents.filter(|event| event.verb.starts_with("delete")).map(|event| event.uri).collect()
    }
}

/// How requests spread from a moment on: in each second, all of them, and the clusters of which the first one was answered.
fn spread(requests: &[Seen], from: Instant) -> (BTreeMap<u64, usize>, BTreeMap<u64, usize>) {
    let (mut all, mut first, mut seen) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for request in requests.iter().filter(|request| request.at >= from) {
        let second = request.at.duration_since(from).as_secs();
        *all.entry(second).or_insert(0) += 1;
        let of =
            request.path.split("/namespaces/muster-cluster-").nth(1).and_then(|rest| rest.split('/').next());
        if let Some(cluster) = of
            && request.status.is_some_and(|status| status < 400)
            && seen.insert(cluster.to_owned())
        {
            *first.entry(second).or_insert(0) += 1;
        }
    }
    (all, first)
}

/// No second has more requests than an agent may make, on average, that begins anew.
fn is_bounded(requests: &BTreeMap<u64, usize>, agents: usize) {
    let most = requests.values().max().copied().unwrap_or_default();
    assert!(most <= MOST * agents, "{most} requests in a second: {requests:?}");
}

#[test]
fn agents_come_back_to_a_directory_that_was_away_each_in_its_own_time() {
    come_back(&Herd::new(AGENTS, &agent_binary().unwrap(), DEADLINE * 3), AGAIN);
}

#[test]
#[ignore = "a thousand agents take half an hour, and ten gigabytes: run by make faults"]
fn a_thousand_agents_come_back_to_a_directory_that_was_away() {
    come_back(&Herd::new(MANY, &shipped_binary().unwrap(), AGAIN_OF_MANY), AGAIN_OF_MANY);
}

fn come_back(herd: &Herd, again: Duration) {
    let agents = herd.members.len();
    let mark = trail::mark(&herd.fleet.replica);
    herd.fleet.directory.kill_apiserver().unwrap();
    let killed = Instant::now();
    throughout("away", AWAY, || {
        if herd.fleet.directory.api().get("/api").is_err() { Ok(()) } else { Err("there") }
    })
    .unwrap();
    let (away, _) = spread(&herd.directory.requests(), killed);
    println!("while it was away: {away:?}");
    is_bounded(&away, agents);
    herd.fleet.directory.restart().unwrap();
    let back = Instant::now();
    herd.ask("two");
    herd.in_step("two", again);
    saw("all of them", back.elapsed());
    let (all, first) = spread(&herd.directory.requests(), back);
    println!("since it is back: {all:?}, first of each: {first:?}");
    is_bounded(&all, agents);
    let most = first.values().max().unwrap();
    assert!(*most < agents, "all came back in the same second: {first:?}");

    let reset = Instant::now();
    herd.directory.disconnect();
    herd.ask("three");
    herd.in_step("three", again);
    let (all, first) = spread(&herd.directory.requests(), reset);
    println!("since all connections ended: {all:?}, first of each: {first:?}");
    is_bounded(&all, agents);
    assert_eq!(herd.deletions(mark), Vec::<String>::new());
}
