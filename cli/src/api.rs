//! Calls to one API server, each with a deadline, and made again where that is safe and may help.

mod error;
mod retry;

use std::cell::Cell;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use kube::client::Body;
use muster_api::Resource;
use serde_json::Value;

use crate::failure::Failure;
use crate::kubectl::Kubectl;
use crate::resources::subject;
pub(crate) use error::CallError;
use error::{refusal, unreachable};

/// How long a call may take, connecting and all its attempts included.
const DEADLINE: Duration = Duration::from_secs(30);
/// Most items of one page of a list.
const PAGE: usize = 500;

/// Metadata alone: of Secrets, no value.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// The name under which objects are written.
pub(crate) const MANAGER: &str = "kubectl-muster";

/// A client of the cluster that this run is about.
pub(crate) struct Api {
    client: kube::Client,
    kubectl: Kubectl,
    dry_run: bool,
    /// The server's own clock, as of its last answer.
    now: Cell<Option<Timestamp>>,
}

/// What a call does, as `kubectl auth can-i` names it.
#[derive(Clone)]
pub(crate) struct Call<'a> {
    verb: &'static str,
    resource: Resource,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// A call about one object, or about all of a collection.
    pub(crate) fn new(
        verb: &'static str,
        resource: &Resource,
        namespace: Option<&'a str>,
        name: Option<&'a str>,
    ) -> Self {
        Self { verb, resource: resource.clone(), namespace, name }
    }
}

impl Api {
    pub(crate) fn new(client: kube::Client, kubectl: Kubectl, dry_run: bool) -> Self {
        Self { client, kubectl, dry_run, now: Cell::new(None) }
    }

    /// The time by the server's clock, so that a wrong clock here makes no age wrong.
    pub(crate) fn now(&self) -> Timestamp {
        self.now.get().unwrap_or_else(Timestamp::now)
    }

    pub(crate) fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    pub(crate) fn is_rehearsal(&self) -> bool {
        self.dry_run
    }

    /// What became of an object: this participle, or that it would have in a rehearsal.
    pub(crate) fn became(&self, participle: &str) -> String {
        if self.dry_run { format!("would be {participle} (rehearsed)") } else { participle.to_owned() }
    }

