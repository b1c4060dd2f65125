//! What is to be done about one object that a Work wants.

use std::time::Duration;

use muster_api::resource::CRDS;

use super::Works;
use super::brief::{Brief, Wanted};
use super::bundle::Progress;
use super::catalog::Lookup;
use crate::failure::Failure;
use crate::item::{Guard, short_digest};
use crate::live::Next;
use crate::mark::{Maker, Mark};
use crate::observed::Observed;
use crate::plan::Cause;
use crate::target::Target;
use crate::time::salt;
use crate::work::{Apply, OnConflict, OnDrift};

/// How it stands with a wanted object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is as it is wanted, or as it may be.
    Right,
    /// A step about it is under way.
    UnderWay,
    /// The replica has not shown yet whether it is there.
    Unseen,
    /// It is to be written.
    Due(Write),
    /// It is to be written, and not before then.
    Later(Duration),
    /// It waits for something else of the same Work.
    Waits(String),
    /// Its definition is there, or about to be, and the kind is not served yet; or it was, and is not any more.
    Unserved(String),
    /// It waits for the kind to be served: the replica is to be asked.
    Undiscovered,
    /// The last write failed; the next attempt is due then.
    Failed(Failure, String, Duration),
    /// It is to be written, and values of it are lost: they are taken from the directory anew.
    ValuesLost,
    /// What is there is somebody else's.
    Conflict(String),
    /// It was changed by hand, and is left so.
    Drifted,
    /// It is being deleted, and not by Muster.
    Terminating,
    /// Somebody else keeps changing it. `right`: it is right now; else it is put right then.
    Fought {
        /// Who, and what.
        message: String,
        /// Whether it is as it is wanted now.
        right: bool,
        /// When to look at it again.
        due: Duration,
    },
    /// The owner of the replica took it over.
    LetGo,
    /// It is to make room for itself: a field of it cannot be changed.
    Replaced,
    /// It is only looked at, and is so to be read.
    Look,
    /// It is only looked at, and is not as the manifest has it.
    Differs(String),
}

/// How an object is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Write {
    /// Why.
    pub(super) cause: Cause,
    /// What guards it.
    pub(super) guard: Guard,
    /// Whether fields of others are taken over.
    pub(super) force: bool,
}

impl State {
    /// How far it has come.
    #[must_use]
    pub(super) fn progress(&self) -> Progress {
        match self {
            Self::UnderWay
            | Self::Unseen
            | Self::Due(_)
            | Self::Undiscovered
            | Self::Look
            | Self::Replaced => Progress::Moves,
            Self::Waits(_) | Self::Unserved(_) | Self::Later(_) | Self::Fought { right: false, .. } => {
                Progress::Waits
            }
            _ => Progress::Done,
        }
    }
}

/// Whose an object is.
pub(super) enum Holder<'a> {
    /// The Work's.
    Own,
    /// Another Work's, by its mark.
    Other(&'a Maker),
    /// Policies', by its mark.
    Policies,
    /// Nobody's of Muster's.
    Nobody,
}

impl Works {
    /// How it stands with an object that a Work wants. `first`: what of the same Work must be there before it.
    pub(super) fn state(
        &mut self,
        work: &Maker,
        brief: &Brief,
        wanted: &Wanted,
        first: &[Target],
        now: Duration,
    ) -> State {
        let target = &wanted.target;
        if self.under_way.contains(target) {
            return State::UnderWay;
        }
        if wanted.options.apply == Apply::Observe {
            return self.observed_state(&work.uid, brief, wanted, now);
        }
        let mark = mark(brief, wanted);
        let known = self.slots.get(target).is_some_and(|slot| slot.known.is_some());
        let observed = self.slots.get(target).and_then(|slot| slot.observed.clone());
        if (known || observed.is_some()) && self.is_unserved(target) {
            let kind = &target.resource;
            return State::Unserved(format!(
                "it waits for {} {} to be served again",
                kind.full_name(),
                kind.version
            ));
        }
        let Some(observed) = observed else {
            if known && self.is_unseen(target) {
                return State::Unseen;
            }
            if known && self.is_unread(target) {
                return self.unread_state(target, now);
            }
            if let Some(waits) = self.waits(brief, target, first, now) {
                return waits;
            }
            return self.next(wanted, &mark, now);
        };
        if observed.deleting {
            return State::Terminating;
        }
        if observed.let_go {
            return State::LetGo;
        }
        match self.holder(&work.uid, target, &observed) {
            Holder::Own => match self.replaced_state(brief, wanted, &observed, now) {
                Some(state) => state,
                None => self.next(wanted, &mark, now),
            },
            // It is handed over: the other one does not want it any more.
            Holder::Other(maker) if self.inherits(&work.uid, maker) || self.is_given_up(maker, target) => {
                let guard = Guard::Uid(observed.uid);
                let force = takes_fields(wanted) && wanted.options.on_conflict != OnConflict::Adopt;
                self.unless_failed(target, Write { cause: Cause::Changed, guard, force }, now)
            }
            Holder::Other(maker) => {
                let name = &maker.name;
                State::Conflict(format!("it was made for {name}, which wants it still"))
            }
            Holder::Policies => State::Conflict("policies made it".to_owned()),
            Holder::Nobody => match wanted.options.on_conflict {
                OnConflict::Report => State::Conflict("it is there already, and is not Muster's".to_owned()),
                on_conflict => {
                    let force = on_conflict == OnConflict::Force && takes_fields(wanted);
                    let guard = Guard::Uid(observed.uid);
                    self.unless_failed(target, Write { cause: Cause::Changed, guard, force }, now)
                }
            },
        }
    }

