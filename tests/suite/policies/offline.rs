//! An agent that restarts while it is cut off from its directory enforces what its ledgers record. When the directory is
//! back, what changed there meanwhile is applied, with exactly the writes that it takes.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_tests::plane::AuditEvent;
use muster_tests::proxy::Seen;
use muster_tests::wait::{throughout, timed};
use serde_json::Value;

use super::bench::Bench;
use super::held::{Held, follows, grant, granted, restores};
use super::{LEDGERS, POLICIES, drop_policy, objects, until_made};
use crate::fleet::{SECRETS, version};
use crate::trail::lines;

/// From the directory's return until the replica is in step.
const IN_STEP: Duration = Duration::from_secs(10);
/// Longer than what follows a write takes to come: nothing is to come after it.
const QUIET: Duration = Duration::from_secs(3);

/// What was written, as in `create rolebindings`, and how many of each. An apply that made its object is a creation.
fn count(events: &[AuditEvent]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for AuditEvent { verb, resource, code, .. } in events {
        let write = match (verb.as_str(), code) {
            ("patch", 201) => format!("create {resource}"),
            (verb, 200 | 201) => format!("{verb} {resource}"),
            (verb, code) => format!("{verb} {resource}: {code}"),
        };
        *counts.entry(write).or_insert(0) += 1;
    }
    counts
}

/// Waits until exactly this was written since, and checks that nothing more comes.
fn wrote(bench: &Bench, held: &Held, what: &str, expected: &[(&str, usize)]) {
    let expected: BTreeMap<String, usize> =
        expected.iter().map(|(write, number)| ((*write).to_owned(), *number)).collect();
    let look = || {
        let writes = held.writes(bench);
        if count(&writes) == expected { Ok(()) } else { Err(lines(&writes)) }
    };
    let timed = timed(what, IN_STEP * 10, look);
    timed.unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
    let nothing_more = throughout(&format!("{what}, and nothing more"), QUIET, look);
    nothing_more.unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
}

/// Deletes a namespace that a policy made, with the grants in it, and waits until all is there again.
fn namespace_restored(bench: &Bench, name: &str) -> Vec<String> {
    let replica = bench.fleet.replica.api();
    let path = format!("/api/v1/namespaces/{name}");
    let (before, there) = (replica.get(&path).unwrap(), bench.versions());
    let within = |key: &&String| key.starts_with(&format!("RoleBinding {name}/"));
    let lost: Vec<String> = there.keys().filter(within).cloned().collect();
    assert!(!lost.is_empty(), "{:?}", there.keys());
    replica.delete(&path).unwrap();
    bench.until("a deleted namespace made again, with its grants", || {
        let now = replica.get(&path).map_err(|error| error.to_string())?;
        let versions = bench.versions();
        let again = |key: &String| versions.get(key).is_some_and(|it| it.0 != there[key].0);
        if version(&now).0 != version(&before).0 && lost.iter().all(again) {
            Ok(())
        } else {
            Err(format!("{:?}", versions.keys()))
        }
    });
    [lost, vec![format!("Namespace {name}")]].concat()
}

/// Generation of each ledger: it moves with what goes before the objects.
fn generations(bench: &Bench) -> Vec<(Value, Value)> {
    let list = bench.fleet.replica.api().get(LEDGERS).unwrap();
    let ledgers = list["items"].as_array().unwrap().iter();
    ledgers.map(|it| (it["metadata"]["name"].clone(), it["metadata"]["generation"].clone())).collect()
}

