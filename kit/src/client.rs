//! A client of one API server: every call has a deadline over headers and body, a limit on the answer, and an error
//! that says what was attempted. Answers are parsed into slim [`Object`]s; none is ever logged.

mod error;
mod stack;
mod stream;
mod url;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use muster_api::{Object, Resource};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::endpoint::Endpoint;
pub use error::{Attempt, CallError};
pub(crate) use error::{Status, excerpt};
pub(crate) use stream::{Lines, StreamEnd, WatchQuery};

/// Most bytes of an answer that is an error.
const ERROR_LIMIT: usize = 64 * 1024;

/// Is told how each call ended, for metrics.
pub trait CallObserver: Send + Sync {
    /// `verb` and `resource` (the plural) are those of the call; `outcome` is `ok` or [`CallError::category`].
    fn called(&self, verb: &'static str, resource: &str, outcome: &'static str);
}

/// What can be chosen of a client.
#[derive(Clone)]
pub struct ClientOptions {
    /// What the client calls itself to the server, for its audit log and its flow control.
    pub user_agent: String,
    /// Time for a call, headers and body together; for a watch, time for the headers.
    pub deadline: Duration,
    /// Time for a connection, TLS included.
    pub connect_timeout: Duration,
    /// How often the connection is tested with a PING, also while nothing is under way.
    pub ping_interval: Duration,
    /// How long the answer to a PING may take before the connection counts as dead.
    pub ping_timeout: Duration,
    /// Most bytes of an answer.
    pub body_limit: usize,
    /// Most bytes of one event of a watch.
    pub line_limit: usize,
    /// Is told how each call ended.
    pub observer: Option<Arc<dyn CallObserver>>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            user_agent: concat!("muster/", env!("CARGO_PKG_VERSION")).to_owned(),
            deadline: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(15),
            body_limit: 16 * 1024 * 1024,
            line_limit: 4 * 1024 * 1024,
            observer: None,
        }
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("user_agent", &self.user_agent)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Why there is no client. No value of the input is repeated.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A certificate of the CA is none.
    #[error("unable to make a client: the server's CA is no certificate")]
    Ca,
    /// The `tls-server-name` is no host name.
    #[error("unable to make a client: the TLS server name is no host name")]
    ServerName,
    /// Certificate and key are no pair, or no PEM.
    #[error("unable to make a client: the client certificate and its key are unusable")]
    ClientCertificate,
    /// The token can stand in no header, or is empty.
    #[error("unable to make a client: the token is unusable")]
    Token,
    /// The token's file cannot be read, or holds no usable token.
    #[error("unable to make a client: the token's file is unusable")]
    TokenFile,
    /// The user agent can stand in no header.
    #[error("unable to make a client: the user agent is unusable")]
    UserAgent,
    /// TLS itself cannot be set up.
    #[error("unable to make a client: TLS cannot be set up")]
    Tls,
}

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

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// The objects. Servers leave kind and apiVersion out of the items of built-in kinds.
    pub items: Vec<Object>,
    /// The version of the collection: from here a watch goes on.
    pub resource_version: String,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
    /// How many items are left after this page, where the server says so.
    pub remaining: Option<u64>,
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
    kube: kube::Client,
    opened: Arc<AtomicU64>,
    options: ClientOptions,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// One call: what is asked, and how.
pub(crate) struct Call<'a> {
    verb: &'static str,
    resource: &'a Resource,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    subresource: Option<&'a str>,
    method: Method,
    query: Vec<(&'static str, Option<&'a str>)>,
    content: Option<(&'static str, Vec<u8>)>,
}

impl<'a> Call<'a> {
    fn new(verb: &'static str, method: Method, resource: &'a Resource, namespace: Option<&'a str>) -> Self {
        Self {
            verb,
            resource,
            namespace,
            name: None,
            subresource: None,
            method,
            query: Vec::new(),
            content: None,
        }
    }

