//! Which kinds of objects are to be watched in the replica, and where and as whom they are applied.

use std::collections::{BTreeMap, BTreeSet};

use muster_api::Resource;
use muster_api::names::WORKS_APPLIER;

use super::{Brief, Works};
use crate::target::Target;

/// The account that applies an object, where it is not the default one.
type Account = Option<Box<str>>;

/// Where objects of a kind are, and the accounts that apply them there. Never empty.
#[derive(Debug, Default)]
pub struct Places(BTreeMap<Option<String>, BTreeMap<Account, usize>>);

impl Places {
    /// Each namespace, `None` for objects that have none, with the names of the accounts, `None` for the default one.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&str>, impl Iterator<Item = Option<&str>>)> {
        self.0
            .iter()
            .map(|(namespace, accounts)| (namespace.as_deref(), accounts.keys().map(Option::as_deref)))
    }
}

/// All kinds of which Works have objects.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    places: BTreeMap<Resource, Places>,
    /// Those of whose objects Works ask for values.
    valued: BTreeSet<Resource>,
    edition: u64,
}

impl Kinds {
    /// A Work has an object that this account applies.
    pub(super) fn add(&mut self, target: &Target, account: Option<&str>) {
        let places = &mut self.places.entry(target.resource.clone()).or_default().0;
        let accounts = places.entry(target.namespace.clone()).or_default();
        let number = accounts.entry(account.map(Box::from)).or_default();
        *number += 1;
        if *number == 1 {
            self.edition += 1;
        }
    }

    /// A Work has an object no more. Returns whether it had it.
    pub(super) fn remove(&mut self, target: &Target, account: Option<&str>) -> bool {
        let account: Account = account.map(Box::from);
        let Some(Places(places)) = self.places.get_mut(&target.resource) else { return false };
        let Some(accounts) = places.get_mut(&target.namespace) else { return false };
        let Some(number) = accounts.get_mut(&account) else { return false };
        *number -= 1;
        if *number > 0 {
            return true;
        }
        self.edition += 1;
        accounts.remove(&account);
        if accounts.is_empty() {
            places.remove(&target.namespace);
        }
        if places.is_empty() {
            self.places.remove(&target.resource);
            self.valued.remove(&target.resource);
        }
        true
    }

    /// A Work asks for values of objects of a kind.
    pub(super) fn value(&mut self, resource: &Resource) {
        if !self.valued.contains(resource) {
            self.valued.insert(resource.clone());
            self.edition += 1;
        }
    }

    pub(super) fn is_valued(&self, resource: &Resource) -> bool {
        self.valued.contains(resource)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Resource, &Places)> {
        self.places.iter()
    }

    /// Another number where there is something else.
    pub(super) fn edition(&self) -> u64 {
        self.edition
    }

    /// How many objects of a kind there are, of all namespaces or of one: one that several Works have counts as often.
    pub(super) fn count(&self, resource: &Resource, namespace: Option<&str>) -> usize {
        let Some(Places(places)) = self.places.get(resource) else { return 0 };
        let numbers = |accounts: &BTreeMap<Account, usize>| accounts.values().sum::<usize>();
        match namespace {
            None => places.values().map(numbers).sum(),
            Some(_) => places.get(&namespace.map(str::to_owned)).map_or(0, numbers),
        }
    }
}

impl Works {
    /// The resources whose objects are to be watched in the replica, and where and as whom they are applied. None before
    /// all ledgers are known: what a listing shows must have its place.
    pub fn watched(&self) -> impl Iterator<Item = (&Resource, &Places)> {
        self.kinds.iter().filter(|_| self.ledgers.is_complete())
    }

    /// Another number where [`watched`](Self::watched) or [`asks_for_values`](Self::asks_for_values) says something else;
    /// `None` before it says anything.
    #[must_use]
    pub fn watched_edition(&self) -> Option<u64> {
        self.ledgers.is_complete().then_some(self.kinds.edition())
    }
}

/// The account that applies the objects of a Work, where it is not the default one.
pub(super) fn account(brief: &Brief) -> Option<&str> {
    brief.options.service_account.as_deref().filter(|name| *name != WORKS_APPLIER)
}
