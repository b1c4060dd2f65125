//! The watches of both sides, as events for the engine.

use muster_api::resource::CLUSTERS;
use muster_engine::Scope;
use muster_engine::event::{Change, DirectoryWatch, Event};
use muster_kit::watch::{Link, Target, WatchEvent, WatchOptions, Watched, watch};
use tokio::sync::{mpsc, watch as channel};
use tokio_util::sync::CancellationToken;

use crate::failure::failure;
use crate::metrics::Metrics;

/// Watches the directory: the own entry where the mirror is narrower than everything, and the entries to mirror.
pub async fn directory(
    cluster: &str,
    scope: &Scope,
    links: channel::Receiver<Option<Link>>,
    events: mpsc::Sender<Event>,
    metrics: Metrics,
    cancel: CancellationToken,
) {
    let own = async {
        if *scope != Scope::All {
            let fields = Some(format!("metadata.name={cluster}"));
            let wrap = |change| Event::Directory { watch: DirectoryWatch::OwnEntry, change };
            let target = target(None, fields);
            follow(target, "own-entry", links.clone(), wrap, &events, &metrics, cancel.clone()).await;
        }
    };
    let entries = async {
        let labels = match scope {
            Scope::None => return,
            Scope::All => None,
            Scope::Selected(selector) => Some(selector.to_string()),
        };
        let wrap = |change| Event::Directory { watch: DirectoryWatch::Entries, change };
        follow(target(labels, None), "entries", links.clone(), wrap, &events, &metrics, cancel.clone()).await;
    };
    futures::join!(own, entries);
}

/// Watches the Clusters of the replica.
pub async fn replica(
    links: channel::Receiver<Option<Link>>,
    events: mpsc::Sender<Event>,
    metrics: Metrics,
    cancel: CancellationToken,
) {
    follow(target(None, None), "copies", links, Event::Replica, &events, &metrics, cancel).await;
}

fn target(labels: Option<String>, fields: Option<String>) -> Target {
    Target { resource: CLUSTERS, namespace: None, labels, fields }
}

async fn follow(
    target: Target,
    source: &'static str,
    links: channel::Receiver<Option<Link>>,
    wrap: impl Fn(Change) -> Event,
    events: &mpsc::Sender<Event>,
    metrics: &Metrics,
    cancel: CancellationToken,
) {
    let (sender, mut watched) = mpsc::channel(16);
    let watching = watch(target, links, sender, WatchOptions::default(), cancel);
    let forwarding = async {
        while let Some(Watched { event, .. }) = watched.recv().await {
            if let WatchEvent::Failed(error) = &event {
                tracing::debug!(source, %error, "watch failed");
                metrics.watch_errors.with_label_values(&[source, error.category()]).inc();
            } else if source != "copies" && !matches!(event, WatchEvent::Init | WatchEvent::Listed(_)) {
                metrics.directory_read();
            }
            if events.send(wrap(change(event))).await.is_err() {
                return;
            }
        }
    };
    futures::join!(watching, forwarding);
}

fn change(event: WatchEvent) -> Change {
    match event {
        WatchEvent::Init => Change::ListBegan,
        WatchEvent::Listed(object) => Change::Listed(object),
        WatchEvent::Complete { .. } => Change::ListComplete,
        WatchEvent::Resumed | WatchEvent::Bookmark { .. } => Change::Alive,
        WatchEvent::Applied(object) => Change::Applied(object),
        WatchEvent::Deleted(object) => Change::Gone(object),
        WatchEvent::Failed(error) => Change::Failed(failure(&error), error.to_string()),
    }
}
