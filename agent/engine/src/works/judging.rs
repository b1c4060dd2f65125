//! What may go is judged before it goes: the ends of Works together, as soon as no more of them comes, and what a Work
//! dropped once live reads show that it is to go, and how much of it is there.
//!
//! ```text
//!  the directory says that Works end ─▶ quiet window ─┐
//!  by evidence an object could go ────────────────────┴▶ judge ─┬▶ it goes
//!                                                               └▶ hold, kept durably ─▶ a human's word ─▶ it goes
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::brief::Brief;
use super::bundle::Bundle;
use super::clear::Clear;
use super::due::Steps;
use super::holds::Asking;
use super::recording::with_options;
use super::{Context, Works};
use crate::evidence::Ending;
use crate::hold::{self, Hold, Rule, key};
use crate::ledger::Phase;
use crate::observed::Observed;
use crate::protected;
use crate::target::Target;
use crate::work::{Apply, Deletion, Options};

/// How long it is waited for looks at what a Work dropped, before the rest is judged without what cannot be read: less than
/// evidence is used.
const PATIENCE: Duration = Duration::from_secs(20);

impl Works {
    /// A Work that ends, by evidence, and was not judged, is to be.
    pub(super) fn ask_end(&mut self, uid: &str) {
        let ends = |bundle: &&Bundle| bundle.ending.as_ref().is_some_and(|(ending, _)| ending.is_whole());
        let ended = self.bundles.get(uid).filter(ends);
        if ended.is_some_and(|bundle| !self.holds.is_judged(uid) && !self.ends_harmlessly(bundle)) {
            self.holds.ask(uid, Asking::End);
        }
    }

    /// What could go by evidence, and was not judged, is to be; before that it is found out of all that a Work dropped
    /// whether it is there. `clears`: how it stands with each object.
    pub(super) fn ask_first(
        &mut self,
        uid: &str,
        brief: &Brief,
        ending: Option<&Ending>,
        clears: &[(&Target, Clear)],
        context: Context,
        steps: &mut Steps,
    ) {
        let held = |(target, clear): &&(&Target, Clear)| {
            matches!(clear, Clear::Held) && !self.holds.keeps_object(uid, &key(target))
        };
        let objects: BTreeSet<String> = clears.iter().filter(held).map(|(target, _)| key(target)).collect();
        if ending.is_some_and(Ending::is_whole) {
            if !objects.is_empty() && !self.holds.is_judged(uid) {
                self.holds.ask(uid, Asking::End);
            }
            return;
        }
        let opens = |(target, clear): &&(&Target, Clear)| {
            let open = || ending.is_some_and(|ending| self.is_open(uid, brief, ending, target));
            let waits = matches!(clear, Clear::Wait | Clear::Later(_) | Clear::Act(_));
            waits
                && (open()
                    || !self.is_looked_at(uid, brief, target) && self.holds.keeps_object(uid, &key(target)))
        };
        let open: Vec<&Target> = clears.iter().filter(opens).map(|(target, _)| *target).collect();
        if objects.is_empty() && !open.iter().any(|target| self.holds.keeps_object(uid, &key(target))) {
            return self.holds.looked(uid);
        }
        for target in
            open.iter().filter(|target| !self.is_looked_at(uid, brief, target)).copied().collect::<Vec<_>>()
        {
            self.look_for(uid, target, context, steps);
        }
        if objects.is_empty() {
            return self.holds.looked(uid);
        }
        if !open.is_empty() {
            let until = self.holds.look(uid, context.now) + PATIENCE;
            if until > context.now {
                return self.later(until, uid);
            }
        }
        self.holds.looked(uid);
        let had = self.bundles.get(uid).and_then(|bundle| bundle.had);
        let had = had.unwrap_or_else(|| had_before(brief));
        self.holds.ask(uid, Asking::Drop { objects, unknown: open.len(), had });
    }

    /// Whether it is known if an object is there.
    fn is_looked_at(&self, uid: &str, brief: &Brief, target: &Target) -> bool {
        let gone = self.bundles.get(uid).is_some_and(|bundle| self.is_gone(bundle, brief, target));
        gone || self.slots.get(target).is_some_and(|slot| slot.observed.is_some())
    }

    /// How many objects a Work had that would be deleted if it dropped them, before it says something else. What it had
    /// before it dropped something that was not judged yet counts still.
    pub(super) fn had(&self, bundle: &Bundle) -> usize {
        let of =
            Some(bundle).filter(|bundle| bundle.believed().is_some()).or_else(|| self.predecessor(bundle));
        let Some((of, brief)) = of.and_then(|of| Some((of, of.believed()?))) else { return 0 };
        let wanted = brief.wanted.iter().map(|wanted| (&wanted.target, &wanted.options));
        let there = |(target, options): &(&Target, &Arc<Options>)| {
            is_deletable(target, options) && self.has_there(of, brief, target)
        };
        let counted = wanted.chain(&brief.left).filter(there).count();
        let before = of.had.filter(|_| self.has_unjudged(of, brief));
        before.map_or(counted, |before| before.min(counted))
    }

