//! Works that end with the replica's own entry, where that said so when it was deleted: nothing is written for them any
//! more, and what they made goes the way of all that is wanted no more. What cannot be shown to be meant stays as it is.

use std::sync::Arc;
use std::time::Duration;

use super::brief::Brief;
use super::bundle::{Bundle, Why};
use super::clear::Rest;
use super::due::Steps;
use super::recording::with_options;
use super::seen::Lost;
use super::{Context, Works};
use crate::evidence::{Ending, Findings, LeaveVerdict};
use crate::keeper::Trying;
use crate::ledger::{Home, Phase};
use crate::pin::{Pin, Reading};
use crate::plan::Step;
use crate::target::Target;
use crate::work::Flaw;

/// Evidence is used while it is this fresh; after that it is asked for anew.
const FRESH: Duration = Duration::from_secs(60);
/// How many Works and objects a message names at most.
const NAMED: usize = 5;
/// How many objects are remembered for that.
const MOST: usize = 100;

/// The departure that is under way.
#[derive(Clone, Copy, Debug)]
pub struct Leave<'a> {
    /// The UID of the own entry.
    pub entry: &'a str,
    /// Whether what is recorded of it may go now.
    pub take: bool,
    /// Whether it may be recorded of more, or why not.
    pub record: Result<(), &'a String>,
}

/// How it stands with a Work that has a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is still to be found out. Whether live reads can tell.
    Open(String, bool),
    /// Its objects are going.
    Going,
    /// They stay.
    Stays(String),
}

impl Works {
    /// The steps that are due while the replica leaves. They are taken to be under way from here on.
    pub fn leave(&mut self, leave: &Leave<'_>, context: Context) -> Steps {
        let mut steps = Vec::new();
        self.ripen(context.now);
        self.wake_up(context.now); // what waits for a change has nothing more to wait for
        let Some(home) = self.home.clone().filter(|_| self.ledgers.is_complete()) else { return steps };
        while !self.is_full()
            && let Some(uid) = self.turns.pop()
        {
            let fate = self.leaving_due(&uid, &home, leave, context, &mut steps);
            let asks = leave.record.is_ok() && matches!(fate, Some(Fate::Open(_, true)));
            self.removals.set(&uid, asks, context.now);
            let before = match fate.clone() {
                Some(fate) => self.fates.insert(uid.clone(), fate),
                None => self.fates.remove(&uid),
            };
            if before != fate {
                self.stir_inside(); // whether what it has stays may be known now
            }
            self.note(&uid);
            self.note_standing(&uid);
        }
        steps
    }

    /// The departure is another one, or none: what was found out for it holds no more.
    pub fn end_leaving(&mut self) {
        self.doubt_leaving();
        self.fates.clear();
        self.kept_back.clear();
    }

    /// What live reads showed was in another session.
    pub fn doubt_leaving(&mut self) {
        self.verdicts.clear();
    }

    /// A session begins: what the Works say by now is still to be heard.
    pub fn session_began(&mut self) {
        self.doubt_leaving();
        self.listed = false;
    }