    pub(crate) async fn get(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, CallError> {
        self.send(Method::GET, &resource.path(namespace, Some(name)), JSON, None).await
    }

    /// The metadata of an object and nothing else of it.
    pub(crate) async fn metadata(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, CallError> {
        self.send(Method::GET, &resource.path(namespace, Some(name)), METADATA, None).await
    }

    /// All objects of a collection.
    pub(crate) async fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
    ) -> Result<Vec<Value>, CallError> {
        self.pages(resource, namespace, "", JSON).await
    }

    /// The objects of a collection that have this label with this value; neither may need escaping in a URL.
    pub(crate) async fn list_labelled(
        &self,
        resource: &Resource,
        label: (&str, &str),
    ) -> Result<Vec<Value>, CallError> {
        let query = format!("&labelSelector={}%3D{}", label.0, label.1);
        self.pages(resource, None, &query, JSON).await
    }

    /// The metadata of all objects of a collection and nothing else of them.
    pub(crate) async fn list_metadata(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
    ) -> Result<Vec<Value>, CallError> {
        self.pages(resource, namespace, "", METADATA_LIST).await
    }

    async fn pages(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        query: &str,
        accept: &str,
    ) -> Result<Vec<Value>, CallError> {
        let mut items = Vec::new();
        let mut next = String::new();
        loop {
            let mut path = format!("{}?limit={PAGE}{query}", resource.path(namespace, None));
            if !next.is_empty() {
                path = format!("{path}&continue={next}");
            }
            let mut page = self.send(Method::GET, &path, accept, None).await?;
            if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            match page.pointer("/metadata/continue").and_then(Value::as_str) {
                Some(token) if !token.is_empty() => token.clone_into(&mut next),
                _ => return Ok(items),
            }
        }
    }

    pub(crate) async fn create(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        object: &Value,
    ) -> Result<Value, CallError> {
        let path = format!("{}?fieldManager={MANAGER}{}", resource.path(namespace, None), self.rehearsed());
        self.send(Method::POST, &path, JSON, Some((JSON, object))).await
    }

    /// POST to a path below an object. Nothing is stored by it, so it is made in a rehearsal too.
    pub(crate) async fn ask(&self, path: &str, object: &Value) -> Result<Value, CallError> {
        self.send(Method::POST, path, JSON, Some((JSON, object))).await
    }

    /// GET of a path that is no object's.
    pub(crate) async fn raw(&self, path: &str, accept: &str) -> Result<Value, CallError> {
        self.send(Method::GET, path, accept, None).await
    }

    /// Merges a change into an object.
    pub(crate) async fn patch(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        change: &Value,
    ) -> Result<Value, CallError> {
        let path = resource.path(namespace, Some(name));
        let path = format!("{path}?fieldManager={MANAGER}{}", self.rehearsed());
        self.send(Method::PATCH, &path, JSON, Some((MERGE_PATCH, change))).await
    }

    /// Server-side apply. Fields of others are taken over only with `force`.
    pub(crate) async fn apply(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        object: &Value,
        force: bool,
    ) -> Result<Value, CallError> {
        let path = resource.path(namespace, Some(name));
        let path = format!("{path}?fieldManager={MANAGER}&force={force}{}", self.rehearsed());
        self.send(Method::PATCH, &path, JSON, Some((APPLY_PATCH, object))).await
    }

    pub(crate) async fn delete(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, CallError> {
        let dry_run = if self.dry_run { "?dryRun=All" } else { "" };
        let path = format!("{}{dry_run}", resource.path(namespace, Some(name)));
        self.send(Method::DELETE, &path, JSON, None).await
    }

    fn rehearsed(&self) -> &'static str {
        if self.dry_run { "&dryRun=All" } else { "" }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Value, CallError> {
        let end = tokio::time::Instant::now() + DEADLINE;
        let mut attempt = 0;
        loop {
            let late = || CallError::Unreachable(format!("no answer within {} s", DEADLINE.as_secs()));
            let once = tokio::time::timeout_at(end, self.send_once(&method, path, accept, body));
            let error = match once.await.unwrap_or_else(|_| Err(late())) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let again = retry::wait(&method, &error, attempt).map(|wait| tokio::time::Instant::now() + wait);
            match again.filter(|again| *again < end) {
                Some(again) => tokio::time::sleep_until(again).await,
                None => return Err(error),
            }
            attempt += 1;
        }
    }

    async fn send_once(
        &self,
        method: &Method,
        path: &str,
        accept: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Value, CallError> {
        let (content, bytes) =
            body.map_or((JSON, Vec::new()), |(content, object)| (content, object.to_string().into_bytes()));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(ACCEPT, accept)
            .header(CONTENT_TYPE, content)
            .body(Body::from(bytes))
            .map_err(|error| CallError::Other(error.to_string()))?;
        let response = self.client.send(request).await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        if let Some(date) = text(DATE).and_then(|date| rfc2822::parse(date).ok()) {
            self.now.set(Some(date.timestamp()));
        }
        let after = text(RETRY_AFTER).and_then(|wait| wait.trim().parse().ok()).map(Duration::from_secs);
        let body = response.into_body().collect().await.map_err(|error| unreachable(&error))?.to_bytes();
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|_| CallError::Other("the answer is not JSON".to_owned()));
        }
        Err(refusal(status, &body, path, after))
    }

    /// What to say of a failed call to a path that is no object's.
    pub(crate) fn failure_of(&self, path: &str, error: &CallError) -> Failure {
        let next = match error {
            CallError::Unauthorized => self.kubectl.run("auth whoami"),
            _ => self.kubectl.run(&format!("get --raw {path}")),
        };
        Failure::new(format!("unable to get {path} of the server"), error.words(), next)
    }

    /// What to say of a failed call.
    pub(crate) fn failure(&self, call: Call<'_>, error: CallError) -> Failure {
        let Call { verb, resource, namespace, name } = call;
        let subject = subject(&resource, namespace, name);
        let what = format!("unable to {verb} {subject}");
        let kind = resource.full_name();
        let inside = namespace.map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
        let get = self.kubectl.run(&format!("get {kind}{inside}"));
        match error {
            CallError::NotFound | CallError::Exists => Failure::new(what, error.words(), get),
            CallError::NotServed => Failure::new(
                what,
                format!("this cluster does not serve {kind}: Muster's definitions are not installed"),
                self.kubectl.run("apply -f multicluster.yaml"),
            ),
            CallError::NoNamespace => {
                let namespace = namespace.unwrap_or_default();
                Failure::new(
                    what,
                    format!("there is no namespace {namespace}"),
                    self.kubectl.run(&format!("get namespace {namespace}")),
                )
            }
            CallError::Unauthorized => Failure::new(what, error.words(), self.kubectl.run("auth whoami")),
            CallError::Forbidden(why) => {
                let named = name.map(|name| format!("/{name}")).unwrap_or_default();
                Failure::new(
                    what,
                    why,
                    format!(
                        "ask for that right, then see that you have it: {}",
                        self.kubectl.run(&format!("auth can-i {verb} {kind}{named}{inside}"))
                    ),
                )
            }
            CallError::Refused(why) | CallError::Other(why) => Failure::new(what, why, get),
            CallError::Busy { .. } | CallError::Broken(_) | CallError::Cut(_) | CallError::Unreachable(_) => {
                Failure::new(what, error.words(), self.kubectl.run("get --raw /readyz"))
            }
        }
    }
}
