//! A server of one Lease, and those who stand for it.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::super::*;
use crate::testing::{Ask, Feed, Reply, Server, fed_reply, reply, soon, status};

/// A server that holds one Lease, with the rules of the real one that matter: names are taken once, a replacement with
/// an old resourceVersion is a conflict, and watches see every change.
#[derive(Clone, Default)]
pub(super) struct Leases(Arc<Mutex<Held>>);

#[derive(Default)]
pub(super) struct Held {
    pub(super) lease: Option<Value>,
    pub(super) version: u64,
    pub(super) watches: Vec<Feed>,
    /// When it was written.
    pub(super) writes: Vec<Instant>,
    /// How often each kind of request came.
    pub(super) gets: usize,
    pub(super) puts: usize,
    /// Writes that came too late.
    pub(super) refused: usize,
    /// Somebody is always faster, if set.
    pub(super) contested: bool,
    /// Answers nothing but errors, if set.
    pub(super) broken: bool,
    /// How many of them.
    pub(super) failed: usize,
}

impl Leases {
    pub(super) fn answer(&self, ask: &Ask) -> Reply {
        let mut held = self.0.lock().unwrap();
        if held.broken {
            held.failed += 1;
            return reply(500, &status(500, "InternalError", &json!({})));
        }
        let absent = || {
            let details = json!({"name": "l", "group": "coordination.k8s.io", "kind": "leases"});
            reply(404, &status(404, "NotFound", &details))
        };
        match (ask.method.as_str(), held.lease.is_some()) {
            ("GET", _) if ask.asked("watch").is_some() => {
                let (feed, answer) = fed_reply();
                if let Some(lease) = &held.lease {
                    feed.event("ADDED", lease);
                }
                feed.event(
                    "BOOKMARK",
                    &json!({
                    "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {
                        "resourceVersion": held.version.to_string(),
                        "annotations": {"k8s.io/initial-events-end": "true"}}}),
                );
                held.watches.push(feed);
                answer
            }
            ("GET", true) => {
                held.gets += 1;
                reply(200, held.lease.as_ref().unwrap())
            }
            ("POST", true) => {
                held.refused += 1;
                reply(409, &status(409, "AlreadyExists", &json!({})))
            }
            ("PUT", true)
                if held.contested
                    || ask.json()["metadata"]["resourceVersion"] != json!(held.version.to_string()) =>
            {
                held.refused += 1;
                reply(409, &status(409, "Conflict", &json!({})))
            }
            ("POST", false) | ("PUT", true) => {
                held.puts += 1;
                held.store(ask.json());
                reply(200, held.lease.as_ref().unwrap())
            }
            _ => absent(),
        }
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Held) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    /// Waits for more renewals.
    pub(super) async fn renewed(&self) {
        let puts = self.with(|held| held.puts);
        while self.with(|held| held.puts) < puts + 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) fn holder(&self) -> String {
        self.with(|held| {
            held.lease
                .as_ref()
                .map_or("absent", |lease| lease["spec"]["holderIdentity"].as_str().unwrap())
                .to_owned()
        })
    }
}

impl Held {
    pub(super) fn store(&mut self, mut lease: Value) {
        self.version += 1;
        self.writes.push(Instant::now());
        lease["metadata"]["uid"] = json!("u");
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.watches.iter().for_each(|feed| feed.event("MODIFIED", &lease));
        self.lease = Some(lease);
    }

    /// The time between the last two writes.
    pub(super) fn gap(&self) -> Duration {
        let [.., before, last] = *self.writes else { panic!("{:?}", self.writes) };
        println!("taken over after {:?}", last - before);
        last - before
    }

    pub(super) fn delete(&mut self) {
        self.version += 1;
        let mut lease = self.lease.take().unwrap();
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.watches.iter().for_each(|feed| feed.event("DELETED", &lease));
    }
}

pub(super) fn election(identity: &str) -> Election {
    Election {
        renew: Duration::from_millis(250),
        ..Election::new("n", "l", identity, "muster-test", Duration::from_secs(1))
    }
}

/// One whose end is noticed in time also by a busy machine.
pub(super) fn patient(identity: &str) -> Election {
    let duration = Duration::from_secs(2);
    Election { duration, margin: duration / 2, ..election(identity) }
}

pub(super) struct Candidate {
    pub(super) claim: watch::Receiver<Claim>,
    pub(super) cancel: CancellationToken,
    pub(super) task: tokio::task::JoinHandle<()>,
}

impl Candidate {
    pub(super) fn start(server: &Server, identity: &str) -> Self {
        Self::with(server, election(identity))
    }

    pub(super) fn with(server: &Server, election: Election) -> Self {
        let (elector, claim) = Elector::new(election, Link::fixed(server.client()));
        let cancel = CancellationToken::new();
        let task = tokio::spawn(elector.run(cancel.clone()));
        Self { claim, cancel, task }
    }

    pub(super) async fn until(&mut self, what: &str, wanted: impl FnMut(&Claim) -> bool) -> Claim {
        soon(what, self.claim.wait_for(wanted)).await.unwrap().clone()
    }

    pub(super) async fn leads(&mut self) -> Instant {
        match self.until("leadership", |claim| matches!(claim, Claim::Held { .. })).await {
            Claim::Held { until } => until,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn follows(&mut self, holder: &str) {
        self.until("another to lead", |claim| *claim == Claim::Other { holder: holder.to_owned() }).await;
    }
}

/// Runs a play against a server of one Lease.
pub(super) async fn play<F: Future<Output = ()>>(act: impl FnOnce(Arc<Server>, Leases) -> F) {
    let server = Arc::new(Server::start().await);
    let leases = Leases::default();
    let serving = server.serve(|ask| leases.answer(ask));
    let play = act(Arc::clone(&server), leases.clone());
    tokio::select! { () = serving => panic!("the server ended"), () = play => {} }
}
