//! Whether ledgers come back as they are written. Another tool may have put its own CRD of the same name in the place of
//! Muster's, and a server drops without a word what a definition does not know. So a full ledger is posted as a dry run,
//! at the start and whenever the definition changes: one of a Work that ends with the own entry, and, where a definition
//! does not take that, one of a Work that is applied. An older definition keeps nothing but such an end from being recorded.

mod sample;

use std::time::Duration;

use muster_api::conditions::LedgerUsable;
use muster_api::names::POLICY_LEDGER;
use muster_api::resource::{APPLIED_WORKS, CRDS};
use muster_engine::event::{Event, Problem};
use muster_engine::ledger::Phase;
use muster_engine::time::backoff;
use muster_kit::client::{CallError, Client};
use muster_kit::watch::{self, Form, Link, WatchEvent, WatchOptions, Watched};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use self::sample::full;
use super::{body, layout};
use crate::MANAGER;
use crate::metrics::Metrics;

/// First and longest wait before another trial while ledgers are not usable.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// How long after a change of the definition a trial that succeeded is made once more: the handler that serves the
/// definition learns of a change by a watch of its own, and may be behind.
const SETTLED: Duration = Duration::from_secs(2);
/// Name of what is tried, which is never stored.
const TRIAL: &str = "trial";

/// What a trial says; `Ok` where ledgers come back whole.
pub type Verdict = Result<(), Problem<LedgerUsable>>;

/// What a trial says of ledgers, and of those of Works that end with the own entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tried {
    ledger: Verdict,
    leaving: Result<(), String>,
}

impl Tried {
    fn neither(problem: Problem<LedgerUsable>) -> Self {
        Self { leaving: Err(problem.message.clone()), ledger: Err(problem) }
    }

    /// `whole`: what came of a ledger of a Work that ends with the own entry; `applied`, where that is not taken: what of one
    /// of a Work that is applied.
    fn of(whole: &Problem<LedgerUsable>, applied: Verdict) -> Self {
        let Err(problem) = applied else {
            let name = APPLIED_WORKS.full_name();
            let remedy = "apply multicluster.yaml of this agent's version in this cluster";
            let why = format!("CRD {name} is older than this agent: {remedy} ({})", whole.message);
            return Self { ledger: Ok(()), leaving: Err(why) };
        };
        Self::neither(problem)
    }
}

/// Tries, and tells the engine, until `cancel`.
pub async fn follow(
    client: Client,
    events: mpsc::Sender<Event>,
    metrics: Metrics,
    cancel: CancellationToken,
) {
    let target = watch::Target {
        resource: CRDS,
        namespace: None,
        labels: None,
        fields: Some(format!("metadata.name={}", APPLIED_WORKS.full_name())),
        form: Form::Whole,
    };
    let (sender, mut watched) = mpsc::channel(4);
    let links = Link::fixed(client.clone());
    let watching = watch::watch(target, links, sender, WatchOptions::default(), cancel.clone());
    let trying = async {
        let mut trials = Trials { client, events, definition: Definition::Unseen, told: None, failures: 0 };
        let mut next: Option<Instant> = None;
        loop {
            let event = tokio::select! {
                event = watched.recv() => match event {
                    Some(Watched { event, .. }) => Some(event),
                    None => return,
                },
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => None,
            };
            if let Some(WatchEvent::Failed(error)) = &event {
                tracing::debug!(%error, "watch of the definition of ledgers failed");
                metrics.watch_errors.with_label_values(&["definition", error.category()]).inc();
            }
            if event.as_ref().is_some_and(|event| !trials.definition.learn(event)) {
                continue;
            }
            let settled = (event.is_some() && trials.told.is_some()).then_some(SETTLED);
            next = match trials.run().await {
                Ok(wait) => wait.or(settled).map(|wait| Instant::now() + wait),
                Err(Closed) => return,
            };
        }
    };
    let trying = cancel.run_until_cancelled(trying);
    futures::join!(watching, trying);
}

/// The engine is gone.
struct Closed;

/// What is known of the definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Definition {
    /// Nothing yet, or a listing is under way.
    Unseen,
    /// It is there.
    Served,
    /// It is not there, or is being deleted.
    Gone,
}

impl Definition {
    /// Takes in an event of the watch. Whether another trial is due.
    fn learn(&mut self, event: &WatchEvent) -> bool {
        match event {
            WatchEvent::Init => {
                *self = Self::Unseen;
                false
            }
            WatchEvent::Listed(object) | WatchEvent::Applied(object) => {
                *self = if object.meta.deletion_timestamp.is_some() { Self::Gone } else { Self::Served };
                true
            }
            WatchEvent::Deleted(_) => {
                *self = Self::Gone;
                true
            }
            WatchEvent::Complete { .. } if *self == Self::Unseen => {
                *self = Self::Gone;
                true
            }
            // It may not be watched: the trial alone tells.
            WatchEvent::Failed(_) => *self == Self::Unseen,
            _ => false,
        }
    }
}

struct Trials {
    client: Client,
    events: mpsc::Sender<Event>,
    definition: Definition,
    told: Option<Tried>,
    failures: u32,
}

