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
//! - `bundle`: one policy; `live`: one object;
//! - `kept` and `views`: what the replica shows;
//! - `due`: what is to be done now; `clear`: what becomes of what is wanted no more;
//! - `outcome`: what came of it.

mod bundle;
mod clear;
mod due;
mod heritage;
mod kept;
mod outcome;
mod told;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use muster_api::{Object, Scope, marks};

use self::bundle::{Bundle, Source};
use self::views::View;
use crate::era::Era;
use crate::evidence::Departure;
use crate::item::Item;
use crate::kind::Kind;
use crate::ledger::{Home, Kept, Phase};
use crate::listing::Listing;
use crate::live::Live;
use crate::mark::{Maker, Mark};
use crate::pin::Pin;
use crate::plan::Step;
use crate::policy::{Conflict, Policy, Wanted, union};
use crate::removals::Removals;
use crate::target::Target;

pub use due::Work;
pub use told::Told;

/// What decisions about policies need beside the policies.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The monotonic clock.
    pub now: Duration,
    /// The labels of the own entry, where the directory shows it.
    pub labels: Option<&'a BTreeMap<String, String>>,
    /// That the replica left the directory.
    pub departure: Option<&'a Departure>,
    /// The era of the directory.
    pub era: Era,
    /// Whether that was set back is still to be seen.
    pub unsure: bool,
    /// Whether the directory is about to say what it asks for, for the first time since this process began.
    pub unheard: bool,
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
    slots: BTreeMap<Target, Box<Live>>, // boxed: half of what nodes of the map have room for is empty
    /// What the ledgers record as wanted, together.
    wanted: BTreeMap<Target, Wish>,
    /// What of it is not as it is wanted.
    lacks: BTreeMap<Target, Lack>,
    /// How many of these are no copies of policies.
    asked: usize,
    /// How many of those are not right.
    wrong: usize,
    /// How many of all that are wanted are still to be written.
    missing: usize,
    clashes: Vec<Conflict>,
    /// The policies whose ledgers record an object, by UID.
    users: BTreeMap<Target, BTreeSet<String>>,
    /// The nonces by which marks are known.
    nonces: BTreeSet<String>,
    union_is_stale: bool,
    /// Objects of which there may be something to tell beside that.
    notable: BTreeSet<Target>,
    /// Objects about which a step is under way.
    under_way: BTreeSet<Target>,
    /// Objects that want attention.
    touched: BTreeSet<Target>,
    /// Objects that wait for what the directory is about to say.
    deferred: BTreeSet<Target>,
    /// Policies that want attention.
    stirred: BTreeSet<String>,
    /// Policies whose objects changed: they want attention once no step about any of those is under way.
    settling: BTreeSet<String>,
    /// Those of which something may not go yet, since others are about to record that they want it.
    waiting: BTreeSet<String>,
    timers: BTreeSet<(Duration, Timer)>,
    /// Namespaces that were released since this process began, and that no policy asked for since.
    retained: BTreeSet<String>,
}

/// A wanted object.
#[derive(Debug)]
struct Wish {
    item: Arc<Item>,
    /// The mark that it is to bear.
    mark: Mark,
}

