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
//!   for one object of it;
//! - `fights`: who keeps changing what is written; `figures`: what is counted;
//! - `safe`: what is known of the values of Secrets beside the ledger; `values`: what is to be done about them;
//! - `clear`: what becomes of what is wanted no more; `heritage`: what another Work of the name takes over;
//! - `wakes`: when what was refused is tried again;
//! - `outcome`: what came of it; `status`: what people are told, `remains` of what is to go.

mod brief;
mod bundle;
mod catalog;
mod clear;
mod compile;
mod due;
mod fights;
mod figures;
mod heritage;
mod kinds;
mod objects;
mod outcome;
mod recording;
mod remains;
mod safe;
mod status;
mod turns;
mod unwatched;
mod values;
mod views;
mod wakes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use muster_api::{Object, Resource};

use self::bundle::{Bundle, Lost};
use self::catalog::Catalog;
use self::fights::Fights;
use self::figures::Figures;
use self::kinds::{Kinds, account};
use self::turns::Turns;
use self::views::Views;
use self::wakes::Wakes;
use crate::event::Change;
use crate::failure::Failure;
use crate::ledger::{Home, Kept};
use crate::listing::Listing;
use crate::live::{Known, Live};
use crate::mark::Maker;
use crate::pin::Pin;
use crate::readiness::Readiness;
use crate::removals::Removals;
use crate::target::Target;

pub use brief::{Brief, Wanted};
pub use due::Task;
pub use figures::{Counted, Standing};
pub use kinds::Places;

/// What decisions about Works need beside the Works.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The monotonic clock.
    pub now: Duration,
    /// Whether there is a session with the pinned directory.
    pub connected: bool,
    /// The time of day.
    pub wall: jiff::Timestamp,
}

/// All Works, their ledgers and their objects.
#[derive(Debug, Default)]
pub struct Works {
    /// The view of the Works in the directory.
    pub shown: Listing,
    /// The view of the ledgers in the replica.
    pub ledgers: Listing,
    /// The Works in question, by UID.
    pub removals: Removals,
    home: Option<Home>,
    catalog: Catalog,
    /// Why the Works of the directory cannot be read.
    failure: Option<(Failure, String)>,
    views: BTreeMap<Resource, Views>,
    bundles: BTreeMap<String, Bundle>,
    slots: BTreeMap<Target, Live>,
    /// What is there and not ready.
    readiness: BTreeMap<Target, Readiness>,
    /// The values that Works ask for.
    feedback: BTreeMap<Target, Box<str>>,
    /// The Works whose ledgers record an object, by UID.
    claims: BTreeMap<Target, BTreeSet<String>>,
    /// What is claimed, by kind.
    kinds: Kinds,
    /// The Works that have a ledger: UIDs by the name that ledger and Work have.
    names: BTreeMap<String, String>,
    /// The nonces by which marks are known.
    nonces: BTreeSet<String>,
    /// Objects about which a step is under way.
    under_way: BTreeSet<Target>,
    /// Works that want attention.
    turns: Turns,
    /// The Works of which something is not applied.
    incomplete: BTreeSet<String>,
    /// Steps under way.
    steps: usize,
    timers: BTreeSet<(Duration, String)>,
    wakes: Wakes,
    /// Objects that were put right several times of late.
    fights: Fights,
    figures: Figures,
}