impl Trials {
    /// One trial. How long to wait for the next, where there is to be one.
    async fn run(&mut self) -> Result<Option<Duration>, Closed> {
        let tried = match self.definition {
            Definition::Gone => Some(Tried::neither(missing("it is not there, or is being deleted"))),
            Definition::Unseen | Definition::Served => attempt(&self.client).await,
        };
        let usable = matches!(&tried, Some(Tried { ledger: Ok(()), .. }));
        if let Some(tried) = tried
            && self.told.as_ref() != Some(&tried)
        {
            self.told = Some(tried.clone());
            for event in [Event::LeavingTried(tried.leaving), Event::LedgerTried(tried.ledger)] {
                self.events.send(event).await.map_err(|_| Closed)?;
            }
        }
        if usable {
            self.failures = 0;
            return Ok(None);
        }
        self.failures = self.failures.saturating_add(1);
        Ok(Some(backoff(self.failures, AGAIN.0, AGAIN.1, muster_kit::random::salt())))
    }
}

/// Tries once. `None`: the server says nothing of ledgers.
async fn attempt(client: &Client) -> Option<Tried> {
    match post(client, Phase::Leaving).await? {
        Ok(()) => Some(Tried { ledger: Ok(()), leaving: Ok(()) }),
        Err(problem) if problem.reason == LedgerUsable::Missing => Some(Tried::neither(problem)),
        Err(problem) => Some(Tried::of(&problem, post(client, Phase::Applying).await?)),
    }
}

async fn post(client: &Client, phase: Phase) -> Option<Verdict> {
    let spec = layout::spec(&full(phase));
    let body = body(&json!({"generateName": format!("{POLICY_LEDGER}{TRIAL}-")}), &spec);
    match client.create_dry_run(&APPLIED_WORKS, None, MANAGER, body).await {
        Ok(answer) => Some(compare(&spec, &answer)),
        Err(error @ CallError::NotFound { .. }) => Some(Err(missing(&error.to_string()))),
        // An admission policy says 403 or 422, as its author wishes.
        Err(error @ (CallError::Forbidden { .. } | CallError::Invalid { .. })) => {
            Some(Err(Problem { reason: LedgerUsable::Forbidden, message: error.to_string() }))
        }
        Err(error) => {
            tracing::debug!(%error, "trial of the ledgers failed");
            None
        }
    }
}

fn missing(why: &str) -> Problem<LedgerUsable> {
    let message = format!("CRD {}: {why}", APPLIED_WORKS.full_name());
    Problem { reason: LedgerUsable::Missing, message }
}

/// A definition that knows of ledgers, and not of all that is in them, is an older one of Muster's.
fn dropped(field: &str) -> Problem<LedgerUsable> {
    let (reason, whose) = if field.starts_with("spec.ledger.") {
        (LedgerUsable::SchemaTooOld, "older than this agent")
    } else {
        (LedgerUsable::Pruned, "not Muster's")
    };
    let name = APPLIED_WORKS.full_name();
    let message = format!("CRD {name} is {whose}: it does not keep {field} as it is written");
    Problem { reason, message }
}

/// Whether the answer has the spec as it was sent.
fn compare(sent: &str, answer: &RawValue) -> Verdict {
    #[derive(Deserialize)]
    struct Frame {
        #[serde(default)]
        spec: Value,
    }
    let sent: Value = serde_json::from_str(sent).unwrap_or_default();
    let kept = serde_json::from_str(answer.get()).map_or(Value::Null, |frame: Frame| frame.spec);
    match difference(&sent, &kept, "spec") {
        None => Ok(()),
        Some(field) => Err(dropped(&field)),
    }
}

