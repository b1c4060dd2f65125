//! The decisions of the controller: what the directory keeps for each cluster, whether the cluster is alive, and how it
//! leaves. Nothing here has a clock, a client or a task: events and the time come in, plans and notices go out. There is
//! no memory that a crash could lose: each plan follows from what is there, and from how long it has been watched.
//!
//! ```text
//!  Event ──▶ on ──▶ entries, parts, heartbeats, reports ──▶ decide ──▶ Plan ──▶ (carried out) ──▶ Event::Done
//! ```

mod approval;
mod beat;
mod claims;
pub(crate) mod definition;
mod enrol;
mod entry;
mod facts;
mod fight;
mod leave;
mod member;
mod obstacle;
pub mod pace;
pub mod part;
pub mod plan;
mod see;
mod silence;
mod status;
mod told;
mod turns;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_api::Object;
use muster_api::clock::Now;
use muster_api::conditions::cluster::ConditionType;

use self::beat::Beat;
use self::definition::{Definition, Word};
use self::facts::Facts;
use self::member::Member;
use self::pace::Pace;
use self::part::{Part, Seen};
use self::plan::{Notice, Outcome, Plan, Step};
use self::silence::Silence;
use self::turns::Turns;

/// How often [`Fleet::decide`] is to be asked at least, also where nothing happens.
pub const TICK: Duration = Duration::from_millis(500);
/// Who was not asked for so long could have seen no heartbeat.
const GAP: Duration = Duration::from_secs(5);
/// For so long a watch of heartbeats that fails is put down to a directory that no agent reaches either.
const OUTAGE: Duration = Duration::from_secs(120);

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Cluster entries.
    Entries,
    /// One part of all clusters.
    Of(Part),
}

impl Source {
    /// All that is watched.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::Entries).chain(Part::ALL.into_iter().map(Self::Of))
    }
}

/// What a watch says.
#[derive(Clone, Debug)]
pub enum Change {
    /// A listing begins.
    ListBegan,
    /// An object of the listing.
    Listed(Object),
    /// The listing is complete: what it did not show is not there.
    ListComplete,
    /// Nothing happened, or the watch was taken up again.
    Alive,
    /// An object was made or changed.
    Applied(Object),
    /// An object is gone.
    Gone(Object),
    /// The watch failed; it is begun anew.
    Failed,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A watch said something.
    Watch(Source, Change),
    /// A plan came to its end.
    Done {
        /// Name of the cluster.
        cluster: String,
        /// [`Plan::id`].
        plan: u64,
        /// What came of it.
        outcome: Outcome,
    },
}

/// What is known of a listing.
#[derive(Debug, Default)]
struct Listing {
    complete: bool,
    /// What the one under way showed.
    shown: BTreeSet<String>,
}

/// All clusters.
#[derive(Debug)]
pub struct Fleet {
    pace: Pace,
    /// How long a heartbeat counts, in a fleet of this size.
    lease: Duration,
    members: BTreeMap<String, Member>,
    parts: BTreeMap<(Part, String), Seen>,
    beats: BTreeMap<String, Beat>,
    facts: BTreeMap<String, Facts>,
    /// Names of the entries that stand for a cluster, by its identity.
    bound: BTreeMap<String, BTreeSet<String>>,
    /// Names of the entries that lead to an execution namespace.
    by_namespace: BTreeMap<String, BTreeSet<String>>,
    listings: BTreeMap<Source, Listing>,
    /// Clusters of which something changed.
    dirty: BTreeSet<String>,
    /// Clusters whose Leases are to be looked at.
    looks: BTreeSet<String>,
    /// Clusters whose agents renewed the credential that they were given to join with: that one is to go.
    joined: BTreeSet<String>,
    silence: Silence,
    turns: Turns,
    definition: Definition,
    /// Since when heartbeats may be missed.
    gap: Option<Duration>,
    /// When the directory last gave no answer.
    unanswered: Option<Duration>,
    ticked: Duration,
    plans: u64,
    notices: Vec<Notice>,
    /// What is told when a plan is done.
    pending: BTreeMap<u64, Vec<Notice>>,
}

impl Fleet {
    /// A fleet of which nothing is known.
    #[must_use]
    pub fn new(pace: Pace, now: Duration) -> Self {
        Self {
            pace,
            lease: pace.lease,
            members: BTreeMap::new(),
            parts: BTreeMap::new(),
            beats: BTreeMap::new(),
            facts: BTreeMap::new(),
            bound: BTreeMap::new(),
            by_namespace: BTreeMap::new(),
            listings: Source::all().map(|source| (source, Listing::default())).collect(),
            dirty: BTreeSet::new(),
            looks: BTreeSet::new(),
            joined: BTreeSet::new(),
            silence: Silence::default(),
            turns: Turns::default(),
            definition: Definition::default(),
            gap: None,
            unanswered: None,
            ticked: now,
            plans: 0,
            notices: Vec::new(),
            pending: BTreeMap::new(),
        }
    }

