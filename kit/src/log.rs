//! Logs: to stderr, as text or JSON, without anything that libraries would say about what servers answered.

use std::collections::VecDeque;
use std::io;
use std::panic::PanicHookInfo;
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// There is a logger already.
#[derive(Debug, thiserror::Error)]
#[error("unable to set up logs: it was done before")]
pub struct LogError;

/// Logs to stderr from now on, panics included.
///
/// # Errors
/// Where it was called before.
pub fn init(format: Format, level: Level) -> Result<(), LogError> {
    tracing::subscriber::set_global_default(subscriber(format, level, io::stderr)).map_err(|_| LogError)?;
    std::panic::set_hook(Box::new(panicked));
    Ok(())
}

/// Logs where a panic was. What it says is told only where it is a text of the program: one that was put together may
/// repeat what came from outside, and a Secret can be that.
fn panicked(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let said = info.payload().downcast_ref::<&'static str>().copied();
    tracing::error!(place, said = said.unwrap_or("what it says is not repeated"), "panic");
}

/// What is logged at a level. Muster's own crates are logged at it; libraries at WARN at most; kube's client not at all:
/// at WARN it logs whole answers that it cannot parse, and a Secret can be one. HTTP/2 and TLS log frames and
/// handshakes below WARN.
fn targets(level: Level) -> Targets {
    let library = LevelFilter::from_level(level.min(Level::WARN));
    Targets::new()
        .with_default(library)
        .with_target("muster", level)
        .with_target("kube_client", LevelFilter::OFF)
        .with_target("kube_runtime", LevelFilter::OFF)
}

fn subscriber<W>(format: Format, level: Level, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let layer = match format {
        Format::Text => layer.boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    };
    Registry::default().with(layer.with_filter(targets(level)))
}

/// Folds what repeats: a message is logged when it first comes, then once per interval with the number of repeats.
#[derive(Debug)]
pub struct Fold {
    every: Duration,
    known: VecDeque<Known>,
}

#[derive(Debug)]
struct Known {
    key: String,
    logged: Instant,
    repeats: u64,
}

impl Fold {
    /// How many different messages are remembered.
    const REMEMBERED: usize = 256;

    /// Folds repeats within `every`.
    #[must_use]
    pub fn new(every: Duration) -> Self {
        Self { every, known: VecDeque::new() }
    }

