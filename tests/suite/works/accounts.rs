//! Accounts that apply Works and may not see the whole cluster: what they may do is done, kept right and taken away.

use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::{AuditEvent, AuditMark};
use muster_tests::proxy::Proxy;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use super::{config_map, namespace, of_manifest, put_work, put_work_with, until_told};
use crate::fleet::{Fleet, until};
use crate::trail;

/// Two clusters with the namespaces `a` and `b` in the replica, where the account `works` may do nothing.
fn fleet() -> Fleet {
    let fleet = Fleet::new();
    fleet.replica.kubectl_ok(&["delete", "clusterrolebinding", "muster-works-default"]).unwrap();
    for name in ["a", "b"] {
        fleet.replica.apply(&namespace(name).to_string()).unwrap();
    }
    fleet
}

fn user(account: &str) -> String {
    format!("system:serviceaccount:muster-appliers:{account}")
}

/// Lets an account do in a namespace what a `ClusterRole` allows.
fn grant(fleet: &Fleet, account: &str, role: &str, namespace: &str) {
    let (role, account) =
        (format!("--clusterrole={role}"), format!("--serviceaccount=muster-appliers:{account}"));
    let args = ["--namespace", namespace, "create", "rolebinding", "grant", &role, &account];
    fleet.replica.kubectl_ok(&args).unwrap();
}

fn path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps/{name}")
}

fn edit(fleet: &Fleet, namespace: &str, name: &str) {
    let change = json!({"data": {"key": "by hand"}});
    fleet.replica.api().patch(&path(namespace, name), MERGE_PATCH, &change).unwrap();
}

fn says(fleet: &Fleet, namespace: &str, name: &str, value: &str) -> Result<(), String> {
    let seen = fleet.replica.api().get(&path(namespace, name)).map_err(|error| error.to_string())?;
    if seen["data"]["key"] == value { Ok(()) } else { Err(seen.to_string()) }
}

/// Waits until a hand edit is undone.
fn undone(fleet: &Fleet, agent: &AgentProcess, namespace: &str, name: &str) {
    until(agent, &format!("{namespace}/{name} put right"), || says(fleet, namespace, name, "one"));
}

/// Waits until an account watches `ConfigMap`s, in all namespaces where the name is empty.
fn watched(fleet: &Fleet, agent: &AgentProcess, mark: AuditMark, account: &str, namespace: &str) {
    let by = Some(user(account));
    until(agent, &format!("a watch as {account} of namespace {namespace:?}"), || {
        let begun = fleet.replica.watches_begun_since(mark).map_err(|error| error.to_string())?;
        let is = begun.iter().any(|event| {
            event.resource == "configmaps" && event.namespace == namespace && event.impersonated == by
        });
        if is { Ok(()) } else { Err(trail::lines(&begun)) }
    });
}

