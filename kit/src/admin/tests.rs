use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use prometheus::IntCounter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::DropGuard;

use super::*;
use crate::testing::soon;

struct Rig {
    address: SocketAddr,
    readiness: Readiness,
    alive: Arc<AtomicBool>,
    _stop: DropGuard,
}

async fn start() -> Rig {
    let admin = Admin::bind(Some("127.0.0.1:0".parse().unwrap())).await.unwrap();
    let address = admin.address().unwrap();
    let readiness = Readiness::default();
    let alive = Arc::new(AtomicBool::new(true));
    let registry = Registry::new();
    let counter = IntCounter::new("muster_test_total", "A test.").unwrap();
    counter.inc();
    registry.register(Box::new(counter)).unwrap();
    let flag = Arc::clone(&alive);
    let liveness: Liveness =
        Arc::new(
            move || if flag.load(Ordering::Relaxed) { Ok(()) } else { Err("a watch is stuck".to_owned()) },
        );
    let served = Served { liveness, readiness: readiness.clone(), registry };
    let stop = CancellationToken::new();
    tokio::spawn(admin.serve(served, stop.clone()));
    Rig { address, readiness, alive, _stop: stop.drop_guard() }
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is an end as well.
    let _ = soon("the answer", stream.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = ask(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn readiness_waits_for_every_guard_and_says_which() {
    let rig = start().await;
    let session = rig.readiness.block("session");
    let again = rig.readiness.block("session");
    let mirror = rig.readiness.block("mirror");
    assert_eq!(get(rig.address, "/readyz").await, (503, "waiting for mirror, session\n".to_owned()));
    drop(mirror);
    drop(session);
    assert_eq!(get(rig.address, "/readyz").await, (503, "waiting for session\n".to_owned()));
    drop(again);
    assert_eq!(get(rig.address, "/readyz").await, (200, "ok\n".to_owned()));
}

#[tokio::test]
async fn liveness_metrics_and_what_else_there_is() {
    let rig = start().await;
    assert_eq!(get(rig.address, "/livez").await.0, 200);
    rig.alive.store(false, Ordering::Relaxed);
    assert_eq!(get(rig.address, "/livez").await, (503, "a watch is stuck\n".to_owned()));
    let (code, metrics) = get(rig.address, "/metrics").await;
    assert_eq!(code, 200);
    assert!(metrics.contains("muster_test_total 1"), "{metrics}");
    assert_eq!(get(rig.address, "/").await.0, 404);
    let posted = ask(rig.address, "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
    assert!(posted.starts_with("HTTP/1.1 405"), "{posted}");
    let large = format!("GET /livez HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let refused = ask(rig.address, &large).await;
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 431"), "{refused}");
}

#[tokio::test]
async fn who_says_nothing_is_shown_out_and_holds_nobody_up() {
    let rig = start().await;
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS {
        silent.push(TcpStream::connect(rig.address).await.unwrap());
    }
    let begun = Instant::now();
    assert_eq!(get(rig.address, "/livez").await.0, 200);
    let waited = begun.elapsed();
    println!("answered after {waited:?} behind {CONNECTIONS} silent connections");
    assert!(waited < HEADER_TIME / 2, "it waited for one of them: {waited:?}");
    // No more are served at once: the one that had been there longest made room.
    let mut rest = Vec::new();
    let _ = soon("its end", silent[0].read_to_end(&mut rest)).await;
    assert!(begun.elapsed() < HEADER_TIME / 2, "{:?}", begun.elapsed());
    let _ = soon("the end of another", silent[1].read_to_end(&mut rest)).await;
    let stayed = begun.elapsed();
    assert!(stayed >= HEADER_TIME / 2 && stayed < WHOLE_TIME, "headers have a time of their own: {stayed:?}");
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_it() {
    let first = Admin::bind(Some("127.0.0.1:0".parse().unwrap())).await.unwrap();
    let address = first.address().unwrap();
    let error = Admin::bind(Some(address)).await.unwrap_err();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
