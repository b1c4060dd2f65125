//! What a directory has to have, and what whoever lets clusters join has to be allowed.

use muster_api::names;
use muster_api::names::AGENTS_NAMESPACE;
use muster_api::resource::{
    CLUSTER_ROLES, CLUSTERS, NAMESPACES, SELF_SUBJECT_ACCESS_REVIEWS, VALIDATING_POLICY_BINDINGS,
};
use serde_json::{Value, json};

use super::{Finding, definitions, deployment, present, version};
use crate::address;
use crate::api::Api;
use crate::args::Directory;
use crate::connect::Connection;
use crate::failure::Failure;

/// The definitions that a directory serves.
const DEFINITIONS: [&str; 4] = [
    "clusters.multicluster.coreos.com",
    "clusterpolicies.multicluster.coreos.com",
    "clusterreports.multicluster.coreos.com",
    "works.multicluster.x-k8s.io",
];

pub(super) async fn look(connection: &Connection) -> Result<Vec<Finding>, Failure> {
    let api = &connection.api;
    let mut findings = vec![version(api).await?];
    definitions(api, &DEFINITIONS, &mut findings).await;
    let remedy = api.kubectl().run("apply -f directory.yaml");
    findings.push(present(api, &NAMESPACES, None, AGENTS_NAMESPACE, &remedy).await);
    for role in [names::VIEW_ROLE, names::AGENT_ROLE] {
        findings.push(present(api, &CLUSTER_ROLES, None, role, &remedy).await);
    }
    // Without it clusters can be enrolled by hand.
    findings.push(deployment(api, names::CONTROLLER, &remedy, Finding::odd).await);
    for policy in ["muster-protect", "muster-works", "muster-tokens", "muster-directory"] {
        findings.push(present(api, &VALIDATING_POLICY_BINDINGS, None, policy, &remedy).await);
    }
    findings.push(identity(connection).await);
    findings.push(address(connection).await);
    let others = crate::verbs::namesakes(api).await;
    findings.push(if others.is_empty() {
        Finding::good("no other API group serves clusters")
    } else {
        Finding::odd(
            format!(
                "{} serves \"clusters\" too: kubectl delete cluster NAME may delete something else",
                others.join(", ")
            ),
            "always write mcl",
        )
    });
    for (verb, resource, group, namespace, subresource) in [
        ("create", &*CLUSTERS.plural, &*CLUSTERS.group, "", ""),
        ("create", "secrets", "", AGENTS_NAMESPACE, ""),
        ("create", "serviceaccounts", "", AGENTS_NAMESPACE, "token"),
    ] {
        findings.push(allowed(api, verb, resource, group, namespace, subresource).await);
    }
    Ok(findings)
}

async fn identity(connection: &Connection) -> Finding {
    match address::identity(connection).await {
        Ok(id) => Finding::good(format!("the directory's identity is {id}")),
        Err(_) => Finding::odd(
            format!(
                "the directory's identity may not be read by you: the UID of namespace {}",
                names::IDENTITY_NAMESPACE
            ),
            connection.api.kubectl().run(&format!("auth can-i get namespace/{}", names::IDENTITY_NAMESPACE)),
        ),
    }
}

async fn address(connection: &Connection) -> Finding {
    let flags = Directory { server: None, certificate_authority: None, timeout: std::time::Duration::ZERO };
    match address::choose(connection, &flags).await {
        Ok(found) => {
            Finding::good(format!("clusters are told the address {} (from {})", found.server, found.origin))
        }
        Err(_) => Finding::odd(
            "no address is known that other clusters reach the directory at",
            "enter the directory itself with the annotation multicluster.coreos.com/directory: \"true\" and its address, or \
             name the address each time: kubectl muster join NAME --server https://HOST:PORT",
        ),
    }
}

async fn allowed(
    api: &Api,
    verb: &str,
    resource: &str,
    group: &str,
    namespace: &str,
    subresource: &str,
) -> Finding {
    let ask = json!({
        "apiVersion": SELF_SUBJECT_ACCESS_REVIEWS.api_version(), "kind": SELF_SUBJECT_ACCESS_REVIEWS.kind,
        "spec": {"resourceAttributes": {
            "verb": verb, "resource": resource, "group": group, "namespace": namespace, "subresource": subresource,
        }},
    });
    let below = if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
    let inside = if namespace.is_empty() { String::new() } else { format!(" in {namespace}") };
    let right = format!("{verb} {resource}{below}{inside}");
    match api.ask(&SELF_SUBJECT_ACCESS_REVIEWS.path(None, None), &ask).await {
        Ok(answer) if answer.pointer("/status/allowed").and_then(Value::as_bool) == Some(true) => {
            Finding::good(format!("you may {right}"))
        }
        _ => Finding::bad(
            format!("you may not {right}, which join needs"),
            "ask for that right, or have somebody else run join",
        ),
    }
}
