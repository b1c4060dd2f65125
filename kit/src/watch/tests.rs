use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use muster_api::resource::{CLUSTERS, LEASES};
use serde_json::{Value, json};
use tokio_util::sync::DropGuard;

use super::*;
use crate::client::{Attempt, ClientOptions};
use crate::testing::{Ask, Feed, Server, cluster, clusters, reply, soon, status};

const CANARY: &str = "hunter2-canary";

/// A watch of Cluster entries, and the server that it talks to.
struct Rig {
    server: Server,
    links: watch::Sender<Option<Link>>,
    events: mpsc::Receiver<Watched>,
    task: tokio::task::JoinHandle<()>,
    stop: DropGuard,
}

fn quick() -> WatchOptions {
    WatchOptions {
        backoff: (Duration::from_millis(5), Duration::from_millis(20)),
        settled: Duration::ZERO,
        ..WatchOptions::default()
    }
}

fn target() -> Target {
    Target { resource: CLUSTERS, namespace: None, labels: None, fields: None }
}

fn link(client: Client, epoch: u64) -> Link {
    Link { client, epoch, gate: Arc::new(Open) }
}

impl Rig {
    async fn start() -> Self {
        Self::with(target(), quick(), ClientOptions::default()).await
    }

    async fn with(target: Target, options: WatchOptions, client: ClientOptions) -> Self {
        Self::with_room(16, target, options, client).await
    }

    /// With room for this many events that nobody has read.
    async fn with_room(room: usize, target: Target, options: WatchOptions, client: ClientOptions) -> Self {
        let server = Server::start().await;
        let (links, receiver) = watch::channel(Some(link(server.client_with(client), 1)));
        let (out, events) = mpsc::channel(room);
        let stop = CancellationToken::new();
        let task = tokio::spawn(watch(target, receiver, out, options, stop.clone()));
        Self { server, links, events, task, stop: stop.drop_guard() }
    }

    /// The next event, in words.
    async fn event(&mut self) -> String {
        words(soon("an event", self.events.recv()).await.expect("the watch ended").event)
    }

    async fn expect(&mut self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(self.event().await, *expected);
        }
    }

    /// The next request, which must ask for this.
    async fn asked(&self, kind: &str) -> Ask {
        let ask = self.server.next().await;
        let asked = match (ask.asked("watch"), ask.asked("sendInitialEvents"), ask.asked("resourceVersion")) {
            (None, None, None) => "pages".to_owned(),
            (Some("1"), Some("true"), None) => "stream".to_owned(),
            (Some("1"), None, Some(version)) => format!("from {version}"),
            other => panic!("{other:?}"),
        };
        assert_eq!(asked, kind);
        ask
    }

    /// Plays a listing of two objects, up to version 10; the stream stays open.
    async fn list(&mut self) -> Feed {
        let feed = self.asked("stream").await.feed();
        feed.event("ADDED", &cluster("a", 3));
        feed.event("ADDED", &cluster("b", 9));
        feed.event("BOOKMARK", &bookmark(10, true));
        self.expect(&["init", "listed a@3", "listed b@9", "complete 10"]).await;
        feed
    }
}

fn words(event: WatchEvent) -> String {
    let named = |object: Object| format!("{}@{}", object.meta.name, object.meta.resource_version);
    match event {
        WatchEvent::Init => "init".to_owned(),
        WatchEvent::Listed(object) => format!("listed {}", named(object)),
        WatchEvent::Complete { resource_version } => format!("complete {resource_version}"),
        WatchEvent::Resumed => "resumed".to_owned(),
        WatchEvent::Applied(object) => format!("applied {}", named(object)),
        WatchEvent::Deleted(object) => format!("deleted {}", named(object)),
        WatchEvent::Bookmark { resource_version } => format!("bookmark {resource_version}"),
        WatchEvent::Failed(error) => {
            assert!(!format!("{error} {error:?}").contains(CANARY), "{error:?}");
            format!("failed {}", error.category())
        }
    }
}

