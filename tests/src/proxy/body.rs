//! Bodies on their way: noted when they have come whole, cut, silent, slow, or with other lines.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::{Shared, lock, rules::Change};

/// Why a stream is reset. The client sees only that.
pub(super) type Reset = Box<dyn std::error::Error + Send + Sync>;

/// Between two parts of a slow body.
const PACE: Duration = Duration::from_secs(1);

/// The body of a request, of which it is noted when it has come whole.
pub(super) struct Noted {
    pub(super) inner: Incoming,
    /// How many bytes are still to come, where the request says so.
    pub(super) left: Option<u64>,
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
}

impl Body for Noted {
    type Data = Bytes;
    type Error = Reset;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Reset>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        let last = match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.left = self.left.map(|left| left.saturating_sub(length));
                self.inner.is_end_stream()
            }
            // so ends also a stream that the client cancels
            Poll::Ready(None) => matches!(self.left, None | Some(0)),
            Poll::Ready(Some(Err(_))) | Poll::Pending => false,
        };
        if last {
            lock(&self.shared.seen)[self.index].whole.get_or_insert_with(Instant::now);
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of an answer that comes in another way.
pub(super) enum Altered {
    /// It is reset after so many bytes.
    Cut { inner: Incoming, left: usize },
    /// Nothing of it comes.
    Mute {
        // kept: the server must not see the stream close
        _inner: Incoming,
    },
    /// It comes so many bytes at a time.
    Slow { inner: Incoming, rate: Weak<usize>, held: Bytes, pause: Pin<Box<Sleep>> },
    /// Each line is replaced.
    Lines {
        inner: Incoming,
        change: Change,
        /// The beginning of a line whose end has not come.
        rest: Vec<u8>,
    },
}

impl Altered {
    /// So many bytes a second, as long as somebody has the rate.
    pub(super) fn slow(inner: Incoming, rate: &Arc<usize>) -> Self {
        let (rate, pause) = (Arc::downgrade(rate), Box::pin(tokio::time::sleep(Duration::ZERO)));
        Self::Slow { inner, rate, held: Bytes::new(), pause }
    }
}

impl Body for Altered {
    type Data = Bytes;
    type Error = Reset;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Reset>>> {
        match self.get_mut() {
            Self::Mute { .. } => Poll::Pending,
            Self::Cut { left: 0, .. } => Poll::Ready(Some(Err("the body is cut".into()))),
            Self::Cut { inner, left } => match ready!(data(inner, context)) {
                Some(Ok(mut data)) => {
                    data.truncate(*left);
                    *left -= data.len();
                    Poll::Ready(Some(Ok(Frame::data(data))))
                }
                end => Poll::Ready(end.map(|end| end.map(Frame::data))),
            },
            Self::Slow { inner, rate, held, pause } => {
                if held.is_empty() {
                    match ready!(data(inner, context)) {
                        Some(Ok(data)) => *held = data,
                        end => return Poll::Ready(end.map(|end| end.map(Frame::data))),
                    }
                }
                ready!(pause.as_mut().poll(context));
                let Some(rate) = rate.upgrade() else {
                    return Poll::Ready(Some(Ok(Frame::data(std::mem::take(held)))));
                };
                pause.as_mut().reset(tokio::time::Instant::now() + PACE);
                let part = held.split_to((*rate).min(held.len()));
                Poll::Ready(Some(Ok(Frame::data(part))))
            }
            Self::Lines { inner, change, rest } => loop {
                match ready!(data(inner, context)) {
                    Some(Ok(data)) => rest.extend_from_slice(&data),
                    // the last line need not end as one
                    None if !rest.is_empty() => rest.push(b'\n'),
                    end => return Poll::Ready(end.map(|end| end.map(Frame::data))),
                }
                let lines = changed(change, rest);
                if !lines.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(lines.into()))));
                }
            },
        }
    }
}

/// The next bytes of a body.
fn data(inner: &mut Incoming, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Reset>>> {
    let frame = ready!(Pin::new(inner).poll_frame(context));
    // trailers, of which API servers send none, hold no bytes
    Poll::Ready(frame.map(|frame| Ok(frame?.into_data().unwrap_or_default())))
}

/// What the whole lines in `rest` become; what is after them stays there.
fn changed(change: &Change, rest: &mut Vec<u8>) -> String {
    let mut lines = String::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = rest.drain(..=end).collect();
        for line in change(String::from_utf8_lossy(&line).trim_end()) {
            lines.push_str(&line);
            lines.push('\n');
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_are_replaced_and_the_rest_waits() {
        let change: Change = Arc::new(|line| match line {
            "drop" => Vec::new(),
            line => vec![line.to_owned(), line.to_uppercase()],
        });
        let mut rest = b"a\ndrop\nb".to_vec();
        assert_eq!(changed(&change, &mut rest), "a\nA\n");
        rest.extend_from_slice(b"c\n");
        assert_eq!(changed(&change, &mut rest), "bc\nBC\n");
        assert!(rest.is_empty());
    }
}
