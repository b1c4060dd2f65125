//! What is to be done about all the objects that a Work wants: in order, and as far as their bodies are at hand.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::brief::{Brief, Wanted};
use super::bundle::Progress;
use super::due::{Steps, Task};
use super::looks::HOLDS;
use super::objects::{State, Write, mark};
use super::values::Body;
use super::{Context, Works};
use crate::item::Item;
use crate::plan::Step;
use crate::time::salt;
use crate::work::{Apply, order};

impl Works {
    /// What is to be done about the objects that a Work wants. Returns how far they have come.
    pub(super) fn wanted_due(
        &mut self,
        uid: &str,
        brief: &Arc<Brief>,
        context: Context,
        steps: &mut Steps,
    ) -> Progress {
        let Some(bundle) = self.bundles.get_mut(uid) else { return Progress::Moves };
        let work = bundle.work.clone();
        let first = std::mem::take(&mut bundle.first);
        let mut unasked = BTreeSet::new();
        let (mut recall, mut unlock) = (false, false);
        let mut progress = Progress::Done;
        let mut order: Vec<&Wanted> = brief.wanted.iter().collect();
        order.sort_by_key(|wanted| {
            let resource = &wanted.target.resource;
            (order::wave(&resource.group, &resource.kind), wanted.ordinal)
        });
        // What failed is tried again when all the rest was tried: else what fails takes the turns of what would not.
        let mut again: Vec<(&Wanted, Write)> = Vec::new();
        for wanted in order {
            let target = &wanted.target;
            let needed = first.get(target).map_or(&[][..], Vec::as_slice);
            let state = self.state(&work, brief, wanted, needed, context.now);
            let state = self.with_values(uid, wanted, state);
            progress = progress.max(state.progress());
            if let Some(bundle) = self.bundles.get_mut(uid) {
                if state == State::Right {
                    bundle.states.remove(target);
                } else {
                    bundle.states.insert(target.clone(), state.clone());
                }
            }
            if let Some(with_body) = self.wants_look(uid, brief, wanted, &state, context.now) {
                match self.body_of(uid, wanted) {
                    Body::Unread if with_body => recall = true,
                    Body::Locked if with_body => unlock = true,
                    // Without its values, nobody can tell in what it differs.
                    Body::Lost if with_body => {
                        unlock = true;
                        continue;
                    }
                    _ if self.has_room(uid) => self.look(uid, target, steps),
                    _ => {}
                }
                progress = Progress::Moves;
                continue;
            }
            match state {
                State::Due(write) if self.slots.get(target).is_some_and(|slot| slot.pace.failures() > 0) => {
                    again.push((wanted, write));
                }
                State::Due(write) => {
                    if !self.has_room(uid) {
                        again.clear();
                        break;
                    }
                    let missing = self.write_whole(uid, brief, wanted, write, steps);
                    (recall, unlock) = (recall || missing.0, unlock || missing.1);
                }
                State::Replaced => {
                    if !self.has_room(uid) {
                        again.clear();
                        break;
                    }
                    match self.body_of(uid, wanted) {
                        Body::Whole(item) => self.replace(uid, brief, wanted, &item, context, steps),
                        Body::Unread => recall = true,
                        Body::Locked | Body::Lost => unlock = true,
                    }
                }
                // What is only looked at is compared again and again.
                State::Right | State::Differs(_) if wanted.options.apply == Apply::Observe => {
                    self.later(context.now + HOLDS, uid);
                }
                State::Right | State::Drifted | State::LetGo => {
                    self.live.remove(target);
                    if let Some(bundle) = self.bundles.get_mut(uid) {
                        bundle.bodies.remove(target);
                    }
                }
                State::Undiscovered | State::Unserved(_) => {
                    let resource = &target.resource;
                    unasked.insert((resource.group.to_string(), resource.version.to_string()));
                }
                State::Later(due) | State::Failed(_, _, due) | State::Fought { due, .. } => {
                    self.later(due, uid);
                }
                State::ValuesLost => unlock = true,
                _ => {}
            }
        }
        for (wanted, write) in again {
            if !self.has_room(uid) {
                break;
            }
            let missing = self.write_whole(uid, brief, wanted, write, steps);
            (recall, unlock) = (recall || missing.0, unlock || missing.1);
        }
        if let Some(bundle) = self.bundles.get_mut(uid) {
            bundle.looked_through(first);
        }
        for version in unasked {
            self.discover(version, uid, context, steps);
        }
        if recall {
            self.recall(uid, context, steps);
        }
        self.unlock_due(uid, unlock, context, steps);
        progress
    }

    /// The bodies are read from the ledger.
    pub(super) fn recall(&mut self, uid: &str, context: Context, steps: &mut Steps) {
        let Some(bundle) = self.bundles.get(uid).filter(|bundle| !bundle.reading) else { return };
        let due = bundle.reading_pace.due(false, salt(uid));
        if due > context.now {
            return self.later(due, uid);
        }
        if self.is_full() {
            return self.turns.push(uid);
        }
        let step = Step::Recall { ledger: bundle.work.name.clone(), uid: uid.to_owned() };
        if let Some(bundle) = self.bundles.get_mut(uid) {
            bundle.reading = true;
        }
        self.act(Task::Recall { work: uid.to_owned() }, step, steps);
    }

    /// Writes an object, where its body is at hand; else says whether the body is to be recalled, and whether values of it
    /// are to be unlocked.
    fn write_whole(
        &mut self,
        uid: &str,
        brief: &Brief,
        wanted: &Wanted,
        write: Write,
        steps: &mut Steps,
    ) -> (bool, bool) {
        match self.body_of(uid, wanted) {
            Body::Whole(item) => self.write(uid, brief, wanted, &item, write, steps),
            Body::Unread => return (true, false),
            Body::Locked | Body::Lost => return (false, true),
        }
        (false, false)
    }

    fn write(
        &mut self,
        uid: &str,
        brief: &Brief,
        wanted: &Wanted,
        item: &Item,
        write: Write,
        steps: &mut Steps,
    ) {
        let Some(bundle) = self.bundles.get(uid) else { return };
        let (target, mark) = (wanted.target.clone(), mark(brief, wanted));
        let set = bundle.set.clone();
        let body = self.text(wanted, item, &set, &mark, write.guard);
        let observed = self.slots.get(&target).and_then(|slot| slot.observed.as_ref());
        let before = observed.map(|observed| observed.version.clone());
        let (cause, force) = (write.cause, write.force);
        let step = Step::Apply { target: target.clone(), body, cause, force };
        self.act(Task::Write { work: uid.to_owned(), target, cause, mark, before }, step, steps);
    }
}
