//! A webhook of admission: what an API server asks before it stores an object.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};
use tokio_rustls::TlsAcceptor;

use crate::{
    pki::{Authority, PkiError},
    proxy, runtime,
};

/// What went wrong with the webhook.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Its certificates could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// It could not run or listen.
    #[error("unable to run the webhook: {0}")]
    Run(#[from] std::io::Error),
}

/// What becomes of an object.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It may be stored.
    Allowed,
    /// It is refused, and why.
    Refused(String),
    /// It is stored with this change, a list of steps as RFC 6902 has them.
    Changed(Value),
}

impl From<Option<String>> for Verdict {
    /// Refused for this reason, if there is one.
    fn from(why: Option<String>) -> Self {
        why.map_or(Self::Allowed, Self::Refused)
    }
}

type Judge = dyn Fn(&Value) -> Verdict + Send + Sync;

/// A webhook on a loopback port of its own, under a CA of its own. It asks nobody else. Closed when it is dropped.
pub struct Webhook {
    port: u16,
    authority: Authority,
    asked: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Webhook {
    /// A webhook that is told the object of each request, and says what becomes of it.
    ///
    /// # Errors
    ///
    /// [`WebhookError`].
    pub fn start<V: Into<Verdict>>(
        judge: impl Fn(&Value) -> V + Send + Sync + 'static,
    ) -> Result<Self, WebhookError> {
        let authority = Authority::new("webhook CA")?;
        let tls = proxy::acceptor(&authority.serving()?)?;
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let asked = Arc::new(AtomicUsize::new(0));
        let judge = Arc::new(move |object: &Value| judge(object).into());
        let task = runtime::handle()?.spawn(listen(listener, tls, judge, Arc::clone(&asked)));
        Ok(Self { port, authority, asked, task: task.abort_handle() })
    }

    /// Where an API server finds it: the `clientConfig` of a webhook's configuration.
    #[must_use]
    pub fn client_config(&self) -> Value {
        json!({"url": format!("https://127.0.0.1:{}/judge", self.port),
            "caBundle": BASE64_STANDARD.encode(self.authority.pem())})
    }

    /// How often it was asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(
    listener: std::net::TcpListener,
    tls: TlsAcceptor,
    judge: Arc<Judge>,
    asked: Arc<AtomicUsize>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (tls, judge, asked) = (tls.clone(), Arc::clone(&judge), Arc::clone(&asked));
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(move |request| answer(request, Arc::clone(&judge), Arc::clone(&asked)));
            // an error is the client's going away
            drop(
                auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

/// Answers an `AdmissionReview` of `admission.k8s.io/v1` with another one.
async fn answer(
    request: Request<Incoming>,
    judge: Arc<Judge>,
    asked: Arc<AtomicUsize>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let review: Value = body.ok().and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
    asked.fetch_add(1, Ordering::SeqCst);
    let mut response = json!({"uid": review["request"]["uid"], "allowed": true});
    match judge(&review["request"]["object"]) {
        Verdict::Allowed => {}
        Verdict::Refused(why) => {
            response["allowed"] = json!(false);
            response["status"] = json!({"code": 403, "message": why});
        }
        Verdict::Changed(steps) => {
            response["patchType"] = json!("JSONPatch");
            response["patch"] = json!(BASE64_STANDARD.encode(steps.to_string()));
        }
    }
    let reply = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    let mut reply = Response::new(Full::from(reply.to_string()));
    let json = http::HeaderValue::from_static("application/json");
    reply.headers_mut().insert(http::header::CONTENT_TYPE, json);
    Ok(reply)
}
