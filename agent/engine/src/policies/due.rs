//! What is to be done now about policies and their objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use muster_api::marks;
use muster_api::names::POLICY_LEDGER;

use super::bundle::Demand;
use super::{Context, Policies, Timer, Wish};
use crate::failure::Failure;
use crate::item::Guard;
use crate::keeper::Trying;
use crate::kind::Kind;
use crate::ledger::{Applied, Home, Ledger, Of, Phase};
use crate::live::Next;
use crate::mark::{Maker, Mark};
use crate::plan::{Cause, Step};
use crate::target::Target;
use crate::time::salt;

/// Evidence is used while it is this fresh; after that it is asked for anew.
const FRESH: Duration = Duration::from_secs(60);

/// What a plan of policies is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// An object is written.
    Write {
        /// Which.
        target: Target,
        /// Why.
        cause: Cause,
        /// The mark that it gets.
        mark: Mark,
        /// The resourceVersion that it was last seen with, where it was there.
        before: Option<String>,
    },
    /// Something is found out about an object that is to go, or it goes.
    Clear {
        /// Which.
        target: Target,
    },
    /// A ledger is written or removed.
    Ledger {
        /// UID of the policy.
        policy: String,
    },
}

impl Policies {
    /// The steps that are due. They are taken to be under way from here on.
    pub fn due(&mut self, context: Context<'_>) -> Vec<(Work, Step)> {
        while let Some((due, _)) = self.timers.first()
            && *due <= context.now
        {
            match self.timers.pop_first() {
                Some((_, Timer::Slot(target))) => self.touch(target),
                Some((_, Timer::Bundle(uid))) => drop(self.stirred.insert(uid)),
                None => {}
            }
        }
        let mut steps = Vec::new();
        // Stirring may make a union stale, and a new union touches: but neither goes round in circles, since both need
        // an outcome to go on from.
        self.unite();
        if !self.sees() || self.home.is_none() {
            return steps;
        }
        let mut stirred = std::mem::take(&mut self.stirred);
        self.resume_deferred(&stirred, context.unheard);
        stirred.append(&mut self.waiting);
        for target in std::mem::take(&mut self.touched) {
            self.note(&target);
            self.slot_due(&target, context, &mut steps);
        }
        // Objects stir policies, too: each has one turn.
        stirred.append(&mut self.stirred);
        for uid in std::mem::take(&mut self.settling) {
            let concerned =
                |target: &Target| self.users.get(target).is_some_and(|users| users.contains(&uid));
            // The outcome of what is under way comes to this again.
            if !self.under_way.iter().any(concerned) {
                stirred.insert(uid);
            }
        }
        for uid in stirred {
            self.bundle_due(&uid, context, &mut steps);
        }
        steps
    }

    /// When something is due.
    #[must_use]
    pub fn wake(&self, connected: bool) -> Option<Duration> {
        let timer = self.timers.first().map(|(due, _)| *due);
        let removals = if connected { self.removals.due() } else { None };
        timer.into_iter().chain(removals).min()
    }

    // === objects ===

    fn slot_due(&mut self, target: &Target, context: Context<'_>, steps: &mut Vec<(Work, Step)>) {
        let Some(Wish { item, mark }) = self.wanted.get(target) else {
            if !self.users.contains_key(target) {
                self.orphaned(target);
            }
            return;
        };
        if self.under_way.contains(target) {
            return; // its outcome touches it
        }
        if !Kind::of(&target.resource).is_some_and(|kind| self.sees_kind(kind)) {
            return; // its completion touches all
        }
        if let Some(namespace) = &target.namespace
            && !self.namespace_is_there(namespace)
        {
            return; // its appearance touches what is in it
        }
        let (item, mark) = (Arc::clone(item), mark.clone());
        let own = self.slots.get(target).is_some_and(|slot| slot.is_own(&self.nonces));
        let heirloom = if own { None } else { self.heirloom(target) };
        let slot = self.slots.entry(target.clone()).or_default();
        if heirloom.is_some() {
            slot.known = heirloom;
        }
        let own = slot.is_own(&self.nonces);
        let (cause, guard) = match slot.next(&mark, own, context.now, salt(target)) {
            Next::Nothing => return,
            Next::Later(due) => {
                self.timers.insert((due, Timer::Slot(target.clone())));
                return;
            }
            Next::Create(cause) => (cause, Guard::Absent),
            Next::Update(cause, uid) => (cause, Guard::Uid(uid)),
        };
        if context.unheard && !self.is_wanted_still(target, context) {
            self.deferred.insert(target.clone());
            return;
        }
        let Some(slot) = self.slots.get(target) else { return };
        let body =
            item.body(&[(marks::PART_OF, marks::POLICY_SET)], &[(marks::MADE_FOR, &mark.text())], guard);
        let step = Step::Apply { target: target.clone(), body, cause, force: true };
        let before = slot.observed.as_ref().map(|observed| observed.version.clone());
        self.act(Work::Write { target: target.clone(), cause, mark, before }, step, steps);
    }

