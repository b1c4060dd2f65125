//! What the replica shows of the objects of the kinds that Works made.

use std::collections::BTreeSet;

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
use crate::target::Target;

/// The view of one kind of objects in the replica.
#[derive(Debug, Default)]
pub(super) struct View {
    listing: Listing,
    shown: BTreeSet<Target>,
    pub(super) failure: Option<(Failure, String)>,
}

impl Works {
    /// A change of the objects of a kind.
    pub fn objects_changed(&mut self, resource: &Resource, change: Change) {
        let view = self.views.entry(resource.clone()).or_default();
        match change {
            Change::Failed(failure, message) => {
                view.failure = Some((failure, message));
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
                let missed: Vec<(Target, String)> = self
                    .slots
                    .iter()
                    .filter(|(target, _)| target.resource == *resource && !shown.contains(*target))
                    .filter_map(|(target, slot)| Some((target.clone(), slot.observed.as_ref()?.uid.clone())))
                    .collect();
                for (target, uid) in missed {
                    self.miss(&target, &uid);
                }
                let waiting = self.claims.iter().filter(|(target, _)| target.resource == *resource);
                waiting.flat_map(|(_, claims)| claims).for_each(|uid| self.turns.push(uid));
            }
        }
        if let Some(view) = self.views.get_mut(resource)
            && !view.listing.is_under_way()
        {
            view.failure = None;
        }
    }

    /// The objects of a kind are not watched any more.
    pub fn unwatched(&mut self, resource: &Resource) {
        self.views.remove(resource);
    }

    fn observe(&mut self, target: &Target, object: &Object, listed: bool) {
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
        Observed::read(object, target, WORKS_MANAGER, set.as_deref())
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
    }

    fn miss(&mut self, target: &Target, uid: &str) {
        if let Some(slot) = self.slots.get_mut(target) {
            slot.miss(uid);
        }
        self.stir_claimants(target);
    }

    /// What was written while a listing was made is not missing from it.
    pub(super) fn wrote(&mut self, target: &Target) {
        if let Some(view) = self.views.get_mut(&target.resource)
            && view.listing.is_under_way()
        {
            view.shown.insert(target.clone());
        }
    }

    /// Whether the replica has still to show what is there of a kind. Where it never will, what is there is found out when
    /// it is written.
    pub(super) fn is_unseen(&self, resource: &Resource) -> bool {
        let failure = self.views.get(resource).and_then(|view| view.failure.as_ref());
        !self.sees(resource) && failure.is_none_or(|(failure, _)| failure.may_pass())
    }

    /// Whether what is not shown of a kind is not there.
    pub(super) fn sees(&self, resource: &Resource) -> bool {
        self.views.get(resource).is_some_and(|view| view.listing.is_complete())
    }
}

fn target(resource: &Resource, object: &Object) -> Target {
    let namespace = object.meta.namespace.clone().filter(|_| resource.scope == Scope::Namespaced);
    Target { resource: resource.clone(), namespace, name: object.meta.name.clone() }
}
