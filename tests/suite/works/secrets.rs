//! Secrets in Works: their values are where they belong, and nowhere else.

mod canary;

use muster_tests::ControlPlane;
use muster_tests::agent::AgentProcess;
use muster_tests::api::{Api, MERGE_PATCH};
use muster_tests::plane::{AuditMark, TokenOptions};
use serde_json::{Value, json};

use super::{config_map, manifest, put_work, until_told, work, works};
use crate::fleet::{Fleet, SECRETS, stop, until};
use crate::secrets::leaks::{CANARY, Needles, objects};
use crate::trail;

const PATH: &str = "/api/v1/namespaces/default/secrets/login";

fn secret(name: &str, value: &str) -> Value {
    manifest("v1", "Secret", "default", name, json!({"stringData": {"password": value}}))
}

/// Waits until an object has this password.
fn until_password(agent: &AgentProcess, api: &Api, value: &str) {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    until(agent, &format!("the password {value}"), || {
        let seen = api.get(PATH).map_err(|error| error.to_string())?;
        let right = seen["data"]["password"] == BASE64_STANDARD.encode(value);
        if right { Ok(()) } else { Err(seen["data"].to_string()) }
    });
}

/// A client of somebody with the role `view`, who may read what Muster keeps as well.
fn viewer(plane: &ControlPlane) -> Api {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "viewer", "namespace": "default"}});
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "view-muster"},
        "rules": [{"apiGroups": ["multicluster.x-k8s.io", "multicluster.coreos.com"], "resources": ["*"], "verbs": ["get", "list"]}]});
    let binding = |role: &str| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("viewer-{role}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "viewer", "namespace": "default"}]})
    };
    for object in [account, role, binding("view"), binding("view-muster")] {
        plane.apply(&object.to_string()).unwrap();
    }
    let token = plane.service_account_token("default", "viewer", &TokenOptions::default()).unwrap();
    plane.api_with(&token).unwrap()
}

#[test]
fn a_secret_is_back_without_the_directory_and_who_may_view_reads_no_value() {
    let fleet = Fleet::new();
    let mut agent = fleet.joined(&[]);
    let (replica, value) = (fleet.replica.api(), format!("{CANARY}-1"));
    let manifests = json!([secret("login", &value), config_map("default", "a", "one")]);
    put_work(&fleet, "app", &manifests);
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    until_password(&agent, &replica, &value);

    let viewer = viewer(&fleet.replica);
    let needles = Needles::of(&[]);
    let mut seen = Vec::new();
    until(&agent, "a viewer to see the ledger", || {
        seen = objects(&fleet.replica, &viewer, |_, _| {});
        let ledgers = seen.iter().find(|(place, _)| place.ends_with("/appliedworks"));
        let shown = ledgers.is_some_and(|(_, text)| text.contains("hmac-sha256:"));
        if shown { Ok(()) } else { Err(format!("{ledgers:?}")) }
    });
    assert!(seen.iter().any(|(place, _)| place.ends_with("/events")), "Events are searched");
    assert!(!seen.iter().any(|(place, _)| place.ends_with("/secrets")), "who may view lists no Secrets");
    assert_eq!(needles.found(&seen), [""; 0]);
    let uid = work(&fleet, "app")["metadata"]["uid"].as_str().unwrap().to_owned();
    for path in [PATH.to_owned(), format!("{SECRETS}/muster-work-{uid}")] {
        replica.get(&path).unwrap();
        assert_eq!(viewer.get(&path).unwrap_err().status().map(|code| code.as_u16()), Some(403), "{path}");
    }

    stop(&mut agent);
    fleet.directory.kill().unwrap();
    replica.delete(PATH).unwrap();
    agent.restart().unwrap();
    until_password(&agent, &replica, &value);
    replica.patch(PATH, MERGE_PATCH, &json!({"data": {"password": "eA=="}})).unwrap();
    until_password(&agent, &replica, &value);

    fleet.directory.restart().unwrap();
    fleet.reason(&agent, "DirectoryReachable", "Reachable");
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    let mark = trail::mark(&fleet.replica);
    put_work(&fleet, "app", &json!([secret("login", &value), config_map("default", "a", "two")]));
    until(&agent, "the change applied", || {
        let seen = replica.get("/api/v1/namespaces/default/configmaps/a").unwrap();
        if seen["data"]["key"] == "two" { Ok(()) } else { Err(seen.to_string()) }
    });
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    let writes = writes(&fleet, mark, &uid);
    assert_eq!(writes, ["update appliedworks app", "patch configmaps default/a"], "nothing else is written");
}

