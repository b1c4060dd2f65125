//! What is known of the values of one Work's Secrets: the key of their digests, what lies beside the ledger, and those
//! that are at hand since something of them is still to be written.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::brief::Brief;
use super::bundle::Bundle;
use super::objects::State;
use crate::failure::Failure;
use crate::item::Item;
use crate::pace::Pace;
use crate::target::Target;
use crate::values::{self, Digest, Key, Values, Vault};

/// What people are told where values are lost.
pub(super) const LOST: &str = "its values are not beside the record of the Work any more, or were altered there: the object is left as it is until they are read from the directory anew";

/// The values of one Work's Secrets, as far as they are known.
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own
#[derive(Debug, Default)]
pub(super) struct Safe {
    /// The key; `None` until it was read in this process.
    key: Option<Key>,
    /// What the Work asks for cannot be compared without the key.
    wants_key: bool,
    /// Something is to be written of which the values are not at hand.
    pub(super) wants_values: bool,
    /// What lies beside the ledger, as far as is known.
    held: BTreeSet<Digest>,
    /// It is known that nothing lies there.
    gone: bool,
    /// What is at hand.
    values: Values,
    /// Since when something lies there that nothing refers to.
    pub(super) stale_since: Option<Duration>,
    busy: bool,
    failure: Option<(Failure, String)>,
    pace: Pace,
}

impl Safe {
    /// Puts references in the place of values. `false`: not before the key is known. Where the Work goes, it is never
    /// asked what it asked for: references to nothing serve.
    pub(super) fn seal<'a>(&mut self, items: impl Iterator<Item = &'a mut Item>, goes: bool) -> bool {
        self.wants_key = false;
        for item in items.filter(|item| values::has_any(item)) {
            *item = match &self.key {
                Some(key) => {
                    let (sealed, values) = values::seal(item, key);
                    self.values.extend(values);
                    sealed
                }
                None if goes => values::blank(item),
                None => {
                    self.wants_key = true;
                    return false;
                }
            };
        }
        true
    }

    /// The key, where something waits for it to be read.
    pub(super) fn wants_key(&self) -> bool {
        self.wants_key && self.key.is_none()
    }

    /// An item with its values, where all are at hand.
    pub(super) fn open(&self, item: &Item) -> Option<Item> {
        values::open(item, &self.values)
    }

    /// Whether an item that cannot be opened stays so, whatever is read once more: values that it refers to are neither at
    /// hand nor beside the ledger, as that was last read, or something else stands in the place of one.
    pub(super) fn has_lost(&self, item: &Item) -> bool {
        let references = values::references(item);
        let lost = |digest: &Digest| !self.holds(digest) && !self.has(digest);
        self.key.is_some()
            && (references.iter().any(lost) || references.iter().all(|digest| self.has(digest)))
    }

    fn holds(&self, digest: &Digest) -> bool {
        self.held.contains(digest)
    }

    fn has(&self, digest: &Digest) -> bool {
        self.values.digests().any(|at_hand| at_hand == digest)
    }

    /// Whether all of these lie beside the ledger.
    pub(super) fn holds_all(&self, digests: &BTreeSet<Digest>) -> bool {
        digests.is_subset(&self.held)
    }

    /// Whether something lies there that is none of these.
    pub(super) fn holds_more_than(&self, digests: &BTreeSet<Digest>) -> bool {
        !self.held.is_subset(digests)
    }

    /// The key of the digests, where it is known.
    pub(super) fn key(&self) -> Option<Key> {
        self.key.clone()
    }

    /// Those of these values that are at hand.
    pub(super) fn pick(&self, asked: &BTreeSet<Digest>) -> Values {
        self.values.pick(|digest| asked.contains(digest))
    }

    /// Whether something may lie beside a ledger since it names this object.
    pub(super) fn may_hold_for(&self, target: &Target) -> bool {
        !self.gone && values::may_have(target)
    }

    /// Whether it is known that nothing lies there.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Whether something lies beside a ledger, or may, going by what the ledger names.
    pub(super) fn may_hold(&self, brief: &Brief) -> bool {
        !self.held.is_empty() || brief.targets().any(|target| self.may_hold_for(target))
    }

    /// The Work is new to this replica: nothing can lie there.
    pub(super) fn begins(&mut self) {
        self.gone |= self.held.is_empty();
    }

    /// Whether nothing is known to lie there, and nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && !self.busy
    }

    // === what is under way ===

    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    /// A step is under way. `seals`: values may lie there from here on, whatever is heard of it.
    pub(super) fn begin(&mut self, seals: bool) {
        self.busy = true;
        self.gone &= !seals;
    }

    /// When the next step may be taken.
    pub(super) fn due(&self, salt: u64) -> Duration {
        self.pace.due(false, salt)
    }

    /// Whether the next step is tried again for the time alone.
    pub(super) fn is_retry(&self) -> bool {
        self.pace.is_retry()
    }

    /// Why the last step failed.
    pub(super) fn failure(&self) -> Option<&(Failure, String)> {
        self.failure.as_ref()
    }

    /// What failed is not wanted any more.
    pub(super) fn well(&mut self) {
        self.failure = None;
    }

    /// What failed so is tried again at once. Returns whether it did.
    pub(super) fn hurry(&mut self, concerned: impl Fn(Failure) -> bool) -> bool {
        let hurried = self.failure.as_ref().is_some_and(|(failure, _)| concerned(*failure));
        if hurried {
            self.pace.hurry();
        }
        hurried
    }

    // === what came of it ===

    pub(super) fn ended(&mut self) {
        (self.busy, self.failure) = (false, None);
    }

    /// What lies beside the ledger was read. Of the values, those that these items refer to are kept at hand.
    pub(super) fn unlocked(&mut self, vault: Vault, items: &[Arc<Item>], now: Duration, salt: u64) {
        let asked: BTreeSet<Digest> = items.iter().flat_map(|item| values::references(item)).collect();
        let Vault { key, mut values, there } = vault;
        (self.wants_values, self.gone) = (false, !there);
        let own = self.key.get_or_insert_with(|| key.clone());
        // What was recorded was sealed with the key that this process knows: under another one nothing of it is there.
        if *own != key {
            values = Values::default();
        }
        self.held = values.digests().cloned().collect();
        values.retain(|digest| asked.contains(digest));
        self.values.extend(values);
        // What cannot be opened now is not read again and again.
        if items.iter().all(|item| self.open(item).is_some()) {
            self.pace.succeeded();
        } else {
            self.pace.failed(now, salt);
        }
    }

    /// This lies beside the ledger now.
    pub(super) fn sealed(&mut self, held: BTreeSet<Digest>) {
        (self.held, self.gone, self.stale_since) = (held, false, None);
        self.pace.succeeded();
    }

    /// Nothing lies there any more.
    pub(super) fn discarded(&mut self) {
        self.held.clear();
        (self.gone, self.stale_since) = (true, None);
        self.pace.succeeded();
    }

    pub(super) fn failed(&mut self, failure: Failure, message: String, now: Duration, salt: u64) {
        self.failure = Some((failure, message));
        self.pace.failed(now, salt);
    }
}

