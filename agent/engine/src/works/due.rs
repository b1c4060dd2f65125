//! What is to be done now for one Work: its finalizer, its objects, and in `recording` its ledger.

use std::sync::Arc;
use std::time::Duration;

use super::bundle::Progress;
use super::catalog::GroupVersion;
use super::seen::Lost;
use super::{Brief, Context, Works};
use crate::evidence::Ending;
use crate::ledger::{Home, Phase};
use crate::mark::Mark;
use crate::plan::{Cause, Step};
use crate::target::Target;
use crate::time::salt;

/// Steps of all Works that are under way at once: more would only wait for each other.
pub(super) const STEPS: usize = 48;
/// How often what may go is judged at once, at most: what follows from that may be to be judged again.
const JUDGEMENTS: usize = 8;
/// Steps about objects of one Work that are under way at once: others have their turn beside it.
const SHARE: usize = 12;
/// A Work of this many objects rests from the beginning of each turn, which looks at all of them.
const LARGE: usize = 250;
/// How long it rests for each of them.
const REST: Duration = Duration::from_micros(20);
/// Evidence is used while it is this fresh; after that it is asked for anew.
const FRESH: Duration = Duration::from_secs(60);

/// What a plan of Works is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// An object is written.
    Write {
        /// UID of the Work.
        work: String,
        /// Which.
        target: Target,
        /// Why.
        cause: Cause,
        /// The mark that it gets.
        mark: Mark,
        /// The resourceVersion that it was last seen with, where it was there.
        before: Option<String>,
    },
    /// A wanted object is read, for what no watch tells.
    Look {
        /// UID of the Work.
        work: String,
        /// Which.
        target: Target,
    },
    /// The replica is asked whether it would take an object as a new one.
    Rehearse {
        /// UID of the Work.
        work: String,
        /// Which.
        target: Target,
    },
    /// Something is found out about an object that is to go, or it goes.
    Clear {
        /// UID of the Work.
        work: String,
        /// Which.
        target: Target,
    },
    /// An object that no watch shows is looked at.
    See {
        /// UID of the Work.
        work: String,
        /// Which.
        target: Target,
    },
    /// The ledger is written or removed.
    Ledger {
        /// UID of the Work.
        work: String,
    },
    /// The ledger is read for the bodies of manifests.
    Recall {
        /// UID of the Work.
        work: String,
    },
    /// The values beside the ledger are read, written or removed.
    Values {
        /// UID of the Work.
        work: String,
    },
    /// The finalizer of the Work is set or taken off.
    Finalize {
        /// UID of the Work.
        work: String,
    },
    /// The status of the Work is written.
    Report {
        /// UID of the Work.
        work: String,
    },
    /// The replica is asked which kinds of a version it serves.
    Discover(GroupVersion),
}

pub(super) type Steps = Vec<(Task, Step)>;

impl Works {
    /// The steps that are due. They are taken to be under way from here on.
    pub fn due(&mut self, context: Context) -> Vec<(Task, Step)> {
        self.ripen(context.now);
        self.wake_up(context.now);
        let mut steps = Vec::new();
        let Some(home) = self.home.clone() else { return steps };
        if !self.ledgers.is_complete() {
            return steps;
        }
        self.look_on(context);
        for _ in 0..JUDGEMENTS {
            while !self.is_full()
                && let Some(uid) = self.turns.pop()
            {
                self.work_due(&uid, &home, context, &mut steps);
                self.rest_after(&uid, context.now);
                self.settle_sight(&uid, context);
                self.note_quarrel(&uid, context.now);
                self.note(&uid);
                self.note_awaited(&uid);
                self.note_standing(&uid);
            }
            if self.is_full() || !self.judge_together(context) {
                break;
            }
        }
        steps
    }

    /// What waited for its time has its turn.
    pub(super) fn ripen(&mut self, now: Duration) {
        while let Some((due, _)) = self.timers.first()
            && *due <= now
        {
            if let Some((_, uid)) = self.timers.pop_first() {
                self.stir(&uid);
            }
        }
        self.rouse(now);
    }

    /// Something happened to an object of a Work, or is due. A large one that had its turn just now has the next one a moment
    /// later: one for each event would cost the square of its size. What the directory, the ledger or evidence says of it
    /// does not wait.
    pub(super) fn stir(&mut self, uid: &str) {
        if self.bundles.get(uid).is_some_and(|bundle| !bundle.rested.is_zero()) {
            self.stirred.insert(uid.to_owned());
        } else {
            self.turns.push(uid);
        }
    }

