//! What is to go and is served no more in the version of its API in which it was made. Group, kind, namespace and name are
//! the same in each version, and so are UID and mark: it is looked for, and goes, in another one.

use std::time::Duration;

use muster_api::Resource;

use super::Works;
use crate::failure::Failure;
use crate::target::Target;

/// How often is looked how it stands with an object that is being deleted there: no watch shows it.
const SOON: Duration = Duration::from_secs(10);

impl Works {
    /// As which target an object that is to go is read, and goes.
    pub(super) fn served_as(&self, target: &Target) -> Target {
        self.elsewhere
            .get(target)
            .and_then(|resource| target.in_version(resource))
            .unwrap_or_else(|| target.clone())
    }

    /// Whether an object that is to go is seen by live reads alone, in another version than its own.
    pub(super) fn is_elsewhere(&self, target: &Target) -> bool {
        self.elsewhere.contains_key(target)
    }

    /// The replica serves these kinds, and does not serve an object as it was last asked for. Returns whether it serves it in
    /// another version.
    pub(super) fn seek_elsewhere(&mut self, target: &Target, served: &[Resource]) -> bool {
        let before = self.elsewhere.remove(target);
        let versions =
            [Some(&target.resource), before.as_ref()].map(|asked| asked.map(|asked| &asked.version));
        let mut others = served.iter().filter(|other| !versions.contains(&Some(&other.version)));
        let Some(other) = others.find(|other| target.in_version(other).is_some()) else { return false };
        self.elsewhere.insert(target.clone(), other.clone());
        true
    }

    /// When to look again at an object that is being deleted, where no watch shows when it is gone.
    pub(super) fn wait_elsewhere(&mut self, target: &Target, now: Duration) {
        if self.is_elsewhere(target)
            && let Some(slot) = self.slots.get_mut(target)
            && slot.observed.as_ref().is_some_and(|observed| observed.deleting)
        {
            slot.clearing.wait(now + SOON);
        }
    }

    /// Whether the last answer was that the kind is not served in the version that was asked for.
    pub(super) fn is_refused_as_unserved(&self, target: &Target) -> bool {
        let failure = self.slots.get(target).and_then(|slot| slot.failure.as_ref());
        failure.is_some_and(|(failure, _)| *failure == Failure::NotServed)
    }
}
