//! The documented walk-through, and who else can be granted what.

use std::collections::BTreeMap;

use muster_tests::plane::AuditEvent;
use serde_json::{Value, json};

use super::{APPLIER, DOCUMENTED, LEDGERS, count, made, objects, put_policy, until_made, until_may};
use crate::fleet::{Fleet, until};
use crate::trail::{self, REPLICA_USER, lines};

/// A subject, as RBAC has it.
fn subject(kind: &str, name: &str) -> Value {
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name})
}

/// Where each binding of policies is, for which role, and for whom.
fn grants(objects: &BTreeMap<String, Value>) -> Vec<(String, Value, Value)> {
    let bindings = objects.values().filter(|object| object.get("roleRef").is_some());
    let mut grants: Vec<(String, Value, Value)> = bindings
        .map(|binding| {
            let place = binding["metadata"]["namespace"].as_str().unwrap_or("").to_owned();
            (place, binding["roleRef"].clone(), binding["subjects"].clone())
        })
        .collect();
    grants.sort_by_key(|(place, role, _)| (place.clone(), role["name"].to_string()));
    grants
}

/// A grant of a cluster role.
fn grant(place: &str, role: &str, subjects: &[Value]) -> (String, Value, Value) {
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role});
    (place.to_owned(), role, subjects.into())
}

#[test]
fn the_documented_policies_make_what_they_say_and_nothing_else() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    fleet.reason(&agent, "PoliciesApplied", "NoneSelected");
    let before = objects(&fleet.replica);
    let mark = trail::mark(&fleet.replica);
    fleet.directory.apply(DOCUMENTED).unwrap();
    until_made(&fleet, &agent, 7);
    let message = fleet.reason(&agent, "PoliciesApplied", "Applied");
    assert_eq!(message, "2 policies, 7 objects");

    let mut after = objects(&fleet.replica);
    for (key, object) in &before {
        assert_eq!(after.remove(key).as_ref(), Some(object), "{key} is not as it was");
    }
    let expected = BTreeMap::from([("ClusterRoleBinding", 1), ("Namespace", 2), ("RoleBinding", 4)]);
    assert_eq!(count(&after), expected, "{:?}", after.keys());
    assert!(after.contains_key("Namespace api-prod") && after.contains_key("Namespace api-test"));
    let user = |name: &str| subject("User", name);
    let group = |name: &str| subject("Group", name);
    let expected = [
        grant("", "admin", &[group("Operations")]),
        grant("api-prod", "admin", &[user("joe-team-lead")]),
        grant("api-prod", "edit", &[group("APIDevelopers")]),
        grant("api-prod", "view", &[user("random-user"), group("SupportTeam")]),
        grant("api-test", "admin", &[group("APIDevelopers")]),
    ];
    assert_eq!(grants(&after), expected);
    for (key, object) in &after {
        let metadata = &object["metadata"];
        assert_eq!(metadata["labels"]["applyset.kubernetes.io/part-of"], "muster-policies", "{key}");
        let keys: Vec<&String> = metadata["annotations"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["multicluster.coreos.com/made-for"], "{key}");
    }
    let ledgers = fleet.replica.api().get(LEDGERS).unwrap();
    assert_eq!(ledgers["items"].as_array().map(Vec::len), Some(2), "{ledgers:#}");

    // Each object was written once, as the account that its owner grants policies.
    let writes = trail::writes(&fleet.replica, mark, REPLICA_USER);
    let (applied, own): (Vec<AuditEvent>, _) =
        writes.into_iter().partition(|write| write.impersonated.is_some());
    assert!(
        applied.iter().all(|write| write.impersonated.as_deref() == Some(APPLIER)),
        "{}",
        lines(&applied)
    );
    assert!(
        applied.iter().all(|write| (write.verb.as_str(), write.code) == ("patch", 201)),
        "{}",
        lines(&applied)
    );
    assert_eq!(applied.len(), 7, "{}", lines(&applied));
    let kinds = ["namespaces", "clusterrolebindings", "rolebindings"];
    assert!(!own.iter().any(|write| kinds.contains(&write.resource.as_str())), "{}", lines(&own));

    // What they say holds for people.
    let random = json!({"user": "random-user"});
    let developer = json!({"user": "ann", "groups": ["APIDevelopers"]});
    let operator = json!({"user": "bob", "groups": ["Operations"]});
    let bindings = "rolebindings.rbac.authorization.k8s.io";
    until_may(&fleet, &random, ("get", "pods", "api-prod"), true);
    until_may(&fleet, &developer, ("create", "pods", "api-prod"), true);
    until_may(&fleet, &developer, ("create", bindings, "api-test"), true);
    until_may(&fleet, &operator, ("delete", "pods", "kube-system"), true);
    until_may(&fleet, &json!({"user": "joe-team-lead"}), ("create", bindings, "api-prod"), true);
    for (who, question) in [
        (&random, ("get", "pods", "api-test")),
        (&random, ("create", "pods", "api-prod")),
        (&random, ("get", "pods", "default")),
        (&developer, ("create", bindings, "api-prod")),
        (&developer, ("get", "pods", "default")),
    ] {
        until_may(&fleet, who, question, false);
    }
}

