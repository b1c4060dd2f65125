mod rights;

use std::future::Future;

use muster_api::resource::{CONFIG_MAPS, RESOURCE_QUOTAS, SECRETS};
use muster_engine::event::ReplicaWatch;
use muster_kit::client::Account;
use muster_kit::testing::{Ask, Feed, Server, reply, soon};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::metrics::Metrics;
use crate::watches::change;

const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// What follows kinds, and the server that it talks to.
struct Rig {
    server: Server,
    wanted: watch::Sender<BTreeMap<Resource, WantedKind>>,
    /// What was mapped, as `PLURAL WORD`, with the namespace in front where there is one.
    told: mpsc::UnboundedReceiver<String>,
    events: mpsc::Receiver<Event>,
    metrics: Metrics,
    cancel: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn word(event: &WatchEvent) -> String {
    match event {
        WatchEvent::Init => "init".to_owned(),
        WatchEvent::Listed(object) => format!("listed {}", object.meta.name),
        WatchEvent::Complete { .. } => "complete".to_owned(),
        WatchEvent::Resumed => "resumed".to_owned(),
        WatchEvent::Applied(object) => format!("applied {}", object.meta.name),
        WatchEvent::Deleted(object) => format!("deleted {}", object.meta.name),
        WatchEvent::Bookmark { .. } => "bookmark".to_owned(),
        WatchEvent::Failed(error) => format!("failed {}", error.category()),
    }
}

/// Kinds by their resource, and whether they are wanted whole, in namespace `n`.
fn kinds(kinds: &[(&Resource, bool)]) -> BTreeMap<Resource, WantedKind> {
    let places = BTreeMap::from([(Some("n".to_owned()), BTreeSet::from([None]))]);
    let kind = |(resource, whole): &(&Resource, bool)| {
        ((*resource).clone(), WantedKind { whole: *whole, places: places.clone() })
    };
    kinds.iter().map(kind).collect()
}

/// What the engine is told beside what watches say.
fn note(event: &Event) -> Option<String> {
    let (word, resource, namespace) = match event {
        Event::Paced { resource, namespace } => ("paced", resource, namespace),
        Event::Unwatched { resource, namespace } => ("unwatched", resource, namespace),
        Event::Objects { resource, namespace, change: Change::Failed(Failure::Forbidden, _) } => {
            ("forbidden", resource, namespace)
        }
        _ => return None,
    };
    let extent = Extent { resource: resource.clone(), namespace: namespace.clone() };
    Some(format!("{} {word}", name(&extent)))
}

fn name(Extent { resource, namespace }: &Extent) -> String {
    let namespace = namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    format!("{namespace}{}", resource.plural)
}

impl Rig {
    async fn start(limits: Limits, first: BTreeMap<Resource, WantedKind>) -> Self {
        let server = Server::start().await;
        let (wanted, receiver) = watch::channel(first);
        let (teller, told) = mpsc::unbounded_channel();
        let (events_sender, events) = mpsc::channel(256);
        let (metrics, cancel) = (Metrics::new().unwrap(), CancellationToken::new());
        let map = move |extent: &Extent| {
            let (plural, teller) = (name(extent), teller.clone());
            move |event: WatchEvent| {
                teller.send(format!("{plural} {}", word(&event))).unwrap();
                let change = change(event, ToString::to_string);
                Some(Event::Replica { watch: ReplicaWatch::Copies, change })
            }
        };
        let client = server.client();
        let links = move |account: Option<&str>| match account {
            None => Some(Link::fixed(client.clone())),
            Some("nobody") => None,
            Some(name) => {
                let account = Account::service_account("muster-appliers", name).unwrap();
                Some(Link::fixed(client.acting_as(&account)))
            }
        };
        let objects = Objects { wanted: receiver, links, map, limits };
        let outlet = Outlet { events: events_sender, metrics: metrics.clone(), cancel: cancel.clone() };
        let task = tokio::spawn(objects.run(outlet));
        Self { server, wanted, told, events, metrics, cancel, task }
    }

    fn want(&self, wanted: &[(&Resource, bool)]) {
        self.wanted.send_replace(kinds(wanted));
    }

    /// What the engine is told next.
    async fn told(&mut self, expected: &[&str]) {
        for expected in expected {
            let event = soon(expected, self.events.recv()).await.unwrap();
            let seen = match note(&event) {
                Some(note) => note,
                None => self.told.try_recv().unwrap(),
            };
            assert_eq!(seen, *expected);
        }
    }

