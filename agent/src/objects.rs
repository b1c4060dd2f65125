//! What Works made in the replica, of whatever kinds: a watch for each kind that is wanted, as long as it is wanted.
//! Kinds for which there is no place any more are listed again and again instead.

mod course;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{AbortHandle, BoxFuture, abortable};
use futures::stream::{FuturesUnordered, StreamExt as _};
use muster_api::Resource;
use muster_api::marks::PART_OF;
use muster_engine::event::Event;
use muster_kit::watch::{Form, Link, Pace, Target, WatchEvent, WatchOptions, poll};
use tokio::sync::{Semaphore, watch};

use self::course::{Course, Manner};
use crate::watches::{Outlet, follow, forward};

/// The label of these watches in metrics. Users choose the kinds, so their names are none.
const SOURCE: &str = "works";

/// A kind that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchedKind {
    /// The kind.
    pub resource: Resource,
    /// Whether the whole objects are wanted; else their metadata alone, `managedFields` included. Where a kind is
    /// wanted both ways, it is whole.
    pub whole: bool,
}

/// How much is asked of the replica at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most watches. Servers allow 100 streams on a connection, which other watches and calls share.
    pub watches: usize,
    /// Time between two listings of a kind that is not watched; up to a fifth more or less.
    pub every: Duration,
    /// Most such listings at once.
    pub turns: usize,
    /// Picks how much more or less: another one for each agent, so that a fleet does not list together.
    pub salt: u64,
}

impl Limits {
    /// The limits of an agent.
    #[must_use]
    pub const fn new(salt: u64) -> Self {
        Self { watches: 64, every: Duration::from_secs(60), turns: 4, salt }
    }
}

/// What follows the kinds that are wanted.
pub struct Objects<M> {
    /// The kinds. What was wanted last stays wanted where the sender is gone.
    pub wanted: watch::Receiver<BTreeSet<WatchedKind>>,
    /// Clients of the account that applies Works.
    pub links: watch::Receiver<Option<Link>>,
    /// Is asked for each watch or poll that begins: how to tell the engine of its events.
    pub map: M,
    /// Is told which kinds are only listed now and then.
    pub polled: watch::Sender<BTreeSet<Resource>>,
    /// The limits.
    pub limits: Limits,
}

/// A watch or a poll under way.
struct Running {
    course: Course,
    stop: AbortHandle,
}

impl<M, F> Objects<M>
where
    M: Fn(&Resource) -> F,
    F: FnMut(WatchEvent) -> Option<Event> + Send,
{
    /// Follows until the outlet is cancelled, or nobody reads its events any more. A kind that is no longer wanted says
    /// nothing more from then on, but what it said before may still be on its way to the engine. One that is wanted
    /// otherwise, or gets a place, begins anew with a listing.
    pub async fn run(mut self, outlet: Outlet) {
        let turns = Arc::new(Semaphore::new(self.limits.turns));
        let mut running: BTreeMap<Resource, Running> = BTreeMap::new();
        let mut tasks = FuturesUnordered::new();
        let mut told = true;
        loop {
            let known = running.iter().map(|(resource, running)| (resource, running.course)).collect();
            let courses = course::plan(&known, &self.wanted.borrow_and_update(), self.limits.watches);
            running.retain(|resource, running| {
                let stays = courses.get(resource) == Some(&running.course);
                if !stays {
                    running.stop.abort();
                }
                stays
            });
            self.tell(&courses);
            for (resource, course) in courses {
                if let Entry::Vacant(free) = running.entry(resource) {
                    let (task, stop) = abortable(self.one(free.key(), course, &turns, &outlet));
                    tasks.push(task);
                    free.insert(Running { course, stop });
                }
            }
            loop {
                tokio::select! {
                    () = outlet.cancel.cancelled() => return,
                    () = outlet.events.closed() => return,
                    changed = self.wanted.changed(), if told => {
                        told = changed.is_ok();
                        if told {
                            break;
                        }
                    }
                    Some(_) = tasks.next() => {}
                }
            }
        }
    }

    fn tell(&self, courses: &BTreeMap<Resource, Course>) {
        let polled = courses.iter().filter(|(_, course)| course.manner == Manner::Poll);
        let polled: BTreeSet<Resource> = polled.map(|(resource, _)| resource.clone()).collect();
        self.polled.send_if_modified(|told| {
            let differs = *told != polled;
            *told = polled;
            differs
        });
    }

    /// Follows one kind.
    fn one<'a>(
        &self,
        resource: &Resource,
        course: Course,
        turns: &Arc<Semaphore>,
        outlet: &'a Outlet,
    ) -> BoxFuture<'a, ()>
    where
        F: 'a,
    {
        let map = (self.map)(resource);
        let links = self.links.clone();
        let target = Target {
            resource: resource.clone(),
            namespace: None,
            labels: Some(PART_OF.to_owned()),
            fields: None,
            form: if course.whole { Form::Whole } else { Form::Metadata },
        };
        match course.manner {
            Manner::Watch => follow(target, SOURCE, links, map, outlet).boxed(),
            Manner::Poll => {
                let every = course::spread(self.limits.every, resource, self.limits.salt);
                let pace = Pace { every, turns: Arc::clone(turns) };
                let polling = |sender| {
                    poll(target, links, sender, WatchOptions::default(), pace, outlet.cancel.clone())
                };
                forward(SOURCE, polling, map, outlet).boxed()
            }
        }
    }
}