    /// A Work had its turn.
    fn rest_after(&mut self, uid: &str, now: Duration) {
        self.stirred.remove(uid);
        let Some(bundle) = self.bundles.get_mut(uid) else { return };
        let size = bundle.ledger().map_or(0, |brief| brief.wanted.len());
        let rest = REST * u32::try_from(size).unwrap_or(u32::MAX);
        bundle.rested = if size < LARGE { Duration::ZERO } else { now + rest };
    }

    /// Large Works of which something was stirred have their turn, where they have rested.
    fn rouse(&mut self, now: Duration) {
        let rested = |uid: &&String| self.bundles.get(*uid).is_none_or(|bundle| bundle.rested <= now);
        let rested: Vec<String> = self.stirred.iter().filter(rested).cloned().collect();
        for uid in rested {
            self.stirred.remove(&uid);
            self.turns.push(&uid);
        }
    }

    /// When the first of them has rested.
    fn roused(&self) -> Option<Duration> {
        let stirred = self.stirred.iter().filter_map(|uid| self.bundles.get(uid));
        stirred.map(|bundle| bundle.rested).min()
    }

    /// When something is due.
    #[must_use]
    pub fn wake(&self, connected: bool) -> Option<Duration> {
        let timer = self.timers.first().map(|(due, _)| *due);
        let removals = if connected { self.removals.due() } else { None };
        let sight = self.holds.sight.due().filter(|_| connected && self.ledgers.is_complete());
        timer.into_iter().chain(self.roused()).chain(sight).chain(removals).chain(self.wakes.next()).min()
    }

    pub(super) fn later(&mut self, due: Duration, uid: &str) {
        self.timers.insert((due, uid.to_owned()));
    }

    /// Whether as much is under way as may be.
    pub(super) fn is_full(&self) -> bool {
        self.steps >= STEPS
    }

    /// A step is under way from here on.
    pub(super) fn act(&mut self, task: Task, step: Step, steps: &mut Steps) {
        self.steps += 1;
        self.count_begun(&task);
        if let Task::Write { work, target, .. }
        | Task::Clear { work, target }
        | Task::See { work, target }
        | Task::Look { work, target }
        | Task::Rehearse { work, target } = &task
        {
            self.under_way.insert(target.clone());
            if let Some(bundle) = self.bundles.get_mut(work) {
                bundle.under_way += 1;
            }
        }
        steps.push((task, step));
    }

    /// Whether another step about the objects of a Work may be under way. If not, the outcomes of those that are, or the
    /// next turn, come to it again.
    pub(super) fn has_room(&mut self, uid: &str) -> bool {
        if self.is_full() {
            self.turns.push(uid);
            return false;
        }
        self.bundles.get(uid).is_some_and(|bundle| bundle.under_way < SHARE)
    }

    fn work_due(&mut self, uid: &str, home: &Home, context: Context, steps: &mut Steps) {
        let Some(bundle) = self.bundles.get_mut(uid) else { return self.review_hold(uid) };
        if bundle.is_empty() {
            self.removals.set(uid, false, context.now);
            self.bundles.remove(uid);
            return self.review_hold(uid);
        }
        let elsewhere =
            |brief: &Arc<Brief>| (&brief.directory, &brief.replica) != (&home.directory, &home.replica);
        if bundle.ledger().is_some_and(elsewhere) && bundle.keeper.recorded().is_none_or(elsewhere) {
            // Another directory's, or another replica's of which this one is a copy: left alone, but by who takes it over.
            let idle = !bundle.safe.is_busy() && !context.silent;
            if idle && self.cedes(uid) && !self.discard_due(uid, context, steps) {
                self.stir_heir(uid);
            }
            return;
        }
        if bundle.ending.as_ref().is_some_and(|(_, since)| *since + FRESH < context.now) {
            bundle.ending = None;
        }
        if self.is_taken_over(uid) {
            return;
        }
        let Some(bundle) = self.bundles.get_mut(uid) else { return };
        let stale = bundle.stale;
        bundle.compile(&self.catalog, home, &self.namespace, context.now);
        let compiled = stale && !bundle.stale;
        if compiled {
            self.stir_beside();
        }
        self.review_hold(uid);
        self.ask_end(uid);
        let Some(bundle) = self.bundles.get(uid) else { return };
        for version in bundle.unfound.clone() {
            self.discover(version, uid, context, steps);
        }
        self.ledger_due(uid, context, steps);
        self.finalizer_due(uid, context, steps);
        self.objects_due(uid, context, steps);
        self.unwatched_due(uid, context.now, steps);
        self.settle_due(uid, context, steps);
        self.status_due(uid, context, steps);
        self.stir_namesake(uid, compiled);
    }

