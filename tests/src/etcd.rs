//! Just enough of etcd's HTTP interface to put a cluster back to what it was.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::UnixStream;

use crate::runtime;

/// A request to etcd failed.
#[derive(Debug, thiserror::Error)]
#[error("unable to {action} in etcd at {}: {why}", .socket.display())]
pub struct EtcdError {
    action: &'static str,
    socket: PathBuf,
    why: String,
}

/// A key's value and the revision that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The store's revision at the last write.
    pub(crate) revision: String,
    /// The value, base64; empty if only keys were asked for.
    pub(crate) value: String,
}

/// A step that puts the store back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Remove this key.
    Delete(String),
    /// Give this key this value (base64).
    Put(String, String),
}

/// The keys below `/registry/`, with their values if `values`.
pub(crate) fn range(socket: &Path, values: bool) -> Result<BTreeMap<String, Stored>, EtcdError> {
    let body = json!({
        "key": BASE64_STANDARD.encode("/registry/"),
        "range_end": BASE64_STANDARD.encode("/registry0"), // the byte after '/'
        "keys_only": !values,
    });
    let mut answers = run(socket, "read", vec![("/v3/kv/range", body)])?;
    let range: Range =
        answers.pop().and_then(|answer| serde_json::from_value(answer).ok()).unwrap_or_default();
    Ok(range.kvs.into_iter().filter_map(|kv| Some((text(&kv.key)?, kv.stored()))).collect())
}

/// Carries out the steps in order.
pub(crate) fn carry_out(socket: &Path, steps: &[Step]) -> Result<(), EtcdError> {
    let requests = steps.iter().map(|step| match step {
        Step::Delete(key) => ("/v3/kv/deleterange", json!({"key": BASE64_STANDARD.encode(key)})),
        Step::Put(key, value) => ("/v3/kv/put", json!({"key": BASE64_STANDARD.encode(key), "value": value})),
    });
    run(socket, "write", requests.collect()).map(drop)
}

/// The store's revision.
pub(crate) fn revision(socket: &Path) -> Result<u64, EtcdError> {
    let body = json!({"key": BASE64_STANDARD.encode("revision"), "keys_only": true});
    let answers = run(socket, "read", vec![("/v3/kv/range", body)])?;
    let revision =
        answers.first().and_then(|answer| answer.pointer("/header/revision")?.as_str()?.parse().ok());
    revision.ok_or_else(|| EtcdError {
        action: "read",
        socket: socket.to_owned(),
        why: "the answer has no revision".to_owned(),
    })
}

/// Raises the store's revision to this one, and serves no history from before it: what `etcdutl snapshot restore` does with
/// `--bump-revision` and `--mark-compacted`.
pub(crate) fn raise(socket: &Path, revision: u64) -> Result<(), EtcdError> {
    let puts = revision.saturating_sub(self::revision(socket)?);
    let put = || ("/v3/kv/put", json!({"key": BASE64_STANDARD.encode("/raised"), "value": ""}));
    let compact = ("/v3/kv/compaction", json!({"revision": revision.to_string()}));
    run(socket, "write", (0..puts).map(|_| put()).chain([compact]).collect()).map(drop)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Range {
    kvs: Vec<KeyValue>,
}

#[derive(Deserialize)]
struct KeyValue {
    key: String,
    mod_revision: String,
    #[serde(default)]
    value: String,
}

impl KeyValue {
    fn stored(self) -> Stored {
        Stored { revision: self.mod_revision, value: self.value }
    }
}

fn text(base64: &str) -> Option<String> {
    String::from_utf8(BASE64_STANDARD.decode(base64).ok()?).ok()
}

/// Sends requests one after the other over one connection.
fn run(
    socket: &Path,
    action: &'static str,
    requests: Vec<(&'static str, Value)>,
) -> Result<Vec<Value>, EtcdError> {
    let path = socket.to_owned();
    let all = async move {
        let stream = UnixStream::connect(path).await.map_err(|e| e.to_string())?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        tokio::spawn(connection);
        let mut answers = Vec::new();
        for (path, body) in requests {
            let request = Request::post(path)
                .header(header::HOST, "localhost")
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::new(Bytes::from(body.to_string())))
                .map_err(|e| e.to_string())?;
            let answer = sender.send_request(request).await.map_err(|e| e.to_string())?;
            let status = answer.status();
            let text = answer.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
            if !status.is_success() {
                return Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&text)));
            }
            answers.push(serde_json::from_slice(&text).map_err(|e| e.to_string())?);
        }
        Ok(answers)
    };
    runtime::block_on(all).map_err(|e| e.to_string()).and_then(|result| result).map_err(|why| EtcdError {
        action,
        socket: socket.to_owned(),
        why,
    })
}