    fn named(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    fn sub(mut self, subresource: Option<&'a str>) -> Self {
        self.subresource = subresource;
        self
    }

    fn ask(mut self, key: &'static str, value: Option<&'a str>) -> Self {
        self.query.push((key, value));
        self
    }

    fn json(self, body: Vec<u8>) -> Self {
        self.content("application/json", body)
    }

    fn content(mut self, kind: &'static str, body: Vec<u8>) -> Self {
        self.content = Some((kind, body));
        self
    }

    pub(crate) fn attempt(&self) -> Attempt {
        let mut resource = self.resource.full_name();
        if let Some(subresource) = self.subresource {
            resource.push('/');
            resource.push_str(subresource);
        }
        let name = match (self.namespace, self.name) {
            (Some(namespace), Some(name)) => Some(excerpt(&format!("{namespace}/{name}"))),
            (one, other) => one.or(other).map(excerpt),
        };
        Attempt { verb: self.verb, resource, name }
    }

    fn malformed(&self, what: &'static str) -> CallError {
        CallError::Malformed { attempt: Box::new(self.attempt()), what }
    }

    fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> CallError {
        CallError::Unreachable { attempt: Box::new(self.attempt()), cause: error::innermost(error) }
    }

    fn request(&mut self) -> Result<Request<Body>, CallError> {
        let invalid = |call: &Self, message: &str| CallError::Invalid {
            attempt: Box::new(call.attempt()),
            message: message.to_owned(),
        };
        let mut path = url::path(self.resource, self.namespace, self.name, self.subresource)
            .map_err(|message| invalid(self, message))?;
        url::query(&mut path, &self.query);
        let mut request = Request::builder().method(self.method.clone()).uri(path);
        request = request.header(ACCEPT, HeaderValue::from_static("application/json"));
        let body = match self.content.take() {
            Some((kind, body)) => {
                request = request.header(CONTENT_TYPE, HeaderValue::from_static(kind));
                Body::from(body)
            }
            None => Body::empty(),
        };
        request.body(body).map_err(|_| invalid(self, "the request can stand in no URL"))
    }
}

impl Client {
    /// A client. It connects with the first call. Needs a tokio runtime.
    ///
    /// # Errors
    /// Where the endpoint's CA, name or credential cannot be used.
    pub fn new(endpoint: &Endpoint, options: ClientOptions) -> Result<Self, ClientError> {
        let (kube, opened) = stack::build(endpoint, &options)?;
        let deadline = options.deadline;
        Ok(Self { inner: Arc::new(Inner { kube, opened, options }), deadline })
    }

    /// The same client, over the same connection, with another deadline.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { inner: Arc::clone(&self.inner), deadline }
    }

    /// How many connections were made. While it stays the same, all answers came from the same server.
    #[must_use]
    pub fn connections_opened(&self) -> u64 {
        self.inner.opened.load(Ordering::Relaxed)
    }

