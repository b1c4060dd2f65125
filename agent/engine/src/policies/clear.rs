//! What becomes of what a ledger records and nobody wants any more: access first, namespaces last.

use std::time::Duration;

use super::bundle::Demand;
use super::due::Work;
use super::{Context, Policies, Timer};
use crate::evidence::Revocation;
use crate::kind::Kind;
use crate::ledger::Ledger;
use crate::plan::Step;
use crate::target::Target;
use crate::time::salt;

/// How often a namespace that is to go, and is not empty, is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// How long a namespace that was seen to be empty counts as that: others may put something in at any time.
const STAYS_EMPTY: Duration = Duration::from_secs(5);

/// What is to be done about one object.
#[allow(clippy::large_enum_variant)] // it is short-lived
enum Clear {
    /// Nothing: it is gone, or it is not this ledger's to remove.
    Done,
    /// Nothing now: something is under way, or there is no evidence.
    Wait,
    /// Nothing until others have recorded what they want.
    Claimed,
    /// Nothing before then.
    Later(Duration),
    /// This.
    Act(Box<Step>),
}

impl Policies {
    /// All that a ledger which is to go records. Returns whether nothing is left.
    pub(super) fn clear_all(
        &mut self,
        uid: &str,
        context: Context<'_>,
        steps: &mut Vec<(Work, Step)>,
    ) -> bool {
        let Some(ledger) = self.bundles.get(uid).and_then(|bundle| bundle.ledger()) else { return false };
        let revocation = Revocation::recorded(ledger);
        let targets: Vec<&Target> = ledger.resources.iter().collect();
        let clears = self.judge_each(ledger, revocation.as_ref(), &targets, context);
        self.carry(uid, clears, steps)
    }

    /// What a ledger records beside what is wanted. Returns whether nothing of it is left. New grants come before old
    /// ones go: so nothing goes until all that is wanted has been tried.
    pub(super) fn clear_leftovers(
        &mut self,
        uid: &str,
        context: Context<'_>,
        steps: &mut Vec<(Work, Step)>,
    ) -> bool {
        let Some(bundle) = self.bundles.get(uid) else { return true };
        let Some(ledger) = bundle.ledger() else { return true };
        let targets: Vec<&Target> = ledger.leftovers().collect();
        if targets.is_empty() {
            return true;
        }
        let tried = ledger.items.iter().all(|item| self.is_tried(&item.target));
        let revocation = bundle.revocation.as_ref().map(|(revocation, _)| revocation).filter(|_| tried);
        let clears = self.judge_each(ledger, revocation, &targets, context);
        self.carry(uid, clears, steps)
    }

    /// Whether a wanted object is there, or was tried and cannot be.
    fn is_tried(&self, target: &Target) -> bool {
        // What is to be in a namespace that is not there waits for it: then it is the namespace that was tried.
        if let Some(namespace) = &target.namespace
            && !self.namespace_is_there(namespace)
        {
            let namespace = super::namespace(namespace);
            let slot = self.slots.get(&namespace);
            return slot.is_some_and(|slot| slot.has_failed() || slot.observed.is_some());
        }
        let Some(slot) = self.slots.get(target) else { return false };
        let right = self.wanted.get(target).is_some_and(|wish| slot.is_right(&wish.mark));
        right
            || slot.has_failed()
            || slot.is_let_go()
            || !slot.is_own(&self.nonces) && slot.observed.is_some()
    }

    fn judge_each(
        &self,
        ledger: &Ledger,
        revocation: Option<&Revocation>,
        targets: &[&Target],
        context: Context<'_>,
    ) -> Vec<(Target, Clear)> {
        // From the last rank to the first, and a rank begins when the one behind it is done.
        let mut clears: Vec<(Target, Clear)> = Vec::new();
        for rank in [2, 1, 0] {
            let begun = clears.len();
            for target in targets.iter().filter(|target| target.rank() == rank) {
                clears.push(((*target).clone(), self.judge(ledger, revocation, target, context)));
            }
            if !clears[begun..].iter().all(|(_, clear)| matches!(clear, Clear::Done)) {
                // Further ranks are not looked at: something is left in any case.
                break;
            }
        }
        clears
    }

