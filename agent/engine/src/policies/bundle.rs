//! One policy in this replica: what the directory says of it, what its ledger records, and what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::era::{Course, Era};
use crate::evidence::Revocation;
use crate::item::Item;
use crate::keeper::Keeper;
use crate::ledger::{Home, Ledger, Of, Phase};
use crate::mark::Maker;
use crate::policy::{Policy, PolicyError};
use crate::target::Target;

/// What the directory says of a policy.
#[derive(Debug)]
pub(super) enum Source {
    /// This.
    Valid(Box<Policy>),
    /// Something that cannot be followed: what the last valid version asked for stays.
    Invalid(PolicyError),
}

/// All that is known of one policy.
#[derive(Debug)]
pub(super) struct Bundle {
    pub(super) policy: Maker,
    /// What the directory says; `None` until it said something since this process, or its era, began.
    pub(super) source: Option<Source>,
    /// Whether it changed since then.
    course: Course,
    /// It shows an earlier state than is recorded.
    pub(super) earlier: bool,
    /// The directory does not show it any more. That alone changes nothing.
    pub(super) lost: bool,
    /// Its ledger.
    pub(super) keeper: Keeper,
    /// Evidence that something goes, and since when it has been there.
    pub(super) revocation: Option<(Revocation, Duration)>,
    /// Why the last live reads proved nothing.
    pub(super) doubt: Option<String>,
}

/// What is wanted of a policy.
#[derive(Debug)]
pub(super) enum Demand<'a> {
    /// That it is applied, in this version.
    Apply(&'a Policy),
    /// That what its ledger records stays: nothing better is known.
    Keep,
    /// Nothing, if evidence confirms it.
    Nothing,
}

impl Bundle {
    pub(super) fn new(policy: Maker) -> Self {
        Self {
            policy,
            source: None,
            course: Course::default(),
            earlier: false,
            lost: false,
            keeper: Keeper::default(),
            revocation: None,
            doubt: None,
        }
    }

    /// What the directory showed before is void.
    pub(super) fn forget_shown(&mut self) {
        let (policy, keeper) = (self.policy.clone(), std::mem::take(&mut self.keeper));
        *self = Self { keeper, ..Self::new(policy) };
    }

    /// What is wanted, for the labels of the own entry where they are known.
    pub(super) fn demand(&self, labels: Option<&BTreeMap<String, String>>, era: Era) -> Demand<'_> {
        match &self.source {
            _ if self.lost => Demand::Nothing,
            Some(Source::Valid(policy)) if policy.deleting => Demand::Nothing,
            // The directory was restored to an older state.
            Some(Source::Valid(policy)) if self.is_past(policy.generation, era) => Demand::Keep,
            Some(Source::Valid(policy)) => match labels {
                None => Demand::Keep,
                Some(labels) if policy.matches(labels) => Demand::Apply(policy),
                Some(_) => Demand::Nothing,
            },
            Some(Source::Invalid(_)) | None => Demand::Keep,
        }
    }

    /// The directory shows the policy. An older state of it than one seen or recorded before is not taken. Returns
    /// whether it says anything new.
    pub(super) fn show(&mut self, generation: i64, version: u64, source: Source, era: Era) -> bool {
        let seen = match &self.source {
            Some(Source::Valid(policy)) => policy.version,
            _ => 0,
        };
        self.course.show(generation);
        self.earlier = self.is_past(generation, era);
        if self.earlier || version < seen {
            return false;
        }
        self.lost = false;
        (self.revocation, self.doubt) = (None, None);
        self.source = Some(source);
        true
    }

    /// Whether the directory showed the policy, as it is or as it was before.
    pub(super) fn is_shown(&self) -> bool {
        self.source.is_some() || self.earlier
    }

    /// What the directory showed before the ledger was read is judged by that, too.
    pub(super) fn rejudge(&mut self, era: Era) {
        if let Some(Source::Valid(policy)) = &self.source {
            self.earlier = self.is_past(policy.generation, era);
        }
    }

    /// Whether a generation is of an earlier time than what is recorded. One that was to go is there again as it was.
    fn is_past(&self, generation: i64, era: Era) -> bool {
        let past = |ledger: &Ledger| {
            let again = ledger.phase == Phase::Deleting && generation == ledger.generation;
            !again && era.is_past(ledger.recorded(), generation, self.course.is_changed())
        };
        self.keeper.latest().is_some_and(past)
    }

    /// What a ledger asks for is mostly known already: it is kept once.
    pub(super) fn share(&self, items: &mut Vec<Arc<Item>>) {
        let source = match &self.source {
            Some(Source::Valid(policy)) => Some(&policy.items),
            _ => None,
        };
        let ledgers = [self.ledger(), self.keeper.recorded()].into_iter().flatten();
        if let Some(same) =
            source.into_iter().chain(ledgers.map(|ledger| &ledger.items)).find(|known| *known == items)
        {
            items.clone_from(same);
        }
    }

    /// Whether nothing is known of the policy that is worth keeping.
    pub(super) fn is_empty(&self) -> bool {
        self.keeper.is_empty() && (self.lost || self.source.is_none())
    }

    /// What the ledger records, while it is as it was recorded.
    pub(super) fn ledger(&self) -> Option<&Ledger> {
        self.keeper.ledger()
    }

    /// Whether the ledger's objects are wanted.
    pub(super) fn applying(&self) -> Option<&Ledger> {
        self.ledger().filter(|ledger| ledger.phase == Phase::Applying)
    }

    /// The ledger that a policy asks for. What earlier states asked for stays in it until it is gone; `orphans` are
    /// objects that bear the policy's mark and are in no ledger; `gone` says what is known to be gone.
    pub(super) fn ledger_of(
        &self,
        policy: &Policy,
        home: &Home,
        orphans: BTreeSet<Target>,
        gone: impl Fn(&Target) -> bool,
    ) -> Ledger {
        let before = self.keeper.latest();
        // What is there is from before the record: what an earlier record asked for may be there and not be in it.
        let settled = |target: &Target| {
            before.is_some_and(|ledger| {
                let applied = ledger.applied.as_ref();
                applied.is_some_and(|applied| !ledger.wants(target) && !applied.contains_key(target))
            })
        };
        let old = before.into_iter().flat_map(|ledger| &ledger.resources);
        let old = old.filter(|target| !(settled(target) && gone(target)));
        let rest = old.cloned().chain(orphans);
        Ledger {
            of: Of::Policy { delete_namespaces: policy.delete_namespaces },
            maker: self.policy.clone(),
            generation: policy.generation,
            era: home.era.number,
            resource_version: policy.resource_version.clone(),
            directory: home.directory.clone(),
            replica: home.replica.clone(),
            nonce: home.nonce.clone(),
            phase: Phase::Applying,
            items: policy.items.clone(),
            resources: rest.chain(policy.items.iter().map(|item| item.target.clone())).collect(),
            applied: None,
        }
    }

    /// Whether the ledger records what a policy asks for. A later resourceVersion alone is no difference.
    pub(super) fn records(&self, policy: &Policy, home: &Home) -> bool {
        self.ledger().is_some_and(|ledger| {
            ledger.phase == Phase::Applying
                && ledger.era == home.era.number
                && ledger.generation == policy.generation
                && ledger.deletes_namespaces() == policy.delete_namespaces
                && ledger.replica == home.replica
                && ledger.nonce == home.nonce
                && ledger.items == policy.items
        })
    }
}