    /// Whether an object is wanted by what is known to be all that its policies ask for by now. They may be about to be shown,
    /// or to be recorded anew.
    fn is_wanted_still(&self, target: &Target, context: Context<'_>) -> bool {
        let Some(home) = &self.home else { return false };
        let users = self.users.get(target).into_iter().flatten();
        let bundles = users.filter_map(|uid| self.bundles.get(uid));
        let mut bundles = bundles.filter(|bundle| bundle.applying().is_some());
        bundles.all(|bundle| match bundle.demand(context.labels, context.era) {
            Demand::Apply(policy) => bundle.records(policy, home),
            Demand::Keep => bundle.is_shown() && context.labels.is_some(),
            Demand::Nothing => false,
        })
    }

    /// What waits for what the directory is about to say has its turn where that may have been said of a policy of it.
    fn resume_deferred(&mut self, stirred: &BTreeSet<String>, unheard: bool) {
        if !unheard {
            return self.touched.append(&mut self.deferred);
        }
        if self.deferred.is_empty() {
            return;
        }
        let ledgers = stirred.iter().filter_map(|uid| self.bundles.get(uid)?.ledger());
        for target in ledgers.flat_map(|ledger| &ledger.resources) {
            self.touched.extend(self.deferred.take(target));
        }
    }

    pub(super) fn namespace_is_there(&self, name: &str) -> bool {
        let target = super::namespace(name);
        let observed = self.slots.get(&target).and_then(|slot| slot.observed.as_ref());
        observed.is_some_and(|observed| !observed.deleting)
    }

    /// An object that no ledger records. Where it bears the mark of a policy, the ledger was lost: it is rebuilt, so
    /// that evidence can decide.
    fn orphaned(&mut self, target: &Target) {
        let Some(slot) = self.slots.get(target) else { return };
        if slot.is_empty() && !self.under_way.contains(target) {
            self.slots.remove(target);
            return;
        }
        if let Some(maker) = slot.maker(&self.nonces).cloned() {
            self.stirred.insert(maker.uid.clone());
            self.bundles.entry(maker.uid.clone()).or_insert_with(|| super::Bundle::new(maker));
        }
    }

    /// What bears the mark of a policy and is in no ledger.
    pub(super) fn orphans(&self, policy: &str) -> BTreeSet<Target> {
        let orphans = self.slots.iter().filter(|(target, slot)| {
            slot.maker(&self.nonces).is_some_and(|maker| maker.uid == policy)
                && !self.users.contains_key(*target)
        });
        orphans.map(|(target, _)| target.clone()).collect()
    }

    /// Whether nothing of Muster's is known to be there.
    fn is_gone(&self, target: &Target) -> bool {
        self.slots.get(target).is_none_or(|slot| {
            let expected = slot.known.is_some() && !slot.absent && target.rank() > 0;
            !self.under_way.contains(target) && !expected && !slot.is_own(&self.nonces)
        })
    }

    // === policies ===

