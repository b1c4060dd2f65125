//! The admission policies fail closed: where one cannot be judged, the request is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// All documents of the shipped manifests, with the file of each.
fn documents(folder: &Path, found: &mut Vec<(String, Value)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            for document in text.split("\n---\n").filter(|text| text.contains("\nkind: ")) {
                let document = serde_saphyr::from_str(document).unwrap_or_else(|e| panic!("{path:?}: {e}"));
                found.push((path.display().to_string(), document));
            }
        }
    }
}

#[test]
fn every_admission_policy_fails_closed_and_is_bound_to_deny() {
    let mut all = Vec::new();
    documents(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests"), &mut all);
    let mut policies: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (file, policy) in all.iter().filter(|(_, one)| one["kind"] == "ValidatingAdmissionPolicy") {
        let name = policy["metadata"]["name"].as_str().unwrap().to_owned();
        assert_eq!(policy["spec"]["failurePolicy"], "Fail", "{file}: {name}");
        assert!(!policy["spec"]["validations"].as_array().unwrap().is_empty(), "{file}: {name}");
        policies.insert((file.clone(), name), 0);
    }
    for (file, binding) in all.iter().filter(|(_, one)| one["kind"] == "ValidatingAdmissionPolicyBinding") {
        let name = binding["spec"]["policyName"].as_str().unwrap().to_owned();
        assert_eq!(binding["spec"]["validationActions"], json!(["Deny"]), "{file}: {name}");
        let bound = policies.get_mut(&(file.clone(), name.clone()));
        *bound.unwrap_or_else(|| panic!("{file}: there is no policy {name}")) += 1;
    }
    assert!(policies.len() >= 4, "{policies:?}");
    assert!(policies.values().all(|bindings| *bindings > 0), "not bound: {policies:?}");
    // What could let a request pass unjudged in another way.
    let others =
        ["MutatingAdmissionPolicy", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"];
    assert!(all.iter().all(|(_, one)| !others.contains(&one["kind"].as_str().unwrap_or_default())));
}