    /// Whether all was listed once: before that nothing is decided.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.listings.values().all(|listing| listing.complete)
    }

    /// Whether the directory itself is suspected, since so many clusters are silent.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.silence.is_blind()
    }

    /// How many entries have each condition, by status and reason, those that nobody has included. Reasons that are not known
    /// are not told apart.
    #[must_use]
    pub fn tally(&self) -> BTreeMap<[&'static str; 3], u64> {
        let mut tally = BTreeMap::new();
        for kind in ConditionType::ALL {
            let reasons = kind.reasons();
            let known = reasons.iter().map(|known| [known.explanation.status.as_str(), known.reason]);
            let others = ["True", "False", "Unknown"].map(|status| [status, "other"]);
            tally.extend(known.chain(others).map(|[status, reason]| ([kind.as_str(), status, reason], 0)));
            for member in self.members.values() {
                let Some(condition) = status::find(&member.entry.status, *kind) else { continue };
                let known = reasons.iter().find(|known| known.reason == condition.reason);
                let [status, reason] = known.map_or([condition.status.as_str(), "other"], |known| {
                    [known.explanation.status.as_str(), known.reason]
                });
                *tally.entry([kind.as_str(), status, reason]).or_default() += 1;
            }
        }
        tally
    }

    /// Takes what people are to be told.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// What is to be done now.
    pub fn decide(&mut self, now: Now) -> Vec<Plan> {
        if !self.is_known() {
            self.ticked = now.mono;
            return Vec::new();
        }
        self.tick(now.mono);
        let lease = self.pace.judge(self.members.len(), self.lease);
        if lease != self.lease {
            self.lease = lease;
            for (name, member) in &mut self.members {
                member.fights.remove(&Part::Lease); // it is written anew, and nobody's fault
                self.dirty.insert(name.clone());
            }
        }
        let mut plans = Vec::new();
        plans.extend(self.look_at_definition(now.mono));
        let rest = self.rest();
        for name in std::mem::take(&mut self.dirty) {
            let Some(step) = self.next(&name, now) else { continue };
            let Some(member) = self.members.get_mut(&name) else { continue };
            if !Self::takes_turns(member, &step) {
                plans.extend(self.plan(name, step));
            } else if member.may_tell(now.mono, rest) {
                self.turns.wait(name);
            }
        }
        while let Some(name) = self.turns.turn(now.mono) {
            let Some(step) = self.next(&name, now) else { continue };
            if let Some(member) =
                self.members.get_mut(&name).filter(|member| Self::takes_turns(member, &step))
            {
                member.told = Some(now.mono);
            }
            plans.extend(self.plan(name, step));
        }
        plans
    }

    fn plan(&mut self, name: String, step: Step) -> Option<Plan> {
        self.looks.remove(&name);
        self.plans += 1;
        let id = self.plans;
        self.pending.insert(id, self.to_tell(&name, &step));
        if let Step::Status { status, .. } = &step {
            self.bind(&name, status.id.clone());
        }
        let member = self.members.get_mut(&name)?;
        member.doing = Some((id, step.clone()));
        let leaves = member.entry.deleting && step.removes();
        let under = leaves.then(|| self.definition.uid().unwrap_or_default().to_owned());
        Some(Plan { cluster: name, id, step, under })
    }

    fn next(&self, name: &str, now: Now) -> Option<Step> {
        let member = self.members.get(name).filter(|member| member.doing.is_none())?;
        if member.entry.deleting { self.leave(name, member, now) } else { self.enrol(name, member, now) }
    }

    /// What is due by time alone.
    fn tick(&mut self, now: Duration) {
        if now.saturating_sub(self.ticked) > GAP {
            self.grant(now); // the process was stopped, or its machine slept
        }
        if now.saturating_sub(self.ticked) < TICK {
            return;
        }
        self.ticked = now;
        let mut due = Vec::new();
        for (name, member) in &mut self.members {
            if member.is_due(now) || member.entry.deleting || member.calm(now) {
                due.push(name.clone());
            }
        }
        self.dirty.extend(due);
        self.definition.leaving(self.members.values().filter_map(|member| member.leaving).max());
        self.judge(now);
    }

    /// Whether a heartbeat of this duration may have stood still since the directory was away.
    fn was_away(&self, duration: Duration, now: Duration) -> bool {
        self.gap.is_some_and(|since| now.saturating_sub(since) < OUTAGE)
            || self.unanswered.is_some_and(|at| now.saturating_sub(at) < duration)
    }

    /// All have their time anew.
    fn grant(&mut self, now: Duration) {
        for beat in self.beats.values_mut() {
            beat.grant(now);
        }
    }

    /// Looks for those that fell silent.
    fn judge(&mut self, now: Duration) {
        let (mut alive, mut still, mut longest, mut over) = (0, 0, Duration::ZERO, Vec::new());
        for (name, member) in &self.members {
            let Some(beat) = self.beats.get(name).filter(|beat| beat.is_held() && !beat.lost) else {
                continue;
            };
            let told = status::silence(&member.entry.status).is_some();
            if member.entry.deleting || told && !beat.moves {
                continue;
            }
            alive += 1;
            longest = longest.max(beat.duration());
            still += usize::from(beat.still(now) * 2 >= beat.duration());
            let looked_at = matches!(member.doing, Some((_, Step::Look))) || self.looks.contains(name);
            if beat.is_over(now) && !looked_at {
                over.push((Reverse(beat.still(now)), name.clone()));
            }
        }
        match self.silence.judge(alive, still, over.len(), longest, now) {
            silence::Verdict::Turn(turns) => {
                // Those first that have been silent longest: whoever is alone in coming again and again waits for the others.
                over.sort();
                for (_, name) in over.into_iter().take(turns) {
                    self.dirty.insert(name.clone());
                    self.looks.insert(name);
                }
            }
            silence::Verdict::Blinded => self.tell_blind(still, alive),
        }
    }

    fn seen(&self, part: Part, name: &str) -> Option<&Seen> {
        self.parts.get(&(part, part.slot(name)))
    }
}
