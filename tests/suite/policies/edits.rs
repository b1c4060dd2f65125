//! What becomes of a policy's objects when the policy is edited: in whole, in part, or into something that cannot be
//! followed.

use std::time::Duration;

use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::AuditEvent;
use muster_tests::wait::timed;
use serde_json::{Value, json};

use super::bench::path;
use super::written::Written;
use super::{POLICIES, drop_policy, made, one, put_policy, until_made, until_may, until_told, versions};
use crate::fleet::{Fleet, stop, until};
use crate::trail::lines;

/// Ten times the longest wait between two attempts.
const NEXT_ATTEMPT: Duration = Duration::from_secs(600);
/// Between two questions whether somebody may do something.
const PAUSE: Duration = Duration::from_millis(10);

/// A policy that grants roles in three namespaces, and one in the whole cluster.
fn team(in_cluster: &str, roles: &[&str]) -> Value {
    let bindings: Vec<Value> =
        roles.iter().map(|role| json!({"clusterRole": role, "users": ["ann"]})).collect();
    let namespaces =
        ["one", "three", "two"].map(|name| json!({"name": name, "authorization": {"bindings": bindings}}));
    json!({"selector": {"cloud": "aws"}, "namespaces": namespaces,
        "authorization": {"clusterBindings": [{"clusterRole": in_cluster, "users": ["ann"]}]}})
}

/// Asserts that every new grant came before the first old one went.
fn new_before_old(writes: &[AuditEvent]) {
    let times = |verb: &'static str, code: u16| {
        let writes = writes.iter().filter(move |write| (write.verb.as_str(), write.code) == (verb, code));
        writes.map(|write| write.time)
    };
    let (made, gone) = (times("patch", 201).max().unwrap(), times("delete", 200).min().unwrap());
    assert!(made < gone, "{}", lines(writes));
    println!(
        "the last new grant came {} ms before the first old one went",
        (gone - made).total(jiff::Unit::Millisecond).unwrap()
    );
}

/// Does something, and checks that a user may read pods all the while.
fn without_a_gap<T: Send>(fleet: &Fleet, what: impl FnOnce() -> T + Send) -> T {
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
        "user": "ann", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "one"}}});
    let reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    std::thread::scope(|scope| {
        let doing = scope.spawn(what);
        let mut asked = 0;
        while !doing.is_finished() {
            let answer = fleet.replica.api().create(reviews, &review).unwrap();
            assert_eq!(answer["status"]["allowed"], true, "{answer:#}");
            asked += 1;
            std::thread::sleep(PAUSE);
        }
        println!("asked {asked} times");
        doing.join().unwrap()
    })
}

