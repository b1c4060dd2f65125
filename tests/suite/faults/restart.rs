//! The agent is killed while the directory is not as it should be, and half-way through a deletion.

use http::Method;
use muster_tests::proxy::{Action, Proxy, Rule};

use super::lies::{Collection, Mode, Shown, listing, ok, streams};
use super::{Bench, create, delete, relabel};
use crate::fleet::CLUSTERS;

#[test]
fn a_restart_before_an_empty_or_forbidden_list() {
    let mut bench = Bench::new(&["one", "two"]);
    let real = bench.fleet.directory.api().get(CLUSTERS).unwrap();
    let empty = listing(Collection::Entries, Shown::None, Mode::Streamed, &real);
    let held = bench.held();

    bench.proxy.add(Rule::on(CLUSTERS, Action::Mute).watches());
    let strikes = bench.proxy.add(
        Rule::on(CLUSTERS, Action::answer(move |_| ok("application/json", empty.clone()))).when(streams),
    );
    let before = bench.examinations();
    bench.restart();
    bench.hit(strikes, 1);
    bench.examined(before);
    bench.told(&[("EntryPresent", "Present"), ("DirectoryReachable", "Reachable")]);
    bench.nothing_lost(&held);
    bench.proxy.clear();
    bench.proxy.disconnect();
    relabel(&bench.fleet, "two", "two");
    bench.back("restarted before an empty list");
    bench.settled();

    let strikes = bench.proxy.add(Rule::on(CLUSTERS, Action::failure(403, "Forbidden")));
    bench.restart();
    bench.hit(strikes, 2);
    bench.told(&[("DirectoryReachable", "Forbidden")]);
    bench.nothing_lost(&held);
    bench.proxy.clear();
    relabel(&bench.fleet, "one", "two");
    bench.back("restarted before a forbidden list");
    bench.nothing_lost(&held);
    bench.settled();
}

#[test]
fn a_deletion_that_is_broken_off_at_each_step() {
    let mut between = None;
    let mut bench = Bench::over(&["asked", "decided", "regretted", "done"], |fleet| {
        let proxy = Proxy::start(&fleet.replica).unwrap();
        let kubeconfig = proxy.kubeconfig_for(&fleet.replica_kubeconfig()).unwrap();
        between = Some(proxy);
        kubeconfig
    });
    let replica = between.unwrap();
    let removal = |name: &str, action| {
        replica.add(Rule::on(&format!("{CLUSTERS}/{name}"), action).method(Method::DELETE))
    };
    let held = bench.held();

    // The live reads are under way.
    let reads = bench.proxy.add(Rule::on(&format!("{CLUSTERS}/asked"), Action::Hold));
    delete(&bench.fleet, "asked");
    bench.hit(reads, 1);
    bench.agent.kill().unwrap();
    bench.nothing_lost(&held);
    bench.proxy.clear();
    bench.restart();
    bench.back("killed while it asked");
    bench.only(&held, &["asked"], &[]);

    // The deletion is decided, and not carried out.
    let sent = removal("decided", Action::DropRequest);
    delete(&bench.fleet, "decided");
    bench.wait("the deletion to be sent", || {
        match replica.hits(sent) {
            0 => Err("not yet"),
            _ => Ok(()),
        }
        .map_err(str::to_owned)
    });
    bench.agent.kill().unwrap();
    bench.only(&held, &["asked"], &[]);
    replica.clear();
    bench.restart();
    bench.back("killed before it deleted");
    bench.only(&held, &["asked", "decided"], &[]);

    // The same, and the entry is back before the agent is.
    let sent = removal("regretted", Action::Hold);
    delete(&bench.fleet, "regretted");
    bench.wait("the deletion to be sent", || match replica.hits(sent) {
        0 => Err("not yet".to_owned()),
        _ => Ok(()),
    });
    bench.agent.kill().unwrap();
    create(&bench.fleet, "regretted");
    replica.clear();
    bench.restart();
    bench.settled();
    bench.back("killed before it deleted, and the entry is back");
    bench.only(&held, &["asked", "decided"], &[]);

    // The deletion is carried out, and the agent never learns of it.
    let sent = removal("done", Action::DropReply);
    delete(&bench.fleet, "done");
    bench.wait("the deletion to be carried out", || match bench.fleet.copy("done") {
        Ok(copy) => Err(copy.to_string()),
        Err(_) => Ok(()),
    });
    assert!(replica.hits(sent) > 0);
    bench.agent.kill().unwrap();
    replica.clear();
    bench.restart();
    bench.settled();
    bench.back("killed after it deleted");
    bench.only(&held, &["asked", "decided", "done"], &[]);
}
