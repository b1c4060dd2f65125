//! The loop of a watch: one attempt after the other, each over the link that is published.
//!
//! ```text
//!            ┌──────────── nothing to resume from ─────────────┐
//!            ▼                                                 │ expired (410), malformed
//!   Init, Listed …, Complete ──▶ Applied, Deleted, Bookmark … ─┴─▶ ended, broken, another link: Resumed, …
//!   (streamed, else in pages)
//! ```

use http::StatusCode;
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::backoff::{Backoff, Ended, random};
use super::line::{self, Line};
use super::{Link, Target, WatchEvent, WatchOptions, Watched};
use crate::client::{Attempt, CallError, Lines, ListQuery, StreamEnd, WatchQuery};

/// Why an attempt ended, where it was not the server that ended a watch as servers do.
enum Stop {
    /// Nobody reads the events any more.
    Closed,
    /// A failure to tell of.
    Failed(CallError),
    /// A failure to tell of, after which nothing that was seen can be relied on.
    Void(CallError),
    /// The server serves no history from where the watch was.
    Expired,
    /// The server does not stream listings.
    NoStreaming,
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Gone { .. } => Self::Expired,
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
    /// Where to go on from; none while there is no complete listing.
    resume: Option<String>,
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
        Self { target, links, out, options, resume: None, paged: None, backoff: Backoff::default() }
    }

    /// Runs until nobody reads the events, or until there is no link and never will be one.
    pub(super) async fn forever(mut self) {
        while let Some(link) = self.link().await {
            let replaced = replaced(self.links.clone(), link.epoch);
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
            Ok(()) => Ended::Well,
            Err(Stop::Closed) => return false,
            Err(Stop::NoStreaming) => {
                self.paged = Some(link.epoch);
                return true;
            }
            Err(Stop::Expired) => {
                self.resume = None;
                Ended::Well
            }
            Err(stop @ (Stop::Failed(_) | Stop::Void(_))) => {
                if matches!(stop, Stop::Void(_)) {
                    self.resume = None;
                }
                let (Stop::Failed(error) | Stop::Void(error)) = stop else { return false };
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
        let wait = self.backoff.after(ended, lived, settled, backoff, random());
        sleep(wait.max(least)).await;
        true
    }

    async fn attempt(&mut self, link: &Link) -> Result<(), Stop> {
        if self.resume.is_none() && self.paged == Some(link.epoch) {
            self.list(link).await?;
        }
        let from = self.resume.clone();
        let (shortest, longest) = self.options.timeout;
        let limit = shortest + longest.saturating_sub(shortest).mul_f64(random());
        let query = WatchQuery {
            labels: self.target.labels.as_deref(),
            fields: self.target.fields.as_deref(),
            from: from.as_deref(),
            timeout_seconds: limit.as_secs().max(1),
        };
        let opened = link.client.watch(&self.target.resource, self.target.namespace.as_deref(), &query).await;
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
            let namespace = self.target.namespace.as_deref();
            let page = link.client.list_page(&self.target.resource, namespace, &query).await?;
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
                return self.complete(link, page.resource_version).await;
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
            match line::read(&text, &self.target) {
                Ok(Line::Applied(object)) if listing => self.say(link, WatchEvent::Listed(object)).await?,
                Ok(Line::Deleted(object)) if listing => self.say(link, WatchEvent::Deleted(object)).await?,
                Ok(Line::Applied(object)) => {
                    let version = object.meta.resource_version.clone();
                    self.seen(link, WatchEvent::Applied(object), version).await?;
                }
                Ok(Line::Deleted(object)) => {
                    let version = object.meta.resource_version.clone();
                    self.seen(link, WatchEvent::Deleted(object), version).await?;
                }
                Ok(Line::Bookmark { resource_version, initial_end: true }) if listing => {
                    if resource_version.is_empty() {
                        let what = "the listing has no resourceVersion";
                        return Err(Stop::Failed(malformed(lines.attempt(), what)));
                    }
                    self.complete(link, resource_version).await?;
                }
                Ok(Line::Bookmark { resource_version, .. }) => {
                    if !listing && !resource_version.is_empty() {
                        let event = WatchEvent::Bookmark { resource_version: resource_version.clone() };
                        self.seen(link, event, resource_version).await?;
                    }
                }
                Ok(Line::Error(status)) => {
                    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    return Err(status
                        .error(code, &self.target.resource, None, None, lines.attempt().clone())
                        .into());
                }
                Err(what) => return Err(Stop::Void(malformed(lines.attempt(), what))),
            }
        }
    }

    async fn complete(&mut self, link: &Link, resource_version: String) -> Result<(), Stop> {
        let event = WatchEvent::Complete { resource_version: resource_version.clone() };
        self.seen(link, event, resource_version).await
    }

    /// Passes an event on, and goes on after it from then. The order matters: an event whose sending is interrupted
    /// comes again.
    async fn seen(&mut self, link: &Link, event: WatchEvent, resource_version: String) -> Result<(), Stop> {
        self.say(link, event).await?;
        self.resume = Some(resource_version);
        Ok(())
    }

    async fn say(&self, link: &Link, event: WatchEvent) -> Result<(), Stop> {
        self.out.send(Watched { epoch: link.epoch, event }).await.map_err(|_| Stop::Closed)
    }
}

fn malformed(attempt: &Attempt, what: &'static str) -> CallError {
    CallError::Malformed { attempt: Box::new(attempt.clone()), what }
}

/// Ends when the link of this epoch is no longer the published one.
async fn replaced(mut links: watch::Receiver<Option<Link>>, epoch: u64) {
    let other = |link: &Option<Link>| link.as_ref().is_none_or(|link| link.epoch != epoch);
    if links.wait_for(other).await.is_err() {
        std::future::pending::<()>().await;
    }
}