#[test]
fn new_grants_come_before_old_ones_go_and_one_that_is_refused_holds_nothing_up() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    put_policy(&fleet, "team", &team("view", &["view"]));
    until_made(&fleet, &agent, 7);
    fleet.reason(&agent, "PoliciesApplied", "Applied");
    until_may(&fleet, &json!({"user": "ann"}), ("get", "pods", "one"), true);
    let mut written = Written::new(&fleet);

    let changed = [
        ("create clusterrolebindings", 1),
        ("create rolebindings", 3),
        ("delete clusterrolebindings", 1),
        ("delete rolebindings", 3),
    ];
    let writes = without_a_gap(&fleet, || {
        put_policy(&fleet, "team", &team("edit", &["edit"]));
        written.shows(&agent, "another role", &changed)
    });
    new_before_old(&writes);
    until_made(&fleet, &agent, 7);
    fleet.reason(&agent, "PoliciesApplied", "Applied");

    // The owner of the replica does not let policies grant the role cluster-admin. The rest is done: what is new and may
    // be comes first, and what the policy grants no more goes, though not all that it grants instead is there.
    let refused = [
        ("create clusterrolebindings", 1),
        ("create rolebindings", 3),
        ("delete clusterrolebindings", 1),
        ("delete rolebindings", 3),
        ("patch rolebindings: 403", 3),
    ];
    let writes = without_a_gap(&fleet, || {
        put_policy(&fleet, "team", &team("admin", &["admin", "cluster-admin"]));
        written.shows(&agent, "a role that may not be granted", &refused)
    });
    new_before_old(&writes);
    let refusal = "RoleBinding team-cluster-admin-";
    println!("{}", until_told(&fleet, &agent, "Forbidden", |message| message.starts_with(refusal)));
    let granted = made(&fleet.replica);
    assert_eq!(granted.len(), 7, "{:?}", granted.keys());
    let before = versions(&granted);
    let ann = json!({"user": "ann"});
    until_may(&fleet, &ann, ("create", "rolebindings.rbac.authorization.k8s.io", "one"), true);
    until_may(&fleet, &ann, ("get", "nodes", ""), false);

    // The owner lets them, as multicluster.yaml says, in one namespace.
    let role = "muster-policies-bind-cluster-admin";
    for command in [
        vec![
            "create",
            "clusterrole",
            role,
            "--verb=bind",
            "--resource=clusterroles",
            "--resource-name=cluster-admin",
        ],
        vec![
            "--namespace",
            "two",
            "create",
            "rolebinding",
            role,
            &format!("--clusterrole={role}"),
            "--serviceaccount=muster-appliers:policies",
        ],
    ] {
        fleet.replica.kubectl_ok(&command).unwrap();
    }
    let now = timed("the role granted where it may be", NEXT_ATTEMPT, || {
        let made = made(&fleet.replica);
        if made.len() == 8 { Ok(made) } else { Err(format!("{:?}", made.keys())) }
    });
    let now = now.unwrap_or_else(|late| panic!("{late}\n{}", agent.log())).0;
    one(&now, "RoleBinding two/team-cluster-admin-");
    for (key, version) in before {
        assert_eq!(versions(&now)[key], version, "{key} was written");
    }
    fleet.reason(&agent, "PoliciesApplied", "Forbidden");

    // What was refused is asked for no more, and what was not goes.
    put_policy(&fleet, "team", &team("admin", &["admin"]));
    until_made(&fleet, &agent, 7);
    fleet.reason(&agent, "PoliciesApplied", "Applied");
}

/// What people write that the directory takes and Muster does not, as a merge patch of the policy, with what is said of
/// it.
fn mistakes() -> Vec<(Value, &'static str)> {
    let namespace = |more: Value| {
        let mut namespace = json!({"name": "other", "authorization": {"bindings": [
            {"clusterRole": "admin", "users": ["eve"]}]}});
        namespace.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"spec": {"namespaces": [namespace]}})
    };
    vec![
        (
            namespace(json!({"labels": {"team name": "a"}})),
            r#"unable to follow policy team: spec.namespaces[0].labels: "team name" is no key: "#,
        ),
        (
            namespace(json!({"annotations": {"multicluster.coreos.com/made-for": "me"}})),
            r#"unable to follow policy team: spec.namespaces[0].annotations: "multicluster.coreos.com/made-for" is not for policies to set"#,
        ),
        (
            namespace(json!({"name": "muster-system"})),
            r#"unable to follow policy team: spec.namespaces[0].name: "muster-system" is a namespace of Muster itself"#,
        ),
        (
            json!({"spec": {"selector": {"production": true}}}),
            "unable to tell which clusters policy team selects: spec.selector: ",
        ),
        (
            json!({"metadata": {"annotations": {"multicluster.coreos.com/namespace-deletion": "always"}}}),
            r#"unable to follow policy team: metadata.annotations[multicluster.coreos.com/namespace-deletion]: "always" is unknown: write delete or retain"#,
        ),
    ]
}

/// Edits and deletes grants by hand, and waits until they are as they were.
fn corrects(fleet: &Fleet, agent: &AgentProcess, written: &mut Written<'_>) {
    let before = made(&fleet.replica);
    let api = fleet.replica.api();
    let edited = one(&before, "RoleBinding one/team-view-").1;
    api.patch(&path(edited), MERGE_PATCH, &json!({"subjects": null})).unwrap();
    let deleted = one(&before, "ClusterRoleBinding team-view-").1;
    api.delete(&path(deleted)).unwrap();
    written.shows(agent, "drift", &[("create clusterrolebindings", 1), ("patch rolebindings", 1)]);
    for binding in [edited, deleted] {
        let now = api.get(&path(binding)).unwrap();
        for field in ["roleRef", "subjects"] {
            assert_eq!(now[field], binding[field], "{now:#}");
        }
    }
}

