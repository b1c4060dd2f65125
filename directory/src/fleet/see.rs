//! What is seen: events become what is known.

use std::collections::BTreeSet;
use std::time::Duration;

use muster_api::Object;
use muster_api::clock::Now;
use muster_api::names;

use super::beat::Beat;
use super::entry::Entry;
use super::facts::Facts;
use super::member::{Left, Member};
use super::obstacle::of_namespace;
use super::part::Part;
use super::plan::{Failure, FailureKind, Outcome, Step, Work};
use super::{Change, Event, Fleet, Source};

impl Fleet {
    /// Takes in what happened.
    pub fn on(&mut self, event: Event, now: Now) {
        match event {
            Event::Watch(source, change) => self.watched(source, change, now),
            Event::Done { cluster, plan, outcome } => self.done(&cluster, plan, outcome, now),
        }
    }

    fn watched(&mut self, source: Source, change: Change, now: Now) {
        if source == Source::Of(Part::Lease) {
            match change {
                Change::Failed => self.gap = self.gap.or(Some(now.mono)),
                Change::ListComplete | Change::Alive | Change::Applied(_) if self.gap.is_some() => {
                    self.gap = None;
                    self.grant(now.mono);
                }
                _ => {}
            }
        }
        match change {
            Change::ListBegan => {
                if let Some(listing) = self.listings.get_mut(&source) {
                    listing.shown.clear();
                }
            }
            Change::Listed(object) => {
                let slot = match source {
                    Source::Entries => Some(object.meta.name.clone()),
                    Source::Of(part) => part.slot_of(&object.meta),
                };
                if let (Some(listing), Some(slot)) = (self.listings.get_mut(&source), slot) {
                    listing.shown.insert(slot);
                }
                self.shown(source, &object, now);
            }
            Change::Applied(object) => self.shown(source, &object, now),
            Change::Gone(object) => self.gone(source, &object),
            Change::ListComplete => {
                let Some(listing) = self.listings.get_mut(&source) else { return };
                let first = !std::mem::replace(&mut listing.complete, true);
                let shown = std::mem::take(&mut listing.shown);
                self.sweep(source, &shown);
                if source == Source::Entries {
                    self.definition.relisted();
                }
                if first && self.is_known() {
                    self.dirty.extend(self.members.keys().cloned().collect::<Vec<_>>());
                }
            }
            Change::Alive | Change::Failed => {}
        }
    }

    fn shown(&mut self, source: Source, object: &Object, now: Now) {
        match source {
            Source::Entries => self.entry(&object.meta.name, Entry::of(object), now.mono),
            Source::Of(part) => self.part(part, object, now),
        }
    }

    fn entry(&mut self, name: &str, entry: Entry, now: Duration) {
        if !entry.concerns() {
            let same = self.members.get(name).is_some_and(|member| member.entry.version <= entry.version);
            if same {
                self.forget(name);
            }
            return;
        }
        self.dirty.insert(name.to_owned());
        self.by_namespace.entry(names::execution_namespace(name)).or_default().insert(name.to_owned());
        match self.members.get_mut(name) {
            Some(member) => member.see(entry, now),
            None => {
                self.members.insert(name.to_owned(), Member::new(entry, now));
            }
        }
        let member = self.members.get(name);
        if member.is_some_and(|member| member.leaving == Some(now)) {
            self.definition.leaving(Some(now));
        }
        let bound = member.and_then(|member| member.bound.clone());
        self.bind(name, bound);
    }

    /// The entry stands for this cluster, or for none. Others that claim to be what it stood for are judged anew.
    pub(super) fn bind(&mut self, name: &str, id: Option<String>) {
        let Some(member) = self.members.get_mut(name) else { return };
        member.bound.clone_from(&id);
        let mut freed = Vec::new();
        self.bound.retain(|other, names| {
            if id.as_deref() != Some(other.as_str()) && names.remove(name) {
                freed.push(other.clone());
            }
            !names.is_empty()
        });
        if let Some(id) = id {
            self.bound.entry(id).or_default().insert(name.to_owned());
        }
        for id in freed {
            let claim = self.beats.iter().filter(|(_, beat)| beat.id() == Some(id.as_str()));
            self.dirty.extend(claim.map(|(name, _)| name.clone()));
        }
    }

