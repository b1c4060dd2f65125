//! What was refused is tried again when something changes that it waits for: `rounds` says when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_api::Object;
use muster_api::resource::NAMESPACES;

use super::Works;
use super::rounds::{Place, Rounds, Source};
use crate::event::Change;
use crate::failure::Failure;
use crate::refusal::{Awaited, Refusal};
use crate::target::Target;
use crate::time::salt;

/// Least time between two attempts, for each object that waits: where changes are frequent and do not concern it, no more
/// than fifty writes a second fail for them.
const SHARE: Duration = Duration::from_millis(20);

/// Changes that something may wait for.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    /// How many objects of which Work wait for what.
    waiting: BTreeMap<Source, BTreeMap<String, usize>>,
    /// The namespaces in which something failed for their sake, as they were shown since.
    namespaces: BTreeMap<String, Option<Shown>>,
    rounds: Rounds,
}

/// What counts of a namespace, as digests: there may be many, with many labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    /// Of its UID; another one where nothing can be made in it.
    object: u64,
    labels: u64,
}

impl Works {
    /// A change of what refused steps may wait for. A listing is one: what changed before it is in none other.
    pub fn awaited_changed(&mut self, awaited: Awaited, change: &Change, now: Duration) {
        let source = Source::Awaited(awaited);
        match change {
            Change::ListComplete => self.wakes.changed(source, None, now),
            Change::Applied(object) | Change::Gone(object) => {
                self.wakes.changed(source, object.meta.namespace.clone(), now);
            }
            Change::ListBegan | Change::Listed(_) | Change::Alive | Change::Failed(..) => {}
        }
    }

    /// A namespace is there, or was changed: what failed for want of it, or by what its labels ask for, is tried again.
    pub fn namespace_shown(&mut self, namespace: &Object, now: Duration) {
        let meta = &namespace.meta;
        let Some(known) = self.wakes.namespaces.get_mut(&meta.name) else { return };
        let terminating = meta.deletion_timestamp.is_some();
        let shown = Shown { object: salt((&meta.uid, terminating)), labels: salt(&meta.labels) };
        let before = known.replace(shown);
        if terminating {
            return; // nothing is made in it any more
        }
        let place = || Some(meta.name.clone());
        if before.is_none_or(|before| before.object != shown.object) {
            self.wakes.changed(Source::Namespace, place(), now);
        }
        if before != Some(shown) {
            self.wakes.changed(Source::Labels, place(), now);
        }
    }

    /// An object of a Work was refused. Where that is for the sake of its namespace, it is noted how that one is shown from
    /// here on.
    pub(super) fn note_refused(&mut self, uid: &str, target: &Target, failure: Failure, message: &str) {
        self.wakes.refused(uid, failure, message);
        let concerns = |source| matches!(source, Source::Namespace | Source::Labels);
        if let Some(namespace) = &target.namespace
            && Source::of(Refusal::of(failure, message)).any(concerns)
            && !self.wakes.namespaces.contains_key(namespace)
        {
            self.wakes.namespaces.insert(namespace.clone(), None);
        }
    }

    /// What is waited for, and is to be watched for that.
    pub fn awaited(&self) -> impl Iterator<Item = Awaited> {
        self.wakes.waiting.keys().filter_map(|source| match source {
            Source::Awaited(awaited) => Some(*awaited),
            Source::Namespace | Source::Labels | Source::Definition => None,
        })
    }

    /// What waited for a change of a moment ago is tried again.
    pub(super) fn wake_up(&mut self, now: Duration) {
        let due = self.wakes.due(now);
        let mut concerned: BTreeMap<Target, Duration> = BTreeMap::new();
        for (source, places) in &due {
            let spacing = self.wakes.spacing(*source);
            let targets =
                self.waiting_for(*source, places).filter(|target| !self.under_way.contains(*target));
            concerned.extend(targets.map(|target| (target.clone(), spacing)));
        }
        for place in due.get(&Source::Labels).into_iter().flatten() {
            let within = BTreeSet::from([place.clone()]);
            let waits = |source| self.waiting_for(source, &within).next().is_some();
            let waits = waits(Source::Namespace) || waits(Source::Labels);
            if let Some(namespace) = place.as_ref().filter(|_| !waits) {
                self.wakes.namespaces.remove(namespace);
            }
        }
        for (target, spacing) in concerned {
            if let Some(slot) = self.slots.get_mut(&target)
                && self.wakes.rounds.lets(&target, spacing, now)
            {
                slot.pace.hurry();
                slot.clearing.hurry();
                self.stir_claimants(&target);
            }
        }
    }

