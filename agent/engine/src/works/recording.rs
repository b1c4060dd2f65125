//! The ledger of one Work: what it is to record, when it is settled, and when it goes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::brief::{Brief, Wanted};
use super::bundle::{Bundle, Demand, Progress};
use super::due::{Steps, Task};
use super::objects::mark;
use super::seen::{Lost, Seen};
use super::{Context, Works};
use crate::evidence::Ending;
use crate::item::Item;
use crate::keeper::Trying;
use crate::ledger::{Applied, Kept, Phase};
use crate::observed::Observed;
use crate::plan::Step;
use crate::target::Target;
use crate::time::salt;
use crate::work::{Deletion, OnDrift, Options};

/// How long what is there is not recorded while something waits for what may take its time: then it is one write.
const PATIENCE: Duration = Duration::from_secs(10);

/// The next step of a ledger.
enum Next {
    /// It is to say this. The bodies are those of what is wanted, in the same order.
    Record(Box<Brief>, Vec<Arc<Item>>),
    /// It is to go.
    Forget,
}

impl Works {
    pub(super) fn ledger_due(&mut self, uid: &str, context: Context, steps: &mut Steps) {
        self.stir_lost(uid);
        let waits = self.values_due(uid, context, steps);
        if waits || self.cedes(uid) && self.discard_due(uid, context, steps) {
            return;
        }
        let begins = |bundle: &Bundle| bundle.keeper.kept().is_none() && bundle.keeper.recorded().is_none();
        let idle = |bundle: &&Bundle| {
            !(bundle.keeper.is_busy() || bundle.is_only_planned() || context.silent && begins(bundle))
        };
        let Some(bundle) = self.bundles.get(uid).map(Box::as_ref).filter(idle) else { return };
        let Some(next) = self.ledger_next(bundle) else {
            if let Some(bundle) = self.bundles.get_mut(uid) {
                bundle.keeper.well();
                if adopt(bundle) && !bundle.safe.is_empty() {
                    self.turns.push(uid); // something may lie there that is of no use any more
                }
            }
            return;
        };
        let kept = bundle.keeper.kept().or_else(|| self.predecessor(bundle)?.keeper.kept());
        let before = kept.map(|kept| (kept.uid.clone(), kept.version.clone()));
        let recorded = bundle.ledger().cloned();
        let name = bundle.work.name.clone();
        if matches!(next, Next::Forget) && self.discard_due(uid, context, steps) {
            return;
        }
        if let Next::Record(brief, _) = &next {
            self.outdate(recorded.as_deref(), brief);
            let had = brief.phase == Phase::Applying;
            let had = self.bundles.get(uid).filter(|_| had).map(|bundle| self.had(bundle));
            if let (Some(had), Some(bundle)) = (had, self.bundles.get_mut(uid)) {
                bundle.had = Some(had);
                self.holds.begin_anew(uid);
            }
            if let Some(before) = self.bundles.get(uid).and_then(|bundle| self.predecessor(bundle)) {
                let before = before.work.uid.clone();
                self.holds.hand_over(&before, uid);
                // Who comes after a crash knows it by the name that the record has then.
                if self.holds.names(uid) && !self.holds.is_settled() {
                    return;
                }
            }
        }
        let (step, trying) = match (next, before) {
            (Next::Record(brief, items), before) => {
                let brief: Arc<Brief> = Arc::from(brief);
                let ledger = Box::new(brief.ledger(items));
                (Step::Record { ledger, before }, Trying::Record(Box::new(brief)))
            }
            (Next::Forget, Some((uid, version))) => {
                (Step::Forget { ledger: name, uid, version }, Trying::Forget)
            }
            (Next::Forget, None) => return,
        };
        self.ledger_step(uid, step, Some(trying), context, steps);
    }

    pub(super) fn ledger_step(
        &mut self,
        uid: &str,
        step: Step,
        trying: Option<Trying<Arc<Brief>>>,
        context: Context,
        steps: &mut Steps,
    ) {
        let Some(bundle) = self.bundles.get_mut(uid) else { return };
        let due = bundle.keeper.due(salt(uid));
        if due > context.now {
            return self.later(due, uid);
        }
        if self.steps >= super::due::STEPS {
            return self.turns.push(uid);
        }
        bundle.keeper.begin(trying);
        self.act(Task::Ledger { work: uid.to_owned() }, step, steps);
    }