    fn forget(&mut self, name: &str) {
        self.bind(name, None);
        self.members.remove(name);
        let namespace = names::execution_namespace(name);
        if let Some(names) = self.by_namespace.get_mut(&namespace) {
            names.remove(name);
            self.dirty.extend(names.iter().cloned()); // the next of them may have it
            if names.is_empty() {
                self.by_namespace.remove(&namespace);
            }
        }
        self.looks.remove(name);
        self.joined.remove(name);
        // The next entry of this name begins with a Lease of its own.
        if self.seen(Part::Lease, name).is_none() {
            self.beats.remove(name);
        }
    }

    fn part(&mut self, part: Part, object: &Object, now: Now) {
        let Some(slot) = part.slot_of(&object.meta) else { return };
        let seen = part.see(object);
        let key = (part, slot.clone());
        let older = self.parts.get(&key).is_some_and(|old| old.uid == seen.uid && seen.version < old.version);
        if older {
            return;
        }
        match part {
            Part::Lease => {
                let told = self.told(&slot).map(str::to_owned);
                if let Some(beat) = self.beats.get_mut(&slot) {
                    let (moves, lost) = (beat.moves, beat.lost);
                    beat.see(object, now.mono);
                    let same = self.parts.get(&key).is_some_and(|old| old.shape_is(&seen));
                    if same && (beat.moves, beat.lost) == (moves, lost) && beat.id() == told.as_deref() {
                        self.parts.insert(key, seen);
                        return; // one heartbeat among many
                    }
                } else {
                    self.beats.insert(slot.clone(), Beat::first(object, now.mono));
                }
            }
            Part::Report => {
                let facts = Facts::of(object);
                if facts.has_joined(self.facts.get(&slot), now.wall) {
                    self.joined.insert(slot.clone());
                }
                self.facts.insert(slot.clone(), facts);
            }
            _ => {}
        }
        self.parts.insert(key, seen);
        self.touch(part, &slot);
    }

    /// The identity that the entry of a cluster is bound to.
    fn told(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.bound.as_deref()
    }

    fn touch(&mut self, part: Part, slot: &str) {
        let names = self.names(part, slot);
        self.dirty.extend(names);
    }

    /// The clusters that a part may be of.
    fn names(&self, part: Part, slot: &str) -> Vec<String> {
        match part {
            Part::Namespace | Part::AgentBinding => {
                self.by_namespace.get(slot).into_iter().flatten().cloned().collect()
            }
            _ => vec![slot.to_owned()],
        }
    }

    fn gone(&mut self, source: Source, object: &Object) {
        let uid = &object.meta.uid;
        match source {
            Source::Entries => {
                if self.members.get(&object.meta.name).is_some_and(|member| member.entry.uid == *uid) {
                    self.forget(&object.meta.name);
                }
            }
            Source::Of(part) => {
                let Some(slot) = part.slot_of(&object.meta) else { return };
                for name in self.names(part, &slot) {
                    let making = |member: &&mut Member| matches!(&member.doing, Some((_, Step::Make { part: made, .. })) if *made == part);
                    if let Some(member) = self.members.get_mut(&name).filter(making) {
                        member.gone.push(uid.clone());
                    }
                }
                if self.parts.get(&(part, slot.clone())).is_some_and(|seen| seen.uid == *uid) {
                    self.lose(part, &slot);
                }
            }
        }
    }

    fn lose(&mut self, part: Part, slot: &str) {
        self.parts.remove(&(part, slot.to_owned()));
        if part == Part::Report {
            self.facts.remove(slot);
        }
        // A heartbeat goes on where it was when its Lease is back; without an entry there is nothing to go on with.
        if part == Part::Lease && !self.members.contains_key(slot) {
            self.beats.remove(slot);
        }
        self.touch(part, slot);
    }

    /// What a complete listing did not show is gone.
    fn sweep(&mut self, source: Source, shown: &BTreeSet<String>) {
        match source {
            Source::Entries => {
                let gone: Vec<_> =
                    self.members.keys().filter(|name| !shown.contains(*name)).cloned().collect();
                for name in gone {
                    self.forget(&name);
                }
            }
            Source::Of(part) => {
                let of_part = self.parts.keys().filter(|(kind, slot)| *kind == part && !shown.contains(slot));
                let gone: Vec<_> = of_part.map(|(_, slot)| slot.clone()).collect();
                for slot in gone {
                    self.lose(part, &slot);
                }
            }
        }
    }

