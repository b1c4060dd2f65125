//! The agent renews its own token in time, keeps it, and goes on with it.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use muster_tests::agent::AgentProcess;
use muster_tests::plane::TokenOptions;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use crate::fleet::{Fleet, OWN, REPORT, SECRETS, condition_of, until};
use crate::rotation::relabel;

const RENEWED: &str = "directory-sync-renewed";
/// The Secret that joining tokens are bound to.
pub(crate) const JOINING: &str = "/api/v1/namespaces/muster-agents/secrets/east-joining";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/muster-cluster-east/leases/east";
/// A token is renewed so often here.
const OFTEN: [&str; 2] = ["--token-life=600", "--renew-token-after=3"];

fn secret(fleet: &Fleet, name: &str) -> Option<Value> {
    fleet.replica.api().get(&format!("{SECRETS}/{name}")).ok()
}

/// What a Secret offers.
fn kubeconfig(secret: &Value) -> String {
    let text = secret["data"]["kubeconfig"].as_str().unwrap();
    String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap()
}

/// A kubeconfig with a token that is worth something only while a Secret in the directory is there: it is bound to that,
/// as those to join with are.
pub(crate) fn bound(fleet: &Fleet) -> String {
    let joining = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "east-joining", "namespace": "muster-agents"}});
    fleet.directory.apply(&joining.to_string()).unwrap();
    let uid = fleet.directory.api().get(JOINING).unwrap()["metadata"]["uid"].clone();
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {
        "expirationSeconds": 3600,
        "boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "east-joining", "uid": uid},
    }});
    let path = format!("/api/v1/namespaces/muster-agents/serviceaccounts/{OWN}/token");
    let answer = fleet.directory.api().create(&path, &request).unwrap();
    fleet.directory.token_kubeconfig(answer["status"]["token"].as_str().unwrap())
}

