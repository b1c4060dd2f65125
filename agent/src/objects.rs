//! What Works made in the replica, of whatever kinds: a watch for each kind that is wanted, as long as it is wanted, as an
//! account that may see it.
//!
//! ```text
//!   all namespaces, as works, else as another account that applies some of it
//!     └─ refused: each namespace alone, in the same way
//!          └─ refused: nothing, and the engine is told that it is to look for itself
//! ```
//!
//! What was refused is tried again now and then. Where there is no room for another watch, there are listings now and
//! then in its place.

mod course;
mod rights;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::{AbortHandle, BoxFuture, abortable};
use futures::stream::{FuturesUnordered, StreamExt as _};
use muster_api::Resource;
use muster_api::marks::PART_OF;
use muster_engine::Failure;
use muster_engine::event::{Change, Event};
use muster_kit::client::CallError;
use muster_kit::watch::{Form, Link, Pace, Target, WatchEvent, WatchOptions, poll};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::sleep_until;

pub use self::course::{Account, Extent, WantedKind};
use self::course::{Course, Courses, Manner, Right};
use self::rights::Rights;
use crate::watches::{Outlet, follow, forward};

/// The label of these watches in metrics. Users choose the kinds, so their names are none.
const SOURCE: &str = "works";

/// How much is asked of the replica at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most watches. Servers allow 100 streams on a connection, which other watches and calls share.
    pub watches: usize,
    /// Time between two listings of what is not watched; up to a fifth more or less.
    pub every: Duration,
    /// Most such listings at once.
    pub turns: usize,
    /// First and longest time until what was refused is tried again.
    pub again: (Duration, Duration),
    /// Picks how much more or less: another one for each agent, so that a fleet does not list together.
    pub salt: u64,
}

impl Limits {
    /// The limits of an agent. Beside these 36 watches there are 15 others on the connection, and some more while what was
    /// refused waits for a change; at most 16 steps of plans, 4 listings, a probe and a few calls for what the agent keeps
    /// are under way. Together they stay below 90.
    #[must_use]
    pub const fn new(salt: u64) -> Self {
        let again = (Duration::from_secs(10), Duration::from_secs(300));
        Self { watches: 36, every: Duration::from_secs(60), turns: 4, again, salt }
    }
}

/// What follows the kinds that are wanted.
pub struct Objects<L, M> {
    /// The kinds. What was wanted last stays wanted where the sender is gone.
    pub wanted: watch::Receiver<BTreeMap<Resource, WantedKind>>,
    /// Clients of an account, or of the default one; none where there can be no account of this name.
    pub links: L,
    /// Is asked for each watch or poll that begins: how to tell the engine of its events.
    pub map: M,
    /// The limits.
    pub limits: Limits,
}

/// A watch or a poll under way.
struct Running {
    course: Course,
    stop: AbortHandle,
}

