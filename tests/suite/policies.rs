//! Policies of the directory, applied in a replica.

mod bench;
pub(crate) mod cost;
mod definitions;
mod documented;
mod edits;
mod held;
mod leave;
mod ledgers;
mod limits;
mod namespaces;
mod offline;
mod overlap;
mod pause;
mod revocation;
mod same_cluster;
pub(crate) mod scale;
mod silence;
mod writes;
mod written;

use std::collections::BTreeMap;

use muster_tests::ControlPlane;
use muster_tests::agent::AgentProcess;
use serde_json::{Value, json};

use crate::fleet::{Fleet, REPORT, condition_of, quietly, until, version};

/// Path of the collection of policies.
pub(crate) const POLICIES: &str = "/apis/multicluster.coreos.com/v1/clusterpolicies";
/// Path of the collection of ledgers.
pub(crate) const LEDGERS: &str = "/apis/multicluster.x-k8s.io/v1alpha1/appliedworks";
/// The user as whom the agent applies what policies ask for.
pub(crate) const APPLIER: &str = "system:serviceaccount:muster-appliers:policies";

/// The kinds that policies make, with the path of all objects of each.
const KINDS: [(&str, &str); 7] = [
    ("Namespace", "/api/v1/namespaces"),
    ("ClusterRole", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
    ("Role", "/apis/rbac.authorization.k8s.io/v1/roles"),
    ("ClusterRoleBinding", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
    ("RoleBinding", "/apis/rbac.authorization.k8s.io/v1/rolebindings"),
    ("ResourceQuota", "/api/v1/resourcequotas"),
    ("LimitRange", "/api/v1/limitranges"),
];

/// The two policies of the documented walk-through, as written there.
pub(crate) const DOCUMENTED: &str = include_str!("../../manifests/samples/policies.yaml");

/// All objects of the kinds that policies make, by kind, namespace and name, in the form `RoleBinding api-prod/NAME`.
pub(crate) fn objects(plane: &ControlPlane) -> BTreeMap<String, Value> {
    let mut objects = BTreeMap::new();
    for (kind, path) in KINDS {
        let list = plane.api().get(path).unwrap();
        for object in list["items"].as_array().unwrap() {
            objects.insert(key(kind, object), object.clone());
        }
    }
    objects
}

/// How [`objects`] names an object of this kind.
pub(crate) fn key(kind: &str, object: &Value) -> String {
    let name = object["metadata"]["name"].as_str().unwrap();
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// The path of one of them, by its key.
pub(crate) fn path(key: &str) -> String {
    let (kind, name) = key.split_once(' ').unwrap();
    let (_, collection) = KINDS.into_iter().find(|(known, _)| *known == kind).unwrap();
    match name.split_once('/') {
        None => format!("{collection}/{name}"),
        Some((namespace, name)) => {
            let (version, plural) = collection.rsplit_once('/').unwrap();
            format!("{version}/namespaces/{namespace}/{plural}/{name}")
        }
    }
}

/// Those of them that bear Muster's label.
pub(crate) fn made(plane: &ControlPlane) -> BTreeMap<String, Value> {
    let labelled =
        |object: &Value| object["metadata"]["labels"]["applyset.kubernetes.io/part-of"] == "muster-policies";
    objects(plane).into_iter().filter(|(_, object)| labelled(object)).collect()
}

/// How many of each kind there are, as in `4 RoleBinding`.
pub(crate) fn count(objects: &BTreeMap<String, Value>) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for key in objects.keys() {
        *counts.entry(key.split(' ').next().unwrap()).or_insert(0) += 1;
    }
    counts
}

/// Waits until the replica holds so many objects that bear Muster's label.
pub(crate) fn until_made(fleet: &Fleet, agent: &AgentProcess, number: usize) {
    until(agent, &format!("{number} objects of policies"), || {
        let made = made(&fleet.replica);
        if made.len() == number { Ok(()) } else { Err(format!("{:?}", made.keys())) }
    });
}

/// Waits until the agent's own report has this reason for `PoliciesApplied`, with a message that is right; gives it.
pub(crate) fn until_told(
    fleet: &Fleet,
    agent: &AgentProcess,
    reason: &str,
    right: impl Fn(&str) -> bool,
) -> String {
    let mut told = String::new();
    until(agent, &format!("PoliciesApplied {reason}, and why"), || {
        let report = fleet.replica.api().get(REPORT).map_err(|error| error.to_string())?;
        match condition_of(&report, "PoliciesApplied") {
            Some((seen, message)) if seen == reason && right(&message) => told = message,
            seen => return Err(format!("{seen:?}")),
        }
        Ok(())
    });
    told
}

/// Makes a policy, or gives one of that name another spec, as `kubectl apply` does.
pub(crate) fn put_policy(fleet: &Fleet, name: &str, spec: &Value) {
    put_policy_with(fleet, name, &json!({}), spec);
}

/// The same with annotations.
pub(crate) fn put_policy_with(fleet: &Fleet, name: &str, annotations: &Value, spec: &Value) {
    let policy = json!({
        "apiVersion": "multicluster.coreos.com/v1", "kind": "ClusterPolicy",
        "metadata": {"name": name, "annotations": annotations}, "spec": spec,
    });
    fleet.directory.apply(&policy.to_string()).unwrap();
}

/// Deletes a policy.
pub(crate) fn drop_policy(fleet: &Fleet, name: &str) {
    fleet.directory.api().delete(&format!("{POLICIES}/{name}")).unwrap();
}

/// Waits until the replica's API server gives this answer to the question whether somebody may do something, as to
/// `kubectl auth can-i`. `who` is user and groups as in a `SubjectAccessReview`; the question is a verb, a plural with or
/// without a group after it, and a namespace, or nothing for the whole cluster.
pub(crate) fn until_may(
    fleet: &Fleet,
    who: &Value,
    (verb, what, namespace): (&str, &str, &str),
    answer: bool,
) {
    let (resource, group) = what.split_once('.').unwrap_or((what, ""));
    let mut review =
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": who});
    review["spec"]["resourceAttributes"] =
        json!({"verb": verb, "group": group, "resource": resource, "namespace": namespace});
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    quietly(&format!("{who} may {verb} {what} in {namespace:?}: {answer}"), || {
        let review = fleet.replica.api().create(path, &review).map_err(|error| error.to_string())?;
        let status = &review["status"];
        if status["allowed"] == answer { Ok(()) } else { Err(status.to_string()) }
    });
}

/// UID and resourceVersion of each object.
pub(crate) fn versions(objects: &BTreeMap<String, Value>) -> BTreeMap<&str, (String, String)> {
    objects.iter().map(|(key, object)| (key.as_str(), version(object))).collect()
}

/// The name of the one object of a kind, in this namespace where one is given, whose name begins like this.
pub(crate) fn one<'a>(objects: &'a BTreeMap<String, Value>, beginning: &str) -> (&'a str, &'a Value) {
    let found: Vec<_> = objects.iter().filter(|(key, _)| key.starts_with(beginning)).collect();
    let [(key, object)] = found[..] else { panic!("not one {beginning}… in {:?}", objects.keys()) };
    (key, object)
}