fn bookmark(version: u64, initial_end: bool) -> Value {
    let annotations = if initial_end { json!({"k8s.io/initial-events-end": "true"}) } else { json!({}) };
    json!({
        "apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster",
        "metadata": {"resourceVersion": version.to_string(), "annotations": annotations},
    })
}

#[tokio::test]
async fn a_listing_is_streamed_and_followed_by_every_change() {
    let options = WatchOptions { timeout: (Duration::from_secs(540), Duration::from_secs(600)), ..quick() };
    let selective =
        Target { labels: Some("a=b".to_owned()), fields: Some("metadata.name=x".to_owned()), ..target() };
    let mut rig = Rig::with(selective, options, ClientOptions::default()).await;
    let ask = rig.asked("stream").await;
    assert_eq!(ask.asked("resourceVersionMatch"), Some("NotOlderThan"));
    assert_eq!(ask.asked("allowWatchBookmarks"), Some("true"));
    assert_eq!(
        (ask.asked("labelSelector"), ask.asked("fieldSelector")),
        (Some("a%3Db"), Some("metadata.name%3Dx"))
    );
    let seconds: u64 = ask.asked("timeoutSeconds").unwrap().parse().unwrap();
    assert!((540..=600).contains(&seconds), "{seconds}");
    let feed = ask.feed();
    // A server may still catch up while it streams: what changes then is part of the listing.
    feed.event("ADDED", &cluster("a", 3));
    feed.event("BOOKMARK", &bookmark(4, false));
    feed.event("MODIFIED", &cluster("a", 5));
    feed.event("DELETED", &cluster("b", 6));
    feed.event("BOOKMARK", &bookmark(10, true));
    feed.event("ADDED", &cluster("c", 11));
    feed.event("MODIFIED", &cluster("c", 12));
    feed.event("BOOKMARK", &bookmark(20, false));
    feed.event("DELETED", &cluster("c", 21));
    rig.expect(&["init", "listed a@3", "listed a@5", "deleted b@6", "complete 10"]).await;
    rig.expect(&["applied c@11", "applied c@12", "bookmark 20", "deleted c@21"]).await;
}

