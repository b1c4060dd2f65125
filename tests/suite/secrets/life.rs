//! Credentials that come, go, end, or reach less far.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use muster_tests::plane::TokenOptions;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use super::{bad, follows, good, offer, put, says, two_connections};
use crate::fleet::{Fleet, OWN, REPORT, SECRETS, quietly};
use crate::policies::{DOCUMENTED, until_made};
use crate::rotation::rotations;
use crate::works::Kept;

/// The report in the directory.
const UPSTREAM: &str = "/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-east/clusterreports/east";

#[test]
fn a_session_outlives_its_secret() {
    let fleet = Fleet::new();
    let working = good(&fleet);
    offer(&fleet, &working);
    let agent = fleet.agent(&[]);
    fleet.in_step(&agent);
    let kept = Kept::put(&fleet, &agent);
    let before = two_connections(&fleet, &agent);
    fleet.replica.api().delete(&format!("{SECRETS}/directory-sync")).unwrap();
    println!(
        "{}",
        says(&fleet, &agent, "CredentialsValid", "SecretMissing", &["directory-sync was deleted"])
    );
    follows(&fleet, &agent, "west", "without", "secret");
    says(&fleet, &agent, "DirectoryReachable", "Reachable", &[]);
    offer(&fleet, &working);
    says(&fleet, &agent, "CredentialsValid", "Valid", &[]);
    assert_eq!(two_connections(&fleet, &agent), before, "no new session");
    assert_eq!(rotations(&agent, "ok"), 1);
    kept.is_unharmed(&fleet, &agent);
}

#[test]
fn a_credential_that_may_only_read_serves_the_mirror_until_the_cluster_is_enrolled() {
    let fleet = Fleet::bare();
    fleet.entry(OWN, &json!({}));
    fleet.entry("west", &json!({"stage": "production"}));
    let kubectl = |args: &[&str]| drop(fleet.directory.kubectl_ok(args).unwrap());
    kubectl(&["-n", "muster-agents", "create", "serviceaccount", OWN]);
    kubectl(&[
        "create",
        "clusterrolebinding",
        "reader",
        "--clusterrole=view-clusters",
        "--serviceaccount=muster-agents:east",
    ]);
    offer(&fleet, &good(&fleet));
    let mut agent = fleet.agent(&[]);
    fleet.in_step(&agent);
    println!("{}", says(&fleet, &agent, "HeartbeatAccepted", "Forbidden", &["leases"]));
    for condition in ["DirectoryReachable", "EntryPresent", "MirrorInSync", "CredentialsValid"] {
        let reason = match condition {
            "DirectoryReachable" => "Reachable",
            "EntryPresent" => "Present",
            "MirrorInSync" => "InSync",
            _ => "Valid",
        };
        says(&fleet, &agent, condition, reason, &[]);
    }
    follows(&fleet, &agent, "west", "read", "only");
    // Policies are applied, and revoked; Works cannot be read, and that is said and no more.
    println!("{}", says(&fleet, &agent, "WorksApplied", "Forbidden", &["works"]));
    fleet.directory.apply(DOCUMENTED).unwrap();
    fleet.entry(OWN, &json!({"cloud": "aws"}));
    until_made(&fleet, &agent, 7);
    says(&fleet, &agent, "PoliciesApplied", "Applied", &[]);
    kubectl(&["delete", "clusterpolicies.multicluster.coreos.com", "ldap-group-admin"]);
    until_made(&fleet, &agent, 6);
    assert!(agent.ended().unwrap().is_none(), "{}", agent.log());

    fleet.enrol(OWN);
    let enrolled = std::time::Instant::now();
    says(&fleet, &agent, "HeartbeatAccepted", "Accepted", &[]);
    says(&fleet, &agent, "WorksApplied", "NoneAssigned", &[]);
    println!("heartbeat {} ms after the enrolment", enrolled.elapsed().as_millis());
    let looked = timed("the report in the directory", DEADLINE * 3, || {
        let report = fleet.directory.api().get(UPSTREAM).map_err(|error| error.to_string())?;
        if report["status"]["conditions"].is_array() { Ok(()) } else { Err(report.to_string()) }
    });
    looked.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    println!("report {} ms after the enrolment", enrolled.elapsed().as_millis());
}

#[test]
fn a_client_certificate_serves_a_cluster_whose_name_is_set() {
    let fleet = Fleet::new();
    let kubectl = |args: &[&str]| drop(fleet.directory.kubectl_ok(args).unwrap());
    kubectl(&["create", "clusterrolebinding", "readers", "--clusterrole=view-clusters", "--group=readers"]);
    let life = Duration::from_secs(30 * 24 * 3600);
    let identity = fleet.directory.authority().client("somebody", &["readers"], life).unwrap();
    let kubeconfig = fleet.directory.certificate_kubeconfig(&identity);
    fleet.offer(&kubeconfig);
    let mut agent = fleet.agent(&[]);
    let remedy = ["--cluster-name", "clusterName", "Secret"];
    println!("{}", says(&fleet, &agent, "DirectoryReachable", "KubeconfigInvalid", &remedy));
    put(&fleet, &[("kubeconfig", kubeconfig.into()), ("clusterName", OWN.into())]);
    says(&fleet, &agent, "DirectoryReachable", "Reachable", &["as east"]);
    fleet.in_step(&agent);
    says(&fleet, &agent, "HeartbeatAccepted", "Forbidden", &["somebody"]);
    agent.kill().unwrap();

    let agent = fleet.agent(&["--cluster-name", OWN]);
    says(&fleet, &agent, "CredentialsValid", "ExpiresSoon", &[]);
    follows(&fleet, &agent, "west", "by", "certificate");
    let ends = expiry(&agent.metrics().unwrap());
    let left = ends - Timestamp::now().as_second();
    println!("the certificate ends in {left} s");
    assert!((0..=30 * 24 * 3600).contains(&left), "{left}");
}

#[test]
fn a_credential_that_ends_soon_is_told_with_its_end() {
    let fleet = Fleet::new();
    // Longer than a token to join with lives: the agent renews those at once.
    let options = TokenOptions { expiration: Some(Duration::from_secs(7200)), ..TokenOptions::default() };
    let token = fleet.directory.service_account_token("muster-agents", OWN, &options).unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let exp = claims["exp"].as_i64().unwrap();
    offer(&fleet, &bad::config(&fleet.directory, &json!({"token": token})));
    let agent = fleet.agent(&[]);
    fleet.in_step(&agent);
    let end = Timestamp::from_second(exp).unwrap().to_string();
    println!("{}", says(&fleet, &agent, "CredentialsValid", "ExpiresSoon", &[&end]));
    super::event(&fleet, &agent, "CredentialExpiring", &end);
    assert_eq!(expiry(&agent.metrics().unwrap()), exp);
    for (plane, path) in [(&fleet.replica, REPORT), (&fleet.directory, UPSTREAM)] {
        quietly("the end in the report", || {
            let report = plane.api().get(path).map_err(|error| error.to_string())?;
            let credential = &report["status"]["credential"];
            if credential["expires"] == end { Ok(()) } else { Err(report["status"].to_string()) }
        });
    }
    offer(&fleet, &good(&fleet));
    says(&fleet, &agent, "CredentialsValid", "Valid", &[]);
    assert!(expiry(&agent.metrics().unwrap()) > exp);
}

fn expiry(metrics: &muster_tests::agent::Metrics) -> i64 {
    let (_, value) =
        metrics.samples().iter().find(|(series, _)| series.starts_with("muster_credential_expir")).unwrap();
    format!("{value:.0}").parse().unwrap()
}
