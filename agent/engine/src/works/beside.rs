//! What other Works ask for that no ledger records yet: an object that moves from one Work to another stays, whichever of
//! the two comes first, and whatever keeps the other one from being followed.

use super::Works;
use super::bundle::Bundle;
use crate::target::Target;
use crate::work::{Apply, Named};

/// What the other Works ask for, and may ask for.
#[derive(Debug, Default)]
pub(super) struct Beside {
    asked: Vec<Target>,
    /// What it is not known of, or not followed, and the name of the Work.
    open: Vec<(Named, String)>,
}

// === impl Beside ===

impl Beside {
    /// Whether a Work asks for this object.
    pub(super) fn asks_for(&self, target: &Target) -> bool {
        self.asked.iter().any(|other| other.is_same_object(target))
    }

    /// The name of a Work that may ask for this object.
    pub(super) fn may_ask_for(&self, target: &Target) -> Option<&str> {
        self.open.iter().find(|(named, _)| named.may_be(target)).map(|(_, work)| work.as_str())
    }
}

impl Works {
    /// What other Works ask for, and no ledger records yet. One of the same name does not count: its ledger can be made
    /// when this one is gone.
    pub(super) fn beside(&self, bundle: &Bundle) -> Beside {
        let mut beside = Beside::default();
        let others = self.bundles.values().filter(|other| other.work.name != bundle.work.name);
        let others = others.filter(|other| other.lost.is_none() && !other.is_deleting());
        // What is only planned is asked for by nobody.
        for other in others.filter(|other| !other.is_only_planned()) {
            let wanted = other.demand.iter().flat_map(|demand| &demand.brief.wanted);
            let wanted = wanted.filter(|wanted| wanted.options.apply != Apply::Observe);
            beside.asked.extend(wanted.map(|wanted| wanted.target.clone()));
            beside.open.extend(other.open().map(|named| (named.clone(), other.work.name.clone())));
        }
        beside
    }

    /// What is known of what a Work asks for changed: who waits to know whether it asks for an object wants attention.
    pub(super) fn stir_beside(&mut self) {
        for uid in std::mem::take(&mut self.waits_beside) {
            self.turns.push(&uid);
        }
    }
}

impl Bundle {
    /// What it may ask for, as far as that has a name: what was not looked through yet, what is wrong, and all where the
    /// Work is refused.
    fn open(&self) -> impl Iterator<Item = &Named> {
        let unread = self.source.iter().filter(|_| self.stale).flat_map(|work| &work.manifests);
        let unread = unread.map(|slot| &slot.named);
        let flawed = self.flaws.iter().map(|flawed| &flawed.named);
        unread.chain(flawed).chain(&self.refused).filter(|named| named.has_name())
    }
}
