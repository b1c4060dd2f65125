//! What lies in manifests/crds is fresh; what all schemas have in common, and what those of the standard's kinds have in common with the published ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{all, files};

/// The schema of a kind, by the kind.
fn schemas() -> BTreeMap<String, Value> {
    let schema = |crd: &Value| crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    let all = all().unwrap();
    let crds = all.iter().map(|crd| serde_json::to_value(crd).unwrap());
    crds.map(|crd| (crd["spec"]["names"]["kind"].as_str().unwrap().to_owned(), schema(&crd))).collect()
}

/// Every node below a schema, by its path: `.a` for a field, `[]` for the items of a list, `{}` for those of a map.
fn nodes(schema: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut open = vec![(String::new(), schema.clone())];
    while let Some((path, node)) = open.pop() {
        for (name, field) in node["properties"].as_object().into_iter().flatten() {
            open.push((format!("{path}.{name}"), field.clone()));
        }
        for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
            if node.get(key).is_some() {
                open.push((format!("{path}{mark}"), node[key].clone()));
            }
        }
        found.insert(path, node);
    }
    found
}

#[test]
fn the_crds_in_manifests_are_those_of_the_types() {
    let wanted: BTreeMap<_, _> = files().unwrap().into_iter().map(|file| (file.name, file.content)).collect();
    let mut found = BTreeMap::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests/crds");
    for entry in fs::read_dir(folder).expect("manifests/crds: run `make crds`") {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        found.insert(name, fs::read_to_string(path).unwrap());
    }
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&wanted), "run `make crds`");
    for (name, content) in &wanted {
        assert!(found[name] == *content, "{name} is stale: run `make crds`");
    }
}

#[test]
fn every_field_has_a_description() {
    let mut fields = 0;
    for (kind, schema) in schemas() {
        for (path, node) in nodes(&schema) {
            if !path.ends_with("[]") && !path.ends_with("{}") {
                let text = node["description"].as_str().unwrap_or_default();
                assert!(text.len() > 7 && text.ends_with('.'), "{kind}{path}: {text:?}");
                assert!(!text.contains('`') && !text.contains("]("), "{kind}{path}: Markdown in {text:?}");
                fields += 1;
            }
        }
    }
    println!("{fields} fields");
}

/// A report is what an agent says, and an agent may be anybody's: it cannot swell the directory.
#[test]
fn everything_in_a_report_has_a_bound() {
    let mut bounded = 0;
    for (path, node) in nodes(&schemas()["ClusterReport"]["properties"]["status"]) {
        let has = |key: &str| node[key].as_u64().is_some();
        let is_bounded = match node["type"].as_str() {
            Some("string") => has("maxLength") || node["enum"].is_array() || node["format"] == "date-time",
            Some("array") => has("maxItems"),
            Some("object") => node.get("additionalProperties").is_none() || has("maxProperties"),
            Some("integer" | "boolean") => true,
            other => panic!("{path} is {other:?}"),
        };
        assert!(is_bounded, "{path}: {node}");
        bounded += 1;
    }
    println!("{bounded} nodes");
}

/// A default would be written into mirrored copies, and null is no value of the standard's kinds.
#[test]
fn nothing_is_filled_in_and_nothing_is_null() {
    for (kind, schema) in schemas() {
        for (path, node) in nodes(&schema) {
            assert!(node.get("default").is_none() && node.get("nullable").is_none(), "{kind}{path}: {node}");
        }
    }
}

#[test]
fn nothing_below_the_spec_of_a_cluster_is_pruned() {
    for (path, node) in nodes(&schemas()["Cluster"]["properties"]["spec"]) {
        if node["type"] == "object" {
            assert_eq!(node["x-kubernetes-preserve-unknown-fields"], true, "{path}");
        }
    }
}

/// Every replica reads every entry. So no field is for a secret: a new one has to be written down here first, with what keeps a
/// secret out of it. What the schema does not know is kept as people wrote it, and none of Muster's programs writes any.
#[test]
fn no_field_of_a_cluster_is_for_a_secret() {
    let (mut texts, mut addresses) = (Vec::new(), 0);
    for (path, node) in nodes(&schemas()["Cluster"]["properties"]["spec"]) {
        assert!(node.get("additionalProperties").is_none(), "{path}: a map can hold anything");
        let opaque = ["byte", "password"].iter().any(|format| node["format"] == *format);
        assert!(!opaque && node["writeOnly"].is_null(), "{path}: {node}");
        if node["type"] != "string" || node["enum"].is_array() {
            continue;
        }
        let field = path.rsplit('.').next().unwrap().to_lowercase();
        if field == "serveraddress" {
            let rules = node["x-kubernetes-validations"].to_string();
            assert!(rules.contains("must not hold a user or password"), "{path}: {rules}");
            addresses += 1;
        }
        texts.push(field);
    }
    texts.sort();
    assert_eq!(addresses, 2);
    assert_eq!(texts, ["cabundle", "cabundle", "clientcidr", "clientcidr", "serveraddress", "serveraddress"]);
}