    fn bundle_due(&mut self, uid: &str, context: Context<'_>, steps: &mut Vec<(Work, Step)>) {
        let Some(bundle) = self.bundles.get(uid) else { return };
        if bundle.is_empty() && self.orphans(uid).is_empty() {
            self.removals.set(uid, false, context.now);
            self.bundles.remove(uid);
            return;
        }
        if bundle.keeper.is_busy() {
            return;
        }
        let due = bundle.keeper.due(salt(uid));
        let step = match self.ledger_step(uid, context, steps) {
            Some(step) if due > context.now => {
                drop(step);
                self.timers.insert((due, Timer::Bundle(uid.to_owned())));
                return;
            }
            Some(step) => step,
            None => {
                // Whatever failed is not wanted any more, or is so by now: as when the ledger was there all the time.
                if let Some(bundle) = self.bundles.get_mut(uid) {
                    bundle.keeper.well();
                }
                return;
            }
        };
        if let Some(bundle) = self.bundles.get_mut(uid) {
            bundle.keeper.begin(match &step {
                Step::Record { ledger, .. } => Some(Trying::Record(ledger.clone())),
                Step::Forget { .. } => Some(Trying::Forget),
                _ => None,
            });
        }
        steps.push((Work::Ledger { policy: uid.to_owned() }, step));
    }

    /// The next step of a policy's ledger. Before that, or in its place, what is to go.
    fn ledger_step(
        &mut self,
        uid: &str,
        context: Context<'_>,
        steps: &mut Vec<(Work, Step)>,
    ) -> Option<Step> {
        let bundle = self.bundles.get_mut(uid)?;
        let home = self.home.clone()?;
        if let Some((recorded, before)) = bundle.keeper.altered() {
            // Somebody else changed the record. Nothing follows from that.
            return Some(Step::Record { ledger: Box::new(recorded.clone()), before: Some(before) });
        }
        if bundle.ledger().is_some_and(|ledger| ledger.directory != home.directory) {
            return None; // another directory's: left alone
        }
        if bundle.revocation.as_ref().is_some_and(|(_, since)| *since + FRESH < context.now) {
            bundle.revocation = None;
        }
        let bundle = &self.bundles[uid];
        let Some(kept) = bundle.keeper.kept() else { return self.first_record(uid, context, &home) };
        let before = Some((kept.uid.clone(), kept.version.clone()));
        let left = context.departure.is_some_and(|departure| departure.ends(&kept.ledger));
        let demand = bundle.demand(context.labels, context.era);
        // What was to go and is asked for again is recorded anew, below. Who leaves keeps all namespaces.
        let again = matches!(demand, Demand::Apply(_)) && !left;
        let spare = left && kept.ledger.deletes_namespaces();
        // Recorded before the directory was set back, of a policy that may be there again.
        let past = kept.ledger.era != context.era.number && !matches!(demand, Demand::Nothing);
        let waits = past || context.era.doubted || context.unsure || bundle.earlier;
        if kept.ledger.phase == Phase::Deleting && !again && !left && waits {
            self.removals.set(uid, bundle.earlier, context.now);
            return None;
        }
        if kept.ledger.phase == Phase::Deleting && !again && !spare {
            self.removals.set(uid, false, context.now);
            let ledger = format!("{POLICY_LEDGER}{uid}");
            let forget = Step::Forget { ledger, uid: kept.uid.clone(), version: kept.version.clone() };
            return self.clear_all(uid, context, steps).then_some(forget);
        }
        // The policy may be back since it was looked into.
        let revoked = matches!(demand, Demand::Nothing)
            && bundle.revocation.as_ref().is_some_and(|(revocation, _)| revocation.is_whole());
        if left || revoked {
            self.removals.set(uid, false, context.now);
            let resources = kept.ledger.resources.clone();
            let (phase, items) = (Phase::Deleting, Vec::new());
            let of = Of::Policy { delete_namespaces: kept.ledger.deletes_namespaces() && !left };
            let ledger = Ledger { of, phase, items, resources, ..kept.ledger.clone() };
            return Some(Step::Record { ledger: Box::new(ledger), before });
        }
        if let Demand::Apply(policy) = &demand
            && !bundle.records(policy, &home)
        {
            let ledger = bundle.ledger_of(policy, &home, self.orphans(uid), |target| self.is_gone(target));
            return Some(Step::Record { ledger: Box::new(ledger), before });
        }
        let nothing = matches!(demand, Demand::Nothing);
        let leftovers = !nothing && !self.clear_leftovers(uid, context, steps);
        let bundle = &self.bundles[uid];
        let ask = nothing || bundle.earlier || leftovers && bundle.revocation.is_none();
        self.removals.set(uid, ask, context.now);
        if leftovers {
            return None;
        }
        self.settle_step(uid)
    }

