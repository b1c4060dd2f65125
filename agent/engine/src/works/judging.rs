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
use super::holds::Drop;
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
        let ended = self.bundles.get(uid).map(Box::as_ref).filter(ends);
        if ended.is_some_and(|bundle| !self.holds.is_judged(uid) && !self.ends_harmlessly(bundle)) {
            self.holds.ask_end(uid);
        }
    }

    /// What a Work dropped and could go, by evidence, is to be judged; before that it is found out of all of it whether it is
    /// there. `clears`: how it stands with each object.
    pub(super) fn ask_drop(
        &mut self,
        uid: &str,
        brief: &Brief,
        ending: Option<&Ending>,
        clears: &[(&Target, Clear)],
        context: Context,
        steps: &mut Steps,
    ) {
        let kept = |target: &&Target| self.holds.keeps_object(uid, target);
        let held = clears.iter().filter(|(_, clear)| matches!(clear, Clear::Held)).map(|(target, _)| *target);
        let objects: BTreeSet<String> = held.filter(|target| !kept(target)).map(key).collect();
        let waits = |clear: &Clear| matches!(clear, Clear::Wait | Clear::Later(_) | Clear::Act(_));
        let waiting = clears.iter().filter(|(_, clear)| waits(clear)).map(|(target, _)| *target);
        // What is held and is not there any more is held no more.
        let (unseen, waiting): (Vec<&Target>, Vec<&Target>) =
            waiting.partition(|target| !self.is_looked_at(uid, brief, target));
        let could_go =
            |target: &&&Target| ending.is_some_and(|ending| self.is_open(uid, brief, ending, target));
        let open = unseen.iter().chain(&waiting).filter(could_go).count();
        let asks = !objects.is_empty();
        let look: Vec<&Target> =
            unseen.iter().filter(|target| asks && could_go(target) || kept(target)).copied().collect();
        for target in look {
            self.look_for(uid, target, context, steps);
        }
        if asks && open > 0 {
            let until = self.holds.look(uid, context.now) + PATIENCE;
            if until > context.now {
                return self.later(until, uid);
            }
        }
        self.holds.looked(uid);
        if asks {
            let had = self.bundles.get(uid).and_then(|bundle| bundle.had);
            let had = had.unwrap_or_else(|| self.had_before(uid, brief));
            self.holds.ask_drop(uid, Drop { objects, unknown: open, had });
        }
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
        // What was judged and is on its way out is none of what the Work has.
        let left = brief.left.iter().filter(|(target, _)| !self.is_going(&of.work.uid, target));
        let counted = wanted.chain(left).filter(there).count();
        let before = of.had.filter(|_| self.has_unjudged(of, brief));
        before.map_or(counted, |before| before.min(counted))
    }

    /// How many objects a Work had, as far as its record shows what was there, without what is on its way out.
    fn had_before(&self, uid: &str, brief: &Brief) -> usize {
        let is_there = |target: &&Target| {
            brief.applied.as_ref().is_some_and(|applied| applied.contains_key(*target))
                && !(brief.left.contains_key(*target) && self.is_going(uid, target))
        };
        brief.targets().filter(is_there).count()
    }

    /// Whether an object that a Work dropped is being deleted.
    fn is_going(&self, uid: &str, target: &Target) -> bool {
        let observed = self.slots.get(target).and_then(|slot| slot.observed.as_ref());
        observed.is_some_and(|observed| observed.deleting)
            || self.under_way.contains(target) && self.holds.may_drop(uid, target)
    }

    /// Whether something of a Work could go, by evidence, or may, and was not judged.
    pub(super) fn has_open(&self, bundle: &Bundle, ending: &Ending) -> bool {
        let Some(brief) = bundle.ledger() else { return false };
        brief.left.keys().any(|target| self.is_open(&bundle.work.uid, brief, ending, target))
    }

    /// Whether an object could go, by evidence, or may, and was not judged.
    fn is_open(&self, uid: &str, brief: &Brief, ending: &Ending, target: &Target) -> bool {
        let Some(bundle) = self.bundles.get(uid) else { return false };
        ending.covers(brief, target)
            && !bundle.leaves_open(target, false)
            && self.is_unjudged(bundle, brief, target)
    }

    /// Whether a Work dropped something that is there and was not judged.
    pub(super) fn has_unjudged(&self, bundle: &Bundle, brief: &Brief) -> bool {
        let dropped = |target: &Target| {
            self.has_there(bundle, brief, target) && self.is_unjudged(bundle, brief, target)
        };
        brief.left.keys().any(dropped)
    }

    /// Whether an object that a Work dropped would be deleted, if it is there, and was not judged. What was made for an earlier
    /// one of the name goes only by a word of the Work itself.
    fn is_unjudged(&self, bundle: &Bundle, brief: &Brief, target: &Target) -> bool {
        let Some(options) = brief.left.get(target).filter(|options| is_deletable(target, options)) else {
            return false;
        };
        let observed = self.slots.get(target).and_then(|slot| slot.observed.as_ref());
        let earlier = |observed: &Observed| {
            let maker = observed.mark.as_ref().and_then(|mark| mark.maker.as_ref());
            maker.is_some_and(|maker| maker.uid != brief.work.uid)
        };
        let goes = |observed: &Observed| !observed.deleting && (options.allow_deletion || !earlier(observed));
        observed.is_none_or(goes)
            && !self.is_gone(bundle, brief, target)
            && !self.is_claimed(brief, target)
            && !self.holds.is_judged_object(&bundle.work.uid, target)
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
        let drops = self.holds.take_drops();
        // More ends may come: those that came together are judged together.
        let asked = if self.removals.is_quiet(context.now) { Some(self.holds.take_ends()) } else { None };
        let (mut ending, others) = asked.as_ref().map(|asked| self.ends_claimed(asked)).unwrap_or_default();
        let about_to_end = |bundle: &&Bundle| {
            let deleting = |brief: &Arc<Brief>| brief.phase == Phase::Deleting;
            bundle.is_claimed() || bundle.believed().is_some_and(deleting)
        };
        let about_to_end = self
            .bundles
            .values()
            .map(Box::as_ref)
            .filter(about_to_end)
            .map(|bundle| bundle.work.uid.as_str());
        let lately = self.holds.lately(context.wall, about_to_end);
        let together = hold::of_works(ending.len(), lately, others);
        if together.is_none() {
            // After a gap live reads come first: what Works dropped in it is judged together with the ends.
            let asked = asked.unwrap_or_default();
            ending.retain(|uid, _| asked.contains(uid) || !self.holds.sight.is_news(uid));
        }
        for uid in ending.keys().chain(drops.keys()) {
            self.turns.push(uid);
        }
        let judged = !ending.is_empty() || !drops.is_empty();
        if let Some(rule) = together {
            let objects = ending.values().sum();
            let ends = std::mem::take(&mut ending).into_keys().collect();
            self.holds.begin(Hold::new(rule, ends, BTreeMap::new(), objects, context.wall));
        }
        let (ending, drops) = self.judge_late(ending, drops, context);
        for uid in ending.into_keys() {
            self.holds.passed.insert(&uid, context.wall);
        }
        let (mut most, mut count) = (BTreeMap::new(), 0);
        for (uid, Drop { objects, unknown, had }) in drops {
            if hold::is_most(objects.len() + unknown + self.holds.dropped(&uid), had) {
                count += objects.len();
                most.insert(uid, objects);
            } else {
                self.holds.admit(uid, objects);
            }
        }
        if count > 0 {
            self.holds.begin(Hold::new(Rule::MostOfWork, BTreeSet::new(), most, count, context.wall));
        }
        judged
    }

    /// What may have come about in a gap waits where it is much. Returns what does not wait for that.
    fn judge_late(
        &mut self,
        ending: BTreeMap<String, usize>,
        drops: BTreeMap<String, Drop>,
        context: Context,
    ) -> (BTreeMap<String, usize>, BTreeMap<String, Drop>) {
        let is_late = |uid: &String| self.holds.sight.is_news(uid);
        let (late, mut ending): (BTreeMap<_, _>, BTreeMap<_, _>) =
            ending.into_iter().partition(|(uid, _)| is_late(uid));
        let (dropped, mut drops): (BTreeMap<_, _>, BTreeMap<_, _>) =
            drops.into_iter().partition(|(uid, _)| is_late(uid));
        let objects =
            late.values().sum::<usize>() + dropped.values().map(|drop| drop.objects.len()).sum::<usize>();
        let unknown = dropped.values().map(|drop| drop.unknown).sum::<usize>();
        if self.holds.sight.found(objects) + unknown > hold::FEW && objects > 0 {
            let ends = late.into_keys().collect();
            let dropped = dropped.into_iter().map(|(uid, drop)| (uid, drop.objects)).collect();
            self.holds.begin(Hold::new(Rule::AfterGap, ends, dropped, objects, context.wall));
        } else {
            ending.extend(late);
            drops.extend(dropped);
        }
        (ending, drops)
    }

    /// The Works that are to end, by UID, and how many objects would go with each; and how many Works stay. `asked`: those
    /// that could end by evidence.
    fn ends_claimed(&self, asked: &BTreeSet<String>) -> (BTreeMap<String, usize>, usize) {
        let (mut ending, mut others) = (BTreeMap::new(), 0);
        for (uid, bundle) in &self.bundles {
            let brief = bundle.believed().filter(|brief| self.is_ours(brief));
            let asks = asked.contains(uid);
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

/// Whether an object that is not wanted any more would be deleted.
fn is_deletable(target: &Target, options: &Arc<Options>) -> bool {
    let goes = options.deletion == Deletion::Delete && options.apply != Apply::Observe;
    goes && (options.allow_deletion || !protected::is_protected(&target.resource))
}
