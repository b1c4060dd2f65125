//! What goes with the replica's own entry beside what goes in any case: what Works made, where the entry said so.
//!
//! Grants and copies go first. Then each Work is read live, while the directory is as it is recorded and the own entry gone
//! or going; its ledger says by which departure it ends before the first of its objects goes. What is so recorded is
//! finished also where the directory does not answer any more, but not where it answers otherwise, nor where it was silent
//! ever since this process began.

use std::time::Duration;

use muster_api::cluster::Deregistration;
use muster_api::conditions::DirectoryReachable;

use super::{Doing, Engine};
use crate::event::{Session, StepOutcome};
use crate::evidence::{Doubt, Examination, Findings, Word};
use crate::pin::{Pin, Reading};
use crate::plan::{Plan, Source, Step};
use crate::time::{Now, backoff};
use crate::works::Leave;

/// How long the word of the directory holds.
const FRESH: Duration = Duration::from_secs(60);
/// When it is asked again, while it is needed.
const AGAIN: Duration = Duration::from_secs(30);
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Why there is no session where the directory says nothing, rather than something else than is recorded.
const SILENT: [DirectoryReachable; 5] = [
    DirectoryReachable::CredentialsRejected,
    DirectoryReachable::Forbidden,
    DirectoryReachable::KubeconfigInvalid,
    DirectoryReachable::SecretMissing,
    DirectoryReachable::Unreachable,
];

/// What the directory says of the departure.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    /// That it was confirmed by live reads, by this process, while the Works were listed, and that the directory has not
    /// answered otherwise since. Silence after that ends nothing; before it, and after a doubt, it begins nothing. It is not
    /// kept: who begins asks anew.
    confirmed: bool,
    word: Option<(Word, Duration)>,
    under_way: Option<Asked>,
    asked: u32,
    due: Duration,
}

/// Whether an answer that is under way counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Now,
    /// It was asked for in an earlier session, or of another departure.
    Before,
}

impl Leaving {
    /// A session begins: what was said in another one is not said in this one.
    pub(super) fn began(&mut self) {
        let confirmed = self.confirmed;
        self.ended();
        self.confirmed = confirmed;
    }

    /// The session ended.
    pub(super) fn closed(&mut self, reason: DirectoryReachable) {
        self.began();
        self.confirmed &= SILENT.contains(&reason);
    }

    /// The departure is another one, or none.
    pub(super) fn ended(&mut self) {
        *self = Self { under_way: self.under_way.map(|_| Asked::Before), ..Self::default() };
    }

    fn heard(&mut self, word: Option<Word>, now: Duration, salt: u64) {
        self.word = word.map(|word| (word, now));
        self.confirmed &= word != Some(Word::Doubted);
        if word == Some(Word::Stands) {
            (self.asked, self.due) = (0, now + AGAIN);
        } else {
            self.asked = self.asked.saturating_add(1);
            self.due = now + backoff(self.asked, FIRST_WAIT, LONGEST_WAIT, salt);
        }
    }
}

impl Engine {
    /// The UID of the own entry with which what Works made goes now: grants and copies went before. The owner of the replica
    /// ends it, and so does what is seen of the entry, or of a later one, also before that is recorded.
    fn leaves_with(&self) -> Option<String> {
        let entry = self.departure.as_ref()?.takes_works()?;
        let directory = &self.memory.as_ref()?.pin.directory;
        let cleared = self.policies.is_cleared() && self.mirror.is_cleared(directory);
        let owner_leaves = self.owner.is_none_or(|owner| owner.leave);
        let ended = self.is_set_back()
            || self.is_silent()
            || owner_leaves
            || self.own.is_there()
            || self.own.keeps(entry);
        (self.may_apply() && cleared && !ended).then(|| entry.to_owned())
    }