/// What the agent wrote in the replica for Works, in order.
fn writes(fleet: &Fleet, mark: AuditMark, uid: &str) -> Vec<String> {
    let of_works = |resource: &str| {
        ["secrets", "configmaps"].contains(&resource) || resource.starts_with("appliedworks")
    };
    let written = trail::writes(&fleet.replica, mark, trail::REPLICA_USER).into_iter();
    let written = written.filter(|event| of_works(&event.resource) && event.name != "muster-agent-state");
    let line = |event: muster_tests::plane::AuditEvent| {
        assert!((200..300).contains(&event.code), "{event:?}");
        let own = event.namespace == "muster-system";
        assert_eq!(
            event.impersonated.is_none(),
            own || event.resource.starts_with("appliedworks"),
            "{event:?}"
        );
        // The name of what is made stands in the body alone.
        let name =
            if own || event.name.is_empty() { event.name.replace(uid, "UID") } else { event.name.clone() };
        let place = if event.namespace.is_empty() { name } else { format!("{}/{name}", event.namespace) };
        format!("{} {} {place}", event.verb, event.resource)
    };
    written.map(line).collect()
}

#[test]
fn a_work_with_a_secret_takes_one_write_more_before_each_change_of_a_value() {
    let fleet = Fleet::new();
    let mut agent = fleet.joined(&[]);
    let step = |agent: &AgentProcess, value: &str, config: &str| {
        let mark = trail::mark(&fleet.replica);
        let manifests = json!([secret("login", value), config_map("default", "a", config)]);
        let made = put_work(&fleet, "app", &manifests);
        until_told(&fleet, agent, "app", "Applied", "Applied");
        let uid = made["metadata"]["uid"].as_str().unwrap().to_owned();
        writes(&fleet, mark, &uid)
    };
    let mut new = step(&agent, "one", "one");
    new[2..4].sort(); // of one wave, in whatever order
    assert_eq!(
        new,
        [
            "create secrets muster-system/muster-work-UID",
            "create appliedworks app",
            "patch configmaps default/a",
            "patch secrets default/login",
            "patch appliedworks/status app",
        ]
    );
    assert_eq!(
        step(&agent, "two", "one"),
        [
            "update secrets muster-system/muster-work-UID",
            "update appliedworks app",
            "patch secrets default/login"
        ]
    );
    assert_eq!(step(&agent, "two", "two"), ["update appliedworks app", "patch configmaps default/a"]);

    println!("a restart");
    let (mark, uid) =
        (trail::mark(&fleet.replica), work(&fleet, "app")["metadata"]["uid"].as_str().unwrap().to_owned());
    stop(&mut agent);
    agent.restart().unwrap();
    fleet.reason(&agent, "WorksApplied", "Applied");
    let restarted = trail::mark(&fleet.replica);
    assert_eq!(writes(&fleet, mark, &uid), [""; 0]);

    println!("its end");
    fleet.directory.api().delete(&format!("{}/app", works())).unwrap();
    until(&agent, "the ledger gone", || {
        let ledger = fleet.replica.api().get(&format!("{}/app", super::LEDGERS));
        ledger.map_or(Ok(()), |ledger| Err(ledger.to_string()))
    });
    let mut end = writes(&fleet, restarted, &uid);
    end[1..3].sort();
    assert_eq!(
        end,
        [
            "update appliedworks app",
            "delete configmaps default/a",
            "delete secrets default/login",
            "delete secrets muster-system/muster-work-UID",
            "delete appliedworks app",
        ]
    );
}
