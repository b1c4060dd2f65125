//! What Works ask for in this replica, from the directory's word to the object and back.
//!
//! ```text
//!  Work ─▶ Bundle: demand ─▶ ledger recorded, finalizer set ─▶ objects, in order, as far as they can be ─▶ ledger settled
//!  discovery ─▶     │                                              ▲                                          │
//!                   │                          what the replica shows, and what came of writes                ▼
//!            less, or nothing, is asked for: live reads ─▶ Ending ─▶ clear: delete, leave ─▶ finalizer, ledger gone
//! ```
//!
//! What is enforced is what the ledgers record, and nothing else: so the same is enforced while the directory is away,
//! and after a restart. The bodies of manifests are in the ledgers, and in memory only while they are to be written.
//!
//! - `bundle`: one Work; `compile`: what it asks for; `brief`: what its ledger records;
//! - `catalog`: which kinds the replica serves; `kinds`: which are to be watched where; `views`: what it shows, and
//!   `unwatched`: what no watch shows;
//! - `turns`: whose turn it is; `due`: what is to be done for one Work; `recording`: what for its ledger; `objects`: what
//!   for one object of it, `wanted` and `written`: how it is written, and what came of that;
//! - `looks`: what live reads show of it; `feedback`: what Works ask to be told of it; `replacing`: how it is made anew;
//!   `planning`: what would be done, `planned` in words, and `namespaces`: what is there for it;
//! - `fights`: who keeps changing what is written; `figures`: what is counted;
//! - `kept`: what the ledgers say; `safe`: what is known of the values of Secrets beside one; `values`: what is to be done
//!   about them;
//! - `clear`: what becomes of what is wanted no more, `versions` where its version is not served any more; `beside`:
//!   whether another Work may want it; `heritage`: what another Work of the name takes over;
//! - `leaving`: what ends with the replica's own entry, `inside`: what lies in what goes then;
//! - `judging`: which deletions wait for somebody's word, `holding`: what they keep, `holds`: what is known of them;
//!   `sight`: when the directory was last heard;
//! - `wakes`: what was refused and is tried again when something changes, `rounds` when;
//! - `outcome`: what came of it; `status`: what people are told, `remains` of what is to go; `upstream`: how
//!   that is written, and who undoes it.

mod beside;
mod brief;
mod bundle;
mod catalog;
mod clear;
mod compile;
mod due;
mod feedback;
mod fights;
mod figures;
mod heritage;
mod holding;
mod holds;
mod inside;
mod judging;
mod kept;
mod kinds;
mod leaving;
mod looks;
mod namespaces;
mod objects;
mod outcome;
mod planned;
mod planning;
mod recording;
mod remains;
mod replacing;
mod reserved;
mod rounds;
mod safe;
mod seen;
mod sight;
mod status;
mod turns;
mod unwatched;
mod upstream;
mod values;
mod versions;
mod views;
mod wakes;
mod wanted;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use muster_api::{Object, Resource};

use self::bundle::Bundle;
use self::catalog::Catalog;
use self::feedback::Reported;
use self::fights::Fights;
use self::figures::Figures;
use self::holds::Holds;
use self::kinds::Kinds;
use self::leaving::Fate;
use self::namespaces::Namespaces;
use self::seen::Lost;
use self::turns::Turns;
use self::views::Views;
use self::wakes::Wakes;
use crate::era::Era;
use crate::evidence::{LeaveVerdict, Refused, Replacement};
use crate::failure::Failure;
use crate::ledger::Home;
use crate::listing::Listing;
use crate::live::Live;
use crate::mark::Maker;
use crate::pin::Pin;
use crate::readiness::Readiness;
use crate::removals::Removals;
use crate::target::Target;
use crate::time::Now;

pub use brief::{Brief, Wanted};
pub use due::Task;
pub use figures::{Counted, Standing};
pub use kinds::Places;
pub use leaving::Leave;

/// What decisions about Works need beside the Works.
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The monotonic clock.
    pub now: Duration,
    /// Whether there is a session with the pinned directory.
    pub connected: bool,
    /// The time of day.
    pub wall: jiff::Timestamp,
    /// Whether it is still to be seen if the directory was set back.
    pub unsure: bool,
    /// Whether another one speaks for this cluster: no Work begins, and nothing goes.
    pub silent: bool,
    /// Whether the directory is about to say what it asks for, for the first time since this process began.
    pub unheard: bool,
}

