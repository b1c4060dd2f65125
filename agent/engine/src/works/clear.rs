//! What becomes of what a ledger records and the Work does not ask for any more: the other way round than it was made.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::beside::Beside;
use super::bundle::{Bundle, Demand, Why};
use super::due::{Steps, Task};
use super::inside::{Inside, Others};
use super::recording::options_now;
use super::{Brief, Context, Works};
use crate::era::Era;
use crate::evidence::Ending;
use crate::ledger::Phase;
use crate::live::Known;
use crate::observed::Observed;
use crate::plan::Step;
use crate::protected;
use crate::target::Target;
use crate::time::salt;
use crate::work::{Apply, Deletion as Fate, Flaw, Options, order};

/// What is to be done about one object.
#[allow(clippy::large_enum_variant)] // it is short-lived
pub(super) enum Clear {
    /// Nothing: it is gone, or it is not this Work's to remove.
    Done,
    /// Nothing: another Work wants it, and takes it over.
    Claimed,
    /// Nothing: another Work may want it, and it is not known yet what that one asks for.
    Open,
    /// Nothing: it is left to the Work that takes the ledger over.
    Inherited,
    /// Nothing now: something is under way, or there is no evidence.
    Wait,
    /// Nothing now: it could go, and waits for somebody's word, or to be judged.
    Held,
    /// Nothing before then.
    Later(std::time::Duration),
    /// This.
    Act(Box<Step>),
}

/// What is left of a Work that ends with the replica's own entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Something is still to go.
    Going,
    /// Nothing but so many objects that other Works want.
    Others(usize),
    /// Nothing.
    Gone,
}

impl Works {
    /// Whether what a ledger records of an end holds: in an earlier era that was recorded of a Work that may be there again,
    /// and nobody asked for its end yet.
    fn holds_good(&self, bundle: &Bundle, brief: &Brief) -> bool {
        let Era { number, doubted } = self.era();
        let shown = brief.era == number || self.shown.is_complete() && !bundle.stands();
        shown && !doubted && !bundle.earlier
    }

    /// What a ledger records beside what is wanted. `reread`: the Work is to be read in any case. Returns whether
    /// something of it may be there still.
    pub(super) fn left_due(
        &mut self,
        uid: &str,
        brief: &Arc<Brief>,
        reread: bool,
        context: Context,
        steps: &mut Steps,
    ) -> bool {
        let Some(bundle) = self.bundles.get(uid) else { return false };
        let recorded = Ending::recorded(brief).filter(|_| self.holds_good(bundle, brief));
        let ending = recorded.or_else(|| self.proof(bundle).cloned()).filter(|_| !context.silent);
        let held = self.holds.keeps_end(uid);
        let whole = brief.phase != Phase::Deleting && (bundle.is_deleting() || bundle.lost.is_some());
        let mut unconfirmed = whole;
        let mut targets: Vec<&Target> = brief.left.keys().collect();
        let wave = |target: &Target| order::wave(&target.resource.group, &target.resource.kind);
        targets.sort_by_key(|target| std::cmp::Reverse(wave(target)));
        let beside = if targets.is_empty() { Beside::default() } else { self.beside(bundle) };
        let stays = self.heir(bundle).map(|heir| self.heritage(brief, heir)).unwrap_or_default();
        let ends = ending.as_ref().is_some_and(Ending::is_whole);
        // What a Work drops is judged as a whole, before the first of it goes.
        if !ends && (ending.is_some() || self.holds.names(uid)) {
            let judge = |target| {
                (target, self.judge(brief, (ending.as_ref(), false), target, (&beside, &stays), context))
            };
            let clears: Vec<(&Target, Clear)> = targets.iter().copied().map(judge).collect();
            self.ask_drop(uid, brief, ending.as_ref(), &clears, context, steps);
        }
        let mut last = None;
        let (mut inherited, mut open) = (false, false);
        for target in targets {
            let wave = wave(target);
            if last.is_some_and(|last| last > wave) {
                break; // a wave begins when the one behind it is done
            }
            match self.judge(brief, (ending.as_ref(), false), target, (&beside, &stays), context) {
                Clear::Done => continue,
                Clear::Inherited => {
                    inherited = true;
                    continue;
                }
                Clear::Claimed | Clear::Open => {
                    open = true;
                    last = Some(wave);
                    continue;
                }
                Clear::Held if ends && !self.holds.is_judged(uid) => self.holds.ask_end(uid),
                Clear::Wait | Clear::Held => {}
                Clear::Later(due) => self.later(due, uid),
                Clear::Act(step) => {
                    if !self.has_room(uid) {
                        last = Some(wave);
                        break;
                    }
                    self.act(Task::Clear { work: uid.to_owned(), target: target.clone() }, *step, steps);
                }
            }
            let waits = self.holds.keeps_object(uid, target);
            unconfirmed |= !waits && ending.as_ref().is_none_or(|ending| !ending.covers(brief, target));
            last = Some(wave);
        }
        if open {
            self.waits_beside.insert(uid.to_owned());
        }
        self.look_for_any(uid, brief, context, steps);
        let confirmed = ending.as_ref().is_some_and(Ending::is_whole);
        self.removals.set(uid, unconfirmed && !confirmed && !held || reread, context.now);
        last.is_some() || inherited
    }

