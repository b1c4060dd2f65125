//! A Work that was made anew under its name, with another UID. The ledger bears the name: so the new one takes over the
//! record of the one before it, in one write, and with it what both ask for. What the earlier one alone asked for goes
//! before that, where its deletion was seen; where it was not, it stays until somebody says what is to become of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Works;
use super::brief::Brief;
use super::bundle::{Bundle, Demand};
use super::seen::{Lost, Seen};
use crate::item::Item;
use crate::ledger::{Kept, Phase};
use crate::mark::{Maker, Mark};
use crate::observed::Observed;
use crate::protected;
use crate::target::Target;
use crate::work::{Deletion, Options};

impl Works {
    /// The Work before this one whose ledger bears the name of both.
    pub(super) fn predecessor(&self, bundle: &Bundle) -> Option<&Bundle> {
        let uid = self.names.get(&bundle.work.name).filter(|uid| **uid != bundle.work.uid)?;
        self.bundles.get(uid).map(Box::as_ref)
    }

    /// The Work that stands in the directory under the name of one that is lost.
    pub(super) fn heir(&self, bundle: &Bundle) -> Option<&Bundle> {
        bundle.lost.as_ref()?;
        self.bundles.values().map(Box::as_ref).find(|other| {
            let stands = other.lost.is_none()
                && other.seen.as_ref().is_some_and(|seen| seen.is_held() || !seen.deleting);
            stands && other.work.name == bundle.work.name && other.work.uid != bundle.work.uid
        })
    }

    /// Whether what bears the mark of another Work counts as made by the one of this UID: it holds the record of both.
    pub(super) fn inherits(&self, uid: &str, maker: &Maker) -> bool {
        maker.uid != uid && self.names.get(&maker.name).is_some_and(|holder| holder == uid)
    }

    /// Whether a ledger can be taken over: the directory answered that its Work is not the one of its name any more, and
    /// what was to go before that is gone.
    fn hands_over(&self, bundle: &Bundle, heir: &Bundle) -> bool {
        let Some(brief) = bundle.believed() else { return false };
        if bundle.lost.is_none() || bundle.under_way > 0 || bundle.keeper.is_busy() {
            return false;
        }
        if !self.is_ours(brief) {
            return self.is_of_another_directory(brief);
        }
        let idle = bundle.is_altered() || bundle.is_suspended(); // nothing is done for it any more
        match brief.phase {
            _ if idle => bundle.missing,
            Phase::Applying | Phase::Leaving => bundle.missing && bundle.lost == Some(Lost::Unseen),
            Phase::Deleting => {
                let stays = self.heritage(brief, heir);
                // What a third one wants is left to that one, which may wait for something of this one itself.
                let beside = self.beside(bundle);
                brief.left.keys().all(|target| {
                    stays.contains(target)
                        || self.is_gone(bundle, brief, target)
                        || beside.asks_for(target)
                        || self.is_claimed(brief, target)
                })
            }
        }
    }

    /// Whether a ledger is of this replica, and of a directory that it had joined before it was told to join this one. Nobody
    /// there has a say any more, and the Work of its name here is another one.
    fn is_of_another_directory(&self, brief: &Brief) -> bool {
        self.home
            .as_ref()
            .is_some_and(|home| home.replica == brief.replica && home.directory != brief.directory)
    }

    /// Whether the ledger of a Work is of another directory.
    fn was_lost(&self, bundle: &Bundle) -> bool {
        bundle.believed().is_some_and(|brief| self.is_of_another_directory(brief))
    }

    /// Whether a Work made nothing, since the record of one of its name that a lost directory had is in the place of its own.
    pub(super) fn never_took_over(&self, bundle: &Bundle) -> bool {
        bundle.believed().is_none() && self.predecessor(bundle).is_some_and(|before| self.was_lost(before))
    }

