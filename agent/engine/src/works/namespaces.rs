//! Which namespaces the replica has, by name: what is made in one that is not there waits for it.

use std::collections::BTreeSet;

use super::Works;
use crate::event::Change;

/// The namespaces of the replica.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    there: BTreeSet<Box<str>>,
    /// What a listing under way has shown so far.
    listed: Option<BTreeSet<Box<str>>>,
    /// Whether all of them are known.
    complete: bool,
}

// === impl Namespaces ===

impl Namespaces {
    /// Whether there is none of this name.
    pub(super) fn lacks(&self, name: &str) -> bool {
        self.complete && !self.there.contains(name)
    }

    /// Returns whether there are others than before.
    fn changed(&mut self, change: &Change) -> bool {
        match change {
            Change::ListBegan => self.listed = Some(BTreeSet::new()),
            Change::Listed(object) => {
                let name: Box<str> = object.meta.name.as_str().into();
                self.listed.get_or_insert_default().insert(name);
            }
            Change::ListComplete => {
                let listed = self.listed.take().unwrap_or_default();
                let news = !self.complete || self.there != listed;
                (self.there, self.complete) = (listed, true);
                return news;
            }
            Change::Applied(object) => {
                let name: Box<str> = object.meta.name.as_str().into();
                if let Some(listed) = &mut self.listed {
                    listed.insert(name.clone());
                }
                return self.there.insert(name);
            }
            Change::Gone(object) => {
                if let Some(listed) = &mut self.listed {
                    listed.remove(object.meta.name.as_str());
                }
                return self.there.remove(object.meta.name.as_str());
            }
            Change::Alive | Change::Failed(..) => {}
        }
        false
    }
}

impl Works {
    /// A change of the namespaces. Where one comes or goes, what would be done is another.
    pub fn namespaces_changed(&mut self, change: &Change) {
        if self.namespaces.changed(change) {
            let planning = self.bundles.iter().filter(|(_, bundle)| bundle.is_planning());
            planning.for_each(|(uid, _)| self.turns.push(uid));
        }
    }
}