    /// What a ledger records of a Work that ends with the replica's own entry. What another Work wants, which stays, is left
    /// to that one; and so does a namespace or a definition in which something stays, also of another Work. `entry`: the UID
    /// of that entry.
    pub(super) fn leave_due(
        &mut self,
        uid: &str,
        brief: &Arc<Brief>,
        (ending, entry): (&Ending, &str),
        context: Context,
        steps: &mut Steps,
    ) -> Rest {
        let Some(bundle) = self.bundles.get(uid) else { return Rest::Gone };
        let mut targets: Vec<&Target> = brief.left.keys().collect();
        let wave = |target: &Target| order::wave(&target.resource.group, &target.resource.kind);
        targets.sort_by_key(|target| std::cmp::Reverse(wave(target)));
        let beside = if targets.is_empty() { Beside::default() } else { self.beside(bundle) };
        let stays = self.heir(bundle).map(|heir| self.heritage(brief, heir)).unwrap_or_default();
        let (mut last, mut others) = (None, Others::default());
        for target in targets {
            let wave = wave(target);
            if last.is_some_and(|last| last > wave) {
                break; // a wave begins when the one behind it is done
            }
            match self.judge(brief, (Some(ending), true), target, (&beside, &stays), context) {
                Clear::Done => continue,
                clear @ (Clear::Inherited | Clear::Claimed | Clear::Open) => {
                    others.count += 1;
                    others.passing |=
                        !matches!(clear, Clear::Inherited) && self.claim_may_pass(brief, target);
                    continue;
                }
                Clear::Wait | Clear::Held => {}
                Clear::Later(due) => self.later(due, uid),
                Clear::Act(mut step) => {
                    if !self.has_room(uid) {
                        last = Some(wave);
                        break;
                    }
                    if matches!(*step, Step::Delete(_)) && protected::is_protected(&target.resource) {
                        match self.inside(brief, target, entry, others) {
                            Inside::Nothing => {}
                            Inside::Stays => step = self.letting_go(target).map_or(step, Box::new),
                            Inside::Going => {
                                self.waits_inside.insert(uid.to_owned());
                                last = Some(wave);
                                continue;
                            }
                        }
                    }
                    self.note_kept(brief, target, &step);
                    self.act(Task::Clear { work: uid.to_owned(), target: target.clone() }, *step, steps);
                }
            }
            last = Some(wave);
        }
        match (last, others.count) {
            (Some(_), _) => Rest::Going,
            (None, 0) => Rest::Gone,
            (None, others) => Rest::Others(others),
        }
    }

    /// Of a Work that is missing and, as far as is known, never began, it is found out whether anything is there: if not,
    /// its ledger is in the way of the next Work of its name, and of no use.
    fn look_for_any(&mut self, uid: &str, brief: &Brief, context: Context, steps: &mut Steps) {
        if !self.bundles.get(uid).is_some_and(|bundle| bundle.never_began()) {
            return;
        }
        for target in brief.targets() {
            let slot = self.slots.get(target);
            if !slot.is_some_and(|slot| slot.observed.is_some() || slot.absent || slot.foreign) {
                self.look_for(uid, target, context, steps);
            }
        }
    }

