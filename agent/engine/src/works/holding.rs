//! The deletions that wait for somebody's word: what they keep, when they are over, and what people are told.

use std::collections::BTreeSet;

use jiff::Timestamp;
use muster_api::marks;

use super::brief::Brief;
use super::bundle::Bundle;
use super::seen::Lost;
use super::{Context, Works};
use crate::evidence::Ending;
use crate::hold::{Hold, Passed, Rule, key};
use crate::ledger::Phase;
use crate::target::Target;
use crate::time::Now;

/// How many Works a message names at most.
const NAMED: usize = 3;

impl Works {
    // === what is known ===

    /// The deletions that wait for somebody's word, and those for which it came and that are not over.
    #[must_use]
    pub fn holds(&self) -> &[Hold] {
        self.holds.all()
    }

    /// This is durably kept of them.
    pub fn recall_holds(&mut self, kept: &[Hold]) {
        self.holds.recall(kept);
        for uid in self.holds.named() {
            self.turns.push(&uid);
        }
    }

    /// People wrote these ids on the own entry, or on the local report. `deaf`: one on a Work does not count.
    pub fn heed(&mut self, words: BTreeSet<String>, deaf: bool) {
        for uid in self.holds.heed(words, deaf) {
            self.turns.push(&uid);
        }
    }

    /// What an earlier process said for this one: when it heard of the directory's Works, `None` where that is not known,
    /// and which of them it let go of late.
    pub fn said_before(&mut self, heard: Option<Timestamp>, passed: Passed, now: Now) {
        self.holds.sight.heard_before(heard, now);
        self.holds.passed = passed;
    }

    /// The Works that were let go of late.
    #[must_use]
    pub fn passed(&self) -> &Passed {
        &self.holds.passed
    }

    /// The directory shows something of its Works, or says that nothing changed. `watched`: by a watch, and not by a live
    /// read.
    pub fn hear(&mut self, now: Now, watched: bool) {
        self.holds.sight.hear(now, watched && !self.shown.is_under_way());
    }

    /// The watch of Works cannot go on as it was.
    pub fn interrupted(&mut self) {
        self.holds.sight.interrupted();
    }

    /// Another one speaks for this cluster: what live reads showed was said to that one.
    pub fn fall_silent(&mut self) {
        self.interrupted();
        self.doubt_leaving();
        self.bundles.values_mut().for_each(|bundle| bundle.ending = None);
    }

    /// When the directory's Works were last heard of, once what was found to go after a gap has been judged, and what waits
    /// of it is kept.
    #[must_use]
    pub fn heard(&self) -> Option<Timestamp> {
        self.holds.sight.heard().filter(|_| self.holds.is_settled())
    }

    // === who may go ===

