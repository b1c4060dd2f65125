//! What must be so at each step, whatever happened before.

use std::collections::{BTreeMap, BTreeSet};

use muster_api::marks;
use serde_json::Value;

use super::{WorkWorld, say};
use crate::evidence::{Deletion, Examination};
use crate::hold::key;
use crate::ledger::{Kept, Of, Phase};
use crate::mark::Maker;
use crate::plan::Step;
use crate::target::Target;

/// What live reads proved, by the world's own knowledge and not by the engine's.
#[derive(Default)]
pub(super) struct Proved {
    /// UIDs of the Works of which somebody asked for the deletion.
    ended: BTreeSet<String>,
    /// Those of them of which a live read showed it while the directory was whole.
    ended_and_read: BTreeSet<String>,
    /// UIDs of own entries that were deleted and said that what Works made goes, each with a Work that a live read showed
    /// after that.
    pub(super) left_and_read: BTreeSet<(String, String)>,
    /// For each Work the names of what it asked for when it was last read.
    asked: BTreeMap<String, BTreeSet<String>>,
}

impl Proved {
    pub(super) fn has_ended(&self, uid: &str) -> bool {
        self.ended.contains(uid)
    }

    /// The directory was set back to when a Work was there. `stands`: nobody had asked for its end.
    pub(super) fn lives(&mut self, uid: &str, stands: bool) {
        self.asked.remove(uid);
        if stands {
            self.ended.remove(uid);
            self.ended_and_read.remove(uid);
        } else {
            self.ends(uid);
        }
    }

    pub(super) fn ends(&mut self, uid: &str) {
        self.ended.insert(uid.to_owned());
    }
}

/// Kind and name of each manifest.
fn asked(work: &Value) -> BTreeSet<String> {
    let manifests = work["spec"]["workload"]["manifests"].as_array().into_iter().flatten();
    let name = |manifest: &Value| {
        let of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!("{} {}", of(&manifest["kind"]), of(&manifest["metadata"]["name"]))
    };
    manifests.map(name).collect()
}

fn short(target: &Target) -> String {
    format!("{} {}", target.resource.kind, target.name)
}

/// The UID of the Work by whose mark an object is known.
pub(in super::super) fn maker(object: &Value) -> Option<String> {
    let text = object["metadata"]["annotations"][marks::MADE_FOR].as_str()?;
    let mut parts = text.split('/');
    let (_, uid, nonce) = (parts.next()?, parts.next()?, parts.next()?);
    ["n", "anew"].contains(&nonce).then(|| uid.to_owned())
}

impl WorkWorld {
    /// Live reads were made.
    pub(super) fn note_reads(&mut self, examination: &Examination) {
        if examination.leaving {
            return self.note_leaving(examination);
        }
        for name in &examination.works {
            let found = self.works.get(name);
            let deleting = |work: &Value| !work["metadata"]["deletionTimestamp"].is_null();
            let there =
                found.filter(|work| !deleting(work)).and_then(|work| work["metadata"]["uid"].as_str());
            for kept in self.ledgers.values().filter(|kept| kept.ledger.maker.name == *name) {
                let uid = &kept.ledger.maker.uid;
                if self.proved.ended.contains(uid) && there != Some(uid.as_str()) {
                    self.proved.ended_and_read.insert(uid.clone());
                }
            }
            if let (Some(work), Some(uid)) = (found, there) {
                self.proved.asked.insert(uid.to_owned(), asked(work));
            }
        }
    }