    /// The objects that wait for a change of this at one of these places.
    fn waiting_for(&self, source: Source, places: &BTreeSet<Place>) -> impl Iterator<Item = &Target> {
        let works = self.wakes.waiting.get(&source).into_iter().flat_map(BTreeMap::keys);
        let briefs = works.filter_map(|uid| self.bundles.get(uid)?.ledger());
        briefs.flat_map(|brief| brief.targets()).filter(move |target| {
            let failure = self.slots.get(target).and_then(|slot| slot.failure.as_ref());
            failure.is_some_and(|(failure, message)| {
                let mut sources = Source::of(Refusal::of(*failure, message));
                sources.any(|other| other == source) && concerns(source, places, target, message)
            })
        })
    }

    /// Remembers what the objects of a Work wait for. While one is tried again, it waits still.
    pub(super) fn note_awaited(&mut self, uid: &str) {
        let mut waiting: BTreeMap<Source, usize> = BTreeMap::new();
        let brief = self.bundles.get(uid).filter(|bundle| !bundle.is_suspended()).and_then(|it| it.ledger());
        for target in brief.into_iter().flat_map(|brief| brief.targets()) {
            let failure = self.slots.get(target).and_then(|slot| slot.failure.as_ref());
            if let Some((failure, message)) = failure {
                for source in Source::of(Refusal::of(*failure, message)) {
                    *waiting.entry(source).or_default() += 1;
                }
            }
        }
        self.wakes.note(uid, waiting);
    }
}

impl Wakes {
    /// When something is to be tried.
    pub(super) fn next(&self) -> Option<Duration> {
        self.rounds.next()
    }

    /// A definition of this group came, changed or went.
    pub(super) fn definition_changed(&mut self, group: &str, now: Duration) {
        if self.waiting.contains_key(&Source::Definition) {
            self.changed(Source::Definition, Some(group.to_owned()), now);
        }
    }

    /// An object of a Work was refused: what it waits for may change before the Work has its turn, when all are counted.
    fn refused(&mut self, uid: &str, failure: Failure, message: &str) {
        for source in Source::of(Refusal::of(failure, message)) {
            self.waiting.entry(source).or_default().entry(uid.to_owned()).or_insert(1);
        }
    }

    fn note(&mut self, uid: &str, mut waiting: BTreeMap<Source, usize>) {
        self.waiting.retain(|source, works| {
            match waiting.remove(source) {
                Some(number) => drop(works.insert(uid.to_owned(), number)),
                None => drop(works.remove(uid)),
            }
            !works.is_empty()
        });
        let new =
            waiting.into_iter().map(|(source, number)| (source, BTreeMap::from([(uid.to_owned(), number)])));
        self.waiting.extend(new);
    }

    /// `place`: where alone the change can matter.
    fn changed(&mut self, source: Source, place: Place, now: Duration) {
        let spacing = self.spacing(source);
        self.rounds.changed(source, place, spacing, now);
    }

    /// What is to be tried now.
    fn due(&mut self, now: Duration) -> BTreeMap<Source, BTreeSet<Place>> {
        let waiting = &self.waiting;
        self.rounds.due(|source| spacing(waiting, source), now)
    }

    fn spacing(&self, source: Source) -> Duration {
        spacing(&self.waiting, source)
    }
}

fn spacing(waiting: &BTreeMap<Source, BTreeMap<String, usize>>, source: Source) -> Duration {
    let waiting: usize = waiting.get(&source).into_iter().flat_map(BTreeMap::values).sum();
    SHARE * u32::try_from(waiting).unwrap_or(u32::MAX)
}

/// Whether a change at one of these places can matter to an object. Roles of another namespace say who may act as an
/// account.
fn concerns(source: Source, places: &BTreeSet<Place>, target: &Target, message: &str) -> bool {
    if source == Source::Definition {
        return places.contains(&Some(target.resource.group.to_string()));
    }
    let own = target.namespace.as_ref().or_else(|| (target.resource == NAMESPACES).then_some(&target.name));
    places.contains(&None)
        || own.is_some_and(|own| places.contains(&Some(own.clone())))
        || message.contains("cannot impersonate")
}
