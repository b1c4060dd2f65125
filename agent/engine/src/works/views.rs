//! What the replica shows of the objects of the kinds that Works made: of a kind as a whole, or namespace by namespace.

use std::collections::{BTreeMap, BTreeSet};

use muster_api::names::WORKS_MANAGER;
use muster_api::{Object, Resource, Scope};

use super::Works;
use crate::applyset;
use crate::event::Change;
use crate::failure::Failure;
use crate::listing::Listing;
use crate::mark::Mark;
use crate::observed::Observed;
use crate::readiness::{self, Readiness};
use crate::refusal::Refusal;
use crate::target::Target;

/// The views of one kind of objects in the replica.
#[derive(Debug, Default)]
pub(super) struct Views {
    /// Of all namespaces, and of a kind that has none.
    wide: Option<View>,
    /// By namespace.
    narrow: BTreeMap<String, View>,
}

/// One view.
#[derive(Debug, Default)]
struct View {
    listing: Listing,
    shown: BTreeSet<Target>,
    failure: Option<(Failure, String)>,
    /// Whether the replica said that it does not serve the kind, and shows nothing of it since.
    unserved: bool,
    /// It is a listing now and then, and no watch.
    paced: bool,
}

impl Views {
    fn get_mut(&mut self, namespace: Option<&str>) -> Option<&mut View> {
        match namespace {
            None => self.wide.as_mut(),
            Some(namespace) => self.narrow.get_mut(namespace),
        }
    }

    fn make(&mut self, namespace: Option<&str>) -> &mut View {
        match namespace {
            None => self.wide.get_or_insert_default(),
            Some(namespace) => self.narrow.entry(namespace.to_owned()).or_default(),
        }
    }

    fn get(&self, namespace: Option<&str>) -> Option<&View> {
        match namespace {
            None => self.wide.as_ref(),
            Some(namespace) => self.narrow.get(namespace),
        }
    }

    /// The namespaces of which nothing may be seen; `None` for all of them.
    #[cfg(test)]
    pub(super) fn blind(&self) -> impl Iterator<Item = Option<&str>> {
        let narrow = self.narrow.iter().map(|(namespace, view)| (Some(namespace.as_str()), view));
        let all = self.wide.iter().map(|view| (None, view)).chain(narrow);
        all.filter(|(_, view)| view.is_blind()).map(|(namespace, _)| namespace)
    }
}

impl View {
    fn is_blind(&self) -> bool {
        let forbidden = self.failure.as_ref().is_some_and(|(failure, _)| *failure == Failure::Forbidden);
        forbidden && !self.listing.is_complete()
    }
}

impl Works {
    /// A change of the objects of a kind, as a view of all namespaces or of one shows it.
    pub fn objects_changed(&mut self, resource: &Resource, namespace: Option<&str>, change: Change) {
        let before = self.shows_nothing(resource, namespace);
        self.take_in(resource, namespace, change);
        self.view_changed(resource, namespace, before);
    }

    fn take_in(&mut self, resource: &Resource, namespace: Option<&str>, change: Change) {
        let view = self.views.entry(resource.clone()).or_default().make(namespace);
        match change {
            Change::Failed(failure, message) => {
                let before = view.unserved;
                match failure {
                    Failure::NotServed => view.unserved = true,
                    Failure::Forbidden => view.unserved = false, // it is looked at from here on
                    _ => {}                                      // what is served again may take its time
                }
                view.failure = Some((failure, message));
                if view.is_blind() || view.unserved != before {
                    self.stir_kind(resource, namespace);
                }
                return;
            }
            Change::Alive => {}
            Change::ListBegan => {
                view.listing.began();
                view.shown.clear();
                return;
            }
            Change::Listed(object) => {
                let target = target(resource, &object);
                view.shown.insert(target.clone());
                self.observe(&target, &object, true);
            }
            Change::Applied(object) => {
                let target = target(resource, &object);
                if view.listing.is_under_way() {
                    view.shown.insert(target.clone());
                }
                self.observe(&target, &object, false);
            }
            Change::Gone(object) => {
                let target = target(resource, &object);
                view.shown.remove(&target);
                self.miss(&target, &object.meta.uid);
            }
            Change::ListComplete => {
                view.listing.completed();
                let shown = std::mem::take(&mut view.shown);
                let missed: Vec<(Target, String)> = within(&self.slots, resource, namespace)
                    .filter(|(target, _)| !shown.contains(*target))
                    .filter_map(|(target, slot)| Some((target.clone(), slot.observed.as_ref()?.uid.clone())))
                    .collect();
                for (target, uid) in missed {
                    self.miss(&target, &uid);
                }
                self.stir_kind(resource, namespace);
            }
        }
        if let Some(view) = self.views.get_mut(resource).and_then(|views| views.get_mut(namespace))
            && !view.listing.is_under_way()
        {
            view.failure = None;
            if std::mem::take(&mut view.unserved) {
                self.stir_kind(resource, namespace);
            }
        }
    }

