//! A policy of the name of one of a directory that was lost: it takes over what both ask for. What the lost one alone asked for
//! stays as it is.

use super::Policies;
use crate::ledger::Ledger;
use crate::live::Known;

impl Policies {
    /// What a policy of a lost directory made is known by its UID, where one of its name asks for it here. Namespaces are used by
    /// whoever asks for them, and stay nobody's.
    pub(super) fn inherit(&mut self) {
        let Some(home) = &self.home else { return };
        let is_lost = |ledger: &&Ledger| ledger.replica == home.replica && ledger.directory != home.directory;
        let heir =
            |uid: &String, name: &str| self.bundles.get(uid).is_some_and(|heir| heir.policy.name == name);
        for ledger in self.bundles.values().filter_map(super::Bundle::ledger).filter(is_lost) {
            for (target, applied) in ledger.applied.iter().flatten().filter(|(target, _)| target.rank() > 0) {
                let heirs = self.users.get(target).filter(|_| self.wanted.contains_key(target));
                if heirs.is_some_and(|heirs| heirs.iter().any(|uid| heir(uid, &ledger.maker.name))) {
                    let by = Some(ledger.maker.uid.as_str().into());
                    let known = Known { uid: applied.uid.clone(), fields: None, by };
                    self.slots.entry(target.clone()).or_default().known.get_or_insert(known);
                }
            }
        }
    }
}