#[test]
fn accounts_and_expressions_are_understood_and_a_role_that_is_not_granted_holds_nothing_else_up() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let before = objects(&fleet.replica);
    let grants_to = |role: &str, account: &str| json!({"clusterBindings": [{"clusterRole": role, "serviceAccounts": [account]}]});
    let selected = json!({"matchLabels": {"cloud": "aws"}, "matchExpressions": [
        {"key": "cloud", "operator": "In", "values": ["gcp", "aws"]},
        {"key": "stage", "operator": "DoesNotExist"},
    ]});
    let others = [
        json!({"cloud": "gcp"}),
        json!({"matchExpressions": [{"key": "stage", "operator": "Exists"}]}),
        json!({"matchLabels": {"cloud": "aws"}, "matchExpressions": [{"key": "cloud", "operator": "NotIn", "values": ["aws"]}]}),
    ];
    for (number, selector) in others.iter().enumerate() {
        let spec = json!({"selector": selector, "authorization": grants_to("view", "ci/other"),
            "namespaces": [{"name": format!("other-{number}")}]});
        put_policy(&fleet, &format!("other-{number}"), &spec);
    }
    let spec = json!({"selector": selected, "authorization": grants_to("view", "ci/deployer"), "namespaces": [{
        "name": "shop", "authorization": {"bindings": [{"clusterRole": "edit", "serviceAccounts": ["ci/deployer"]}]},
    }]});
    put_policy(&fleet, "chosen", &spec);
    until_made(&fleet, &agent, 3);
    let account = json!({"kind": "ServiceAccount", "namespace": "ci", "name": "deployer"});
    let expected = [
        grant("", "view", std::slice::from_ref(&account)),
        grant("shop", "edit", std::slice::from_ref(&account)),
    ];
    assert_eq!(grants(&made(&fleet.replica)), expected);
    let deployer = json!({"user": "system:serviceaccount:ci:deployer",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:ci"]});
    until_may(&fleet, &deployer, ("create", "pods", "shop"), true);
    until_may(&fleet, &deployer, ("get", "pods", "default"), true);
    until_may(&fleet, &deployer, ("create", "pods", "default"), false);

    // The owner grants policies the roles view, edit and admin. The rest of a policy that asks for more is done, and so
    // are others that come later.
    let spec = json!({"selector": {"cloud": "aws"}, "namespaces": [{"name": "lab"}], "authorization": {"clusterBindings": [
        {"clusterRole": "cluster-admin", "groups": ["Operations"]}, {"clusterRole": "admin", "groups": ["Operations"]},
    ]}});
    put_policy(&fleet, "greedy", &spec);
    let message = fleet.reason(&agent, "PoliciesApplied", "Forbidden");
    assert!(message.contains("ClusterRoleBinding greedy-cluster-admin-"), "{message}");
    until_made(&fleet, &agent, 5);
    put_policy(&fleet, "later", &json!({"selector": {}, "namespaces": [{"name": "later"}]}));
    until_made(&fleet, &agent, 6);
    fleet.reason(&agent, "PoliciesApplied", "Forbidden");
    let operations = json!({"user": "bob", "groups": ["Operations"]});
    until_may(&fleet, &operations, ("delete", "pods", "lab"), true);
    until_may(&fleet, &operations, ("delete", "nodes", ""), false);

    // What was refused is asked for no more: nothing of it is told any longer.
    let spec = json!({"selector": {"cloud": "aws"}, "namespaces": [{"name": "lab"}]});
    put_policy(&fleet, "greedy", &spec);
    until_made(&fleet, &agent, 5);
    fleet.reason(&agent, "PoliciesApplied", "Applied");

    let mut after = objects(&fleet.replica);
    for (key, object) in &before {
        assert_eq!(after.remove(key).as_ref(), Some(object), "{key} is not as it was");
    }
    assert_eq!(after.len(), 5, "{:?}", after.keys());
    until(&agent, "a ledger for each policy that selects this cluster", || {
        let ledgers = fleet.replica.api().get(LEDGERS).map_err(|error| error.to_string())?;
        let number = ledgers["items"].as_array().map(Vec::len);
        if number == Some(3) { Ok(()) } else { Err(format!("{number:?} ledgers")) }
    });
}
