//! Watches of what something that was refused waits for: roles and bindings, quotas, webhook configurations, policies of
//! admission. Each is there only while something waits. What is seen is metadata: that something changed, and where.

use std::collections::BTreeSet;

use futures::FutureExt as _;
use futures::future::{join_all, select};
use muster_api::Resource;
use muster_engine::event::{Event, ReplicaWatch};
use muster_engine::refusal::Awaited;
use muster_kit::watch::{Form, Link, Target};
use tokio::sync::watch;

use crate::watches::{Outlet, change, follow};

/// Follows what is awaited until the outlet is cancelled. `links`: clients of the agent's own account.
pub async fn awaited(
    wanted: watch::Receiver<BTreeSet<Awaited>>,
    links: watch::Receiver<Option<Link>>,
    outlet: Outlet,
) {
    let all = Awaited::ALL
        .into_iter()
        .flat_map(|awaited| awaited.resources().iter().map(move |resource| (awaited, resource.clone())));
    let each = all.map(|(awaited, resource)| one(awaited, resource, wanted.clone(), links.clone(), &outlet));
    let _ = outlet.cancel.run_until_cancelled(join_all(each)).await;
}

/// Follows one kind while it is awaited. A watch that is begun anew begins with a listing: so nothing is missed.
async fn one(
    awaited: Awaited,
    resource: Resource,
    mut wanted: watch::Receiver<BTreeSet<Awaited>>,
    links: watch::Receiver<Option<Link>>,
    outlet: &Outlet,
) {
    let mut told = wanted.clone();
    while wanted.wait_for(|wanted| wanted.contains(&awaited)).await.is_ok() {
        let target = Target {
            resource: resource.clone(),
            namespace: None,
            labels: None,
            fields: None,
            form: Form::Metadata,
        };
        let watch = ReplicaWatch::Awaited(awaited);
        let map = |event| Some(Event::Replica { watch, change: change(event, ToString::to_string) });
        let following = follow(target, awaited.as_str(), links.clone(), map, outlet);
        let ended = told.wait_for(|wanted| !wanted.contains(&awaited)).map(drop);
        select(following.boxed(), ended.boxed()).await;
    }
}
