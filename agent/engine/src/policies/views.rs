//! What the replica shows of the objects of the kinds that policies make.

use std::collections::BTreeSet;

use muster_api::Object;
use muster_api::marks;
use muster_api::names::POLICIES_MANAGER;

use super::{Policies, target};
use crate::event::Change;
use crate::failure::Failure;
use crate::kind::Kind;
use crate::listing::Listing;
use crate::observed::Observed;
use crate::target::Target;

/// The view of one kind of objects in the replica.
#[derive(Debug, Default)]
pub(super) struct View {
    listing: Listing,
    shown: BTreeSet<Target>,
    pub(super) failure: Option<(Failure, String)>,
}

impl Policies {
    /// A change of the objects of a kind.
    pub fn objects_changed(&mut self, kind: Kind, change: Change) {
        let view = self.views.entry(kind).or_default();
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
                let target = target(kind, &object);
                view.shown.insert(target.clone());
                self.observe(target, &object, true);
            }
            Change::Applied(object) => {
                let target = target(kind, &object);
                if view.listing.is_under_way() {
                    view.shown.insert(target.clone());
                }
                self.observe(target, &object, false);
            }
            Change::Gone(object) => {
                let target = target(kind, &object);
                view.shown.remove(&target);
                self.miss(&target, &object.meta.uid);
            }
            Change::ListComplete => {
                view.listing.completed();
                let shown = std::mem::take(&mut view.shown);
                let resource = kind.resource();
                let missed: Vec<(Target, String)> = self
                    .slots
                    .iter()
                    .filter(|(target, _)| target.resource == resource && !shown.contains(*target))
                    .filter_map(|(target, slot)| Some((target.clone(), slot.observed.as_ref()?.uid.clone())))
                    .collect();
                for (target, uid) in missed {
                    self.miss(&target, &uid);
                }
                self.touch_all();
                self.stir_all();
            }
        }
        let view = self.views.entry(kind).or_default();
        if !view.listing.is_under_way() {
            view.failure = None;
        }
    }

    fn observe(&mut self, target: Target, object: &Object, listed: bool) {
        let observed =
            Observed::read(object, &target, POLICIES_MANAGER, Some(marks::POLICY_SET)).without_works();
        // Namespaces are all watched: most of them are nobody's business here.
        let concerns = self.users.contains_key(&target) || observed.labelled || observed.mark.is_some();
        if concerns || target.rank() == 0 {
            let slot = self.slots.entry(target.clone()).or_default();
            if listed {
                slot.list(observed);
            } else {
                slot.observe(observed);
            }
            self.touch(target);
        }
    }

    fn miss(&mut self, target: &Target, uid: &str) {
        if let Some(slot) = self.slots.get_mut(target) {
            slot.miss(uid);
            self.touch(target.clone());
        }
    }

    /// Whether all views of the replica are complete: without them everything would look as if it were missing. Grants
    /// do not wait for the view of copies, which grant nothing.
    pub(super) fn sees(&self) -> bool {
        let sees = |kind: &Kind| *kind == Kind::Copy || self.sees_kind(*kind);
        self.ledgers.is_complete() && Kind::ALL.iter().all(sees)
    }

    pub(super) fn sees_kind(&self, kind: Kind) -> bool {
        self.views.get(&kind).is_some_and(|view| view.listing.is_complete())
    }
}
