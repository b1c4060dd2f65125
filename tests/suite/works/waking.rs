//! What the replica refuses is refused alone, and is written as soon as its cause is mended: nobody touches the Work.

use std::time::{Duration, Instant};

use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::AuditEvent;
use serde_json::{Value, json};

use super::{config_map, manifest, namespace, of_manifest, put_work, put_work_with, until_told, widgets};
use crate::fleet::{Fleet, until};
use crate::trail;

/// Within this, what waits for something that can be watched is there after it came.
const SOON: Duration = Duration::from_secs(2);
/// How much longer it may take on a busy machine.
const PATIENCE: u32 = 10;

/// Waits until an object is there, and is Muster's; says how long that took since its cause was mended.
pub(super) fn heals(
    fleet: &Fleet,
    agent: &AgentProcess,
    what: &str,
    path: &str,
    mended: Instant,
) -> Duration {
    until(agent, &format!("healed: {what}"), || {
        let seen = fleet.replica.api().get(path).map_err(|error| error.to_string())?;
        if seen["metadata"]["labels"]["applyset.kubernetes.io/part-of"].is_null() {
            return Err(seen.to_string());
        }
        Ok(())
    });
    mended.elapsed()
}

/// What heals because a watch shows that its cause is gone does so soon after that.
pub(super) fn in_time(what: &str, took: Duration) {
    println!("{what}: healed after {took:?}, figure {SOON:?}");
    assert!(took < SOON * PATIENCE, "{what}: {took:?}");
}

pub(super) fn config_path(within: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{within}/configmaps/{name}")
}

/// Reason and message of each manifest, once the Work says that it is not applied as a whole.
pub(super) fn verdicts(fleet: &Fleet, agent: &AgentProcess, name: &str, expected: &[(&str, &str)]) {
    let mut told = Value::Null;
    until(agent, &format!("what is said of {name}"), || {
        told = super::work(fleet, name);
        let listed = told["status"]["manifestConditions"].as_array().map_or(0, Vec::len);
        if listed != expected.len() {
            return Err(told["status"].to_string());
        }
        for (ordinal, (reason, words)) in expected.iter().enumerate() {
            let (seen, message) = of_manifest(&told, ordinal, "Applied");
            if seen != *reason || !message.contains(words) {
                return Err(format!("{ordinal}: expected {reason} {words:?}, saw {seen}: {message}"));
            }
        }
        Ok(())
    });
    for ordinal in 0..expected.len() {
        let (reason, message) = of_manifest(&told, ordinal, "Applied");
        println!("{name} {ordinal} {reason}: {message}");
    }
}

/// A policy of admission that refuses `ConfigMaps` of one name.
fn policy(name: &str) -> [Value; 2] {
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]});
    let group = "admissionregistration.k8s.io/v1";
    [
        manifest(
            group,
            "ValidatingAdmissionPolicy",
            "",
            name,
            json!({"spec": {
            "failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": format!("object.metadata.name != '{name}'"), "message": "not this one"}]}}),
        ),
        manifest(
            group,
            "ValidatingAdmissionPolicyBinding",
            "",
            name,
            json!({"spec": {"policyName": name, "validationActions": ["Deny"]}}),
        ),
    ]
}

