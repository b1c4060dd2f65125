//! What policies ask for in this replica, from the directory's word to the object and back.
//!
//! ```text
//!  policies  ─▶ Bundle: demand ─▶ ledger recorded ─▶ union of all ledgers ─▶ Slot: create, put right
//!  own entry ─▶                        │                                        │
//!                       nothing more asked for: live reads ─▶ Revocation ─▶ clear: delete, release, keep
//!                                      └─────────── ledger settled, or forgotten ◀──┘
//! ```
//!
//! What is enforced is what the ledgers record, and nothing else: so the same is enforced while the directory is away,
//! and after a restart. A ledger is recorded before its objects are made, and settled after.
//!
//! - [`bundle`]: one policy; [`slot`]: one object;
//! - [`due`]: what is to be done now; [`clear`]: what becomes of what is wanted no more;
//! - [`outcome`]: what came of it.

mod bundle;
mod clear;
mod due;
mod outcome;
mod slot;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_api::names::POLICIES_MANAGER;
use muster_api::{Object, marks};

use self::bundle::{Bundle, Source, Trying};
use self::slot::{Known, Slot};
use crate::event::Change;
use crate::evidence::Departure;
use crate::failure::Failure;
use crate::kind::Kind;
use crate::ledger::Kept;
use crate::listing::Listing;
use crate::mark::{Maker, Mark};
use crate::observed::Observed;
use crate::pin::Pin;
use crate::policy::{Conflict, Policy, Wanted, union};
use crate::removals::Removals;
use crate::target::Target;

pub use due::Work;
pub use told::Told;

/// Where ledgers belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// `kube-system` UID of the directory.
    pub directory: String,
    /// `kube-system` UID of the replica.
    pub replica: String,
    /// The nonce of new ledgers.
    pub nonce: String,
}

/// What decisions about policies need beside the policies.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The monotonic clock.
    pub now: Duration,
    /// The labels of the own entry, where the directory shows it.
    pub labels: Option<&'a BTreeMap<String, String>>,
    /// That the replica left the directory.
    pub departure: Option<&'a Departure>,
}

/// All policies, their ledgers and their objects.
#[derive(Debug, Default)]
pub struct Policies {
    /// The view of the policies in the directory.
    pub shown: Listing,
    /// The view of the ledgers in the replica.
    pub ledgers: Listing,
    /// The policies in question, by UID.
    pub removals: Removals,
    home: Option<Home>,
    views: BTreeMap<Kind, View>,
    bundles: BTreeMap<String, Bundle>,
    slots: BTreeMap<Target, Slot>,
    /// What the ledgers record as wanted, together.
    wanted: BTreeMap<Target, Wanted>,
    clashes: Vec<Conflict>,
    /// The policies whose ledgers record an object, by UID.
    users: BTreeMap<Target, BTreeSet<String>>,
    union_is_stale: bool,
    touched: BTreeSet<Target>,
    stirred: BTreeSet<String>,
    /// Those of which something may not go yet, since others are about to record that they want it.
    waiting: BTreeSet<String>,
    timers: BTreeSet<(Duration, Timer)>,
    /// Namespaces that were released since this process began, and that no policy asked for since.
    retained: BTreeSet<String>,
}

/// The view of one kind of objects in the replica.
#[derive(Debug, Default)]
struct View {
    listing: Listing,
    shown: BTreeSet<Target>,
    failure: Option<(Failure, String)>,
}

/// What wants attention at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Slot(Target),
    Bundle(String),
}

impl Policies {
    /// Where the ledgers belong. Another directory's policies are not these.
    pub fn at_home(&mut self, home: Home) {
        if self.home.as_ref() != Some(&home) {
            self.home = Some(home);
            self.union_is_stale = true;
            let kept: Vec<Kept> = self.bundles.values().filter_map(|bundle| bundle.kept.clone()).collect();
            for kept in kept {
                self.know(&kept);
            }
            self.stir_all();
        }
    }

    // === the directory ===

