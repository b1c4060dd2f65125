//! Live reads of the directory, for evidence.

use futures::StreamExt as _;
use muster_api::Resource;
use muster_api::resource::{CLUSTERS, LEASES, POLICIES, WORKS};
use muster_engine::Failure;
use muster_engine::era::Beat;
use muster_engine::event::StepOutcome;
use muster_engine::evidence::{Examination, Findings, Tide};
use muster_engine::pin::Reading;
use muster_kit::client::Client;

use crate::heartbeat::beat;
use crate::session::Open;
use crate::session::probe::{landmarks, reading};

/// Objects read at once: each may be large.
const READS: usize = 8;

/// Carries out an examination, over one connection from its beginning to its end.
pub(super) async fn examine(open: &Open, examination: Examination) -> StepOutcome {
    over(&open.client, &open.execution_namespace, &examination).await
}

async fn over(client: &Client, execution: &str, examination: &Examination) -> StepOutcome {
    let Examination { pin, entries, policies, works, .. } = examination;
    let connections = client.connections_opened();
    let around = async || {
        let namespace = pin.execution_namespace.is_some().then_some(execution);
        // The landmarks last: whatever took the entry away shows in them.
        let own_entry = reading(client.get(&CLUSTERS, None, &pin.cluster).await);
        let shown =
            if examination.beat.is_some() { Some(lease(client, execution, examination).await) } else { None };
        let landmarks = landmarks(client, namespace).await;
        let tide = Tide { acknowledged: examination.beat.clone(), shown };
        Findings { landmarks, own_entry, entries: Vec::new(), policies: Vec::new(), works: Vec::new(), tide }
    };
    let before = around().await;
    let findings = if examination.may_conclude(&before) {
        let entries = by_name(client, &CLUSTERS, None, entries.clone()).await;
        let policies = by_name(client, &POLICIES, None, policies.clone()).await;
        let works = by_name(client, &WORKS, Some(execution), works.clone()).await;
        Findings { entries, policies, works, ..around().await }
    } else {
        before
    };
    // Also where nothing else was read: that the own entry goes is judged by what was read around.
    if client.connections_opened() != connections {
        // The reads may have come from two servers.
        let why = "the connection to the directory changed while it was read";
        return StepOutcome::Failed(Failure::Unavailable, why.into());
    }
    StepOutcome::Found(Box::new(findings))
}

/// What the replica's own Lease shows.
async fn lease(client: &Client, namespace: &str, examination: &Examination) -> Reading<Beat> {
    match reading(client.get(&LEASES, Some(namespace), &examination.pin.cluster).await) {
        Reading::Found(lease) => beat(&examination.pin.directory, &lease)
            .map_or_else(|error| Reading::Unreadable(error.to_string()), Reading::Found),
        Reading::Absent => Reading::Absent,
        Reading::Unreadable(why) => Reading::Unreadable(why),
    }
}

async fn by_name(
    client: &Client,
    resource: &Resource,
    namespace: Option<&str>,
    names: Vec<String>,
) -> Vec<(String, Reading<Box<muster_api::Object>>)> {
    let reads = names.into_iter().map(async |name| {
        let reading = reading(client.get(resource, namespace, &name).await);
        (name, reading)
    });
    futures::stream::iter(reads).buffered(READS).collect().await
}

#[cfg(test)]
mod tests {
    use muster_engine::pin::{Pin, Reading};
    use muster_kit::testing::{Ask, Reply, Server, reply, soon};
    use serde_json::json;

    use super::*;

    fn pin() -> Pin {
        Pin {
            directory: "kube-system".into(),
            clusters_crd: "clusters.multicluster.coreos.com".into(),
            cluster: "east".into(),
            entry: Some("entry".into()),
            ..Pin::default()
        }
    }