#[test]
fn an_invalid_edit_keeps_what_the_last_valid_version_asked_for() {
    let fleet = Fleet::new();
    let mut agent = fleet.joined(&[]);
    let valid = team("view", &["view"]);
    put_policy(&fleet, "team", &valid);
    until_made(&fleet, &agent, 7);
    fleet.reason(&agent, "PoliciesApplied", "Applied");
    let before = made(&fleet.replica);
    let mut written = Written::new(&fleet);
    let policy = format!("{POLICIES}/team");
    for (number, (mistake, why)) in mistakes().into_iter().enumerate() {
        fleet.directory.api().patch(&policy, MERGE_PATCH, &mistake).unwrap();
        until_told(&fleet, &agent, "Invalid", |message| message.starts_with(why));
        if number == 0 {
            refusal_is_an_event(&fleet, &agent, why);
            corrects(&fleet, &agent, &mut written);
        } else {
            written.shows(&agent, why, &[]);
        }
    }

    // A restart knows the last valid version from the ledger alone. Other policies are not held up.
    stop(&mut agent);
    agent.restart().unwrap();
    put_policy(&fleet, "valid", &json!({"selector": {}, "namespaces": [{"name": "another"}]}));
    written.shows(&agent, "another policy", &[("create namespaces", 1)]);
    corrects(&fleet, &agent, &mut written);
    until_told(&fleet, &agent, "Invalid", |message| message.contains("policy team"));
    let now = made(&fleet.replica);
    assert_eq!(
        now.keys().filter(|key| *key != "Namespace another").collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );

    // One that was never valid asks for nothing.
    let never = json!({"selector": {"cloud": "aws", "region": 1}, "namespaces": [{"name": "never"}]});
    put_policy(&fleet, "never", &never);
    until_told(&fleet, &agent, "Invalid", |message| {
        ["policy never ", "policy team"].iter().all(|name| message.contains(name))
    });
    drop_policy(&fleet, "never");

    // A valid edit heals, in whichever way it differs.
    fleet
        .directory
        .api()
        .patch(
            &policy,
            MERGE_PATCH,
            &json!({"metadata": {"annotations":
        {"multicluster.coreos.com/namespace-deletion": null}}, "spec": {"selector": {"production": null}}}),
        )
        .unwrap();
    put_policy(&fleet, "team", &team("view", &["view", "edit"]));
    written.shows(&agent, "a valid edit", &[("create rolebindings", 3)]);
    until_told(&fleet, &agent, "Applied", |message| message == "2 policies, 11 objects");

    // Nothing is told of an invalid policy that is gone, and what it asked for goes with it.
    fleet.directory.api().patch(&policy, MERGE_PATCH, &mistakes()[0].0).unwrap();
    until_told(&fleet, &agent, "Invalid", |message| message.starts_with(mistakes()[0].1));
    drop_policy(&fleet, "team");
    until_made(&fleet, &agent, 1);
    fleet.reason(&agent, "PoliciesApplied", "NamespaceRetained");
    until_may(&fleet, &json!({"user": "ann"}), ("get", "pods", "one"), false);
}

/// Waits until an Event in the replica says why a policy is refused.
fn refusal_is_an_event(fleet: &Fleet, agent: &AgentProcess, why: &str) {
    until(agent, "an Event", || {
        let events = "/apis/events.k8s.io/v1/namespaces/muster-system/events";
        let events = fleet.replica.api().get(events).map_err(|error| error.to_string())?;
        let found = events["items"].as_array().unwrap().iter().any(|event| {
            event["reason"] == "PolicyRefused"
                && event["type"] == "Warning"
                && event["note"].as_str().is_some_and(|note| note.contains(why))
        });
        if found { Ok(()) } else { Err(events.to_string()) }
    });
}
