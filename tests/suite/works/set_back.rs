//! The directory's etcd is restored to an earlier state: nothing goes in the replica for that before somebody says so.

use std::time::Instant;

use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::{AuditEvent, Backup, ControlPlane, PlaneError};
use muster_tests::wait::saw;
use serde_json::{Value, json};

use super::bench::{Bench, LEASE, made};
use super::{config_map, put_work, until_told};
use crate::cli::done;
use crate::fleet::{OWN, REPORT, quietly};

/// The Lease by which one process acts.
const LEADER: &str = "/apis/coordination.k8s.io/v1/namespaces/muster-system/leases/muster-agent";
const STATE: &str = "/api/v1/namespaces/muster-system/configmaps/muster-agent-state";
const BARS: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
const BOUND: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
/// Name of the policy that bars it, and of its binding.
const BAR: &str = "state";
const POLICIES: &str = "/apis/multicluster.coreos.com/v1/clusterpolicies";

fn maps(names: &[&str]) -> Value {
    names.iter().map(|name| config_map("default", name, "one")).collect()
}

/// A policy that lets somebody view a namespace.
fn grant(bench: &Bench, name: &str) {
    let policy = json!({
        "apiVersion": "multicluster.coreos.com/v1", "kind": "ClusterPolicy", "metadata": {"name": name},
        "spec": {"selector": {}, "namespaces": [{"name": name, "authorization": {"bindings": [
            {"clusterRole": "view", "users": ["jane"]}]}}]},
    });
    bench.fleet.directory.api().create(POLICIES, &policy).unwrap();
}

/// Waits until there are so many bindings of this namespace.
fn granted(bench: &Bench, namespace: &str, count: usize) {
    bench.until(&format!("{count} bindings in {namespace}"), || {
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings");
        let bindings = bench.api().get(&path).map_err(|error| error.to_string())?;
        let found = bindings["items"].as_array().map_or(0, Vec::len);
        if found == count { Ok(()) } else { Err(bindings.to_string()) }
    });
}

/// Waits until the last heartbeat is written down for the next process.
fn noted(bench: &Bench) {
    bench.until("the heartbeat to be noted", || {
        let renewed = bench.fleet.directory.api().get(LEASE).map_err(|error| error.to_string())?;
        let renewed = renewed["spec"]["renewTime"].as_str().unwrap_or("none").to_owned();
        let leader = bench.api().get(LEADER).map_err(|error| error.to_string())?;
        let noted = &leader["metadata"]["annotations"]["multicluster.coreos.com/directory-renewed"];
        let is_so = noted.as_str().is_some_and(|noted| noted.starts_with(&renewed));
        if is_so { Ok(()) } else { Err(format!("{noted}, and {renewed}")) }
    });
}

fn objects(bench: &Bench) -> Vec<String> {
    made(&bench.fleet)
        .into_keys()
        .filter_map(|name| Some(name.strip_prefix("configmaps default/")?.to_owned()))
        .collect()
}

/// How the directory is restored, and how the agent meets that.
struct Restore {
    put_back: fn(&ControlPlane, &Backup) -> Result<(), PlaneError>,
    before: fn(&mut Bench),
    after: fn(&mut Bench),
}

/// Nobody can change what the agent keeps of itself. Waits until that is so.
fn bar(bench: &mut Bench) {
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["configmaps"]});
    let denies = json!({"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "object.metadata.name != 'muster-agent-state'"}]});
    let bound = json!({"policyName": BAR, "validationActions": ["Deny"]});
    for (path, kind, spec) in
        [(BARS, "ValidatingAdmissionPolicy", denies), (BOUND, "ValidatingAdmissionPolicyBinding", bound)]
    {
        let body = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
            "metadata": {"name": BAR}, "spec": spec});
        bench.api().create(path, &body).unwrap();
    }
    bench.until("it is denied", || {
        let note = json!({"metadata": {"annotations": {"tried": "true"}}});
        match bench.api().patch(STATE, MERGE_PATCH, &note) {
            Ok(_) => Err("not yet".into()),
            Err(_) => Ok(()),
        }
    });
}

/// What shows that the directory was set back is not overwritten before that is recorded: the agent sends no heartbeat.
fn stays_shown(bench: &mut Bench) {
    let lease = || bench.fleet.directory.api().get(LEASE).unwrap()["spec"].clone();
    bench.fleet.reason(&bench.agent, "DirectoryReachable", "RolledBack");
    let before = lease();
    let kept_back = || {
        let metrics = bench.agent.metrics().map_err(|error| error.to_string())?;
        metrics.get("muster_heartbeats_total", &[("result", "set-back")]).ok_or_else(|| "none".to_owned())
    };
    let first = kept_back().unwrap();
    bench.until("two more heartbeats are not sent", || match kept_back()? {
        count if count >= first + 2.0 => Ok(()),
        count => Err(format!("{count} of {}", first + 2.0)),
    });
    assert_eq!(lease(), before);
    bench.api().delete(&format!("{BOUND}/{BAR}")).unwrap();
    bench.until("it is recorded", || {
        let state = bench.api().get(STATE).map_err(|error| error.to_string())?;
        if state["data"]["setBack"].is_string() { Ok(()) } else { Err(state["data"].to_string()) }
    });
}