    /// The directory shows a policy.
    pub fn show(&mut self, object: &Object) {
        let meta = &object.meta;
        if meta.annotations.contains_key(marks::COPIED_FROM) {
            return; // the directory is a replica of another one, and copies are not its policies
        }
        self.shown.show(&meta.uid);
        let policy = Maker { name: meta.name.clone(), uid: meta.uid.clone() };
        let version = meta.resource_version.parse().unwrap_or(0);
        let source = match Policy::read(object) {
            Ok(mut policy) => {
                // Where directory and replica are one cluster, the policy is there already.
                if let Some(home) = self.home.as_ref().filter(|home| home.directory != home.replica) {
                    policy.items.push(policy.copy(&home.directory));
                }
                Source::Valid(Box::new(policy))
            }
            Err(error) => Source::Invalid(error),
        };
        let bundle = self.bundles.entry(policy.uid.clone()).or_insert_with(|| Bundle::new(policy));
        if bundle.show(meta.generation, version, source) {
            bundle.pace.hurry();
            self.stirred.insert(meta.uid.clone());
        }
    }

    /// The directory does not show a policy of this UID any more.
    pub fn lose(&mut self, uid: &str) {
        if let Some(bundle) = self.bundles.get_mut(uid) {
            bundle.lost = true;
            self.stirred.insert(uid.to_owned());
        }
    }

    /// The listing of the directory is complete: what it did not show is lost.
    pub fn shown_complete(&mut self) {
        let shown = self.shown.completed();
        let lost: Vec<String> = self.bundles.keys().filter(|uid| !shown.contains(*uid)).cloned().collect();
        for uid in lost {
            self.lose(&uid);
        }
        self.stir_all();
    }

    // === the replica ===

    /// A change of the ledgers.
    pub fn ledgers_changed(&mut self, change: Change<Kept>) {
        match change {
            Change::Failed(..) | Change::Alive => return,
            Change::ListBegan => return self.ledgers.began(),
            Change::Listed(kept) | Change::Applied(kept) => self.keep(kept),
            Change::Gone(kept) => self.unkeep(&kept.ledger.policy.uid, &kept.uid),
            Change::ListComplete => {
                let shown = self.ledgers.completed();
                let gone: Vec<(String, String)> = self
                    .bundles
                    .iter()
                    .filter(|(uid, _)| !shown.contains(*uid))
                    .filter_map(|(uid, bundle)| Some((uid.clone(), bundle.kept.as_ref()?.uid.clone())))
                    .collect();
                for (uid, object) in gone {
                    self.unkeep(&uid, &object);
                }
                self.stir_all();
            }
        }
        self.touch_all();
    }

    fn keep(&mut self, kept: Kept) {
        let uid = kept.ledger.policy.uid.clone();
        self.ledgers.show(&uid);
        let policy = kept.ledger.policy.clone();
        let bundle = self.bundles.entry(uid.clone()).or_insert_with(|| Bundle::new(policy));
        let number = |version: &str| version.parse::<u64>().unwrap_or(0);
        if bundle
            .kept
            .as_ref()
            .is_some_and(|old| old.uid == kept.uid && number(&kept.version) < number(&old.version))
        {
            return; // older than what was written here
        }
        self.union_is_stale |= bundle.kept.as_ref().is_none_or(|old| !old.ledger.same_record(&kept.ledger));
        if let Some(Trying::Record(tried)) = &bundle.trying
            && tried.same_record(&kept.ledger)
        {
            (bundle.recorded, bundle.trying) = (Some(kept.ledger.clone()), None);
        }
        self.know(&kept);
        if let Some(bundle) = self.bundles.get_mut(&uid) {
            bundle.kept = Some(kept);
        }
        self.stirred.insert(uid);
    }

    /// What a ledger says of what is there. One of another directory, or of a replica that this one is a copy of, says
    /// nothing; and a namespace that nobody asks for any more may have been released already.
    fn know(&mut self, kept: &Kept) {
        let Kept { ledger, .. } = kept;
        let home = self.home.as_ref();
        if home.is_none_or(|home| home.directory != ledger.directory || home.replica != ledger.replica) {
            return;
        }
        for applied in ledger.applied.iter().flatten() {
            let target = &applied.target;
            if target.rank() == 0 && !ledger.items.iter().any(|item| item.target == *target) {
                continue;
            }
            let slot = self.slots.entry(target.clone()).or_default();
            slot.known.get_or_insert_with(|| Known {
                uid: applied.uid.clone(),
                fields: (!applied.fields.is_empty()).then(|| applied.fields.clone()),
            });
        }
    }

