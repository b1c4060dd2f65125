use super::*;

fn resource(plural: &str, scope: Scope) -> Resource {
    Resource {
        group: "g.io".into(),
        version: "v1".into(),
        kind: plural.to_uppercase().into(),
        plural: plural.to_owned().into(),
        scope,
    }
}

/// `NAMESPACE/PLURAL`, with `*` for all namespaces, or `PLURAL` for a kind that has none.
fn extent(text: &str) -> Extent {
    let (namespace, plural) =
        text.split_once('/').map_or((None, text), |(name, plural)| (Some(name), plural));
    let scope = if namespace.is_some() { Scope::Namespaced } else { Scope::Cluster };
    let namespace = namespace.filter(|name| *name != "*").map(str::to_owned);
    Extent { resource: resource(&plural.to_lowercase(), scope), namespace }
}

fn say(Extent { resource, namespace }: &Extent, whole: bool) -> String {
    let plural = if whole { resource.plural.to_uppercase() } else { resource.plural.to_string() };
    match namespace {
        Some(namespace) => format!("{namespace}/{plural}"),
        None if resource.scope == Scope::Namespaced => format!("*/{plural}"),
        None => plural,
    }
}

fn account(name: &str) -> Account {
    Some(name).filter(|name| !name.is_empty()).map(Box::from)
}

/// An extent in capitals where it is whole, with `@ACCOUNT` where that is not the default one, with `~` where it is only
/// listed.
fn course(text: &str) -> (Extent, Course) {
    let manner = if text.ends_with('~') { Manner::Poll } else { Manner::Watch };
    let text = text.trim_end_matches('~');
    let (what, by) = text.split_once('@').unwrap_or((text, ""));
    let plural = what.rsplit('/').next().unwrap();
    let whole = plural.chars().all(char::is_uppercase);
    (extent(what), Course { account: account(by), whole, manner })
}

/// What is planned. `wanted`: as with [`course`], one for each place of an account; `refused` and `granted`: extents with
/// accounts; `blind`: extents.
fn plan_of(
    known: &[&str],
    blind: &[&str],
    wanted: &[&str],
    (refused, granted): (&[&str], &[&str]),
    places: usize,
) -> Courses {
    let known: Vec<_> = known.iter().map(|text| course(text)).collect();
    let known = known.iter().map(|(extent, course)| (extent, course)).collect();
    let mut kinds: BTreeMap<Resource, WantedKind> = BTreeMap::new();
    for wanted in wanted {
        let (Extent { resource, namespace }, course) = course(wanted);
        let kind = kinds.entry(resource).or_default();
        kind.whole = course.whole;
        kind.places.entry(namespace).or_default().insert(course.account);
    }
    let standing = |right: &Right| {
        let is = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| course(text))
                .any(|(extent, course)| (&extent, &course.account) == (&right.extent, &right.account))
        };
        match (is(refused), is(granted)) {
            (true, _) => Standing::Refused,
            (_, true) => Standing::Granted,
            _ => Standing::Untried,
        }
    };
    plan(&known, &blind.iter().map(|text| extent(text)).collect(), &kinds, standing, places)
}

fn followed(courses: &Courses) -> Vec<String> {
    let followed = courses.follow.iter().map(|(extent, course)| {
        let by = course.account.as_ref().map(|name| format!("@{name}")).unwrap_or_default();
        let poll = if course.manner == Manner::Poll { "~" } else { "" };
        format!("{}{by}{poll}", say(extent, course.whole))
    });
    followed.collect()
}

fn hopes(courses: &Courses) -> Vec<String> {
    let hope = |Right { extent, account }: &Right| {
        let by = account.as_ref().map(|name| format!("@{name}")).unwrap_or_default();
        format!("{}{by}", say(extent, false))
    };
    courses.hopes.iter().map(hope).collect()
}

fn blind(courses: &Courses) -> Vec<String> {
    courses.blind.iter().map(|extent| say(extent, false)).collect()
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
        let planned = plan_of(&known, &[], &wanted, (&[], &[]), 2);
        assert_eq!(followed(&planned), expected, "{known:?}: {wanted:?}");
    }
}