    fn carry(&mut self, uid: &str, clears: Vec<(Target, Clear)>, steps: &mut Vec<(Work, Step)>) -> bool {
        let mut done = true;
        for (target, clear) in clears {
            match clear {
                Clear::Done => {
                    // What nobody wants any more, and was refused before, is no trouble now.
                    if let Some(slot) =
                        self.slots.get_mut(&target).filter(|_| !self.wanted.contains_key(&target))
                    {
                        slot.failure = None;
                    }
                    self.note(&target);
                    continue;
                }
                Clear::Wait => {}
                Clear::Claimed => drop(self.waiting.insert(uid.to_owned())),
                Clear::Later(at) => drop(self.timers.insert((at, Timer::Slot(target)))),
                Clear::Act(step) => {
                    // That a namespace was seen to be empty is good for one attempt.
                    if let Some(slot) =
                        self.slots.get_mut(&target).filter(|_| matches!(*step, Step::Delete(_)))
                    {
                        slot.inspected = None;
                    }
                    self.act(Work::Clear { target }, *step, steps);
                }
            }
            done = false;
        }
        done
    }

    fn judge(
        &self,
        ledger: &Ledger,
        revocation: Option<&Revocation>,
        target: &Target,
        context: Context<'_>,
    ) -> Clear {
        let now = context.now;
        if self.wanted.contains_key(target) {
            return Clear::Done; // others want it: it is theirs now
        }
        if self.is_claimed(ledger, target, context) {
            return Clear::Claimed;
        }
        let confirmed = ledger.applied.as_ref().is_some_and(|applied| !applied.contains_key(target));
        let gone = Clear::Done;
        if self.under_way.contains(target) {
            return Clear::Wait;
        }
        let Some(slot) = self.slots.get(target) else {
            return if confirmed || target.rank() == 0 { gone } else { look(target, revocation) };
        };
        let Some(observed) = &slot.observed else {
            let known = confirmed && slot.known.is_none();
            let gone_for_sure = known || slot.absent || target.rank() == 0;
            return if gone_for_sure { gone } else { look(target, revocation) };
        };
        let anothers = observed.mark.as_ref().is_some_and(|mark| self.is_of_lost(mark));
        if !slot.is_own(&self.nonces) || observed.let_go || anothers {
            return Clear::Done; // somebody else's
        }
        let Some(revocation) = revocation else { return Clear::Wait };
        let due = slot.pace.due(false, salt(target));
        if due > now {
            return Clear::Later(due);
        }
        if target.rank() == 0 && !ledger.deletes_namespaces() {
            let marked = observed.labelled || observed.mark.is_some();
            let unmark = Step::Unmark { target: target.clone(), uid: observed.uid.clone() };
            return if marked { Clear::Act(Box::new(unmark)) } else { Clear::Done };
        }
        if observed.deleting {
            return Clear::Wait; // its finalizers are others'
        }
        let empty = match &slot.inspected {
            _ if target.rank() > 0 => false,
            Some((Ok(()), since)) if *since + STAYS_EMPTY > now => true,
            Some((Err(_), since)) if *since + LOOK_AGAIN > now => return Clear::Later(*since + LOOK_AGAIN),
            _ => return Clear::Act(Box::new(Step::Inspect { namespace: target.name.clone() })),
        };
        match revocation.permits(ledger, target, &observed.uid, empty) {
            Some(deletion) => Clear::Act(Box::new(Step::Delete(deletion))),
            None => Clear::Wait,
        }
    }

    /// Whether another policy wants what several may share, and its ledger does not say so yet, or not any more.
    fn is_claimed(&self, ledger: &Ledger, target: &Target, context: Context<'_>) -> bool {
        if context.departure.is_some() || !Kind::of(&target.resource).is_some_and(Kind::is_shared) {
            return false;
        }
        let others = self.bundles.iter().filter(|(uid, _)| **uid != ledger.maker.uid);
        others.into_iter().any(|(_, bundle)| {
            let lost = bundle.keeper.recorded().filter(|_| bundle.ledger().is_none());
            let asked = match bundle.demand(context.labels, context.era) {
                Demand::Apply(policy) => Some(&policy.items),
                _ => lost.map(|ledger| &ledger.items),
            };
            asked.is_some_and(|items| items.binary_search_by(|item| item.target.cmp(target)).is_ok())
        })
    }

    /// Namespaces that are to go and are not seen to be empty, with what is in them.
    pub(super) fn occupied(&self) -> impl Iterator<Item = (&str, &str)> {
        self.notable.iter().filter(|target| !self.wanted.contains_key(*target)).filter_map(|target| {
            match &self.slots.get(target)?.inspected {
                Some((Err(why), _)) => Some((target.name.as_str(), why.as_str())),
                _ => None,
            }
        })
    }
}

/// No watch shows it: somebody may have taken the label off.
fn look(target: &Target, revocation: Option<&Revocation>) -> Clear {
    if revocation.is_some() { Clear::Act(Box::new(Step::Look(target.clone()))) } else { Clear::Wait }
}
