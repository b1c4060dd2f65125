//! Metadata alone, and listings instead of watches.

use std::time::Instant;

use futures::FutureExt;
use muster_api::resource::SECRETS;

use super::*;

const EVENTS: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const LISTS: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

fn metadata() -> Target {
    Target { resource: SECRETS, namespace: None, labels: None, fields: None, form: Form::Metadata }
}

/// What servers make of an object whose metadata alone is asked for.
fn partial(metadata: &Value) -> Value {
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata})
}

fn secret(name: &str, version: u64) -> Value {
    partial(&json!({
        "name": name, "namespace": "n", "uid": format!("uid-{name}"), "resourceVersion": version.to_string(),
        "managedFields": [{"manager": "somebody", "fieldsV1": {"f:data": {}}}],
    }))
}

fn whole(object: &Value) -> Value {
    let mut whole = object.clone();
    (whole["apiVersion"], whole["kind"]) = (json!("v1"), json!("Secret"));
    whole
}

fn mark(version: u64) -> Value {
    partial(&bookmark(version, true)["metadata"])
}

fn page(items: &[Value], kind: &str, next: &str) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": kind, "items": items,
        "metadata": {"resourceVersion": "10", "continue": next},
    })
}

#[tokio::test]
async fn metadata_alone_is_asked_for_and_comes_with_managed_fields() {
    let mut rig = Rig::with(metadata(), quick(), ClientOptions::default()).await;
    let ask = rig.asked("stream").await;
    assert_eq!(ask.path, "/api/v1/secrets");
    assert_eq!(ask.headers["accept"], EVENTS);
    let feed = ask.feed();
    feed.event("ADDED", &secret("a", 3));
    feed.event("BOOKMARK", &mark(10));
    feed.event("MODIFIED", &secret("a", 11));
    rig.expect(&["init", "listed a@3", "complete 10"]).await;
    let applied = soon("an event", rig.events.recv()).await.unwrap().event;
    let WatchEvent::Applied(object) = applied else { panic!("{applied:?}") };
    let kept: Value = serde_json::from_str(object.raw.get()).unwrap();
    assert_eq!(kept, secret("a", 11));
    feed.event("DELETED", &secret("a", 12));
    rig.expect(&["deleted a@12"]).await;
    drop(feed);
    let ask = rig.asked("from 12").await;
    assert_eq!(ask.headers["accept"], EVENTS);
}

#[tokio::test]
async fn metadata_alone_comes_in_pages_where_the_server_does_not_stream() {
    let mut rig = Rig::with(metadata(), quick(), ClientOptions::default()).await;
    rig.asked("stream").await.answer(reply(422, &status(422, "Invalid", &json!({}))));
    let list = "PartialObjectMetadataList";
    for (answer, next) in [(page(&[secret("a", 3)], list, "next"), None), (page(&[], list, ""), Some("next"))]
    {
        let ask = rig.asked("pages").await;
        assert_eq!(ask.asked("continue"), next);
        assert_eq!(ask.headers["accept"], LISTS);
        ask.answer(reply(200, &answer));
    }
    rig.expect(&["init", "listed a@3", "complete 10"]).await;
}

#[tokio::test]
async fn each_form_takes_nothing_of_the_other() {
    let secrets = Target { form: Form::Whole, ..metadata() };
    for (target, event, list) in [
        (metadata(), whole(&secret("a", 3)), page(&[], "SecretList", "")),
        (metadata(), whole(&mark(10)), page(&[whole(&secret("a", 3))], "PartialObjectMetadataList", "")),
        (secrets.clone(), secret("a", 3), page(&[], "PartialObjectMetadataList", "")),
        (secrets, mark(10), page(&[secret("a", 3)], "SecretList", "")),
    ] {
        let mut rig = Rig::with(target, quick(), ClientOptions::default()).await;
        let feed = rig.asked("stream").await.feed();
        let kind = if event["metadata"]["name"].is_null() { "BOOKMARK" } else { "ADDED" };
        feed.event(kind, &event);
        rig.expect(&["init", "failed malformed"]).await;
        rig.asked("stream").await.answer(reply(422, &status(422, "Invalid", &json!({}))));
        rig.asked("pages").await.answer(reply(200, &list));
        rig.expect(&["failed malformed"]).await;
    }
}

