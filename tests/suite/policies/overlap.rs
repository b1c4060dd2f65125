//! Two policies that name one namespace, or define one role: what becomes of one leaves the other's objects alone.

use std::collections::BTreeMap;

use muster_tests::agent::AgentProcess;
use serde_json::{Value, json};

use super::written::Written;
use super::{drop_policy, made, one, put_policy, until_made, until_may, until_told};
use crate::fleet::{Fleet, OWN, until, version};

const DEFINE_ROLES: &str = include_str!("../../../manifests/policies-define-roles.yaml");

/// Policy and user of each of the two.
const TWO: [(&str, &str); 2] = [("alpha", "ann"), ("beta", "ben")];

/// A policy for clusters with a label of its name. Both ask for one label in different ways, and for one in the same way.
fn shop(policy: &str, user: &str, role: &str, pods: usize) -> Value {
    json!({"selector": {policy: "yes"}, "namespaces": [{
        "name": "shop",
        "labels": {"team": policy, policy: "yes", "both": "agree"},
        "authorization": {"bindings": [{"clusterRole": role, "users": [user]}]},
        "resourceQuota": {"hard": {"pods": pods}},
    }]})
}

/// UID and resourceVersion of what only this policy wants.
fn of(fleet: &Fleet, policy: &str) -> BTreeMap<String, (String, String)> {
    let (in_namespace, in_cluster) = (format!("/{policy}-"), format!(" {policy}-"));
    let mut objects = made(&fleet.replica);
    objects.retain(|key, _| key.contains(&in_namespace) || key.contains(&in_cluster));
    objects.into_iter().map(|(key, object)| (key, version(&object))).collect()
}

/// Waits until the namespace bears the labels that these policies together ask for.
fn labelled(fleet: &Fleet, agent: &AgentProcess, uid: &str, policies: &[&str]) {
    let mut labels = json!({"applyset.kubernetes.io/part-of": "muster-policies",
        "kubernetes.io/metadata.name": "shop", "both": "agree", "team": policies[0]});
    for policy in policies {
        labels[policy] = json!("yes");
    }
    until(agent, &format!("the labels of {policies:?}"), || {
        let namespace = fleet.replica.api().get("/api/v1/namespaces/shop").unwrap();
        assert_eq!(namespace["metadata"]["uid"], uid);
        let seen = &namespace["metadata"]["labels"];
        if *seen == labels { Ok(()) } else { Err(seen.to_string()) }
    });
}

#[test]
fn two_policies_share_a_namespace_and_neither_takes_anything_from_the_other() {
    let fleet = Fleet::new();
    let both = json!({"alpha": "yes", "beta": "yes"});
    fleet.entry(OWN, &both);
    let agent = fleet.joined(&[]);
    for (policy, user) in TWO {
        put_policy(&fleet, policy, &shop(policy, user, "view", 10));
    }
    until_made(&fleet, &agent, 5);
    let clash = "policy beta yields to alpha over metadata.labels[team] of Namespace shop";
    until_told(&fleet, &agent, "Conflict", |message| message == clash);
    let uid = version(one(&made(&fleet.replica), "Namespace shop").1).0;
    labelled(&fleet, &agent, &uid, &["alpha", "beta"]);

    let mut written = Written::new(&fleet);
    let gone = [("delete resourcequotas", 1), ("delete rolebindings", 1), ("patch namespaces", 1)];
    let back = [("create resourcequotas", 1), ("create rolebindings", 1), ("patch namespaces", 1)];
    for ((policy, user), (other, other_user)) in [(TWO[0], TWO[1]), (TWO[1], TWO[0])] {
        let before = of(&fleet, other);
        assert_eq!(before.len(), 2, "{before:?}");
        let namespace = || version(one(&made(&fleet.replica), "Namespace shop").1);
        let untouched = |change: &str| assert_eq!(of(&fleet, other), before, "{policy} {change}");

        let shared = namespace();
        put_policy(&fleet, policy, &shop(policy, user, "admin", 20));
        let edited = [("create rolebindings", 1), ("delete rolebindings", 1), ("patch resourcequotas", 1)];
        written.shows(&agent, &format!("{policy} edited"), &edited);
        untouched("edited");
        assert_eq!(namespace(), shared, "what both want was written");
        let who = json!({"user": user});
        until_may(&fleet, &who, ("create", "rolebindings.rbac.authorization.k8s.io", "shop"), true);

        let mut labels = both.clone();
        labels[policy] = json!("no");
        fleet.entry(OWN, &labels);
        written.shows(&agent, &format!("{policy} unmatched"), &gone);
        untouched("unmatched");
        labelled(&fleet, &agent, &uid, &[other]);
        // What they disagreed on is settled.
        until_told(&fleet, &agent, "Applied", |message| message == "1 policies, 3 objects");
        until_may(&fleet, &who, ("get", "pods", "shop"), false);
        until_may(&fleet, &json!({"user": other_user}), ("get", "pods", "shop"), true);

        fleet.entry(OWN, &both);
        written.shows(&agent, &format!("{policy} matched again"), &back);
        untouched("matched again");
        labelled(&fleet, &agent, &uid, &["alpha", "beta"]);
        until_told(&fleet, &agent, "Conflict", |message| message == clash);

        drop_policy(&fleet, policy);
        written.shows(&agent, &format!("{policy} deleted"), &gone);
        untouched("deleted");
        labelled(&fleet, &agent, &uid, &[other]);
        until_told(&fleet, &agent, "Applied", |message| message == "1 policies, 3 objects");

        put_policy(&fleet, policy, &shop(policy, user, "view", 10));
        written.shows(&agent, &format!("{policy} made anew"), &back);
        untouched("made anew");
        labelled(&fleet, &agent, &uid, &["alpha", "beta"]);
    }
    until_told(&fleet, &agent, "Conflict", |message| message == clash);
    written.shows(&agent, "the end", &[]);
}

