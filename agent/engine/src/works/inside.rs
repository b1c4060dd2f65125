//! What lies in a namespace or a definition that is to go with the replica's own entry: it would go, too, whichever Work made
//! it, and whatever that one says.

use super::bundle::Bundle;
use super::leaving::Fate;
use super::{Brief, Works};
use crate::evidence::Ending;
use crate::plan::Step;
use crate::protected::{is_protected, lies_in};
use crate::target::Target;
use crate::work::{Apply, Deletion, Options, order};

/// Whether an object can go that is of a protected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    /// Nothing stays in it.
    Nothing,
    /// That is not known yet, or something in it is still to go.
    Going,
    /// Something stays in it.
    Stays,
}

/// What of a Work, before an object of a protected kind, was left to others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Others {
    pub(super) count: usize,
    /// It may be theirs no more soon.
    pub(super) passing: bool,
}

impl Works {
    /// Whether an object of a protected kind can go, with the own entry of this UID.
    pub(super) fn inside(&self, of: &Brief, container: &Target, entry: &str, others: Others) -> Inside {
        if others.count > 0 {
            return if others.passing { Inside::Going } else { Inside::Stays };
        }
        let mut inside = Inside::Nothing;
        for (uid, bundle) in &self.bundles {
            let Some(brief) = bundle.believed() else { continue };
            for target in brief.targets().filter(|target| lies_in(target, container)) {
                let found = if *uid == of.work.uid {
                    let observed =
                        brief.left.get(target).is_some_and(|options| options.apply == Apply::Observe);
                    if !observed && self.is_kept(brief, target) { Inside::Stays } else { Inside::Nothing }
                } else {
                    self.beside_inside(bundle, brief, (target, container), entry)
                };
                match found {
                    Inside::Stays => return Inside::Stays,
                    Inside::Going => inside = Inside::Going,
                    Inside::Nothing => {}
                }
            }
        }
        inside
    }

    /// The same of what another Work records in it.
    fn beside_inside(
        &self,
        bundle: &Bundle,
        brief: &Brief,
        (target, container): (&Target, &Target),
        entry: &str,
    ) -> Inside {
        let settled =
            !self.concerns(bundle) || matches!(self.fates.get(&bundle.work.uid), Some(Fate::Stays(_)));
        let rest = if settled { Inside::Stays } else { Inside::Going };
        if bundle.is_altered() || Ending::recorded_leaving(brief, entry).is_none() {
            return rest;
        }
        if self.is_kept(brief, target) {
            return Inside::Stays;
        }
        // What goes after it, where the order says so, is not waited for.
        let wave = |target: &Target| order::wave(&target.resource.group, &target.resource.kind);
        let awaited = settled || wave(target) >= wave(container);
        if awaited && !self.is_gone(bundle, brief, target) { rest } else { Inside::Nothing }
    }

    /// Whether an object stays that a Work records and that ends: by its options, or as somebody else's.
    fn is_kept(&self, brief: &Brief, target: &Target) -> bool {
        let slot = self.slots.get(target);
        if slot.is_some_and(|slot| slot.absent && slot.observed.is_none()) {
            return false;
        }
        let stays = |options: &Options| {
            let forbidden = !options.allow_deletion && is_protected(&target.resource);
            options.deletion == Deletion::Orphan || options.apply == Apply::Observe || forbidden
        };
        let others = slot.is_some_and(|slot| slot.observed.is_none() && slot.foreign || slot.is_let_go());
        others || brief.left.get(target).is_some_and(|options| stays(options))
    }

    /// What another Work may still take away together with what this one leaves where it is: the record of that is what keeps
    /// the other one from it. Whether that one is done for now, and its name.
    pub(super) fn endangered(&self, of: &Brief) -> Option<(bool, &str)> {
        let kept: Vec<&Target> = of.left.keys().filter(|target| self.is_kept(of, target)).collect();
        if kept.is_empty() {
            return None;
        }
        let others = self
            .bundles
            .values()
            .map(Box::as_ref)
            .filter(|other| other.work.uid != of.work.uid && self.concerns(other));
        let takes = |other: &&Bundle| {
            let Some(brief) = other.believed() else { return false };
            let mut holders = brief.targets().filter(|target| kept.iter().any(|kept| lies_in(kept, target)));
            holders.any(|target| {
                let options =
                    brief.wants(target).map(|wanted| &wanted.options).or_else(|| brief.left.get(target));
                let may_go = |options: &Options| {
                    options.allow_deletion
                        && options.deletion == Deletion::Delete
                        && options.apply != Apply::Observe
                };
                options.is_some_and(|options| may_go(options)) && !self.is_gone(other, brief, target)
            })
        };
        let other = others.into_iter().find(takes)?;
        let settled = matches!(self.fates.get(&other.work.uid), Some(Fate::Stays(_)));
        Some((settled, &other.work.name))
    }

    /// Whether what another Work wants may be wanted by none soon.
    pub(super) fn claim_may_pass(&self, of: &Brief, target: &Target) -> bool {
        let mut others = self.bundles.values().filter(|other| other.work.uid != of.work.uid);
        others.any(|other| {
            let settled = matches!(self.fates.get(&other.work.uid), Some(Fate::Stays(_)));
            let wants = other.believed().is_some_and(|brief| brief.wants_object(target).is_some());
            other.is_unread() || wants && !settled && self.concerns(other)
        })
    }

    /// What lets an object go that is there.
    pub(super) fn letting_go(&self, target: &Target) -> Option<Step> {
        let uid = self.slots.get(target)?.observed.as_ref()?.uid.clone();
        Some(Step::Unmark { target: self.served_as(target), uid })
    }

    /// Who waits for what lies in what is to go wants attention.
    pub(super) fn stir_inside(&mut self) {
        for uid in std::mem::take(&mut self.waits_inside) {
            self.turns.push(&uid);
        }
    }
}
