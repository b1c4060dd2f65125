//! Rotation: another kubeconfig in the Secret is taken into use without a gap, and leaves nothing behind.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use muster_tests::ControlPlane;
use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::pki::Authority;
use muster_tests::proxy::{Proxy, Seen};
use muster_tests::wait::{eventually, throughout};
use serde_json::json;

use crate::fleet::{CLUSTERS, Fleet, OWN, quietly, until};
use crate::works::{Kept, config_map, made, put_work, until_told};

/// How often the Secret is replaced.
const ROTATIONS: usize = 100;
/// After so many the agent is warm: what it keeps from then on it keeps for ever.
const WARM: usize = 20;
/// Longest time between two heartbeats: the Lease lasts 40 s, and its owner counts as lost after that.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// Most that the resident memory may grow between the two looks at it. A connection with its buffers and TLS takes
/// 100 KiB, so one that stayed behind from every tenth rotation would show.
const GROWTH_KIB: u64 = 800;

/// What the agent's process holds.
#[derive(PartialEq)]
struct Held {
    threads: u64,
    files: usize,
    sockets: usize,
    rss_kib: u64,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { threads, files, sockets, rss_kib } = self;
        write!(f, "{threads} threads, {files} files, {sockets} sockets, {rss_kib} KiB")
    }
}

/// Waits until only the connections that are in use are left, and looks at what the process holds then.
fn settled(agent: &AgentProcess, proxy: &Proxy) -> Held {
    until(agent, "two connections to the directory, seen from both ends", || {
        let (own, others) = (agent.connections_to(proxy.port()), proxy.open());
        if (own, others) == (2, 2) {
            Ok(())
        } else {
            Err(format!("{own} in the agent, {others} in the proxy"))
        }
    });
    Held {
        threads: agent.threads().unwrap(),
        files: agent.open_files().unwrap(),
        sockets: agent.open_sockets().len(),
        rss_kib: agent.rss_kib().unwrap(),
    }
}

/// How many kubeconfigs were tried with this result.
pub(crate) fn rotations(agent: &AgentProcess, result: &str) -> usize {
    let counted = agent.metrics().unwrap().get("muster_rotations_total", &[("result", result)]);
    counted.map_or(0, |counted| counted.to_string().parse().unwrap())
}

/// Gives an entry another label.
pub(crate) fn relabel(directory: &ControlPlane, name: &str, key: &str, value: &str) {
    let change = json!({"metadata": {"labels": {key: value}}});
    directory.api().patch(&format!("{CLUSTERS}/{name}"), MERGE_PATCH, &change).unwrap();
}

/// Waits until this many kubeconfigs were taken into use.
fn rotated(agent: &AgentProcess, times: usize) {
    quietly(&format!("{times} sessions"), || match rotations(agent, "ok") {
        seen if seen == times => Ok(()),
        seen => Err(format!("{seen}\n{}", agent.log())),
    });
}

/// Whether a request lists the entries: in pages, or streamed.
fn lists(request: &Seen) -> bool {
    let streamed = request.is_watch() && request.query.contains("sendInitialEvents=true");
    // Not every version of Kubernetes streams: one that does not says so, and is asked for a list, page by page.
    let refused = request.status.is_some_and(|status| (400..500).contains(&status));
    let begins = !refused && !request.query.contains("continue=");
    request.method == Method::GET && request.path == CLUSTERS && (streamed || !request.is_watch()) && begins
}