    /// A view is a listing now and then, and no watch.
    pub fn paced(&mut self, resource: &Resource, namespace: Option<&str>) {
        self.views.entry(resource.clone()).or_default().make(namespace).paced = true;
        self.stir_kind(resource, namespace);
    }

    /// There is no view any more.
    pub fn unwatched(&mut self, resource: &Resource, namespace: Option<&str>) {
        let before = self.shows_nothing(resource, namespace);
        let Some(views) = self.views.get_mut(resource) else { return };
        match namespace {
            None => views.wide = None,
            Some(namespace) => drop(views.narrow.remove(namespace)),
        }
        if views.wide.is_none() && views.narrow.is_empty() {
            self.views.remove(resource);
        }
        self.view_changed(resource, namespace, before);
    }

    /// The Works that have objects of a kind, there, want attention.
    fn stir_kind(&mut self, resource: &Resource, namespace: Option<&str>) {
        let waiting = within(&self.claims, resource, namespace);
        waiting.flat_map(|(_, claims)| claims).for_each(|uid| self.turns.push(uid));
    }

    pub(super) fn observe(&mut self, target: &Target, object: &Object, listed: bool) {
        if !self.claims.contains_key(target) {
            return;
        }
        self.study(target, object);
        let observed = self.read(target, object);
        self.judge_readiness(target, object);
        let slot = self.slots.entry(target.clone()).or_default();
        if listed {
            slot.list(observed);
        } else {
            slot.observe(observed);
        }
        self.stir_claimants(target);
    }

    /// An object, as decisions need it. The label that it is to bear is that of the Work by whose mark it is known.
    pub(super) fn read(&self, target: &Target, object: &Object) -> Observed {
        let set = Mark::read(&object.meta, target).and_then(|mark| mark.maker).map(|maker| {
            self.bundles
                .get(&maker.uid)
                .map_or_else(|| applyset::id(&maker.name), |bundle| bundle.set.clone())
        });
        let observed = Observed::read(object, target, WORKS_MANAGER, set.as_deref());
        let maker = observed.mark.as_ref().and_then(|mark| mark.maker.as_ref());
        match self.wanted(target, maker) {
            Some(wanted) => observed.leaving(object, WORKS_MANAGER, &wanted.ignored),
            None => observed,
        }
    }

    /// How it stands with the readiness of an object, and the values that its Work asks for: where all of it is seen.
    pub(super) fn judge_readiness(&mut self, target: &Target, object: &Object) {
        let Resource { group, kind, .. } = &target.resource;
        let state = if readiness::is_ready_when_there(group, kind) {
            Readiness::Current
        } else {
            readiness::readiness(group, kind, object.raw.get())
        };
        if state == Readiness::Current {
            self.readiness.remove(target);
        } else {
            self.readiness.insert(target.clone(), state);
        }
        let maker = Mark::read(&object.meta, target).and_then(|mark| mark.maker);
        self.read_values(target, object, maker.as_ref());
    }

