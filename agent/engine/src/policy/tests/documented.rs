//! The two policies of the multi-cluster registry's documentation, as written there.

use super::*;

const DOCUMENTED: &str = include_str!("../../../../../manifests/samples/policies.yaml");

fn read(yaml: &str) -> Policy {
    let mut value: Value = serde_saphyr::from_str(yaml).unwrap();
    value["metadata"]["uid"] = "u".into();
    value["metadata"]["resourceVersion"] = "1".into();
    Policy::read(&parse(&value)).unwrap()
}

#[test]
fn they_give_the_documented_objects_and_nothing_else() {
    let policies: Vec<Policy> = DOCUMENTED.split("\n---\n").skip(1).map(read).collect();
    let cluster = BTreeMap::from([("cloud".to_owned(), "aws".to_owned())]);
    assert!(policies.iter().all(|policy| policy.matches(&cluster)));
    let bundles =
        policies.iter().map(|policy| (policy.uid.as_str(), policy.name.as_str(), &policy.items[..]));
    let (wanted, conflicts) = union(bundles);
    assert_eq!(conflicts, []);
    let mut seen = BTreeMap::new();
    for wanted in wanted.values() {
        let object = manifest(&wanted.item);
        let subjects: Vec<_> = object["subjects"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|subject| {
                assert_eq!(subject["apiGroup"], "rbac.authorization.k8s.io");
                format!("{} {}", subject["kind"].as_str().unwrap(), subject["name"].as_str().unwrap())
            })
            .collect();
        let key = [&object["kind"], &object["metadata"]["namespace"], &object["roleRef"]["name"]]
            .map(|part| part.as_str().unwrap_or("-").to_owned())
            .join(" ");
        seen.entry(key).or_insert_with(Vec::new).push(subjects.join(", "));
    }
    let expected = [
        ("ClusterRoleBinding - admin", vec!["Group Operations"]),
        ("Namespace - -", vec!["", ""]),
        ("RoleBinding api-prod admin", vec!["User joe-team-lead"]),
        ("RoleBinding api-prod edit", vec!["Group APIDevelopers"]),
        ("RoleBinding api-prod view", vec!["User random-user, Group SupportTeam"]),
        ("RoleBinding api-test admin", vec!["Group APIDevelopers"]),
    ];
    let seen: Vec<_> = seen
        .iter()
        .map(|(key, subjects)| (key.as_str(), subjects.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(seen, expected);
}