#[test]
fn a_hundred_rotations_under_change_lose_nothing_and_leave_nothing() {
    let fleet = Fleet::new();
    let names: Vec<String> = (0..2 * ROTATIONS).map(|number| format!("cluster-{number}")).collect();
    let api = fleet.directory.api();
    for name in &names {
        let entry = json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster", "metadata": {"name": name}});
        api.create(CLUSTERS, &entry).unwrap();
    }
    let proxy = Proxy::start(&fleet.directory).unwrap();
    fleet.offer(&proxy.kubeconfig_for(&fleet.kubeconfig()).unwrap());
    let agent = fleet.agent(&[]);
    fleet.in_step(&agent);
    rotated(&agent, 1);
    let failed = |agent: &AgentProcess| agent.metrics().unwrap().get("muster_watch_errors_total", &[]);
    // A server that has just got its types sends the first watches away.
    let at_first = failed(&agent);
    let kept = Kept::put(&fleet, &agent);
    put_work(&fleet, "turned", &json!([config_map("default", "turned", "before")]));
    until_told(&fleet, &agent, "turned", "Applied", "Applied");
    let before = made(&fleet);
    let begun = Instant::now();
    let mut warm = None;
    let mut most = 0;
    for rotation in 0..ROTATIONS {
        // One entry changes while the old kubeconfig is in use, one while the new one is taken into use. Each entry
        // changes once: further changes of the same one may wait for 30 s.
        relabel(&fleet.directory, &names[2 * rotation], "rotation", &rotation.to_string());
        fleet.offer(&proxy.kubeconfig_for(&fleet.kubeconfig()).unwrap());
        relabel(&fleet.directory, &names[2 * rotation + 1], "rotation", &rotation.to_string());
        put_work(&fleet, "turned", &json!([config_map("default", "turned", &rotation.to_string())]));
        rotated(&agent, rotation + 2);
        most = most.max(proxy.open());
        if rotation + 1 == WARM {
            warm = Some(settled(&agent, &proxy));
        }
    }
    println!("{ROTATIONS} rotations in {} ms, {most} connections open at most", begun.elapsed().as_millis());
    fleet.in_step(&agent);
    until_told(&fleet, &agent, "turned", "Applied", "Applied");
    let turned = fleet.replica.api().get("/api/v1/namespaces/default/configmaps/turned").unwrap();
    assert_eq!(turned["data"]["key"], (ROTATIONS - 1).to_string());
    assert_eq!(made(&fleet), before);
    kept.nothing_went(&fleet, &agent);
    let (warm, last) = (warm.unwrap(), settled(&agent, &proxy));
    println!("after {WARM}: {warm}\nafter {ROTATIONS}: {last}\n{} connections made", proxy.accepted());
    let kept = |held: &Held| (held.threads, held.files, held.sockets);
    assert_eq!(kept(&last), kept(&warm), "threads, files, sockets");
    assert!(last.rss_kib <= warm.rss_kib + GROWTH_KIB, "{} KiB after {} KiB", last.rss_kib, warm.rss_kib);

    let requests = proxy.requests();
    let listed: Vec<&Seen> = requests.iter().filter(|request| lists(request)).collect();
    assert_eq!(listed.len(), 1, "the watch goes on where it was: {listed:#?}");
    let metrics = agent.metrics().unwrap();
    assert_eq!(failed(&agent), at_first, "{}", metrics.text());
    let beats = beats(&requests, &[begun, Instant::now()]);
    let longest = beats.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    println!("{} heartbeats, {} ms between two of them at most", beats.len() - 2, longest.as_millis());
    assert!(longest <= LONGEST_PAUSE, "{longest:?}");
    let refused: Vec<_> =
        metrics.samples().keys().filter(|series| series.starts_with("muster_heartbeats_total")).collect();
    assert_eq!(refused, ["muster_heartbeats_total{result=\"ok\"}"]);
    assert_eq!(rotations(&agent, "ok"), ROTATIONS + 1);
}

/// When heartbeats were taken between the first of these times and the last.
pub(crate) fn beats(requests: &[Seen], between: &[Instant; 2]) -> Vec<Instant> {
    let lease = format!("/leases/{OWN}");
    let taken = requests
        .iter()
        .filter(|seen| seen.method == Method::PUT && seen.path.ends_with(&lease) && seen.status == Some(200))
        .map(|seen| seen.at)
        .filter(|at| (between[0]..=between[1]).contains(at));
    let mut all: Vec<Instant> = std::iter::once(between[0]).chain(taken).collect();
    all.push(between[1]);
    all
}

