//! The loop of a watch: one attempt after the other, each over the link that is published.
//!
//! ```text
//!            ┌──────────── nothing to resume from ─────────────┐
//!            ▼                                                 │ expired (410), malformed
//!   Init, Listed …, Complete ──▶ Applied, Deleted, Bookmark … ─┴─▶ ended, broken, another link: Resumed, …
//!   (streamed, else in pages)
//! ```

use std::sync::Arc;

use http::StatusCode;
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::backoff::{Backoff, Ended};
use super::line::{self, Line};
use super::{Link, Pace, Target, WatchEvent, WatchOptions, Watched};
use crate::client::{Attempt, CallError, Lines, ListQuery, StreamEnd, WatchQuery};
use crate::random::fraction;

/// Why an attempt ended, where it was not the server that ended a watch as servers do.
enum Stop {
    /// Nobody reads the events any more.
    Closed,
    /// A failure to tell of.
    Failed(CallError),
    /// A failure to tell of, after which nothing that was seen can be relied on.
    Void(CallError),
    /// The server serves no history from where the watch, or the listing, was.
    Expired(CallError),
    /// The server does not stream listings.
    NoStreaming,
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        match error {
            gone @ CallError::Gone { .. } => Self::Expired(gone),
            // What is served again may be something else.
            unserved @ CallError::NotFound { .. } => Self::Void(unserved),
            other => Self::Failed(other),
        }
    }
}

/// A running watch.
pub(super) struct Run {
    target: Target,
    links: watch::Receiver<Option<Link>>,
    out: mpsc::Sender<Watched>,
    options: WatchOptions,
    /// Set where it lists again and again and never watches.
    pace: Option<Pace>,
    /// Where to go on from; none while there is no complete listing.
    resume: Option<String>,
    /// The era in which that is so.
    era: u32,
    /// The epoch of the link whose server does not stream listings.
    paged: Option<u64>,
    backoff: Backoff,
}

impl Run {
    pub(super) fn new(
        target: Target,
        links: watch::Receiver<Option<Link>>,
        out: mpsc::Sender<Watched>,
        options: WatchOptions,
    ) -> Self {
        let backoff = Backoff::default();
        Self { target, links, out, options, pace: None, resume: None, era: 0, paged: None, backoff }
    }

    pub(super) fn polling(
        target: Target,
        links: watch::Receiver<Option<Link>>,
        out: mpsc::Sender<Watched>,
        options: WatchOptions,
        pace: Pace,
    ) -> Self {
        let mut run = Self::new(target, links, out, options);
        run.options.backoff.1 = pace.every;
        run.pace = Some(pace);
        run
    }

    /// Runs until nobody reads the events, or until there is no link and never will be one.
    pub(super) async fn forever(mut self) {
        while let Some(link) = self.link().await {
            if self.era != link.era {
                (self.era, self.resume) = (link.era, None);
            }
            let replaced = replaced(self.links.clone(), (link.epoch, link.era));
            let again = tokio::select! {
                biased;
                () = replaced => true,
                again = self.turn(&link) => again,
            };
            if !again {
                return;
            }
        }
    }

    async fn link(&mut self) -> Option<Link> {
        let link = self.links.wait_for(Option::is_some).await.ok()?;
        link.clone()
    }

    /// One attempt and the wait after it. False when nobody reads the events any more.
    async fn turn(&mut self, link: &Link) -> bool {
        let begun = Instant::now();
        let result = self.attempt(link).await;
        let lived = begun.elapsed();
        let mut least = Duration::ZERO;
        let ended = match result {
            Ok(()) => {
                if let Some(Pace { every, .. }) = self.pace {
                    self.backoff = Backoff::default();
                    sleep(every).await;
                    return true;
                }
                Ended::Well
            }
            Err(Stop::Closed) => return false,
            Err(Stop::NoStreaming) => {
                self.paged = Some(link.epoch);
                return true;
            }
            // As a watch ends on a busy server. A listing that does so has failed: the next one may do it again.
            Err(Stop::Expired(_)) if self.resume.take().is_some() => Ended::Well,
            Err(stop @ (Stop::Failed(_) | Stop::Void(_) | Stop::Expired(_))) => {
                if matches!(stop, Stop::Void(_)) {
                    self.resume = None;
                }
                let (Stop::Failed(error) | Stop::Void(error) | Stop::Expired(error)) = stop else {
                    return false;
                };
                if let CallError::Throttled { retry_after: Some(wait), .. } = error {
                    least = wait;
                }
                // What a call says is discreet by itself; an error within a stream is made here.
                let error = link.client.discreet(error);
                if self.say(link, WatchEvent::Failed(error)).await.is_err() {
                    return false;
                }
                Ended::Badly
            }
        };
        let WatchOptions { settled, backoff, .. } = self.options;
        let wait = self.backoff.after(ended, lived, settled, backoff, fraction());
        sleep(wait.max(least)).await;
        true
    }

    async fn attempt(&mut self, link: &Link) -> Result<(), Stop> {
        // Calls are on the heap, and only while they are made: they take kilobytes, and most of its life a watch waits.
        if let Some(Pace { turns, .. }) = &self.pace {
            // Nobody closes it; without a permit it is as if there were no turns.
            let _turn = Arc::clone(turns).acquire_owned().await;
            return Box::pin(self.list(link)).await;
        }
        if self.resume.is_none() && self.paged == Some(link.epoch) {
            Box::pin(self.list(link)).await?;
        }
        let from = self.resume.clone();
        let (shortest, longest) = self.options.timeout;
        let limit = shortest + longest.saturating_sub(shortest).mul_f64(fraction());
        let query = WatchQuery {
            labels: self.target.labels.as_deref(),
            fields: self.target.fields.as_deref(),
            form: self.target.form,
            from: from.as_deref(),
            timeout_seconds: limit.as_secs().max(1),
        };
        let Target { resource, namespace, .. } = &self.target;
        let opened = Box::pin(link.client.watch(resource, namespace.as_deref(), &query)).await;
        let lines = match opened {
            Err(CallError::Invalid { .. }) if from.is_none() => return Err(Stop::NoStreaming),
            opened => opened?,
        };
        link.gate.admit(&link.client).await?;
        self.say(link, if from.is_some() { WatchEvent::Resumed } else { WatchEvent::Init }).await?;
        self.follow(link, lines, limit + self.options.grace).await
    }

