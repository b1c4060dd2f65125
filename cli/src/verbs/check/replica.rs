//! What a cluster that is to follow a directory has to have, and what its agent says.

use muster_api::names::{AGENT, APPLIERS_NAMESPACE, SYSTEM_NAMESPACE};
use muster_api::report::ClusterReport;
use muster_api::resource::{CLUSTER_ROLE_BINDINGS, NAMESPACES, REPORTS, SECRETS};

use super::{Finding, absent, definitions, deployment, present, version};
use crate::api::{Api, CallError};
use crate::concerns::{Concern, concerns};
use crate::credential::TAKE;
use crate::failure::Failure;

/// The definitions that a replica serves.
const DEFINITIONS: [&str; 4] = [
    "clusters.multicluster.coreos.com",
    "clusterpolicies.multicluster.coreos.com",
    "clusterreports.multicluster.coreos.com",
    "appliedworks.multicluster.x-k8s.io",
];
/// What lets Works do anything.
const EVERYTHING: &str = "muster-works-default";

pub(super) async fn look(api: &Api) -> Result<Vec<Finding>, Failure> {
    let mut findings = vec![version(api).await?];
    definitions(api, &DEFINITIONS, &mut findings).await;
    let remedy = api.kubectl().run("apply -f multicluster.yaml");
    for namespace in [SYSTEM_NAMESPACE, APPLIERS_NAMESPACE] {
        findings.push(present(api, &NAMESPACES, None, namespace, &remedy).await);
    }
    findings.push(deployment(api, AGENT, &remedy, Finding::bad).await);
    let secret = format!("in the directory: kubectl muster token NAME | {}", api.kubectl().run(TAKE));
    findings.push(present(api, &SECRETS, Some(SYSTEM_NAMESPACE), AGENT, &secret).await);
    if api.metadata(&CLUSTER_ROLE_BINDINGS, None, EVERYTHING).await.is_ok() {
        findings.push(Finding::odd(
            format!("Works may do anything in this cluster, by ClusterRoleBinding {EVERYTHING}"),
            "its comments in multicluster.yaml say how to grant less",
        ));
    }
    report(api, &mut findings).await;
    Ok(findings)
}

async fn report(api: &Api, findings: &mut Vec<Finding>) {
    let what = format!("ClusterReport {SYSTEM_NAMESPACE}/{AGENT}");
    let report = match api.get(&REPORTS, Some(SYSTEM_NAMESPACE), AGENT).await {
        Ok(report) => report,
        Err(CallError::NotFound) => {
            return findings.push(Finding::bad(
                format!("{what} is missing: no agent has run here"),
                api.kubectl().run(&format!("-n {SYSTEM_NAMESPACE} logs deployment/{AGENT}")),
            ));
        }
        Err(error) => return findings.push(absent(api, &what, error, "")),
    };
    let status = serde_json::from_value::<ClusterReport>(report).unwrap_or_default().status;
    let found = concerns("ClusterReport", &status.conditions);
    if found.is_empty() {
        findings.push(Finding::good(format!("{what} has nothing to complain of")));
    }
    for Concern { condition, entry } in found {
        let meaning = entry.map_or(condition.message.as_str(), |entry| entry.meaning);
        let remedy = entry.map_or("", |entry| entry.explanation.remedy);
        findings.push(Finding::bad(format!("{} {}: {meaning}", condition.type_, condition.reason), remedy));
    }
}