    /// Whether something of a Work could go, by evidence, or may, and was not judged.
    pub(super) fn has_open(&self, bundle: &Bundle, ending: &Ending) -> bool {
        let Some(brief) = bundle.ledger() else { return false };
        brief.left.keys().any(|target| self.is_open(&bundle.work.uid, brief, ending, target))
    }

    /// Whether an object could go, by evidence, or may, and was not judged.
    fn is_open(&self, uid: &str, brief: &Brief, ending: &Ending, target: &Target) -> bool {
        let Some(bundle) = self.bundles.get(uid) else { return false };
        let observed = self.slots.get(target).and_then(|slot| slot.observed.as_ref());
        let goes =
            |observed: &Observed| !observed.deleting && ending.permits(brief, target, observed).is_some();
        ending.covers(brief, target)
            && brief.left.get(target).is_some_and(|options| is_deletable(target, options))
            && observed.is_none_or(goes)
            && !bundle.leaves_open(target, false)
            && !self.is_gone(bundle, brief, target)
            && !self.is_claimed(brief, target)
            && !self.holds.is_judged_object(uid, &key(target))
    }

    /// Whether a Work dropped something that is there and was not judged. What was made for an earlier one of the name goes
    /// only by a word of the Work itself.
    pub(super) fn has_unjudged(&self, bundle: &Bundle, brief: &Brief) -> bool {
        let goes = |target: &Target, options: &Options| {
            let observed = self.slots.get(target).and_then(|slot| slot.observed.as_ref());
            let maker = observed.and_then(|observed| observed.mark.as_ref()?.maker.as_ref());
            let earlier = maker.is_some_and(|maker| maker.uid != brief.work.uid);
            (options.allow_deletion || !earlier) && observed.is_none_or(|observed| !observed.deleting)
        };
        brief.left.iter().any(|(target, options)| {
            is_deletable(target, options)
                && goes(target, options)
                && self.has_there(bundle, brief, target)
                && !self.is_claimed(brief, target)
                && !self.holds.is_judged_object(&bundle.work.uid, &key(target))
        })
    }

    /// Whether an object of a Work is there, as far as is known.
    fn has_there(&self, bundle: &Bundle, brief: &Brief, target: &Target) -> bool {
        let applied = || brief.applied.as_ref().is_some_and(|applied| applied.contains_key(target));
        let seen = self.slots.get(target).is_some_and(|slot| slot.observed.is_some());
        !self.is_gone(bundle, brief, target) && (seen || applied())
    }

    /// Once no more of them comes, the ends of Works that were told of are judged together, and what Works dropped. Returns
    /// whether there was anything to judge.
    pub(super) fn judge_together(&mut self, context: Context) -> bool {
        let known = self.shown.is_complete() && self.ledgers.is_complete() && self.holds.is_recalled();
        let due = self.holds.is_asked() || !self.removals.ready(context.now).is_empty();
        if !known || !context.connected || !due {
            return false;
        }
        // More ends may come: those that came together are judged together.
        let quiet = self.removals.is_quiet(context.now);
        let asking = self.holds.take_asking(quiet);
        let (mut ending, others) = if quiet { self.ends_claimed(&asking) } else { Default::default() };
        let about_to_end = |bundle: &&Bundle| {
            let deleting = |brief: &Arc<Brief>| brief.phase == Phase::Deleting;
            bundle.is_claimed() || bundle.believed().is_some_and(deleting)
        };
        let about_to_end = self.bundles.values().filter(about_to_end).map(|bundle| bundle.work.uid.as_str());
        let lately = self.holds.lately(context.wall, about_to_end);
        let mut judged = false;
        if let Some(rule) = hold::of_works(ending.len(), lately, others) {
            judged = true;
            let ending = std::mem::take(&mut ending);
            for uid in ending.keys() {
                self.turns.push(uid);
            }
            let objects = ending.values().sum();
            let ends = ending.into_keys().collect();
            self.holds.begin(Hold::new(rule, ends, BTreeMap::new(), objects, context.wall));
        }
        // After a gap live reads come first: what Works dropped in it is judged together with the ends.
        ending.retain(|uid, _| asking.contains_key(uid) || !self.holds.sight.is_news(uid));
        let mut drops = asking;
        drops.retain(|_, asking| matches!(asking, Asking::Drop { .. }));
        judged |= !ending.is_empty() || !drops.is_empty();
        for uid in ending.keys().chain(drops.keys()) {
            self.turns.push(uid);
        }
        let (ending, drops) = self.judge_late(ending, drops, context);
        for uid in ending.into_keys() {
            self.holds.passed.insert(&uid, context.wall);
        }
        let mut most = BTreeMap::new();
        for (uid, asking) in drops {
            let Asking::Drop { objects, unknown, had } = asking else { continue };
            if hold::is_most(objects.len() + unknown + self.holds.dropped(&uid), had) {
                most.insert(uid, objects);
            } else {
                self.holds.admit(uid, objects);
            }
        }
        if !most.is_empty() {
            let count = most.values().map(BTreeSet::len).sum();
            self.holds.begin(Hold::new(Rule::MostOfWork, BTreeSet::new(), most, count, context.wall));
        }
        judged
    }