/// A webhook that has to be asked about `ConfigMaps` of one namespace, and that nobody serves.
fn silent_webhook(name: &str, within: &str) -> Value {
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]});
    let webhook = json!({"name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None", "rules": [rule],
        "timeoutSeconds": 2, "failurePolicy": "Fail", "clientConfig": {"url": "https://127.0.0.1:1/"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": within}}});
    manifest(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        "",
        name,
        json!({"webhooks": [webhook]}),
    )
}

/// Makes what refuses objects, and waits until it is in force: servers take it in a moment after it is there.
fn refuse(fleet: &Fleet, agent: &AgentProcess) {
    for within in ["full", "judged"] {
        fleet.replica.apply(&namespace(within).to_string()).unwrap();
    }
    let quota =
        manifest("v1", "ResourceQuota", "full", "none", json!({"spec": {"hard": {"count/configmaps": "0"}}}));
    fleet.replica.apply(&quota.to_string()).unwrap();
    for object in policy("unwanted") {
        fleet.replica.apply(&object.to_string()).unwrap();
    }
    fleet.replica.apply(&silent_webhook("silent.example.com", "judged").to_string()).unwrap();
    until(agent, "all in force", || {
        for (within, name, words) in [
            ("full", "probe", "exceeded quota"),
            ("default", "unwanted", "denied request"),
            ("judged", "probe", "failed calling webhook"),
        ] {
            let path = format!("/api/v1/namespaces/{within}/configmaps?dryRun=All");
            match fleet.replica.api().create(&path, &config_map(within, name, "x")) {
                Err(error) if error.to_string().contains(words) => {}
                other => return Err(format!("{within}/{name}: {other:?}")),
            }
        }
        Ok(())
    });
}

/// A Work of which most cannot be applied. `theirs` is there already.
fn mixed(theirs: &Value) -> Value {
    let mut owned = config_map("default", "owned", "one");
    owned["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "0a1b"}]);
    let mut generated = config_map("default", "x", "one");
    generated["metadata"] = json!({"generateName": "x-", "namespace": "default"});
    // The annotations are as long as they may be in the directory, and Muster's mark is one more.
    let mut large = config_map("default", "large", "one");
    let long = "example.com/long";
    large["metadata"]["annotations"] = json!({long: "x".repeat((256 << 10) - long.len())});
    json!([
        config_map("default", "good", "one"),
        manifest("late.example.com/v1", "Widget", "default", "late", json!({"spec": {}})),
        manifest("v1", "Service", "default", "invalid", json!({"spec": {"ports": [{"port": 99999}]}})),
        config_map("default", "unwanted", "one"),
        config_map("judged", "judged", "one"),
        config_map("full", "much", "one"),
        large,
        theirs,
        owned,
        generated,
        config_map("default", "good", "two"),
        config_map("nowhere", "homeless", "one"),
        config_map("default", "also-good", "one"),
    ])
}

/// What is said of it: the reason, and words that name the field, the object or the rule.
const VERDICTS: [(&str, &str); 13] = [
    ("Applied", ""),
    ("UnknownKind", "apiVersion and kind"),
    ("Rejected", "spec.ports[0].port"),
    ("PolicyRefused", "ValidatingAdmissionPolicy 'unwanted'"),
    ("WebhookUnavailable", "silent.example.com"),
    ("QuotaExceeded", "exceeded quota: none"),
    ("TooLarge", "metadata.annotations: Too long"),
    ("Conflict", "not Muster's"),
    ("ForeignOwner", "ownerReferences"),
    ("GenerateName", "generateName"),
    ("Duplicate", "manifest 0"),
    ("Waiting", "namespace nowhere"),
    ("Applied", ""),
];

#[test]
fn what_is_refused_fails_alone_and_is_written_within_two_seconds_of_the_change_that_it_waits_for() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    refuse(&fleet, &agent);
    let replica = fleet.replica.api();
    let theirs = config_map("default", "theirs", "somebody's");
    replica.create("/api/v1/namespaces/default/configmaps", &theirs).unwrap();
    put_work(&fleet, "mixed", &mixed(&theirs));
    verdicts(&fleet, &agent, "mixed", &VERDICTS);
    let heals = |what: &str, path: &str| {
        in_time(what, heals(&fleet, &agent, what, path, Instant::now()));
    };
    let admission = "/apis/admissionregistration.k8s.io/v1";

    let raised = json!({"spec": {"hard": {"count/configmaps": "5"}}});
    replica.patch("/api/v1/namespaces/full/resourcequotas/none", MERGE_PATCH, &raised).unwrap();
    heals("a quota raised", &config_path("full", "much"));
    replica.delete(&format!("{admission}/validatingwebhookconfigurations/silent.example.com")).unwrap();
    heals("a webhook removed", &config_path("judged", "judged"));
    replica.delete(&format!("{admission}/validatingadmissionpolicybindings/unwanted")).unwrap();
    heals("the binding of a policy removed", &config_path("default", "unwanted"));
    fleet.replica.apply(&namespace("nowhere").to_string()).unwrap();
    heals("a namespace made", &config_path("nowhere", "homeless"));
    fleet.replica.apply(&widgets("late.example.com").to_string()).unwrap();
    heals("a kind defined", "/apis/late.example.com/v1/namespaces/default/widgets/late");
}

#[test]
fn what_a_right_is_missing_for_is_written_as_soon_as_it_is_granted() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    fleet
        .replica
        .apply(&manifest("v1", "ServiceAccount", "muster-appliers", "team", json!({})).to_string())
        .unwrap();
    fleet.replica.apply(&namespace("team").to_string()).unwrap();
    let watched = |since| {
        let own = |event: &AuditEvent| event.user == trail::REPLICA_USER && event.impersonated.is_none();
        let events = fleet.replica.audit_since(since).unwrap();
        events.iter().filter(|event| own(event) && event.resource == "rolebindings").count()
    };
    let mark = trail::mark(&fleet.replica);
    put_work(&fleet, "fine", &json!([config_map("default", "c", "one")]));
    until_told(&fleet, &agent, "fine", "Applied", "Applied");
    let later = trail::mark(&fleet.replica);
    assert_eq!(watched(mark), 0, "nothing waits for a right");
    let account = json!({"multicluster.coreos.com/service-account": "team"});
    let manifests = json!([config_map("team", "a", "one"), config_map("default", "b", "one")]);
    put_work_with(&fleet, "team", &account, &manifests);
    let patch = "cannot patch resource \"configmaps\"";
    verdicts(&fleet, &agent, "team", &[("Forbidden", patch), ("Forbidden", patch)]);

    let rbac = "rbac.authorization.k8s.io/v1";
    let subjects = json!([{"kind": "ServiceAccount", "name": "team", "namespace": "muster-appliers"}]);
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"});
    let grant = json!({"subjects": subjects, "roleRef": role});
    fleet.replica.apply(&manifest(rbac, "RoleBinding", "team", "team", grant.clone()).to_string()).unwrap();
    let took = heals(&fleet, &agent, "granted in the namespace", &config_path("team", "a"), Instant::now());
    in_time("a RoleBinding", took);
    verdicts(&fleet, &agent, "team", &[("Applied", ""), ("Forbidden", patch)]);
    fleet.replica.apply(&manifest(rbac, "ClusterRoleBinding", "", "team", grant).to_string()).unwrap();
    let took = heals(&fleet, &agent, "granted in the cluster", &config_path("default", "b"), Instant::now());
    in_time("a ClusterRoleBinding", took);
    until_told(&fleet, &agent, "team", "Applied", "Applied");
    // The log has a watch when it has ended.
    until(&agent, "the bindings watched, and no more", || {
        let ended = watched(later);
        if ended > 0 { Ok(()) } else { Err(format!("{ended} watches ended")) }
    });
}