impl Bundle {
    /// Why what is to be recorded of the Work is not.
    pub(super) fn record_failure(&self) -> Option<&(Failure, String)> {
        self.keeper.failure().or_else(|| self.safe.failure())
    }

    /// Whether something of it is to be written, and values of it are lost.
    pub(super) fn has_lost_values(&self) -> bool {
        let wants = |target: &Target| self.ledger().is_some_and(|brief| brief.wants(target).is_some());
        self.states.iter().any(|(target, state)| *state == State::ValuesLost && wants(target))
    }

    /// The Secrets that are still to be written, or compared with what is there.
    pub(super) fn needed_secrets(&self) -> Vec<Arc<Item>> {
        let planned = self.demand.iter().filter(|_| self.is_planning()).flat_map(|demand| &demand.items);
        let all = self.bodies.values().chain(planned);
        all.filter(|item| values::may_have(&item.target)).cloned().collect()
    }

    /// Values that nothing needs any more are kept in memory no longer.
    pub(super) fn trim_values(&mut self) {
        if self.safe.values.is_empty() {
            return;
        }
        let needed = self.needed_secrets();
        let needed: BTreeSet<Digest> = needed.iter().flat_map(|item| values::references(item)).collect();
        let asked = self.demand.as_ref().map(|demand| &demand.brief.references);
        let keeps =
            |digest: &str| needed.contains(digest) || asked.is_some_and(|asked| asked.contains(digest));
        self.safe.values.retain(keeps);
    }
}
