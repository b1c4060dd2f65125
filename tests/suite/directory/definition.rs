//! The definition of entries is deleted, by somebody who said that he means it.

use std::time::Duration;

use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::TokenOptions;
use muster_tests::wait::{DEADLINE, throughout};
use serde_json::{Value, json};

use super::enrolment::parts;
use super::inventory::{PROFILES, define};
use super::{beat, controller, directory, enter, reason, report, until};
use crate::faults::removal::allow;
use crate::fleet::{CLUSTERS, condition_of, install};

const CRD: &str = "clusters.multicluster.coreos.com";
const ID: &str = "11111111-0000-4000-8000-000000000000";
/// What a cluster that is done says: it is waited for no more.
const LEFT: &str = r#"[{"type": "Deregistered", "status": "True", "reason": "EntryDeleted", "message": "",
    "lastTransitionTime": "2026-11-20T10:00:00Z"}]"#;

#[test]
fn nothing_of_any_cluster_goes_with_the_definition_and_all_are_enrolled_again_when_it_is_back() {
    let directory = directory();
    define(&directory);
    let api = directory.api();
    let mut controller = controller(&directory, &["--leader-lease=3"]);
    // Nobody is waited for: one never came, the other one says that it left.
    for name in ["east", "west"] {
        enter(&directory, name);
        reason(&directory, &controller, name, "Enrolled", "Enrolled");
    }
    report(&directory, "east", ID, &serde_json::from_str(LEFT).unwrap());
    beat(&directory, "east", ID);
    reason(&directory, &controller, "east", "Ready", "Left");
    let all = ["east", "west"].map(|name| {
        let mut all = parts(name);
        all.push(format!("{PROFILES}/{name}"));
        all
    });
    let uids = || -> Result<Vec<Value>, String> {
        all.iter()
            .flatten()
            .map(|path| api.get(path).map(|part| part["metadata"]["uid"].clone()))
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())
    };
    until(&controller, "the profiles", DEADLINE, || uids().map(drop));
    let before = uids().unwrap();
    let is_all_there = || match uids() {
        Ok(now) if now == before => Ok(()),
        other => Err(format!("{other:?}, before {before:?}")),
    };
    let token = directory.service_account_token("muster-agents", "west", &TokenOptions::default()).unwrap();

    let refused = directory.kubectl(&["delete", "crd", CRD]).unwrap();
    assert_ne!(refused.code, Some(0), "the admission policy lets it go");
    allow(&directory, "crd", CRD);
    directory.kubectl_ok(&["delete", "crd", CRD, "--wait=false"]).unwrap();
    for name in ["east", "west"] {
        let (message, _) = reason(&directory, &controller, name, "Deregistering", "Halted");
        assert!(message.contains(CRD) && message.contains("is being deleted"), "{message}");
    }
    until(&controller, "an Event", DEADLINE, || {
        let events = api.get("/apis/events.k8s.io/v1/namespaces/default/events");
        let system = api.get("/apis/events.k8s.io/v1/namespaces/muster-system/events");
        let told = |event: &Value| event["reason"] == "DefinitionInDoubt";
        let all = [events, system].map(|events| events.map_err(|error| error.to_string()));
        let any = all.iter().flatten().any(|events| events["items"].as_array().unwrap().iter().any(told));
        if any { Ok(()) } else { Err(format!("{all:?}")) }
    });
    until(&controller, "the metric", DEADLINE, || {
        let metrics = controller.admin("/metrics").map_err(|error| error.to_string())?.1;
        if metrics.contains("muster_controller_held_back 2") { Ok(()) } else { Err(metrics) }
    });
    throughout("all there", Duration::from_secs(5), is_all_there).unwrap();
    // Nor does another controller, which has never seen it sound.
    controller.restart().unwrap();
    throughout("all there", Duration::from_secs(8), is_all_there).unwrap();

    // The way back that the documentation shows.
    let entries = directory.kubectl_ok(&["get", "mcl", "-o", "yaml"]).unwrap();
    let entries: Vec<_> = entries.lines().filter(|line| !line.starts_with("    resourceVersion:")).collect();
    for name in ["east", "west"] {
        let free = json!({"metadata": {"finalizers": null}});
        api.patch(&format!("{CLUSTERS}/{name}"), MERGE_PATCH, &free).unwrap();
    }
    directory.kubectl_ok(&["wait", "--for=delete", "crd", CRD, "--timeout=60s"]).unwrap();
    is_all_there().unwrap();
    install(&directory);
    until(&controller, "the entries again", DEADLINE, || {
        directory.apply(&entries.join("\n")).map_err(|error| error.to_string())
    });
    for name in ["east", "west"] {
        reason(&directory, &controller, name, "Enrolled", "Enrolled");
    }
    is_all_there().unwrap();
    assert!(directory.api_with(&token).unwrap().get(CLUSTERS).is_ok(), "the account is the old one");

    // And who deletes an entry now is believed.
    api.delete(&format!("{CLUSTERS}/west")).unwrap();
    until(&controller, "west gone", DEADLINE * 2, || match api.get(&format!("{CLUSTERS}/west")) {
        Err(error) if error.status().is_some_and(|status| status == 404) => Ok(()),
        Ok(entry) => Err(format!("{:?}", condition_of(&entry, "Deregistering"))),
        Err(error) => Err(error.to_string()),
    });
    until(&controller, "the profile of west gone", DEADLINE, || {
        let [_, west] = &all;
        let left: Vec<_> = west.iter().filter(|path| api.get(path).is_ok()).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    let [east, _] = &all;
    assert!(east.iter().all(|path| api.get(path).is_ok()));
}

#[test]
fn the_namespace_of_the_accounts_is_protected() {
    let directory = directory();
    let judged = || {
        let refused = directory.kubectl(&["delete", "ns", "muster-agents", "--dry-run=server"]).unwrap();
        if refused.stderr.contains("Muster protects muster-agents") {
            Ok(())
        } else {
            Err(format!("{} {}", refused.stdout, refused.stderr))
        }
    };
    muster_tests::wait::timed("the policy in effect", DEADLINE, judged).unwrap();
    allow(&directory, "namespace", "muster-agents");
    directory.kubectl_ok(&["delete", "ns", "muster-agents", "--dry-run=server"]).unwrap();
}