/// The first field that is not kept, or kept otherwise. What is there beside it is named by what it is in.
fn difference(sent: &Value, kept: &Value, path: &str) -> Option<String> {
    match (sent, kept) {
        (Value::Object(sent), Value::Object(kept)) => sent
            .iter()
            .find_map(|(field, value)| {
                let path = format!("{path}.{field}");
                kept.get(field).map_or_else(|| Some(path.clone()), |kept| difference(value, kept, &path))
            })
            .or_else(|| (sent.len() != kept.len()).then(|| path.to_owned())),
        (Value::Array(sent), Value::Array(kept)) if sent.len() == kept.len() => {
            let pairs = sent.iter().zip(kept).enumerate();
            pairs
                .into_iter()
                .find_map(|(place, (sent, kept))| difference(sent, kept, &format!("{path}[{place}]")))
        }
        _ => (sent != kept).then(|| path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use muster_api::Object;
    use muster_kit::client::Attempt;

    use super::*;

    fn tried(edit: impl FnOnce(&mut Value)) -> Verdict {
        let sent = layout::spec(&full(Phase::Leaving));
        let mut answer =
            json!({"metadata": {"name": "x"}, "spec": serde_json::from_str::<Value>(&sent).unwrap()});
        edit(&mut answer);
        compare(&sent, &serde_json::value::to_raw_value(&answer).unwrap())
    }

    #[test]
    fn only_a_whole_answer_passes_and_the_first_loss_is_named() {
        assert_eq!(tried(|_| ()), Ok(()));
        assert_eq!(tried(|answer| answer["spec"] = json!({})).unwrap_err().reason, LedgerUsable::Pruned);
        let without = |pointer: &'static str, field: &'static str| {
            move |answer: &mut Value| {
                let within = answer.pointer_mut(pointer).and_then(Value::as_object_mut).unwrap();
                assert!(within.remove(field).is_some(), "{pointer}/{field} is not in the trial");
            }
        };
        for (pointer, field, told) in [
            ("", "spec", "spec"),
            ("/spec", "workName", "spec.workName"),
            ("/spec", "ledger", "spec.ledger"),
            ("/spec/ledger", "nonce", "spec.ledger.nonce"),
            ("/spec/ledger", "departure", "spec.ledger.departure"),
            ("/spec/ledger", "phase", "spec.ledger.phase"),
            ("/spec/ledger", "options", "spec.ledger.options"),
            ("/spec/ledger/source", "uid", "spec.ledger.source.uid"),
            ("/spec/ledger/manifests/0", "roleRef", "spec.ledger.manifests[0].roleRef"),
            ("/spec", "workNamespace", "spec.workNamespace"),
            ("/spec/ledger/resources/0", "namespace", "spec.ledger.resources[0].namespace"),
            ("/spec/ledger/resources/0", "ordinal", "spec.ledger.resources[0].ordinal"),
            ("/spec/ledger/resources/0", "options", "spec.ledger.resources[0].options"),
        ] {
            let problem = tried(without(pointer, field)).unwrap_err();
            assert!(
                problem.message.contains(&format!("does not keep {told} as")),
                "{told}: {}",
                problem.message
            );
            let older = problem.reason == LedgerUsable::SchemaTooOld;
            assert_eq!(older, told.starts_with("spec.ledger."), "{told}: {problem:?}");
        }
        let changed = tried(|answer| answer["spec"]["ledger"]["manifests"][0]["metadata"]["x"] = json!(null));
        assert!(changed.unwrap_err().message.contains("spec.ledger.manifests[0].metadata "));
    }

    /// A definition that knows nothing of an end with the own entry refuses nothing but that.
    #[test]
    fn an_older_definition_is_usable_for_all_but_what_it_does_not_know() {
        let whole = || tried(|answer| drop(answer["spec"]["ledger"]["departure"].take())).unwrap_err();
        let Tried { ledger, leaving } = Tried::of(&whole(), Ok(()));
        assert_eq!(ledger, Ok(()));
        let why = leaving.unwrap_err();
        assert!(why.contains("multicluster.yaml") && why.contains("departure"), "{why}");
        let other = tried(|answer| answer["spec"] = json!({})).unwrap_err();
        let Tried { ledger, leaving } = Tried::of(&whole(), Err(other.clone()));
        assert_eq!((ledger, leaving), (Err(other.clone()), Err(other.message)));
        let spec =
            |phase| serde_json::from_str::<Value>(&layout::spec(&full(phase))).unwrap()["ledger"].take();
        let (leaving, applying) = (spec(Phase::Leaving), spec(Phase::Applying));
        assert_eq!((&leaving["phase"], &leaving["departure"]), (&json!("Leaving"), &json!(TRIAL)));
        assert_eq!((&applying["phase"], &applying["departure"]), (&json!("Applying"), &Value::Null));
    }

    fn definition(deleting: bool) -> Object {
        let deletion = if deleting { r#","deletionTimestamp":"2026-01-01T00:00:00Z""# } else { "" };
        let text = format!(r#"{{"metadata":{{"name":"x","uid":"u","resourceVersion":"1"{deletion}}}}}"#);
        Object::parse(RawValue::from_string(text).unwrap()).unwrap()
    }

    #[test]
    fn each_change_of_the_definition_is_tried_and_its_absence_is_known() {
        let mut known = Definition::Unseen;
        let attempt = Attempt { verb: "watch", resource: "x".into(), name: None };
        let failed = || {
            WatchEvent::Failed(CallError::Forbidden {
                attempt: Box::new(attempt.clone()),
                message: "no".into(),
            })
        };
        let complete = || WatchEvent::Complete { resource_version: "1".into() };
        for (event, due, then) in [
            (failed(), true, Definition::Unseen),
            (WatchEvent::Init, false, Definition::Unseen),
            (complete(), true, Definition::Gone),
            (WatchEvent::Applied(definition(false)), true, Definition::Served),
            (WatchEvent::Resumed, false, Definition::Served),
            (failed(), false, Definition::Served),
            (WatchEvent::Applied(definition(true)), true, Definition::Gone),
            (WatchEvent::Deleted(definition(true)), true, Definition::Gone),
            (WatchEvent::Init, false, Definition::Unseen),
            (WatchEvent::Listed(definition(false)), true, Definition::Served),
            (complete(), false, Definition::Served),
        ] {
            let what = format!("{event:?}");
            assert_eq!((known.learn(&event), known), (due, then), "{what}");
        }
    }
}