impl Works {
    /// Where the ledgers belong. Another directory's Works are not these.
    pub fn at_home(&mut self, home: Home) {
        if self.home.as_ref() != Some(&home) {
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

    /// The directory shows a Work.
    pub fn show(&mut self, object: &Object) {
        let meta = &object.meta;
        self.shown.show(&meta.uid);
        let work = Maker { name: meta.name.clone(), uid: meta.uid.clone() };
        let bundle = self.bundles.entry(meta.uid.clone()).or_insert_with(|| Bundle::new(work));
        if bundle.show(object) {
            bundle.upstream.pace.hurry();
            bundle.keeper.renew();
            if bundle.is_unread() {
                self.incomplete.insert(meta.uid.clone());
            }
            self.turns.push(&meta.uid);
        }
    }

    /// The Works of the directory cannot be read now.
    pub fn unread(&mut self, failure: Failure, message: String) {
        self.failure = Some((failure, message));
    }

    /// A watch saw the Work of this UID go.
    pub fn gone(&mut self, uid: &str) {
        self.lose(uid, Lost::Tombstone);
    }

    fn lose(&mut self, uid: &str, lost: Lost) {
        if let Some(bundle) = self.bundles.get_mut(uid) {
            if bundle.lost != Some(Lost::Tombstone) {
                bundle.lost = Some(lost);
            }
            self.turns.push(uid);
        }
    }

    /// The listing of the directory is complete: what it did not show is lost.
    pub fn shown_complete(&mut self) {
        self.failure = None;
        let shown = self.shown.completed();
        let lost: Vec<String> = self.bundles.keys().filter(|uid| !shown.contains(*uid)).cloned().collect();
        for uid in lost {
            self.lose(&uid, Lost::Unseen);
        }
        self.stir_all();
    }

    // === what the replica keeps and serves ===

    /// A change of the ledgers.
    pub fn ledgers_changed(&mut self, change: Change<Kept>) {
        match change {
            Change::Failed(..) | Change::Alive => {}
            Change::ListBegan => self.ledgers.began(),
            Change::Listed(kept) | Change::Applied(kept) => {
                if let Some(brief) = Brief::of(&kept.ledger) {
                    self.keep(Kept { ledger: Arc::new(brief), uid: kept.uid, version: kept.version });
                }
            }
            Change::Gone(kept) => self.unkeep(&kept.ledger.maker.uid, &kept.uid),
            Change::ListComplete => {
                let shown = self.ledgers.completed();
                let gone: Vec<(String, String)> = self
                    .bundles
                    .iter()
                    .filter(|(uid, _)| !shown.contains(*uid))
                    .filter_map(|(uid, bundle)| Some((uid.clone(), bundle.keeper.kept()?.uid.clone())))
                    .collect();
                for (uid, object) in gone {
                    self.unkeep(&uid, &object);
                }
                self.stir_all();
            }
        }
    }

    fn keep(&mut self, kept: Kept<Arc<Brief>>) {
        if self.is_handed_over(&kept) {
            return;
        }
        let brief = Arc::clone(&kept.ledger);
        let uid = brief.work.uid.clone();
        self.ledgers.show(&uid);
        let bundle = self.bundles.entry(uid.clone()).or_insert_with(|| Bundle::new(brief.work.clone()));
        if self.shown.is_complete() && bundle.seen.is_none() && bundle.lost.is_none() {
            bundle.lost = Some(Lost::Unseen); // the directory was listed before
        }
        let before = bundle.believed().cloned();
        let object = kept.uid.clone();
        bundle.keeper.keep(kept);
        let now = bundle.believed().cloned();
        let holder = self.names.insert(brief.work.name.clone(), uid.clone());
        self.claim(&uid, before.as_ref(), now.as_ref());
        self.displaced(holder.filter(|holder| *holder != uid), &object);
        self.know(&brief);
        self.turns.push(&uid);
    }

    fn unkeep(&mut self, work: &str, object: &str) {
        let Some(bundle) = self.bundles.get_mut(work) else { return };
        let before = bundle.believed().cloned();
        if bundle.keeper.unkeep(object) {
            self.unnamed(work, before.as_ref());
        }
        self.turns.push(work);
    }

    /// A Work has no ledger any more. Another one of its name may have waited for that.
    fn unnamed(&mut self, uid: &str, before: Option<&Arc<Brief>>) {
        let now = self.bundles.get(uid).and_then(Bundle::believed).cloned();
        self.claim(uid, before, now.as_ref());
        let Some(name) = before.map(|brief| brief.work.name.clone()) else { return };
        if now.is_none() && self.names.get(&name).is_some_and(|named| named == uid) {
            self.names.remove(&name);
        }
        let namesakes = self.bundles.iter_mut().filter(|(_, bundle)| bundle.work.name == name);
        for (uid, bundle) in namesakes {
            bundle.keeper.renew();
            self.turns.push(uid);
        }
    }

    /// What a Work's ledger records, instead of what it recorded before.
    fn claim(&mut self, uid: &str, before: Option<&Arc<Brief>>, now: Option<&Arc<Brief>>) {
        if let Some(now) = now {
            self.renew(before.map(Arc::as_ref), now);
        }
        if let (Some(before), Some(now)) = (before, now)
            && before.targets().eq(now.targets())
            && (before.phase, before.wanted.len()) == (now.phase, now.wanted.len())
            && account(before) == account(now)
        {
            return;
        }
        if let Some(brief) = before {
            for target in brief.targets() {
                if let Some(claims) = self.claims.get_mut(target)
                    && claims.remove(uid)
                {
                    self.kinds.remove(target, account(brief));
                    if claims.is_empty() {
                        self.claims.remove(target);
                    }
                }
            }
        }
        if let Some(brief) = now {
            for target in brief.targets() {
                if self.claims.entry(target.clone()).or_default().insert(uid.to_owned()) {
                    self.kinds.add(target, account(brief));
                }
            }
        }
        for target in before.iter().flat_map(|brief| brief.targets()) {
            if !self.claims.contains_key(target) && !self.under_way.contains(target) {
                self.slots.remove(target);
                self.readiness.remove(target);
                self.feedback.remove(target);
                self.fights.remove(target);
            }
            self.stir_claimants(target);
        }
        if let Some(brief) = now {
            self.nonces.insert(brief.nonce.clone());
        }
    }

    /// What a ledger says of what is there. One of another directory, or of a replica that this one is a copy of, says
    /// nothing.
    fn know(&mut self, brief: &Brief) {
        let ours = |home: &Home| (&home.directory, &home.replica) == (&brief.directory, &brief.replica);
        if !self.home.as_ref().is_some_and(ours) {
            return;
        }
        for (target, applied) in brief.applied.iter().flatten() {
            let slot = self.slots.entry(target.clone()).or_default();
            slot.known.get_or_insert_with(|| Known {
                uid: applied.uid.clone(),
                fields: (!applied.fields.is_empty()).then(|| applied.fields.clone()),
                by: Some(brief.work.uid.as_str().into()),
            });
        }
    }

    /// A definition of a custom resource came, changed or went.
    pub fn definition_changed(&mut self, name: &str) {
        let Some((_, group)) = name.split_once('.') else { return };
        self.catalog.forget_group(group);
        for (target, slot) in self.slots.iter_mut().filter(|(target, _)| target.resource.group == group) {
            if slot.failure.as_ref().is_some_and(|(failure, _)| *failure == Failure::NotServed) {
                slot.pace.hurry();
                self.claims.get(target).into_iter().flatten().for_each(|uid| self.turns.push(uid));
            }
        }
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

    fn stir_claimants(&mut self, target: &Target) {
        self.claims.get(target).into_iter().flatten().for_each(|uid| self.turns.push(uid));
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

    /// The account as which a step about a Work's objects is carried out, where it is not the default one.
    #[must_use]
    pub fn account(&self, task: &Task) -> Option<Box<str>> {
        let (Task::Write { work, .. } | Task::Clear { work, .. } | Task::See { work, .. }) = task else {
            return None;
        };
        self.bundles.get(work)?.ledger()?.options.service_account.clone()
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
