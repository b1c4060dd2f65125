//! A policy of the name of one of a directory that was lost: it takes over what both ask for. What the lost one alone asked for
//! stays as it is.

use super::Policies;
use crate::ledger::{Home, Ledger};
use crate::live::Known;
use crate::mark::Mark;
use crate::target::Target;

impl Policies {
    /// What is there, where a policy of a lost directory made it and one of its name asks for it here: it bears the mark of that
    /// one's ledger, or the UID that this records. Namespaces are used by whoever asks for them, and stay nobody's.
    pub(super) fn heirloom(&self, target: &Target) -> Option<Known> {
        let home = self.home.as_ref()?;
        let observed = self.slots.get(target)?.observed.as_ref().filter(|_| target.rank() > 0)?;
        let heirs = self.users.get(target)?;
        let heir =
            |uid: &String, name: &str| self.bundles.get(uid).is_some_and(|heir| heir.policy.name == name);
        let left = |ledger: &&Ledger| {
            let recorded = ledger.applied.as_ref().and_then(|applied| applied.get(target));
            let marked = observed.mark.as_ref().is_some_and(|mark| {
                let made = mark.maker.as_ref().is_none_or(|maker| maker.uid == ledger.maker.uid);
                made && mark.nonce == ledger.nonce && !mark.is_of_work()
            });
            let made = marked || recorded.is_some_and(|recorded| recorded.uid == observed.uid);
            made && ledger.resources.contains(target) && heirs.iter().any(|uid| heir(uid, &ledger.maker.name))
        };
        let ledger = self.lost(home).find(left)?;
        Some(Known { uid: observed.uid.clone(), fields: None, by: Some(ledger.maker.uid.as_str().into()) })
    }

    /// Whether a mark is of a policy of a lost directory: what was to be taken over from it, and was not, bears it still.
    pub(super) fn is_of_lost(&self, mark: &Mark) -> bool {
        let of_lost = |home| self.lost(home).any(|ledger| ledger.nonce == mark.nonce);
        !self.nonces.contains(&mark.nonce) && self.home.as_ref().is_some_and(of_lost)
    }

    /// The ledgers of directories that this replica had joined before.
    fn lost(&self, home: &Home) -> impl Iterator<Item = &Ledger> {
        let ledgers = self.bundles.values().filter_map(super::Bundle::ledger);
        ledgers.filter(move |ledger| ledger.replica == home.replica && ledger.directory != home.directory)
    }
}
