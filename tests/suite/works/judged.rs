//! A webhook that answers: what it denies is told in its words, and written as soon as it is not asked any more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::throughout;
use muster_tests::webhook::{Verdict, Webhook};
use serde_json::{Value, json};

use super::bench::{made, turnover};
use super::waking::{config_path, heals, in_time, verdicts};
use super::{config_map, manifest, namespace, put_work, until_told};
use crate::fleet::{Fleet, until};
use crate::trail;

const NAME: &str = "judge.example.com";
/// Stands in a Secret that the webhook repeats. Servers log what it says.
const VALUE: &str = "value-of-the-weak-one";
const PATH: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/judge.example.com";

/// What is wrong with an object: it has no team. Of Secrets, the webhook repeats what is in them.
fn judge(object: &Value) -> Option<String> {
    if object["kind"] == "Secret" {
        return Some(format!("too weak: {}", object["data"]));
    }
    let team = &object["metadata"]["labels"]["team"];
    team.is_null().then(|| format!("{} bears no label team", object["metadata"]["name"]))
}

/// Longer than it takes to put right what was done by hand.
const QUIET: Duration = Duration::from_secs(5);

/// What a webhook adds to an object, and what it changes of what was asked for.
fn change(object: &Value) -> Verdict {
    let value = object["data"]["key"].as_str().unwrap_or_default().to_uppercase();
    Verdict::Changed(json!([
        {"op": "add", "path": "/data/added", "value": "by the webhook"},
        {"op": "replace", "path": "/data/key", "value": value},
    ]))
}

/// Has the server ask it for what is made and changed in one namespace.
fn changing(webhook: &Webhook) -> Value {
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
        "resources": ["configmaps"]});
    manifest(
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        "",
        NAME,
        json!({"webhooks": [{
            "name": NAME, "admissionReviewVersions": ["v1"], "sideEffects": "None", "rules": [rule],
            "timeoutSeconds": 5, "failurePolicy": "Fail", "clientConfig": webhook.client_config(),
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "changed"}},
        }]}),
    )
}

/// Whom it judges: what is made in one namespace, but for objects with a label.
fn configuration(webhook: &Webhook) -> Value {
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps", "secrets"]});
    let exempt = json!({"key": "exempt", "operator": "DoesNotExist"});
    manifest(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        "",
        NAME,
        json!({"webhooks": [{
            "name": NAME, "admissionReviewVersions": ["v1"], "sideEffects": "None", "rules": [rule],
            "timeoutSeconds": 5, "failurePolicy": "Fail", "clientConfig": webhook.client_config(),
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "judged"}},
            "objectSelector": {"matchExpressions": [exempt]},
        }]}),
    )
}

fn labelled(name: &str, label: &str) -> Value {
    let mut config = config_map("judged", name, "one");
    config["metadata"]["labels"] = json!({label: "web"});
    config
}

#[test]
fn what_a_webhook_denies_is_told_in_its_words_and_written_when_it_is_not_asked_any_more() {
    let webhook = Webhook::start(judge).unwrap();
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let replica = fleet.replica.api();
    fleet.replica.apply(&namespace("judged").to_string()).unwrap();
    fleet.replica.apply(&configuration(&webhook).to_string()).unwrap();
    until(&agent, "the webhook asked", || {
        let probe = config_map("judged", "probe", "x");
        match replica.create("/api/v1/namespaces/judged/configmaps?dryRun=All", &probe) {
            Err(error) if error.to_string().contains("denied the request") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let secret = manifest("v1", "Secret", "judged", "weak", json!({"stringData": {"password": VALUE}}));
    let manifests = json!([
        labelled("allowed", "team"),
        labelled("first", "tier"),
        config_map("judged", "second", "one"),
        config_map("default", "beside", "one"),
        secret,
    ]);
    put_work(&fleet, "judged", &manifests);
    let denied = |name: &str| {
        format!("admission webhook \"{NAME}\" denied the request: \"{name}\" bears no label team")
    };
    let (first, second) = (denied("first"), denied("second"));
    let silent = format!("admission webhook \"{NAME}\" denied the request");
    let said = [
        ("Applied", ""),
        ("WebhookRefused", first.as_str()),
        ("WebhookRefused", second.as_str()),
        ("Applied", ""),
        ("WebhookRefused", silent.as_str()),
    ];
    verdicts(&fleet, &agent, "judged", &said);
    let told = super::work(&fleet, "judged")["status"].to_string();
    assert!(!told.contains("too weak") && !told.contains(VALUE), "{told}");
    assert!(webhook.asked() > 0);

    // It is changed: another label counts as exempt by now.
    let exempt = json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]});
    let mut changed = configuration(&webhook);
    changed["webhooks"][0]["objectSelector"] = exempt;
    replica.patch(PATH, MERGE_PATCH, &json!({"webhooks": changed["webhooks"]})).unwrap();
    in_time(
        "a webhook changed",
        heals(&fleet, &agent, "the first", &config_path("judged", "first"), Instant::now()),
    );
    verdicts(&fleet, &agent, "judged", &[said[0], ("Applied", ""), said[2], said[3], said[4]]);

    // And it goes.
    let gone = Instant::now();
    replica.delete(PATH).unwrap();
    in_time("a webhook removed", heals(&fleet, &agent, "the second", &config_path("judged", "second"), gone));
    heals(&fleet, &agent, "the Secret", "/api/v1/namespaces/judged/secrets/weak", gone);
    verdicts(&fleet, &agent, "judged", &[("Applied", ""); 5]);
}

#[test]
fn what_a_webhook_changes_is_not_fought_over() {
    let webhook = Webhook::start(change).unwrap();
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let replica = fleet.replica.api();
    fleet.replica.apply(&namespace("changed").to_string()).unwrap();
    fleet.replica.apply(&changing(&webhook).to_string()).unwrap();
    until(&agent, "the webhook asked", || {
        let probe = config_map("changed", "probe", "x");
        match replica.create("/api/v1/namespaces/changed/configmaps?dryRun=All", &probe) {
            Ok(object) if object["data"]["key"] == "X" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let mark = trail::mark(&fleet.replica);
    put_work(&fleet, "app", &json!([config_map("changed", "a", "one"), config_map("default", "b", "one")]));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    let path = config_path("changed", "a");
    let before = replica.get(&path).unwrap();
    assert_eq!((&before["data"]["key"], &before["data"]["added"]), (&json!("ONE"), &json!("by the webhook")));
    let is_same = || {
        let now = replica.get(&path).map_err(|error| error.to_string())?;
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        if version(&now) == version(&before) { Ok(()) } else { Err(now.to_string()) }
    };
    throughout("nobody writes it again", QUIET, is_same).unwrap();

    put_work(&fleet, "app", &json!([config_map("changed", "a", "two"), config_map("default", "b", "one")]));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    assert_eq!(replica.get(&path).unwrap()["data"]["key"], "TWO");
    let created = ["changed/a", "default/b"].map(|name| (format!("create configmaps {name}"), 1));
    assert_eq!(turnover(&fleet, mark), BTreeMap::from(created));
    fleet.directory.api().delete(&format!("{}/app", super::works())).unwrap();
    until(&agent, "nothing left", || {
        let left = made(&fleet);
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}
