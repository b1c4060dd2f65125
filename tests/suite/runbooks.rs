//! What `docs/runbooks.md` tells to do is done as it is printed there, and nothing is lost over it.

mod cluster;
mod directory;
mod waiting;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use muster_tests::plane::AuditMark;

use crate::fleet::Fleet;
use crate::guide::{Guide, headings};
use crate::trail;
use crate::works::bench::{Bench, Kept, made, turnover};

const PAGE: &str = include_str!("../../docs/runbooks.md");
/// The tests of the parts.
const TESTS: [&str; 3] = [
    include_str!("runbooks/cluster.rs"),
    include_str!("runbooks/directory.rs"),
    include_str!("runbooks/waiting.rs"),
];

/// A Work that nobody changes, and what it made.
struct Lasting {
    made: BTreeMap<String, String>,
    mark: AuditMark,
}

impl Lasting {
    /// Makes the Work `kept`, and waits until it is applied.
    fn put(bench: &Bench) -> Self {
        Kept::put(&bench.fleet, &bench.agent);
        Self { made: made(&bench.fleet), mark: trail::mark(&bench.fleet.replica) }
    }

    /// Checks that what was made is there, the same, and that nothing came or went since but what is Muster's own.
    fn is_unharmed(&self, bench: &Bench) {
        assert_eq!(made(&bench.fleet), self.made, "{}", bench.agent.log());
        let mut turnover = turnover(&bench.fleet, self.mark);
        turnover
            .retain(|write, _| !write.contains(" muster-system/") && !write.starts_with("create clusters "));
        assert_eq!(turnover, BTreeMap::new(), "{}", bench.agent.log());
    }
}

/// Plays the part under this heading. `known`: what stands in the page for more than the two clusters and the address of the
/// directory.
fn play(bench: &Bench, heading: &str, known: &[(&'static str, PathBuf)], done: impl FnMut(&str)) {
    play_in(&bench.fleet, (bench.directory.url(), bench.directory.ca_pem()), heading, known, done);
}

fn play_in(
    fleet: &Fleet,
    (address, ca): (String, &str),
    heading: &str,
    known: &[(&'static str, PathBuf)],
    done: impl FnMut(&str),
) {
    let authority = written(fleet, "ca.pem", ca);
    let of_fleet = [
        ("directory.kubeconfig", fleet.directory.admin_kubeconfig()),
        ("replica.kubeconfig", fleet.replica.admin_kubeconfig()),
        ("https://directory.example.com:6443", PathBuf::from(address)),
        ("ca.pem", authority),
    ];
    let mut guide =
        Guide::new(PAGE, of_fleet.into_iter().chain(known.iter().cloned()).collect()).only(heading);
    guide.play(heading, done);
    guide.end();
}

/// A file in the folder of the directory.
fn written(fleet: &Fleet, name: &str, text: &str) -> PathBuf {
    let path = Path::new(fleet.directory.folder()).join(format!("runbook-{name}"));
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn every_part_is_played() {
    for heading in headings(PAGE) {
        let quoted = format!("\"{heading}\"");
        assert!(TESTS.iter().any(|tests| tests.contains(&quoted)), "no test plays {quoted}");
    }
}
