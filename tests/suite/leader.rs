//! Several agents for one replica: one acts, the others idle and take over. Each process reaches both clusters through
//! proxies of its own, whose logs tell the requests of the processes apart.

mod deputy;
mod installs;
mod outage;
mod pauses;
mod works;

use std::path::Path;
use std::time::{Duration, Instant};

use http::Method;
use muster_tests::agent::AgentProcess;
use muster_tests::plane::TokenOptions;
use muster_tests::proxy::{Proxy, Seen};
use muster_tests::scratch::Scratch;
use muster_tests::wait::throughout;
use rustix::process::Signal;

use crate::fleet::{Fleet, until};

/// Path of the collection of the Lease that decides who acts.
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/muster-system/leases";
/// The namespace of the install that every cluster has.
const SYSTEM: &str = "muster-system";

/// One process of an install.
struct Party {
    agent: AgentProcess,
    /// Between it and the replica.
    replica: Proxy,
    /// Between it and the directory.
    directory: Proxy,
    // last: its files go after the process
    _files: Scratch,
}

impl Party {
    /// Starts a process of the install in this namespace.
    fn start(fleet: &Fleet, namespace: &str, args: &[&str]) -> Self {
        let replica = Proxy::start(&fleet.replica).unwrap();
        let directory = Proxy::start(&fleet.directory).unwrap();
        let token = TokenOptions::default();
        let own = fleet.replica.service_account_kubeconfig(namespace, "directory-sync", &token).unwrap();
        let files = Scratch::new("party").unwrap();
        let file = |name: &str, proxy: &Proxy, kubeconfig: &str| {
            let path = files.path().join(name);
            std::fs::write(&path, proxy.kubeconfig_for(kubeconfig).unwrap()).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let own = file("replica", &replica, &own);
        let upstream = file("directory", &directory, &fleet.kubeconfig());
        let mut all = vec!["--kubeconfig", &own, "--directory-kubeconfig", &upstream];
        all.extend(["--namespace", namespace]);
        all.extend(args);
        let agent = AgentProcess::start(&all, &[]).unwrap();
        Self { agent, replica, directory, _files: files }
    }

    /// All requests that were to change something in either cluster, in the order in which they came. A question that
    /// is posted, such as a `SelfSubjectAccessReview`, changes nothing.
    fn writes(&self) -> Vec<Seen> {
        let mut writes = [self.replica.requests(), self.directory.requests()].concat();
        writes.retain(|seen| seen.method != Method::GET && !seen.path.ends_with("reviews"));
        writes.sort_by_key(|seen| seen.at);
        writes
    }

    /// Those of them that came whole, with when they had. Of a request that the process gave up after its headers the
    /// server carries out nothing.
    fn sent(&self) -> Vec<(Instant, Seen)> {
        self.writes().into_iter().filter_map(|seen| Some((seen.whole?, seen))).collect()
    }

    /// When it took or renewed the Lease, from `since` on.
    fn renewals(&self, since: Instant) -> Vec<Instant> {
        let requests = self.replica.requests().into_iter();
        requests.filter(|seen| seen.at >= since && renews(seen)).map(|seen| seen.at).collect()
    }

    /// Waits until it takes the Lease; gives when it did.
    fn takes_over(&self, since: Instant) -> Instant {
        let mut taken = None;
        until(&self.agent, "the Lease taken over", || {
            taken = self.renewals(since).first().copied();
            taken.map(drop).ok_or_else(|| "it idles".to_owned())
        });
        taken.unwrap()
    }

    /// Waits until it has begun to watch the Lease, which another one has, since then.
    fn idles(&self, since: Instant) {
        until(&self.agent, "a process that idles", || {
            let watches = |seen: &Seen| seen.at >= since && seen.is_watch() && seen.path == LEASES;
            let watching = self.replica.requests().iter().any(watches);
            watching.then_some(()).ok_or_else(|| "it does not watch the Lease".to_owned())
        });
    }

    /// Checks that for this time it changes nothing anywhere.
    fn changes_nothing(&self, since: Instant, span: Duration) {
        let quiet = throughout("no write", span, || {
            let writes: Vec<_> = self.sent().into_iter().filter(|(at, _)| *at >= since).collect();
            if writes.is_empty() { Ok(()) } else { Err(format!("{writes:#?}")) }
        });
        quiet.unwrap_or_else(|late| panic!("{late}\n{}", self.agent.log()));
    }

    /// Stops it, as a node does that has no time for it. It runs no more when this returns.
    fn pause(&self) -> Instant {
        self.agent.signal(Signal::STOP).unwrap();
        let stat = Path::new("/proc").join(self.agent.pid().to_string()).join("stat");
        while !std::fs::read_to_string(&stat).unwrap().contains(") T ") {
            std::thread::yield_now();
        }
        Instant::now()
    }

    /// Lets it go on.
    fn wake(&self) -> Instant {
        let now = Instant::now();
        self.agent.signal(Signal::CONT).unwrap();
        now
    }
}

/// Whether a request took or renewed the Lease.
fn renews(seen: &Seen) -> bool {
    seen.method != Method::GET && seen.path.starts_with(LEASES) && matches!(seen.status, Some(200 | 201))
}

/// How long a claim to the Lease lasts, as the Lease says.
fn lease_duration(fleet: &Fleet) -> Duration {
    let lease = fleet.replica.api().get(&format!("{LEASES}/muster-agent")).unwrap();
    Duration::from_secs(lease["spec"]["leaseDurationSeconds"].as_u64().unwrap())
}
