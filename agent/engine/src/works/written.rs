//! What came of writing an object.

use std::time::Duration;

use muster_api::Resource;

use super::Works;
use super::brief::{Brief, Wanted};
use super::objects::mark;
use crate::event::StepOutcome;
use crate::failure::Failure;
use crate::mark::Mark;
use crate::plan::Cause;
use crate::target::Target;
use crate::time::salt;
use crate::work::OnConflict;

/// How often what changed between being read and being written is read and written anew at once.
const AT_ONCE: u32 = 3;
/// What people are told of what changes so each time.
const CHANGING: &str = "somebody changes it all the time: fields that are left to others are Muster's still, so it is written only as it was read";

impl Works {
    /// A write ended. `cause`: why it was made, and the resourceVersion before it. Returns whether it put right what
    /// somebody else had changed.
    pub(super) fn written(
        &mut self,
        work: &str,
        target: &Target,
        cause: (Cause, Option<&str>),
        mark: &Mark,
        outcome: StepOutcome,
        now: Duration,
    ) -> bool {
        let outdated = self.is_outdated(work, target, mark);
        let corrected = match outcome {
            StepOutcome::Written(object) => {
                let observed = self.read(target, &object);
                self.judge_readiness(target, &object);
                let kept =
                    observed.labelled && observed.mark.as_ref() == Some(mark) && observed.fields.is_some();
                self.wrote(target);
                let slot = self.slots.entry(target.clone()).or_default();
                slot.foreign = false;
                let corrected = slot.written(observed, cause, now);
                if !kept {
                    let why = "the replica does not keep what is written: an admission webhook changes it";
                    let message = format!("{target}: {why}");
                    slot.failed(Failure::Invalid, message, now, salt(target));
                }
                if corrected {
                    self.fought(target, &object, work, now);
                }
                corrected
            }
            StepOutcome::Present(object) => {
                self.study(target, &object);
                let observed = self.read(target, &object);
                let ours = observed.mark.as_ref().is_some_and(|mark| self.nonces.contains(&mark.nonce));
                let brief = self.bundles.get(work).and_then(|bundle| bundle.ledger());
                let wanted = brief.and_then(|brief| brief.wants(target));
                let taken = wanted.is_some_and(|wanted| wanted.options.on_conflict != OnConflict::Report);
                let slot = self.slots.entry(target.clone()).or_default();
                let known = slot.known.as_ref().is_some_and(|known| known.uid == observed.uid);
                if slot.observed.as_ref().is_some_and(|before| before.uid != observed.uid) {
                    slot.observed = None; // it is gone, and this has taken its place
                }
                if !ours && !known && !taken {
                    // No watch shows when it goes: it is tried again now and then.
                    slot.foreign = true;
                    let message = format!("{target}: it is there already, and is not Muster's");
                    slot.failed(Failure::Conflict, message, now, salt(target));
                } else {
                    // What was known of it already is no news: somebody owns a field, or refuses the write.
                    if !outdated && wanted.is_some_and(|wanted| !wanted.ignored.is_empty()) {
                        slot.pace.failed(now, salt(target)); // it changed since it was read
                        if slot.pace.failures() <= AT_ONCE {
                            slot.pace.hurry();
                        } else {
                            slot.failure = Some((Failure::Conflict, format!("{target}: {CHANGING}")));
                        }
                    }
                    if cause.1 == Some(observed.version.as_str()) && !outdated {
                        let message = format!("{target}: others own fields of it, or refuse the change");
                        slot.failed(Failure::Conflict, message, now, salt(target));
                    }
                    slot.observe(observed);
                }
                false
            }
            StepOutcome::Failed(failure, message) => {
                self.note_refusal(work, target, mark, failure, &message);
                if failure == Failure::NotServed {
                    let Resource { group, version, .. } = &target.resource;
                    self.catalog.forget_version(&(group.to_string(), version.to_string()));
                }
                let slot = self.slots.entry(target.clone()).or_default();
                if failure == Failure::Conflict && !slot.foreign {
                    slot.observed = None; // it was looked for, and is not there
                }
                if matches!(failure, Failure::Unavailable | Failure::Malformed) {
                    (slot.absent, slot.foreign) = (false, false); // it may have been made
                    if cause.1.is_none() {
                        slot.may_be_made(mark.clone());
                    }
                }
                if !outdated {
                    slot.failed(failure, message, now, salt(target));
                }
                false
            }
            _ => false,
        };
        // Somebody may change it before the Work has its turn.
        if let Some(slot) = self.slots.get_mut(target) {
            slot.see_right(mark);
        }
        corrected
    }

    /// Whether a Work asks for something else by now than what was written with this mark: that it failed says nothing.
    fn is_outdated(&self, work: &str, target: &Target, written: &Mark) -> bool {
        let brief = self.bundles.get(work).and_then(|bundle| bundle.ledger());
        let wanted = brief.and_then(|brief| Some(mark(brief, brief.wants(target)?)));
        wanted.is_some_and(|wanted| wanted != *written)
    }

    /// What is asked for in another way than before is tried at once, and nothing is said of it yet.
    pub(super) fn renew(&mut self, before: Option<&Brief>, now: &Brief) {
        for wanted in &now.wanted {
            let old = before.and_then(|before| before.wants(&wanted.target));
            let same = |old: &Wanted| (&old.digest, &old.options) == (&wanted.digest, &wanted.options);
            if !old.is_some_and(same)
                && let Some(slot) = self.slots.get_mut(&wanted.target)
            {
                slot.failure = None;
                slot.pace.hurry();
            }
        }
    }
}
