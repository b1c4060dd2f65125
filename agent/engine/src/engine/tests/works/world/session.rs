//! Sessions with the directory: what is listed in them, and what live reads find.

use muster_api::conditions::HeartbeatAccepted;

use super::*;
use crate::event::{Heartbeat, Problem, StepOutcome};
use crate::evidence::{Examination, Findings, Tide};

/// An earlier state of the directory.
#[derive(Clone)]
pub(in super::super) struct Backup {
    entry: Value,
    works: BTreeMap<String, Value>,
    lease: Reading<Beat>,
}

impl WorkWorld {
    /// The time of day.
    pub(in super::super) fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.now
    }

    /// Writes of this kind fail so.
    pub(in super::super) fn refuse(&mut self, kind: &str, failure: Failure) {
        self.refused.insert(kind.to_owned(), failure);
    }

    /// The directory says that nothing changed.
    pub(in super::super) fn send_life(&mut self) {
        self.tell_work(Change::Alive);
    }

    pub(in super::super) fn connect(&mut self) {
        self.begin_session();
        if self.restored {
            self.beat();
        }
        self.list_directory();
    }

    /// A session begins, and nothing is listed yet.
    pub(in super::super) fn begin_session(&mut self) {
        let pin = Pin {
            directory: "d".into(),
            clusters_crd: "c".into(),
            policies_crd: Some("p".into()),
            works_crd: Some("w".into()),
            execution_namespace: Some("x".into()),
            cluster: "own".into(),
            entry: None,
            era: 0,
        };
        let memory = self.memory.get_or_insert_with(|| Memory { pin, ..Memory::default() }).clone();
        let Memory { pin, departed, holds, set_back } = memory;
        self.online = true;
        self.send(Event::Opened(Session {
            pin,
            replica: "r".into(),
            nonce: self.nonce.into(),
            departed,
            holds,
            set_back,
        }));
    }

    pub(in super::super) fn disconnect(&mut self) {
        self.online = false;
        self.send(Event::Closed(unreachable()));
    }

    /// The directory is listed anew.
    pub(in super::super) fn list_directory(&mut self) {
        self.queue_lists();
        self.run();
    }

    pub(super) fn queue_lists(&mut self) {
        self.era = self.engine.era_number();
        let works: Vec<_> = self.works.values().map(object).collect();
        for (watch, objects) in [
            (
                DirectoryWatch::OwnEntry,
                self.entry.is_object().then(|| object(&self.entry)).into_iter().collect(),
            ),
            (DirectoryWatch::Policies, Vec::new()),
            (DirectoryWatch::Works, works),
        ] {
            let listed = objects.into_iter().map(Change::Listed);
            // What happens after it began is shown after it.
            let changes = [Change::ListBegan].into_iter().chain(listed).chain([Change::ListComplete]);
            let era = self.era;
            self.events.extend(changes.map(|change| Event::Directory { era, watch, change }));
        }
    }

    /// What there is in the directory, for [`Self::restore`].
    pub(in super::super) fn backup(&self) -> Backup {
        Backup { entry: self.entry.clone(), works: self.works.clone(), lease: self.lease.clone() }
    }

    /// The directory is restored to an earlier state. Its watches say nothing of that.
    pub(in super::super) fn restore(&mut self, backup: Backup) {
        for work in std::mem::take(&mut self.works).values() {
            self.forsake(work["metadata"]["uid"].as_str().unwrap());
        }
        (self.entry, self.works, self.lease) = (backup.entry, backup.works, backup.lease);
        self.restored = true;
        for metadata in self.works.values().map(|work| &work["metadata"]) {
            self.proved.lives(metadata["uid"].as_str().unwrap(), metadata["deletionTimestamp"].is_null());
        }
    }

    /// A heartbeat, as the agent sends it.
    pub(in super::super) fn beat(&mut self) {
        let at = self.wall();
        let Some(heartbeat) = heartbeat(&mut self.lease, self.engine.beat(), at) else { return };
        self.restored &= self.engine.is_set_back();
        self.send(Event::Heartbeat(heartbeat));
    }

    /// Another one is found to renew the Lease.
    pub(in super::super) fn fall_silent(&mut self) {
        let problem = Problem { reason: HeartbeatAccepted::Conflict, message: "another".into() };
        self.send(Event::Heartbeat(Heartbeat::Failed { failure: Failure::Conflict, problem }));
    }

    /// Live reads.
    pub(super) fn examine(&mut self, examination: &Examination) -> StepOutcome {
        self.reads.push("examine".into());
        if !self.online {
            return StepOutcome::Failed(Failure::Unavailable, "no".into());
        }
        let read = |found: Option<&Value>| match found {
            _ if self.unreadable => Reading::Unreadable("timeout".into()),
            Some(value) => Reading::Found(Box::new(object(value))),
            None => Reading::Absent,
        };
        let mut findings = Findings {
            landmarks: self.landmarks.clone(),
            own_entry: read(Some(&self.entry).filter(|entry| !entry.is_null())),
            entries: Vec::new(),
            policies: Vec::new(),
            works: Vec::new(),
            tide: Tide { acknowledged: examination.beat.clone(), shown: Some(self.lease.clone()) },
        };
        if examination.may_conclude(&findings) {
            let of = |name: &String| (name.clone(), read(self.works.get(name)));
            findings.works = examination.works.iter().map(of).collect();
            self.note_reads(examination);
        }
        if examination.leaving {
            self.note_word(&findings);
        }
        StepOutcome::Found(Box::new(findings))
    }

    /// The own entry is another, or none: null.
    pub(in super::super) fn set_entry(&mut self, entry: Value) {
        self.entry = entry;
    }
}
