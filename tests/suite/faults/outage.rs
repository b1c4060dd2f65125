//! The directory is away: dead, cut off, silent, or beside itself.

use std::time::Duration;

use muster_tests::proxy::{Action, Rule};
use muster_tests::wait::throughout;
use serde_json::json;

use super::{Bench, create, delete, relabel};

/// Requests that an agent may send to a directory that answers each with an error, in five seconds: two connections,
/// one watch, one heartbeat, one report, each backing off.
const STORM_REQUESTS: usize = 40;
const STORM: Duration = Duration::from_secs(5);

#[test]
fn a_dead_directory_and_one_that_is_cut_off() {
    let mut bench = Bench::new(&["changed", "gone", "steady"]);
    let held = bench.held();
    bench.proxy.cut().unwrap();
    bench.told(&[("DirectoryReachable", "Unreachable"), ("MirrorInSync", "InSync")]);
    bench.corrects("steady");
    relabel(&bench.fleet, "changed", "two");
    delete(&bench.fleet, "gone");
    create(&bench.fleet, "new");
    bench.nothing_lost(&held);
    bench.proxy.restore().unwrap();
    bench.back("cut off");
    bench.only(&held, &["gone"], &["new"]);
    bench.settled();

    let held = bench.held();
    bench.fleet.directory.kill().unwrap();
    bench.told(&[("DirectoryReachable", "Unreachable")]);
    bench.corrects("steady");
    bench.restart();
    bench.told(&[("DirectoryReachable", "Unreachable")]);
    bench.nothing_lost(&held);
    bench.fleet.directory.restart().unwrap();
    relabel(&bench.fleet, "steady", "two");
    bench.back("killed, and the agent with it");
    bench.nothing_lost(&held);
    bench.settled();

    let held = bench.held();
    bench.fleet.directory.kill_etcd().unwrap();
    bench.told(&[("DirectoryReachable", "Unreachable")]);
    bench.corrects("west");
    bench.nothing_lost(&held);
    bench.fleet.directory.restart().unwrap();
    relabel(&bench.fleet, "new", "two");
    bench.back("without its etcd");
    bench.nothing_lost(&held);
    bench.settled();
}

#[test]
fn a_network_that_swallows_everything() {
    let bench = Bench::new(&["changed", "gone"]);
    let held = bench.held();
    bench.proxy.freeze();
    // Within a minute, which is what `told` waits.
    bench.told(&[("DirectoryReachable", "Unreachable")]);
    bench.corrects("west");
    relabel(&bench.fleet, "changed", "two");
    delete(&bench.fleet, "gone");
    create(&bench.fleet, "new");
    bench.nothing_lost(&held);
    bench.proxy.restore().unwrap();
    bench.back("half-open");
    bench.only(&held, &["gone"], &["new"]);
    bench.settled();
}

#[test]
fn a_directory_beside_itself_is_not_asked_more() {
    let bench = Bench::new(&["gone-500", "gone-503", "gone-429"]);
    for (code, header) in [(500, None), (503, None), (429, Some("2"))] {
        let held = bench.held();
        let body =
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}).to_string();
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.extend(header.map(|wait| ("retry-after", wait.to_owned())));
        let before = bench.proxy.requests().len();
        let storm = bench.proxy.add(Rule::on("/", Action::Status(code, headers, body)));
        bench.proxy.disconnect();
        let gone = format!("gone-{code}");
        delete(&bench.fleet, &gone);
        bench.hit(storm, 3);
        bench.told(&[("DirectoryReachable", "Unreachable")]);
        let bounded = throughout("few requests", STORM, || match bench.proxy.requests().len() - before {
            requests if requests <= STORM_REQUESTS => Ok(()),
            requests => Err(format!("{requests} requests")),
        });
        bounded.unwrap();
        println!("{code}: {} requests in {STORM:?}", bench.proxy.requests().len() - before);
        bench.nothing_lost(&held);
        bench.proxy.clear();
        bench.back(&code.to_string());
        bench.only(&held, &[&gone], &[]);
        bench.settled();
    }
}