    /// What is asked for in another way than before differs from what is there, and nobody did that by hand.
    fn outdate(&mut self, before: Option<&Brief>, now: &Brief) {
        for wanted in now.wanted.iter().filter(|wanted| wanted.options.on_drift == OnDrift::Report) {
            let Some((before, old)) = before.and_then(|before| Some((before, before.wants(&wanted.target)?)))
            else {
                continue;
            };
            if mark(before, old) != mark(now, wanted)
                && let Some(slot) = self.slots.get_mut(&wanted.target)
            {
                slot.outdate(mark(before, old));
            }
        }
    }

    /// What is to be recorded of a Work, where that is not what is recorded.
    fn ledger_next(&self, bundle: &Bundle) -> Option<Next> {
        let Some(kept) = bundle.keeper.kept() else { return self.first_record(bundle) };
        if bundle.is_altered() {
            return self.restored(bundle);
        }
        let brief = &kept.ledger;
        let ended = self.proof(bundle).is_some_and(Ending::is_whole);
        let claimed = bundle.lost.is_some() || bundle.is_deleting();
        if claimed {
            let latest = with_options(brief, bundle.demand.as_ref());
            let released = bundle.lost.is_some() || !bundle.seen.as_ref().is_some_and(Seen::is_held);
            return match brief.phase {
                // What is under way is awaited: nothing is written after the end is recorded.
                Phase::Applying | Phase::Leaving
                    if ended && (bundle.under_way > 0 || bundle.is_unclear()) =>
                {
                    None
                }
                Phase::Applying | Phase::Leaving if ended => {
                    Some(Next::Record(latest.ending().into(), Vec::new()))
                }
                // It does not go with the own entry any more, and nobody asks for it.
                Phase::Leaving => Some(Next::Record(latest.staying().into(), Vec::new())),
                Phase::Applying => {
                    let gone = |target| self.is_gone(bundle, brief, target);
                    (bundle.never_began() && brief.targets().all(gone)).then_some(Next::Forget)
                }
                Phase::Deleting if !latest.asks_the_same(brief) => {
                    Some(Next::Record(latest.into(), Vec::new()))
                }
                Phase::Deleting => (released && self.is_cleared(bundle, brief)).then_some(Next::Forget),
            };
        }
        let Demand { brief: asked, items } = bundle.demand.as_ref()?;
        let left = self.remains(bundle, asked);
        let nonce = if self.is_known_by_uid(brief) { &asked.nonce } else { &brief.nonce };
        let wanted = Brief { left, applied: None, nonce: nonce.clone(), ..Brief::clone(asked) };
        // What is gone by now is not worth a write of its own.
        let gone = |target: &Target| asked.wants(target).is_none() && !wanted.left.contains_key(target);
        let gone: Vec<_> = brief.left.iter().filter(|(target, _)| gone(target)).collect();
        let mut same = wanted.clone();
        same.left.extend(gone.into_iter().map(|(target, options)| (target.clone(), Arc::clone(options))));
        // A generation is compared with others of its era.
        if same.asks_the_same(brief) && asked.era == brief.era {
            return None;
        }
        Some(Next::Record(wanted.into(), items.clone()))
    }

    /// A ledger where there is none: it was never written, or was lost.
    fn first_record(&self, bundle: &Bundle) -> Option<Next> {
        // The ledger bears the name of the Work, and one of an earlier Work may be there still.
        if self.predecessor(bundle).is_some() {
            let (brief, items) = self.inherited(bundle)?;
            return Some(Next::Record(brief.into(), items));
        }
        let recorded = bundle.keeper.recorded();
        let goes = match bundle.lost {
            Some(Lost::Tombstone) => recorded.is_some(),
            Some(Lost::Unseen) => return None,
            None => bundle.is_deleting(),
        };
        if !goes {
            let Demand { brief, items } = bundle.demand.as_ref()?;
            let nonce = recorded.unwrap_or(brief).nonce.clone();
            let brief = Brief { left: self.remains(bundle, brief), nonce, ..Brief::clone(brief) };
            return Some(Next::Record(brief.into(), items.clone()));
        }
        // All that it asks for, or asked for, may be there. That it goes has still to be shown.
        let asked = bundle.demand.as_ref().map(|demand| demand.brief.ending());
        let recorded = recorded.map(|brief| (brief.phase, brief.ending()));
        let held = recorded.is_some() || bundle.seen.as_ref().is_some_and(Seen::is_held);
        let deleting = recorded.as_ref().is_some_and(|(phase, _)| *phase == Phase::Deleting);
        let phase = if deleting { Phase::Deleting } else { Phase::Applying };
        let mut known = recorded.map(|(_, brief)| brief).into_iter().chain(asked);
        let mut brief = known.next().filter(|_| held)?;
        known.for_each(|asked| brief.left.extend(asked.left));
        Some(Next::Record(Brief { phase, ..brief }.into(), Vec::new()))
    }

