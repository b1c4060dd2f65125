//! Many agents of one directory, which goes, and is back: they come back each in its own time, and not as one.
//!
//! All of them act in one replica, each with a namespace, a name, a Work and a proxy of its own. The proxy keeps the Lease apart
//! that lets one agent act in a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use muster_api::names::execution_namespace;
use muster_tests::agent::{AgentProcess, agent_binary, shipped_binary};
use muster_tests::plane::{AuditEvent, AuditMark, TokenOptions};
use muster_tests::proxy::{Action, Proxy, Rule, Seen};
use muster_tests::scratch::Scratch;
use muster_tests::wait::{DEADLINE, saw, throughout, timed};
use serde_json::{Value, json};

use crate::fleet::{ENROL, Fleet, condition_of, version};
use crate::trail;
use crate::works::config_map;

/// How many agents start at once.
const BATCH: usize = 100;
/// For how long the directory is away: longer than it takes until waits are as long as they get.
const AWAY: Duration = Duration::from_secs(15);
/// For how long nothing is to go or come where nothing is asked for.
const CALM: Duration = Duration::from_secs(5);
/// The Lease that lets one agent act in a cluster.
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/muster-system/leases";

/// How many agents there are, and what is asked of them.
struct Size {
    agents: usize,
    binary: PathBuf,
    options: &'static [&'static str],
    /// Whether each has a Work. They share the records of their Works, and each asks about those of all the others.
    works: bool,
    /// Requests in a second, of all of them.
    most: usize,
    /// Of so many at most the first request is answered in the same second.
    abreast: usize,
    /// Until all is in step again.
    again: Duration,
}

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
    size: Size,
}

impl Member {
    fn start(fleet: &Fleet, directory: &Proxy, name: &str, size: &Size) -> Self {
        let replica = Proxy::frugal(&fleet.replica).unwrap();
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
        let mut args = vec!["--kubeconfig", &own, "--directory-kubeconfig", &upstream, "--namespace", name];
        args.extend(size.options);
        let agent = AgentProcess::start_binary(size.binary.clone(), &args, &[]).unwrap();
        Self { name: name.to_owned(), agent, _replica: replica, _files: files }
    }

    fn works(&self) -> String {
        works(&self.name)
    }
}

fn works(cluster: &str) -> String {
    format!("/apis/multicluster.x-k8s.io/v1alpha1/namespaces/{}/works", execution_namespace(cluster))
}

impl Herd {
    /// One agent for each of these clusters, with its Work applied.
    fn new(names: &[String], size: Size) -> Self {
        let fleet = Fleet::bare();
        let directory = Proxy::start(&fleet.directory).unwrap();
        let enrolled = names.iter().map(|name| {
            let placed = ENROL.replace("muster-cluster-CLUSTER_NAME", &execution_namespace(name));
            placed.replace("CLUSTER_NAME", name)
        });
        let enrolled: Vec<String> = enrolled.collect();
        fleet.directory.apply(&enrolled.join("\n---\n")).unwrap();
        for name in names {
            fleet.entry(name, &json!({"cloud": "aws"}));
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            fleet.replica.api().create("/api/v1/namespaces", &namespace).unwrap();
        }
        let mut herd = Self { members: Vec::new(), directory, fleet, size };
        for names in names.chunks(BATCH) {
            let start = |name: &String| Member::start(&herd.fleet, &herd.directory, name, &herd.size);
            let members: Vec<Member> = names.iter().map(start).collect();
            herd.comes_in_step(&members, "one");
            herd.members.extend(members);
        }
        herd
    }

    /// Asks something of these, and waits until all of them have done it, and have said so.
    fn comes_in_step(&self, members: &[Member], value: &str) {
        if self.size.works {
            self.ask(members, value);
            return self.in_step(members, value);
        }
        let since = Timestamp::now();
        let waited = timed("heartbeats of all", self.size.again, || {
            let beating = self.beating(since)?;
            let silent = |member: &&Member| !beating.contains(&execution_namespace(&member.name));
            match members.iter().filter(silent).count() {
                0 => Ok(()),
                some => Err(format!("{some} of {} are silent", members.len())),
            }
        });
        waited.unwrap();
    }