    /// The evidence that something of a Work goes. It is recorded that the Work itself ends once that was judged and waits
    /// for nobody's word, or takes nothing along.
    pub(super) fn proof<'a>(&self, bundle: &'a Bundle) -> Option<&'a Ending> {
        let (ending, _) = bundle.ending.as_ref()?;
        let ends = || self.holds.may_end(&bundle.work.uid) || self.ends_harmlessly(bundle);
        (!ending.is_whole() || ends()).then_some(ending)
    }

    /// Whether an object may go now, by evidence: that was judged, and waits for nobody's word.
    pub(super) fn may_go(&self, brief: &Brief, ending: &Ending, target: &Target) -> bool {
        let work = &brief.work.uid;
        if ending.is_whole() { self.holds.may_end(work) } else { self.holds.may_drop(work, target) }
    }

    /// Whether nothing of a Work would be deleted if it went now.
    pub(super) fn ends_harmlessly(&self, bundle: &Bundle) -> bool {
        let known = bundle.ledger().filter(|_| !bundle.is_altered() && !bundle.is_unclear());
        known.is_some_and(|brief| self.deletable(bundle, brief, false) == 0)
    }

    // === what is over ===

    /// What is known of a Work may end a hold of it: its own word, or that nothing is to go any more.
    pub(super) fn review_hold(&mut self, uid: &str) {
        let read = self.shown.is_complete() && self.ledgers.is_complete();
        let Some(bundle) = self.bundles.get(uid) else {
            if read {
                self.holds.over(uid);
            }
            return;
        };
        let ending = |bundle: &Bundle| bundle.believed().is_some_and(|brief| brief.phase == Phase::Deleting);
        if bundle.stands() && !ending(bundle) {
            self.holds.passed.remove(uid);
        }
        if !self.holds.names(uid) {
            return;
        }
        if let Some(word) = bundle.word() {
            let word = word.to_owned();
            self.holds.hear(uid, &word);
        }
        let Some(bundle) = self.bundles.get(uid) else { return };
        let Some(brief) = bundle.ledger().cloned().filter(|_| read && !bundle.is_altered()) else { return };
        let ending = bundle.is_claimed() || brief.phase == Phase::Deleting;
        // What is not there for a moment is made again, as long as the end is not recorded.
        let harmless = || !bundle.is_unclear() && self.deletable(bundle, &brief, true) == 0;
        if !ending && bundle.stands() || ending && harmless() {
            self.holds.end_over(uid);
        }
        let Some(bundle) = self.bundles.get(uid).filter(|bundle| bundle.is_recorded()) else { return };
        if brief.phase == Phase::Deleting {
            return self.holds.drops_over(uid); // what it dropped goes along
        }
        let there =
            |target: &&Target| !self.is_gone(bundle, &brief, target) && !self.is_claimed(&brief, target);
        let there: BTreeSet<String> = brief.left.keys().filter(there).map(key).collect();
        let back: BTreeSet<String> = brief.wanted.iter().map(|wanted| key(&wanted.target)).collect();
        self.holds.narrow(uid, &there, &back);
    }

    /// After a gap: a watch that goes on has told all after a while.
    pub(super) fn look_on(&mut self, context: Context) {
        if context.connected && self.holds.sight.due().is_some_and(|due| due <= context.now) {
            self.holds.sight.goes_on(context.now, self.bundles.keys().cloned());
            self.stir_all();
        }
    }

    /// After a gap: once each Work is settled that was known when all was seen again, it is over.
    pub(super) fn settle_sight(&mut self, uid: &str, context: Context) {
        if !self.holds.sight.is_returning() || !context.connected {
            return;
        }
        let Some(bundle) = self.bundles.get(uid) else { return self.holds.sight.settled(uid) };
        if self.is_settled(bundle) {
            self.holds.sight.settled(uid);
        } else if is_stuck(bundle) {
            self.holds.sight.excused(uid);
        }
    }

    /// Whether what a Work says is recorded, and what of it is to go was judged, or is not shown to go.
    fn is_settled(&self, bundle: &Bundle) -> bool {
        let uid = &bundle.work.uid;
        let Some(brief) = bundle.believed() else {
            return bundle.is_claimed() || bundle.is_recorded() && self.predecessor(bundle).is_none();
        };
        if !self.is_ours(brief) {
            return true;
        }
        if bundle.is_claimed() && (self.holds.is_judged(uid) || self.ends_harmlessly(bundle)) {
            return true;
        }
        if self.holds.asks(uid) || !bundle.is_recorded() || is_stuck(bundle) {
            return false;
        }
        match &bundle.ending {
            Some((ending, _)) => !self.has_open(bundle, ending),
            None => !self.removals.asks(uid) || self.holds.sight.was_examined(uid),
        }
    }

    // === what is told ===

    /// The names of the Works of which a hold still keeps something.
    pub fn named<'a>(&'a self, hold: &'a Hold) -> impl Iterator<Item = &'a str> {
        hold.works().filter_map(|uid| Some(self.bundles.get(uid)?.work.name.as_str()))
    }

    /// Why something of a Work is not deleted, and what to do.
    pub(super) fn hold_told(&self, uid: &str) -> Option<String> {
        let hold = self.holds.keeping(uid)?;
        let release = format!("{}={}", marks::RELEASE, hold.id);
        let how = if self.holds.is_deaf() {
            format!("only the owner of the cluster lets it go, by {release} on the report there")
        } else {
            format!("to let it go, annotate this Work, or the Cluster entry, with {release}")
        };
        Some(format!("held: {}; {how}", self.told_of(hold)))
    }

    /// What a hold is about.
    #[must_use]
    pub fn told_of(&self, hold: &Hold) -> String {
        let works = hold.works().count();
        let named: Vec<&str> = self.named(hold).take(NAMED).collect();
        let more = works.saturating_sub(named.len());
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let (some, objects) = (named.join(", "), hold.objects);
        match hold.rule {
            Rule::ManyWorks => {
                format!("{works} Works of many that were deleted within ten minutes ({some}{more})")
            }
            Rule::AllWorks => format!("all Works, {works}, were deleted at once ({some}{more})"),
            Rule::MostOfWork if works == 1 => {
                format!("Work {some} drops {objects} objects at once, more than half of what it had")
            }
            Rule::MostOfWork => format!(
                "{works} Works drop {objects} objects at once, each more than half of what it had ({some}{more})"
            ),
            Rule::AfterGap => format!(
                "{objects} objects of {works} Works were found to go after the directory was out of sight for more than \
                 five minutes ({some}{more})"
            ),
            Rule::Other => format!("{objects} objects of {works} Works ({some}{more})"),
        }
    }
}

impl Bundle {
    /// Whether the directory says that the Work is to end, or was seen to say so.
    pub(super) fn is_claimed(&self) -> bool {
        self.is_deleting() || self.lost == Some(Lost::Tombstone)
    }

    /// Whether the directory shows the Work, and not that it is to end.
    pub(super) fn stands(&self) -> bool {
        self.lost.is_none() && self.seen.as_ref().is_some_and(|seen| !seen.deleting)
    }

    /// Whether nothing else is about to be recorded of it than is.
    fn is_recorded(&self) -> bool {
        !self.keeper.is_busy() && self.demand.is_none() && !self.is_unread()
    }

    /// The ids that people wrote on it.
    fn word(&self) -> Option<&str> {
        self.seen.as_ref()?.option(marks::RELEASE)
    }
}

/// Whether nothing can come of a Work now: it is suspended or wrong, or what it asks for cannot be recorded.
fn is_stuck(bundle: &Bundle) -> bool {
    let refused = bundle.keeper.failure().is_some_and(|(failure, _)| !failure.may_pass());
    refused || bundle.error.is_some() || bundle.is_suspended()
}
