//! The watches of both sides, as events for the engine.

use std::collections::BTreeMap;

use muster_api::Resource;
use muster_api::marks::{PART_OF, POLICY_SET};
use muster_api::names::AGENT;
use muster_api::resource::{APPLIED_WORKS, CLUSTERS, CRDS, POLICIES, REPORTS, WORKS};
use muster_engine::event::{Change, DirectoryWatch, Event, ReplicaWatch};
use muster_engine::{Kind, Scope};
use muster_kit::client::CallError;
use muster_kit::watch::{Form, Link, Target, WatchEvent, WatchOptions, Watched, watch};
use tokio::sync::{mpsc, watch as channel};
use tokio_util::sync::CancellationToken;

use crate::appliers::Appliers;
use crate::failure::{failure, told};
use crate::ledgers::{trial, watched};
use crate::metrics::Metrics;
use crate::objects::{Extent, Limits, Objects, WantedKind};
use crate::replica::Replica;

/// Where events go, and until when.
#[derive(Clone)]
pub struct Outlet {
    /// To the engine.
    pub events: mpsc::Sender<Event>,
    /// Metrics.
    pub metrics: Metrics,
    /// Ends the watches.
    pub cancel: CancellationToken,
}

/// What in the directory is this replica's own.
pub struct Own {
    /// Name of its entry.
    pub cluster: String,
    /// Its execution namespace.
    pub execution: String,
}

/// Watches the directory: the own entry where the mirror is narrower than everything, the entries to mirror, the
/// policies, and the Works of the execution namespace. `namespace`: the agent's own, in the replica.
pub async fn directory(
    own: &Own,
    scope: &Scope,
    links: channel::Receiver<Option<Link>>,
    namespace: &str,
    outlet: Outlet,
) {
    let follow = |target, source, of| {
        let (links, metrics, cancel) = (links.clone(), outlet.metrics.clone(), outlet.cancel.clone());
        let map = move |Watched { era, event, .. }: Watched| {
            if !matches!(event, WatchEvent::Init | WatchEvent::Listed(_) | WatchEvent::Failed(_)) {
                metrics.directory_read();
            }
            Some(Event::Directory { era, watch: of, change: change(event, |error| told(error, namespace)) })
        };
        let watching = |sender| watch(target, links, sender, WatchOptions::default(), cancel);
        forward(source, watching, map, &outlet)
    };
    let own_entry = async {
        if *scope != Scope::All {
            let target = Target { fields: Some(format!("metadata.name={}", own.cluster)), ..all(CLUSTERS) };
            follow(target, "own-entry", DirectoryWatch::OwnEntry).await;
        }
    };
    let entries = async {
        let labels = match scope {
            Scope::None => return,
            Scope::All => None,
            Scope::Selected(selector) => Some(selector.to_string()),
        };
        let target = Target { labels, ..all(CLUSTERS) };
        follow(target, "entries", DirectoryWatch::Entries).await;
    };
    let policies = follow(all(POLICIES), "policies", DirectoryWatch::Policies);
    let works = Target { namespace: Some(own.execution.clone()), ..all(WORKS) };
    let works = follow(works, "works", DirectoryWatch::Works);
    futures::join!(own_entry, entries, policies, works);
}

/// Watches the replica: the Clusters and the agent's own report, the ledgers of policies and whether they can be kept,
/// and what policies made, as the account that applies it.
pub async fn replica(replica: &Replica, outlet: Outlet) {
    let own = Link::fixed(replica.client.clone());
    let applier = Link::fixed(replica.applier.clone());
    let wrap =
        |watch| move |event| Some(Event::Replica { watch, change: change(event, ToString::to_string) });
    let copies = follow(all(CLUSTERS), "copies", own.clone(), wrap(ReplicaWatch::Copies), &outlet);
    let report = Target {
        namespace: Some(replica.namespace.clone()),
        fields: Some(format!("metadata.name={AGENT}")),
        ..all(REPORTS)
    };
    let report = follow(report, "report", own.clone(), wrap(ReplicaWatch::Report), &outlet);
    let mut mapping = watched::Mapping::new(outlet.metrics.clone());
    let map = move |event| mapping.map(event).map(Event::Ledgers);
    let ledgers = follow(all(APPLIED_WORKS), watched::SOURCE, own.clone(), map, &outlet);
    let trial = {
        let Outlet { events, metrics, cancel } = outlet.clone();
        trial::follow(replica.client.clone(), events, metrics, cancel)
    };
    let made = Kind::ALL.map(|kind| {
        // A namespace that nobody made for a policy is used where a policy names it.
        let labels = (kind != Kind::Namespace).then(|| format!("{PART_OF}={POLICY_SET}"));
        let target = Target { labels, ..all(kind.resource()) };
        let link = if kind == Kind::Copy { own.clone() } else { applier.clone() };
        follow(target, label(kind), link, wrap(ReplicaWatch::Applied(kind)), &outlet)
    });
    let definitions = Target { form: Form::Metadata, ..all(CRDS) };
    let definitions =
        follow(definitions, "definitions", own.clone(), wrap(ReplicaWatch::Definitions), &outlet);
    futures::join!(copies, report, ledgers, trial, definitions, futures::future::join_all(made));
}