/// Tokens that are bound to it are worth nothing any more, and the server knows that.
fn revoke(fleet: &Fleet, kubeconfig: &str) {
    fleet.directory.api().delete(JOINING).unwrap();
    let kubeconfig: Value = serde_saphyr::from_str(kubeconfig).unwrap();
    let token = kubeconfig["users"][0]["user"]["token"].as_str().unwrap();
    let api = fleet.directory.api_with(token).unwrap();
    timed("the joining token refused", DEADLINE, || match api.get(LEASE) {
        Err(error) if error.status().is_some_and(|status| status == 401) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .unwrap();
}

fn renewals(agent: &AgentProcess, result: &str) -> usize {
    let counted = agent.metrics().unwrap().get("muster_renewals_total", &[("result", result)]);
    counted.map_or(0, |counted| counted.to_string().parse().unwrap())
}

fn beats_on(fleet: &Fleet, agent: &AgentProcess) {
    let lease = || fleet.directory.api().get(LEASE).unwrap()["spec"]["renewTime"].clone();
    let before = lease();
    until(agent, "another heartbeat", || if lease() == before { Err("none".to_owned()) } else { Ok(()) });
}

fn follows(fleet: &Fleet, agent: &AgentProcess, value: &str) {
    relabel(&fleet.directory, "west", "renewal", value);
    fleet.in_step(agent);
}

#[test]
fn a_token_to_join_with_is_renewed_at_once_and_may_go_then() {
    let fleet = Fleet::new();
    let joining = bound(&fleet);
    fleet.offer(&joining);
    let mut agent = fleet.agent(&[]);
    fleet.in_step(&agent);
    until(&agent, "the renewed credential in use", || match renewals(&agent, "ok") {
        0 => Err("none".to_owned()),
        _ => Ok(()),
    });
    let renewed = secret(&fleet, RENEWED).unwrap();
    assert!(renewed["metadata"]["annotations"]["multicluster.coreos.com/renewed-from"].is_string());
    assert_ne!(kubeconfig(&renewed), joining);
    assert_eq!(kubeconfig(&secret(&fleet, "directory-sync").unwrap()), joining, "people's own is left alone");
    until(&agent, "the report to tell it", || {
        let report = fleet.replica.api().get(REPORT).map_err(|error| error.to_string())?;
        report["status"]["credential"]["renewed"].as_str().map(drop).ok_or_else(|| report.to_string())
    });
    revoke(&fleet, &joining);
    follows(&fleet, &agent, "after");
    beats_on(&fleet, &agent);
    assert_eq!(renewals(&agent, "ok"), 1, "the renewed one lives long");
    fleet.revive(&mut agent);
    follows(&fleet, &agent, "restarted");
    fleet.reason(&agent, "CredentialsValid", "Valid");
    // A tool that keeps applying the old one changes nothing.
    fleet.offer(&joining);
    follows(&fleet, &agent, "applied-again");
    fleet.reason(&agent, "CredentialsValid", "Valid");
}

#[test]
fn a_token_is_renewed_again_and_again_without_a_gap() {
    let fleet = Fleet::new();
    let options = TokenOptions { expiration: Some(Duration::from_secs(600)), audience: None };
    let given = fleet.directory.service_account_kubeconfig("muster-agents", OWN, &options).unwrap();
    fleet.offer(&given);
    let agent = fleet.agent(&OFTEN);
    fleet.in_step(&agent);
    let ten = || match renewals(&agent, "ok") {
        number if number >= 10 => Ok(()),
        number => Err(number.to_string()),
    };
    timed("ten renewals", DEADLINE * 6, ten).unwrap();
    assert_eq!(renewals(&agent, "failed"), 0, "{}", agent.log());
    beats_on(&fleet, &agent);
    follows(&fleet, &agent, "renewed");
    let metrics = agent.metrics().unwrap();
    let failed = metrics.get("muster_heartbeats_total", &[("result", "failed")]);
    assert!(failed.is_none_or(|failed| failed.to_string() == "0"), "{failed:?}");
}

#[test]
fn what_people_put_in_its_place_wins_when_it_works_and_else_the_renewed_one_goes_on() {
    let fleet = Fleet::new();
    let joining = bound(&fleet);
    fleet.offer(&joining);
    let mut agent = fleet.agent(&[]);
    until(&agent, "the renewed credential", || {
        secret(&fleet, RENEWED).map(drop).ok_or_else(|| "none".to_owned())
    });
    until(&agent, "it in use", || match renewals(&agent, "ok") {
        0 => Err("none".to_owned()),
        _ => Ok(()),
    });
    revoke(&fleet, &joining);
    let bad = fleet.directory.token_kubeconfig("a.b.c");
    fleet.offer(&bad);
    fleet.reason(&agent, "CredentialsValid", "CredentialsRejected");
    follows(&fleet, &agent, "goes-on");
    fleet.revive(&mut agent);
    follows(&fleet, &agent, "after-a-restart");
    fleet.reason(&agent, "CredentialsValid", "CredentialsRejected");
    fleet.reason(&agent, "DirectoryReachable", "Reachable");
    fleet.offer(&fleet.kubeconfig());
    fleet.reason(&agent, "CredentialsValid", "ExpiresSoon"); // in a day
    until(&agent, "what was renewed from the old one to go", || {
        secret(&fleet, RENEWED).map_or(Ok(()), |_| Err("it is there".to_owned()))
    });
    follows(&fleet, &agent, "another");
}

#[test]
fn who_may_not_renew_is_told_before_the_end() {
    let fleet = Fleet::new();
    fleet
        .directory
        .api()
        .delete("/apis/rbac.authorization.k8s.io/v1/namespaces/muster-agents/rolebindings/muster-token-east")
        .unwrap();
    fleet.offer(&bound(&fleet));
    let agent = fleet.agent(&[]);
    fleet.in_step(&agent);
    until(&agent, "the reason", || {
        let report = fleet.replica.api().get(REPORT).map_err(|error| error.to_string())?;
        match condition_of(&report, "CredentialsValid") {
            Some((reason, message)) if reason == "ExpiresSoon" && message.contains("was not renewed") => {
                println!("{message}");
                assert!(message.contains("create") && message.contains("serviceaccounts"), "{message}");
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    });
    assert!(secret(&fleet, RENEWED).is_none());
}
