//! The one index and the one place where events become plans.
//!
//! - `views`: what both sides show;
//! - `outcome`: what came of plans, live reads among them;
//! - `due`: what is to be done now;
//! - `era`: whether the directory was set back to an earlier state;
//! - `spoken`: whether this process speaks for the cluster;
//! - `joined`: the directory, and the session with it;
//! - `own`: the replica's own entry, and whether it belongs to the directory still;
//! - `held`: what waits for somebody's word;
//! - `leaving`: what goes with that, beside what goes in any case;
//! - `report`: what people are told.

mod due;
mod era;
mod first_word;
mod held;
mod joined;
mod leaving;
mod outcome;
mod own;
mod report;
mod spoken;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use muster_api::Resource;

use crate::era::{Beat, SetBack};
use crate::event::{DirectoryWatch, Event, Session};
use crate::evidence::Departure;
use crate::hold::Passed;
use crate::ledger::Home;
use crate::memory::Memory;
use crate::mirror::{self, Counts, Mirror};
use crate::pace::Pace;
use crate::pin::Pin;
use crate::plan::{Plan, PlanId, Source, Step};
use crate::policies::{self, Context, Policies, Told};
use crate::readiness;
use crate::refusal::Awaited;
use crate::scope::Scope;
use crate::state::State;
use crate::time::Now;
use crate::voice::Voice;
use crate::works::{self, Works};

use first_word::FirstWord;
use leaving::Leaving;
use own::{Own, Seen};

/// How long work may take before people are told of it.
const UNSETTLED: Duration = Duration::from_secs(10);

/// Everything that is known, and what is to be done about it.
#[derive(Debug)]
pub struct Engine {
    session: Option<Session>,
    /// What is kept of whom the replica joined; `None` before it joined.
    memory: Option<Memory>,
    /// The nonce of what keeps it.
    nonce: String,
    /// Where ledgers belong.
    home: Option<Home>,
    /// How the attempts to change it fare.
    remembering: Pace,
    /// Identity of the directory, also while there is no session: what was copied from it is kept right. None where
    /// directory and replica are one cluster: there the Clusters are the entries themselves, and nobody's copies.
    directory: Option<String>,
    /// That the replica left it.
    departure: Option<Departure>,
    /// The last heartbeat that it acknowledged; `None` where none is known.
    beat: Option<Beat>,
    /// Whether a heartbeat in this session showed if the directory was set back.
    compared: bool,
    /// That it was set back to an earlier state, until that is kept durably.
    set_back: Option<SetBack>,
    /// Whether it speaks for the cluster.
    voice: Voice,
    leaving: Leaving,
    /// What the owner of the replica says; `None` until it was read, and nothing is written before.
    owner: Option<Owner>,
    /// The holds that the owner of the replica releases.
    released: BTreeSet<String>,
    own: Own,
    mirror: Mirror,
    policies: Policies,
    works: Works,
    plans: BTreeMap<PlanId, Doing>,
    last_plan: u64,
    /// The last plan of before the replica answered again.
    resumed: PlanId,
    first_word: FirstWord,
    probed: Option<Duration>,
    mirror_news: News,
    policies_news: News,
    works_news: News,
    state: State,
}

/// What the owner of the replica says by annotations of the local report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) paused: bool,
    pub(crate) leave: bool,
    /// Only a word on the local report releases a hold.
    pub(crate) releases: bool,
}

/// Whether something that is not settled has been so for long enough to be news. Work that is done within
/// [`UNSETTLED`] is none: else each change of an entry would be a change of the report of every replica.
#[derive(Debug)]
pub(crate) struct News {
    since: Option<Duration>,
    /// It was never settled, or has not been for a while.
    pub(crate) pending: bool,
}

impl News {
    fn new() -> Self {
        Self { since: None, pending: true }
    }

