//! What live reads show of wanted objects, where watches do not tell it: what to leave to others in the next write, how
//! an object differs from its manifest, and values that were not asked for when it was last seen.

use std::time::Duration;

use muster_api::names::WORKS_MANAGER;
use muster_api::{Object, marks};
use serde_json::Value;

use super::Works;
use super::brief::{Brief, Wanted};
use super::bundle::Bundle;
use super::due::{Steps, Task};
use super::objects::{State, Write, mark};
use super::planned::Planned;
use super::values::Body;
use crate::difference;
use crate::event::StepOutcome;
use crate::failure::Failure;
use crate::fields::{leave, strip};
use crate::item::{Guard, Item};
use crate::live::Known;
use crate::mark::Mark;
use crate::observed::Observed;
use crate::plan::Step;
use crate::target::Target;
use crate::time::salt;
use crate::work::Apply;

/// How long it holds what was found of an object that is only looked at: no watch need show it.
pub(super) const HOLDS: Duration = Duration::from_secs(60);
/// Most fields that a message names.
const NAMED: usize = 8;

/// What a live read found out about a wanted object.
#[derive(Debug)]
pub(super) struct Look {
    /// When that was.
    at: Duration,
    /// What was wanted then.
    mark: Mark,
    /// The values that were asked for then.
    asked: u64,
    pub(super) found: Found,
}

#[derive(Debug)]
pub(super) enum Found {
    /// It is not there.
    Absent,
    /// It is there.
    There {
        /// resourceVersion.
        version: String,
        /// Digest of the own fields.
        fields: Option<String>,
        /// Generation.
        generation: i64,
        /// The fields that differ, for people.
        differs: Option<Box<str>>,
        /// What would be done about it.
        planned: Planned,
    },
    /// It could not be read.
    Failed(Failure, String),
}

impl Bundle {
    /// What was found out last about what is wanted now.
    pub(super) fn look(&self, brief: &Brief, wanted: &Wanted) -> Option<&Look> {
        self.looks.get(&wanted.target).filter(|look| look.mark == mark(brief, wanted))
    }
}

impl Look {
    /// Whether it says still what is there, for so long, where a watch shows this or nothing.
    pub(super) fn holds(&self, observed: Option<&Observed>, long: Duration, now: Duration) -> bool {
        let same = match (&self.found, observed) {
            (Found::There { version, .. }, Some(observed)) => *version == observed.version,
            (Found::Absent, Some(_)) => false,
            _ => true,
        };
        same && now < self.at + long
    }

    /// When it does not hold any more.
    pub(super) fn until(&self, long: Duration) -> Duration {
        self.at + long
    }
}

impl Works {
    /// How it stands with an object that is only looked at.
    pub(super) fn observed_state(&self, uid: &str, brief: &Brief, wanted: &Wanted, now: Duration) -> State {
        let slot = self.slots.get(&wanted.target);
        let look = self.bundles.get(uid).and_then(|bundle| bundle.look(brief, wanted));
        let observed = slot.and_then(|slot| slot.observed.as_ref());
        let Some(look) = look.filter(|look| look.holds(observed, HOLDS, now)) else { return State::Look };
        match &look.found {
            Found::Failed(failure, message) => {
                let due = slot.map_or(Duration::ZERO, |slot| slot.pace.due(false, salt(&wanted.target)));
                if due <= now { State::Look } else { State::Failed(*failure, message.clone(), due) }
            }
            Found::Absent => State::Differs("it is not there".into()),
            Found::There { differs: None, .. } => State::Right,
            Found::There { differs: Some(fields), .. } => State::Differs(fields.to_string()),
        }
    }

    /// Whether an object is to be read before more is done or said about it, and whether its body is needed for that.
    pub(super) fn wants_look(
        &self,
        uid: &str,
        brief: &Brief,
        wanted: &Wanted,
        state: &State,
        now: Duration,
    ) -> Option<bool> {
        let target = &wanted.target;
        let bundle = self.bundles.get(uid)?;
        let observed = self.slots.get(target).and_then(|slot| slot.observed.as_ref());
        let look = bundle.look(brief, wanted);
        let recent = look.is_some_and(|look| now < look.until(HOLDS));
        let asked = look.is_some_and(|look| look.asked == salt(&wanted.options.feedback));
        match state {
            State::Look => Some(true),
            State::Drifted => {
                let observed = observed?;
                let known = look.is_some_and(|look| match &look.found {
                    Found::There { fields, .. } => *fields == observed.fields,
                    Found::Absent => false,
                    Found::Failed(..) => recent,
                });
                (!known).then_some(true)
            }
            State::Due(Write { guard: Guard::Uid(uid), .. }) if !wanted.ignored.is_empty() => {
                let read = self.live.get(target).is_some_and(|object| object.meta.uid == *uid);
                (!read).then_some(false)
            }
            State::Right => {
                observed?;
                let told = wanted.options.feedback.is_empty() || self.values(wanted).is_some();
                let lacks = !(told || recent && asked);
                lacks.then_some(false)
            }
            _ => None,
        }
    }

    /// An object is read.
    pub(super) fn look(&mut self, uid: &str, target: &Target, steps: &mut Steps) {
        let task = Task::Look { work: uid.to_owned(), target: target.clone() };
        self.act(task, Step::Look(target.clone()), steps);
    }