    fn unkeep(&mut self, policy: &str, object: &str) {
        let Some(bundle) = self.bundles.get_mut(policy) else { return };
        if bundle.kept.as_ref().is_some_and(|kept| kept.uid == object) {
            // What this process has seen recorded, it knows without the record.
            let lost = bundle.kept.take().map(|kept| kept.ledger);
            if matches!(bundle.trying, Some(Trying::Forget)) {
                (bundle.recorded, bundle.trying) = (None, None);
            } else if bundle.recorded.is_none() {
                bundle.recorded = lost;
            }
            self.union_is_stale = true;
        }
        self.stirred.insert(policy.to_owned());
    }

    /// A change of the objects of a kind.
    pub fn objects_changed(&mut self, kind: Kind, change: Change) {
        let view = self.views.entry(kind).or_default();
        match change {
            Change::Failed(failure, message) => {
                view.failure = Some((failure, message));
                return;
            }
            Change::Alive => {}
            Change::ListBegan => {
                view.listing.began();
                view.shown.clear();
                return;
            }
            Change::Listed(object) => {
                let target = target(kind, &object);
                view.shown.insert(target.clone());
                self.observe(target, &object, true);
            }
            Change::Applied(object) => {
                let target = target(kind, &object);
                if view.listing.is_under_way() {
                    view.shown.insert(target.clone());
                }
                self.observe(target, &object, false);
            }
            Change::Gone(object) => {
                let target = target(kind, &object);
                view.shown.remove(&target);
                self.miss(&target, &object.meta.uid);
            }
            Change::ListComplete => {
                view.listing.completed();
                let shown = std::mem::take(&mut view.shown);
                let resource = kind.resource();
                let missed: Vec<(Target, String)> = self
                    .slots
                    .iter()
                    .filter(|(target, _)| target.resource == resource && !shown.contains(*target))
                    .filter_map(|(target, slot)| Some((target.clone(), slot.observed.as_ref()?.uid.clone())))
                    .collect();
                for (target, uid) in missed {
                    self.miss(&target, &uid);
                }
                self.touch_all();
                self.stir_all();
            }
        }
        let view = self.views.entry(kind).or_default();
        if !view.listing.is_under_way() {
            view.failure = None;
        }
    }

    fn observe(&mut self, target: Target, object: &Object, listed: bool) {
        let observed = Observed::read(object, &target, POLICIES_MANAGER);
        // Namespaces are all watched: most of them are nobody's business here.
        let concerns = self.users.contains_key(&target) || observed.labelled || observed.mark.is_some();
        if concerns || target.rank() == 0 {
            let slot = self.slots.entry(target.clone()).or_default();
            if listed {
                slot.list(observed);
            } else {
                slot.observe(observed);
            }
            self.touch(target);
        }
    }

    fn miss(&mut self, target: &Target, uid: &str) {
        if let Some(slot) = self.slots.get_mut(target) {
            slot.miss(uid);
            self.touch(target.clone());
        }
    }

    // === what wants attention ===

    /// All policies want attention: what holds for each of them changed.
    pub fn stir_all(&mut self) {
        self.stirred.extend(self.bundles.keys().cloned());
    }

    /// The labels of the own entry changed: evidence from before says nothing any more.
    pub fn relabelled(&mut self) {
        for bundle in self.bundles.values_mut() {
            bundle.revocation = None;
        }
        self.stir_all();
    }

    /// All objects want attention.
    pub fn touch_all(&mut self) {
        self.touched.extend(self.slots.keys().cloned());
        self.touched.extend(self.wanted.keys().cloned());
    }

