//! What the replica keeps of the ledgers.

use super::Policies;
use super::bundle::{Bundle, Trying};
use super::slot::Known;
use crate::event::Change;
use crate::ledger::Kept;

impl Policies {
    /// A change of the ledgers.
    pub fn ledgers_changed(&mut self, change: Change<Kept>) {
        match change {
            Change::Failed(..) | Change::Alive => {}
            Change::ListBegan => self.ledgers.began(),
            Change::Listed(kept) | Change::Applied(kept) => self.keep(kept),
            Change::Gone(kept) => self.unkeep(&kept.ledger.policy.uid, &kept.uid),
            Change::ListComplete => {
                let shown = self.ledgers.completed();
                let gone: Vec<(String, String)> = self
                    .bundles
                    .iter()
                    .filter(|(uid, _)| !shown.contains(*uid))
                    .filter_map(|(uid, bundle)| Some((uid.clone(), bundle.kept.as_ref()?.uid.clone())))
                    .collect();
                for (uid, object) in gone {
                    self.unkeep(&uid, &object);
                }
                self.stir_all();
                self.touch_all();
            }
        }
    }

    pub(super) fn keep(&mut self, mut kept: Kept) {
        let uid = kept.ledger.policy.uid.clone();
        self.ledgers.show(&uid);
        let policy = kept.ledger.policy.clone();
        let bundle = self.bundles.entry(uid.clone()).or_insert_with(|| Bundle::new(policy));
        let number = |version: &str| version.parse::<u64>().unwrap_or(0);
        if bundle
            .kept
            .as_ref()
            .is_some_and(|old| old.uid == kept.uid && number(&kept.version) < number(&old.version))
        {
            return; // older than what was written here
        }
        bundle.share(&mut kept.ledger.items);
        self.union_is_stale |= bundle.kept.as_ref().is_none_or(|old| !old.ledger.same_record(&kept.ledger));
        if let Some(Trying::Record(tried)) = &bundle.trying
            && tried.same_record(&kept.ledger)
        {
            (bundle.recorded, bundle.trying) = (Some(kept.ledger.clone()), None);
        }
        self.know(&kept);
        self.touched.extend(kept.ledger.resources.iter().cloned());
        if let Some(bundle) = self.bundles.get_mut(&uid) {
            bundle.kept = Some(kept);
        }
        self.stirred.insert(uid);
    }

    /// What a ledger says of what is there. One of another directory, or of a replica that this one is a copy of, says
    /// nothing; and a namespace that nobody asks for any more may have been released already.
    pub(super) fn know(&mut self, kept: &Kept) {
        let Kept { ledger, .. } = kept;
        let home = self.home.as_ref();
        if home.is_none_or(|home| home.directory != ledger.directory || home.replica != ledger.replica) {
            return;
        }
        for (target, applied) in ledger.applied.iter().flatten() {
            if target.rank() == 0 && !ledger.wants(target) {
                continue;
            }
            let slot = self.slots.entry(target.clone()).or_default();
            slot.known.get_or_insert_with(|| Known {
                uid: applied.uid.clone(),
                fields: (!applied.fields.is_empty()).then(|| applied.fields.clone()),
            });
        }
    }

    fn unkeep(&mut self, policy: &str, object: &str) {
        let Some(bundle) = self.bundles.get_mut(policy) else { return };
        if bundle.kept.as_ref().is_some_and(|kept| kept.uid == object) {
            // What this process has seen recorded, it knows without the record.
            let lost = bundle.kept.take().map(|kept| kept.ledger);
            if matches!(bundle.trying, Some(Trying::Forget)) {
                (bundle.recorded, bundle.trying) = (None, None);
            } else if bundle.recorded.is_none() {
                bundle.recorded = lost;
            }
            self.union_is_stale = true;
        }
        self.stirred.insert(policy.to_owned());
    }
}