impl<L, M, F> Objects<L, M>
where
    L: Fn(Option<&str>) -> Option<watch::Receiver<Option<Link>>>,
    M: Fn(&Extent) -> F,
    F: FnMut(WatchEvent) -> Option<Event> + Send,
{
    /// Follows until the outlet is cancelled, or nobody reads its events any more. What is no longer followed says nothing
    /// more from then on, and the engine is told so. What is followed otherwise begins anew with a listing.
    pub async fn run(mut self, outlet: Outlet) {
        let turns = Arc::new(Semaphore::new(self.limits.turns));
        let mut rights = Rights::new(self.limits.again, self.limits.salt);
        let (refuse, mut refused) = mpsc::unbounded_channel();
        let mut running: BTreeMap<Extent, Running> = BTreeMap::new();
        let mut blind = BTreeSet::new();
        let (mut tasks, mut probes) = (FuturesUnordered::new(), FuturesUnordered::new());
        let mut told = true;
        loop {
            let known = running.iter().map(|(extent, running)| (extent, &running.course)).collect();
            let standing = |right: &Right| rights.standing(right);
            let courses =
                course::plan(&known, &blind, &self.wanted.borrow_and_update(), standing, self.limits.watches);
            rights.hope(&courses.hopes, Instant::now());
            let events = end(&courses, &mut running, &mut blind);
            for event in events {
                // Where nobody reads it, all ends below.
                let _ = outlet.events.send(event).await;
            }
            for (extent, course) in courses.follow {
                if let Entry::Vacant(free) = running.entry(extent) {
                    let extent = free.key();
                    if course.manner == Manner::Poll {
                        let Extent { resource, namespace } = extent.clone();
                        let _ = outlet.events.send(Event::Paced { resource, namespace }).await;
                    }
                    let (task, stop) = abortable(self.one(extent, &course, &turns, &refuse, &outlet));
                    tasks.push(task);
                    free.insert(Running { course, stop });
                }
            }
            loop {
                let due = rights.due().filter(|_| probes.is_empty());
                if let Some((right, at)) = due
                    && at <= Instant::now()
                {
                    probes.push(rights::probe(right.clone(), (self.links)(right.account.as_deref())));
                    continue;
                }
                let timer = sleep_until(due.map_or_else(Instant::now, |(_, at)| at).into());
                tokio::select! {
                    () = outlet.cancel.cancelled() => return,
                    () = outlet.events.closed() => return,
                    changed = self.wanted.changed(), if told => {
                        told = changed.is_ok();
                        if told {
                            break;
                        }
                    }
                    Some(right) = refused.recv() => {
                        let Right { extent, account } = &right;
                        // What came to an end meanwhile says nothing of what is there now.
                        if running.get(extent).is_some_and(|running| running.course.account == *account) {
                            rights.refuse(right, Instant::now());
                            break;
                        }
                    }
                    Some((right, granted)) = probes.next() => {
                        if granted {
                            rights.grant(right, Instant::now());
                            break;
                        }
                        rights.refuse(right, Instant::now());
                    }
                    () = timer, if due.is_some() => {}
                    Some(_) = tasks.next() => {}
                }
            }
        }
    }

    /// Follows one kind, in all namespaces or in one.
    fn one<'a>(
        &self,
        extent: &Extent,
        course: &Course,
        turns: &Arc<Semaphore>,
        refuse: &mpsc::UnboundedSender<Right>,
        outlet: &'a Outlet,
    ) -> BoxFuture<'a, ()>
    where
        F: 'a,
    {
        let right = Right { extent: extent.clone(), account: course.account.clone() };
        let refuse = refuse.clone();
        let Some(links) = (self.links)(course.account.as_deref()) else {
            // The receiver lives as long as what runs here.
            return async move { drop(refuse.send(right)) }.boxed();
        };
        let mut map = (self.map)(extent);
        let mut map = move |event| match event {
            WatchEvent::Failed(CallError::Forbidden { .. }) => {
                let _ = refuse.send(right.clone());
                None
            }
            event => map(event),
        };
        let Extent { resource, namespace } = extent.clone();
        let form = if course.whole { Form::Whole } else { Form::Metadata };
        let target = Target { resource, namespace, labels: Some(PART_OF.to_owned()), fields: None, form };
        match course.manner {
            Manner::Watch => follow(target, SOURCE, links, map, outlet).boxed(),
            Manner::Poll => {
                let every = course::spread(self.limits.every, extent, self.limits.salt);
                let pace = Pace { every, turns: Arc::clone(turns) };
                let polling = |sender| {
                    poll(target, links, sender, WatchOptions::default(), pace, outlet.cancel.clone())
                };
                forward(SOURCE, polling, move |watched| map(watched.event), outlet).boxed()
            }
        }
    }
}

/// Ends what is not to be followed so any more. Returns what the engine is to be told of that, and of what nobody may see.
fn end(
    courses: &Courses,
    running: &mut BTreeMap<Extent, Running>,
    blind: &mut BTreeSet<Extent>,
) -> Vec<Event> {
    let mut ended = Vec::new();
    running.retain(|extent, running| {
        let stays = courses.follow.get(extent) == Some(&running.course);
        if !stays {
            running.stop.abort();
            ended.push(extent.clone());
        }
        stays
    });
    ended.extend(blind.difference(&courses.blind).cloned());
    let ended =
        ended.into_iter().map(|Extent { resource, namespace }| Event::Unwatched { resource, namespace });
    let begun = courses.blind.difference(blind).cloned().map(|Extent { resource, namespace }| {
        let message = format!("no account that applies Works may list and watch {}", resource.full_name());
        Event::Objects { resource, namespace, change: Change::Failed(Failure::Forbidden, message) }
    });
    let events = ended.chain(begun).collect();
    blind.clone_from(&courses.blind);
    events
}
