//! A proxy between the agent and its directory: it carries bytes that it cannot read, and nothing else goes through it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use muster_tests::connect::ConnectProxy;
use serde_json::json;

use crate::fleet::Fleet;

/// Whether bytes hold a text.
fn hold(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Host and port of an address.
fn place(url: &str) -> String {
    url.trim_start_matches("https://").to_owned()
}

#[test]
fn all_that_goes_to_the_directory_goes_through_the_proxy_which_reads_none_of_it() {
    let fleet = Fleet::new();
    let login = format!("Basic {}", STANDARD.encode("east:s3cret word"));
    let proxy = ConnectProxy::start(Some(&login)).unwrap();
    let kubeconfig = fleet.kubeconfig();
    fleet.offer(&kubeconfig);
    let flag = format!("--directory-proxy=http://east:s3cret%20word@127.0.0.1:{}", proxy.port());
    let agent = fleet.agent(&[&flag, "--log-level=trace"]);
    fleet.in_step(&agent);
    fleet.reason(&agent, "HeartbeatAccepted", "Accepted");
    fleet.entry("west", &json!({"stage": "changed"}));
    fleet.in_step(&agent);

    let asked = proxy.asked();
    let directory = place(&fleet.directory.url());
    assert!(asked.len() >= 2, "watches and heartbeats have connections of their own: {asked:?}");
    assert!(
        asked.iter().all(|asked| *asked == directory),
        "{asked:?}, the replica is {}",
        fleet.replica.url()
    );
    let passed = proxy.passed();
    assert!(passed.len() > 10_000, "{}", passed.len());
    let kubeconfig: serde_json::Value = serde_saphyr::from_str(&kubeconfig).unwrap();
    let token = kubeconfig["users"][0]["user"]["token"].as_str().unwrap();
    for plain in ["multicluster.coreos.com", "clusters", "HTTP", "Bearer", &token[..20]] {
        assert!(!hold(&passed, plain), "{plain} can be read");
    }
    let log = agent.log();
    for secret in ["s3cret", login.trim_start_matches("Basic ")] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn a_proxy_that_refuses_is_told_by_its_place_and_variables_of_other_programs_do_nothing() {
    let fleet = Fleet::new();
    fleet.offer(&fleet.kubeconfig());
    let proxy = ConnectProxy::start(Some("Basic bm90IHRoaXM=")).unwrap();
    let flag = format!("--directory-proxy=http://east:s3cret@127.0.0.1:{}", proxy.port());
    let agent = fleet.agent(&[&flag]);
    let message = fleet.reason(&agent, "DirectoryReachable", "Unreachable");
    assert!(message.contains(&format!("the proxy 127.0.0.1:{} gives no way", proxy.port())), "{message}");
    assert!(!message.contains("s3cret") && !agent.log().contains("s3cret"), "{message}");
    assert!(proxy.refused() > 0 && proxy.asked().is_empty());
    drop(agent);

    // A proxy of the environment is another program's affair: nothing listens there.
    let dead = "http://127.0.0.1:9";
    let variables = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"].map(|name| (name, dead));
    let agent = fleet.agent_in(&[], &variables);
    fleet.in_step(&agent);
}