/// A typo in a policy must not pass: what is not declared is an error for `kubectl apply`.
#[test]
fn nothing_but_the_short_selector_is_open_in_a_policy() {
    let open: Vec<_> = nodes(&schemas()["ClusterPolicy"])
        .into_iter()
        .filter(|(_, node)| node.get("x-kubernetes-preserve-unknown-fields").is_some())
        .map(|(path, _)| path)
        .collect();
    assert_eq!(open, [".spec.selector"]);
}

/// One line for each node, with all that a server checks. Texts are left out.
fn lines(schema: &Value) -> BTreeSet<String> {
    let line = |(path, node): (String, Value)| {
        let mut rest = node.as_object().unwrap().clone();
        for key in ["description", "properties", "items", "additionalProperties", "type"] {
            rest.remove(key);
        }
        if let Some(Value::Array(required)) = rest.get_mut("required") {
            required.sort_by_key(ToString::to_string);
        }
        let kind = node["type"].as_str().unwrap_or_default();
        let rest: Vec<_> = rest.iter().map(|(key, value)| format!(" {key}={value}")).collect();
        format!("{path}: {kind}{}", rest.concat())
    };
    nodes(schema).into_iter().map(line).collect()
}

/// The fields of a `metav1.Condition` below a list, as controller-gen publishes them.
fn condition(list: &str) -> Vec<String> {
    vec![
        format!("{list}: array"),
        format!(r#"{list}[]: object required=["lastTransitionTime","message","reason","status","type"]"#),
        format!(r#"{list}[].lastTransitionTime: string format="date-time""#),
        format!("{list}[].message: string maxLength=32768"),
        format!(r#"{list}[].observedGeneration: integer format="int64" minimum=0.0"#),
        format!(
            r#"{list}[].reason: string maxLength=1024 minLength=1 pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$""#
        ),
        format!(r#"{list}[].status: string enum=["True","False","Unknown"]"#),
        format!(
            r#"{list}[].type: string maxLength=316 pattern="^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$""#
        ),
    ]
}

/// The fields that name an object, below something.
fn identifier(node: &str) -> Vec<String> {
    let fields = ["group", "version", "kind", "resource", "namespace", "name"];
    let mut lines: Vec<_> = fields.iter().map(|field| format!("{node}.{field}: string")).collect();
    lines.push(format!("{node}.ordinal: integer"));
    lines
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// kubernetes-sigs/work-api, config/crd, as of April 2026.
#[test]
fn work_is_the_published_kind_field_by_field() {
    let published: BTreeSet<String> = [
        owned(&[
            ": object",
            ".spec: object",
            ".spec.workload: object",
            ".spec.workload.manifests: array",
            ".spec.workload.manifests[]: object x-kubernetes-embedded-resource=true x-kubernetes-preserve-unknown-fields=true",
            r#".status: object required=["conditions"]"#,
            ".status.manifestConditions: array",
            r#".status.manifestConditions[]: object required=["conditions"]"#,
            r#".status.manifestConditions[].identifier: object required=["ordinal"]"#,
        ]),
        condition(".status.conditions"),
        condition(".status.manifestConditions[].conditions"),
        identifier(".status.manifestConditions[].identifier"),
    ]
    .concat()
    .into_iter()
    .collect();
    let ours = lines(&schemas()["Work"]);
    assert_eq!(ours, published, "only here: {:#?}", ours.difference(&published));
}

/// The same source. What Muster adds is in two places that the standard does not have.
#[test]
fn appliedwork_is_the_published_kind_and_a_ledger() {
    let published: BTreeSet<String> = [
        owned(&[
            r#": object required=["spec"]"#,
            r#".spec: object required=["workName","workNamespace"]"#,
            ".spec.workName: string",
            ".spec.workNamespace: string",
            ".status: object",
            ".status.appliedResources: array",
            ".status.appliedResources[]: object",
            ".status.appliedResources[].uid: string",
        ]),
        identifier(".status.appliedResources[]"),
    ]
    .concat()
    .into_iter()
    .collect();
    let ours: BTreeSet<String> = lines(&schemas()["AppliedWork"])
        .into_iter()
        .filter(|line| {
            !line.starts_with(".spec.ledger") && !line.starts_with(".status.appliedResources[].digest:")
        })
        .collect();
    assert_eq!(ours, published, "only here: {:#?}", ours.difference(&published));
}