    pub(super) fn discover(&mut self, version: GroupVersion, uid: &str, context: Context, steps: &mut Steps) {
        if self.is_full() {
            return self.turns.push(uid);
        }
        match self.catalog.ask(&version, context.now, salt(&version)) {
            Ok(true) => {
                let (group, name) = version.clone();
                self.act(Task::Discover(version), Step::Discover { group, version: name }, steps);
            }
            Ok(false) => {}
            Err(due) => self.later(due, uid),
        }
    }

    // === the finalizer ===

    fn finalizer_due(&mut self, uid: &str, context: Context, steps: &mut Steps) {
        let Some(bundle) = self.bundles.get(uid).filter(|bundle| !bundle.is_only_planned()) else { return };
        let Some(seen) = bundle.seen.as_ref().filter(|_| context.connected && bundle.lost.is_none()) else {
            return;
        };
        // What may be there is known from a ledger alone: where there is none, it is made first.
        let ready = bundle.ledger().is_some_and(|brief| {
            brief.phase == Phase::Deleting && !bundle.is_altered() && self.is_cleared(bundle, brief)
        });
        let add = !seen.deleting && !seen.is_held() && (bundle.demand.is_some() || bundle.ledger().is_some());
        let ready = ready || self.never_took_over(bundle);
        let remove = seen.deleting && seen.is_held() && ready && !bundle.keeper.is_busy();
        if bundle.upstream.busy || !(add || remove) {
            return;
        }
        let again = add && bundle.upstream.finalized;
        let due = bundle.upstream.due(again, salt(uid));
        if due > context.now {
            self.undone(uid, again);
            return self.later(due, uid);
        }
        if self.is_full() {
            return self.turns.push(uid);
        }
        let finalizers = seen.finalizers.iter().filter(|other| *other != muster_api::marks::WORK_FINALIZER);
        let mut finalizers: Vec<String> = finalizers.cloned().collect();
        if add {
            finalizers.push(muster_api::marks::WORK_FINALIZER.to_owned());
        }
        let step = Step::Finalize {
            name: bundle.work.name.clone(),
            uid: uid.to_owned(),
            version: seen.resource_version.clone(),
            finalizers,
        };
        if let Some(bundle) = self.bundles.get_mut(uid) {
            bundle.upstream.busy = true;
            bundle.upstream.finalized |= add;
            if again {
                bundle.upstream.quarrel.pace.corrected(context.now);
            }
        }
        self.act(Task::Finalize { work: uid.to_owned() }, step, steps);
    }

    // === the objects ===

    fn objects_due(&mut self, uid: &str, context: Context, steps: &mut Steps) {
        let Some(bundle) = self.bundles.get_mut(uid) else { return };
        bundle.progress = Progress::Moves;
        // Where nothing is done for it any more, another Work of its name may wait for its ledger.
        let idle = bundle.is_suspended() || bundle.is_altered() || bundle.ledger().is_none();
        let in_the_way = idle && bundle.lost.is_some() && bundle.believed().is_some();
        let reread = bundle.wants_source() || in_the_way || bundle.earlier;
        // Somebody changed the record: what is left of it may do to put it back also while the directory is away.
        let mends = bundle.keeper.altered().is_some_and(|(brief, _)| bundle.bodies_of(brief).is_none());
        if mends && bundle.demand.is_none() && !bundle.keeper.is_busy() {
            self.recall(uid, context, steps);
        }
        let Some(bundle) = self.bundles.get(uid) else { return };
        if bundle.is_planning() {
            self.plan_due(uid, context, steps);
            return self.removals.set(uid, reread, context.now);
        }
        let Some(brief) = bundle.ledger().cloned().filter(|_| !idle) else {
            return self.removals.set(uid, reread, context.now);
        };
        // Before the first object, the Work waits for the finalizer: else it could go unnoticed.
        let held = bundle.seen.as_ref().is_some_and(|seen| seen.is_held() && !seen.deleting);
        let goes = bundle.lost.is_some() || bundle.is_deleting();
        let ended = goes && self.proof(bundle).is_some_and(Ending::is_whole);
        // What is recorded may be older than what it asks for.
        let unheard = context.unheard && bundle.is_unheard();
        let may_begin = !ended && !unheard && (held || brief.applied.is_some());
        let mut progress = Progress::Moves;
        if brief.phase == Phase::Applying && may_begin && !bundle.keeper.is_busy() {
            progress = self.wanted_due(uid, &brief, context, steps);
        }
        if self.left_due(uid, &brief, reread, context, steps) {
            progress = progress.max(Progress::Waits);
        }
        if let Some(bundle) = self.bundles.get_mut(uid) {
            bundle.progress = progress;
        }
    }

    /// Whether a Work that the directory does not show any more was seen to go.
    pub(super) fn has_tombstone(&self, uid: &str) -> bool {
        self.bundles.get(uid).is_some_and(|bundle| bundle.lost == Some(Lost::Tombstone))
    }
}
