//! What a watch of `AppliedWork`s says of the ledgers of policies.

use std::collections::{BTreeMap, BTreeSet};

use muster_api::Object;
use muster_engine::event::Change;
use muster_engine::ledger::{Kept, Ledger, Of};
use muster_kit::watch::WatchEvent;

use super::read;
use crate::failure::failure;
use crate::metrics::Metrics;

/// The label of the watch in metrics.
pub const SOURCE: &str = "ledgers";

/// Turns objects into ledgers. What is no ledger of a policy is not shown; one that cannot be read is shown as one that
/// is not there: where one is wanted, it is written over.
pub struct Mapping {
    metrics: Metrics,
    /// What was shown and is there, by the name of its object, without the lists.
    shown: BTreeMap<String, Kept>,
    /// Names of those that cannot be read: each is told of once.
    unreadable: BTreeSet<String>,
}

impl Mapping {
    /// A mapping that has seen nothing.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, shown: BTreeMap::new(), unreadable: BTreeSet::new() }
    }

    /// What an event says; `None` where it says nothing of a policy's ledger.
    pub fn map(&mut self, event: WatchEvent) -> Option<Change<Kept>> {
        match event {
            WatchEvent::Init => {
                self.shown.clear();
                Some(Change::ListBegan)
            }
            WatchEvent::Listed(object) => self.show(&object, Change::Listed),
            WatchEvent::Applied(object) => self.show(&object, Change::Applied),
            WatchEvent::Deleted(object) => {
                self.unreadable.remove(&object.meta.name);
                self.hide(&object.meta.name)
            }
            WatchEvent::Complete { .. } => Some(Change::ListComplete),
            WatchEvent::Resumed | WatchEvent::Bookmark { .. } => Some(Change::Alive),
            WatchEvent::Failed(error) => Some(Change::Failed(failure(&error), error.to_string())),
        }
    }

    fn show(&mut self, object: &Object, change: impl FnOnce(Kept) -> Change<Kept>) -> Option<Change<Kept>> {
        let name = &object.meta.name;
        match read(object) {
            Ok(Some(kept)) => {
                self.unreadable.remove(name);
                self.shown.insert(name.clone(), slim(&kept));
                Some(change(kept))
            }
            Ok(None) => None,
            Err(error) => {
                if self.unreadable.insert(name.clone()) {
                    tracing::warn!(%error, "ledger left alone");
                    self.metrics.watch_errors.with_label_values(&[SOURCE, "malformed"]).inc();
                }
                self.hide(name)
            }
        }
    }

    fn hide(&mut self, name: &str) -> Option<Change<Kept>> {
        self.shown.remove(name).map(Change::Gone)
    }
}

/// Enough to say which ledger is gone.
fn slim(kept: &Kept) -> Kept {
    let Kept { ledger, uid, version } = kept;
    let mut of = ledger.of.clone();
    if let Of::Work(part) = &mut of {
        (part.places, part.left) = (BTreeMap::new(), BTreeMap::new());
    }
    let ledger = Ledger {
        of,
        maker: ledger.maker.clone(),
        generation: ledger.generation,
        era: ledger.era,
        resource_version: ledger.resource_version.clone(),
        directory: ledger.directory.clone(),
        replica: ledger.replica.clone(),
        nonce: ledger.nonce.clone(),
        phase: ledger.phase,
        items: Vec::new(),
        resources: BTreeSet::new(),
        applied: None,
    };
    Kept { ledger, uid: uid.clone(), version: version.clone() }
}
