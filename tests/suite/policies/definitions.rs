//! Roles that policies define: only where the owner of the replica allows it.

use std::time::Duration;

use muster_tests::wait::timed;
use serde_json::json;

use super::{APPLIER, count, drop_policy, made, objects, put_policy, until_made, until_may};
use crate::fleet::{Fleet, until};
use crate::trail::{self, REPLICA_USER, lines};

const DEFINE_ROLES: &str = include_str!("../../../manifests/policies-define-roles.yaml");

/// Twice the longest wait between two attempts.
const NEXT_ATTEMPT: Duration = Duration::from_secs(120);

#[test]
fn roles_are_defined_only_where_the_owner_allows_it() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let before = objects(&fleet.replica);
    let shop = json!({"name": "shop", "authorization": {
        "roles": [{"name": "restarter", "rules":
            [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"]}]}],
        "bindings": [{"role": "restarter", "users": ["ann"]}, {"clusterRole": "view", "users": ["ann"]}],
    }});
    put_policy(&fleet, "restarters", &json!({"selector": {"cloud": "aws"}, "namespaces": [shop]}));
    let message = fleet.reason(&agent, "PoliciesApplied", "DefinitionsNotAllowed");
    println!("{message}");
    assert!(message.starts_with("Role restarter in namespace shop: "), "{message}");
    // The namespace and the grant of `view` are there all the same.
    until_made(&fleet, &agent, 2);

    let spec = json!({"selector": {"cloud": "aws"}, "authorization": {
        "clusterRoles": [{"name": "node-reader", "rules": [
            {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
            {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
        ]}],
        "clusterBindings": [{"clusterRole": "node-reader", "users": ["ann"]}],
    }});
    put_policy(&fleet, "readers", &spec);
    until(&agent, "the other definition refused too", || {
        let message = fleet.reason(&agent, "PoliciesApplied", "DefinitionsNotAllowed");
        if message.starts_with("ClusterRole node-reader: ") { Ok(()) } else { Err(message) }
    });
    assert_eq!(made(&fleet.replica).len(), 2);

    fleet.replica.apply(DEFINE_ROLES).unwrap();
    let mark = trail::mark(&fleet.replica);
    let roles = timed("the roles, and the grants of them", NEXT_ATTEMPT, || {
        let made = made(&fleet.replica);
        if made.len() == 6 { Ok(made) } else { Err(format!("{:?}", made.keys())) }
    });
    let roles = roles.unwrap_or_else(|late| panic!("{late}\n{}", agent.log())).0;
    fleet.reason(&agent, "PoliciesApplied", "Applied");
    let counts = count(&roles);
    let counts: Vec<_> = counts.iter().map(|(kind, number)| (*kind, *number)).collect();
    let expected =
        [("ClusterRole", 1), ("ClusterRoleBinding", 1), ("Namespace", 1), ("Role", 1), ("RoleBinding", 2)];
    assert_eq!(counts, expected);
    let granted = json!([
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
    ]);
    assert_eq!(roles["ClusterRole node-reader"]["rules"], granted);
    let ann = json!({"user": "ann"});
    until_may(&fleet, &ann, ("patch", "deployments.apps", "shop"), true);
    until_may(&fleet, &ann, ("get", "nodes", ""), true);
    until_may(&fleet, &ann, ("patch", "deployments.apps", "default"), false);

    // The policies go, and the roles with them: first what grants them.
    for policy in ["restarters", "readers"] {
        drop_policy(&fleet, policy);
    }
    until_made(&fleet, &agent, 0);
    let mut left = objects(&fleet.replica);
    left.retain(|key, _| !before.contains_key(key) && !key.contains("muster-policies-define-roles"));
    assert_eq!(left.keys().collect::<Vec<_>>(), ["Namespace shop"]);
    until_may(&fleet, &ann, ("get", "nodes", ""), false);
    let mut deletions = trail::writes(&fleet.replica, mark, REPLICA_USER);
    deletions.retain(|write| write.verb == "delete" && write.group == "rbac.authorization.k8s.io");
    let impersonated =
        |write: &muster_tests::plane::AuditEvent| write.impersonated.as_deref() == Some(APPLIER);
    assert!(deletions.iter().all(impersonated), "{}", lines(&deletions));
    for (binding, role) in [("clusterrolebindings", "clusterroles"), ("rolebindings", "roles")] {
        let times = |resource: &str| {
            deletions
                .iter()
                .filter(|write| write.resource == resource)
                .map(|write| write.time)
                .collect::<Vec<_>>()
        };
        let (last, first) =
            (times(binding).into_iter().max().unwrap(), times(role).into_iter().min().unwrap());
        assert!(last < first, "{}", lines(&deletions));
    }
}