    pub(super) fn holder<'a>(&'a self, uid: &str, target: &Target, observed: &'a Observed) -> Holder<'a> {
        let mark = observed.mark.as_ref().filter(|mark| self.nonces.contains(&mark.nonce));
        if mark.is_some_and(|mark| !mark.is_of_work()) {
            return Holder::Policies;
        }
        match mark.and_then(|mark| mark.maker.as_ref()) {
            Some(maker) if maker.uid == uid => Holder::Own,
            Some(maker) => Holder::Other(maker),
            // Somebody took the mark off.
            None if self.last_wrote(uid, target, &observed.uid) => Holder::Own,
            None => {
                let others = self.claims.get(target).into_iter().flatten().filter(|other| *other != uid);
                let mut others = others.filter_map(|other| self.bundles.get(other));
                let last = others.find(|other| self.last_wrote(&other.work.uid, target, &observed.uid));
                last.map_or(Holder::Nobody, |other| Holder::Other(&other.work))
            }
        }
    }

    /// Whether an object is a Work's: by its mark, or by its UID.
    pub(super) fn is_own(&self, uid: &str, target: &Target, observed: &Observed) -> bool {
        matches!(self.holder(uid, target, observed), Holder::Own)
    }

    /// Whether an object without a mark is what a Work wrote, and no other one after it.
    fn last_wrote(&self, uid: &str, target: &Target, object: &str) -> bool {
        let Some(slot) = self.slots.get(target) else { return false };
        if slot.known.as_ref().is_none_or(|known| known.uid != object) {
            return false;
        }
        if let Some(maker) = slot.last_maker() {
            return maker.uid == uid || self.inherits(uid, maker);
        }
        let settled = |uid: &str| {
            let applied = self
                .bundles
                .get(uid)
                .and_then(|bundle| bundle.ledger())
                .and_then(|brief| brief.applied.as_ref());
            applied.and_then(|applied| applied.get(target)).is_some_and(|applied| applied.uid == object)
        };
        let mut others = self.claims.get(target).into_iter().flatten().filter(|other| *other != uid);
        settled(uid) || !others.any(|other| settled(other))
    }

    /// Whether a Work does not want an object any more, as far as is known: a Work whose ledger is not
    /// known wants what it made.
    pub(super) fn is_given_up(&self, maker: &Maker, target: &Target) -> bool {
        // Another Work of the name may hold its ledger.
        let own = self.bundles.get(&maker.uid).filter(|bundle| bundle.ledger().is_some());
        let holder = || self.bundles.get(self.names.get(&maker.name)?);
        // What is only planned gives nothing up yet.
        let holder = own.or_else(holder).filter(|bundle| !bundle.is_altered() && !bundle.is_planning());
        let Some(bundle) = holder else { return false };
        let looks_only = |wanted: &Wanted| wanted.options.apply == Apply::Observe;
        bundle.ledger().is_some_and(|brief| brief.wants_object(target).is_none_or(looks_only))
    }