    /// The next so many requests by their plurals: they come in any order.
    async fn asked(&self, count: usize) -> BTreeMap<String, Ask> {
        let mut asks = BTreeMap::new();
        for _ in 0..count {
            let ask = self.server.next().await;
            assert_eq!(ask.asked("labelSelector"), Some("applyset.kubernetes.io%2Fpart-of"), "{}", ask.path);
            let plural = ask.path.strip_prefix("/api/v1/").expect("all namespaces at once").to_owned();
            assert!(asks.insert(plural.clone(), ask).is_none(), "{plural} was asked for twice");
        }
        asks
    }

    /// The next request, which must be a watch of this kind.
    async fn watched(&self, resource: &Resource, accept: &str) -> Feed {
        let (plural, ask) = self.asked(1).await.pop_first().unwrap();
        assert_eq!((plural.as_str(), ask.asked("watch")), (&*resource.plural, Some("1")));
        assert_eq!(ask.asked("sendInitialEvents"), Some("true"), "it begins with a listing");
        assert_eq!(ask.headers["accept"], accept);
        ask.feed()
    }

    async fn end(self) {
        self.cancel.cancel();
        soon("the end", self.task).await.unwrap();
    }
}

fn object(resource: &Resource, name: &str, accept: &str) -> Value {
    let kind = if accept == METADATA { "PartialObjectMetadata" } else { &resource.kind };
    let api_version = if accept == METADATA { "meta.k8s.io/v1" } else { "v1" };
    json!({"apiVersion": api_version, "kind": kind, "metadata": {
        "name": name, "namespace": "n", "uid": "u", "resourceVersion": "5"}})
}

fn end_of_listing(resource: &Resource, accept: &str) -> Value {
    let mut mark = object(resource, "", accept);
    mark["metadata"] = json!({"resourceVersion": "9", "annotations": {"k8s.io/initial-events-end": "true"}});
    mark
}

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "items": items,
        "metadata": {"resourceVersion": "9"}})
}

const JSON: &str = "application/json";

#[tokio::test]
async fn a_watch_begins_when_its_kind_is_wanted_and_ends_when_it_is_not() {
    let mut rig = Rig::start(Limits::new(1), kinds(&[])).await;
    rig.want(&[(&CONFIG_MAPS, false)]);
    let maps = rig.watched(&CONFIG_MAPS, METADATA).await;
    maps.event("ADDED", &object(&CONFIG_MAPS, "a", METADATA));
    maps.event("BOOKMARK", &end_of_listing(&CONFIG_MAPS, METADATA));
    rig.told(&["configmaps init", "configmaps listed a", "configmaps complete"]).await;
    rig.want(&[(&CONFIG_MAPS, false), (&SECRETS, true)]);
    let secrets = rig.watched(&SECRETS, JSON).await;
    rig.told(&["secrets init"]).await;
    maps.event("MODIFIED", &object(&CONFIG_MAPS, "a", METADATA));
    rig.told(&["configmaps applied a"]).await;
    rig.want(&[(&SECRETS, true)]);
    maps.abandoned().await;
    rig.told(&["configmaps unwatched"]).await;
    secrets.event("BOOKMARK", &end_of_listing(&SECRETS, JSON));
    rig.told(&["secrets complete"]).await;
    // The connection is as it was, and nothing else was asked for.
    assert!(rig.server.is_quiet().await);
    assert_eq!(rig.server.accepted(), 1);
    rig.want(&[(&SECRETS, true), (&CONFIG_MAPS, false)]);
    let maps = rig.watched(&CONFIG_MAPS, METADATA).await;
    rig.end().await;
    soon("both to end", async { tokio::join!(maps.abandoned(), secrets.abandoned()) }).await;
}

#[tokio::test]
async fn a_kind_that_is_wanted_otherwise_is_watched_anew() {
    let mut rig = Rig::start(Limits::new(1), kinds(&[(&SECRETS, false)])).await;
    let metadata = rig.watched(&SECRETS, METADATA).await;
    metadata.event("BOOKMARK", &end_of_listing(&SECRETS, METADATA));
    rig.told(&["secrets init", "secrets complete"]).await;
    rig.want(&[(&SECRETS, true)]);
    let whole = rig.watched(&SECRETS, JSON).await;
    metadata.abandoned().await;
    whole.event("ADDED", &object(&SECRETS, "a", JSON));
    rig.told(&["secrets unwatched", "secrets init", "secrets listed a"]).await;
    rig.want(&[(&SECRETS, false)]);
    rig.watched(&SECRETS, METADATA).await.event("BOOKMARK", &end_of_listing(&SECRETS, METADATA));
    whole.abandoned().await;
    rig.told(&["secrets unwatched", "secrets init", "secrets complete"]).await;
    rig.end().await;
}