#[test]
fn another_address_and_another_authority_are_taken_without_a_new_list() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let port = fleet.directory.url().rsplit(':').next().unwrap().parse().unwrap();
    let proxy = Proxy::start(&fleet.directory).unwrap();
    fleet.offer(&proxy.kubeconfig_for(&fleet.kubeconfig()).unwrap());
    rotated(&agent, 2);
    relabel(&fleet.directory, "west", "way", "proxy");
    fleet.in_step(&agent);
    until(&agent, "no connection to the old address", || match agent.connections_to(port) {
        0 => Ok(()),
        open => Err(format!("{open} open")),
    });
    assert_eq!(
        proxy.requests().iter().filter(|request| lists(request)).count(),
        0,
        "the list was read before"
    );

    fleet.offer(&fleet.kubeconfig());
    rotated(&agent, 3);
    relabel(&fleet.directory, OWN, "way", "direct");
    fleet.in_step(&agent);
    until(&agent, "no connection to the proxy", || {
        match (agent.connections_to(proxy.port()), proxy.open()) {
            (0, 0) => Ok(()),
            open => Err(format!("{open:?} open")),
        }
    });
}

#[test]
fn a_server_that_gets_another_authority_is_met_again_with_a_new_kubeconfig() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let old = fleet.kubeconfig();
    fleet.directory.serve_with(Arc::new(Authority::new("second CA").unwrap())).unwrap();
    // What was under way as the server ended says no more than that it was cut off.
    until(&agent, "the message says what is wrong", || {
        let message = fleet.reason(&agent, "DirectoryReachable", "Unreachable");
        if message.contains("certificate") { Ok(()) } else { Err(message) }
    });
    relabel(&fleet.directory, "west", "served", "anew");
    fleet.offer(&fleet.kubeconfig());
    fleet.reason(&agent, "DirectoryReachable", "Reachable");
    fleet.in_step(&agent);

    // The old authority is trusted no more, by whatever Secret.
    fleet.offer(&old);
    let message = fleet.reason(&agent, "CredentialsValid", "Unknown");
    println!("{message}");
    assert!(message.contains("certificate"), "{message}");
    relabel(&fleet.directory, OWN, "served", "still");
    fleet.in_step(&agent);
}

#[test]
fn a_server_whose_certificate_has_run_out_is_told_and_met_again_at_another_address() {
    const LIFE: Duration = Duration::from_secs(60);
    /// Certificates end with a whole second.
    const OVER: Duration = Duration::from_secs(62);
    const WHILE: Duration = Duration::from_secs(5);
    let fleet = Fleet::new();
    let began = Instant::now();
    let proxy = Proxy::short_lived(&fleet.directory, LIFE).unwrap();
    fleet.offer(&proxy.kubeconfig_for(&fleet.kubeconfig()).unwrap());
    let agent = fleet.agent(&[]);
    fleet.in_step(&agent);
    let kept = Kept::put(&fleet, &agent);
    eventually("the certificate has run out", OVER, || {
        let left = OVER.saturating_sub(began.elapsed());
        if left.is_zero() { Ok(()) } else { Err(format!("{left:?} left")) }
    })
    .unwrap();
    let before = proxy.accepted();
    proxy.disconnect();
    until(&agent, "the message says what is wrong", || {
        let message = fleet.reason(&agent, "DirectoryReachable", "Unreachable");
        if message.contains("xpired") { Ok(()) } else { Err(message) }
    });
    throughout("few attempts", WHILE, || match proxy.accepted() - before {
        attempts if (1..=60).contains(&attempts) => Ok(()),
        attempts => Err(format!("{attempts} attempts")),
    })
    .unwrap();
    kept.is_unharmed(&fleet, &agent);
    relabel(&fleet.directory, "west", "served", "anew");
    fleet.offer(&fleet.kubeconfig());
    fleet.reason(&agent, "DirectoryReachable", "Reachable");
    fleet.in_step(&agent);
    kept.is_unharmed(&fleet, &agent);
}