/// Watches what Works made, kind by kind, as the accounts that apply them.
pub async fn made(
    appliers: &Appliers,
    wanted: channel::Receiver<BTreeMap<Resource, WantedKind>>,
    install: &str,
    outlet: Outlet,
) {
    let links = |account: Option<&str>| appliers.client(account).ok().map(Link::fixed);
    let map = |extent: &Extent| {
        let extent = extent.clone();
        move |event| {
            let Extent { resource, namespace } = extent.clone();
            Some(Event::Objects { resource, namespace, change: change(event, ToString::to_string) })
        }
    };
    let salt = u64::from_str_radix(install.get(..8).unwrap_or_default(), 16).unwrap_or_default();
    let objects = Objects { wanted, links, map, limits: Limits::new(salt) };
    objects.run(outlet).await;
}

/// The label of a watch in metrics.
fn label(kind: Kind) -> &'static str {
    match kind {
        Kind::Namespace => "namespaces",
        Kind::ClusterRole => "clusterroles",
        Kind::Role => "roles",
        Kind::ClusterRoleBinding => "clusterrolebindings",
        Kind::RoleBinding => "rolebindings",
        Kind::ResourceQuota => "resourcequotas",
        Kind::LimitRange => "limitranges",
        Kind::Copy => "policy-copies",
    }
}

fn all(resource: Resource) -> Target {
    Target { resource, namespace: None, labels: None, fields: None, form: Form::Whole }
}

/// Watches, and tells the engine what it sees. `source` is the label in metrics.
pub(crate) async fn follow(
    target: Target,
    source: &'static str,
    links: channel::Receiver<Option<Link>>,
    mut map: impl FnMut(WatchEvent) -> Option<Event>,
    outlet: &Outlet,
) {
    let watching = |sender| watch(target, links, sender, WatchOptions::default(), outlet.cancel.clone());
    forward(source, watching, |watched| map(watched.event), outlet).await;
}

/// Tells the engine what is seen by what `watching` makes.
pub(crate) async fn forward<W: Future<Output = ()>>(
    source: &'static str,
    watching: impl FnOnce(mpsc::Sender<Watched>) -> W,
    mut map: impl FnMut(Watched) -> Option<Event>,
    outlet: &Outlet,
) {
    let Outlet { events, metrics, .. } = outlet;
    let (sender, mut watched) = mpsc::channel(16);
    let watching = watching(sender);
    let forwarding = async {
        while let Some(seen) = watched.recv().await {
            if let WatchEvent::Failed(error) = &seen.event {
                tracing::debug!(source, %error, "watch failed");
                metrics.watch_errors.with_label_values(&[source, error.category()]).inc();
            }
            if let Some(event) = map(seen)
                && events.send(event).await.is_err()
            {
                return;
            }
        }
    };
    futures::join!(watching, forwarding);
}

/// What a watch saw, as the engine takes it. `told`: what people are told of a failure.
pub fn change(event: WatchEvent, told: impl Fn(&CallError) -> String) -> Change {
    match event {
        WatchEvent::Init => Change::ListBegan,
        WatchEvent::Listed(object) => Change::Listed(object),
        WatchEvent::Complete { .. } => Change::ListComplete,
        WatchEvent::Resumed | WatchEvent::Bookmark { .. } => Change::Alive,
        WatchEvent::Applied(object) => Change::Applied(object),
        WatchEvent::Deleted(object) => Change::Gone(object),
        WatchEvent::Failed(error) => Change::Failed(failure(&error), told(&error)),
    }
}