    /// A ledger where there is none.
    fn first_record(&mut self, uid: &str, context: Context<'_>, home: &Home) -> Option<Step> {
        let bundle = &self.bundles[uid];
        self.removals.set(uid, false, context.now);
        let orphans = self.orphans(uid);
        let ledger = match bundle.demand(context.labels, context.era) {
            // What is left of a lost ledger goes, too.
            _ if context.departure.is_some() => {
                if bundle.keeper.recorded().is_none() && orphans.is_empty() {
                    return None;
                }
                let lost = bundle.keeper.recorded().cloned();
                let lost = lost.unwrap_or_else(|| rebuilt(&bundle.policy, home, orphans));
                let of = Of::Policy { delete_namespaces: false };
                Ledger { of, phase: Phase::Deleting, items: Vec::new(), ..lost }
            }
            Demand::Apply(policy) => bundle.ledger_of(policy, home, orphans, |target| self.is_gone(target)),
            _ => match bundle.keeper.recorded() {
                // It was lost, and this process knows what it said.
                Some(recorded) => recorded.clone(),
                None if orphans.is_empty() => return None,
                // Only marks are left. What they show is recorded, and then evidence decides about it.
                None => rebuilt(&bundle.policy, home, orphans),
            },
        };
        Some(Step::Record { ledger: Box::new(ledger), before: None })
    }

    /// The record of what is there, once all that is wanted has been tried.
    fn settle_step(&self, uid: &str) -> Option<Step> {
        let kept = self.bundles.get(uid)?.keeper.kept()?;
        let mut applied = BTreeMap::new();
        let mut reassured = false;
        for item in &kept.ledger.items {
            let slot = self.slots.get(&item.target);
            let wish = self.wanted.get(&item.target);
            let right = wish.is_some_and(|wish| slot.is_some_and(|slot| slot.is_right(&wish.mark)));
            let slot = slot.filter(|slot| right || slot.failure.is_some() || slot.observed.is_some())?;
            if !right && slot.is_own(&self.nonces) && slot.failure.is_none() && !slot.is_let_go() {
                return None; // it is still to be written
            }
            if let Some(known) = slot.known.as_ref().filter(|_| slot.is_own(&self.nonces)) {
                reassured |= slot.reassured;
                let (uid, fields) = (known.uid.clone(), known.fields.clone().unwrap_or_default());
                applied.insert(item.target.clone(), Applied { uid, fields });
            }
        }
        let uids = applied.iter().map(|(target, applied)| (target, &applied.uid));
        let recorded = kept.ledger.applied.iter().flatten().map(|(target, applied)| (target, &applied.uid));
        let differs = !recorded.eq(uids);
        (differs || reassured).then(|| Step::Settle { kept: Box::new(kept.clone()), applied })
    }

    /// What keeps a wanted object from being there.
    pub(super) fn trouble(&self, target: &Target) -> Option<&(Failure, String)> {
        self.slots.get(target)?.failure.as_ref()
    }
}

fn rebuilt(policy: &Maker, home: &Home, orphans: BTreeSet<Target>) -> Ledger {
    Ledger {
        of: Of::Policy { delete_namespaces: false },
        maker: policy.clone(),
        generation: 0,
        era: home.era.number,
        resource_version: String::new(),
        directory: home.directory.clone(),
        replica: home.replica.clone(),
        nonce: home.nonce.clone(),
        phase: Phase::Applying,
        items: Vec::new(),
        resources: orphans,
        applied: None,
    }
}