    /// What the ledger of the Work before this one is to say, in one write: what this one asks for, and what the other one
    /// leaves beside that. It is held before: what it takes over is there already. One that is being deleted asks for nothing,
    /// and somebody can say by it what is to become of the rest.
    pub(super) fn inherited(&self, bundle: &Bundle) -> Option<(Brief, Vec<Arc<Item>>)> {
        let before = self.predecessor(bundle)?;
        if !before.safe.is_gone() || !self.takes_over(bundle, before) {
            return None;
        }
        let Demand { brief, items } = bundle.demand.as_ref()?;
        let (mut brief, mut items) = (Brief::clone(brief), items.clone());
        if bundle.is_deleting() {
            brief.wanted.clear();
            items.clear();
        }
        let record = before.believed()?;
        // That it may be deleted, the new one has to say itself. What a lost directory alone asked for is let go: whoever
        // wrote the new one need not know of it.
        let allow_deletion = brief.options.allow_deletion;
        let lost = self.is_of_another_directory(record);
        let now = |options: &Options| {
            let deletion = if lost { Deletion::Orphan } else { options.deletion };
            Options { deletion, allow_deletion, ..options.clone() }
        };
        let left = self.rest(before, record, &brief).into_iter();
        let left = left.map(|(target, options)| (target, Arc::new(now(&options)))).collect();
        // The objects bear it, and not all of them may be known by their UID.
        let nonce = record.nonce.clone();
        Some((Brief { nonce, left, ..brief }, items))
    }

    /// Whether nothing of a Work is known by the nonce of its ledger alone, which may be of an earlier joining: another
    /// process knows a nonce by the ledgers that bear it.
    pub(super) fn is_known_by_uid(&self, brief: &Brief) -> bool {
        let bears =
            |observed: &Observed| observed.mark.as_ref().is_some_and(|mark| mark.nonce == brief.nonce);
        let known = |target: &Target| {
            let recorded = brief.applied.as_ref().is_some_and(|applied| applied.contains_key(target));
            recorded
                || self.slots.get(target).is_some_and(|slot| match &slot.observed {
                    Some(observed) => !bears(observed),
                    None => slot.absent || slot.foreign,
                })
        };
        // No watch shows what was let go.
        let left = |target: &Target| {
            self.slots.get(target).and_then(|slot| slot.observed.as_ref()).is_some_and(bears)
        };
        let wanted = brief.wanted.iter().all(|wanted| known(&wanted.target));
        wanted && !brief.left.keys().any(left) || !Mark::bears(&brief.nonce)
    }

    /// Whether nothing but the values beside it keeps a ledger from being taken over. They bear the UID of its Work, and
    /// nobody would find them after that.
    pub(super) fn cedes(&self, uid: &str) -> bool {
        let Some(bundle) = self.bundles.get(uid).filter(|bundle| bundle.believed().is_some()) else {
            return false;
        };
        self.heir(bundle).is_some_and(|heir| heir.demand.is_some() && self.takes_over(heir, bundle))
    }

    fn takes_over(&self, heir: &Bundle, before: &Bundle) -> bool {
        let held = heir.seen.as_ref().is_some_and(Seen::is_held) && heir.lost.is_none();
        // What is deleted before it had anything says nothing of what a lost directory asked for.
        let late = heir.is_deleting() && self.was_lost(before);
        held && !late && !heir.is_only_planned() && self.hands_over(before, heir)
    }

    /// Whether a ledger is being taken over: nothing is done for its Work any more.
    pub(super) fn is_taken_over(&self, uid: &str) -> bool {
        let bundle = self.bundles.get(uid).filter(|bundle| bundle.lost.is_some());
        let heir = bundle.filter(|bundle| bundle.believed().is_some()).and_then(|bundle| self.heir(bundle));
        heir.is_some_and(|heir| heir.keeper.is_busy())
    }

