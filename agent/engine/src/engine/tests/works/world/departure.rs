//! The replica's own entry goes, and another one of its name comes; and what must be so at each step of that.

use jiff::Timestamp;
use serde_json::Value;

use super::{Change, DirectoryWatch, Event, WorkWorld, landmark, object, say};
use crate::evidence::{Examination, Findings};
use crate::ledger::{Ledger, Of, Phase};
use crate::memory::{Departed, Memory};
use crate::pin::{Landmarks, Reading};
use crate::target::Target;
use crate::time::Now;

impl WorkWorld {
    fn tell_entry(&mut self, change: Change) {
        if self.online {
            self.send(Event::Directory { era: self.era, watch: DirectoryWatch::OwnEntry, change });
        }
    }

    fn own_uid(&self) -> String {
        self.entry["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
    }

    /// The own entry is edited.
    pub(in super::super) fn edit_entry(&mut self, edit: impl FnOnce(&mut Value)) {
        let version = self.next_version();
        edit(&mut self.entry);
        self.entry["metadata"]["resourceVersion"] = version.into();
        self.tell_entry(Change::Applied(object(&self.entry)));
    }

    /// Somebody releases all that waits for a word, on the own entry.
    pub(in super::super) fn release_all(&mut self) {
        let holds = self.engine.works.holds().iter().filter(|hold| hold.is_waiting());
        let set_back = self.engine.set_back_waits().map(|set_back| set_back.id.clone());
        let ids: Vec<String> = holds.map(|hold| hold.id.clone()).chain(set_back).collect();
        if !ids.is_empty() && self.entry.is_object() {
            self.release(&ids.join(","));
        }
    }

    /// Somebody writes these ids on the own entry.
    pub(in super::super) fn release(&mut self, ids: &str) {
        let ids = serde_json::json!({ "multicluster.coreos.com/release": ids });
        self.edit_entry(|entry| entry["metadata"]["annotations"] = ids);
    }

    /// Somebody deletes the own entry, which says this of the workloads; it stays as long as it is held.
    pub(in super::super) fn leave(&mut self, says: &str) {
        self.edit_entry(|entry| entry["spec"]["deregistration"] = says.into());
        self.said.push((self.own_uid(), says.to_owned()));
        self.edit_entry(|entry| entry["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into());
    }

    /// The own entry is let go.
    pub(in super::super) fn drop_entry(&mut self) {
        let entry = std::mem::take(&mut self.entry);
        self.tell_entry(Change::Gone(object(&entry)));
    }

    /// An entry of the name is made, where there is none that stands.
    pub(in super::super) fn enter(&mut self) {
        if self.is_leaving() && self.entry.is_object() {
            self.drop_entry();
        }
        if self.entry.is_null() {
            let uid = format!("own-uid-{}", self.version);
            self.entry =
                serde_json::json!({"metadata": {"name": "own", "uid": uid, "labels": {}}, "spec": {}});
            self.edit_entry(|_| ());
        }
    }

    /// The same, and no watch shows it.
    pub(in super::super) fn enter_unseen(&mut self) {
        self.online = false;
        self.enter();
        self.online = true;
    }

    /// Whether the own entry is gone, or going.
    pub(in super::super) fn is_leaving(&self) -> bool {
        self.entry.is_null() || !self.entry["metadata"]["deletionTimestamp"].is_null()
    }

    pub(in super::super) fn drop_entry_if_there(&mut self) {
        if self.entry.is_object() {
            self.drop_entry();
        }
    }

    pub(in super::super) fn leave_if_there(&mut self) {
        if !self.is_leaving() {
            self.leave("Delete");
        }
    }

    /// Whether it is remembered that what Works made goes.
    pub(in super::super) fn leaves_with_works(&self) -> bool {
        let departed = self.memory.as_ref().and_then(|memory| memory.departed.as_ref());
        matches!(departed, Some(Departed::EntryDeletedWithWorks(_)))
    }

    /// The reason of a condition, and its message.
    pub(in super::super) fn condition(&self, kind: &str) -> (String, String) {
        let now = Now { mono: self.now, wall: Timestamp::UNIX_EPOCH };
        let conditions = self.engine.conditions(now);
        let condition = conditions.into_iter().find(|condition| condition.type_ == kind).unwrap();
        (condition.reason, condition.message)
    }

    fn says_delete(&self, uid: &str) -> bool {
        self.said.iter().any(|(entry, says)| (entry.as_str(), says.as_str()) == (uid, "Delete"))
    }

    /// Live reads were made of Works that may end with the own entry.
    pub(super) fn note_leaving(&mut self, examination: &Examination) {
        let Some((entry, _)) = self.said.last().cloned().filter(|_| self.is_leaving()) else { return };
        for name in &examination.works {
            // One that was seen to be deleted ends in any case.
            let of = |kept: &&crate::ledger::Kept| kept.ledger.maker.name == *name;
            let ended: Vec<_> =
                self.ledgers.values().filter(of).map(|kept| kept.ledger.maker.uid.clone()).collect();
            for uid in ended {
                if !self.proved.has_ended(&uid) {
                    continue;
                }
                self.proved.left_and_read.insert((entry.clone(), uid));
            }
            let Some(work) = self.works.get(name) else { continue };
            let uid = work["metadata"]["uid"].as_str().unwrap().to_owned();
            self.proved.left_and_read.insert((entry.clone(), uid));
        }
    }

    /// That what Works made goes is remembered of an entry that said so, and first of the latest one.
    pub(super) fn check_memory(&self, memory: &Memory) {
        if let Some(Departed::EntryDeletedWithWorks(uid)) = &memory.departed {
            assert!(self.says_delete(uid), "{uid} did not say so");
            let known = self.memory.as_ref().is_some_and(|before| before.departed == memory.departed);
            let latest = self.said.last().is_some_and(|(latest, _)| latest == uid);
            assert!(known || latest, "{uid} is not the latest one");
        }
    }

    /// What live reads show of a departure.
    pub(super) fn note_word(&mut self, findings: &Findings) {
        let Landmarks { directory, clusters_crd, policies_crd, works_crd, execution_namespace } =
            &findings.landmarks;
        let parts = [(directory, "d"), (clusters_crd, "c"), (policies_crd, "p"), (works_crd, "w")];
        let namespace = execution_namespace.as_ref().map(|namespace| (namespace, "x"));
        let mut parts = parts.into_iter().chain(namespace);
        let is_read = |reading: &Reading| !matches!(reading, Reading::Unreadable(_));
        let entry_is_read = !matches!(findings.own_entry, Reading::Unreadable(_));
        let differs = parts.clone().any(|(part, pinned)| is_read(part) && *part != landmark(pinned));
        if differs || entry_is_read && !self.is_leaving() {
            self.confirmed = false;
        } else if entry_is_read && parts.all(|(part, _)| is_read(part)) {
            self.confirmed = true;
        }
    }

    /// What goes with the own entry goes while that was confirmed to this process.
    pub(super) fn check_confirmed(&self, target: &Target) {
        let of = |kept: &&crate::ledger::Kept| kept.ledger.resources.contains(target);
        let mut ledgers = self.ledgers.values().filter(of);
        let leaves = ledgers.any(|kept| kept.ledger.phase == Phase::Leaving);
        if leaves && self.leaves_with_works() && self.events.is_empty() {
            assert!(self.confirmed, "{}: nothing confirms that it goes: {:#?}", say(target), self.log);
        }
    }

    /// Whether an object goes with the own entry: its ledger says with which, that one said so and stands no more, no other
    /// one is known to the process, and a live read showed the Work after that.
    pub(super) fn check_leaving(&self, ledger: &Ledger, target: &Target) -> bool {
        let Of::Work(part) = &ledger.of else { return false };
        if ledger.phase != Phase::Leaving {
            return false;
        }
        let entry = part.departure.clone().unwrap_or_else(|| panic!("{}: with which entry?", say(target)));
        assert!(self.says_delete(&entry), "{}: {entry} did not say so", say(target));
        let departed = self.memory.as_ref().and_then(|memory| memory.departed.clone());
        let recorded = Some(Departed::EntryDeletedWithWorks(entry.to_string()));
        assert_eq!(departed, recorded, "{}: it is not remembered", say(target));
        let known = self.online && self.events.is_empty() && !self.deferring;
        assert!(!known || self.is_leaving(), "{}: there is an entry anew", say(target));
        let read = (entry.to_string(), ledger.maker.uid.clone());
        assert!(self.proved.left_and_read.contains(&read), "{}: the Work was not read", say(target));
        true
    }

    /// What was let go with the own entry may be anybody's by now.
    pub(super) fn note_let_go(&mut self, target: &Target) {
        if self.is_leaving() {
            self.stripped.insert(target.clone());
        }
    }
}
