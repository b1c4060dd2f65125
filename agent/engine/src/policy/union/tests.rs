use muster_api::resource::{CLUSTER_ROLES, ROLES};
use serde_json::{Value, json};

use super::*;

fn namespace(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Arc<Item> {
    let mut item = Item::new(Target { resource: NAMESPACES, namespace: None, name: "api-prod".to_owned() });
    let map = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    };
    (item.labels, item.annotations) = (map(labels), map(annotations));
    Arc::new(item)
}

fn role(name: &str, rules: Value) -> Arc<Item> {
    let target = Target { resource: CLUSTER_ROLES, namespace: None, name: name.to_owned() };
    Arc::new(Item::new(target).with("rules", rules))
}

fn conflict(item: &Item, policy: &str, field: &str, with: &str) -> Conflict {
    Conflict { target: item.target.clone(), policy: policy.into(), field: field.into(), with: with.into() }
}

type Bundle = (&'static str, &'static str, Vec<Arc<Item>>);

/// The union of bundles, which must be the same in whatever order they come.
fn joined(bundles: &[Bundle]) -> (BTreeMap<Target, Wanted>, Vec<Conflict>) {
    let of = |order: &[usize]| {
        union(order.iter().map(|&index| {
            let (uid, name, items) = &bundles[index];
            (*uid, *name, items.as_slice())
        }))
    };
    let mut orders = Vec::new();
    permute(&mut (0..bundles.len()).collect(), 0, &mut orders);
    let first = of(&orders[0]);
    for order in &orders {
        assert_eq!(of(order), first, "in the order {order:?}");
    }
    first
}

fn permute(order: &mut Vec<usize>, from: usize, all: &mut Vec<Vec<usize>>) {
    if from == order.len() {
        all.push(order.clone());
    }
    for place in from..order.len() {
        order.swap(from, place);
        permute(order, from + 1, all);
        order.swap(from, place);
    }
}

fn uids(wanted: &Wanted) -> Vec<&str> {
    wanted.policies.iter().map(String::as_str).collect()
}

#[test]
fn namespaces_are_merged_and_the_first_by_name_holds() {
    let bundles = [
        ("3", "a", vec![namespace(&[("team", "web")], &[("note", "a")])]),
        ("2", "b", vec![namespace(&[("team", "db"), ("tier", "1")], &[("note", "a")])]),
        ("1", "c", vec![namespace(&[("team", "db"), ("tier", "2")], &[("other", "c")])]),
        ("4", "d", vec![namespace(&[("team", "web")], &[("note", "d")])]),
    ];
    let (wanted, conflicts) = joined(&bundles);
    let expected = namespace(&[("team", "web"), ("tier", "1")], &[("note", "a"), ("other", "c")]);
    assert_eq!(wanted.len(), 1);
    let wanted = &wanted[&expected.target];
    assert_eq!(wanted.item, expected);
    assert_eq!(uids(wanted), ["1", "2", "3", "4"]);
    assert_eq!(
        conflicts,
        [
            conflict(&expected, "b", "metadata.labels[team]", "a"),
            conflict(&expected, "c", "metadata.labels[team]", "a"),
            conflict(&expected, "c", "metadata.labels[tier]", "b"),
            conflict(&expected, "d", "metadata.annotations[note]", "a"),
        ]
    );
}

#[test]
fn an_equal_role_is_shared_and_another_yields() {
    let (one, same, other) = (role("r", json!([1])), role("r", json!([1])), role("r", json!([2])));
    let (wanted, conflicts) = joined(&[("1", "a", vec![one.clone()]), ("2", "b", vec![same.clone()])]);
    assert_eq!(conflicts, []);
    assert_eq!(uids(&wanted[&one.target]), ["1", "2"]);
    let bundles = [("1", "z", vec![one.clone()]), ("2", "b", vec![same]), ("3", "a", vec![other.clone()])];
    let (wanted, conflicts) = joined(&bundles);
    assert_eq!(wanted[&one.target].item, other);
    assert_eq!(uids(&wanted[&one.target]), ["1", "2", "3"], "who yields still wants the object");
    assert_eq!(conflicts, [conflict(&one, "b", "rules", "a"), conflict(&one, "z", "rules", "a")]);
}

#[test]
fn a_policy_and_its_namesake_of_another_time_are_told_apart() {
    let (old, new) = (role("r", json!([1])), role("r", json!([2])));
    let (wanted, conflicts) = joined(&[("2", "a", vec![new]), ("1", "a", vec![old.clone()])]);
    assert_eq!(wanted[&old.target].item, old);
    assert_eq!(conflicts, [conflict(&old, "a", "rules", "a")]);
}

#[test]
fn what_only_one_wants_stays_apart_and_in_the_order_of_making() {
    let in_namespace =
        Item::new(Target { resource: ROLES, namespace: Some("api-prod".to_owned()), name: "r".to_owned() });
    let bundles = [
        ("1", "a", vec![role("r", json!([])), Arc::new(in_namespace.clone())]),
        ("2", "b", vec![namespace(&[], &[]), role("s", json!([]))]),
        ("3", "c", vec![]),
    ];
    let (wanted, conflicts) = joined(&bundles);
    assert_eq!(conflicts, []);
    let seen: Vec<_> = wanted.iter().map(|(target, wanted)| (target.name.as_str(), uids(wanted))).collect();
    assert_eq!(seen, [("api-prod", vec!["2"]), ("r", vec!["1"]), ("s", vec!["2"]), ("r", vec!["1"])]);
    assert_eq!(union(std::iter::empty()), (BTreeMap::new(), Vec::new()));
}
