//! Clusters that somebody approves or keeps out, and what their tokens are worth meanwhile.

use http::StatusCode;
use muster_tests::api::{Api, MERGE_PATCH};
use muster_tests::plane::TokenOptions;
use muster_tests::pool::Leased;
use muster_tests::wait::DEADLINE;
use serde_json::{Value, json};

use super::enrolment::parts;
use super::{controller, directory, leases, reason, until};
use crate::fleet::CLUSTERS;

const POLICIES: &str = "/apis/multicluster.coreos.com/v1/clusterpolicies";
const WORKS: &str = "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/muster-cluster-east/works";
/// The bindings, of all parts.
const GRANTS: std::ops::Range<usize> = 4..8;

fn decide(directory: &Leased, value: &str) {
    let decision = json!({"metadata": {"annotations": {"multicluster.coreos.com/approval": value}}});
    directory.api().patch(&format!("{CLUSTERS}/east"), MERGE_PATCH, &decision).unwrap();
}

/// What an agent asks for, and the codes that it gets.
fn answers(agent: &Api) -> Vec<(String, Option<StatusCode>)> {
    let token = "/api/v1/namespaces/muster-agents/serviceaccounts/east/token";
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let code =
        |answer: Result<Value, muster_tests::api::ApiError>| answer.err().and_then(|error| error.status());
    let mut all: Vec<_> = [
        CLUSTERS,
        POLICIES,
        WORKS,
        &leases("east"),
        &parts("east")[2],
        "/api/v1/namespaces/kube-system",
        "/api/v1/namespaces/muster-cluster-east",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/clusters.multicluster.coreos.com",
    ]
    .iter()
    .map(|path| ((*path).to_owned(), code(agent.get(path))))
    .collect();
    all.push((token.to_owned(), code(agent.create(token, &request))));
    all
}

#[test]
fn a_cluster_that_is_not_approved_reads_nothing_and_one_that_is_denied_is_nobody() {
    let directory = directory();
    let controller = controller(&directory, &[]);
    let annotations = json!({"multicluster.coreos.com/approval": "required"});
    let entry = json!({
        "apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster",
        "metadata": {"name": "east", "annotations": annotations},
    });
    directory.api().create(CLUSTERS, &entry).unwrap();
    reason(&directory, &controller, "east", "Enrolled", "Pending");
    for (at, path) in parts("east").iter().enumerate() {
        assert_eq!(directory.api().get(path).is_err(), GRANTS.contains(&at), "{path}");
    }
    let agent = || {
        let token =
            directory.service_account_token("muster-agents", "east", &TokenOptions::default()).unwrap();
        directory.api_with(&token).unwrap()
    };
    let first = agent();
    for (path, code) in answers(&first) {
        assert_eq!(code, Some(StatusCode::FORBIDDEN), "{path}");
    }
    let all = |agent: &Api, expected: Option<StatusCode>| {
        until(&controller, &format!("{expected:?} for all"), DEADLINE, || {
            let answers = answers(agent);
            if answers.iter().all(|(_, code)| *code == expected) {
                Ok(())
            } else {
                Err(format!("{answers:?}"))
            }
        })
    };
    decide(&directory, "approved");
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    all(&first, None);
    decide(&directory, "required");
    reason(&directory, &controller, "east", "Enrolled", "Pending");
    all(&first, Some(StatusCode::FORBIDDEN));
    decide(&directory, "denied");
    reason(&directory, &controller, "east", "Enrolled", "Denied");
    for (at, path) in parts("east").iter().enumerate() {
        assert_eq!(directory.api().get(path).is_err(), at == 3 || GRANTS.contains(&at), "{path}");
    }
    all(&first, Some(StatusCode::UNAUTHORIZED));
    decide(&directory, "approved");
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    all(&first, Some(StatusCode::UNAUTHORIZED));
    all(&agent(), None);
}
