//! Manifests that are lists.

use super::*;

fn list(items: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items})
}

fn names(slots: &[Slot]) -> Vec<(usize, &str, Option<&'static str>)> {
    let flaw = |slot: &Slot| slot.manifest.as_ref().err().map(Flaw::reason);
    slots.iter().map(|slot| (slot.ordinal, slot.named.name.as_str(), flaw(slot))).collect()
}

#[test]
fn the_items_of_a_list_bear_its_place() {
    let slots = work(&[named("a"), list(&json!([named("b"), null, named("c")])), named("d")]).manifests;
    assert_eq!(
        names(&slots),
        [(0, "a", None), (1, "b", None), (1, "", Some("Malformed")), (1, "c", None), (2, "d", None)]
    );
}

#[test]
fn an_empty_list_is_nothing() {
    for items in [json!([]), json!(null)] {
        assert!(work(&[list(&items)]).manifests.is_empty());
    }
    let mut absent = list(&json!([]));
    absent.as_object_mut().unwrap().remove("items");
    assert!(work(&[absent]).manifests.is_empty());
    let wrong = work(&[list(&json!("hunter2"))]).manifests;
    assert_eq!(names(&wrong), [(0, "", Some("Malformed"))]);
}

#[test]
fn a_list_in_a_list_is_refused_and_its_neighbours_are_not() {
    let inner = list(&json!([named("b")]));
    let slots = work(&[list(&json!([inner, named("c")]))]).manifests;
    assert_eq!(names(&slots), [(0, "", Some("NestedList")), (0, "c", None)]);
}

#[test]
fn the_kind_of_a_list_is_that_of_items_that_say_none() {
    let text = json!({
        "apiVersion": "apps/v1", "kind": "DeploymentList", "items": [
            {"metadata": {"name": "a"}}, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "b"}}, {"kind": "Secret", "metadata": {"name": "c"}},
        ],
    });
    let slots = work(&[text]).manifests;
    assert_eq!(names(&slots), [(0, "a", None), (0, "b", None), (0, "c", Some("Malformed"))]);
    let gvk = |slot: &Slot| slot.manifest.as_ref().unwrap().gvk.clone();
    assert_eq!(
        (gvk(&slots[0]).api_version().as_str(), gvk(&slots[0]).kind.as_str()),
        ("apps/v1", "Deployment")
    );
    assert_eq!((slots[0].named.group.as_str(), slots[0].named.kind.as_str()), ("apps", "Deployment"));
    assert_eq!(gvk(&slots[1]).kind, "Secret");
    let untyped = work(&[list(&json!([{"metadata": {"name": "a"}}]))]).manifests;
    assert_eq!(names(&untyped), [(0, "a", Some("Malformed"))]);
}

#[test]
fn a_kind_that_ends_in_list_by_chance_is_an_object() {
    let text =
        json!({"apiVersion": "g/v1", "kind": "AllowList", "metadata": {"name": "a"}, "items": {"x": 1}});
    assert_eq!(names(&work(&[text]).manifests), [(0, "a", None)]);
}

#[test]
fn options_on_a_list_would_hold_for_nothing_and_are_refused() {
    let mut text = list(&json!([named("a")]));
    text["metadata"]["annotations"] = json!({"multicluster.coreos.com/deletion": "orphan"});
    let slots = work(&[text.clone()]).manifests;
    assert_eq!(names(&slots), [(0, "", Some("InvalidOption"))]);
    text["metadata"]["annotations"] = json!({"note": "a"});
    assert_eq!(names(&work(&[text]).manifests), [(0, "a", None)]);
}