    /// What was recorded, in the place of what somebody else made of it.
    fn restored(&self, bundle: &Bundle) -> Option<Next> {
        let recorded = bundle.keeper.recorded()?;
        if recorded.wanted.is_empty() {
            return Some(Next::Record(Brief::clone(recorded).into(), Vec::new()));
        }
        let Some(Demand { brief, items }) = bundle.demand.as_ref().filter(|_| bundle.lost.is_none()) else {
            let items = bundle.bodies_of(recorded)?; // what is left of it has them still
            return Some(Next::Record(Brief::clone(recorded).into(), items));
        };
        let nonce = recorded.nonce.clone();
        let brief = Brief { left: self.remains(bundle, brief), applied: None, nonce, ..Brief::clone(brief) };
        Some(Next::Record(brief.into(), items.clone()))
    }

    /// What earlier states asked for and may be there still, with the options that hold for it last.
    fn remains(&self, bundle: &Bundle, now: &Brief) -> BTreeMap<Target, Arc<Options>> {
        let before = if bundle.is_altered() { bundle.keeper.recorded() } else { bundle.keeper.latest() };
        before.map_or_else(BTreeMap::new, |before| self.rest(bundle, before, now))
    }

    /// What a Work recorded and may be there still, beside what is asked for now.
    pub(super) fn rest(
        &self,
        bundle: &Bundle,
        before: &Brief,
        now: &Brief,
    ) -> BTreeMap<Target, Arc<Options>> {
        // Another version of the API shows the same object.
        let same = |target: &Target| {
            let Target { resource, namespace, name } = target;
            (resource.group.clone(), resource.plural.clone(), namespace.clone(), name.clone())
        };
        let wanted: BTreeSet<_> = now.wanted.iter().map(|wanted| same(&wanted.target)).collect();
        let earlier = before.wanted.iter().map(|wanted| (&wanted.target, &wanted.options));
        let rest = earlier.chain(before.left.iter()).filter(|(target, _)| !wanted.contains(&same(target)));
        // While values may lie beside the ledger, it says so by naming their Secret.
        let may_be_there = rest
            .filter(|(target, _)| !self.is_gone(bundle, before, target) || bundle.safe.may_hold_for(target));
        may_be_there.map(|(target, options)| (target.clone(), of_the_work(options, &now.options))).collect()
    }

    // === what is there ===

    /// The record of what is there, once all that is wanted was tried, and what is not wanted is gone. Where that takes
    /// its time, it is recorded before, too.
    pub(super) fn settle_due(&mut self, uid: &str, context: Context, steps: &mut Steps) {
        let Some(bundle) = self.bundles.get_mut(uid) else { return };
        let busy = bundle.keeper.is_busy() || bundle.under_way > 0 || bundle.is_altered();
        if busy || bundle.progress == Progress::Moves || bundle.is_suspended() {
            return;
        }
        if bundle.progress == Progress::Waits {
            let due = *bundle.waits_since.get_or_insert(context.now) + PATIENCE;
            if due > context.now {
                return self.later(due, uid);
            }
        } else {
            bundle.waits_since = None;
        }
        let Some(bundle) = self.bundles.get(uid) else { return };
        let Some(kept) = bundle.keeper.kept().filter(|kept| kept.ledger.phase == Phase::Applying) else {
            return;
        };
        // What it had is known by what is recorded to be there, until it is judged what it dropped.
        if self.has_unjudged(bundle, &kept.ledger) {
            return;
        }
        let Some(applied) = self.applied(&kept.ledger) else { return };
        self.settle(uid, applied, context, steps);
    }

    /// The record does not say any more that an object is there: whoever goes on from here makes it, and does not take it
    /// for one that somebody deleted.
    pub(super) fn disown(&mut self, uid: &str, target: &Target, context: Context, steps: &mut Steps) {
        let Some(bundle) = self.bundles.get(uid).filter(|bundle| !bundle.keeper.is_busy()) else { return };
        let recorded = bundle.ledger().and_then(|brief| brief.applied.as_ref());
        let mut applied = recorded.cloned().unwrap_or_default();
        applied.remove(target);
        self.settle(uid, applied, context, steps);
    }

    fn settle(&mut self, uid: &str, applied: BTreeMap<Target, Applied>, context: Context, steps: &mut Steps) {
        let Some(kept) = self.bundles.get(uid).and_then(|bundle| bundle.keeper.kept()) else { return };
        let mut ledger = kept.ledger.ledger(Vec::new());
        ledger.applied = None;
        let kept = Kept { ledger, uid: kept.uid.clone(), version: kept.version.clone() };
        let step = Step::Settle { kept: Box::new(kept), applied };
        self.ledger_step(uid, step, None, context, steps);
    }