    /// The same connection for what needs a [`kube::Client`]. It has neither deadlines nor limits of its own, and
    /// holds the connection open.
    #[must_use]
    pub fn kube(&self) -> kube::Client {
        self.inner.kube.clone()
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

    /// Applies a configuration (server-side apply, KEP-555). `force` takes over fields of other managers.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::Conflict`] where another manager has a field, or where `body` names a
    /// resourceVersion or UID that the object has not.
    pub async fn apply(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        manager: &str,
        force: bool,
        body: Vec<u8>,
    ) -> Result<Object, CallError> {
        let call = Call::new("apply", Method::PATCH, resource, namespace).named(name);
        let call =
            call.ask("fieldManager", Some(manager)).ask("force", Some(if force { "true" } else { "false" }));
        self.object(call.content("application/apply-patch+yaml", body)).await
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

    /// Posts a question whose answer is no object with a UID: a `SelfSubjectReview`, a `SelfSubjectAccessReview`, or,
    /// with `of` an account's name and `token`, a `TokenRequest`. The answer may hold a secret.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn post_review(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        of: Option<(&str, &str)>,
        body: Vec<u8>,
    ) -> Result<Box<RawValue>, CallError> {
        let mut call = Call::new("create", Method::POST, resource, namespace).json(body);
        if let Some((name, subresource)) = of {
            call = call.named(name).sub(Some(subresource));
        }
        let result = self
            .text(&mut call)
            .await
            .and_then(|text| RawValue::from_string(text).map_err(|_| call.malformed("it is not JSON")));
        self.observe(&call, &result);
        result
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
    }

    /// Sends a request. An answer that is no success is read and becomes an error.
    async fn send(&self, call: &mut Call<'_>) -> Result<Response<Body>, CallError> {
        let request = call.request()?;
        let response = self.inner.kube.send(request).await.map_err(|error| call.unreachable(&error))?;
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

/// Kind and apiVersion of an object; empty where they are missing.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct TypeMeta {
    kind: String,
    api_version: String,
}

impl TypeMeta {
    /// Whether this is the type of the resource's objects.
    pub(crate) fn is(&self, resource: &Resource) -> bool {
        self.kind == resource.kind && self.api_version == resource.api_version()
    }

    fn is_missing(&self) -> bool {
        self.kind.is_empty() && self.api_version.is_empty()
    }
}

/// Reads the answer that is one object, and checks that it is the one that was asked for.
fn object(call: &Call<'_>, text: String) -> Result<Object, CallError> {
    let raw = RawValue::from_string(text).map_err(|_| call.malformed("it is not JSON"))?;
    let kind: TypeMeta = serde_json::from_str(raw.get()).map_err(|_| call.malformed("it is no object"))?;
    if !kind.is(call.resource) {
        return Err(call.malformed("it is of another kind"));
    }
    let object = Object::parse(raw).map_err(|_| call.malformed("it is no object"))?;
    if call.name.is_some_and(|name| name != object.meta.name)
        || (call.namespace.is_some() && !within(call.resource, call.namespace, &object))
    {
        return Err(call.malformed("it is another object"));
    }
    Ok(object)
}

/// Whether an object lies where the resource and the namespace say. No namespace stands for all of them.
pub(crate) fn within(resource: &Resource, namespace: Option<&str>, object: &Object) -> bool {
    match resource.scope {
        muster_api::Scope::Cluster => object.meta.namespace.is_none(),
        muster_api::Scope::Namespaced => match (namespace, object.meta.namespace.as_deref()) {
            (Some(asked), Some(found)) => asked == found,
            (None, Some(_)) => true,
            (_, None) => false,
        },
    }
}

/// Reads the answer that is a page of a list.
fn page(call: &Call<'_>, text: &str) -> Result<Page, CallError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct List {
        kind: String,
        api_version: String,
        metadata: ListMeta,
        // Missing items are no empty list: an answer that was cut must not look like one.
        #[serde(deserialize_with = "Option::deserialize")]
        items: Option<Vec<Box<RawValue>>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ListMeta {
        resource_version: String,
        #[serde(default, rename = "continue")]
        next: String,
        #[serde(default)]
        remaining_item_count: Option<u64>,
    }
    let list: List = serde_json::from_str(text).map_err(|_| call.malformed("it is no list"))?;
    if list.kind != format!("{}List", call.resource.kind) || list.api_version != call.resource.api_version() {
        return Err(call.malformed("it is a list of another kind"));
    }
    if list.metadata.resource_version.is_empty() {
        return Err(call.malformed("the list has no resourceVersion"));
    }
    let items = list.items.unwrap_or_default().into_iter().map(|raw| {
        let kind: TypeMeta =
            serde_json::from_str(raw.get()).map_err(|_| call.malformed("an item is no object"))?;
        if !(kind.is_missing() || kind.is(call.resource)) {
            return Err(call.malformed("an item is of another kind"));
        }
        let object = Object::parse(raw).map_err(|_| call.malformed("an item is no object"))?;
        if !within(call.resource, call.namespace, &object) {
            return Err(call.malformed("an item lies in another namespace"));
        }
        Ok(object)
    });
    Ok(Page {
        items: items.collect::<Result<_, _>>()?,
        resource_version: list.metadata.resource_version,
        next: Some(list.metadata.next).filter(|next| !next.is_empty()),
        remaining: list.metadata.remaining_item_count,
    })
}