    /// What becomes of a Work that is lost concerns the one that takes its ledger over, and what that one asks for now
    /// concerns what becomes of the other.
    pub(super) fn stir_namesake(&mut self, uid: &str, compiled: bool) {
        let Some(bundle) = self.bundles.get(uid) else { return };
        let heir = self.heir(bundle).map(|heir| heir.work.uid.clone());
        let before = self.predecessor(bundle).filter(|_| compiled).map(|before| before.work.uid.clone());
        for uid in heir.into_iter().chain(before) {
            self.turns.push(&uid);
        }
    }

    /// What lies beside the ledger of a directory that was lost goes before a Work of this one takes it over.
    pub(super) fn stir_lost(&mut self, uid: &str) {
        let Some(bundle) = self.bundles.get(uid) else { return };
        let lost = |before: &&Bundle| {
            self.was_lost(before) && !before.safe.is_gone() && self.takes_over(bundle, before)
        };
        if let Some(before) = self.predecessor(bundle).filter(lost) {
            let before = before.work.uid.clone();
            self.turns.push(&before);
        }
    }

    /// Nothing lies beside it any more, and it can be taken over.
    pub(super) fn stir_heir(&mut self, uid: &str) {
        let Some(bundle) = self.bundles.get(uid) else { return };
        if let Some(heir) = self.heir(bundle).map(|heir| heir.work.uid.clone()) {
            self.turns.push(&heir);
        }
    }

    /// The ledger of this name is another Work's from here on. One that the directory shows still has lost it.
    pub(super) fn displaced(&mut self, uid: Option<String>, object: &str) {
        let Some(uid) = uid else { return };
        let Some(bundle) = self.bundles.get_mut(&uid) else { return };
        let before = bundle.believed().cloned();
        if bundle.lost.is_some() || bundle.seen.is_none() {
            bundle.keeper.forgotten();
            bundle.ending = None;
        } else {
            bundle.keeper.unkeep(object);
        }
        let now = bundle.believed().cloned();
        self.claim(&uid, before.as_ref(), now.as_ref());
        self.turns.push(&uid);
    }

    /// Whether a ledger that is shown is an older state of what another Work has taken over since.
    pub(super) fn is_handed_over(&self, kept: &Kept<Arc<Brief>>) -> bool {
        let number = |version: &str| version.parse::<u64>().unwrap_or(0);
        let Maker { name, uid } = &kept.ledger.work;
        let holder = self.names.get(name).filter(|holder| *holder != uid);
        let held = holder.and_then(|holder| self.bundles.get(holder)?.keeper.kept());
        held.is_some_and(|held| held.uid == kept.uid && number(&held.version) > number(&kept.version))
    }

    /// What an earlier Work leaves to the one that stands under its name now: what that one asks for, or may ask for, and
    /// what nobody has allowed to be deleted.
    pub(super) fn heritage<'a>(&self, brief: &'a Brief, heir: &Bundle) -> BTreeSet<&'a Target> {
        let unread = heir.demand.is_none() && heir.ledger().is_none();
        let claims = |target: &Target| {
            let asked = heir.demand.as_ref().and_then(|demand| demand.brief.wants_object(target));
            !heir.is_deleting()
                && (unread
                    || asked.is_some() // to look at it is to want it there
                    || heir.flaws.iter().any(|flawed| flawed.named.may_be(target)))
        };
        let claimed: BTreeSet<&Target> = brief.left.keys().filter(|target| claims(target)).collect();
        // With a namespace or a definition goes what is in it. What was made for one before both waits for a word, too.
        let kept = brief.left.iter().filter(|(target, options)| {
            let forbidden = !options.allow_deletion && options.deletion == Deletion::Delete;
            let observed = self.slots.get(*target).and_then(|slot| slot.observed.as_ref());
            let maker = observed.and_then(|observed| observed.mark.as_ref()?.maker.as_ref());
            let earlier = maker.is_some_and(|maker| maker.uid != brief.work.uid);
            forbidden && earlier
                || protected::is_protected(&target.resource) && (forbidden || !claimed.is_empty())
        });
        let kept: Vec<&Target> = kept.map(|(target, _)| target).collect();
        claimed.into_iter().chain(kept).collect()
    }
}
