//! Which kinds are watched, where and as whom, and what is listed now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use muster_api::{Resource, Scope};

/// Most accounts that are tried for one place: their names come from Works.
const ACCOUNTS: usize = 8;

/// An account, where it is not the default one.
pub type Account = Option<Box<str>>;

/// What one watch shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent {
    /// Objects of this kind,
    pub resource: Resource,
    /// in this namespace; `None` for all of them, and for a kind that has none.
    pub namespace: Option<String>,
}

/// A kind that is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedKind {
    /// Whether the whole objects are wanted; else their metadata alone, `managedFields` included.
    pub whole: bool,
    /// The namespaces in which there are objects, and the accounts that apply them there.
    pub places: BTreeMap<Option<String>, BTreeSet<Account>>,
}

/// What may be allowed, or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Right {
    /// To see this
    pub(super) extent: Extent,
    /// as this account.
    pub(super) account: Account,
}

/// How it stands with a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody tried.
    Untried,
    /// It was there when it was last tried.
    Granted,
    /// It was not.
    Refused,
}

/// How an extent is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Course {
    /// As whom.
    pub(super) account: Account,
    /// Whether whole objects are asked for.
    pub(super) whole: bool,
    /// By what.
    pub(super) manner: Manner,
}

/// By what an extent is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// A watch.
    Watch,
    /// Listings.
    Poll,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Courses {
    /// What is to be followed, and how.
    pub(super) follow: BTreeMap<Extent, Course>,
    /// What nobody may see.
    pub(super) blind: BTreeSet<Extent>,
    /// The rights that would make it better, and that are to be tried before they are relied on.
    pub(super) hopes: BTreeSet<Right>,
}

/// How what is wanted is to be followed, with so many places for watches: each kind in all namespaces at once where an
/// account may, else in each namespace alone. What has a place keeps it; the free ones go to kinds of which whole objects
/// are wanted first, since what is reported of those changes by itself.
pub(super) fn plan(
    known: &BTreeMap<&Extent, &Course>,
    blind: &BTreeSet<Extent>,
    wanted: &BTreeMap<Resource, WantedKind>,
    standing: impl Fn(&Right) -> Standing,
    places: usize,
) -> Courses {
    let mut courses = Courses::default();
    let mut chosen: Vec<(Extent, Account, bool)> = Vec::new();
    for (resource, WantedKind { whole, places }) in wanted {
        let narrow = |extent: &Extent| extent.resource == *resource && extent.namespace.is_some();
        let is_narrow = known.keys().any(|extent| narrow(extent)) || blind.iter().any(narrow);
        let wide = Extent { resource: resource.clone(), namespace: None };
        // Where it goes another way, what goes on is not interrupted for an attempt.
        let may = |right: &Right| match standing(right) {
            Standing::Untried => !is_narrow,
            Standing::Granted => true,
            Standing::Refused => false,
        };
        let rights = rights(&wide, places.values().flatten());
        if let Some(account) = choose(known, &rights, may) {
            chosen.push((wide, account, *whole));
            continue;
        }
        courses.hopes.extend(rights);
        if resource.scope == Scope::Cluster {
            courses.blind.insert(wide);
            continue;
        }
        for (namespace, accounts) in places {
            let extent = Extent { resource: resource.clone(), namespace: namespace.clone() };
            let rights = self::rights(&extent, accounts);
            if let Some(account) = choose(known, &rights, |right| standing(right) != Standing::Refused) {
                chosen.push((extent, account, *whole));
            } else {
                courses.hopes.extend(rights);
                courses.blind.insert(extent);
            }
        }
    }
    let has_place = |extent: &Extent| known.get(extent).is_some_and(|course| course.manner == Manner::Watch);
    chosen.sort_by_key(|(extent, _, whole)| (!has_place(extent), !whole));
    courses.follow.extend(chosen.into_iter().enumerate().map(|(rank, (extent, account, whole))| {
        let manner = if rank < places { Manner::Watch } else { Manner::Poll };
        (extent, Course { account, whole, manner })
    }));
    courses
}

/// The rights of which one will do, the default account's first.
fn rights<'a>(extent: &Extent, accounts: impl IntoIterator<Item = &'a Account>) -> Vec<Right> {
    let named: BTreeSet<&Account> = accounts.into_iter().filter(|account| account.is_some()).collect();
    let all = [&None].into_iter().chain(named).take(ACCOUNTS);
    all.map(|account| Right { extent: extent.clone(), account: account.clone() }).collect()
}

/// Who is to follow an extent: who does it already, else the first who may.
fn choose(
    known: &BTreeMap<&Extent, &Course>,
    rights: &[Right],
    may: impl Fn(&Right) -> bool,
) -> Option<Account> {
    let does =
        |right: &&Right| known.get(&right.extent).is_some_and(|course| course.account == right.account);
    let allowed = || rights.iter().filter(|right| may(right));
    allowed().find(does).or_else(|| allowed().next()).map(|right| right.account.clone())
}

/// `every`, and up to a fifth more or less: always the same for this subject and salt.
pub(super) fn spread(every: Duration, subject: impl Hash, salt: u64) -> Duration {
    let mut hasher = DefaultHasher::new();
    (salt, subject).hash(&mut hasher);
    let permille = u32::try_from(hasher.finish() % 401).unwrap_or_default();
    every * (800 + permille) / 1000
}

#[cfg(test)]
mod tests;
