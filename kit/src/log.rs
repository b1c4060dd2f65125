//! Logs: to stderr, as text or JSON, without anything that libraries would say about what servers answered.

use std::collections::VecDeque;
use std::io;
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

/// Logs to stderr from now on.
///
/// # Errors
/// Where it was called before.
pub fn init(format: Format, level: Level) -> Result<(), LogError> {
    tracing::subscriber::set_global_default(subscriber(format, level, io::stderr)).map_err(|_| LogError)
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

    /// Forgets a message: what it told of is over. The next one is new.
    pub fn forget(&mut self, key: &str) {
        self.known.retain(|known| known.key != key);
    }
}