    pub(in super::super) fn uid(&self, work: &str) -> String {
        self.works[work]["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    pub(in super::super) fn is_held(&self, work: &str) -> bool {
        let finalizers = self.works[work]["metadata"]["finalizers"].as_array();
        finalizers.is_some_and(|finalizers| finalizers.iter().any(|it| it == marks::WORK_FINALIZER))
    }

    fn ledger_of(&self, uid: &str) -> Option<&Kept> {
        self.ledgers.values().find(|kept| kept.ledger.maker.uid == uid)
    }

    /// The ledger of the Work by whose mark an object is known, or of the one that took that over.
    pub(in super::super) fn ledger_for(&self, object: &Value, uid: &str) -> Option<&Kept> {
        let text = object["metadata"]["annotations"][marks::MADE_FOR].as_str()?;
        self.ledger_of(uid).or_else(|| self.ledgers.get(text.split('/').next()?))
    }

    /// What is written is recorded before, as wanted, by the Work in whose name it is written; and that Work cannot go
    /// unnoticed.
    pub(super) fn check_write(&self, target: &Target, body: &Value) {
        let uid = maker(body).unwrap_or_else(|| panic!("{} has no mark", say(target)));
        let kept = self.ledger_of(&uid).unwrap_or_else(|| panic!("no ledger for {}", say(target)));
        let ledger = &kept.ledger;
        assert_eq!(ledger.phase, Phase::Applying, "{} of a Work that goes", say(target));
        assert!(ledger.items.iter().any(|item| item.target == *target), "{} is not recorded", say(target));
        if let Some(work) = self.works.get(&ledger.maker.name).filter(|work| work["metadata"]["uid"] == *uid)
        {
            assert!(ledger.applied.is_some() || self.is_held(&ledger.maker.name), "{work} is not held");
        }
    }

    /// What is deleted or released is Muster's, recorded, not wanted by any Work that is known, and there is a reason
    /// that live reads proved.
    pub(super) fn check_end(&self, target: &Target, deletion: Option<&Deletion>) {
        let Some(object) = self.objects.get(target) else { return };
        let other = |deletion: &Deletion| {
            let version = &object["metadata"]["resourceVersion"];
            object["metadata"]["uid"] != deletion.uid()
                || deletion.version().is_some_and(|seen| *version != seen)
        };
        if deletion.is_some_and(other) {
            return; // it will be refused
        }
        let of = |kept: &&Kept| kept.ledger.resources.iter().any(|other| other.is_same_object(target));
        let owner = maker(object);
        let kept = if let Some(uid) = &owner {
            self.ledger_for(object, uid).filter(of)
        } else {
            // It lost its mark, and of those that record it, one may still want it back.
            let leaves = |kept: &&Kept| !kept.ledger.wants(target);
            self.ledgers.values().filter(of).min_by_key(|kept| !leaves(kept))
        };
        let kept = kept.unwrap_or_else(|| panic!("{} is in no ledger", say(target)));
        let (uid, Of::Work(part)) = (&kept.ledger.maker.uid, &kept.ledger.of) else { panic!("no Work's") };
        if self.is_replaced(target, deletion.is_some(), kept) {
            return;
        }
        let dropped = self.proved.asked.get(uid).is_some_and(|asked| !asked.contains(&short(target)));
        let leaves = self.check_leaving(&kept.ledger, target);
        let proved = self.proved.ended_and_read.contains(uid) || dropped || leaves;
        assert!(proved, "{} of {uid}: no live read shows that it has to go\n{:#?}", say(target), self.log);
        let left = part.left.iter().find(|(other, _)| other.is_same_object(target));
        let (_, options) = left.unwrap_or_else(|| panic!("{} is still wanted", say(target)));
        if deletion.is_some() {
            let protected = ["Namespace", "CustomResourceDefinition", "PersistentVolume"];
            let protected = protected.iter().any(|kind| target.resource.kind.starts_with(kind));
            assert!(options.allow_deletion || !protected, "{} is protected", say(target));
            assert_eq!(options.deletion, crate::work::Deletion::Delete, "{}", say(target));
        }
    }

    /// While another one speaks for this cluster, nothing is asked of the directory or told there, and nothing goes.
    pub(super) fn check_silent(&self, step: &Step) {
        let speaks = matches!(
            step,
            Step::Finalize { .. }
                | Step::Report { .. }
                | Step::Examine(_)
                | Step::Delete(_)
                | Step::Unmark { .. }
                | Step::Forget { .. }
        );
        assert!(!speaks || !self.engine.is_silent(), "{step:?}: another one speaks");
    }

    /// What waits for somebody's word does not go, nor is it recorded that it does; but what a Work dropped goes with it.
    pub(super) fn check_unheld(&self, step: &Step) {
        let holds = self.engine.works.holds();
        match step {
            Step::Delete(deletion) => {
                let target = deletion.target();
                let of = |kept: &&Kept| kept.ledger.resources.contains(target);
                let replaced = |kept: &Kept| self.is_replaced(target, true, kept);
                let replaced = self.ledgers.values().find(of).is_some_and(replaced);
                assert!(replaced || !self.engine.is_set_back(), "{target}: the directory was set back");
                let maker = self.objects.get(target).and_then(maker);
                let applying = self.ledgers.values().filter(|kept| kept.ledger.phase == Phase::Applying);
                for uid in
                    applying.map(|kept| &kept.ledger.maker.uid).filter(|uid| maker.as_ref() == Some(uid))
                {
                    let held = holds.iter().filter_map(|hold| hold.kept_of(uid));
                    assert!(!held.into_iter().any(|keys| keys.contains(&key(target))), "{target} is held");
                }
            }
            Step::Record { ledger, .. } if ledger.phase == Phase::Deleting => {
                let Maker { uid, name } = &ledger.maker;
                assert!(!holds.iter().any(|hold| hold.keeps_end(uid)), "the end of {name} is held");
            }
            _ => {}
        }
    }

    /// What is about to be deleted or released is wanted by no Work that is known, unless it is to be made anew.
    pub(super) fn check_unwanted(&self, target: &Target, deleted: bool) {
        // What a record under way asks for may be asked for no more by now.
        let asks = |work: &Value| asked(work).contains(&short(target));
        let stands = |kept: &Kept| {
            let work = self.works.get(&kept.ledger.maker.name);
            work.filter(|work| work["metadata"]["uid"] == *kept.ledger.maker.uid)
        };
        let begins = |kept: &Kept| match stands(kept) {
            Some(work) => asks(work),
            None => kept.ledger.applied.is_some(),
        };
        // To look at it is not to want it.
        let looks = |kept: &Kept| {
            let Of::Work(part) = &kept.ledger.of else { return false };
            part.places.iter().any(|(other, place)| {
                other.is_same_object(target) && place.options.apply == crate::work::Apply::Observe
            })
        };
        let wanted = |kept: &&Kept| {
            begins(kept)
                && !looks(kept)
                && kept.ledger.items.iter().any(|item| item.target.is_same_object(target))
                && !self.is_replaced(target, deleted, kept)
        };
        let wanted = self.ledgers.values().find(wanted).map(|kept| &kept.ledger.maker.name);
        assert_eq!(wanted, None, "{} is wanted by another Work", say(target));
    }

    /// Nothing is written or deleted for a Work that is suspended or only planned, as far as the process can know.
    pub(super) fn check_idle(&self, step: &crate::plan::Step) {
        let body = match step {
            crate::plan::Step::Apply { body, .. } => serde_json::from_str(body).unwrap(),
            crate::plan::Step::Delete(deletion) => {
                self.objects.get(deletion.target()).cloned().unwrap_or_default()
            }
            _ => return,
        };
        let Some(work) =
            maker(&body).and_then(|uid| self.works.values().find(|work| work["metadata"]["uid"] == *uid))
        else {
            return;
        };
        let idle = ["suspend", "plan-only"].iter().any(|option| {
            work["metadata"]["annotations"][format!("multicluster.coreos.com/{option}")] == "true"
        });
        // What a Work said in a backup is not followed, and what it says after a word is still to be listed.
        let known = self.engine.works.shown.is_complete() && !self.engine.is_set_back();
        let followed = self.online && self.events.is_empty() && known;
        assert!(!(idle && followed), "{step:?} for {}", work["metadata"]);
    }

    /// Whether the Work records that an object is to be made anew, and the last write of it was refused.
    fn is_replaced(&self, target: &Target, deleted: bool, kept: &Kept) -> bool {
        let Of::Work(part) = &kept.ledger.of else { return false };
        let place = part.places.get(target);
        let asked = place.is_some_and(|place| place.options.apply == crate::work::Apply::Replace);
        let of = |line: &&String| line.ends_with(&say(target)) && !line.starts_with("refused");
        let refused = self.log.iter().rev().find(of);
        deleted && asked && refused.is_some_and(|line| line.starts_with("immutable"))
    }

    /// No ledger names what is not there, and nothing that bears the mark of a Work is in no ledger.
    pub(in super::super) fn check_rest(&self) {
        for (target, object) in &self.objects {
            if let Some(uid) = maker(object) {
                let kept = self.ledger_for(object, &uid);
                let same = |other: &Target| other.is_same_object(target);
                let recorded = kept.is_some_and(|kept| kept.ledger.resources.iter().any(same));
                assert!(recorded, "{} of {uid} is in no ledger\n{:#?}", say(target), self.log);
            }
        }
    }
}