/// A policy that defines a role of each kind, and grants both.
fn readers(user: &str, verb: &str) -> Value {
    let rules = |resource: &str| json!([{"apiGroups": [""], "resources": [resource], "verbs": [verb]}]);
    json!({
        "selector": {},
        "authorization": {
            "clusterRoles": [{"name": "node-reader", "rules": rules("nodes")}],
            "clusterBindings": [{"clusterRole": "node-reader", "users": [user]}],
        },
        "namespaces": [{"name": "shop", "authorization": {
            "roles": [{"name": "reader", "rules": rules("pods")}],
            "bindings": [{"role": "reader", "users": [user]}],
        }}],
    })
}

#[test]
fn two_policies_define_one_role_and_it_goes_with_the_last() {
    let fleet = Fleet::new();
    fleet.replica.apply(DEFINE_ROLES).unwrap();
    let agent = fleet.joined(&[]);
    for (policy, user) in TWO {
        put_policy(&fleet, policy, &readers(user, "get"));
    }
    until_made(&fleet, &agent, 7);
    let all = "2 policies, 7 objects";
    until_told(&fleet, &agent, "Applied", |message| message == all);
    let shared = || {
        let made = made(&fleet.replica);
        ["ClusterRole node-reader", "Namespace shop", "Role shop/reader"].map(|key| version(&made[key]))
    };
    let (roles, of_beta) = (shared(), of(&fleet, "beta"));
    assert_eq!(of_beta.len(), 2, "{of_beta:?}");
    let ben = json!({"user": "ben"});
    let mut written = Written::new(&fleet);

    drop_policy(&fleet, "alpha");
    let gone = [("delete clusterrolebindings", 1), ("delete rolebindings", 1)];
    written.shows(&agent, "one of them deleted", &gone);
    until_told(&fleet, &agent, "Applied", |message| message == "1 policies, 5 objects");
    assert_eq!((shared(), of(&fleet, "beta")), (roles.clone(), of_beta.clone()));
    until_may(&fleet, &json!({"user": "ann"}), ("get", "pods", "shop"), false);
    until_may(&fleet, &ben, ("get", "nodes", ""), true);

    // They disagree: the one whose name comes first has its way.
    put_policy(&fleet, "alpha", &readers("ann", "list"));
    let differs = [
        ("create clusterrolebindings", 1),
        ("create rolebindings", 1),
        ("patch clusterroles", 1),
        ("patch roles", 1),
    ];
    written.shows(&agent, "other rules", &differs);
    let clash = |role: &str| format!("policy beta yields to alpha over rules of {role}");
    let clashes = [clash("ClusterRole node-reader"), clash("Role reader in namespace shop")];
    until_told(&fleet, &agent, "Conflict", |message| message == clashes.join("; "));
    assert_eq!(of(&fleet, "beta"), of_beta);
    let same = |roles: &[(String, String); 3]| roles.clone().map(|(uid, _)| uid);
    assert_eq!(same(&shared()), same(&roles));
    until_may(&fleet, &ben, ("list", "nodes", ""), true);
    until_may(&fleet, &ben, ("get", "pods", "shop"), false);

    // They agree again: as it is.
    let roles = shared();
    put_policy(&fleet, "beta", &readers("ben", "list"));
    until_told(&fleet, &agent, "Applied", |message| message == all);
    written.shows(&agent, "the same rules", &[]);
    assert_eq!((shared(), of(&fleet, "beta")), (roles, of_beta));

    for (policy, _) in TWO {
        drop_policy(&fleet, policy);
    }
    let gone = [
        ("delete clusterrolebindings", 2),
        ("delete clusterroles", 1),
        ("delete rolebindings", 2),
        ("delete roles", 1),
        ("patch namespaces", 1),
    ];
    written.shows(&agent, "both deleted", &gone);
    until_made(&fleet, &agent, 0);
    fleet.reason(&agent, "PoliciesApplied", "NamespaceRetained");
    written.shows(&agent, "the end", &[]);
}