    fn settle(&mut self, settled: bool, now: Duration) {
        if settled {
            *self = Self { since: None, pending: false };
        } else {
            let since = *self.since.get_or_insert(now);
            self.pending |= now >= since + UNSETTLED;
        }
    }

    fn due(&self) -> Option<Duration> {
        self.since.filter(|_| !self.pending).map(|since| since + UNSETTLED)
    }
}

/// What a plan under way is about.
#[derive(Debug)]
enum Doing {
    Mirror(mirror::Work),
    Policies(policies::Work),
    Works(works::Task),
    Examine {
        entries: Vec<String>,
        policies: Vec<(String, String)>,
        works: Vec<(String, String)>,
        /// What was shown in an earlier generation than was recorded by then, and that.
        earlier: BTreeMap<String, i64>,
        pin: Pin,
    },
    ExamineOwn {
        pin: Pin,
    },
    ExamineLeaving {
        works: Vec<(String, String)>,
        pin: Pin,
    },
    Remember(Memory),
    Probe,
}

impl Engine {
    /// An engine that knows nothing yet. `scope`: which entries are mirrored; `namespace`: the agent's own one in the
    /// replica.
    #[must_use]
    pub fn new(scope: Scope, namespace: String) -> Self {
        Self {
            session: None,
            memory: None,
            nonce: String::new(),
            home: None,
            remembering: Pace::default(),
            directory: None,
            departure: None,
            beat: None,
            compared: false,
            set_back: None,
            voice: Voice::default(),
            leaving: Leaving::default(),
            owner: None,
            released: BTreeSet::new(),
            own: Own::default(),
            mirror: Mirror::new(scope),
            policies: Policies::default(),
            works: Works::new(namespace),
            plans: BTreeMap::new(),
            last_plan: 0,
            resumed: PlanId(0),
            first_word: FirstWord::default(),
            probed: None,
            mirror_news: News::new(),
            policies_news: News::new(),
            works_news: News::new(),
            state: State::new(),
        }
    }

    /// Takes an event in. What comes out is to be carried out; plans may run side by side.
    pub fn on(&mut self, event: Event, now: Now) -> Vec<Plan> {
        let mut plans = Vec::new();
        match event {
            Event::Acknowledged(beat) => self.beat = Some(beat),
            Event::Recalled { memory, replica, nonce, heard, passed } => {
                self.works.said_before(heard, passed, now);
                self.first_word.await_from(now.mono);
                self.belongs(memory, replica, nonce);
            }
            Event::Opened(session) => self.opened(session, now),
            Event::Closed(problem) => {
                self.session = None;
                self.leaving.closed(problem.reason);
                self.state.close(problem);
                self.own.unheard();
                self.works.interrupted();
                self.works.stir_all();
                self.says_nothing();
            }
            Event::Credential { problem, expires } => self.state.credential = Some((problem, expires)),
            Event::Directory { era, .. } if era != self.era_number() => {}
            Event::Directory { .. } if self.is_silent() => {}
            Event::Directory { watch, change, .. } => self.directory_changed(watch, change, now, &mut plans),
            Event::Replica { watch, change } => self.replica_changed(watch, change, now),
            Event::Objects { resource, namespace, change } => {
                self.works.objects_changed(&resource, namespace.as_deref(), change);
            }
            Event::Paced { resource, namespace } => self.works.paced(&resource, namespace.as_deref()),
            Event::Unwatched { resource, namespace } => {
                self.works.unwatched(&resource, namespace.as_deref());
            }
            Event::Ledgers(change) => self.ledgers_changed(change),
            Event::LedgerTried(outcome) => self.ledger_tried(outcome),
            Event::LeavingTried(outcome) => {
                self.state.leaving = Some(outcome);
                self.works.stir_all();
            }
            Event::Done { plan, outcomes } => self.done(plan, outcomes, now, &mut plans),
            Event::Heartbeat(outcome) => self.beaten(outcome, now),
            Event::Adrift => self.state.adrift = true,
            Event::Admitted => {
                self.state.adrift = false;
                self.resume();
            }
            Event::Tick => {}
        }
        self.due(now, &mut plans);
        self.settle(now);
        plans
    }

