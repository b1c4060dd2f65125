//! A value that stands out is followed through the life of a Work: nothing that the agent says anywhere repeats it.

use muster_tests::ControlPlane;
use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use serde_json::{Value, json};

use super::super::{config_map, manifest, of_manifest, put_work, put_work_with, until_told, works};
use super::{PATH, secret, until_password};
use crate::fleet::{Fleet, quietly, until};
use crate::secrets::leaks::{CANARY, Needles, Said, everything_but};

/// All that was said, but what is in Secrets, and what the directory asks for.
fn said(fleet: &Fleet, agent: &AgentProcess) -> Said {
    let mut said = everything_but(fleet, agent, |kind, object| match kind {
        "secrets" => {
            object.as_object_mut().unwrap().remove("data");
        }
        "works" => drop(object.as_object_mut().unwrap().remove("spec")),
        _ => {}
    });
    for plane in [&fleet.directory, &fleet.replica] {
        said.push((format!("{} audit log", plane.name()), audit_log(plane)));
    }
    said
}

/// Without what the server itself logs of the answers of the indiscreet policy.
fn audit_log(plane: &ControlPlane) -> String {
    let log = std::fs::read_to_string(plane.folder().join("audit.log")).unwrap();
    log.lines().filter(|line| !line.contains("Policy 'indiscreet'")).collect::<Vec<_>>().join("\n")
}

fn nothing_is_said(fleet: &Fleet, agent: &AgentProcess, needles: &Needles, when: &str) {
    let said = said(fleet, agent);
    let bytes: usize = said.iter().map(|(_, text)| text.len()).sum();
    println!("{when}: searched {} places, {bytes} bytes", said.len());
    assert_eq!(needles.found(&said), [""; 0], "{when}");
}

/// The search finds what is there, or its silence means nothing.
fn planted(fleet: &Fleet, agent: &AgentProcess, needles: &Needles) {
    let api = fleet.replica.api();
    let collection = "/api/v1/namespaces/default/configmaps";
    for leak in [CANARY.to_owned(), base64(&format!("xx{CANARY}"))] {
        let map = json!({"metadata": {"name": "leak"}, "data": {"leak": leak}});
        api.create(collection, &map).unwrap();
        let found = needles.found(&said(fleet, agent));
        assert!(found.iter().any(|line| line.contains("/configmaps")), "{found:#?}");
        api.delete(&format!("{collection}/leak")).unwrap();
    }
    assert_eq!(needles.found(&said(fleet, agent)), [""; 0], "before anything is asked for");
}

fn base64(text: &str) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(text)
}