    /// Lists in pages. A page that fails voids the listing.
    async fn list(&mut self, link: &Link) -> Result<(), Stop> {
        let mut query = ListQuery {
            labels: self.target.labels.clone(),
            fields: self.target.fields.clone(),
            limit: Some(self.options.page),
            continue_token: None,
        };
        let mut begun = false;
        loop {
            let Target { resource, namespace, form, .. } = &self.target;
            let page = link.client.page(resource, namespace.as_deref(), &query, *form).await?;
            link.gate.admit(&link.client).await?;
            if !begun {
                self.say(link, WatchEvent::Init).await?;
                begun = true;
            }
            for object in page.items {
                self.say(link, WatchEvent::Listed(object)).await?;
            }
            query.continue_token = page.next;
            if query.continue_token.is_none() {
                let resource_version = page.resource_version;
                self.say(link, WatchEvent::Complete { resource_version: resource_version.clone() }).await?;
                self.resume = Some(resource_version);
                return Ok(());
            }
        }
    }

    /// Passes on what a stream of events says, until it ends.
    async fn follow(&mut self, link: &Link, mut lines: Lines, idle: Duration) -> Result<(), Stop> {
        loop {
            let listing = self.resume.is_none();
            let patience = if listing { self.options.silence } else { idle };
            let Ok(arrived) = timeout(patience, lines.next()).await else {
                return if listing { Err(Stop::NoStreaming) } else { Ok(()) };
            };
            let text = match arrived {
                Ok(text) => text,
                Err(StreamEnd::TooLong(error)) => return Err(Stop::Void(error)),
                Err(StreamEnd::Broken(error)) if listing => return Err(Stop::Failed(error)),
                Err(StreamEnd::Ended) if listing => {
                    return Err(Stop::Failed(malformed(
                        lines.attempt(),
                        "the listing ended before it was complete",
                    )));
                }
                // As watches end. If the server is gone, the next attempt says so.
                Err(StreamEnd::Ended | StreamEnd::Broken(_)) => return Ok(()),
            };
            let (event, seen) = match line::read(&text, &self.target) {
                Ok(Line::Applied(object)) if listing => (WatchEvent::Listed(object), None),
                Ok(Line::Deleted(object)) if listing => (WatchEvent::Deleted(object), None),
                Ok(Line::Applied(object)) => {
                    let version = object.meta.resource_version.clone();
                    (WatchEvent::Applied(object), Some(version))
                }
                Ok(Line::Deleted(object)) => {
                    let version = object.meta.resource_version.clone();
                    (WatchEvent::Deleted(object), Some(version))
                }
                Ok(Line::Bookmark { resource_version, initial_end: true }) if listing => {
                    if resource_version.is_empty() {
                        let what = "the listing has no resourceVersion";
                        return Err(Stop::Failed(malformed(lines.attempt(), what)));
                    }
                    (
                        WatchEvent::Complete { resource_version: resource_version.clone() },
                        Some(resource_version),
                    )
                }
                Ok(Line::Bookmark { resource_version, .. }) => {
                    if listing || resource_version.is_empty() {
                        continue;
                    }
                    (
                        WatchEvent::Bookmark { resource_version: resource_version.clone() },
                        Some(resource_version),
                    )
                }
                Ok(Line::Error(status)) => {
                    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    return Err(status
                        .error(code, &self.target.resource, None, None, lines.attempt().clone())
                        .into());
                }
                Err(what) => return Err(Stop::Void(malformed(lines.attempt(), what))),
            };
            // The order matters: an event whose sending is interrupted comes again.
            self.say(link, event).await?;
            if seen.is_some() {
                self.resume = seen;
            }
        }
    }

    /// What comes of this stream, without the wait and the next attempt after it.
    #[cfg(any(test, feature = "testing"))]
    pub(super) async fn replay(
        mut self,
        link: &Link,
        from: Option<&str>,
        lines: Lines,
        idle: Duration,
    ) -> Option<CallError> {
        self.resume = from.map(str::to_owned);
        match self.follow(link, lines, idle).await {
            Ok(()) | Err(Stop::Closed | Stop::NoStreaming) => None,
            Err(Stop::Failed(error) | Stop::Void(error) | Stop::Expired(error)) => Some(error),
        }
    }

    async fn say(&self, link: &Link, event: WatchEvent) -> Result<(), Stop> {
        self.out.send(Watched { epoch: link.epoch, era: link.era, event }).await.map_err(|_| Stop::Closed)
    }
}

fn malformed(attempt: &Attempt, what: &'static str) -> CallError {
    CallError::Malformed { attempt: Box::new(attempt.clone()), what }
}

/// Ends when the link of this epoch and era is no longer the published one.
async fn replaced(mut links: watch::Receiver<Option<Link>>, used: (u64, u32)) {
    let other = |link: &Option<Link>| link.as_ref().is_none_or(|link| (link.epoch, link.era) != used);
    if links.wait_for(other).await.is_err() {
        std::future::pending::<()>().await;
    }
}
