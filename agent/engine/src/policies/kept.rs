//! What the replica keeps of the ledgers.

use super::Policies;
use super::bundle::Bundle;
use crate::event::Change;
use crate::ledger::Kept;
use crate::live::Known;

impl Policies {
    /// A change of the ledgers.
    pub fn ledgers_changed(&mut self, change: Change<Kept>) {
        match change {
            Change::Failed(..) | Change::Alive => {}
            Change::ListBegan => self.ledgers.began(),
            Change::Listed(kept) | Change::Applied(kept) => self.keep(kept),
            Change::Gone(kept) => self.unkeep(&kept.ledger.maker.uid, &kept.uid),
            Change::ListComplete => {
                let shown = self.ledgers.completed();
                let gone: Vec<(String, String)> = self
                    .bundles
                    .iter()
                    .filter(|(uid, _)| !shown.contains(*uid))
                    .filter_map(|(uid, bundle)| Some((uid.clone(), bundle.keeper.kept()?.uid.clone())))
                    .collect();
                for (uid, object) in gone {
                    self.unkeep(&uid, &object);
                }
                let era = self.home.as_ref().map(|home| home.era).unwrap_or_default();
                self.bundles.values_mut().for_each(|bundle| bundle.rejudge(era));
                self.stir_all();
                self.touch_all();
            }
        }
    }

    pub(super) fn keep(&mut self, mut kept: Kept) {
        let uid = kept.ledger.maker.uid.clone();
        self.ledgers.show(&uid);
        let policy = kept.ledger.maker.clone();
        let bundle = self.bundles.entry(uid.clone()).or_insert_with(|| Bundle::new(policy));
        bundle.share(&mut kept.ledger.items);
        if self.shown.is_complete() && !bundle.is_shown() {
            bundle.lost = true; // the directory was listed before this was known
        }
        let Some(changed) = bundle.keeper.keep(kept.clone()) else { return };
        self.union_is_stale |= changed;
        self.know(&kept);
        self.touched.extend(kept.ledger.resources);
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
                by: Some(ledger.maker.uid.as_str().into()),
            });
        }
    }

    fn unkeep(&mut self, policy: &str, object: &str) {
        let Some(bundle) = self.bundles.get_mut(policy) else { return };
        self.union_is_stale |= bundle.keeper.unkeep(object);
        self.stirred.insert(policy.to_owned());
    }
}