    /// It is found out whether an object is there.
    pub(super) fn look_for(&mut self, uid: &str, target: &Target, context: Context, steps: &mut Steps) {
        if self.under_way.contains(target) {
            return;
        }
        let slot = self.slots.get(target);
        let due = slot.map_or(std::time::Duration::ZERO, |slot| slot.clearing.due(false, salt(target)));
        if due > context.now {
            self.later(due, uid);
        } else if self.has_room(uid) {
            let unserved = self.is_refused_as_unserved(target);
            let seek = || Step::Seek(target.resource.clone());
            let step = if unserved { seek() } else { Step::Look(self.served_as(target)) };
            self.act(Task::Clear { work: uid.to_owned(), target: target.clone() }, step, steps);
        }
    }

    /// `leaving`: it goes with the replica's own entry.
    fn judge(
        &self,
        brief: &Brief,
        (ending, leaving): (Option<&Ending>, bool),
        target: &Target,
        (beside, stays): (&Beside, &BTreeSet<&Target>),
        context: Context,
    ) -> Clear {
        if self.under_way.contains(target) {
            return Clear::Wait;
        }
        if self.bundles.get(&brief.work.uid).is_some_and(|bundle| self.is_gone(bundle, brief, target)) {
            return Clear::Done;
        }
        let there = self.slots.get(target).is_some_and(|slot| slot.observed.is_some());
        if there && stays.contains(target) {
            return Clear::Inherited;
        }
        if there && (beside.asks_for(target) || self.is_claimed(brief, target)) {
            return Clear::Claimed;
        }
        if there && beside.may_ask_for(target).is_some() {
            return Clear::Open;
        }
        // Who asks for it now is not known before the directory was read. Of a directory that is left nobody asks for more.
        let unread = !leaving && !self.shown.is_complete();
        let open = self.bundles.get(&brief.work.uid).is_none_or(|bundle| bundle.leaves_open(target, leaving));
        let Some(ending) = ending.filter(|ending| ending.covers(brief, target) && !open && !unread) else {
            return Clear::Wait;
        };
        let look = || Clear::Act(Box::new(Step::Look(self.served_as(target))));
        let Some(slot) = self.slots.get(target) else { return look() };
        let due = slot.clearing.due(false, salt(target));
        if due > context.now {
            return Clear::Later(due);
        }
        // No object can be read where the kind is not served: that says nothing of the objects.
        if self.is_refused_as_unserved(target) {
            return Clear::Act(Box::new(Step::Seek(target.resource.clone())));
        }
        let Some(observed) = &slot.observed else { return look() };
        if observed.deleting && self.is_elsewhere(target) {
            return look();
        }
        if observed.deleting {
            return Clear::Wait; // its finalizers are others'
        }
        let stays =
            |options: &Arc<Options>| options.deletion == Fate::Orphan || options.apply == Apply::Observe;
        let let_go = || {
            let uid = observed.uid.clone();
            Clear::Act(Box::new(Step::Unmark { target: self.served_as(target), uid }))
        };
        if brief.left.get(target).is_some_and(stays) {
            return let_go();
        }
        let permitted = ending.permits(brief, target, observed);
        // Nobody can say any more what is to become of it.
        if permitted.is_none() && leaving {
            return let_go();
        }
        match permitted.and_then(|deletion| deletion.in_version(&self.served_as(target).resource)) {
            Some(_) if !leaving && !self.may_go(brief, ending, target) => Clear::Held,
            Some(deletion) => Clear::Act(Box::new(Step::Delete(deletion))),
            None => Clear::Wait,
        }
    }

    /// Whether another Work wants an object, as its ledger records: then it is handed over, and not deleted.
    pub(super) fn is_claimed(&self, brief: &Brief, target: &Target) -> bool {
        let others = self.bundles.iter().filter(|(uid, _)| **uid != brief.work.uid);
        others.into_iter().any(|(_, bundle)| {
            let Some(brief) = bundle.believed() else { return false };
            // Of one that is missing and never began, nothing will come.
            let begins = bundle.lost.is_none() || brief.applied.is_some();
            begins && brief.wants_object(target).is_some_and(|wanted| wanted.options.apply != Apply::Observe)
        })
    }

