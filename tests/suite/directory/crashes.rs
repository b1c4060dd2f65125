//! The controller is killed at every write of a cluster's life in the directory, and another process goes on.

use std::time::Instant;

use http::Method;
use http::request::Parts;
use muster_tests::directory::DirectoryProcess;
use muster_tests::plane::TokenOptions;
use muster_tests::pool::Leased;
use muster_tests::proxy::Proxy;
use muster_tests::wait::{DEADLINE, saw};
use serde_json::json;

use super::enrolment::parts;
use super::{directory, enter, entry, until};
use crate::fleet::{CLUSTERS, condition_of};
use crate::works::crashes::gate::{Gate, Moment};

/// Whether a request is to change what the directory keeps for a cluster.
fn is_write(parts: &Parts) -> bool {
    let path = parts.uri.path();
    parts.method != Method::GET && !path.contains("/events") && !path.contains("/namespaces/muster-system/")
}

/// Which parts of a cluster are there.
fn there(directory: &Leased, name: &str) -> Vec<bool> {
    parts(name).iter().map(|path| directory.api().get(path).is_ok()).collect()
}

fn is_enrolled(directory: &Leased, name: &str) -> Result<(), String> {
    let entry = entry(directory, name).map_err(|error| error.to_string())?;
    let parts = there(directory, name);
    match condition_of(&entry, "Enrolled") {
        Some((reason, _)) if reason == "Enrolled" && parts.iter().all(|there| *there) => Ok(()),
        other => Err(format!("{other:?} {parts:?}")),
    }
}

/// Whether a cluster is gone: the entry last, so that no credential lives on without one.
fn is_gone(directory: &Leased, name: &str) -> Result<(), String> {
    if entry(directory, name).is_ok() {
        return Err("there".to_owned());
    }
    assert_eq!(there(directory, name), [false; 8], "{name}: the entry is gone");
    Ok(())
}

#[test]
fn a_controller_that_is_killed_at_any_write_leaves_nothing_undone_and_nothing_behind() {
    let directory = directory();
    let proxy = Proxy::start(&directory).unwrap();
    let account =
        directory.service_account_kubeconfig("muster-system", "muster-directory", &TokenOptions::default());
    let kubeconfig = proxy.kubeconfig_for(&account.unwrap()).unwrap();
    let mut controller = DirectoryProcess::start_over(&kubeconfig, &["--leader-lease=3"]).unwrap();
    let (started, mut kills, mut ended) = (Instant::now(), 0, [None, None]);
    for last in 1.. {
        assert!(last < 40, "no end of writes: {ended:?}");
        if ended.iter().all(Option::is_some) {
            break;
        }
        let name = format!("c{last}");
        for (act, ended) in ended.iter_mut().enumerate() {
            let limit = if ended.is_some() { usize::MAX } else { last };
            let gate = Gate::over(controller.pid(), &[&proxy], is_write, Moment::Unanswered, limit);
            let is_done =
                || if act == 0 { is_enrolled(&directory, &name) } else { is_gone(&directory, &name) };
            if act == 0 {
                drop(enter(&directory, &name));
            } else {
                directory.api().delete(&format!("{CLUSTERS}/{name}")).unwrap();
            }
            let what = format!("{name}, killed at write {last} of {}", ["enrolment", "removal"][act]);
            until(&controller, &what, DEADLINE * 2, || if gate.has_killed() { Ok(()) } else { is_done() });
            let killed = gate.disarm();
            proxy.clear();
            if killed {
                kills += 1;
                controller.restart().unwrap();
                until(&controller, &format!("{what}: all as without it"), DEADLINE * 2, is_done);
            } else if ended.is_none() {
                *ended = Some(gate.seen());
            }
        }
    }
    saw(&format!("{kills} kills, writes {ended:?}"), started.elapsed());
    assert!(kills >= 18, "{kills}");
    let left =
        directory.api().get("/api/v1/namespaces?labelSelector=multicluster.coreos.com/execution-namespace");
    assert_eq!(left.unwrap()["items"], json!([]));
}
