//! What a Work does not ask for any more goes, and nothing else.

use std::collections::BTreeMap;

use muster_tests::agent::AgentProcess;
use serde_json::{Value, json};

use super::{LEDGERS, config_map, namespace, put_work, put_work_with, until_told, work, works};
use crate::fleet::{Fleet, until};

/// UIDs of the `ConfigMap`s in a namespace, but for Kubernetes' own.
fn there(fleet: &Fleet, within: &str) -> BTreeMap<String, String> {
    let list = fleet.replica.api().get(&format!("/api/v1/namespaces/{within}/configmaps")).unwrap();
    let named = |object: &Value| {
        let text = |field: &str| object["metadata"][field].as_str().unwrap().to_owned();
        (text("name"), text("uid"))
    };
    list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(named)
        .filter(|(name, _)| name != "kube-root-ca.crt")
        .collect()
}

fn until_there(
    fleet: &Fleet,
    agent: &AgentProcess,
    within: &str,
    names: &[&str],
) -> BTreeMap<String, String> {
    until(agent, &format!("{names:?} in {within}"), || {
        let there = there(fleet, within);
        if there.keys().eq(names) { Ok(()) } else { Err(format!("{there:?}")) }
    });
    there(fleet, within)
}

/// Deletes a Work, and waits until it and its ledger are gone.
fn end(fleet: &Fleet, agent: &AgentProcess, name: &str) {
    fleet.directory.api().delete(&format!("{}/{name}", works())).unwrap();
    until(agent, &format!("Work {name} gone"), || {
        let work = fleet.directory.api().get(&format!("{}/{name}", works()));
        let ledger = fleet.replica.api().get(&format!("{LEDGERS}/{name}"));
        match (work, ledger) {
            (Err(_), Err(_)) => Ok(()),
            (work, _) => Err(work.map_or_else(|error| error.to_string(), |work| work["status"].to_string())),
        }
    });
}

#[test]
fn exactly_the_right_objects_stay() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let config = |name: &str, value: &str| config_map("default", name, value);
    put_work(&fleet, "app", &json!([config("a", "one"), config("b", "one"), config("c", "one")]));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    let before = until_there(&fleet, &agent, "default", &["a", "b", "c"]);

    println!("another order, another value, one less");
    put_work(&fleet, "app", &json!([config("c", "one"), config("a", "two")]));
    let now = until_there(&fleet, &agent, "default", &["a", "c"]);
    assert!(now.iter().all(|(name, uid)| before[name] == *uid));
    until_told(&fleet, &agent, "app", "Applied", "Applied");

    println!("handed over to another Work");
    put_work(&fleet, "second", &json!([config("c", "two")]));
    until_told(&fleet, &agent, "second", "Applied", "Incomplete");
    put_work(&fleet, "app", &json!([config("a", "two")]));
    until_told(&fleet, &agent, "second", "Applied", "Applied");
    let now = until_there(&fleet, &agent, "default", &["a", "c"]);
    assert!(now.iter().all(|(name, uid)| before[name] == *uid));
    end(&fleet, &agent, "second");
    until_there(&fleet, &agent, "default", &["a"]);

    println!("orphaned");
    let orphan = json!({"multicluster.coreos.com/deletion": "orphan"});
    put_work_with(&fleet, "app", &orphan, &json!([config("a", "two")]));
    end(&fleet, &agent, "app");
    let now = until_there(&fleet, &agent, "default", &["a"]);
    assert_eq!(now["a"], before["a"]);
    let left = fleet.replica.api().get("/api/v1/namespaces/default/configmaps/a").unwrap();
    assert!(!left["metadata"].to_string().contains("made-for\":"), "{left:#}");
}

#[test]
fn a_protected_kind_goes_only_where_the_manifest_allows_it() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    put_work(&fleet, "team", &json!([namespace("team"), config_map("team", "a", "one")]));
    until_told(&fleet, &agent, "team", "Applied", "Applied");
    fleet.directory.api().delete(&format!("{}/team", works())).unwrap();
    until_there(&fleet, &agent, "team", &[]);
    until(&agent, "the Work to say what it waits for", || {
        let status = work(&fleet, "team")["status"].to_string();
        if status.contains("Namespace team is of a protected kind") { Ok(()) } else { Err(status) }
    });
    let kept = fleet.replica.api().get("/api/v1/namespaces/team").unwrap();
    assert_eq!(kept["metadata"]["deletionTimestamp"], Value::Null);

    let allow = json!({"metadata": {"annotations": {"multicluster.coreos.com/allow-deletion": "true"}}});
    let path = format!("{}/team", works());
    fleet.directory.api().patch(&path, muster_tests::api::MERGE_PATCH, &allow).unwrap();
    until(&agent, "the namespace to go", || match fleet.replica.api().get("/api/v1/namespaces/team") {
        Ok(seen) if seen["metadata"]["deletionTimestamp"].is_null() => Err(seen.to_string()),
        _ => Ok(()),
    });
}
