//! One call, from its parts to its request.

use std::borrow::Cow;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use kube::client::Body;
use muster_api::Resource;

use super::error::{excerpt, innermost};
use super::{Attempt, CallError, fence, url};

/// What answers are asked for as, where nothing else is said.
pub(super) const JSON: &str = "application/json";

/// One call: what is asked, and how.
pub(super) struct Call<'a> {
    pub(super) verb: &'static str,
    pub(super) resource: &'a Resource,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    subresource: Option<&'a str>,
    /// Instead of the resource's own path.
    path: Option<Cow<'static, str>>,
    accept: &'static str,
    method: Method,
    query: Vec<(&'static str, Option<&'a str>)>,
    content: Option<(&'static str, Vec<u8>)>,
}

impl<'a> Call<'a> {
    pub(super) fn new(
        verb: &'static str,
        method: Method,
        resource: &'a Resource,
        namespace: Option<&'a str>,
    ) -> Self {
        Self {
            verb,
            resource,
            namespace,
            name: None,
            subresource: None,
            path: None,
            accept: JSON,
            method,
            query: Vec::new(),
            content: None,
        }
    }

    pub(super) fn named(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    pub(super) fn sub(mut self, subresource: Option<&'a str>) -> Self {
        self.subresource = subresource;
        self
    }

    /// At this path, which is none of a resource.
    pub(super) fn at(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// With an answer of this form of JSON.
    pub(super) fn accepting(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    pub(super) fn ask(mut self, key: &'static str, value: Option<&'a str>) -> Self {
        self.query.push((key, value));
        self
    }

    pub(super) fn json(self, body: Vec<u8>) -> Self {
        self.content(JSON, body)
    }

    pub(super) fn content(mut self, kind: &'static str, body: Vec<u8>) -> Self {
        self.content = Some((kind, body));
        self
    }

    pub(super) fn attempt(&self) -> Attempt {
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

    pub(super) fn malformed(&self, what: &'static str) -> CallError {
        CallError::Malformed { attempt: Box::new(self.attempt()), what }
    }

    pub(super) fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> CallError {
        if fence::is_fenced(error) {
            return CallError::Fenced { attempt: Box::new(self.attempt()) };
        }
        CallError::Unreachable { attempt: Box::new(self.attempt()), cause: innermost(error) }
    }

    pub(super) fn request(&mut self) -> Result<Request<Body>, CallError> {
        let invalid = |call: &Self, message: &str| CallError::Invalid {
            attempt: Box::new(call.attempt()),
            message: message.to_owned(),
        };
        let mut path = match self.path.take() {
            Some(path) => path.into_owned(),
            None => url::path(self.resource, self.namespace, self.name, self.subresource)
                .map_err(|message| invalid(self, message))?,
        };
        url::query(&mut path, &self.query);
        let mut request = Request::builder().method(self.method.clone()).uri(path);
        request = request.header(ACCEPT, HeaderValue::from_static(self.accept));
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
