//! Nothing can be written: not beside the agent, which needs nothing there, and not in the replica, where nothing is made
//! before it is recorded.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use http::Method;
use muster_tests::agent::agent_binary;
use muster_tests::api::MERGE_PATCH;
use muster_tests::proxy::{Action, Rule};
use muster_tests::scratch::Scratch;
use muster_tests::wait::throughout;
use serde_json::{Value, json};

use super::bench::{Bench, is_gone, made, turnover};
use super::{LEDGERS, config_map, manifest, put_work, until_told, work, works};
use crate::fleet::{Fleet, REPORT, SECRETS, condition_of, until};
use crate::trail;

/// Runs a program in a system that nothing can be written to, and with no room in /tmp, where its kubeconfig, the fourth of its
/// arguments, is put before. Whatever lies there of the program is opened before, too.
const CONFINED: &str = r#"#!/bin/sh
if [ -z "$CONFINED" ]; then
    CONFINED=yes exec unshare --user --map-root-user --mount "$0" "$@"
fi
set -e
kubeconfig=$(cat "$4")
exec 9< PROGRAM
mount -t tmpfs -o size=64k none /tmp
mkdir -p "$(dirname "$4")"
printf %s "$kubeconfig" > "$4"
cat /dev/zero > /tmp/full 2>/dev/null || true
mount -o remount,bind,ro /
exec /proc/self/fd/9 "$@"
"#;

fn maps(work: &str, number: usize) -> Value {
    (0..number).map(|at| config_map("default", &format!("{work}-{at}"), "one")).collect()
}

#[test]
fn an_agent_that_can_write_to_no_file_does_all_that_others_do() {
    let fleet = Fleet::new();
    fleet.offer(&fleet.kubeconfig());
    let folder = Scratch::new("confined").unwrap();
    let program = folder.path().join("confined");
    fs::write(&program, CONFINED.replace("PROGRAM", agent_binary().unwrap().to_str().unwrap())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let agent = fleet.agent_of(program, &fleet.replica_kubeconfig(), &[], &[]);
    fleet.in_step(&agent);
    let root = format!("/proc/{}/root", agent.pid());
    for (path, error) in [("tmp/more", "No space left"), ("var/more", "Read-only file system")] {
        let refused = fs::write(format!("{root}/{path}"), "more").unwrap_err();
        assert!(refused.to_string().contains(error), "{path}: {refused}");
    }
    let mark = trail::mark(&fleet.replica);
    put_work(&fleet, "app", &maps("app", 3));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    let path = "/api/v1/namespaces/default/configmaps/app-0";
    fleet.replica.api().patch(path, MERGE_PATCH, &json!({"data": {"key": "by hand"}})).unwrap();
    until(&agent, "a hand edit undone", || {
        let seen = fleet.replica.api().get(path).map_err(|error| error.to_string())?;
        if seen["data"]["key"] == "one" { Ok(()) } else { Err(seen.to_string()) }
    });
    fleet.directory.api().delete(&format!("{}/app", works())).unwrap();
    until(&agent, "the Work gone", || is_gone(&fleet, "app"));
    let once =
        |verb: &str| (0..3).map(|at| (format!("{verb} configmaps default/app-{at}"), 1)).collect::<Vec<_>>();
    assert_eq!(turnover(&fleet, mark), once("create").into_iter().chain(once("delete")).collect());
}

#[test]
fn nothing_is_made_that_cannot_be_recorded_and_all_of_it_is_once_there_is_room() {
    let bench = Bench::new();
    let secret = |value: &str| {
        manifest("v1", "Secret", "default", "login", json!({"stringData": {"password": value}}))
    };
    put_work(&bench.fleet, "grown", &maps("grown", 2));
    put_work(&bench.fleet, "secret", &json!([secret("one")]));
    put_work(&bench.fleet, "gone", &maps("gone", 2));
    for name in ["grown", "secret", "gone"] {
        until_told(&bench.fleet, &bench.agent, name, "Applied", "Applied");
    }
    let (before, mark) = (made(&bench.fleet), trail::mark(&bench.fleet.replica));
    let refusals = [LEDGERS, SECRETS].map(|path| {
        let full = Rule::on(path, Action::failure(507, "InsufficientStorage"));
        bench.replica.add(full.when(|parts| parts.method != Method::GET))
    });
    put_work(&bench.fleet, "grown", &maps("grown", 4));
    put_work(&bench.fleet, "secret", &json!([secret("two")]));
    put_work(&bench.fleet, "new", &maps("new", 3));
    bench.fleet.directory.api().delete(&format!("{}/gone", works())).unwrap();
    for name in ["grown", "secret", "new"] {
        bench.until(&format!("{name} says why"), || {
            let work = work(&bench.fleet, name);
            match condition_of(&work, "Applied") {
                Some((reason, message)) if reason == "LedgerUnusable" && message.contains("507") => {
                    println!("{name}: {message}");
                    Ok(())
                }
                seen => Err(format!("{seen:?}")),
            }
        });
    }
    let report = bench.api().get(REPORT).unwrap();
    println!("{:?} {:?}", condition_of(&report, "WorksApplied"), condition_of(&report, "LedgerUsable"));
    let nothing = || {
        let (turnover, now) = (turnover(&bench.fleet, mark), made(&bench.fleet));
        if turnover.is_empty() && now == before { Ok(()) } else { Err(format!("{turnover:?} {now:?}")) }
    };
    throughout("nothing made or deleted", Duration::from_secs(3), nothing)
        .unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
    assert!(refusals.iter().all(|rule| bench.replica.hits(*rule) > 0), "it met nothing");
    bench.open();
    for name in ["grown", "secret", "new"] {
        until_told(&bench.fleet, &bench.agent, name, "Applied", "Applied");
    }
    bench.until("the Work gone", || is_gone(&bench.fleet, "gone"));
    bench.until("the new value", || {
        let login =
            bench.api().get("/api/v1/namespaces/default/secrets/login").map_err(|error| error.to_string())?;
        if login["data"]["password"] == "dHdv" { Ok(()) } else { Err(login["metadata"].to_string()) }
    });
    let mut turnover = turnover(&bench.fleet, mark);
    turnover.retain(|write, _| !write.contains(" muster-system/"));
    let made = ["grown-2", "grown-3", "new-0", "new-1", "new-2"];
    let all = |verb: &'static str, names: &[&str]| -> BTreeMap<String, usize> {
        names.iter().map(|name| (format!("{verb} configmaps default/{name}"), 1)).collect()
    };
    let mut expected = all("create", &made);
    expected.append(&mut all("delete", &["gone-0", "gone-1"]));
    assert_eq!(turnover, expected);
}