/// All Works, their ledgers and their objects.
#[derive(Debug, Default)]
pub struct Works {
    /// The view of the Works in the directory.
    pub shown: Listing,
    /// Whether they were listed since the session began.
    listed: bool,
    /// The view of the ledgers in the replica.
    pub ledgers: Listing,
    /// The Works in question, by UID.
    pub removals: Removals,
    home: Option<Home>,
    /// The agent's own namespace in the replica: where its Secrets lie.
    namespace: String,
    catalog: Catalog,
    /// Why the Works of the directory cannot be read.
    failure: Option<(Failure, String)>,
    views: BTreeMap<Resource, Views>,
    // Boxed: half of what nodes of a map have room for is empty.
    bundles: BTreeMap<String, Box<Bundle>>,
    slots: BTreeMap<Target, Box<Live>>,
    /// What is there and not ready.
    readiness: BTreeMap<Target, Readiness>,
    /// The values that Works ask for.
    feedback: BTreeMap<Target, Reported>,
    /// Objects as live reads show them, for the writes that follow.
    live: BTreeMap<Target, Object>,
    /// Changes that the replica refused, of what is to be made anew then.
    refused: BTreeMap<Target, Refused>,
    /// Of what is to go, that of which the kind is neither served nor defined, and since when that is known.
    unserved: BTreeMap<Target, Duration>,
    /// Of what is to go and is not served any more in its version, as what it is served.
    elsewhere: BTreeMap<Target, Resource>,
    /// While the replica leaves with its own entry and what Works made: how it stands with each, by UID, what live reads
    /// show of it, and what was let go since nobody allowed to delete it.
    fates: BTreeMap<String, Fate>,
    verdicts: BTreeMap<String, (LeaveVerdict, Duration)>,
    kept_back: BTreeSet<Target>,
    /// What is to go, to be made anew.
    replacements: BTreeMap<Target, Replacement>,
    /// The Works whose ledgers record an object: their UIDs, in order. Nearly always one, for which a set is large.
    claims: BTreeMap<Target, Vec<String>>,
    /// The namespaces that are there.
    namespaces: Namespaces,
    /// What is claimed, by kind.
    kinds: Kinds,
    /// How many objects no watch shows: one that several Works have counts as often.
    blind: usize,
    /// The Works that have a ledger: UIDs by the name that ledger and Work have.
    names: BTreeMap<String, String>,
    /// The nonces by which marks are known.
    nonces: BTreeSet<String>,
    /// Objects about which a step is under way.
    under_way: BTreeSet<Target>,
    /// Works that want attention.
    turns: Turns,
    /// Large ones of which single objects do, once they have rested.
    stirred: BTreeSet<String>,
    /// Works of which something stays since another one wants it, or may.
    waits_beside: BTreeSet<String>,
    /// Works that wait, while the replica leaves, for what lies in what they let go, or others do.
    waits_inside: BTreeSet<String>,
    /// The Works of which something is not applied.
    incomplete: BTreeSet<String>,
    /// Steps under way.
    steps: usize,
    timers: BTreeSet<(Duration, String)>,
    wakes: Wakes,
    /// Objects that were put right several times of late.
    fights: Fights,
    figures: Figures,
    holds: Holds,
}

impl Works {
    /// Works of which nothing is known. `namespace`: the agent's own one in the replica.
    #[must_use]
    pub fn new(namespace: String) -> Self {
        Self { namespace, ..Self::default() }
    }

    /// Where the ledgers belong. Another directory's Works are not these.
    pub fn at_home(&mut self, home: Home) {
        if self.home.as_ref() != Some(&home) {
            if let Some(before) = &self.home {
                self.holds.reset();
                if before.era != home.era {
                    self.forget_shown();
                }
            }
            self.nonces.insert(home.nonce.clone());
            self.home = Some(home);
            let kept: Vec<Arc<Brief>> =
                self.bundles.values().filter_map(|bundle| bundle.ledger().cloned()).collect();
            for brief in &kept {
                self.know(brief);
            }
            self.stir_all();
        }
    }

    // === the directory ===

    /// What the directory showed before is void.
    fn forget_shown(&mut self) {
        (self.shown, self.listed) = (Listing::default(), false);
        self.bundles.values_mut().for_each(|bundle| bundle.forget_shown());
    }

    /// The era of the directory.
    fn era(&self) -> Era {
        self.home.as_ref().map(|home| home.era).unwrap_or_default()
    }

    /// The directory shows a Work.
    pub fn show(&mut self, object: &Object) {
        let meta = &object.meta;
        self.shown.show(&meta.uid);
        let work = Maker { name: meta.name.clone(), uid: meta.uid.clone() };
        let era = self.era();
        let bundle = self.bundles.entry(meta.uid.clone()).or_insert_with(|| Box::new(Bundle::new(work)));
        let (before, news) = ((bundle.earlier, bundle.stopped), bundle.show(object, era));
        if (bundle.earlier, bundle.stopped) != before {
            self.turns.push(&meta.uid);
        }
        if news {
            bundle.upstream.hurry();
            if bundle.is_unread() {
                self.incomplete.insert(meta.uid.clone());
            }
            self.turns.push(&meta.uid);
            self.stir_beside();
        }
    }