    /// A whole directory without the own entry. What is there has its name for its UID.
    fn answer(ask: &Ask) -> Reply {
        let name = ask.path.rsplit('/').next().unwrap();
        if name == "east" {
            let details = json!({"name": name, "group": "multicluster.coreos.com", "kind": "clusters"});
            return reply(
                404,
                &json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                "reason": "NotFound", "message": "not found", "code": 404, "details": details}),
            );
        }
        let (kind, version) = if name == "kube-system" {
            ("Namespace", "v1")
        } else {
            ("CustomResourceDefinition", "apiextensions.k8s.io/v1")
        };
        let metadata = json!({"name": name, "uid": name, "resourceVersion": "1"});
        reply(200, &json!({"kind": kind, "apiVersion": version, "metadata": metadata}))
    }

    /// Whoever answers over another connection may be somebody else: also where nothing but the landmarks and the own
    /// entry is read, which says that the replica left.
    #[tokio::test]
    async fn what_was_read_over_two_connections_counts_for_nothing() {
        for leaving in [false, true] {
            let server = Server::start().await;
            let client = server.client();
            let examination = Examination {
                pin: pin(),
                entries: Vec::new(),
                policies: Vec::new(),
                works: Vec::new(),
                leaving,
                beat: None,
            };
            let examined = Box::pin(async {
                // The connection comes up while it reads, and then lasts.
                let first = over(&client, "muster-cluster-east", &examination).await;
                (first, over(&client, "muster-cluster-east", &examination).await)
            });
            let (first, second) = soon("the examination", async {
                tokio::select! {
                    outcomes = examined => outcomes,
                    () = server.serve(answer) => unreachable!("it serves for ever"),
                }
            })
            .await;
            assert!(matches!(first, StepOutcome::Failed(Failure::Unavailable, _)), "{first:?}");
            let StepOutcome::Found(found) = second else { panic!("{second:?}") };
            assert!(matches!(found.own_entry, Reading::Absent), "{leaving}: {:?}", found.own_entry);
            assert_eq!(pin().check(&found.landmarks), Ok(()), "{leaving}");
        }
    }

    /// What is in question is read where the own entry is gone, for who leaves and for nobody else; and what takes the
    /// directory apart meanwhile shows in the landmarks, which are read after it.
    #[tokio::test]
    async fn what_happens_while_works_are_read_shows() {
        let works = |leaving| Examination {
            pin: pin(),
            entries: Vec::new(),
            policies: Vec::new(),
            works: vec!["app".into()],
            leaving,
            beat: None,
        };
        let server = Server::start().await;
        let client = server.client();
        let read = std::cell::Cell::new(false);
        let reply_to = |ask: &Ask| {
            if ask.path.contains("/works/") {
                read.set(true);
            }
            let mut reply = answer(ask);
            if read.get() && ask.path.ends_with("clusters.multicluster.coreos.com") {
                let metadata = json!({"name": "x", "uid": "another", "resourceVersion": "1"});
                let (kind, version) = ("CustomResourceDefinition", "apiextensions.k8s.io/v1");
                reply = self::reply(200, &json!({"kind": kind, "apiVersion": version, "metadata": metadata}));
            }
            reply
        };
        let examined = Box::pin(async {
            drop(over(&client, "muster-cluster-east", &works(false)).await); // the connection comes up
            let stays = over(&client, "muster-cluster-east", &works(false)).await;
            (stays, over(&client, "muster-cluster-east", &works(true)).await)
        });
        let (stays, leaves) = soon("the examinations", async {
            tokio::select! {
                outcomes = examined => outcomes,
                () = server.serve(reply_to) => unreachable!("it serves for ever"),
            }
        })
        .await;
        let StepOutcome::Found(stays) = stays else { panic!("{stays:?}") };
        assert_eq!((stays.works.len(), pin().check(&stays.landmarks)), (0, Ok(())));
        let StepOutcome::Found(leaves) = leaves else { panic!("{leaves:?}") };
        assert_eq!(leaves.works.len(), 1);
        assert!(pin().check(&leaves.landmarks).is_err(), "{:?}", leaves.landmarks);
    }
}
