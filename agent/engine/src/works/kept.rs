//! What the ledgers in the replica say: which Work claims which object, and what is known of it by that.

use std::sync::Arc;

use super::Works;
use super::brief::Brief;
use super::bundle::Bundle;
use super::kinds::account;
use super::seen::Lost;
use crate::event::Change;
use crate::ledger::Kept;
use crate::live::Known;

/// Where a UID is among these, or where it is to be.
fn place(claims: &[String], uid: &str) -> Result<usize, usize> {
    claims.binary_search_by(|claim| claim.as_str().cmp(uid))
}

impl Works {
    /// A change of the ledgers.
    pub fn ledgers_changed(&mut self, change: Change<Kept>) {
        match change {
            Change::Failed(..) | Change::Alive => {}
            Change::ListBegan => self.ledgers.began(),
            Change::Listed(kept) | Change::Applied(kept) => {
                if let Some(brief) = Brief::of(&kept.ledger) {
                    self.keep(Kept { ledger: Arc::new(brief), uid: kept.uid, version: kept.version });
                }
            }
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
                let era = self.era();
                self.bundles.values_mut().for_each(|bundle| bundle.rejudge(era));
                self.stir_all();
            }
        }
    }

    pub(super) fn keep(&mut self, kept: Kept<Arc<Brief>>) {
        if self.is_handed_over(&kept) {
            return;
        }
        let brief = Arc::clone(&kept.ledger);
        let uid = brief.work.uid.clone();
        self.ledgers.show(&uid);
        let bundle =
            self.bundles.entry(uid.clone()).or_insert_with(|| Box::new(Bundle::new(brief.work.clone())));
        if self.shown.is_complete() && bundle.seen.is_none() && bundle.lost.is_none() {
            bundle.lost = Some(Lost::Unseen); // the directory was listed before
        }
        let before = bundle.believed().cloned();
        let object = kept.uid.clone();
        bundle.keeper.keep(kept);
        let now = bundle.believed().cloned();
        let holder = self.names.insert(brief.work.name.clone(), uid.clone());
        self.claim(&uid, before.as_ref(), now.as_ref());
        self.displaced(holder.filter(|holder| *holder != uid), &object);
        self.know(&brief);
        self.turns.push(&uid);
    }

    fn unkeep(&mut self, work: &str, object: &str) {
        let Some(bundle) = self.bundles.get_mut(work) else { return };
        let before = bundle.believed().cloned();
        if bundle.keeper.unkeep(object) {
            self.unnamed(work, before.as_ref());
        }
        self.turns.push(work);
    }

    /// A Work has no ledger any more. Another one of its name may have waited for that.
    pub(super) fn unnamed(&mut self, uid: &str, before: Option<&Arc<Brief>>) {
        let now = self.bundles.get(uid).and_then(|bundle| bundle.believed()).cloned();
        self.claim(uid, before, now.as_ref());
        let Some(name) = before.map(|brief| brief.work.name.clone()) else { return };
        if now.is_none() && self.names.get(&name).is_some_and(|named| named == uid) {
            self.names.remove(&name);
        }
        let namesakes = self.bundles.iter_mut().filter(|(_, bundle)| bundle.work.name == name);
        for (uid, bundle) in namesakes {
            bundle.keeper.renew();
            self.turns.push(uid);
        }
    }

    /// What a Work's ledger records, instead of what it recorded before.
    pub(super) fn claim(&mut self, uid: &str, before: Option<&Arc<Brief>>, now: Option<&Arc<Brief>>) {
        if let Some(now) = now {
            self.renew(before.map(Arc::as_ref), now);
        }
        self.reclaim(uid, before, now);
        if let Some(now) = now {
            self.note_values(now);
        }
    }

    fn reclaim(&mut self, uid: &str, before: Option<&Arc<Brief>>, now: Option<&Arc<Brief>>) {
        if let (Some(before), Some(now)) = (before, now)
            && before.targets().eq(now.targets())
            && (before.phase, before.wanted.len()) == (now.phase, now.wanted.len())
            && account(before) == account(now)
        {
            return;
        }
        if let Some(brief) = before {
            for target in brief.targets() {
                if let Some(claims) = self.claims.get_mut(target)
                    && let Ok(place) = place(claims, uid)
                {
                    claims.remove(place);
                    if claims.is_empty() {
                        self.claims.remove(target);
                    }
                    self.remove_object(target, account(brief));
                }
            }
        }
        if let Some(brief) = now {
            for target in brief.targets() {
                let claims = self.claims.entry(target.clone()).or_default();
                if let Err(place) = place(claims, uid) {
                    claims.reserve_exact(1);
                    claims.insert(place, uid.to_owned());
                    self.add_object(target, account(brief));
                }
            }
        }
        for target in before.iter().flat_map(|brief| brief.targets()) {
            if !self.claims.contains_key(target) && !self.under_way.contains(target) {
                self.slots.remove(target);
                self.readiness.remove(target);
                self.feedback.remove(target);
                self.fights.remove(target);
                self.live.remove(target);
                self.refused.remove(target);
                self.replacements.remove(target);
                self.unserved.remove(target);
                self.elsewhere.remove(target);
            }
            self.stir_claimants(target);
        }
        if let Some(brief) = now {
            self.nonces.insert(brief.nonce.clone());
        }
    }

    /// What a ledger says of what is there. One of another directory, or of a replica that this one is a copy of, says
    /// nothing.
    pub(super) fn know(&mut self, brief: &Brief) {
        if !self.is_ours(brief) {
            return;
        }
        for (target, applied) in brief.applied.iter().flatten() {
            let slot = self.slots.entry(target.clone()).or_default();
            slot.known.get_or_insert_with(|| Known {
                uid: applied.uid.clone(),
                fields: (!applied.fields.is_empty()).then(|| applied.fields.clone()),
                by: Some(brief.work.uid.as_str().into()),
            });
        }
    }
}