    /// Whether what the Works of the directory say by now is known: they were listed in this session, and are followed.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.listed && !self.shown.is_under_way() && self.failure.is_none()
    }

    /// Whether something of this directory's Works is still to go, or to be found out.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.home.is_none()
            || !self.ledgers.is_complete()
            || self.bundles.iter().any(|(uid, bundle)| {
                self.concerns(bundle) && !matches!(self.fates.get(uid), Some(Fate::Stays(_)))
            })
    }

    pub(super) fn concerns(&self, bundle: &Bundle) -> bool {
        let ours = bundle.believed().is_some_and(|brief| self.is_ours(brief));
        ours || bundle.keeper.is_busy() || bundle.under_way > 0
    }

    /// Whether a ledger is of this directory's Works in this replica.
    pub(super) fn is_ours(&self, brief: &Brief) -> bool {
        let home = self.home.as_ref();
        home.is_some_and(|home| (&brief.directory, &brief.replica) == (&home.directory, &home.replica))
    }

    /// What of the Works goes, or, once that is gone, what stays: for the report.
    #[must_use]
    pub fn told_leaving(&self) -> String {
        let names = |wanted: &dyn Fn(Option<&Fate>) -> Option<String>| {
            let of = |(uid, bundle): (&String, &Bundle)| {
                let why = wanted(self.fates.get(uid)).filter(|_| self.concerns(bundle))?;
                Some(format!("Work {}{why}", bundle.work.name))
            };
            few(self.bundles.iter().map(|(uid, bundle)| (uid, bundle.as_ref())).filter_map(of))
        };
        if self.is_leaving() {
            return names(&|fate| match fate {
                Some(Fate::Open(why, _)) => Some(format!(" ({why})")),
                Some(Fate::Going) | None => Some(String::new()),
                Some(Fate::Stays(_)) => None,
            })
            .unwrap_or_else(|| "its Works".into());
        }
        let works = names(&|fate| match fate {
            Some(Fate::Stays(why)) => Some(format!(" ({why})")),
            _ => None,
        });
        let objects = few(self.kept_back.iter().map(ToString::to_string));
        let objects = objects.map(|some| format!("{some}, of a protected kind, or of an earlier Work"));
        let all: Vec<String> = works.into_iter().chain(objects).collect();
        all.join("; ")
    }

    /// An object that nobody allowed to delete is let go, and told of.
    pub(super) fn note_kept(&mut self, brief: &Brief, target: &Target, step: &Step) {
        let asked = |options: &Arc<crate::work::Options>| {
            options.deletion == crate::work::Deletion::Delete && options.apply != crate::work::Apply::Observe
        };
        let kept = matches!(step, Step::Unmark { .. }) && brief.left.get(target).is_some_and(asked);
        if kept && self.kept_back.len() < MOST {
            self.kept_back.insert(target.clone());
        }
    }

    /// Live reads show how it stands with these Works. `heard`: this process saw the own entry go, and say that they go.
    pub fn found_leaving(
        &mut self,
        findings: &Findings,
        (pin, heard): (&Pin, bool),
        questions: &[(String, String)],
        now: Duration,
    ) {
        for (_, reading) in &findings.works {
            if let Reading::Found(object) = reading
                && !self.has_tombstone(&object.meta.uid)
            {
                self.show(object); // live, from the pinned directory: as good as an event
            }
        }
        for (uid, name) in questions {
            let tombstone = self.has_tombstone(uid);
            self.turns.push(uid);
            let Some(bundle) = self.bundles.get(uid) else { continue };
            let Some(brief) = bundle.ledger().filter(|_| !bundle.is_altered()).cloned() else { continue };
            let read = findings.works.iter().find(|(read, _)| read == name);
            if let Some((_, Reading::Found(object))) = read
                && bundle.is_older(object)
            {
                continue; // it was read before what the watch has shown since
            }
            let verdict = findings.judge_leaving(pin, &brief, tombstone, heard);
            self.verdicts.insert(uid.clone(), (verdict, now));
        }
    }

    fn leaving_due(
        &mut self,
        uid: &str,
        home: &Home,
        leave: &Leave<'_>,
        context: Context,
        steps: &mut Steps,
    ) -> Option<Fate> {
        let bundle = self.bundles.get_mut(uid)?;
        if bundle.is_empty() {
            self.bundles.remove(uid);
            return None;
        }
        bundle.compile(&self.catalog, home, &self.namespace, context.now);
        for version in bundle.unfound.clone() {
            self.discover(version, uid, context, steps);
        }
        self.key_due(uid, context, steps);
        let bundle = self.bundles.get(uid).filter(|bundle| self.concerns(bundle))?;
        // What was begun before is awaited.
        if bundle.keeper.is_busy() {
            return Some(Fate::Going);
        }
        let Some(brief) = bundle.ledger().filter(|_| !bundle.is_altered()).cloned() else {
            return Some(Fate::Stays("somebody changed or removed its record".into()));
        };
        let latest = with_options(&brief, bundle.demand.as_ref());
        match bundle.keeps() {
            // Nobody is told that it stays while a restart may know better.
            Some(Fate::Stays(why)) if brief.phase == Phase::Leaving => {
                self.verdicts.remove(uid); // once it does not any more, it is read anew
                self.record_leaving(uid, latest.staying(), context, steps);
                return Some(Fate::Open(why, false));
            }
            Some(fate) => return Some(fate),
            None => {}
        }
        let Some(ending) = Ending::recorded_leaving(&brief, leave.entry) else {
            let (verdict, since) = self.verdicts.get(uid).map(|(verdict, since)| (verdict, *since)).unzip();
            return Some(match verdict {
                Some(LeaveVerdict::Stays(why)) => Fate::Stays(why.clone()),
                Some(LeaveVerdict::Unproven(why)) => Fate::Open(why.clone(), true),
                Some(LeaveVerdict::Ends(_))
                    if leave.record.is_ok() && since.is_some_and(|since| since + FRESH >= context.now) =>
                {
                    // Nothing is written after the end is recorded; and who else wants what it made is known then.
                    if bundle.under_way == 0 && self.shown.is_complete() {
                        self.record_leaving(uid, latest.leaving(leave.entry), context, steps);
                    }
                    Fate::Going
                }
                _ => match leave.record {
                    Ok(()) => Fate::Open("it is still to be read".into(), true),
                    Err(why) => Fate::Open(why.clone(), true),
                },
            });
        };
        if !latest.asks_the_same(&brief) {
            self.record_leaving(uid, latest, context, steps);
            return Some(Fate::Going);
        }
        if !leave.take {
            return Some(Fate::Open("the directory has still to confirm that it goes".into(), false));
        }
        Some(match self.leave_due(uid, &brief, (&ending, leave.entry), context, steps) {
            Rest::Others(others) => Fate::Stays(format!("{others} objects are wanted by other Works")),
            Rest::Going => Fate::Going,
            Rest::Gone if let Some((settled, other)) = self.endangered(&brief) => {
                let why = format!("what it leaves lies in what Work {other} may take away");
                self.waits_inside.insert(uid.to_owned());
                if settled { Fate::Stays(why) } else { Fate::Open(why, false) }
            }
            Rest::Gone => {
                self.forget_left(uid, &brief, context, steps);
                Fate::Going
            }
        })
    }

    fn record_leaving(&mut self, uid: &str, brief: Brief, context: Context, steps: &mut Steps) {
        let Some(kept) = self.bundles.get(uid).and_then(|bundle| bundle.keeper.kept()) else { return };
        let before = Some((kept.uid.clone(), kept.version.clone()));
        let brief = Arc::new(brief);
        let step = Step::Record { ledger: Box::new(brief.ledger(Vec::new())), before };
        self.ledger_step(uid, step, Some(Trying::Record(Box::new(brief))), context, steps);
    }

    /// Nothing of it is left: what lies beside the ledger goes, and then the ledger.
    fn forget_left(&mut self, uid: &str, brief: &Brief, context: Context, steps: &mut Steps) {
        let Some(bundle) = self.bundles.get(uid) else { return };
        let busy = bundle.safe.is_busy() || !self.is_cleared(bundle, brief);
        if busy || self.discard_due(uid, context, steps) {
            return;
        }
        let Some(bundle) = self.bundles.get_mut(uid) else { return };
        bundle.left = true;
        let Some(kept) = bundle.keeper.kept() else { return };
        let (ledger, object, version) = (bundle.work.name.clone(), kept.uid.clone(), kept.version.clone());
        let step = Step::Forget { ledger, uid: object, version };
        self.ledger_step(uid, step, Some(Trying::Forget), context, steps);
    }
}