/// The directory lives on after a backup, which is then put back.
fn set_back(Restore { put_back, before, after }: Restore) {
    let mut bench = Bench::new();
    put_work(&bench.fleet, "grown", &maps(&["a"]));
    put_work(&bench.fleet, "same", &maps(&["s"]));
    for work in ["grown", "same"] {
        until_told(&bench.fleet, &bench.agent, work, "Applied", "Applied");
    }
    bench.beat();
    let backup = bench.fleet.directory.backup().unwrap();

    bench.fleet.in_step(&bench.agent);
    put_work(&bench.fleet, "grown", &maps(&["a", "b"]));
    put_work(&bench.fleet, "made", &maps(&["m"]));
    grant(&bench, "team");
    bench.fleet.entry("later", &json!({}));
    for work in ["grown", "made"] {
        until_told(&bench.fleet, &bench.agent, work, "Applied", "Applied");
    }
    granted(&bench, "team", 1);
    quietly("the copy", || bench.fleet.copy("later").map_err(|error| error.to_string()));
    bench.beat();
    let before_it = made(&bench.fleet);
    let mark = bench.fleet.replica.audit_mark().unwrap();
    before(&mut bench);
    put_back(&bench.fleet.directory, &backup).unwrap();
    let restored = Instant::now();
    after(&mut bench);

    let message = bench.fleet.reason(&bench.agent, "DirectoryReachable", "RolledBack");
    saw("the restored directory", restored.elapsed());
    println!("    {message}");
    let report = bench.api().get(REPORT).unwrap();
    let hold = report["status"]["holds"][0].clone();
    assert_eq!(hold["reason"], "RolledBack", "{report:#}");
    let id = hold["id"].as_str().unwrap();
    assert!(message.contains(&format!("multicluster.coreos.com/release={id}")), "{message}");
    bench.beat();
    // What is there is kept right.
    bench.api().delete("/api/v1/namespaces/default/configmaps/b").unwrap();
    bench.until("what somebody deleted is back", || {
        bench
            .api()
            .get("/api/v1/namespaces/default/configmaps/b")
            .map(drop)
            .map_err(|error| error.to_string())
    });
    // What is changed after that is followed, but for what goes.
    put_work(&bench.fleet, "same", &maps(&["t"]));
    bench.until("what is asked for after that", || {
        if objects(&bench).contains(&"t".to_owned()) { Ok(()) } else { Err(objects(&bench).join(" ")) }
    });
    let away = bench.fleet.replica.audit_since(mark).unwrap();
    let kept = ["configmaps", "rolebindings", "clusters", "namespaces"];
    let ours = |event: &&AuditEvent| {
        let asked = kept.contains(&event.resource.as_str()) && event.namespace != "muster-system";
        event.verb == "delete" && asked
    };
    let deleted: Vec<_> = away.iter().filter(ours).filter(|event| event.name != "b").collect();
    assert!(deleted.is_empty(), "{deleted:?}");
    let now = made(&bench.fleet);
    for (object, uid) in before_it.iter().filter(|(object, _)| !object.ends_with("/b")) {
        assert_eq!(now.get(object), Some(uid), "{object}");
    }
    granted(&bench, "team", 1);
    bench.fleet.copy("later").unwrap();

    // Somebody brings back what is missed most, and lets the rest be followed.
    let status = done(&bench.fleet.directory, &["status", OWN]);
    assert!(status.contains(id), "{status}");
    done(&bench.fleet.directory, &["release", id]);
    bench.until("what the restored state does not ask for is gone", || {
        if objects(&bench) == ["a", "m", "t"] { Ok(()) } else { Err(objects(&bench).join(" ")) }
    });
    granted(&bench, "team", 0);
    bench.until("the copy of an entry that is not there any more is gone", || {
        bench.fleet.copy("later").map_or(Ok(()), |copy| Err(copy.to_string()))
    });
    bench.fleet.reason(&bench.agent, "DirectoryReachable", "Reachable");
    bench.fleet.reason(&bench.agent, "Held", "NothingHeld");
}

#[test]
fn a_directory_whose_etcd_was_restored_takes_nothing_before_a_word() {
    set_back(Restore { put_back: ControlPlane::restore, before: bar, after: stays_shown });
}

#[test]
fn a_directory_that_was_restored_while_no_agent_ran_takes_nothing_before_a_word() {
    set_back(Restore {
        put_back: ControlPlane::restore,
        before: |bench| {
            noted(bench);
            bench.agent.kill().unwrap();
        },
        after: |bench| bench.agent.restart().unwrap(),
    });
}

#[test]
fn a_directory_that_was_restored_with_higher_versions_takes_nothing_before_a_word() {
    // Somebody has the agent join anew at that very moment.
    set_back(Restore {
        put_back: ControlPlane::restore_raised,
        before: |bench| drop(bench.api().delete(STATE).unwrap()),
        after: |_| (),
    });
}
