//! A plain HTTPS client for one API server: what kubectl is too slow or too coarse for.

use std::{io, time::Duration};

use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

use crate::{
    pki::{self, PkiError},
    runtime,
};

/// How long a request may take. None of them is a watch.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long a connection is kept for the next request. The API server ends one after 90 s, also while a request is on its way.
const IDLE: Duration = Duration::from_secs(30);

/// A request failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The client could not be made.
    #[error("unable to make a client of {server}: {source}")]
    Client {
        /// The server's URL.
        server: String,
        /// Why.
        source: PkiError,
    },
    /// The request could not be put together.
    #[error("unable to form the request {method} {path}: {source}")]
    Form {
        /// The method.
        method: Method,
        /// Path and query.
        path: String,
        /// Why.
        source: http::Error,
    },
    /// No answer came.
    #[error("unable to get an answer to {method} {path}: {why}")]
    NoAnswer {
        /// The method.
        method: Method,
        /// Path and query.
        path: String,
        /// Why.
        why: String,
    },
    /// An answer came that is no success.
    #[error("unable to {method} {path}: {status}: {message}")]
    Refused {
        /// The method.
        method: Method,
        /// Path and query.
        path: String,
        /// The answer's status.
        status: StatusCode,
        /// `message` of the `Status` object, else the start of the body.
        message: String,
    },
    /// A body that should be JSON is not.
    #[error("unable to read the answer to {path}: {source}")]
    Json {
        /// Path and query.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The library's runtime is not to be had.
    #[error("unable to run a request: {0}")]
    Runtime(#[from] io::Error),
}

/// An answer of any status.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its body, whole.
    pub body: Bytes,
}

/// The content type of a JSON merge patch.
pub const MERGE_PATCH: &str = "application/merge-patch+json";
/// The content type of a server-side apply.
pub const APPLY_PATCH: &str = "application/apply-patch+yaml";
/// The content type of a JSON patch.
pub const JSON_PATCH: &str = "application/json-patch+json";

/// A client of one API server with one token. Clones share connections.
#[derive(Clone)]
pub struct Api {
    server: String,
    authorization: Option<HeaderValue>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Api {
    /// A client of `server` (`https://127.0.0.1:PORT`) that trusts `ca_pem`, with a bearer token, or anonymous if
    /// that is empty.
    ///
    /// # Errors
    ///
    /// The CA bundle cannot be used.
    pub fn new(server: &str, ca_pem: &str, token: &str) -> Result<Self, ApiError> {
        let tls = pki::client_config(ca_pem)
            .map_err(|source| ApiError::Client { server: server.to_owned(), source })?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().build();
        let authorization = (!token.is_empty())
            .then(|| HeaderValue::from_str(&format!("Bearer {token}")).ok())
            .flatten()
            .map(|mut value| {
                value.set_sensitive(true);
                value
            });
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(connector);
        Ok(Self { server: server.to_owned(), authorization, client })
    }

    /// Sends a request and takes any answer.
    ///
    /// # Errors
    ///
    /// No answer came within 30 s.
    pub fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Result<Reply, ApiError> {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(format!("{}{path}", self.server))
            .header(header::CONTENT_TYPE, content_type)
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, "muster-tests");
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(body.into())).map_err(|source| ApiError::Form {
            method: method.clone(),
            path: path.to_owned(),
            source,
        })?;
        let answer = self.client.request(request);
        let read = async move {
            let answer = answer.await.map_err(|e| chain(&e))?;
            let status = answer.status();
            let body = answer.into_body().collect().await.map_err(|e| chain(&e))?.to_bytes();
            Ok::<_, String>(Reply { status, body })
        };
        let in_time = async { tokio::time::timeout(DEADLINE, read).await };
        runtime::block_on(in_time)?
            .unwrap_or_else(|_| Err("the deadline passed".to_owned()))
            .map_err(|why| ApiError::NoAnswer { method, path: path.to_owned(), why })
    }

    /// GET; the object.
    ///
    /// # Errors
    ///
    /// As for [`Api::call`].
    pub fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.call(Method::GET, path, "application/json", &Value::Null)
    }

    /// POST of a new object; the object as stored.
    ///
    /// # Errors
    ///
    /// As for [`Api::call`].
    pub fn create(&self, collection: &str, object: &Value) -> Result<Value, ApiError> {
        self.call(Method::POST, collection, "application/json", object)
    }

    /// PUT of an object; the object as stored.
    ///
    /// # Errors
    ///
    /// As for [`Api::call`].
    pub fn replace(&self, path: &str, object: &Value) -> Result<Value, ApiError> {
        self.call(Method::PUT, path, "application/json", object)
    }

    /// PATCH with a content type such as [`MERGE_PATCH`]; the object as stored.
    ///
    /// # Errors
    ///
    /// As for [`Api::call`].
    pub fn patch(&self, path: &str, content_type: &str, change: &Value) -> Result<Value, ApiError> {
        self.call(Method::PATCH, path, content_type, change)
    }

    /// DELETE; the object or its `Status`.
    ///
    /// # Errors
    ///
    /// As for [`Api::call`].
    pub fn delete(&self, path: &str) -> Result<Value, ApiError> {
        self.call(Method::DELETE, path, "application/json", &Value::Null)
    }

    /// Sends a request; JSON both ways, `Value::Null` for no body.
    ///
    /// # Errors
    ///
    /// No answer, a status other than 2xx, or an answer that is not JSON.
    pub fn call(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<Value, ApiError> {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let reply = self.send(method.clone(), path, content_type, text)?;
        if !reply.status.is_success() {
            return Err(ApiError::Refused {
                method,
                path: path.to_owned(),
                status: reply.status,
                message: message(&reply.body),
            });
        }
        serde_json::from_slice(&reply.body).map_err(|source| ApiError::Json { path: path.to_owned(), source })
    }
}

impl ApiError {
    /// The status of an answer that was no success.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

fn message(body: &[u8]) -> String {
    serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|status| Some(status.get("message")?.as_str()?.to_owned()))
        .unwrap_or_else(|| String::from_utf8_lossy(body).chars().take(200).collect())
}

/// An error with its causes: hyper's own text says only "client error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