    /// Takes note of a message at `now`. Where it is to be logged, says how often it came since it was last logged,
    /// this time not counted: 0 for a new one.
    pub fn seen(&mut self, key: &str, now: Instant) -> Option<u64> {
        if let Some(known) = self.known.iter_mut().find(|known| known.key == key) {
            if now.saturating_duration_since(known.logged) < self.every {
                known.repeats += 1;
                return None;
            }
            known.logged = now;
            return Some(std::mem::take(&mut known.repeats));
        }
        if self.known.len() == Self::REMEMBERED {
            self.known.pop_front();
        }
        self.known.push_back(Known { key: key.to_owned(), logged: now, repeats: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use kube::api::{Api, DynamicObject};
    use kube::core::{ApiResource, GroupVersionKind};

    use super::*;
    use crate::client::{CallError, Client, ListQuery};
    use crate::testing::{Server, raw_reply, soon};

    const CANARY: &str = "hunter2-canary";

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn sink(format: Format, level: Level) -> (Sink, impl Subscriber + Send + Sync) {
        let sink = Sink::default();
        let writer = sink.clone();
        (sink, subscriber(format, level, move || writer.clone()))
    }

    /// Has kube's client read an answer that it cannot parse and that holds a secret, on every path that Muster uses.
    async fn provoke(server: &Server, client: &Client) {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Secret"));
        let secrets: Api<DynamicObject> = Api::namespaced_with(client.kube(), "n", &kind);
        for answer in [
            raw_reply(200, format!(r#"{{"metadata":["{CANARY}"]}}"#)),
            raw_reply(200, CANARY),
            raw_reply(500, CANARY),
            raw_reply(403, format!(r#"{{"kind":"Status","message":"{CANARY}"}}"#)),
        ] {
            let (result, ()) = soon("a call", async {
                tokio::join!(secrets.get("s"), async { server.next().await.answer(answer) })
            })
            .await;
            assert!(result.is_err());
        }
        let secrets = muster_api::resource::SECRETS;
        for answer in broken() {
            let said = async { server.next().await.answer(answer) };
            let (result, ()) =
                soon("a call", async { tokio::join!(client.get(&secrets, Some("n"), "s"), said) }).await;
            own(&result.unwrap_err());
        }
        for answer in broken() {
            let said = async { server.next().await.answer(answer) };
            let query = ListQuery::default();
            let (result, ()) =
                soon("a list", async { tokio::join!(client.list_page(&secrets, None, &query), said) }).await;
            own(&result.unwrap_err());
        }
        for answer in broken() {
            let said = async { server.next().await.answer(answer) };
            let body = format!(r#"{{"metadata":{{"name":"s"}},"data":{{"a":"{CANARY}"}}}}"#);
            let create = client.create(&secrets, Some("n"), "tests", body.into_bytes());
            let (result, ()) = soon("a write", async { tokio::join!(create, said) }).await;
            own(&result.unwrap_err());
        }
    }

    fn own(error: &CallError) {
        tracing::warn!(?error, text = %error, "own");
    }

    /// Answers that break off, are of another kind, or are none, each with the canary.
    fn broken() -> Vec<crate::testing::Reply> {
        let secret = format!(r#"{{"kind":"Secret","apiVersion":"v1","data":{{"a":"{CANARY}"}}"#);
        let invalid = format!(r#"Secret \"s\" is invalid: data[a]: Invalid value: \"{CANARY}\""#);
        vec![
            raw_reply(200, CANARY),
            raw_reply(200, secret.clone()),
            raw_reply(200, format!("{secret},\"metadata\":7}}")),
            raw_reply(200, format!(r#"["{CANARY}"]"#)),
            raw_reply(200, format!(r#"{{"kind":"{CANARY}","apiVersion":"{CANARY}"}}"#)),
            raw_reply(500, secret),
            raw_reply(502, format!("<html>{CANARY}</html>")),
            raw_reply(
                422,
                format!(r#"{{"kind":"Status","reason":"Invalid","code":422,"message":"{invalid}"}}"#),
            ),
        ]
    }

    #[tokio::test]
    async fn no_answer_is_logged_at_any_level() {
        let server = Server::start().await;
        let client = server.client();
        // The canary is real: without the filter it is logged.
        let leak = Sink::default();
        let writer = leak.clone();
        let open = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        let guard = tracing::subscriber::set_default(open);
        provoke(&server, &client).await;
        drop(guard);
        assert!(leak.text().contains(CANARY), "nothing was provoked");
        for format in [Format::Text, Format::Json] {
            let (sink, subscriber) = sink(format, Level::TRACE);
            let guard = tracing::subscriber::set_default(subscriber);
            provoke(&server, &client).await;
            drop(guard);
            let text = sink.text();
            assert!(text.contains("own"), "Muster's own lines are logged: {text}");
            assert!(!text.contains(CANARY), "{text}");
        }
    }

    #[test]
    fn muster_is_logged_at_the_level_and_libraries_at_warn_at_most() {
        let logged = |format, level| {
            let (sink, subscriber) = sink(format, level);
            tracing::subscriber::with_default(subscriber, || {
                tracing::debug!("kit at debug");
                tracing::info!(target: "muster_agent::session", uid = "u-1", "agent at info");
                tracing::info!(target: "h2::proto", "library at info");
                tracing::warn!(target: "hyper", "library at warn");
                tracing::error!(target: "kube_client::client", "kube at error");
            });
            sink.text()
        };
        let text = logged(Format::Text, Level::DEBUG);
        assert!(text.contains("kit at debug") && text.contains("library at warn"), "{text}");
        assert!(!text.contains("library at info") && !text.contains("kube at error"), "{text}");
        let text = logged(Format::Text, Level::INFO);
        assert!(!text.contains("kit at debug") && text.contains("agent at info"), "{text}");
        assert!(!logged(Format::Text, Level::ERROR).contains("library at warn"));
        let text = logged(Format::Json, Level::INFO);
        let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((&line["message"], &line["uid"]), (&"agent at info".into(), &"u-1".into()), "{text}");
    }

    #[test]
    fn a_panic_is_told_by_its_place_and_repeats_nothing_that_came_from_outside() {
        // The hook is the process's: that of other tests is put back, and each logs to the thread that panics alone.
        let before = std::panic::take_hook();
        let (sink, subscriber) = sink(Format::Json, Level::INFO);
        std::panic::set_hook(Box::new(panicked));
        tracing::subscriber::with_default(subscriber, || {
            let read = || serde_json::from_str::<u8>(&format!("\"{CANARY}\"")).unwrap();
            assert!(std::panic::catch_unwind(read).is_err());
            assert!(std::panic::catch_unwind(|| panic!("a text of the program")).is_err());
        });
        std::panic::set_hook(before);
        let text = sink.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines.iter().all(|line| line.contains("log.rs:")), "{text}");
        assert!(!text.contains(CANARY) && lines[1].contains("a text of the program"), "{text}");
    }

    #[test]
    fn repeats_are_folded_and_counted() {
        let mut fold = Fold::new(Duration::from_secs(600));
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(fold.seen("a", after(0)), Some(0));
        assert_eq!(fold.seen("a", after(1)), None);
        assert_eq!(fold.seen("b", after(2)), Some(0), "another message is not folded");
        assert_eq!(fold.seen("a", after(599)), None);
        assert_eq!(fold.seen("a", after(600)), Some(2));
        assert_eq!(fold.seen("a", after(601)), None);
        assert_eq!(fold.seen("a", after(1300)), Some(1));
        for key in 0..10_000 {
            fold.seen(&key.to_string(), after(1302));
        }
        assert!(fold.known.len() <= Fold::REMEMBERED, "{}", fold.known.len());
    }
}
