//! What is to be done for a cluster that stays: all its parts are there and right, and its entry says how it stands.

use muster_api::clock::Now;
use muster_api::marks::ENTRY_FINALIZER;

use super::part::Part;
use super::plan::Step;
use super::{Fleet, Member};

impl Fleet {
    /// The next step, if there is any.
    pub(super) fn enrol(&self, name: &str, member: &Member, now: Now) -> Option<Step> {
        let entry = &member.entry;
        if member.due <= now.mono {
            if !entry.is_held() {
                let mut finalizers = entry.finalizers.clone();
                finalizers.push(ENTRY_FINALIZER.to_owned());
                return Some(member.finalize(finalizers));
            }
            if let Some(step) = self.part_to_make(name) {
                return Some(step);
            }
            if self.looks.contains(name) {
                return Some(Step::Look);
            }
            if member.joined {
                return Some(Step::Retire);
            }
        }
        if member.tell_due > now.mono || !entry.is_held() && member.trouble.is_none() {
            return None;
        }
        let status = self.status(name, member, now);
        (status != entry.status).then(|| member.tell(status))
    }

    /// The first part that is missing, or not as it is to be. Into a namespace that is not Muster's, or that goes,
    /// nothing is put.
    fn part_to_make(&self, name: &str) -> Option<Step> {
        if self.seen(Part::Namespace, name).is_some_and(|seen| !seen.ours || seen.deleting) {
            return None;
        }
        let wrong = |part: &&Part| match self.seen(**part, name) {
            None => true,
            Some(seen) if seen.deleting => false,
            Some(seen) if !part.is_at_home() && !seen.ours => false,
            Some(seen) => !part.is_right(seen, name, self.lease),
        };
        let part = *Part::ALL.iter().find(wrong)?;
        let over = part.is_at_home() || self.seen(part, name).is_some();
        Some(Step::Make { part, body: part.body(name, self.lease), over })
    }

    /// Whether all parts are there and right.
    pub(super) fn is_whole(&self, name: &str) -> bool {
        Part::ALL.iter().all(|part| {
            let right = |seen| part.is_right(seen, name, self.lease);
            self.seen(*part, name).is_some_and(|seen| !seen.deleting && right(seen))
        })
    }

    /// Whether somebody else has a name outside Muster's own namespaces.
    pub(super) fn is_taken(&self, name: &str) -> bool {
        self.seen(Part::ViewBinding, name).is_some_and(|seen| !seen.ours)
    }
}