    /// The namespaces in the directory of those that have had a heartbeat since then.
    fn beating(&self, since: Timestamp) -> Result<BTreeSet<String>, String> {
        let leases = self.fleet.directory.api().get("/apis/coordination.k8s.io/v1/leases");
        let leases = leases.map_err(|error| error.to_string())?;
        let renewed = |lease: &&Value| {
            let time = lease["spec"]["renewTime"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
            time.is_some_and(|time| time > since)
        };
        let leases = leases["items"].as_array().ok_or("no list")?.iter().filter(renewed);
        Ok(leases.filter_map(|lease| lease["metadata"]["namespace"].as_str().map(str::to_owned)).collect())
    }

    /// One Work for each, with this value.
    fn ask(&self, members: &[Member], value: &str) {
        let api = self.fleet.directory.api();
        for Member { name, .. } in members {
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
    fn in_step(&self, members: &[Member], value: &str) {
        let mut late: BTreeSet<usize> = (0..members.len()).collect();
        let looked = timed("all in step", self.size.again, || {
            late.retain(|number| !self.is_in_step(&members[*number], value));
            if late.is_empty() { Ok(()) } else { Err(format!("{late:?}")) }
        });
        looked.unwrap_or_else(|error| {
            let member = &members[*late.first().unwrap()];
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
        self.written(since, |event| event.verb.starts_with("delete"))
    }

    /// Where agents wrote so in the replica since then.
    fn written(&self, since: AuditMark, so: impl Fn(&AuditEvent) -> bool) -> Vec<String> {
        let events = trail::writes(&self.fleet.replica, since, "admin");
        let of_agents = events.into_iter().filter(|event| event.user_agent.starts_with("muster-agent"));
        of_agents.filter(so).map(|event| event.uri).collect()
    }
}

/// How requests spread from a moment on: in each second, all of them, and the clusters of which the first one was answered.
fn spread(requests: &[Seen], from: Instant) -> (BTreeMap<u64, usize>, BTreeMap<u64, usize>) {
    let (mut all, mut first, mut seen) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for request in requests.iter().filter(|request| request.at >= from) {
        let second = request.at.duration_since(from).as_secs();
        *all.entry(second).or_insert(0) += 1;
        let of = request.path.split("/namespaces/muster-cluster-").nth(1);
        if let Some(cluster) = of.and_then(|rest| rest.split('/').next())
            && request.status.is_some_and(|status| status < 400)
            && seen.insert(cluster.to_owned())
        {
            *first.entry(second).or_insert(0) += 1;
        }
    }
    (all, first)
}

/// No second has more requests than these.
fn is_bounded(requests: &BTreeMap<u64, usize>, size: &Size) {
    let most = requests.values().max().copied().unwrap_or_default();
    assert!(most <= size.most, "{most} requests in a second: {requests:?}");
}

fn come_back(size: Size) {
    let names: Vec<String> = (0..size.agents).map(|number| format!("c{number:03}")).collect();
    let began = Instant::now();
    let herd = Herd::new(&names, size);
    let size = &herd.size;
    saw(&format!("{} agents in step", size.agents), began.elapsed());
    let mark = trail::mark(&herd.fleet.replica);
    herd.fleet.directory.kill_apiserver().unwrap();
    let killed = Instant::now();
    throughout("away", AWAY, || {
        if herd.fleet.directory.api().get("/api").is_err() { Ok(()) } else { Err("there") }
    })
    .unwrap();
    let (away, _) = spread(&herd.directory.requests(), killed);
    println!("while it was away: {away:?}");
    is_bounded(&away, size);
    herd.fleet.directory.restart().unwrap();
    let back = Instant::now();
    herd.comes_in_step(&herd.members, "two");
    saw("all of them", back.elapsed());
    let (all, first) = spread(&herd.directory.requests(), back);
    println!("since it is back: {all:?}, first of each: {first:?}");
    is_bounded(&all, size);
    let most = first.values().max().unwrap();
    assert!(*most <= size.abreast, "{most} came back in the same second: {first:?}");

    let reset = Instant::now();
    herd.directory.disconnect();
    herd.comes_in_step(&herd.members, "three");
    saw("all of them", reset.elapsed());
    let (all, first) = spread(&herd.directory.requests(), reset);
    println!("since all connections ended: {all:?}, first of each: {first:?}");
    is_bounded(&all, size);
    assert_eq!(herd.deletions(mark), Vec::<String>::new());
}

fn few() -> Size {
    let (binary, again) = (agent_binary().unwrap(), Duration::from_secs(100));
    Size { agents: 20, binary, options: &[], works: true, most: 600, abreast: 19, again }
}

/// All of them share one replica, which is no place for a thousand copies of the list of a thousand clusters.
fn many() -> Size {
    let (binary, again) = (shipped_binary().unwrap(), Duration::from_secs(600));
    Size {
        agents: 1_000,
        binary,
        options: &["--mirror", "none"],
        works: false,
        most: 3_000,
        abreast: 500,
        again,
    }
}

#[test]
fn agents_come_back_to_a_directory_that_was_away_each_in_its_own_time() {
    come_back(few());
}

#[test]
#[ignore = "takes minutes, and ten gigabytes: run by make faults"]
fn a_thousand_agents_come_back_to_a_directory_that_was_away() {
    come_back(many());
}

#[test]
fn two_clusters_whose_names_are_cut_alike_have_each_their_own() {
    let names = ['a', 'b'].map(|last| format!("{}{last}", "n".repeat(62)));
    let places = names.each_ref().map(|name| execution_namespace(name));
    let cut = |place: &str| place.rsplit_once('-').map(|(cut, _)| cut.to_owned());
    assert!(places[0] != places[1] && cut(&places[0]) == cut(&places[1]), "{places:?}");
    let herd = Herd::new(&names, few());
    let path = |name: &String| format!("/api/v1/namespaces/default/configmaps/{name}");
    let there = || {
        names.each_ref().map(|name| herd.fleet.replica.api().get(&path(name)).ok().map(|map| version(&map)))
    };
    let (before, mark) = (there(), trail::mark(&herd.fleet.replica));
    assert!(before.iter().all(Option::is_some), "{before:?}");
    throughout("each has its own", CALM, || {
        if there() == before { Ok(()) } else { Err(format!("{:?}", there())) }
    })
    .unwrap();
    let objects =
        |event: &AuditEvent| ["configmaps", "clusters", "appliedworks"].contains(&event.resource.as_str());
    let idle = herd
        .written(mark, |event| objects(event) && event.namespace != names[0] && event.namespace != names[1]);
    assert_eq!(idle, Vec::<String>::new());

    let [stays, goes] = &herd.members[..] else { panic!("two agents") };
    herd.fleet.directory.api().delete(&format!("{}/work-{}", goes.works(), goes.name)).unwrap();
    timed("one of them gone", DEADLINE, || match there() {
        [Some(_), None] => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
    .unwrap_or_else(|late| panic!("{late}\n{}\n{}", stays.agent.log(), goes.agent.log()));
    throughout("the other one stays", CALM, || {
        if there()[0] == before[0] { Ok(()) } else { Err("it does not") }
    })
    .unwrap();
    // They share a replica and its ledgers, so both read in one that it goes: it does so once.
    let goes_now = |event: &AuditEvent| event.verb.starts_with("delete") && event.code == 200;
    let gone = herd.written(mark, |event| goes_now(event) && event.resource == "configmaps");
    assert!(gone.len() == 1 && gone[0].contains(&goes.name), "{gone:?}");
}
