//! What was read of the directory before something went in the replica, by what the proxies of a bench saw.

use std::time::Instant;

use http::Method;
use muster_tests::proxy::Seen;

use super::bench::Bench;
use crate::fleet::{CLUSTERS, OWN};

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// What goes for other reasons: Muster's own records.
const BESIDE: [&str; 4] = ["/leases/", "/appliedworks/", "/namespaces/muster-system/", "/events"];

/// What somebody did in the directory, and something in the replica is to go for it.
#[derive(Clone)]
pub(crate) struct Word {
    at: Instant,
    /// The path of what was changed or deleted.
    about: String,
}

impl Word {
    /// What is done now to what has this path.
    pub(crate) fn now(about: String) -> Self {
        Self { at: Instant::now(), about }
    }

    /// Whether it was said before a moment, about what has this path.
    pub(crate) fn is_about(&self, about: &str, before: Instant) -> bool {
        self.at < before && self.about == about
    }
}

/// The last word before a moment about what has this path; about anything, where none is given.
pub(crate) fn last<'a>(words: &'a [Word], about: Option<&str>, before: Instant) -> Vec<&'a Word> {
    let fits = |word: &&Word| about.map_or(word.at < before, |about| word.is_about(about, before));
    words.iter().filter(fits).max_by_key(|word| word.at).into_iter().collect()
}

/// What must be there, and be what it was, where something is to go: the identity of the directory, the definitions, the
/// execution namespace and the own entry.
fn landmarks() -> Vec<String> {
    let definitions = ["clusters.multicluster.coreos.com", "works.multicluster.x-k8s.io"];
    let mut all: Vec<String> = definitions.iter().map(|name| format!("{CRDS}/{name}")).collect();
    all.push("/api/v1/namespaces/kube-system".to_owned());
    all.push(format!("/api/v1/namespaces/muster-cluster-{OWN}"));
    all.push(format!("{CLUSTERS}/{OWN}"));
    all
}

/// Whether what the word is about was read after it, and after that each landmark, all of it before a moment.
fn was_read(directory: &[Seen], word: &Word, before: Instant) -> Result<(), String> {
    let answered = |seen: &&Seen| {
        seen.method == Method::GET
            && !seen.is_watch()
            && matches!(seen.status, Some(200 | 404))
            && seen.at < before
    };
    let reads: Vec<&Seen> = directory.iter().filter(answered).filter(|seen| seen.at > word.at).collect();
    let read = |path: &str, since: Instant| {
        reads.iter().find(|seen| seen.path == path && seen.at >= since).map(|seen| seen.at)
    };
    let Some(first) = read(&word.about, word.at) else { return Err(format!("{} was not read", word.about)) };
    let missing = landmarks().into_iter().find(|path| read(path, first).is_none());
    missing.map_or(Ok(()), |path| Err(format!("{path} was not read after {}", word.about)))
}

impl Bench {
    /// Checks of each deletion that the agent sent to the replica that there was a word for it, and that what the word is
    /// about, and what the directory is known by, was read live after the word and before the deletion. `words` gives the words
    /// before a moment for each of which something of this path goes. Says how many deletions there were.
    pub(crate) fn each_deletion_was_read_live<'a>(
        &self,
        words: impl Fn(&str, Instant) -> Vec<&'a Word>,
    ) -> usize {
        let directory = self.directory.requests();
        let mut deletions = self.replica.requests();
        deletions.retain(|seen| {
            seen.method == Method::DELETE && !BESIDE.iter().any(|part| seen.path.contains(part))
        });
        for deletion in &deletions {
            let path = &deletion.path;
            let read: Vec<Result<(), String>> = words(path, deletion.at)
                .into_iter()
                .map(|word| was_read(&directory, word, deletion.at))
                .collect();
            assert!(
                read.iter().any(Result::is_ok),
                "DELETE {path}; of what asked for that: {read:?}\n{}",
                self.agent.log()
            );
        }
        deletions.len()
    }
}
