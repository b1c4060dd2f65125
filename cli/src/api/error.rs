//! Why a call failed.

use std::io::ErrorKind;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

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
    /// 429: the server did nothing, and asks to come again.
    Busy {
        /// Its words.
        why: String,
        /// How long it asks to wait.
        after: Option<Duration>,
    },
    /// 5xx: the server itself failed, with its words.
    Broken(String),
    /// The connection broke before the whole answer came, and how.
    Cut(String),
    /// No answer, and why.
    Unreachable(String),
    /// Any other answer.
    Other(String),
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
            Self::Busy { why, after } => {
                let wait = after
                    .map(|wait| format!(" and asks to wait for {} s", wait.as_secs()))
                    .unwrap_or_default();
                format!("the server is too busy{wait}: {why}")
            }
            Self::Cut(why) => format!("the connection broke while the answer was waited for: {why}"),
            Self::Forbidden(why)
            | Self::Refused(why)
            | Self::Broken(why)
            | Self::Unreachable(why)
            | Self::Other(why) => why.clone(),
        }
    }
}

/// Why no whole answer came. Of the chain of causes, all that says more than the one before.
pub(super) fn unreachable(error: &(dyn std::error::Error + 'static)) -> CallError {
    let mut words = vec![error.to_string()];
    let mut cut = is_cut(error);
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
        cut |= is_cut(cause);
        source = cause.source();
    }
    words.retain(|word| !word.is_empty() && !["ServiceError", "HyperError"].contains(&word.as_str()));
    words.dedup();
    let words = words.join(": ");
    if cut { CallError::Cut(words) } else { CallError::Unreachable(words) }
}

/// Whether a cause says that there was a connection, and that it is gone.
fn is_cut(cause: &(dyn std::error::Error + 'static)) -> bool {
    let broken = [
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::BrokenPipe,
        ErrorKind::UnexpectedEof,
    ];
    cause.downcast_ref::<std::io::Error>().is_some_and(|error| broken.contains(&error.kind()))
        || cause
            .downcast_ref::<hyper::Error>()
            .is_some_and(|error| error.is_incomplete_message() || error.is_body_write_aborted())
}

/// What an answer that is no success says. `after`: its header `Retry-After`.
pub(super) fn refusal(status: StatusCode, body: &[u8], path: &str, after: Option<Duration>) -> CallError {
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
        StatusCode::TOO_MANY_REQUESTS => CallError::Busy { why: message, after },
        _ if status.is_server_error() => CallError::Broken(format!("{status}: {message}")),
        _ => CallError::Other(format!("{status}: {message}")),
    }
}