    /// What may have come about in a gap waits where it is much. Returns what does not wait for that.
    fn judge_late(
        &mut self,
        ending: BTreeMap<String, usize>,
        drops: BTreeMap<String, Asking>,
        context: Context,
    ) -> (BTreeMap<String, usize>, BTreeMap<String, Asking>) {
        let is_late = |uid: &String| self.holds.sight.is_news(uid);
        let (late, ending): (BTreeMap<_, _>, BTreeMap<_, _>) =
            ending.into_iter().partition(|(uid, _)| is_late(uid));
        let (dropped, drops): (BTreeMap<_, _>, BTreeMap<_, _>) =
            drops.into_iter().partition(|(uid, _)| is_late(uid));
        let count = |asking: &Asking| match asking {
            Asking::Drop { objects, unknown, .. } => (objects.len(), *unknown),
            Asking::End => (0, 0),
        };
        let (counts, unknown): (Vec<_>, Vec<_>) = dropped.values().map(count).unzip();
        let objects = late.values().chain(&counts).sum::<usize>();
        let since_gap = self.holds.sight.found(objects) + unknown.iter().sum::<usize>();
        if since_gap <= hold::FEW || objects == 0 {
            return (ending.into_iter().chain(late).collect(), drops.into_iter().chain(dropped).collect());
        }
        let listed = dropped.into_iter().filter_map(|(uid, asking)| match asking {
            Asking::Drop { objects, .. } => Some((uid, objects)),
            Asking::End => None,
        });
        let ends = late.into_keys().collect();
        self.holds.begin(Hold::new(Rule::AfterGap, ends, listed.collect(), objects, context.wall));
        (ending, drops)
    }

    /// The Works that are to end, by UID, and how many objects would go with each; and how many Works stay.
    fn ends_claimed(&self, asking: &BTreeMap<String, Asking>) -> (BTreeMap<String, usize>, usize) {
        let (mut ending, mut others) = (BTreeMap::new(), 0);
        for (uid, bundle) in &self.bundles {
            let brief = bundle.believed().filter(|brief| self.is_ours(brief));
            let asks = matches!(asking.get(uid), Some(Asking::End));
            if bundle.stands() && !asks {
                others += 1;
            }
            let Some(brief) = brief.filter(|_| bundle.is_claimed() || asks) else { continue };
            if self.holds.is_judged(uid) || bundle.is_suspended() {
                continue;
            }
            let objects = self.deletable(bundle, brief, false).max(usize::from(asks));
            if objects > 0 {
                ending.insert(uid.clone(), objects);
            }
        }
        (ending, others)
    }

    // === what is counted ===

    /// How many objects of a Work would be deleted if it went now, as far as is known: what another one has too, or takes
    /// over, stays. `made`: also what is not there now, and is made again.
    pub(super) fn deletable(&self, bundle: &Bundle, brief: &Brief, made: bool) -> usize {
        let ending = with_options(brief, bundle.demand.as_ref()).ending();
        let heir = self.heir(bundle).filter(|heir| heir.demand.is_some() || heir.ledger().is_some());
        let stays = heir.map(|heir| self.heritage(&ending, heir)).unwrap_or_default();
        let alone = |target: &Target| {
            let others = self.claims.get(target).into_iter().flatten().filter(|uid| **uid != bundle.work.uid);
            let others = others.filter_map(|uid| self.bundles.get(uid)).filter(|other| other.stands());
            let wants = |brief: &Arc<Brief>| {
                brief.wants_object(target).is_some_and(|wanted| wanted.options.apply != Apply::Observe)
            };
            !others.into_iter().any(|other| other.believed().is_some_and(wants))
        };
        let goes = |(target, options): &(&Target, &Arc<Options>)| {
            is_deletable(target, options)
                && (made && brief.wants(target).is_some() || self.has_there(bundle, brief, target))
                && !stays.contains(target)
                && alone(target)
        };
        ending.left.iter().filter(goes).count()
    }
}

/// How many objects a Work had, as far as its record shows what was there.
fn had_before(brief: &Brief) -> usize {
    let applied = brief.applied.as_ref();
    brief.targets().filter(|target| applied.is_some_and(|applied| applied.contains_key(*target))).count()
}

/// Whether an object that is not wanted any more would be deleted.
fn is_deletable(target: &Target, options: &Arc<Options>) -> bool {
    let goes = options.deletion == Deletion::Delete && options.apply != Apply::Observe;
    goes && (options.allow_deletion || !protected::is_protected(&target.resource))
}
