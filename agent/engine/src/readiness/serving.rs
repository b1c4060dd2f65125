//! What other things are reached by: Services, and the APIs that a definition or an API server adds.

use serde::Deserialize;

use super::Readiness;
use super::object::{Conditions, Object};
use crate::lenient::{Maybe, Text};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec<'a> {
    #[serde(borrow, rename = "type")]
    kind: Maybe<Text<'a>>,
    #[serde(borrow, rename = "clusterIP")]
    cluster_ip: Maybe<Text<'a>>,
}

/// A load balancer's own address is not waited for: many clusters have nothing that gives one.
pub(super) fn service(object: &Object<'_>) -> Readiness {
    let spec: Spec<'_> = object.spec();
    if spec.kind.text() == "LoadBalancer" && spec.cluster_ip.text().is_empty() {
        return Readiness::in_progress("NoIPAssigned", "the Service has no address in the cluster yet");
    }
    Readiness::Current
}

pub(super) fn definition(conditions: &Conditions<'_>) -> Readiness {
    if let Some(condition) = conditions.with("NamesAccepted", "False") {
        let message = condition.said("another definition has one of its names");
        return Readiness::failed("NamesNotAccepted", &message);
    }
    for condition in conditions.of("Established") {
        match (condition.status(), condition.reason()) {
            ("True", _) => return Readiness::Current,
            ("False", reason) if reason != "Installing" => {
                return Readiness::failed("NotEstablished", &condition.said("its API is not served"));
            }
            _ => {}
        }
    }
    Readiness::in_progress("Installing", "its API is not served yet")
}

pub(super) fn api_service(conditions: &Conditions<'_>) -> Readiness {
    let otherwise = "no server answers for its API yet";
    if conditions.with("Available", "True").is_some() {
        return Readiness::Current;
    }
    let said = conditions.of("Available").next();
    let message = said.map_or_else(|| otherwise.to_owned(), |condition| condition.said(otherwise));
    Readiness::in_progress("NotAvailable", &message)
}