    /// Whether what the ledgers record of this departure may go now, and whether more may be recorded, or why not.
    fn may_take(&mut self, now: Duration) -> (bool, Result<(), String>) {
        let unheard = || Err("the directory does not answer as it should".to_owned());
        if self.session.is_none() {
            let silent = self.state.closed.as_ref().is_some_and(|problem| SILENT.contains(&problem.reason));
            return (silent && self.leaving.confirmed, unheard());
        }
        let word = self.leaving.word.filter(|(_, since)| *since + FRESH >= now).map(|(word, _)| word);
        // What its Works say by now is heard first.
        let heard = self.works.is_heard();
        let stands = word == Some(Word::Stands) && heard;
        self.leaving.confirmed |= stands;
        let record = match &self.state.leaving {
            _ if word != Some(Word::Stands) => unheard(),
            _ if !stands => Err("the Works of the directory are still to be listed".into()),
            Some(tried) => tried.clone(),
            None => Err("whether that can be recorded is still to be tried".into()),
        };
        (stands || heard && self.leaving.confirmed && word == Some(Word::Silent), record)
    }

    pub(super) fn leaving_due(&mut self, now: Now, plans: &mut Vec<Plan>) {
        let Some(entry) = self.leaves_with() else { return };
        let (take, record) = self.may_take(now.mono);
        let context = self.works_context(now);
        for (task, step) in
            self.works.leave(&Leave { entry: &entry, take, record: record.as_ref().map(drop) }, context)
        {
            plans.push(self.plan(Source::Works, step, Doing::Works(task)));
        }
        let Some(Session { pin, .. }) = self.session.clone() else { return };
        if self.leaving.under_way.is_some() || !self.works.is_leaving() {
            return;
        }
        let works = self.works.questions(&pin, now.mono);
        if works.is_empty() && self.leaving.due > now.mono {
            return;
        }
        self.leaving.under_way = Some(Asked::Now);
        let examination = Examination {
            pin: pin.clone(),
            entries: Vec::new(),
            policies: Vec::new(),
            works: works.iter().map(|(_, name)| name.clone()).collect(),
            leaving: true,
            beat: self.acknowledged(),
        };
        let plan = self.plan(
            Source::Engine,
            Step::Examine(examination),
            Doing::ExamineLeaving { works: works.clone(), pin },
        );
        if !works.is_empty() {
            self.works.removals.begin(plan.id);
        }
        plans.push(plan);
    }

    /// When [`Self::leaving_due`] has something to do.
    pub(super) fn leaving_wake(&self) -> Option<Duration> {
        self.leaves_with()?;
        let asks = self.session.is_some() && self.leaving.under_way.is_none() && self.works.is_leaving();
        let again = asks.then_some(self.leaving.due);
        self.works.wake(asks).into_iter().chain(again).min()
    }

    /// What live reads show of the departure, and of Works that may end with it.
    pub(super) fn leaving_done(
        &mut self,
        works: &[(String, String)],
        pin: &Pin,
        outcome: &StepOutcome,
        now: Now,
        plans: &mut Vec<Plan>,
    ) {
        let asked = self.leaving.under_way.take();
        if !works.is_empty() {
            self.works.examined(works, now.mono);
        }
        let findings = match outcome {
            StepOutcome::Found(findings) if asked == Some(Asked::Now) && self.is_pinned(pin) => findings,
            _ => return self.leaving.heard(None, now.mono, self.salt()),
        };
        let judged = findings.judge_departure(pin, Deregistration::Delete);
        self.state.doubt = judged.as_ref().err().map(ToString::to_string);
        self.leaving.heard(Word::of(findings, pin, &judged), now.mono, self.salt());
        self.works.stir_all();
        if let Some(own) = findings.shows_keep(pin) {
            self.own.goes(own, now.mono); // that it says so is heard, however old this is by now
        }
        match judged {
            Err(Doubt::Directory(_)) => return self.probe(now, plans),
            Err(Doubt::SetBack(why)) => return self.turn_back(why, now),
            _ => {}
        }
        self.leaving_found(findings, pin, works, now);
    }

    fn leaving_found(&mut self, findings: &Findings, pin: &Pin, works: &[(String, String)], now: Now) {
        if let Reading::Found(own) = &findings.own_entry {
            self.own_shown(own, now); // live, from the pinned directory: as good as an event
        }
        let departs = self.departure.as_ref().and_then(|departure| departure.takes_works());
        if departs.is_some() && departs == pin.entry.as_deref() {
            let heard = self.own.was_heard(pin.entry.as_deref());
            self.works.found_leaving(findings, (pin, heard), works, now.mono);
        }
    }
}
