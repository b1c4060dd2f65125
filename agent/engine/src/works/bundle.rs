//! One Work in this replica: what the directory says of it, what its ledger records, and what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use muster_api::Object;
use muster_api::work::WorkStatus;
use serde::Deserialize;

use super::brief::Brief;
use super::catalog::GroupVersion;
use super::looks::Look;
use super::objects::State;
use super::safe::Safe;
use super::seen::{Lost, Seen};
use super::upstream::Upstream;
use crate::applyset;
use crate::era::{Course, Era};
use crate::evidence::Ending;
use crate::item::Item;
use crate::keeper::Keeper;
use crate::ledger::Phase;
use crate::mark::Maker;
use crate::pace::Pace;
use crate::target::Target;
use crate::work::order::{self, ItemRef};
use crate::work::{Flaw, Named, Options, Work, WorkError};
use crate::work_status::Told;

/// The option of a Work that is followed whatever else it says, as people write it.
const SUSPEND: &str = "multicluster.coreos.com/suspend";

/// All that is known of one Work.
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own
#[derive(Debug)]
pub(super) struct Bundle {
    pub(super) work: Maker,
    /// Value of the label of its objects.
    pub(super) set: String,
    /// The Work as the directory last showed it; `None` until it showed it since this process, or its era, began.
    pub(super) seen: Option<Seen>,
    /// Whether it changed since then.
    course: Course,
    /// It shows an earlier state than is recorded, and whether that says that nothing is to be done for it.
    pub(super) earlier: bool,
    pub(super) stopped: bool,
    /// The directory does not show it any more.
    pub(super) lost: Option<Lost>,
    /// What the Work says, until it is known which of its kinds are served and it is recorded.
    pub(super) source: Option<Box<Work>>,
    /// The source was not looked through since it, or what is known of kinds, changed.
    pub(super) stale: bool,
    /// Versions of API groups in which a kind was not found.
    pub(super) unfound: BTreeSet<GroupVersion>,
    /// Why it cannot be followed: what the last valid version asked for stays.
    pub(super) error: Option<WorkError>,
    /// What one that cannot be followed names.
    pub(super) refused: Vec<Named>,
    /// What it asks for, and its bodies, until it is recorded.
    pub(super) demand: Option<Demand>,
    /// What of it cannot be applied.
    pub(super) flaws: Vec<Flawed>,
    /// How it stands with what is wanted and is not right, as of the last look.
    pub(super) states: BTreeMap<Target, State>,
    /// What the directory shows as its status.
    pub(super) told: Option<Told>,
    pub(super) keeper: Keeper<Arc<Brief>>,
    /// Bodies of what is still to be written. They are dropped when all is there, and read from the ledger where one is
    /// needed again.
    pub(super) bodies: BTreeMap<Target, Arc<Item>>,
    /// The values that they refer to, and what keeps them.
    pub(super) safe: Safe,
    /// What live reads found out.
    pub(super) looks: BTreeMap<Target, Look>,
    /// For each of them what of the Work must be there first.
    pub(super) first: BTreeMap<Target, Vec<Target>>,
    /// What is recorded is less than the Work asks for: only what may be there.
    pub(super) hollow: bool,
    /// How far what is recorded has come about, and since when it has been no further.
    pub(super) progress: Progress,
    pub(super) waits_since: Option<Duration>,
    /// Steps about its objects that are under way.
    pub(super) under_way: usize,
    /// Before then it has no other turn for the sake of single objects; zero where it is small.
    pub(super) rested: Duration,
    /// Whether the ledger is being read for bodies.
    pub(super) reading: bool,
    pub(super) reading_pace: Pace,
    pub(super) upstream: Upstream,
    /// Evidence that something goes, and since when it has been there.
    pub(super) ending: Option<(Ending, Duration)>,
    /// A live read showed that it is not there, and that is no evidence that it was deleted.
    pub(super) missing: bool,
    /// Why the last live reads proved nothing.
    pub(super) doubt: Option<String>,
    /// Its ledger went with the replica's own entry, and it stood.
    pub(super) left: bool,
    /// How many objects it had before its ledger was written last; `None` where another process wrote it.
    pub(super) had: Option<usize>,
}

/// How far what a ledger records has come about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Progress {
    /// All has been tried.
    Done,
    /// Something waits for what may take its time.
    Waits,
    /// Something is about to be done.
    #[default]
    Moves,
}

/// What a Work asks for, with the kinds that the replica serves.
#[derive(Debug)]
pub(super) struct Demand {
    pub(super) brief: Arc<Brief>,
    /// In the order of what is wanted.
    pub(super) items: Vec<Arc<Item>>,
}

/// A manifest that cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flawed {
    pub(super) ordinal: usize,
    pub(super) named: Named,
    pub(super) why: Why,
}

/// Why a manifest cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It is wrong in itself.
    Flaw(Flaw),
    /// The replica does not serve its kind.
    UnknownKind,
    /// It could not be found out whether the replica serves its kind.
    Undiscovered(String),
    /// Muster does not apply it.
    Unsupported(&'static str),
}