    /// One object wants attention, and with it the policies that it is made for, and what is in it.
    fn touch(&mut self, target: Target) {
        if let Some(users) = self.users.get(&target) {
            self.stirred.extend(users.iter().cloned());
        }
        if target.rank() == 0 {
            let within = |other: &&Target| other.namespace.as_deref() == Some(target.name.as_str());
            self.touched.extend(self.wanted.keys().filter(within).cloned());
        }
        self.touched.insert(target);
    }

    /// What the ledgers record as wanted, and by whom.
    fn unite(&mut self) {
        if !std::mem::take(&mut self.union_is_stale) {
            return;
        }
        let ours = self.bundles.iter().filter(|(_, bundle)| self.is_ours(bundle));
        let applying = ours.clone().filter_map(|(uid, bundle)| Some((uid, bundle.applying()?)));
        let (wanted, clashes) = union(
            applying
                .map(|(uid, ledger)| (uid.as_str(), ledger.policy.name.as_str(), ledger.items.as_slice())),
        );
        let mut users: BTreeMap<Target, BTreeSet<String>> = BTreeMap::new();
        for (uid, bundle) in ours {
            for target in bundle.ledger().into_iter().flat_map(|ledger| &ledger.resources) {
                users.entry(target.clone()).or_default().insert(uid.clone());
            }
        }
        self.touched.extend(self.wanted.keys().chain(wanted.keys()).cloned());
        (self.wanted, self.clashes, self.users) = (wanted, clashes, users);
        // What is asked for again is used as it is: it is its owner's since it was released.
        self.retained.retain(|name| !self.wanted.contains_key(&namespace(name)));
    }

    fn is_ours(&self, bundle: &Bundle) -> bool {
        let home = self.home.as_ref();
        bundle.ledger().is_some_and(|ledger| home.is_some_and(|home| home.directory == ledger.directory))
    }

    /// Whether all views of the replica are complete: without them everything would look as if it were missing. Grants
    /// do not wait for the view of copies, which grant nothing.
    fn sees(&self) -> bool {
        let sees = |kind: &Kind| *kind == Kind::Copy || self.sees_kind(*kind);
        self.ledgers.is_complete() && Kind::ALL.iter().all(sees)
    }

    fn sees_kind(&self, kind: Kind) -> bool {
        self.views.get(&kind).is_some_and(|view| view.listing.is_complete())
    }

    /// The nonces by which marks are known.
    fn nonces(&self) -> Vec<&str> {
        let ours = self.bundles.values().filter(|bundle| self.is_ours(bundle));
        let ledgers = ours.filter_map(|bundle| Some(bundle.ledger()?.nonce.as_str()));
        let set: BTreeSet<&str> = self.home.iter().map(|home| home.nonce.as_str()).chain(ledgers).collect();
        set.into_iter().collect()
    }

    /// The mark that a wanted object is to bear.
    fn mark(&self, wanted: &Wanted) -> Option<Mark> {
        let nonce = &self.home.as_ref()?.nonce;
        let shared = Kind::of(&wanted.item.target.resource)?.is_shared();
        let maker = wanted.policies.first().filter(|_| !shared).and_then(|uid| self.bundles.get(uid));
        Some(Mark::of(&wanted.item, maker.map(|bundle| bundle.policy.clone()), nonce))
    }

    /// The policies in question that are to be read, by UID and name, where the directory is the pinned one.
    #[must_use]
    pub fn questions(&self, pin: &Pin, now: Duration) -> Vec<(String, String)> {
        let ours = self.home.as_ref().is_some_and(|home| home.directory == pin.directory);
        let ready = if ours { self.removals.ready(now) } else { Vec::new() };
        let named = |uid: String| {
            let name = self.bundles.get(&uid)?.policy.name.clone();
            Some((uid, name))
        };
        ready.into_iter().filter_map(named).collect()
    }
}

fn target(kind: Kind, object: &Object) -> Target {
    Target {
        resource: kind.resource(),
        namespace: object.meta.namespace.clone(),
        name: object.meta.name.clone(),
    }
}

fn namespace(name: &str) -> Target {
    Target { resource: Kind::Namespace.resource(), namespace: None, name: name.to_owned() }
}