#[tokio::test]
async fn an_ended_or_broken_watch_goes_on_from_where_it_was() {
    let mut rig = Rig::start().await;
    let feed = rig.list().await;
    drop(feed);
    let feed = rig.asked("from 10").await.feed();
    rig.expect(&["resumed"]).await;
    feed.event("MODIFIED", &cluster("a", 11));
    rig.expect(&["applied a@11"]).await;
    feed.break_off();
    let feed = rig.asked("from 11").await.feed();
    feed.event("BOOKMARK", &bookmark(30, false));
    rig.expect(&["resumed", "bookmark 30"]).await;
    drop(feed);
    let feed = rig.asked("from 30").await.feed();
    feed.event("DELETED", &cluster("a", 31));
    rig.expect(&["resumed", "deleted a@31"]).await;
    // A line that was cut by the end never happened.
    feed.raw(format!(r#"{{"type":"DELETED","object":{}}}"#, cluster("b", 32)));
    drop(feed);
    rig.asked("from 31").await;
}

#[tokio::test]
async fn an_expired_version_means_a_new_listing() {
    let mut rig = Rig::start().await;
    let feed = rig.list().await;
    feed.event("ERROR", &status(410, "Expired", &json!({})));
    let feed = rig.list().await;
    drop(feed);
    rig.asked("from 10").await.answer(reply(410, &status(410, "Expired", &json!({}))));
    let feed = rig.list().await;
    drop(feed);
    // As a server that was restored from a backup may say it.
    let future = status(504, "Timeout", &json!({"causes": [{"reason": "ResourceVersionTooLarge"}]}));
    rig.asked("from 10").await.answer(reply(504, &future));
    rig.list().await;
}

#[tokio::test]
async fn other_errors_in_the_stream_are_told_and_the_watch_goes_on() {
    let mut rig = Rig::start().await;
    let feed = rig.list().await;
    feed.event("ERROR", &status(500, "InternalError", &json!({})));
    rig.expect(&["failed server"]).await;
    rig.asked("from 10").await.answer(reply(403, &status(403, "Forbidden", &json!({}))));
    rig.expect(&["failed forbidden"]).await;
    let feed = rig.asked("from 10").await.feed();
    feed.event("ERROR", &json!({"kind": "Nonsense"}));
    rig.expect(&["resumed", "failed server"]).await;
    rig.asked("from 10").await;
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_asked_for_pages_and_only_once_a_link() {
    let mut rig = Rig::start().await;
    rig.asked("stream").await.answer(reply(422, &status(422, "Invalid", &json!({}))));
    let ask = rig.asked("pages").await;
    assert_eq!((ask.asked("limit"), ask.asked("continue")), (Some("50"), None));
    ask.answer(reply(200, &clusters(&[cluster("a", 3)], 10, Some("next page"))));
    let ask = rig.asked("pages").await;
    assert_eq!(ask.asked("continue"), Some("next%20page"));
    ask.answer(reply(200, &clusters(&[cluster("b", 9)], 10, None)));
    rig.expect(&["init", "listed a@3", "listed b@9", "complete 10"]).await;
    let feed = rig.asked("from 10").await.feed();
    rig.expect(&["resumed"]).await;
    feed.event("ERROR", &status(410, "Expired", &json!({})));
    // The same link: not asked to stream again. A page that fails voids the listing.
    rig.asked("pages").await.answer(reply(200, &clusters(&[cluster("a", 3)], 10, Some("next"))));
    rig.asked("pages").await.answer(reply(410, &status(410, "Expired", &json!({}))));
    rig.asked("pages").await.answer(reply(200, &clusters(&[cluster("a", 3)], 12, Some("next"))));
    rig.asked("pages").await.answer(reply(500, &status(500, "InternalError", &json!({}))));
    rig.expect(&["init", "listed a@3", "init", "listed a@3", "failed server"]).await;
    let ask = rig.asked("pages").await;
    assert_eq!(ask.asked("continue"), None);
    // Another link may have another server.
    rig.links.send_replace(Some(link(rig.server.client(), 2)));
    rig.list().await;
}

#[tokio::test]
async fn a_stream_that_never_says_it_is_complete_is_given_up_for_pages() {
    let options = WatchOptions { silence: Duration::from_millis(100), ..quick() };
    let mut rig = Rig::with(target(), options, ClientOptions::default()).await;
    let feed = rig.asked("stream").await.feed();
    feed.event("ADDED", &cluster("a", 3));
    rig.asked("pages").await.answer(reply(200, &clusters(&[cluster("a", 3)], 10, None)));
    rig.expect(&["init", "listed a@3", "init", "listed a@3", "complete 10"]).await;
}

#[tokio::test]
async fn a_listing_that_ends_early_is_never_complete() {
    let mut rig = Rig::start().await;
    let feed = rig.asked("stream").await.feed();
    feed.event("ADDED", &cluster("a", 3));
    drop(feed);
    rig.expect(&["init", "listed a@3", "failed malformed"]).await;
    let feed = rig.asked("stream").await.feed();
    rig.expect(&["init"]).await;
    feed.break_off();
    rig.expect(&["failed unreachable"]).await;
    let feed = rig.asked("stream").await.feed();
    feed.event(
        "BOOKMARK",
        &json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster", "metadata": {
        "annotations": {"k8s.io/initial-events-end": "true"}}}),
    );
    rig.expect(&["init", "failed malformed"]).await;
    rig.list().await;
}

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
    let leases = Target { resource: LEASES, namespace: Some("n".to_owned()), labels: None, fields: None };
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
    rig.links.send_replace(Some(Link { client: client.clone(), epoch: 2, gate: guard.clone() }));
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

