//! What keeps the values of Secrets beside the ledgers.

use std::collections::BTreeSet;

use super::WorkWorld;
use crate::event::StepOutcome;
use crate::failure::Failure;
use crate::values::{Digest, Key, MOST_BYTES, Values, Vault};

impl WorkWorld {
    fn name_of(&self, uid: &str) -> String {
        let named = |(name, work): (&String, &serde_json::Value)| {
            (work["metadata"]["uid"] == uid).then(|| name.clone())
        };
        let recorded = || self.ledgers.values().find(|kept| kept.ledger.maker.uid == uid);
        let name = self.works.iter().find_map(named);
        name.or_else(|| Some(recorded()?.ledger.maker.name.clone())).unwrap_or_else(|| uid.to_owned())
    }

    fn refused_value(&mut self, verb: &str, uid: &str) -> Option<StepOutcome> {
        let failure = self.refused.get("Values").copied()?;
        self.log.push(format!("failed {verb} {}", self.name_of(uid)));
        Some(StepOutcome::Failed(failure, "no".into()))
    }

    pub(super) fn unlock(&mut self, uid: &str) -> StepOutcome {
        self.reads.push(format!("unlock {}", self.name_of(uid)));
        if let Some(failure) = self.refused.get("Values").filter(|failure| **failure != Failure::Invalid) {
            return StepOutcome::Failed(*failure, "no".into());
        }
        let vault = self.vaults.get(uid).map(|vault| {
            // As an agent reads it: what was altered counts for nothing.
            let data = vault.data().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            Vault::read(data).unwrap()
        });
        StepOutcome::Unlocked(vault.unwrap_or_else(|| {
            self.keys += 1;
            Vault { key: Key::new([self.keys; 32]), values: Values::default(), there: false }
        }))
    }

    pub(super) fn seal(
        &mut self,
        uid: &str,
        key: &Key,
        keep: &BTreeSet<Digest>,
        add: &Values,
    ) -> StepOutcome {
        if let Some(failed) = self.refused_value("seal", uid) {
            return failed;
        }
        if add.bytes() > MOST_BYTES {
            return StepOutcome::Failed(Failure::TooLarge, "they are too many".into());
        }
        let name = self.name_of(uid);
        let recorded = self.ledgers.values().any(|kept| kept.ledger.maker.uid == uid);
        let gone = !self.works.contains_key(&name); // it went meanwhile
        assert!(recorded || gone || self.is_held(&name), "values of {name} would be found by nobody");
        let none = Vault { key: key.clone(), values: Values::default(), there: false };
        let after = self.vaults.get(uid).unwrap_or(&none).with(key, keep, add);
        assert_ne!(self.vaults.get(uid), Some(&after), "{name} is sealed twice");
        self.log.push(format!("seal {name}"));
        let held = after.values.digests().cloned().collect();
        self.vaults.insert(uid.to_owned(), after);
        if let Some(failure) = self.refused.get("answers").copied() {
            return StepOutcome::Failed(failure, "no answer".into());
        }
        StepOutcome::Sealed(held)
    }

    pub(super) fn discard(&mut self, uid: &str) -> StepOutcome {
        if let Some(failed) = self.refused_value("discard", uid) {
            return failed;
        }
        let name = self.name_of(uid);
        for kept in self.ledgers.values().filter(|kept| kept.ledger.maker.uid == uid) {
            let refers = kept.ledger.items.iter().any(|item| !crate::values::references(item).is_empty());
            // Another Work of the name has its own, and takes the ledger over. Nobody may have told yet that the directory
            // was set back to when there was none.
            let ceded = self.works.get(&name).is_some_and(|work| work["metadata"]["uid"] != uid);
            let ceded = ceded || self.restored;
            assert!(!refers || ceded, "the ledger of {name} refers to values");
        }
        if self.vaults.remove(uid).is_some() {
            self.log.push(format!("discard {name}"));
        }
        StepOutcome::Deleted
    }

    /// What lies beside the ledger of a Work.
    pub(in super::super) fn vault(&self, work: &str) -> Option<&Vault> {
        self.vaults.get(&self.uid(work))
    }
}