    /// What is there, if it differs from what the ledger says is there.
    fn applied(&self, brief: &Brief) -> Option<BTreeMap<Target, Applied>> {
        let mut applied = BTreeMap::new();
        let mut reassured = false;
        // What is not wanted any more counts while it is to be removed.
        let counts = |target: &Target, observed: &Observed| match brief.wants(target) {
            Some(_) => self.is_own(&brief.work.uid, target, observed),
            None => self.is_removable(&brief.work.uid, brief, target, observed),
        };
        let recorded = |target: &Target| brief.applied.as_ref()?.get(target);
        for target in brief.targets() {
            let Some(slot) = self.slots.get(target) else { continue };
            let wanted = brief.wants(target);
            let reports = |wanted: &Wanted| wanted.options.on_drift == OnDrift::Report;
            match &slot.observed {
                // It goes to be made anew: that it is not there is not to be taken for somebody's doing.
                Some(observed)
                    if wanted.is_some_and(reports)
                        && recorded(target).is_none()
                        && (observed.deleting || self.refused.contains_key(target)) => {}
                Some(observed) if counts(target, observed) => {
                    let known = slot.known.as_ref().filter(|known| known.uid == observed.uid);
                    let fields = known.and_then(|known| known.fields.clone()).unwrap_or_default();
                    let stale =
                        recorded(target).is_some_and(|it| it.uid == observed.uid && it.fields != fields);
                    reassured |= wanted.is_some() && slot.reassured || wanted.is_some_and(reports) && stale;
                    applied.insert(target.clone(), Applied { uid: observed.uid.clone(), fields });
                }
                // Nobody could tell yet how it stands, or can tell any more.
                None if slot.known.is_some() && (self.is_unread(target) || self.is_unserved(target)) => {
                    applied.extend(recorded(target).map(|it| (target.clone(), it.clone())));
                }
                // Somebody deleted it, and it is left so.
                None if wanted.is_some_and(reports) && slot.known.is_some() => {
                    applied.extend(recorded(target).map(|it| (target.clone(), it.clone())));
                }
                _ => {}
            }
        }
        let uids = |(target, it): (&Target, &Applied)| (target.clone(), it.uid.clone());
        let differs =
            brief.applied.as_ref().is_none_or(|before| !before.iter().map(uids).eq(applied.iter().map(uids)));
        (differs || reassured).then_some(applied)
    }
}

/// What is asked for is recorded already: its bodies are kept for what is still to be written. Returns whether it is so.
fn adopt(bundle: &mut Bundle) -> bool {
    let goes = bundle.lost.is_some() || bundle.is_deleting();
    let applying = bundle.ledger().is_some_and(|brief| brief.phase == Phase::Applying);
    let demand = bundle.demand.take_if(|_| applying && !goes && bundle.keeper.altered().is_none());
    let Some(demand) = demand else { return false };
    bundle.hollow = false;
    bundle.take_bodies(demand.items);
    true
}

/// The options of what no manifest asks for any more, where the Work says now what is to become of it.
fn of_the_work(recorded: &Arc<Options>, work: &Options) -> Arc<Options> {
    let allow_deletion = recorded.allow_deletion || work.allow_deletion;
    let deletion = if work.deletion == Deletion::Orphan { Deletion::Orphan } else { recorded.deletion };
    if (allow_deletion, deletion) == (recorded.allow_deletion, recorded.deletion) {
        return Arc::clone(recorded);
    }
    Arc::new(Options { deletion, allow_deletion, ..Options::clone(recorded) })
}

/// What is recorded, with the options that the Work has now.
pub(super) fn with_options(brief: &Brief, demand: Option<&Demand>) -> Brief {
    let mut brief = brief.clone();
    let Some(Demand { brief: asked, .. }) = demand else { return brief };
    brief.options = Arc::clone(&asked.options);
    for wanted in &mut brief.wanted {
        if let Some(now) = asked.wants(&wanted.target) {
            wanted.options = Arc::clone(&now.options);
        }
    }
    for (target, options) in &mut brief.left {
        *options = options_now(asked, target, options);
    }
    brief
}

/// The options of an object that a Work made and that is to go, with what the Work asks for now.
pub(super) fn options_now(asked: &Brief, target: &Target, recorded: &Arc<Options>) -> Arc<Options> {
    match asked.wants(target) {
        Some(now) => Arc::clone(&now.options),
        None => of_the_work(recorded, &asked.options),
    }
}