#[tokio::test]
async fn another_link_takes_over_without_a_gap_and_no_link_means_waiting() {
    let mut rig = Rig::with_room(1, target(), quick(), ClientOptions::default()).await;
    let feed = rig.list().await;
    // The reader is slow: one event lies in the channel, one waits to be sent when the link changes.
    feed.event("MODIFIED", &cluster("a", 11));
    feed.event("MODIFIED", &cluster("a", 12));
    soon("the first event to be taken", async {
        while rig.events.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    rig.links.send_replace(None);
    feed.abandoned().await;
    assert!(rig.server.is_quiet().await, "nothing is asked without a link");
    rig.expect(&["applied a@11"]).await;
    // The same epoch published again changes nothing; another one goes on from the last event that was taken.
    rig.links.send_replace(Some(link(rig.server.client(), 7)));
    let ask = rig.server.next().await;
    let from = ask.asked("resourceVersion").unwrap().to_owned();
    let feed = ask.feed();
    rig.links.send_modify(|_| {});
    if from == "11" {
        feed.event("MODIFIED", &cluster("a", 12));
    }
    let mut rest = Vec::new();
    while !rest.contains(&"applied a@12".to_owned()) {
        rest.push(rig.event().await);
    }
    println!("from {from}: {rest:?}");
    feed.event("MODIFIED", &cluster("a", 13));
    loop {
        let watched = soon("an event", rig.events.recv()).await.unwrap();
        let (epoch, event) = (watched.epoch, words(watched.event));
        assert_eq!(epoch, 7);
        if event == "applied a@13" {
            break;
        }
        assert_eq!(event, "resumed");
    }
    assert!(rig.server.is_quiet().await, "no further request");
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_it() {
    let mut rig = Rig::start().await;
    let mut answer = reply(429, &status(429, "TooManyRequests", &json!({})));
    answer.headers_mut().insert("retry-after", "1".parse().unwrap());
    rig.asked("stream").await.answer(answer);
    let begun = Instant::now();
    rig.expect(&["failed throttled"]).await;
    rig.list().await;
    println!("asked again after {:?}", begun.elapsed());
    assert!(begun.elapsed() >= Duration::from_millis(950), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_watch_that_is_silent_beyond_its_time_is_opened_anew() {
    let second = Duration::from_secs(1);
    let options = WatchOptions { timeout: (second, second), grace: Duration::from_millis(50), ..quick() };
    let mut rig = Rig::with(target(), options, ClientOptions::default()).await;
    let feed = rig.list().await;
    let begun = Instant::now();
    let _feed = rig.asked("from 10").await.feed();
    println!("opened anew after {:?}", begun.elapsed());
    rig.expect(&["resumed"]).await;
    feed.abandoned().await;
}

#[tokio::test]
async fn a_watch_ends_when_nobody_reads_it_or_it_is_cancelled_or_will_never_have_a_link() {
    let mut rig = Rig::start().await;
    let feed = rig.list().await;
    drop(rig.events);
    feed.event("MODIFIED", &cluster("a", 11));
    soon("the watch to end", rig.task).await.unwrap();
    feed.abandoned().await;

    let mut rig = Rig::start().await;
    let feed = rig.list().await;
    drop(rig.stop);
    soon("the watch to end", rig.task).await.unwrap();
    feed.abandoned().await;

    let rig = Rig::start().await;
    let _ask = rig.asked("stream").await;
    rig.links.send_replace(None);
    drop(rig.links);
    soon("the watch to end", rig.task).await.unwrap();
}

#[tokio::test]
async fn a_fixed_link_stays() {
    let server = Server::start().await;
    let (out, mut events) = mpsc::channel(8);
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let watching = watch(target(), Link::fixed(server.client()), out, quick(), stop);
    let play = async {
        let feed = server.next().await.feed();
        feed.event("BOOKMARK", &bookmark(10, true));
        drop(feed);
        let again = server.next().await;
        assert_eq!(again.asked("resourceVersion"), Some("10"));
        let _feed = again.feed();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            seen.push(words(soon("an event", events.recv()).await.unwrap().event));
        }
        assert_eq!(seen, ["init", "complete 10", "resumed"]);
    };
    tokio::select! { () = watching => panic!("the watch ended"), () = play => {} }
}
