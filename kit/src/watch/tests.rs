mod forms;
mod life;
mod trust;

use muster_api::resource::CLUSTERS;
use serde_json::{Value, json};
use tokio_util::sync::DropGuard;

use super::*;
use crate::client::ClientOptions;
use crate::testing::{Ask, Feed, Server, cluster, clusters, raw_reply, reply, soon, status};

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
    Target { resource: CLUSTERS, namespace: None, labels: None, fields: None, form: Form::Whole }
}

fn link(client: Client, epoch: u64) -> Link {
    Link { client, epoch, gate: Arc::new(Open), era: 0 }
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
    // In the midst of a listing: nobody knows when one will come to its end.
    rig.asked("from 10").await.answer(reply(410, &status(410, "Expired", &json!({}))));
    let feed = rig.asked("stream").await.feed();
    feed.event("ADDED", &cluster("a", 3));
    feed.event("ERROR", &status(410, "Expired", &json!({})));
    rig.expect(&["init", "listed a@3", "failed gone"]).await;
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
    rig.expect(&["init", "listed a@3", "failed gone", "init", "listed a@3", "failed server"]).await;
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