    /// When [`Event::Tick`] is wanted, by the monotonic clock.
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        let news = [&self.mirror_news, &self.policies_news, &self.works_news];
        let news = news.into_iter().filter_map(News::due);
        news.chain(self.work_due()).min()
    }

    /// How much there is of what in the mirror.
    #[must_use]
    pub fn counts(&self) -> Counts {
        match &self.directory {
            Some(directory) => self.mirror.counts(directory),
            None => Counts { entries: self.mirror.counts("").entries, ..Counts::default() },
        }
    }

    /// When the Works of the directory were last heard of, once what was found to go after a gap has been judged.
    #[must_use]
    pub fn heard(&self) -> Option<Timestamp> {
        self.works.heard()
    }

    /// The Works that were let go of late.
    #[must_use]
    pub fn passed(&self) -> &Passed {
        self.works.passed()
    }

    /// The resources whose objects are to be watched in the replica, beside those that policies make, and where and as
    /// whom they are applied.
    pub fn watched(&self) -> impl Iterator<Item = (&Resource, &works::Places)> {
        self.works.watched()
    }

    /// Another number where [`watched`](Self::watched) or [`watches_whole`](Self::watches_whole) says something else; `None` before it says anything.
    #[must_use]
    pub fn watched_edition(&self) -> Option<u64> {
        self.works.watched_edition()
    }

    /// What else of the replica is to be watched, since something that was refused waits for a change of it.
    pub fn awaited(&self) -> impl Iterator<Item = Awaited> {
        self.works.awaited()
    }

    /// How many Works stand so.
    #[must_use]
    pub fn works(&self, standing: works::Standing) -> usize {
        self.works.standing(standing)
    }

    /// What was counted of the steps about Works.
    #[must_use]
    pub fn counted(&self) -> &works::Counted {
        self.works.counted()
    }

    /// Whether more than the metadata of the objects of such a resource is to be seen.
    #[must_use]
    pub fn watches_whole(&self, resource: &Resource) -> bool {
        !readiness::is_ready_when_there(&resource.group, &resource.kind)
            || self.works.asks_for_values(resource)
    }

    /// How it stands with the policies.
    #[must_use]
    pub fn told(&self, now: Duration) -> Told {
        self.policies.told(self.context(now))
    }

    fn settle(&mut self, now: Now) {
        let counts = self.counts();
        let known = self.mirror.entries.is_complete() && self.mirror.held.is_complete();
        let settled = known && counts.in_step == counts.entries && counts.unconfirmed == 0;
        self.mirror_news.settle(settled, now.mono);
        let settled = !self.told(now.mono).passing;
        self.policies_news.settle(settled, now.mono);
        let (.., passing) = self.works.told();
        self.works_news.settle(!passing && self.works.shown.is_complete(), now.mono);
    }

    fn context(&self, now: Duration) -> Context<'_> {
        let labels = self.own.seen.as_ref().filter(|_| self.own.is_known()).map(|seen| &seen.labels);
        Context {
            now,
            labels,
            departure: self.departure.as_ref(),
            era: self.era(self.memory.as_ref()),
            unsure: self.is_unsure() || self.is_silent(),
            unheard: self.first_word.is_awaited(DirectoryWatch::Policies),
        }
    }

    // === plans ===

    fn plan(&mut self, source: Source, step: Step, doing: Doing) -> Plan {
        self.last_plan += 1;
        let id = PlanId(self.last_plan);
        if let Doing::Mirror(work) = &doing {
            self.mirror.begin(work, id);
        }
        let account = match &doing {
            Doing::Works(task) => self.works.account(task),
            _ => None,
        };
        self.plans.insert(id, doing);
        Plan { id, source, account, steps: vec![step] }
    }
}

#[cfg(test)]
mod tests;
