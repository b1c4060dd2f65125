//! What was made comes back without the directory, and the directory's return writes nothing twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use muster_tests::plane::AuditMark;
use serde_json::{Value, json};

use super::{APPLIER, config_map, manifest, put_work, until_told};
use crate::fleet::{Fleet, stop, until, version};
use crate::trail::{self, lines};

/// Within this, all is in step after the directory is back.
const SOON: Duration = Duration::from_secs(10);

/// Objects that are ready as soon as they are there, one of them a Secret.
fn manifests(value: &str) -> Value {
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]);
    json!([
        config_map("default", "a", value),
        config_map("default", "b", "one"),
        manifest("v1", "Secret", "default", "login", json!({"stringData": {"password": "hunter2"}})),
        manifest("v1", "ServiceAccount", "default", "runner", json!({})),
        manifest("rbac.authorization.k8s.io/v1", "Role", "default", "reader", json!({"rules": rules})),
    ])
}

const PATHS: [&str; 5] = [
    "/api/v1/namespaces/default/configmaps/a",
    "/api/v1/namespaces/default/configmaps/b",
    "/api/v1/namespaces/default/secrets/login",
    "/api/v1/namespaces/default/serviceaccounts/runner",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/reader",
];

/// What makes an object what it is, without its UID and version.
fn content(object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!({"labels": metadata["labels"], "annotations": metadata["annotations"], "data": object["data"],
        "rules": object["rules"]})
}

/// What was written for Works: how often each verb and code of an object, or of a ledger.
fn written(fleet: &Fleet, mark: AuditMark) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in trail::writes(&fleet.replica, mark, trail::REPLICA_USER) {
        let own = event.resource.starts_with("appliedworks") || event.name.starts_with("muster-work-");
        if own || event.impersonated.as_deref() == Some(APPLIER) {
            *counts.entry(format!("{} {} {}", event.resource, event.name, event.code)).or_insert(0) += 1;
        }
    }
    counts
}

fn counts(of: &[(&str, usize)]) -> BTreeMap<String, usize> {
    of.iter().map(|(write, times)| ((*write).to_owned(), *times)).collect()
}

#[test]
fn all_that_was_made_comes_back_without_the_directory_and_its_return_writes_nothing_twice() {
    let fleet = Fleet::new();
    let mut agent = fleet.joined(&[]);
    let replica = fleet.replica.api();
    put_work(&fleet, "app", &manifests("one"));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    let before = PATHS.map(|path| replica.get(path).unwrap());

    fleet.directory.kill().unwrap();
    stop(&mut agent);
    for path in &PATHS[..3] {
        replica.delete(path).unwrap();
    }
    let mark = trail::mark(&fleet.replica);
    agent.restart().unwrap();
    let there = |path: &str, old: &Value| {
        let seen = replica.get(path).map_err(|error| error.to_string())?;
        let anew = version(&seen).0 != version(old).0;
        if anew && content(&seen) == content(old) { Ok(()) } else { Err(content(&seen).to_string()) }
    };
    for (path, old) in PATHS.iter().zip(&before).take(3) {
        until(&agent, &format!("{path}, deleted while the agent was away, back"), || there(path, old));
    }
    for path in &PATHS[3..] {
        replica.delete(path).unwrap();
    }
    for (path, old) in PATHS.iter().zip(&before).skip(3) {
        until(&agent, &format!("{path}, deleted under its eyes, back"), || there(path, old));
    }
    let once = [
        "configmaps a 201",
        "configmaps b 201",
        "secrets login 201",
        "serviceaccounts runner 201",
        "roles reader 201",
    ];
    let mut writes = written(&fleet, mark);
    writes.retain(|write, _| !write.starts_with("appliedworks"));
    let all = trail::writes(&fleet.replica, mark, trail::REPLICA_USER);
    assert_eq!(writes, counts(&once.map(|write| (write, 1))), "{}", lines(&all));
    let now = PATHS.map(|path| version(&replica.get(path).unwrap()));

    // Its return alone changes nothing: the ledger records the new UIDs already.
    let recorded = || {
        let known = super::bench::settled(&fleet, "app")?;
        let missing = now.iter().find(|(uid, _)| !known.values().any(|known| known == uid));
        missing.map_or(Ok(()), |missing| Err(format!("{missing:?} is not in {known:?}")))
    };
    until(&agent, "the ledger to know all of them", recorded);
    let mark = trail::mark(&fleet.replica);
    let back = Instant::now();
    fleet.directory.restart().unwrap();
    println!("the directory answers after {:?}", back.elapsed());
    let back = Instant::now();
    fleet.reason(&agent, "DirectoryReachable", "Reachable");
    fleet.reason(&agent, "WorksApplied", "Applied");
    let took = back.elapsed();
    println!("in step {took:?} after it, figure {SOON:?}");
    assert!(took < SOON * 3, "{took:?}");
    let changed = Instant::now();
    put_work(&fleet, "app", &manifests("two"));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    println!("a change applied after {:?}", changed.elapsed());
    let expected = counts(&[("appliedworks app 200", 1), ("configmaps a 200", 1)]);
    let all = trail::writes(&fleet.replica, mark, trail::REPLICA_USER);
    assert_eq!(written(&fleet, mark), expected, "{}", lines(&all));
    assert_eq!(replica.get(PATHS[0]).unwrap()["data"]["key"], "two");
    for (path, (uid, seen)) in PATHS.iter().zip(&now) {
        let (same, last) = version(&replica.get(path).unwrap());
        assert_eq!((&same, *path == PATHS[0]), (uid, last != *seen), "{path}");
    }
}
