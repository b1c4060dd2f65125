//! What is not passed on.

use std::sync::atomic::{AtomicBool, Ordering};

use muster_api::resource::LEASES;

use super::*;
use crate::client::Attempt;

#[tokio::test]
async fn what_cannot_be_read_is_told_without_its_content_and_means_a_new_listing() {
    let mut rig = Rig::start().await;
    let other_kind = json!({"apiVersion": "v1", "kind": "Secret", "metadata": cluster("a", 11)["metadata"]});
    let mut namespaced = cluster("a", 11);
    namespaced["metadata"]["namespace"] = json!("n");
    let event = |kind: &str, object: &Value| json!({"type": kind, "object": object}).to_string();
    for line in [
        CANARY.to_owned(),
        format!(r#"{{"type":"ADDED","object":{{"{CANARY}":"#),
        event("ADDED", &json!(CANARY)),
        event("ADDED", &other_kind),
        event("ADDED", &namespaced),
        event("DELETED", &json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster"})),
        event(CANARY, &cluster("a", 11)),
        event("BOOKMARK", &other_kind),
    ] {
        let feed = rig.list().await;
        feed.raw(format!("{line}\n"));
        rig.expect(&["failed malformed"]).await;
    }
    rig.list().await;
}

#[tokio::test]
async fn a_line_above_the_limit_is_not_read() {
    let limited = ClientOptions { line_limit: 1000, ..ClientOptions::default() };
    let mut rig = Rig::with(target(), quick(), limited).await;
    let feed = rig.list().await;
    feed.raw("x".repeat(1001));
    rig.expect(&["failed too_large"]).await;
    rig.list().await;
}

#[tokio::test]
async fn a_namespaced_watch_takes_nothing_from_elsewhere() {
    let leases = Target {
        resource: LEASES,
        namespace: Some("n".to_owned()),
        labels: None,
        fields: None,
        form: Form::Whole,
    };
    let mut rig = Rig::with(leases, quick(), ClientOptions::default()).await;
    let lease = |namespace: &str| {
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {
            "name": "l", "namespace": namespace, "uid": "u", "resourceVersion": "3"}})
    };
    let ask = rig.asked("stream").await;
    assert_eq!(ask.path, "/apis/coordination.k8s.io/v1/namespaces/n/leases");
    let feed = ask.feed();
    feed.event("ADDED", &lease("n"));
    feed.event("ADDED", &lease("other"));
    rig.expect(&["init", "listed l@3", "failed malformed"]).await;
}

/// Refuses until it is opened, and counts how often it was asked.
#[derive(Default)]
struct Guard(AtomicBool);

impl Gate for Guard {
    fn admit<'a>(&'a self, _: &'a Client) -> BoxFuture<'a, Result<(), CallError>> {
        let attempt = Box::new(Attempt { verb: "get", resource: "namespaces".to_owned(), name: None });
        let refused = Err(CallError::Refused { attempt, reason: "another directory".to_owned() });
        Box::pin(std::future::ready(if self.0.load(Ordering::Relaxed) { Ok(()) } else { refused }))
    }
}

#[tokio::test]
async fn nothing_passes_a_closed_gate() {
    let mut rig = Rig::start().await;
    let feed = rig.list().await;
    let guard = Arc::new(Guard::default());
    let client = rig.server.client();
    rig.links.send_replace(Some(Link { client: client.clone(), epoch: 2, gate: guard.clone(), era: 0 }));
    feed.abandoned().await;
    let again = rig.asked("from 10").await.feed();
    again.event("DELETED", &cluster("a", 11));
    rig.expect(&["failed refused"]).await;
    guard.0.store(true, Ordering::Relaxed);
    let feed = rig.asked("from 10").await.feed();
    rig.expect(&["resumed"]).await;
    guard.0.store(false, Ordering::Relaxed);
    feed.event("ERROR", &status(410, "Expired", &json!({})));
    // Neither a streamed listing nor pages pass.
    let feed = rig.asked("stream").await.feed();
    feed.event("BOOKMARK", &bookmark(12, true));
    rig.expect(&["failed refused"]).await;
    rig.asked("stream").await.answer(reply(400, &status(400, "BadRequest", &json!({}))));
    rig.asked("pages").await.answer(reply(200, &clusters(&[], 12, None)));
    rig.expect(&["failed refused"]).await;
}
