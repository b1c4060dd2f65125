//! Calls that are made again: where the server asks for it, and where a read was lost on the way.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use http::Method;
use muster_tests::ControlPlane;
use muster_tests::plane::TokenOptions;
use muster_tests::pool;
use muster_tests::proxy::{Action, Proxy, Rule};

use super::{kubeconfig_file, muster_as};
use crate::fleet::{CLUSTERS, install};

/// A kubeconfig that leads through the proxy, of somebody who may do anything. Client certificates would not pass.
fn through(proxy: &Proxy, plane: &ControlPlane) -> PathBuf {
    plane.kubectl_ok(&["create", "serviceaccount", "root"]).unwrap();
    let binding = ["create", "clusterrolebinding", "root", "--clusterrole=cluster-admin"];
    plane.kubectl_ok(&[&binding[..], &["--serviceaccount=default:root"]].concat()).unwrap();
    let own = plane.service_account_kubeconfig("default", "root", &TokenOptions::default()).unwrap();
    kubeconfig_file(plane, "through", &proxy.kubeconfig_for(&own).unwrap())
}

fn told_to_wait(seconds: u64) -> Action {
    let Action::Status(code, mut headers, body) = Action::failure(429, "TooManyRequests") else {
        unreachable!()
    };
    headers.push(("retry-after", seconds.to_string()));
    Action::Status(code, headers, body)
}

#[test]
fn a_call_is_made_again_where_that_is_safe_and_may_help() {
    let plane = pool::plane().unwrap();
    install(&plane);
    let proxy = Proxy::start(&plane).unwrap();
    let kubeconfig = through(&proxy, &plane);
    let file = plane.folder().join("again.yaml");
    std::fs::write(&file, "apiVersion: multicluster.coreos.com/v1\nkind: Cluster\nmetadata: {name: east}\n")
        .unwrap();
    let apply = ["apply", "-f", file.to_str().unwrap()];
    let status = ["status"];
    // What the proxy does to the first two requests, what is run, how it ends, and how many requests that takes.
    for (what, method, action, args, code, hits) in [
        ("a read, busy", Method::GET, told_to_wait(1), &status[..], 0, 2),
        ("a write, busy", Method::PATCH, told_to_wait(1), &apply, 0, 2),
        ("a read, failed", Method::GET, Action::failure(500, "InternalError"), &status, 0, 2),
        ("a read, no server behind", Method::GET, Action::failure(503, "ServiceUnavailable"), &status, 0, 2),
        ("a write, failed", Method::PATCH, Action::failure(500, "InternalError"), &apply, 1, 1),
        (
            "a write, no server behind",
            Method::PATCH,
            Action::failure(503, "ServiceUnavailable"),
            &apply,
            1,
            1,
        ),
        ("a read, reset", Method::GET, Action::DropReply, &status, 0, 2),
        ("a read, cut off", Method::GET, Action::Truncate(10), &status, 0, 2),
        ("a write, reset", Method::PATCH, Action::DropReply, &apply, 1, 1),
    ] {
        let rule = proxy.add(Rule::on(CLUSTERS, action).method(method).times(2));
        let began = Instant::now();
        let output = muster_as(&kubeconfig, args);
        assert_eq!((output.code, proxy.hits(rule)), (Some(code), hits), "{what}: {}", output.stderr);
        let waited = began.elapsed();
        assert!(!what.ends_with("busy") || waited >= Duration::from_secs(2), "{what}: {waited:?}");
        assert!(code == 0 || output.stderr.contains("\nnext:  "), "{what}: {}", output.stderr);
        proxy.remove(rule);
    }
}

#[test]
fn a_server_that_stays_busy_is_left_and_named_as_what_it_is() {
    let plane = pool::plane().unwrap();
    install(&plane);
    let proxy = Proxy::start(&plane).unwrap();
    let kubeconfig = through(&proxy, &plane);
    for (seconds, hits) in [(0, 5), (60, 1)] {
        let rule = proxy.add(Rule::on(CLUSTERS, told_to_wait(seconds)));
        let output = muster_as(&kubeconfig, &["status"]);
        assert_eq!((output.code, proxy.hits(rule)), (Some(1), hits), "{}", output.stderr);
        for told in [
            "unable to list clusters.multicluster.coreos.com",
            &format!("too busy and asks to wait for {seconds} s"),
            "kubectl get --raw /readyz",
        ] {
            assert!(output.stderr.contains(told), "{told} is missing: {}", output.stderr);
        }
        proxy.remove(rule);
    }
}
