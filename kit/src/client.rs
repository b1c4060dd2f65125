//! A client of one API server: every call has a deadline over headers and body, a limit on the answer, and an error
//! that says what was attempted. Answers are parsed into slim [`Object`]s; none is ever logged.

mod account;
mod answer;
mod call;
mod clock;
mod discovery;
mod error;
mod fence;
mod kinds;
mod options;
mod proxy;
mod read;
mod stack;
mod stream;
mod url;
mod wire;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use muster_api::Object;
use tokio::time::timeout;

use crate::endpoint::Endpoint;
pub use account::{Account, AccountError};
pub use answer::{Form, Page};
pub(crate) use answer::{TypeMeta, within};
use call::Call;
pub use discovery::Served;
pub use error::{Attempt, CallError};
pub(crate) use error::{Status, excerpt};
use fence::Behind;
pub use fence::Fence;
pub use kinds::ServedKind;
pub use options::{CallObserver, ClientError, ClientOptions};
pub use proxy::{Proxy, ProxyError};
pub use read::ListQuery;
#[cfg(any(test, feature = "testing"))]
pub(crate) use read::page_of;
use stack::Stack;
pub(crate) use stream::{Lines, StreamEnd, WatchQuery};
pub use write::Preconditions;

/// Most bytes of an answer that is an error.
const ERROR_LIMIT: usize = 64 * 1024;

/// A client of one API server, over one connection. Clones share it; the connection closes with the last of them.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    deadline: Duration,
    /// Whom every request is made as; none stands for the owner of the credential.
    account: Option<Account>,
    /// What every write must pass.
    fence: Option<Behind>,
}

struct Inner {
    stack: Stack,
    options: ClientOptions,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// A client. It connects with the first call. Needs a tokio runtime.
    ///
    /// # Errors
    /// Where the endpoint's CA, name or credential cannot be used.
    pub fn new(endpoint: &Endpoint, options: ClientOptions) -> Result<Self, ClientError> {
        let stack = stack::build(endpoint, &options)?;
        let deadline = options.deadline;
        Ok(Self { inner: Arc::new(Inner { stack, options }), deadline, account: None, fence: None })
    }

    /// The same client, over the same connection, with another deadline.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The same client, over the same connection, every request of which is made as this account and no other: with
    /// its rights, and in its name in the server's audit log.
    #[must_use]
    pub fn acting_as(&self, account: &Account) -> Self {
        Self { account: Some(account.clone()), ..self.clone() }
    }

    /// The same client, over the same connection, whose writes begin only while `fence` admits them. Others end as
    /// [`CallError::Fenced`].
    #[must_use]
    pub fn fenced(&self, fence: Arc<dyn Fence>) -> Self {
        Self { fence: Some(Behind(fence)), ..self.clone() }
    }

    /// How many connections were made. While it stays the same, all answers came from the same server.
    #[must_use]
    pub fn connections_opened(&self) -> u64 {
        self.inner.stack.opened.load(Ordering::Relaxed)
    }

    /// By how much this machine's clock is ahead of the server's at least, by the server's last answer; negative where it is
    /// behind. `None`: no answer said.
    #[must_use]
    pub fn clock_ahead(&self) -> Option<jiff::SignedDuration> {
        self.inner.stack.clock.ahead()
    }

    /// The same connection, account and fence for what needs a [`kube::Client`]. It has neither deadlines nor limits of
    /// its own, and holds the connection open.
    #[must_use]
    pub fn kube(&self) -> kube::Client {
        let kube = self.inner.stack.kube.clone();
        let (account, fence) = (self.account.clone(), self.fence.clone());
        if account.is_none() && fence.is_none() {
            return kube;
        }
        let service = tower::service_fn(move |mut request| {
            let kube = kube.clone();
            sign(&mut request, account.as_ref(), fence.as_ref());
            async move { kube.send(request).await }
        });
        kube::Client::new(service, "default")
    }

    /// An error without what the server said, where that repeats the credential.
    pub(crate) fn discreet(&self, error: CallError) -> CallError {
        error.discreet(|text| self.inner.stack.token.is_in(text))
    }

    fn observe<T>(&self, call: &Call<'_>, result: &Result<T, CallError>) {
        if let Some(observer) = &self.inner.options.observer {
            let outcome = result.as_ref().map_or_else(CallError::category, |_| "ok");
            observer.called(call.verb, &call.resource.plural, outcome);
        }
    }

    /// Makes a call whose answer is one object.
    async fn object(&self, call: Call<'_>) -> Result<Object, CallError> {
        self.ask(call, answer::object).await
    }

    /// Makes a call whose whole answer is read.
    async fn ask<T>(
        &self,
        mut call: Call<'_>,
        read: impl FnOnce(&Call<'_>, String) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let result = self.text(&mut call).await.and_then(|text| read(&call, text));
        self.observe(&call, &result);
        result
    }

    /// Makes a call and reads the whole answer, within the deadline.
    async fn text(&self, call: &mut Call<'_>) -> Result<String, CallError> {
        let limit = self.deadline;
        let attempt = call.attempt();
        let whole = async {
            let response = self.send(call).await?;
            let bytes = self.read(call, response, self.inner.options.body_limit).await?;
            String::from_utf8(bytes).map_err(|_| call.malformed("it is not UTF-8"))
        };
        timeout(limit, whole)
            .await
            .unwrap_or_else(|_| Err(CallError::Deadline { attempt: Box::new(attempt), limit }))
            .map_err(|error| self.discreet(error))
    }

    /// Sends a request. An answer that is no success is read and becomes an error.
    async fn send(&self, call: &mut Call<'_>) -> Result<Response<Body>, CallError> {
        let mut request = call.request()?;
        sign(&mut request, self.account.as_ref(), self.fence.as_ref());
        let response = self.inner.stack.kube.send(request).await.map_err(|error| call.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let wait =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Err(self.failure(call, status, wait, response).await)
    }

    async fn failure(
        &self,
        call: &Call<'_>,
        status: StatusCode,
        wait: Option<u64>,
        response: Response<Body>,
    ) -> CallError {
        // What the body says is a bonus: the code alone decides where it cannot be read.
        let body = self.read(call, response, ERROR_LIMIT).await.unwrap_or_default();
        Status::read(&body).error(status, call.resource, call.name, wait, call.attempt())
    }

    async fn read(
        &self,
        call: &Call<'_>,
        response: Response<Body>,
        limit: usize,
    ) -> Result<Vec<u8>, CallError> {
        let mut body = response.into_body();
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| call.unreachable(&error))?;
            if let Some(data) = frame.data_ref() {
                if bytes.len() + data.len() > limit {
                    let message = format!("the answer has more than {limit} bytes");
                    return Err(CallError::TooLarge { attempt: Box::new(call.attempt()), message });
                }
                bytes.extend_from_slice(data);
            }
        }
        Ok(bytes)
    }
}

/// Puts on a request what is true of all requests of a client.
fn sign(request: &mut Request<Body>, account: Option<&Account>, fence: Option<&Behind>) {
    if let Some(account) = account {
        account.sign(request);
    }
    if let Some(fence) = fence {
        request.extensions_mut().insert(fence.clone());
    }
}