    /// The Works of the directory cannot be read now.
    pub fn unread(&mut self, failure: Failure, message: String) {
        self.failure = Some((failure, message));
    }

    /// They are followed again, from where that ended.
    pub fn resumed(&mut self) {
        if self.listed && !self.shown.is_under_way() && self.failure.take().is_some() {
            self.stir_all();
        }
    }

    /// A watch saw the Work of this UID go.
    pub fn gone(&mut self, uid: &str) {
        self.verdicts.remove(uid); // it may have been read as missing before, and not as deleted
        self.lose(uid, Lost::Tombstone);
    }

    fn lose(&mut self, uid: &str, lost: Lost) {
        if let Some(bundle) = self.bundles.get_mut(uid) {
            if bundle.lost != Some(Lost::Tombstone) {
                bundle.lost = Some(lost);
            }
            self.turns.push(uid);
            self.stir_beside();
        }
    }

    /// The listing of the directory is complete: what it did not show is lost.
    pub fn shown_complete(&mut self, now: Now) {
        (self.failure, self.listed) = (None, true);
        let shown = self.shown.completed();
        let lost: Vec<String> = self.bundles.keys().filter(|uid| !shown.contains(*uid)).cloned().collect();
        for uid in lost {
            self.lose(&uid, Lost::Unseen);
        }
        self.holds.sight.listed(now, self.bundles.keys().cloned());
        self.stir_all();
        self.holds.named().iter().for_each(|uid| self.turns.push(uid));
    }

    // === what the replica keeps and serves ===

    /// A definition of a custom resource came, changed or went.
    pub fn definition_changed(&mut self, name: &str, now: Duration) {
        let Some((_, group)) = name.split_once('.') else { return };
        self.catalog.forget_group(group);
        self.wakes.definition_changed(group, now);
        self.stir_users(group);
    }

    /// What is served of a group is another: who waits for it, or has something of it, wants attention.
    fn stir_users(&mut self, group: &str) {
        let served = |brief: &Arc<Brief>| brief.targets().any(|target| target.resource.group == group);
        for (uid, bundle) in &mut self.bundles {
            bundle.stale |= bundle.source.is_some();
            if bundle.source.is_some() || bundle.ledger().is_some_and(served) {
                self.turns.push(uid);
            }
        }
    }

    // === what wants attention ===

    /// All Works want attention: what holds for each of them changed.
    pub fn stir_all(&mut self) {
        self.bundles.keys().for_each(|uid| self.turns.push(uid));
    }

    /// The directory will not say for now what they ask for: those that wait for that go by what is recorded.
    pub fn stir_unheard(&mut self) {
        let unheard = self.bundles.iter().filter(|(_, bundle)| bundle.is_unheard());
        unheard.for_each(|(uid, _)| self.turns.push(uid));
    }

    fn stir_claimants(&mut self, target: &Target) {
        for uid in self.claims.get(target).cloned().unwrap_or_default() {
            self.stir(&uid);
        }
        self.stir_inside();
    }

    /// What failed so is tried again at once: what it waited for may be there.
    pub fn hurry(&mut self, concerned: impl Fn(Failure) -> bool) {
        for (target, slot) in &mut self.slots {
            if slot.failure.as_ref().is_some_and(|(failure, _)| concerned(*failure)) {
                slot.pace.hurry();
                slot.clearing.hurry();
                self.claims.get(target).into_iter().flatten().for_each(|uid| self.turns.push(uid));
            }
        }
        for (uid, bundle) in &mut self.bundles {
            let upstream = bundle.upstream.failure.as_ref().is_some_and(|(failure, _)| concerned(*failure));
            if upstream {
                bundle.upstream.pace.hurry();
            }
            let values = bundle.safe.hurry(&concerned);
            if bundle.keeper.hurry(&concerned) || upstream || values {
                self.turns.push(uid);
            }
        }
    }

    /// The Works that the directory shows in an earlier generation than is recorded, and what is recorded.
    pub fn earlier(&self) -> impl Iterator<Item = (&Maker, i64)> {
        let earlier = self.bundles.values().filter(|bundle| bundle.earlier);
        earlier.filter_map(|bundle| Some((&bundle.work, bundle.ledger()?.generation)))
    }

    /// The Works in question that are to be read, by UID and name, where the directory is the pinned one.
    #[must_use]
    pub fn questions(&self, pin: &Pin, now: Duration) -> Vec<(String, String)> {
        let ours = self.home.as_ref().is_some_and(|home| home.directory == pin.directory);
        let ready = if ours { self.removals.ready(now) } else { Vec::new() };
        let named = |uid: String| {
            let name = self.bundles.get(&uid)?.work.name.clone();
            Some((uid, name))
        };
        ready.into_iter().filter_map(named).collect()
    }
}
