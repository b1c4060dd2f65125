//! An upgrade widens no right without a word: what the manifests grant is compared with what those of the previous state do.

use std::collections::BTreeSet;

use muster_tests::previous::{is_shallow, manifest_of_history};
use serde_json::Value;

/// The files by which accounts come to hold rights.
const FILES: [&str; 6] = [
    "multicluster.yaml",
    "directory.yaml",
    "enrol-by-hand.yaml",
    "policies-define-roles.yaml",
    "policies-delete-namespaces.yaml",
    "tectonic/multicluster.yaml",
];

/// Rights that were added on purpose since the previous state: how the lines of [`rights`] begin, and for what. Whoever names
/// another previous state empties it.
const WIDENED: [(&str, &str); 10] = [
    ("multicluster.yaml: ClusterRole directory-sync everywhere: list clusterproperties.about.k8s.io", FACTS),
    ("multicluster.yaml: ClusterRole directory-sync everywhere: list nodes.", FACTS),
    ("multicluster.yaml: ClusterRole directory-sync everywhere: list servicecidrs.networking.k8s.io", FACTS),
    (
        "tectonic/multicluster.yaml: ClusterRole tectonic-directory-sync everywhere: list clusterproperties.about",
        FACTS,
    ),
    ("tectonic/multicluster.yaml: ClusterRole tectonic-directory-sync everywhere: list nodes.", FACTS),
    ("tectonic/multicluster.yaml: ClusterRole tectonic-directory-sync everywhere: list servicecidrs.", FACTS),
    (
        "directory.yaml: ClusterRole muster-directory everywhere: get customresourcedefinitions.apiextensions.k8s.io clusters.",
        "whether the definition that it finalizes entries of is still the one it knew",
    ),
    (
        "directory.yaml: ClusterRole muster-directory everywhere: get namespaces.",
        "what keeps a namespace from going",
    ),
    ("directory.yaml: Role muster-directory muster-inventory: ", INVENTORY),
    ("directory.yaml: RoleBinding muster-directory muster-inventory: ", INVENTORY),
];
const FACTS: &str = "what the report says of the cluster";
const INVENTORY: &str = "the profiles of the inventory, in its namespace alone";

fn words(value: &Value) -> Vec<String> {
    let words = value.as_array().into_iter().flatten();
    words.map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// One line for each right that a file grants: in which role, to do what, with what, and who is bound to which role where.
fn rights(file: &str, text: &str) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    for document in text.split("\n---\n").filter(|text| text.contains("\nkind: ")) {
        let object: Value = serde_saphyr::from_str(document).unwrap_or_else(|e| panic!("{file}: {e}"));
        let (kind, metadata) = (object["kind"].as_str().unwrap(), &object["metadata"]);
        let place = metadata["namespace"].as_str().unwrap_or("everywhere");
        let which = format!("{file}: {kind} {} {place}", metadata["name"].as_str().unwrap());
        for rule in object["rules"].as_array().into_iter().flatten().filter(|_| kind.ends_with("Role")) {
            let names = if rule["resourceNames"].is_null() {
                vec!["any".to_owned()]
            } else {
                words(&rule["resourceNames"])
            };
            assert!(rule["nonResourceURLs"].is_null(), "{which}: not looked at");
            for verb in words(&rule["verbs"]) {
                for group in words(&rule["apiGroups"]) {
                    for resource in words(&rule["resources"]) {
                        rights.extend(
                            names.iter().map(|name| format!("{which}: {verb} {resource}.{group} {name}")),
                        );
                    }
                }
            }
        }
        for subject in object["subjects"].as_array().into_iter().flatten() {
            let role = &object["roleRef"];
            rights.insert(format!(
                "{which}: {} {} of {} is {} {}",
                subject["kind"], subject["name"], subject["namespace"], role["kind"], role["name"]
            ));
        }
    }
    rights
}

#[test]
fn nothing_may_do_more_than_in_the_previous_state_but_what_is_listed() {
    if is_shallow() {
        println!("PREVIOUS STATE NOT CHECKED: this clone has no history");
        return;
    }
    let (mut before, mut now) = (BTreeSet::new(), BTreeSet::new());
    for file in FILES {
        before.extend(rights(file, &manifest_of_history(file).unwrap()));
        let path = format!("{}/../manifests/{file}", env!("CARGO_MANIFEST_DIR"));
        now.extend(rights(file, &std::fs::read_to_string(path).unwrap()));
    }
    println!("{} rights before, {} now", before.len(), now.len());
    assert!(before.len() > 150, "{}", before.len());
    let more: Vec<&String> = now.difference(&before).collect();
    let unlisted: Vec<_> =
        more.iter().filter(|line| !WIDENED.iter().any(|(listed, _)| line.starts_with(listed))).collect();
    assert!(unlisted.is_empty(), "an upgrade would grant more: {unlisted:#?}");
    for (listed, _) in WIDENED {
        assert!(more.iter().any(|line| line.starts_with(listed)), "granted before, or not at all: {listed}");
    }
    // What is compared is read: a right that is added shows.
    let added =
        "kind: Role\nmetadata: {name: a}\nrules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]\n";
    assert_eq!(rights("x", &format!("\n{added}")).len(), 1);
}