impl Bundle {
    pub(super) fn new(work: Maker) -> Self {
        Self {
            set: applyset::id(&work.name),
            work,
            seen: None,
            course: Course::default(),
            earlier: false,
            stopped: false,
            lost: None,
            source: None,
            stale: false,
            unfound: BTreeSet::new(),
            error: None,
            refused: Vec::new(),
            demand: None,
            flaws: Vec::new(),
            states: BTreeMap::new(),
            told: None,
            keeper: Keeper::default(),
            bodies: BTreeMap::new(),
            safe: Safe::default(),
            looks: BTreeMap::new(),
            first: BTreeMap::new(),
            hollow: false,
            progress: Progress::default(),
            waits_since: None,
            under_way: 0,
            rested: Duration::ZERO,
            reading: false,
            reading_pace: Pace::default(),
            upstream: Upstream::default(),
            ending: None,
            missing: false,
            doubt: None,
            left: false,
            had: None,
        }
    }

    /// What the directory showed before is void, and so is evidence that came of it.
    pub(super) fn forget_shown(&mut self) {
        (self.seen, self.course, self.earlier) = (None, Course::default(), false);
        (self.lost, self.missing, self.told) = (None, false, None);
        (self.ending, self.doubt, self.stopped) = (None, None, false);
        (self.source, self.demand, self.error, self.stale) = (None, None, None, false);
    }

    /// Whether it is of an earlier time than what is recorded. One that was to go is there again as it was.
    fn is_past(&self, seen: &Seen, era: Era) -> bool {
        let past = |brief: &Arc<Brief>| {
            let again = brief.phase == Phase::Deleting && seen.generation == brief.generation;
            !again && era.is_past(brief.recorded(), seen.generation, self.course.is_changed())
        };
        self.keeper.latest().is_some_and(past)
    }

    /// What the directory showed before the ledger was read is judged by that, too.
    pub(super) fn rejudge(&mut self, era: Era) {
        let Some(seen) = self.seen.take() else { return };
        if !self.judge(&seen, era) {
            self.seen = Some(seen);
            return;
        }
        (self.source, self.demand, self.error, self.stale) = (None, None, None, false);
    }

    /// Whether it is of an earlier time. Then no more is followed of it than that nothing is to be done for it.
    fn judge(&mut self, seen: &Seen, era: Era) -> bool {
        self.earlier = self.is_past(seen, era);
        self.stopped = self.earlier && seen.option(SUSPEND).is_some_and(|value| value == "true");
        self.earlier
    }

    /// The directory shows the Work. An older state than one seen before is not taken, nor an older generation than was
    /// recorded: then the directory was set back to an older state. Returns whether it says anything new.
    pub(super) fn show(&mut self, object: &Object, era: Era) -> bool {
        let seen = Seen::of(object);
        self.course.show(seen.generation);
        if self.judge(&seen, era) || self.seen.as_ref().is_some_and(|old| seen.version < old.version) {
            return false;
        }
        (self.lost, self.missing) = (None, false);
        self.told = told(object);
        let before = self.seen.as_ref();
        let news = before != Some(&seen);
        // Not for what the agent itself wrote about it: where that tells of a ledger that cannot be written, each failure
        // would be the reason for the next attempt.
        if !before.is_some_and(|before| before.asks_the_same(&seen)) {
            self.keeper.renew();
        }
        let says = |seen: &Seen| (seen.generation, seen.options.clone());
        let reads = before.map(says) != Some(says(&seen));
        self.seen = Some(seen);
        if reads {
            self.read(object);
        }
        news
    }

    /// Reads what the Work says.
    fn read(&mut self, object: &Object) {
        (self.ending, self.doubt, self.demand) = (None, None, None);
        self.left = false;
        self.unfound.clear();
        self.looks.clear();
        self.refused.clear();
        match Work::read(object) {
            Ok(work) => (self.source, self.error) = (Some(Box::new(work)), None),
            Err(error) => {
                (self.source, self.error) = (None, Some(error));
                self.refused = Work::names(object);
                self.flaws.clear();
            }
        }
        self.stale = self.source.is_some();
    }

    /// The Work was read anew, for what it says.
    pub(super) fn read_again(&mut self, object: &Object) {
        if self.wants_source() && object.meta.uid == self.work.uid {
            self.read(object);
        }
    }

    /// Whether something else is to be recorded than is, and it is not known any more what: then the Work is read anew.
    pub(super) fn wants_source(&self) -> bool {
        let known = self.source.is_some() || self.demand.is_some() || self.error.is_some();
        let shown = self.seen.is_some() && self.lost.is_none();
        let wanted = match self.keeper.kept() {
            None => self.keeper.recorded().is_some() || self.left,
            Some(kept) => {
                let back = kept.ledger.phase != Phase::Applying && !self.is_deleting();
                self.is_altered() || back || (self.hollow || self.has_lost_values()) && !self.is_deleting()
            }
        };
        shown && !known && wanted && !self.keeper.is_busy()
    }

