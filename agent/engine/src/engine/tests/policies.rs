//! Policies, from the directory's word to the object and back.

mod applying;
mod crashing;
mod doubts;
mod drift;
mod foreign;
mod leaving;
mod ledgers;
mod lost;
mod revoking;
mod set_back;
mod sharing;

use serde_json::{Value, json};

use super::world::PolicyWorld;

/// What happens once all is in step.
type Act = fn(&mut PolicyWorld);

/// The first documented policy.
fn ldap() -> Value {
    json!({"selector": {"cloud": "aws"},
        "authorization": {"clusterBindings": [{"clusterRole": "admin", "groups": ["Operations"]}]}})
}

/// The second documented policy.
fn web_api() -> Value {
    json!({"selector": {"cloud": "aws"}, "namespaces": [
        {"name": "api-prod", "authorization": {"bindings": [
            {"clusterRole": "view", "users": ["random-user"], "groups": ["SupportTeam"]},
            {"clusterRole": "edit", "groups": ["APIDevelopers"]},
            {"clusterRole": "admin", "users": ["joe-team-lead"]},
        ]}},
        {"name": "api-test", "authorization": {"bindings": [
            {"clusterRole": "admin", "groups": ["APIDevelopers"]},
        ]}},
    ]})
}

/// Bindings to cluster roles, for one user, in one namespace.
fn grant(namespace: &str, roles: &[&str]) -> Value {
    grant_to(namespace, roles, "jane")
}

fn grant_to(namespace: &str, roles: &[&str], user: &str) -> Value {
    let bindings: Vec<_> = roles.iter().map(|role| json!({"clusterRole": role, "users": [user]})).collect();
    json!({"selector": {"cloud": "aws"},
        "namespaces": [{"name": namespace, "authorization": {"bindings": bindings}}]})
}

fn documented() -> PolicyWorld {
    PolicyWorld::in_step(&[("ldap-group-admin", ldap()), ("web-api", web_api())])
}

/// Where a line stands in the log.
fn place(log: &[String], line: &str) -> usize {
    log.iter().position(|logged| logged == line).unwrap_or_else(|| panic!("no {line} in {log:#?}"))
}
