//! A client of one API server: every call has a deadline over headers and body, a limit on the answer, and an error
//! that says what was attempted. Answers are parsed into slim [`Object`]s; none is ever logged.

mod answer;
mod call;
mod error;
mod options;
mod stack;
mod stream;
mod url;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use muster_api::{Object, Resource};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::endpoint::Endpoint;
pub use answer::Page;
pub(crate) use answer::{TypeMeta, within};
use answer::{object, page};
use call::Call;
pub use error::{Attempt, CallError};
pub(crate) use error::{Status, excerpt};
pub use options::{CallObserver, ClientError, ClientOptions};
use stack::Stack;
pub(crate) use stream::{Lines, StreamEnd, WatchQuery};

/// Most bytes of an answer that is an error.
const ERROR_LIMIT: usize = 64 * 1024;

/// What a list is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Label selector.
    pub labels: Option<String>,
    /// Field selector.
    pub fields: Option<String>,
    /// Most items of a page.
    pub limit: Option<u32>,
    /// Where the page begins: [`Page::next`] of the one before.
    pub continue_token: Option<String>,
}

/// What an object must still be for its deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preconditions {
    /// UID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// `resourceVersion`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
}

/// A client of one API server, over one connection. Clones share it; the connection closes with the last of them.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    deadline: Duration,
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
        Ok(Self { inner: Arc::new(Inner { stack, options }), deadline })
    }

    /// The same client, over the same connection, with another deadline.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { inner: Arc::clone(&self.inner), deadline }
    }

    /// How many connections were made. While it stays the same, all answers came from the same server.
    #[must_use]
    pub fn connections_opened(&self) -> u64 {
        self.inner.stack.opened.load(Ordering::Relaxed)
    }

    /// The same connection for what needs a [`kube::Client`]. It has neither deadlines nor limits of its own, and
    /// holds the connection open.
    #[must_use]
    pub fn kube(&self) -> kube::Client {
        self.inner.stack.kube.clone()
    }

    /// Reads one object.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn get(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Object, CallError> {
        self.object(Call::new("get", Method::GET, resource, namespace).named(name)).await
    }

    /// Reads one page of a list, and checks that the answer is a list of this very kind.
    ///
    /// # Errors
    /// See [`CallError`]. A page with one malformed item is malformed.
    pub async fn list_page(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        query: &ListQuery,
    ) -> Result<Page, CallError> {
        let limit = query.limit.map(|limit| limit.to_string());
        let mut call = Call::new("list", Method::GET, resource, namespace)
            .ask("labelSelector", query.labels.as_deref())
            .ask("fieldSelector", query.fields.as_deref())
            .ask("limit", limit.as_deref())
            .ask("continue", query.continue_token.as_deref());
        let result = self.text(&mut call).await.and_then(|text| page(&call, &text));
        self.observe(&call, &result);
        result
    }

    /// Creates an object.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::AlreadyExists`] where there is one of that name.
    pub async fn create(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        manager: &str,
        body: Vec<u8>,
    ) -> Result<Object, CallError> {
        let call = Call::new("create", Method::POST, resource, namespace);
        self.object(call.ask("fieldManager", Some(manager)).json(body)).await
    }

    /// Replaces an object. With a resourceVersion in `body`, only if it still has that one.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::Conflict`] where it has another resourceVersion.
    pub async fn replace(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        manager: &str,
        body: Vec<u8>,
    ) -> Result<Object, CallError> {
        let call = Call::new("update", Method::PUT, resource, namespace).named(name);
        self.object(call.ask("fieldManager", Some(manager)).json(body)).await
    }

    /// Replaces the status of an object. With a resourceVersion in `body`, only if it still has that one.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::Conflict`] where it has another resourceVersion.
    pub async fn replace_status(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        manager: &str,
        body: Vec<u8>,
    ) -> Result<Object, CallError> {
        let call = Call::new("update", Method::PUT, resource, namespace).named(name).sub(Some("status"));
        self.object(call.ask("fieldManager", Some(manager)).json(body)).await
    }

    /// Merges a patch (RFC 7396) into an object or one of its subresources.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn merge_patch(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        subresource: Option<&str>,
        manager: &str,
        body: Vec<u8>,
    ) -> Result<Object, CallError> {
        let call = Call::new("patch", Method::PATCH, resource, namespace).named(name).sub(subresource);
        let call = call.ask("fieldManager", Some(manager));
        self.object(call.content("application/merge-patch+json", body)).await
    }

    /// Deletes an object, its dependents in the background.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::Conflict`] where a precondition does not hold.
    pub async fn delete(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        preconditions: &Preconditions,
    ) -> Result<(), CallError> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct DeleteOptions<'a> {
            api_version: &'static str,
            kind: &'static str,
            propagation_policy: &'static str,
            preconditions: &'a Preconditions,
        }
        let mut call = Call::new("delete", Method::DELETE, resource, namespace).named(name);
        let options = DeleteOptions {
            api_version: "v1",
            kind: "DeleteOptions",
            propagation_policy: "Background",
            preconditions,
        };
        let body = serde_json::to_vec(&options).map_err(|_| call.malformed("its preconditions"))?;
        call = call.json(body);
        let result = self.text(&mut call).await.map(|_| ());
        self.observe(&call, &result);
        result
    }

    /// Posts a question that is answered and never stored, such as a `SelfSubjectAccessReview`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn review(&self, resource: &Resource, body: Vec<u8>) -> Result<Box<RawValue>, CallError> {
        let mut call = Call::new("create", Method::POST, resource, None).json(body);
        let result = self
            .text(&mut call)
            .await
            .and_then(|text| RawValue::from_string(text).map_err(|_| call.malformed("it is not JSON")));
        self.observe(&call, &result);
        result
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
    async fn object(&self, mut call: Call<'_>) -> Result<Object, CallError> {
        let result = self.text(&mut call).await.and_then(|text| object(&call, text));
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
        let request = call.request()?;
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
