//! Events of `events.k8s.io/v1`: best effort, bounded, and never with more than was said to be in them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::time::timeout;

use crate::client::Client;

/// Longest note, in bytes: what the API takes.
const LONGEST_NOTE: usize = 1024;
/// Time for one Event.
const DEADLINE: Duration = Duration::from_secs(10);
/// How many different Events are remembered, so that a repetition counts up rather than makes a new one.
const REMEMBERED: usize = 64;

/// Whether an Event asks for attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It does not.
    Normal,
    /// It does.
    Warning,
}

/// What makes two Events the same. The recorder of kube-runtime leaves out the note, and would repeat the old one.
#[derive(Clone, PartialEq)]
struct Key {
    regarding: ObjectReference,
    kind: Kind,
    reason: String,
    action: String,
    note: String,
}

/// Emits Events over one client.
pub struct Emitter {
    client: Client,
    reporter: Reporter,
    recorders: Mutex<VecDeque<(Key, Recorder)>>,
}

impl Emitter {
    /// An emitter. `controller` is the program, `instance` the one of its processes that speaks.
    #[must_use]
    pub fn new(client: Client, controller: &str, instance: &str) -> Self {
        let reporter = Reporter { controller: controller.to_owned(), instance: Some(instance.to_owned()) };
        Self { client, reporter, recorders: Mutex::default() }
    }

    /// Emits an Event, or gives up after 10 s; returns whether it was written. `note` is cut to 1024 bytes; its control characters are
    /// escaped. A cluster-scoped `regarding` has its Events in the namespace `default`.
    pub async fn emit(
        &self,
        regarding: &ObjectReference,
        kind: Kind,
        reason: &str,
        action: &str,
        note: &str,
    ) -> bool {
        let key = Key {
            regarding: regarding.clone(),
            kind,
            reason: reason.to_owned(),
            action: action.to_owned(),
            note: fit(note),
        };
        let event = Event {
            type_: match kind {
                Kind::Normal => EventType::Normal,
                Kind::Warning => EventType::Warning,
            },
            reason: key.reason.clone(),
            action: key.action.clone(),
            note: Some(key.note.clone()),
            secondary: None,
        };
        let published = timeout(DEADLINE, self.recorder(key).publish(&event, regarding)).await;
        matches!(published, Ok(Ok(())))
    }

    fn recorder(&self, key: Key) -> Recorder {
        let mut recorders = self.recorders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, recorder)) = recorders.iter().find(|(known, _)| *known == key) {
            return recorder.clone();
        }
        let recorder = Recorder::new(self.client.kube(), self.reporter.clone());
        if recorders.len() == REMEMBERED {
            recorders.pop_front();
        }
        recorders.push_back((key, recorder.clone()));
        recorder
    }
}

/// A note as the API takes it.
fn fit(note: &str) -> String {
    let mut kept = String::new();
    for character in note.chars() {
        let escaped: String =
            if character.is_control() { character.escape_default().collect() } else { character.into() };
        if kept.len() + escaped.len() > LONGEST_NOTE {
            break;
        }
        kept.push_str(&escaped);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Server, reply, soon, status};

    fn regarding() -> ObjectReference {
        ObjectReference {
            kind: Some("Secret".to_owned()),
            name: Some("directory-sync".to_owned()),
            namespace: Some("muster-system".to_owned()),
            ..ObjectReference::default()
        }
    }

    #[test]
    fn a_note_fits_and_holds_no_control_characters() {
        assert_eq!(fit("a\n\u{1b}b"), "a\\n\\u{1b}b");
        let long = fit(&"ü".repeat(2000));
        assert_eq!(long.len(), 1024);
        assert!(fit(&"\n".repeat(2000)).len() <= 1024);
    }

    #[tokio::test]
    async fn a_repetition_counts_up_and_another_note_is_another_event() {
        let server = Server::start().await;
        let client = server.client();
        let emitter = Emitter::new(client, "muster-agent", "pod-1");
        let emit = |note| emitter.emit_owned(note);
        let mut names = Vec::new();
        for (note, method) in [("one", "POST"), ("one", "PATCH"), ("two", "POST")] {
            let answer = async {
                let ask = server.next().await;
                assert_eq!(ask.method, method, "{note}");
                assert!(ask.path.starts_with("/apis/events.k8s.io/v1/namespaces/muster-system/events"));
                let event = ask.json();
                assert_eq!((&event["note"], &event["reason"]), (&note.into(), &"Reason".into()), "{event}");
                assert_eq!(event["reportingController"], "muster-agent");
                names.push(event["metadata"]["name"].clone());
                ask.answer(reply(200, &event));
            };
            assert!(soon("an Event", async { tokio::join!(emit(note), answer) }).await.0);
        }
        assert_eq!(names[0], names[1]);
        assert_ne!(names[0], names[2]);
        let refuse = async { server.next().await.answer(reply(403, &status(403, "Forbidden", &().into()))) };
        let (written, ()) = soon("an Event", async { tokio::join!(emit("three"), refuse) }).await;
        assert!(!written, "a refusal is told and nothing else");
    }

    impl Emitter {
        async fn emit_owned(&self, note: &str) -> bool {
            self.emit(&regarding(), Kind::Warning, "Reason", "Acting", note).await
        }
    }
}
