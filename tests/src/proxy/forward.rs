//! One request: to the server and back, or not.

use std::{future, sync::Arc, time::Instant};

use http::{
    HeaderMap, Request, Response, StatusCode, Uri,
    header::{self, HeaderName},
    request::Parts,
};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body, Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::body::{Altered, Noted, Reset};
use super::{Action, Seen, Shared, lock};
use crate::pki::{self, PkiError};

type Reply = Response<UnsyncBoxBody<Bytes, Reset>>;

/// The API server behind the proxy.
#[derive(Clone)]
pub(super) struct Upstream {
    server: String,
    client: Client<HttpsConnector<HttpConnector>, UnsyncBoxBody<Bytes, Reset>>,
}

impl Upstream {
    /// HTTP/1.1: a connection for each watch, so that the server's limit of streams is the client's alone.
    pub(super) fn new(server: &str, ca_pem: &str) -> Result<Self, PkiError> {
        let tls = pki::client_config(ca_pem)?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only();
        Ok(Self::through(server, connector.enable_http1().build()))
    }

    /// HTTP/2: one connection for all.
    pub(super) fn multiplexed(server: &str, ca_pem: &str) -> Result<Self, PkiError> {
        let tls = pki::client_config(ca_pem)?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only();
        Ok(Self::through(server, connector.enable_http2().build()))
    }

    fn through(server: &str, connector: HttpsConnector<HttpConnector>) -> Self {
        Self { server: server.to_owned(), client: Client::builder(TokioExecutor::new()).build(connector) }
    }

    async fn send(
        &self,
        parts: &Parts,
        body: UnsyncBoxBody<Bytes, Reset>,
    ) -> Result<Response<Incoming>, Reset> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder()
            .method(parts.method.clone())
            .uri(format!("{}{path}", self.server).parse::<Uri>()?)
            .body(body)?;
        *request.headers_mut() = parts.headers.clone();
        request.headers_mut().remove(header::HOST);
        strip(request.headers_mut());
        Ok(self.client.request(request).await?)
    }
}

/// Answers a request as the rules say. An error resets the stream.
pub(super) async fn handle(
    shared: Arc<Shared>,
    connection: usize,
    request: Request<Incoming>,
) -> Result<Reply, Reset> {
    let (mut parts, body) = request.into_parts();
    let index = {
        let mut seen = lock(&shared.seen);
        seen.push(Seen {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            connection,
            status: None,
            at: Instant::now(),
            whole: body.is_end_stream().then(Instant::now),
        });
        seen.len() - 1
    };
    let action = lock(&shared.rules).decide(&parts);
    let upstream = lock(&shared.upstream).clone();
    let body = Noted { left: body.size_hint().exact(), inner: body, shared: Arc::clone(&shared), index };
    let reply = act(action, &upstream, &mut parts, body.boxed_unsync()).await?;
    lock(&shared.seen)[index].status = Some(reply.status().as_u16());
    Ok(reply)
}

async fn act(
    action: Action,
    upstream: &Upstream,
    parts: &mut Parts,
    body: UnsyncBoxBody<Bytes, Reset>,
) -> Result<Reply, Reset> {
    match action {
        // A choice was made by the rules.
        Action::Forward | Action::Choose(_) => Ok(stream(upstream.send(parts, body).await?)),
        Action::Delay(time) => {
            tokio::time::sleep(time).await;
            Ok(stream(upstream.send(parts, body).await?))
        }
        Action::DelayReply(time) => {
            let reply = upstream.send(parts, body).await?;
            tokio::time::sleep(time).await;
            Ok(stream(reply))
        }
        Action::Status(code, headers, text) => {
            let mut reply = Response::builder().status(StatusCode::from_u16(code)?);
            for (name, value) in headers {
                reply = reply.header(name, value);
            }
            Ok(reply.body(whole(text.into()))?)
        }
        Action::Answer(answer) => Ok(answer(parts).map(whole)),
        Action::DropRequest => Err("the request is dropped".into()),
        Action::DropReply => {
            upstream.send(parts, body).await?.into_body().collect().await?;
            Err("the reply is dropped".into())
        }
        Action::Hold => future::pending().await,
        Action::Mute => {
            Ok(altered(upstream.send(parts, body).await?, |inner| Altered::Mute { _inner: inner }))
        }
        Action::Truncate(bytes) => {
            Ok(altered(upstream.send(parts, body).await?, |inner| Altered::Cut { inner, left: bytes }))
        }
        Action::Slow(rate) => {
            Ok(altered(upstream.send(parts, body).await?, |inner| Altered::slow(inner, &rate)))
        }
        Action::Lines(change) => {
            let mut reply = upstream.send(parts, body).await?;
            if !reply.status().is_success() {
                return Ok(stream(reply)); // no events
            }
            reply.headers_mut().remove(header::CONTENT_LENGTH);
            Ok(altered(reply, |inner| Altered::Lines { inner, change, rest: Vec::new() }))
        }
        Action::Rewrite(rewrite) => {
            let (head, text) = read(upstream, parts, body).await?;
            Ok(Response::from_parts(head, whole(rewrite(parts, text))))
        }
        Action::Rename(here, there) => {
            let renamed = |text: &[u8], from: &str, to: &str| -> Bytes {
                String::from_utf8_lossy(text).replace(from, to).into()
            };
            parts.uri = parts.uri.to_string().replace(&here, &there).parse()?;
            parts.headers.remove(header::CONTENT_LENGTH);
            let asked = renamed(&body.collect().await?.to_bytes(), &here, &there);
            let asked = Full::new(asked).map_err(|never| match never {}).boxed_unsync();
            let (head, text) = read(upstream, parts, asked).await?;
            Ok(Response::from_parts(head, whole(renamed(&text, &there, &here))))
        }
    }
}

/// The whole answer, in the clear.
async fn read(
    upstream: &Upstream,
    parts: &mut Parts,
    body: UnsyncBoxBody<Bytes, Reset>,
) -> Result<(http::response::Parts, Bytes), Reset> {
    parts.headers.remove(header::ACCEPT_ENCODING);
    let (mut head, body) = upstream.send(parts, body).await?.into_parts();
    strip(&mut head.headers);
    head.headers.remove(header::CONTENT_LENGTH);
    Ok((head, body.collect().await?.to_bytes()))
}

/// An answer as it is, frame by frame.
fn stream(reply: Response<Incoming>) -> Reply {
    let (mut head, body) = reply.into_parts();
    strip(&mut head.headers);
    Response::from_parts(head, body.map_err(Into::into).boxed_unsync())
}

/// An answer whose body comes in another way.
fn altered(reply: Response<Incoming>, body: impl FnOnce(Incoming) -> Altered) -> Reply {
    let (mut head, inner) = reply.into_parts();
    strip(&mut head.headers);
    Response::from_parts(head, body(inner).boxed_unsync())
}

fn whole(text: Bytes) -> UnsyncBoxBody<Bytes, Reset> {
    Full::new(text).map_err(|never: super::serve::Never| match never {}).boxed_unsync()
}

/// Headers that concern one connection only (RFC 9110, 7.6.1); HTTP/2 refuses them.
fn strip(headers: &mut HeaderMap) {
    for name in [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TE,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ] {
        headers.remove(name);
    }
}
