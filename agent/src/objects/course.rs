//! Which kinds are watched, and which are listed now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use muster_api::Resource;

use super::WatchedKind;

/// How a kind is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Course {
    /// Whether whole objects are asked for.
    pub(super) whole: bool,
    /// By what.
    pub(super) manner: Manner,
}

/// By what a kind is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// A watch.
    Watch,
    /// Listings.
    Poll,
}

/// How each kind that is wanted is to be followed, with so many places for watches. A kind that has a place keeps it;
/// the free ones go to kinds of which whole objects are wanted first, since what is reported of those changes by itself.
pub(super) fn plan(
    known: &BTreeMap<&Resource, Course>,
    wanted: &BTreeSet<WatchedKind>,
    places: usize,
) -> BTreeMap<Resource, Course> {
    let mut wholes: BTreeMap<&Resource, bool> = BTreeMap::new();
    for WatchedKind { resource, whole } in wanted {
        *wholes.entry(resource).or_default() |= *whole;
    }
    let has_place =
        |resource: &Resource| known.get(resource).is_some_and(|course| course.manner == Manner::Watch);
    let mut ranked: Vec<_> = wholes.into_iter().collect();
    ranked.sort_by_key(|(resource, whole)| (!has_place(resource), !whole));
    let courses = ranked.into_iter().enumerate().map(|(rank, (resource, whole))| {
        let manner = if rank < places { Manner::Watch } else { Manner::Poll };
        (resource.clone(), Course { whole, manner })
    });
    courses.collect()
}

/// `every`, and up to a fifth more or less: always the same for this kind and salt.
pub(super) fn spread(every: Duration, resource: &Resource, salt: u64) -> Duration {
    let mut hasher = DefaultHasher::new();
    (salt, resource).hash(&mut hasher);
    let permille = u32::try_from(hasher.finish() % 401).unwrap_or_default();
    every * (800 + permille) / 1000
}

#[cfg(test)]
mod tests {
    use muster_api::Scope;

    use super::*;

    fn resource(plural: &str) -> Resource {
        Resource {
            group: "g.io".into(),
            version: "v1".into(),
            kind: plural.to_uppercase().into(),
            plural: plural.to_owned().into(),
            scope: Scope::Cluster,
        }
    }

    /// What is planned, each kind as `PLURAL`, in capitals where it is whole, with `~` where it is only listed.
    fn planned(known: &[&str], wanted: &[&str], places: usize) -> Vec<String> {
        let known: Vec<_> = known
            .iter()
            .map(|known| {
                let manner = if known.ends_with('~') { Manner::Poll } else { Manner::Watch };
                let plural = known.trim_end_matches('~');
                let whole = plural.chars().all(char::is_uppercase);
                (resource(&plural.to_lowercase()), Course { whole, manner })
            })
            .collect();
        let wanted = wanted.iter().map(|wanted| {
            let whole = wanted.chars().all(char::is_uppercase);
            WatchedKind { resource: resource(&wanted.to_lowercase()), whole }
        });
        let known: BTreeMap<_, _> = known.iter().map(|(resource, course)| (resource, *course)).collect();
        let planned = plan(&known, &wanted.collect(), places).into_iter().map(|(resource, course)| {
            let plural =
                if course.whole { resource.plural.to_uppercase() } else { resource.plural.to_string() };
            plural + if course.manner == Manner::Poll { "~" } else { "" }
        });
        planned.collect()
    }

    #[test]
    fn places_are_kept_and_free_ones_go_to_whole_kinds_first() {
        for (known, wanted, expected) in [
            (vec![], vec![], vec![]),
            (vec![], vec!["a", "b"], vec!["a", "b"]),
            (vec![], vec!["a", "b", "c"], vec!["a", "b", "c~"]),
            (vec![], vec!["a", "b", "C"], vec!["a", "b~", "C"]),
            (vec!["b", "c"], vec!["A", "b", "c"], vec!["A~", "b", "c"]),
            (vec!["a~", "b", "c"], vec!["a", "c"], vec!["a", "c"]),
            (vec!["a~", "b", "c"], vec!["a", "c", "D"], vec!["a~", "c", "D"]),
            (vec!["a", "b", "c~"], vec!["a", "B", "C"], vec!["a", "B", "C~"]),
            (vec!["a", "b", "c~"], vec![], vec![]),
        ] {
            assert_eq!(planned(&known, &wanted, 2), expected, "{known:?}: {wanted:?}");
        }
    }

    #[test]
    fn a_kind_that_is_wanted_both_ways_is_whole_and_has_one_place() {
        assert_eq!(planned(&[], &["a", "A", "b"], 2), ["A", "b"]);
    }

    #[test]
    fn listings_are_spread_by_a_fifth_and_the_same_for_the_same_salt() {
        let every = Duration::from_secs(60);
        let waits: BTreeSet<_> = (0..1000).map(|salt| spread(every, &resource("a"), salt)).collect();
        let (first, last) = (waits.first().unwrap().as_secs_f64(), waits.last().unwrap().as_secs_f64());
        assert!((48.0..50.0).contains(&first) && (70.0..=72.0).contains(&last), "{first} to {last}");
        assert_ne!(spread(every, &resource("a"), 1), spread(every, &resource("b"), 1));
        assert_eq!(spread(every, &resource("a"), 1), spread(every, &resource("a"), 1));
    }
}