    /// Whether it is missing, and as far as is known nothing was ever made for it.
    pub(super) fn never_began(&self) -> bool {
        let unsettled = |brief: &Arc<Brief>| brief.phase == Phase::Applying && brief.applied.is_none();
        self.missing && self.lost == Some(Lost::Unseen) && self.ledger().is_some_and(unsettled)
    }

    /// Whether somebody else changed the ledger. Nothing follows from what it says.
    pub(super) fn is_altered(&self) -> bool {
        self.keeper.altered().is_some()
    }

    /// What its ledger says, or said before somebody else changed or removed it.
    pub(super) fn believed(&self) -> Option<&Arc<Brief>> {
        if self.is_altered() { self.keeper.recorded() } else { self.keeper.latest() }
    }

    /// The bodies of what is recorded are at hand.
    pub(super) fn take_bodies(&mut self, items: Vec<Arc<Item>>) {
        self.bodies = items.into_iter().map(|item| (item.target.clone(), item)).collect();
        if let Some(brief) = self.asked().cloned() {
            self.looks.retain(|target, _| brief.wants(target).is_some());
        }
        self.first = needs(&self.bodies);
    }

    /// All that it wants was looked through. What became empty is given back: a map keeps a node, with room for eleven.
    pub(super) fn looked_through(&mut self, first: BTreeMap<Target, Vec<Target>>) {
        self.first = first;
        if self.states.is_empty() {
            self.states = BTreeMap::new();
        }
        if self.bodies.is_empty() {
            self.bodies = BTreeMap::new();
        }
    }

    /// The bodies of all that is wanted, in its order, where all are at hand.
    pub(super) fn bodies_of(&self, brief: &Brief) -> Option<Vec<Arc<Item>>> {
        let body = |wanted: &super::Wanted| {
            self.bodies.get(&wanted.target).filter(|item| item.digest() == wanted.digest).cloned()
        };
        brief.wanted.iter().map(body).collect()
    }

    /// Whether nothing is known of the Work that is worth keeping.
    pub(super) fn is_empty(&self) -> bool {
        self.keeper.is_empty()
            && self.safe.is_empty()
            && self.under_way == 0
            && (self.lost.is_some() || self.seen.is_none())
    }

    pub(super) fn ledger(&self) -> Option<&Arc<Brief>> {
        self.keeper.ledger()
    }

    /// Whether the Work is to be removed from the directory as soon as nothing of it is left.
    pub(super) fn is_deleting(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.deleting) && self.lost.is_none()
    }

    /// Whether an object is an older state of the Work than one that was seen.
    pub(super) fn is_older(&self, object: &Object) -> bool {
        let version = object.meta.resource_version.parse().unwrap_or(0);
        object.meta.uid == self.work.uid && self.seen.as_ref().is_some_and(|seen| version < seen.version)
    }

    /// Whether nothing may be written or deleted for it now.
    pub(super) fn is_suspended(&self) -> bool {
        self.stopped || self.has_option(|options| options.suspend || options.plan_only)
    }

    /// Whether something holds by the options of the Work, as far as they are known.
    pub(super) fn has_option(&self, is_set: impl Fn(&Options) -> bool) -> bool {
        let read = self.source.as_ref().map(|work| &work.options);
        let asked = self.demand.as_ref().map(|demand| &demand.brief);
        let recorded = || asked.or_else(|| self.ledger()).map(|brief| &brief.options);
        read.or_else(recorded).is_some_and(|options| is_set(options))
    }

    /// Whether what the Work says was not looked through yet.
    pub(super) fn is_unread(&self) -> bool {
        self.source.is_some() && self.stale
    }

    /// Whether what is recorded may not be what is asked for by now.
    pub(super) fn is_unheard(&self) -> bool {
        let unseen = self.seen.is_none() && self.lost.is_none() && !self.earlier;
        unseen || self.is_unread() || self.demand.is_some() || self.is_deleting()
    }

    /// Whether the options of the Work are not known yet, or cannot be followed.
    pub(super) fn is_unclear(&self) -> bool {
        self.is_unread() || matches!(self.error, Some(WorkError::Option { .. }))
    }
}

/// The status that the directory shows. One that cannot be read is written anew.
fn told(object: &Object) -> Option<Told> {
    #[derive(Deserialize)]
    struct Frame {
        status: Option<WorkStatus>,
    }
    let frame: Frame = serde_json::from_str(object.raw.get()).ok()?;
    frame.status.as_ref().map(Told::read)
}

/// For each object that is still to be written, those of the same Work that must be there first.
fn needs(bodies: &BTreeMap<Target, Arc<Item>>) -> BTreeMap<Target, Vec<Target>> {
    let targets: Vec<&Target> = bodies.keys().collect();
    let refs: Vec<ItemRef<'_>> = bodies.values().map(|item| item.as_ref().into()).collect();
    let named = |places: &Arc<[usize]>| -> Vec<Target> {
        places.iter().filter_map(|place| targets.get(*place).map(|target| (*target).clone())).collect()
    };
    let needs = order::needs(&refs);
    let pairs = targets.iter().zip(&needs).filter(|(_, places)| !places.is_empty());
    pairs.map(|(target, places)| ((*target).clone(), named(places))).collect()
}