#[tokio::test]
async fn a_whole_object_is_asked_for_as_plain_json() {
    let rig = Rig::start().await;
    assert_eq!(rig.asked("stream").await.headers["accept"], "application/json");
}

/// A poll of Cluster entries, in the place of the watch.
async fn polling(every: Duration, turns: usize, count: usize) -> Rig {
    let server = Server::start().await;
    let (links, receiver) = watch::channel(Some(link(server.client(), 1)));
    let (out, events) = mpsc::channel(16);
    let stop = CancellationToken::new();
    let pace = Pace { every, turns: Arc::new(Semaphore::new(turns)) };
    let polls = (0..count)
        .map(|_| poll(target(), receiver.clone(), out.clone(), quick(), pace.clone(), stop.clone()));
    let task = tokio::spawn(futures::future::join_all(polls.collect::<Vec<_>>()).map(drop));
    Rig { server, links, events, task, stop: stop.drop_guard() }
}

#[tokio::test]
async fn a_poll_lists_again_and_again_and_never_watches() {
    let every = Duration::from_millis(300);
    let mut rig = polling(every, 1, 1).await;
    let mut answered: Option<Instant> = None;
    for version in [10, 20] {
        let ask = rig.asked("pages").await;
        assert!(answered.is_none_or(|answered| answered.elapsed() >= every), "{answered:?}");
        assert_eq!((ask.asked("limit"), ask.asked("continue")), (Some("50"), None));
        ask.answer(reply(200, &clusters(&[cluster("a", 3)], version, Some("next"))));
        let ask = rig.asked("pages").await;
        answered = Some(Instant::now());
        ask.answer(reply(200, &clusters(&[], version, None)));
        rig.expect(&["init", "listed a@3", &format!("complete {version}")]).await;
    }
    // What fails is tried again, and sooner.
    rig.asked("pages").await.answer(reply(403, &status(403, "Forbidden", &json!({}))));
    rig.asked("pages").await.answer(reply(404, &status(404, "NotFound", &json!({}))));
    rig.asked("pages").await.answer(reply(200, &clusters(&[cluster("a", 3)], 30, Some("next"))));
    rig.asked("pages").await.answer(reply(410, &status(410, "Expired", &json!({}))));
    rig.asked("pages").await.answer(reply(200, &clusters(&[], 30, None)));
    rig.expect(&[
        "failed forbidden",
        "failed not_found",
        "init",
        "listed a@3",
        "failed gone",
        "init",
        "complete 30",
    ])
    .await;
    // Another link is listed at once.
    rig.links.send_replace(Some(link(rig.server.client(), 2)));
    rig.asked("pages").await.answer(reply(200, &clusters(&[], 40, None)));
    rig.expect(&["init", "complete 40"]).await;
    drop(rig.stop);
    soon("the poll to end", rig.task).await.unwrap();
}

#[tokio::test]
async fn polls_take_turns() {
    let mut rig = polling(Duration::from_secs(3600), 2, 3).await;
    let (first, second) = (rig.asked("pages").await, rig.asked("pages").await);
    // A third list would have been sent before this.
    let resource = CLUSTERS;
    let client = rig.links.borrow().as_ref().unwrap().client.clone();
    let read = async { assert_eq!(rig.server.next().await.path, resource.path(None, Some("a"))) };
    let _ = soon("a read", async { tokio::join!(client.get(&resource, None, "a"), read) }).await;
    first.answer(reply(200, &clusters(&[], 10, None)));
    rig.expect(&["init", "complete 10"]).await;
    let third = rig.asked("pages").await;
    drop((second, third));
}