    /// Whether nothing of a ledger that is to go is left.
    pub(super) fn is_cleared(&self, bundle: &Bundle, brief: &Brief) -> bool {
        bundle.under_way == 0 && brief.left.keys().all(|target| self.is_gone(bundle, brief, target))
    }

    /// Whether nothing of this Work's is there any more under a name, for it to remove.
    pub(super) fn is_gone(&self, bundle: &Bundle, brief: &Brief, target: &Target) -> bool {
        if self.under_way.contains(target) {
            return false;
        }
        let options = brief.wants(target).map(|wanted| &wanted.options).or_else(|| brief.left.get(target));
        let only_seen = options.is_some_and(|options| options.apply == Apply::Observe);
        // What is only looked at may bear the mark of an earlier time, and nobody need look for one that was never written.
        let slot = self.slots.get(target);
        let recorded = brief.applied.as_ref().is_none_or(|applied| applied.contains_key(target));
        let written = recorded || slot.is_some_and(|slot| slot.known.is_some());
        if only_seen && !written && slot.is_none_or(|slot| slot.is_empty()) {
            return true;
        }
        // That no watch shows it says little: it may bear no label, or be the work of a write that nobody heard of.
        let Some(slot) = slot else { return false };
        match &slot.observed {
            None => slot.absent || slot.foreign,
            Some(observed) => !self.is_removable(&bundle.work.uid, brief, target, observed),
        }
    }

    /// Whether an object is one that a Work made and nobody took over since: it bears the Work's mark, and where a UID is
    /// recorded, it has that. A copy that somebody made bears the mark, and what lost it may be somebody's by now.
    pub(super) fn is_removable(
        &self,
        uid: &str,
        brief: &Brief,
        target: &Target,
        observed: &Observed,
    ) -> bool {
        let mark =
            observed.mark.as_ref().filter(|mark| mark.is_of_work() && self.nonces.contains(&mark.nonce));
        let maker = mark.and_then(|mark| mark.maker.as_ref());
        let marked = maker.is_some_and(|maker| maker.uid == uid || self.inherits(uid, maker));
        let recorded = brief.applied.as_ref().and_then(|applied| applied.get(target)).map(|it| &it.uid);
        let known = self.slots.get(target).and_then(|slot| slot.known.as_ref());
        // What another Work recorded is what was there before it was made anew for this one.
        let makers = [Some(uid), maker.map(|maker| maker.uid.as_str())];
        let counts = |known: &&Known| known.by.is_none() || makers.contains(&known.by.as_deref());
        let known = known.filter(counts).map(|known| &known.uid);
        marked && !observed.let_go && known.or(recorded).is_none_or(|known| *known == observed.uid)
    }
}

impl Bundle {
    /// Whether what the Work says of an object that is to go is not known yet, or cannot be followed: then it stays.
    /// `leaving`: the Work ends with the replica's own entry.
    pub(super) fn leaves_open(&self, target: &Target, leaving: bool) -> bool {
        let unclear = self
            .flaws
            .iter()
            .any(|flawed| matches!(flawed.why, Why::Flaw(Flaw::Option(_))) && flawed.named.may_be(target));
        self.is_unclear() || !self.has_recorded(target, leaving) || unclear
    }

    /// Whether its ledger says of an object that is to go what the Work says of it now. Of a Work that goes nothing else
    /// is recorded any more.
    fn has_recorded(&self, target: &Target, leaving: bool) -> bool {
        let Some(brief) = self.ledger().filter(|_| !self.keeper.is_busy()) else { return false };
        let going = self.lost.is_some() || self.is_deleting() || leaving;
        let Some(Demand { brief: asked, .. }) = &self.demand else { return true };
        let same = |recorded| options_now(asked, target, recorded) == *recorded;
        going && brief.left.get(target).is_none_or(same)
    }
}