/// A policy that refuses Secrets of one name, and repeats what is in them.
fn indiscreet(plane: &ControlPlane) {
    let admission = "admissionregistration.k8s.io/v1";
    let rule =
        json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["secrets"]});
    let message = "'it says ' + string(object.data['password'])";
    let policy = manifest(
        admission,
        "ValidatingAdmissionPolicy",
        "",
        "indiscreet",
        json!({"spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "matchConditions": [{"name": "judged", "expression": "request.name == 'judged'"}],
            "validations": [{"expression": "false", "messageExpression": message}],
        }}),
    );
    let binding = manifest(
        admission,
        "ValidatingAdmissionPolicyBinding",
        "",
        "indiscreet",
        json!({"spec": {
        "policyName": "indiscreet", "validationActions": ["Deny"]}}),
    );
    plane.apply(&policy.to_string()).unwrap();
    plane.apply(&binding.to_string()).unwrap();
    let probe = json!({"metadata": {"name": "judged"}, "stringData": {"password": "repeated"}});
    quietly("the policy to hold", || {
        let path = "/api/v1/namespaces/default/secrets?dryRun=All";
        match plane.api().create(path, &probe).map_err(|error| error.to_string()) {
            Err(said) if said.contains("it says") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

/// Manifests that are refused, and why.
fn bad() -> Vec<(Value, &'static str)> {
    let value = format!("{CANARY}-bad");
    let with = |name: &str, more: Value| manifest("v1", "Secret", "default", name, more);
    vec![
        (with("not-base64", json!({"data": {"password": value}})), "InvalidManifest"),
        (with("mistyped", json!({"stringData": {"password": {"is": value}}})), "InvalidManifest"),
        (with("misspelt", json!({"stringdata": {"password": value}})), "InvalidManifest"),
        (with("key", json!({"stringData": {"no key": value}})), "Rejected"),
        (
            with(
                "docker",
                json!({"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": value}}),
            ),
            "Rejected",
        ),
        (with("judged", json!({"stringData": {"password": value}})), "PolicyRefused"),
        (
            manifest("v1", "Secret", "nowhere", "homeless", json!({"stringData": {"password": value}})),
            "Waiting",
        ),
        (secret("theirs", &value), "Conflict"),
    ]
}

#[test]
fn nothing_that_is_said_anywhere_repeats_a_value() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&["--log-level", "trace"]);
    let (replica, needles) = (fleet.replica.api(), Needles::of(&[]));
    planted(&fleet, &agent, &needles);
    indiscreet(&fleet.replica);

    let value = |number: u32| format!("{CANARY}-{number}");
    let mut login = secret("login", &value(1));
    login["data"] = json!({"user": base64(CANARY)});
    let mut fixed = secret("fixed", &value(1));
    fixed["immutable"] = true.into();
    put_work(&fleet, "app", &json!([login, fixed, config_map("default", "a", "one")]));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    until_password(&agent, &replica, &value(1));
    nothing_is_said(&fleet, &agent, &needles, "made");

    replica.patch(PATH, MERGE_PATCH, &json!({"stringData": {"password": "by hand"}})).unwrap();
    until_password(&agent, &replica, &value(1));
    login["stringData"]["password"] = value(2).into();
    put_work(&fleet, "app", &json!([login, fixed]));
    until_password(&agent, &replica, &value(2));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    nothing_is_said(&fleet, &agent, &needles, "changed");

    fixed["stringData"]["password"] = value(3).into();
    put_work(&fleet, "app", &json!([login, fixed]));
    let told = until_told(&fleet, &agent, "app", "Applied", "Incomplete");
    let (reason, message) = of_manifest(&told, 1, "Applied");
    assert_eq!((reason.as_str(), message.contains("immutable")), ("Immutable", true), "{message}");

    replica.create("/api/v1/namespaces/default/secrets", &json!({"metadata": {"name": "theirs"}})).unwrap();
    let (manifests, reasons): (Vec<_>, Vec<_>) = bad().into_iter().unzip();
    put_work(&fleet, "bad", &json!(manifests));
    let told = until_told(&fleet, &agent, "bad", "Applied", "Incomplete");
    for (ordinal, expected) in reasons.iter().enumerate() {
        let (reason, message) = of_manifest(&told, ordinal, "Applied");
        println!("{ordinal} {reason}: {message}");
        assert_eq!(reason, *expected, "{ordinal}: {message}");
    }
    let account = manifest("v1", "ServiceAccount", "muster-appliers", "powerless", json!({}));
    fleet.replica.apply(&account.to_string()).unwrap();
    let powerless = json!({"multicluster.coreos.com/service-account": "powerless"});
    put_work_with(&fleet, "powerless", &powerless, &json!([secret("forbidden", &value(4))]));
    let told = until_told(&fleet, &agent, "powerless", "Applied", "Incomplete");
    let (reason, message) = of_manifest(&told, 0, "Applied");
    println!("{reason}: {message}");
    assert_eq!(reason, "Forbidden", "{message}");
    nothing_is_said(&fleet, &agent, &needles, "refused");

    // What an account cannot look at, it cannot see gone.
    let may = manifest(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "",
        "powerless",
        json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "powerless", "namespace": "muster-appliers"}]}),
    );
    fleet.replica.apply(&may.to_string()).unwrap();
    for name in ["app", "bad", "powerless"] {
        fleet.directory.api().delete(&format!("{}/{name}", works())).unwrap();
    }
    until(&agent, "the Works gone", || {
        let left = fleet.directory.api().get(&works()).unwrap();
        let ledgers = replica.get(super::super::LEDGERS).unwrap();
        let gone = |list: &Value| list["items"].as_array().unwrap().is_empty();
        if gone(&left) && gone(&ledgers) { Ok(()) } else { Err(format!("{left} {ledgers}")) }
    });
    let kept = replica.get(crate::fleet::SECRETS).unwrap().to_string();
    assert!(!kept.contains("muster-work-"), "{kept}");
    nothing_is_said(&fleet, &agent, &needles, "gone");
}