    /// A live read of a wanted object ended.
    pub(super) fn looked(&mut self, uid: &str, target: &Target, outcome: StepOutcome, now: Duration) {
        let Some(bundle) = self.bundles.get(uid) else { return };
        let Some(brief) = bundle.asked().cloned() else { return };
        let Some(wanted) = brief.wants(target).cloned() else { return };
        let (is_planning, watched) = (bundle.is_planning(), self.claims.contains_key(target));
        let only_looks = is_planning || wanted.options.apply == Apply::Observe;
        if only_looks && !matches!(self.body_of(uid, &wanted), Body::Whole(_)) {
            return; // it went since: it is read again, and then compared
        }
        let found = match outcome {
            StepOutcome::Present(object) => {
                let observed = self.read(target, &object);
                let found = self.compare(uid, &brief, &wanted, &object, &observed);
                // What an earlier process wrote last, and did not live to record, is nobody else's change.
                let same = matches!(&found, Found::There { differs: None, .. });
                let mark = mark(&brief, &wanted);
                let right = same
                    && matches!(self.body_of(uid, &wanted), Body::Whole(_))
                    && observed.labelled
                    && observed.mark.as_ref() == Some(&mark);
                let known =
                    Some(Known { uid: observed.uid.clone(), fields: observed.fields.clone(), by: None });
                if watched {
                    self.judge_readiness(target, &object);
                    let slot = self.slots.entry(target.clone()).or_default();
                    // What no watch shows is not taken for what one shows.
                    if slot.observed.is_some() {
                        slot.observe(observed);
                    }
                    if only_looks {
                        slot.pace.succeeded();
                        slot.failure = None;
                    } else if right {
                        slot.known = known;
                        slot.see_right(&mark);
                    }
                }
                if !only_looks && !wanted.ignored.is_empty() {
                    self.live.insert(target.clone(), object);
                }
                found
            }
            StepOutcome::Missing => {
                if let Some(slot) = self.slots.get_mut(target) {
                    slot.observed = None;
                    if only_looks {
                        slot.pace.succeeded();
                        slot.failure = None;
                    }
                }
                Found::Absent
            }
            StepOutcome::Failed(failure, message) => {
                if watched {
                    let slot = self.slots.entry(target.clone()).or_default();
                    slot.failed(failure, message.clone(), now, salt(target));
                }
                Found::Failed(failure, message)
            }
            _ => Found::Failed(Failure::Malformed, String::new()),
        };
        let asked = salt(&wanted.options.feedback);
        let look = Look { at: now, mark: mark(&brief, &wanted), asked, found };
        if let Some(bundle) = self.bundles.get_mut(uid) {
            bundle.looks.insert(target.clone(), look);
        }
    }

    fn compare(
        &self,
        uid: &str,
        brief: &Brief,
        wanted: &Wanted,
        object: &Object,
        observed: &Observed,
    ) -> Found {
        let differs = match self.body_of(uid, wanted) {
            Body::Whole(item) => differences(&item, wanted, object),
            Body::Unread | Body::Locked | Body::Lost => None,
        };
        let planned = self.planned(uid, brief, wanted, observed, differs.as_deref());
        Found::There {
            version: observed.version.clone(),
            fields: observed.fields.clone(),
            generation: observed.generation,
            differs,
            planned,
        }
    }

    /// The body to apply: where fields of what is there are left to others, without these, or as they were read and then for
    /// the object as it was read alone.
    pub(super) fn text(
        &mut self,
        wanted: &Wanted,
        item: &Item,
        set: &str,
        mark: &Mark,
        guard: Guard,
    ) -> String {
        let labels = [(marks::PART_OF, set)];
        let annotations = [(marks::MADE_FOR, mark.text())];
        let annotations = annotations.each_ref().map(|(key, value)| (*key, value.as_str()));
        let live = self.live.remove(&wanted.target);
        let is_there = matches!(guard, Guard::Uid(_));
        let text = item.body(&labels, &annotations, guard);
        let Some(live) = live.filter(|_| is_there && !wanted.ignored.is_empty()) else { return text };
        let (Ok(mut body), Ok(there)) =
            (serde_json::from_str::<Value>(&text), serde_json::from_str(live.raw.get()))
        else {
            return text; // it is nested too deep to be an object that a server keeps
        };
        let as_read = leave(&mut body, &wanted.ignored, &there, WORKS_MANAGER);
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("uid".to_owned(), live.meta.uid.clone().into());
            // Else it would never be written where somebody keeps changing it.
            if as_read {
                metadata.insert("resourceVersion".to_owned(), live.meta.resource_version.clone().into());
            }
        }
        body.to_string()
    }
}

/// The fields of a manifest that an object lacks or has otherwise, for people; `None`: there are none.
fn differences(item: &Item, wanted: &Wanted, object: &Object) -> Option<Box<str>> {
    let mut manifest = item.value();
    strip(&mut manifest, &wanted.ignored);
    let there: Value = serde_json::from_str(object.raw.get()).unwrap_or_default();
    let found = difference::paths(&manifest, &there, NAMED);
    let more = if found.more > 0 { format!(" and {} more", found.more) } else { String::new() };
    (!found.paths.is_empty()).then(|| format!("{}{more}", found.paths.join(", ")).into())
}