/// As what an object is counted where it is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lack {
    /// It is not as it is wanted, and is no copy of a policy.
    wrong: bool,
    /// It is still to be written.
    missing: bool,
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
            if self.home.as_ref().is_some_and(|before| before.era != home.era) {
                self.shown = Listing::default();
                self.bundles.values_mut().for_each(Bundle::forget_shown);
            }
            self.home = Some(home);
            self.union_is_stale = true;
            let kept: Vec<Kept> =
                self.bundles.values().filter_map(|bundle| bundle.keeper.kept().cloned()).collect();
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
            Ok(policy) => {
                // Where directory and replica are one cluster, the policy is there already.
                let home = self.home.as_ref().filter(|home| home.directory != home.replica);
                Source::Valid(Box::new(match home {
                    Some(home) => policy.with_copy(&home.directory),
                    None => policy,
                }))
            }
            Err(error) => Source::Invalid(error),
        };
        let bundle = self.bundles.entry(policy.uid.clone()).or_insert_with(|| Bundle::new(policy));
        let era = self.home.as_ref().map(|home| home.era).unwrap_or_default();
        if bundle.show(meta.generation, version, source, era) {
            bundle.keeper.renew();
            self.stirred.insert(meta.uid.clone());
        }
    }

    /// The directory does not show a policy of this UID any more.
    pub fn lose(&mut self, uid: &str) {
        if let Some(bundle) = self.bundles.get_mut(uid) {
            (bundle.lost, bundle.earlier) = (true, false);
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
            self.settling.extend(users.iter().cloned());
        }
        if target.rank() == 0 {
            for kind in Kind::ALL.into_iter().filter(|kind| kind.resource().scope == Scope::Namespaced) {
                let within = |name: &str| Target {
                    resource: kind.resource(),
                    namespace: Some(target.name.clone()),
                    name: name.to_owned(),
                };
                let first = within("");
                let of = |other: &&Target| {
                    (&other.resource, &other.namespace) == (&first.resource, &first.namespace)
                };
                self.touched
                    .extend(self.wanted.range(&first..).map(|(target, _)| target).take_while(of).cloned());
            }
        }
        self.touched.insert(target);
    }

    /// What the ledgers record as wanted, and by whom.
    fn unite(&mut self) {
        if !std::mem::take(&mut self.union_is_stale) {
            return;
        }
        let Some(home) = &self.home else { return };
        let ours = self.bundles.iter().filter(|(_, bundle)| self.is_ours(bundle));
        let ledgers = ours.filter_map(|(uid, bundle)| Some((uid, bundle.ledger()?)));
        let applying = ledgers.clone().filter(|(_, ledger)| ledger.phase == Phase::Applying);
        let (union, clashes) = union(
            applying.map(|(uid, ledger)| (uid.as_str(), ledger.maker.name.as_str(), ledger.items.as_slice())),
        );
        let mut users: BTreeMap<Target, BTreeSet<String>> = BTreeMap::new();
        let mut nonces: BTreeSet<String> = [home.nonce.clone()].into();
        for (uid, ledger) in ledgers {
            nonces.insert(ledger.nonce.clone());
            for target in &ledger.resources {
                users.entry(target.clone()).or_default().insert(uid.clone());
            }
        }
        let wanted = union.into_iter().map(|(target, Wanted { item, policies })| {
            let shared = Kind::of(&target.resource).is_none_or(Kind::is_shared);
            let maker = policies.first().filter(|_| !shared).and_then(|uid| self.bundles.get(uid));
            let maker = maker.map(|bundle| &bundle.policy);
            let old = self.wanted.get(&target).filter(|old| {
                old.item == item && old.mark.maker.as_ref() == maker && old.mark.nonce == home.nonce
            });
            let mark = match old {
                Some(old) => old.mark.clone(),
                None => Mark::of(&item, maker.cloned(), &home.nonce),
            };
            (target, Wish { item, mark })
        });
        let wanted: BTreeMap<Target, Wish> = wanted.collect();
        self.asked = wanted.keys().filter(|target| Kind::of(&target.resource) != Some(Kind::Copy)).count();
        let concerned: BTreeSet<Target> = self.users.keys().chain(users.keys()).cloned().collect();
        (self.wanted, self.clashes, self.users, self.nonces) = (wanted, clashes, users, nonces);
        for target in &concerned {
            self.note(target);
        }
        self.touched.extend(concerned);
        // What is asked for again is used as it is: it is its owner's since it was released.
        self.retained.retain(|name| !self.wanted.contains_key(&namespace(name)));
    }

    fn is_ours(&self, bundle: &Bundle) -> bool {
        let home = self.home.as_ref();
        bundle.ledger().is_some_and(|ledger| home.is_some_and(|home| home.directory == ledger.directory))
    }

    /// What there is to tell of an object. It is counted here, since to go through all objects at each event would take
    /// longer than to write them.
    fn note(&mut self, target: &Target) {
        let wish = self.wanted.get(target);
        if wish.is_none() && !self.slots.contains_key(target) {
            return;
        }
        let slot = self.slots.entry(target.clone()).or_default();
        let kind = Kind::of(&target.resource);
        let own = slot.is_own(&self.nonces);
        let wrong = wish.is_some_and(|wish| !slot.is_right(&wish.mark)) && !slot.is_let_go();
        let used = kind == Some(Kind::Namespace)
            && !own
            && slot.observed.as_ref().is_some_and(|observed| !observed.deleting);
        let lack = Lack { wrong: wrong && kind != Some(Kind::Copy), missing: wrong && !used };
        let before = if lack == Lack::default() {
            self.lacks.remove(target)
        } else {
            self.lacks.insert(target.clone(), lack)
        };
        let before = before.unwrap_or_default();
        let count = |number: usize, before: bool, now: bool| number + usize::from(now) - usize::from(before);
        self.wrong = count(self.wrong, before.wrong, lack.wrong);
        self.missing = count(self.missing, before.missing, lack.missing);
        let stranger = wish.is_some() && slot.observed.is_some() && !own;
        if slot.failure.is_some() || slot.inspected.is_some() || slot.foreign || stranger {
            self.notable.insert(target.clone());
        } else {
            self.notable.remove(target);
        }
    }

    /// A step about an object is to be carried out.
    fn act(&mut self, work: Work, step: Step, steps: &mut Vec<(Work, Step)>) {
        if let Work::Write { target, .. } | Work::Clear { target } = &work {
            self.under_way.insert(target.clone());
        }
        steps.push((work, step));
    }

    /// The policies that the directory shows in an earlier generation than is recorded, and what is recorded.
    pub fn earlier(&self) -> impl Iterator<Item = (&Maker, i64)> {
        let earlier = self.bundles.values().filter(|bundle| bundle.earlier);
        earlier.filter_map(|bundle| Some((&bundle.policy, bundle.ledger()?.generation)))
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
