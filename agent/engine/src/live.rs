//! One object that policies or a Work want, or wanted: what is there, what is known of it, and what becomes of it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::failure::Failure;
use crate::mark::{Maker, Mark};
use crate::observed::Observed;
use crate::pace::Pace;
use crate::plan::Cause;

/// How often a server that does not answer is asked, before what waits for the answer waits no longer: with the pauses
/// in between, that takes some seconds.
const ATTEMPTS: u32 = 4;

/// All that is known of one object of the replica.
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// The object that is there.
    pub(crate) observed: Option<Observed>,
    /// The own object: its UID, and the digest of the fields that were written.
    pub(crate) known: Option<Known>,
    /// Why the last write failed.
    pub(crate) failure: Option<(Failure, String)>,
    pub(crate) pace: Pace,
    /// The fortune of the steps by which it is to go: whoever else wants it does not hold them up.
    pub(crate) clearing: Pace,
    /// A live read, or a deletion, showed that it is not there.
    pub(crate) absent: bool,
    /// What stands under its name, bears no label of Muster's, and is not Muster's: no watch shows it.
    pub(crate) foreign: bool,
    /// Whether it was shown once how it stands, where no watch does it.
    pub(crate) seen: bool,
    /// When a live read was last to show that.
    pub(crate) looked: Option<Duration>,
    /// Whether that live read met a replica that does not serve its kind: nobody can tell what became of it.
    pub(crate) unserved: bool,
    /// What was found in a namespace that is to go, and when.
    pub(crate) inspected: Option<(Result<(), String>, Duration)>,
    /// The digest of the fields that the ledger records turned out to be out of date.
    pub(crate) reassured: bool,
    /// The mark with which it was to be made, where nobody heard what came of that.
    tried: Option<Box<Mark>>,
    /// The mark with which it was last seen to be right.
    right: Option<Mark>,
}

/// The own object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) uid: String,
    pub(crate) fields: Option<String>,
    /// UID of the Work or policy in whose ledger that was read; `None`: this process made or saw it.
    pub(crate) by: Option<Box<str>>,
}

/// What is to be done about a wanted object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    Later(Duration),
    Create(Cause),
    Update(Cause, String),
}

impl Live {
    /// Whether what is there is Muster's: by its UID, or by a mark with one of the nonces in use.
    pub(crate) fn is_own(&self, nonces: &BTreeSet<String>) -> bool {
        self.observed.as_ref().is_some_and(|observed| self.knows(observed, nonces))
    }

    /// Whether an object is Muster's, in the same way.
    pub(crate) fn knows(&self, observed: &Observed, nonces: &BTreeSet<String>) -> bool {
        self.known.as_ref().is_some_and(|known| known.uid == observed.uid)
            || observed.mark.as_ref().is_some_and(|mark| nonces.contains(&mark.nonce))
    }

    /// The policy that what is there was made for, by its mark. What goes already, and what the owner of the replica took
    /// over, is nobody's any more.
    pub(crate) fn maker(&self, nonces: &BTreeSet<String>) -> Option<&Maker> {
        let observed = self.observed.as_ref().filter(|observed| !observed.deleting && !observed.let_go)?;
        observed.mark.as_ref()?.maker.as_ref().filter(|_| self.is_own(nonces))
    }

    /// Whether the owner of the replica took the object over.
    pub(crate) fn is_let_go(&self) -> bool {
        self.observed.as_ref().is_some_and(|observed| observed.let_go)
    }

    /// Whether the object is as it was written, with this mark.
    pub(crate) fn is_right(&self, mark: &Mark) -> bool {
        let (Some(observed), Some(known)) = (&self.observed, &self.known) else { return false };
        observed.uid == known.uid
            && observed.labelled
            && observed.mark.as_ref() == Some(mark)
            && known.fields.is_some()
            && observed.fields == known.fields
    }

    /// Takes note where the object is as it was written, with this mark: what differs from it afterwards was done by somebody
    /// else.
    pub(crate) fn see_right(&mut self, mark: &Mark) -> bool {
        let stays = |observed: &Observed| !observed.deleting && !observed.let_go;
        let right = self.observed.as_ref().is_some_and(stays) && self.is_right(mark);
        if right && self.right.as_ref() != Some(mark) {
            self.right = Some(mark.clone());
        }
        right
    }

    /// For whom it was made when it was last seen to be right.
    pub(crate) fn last_maker(&self) -> Option<&Maker> {
        self.right.as_ref().and_then(|mark| mark.maker.as_ref())
    }

    /// Whether the own object was as it is wanted with this mark, and somebody else changed or removed it since.
    pub(crate) fn has_drifted(&self, mark: &Mark) -> bool {
        if self.is_right(mark) {
            return false;
        }
        match (&self.right, &self.observed) {
            (Some(right), _) => right == mark,
            // Before this process saw it: the mark says what was written last.
            (None, Some(observed)) => observed.mark.as_ref().is_none_or(|last| last == mark),
            (None, None) => self.known.is_some(),
        }
    }

