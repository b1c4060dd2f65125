//! Sessions with the directory: what is listed in them, and what live reads find.

use super::*;
use crate::event::StepOutcome;
use crate::evidence::{Examination, Findings};
use crate::pin::Reading;

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
        };
        let memory = self.memory.get_or_insert_with(|| Memory { pin, ..Memory::default() }).clone();
        let Memory { pin, departed, holds } = memory;
        self.online = true;
        self.send(Event::Opened(Session { pin, replica: "r".into(), nonce: "n".into(), departed, holds }));
    }

    pub(in super::super) fn disconnect(&mut self) {
        self.online = false;
        self.send(Event::Closed(unreachable()));
    }

    /// The directory is listed anew.
    pub(in super::super) fn list_directory(&mut self) {
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
            self.events.extend(changes.map(|change| Event::Directory { watch, change }));
        }
        self.run();
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
        };
        if examination.may_conclude(&findings) {
            let of = |name: &String| (name.clone(), read(self.works.get(name)));
            findings.works = examination.works.iter().map(of).collect();
            self.note_reads(examination);
        }
        if examination.leaving {
            self.note_word(&findings);
        }
        StepOutcome::Found(findings)
    }

    /// The own entry is another, or none: null.
    pub(in super::super) fn set_entry(&mut self, entry: Value) {
        self.entry = entry;
    }
}
