//! The directory's server cannot be trusted: its certificate is of another authority, for another name, or over, or it
//! speaks nothing but what was given up long ago. The agent tells it nothing, and holds what Works asked for.
//!
//! API servers speak no TLS 1.1, and nor does what the proxy is made of: it says what a server of that time would.

use std::time::{Duration, Instant};

use muster_tests::pki::{Authority, Identity};
use muster_tests::proxy::Proxy;
use muster_tests::wait::throughout;

use super::{Bench, relabel};

/// For how long connections are counted after it was told.
const LASTS: Duration = Duration::from_secs(2);
/// Attempts beyond one in a second of each of the agent's connections.
const BURST: u64 = 10;
/// Entries, of which each changes once: further changes of the same one may wait for 30 s.
const ENTRIES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// A `ServerHello` of TLS 1.1.
const SERVER_HELLO: &[u8] = &[
    22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2, // record, message, version
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15, 0, 0xc0, 0x13, 0, // no session, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, no compression
];
/// An alert of TLS 1.1: no version that was offered will do.
const PROTOCOL_VERSION: &[u8] = &[21, 3, 2, 0, 2, 2, 70];

/// What a server is like.
enum Server {
    Certificate(Identity),
    Says(&'static [u8]),
}

impl Server {
    fn begins(&self, proxy: &Proxy) {
        match self {
            Self::Certificate(identity) => proxy.present(identity).unwrap(),
            Self::Says(bytes) => proxy.answer_hello(bytes),
        }
    }
}

/// The versions of TLS that a client offers, by the extension of its `ClientHello`.
fn offered(hello: &[u8]) -> Vec<u16> {
    let number = |at: usize| usize::from(hello[at]) * 256 + usize::from(hello[at + 1]);
    assert_eq!((hello[0], hello[5]), (22, 1), "a ClientHello");
    // after the record, the message, the version and the random: session, ciphers, compression
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(hello[at]);
    at += 2 + number(at);
    at += 1 + usize::from(hello[at]);
    let end = at + 2 + number(at);
    at += 2;
    while at < end {
        let (kind, length) = (number(at), number(at + 2));
        let data = &hello[at + 4..at + 4 + length];
        if kind == 43 {
            return data[1..].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        }
        at += 4 + length;
    }
    panic!("it offers no versions: {hello:?}")
}

#[test]
fn a_server_that_cannot_be_trusted_is_told_nothing_and_takes_nothing_away() {
    let bench = Bench::new(&ENTRIES);
    let (proxy, held) = (&bench.proxy, bench.held());
    let good = proxy.kubeconfig_for(&bench.fleet.kubeconfig()).unwrap();
    let direct = bench.fleet.directory.url().rsplit(':').next().unwrap().parse().unwrap();
    let own = proxy.authority();
    let cases = [
        (
            "another authority",
            Server::Certificate(Authority::new("another CA").unwrap().serving().unwrap()),
            "UnknownIssuer",
        ),
        (
            "another name",
            Server::Certificate(own.serving_only(&["another.example.com"]).unwrap()),
            "not valid for name",
        ),
        ("its time is over", Server::Certificate(own.serving_expired().unwrap()), "xpired"),
        ("a ServerHello of TLS 1.1", Server::Says(SERVER_HELLO), "ServerDoesNotSupportTls12Or13"),
        ("no version of TLS in common", Server::Says(PROTOCOL_VERSION), "ProtocolVersion"),
    ];
    for (number, (what, server, cause)) in cases.into_iter().enumerate() {
        server.begins(proxy);
        let message = bench.wait(&format!("{what} told"), || {
            let message = bench.fleet.reason(&bench.agent, "DirectoryReachable", "Unreachable");
            if message.contains(cause) { Ok(message) } else { Err(message) }
        });
        println!("    {what}: {message}");
        let (began, asked, met) = (Instant::now(), proxy.requests().len(), proxy.accepted());
        bench.mends_what_works_made();
        throughout("few connections, and no request", LASTS, || match proxy.accepted() - met {
            seen if seen as u64 > began.elapsed().as_secs() + BURST => Err(format!("{seen} connections")),
            _ if proxy.requests().len() > asked => Err(format!("{:?}", proxy.requests().last())),
            _ => Ok(()),
        })
        .unwrap_or_else(|late| panic!("{what}: {late}\n{}", bench.agent.log()));
        bench.nothing_lost(&held);
        relabel(&bench.fleet, ENTRIES[number], "after");
        // Either people give the agent another address, or, in the last case, the server is well again.
        let again = || proxy.present(&own.serving().unwrap()).unwrap();
        if number + 1 < ENTRIES.len() {
            bench.fleet.offer(&bench.fleet.kubeconfig());
            bench.settled();
            again();
            bench.fleet.offer(&good);
            bench.wait("the proxy in use again", || {
                match (proxy.open(), bench.agent.connections_to(direct)) {
                    (2, 0) => Ok(()),
                    open => Err(format!("{open:?} connections to the proxy, and past it")),
                }
            });
        } else {
            again();
        }
        bench.settled();
        bench.back(what);
        bench.nothing_lost(&held);
    }
    let hellos = proxy.hellos();
    assert!(hellos.len() >= 2, "{}", hellos.len());
    for hello in &hellos {
        assert!(offered(hello).iter().all(|version| *version >= 0x0303), "{:?}", offered(hello));
    }
    println!("{} times nothing older than TLS 1.2 was offered", hellos.len());
}
