//! Calls to one API server, each with a deadline.

use std::cell::Cell;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, DATE};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use kube::client::Body;
use muster_api::Resource;
use serde_json::Value;

use crate::failure::Failure;
use crate::kubectl::Kubectl;
use crate::resources::subject;

/// How long a call may take, connecting included.
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

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum CallError {
    /// There is no such object.
    NotFound,
    /// The server does not serve the kind.
    NotServed,
    /// The namespace that the object is to be in is not there.
    NoNamespace,
    /// 401.
    Unauthorized,
    /// 403, with the server's words.
    Forbidden(String),
    /// It is there already.
    Exists,
    /// The server refuses it as it is, with its words.
    Refused(String),
    /// No answer, and why.
    Unreachable(String),
    /// Any other answer.
    Other(String),
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
        let (content, bytes) =
            body.map_or((JSON, Vec::new()), |(content, object)| (content, object.to_string().into_bytes()));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(ACCEPT, accept)
            .header(CONTENT_TYPE, content)
            .body(Body::from(bytes))
            .map_err(|error| CallError::Other(error.to_string()))?;
        let whole = async {
            let response = self.client.send(request).await.map_err(|error| unreachable(&error))?;
            let status = response.status();
            let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
            if let Some(date) = date.and_then(|date| rfc2822::parse(date).ok()) {
                self.now.set(Some(date.timestamp()));
            }
            let body = response.into_body().collect().await.map_err(|error| unreachable(&error))?.to_bytes();
            if status.is_success() {
                return serde_json::from_slice(&body)
                    .map_err(|_| CallError::Other("the answer is not JSON".to_owned()));
            }
            Err(refusal(status, &body, path))
        };
        let late = || CallError::Unreachable(format!("no answer within {} s", DEADLINE.as_secs()));
        tokio::time::timeout(DEADLINE, whole).await.unwrap_or_else(|_| Err(late()))
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
            CallError::Unreachable(why) => Failure::new(what, why, self.kubectl.run("get --raw /readyz")),
        }
    }
}

impl CallError {
    /// The cause in a few words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::NotFound => "it does not exist".to_owned(),
            Self::NotServed => "the cluster does not serve it".to_owned(),
            Self::NoNamespace => "its namespace does not exist".to_owned(),
            Self::Unauthorized => {
                "the server does not know your credential: it has ended, or is of another cluster".to_owned()
            }
            Self::Exists => "it is there already".to_owned(),
            Self::Forbidden(why) | Self::Refused(why) | Self::Unreachable(why) | Self::Other(why) => {
                why.clone()
            }
        }
    }
}

/// Why no answer came. Of the chain of causes, all that says more than the one before.
fn unreachable(error: &dyn std::error::Error) -> CallError {
    let mut words = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if let Some(last) = words.last_mut()
            && last.ends_with(&text)
        {
            last.truncate(last.len() - text.len());
            last.truncate(last.trim_end_matches([':', ' ']).len());
        }
        words.push(text);
        source = cause.source();
    }
    words.retain(|word| !word.is_empty() && !["ServiceError", "HyperError"].contains(&word.as_str()));
    words.dedup();
    CallError::Unreachable(words.join(": "))
}

fn refusal(status: StatusCode, body: &[u8], path: &str) -> CallError {
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |pointer: &str| told.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let message = text("/message");
    let message = if message.is_empty() { status.to_string() } else { message.to_owned() };
    match status {
        StatusCode::NOT_FOUND if text("/details/name").is_empty() => CallError::NotServed,
        // Of a namespace itself the path ends with its name: /api/v1/namespaces/NAME.
        StatusCode::NOT_FOUND if text("/details/kind") == "namespaces" && path.split('/').count() > 5 => {
            CallError::NoNamespace
        }
        StatusCode::NOT_FOUND => CallError::NotFound,
        StatusCode::UNAUTHORIZED => CallError::Unauthorized,
        StatusCode::FORBIDDEN => CallError::Forbidden(message),
        StatusCode::CONFLICT if text("/reason") == "AlreadyExists" => CallError::Exists,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT => {
            CallError::Refused(message)
        }
        _ => CallError::Other(format!("{status}: {message}")),
    }
}