impl Bundle {
    /// Why nothing of it goes with the replica's own entry, as far as the Work itself says so.
    fn keeps(&self) -> Option<Fate> {
        let stays = |why: String| Some(Fate::Stays(why));
        if self.is_suspended() {
            return stays("it is suspended, or only planned".into());
        }
        if self.lost == Some(Lost::Unseen) {
            return stays("it is missing, and was not seen to be deleted".into());
        }
        // Of one that was seen to be deleted, only what it says of its deletion counts.
        let stands = self.lost.is_none();
        if let Some(error) = self.error.as_ref().filter(|_| stands || self.is_unclear()) {
            return stays(error.to_string());
        }
        if self.is_unread() {
            return Some(Fate::Open("its kinds are still to be found out".into(), false));
        }
        self.flaws.iter().find_map(|flawed| match &flawed.why {
            Why::Flaw(flaw) if stands || matches!(flaw, Flaw::Option(_)) => {
                stays(format!("manifest {}: {flaw}", flawed.ordinal))
            }
            Why::Undiscovered(why) if stands => Some(Fate::Open(why.clone(), false)),
            Why::Flaw(_) | Why::Undiscovered(_) | Why::UnknownKind | Why::Unsupported(_) => None,
        })
    }
}

/// The first few, and how many more there are; `None` where there are none.
fn few(mut things: impl Iterator<Item = String>) -> Option<String> {
    let named: Vec<String> = things.by_ref().take(NAMED).collect();
    let more = things.count();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    (!named.is_empty()).then(|| format!("{}{more}", named.join(", ")))
}
