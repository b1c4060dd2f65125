//! The directory's address leads nowhere: a name that nobody knows, a port where something else listens, one that takes
//! connections and says nothing. An agent that begins with it keeps all, says what is wrong, and asks seldom.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use muster_tests::kubeconfig::readdress;
use muster_tests::wait::{DEADLINE, throughout, timed};

use super::Bench;
use crate::fleet::{REPORT, condition_of, stop};

/// For how long requests are counted after it was told.
const LASTS: Duration = Duration::from_secs(8);
/// Attempts beyond one in a second: the first ones follow each other soon.
const BURST: u64 = 6;

/// Something that listens, and is no API server.
struct Stranger {
    port: u16,
    met: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Stranger {
    /// One that answers each connection with this and ends it; with nothing: it keeps them all, and is silent.
    fn new(says: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (met, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, ends) = (Arc::clone(&met), Arc::clone(&over));
        thread::spawn(move || {
            let mut kept = Vec::new();
            for mut stream in listener.incoming().flatten() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                if says.is_empty() {
                    kept.push(stream);
                    continue;
                }
                let _ = stream.read(&mut [0; 256]);
                let _ = stream.write_all(says);
            }
        });
        Self { port, met, over }
    }

    fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

/// An agent begins with this address. What the report says of it.
fn begins(bench: &mut Bench, server: &str) -> String {
    let kubeconfig = bench.fleet.kubeconfig();
    stop(&mut bench.agent);
    bench.fleet.offer(&readdress(&kubeconfig, server, &bench.fleet.directory.ca_pem()).unwrap());
    bench.agent.restart().unwrap();
    let looked = timed(&format!("{server} told"), DEADLINE * 2, || {
        let report = bench.fleet.replica.api().get(REPORT).map_err(|error| error.to_string())?;
        match condition_of(&report, "DirectoryReachable") {
            Some((reason, message)) if reason == "Unreachable" && message.contains("unable") => Ok(message),
            seen => Err(format!("{seen:?}")),
        }
    });
    looked.unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log())).0
}

#[test]
fn an_address_that_leads_nowhere_takes_nothing_away_is_told_and_asked_seldom() {
    let mut bench = Bench::new(&[]);
    let held = bench.held();
    let good = bench.proxy.kubeconfig_for(&bench.fleet.kubeconfig()).unwrap();
    let plain = Stranger::new(b"HTTP/1.0 400 Bad Request\r\n\r\nthis is another service\n");
    let silent = Stranger::new(b"");
    let at = |port: u16| format!("https://127.0.0.1:{port}");
    let cases = [
        ("https://directory.nowhere.invalid:6443".to_owned(), "failed to lookup address", None),
        (at(plain.port), "InvalidContentType", Some(&plain)),
        (at(silent.port), "no connection within", Some(&silent)),
    ];
    for (server, cause, stranger) in cases {
        let message = begins(&mut bench, &server);
        println!("    {message}");
        let place = server.trim_start_matches("https://");
        assert!(message.contains(place) && message.contains(cause), "{server}: {message}");
        let met = || stranger.map_or(0, Stranger::met);
        let (before, began) = (met(), Instant::now());
        let seldom = || match met() - before {
            seen if seen as u64 <= began.elapsed().as_secs() + BURST => Ok(()),
            seen => Err(format!("{seen} connections in {:?}", began.elapsed())),
        };
        bench.mends_what_works_made();
        throughout("few connections", LASTS, seldom).unwrap();
        println!("    {server}: {} connections, {} of them in {LASTS:?}", met(), met() - before);
        bench.nothing_lost(&held);
        bench.fleet.offer(&good);
        bench.settled();
        bench.nothing_lost(&held);
    }
}