#[test]
fn a_kind_is_followed_once_by_the_first_account_that_may() {
    let wanted = ["n/a", "n/a@y", "m/a@x", "b@z"];
    for (refused, expected) in [
        (vec![], vec!["*/a", "b"]),
        (vec!["*/a"], vec!["*/a@x", "b"]),
        (vec!["*/a", "*/a@x", "b"], vec!["*/a@y", "b@z"]),
    ] {
        let planned = plan_of(&[], &[], &wanted, (&refused, &[]), 9);
        assert_eq!(followed(&planned), expected, "{refused:?}");
        assert_eq!((hopes(&planned), blind(&planned)), (vec![], vec![]));
    }
    // Who does it goes on, though another one might.
    let planned = plan_of(&["*/a@y"], &[], &wanted[..3], (&[], &[]), 9);
    assert_eq!(followed(&planned), ["*/a@y"]);
    let planned = plan_of(&["*/a@y"], &[], &wanted[..3], (&["*/a@y"], &[]), 9);
    assert_eq!(followed(&planned), ["*/a"]);
}

#[test]
fn where_nobody_may_see_all_each_namespace_is_followed_by_itself() {
    let wanted = ["n/a", "n/a@y", "m/a@x", "b"];
    let wide = ["*/a", "*/a@x", "*/a@y"];
    let with = |more: &[&'static str]| [wide.to_vec(), more.to_vec()].concat();
    let planned = plan_of(&[], &[], &wanted, (&wide, &[]), 9);
    assert_eq!(followed(&planned), ["m/a", "n/a", "b"]);
    assert_eq!(hopes(&planned), wide);
    let planned = plan_of(&[], &[], &wanted, (&with(&["n/a", "m/a"]), &[]), 2);
    assert_eq!(followed(&planned), ["m/a@x", "n/a@y", "b~"], "each takes a place");
    // What nobody may see at all.
    let planned = plan_of(&[], &[], &wanted, (&with(&["m/a", "m/a@x", "b"]), &[]), 9);
    assert_eq!(
        (followed(&planned), blind(&planned)),
        (vec!["n/a".to_owned()], vec!["m/a".into(), "b".into()])
    );
    assert_eq!(hopes(&planned), ["*/a", "*/a@x", "*/a@y", "m/a", "m/a@x", "b"]);
}

#[test]
fn what_goes_on_is_not_interrupted_for_an_attempt() {
    for (known, none) in [(vec!["n/a"], vec![]), (vec![], vec!["n/a"])] {
        let refused = if known.is_empty() { vec!["*/a", "n/a", "n/a@x"] } else { vec!["*/a"] };
        let planned = plan_of(&known, &none, &["n/a@x"], (&refused, &[]), 9);
        assert_eq!(followed(&planned), known);
        assert_eq!(blind(&planned), none);
        assert!(hopes(&planned).contains(&"*/a@x".to_owned()), "it is tried beside it");
        let planned = plan_of(&known, &none, &["n/a@x"], (&refused, &["*/a@x"]), 9);
        assert_eq!((followed(&planned), hopes(&planned)), (vec!["*/a@x".to_owned()], vec![]));
    }
}

#[test]
fn only_so_many_accounts_are_tried() {
    let wanted: Vec<String> = (0..30).map(|number| format!("n/a@x{number:02}")).collect();
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let mut refused = vec!["*/a"];
    let names: Vec<String> = (0..7).map(|number| format!("*/a@x{number:02}")).collect();
    refused.extend(names.iter().map(String::as_str));
    assert_eq!(followed(&plan_of(&[], &[], &wanted, (&refused, &[]), 9)), ["n/a"]);
    refused.pop();
    assert_eq!(followed(&plan_of(&[], &[], &wanted, (&refused, &[]), 9)), ["*/a@x06"]);
}

#[test]
fn listings_are_spread_by_a_fifth_and_the_same_for_the_same_salt() {
    let every = Duration::from_secs(60);
    let waits: BTreeSet<_> = (0..1000).map(|salt| spread(every, extent("a"), salt)).collect();
    let (first, last) = (waits.first().unwrap().as_secs_f64(), waits.last().unwrap().as_secs_f64());
    assert!((48.0..50.0).contains(&first) && (70.0..=72.0).contains(&last), "{first} to {last}");
    assert_ne!(spread(every, extent("a"), 1), spread(every, extent("b"), 1));
    assert_eq!(spread(every, extent("a"), 1), spread(every, extent("a"), 1));
}