    /// What an absent object waits for.
    fn waits(&self, brief: &Brief, target: &Target, first: &[Target], now: Duration) -> Option<State> {
        if let Some(needed) = first.iter().find(|needed| !self.is_there(brief, needed)) {
            return Some(State::Waits(format!("it waits for {needed}")));
        }
        let resource = &target.resource;
        if resource.group.is_empty() {
            return None;
        }
        let definition = Target { resource: CRDS, namespace: None, name: resource.full_name() };
        brief.wants(&definition)?;
        match self.catalog.find(&resource.group, &resource.version, &resource.kind, now) {
            Lookup::Found(_) => None,
            Lookup::Unasked => Some(State::Undiscovered),
            Lookup::Unknown | Lookup::Failed(..) => {
                Some(State::Unserved(format!("it waits for its definition {} to be served", definition.name)))
            }
        }
    }

    /// Whether something of a Work is there, or was tried and cannot be. What somebody else made serves as well.
    fn is_there(&self, brief: &Brief, target: &Target) -> bool {
        let Some(wanted) = brief.wants(target) else { return true };
        if wanted.options.apply == Apply::Observe {
            return true;
        }
        let Some(slot) = self.slots.get(target) else { return false };
        let tried = slot.has_failed() && !self.under_way.contains(target);
        let others = slot
            .observed
            .as_ref()
            .is_some_and(|observed| !observed.deleting && !self.is_own(&brief.work.uid, target, observed));
        let kept = wanted.options.apply == Apply::Create || wanted.options.on_drift == OnDrift::Report;
        let left = kept && slot.observed.as_ref().is_some_and(|observed| !observed.deleting);
        slot.is_right(&mark(brief, wanted)) || slot.is_let_go() || tried || slot.foreign || others || left
    }

    fn next(&mut self, wanted: &Wanted, mark: &Mark, now: Duration) -> State {
        let target = &wanted.target;
        let slot = self.slots.entry(target.clone()).or_default();
        let there = slot.observed.is_some();
        let drifted = slot.has_drifted(mark);
        // What was written before is Muster's, whoever changed it; what is asked for anew may be somebody else's.
        let force = drifted || wanted.options.on_conflict != OnConflict::Adopt;
        let next = slot.next(mark, true, now, salt(target));
        let (fought, calm) = (slot.pace.is_fought(now), slot.pace.calm());
        if !slot.pace.is_tested(now) {
            self.make_peace(target);
        }
        match next {
            Next::Nothing if fought => {
                State::Fought { message: self.rivalry(target), right: true, due: calm }
            }
            Next::Nothing => State::Right,
            _ if there && wanted.options.apply == Apply::Create => State::Right,
            _ if drifted && wanted.options.on_drift == OnDrift::Report => State::Drifted,
            Next::Later(due) => match self.slots.get(target).and_then(|slot| slot.failure.as_ref()) {
                Some((failure, message)) => State::Failed(*failure, message.clone(), due),
                None if fought => State::Fought { message: self.rivalry(target), right: false, due },
                None => State::Later(due),
            },
            Next::Create(cause) => State::Due(Write { cause, guard: Guard::Absent, force: true }),
            Next::Update(cause, uid) => State::Due(Write { cause, guard: Guard::Uid(uid), force }),
        }
    }

    /// A write, unless the last one failed a moment ago.
    fn unless_failed(&self, target: &Target, write: Write, now: Duration) -> State {
        let Some(slot) = self.slots.get(target) else { return State::Due(write) };
        let due = slot.pace.due(false, salt(target));
        match &slot.failure {
            _ if due <= now => State::Due(write),
            Some((failure, message)) => State::Failed(*failure, message.clone(), due),
            None => State::Later(due),
        }
    }
}

/// Whether fields of what is there already may be taken over: not where it is to be left as it is found.
fn takes_fields(wanted: &Wanted) -> bool {
    wanted.options.apply != Apply::Create && wanted.options.on_drift != OnDrift::Report
}

/// The mark that an object is to bear. It also stands for the fields that are left to others: by it, it is known what the
/// digest of the own fields is about.
pub(super) fn mark(brief: &Brief, wanted: &Wanted) -> Mark {
    let Wanted { target, digest, ignored, .. } = wanted;
    let content = ignored.iter().fold(digest.clone(), |content, path| format!("{content}\n{path}"));
    let content = if ignored.is_empty() { content } else { short_digest(content.as_bytes()) };
    Mark::of_work(target, brief.work.clone(), &brief.nonce, &content)
}