    fn miss(&mut self, target: &Target, uid: &str) {
        if let Some(slot) = self.slots.get_mut(target) {
            slot.miss(uid);
            // What could not be changed may be made anew as it is wanted.
            let fixed = slot.failure.as_ref().map(|(failure, message)| Refusal::of(*failure, message));
            if fixed == Some(Refusal::Immutable) {
                slot.pace.hurry();
            }
        }
        self.stir_claimants(target);
    }

    /// What was written while a listing was made is not missing from it.
    pub(super) fn wrote(&mut self, target: &Target) {
        let Some(views) = self.views.get_mut(&target.resource) else { return };
        let narrow = target.namespace.as_ref().and_then(|namespace| views.narrow.get_mut(namespace));
        for view in views.wide.iter_mut().chain(narrow).filter(|view| view.listing.is_under_way()) {
            view.shown.insert(target.clone());
        }
    }

    /// The views that show an object, if it is there.
    fn views_of(&self, target: &Target) -> impl Iterator<Item = &View> {
        let views = self.views.get(&target.resource);
        let narrow = views.and_then(|views| views.narrow.get(target.namespace.as_deref()?));
        views.and_then(|views| views.wide.as_ref()).into_iter().chain(narrow)
    }

    /// Whether the replica has still to show whether an object is there. Where it never will, that is found out by a live
    /// read, or when the object is written.
    pub(super) fn is_unseen(&self, target: &Target) -> bool {
        let fails = |view: &View| view.failure.as_ref().is_some_and(|(failure, _)| !failure.may_pass());
        !self.sees(target) && !self.views_of(target).any(fails)
    }

    /// Whether an object that is not shown is not there.
    pub(super) fn sees(&self, target: &Target) -> bool {
        self.views_of(target).any(|view| view.listing.is_complete())
    }

    /// Whether the replica does not serve the kind of an object that was shown: nobody can tell what became of it. One
    /// view that shows it well tells more than another that failed, and may not be wanted any more. Where no view shows
    /// anything, the last look at the object tells.
    pub(super) fn is_unserved(&self, target: &Target) -> bool {
        let shows = |view: &View| view.listing.is_complete() && view.failure.is_none();
        let looked = || self.slots.get(target).is_some_and(|slot| slot.unserved) && self.is_blind(target);
        (self.views_of(target).any(|view| view.unserved) || looked()) && !self.views_of(target).any(shows)
    }

    /// Whether no account may see what there is of a kind where an object is.
    pub(super) fn is_blind(&self, target: &Target) -> bool {
        !self.sees(target) && self.views_of(target).any(View::is_blind)
    }

    /// How many views show nothing of what there is where an object is, since nobody may see it.
    pub(super) fn blind_views(&self, target: &Target) -> usize {
        self.views_of(target).filter(|view| view.is_blind()).count()
    }

    /// Whether a view shows nothing, since nobody may see it.
    pub(super) fn shows_nothing(&self, resource: &Resource, namespace: Option<&str>) -> bool {
        self.views.get(resource).and_then(|views| views.get(namespace)).is_some_and(View::is_blind)
    }

    /// Whether an object is seen now and then, and not at once.
    pub(super) fn is_paced(&self, target: &Target) -> bool {
        self.views_of(target).any(|view| view.paced)
    }
}

/// What there is about the objects of a view: there may be many views, and no other objects are looked through for one.
fn within<'a, V>(
    all: &'a BTreeMap<Target, V>,
    resource: &'a Resource,
    namespace: Option<&'a str>,
) -> impl Iterator<Item = (&'a Target, &'a V)> {
    let first =
        Target { resource: resource.clone(), namespace: namespace.map(str::to_owned), name: String::new() };
    let is_within = move |target: &Target| {
        target.resource == *resource && (namespace.is_none() || target.namespace.as_deref() == namespace)
    };
    all.range(first..).take_while(move |(target, _)| is_within(target))
}

fn target(resource: &Resource, object: &Object) -> Target {
    let namespace = object.meta.namespace.clone().filter(|_| resource.scope == Scope::Namespaced);
    Target { resource: resource.clone(), namespace, name: object.meta.name.clone() }
}