    fn done(&mut self, name: &str, plan: u64, outcome: Outcome, moment: Now) {
        let now = moment.mono;
        if self.is_look_at_definition(plan) {
            self.definition(&outcome, now);
            return;
        }
        self.dirty.insert(name.to_owned());
        let told = self.pending.remove(&plan).unwrap_or_default();
        if matches!(outcome, Outcome::Object(_)) {
            self.notices.extend(told);
        }
        if matches!(&outcome, Outcome::Failed(Failure { kind: FailureKind::Unavailable, .. })) {
            self.unanswered = Some(now);
        }
        let Some(member) = self.members.get_mut(name) else { return };
        let Some((_, step)) = member.doing.take_if(|(id, _)| *id == plan) else { return };
        let gone = std::mem::take(&mut member.gone);
        let failure = match &outcome {
            Outcome::Failed(failure) => Some(failure.clone()),
            // What stands in its way is another matter than the step: it waits for the next look.
            Outcome::Doubtful(_) => {
                self.definition(&outcome, now);
                return;
            }
            // What was to be changed is not there: the watch shows it soon.
            Outcome::Absent
                if matches!(step, Step::Finalize { .. } | Step::Status { .. } | Step::Allow { .. }) =>
            {
                Some(Failure { kind: FailureKind::Outdated, message: String::new() })
            }
            _ => None,
        };
        if let Some(failure) = failure {
            member.failed(&step, failure, now);
            member.left = None; // what was known of what is left may be old
            if matches!(step, Step::Status { .. }) {
                let bound = member.entry.status.id.clone();
                self.bind(name, bound);
            }
            return;
        }
        member.succeeded(&step, now);
        match (&step, &outcome) {
            (Step::Make { part, .. }, Outcome::Object(_)) => member.mended(*part, now),
            (Step::Remove { part, .. }, Outcome::Removed) if !member.entry.deleting => {
                member.mended(*part, now);
            }
            _ => {}
        }
        match (step, outcome) {
            (Step::Finalize { .. } | Step::Status { .. }, Outcome::Object(entry)) => {
                self.entry(name, Entry::of(&entry), now);
            }
            // What was shown to go before the answer came is not there any more.
            (Step::Make { part, .. }, Outcome::Object(object)) if !gone.contains(&object.meta.uid) => {
                self.part(part, &object, moment);
            }
            (Step::Allow { .. }, Outcome::Object(namespace)) => {
                self.part(Part::Namespace, &namespace, moment);
                // Somebody may have made a Work meanwhile.
                self.left(name, None);
            }
            (Step::Remove { part, uid }, Outcome::Removed) => {
                let seen = self.parts.get_mut(&(part, part.slot(name)));
                if let Some(seen) = seen.filter(|seen| seen.uid == uid) {
                    seen.deleting = true;
                }
            }
            (Step::Retire, _) => drop(self.joined.remove(name)),
            (Step::Remove { part, .. }, Outcome::Absent) => self.lose(part, &part.slot(name)),
            (Step::Inspect, Outcome::Object(namespace)) => {
                (member.inspected, member.stuck) = (Some(now), of_namespace(name, &namespace));
            }
            (Step::Inspect, _) => self.lose(Part::Namespace, &names::execution_namespace(name)),
            (Step::Look, Outcome::Object(lease)) => {
                self.part(Part::Lease, &lease, moment);
                let duration = self.beats.get(name).map(Beat::duration).unwrap_or_default();
                let was_away = self.was_away(duration, now);
                if let Some(beat) = self.beats.get_mut(name).filter(|beat| beat.is_over(now)) {
                    if was_away {
                        beat.grant(now); // no agent could renew it, either
                    } else {
                        beat.lost = true;
                    }
                }
            }
            (Step::Look, Outcome::Absent) => self.lose(Part::Lease, name),
            (Step::List, Outcome::Works(works)) => {
                let any = !works.is_empty();
                let held = works.into_iter().filter(Work::is_held).collect();
                self.left(name, Some(Left { held, any }));
            }
            (Step::Release(work), _) => self.released(name, &work.name),
            _ => {}
        }
    }

    fn left(&mut self, name: &str, left: Option<Left>) {
        if let Some(member) = self.members.get_mut(name) {
            member.left = left;
        }
    }

    fn released(&mut self, name: &str, work: &str) {
        let left = self.members.get_mut(name).and_then(|member| member.left.as_mut());
        if let Some(left) = left {
            left.held.retain(|held| held.name != work);
        }
    }
}