/// What was to be changed as an account since then, a line each, sorted: verb, object and answer.
fn writes(fleet: &Fleet, mark: AuditMark, account: &str) -> Vec<String> {
    let by = Some(user(account));
    let mut writes = trail::writes(&fleet.replica, mark, trail::REPLICA_USER);
    writes.retain(|event| event.impersonated == by);
    let line =
        |event: &AuditEvent| format!("{} {}/{} {}", event.verb, event.namespace, event.name, event.code);
    let mut lines: Vec<_> = writes.iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn an_account_with_rights_in_one_namespace_applies_repairs_and_prunes_there() {
    let fleet = fleet();
    grant(&fleet, "works", "edit", "a");
    let agent = fleet.joined(&[]);
    put_work(&fleet, "app", &json!([config_map("a", "one", "one"), config_map("b", "two", "one")]));
    let told = until_told(&fleet, &agent, "app", "Applied", "Incomplete");
    assert_eq!(of_manifest(&told, 0, "Applied"), ("Applied".into(), String::new()));
    assert_eq!(of_manifest(&told, 1, "Applied").0, "Forbidden");

    edit(&fleet, "a", "one");
    undone(&fleet, &agent, "a", "one");
    fleet.replica.api().delete(&path("a", "one")).unwrap();
    undone(&fleet, &agent, "a", "one");

    put_work(&fleet, "app", &json!([config_map("a", "other", "one")]));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    until(&agent, "what is not wanted any more gone", || match fleet.replica.api().get(&path("a", "one")) {
        Err(error) if error.status().is_some_and(|status| status.as_u16() == 404) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn works_with_accounts_of_their_own_are_kept_right_where_nobody_sees_the_whole_cluster() {
    let fleet = fleet();
    for (account, namespace) in [("team-a", "a"), ("team-b", "b")] {
        let args = ["--namespace", "muster-appliers", "create", "serviceaccount", account];
        fleet.replica.kubectl_ok(&args).unwrap();
        grant(&fleet, account, "edit", namespace);
    }
    let agent = fleet.joined(&[]);
    for (account, manifests) in [
        ("team-a", json!([config_map("a", "one", "one"), config_map("b", "theirs", "one")])),
        ("team-b", json!([config_map("b", "one", "one")])),
    ] {
        let options = json!({"multicluster.coreos.com/service-account": account});
        put_work_with(&fleet, account, &options, &manifests);
    }
    let told = until_told(&fleet, &agent, "team-a", "Applied", "Incomplete");
    assert_eq!(of_manifest(&told, 0, "Applied").0, "Applied");
    assert_eq!(of_manifest(&told, 1, "Applied").0, "Forbidden");
    until_told(&fleet, &agent, "team-b", "Applied", "Applied");
    for namespace in ["a", "b"] {
        edit(&fleet, namespace, "one");
        undone(&fleet, &agent, namespace, "one");
    }
}

#[test]
fn a_right_to_see_everything_that_comes_and_goes_changes_nothing_else() {
    let fleet = fleet();
    grant(&fleet, "works", "edit", "a");
    let proxy = Proxy::start(&fleet.replica).unwrap();
    fleet.offer(&fleet.kubeconfig());
    let kubeconfig = proxy.kubeconfig_for(&fleet.replica_kubeconfig()).unwrap();
    let agent = fleet.agent_over(&kubeconfig, &[]);
    fleet.in_step(&agent);
    let mark = trail::mark(&fleet.replica);
    put_work(&fleet, "app", &json!([config_map("a", "one", "one"), config_map("a", "two", "one")]));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    watched(&fleet, &agent, mark, "works", "a");
    assert_eq!(writes(&fleet, mark, "works"), ["patch a/one 201", "patch a/two 201"]);

    let mark = trail::mark(&fleet.replica);
    let wide = ["clusterrolebinding", "wide"];
    let to = ["--clusterrole=edit", "--serviceaccount=muster-appliers:works"];
    fleet.replica.kubectl_ok(&["create", wide[0], wide[1], to[0], to[1]]).unwrap();
    watched(&fleet, &agent, mark, "works", "");
    edit(&fleet, "a", "one");
    undone(&fleet, &agent, "a", "one");

    // Servers let a watch that has begun go on: it is the next one that is refused.
    fleet.replica.kubectl_ok(&["delete", wide[0], wide[1]]).unwrap();
    let again = trail::mark(&fleet.replica);
    proxy.disconnect();
    watched(&fleet, &agent, again, "works", "a");
    edit(&fleet, "a", "two");
    undone(&fleet, &agent, "a", "two");
    fleet.replica.api().delete(&path("a", "one")).unwrap();
    undone(&fleet, &agent, "a", "one");
    assert_eq!(writes(&fleet, mark, "works"), ["patch a/one 200", "patch a/one 201", "patch a/two 200"]);
}

#[test]
fn what_may_not_be_listed_is_looked_at_now_and_then_and_the_work_says_so() {
    let fleet = fleet();
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "blind"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch", "delete"]}],
    });
    fleet.replica.apply(&role.to_string()).unwrap();
    grant(&fleet, "works", "blind", "a");
    let mut agent = fleet.joined(&[]);
    let mark = trail::mark(&fleet.replica);
    let manifests = json!([config_map("a", "one", "one"), config_map("a", "two", "one")]);
    put_work(&fleet, "app", &manifests);
    let told = |agent: &AgentProcess| {
        until(agent, "the Work to say how its objects are seen", || {
            let told = until_told(&fleet, agent, "app", "Applied", "Applied");
            let (reason, message) = of_manifest(&told, 0, "Applied");
            let is = reason == "Applied" && message.contains("may list and watch configmaps in namespace a");
            if is { Ok(()) } else { Err(format!("{reason}: {message}")) }
        });
    };
    told(&agent);
    assert_eq!(writes(&fleet, mark, "works"), ["patch a/one 201", "patch a/two 201"]);

    let mark = trail::mark(&fleet.replica);
    edit(&fleet, "a", "one");
    fleet.replica.api().delete(&path("a", "two")).unwrap();
    let both = || says(&fleet, "a", "one", "one").and_then(|()| says(&fleet, "a", "two", "one"));
    timed("both put right", DEADLINE * 4, both).unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    assert_eq!(writes(&fleet, mark, "works"), ["patch a/one 200", "patch a/two 201"]);

    // Another process sees what is there before it writes.
    let mark = trail::mark(&fleet.replica);
    crate::fleet::stop(&mut agent);
    edit(&fleet, "a", "one");
    agent.restart().unwrap();
    undone(&fleet, &agent, "a", "one");
    assert_eq!(writes(&fleet, mark, "works"), ["patch a/one 200"]);

    // The right comes, and there is nothing more to say.
    fleet.replica.kubectl_ok(&["--namespace", "a", "delete", "rolebinding", "grant"]).unwrap();
    grant(&fleet, "works", "edit", "a");
    let quiet = || {
        let work = super::work(&fleet, "app");
        let seen = of_manifest(&work, 0, "Applied");
        if seen == ("Applied".into(), String::new()) { Ok(()) } else { Err(format!("{seen:?}")) }
    };
    timed("the objects watched", DEADLINE * 4, quiet)
        .unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    edit(&fleet, "a", "one");
    undone(&fleet, &agent, "a", "one");
    put_work(&fleet, "app", &Value::Array(vec![config_map("a", "two", "one")]));
    until(&agent, "what is not wanted any more gone", || match fleet.replica.api().get(&path("a", "one")) {
        Err(error) if error.status().is_some_and(|status| status.as_u16() == 404) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
