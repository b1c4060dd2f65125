//! The watches of the directory, as events for the fleet.

use muster_api::marks::{MUSTER, PART_OF_MUSTER};
use muster_api::names::{AGENT_ROLE, AGENTS_NAMESPACE};
use muster_api::resource::CLUSTERS;
use muster_kit::Client;
use muster_kit::watch::{Form, Link, Target, WatchEvent, WatchOptions, Watched, watch};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::fleet::part::Part;
use crate::fleet::{Change, Event, Source};
use crate::inventory;
use crate::metrics::Metrics;

/// Watches all that decisions are made from, until `cancel`.
pub async fn follow(
    client: &Client,
    events: mpsc::Sender<Event>,
    inventory: mpsc::Sender<(inventory::book::Source, Change)>,
    metrics: Metrics,
    cancel: CancellationToken,
) {
    let to = |source| To { events: events.clone(), inventory: inventory.clone(), also: also(source) };
    let all = Source::all().map(|source| one(source, client, to(source), &metrics, cancel.clone()));
    futures::future::join_all(all).await;
}

/// Who is told what a watch says.
struct To {
    events: mpsc::Sender<Event>,
    inventory: mpsc::Sender<(inventory::book::Source, Change)>,
    also: Option<inventory::book::Source>,
}

/// What the inventory takes a source for; none where it does not read it.
fn also(source: Source) -> Option<inventory::book::Source> {
    match source {
        Source::Entries => Some(inventory::book::Source::Entries),
        Source::Of(Part::Report) => Some(inventory::book::Source::Reports),
        Source::Of(_) => None,
    }
}

async fn one(source: Source, client: &Client, to: To, metrics: &Metrics, cancel: CancellationToken) {
    let (sender, mut watched) = mpsc::channel(16);
    let links = Link::fixed(client.clone());
    let watching = watch(target(source), links, sender, WatchOptions::default(), cancel);
    let forwarding = async {
        while let Some(Watched { event, .. }) = watched.recv().await {
            if let WatchEvent::Failed(error) = &event {
                tracing::warn!(source = label(source), %error, "watch failed");
                metrics.watch_errors.with_label_values(&[label(source), error.category()]).inc();
            }
            let change = change(event);
            if let Some(also) = to.also {
                // It ends with the program alone.
                let _ = to.inventory.send((also, change.clone())).await;
            }
            if to.events.send(Event::Watch(source, change)).await.is_err() {
                return;
            }
        }
    };
    futures::join!(watching, forwarding);
}

fn target(source: Source) -> Target {
    let whole =
        |resource| Target { resource, namespace: None, labels: None, fields: None, form: Form::Whole };
    let Source::Of(part) = source else { return whole(CLUSTERS) };
    let target = whole(part.resource());
    match part {
        Part::Namespace => Target { form: Form::Metadata, ..target },
        // Beside these, a directory has a Lease for each of its nodes.
        Part::Lease => Target { labels: Some(format!("{PART_OF_MUSTER}={MUSTER}")), ..target },
        Part::Account | Part::TokenRole | Part::TokenBinding => {
            Target { namespace: Some(AGENTS_NAMESPACE.to_owned()), ..target }
        }
        Part::AgentBinding => Target { fields: Some(format!("metadata.name={AGENT_ROLE}")), ..target },
        Part::Report | Part::ViewBinding => target,
    }
}

/// The label of a watch in metrics.
fn label(source: Source) -> &'static str {
    match source {
        Source::Entries => "entries",
        Source::Of(Part::Namespace) => "namespaces",
        Source::Of(Part::Lease) => "leases",
        Source::Of(Part::Report) => "reports",
        Source::Of(Part::Account) => "accounts",
        Source::Of(Part::AgentBinding) => "bindings",
        Source::Of(Part::TokenRole) => "roles",
        Source::Of(Part::TokenBinding) => "account-bindings",
        Source::Of(Part::ViewBinding) => "view-bindings",
    }
}

pub(crate) fn change(event: WatchEvent) -> Change {
    match event {
        WatchEvent::Init => Change::ListBegan,
        WatchEvent::Listed(object) => Change::Listed(object),
        WatchEvent::Complete { .. } => Change::ListComplete,
        WatchEvent::Resumed | WatchEvent::Bookmark { .. } => Change::Alive,
        WatchEvent::Applied(object) => Change::Applied(object),
        WatchEvent::Deleted(object) => Change::Gone(object),
        WatchEvent::Failed(_) => Change::Failed,
    }
}