    /// What is asked for is not what this mark stands for any more. An object that is another Work's is not meant.
    pub(crate) fn outdate(&mut self, mark: Mark) {
        let others = self.observed.as_ref().and_then(|observed| observed.mark.as_ref());
        if self.right.is_none() && others.is_none_or(|other| other.maker == mark.maker) {
            self.right = Some(mark);
        }
    }

    /// What is to be done now, where the object is wanted with this mark. `own`: what is there is Muster's.
    pub(crate) fn next(&mut self, mark: &Mark, own: bool, now: Duration, salt: u64) -> Next {
        let drift = |right: bool, other: Cause| if right { Cause::Drift } else { other };
        let was_right = self.right.as_ref() == Some(mark);
        let is_right = own && self.see_right(mark);
        let (cause, uid) = match &self.observed {
            Some(_) if !own => return Next::Nothing,
            Some(observed) if observed.deleting || observed.let_go => return Next::Nothing,
            Some(_) if is_right => {
                self.pace.succeeded();
                self.failure = None;
                return Next::Nothing;
            }
            Some(observed) => (drift(was_right, Cause::Changed), Some(observed.uid.clone())),
            None => (drift(was_right, Cause::Missing), None),
        };
        if cause == Cause::Drift {
            self.pace.disturbed(now);
        }
        let due = self.pace.due(cause == Cause::Drift, salt);
        match uid {
            _ if due > now => Next::Later(due),
            Some(uid) => Next::Update(cause, uid),
            None => Next::Create(cause),
        }
    }

    /// A listing shows the object. It is right whatever was known before, also after the replica was restored to an
    /// older state.
    pub(crate) fn list(&mut self, observed: Observed) {
        self.absent = false;
        self.foreign = false;
        if self.observed.as_ref() != Some(&observed) {
            self.inspected = None;
        }
        self.observed = Some(observed);
        self.recognise();
    }

    /// It was to be made with this mark, and nobody heard what came of that.
    pub(crate) fn may_be_made(&mut self, mark: Mark) {
        self.tried = Some(Box::new(mark));
        self.recognise();
    }

    /// The one that was known is gone, where this is what came of a write that nobody heard of.
    fn recognise(&mut self) {
        if let Some(observed) = &self.observed
            && self.tried.is_some()
            && self.tried.as_deref() == observed.mark.as_ref()
        {
            self.known = Some(Known { uid: observed.uid.clone(), fields: None, by: None });
            self.tried = None;
        }
    }

    /// A watch, a write or a live read shows the object. An older state than one seen before is not taken.
    pub(crate) fn observe(&mut self, observed: Observed) {
        let number = |observed: &Observed| observed.version.parse::<u64>().unwrap_or(0);
        let newer = |seen: &Observed| seen.uid == observed.uid && number(seen) > number(&observed);
        if !self.observed.as_ref().is_some_and(newer) {
            self.list(observed);
        }
    }

    /// The replica does not show the object of this UID any more.
    pub(crate) fn miss(&mut self, uid: &str) {
        if self.observed.as_ref().is_some_and(|observed| observed.uid == uid) {
            self.observed = None;
        }
    }

    /// A write succeeded; `cause`: why it was made, and the resourceVersion before it. Returns whether it put right what
    /// somebody else had changed.
    pub(crate) fn written(
        &mut self,
        observed: Observed,
        (cause, before): (Cause, Option<&str>),
        now: Duration,
    ) -> bool {
        let noop = before == Some(observed.version.as_str());
        self.reassured |= noop;
        self.tried = None;
        self.known = Some(Known { uid: observed.uid.clone(), fields: observed.fields.clone(), by: None });
        self.observe(observed);
        self.failure = None;
        let corrected = cause == Cause::Drift && !noop;
        if corrected {
            self.pace.corrected(now);
        }
        self.pace.succeeded();
        corrected
    }

    /// A step failed.
    pub(crate) fn failed(&mut self, failure: Failure, message: String, now: Duration, salt: u64) {
        self.pace.failed(now, salt);
        self.failure = Some((failure, message));
    }

    /// Whether the last write failed, and another attempt is not likely to help soon. A server that does not answer is
    /// asked a few times before that is so.
    pub(crate) fn has_failed(&self) -> bool {
        match &self.failure {
            Some((Failure::Fenced, _)) => false, // it was not tried
            Some((Failure::Unavailable, _)) => self.pace.failures() >= ATTEMPTS,
            failure => failure.is_some(),
        }
    }

    /// Nothing is known of the object.
    pub(crate) fn is_empty(&self) -> bool {
        self.observed.is_none()
    }
}
