//! What is to be done for a cluster that stays: all its parts are there and right, and its entry says how it stands.

use std::time::Duration;

use muster_api::clock::Now;
use muster_api::marks::ENTRY_FINALIZER;

use super::approval::{Approval, Wish};
use super::part::Part;
use super::plan::Step;
use super::{Fleet, Member};

impl Fleet {
    /// The next step, if there is any.
    pub(super) fn enrol(&self, name: &str, member: &Member, now: Now) -> Option<Step> {
        let entry = &member.entry;
        let refused = self.refusal(name, member).is_some();
        if member.due <= now.mono && !refused {
            if !entry.is_held() {
                let mut finalizers = entry.finalizers.clone();
                finalizers.push(ENTRY_FINALIZER.to_owned());
                return Some(member.finalize(finalizers));
            }
            // Whether it is alive does not wait for a part that cannot be made.
            if self.looks.contains(name) {
                return Some(Step::Look);
            }
            if let Some(step) = self.part_to_drop(name, member, now.mono) {
                return Some(step);
            }
            if let Some(step) = self.part_to_make(name, member, now.mono) {
                return Some(step);
            }
            if self.joined.contains(name) {
                return Some(Step::Retire);
            }
        }
        let is_known = entry.is_held() || refused || member.trouble.is_some();
        if member.tell_due > now.mono || !is_known {
            return None;
        }
        let status = self.status(name, member, now);
        (status != entry.status).then(|| member.tell(status))
    }

    /// The first part that is missing, or not as it is to be. Into a namespace that is not Muster's, or that goes,
    /// nothing is put.
    fn part_to_make(&self, name: &str, member: &Member, now: Duration) -> Option<Step> {
        if self.seen(Part::Namespace, name).is_some_and(|seen| !seen.ours || seen.deleting) {
            return None;
        }
        let wrong = |part: &&Part| match self.seen(**part, name) {
            None => true,
            Some(seen) if seen.deleting => false,
            Some(seen) if !part.is_at_home() && !seen.ours => false,
            Some(seen) => !part.is_right(seen, name, self.lease),
        };
        let wanted = |part: &&Part| member.entry.approval.wish(**part) == Wish::There;
        let rests = |part: &&Part| member.may_mend(**part, now);
        let part = *Part::ALL.iter().filter(wanted).filter(rests).find(wrong)?;
        let over = part.is_at_home() || self.seen(part, name).is_some();
        Some(Step::Make { part, body: part.body(name, self.lease), over })
    }

    /// Whether all parts are there and right that are to be, and no others.
    pub(super) fn is_whole(&self, name: &str, approval: Approval) -> bool {
        Part::ALL.iter().all(|part| match (approval.wish(*part), self.seen(*part, name)) {
            (Wish::AsIs, _) | (Wish::Away, None) => true,
            (Wish::There, Some(seen)) => !seen.deleting && part.is_right(seen, name, self.lease),
            (Wish::There, None) | (Wish::Away, Some(_)) => false,
        })
    }

    /// Whether somebody else has a name outside Muster's own namespaces.
    pub(super) fn is_taken(&self, name: &str) -> bool {
        self.seen(Part::ViewBinding, name).is_some_and(|seen| !seen.ours)
    }
}