#[tokio::test]
async fn a_watch_is_not_begun_anew_by_what_does_not_concern_it() {
    let mut rig = Rig::start(Limits::new(1), kinds(&[(&SECRETS, false)])).await;
    let secrets = rig.watched(&SECRETS, METADATA).await;
    rig.want(&[(&SECRETS, false), (&CONFIG_MAPS, false)]);
    let _maps = rig.watched(&CONFIG_MAPS, METADATA).await;
    rig.want(&[(&SECRETS, false), (&CONFIG_MAPS, false)]);
    // What was wanted last stays wanted.
    let Rig { server, told, events, metrics, cancel, task, wanted } = rig;
    drop(wanted);
    rig = Rig { server, told, events, metrics, cancel, task, wanted: watch::channel(kinds(&[])).0 };
    secrets.event("BOOKMARK", &end_of_listing(&SECRETS, METADATA));
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(soon("an event", rig.told.recv()).await.unwrap());
    }
    told.sort();
    assert_eq!(told, ["configmaps init", "secrets complete", "secrets init"]);
    assert!(rig.server.is_quiet().await);
    // It ends when nobody reads what it says.
    drop(rig.events);
    soon("the end", rig.task).await.unwrap();
    secrets.abandoned().await;
}

#[tokio::test]
async fn kinds_without_a_place_are_listed_again_and_again_until_there_is_one() {
    let every = Duration::from_millis(50);
    let limits = Limits { watches: 1, every, ..Limits::new(1) };
    let mut rig = Rig::start(limits, kinds(&[(&CONFIG_MAPS, false)])).await;
    let maps = rig.watched(&CONFIG_MAPS, METADATA).await;
    rig.told(&["configmaps init"]).await;
    rig.want(&[(&CONFIG_MAPS, false), (&SECRETS, false)]);
    rig.told(&["secrets paced"]).await;
    for _ in 0..3 {
        let (plural, ask) = rig.asked(1).await.pop_first().unwrap();
        assert_eq!((plural.as_str(), ask.asked("watch"), ask.asked("limit")), ("secrets", None, Some("50")));
        assert!(ask.headers["accept"].to_str().unwrap().contains("PartialObjectMetadataList"));
        ask.answer(reply(200, &list(&[object(&SECRETS, "a", METADATA)])));
        rig.told(&["secrets init", "secrets listed a", "secrets complete"]).await;
    }
    // The one that is watched keeps its place, also against a kind that is wanted whole.
    rig.want(&[(&CONFIG_MAPS, false), (&RESOURCE_QUOTAS, true)]);
    let (plural, ask) = rig.asked(1).await.pop_first().unwrap();
    // A last list of Secrets may have been under way.
    if plural == "resourcequotas" {
        assert_eq!((ask.asked("watch"), &ask.headers["accept"]), (None, &JSON.parse().unwrap()));
    }
    rig.told(&["secrets unwatched", "resourcequotas paced"]).await;
    rig.want(&[(&RESOURCE_QUOTAS, true)]);
    maps.abandoned().await;
    rig.told(&["configmaps unwatched", "resourcequotas unwatched"]).await;
    let quotas = async {
        loop {
            let ask = rig.server.next().await;
            if ask.asked("watch").is_some() {
                return ask;
            }
        }
    };
    let ask = soon("a watch", quotas).await;
    assert_eq!(ask.path, "/api/v1/resourcequotas");
    drop(ask);
    rig.end().await;
}

/// What the agent runs must be able to move between threads.
#[test]
fn it_can_be_spawned() {
    type Links = fn(Option<&str>) -> Option<watch::Receiver<Option<Link>>>;
    fn movable<F: Future + Send>(
        _: impl FnOnce(Objects<Links, fn(&Extent) -> fn(WatchEvent) -> Option<Event>>, Outlet) -> F,
    ) {
    }
    movable(Objects::run);
}