#[test]
fn an_agent_that_restarts_while_cut_off_enforces_and_comes_in_step_later() {
    let mut bench = Bench::new();
    follows(&bench, "edited", "before");
    grant(&bench, "dropped", "dropped");
    bench.policy("left", &["left"]);
    until_made(&bench.fleet, &bench.agent, 11);
    bench.told("PoliciesApplied", "Applied");
    let recorded = generations(&bench);

    println!("the directory is dead, and the agent restarts");
    let held = Held::now(&bench);
    bench.fleet.directory.kill().unwrap();
    bench.told("DirectoryReachable", "Unreachable");
    let since = bench.log_end();
    bench.restart();
    bench.says(since, "DirectoryReachable", "Unreachable");
    bench.told("PoliciesApplied", "Applied");
    bench.corrects("ClusterRoleBinding");
    wrote(&bench, &held, "a hand edit undone", &[("patch clusterrolebindings", 1)]);
    let mut by_hand = vec![restores(&bench, "RoleBinding")];
    by_hand.extend(namespace_restored(&bench, "api-test"));
    bench.told("PoliciesApplied", "Applied");
    held.kept(&bench, &by_hand);
    assert_eq!(generations(&bench), recorded);

    println!("and restarts again, with all right, and cut off by the network");
    bench.fleet.directory.restart().unwrap();
    bench.directory.cut().unwrap();
    let (held, since) = (Held::now(&bench), bench.log_end());
    bench.restart();
    bench.says(since, "DirectoryReachable", "Unreachable");
    bench.writes_nothing(bench.mark());
    held.untouched(&bench);

    println!("without its Secret");
    bench.agent.kill().unwrap();
    bench.fleet.replica.api().delete(&format!("{SECRETS}/directory-sync")).unwrap();
    let (edited, binding) = bench.binding("ClusterRoleBinding");
    bench.fleet.replica.api().delete(&edited).unwrap();
    bench.restart();
    bench.told("DirectoryReachable", "SecretMissing");
    bench.until("what was deleted while no agent ran", || {
        let now = bench.fleet.replica.api().get(&edited).map_err(|error| error.to_string())?;
        if now["subjects"] == binding["subjects"] { Ok(()) } else { Err(now.to_string()) }
    });
    wrote(
        &bench,
        &held,
        "a grant made again",
        &[("create clusterrolebindings", 1), ("patch appliedworks/status", 1)],
    );
    bench.corrects("RoleBinding");
    assert_eq!(generations(&bench), recorded);

    println!("the directory is back, and is not as it was");
    grant(&bench, "edited", "after");
    drop_policy(&bench.fleet, "dropped");
    drop_policy(&bench.fleet, "left");
    bench.policy("fresh", &["fresh"]);
    let since = bench.log_end();
    bench.restart();
    bench.says(since, "DirectoryReachable", "SecretMissing");
    let held = Held::now(&bench);
    bench.directory.restore().unwrap();
    bench.fleet.offer(&bench.directory.kubeconfig_for(&bench.fleet.kubeconfig()).unwrap());
    let changes = [
        // edited: its ledger, the grant, the copy
        ("patch clusterrolebindings", 1),
        ("patch clusterpolicies", 1),
        // dropped and left: their ledgers, the grants, the copies; a namespace stays, and loses its marks
        ("update appliedworks", 3),
        ("delete clusterrolebindings", 1),
        ("delete rolebindings", 1),
        ("patch namespaces", 1),
        ("delete clusterpolicies", 2),
        ("delete appliedworks", 2),
        // fresh: its ledger, what it asks for, the copy, the ledger again
        ("create appliedworks", 1),
        ("create namespaces", 1),
        ("create rolebindings", 1),
        ("create clusterpolicies", 1),
        ("patch appliedworks/status", 1),
    ];
    wrote(&bench, &held, "the replica in step with a directory that is back", &changes);
    bench.told("PoliciesApplied", "NamespaceRetained");
    assert!(granted(&bench, "after").is_some() && granted(&bench, "dropped").is_none());
    let objects = objects(&bench.fleet.replica);
    assert_eq!(objects["Namespace left"]["status"]["phase"], "Active");

    println!("and once more it restarts, with the directory there: nothing is written");
    let (held, before) = (Held::now(&bench), bench.directory.requests().len());
    bench.restart();
    bench.until("the policies to be read", || {
        let read = |seen: &Seen| seen.path == POLICIES && seen.status == Some(200);
        let requests = bench.directory.requests().split_off(before);
        if requests.iter().any(read) { Ok(()) } else { Err(format!("{requests:?}")) }
    });
    bench.writes_nothing(bench.mark());
    held.untouched(&bench);
}
