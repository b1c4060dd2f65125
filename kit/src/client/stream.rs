//! The answer of a watch: lines, one event each.

use http::Method;
use http_body_util::BodyExt;
use hyper::body::Bytes;
use kube::client::Body;
use muster_api::Resource;
use tokio::time::timeout;

use super::{Attempt, Call, CallError, Client, Form};

/// What a watch is asked for.
#[derive(Clone, Debug)]
pub(crate) struct WatchQuery<'a> {
    /// Label selector.
    pub(crate) labels: Option<&'a str>,
    /// Field selector.
    pub(crate) fields: Option<&'a str>,
    /// How much of each object.
    pub(crate) form: Form,
    /// Where to go on from; none asks for all objects first (KEP-3157).
    pub(crate) from: Option<&'a str>,
    /// When the server is to end the watch, in seconds.
    pub(crate) timeout_seconds: u64,
}

/// Why there is no further line.
#[derive(Debug)]
pub(crate) enum StreamEnd {
    /// The server ended the answer.
    Ended,
    /// The connection broke.
    Broken(CallError),
    /// The line is longer than the client allows.
    TooLong(CallError),
}

/// The lines of an answer, read one at a time.
pub(crate) struct Lines {
    body: Body,
    /// What has arrived and is not read yet.
    chunk: Bytes,
    /// The beginning of a line whose end has not arrived.
    begun: Vec<u8>,
    limit: usize,
    attempt: Attempt,
}

impl Client {
    /// Opens a watch: waits for the headers of its answer, within the deadline.
    pub(crate) async fn watch(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        query: &WatchQuery<'_>,
    ) -> Result<Lines, CallError> {
        let seconds = query.timeout_seconds.to_string();
        let all = query.from.is_none();
        let mut call = Call::new("watch", Method::GET, resource, namespace)
            .accepting(query.form.of_events())
            .ask("watch", Some("1"))
            .ask("allowWatchBookmarks", Some("true"))
            .ask("timeoutSeconds", Some(&seconds))
            .ask("labelSelector", query.labels)
            .ask("fieldSelector", query.fields)
            .ask("resourceVersion", query.from)
            .ask("sendInitialEvents", all.then_some("true"))
            .ask("resourceVersionMatch", all.then_some("NotOlderThan"));
        let attempt = call.attempt();
        let limit = self.deadline;
        let result = match timeout(limit, self.send(&mut call)).await {
            Ok(result) => result,
            Err(_) => Err(CallError::Deadline { attempt: Box::new(attempt.clone()), limit }),
        };
        self.observe(&call, &result);
        Ok(Lines {
            body: result?.into_body(),
            chunk: Bytes::new(),
            begun: Vec::new(),
            limit: self.inner.options.line_limit,
            attempt,
        })
    }
}

impl Lines {
    /// The lines of an answer that no server sent.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn replayed(body: Body, limit: usize, resource: &Resource) -> Self {
        let attempt = Call::new("watch", Method::GET, resource, None).attempt();
        Self { body, chunk: Bytes::new(), begun: Vec::new(), limit, attempt }
    }

    /// What was attempted, for errors about lines.
    pub(crate) fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// The next line, without its end; never an empty one. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Bytes, StreamEnd> {
        loop {
            let end = self.chunk.iter().position(|byte| *byte == b'\n');
            let part = self.chunk.split_to(end.unwrap_or(self.chunk.len()));
            if self.begun.len() + part.len() > self.limit {
                let message = format!("an event has more than {} bytes", self.limit);
                return Err(StreamEnd::TooLong(CallError::TooLarge {
                    attempt: Box::new(self.attempt.clone()),
                    message,
                }));
            }
            if end.is_none() {
                self.begun.extend_from_slice(&part);
                self.chunk = self.arrived().await?;
                continue;
            }
            let _ = self.chunk.split_to(1);
            let line = if self.begun.is_empty() {
                part
            } else {
                self.begun.extend_from_slice(&part);
                Bytes::from(std::mem::take(&mut self.begun))
            };
            if !line.is_empty() {
                return Ok(line);
            }
        }
    }

    /// What arrives next. A line that was begun when the answer ends is dropped: it was cut.
    async fn arrived(&mut self) -> Result<Bytes, StreamEnd> {
        loop {
            match self.body.frame().await {
                None => return Err(StreamEnd::Ended),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(data);
                    }
                }
                Some(Err(error)) => {
                    return Err(StreamEnd::Broken(CallError::Unreachable {
                        attempt: Box::new(self.attempt.clone()),
                        cause: super::error::innermost(&error),
                    }));
                }
            }
        }
    }
}
