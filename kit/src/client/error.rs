//! What can go wrong with a call, in terms that decisions and metrics can use.

mod values;
mod words;

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use muster_api::Resource;
use serde::Deserialize;

/// Most characters of a server's message that an error keeps.
const LONGEST_MESSAGE: usize = 256;
/// Most characters that are kept of the end of a longer one.
const LONGEST_END: usize = 80;
/// Longest wait that a server can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What was attempted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Verb: get, list, watch, create, update, patch or delete.
    pub verb: &'static str,
    /// Resource, as `PLURAL.GROUP`.
    pub resource: String,
    /// `[NAMESPACE/]NAME` of the object, or the namespace of a collection, or neither.
    pub name: Option<String>,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        self.name.iter().try_for_each(|name| write!(f, " {name}"))
    }
}

/// Why a call failed. Messages of servers are cut in the midst to 256 characters, control characters are escaped, and
/// nothing of an object is ever repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No connection, or it broke. TLS failures are here too: the text says whether the certificate is unknown or
    /// bears another name.
    #[error("unable to {attempt}: the server cannot be reached: {cause}")]
    Unreachable {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// What the operating system or TLS said.
        cause: String,
    },
    /// The answer was not complete in time. Whether the server did what was asked is not known.
    #[error("unable to {attempt}: no complete answer within {} ms", limit.as_millis())]
    Deadline {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// The time that it had.
        limit: Duration,
    },
    /// 401: the server does not know the credential.
    #[error("unable to {attempt}: the server rejects the credential: {message}")]
    Unauthorized {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// What the server said.
        message: String,
    },
    /// 403: the server knows the credential, and it may not do this.
    #[error("unable to {attempt}: forbidden: {message}")]
    Forbidden {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// What the server said.
        message: String,
    },
    /// 404.
    #[error("unable to {attempt}: not found{}: {message}", if *named { "" } else { " (the resource may not be served)" })]
    NotFound {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// Whether the server names this very object as absent: name, plural and group are those that were asked
        /// for. Only this proves that the object is absent; the 404 of a resource that is not served names none.
        named: bool,
        /// What the server said.
        message: String,
    },
    /// 409, or a UID that is not the object's: the object is not as the call expects it.
    #[error("unable to {attempt}: conflict: {message}")]
    Conflict {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// What the server said.
        message: String,
    },
    /// 409: there is an object of that name.
    #[error("unable to {attempt}: it exists already: {message}")]
    AlreadyExists {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// What the server said.
        message: String,
    },
    /// 410, or a resourceVersion that the server has not reached: it serves no history from there.
    #[error("unable to {attempt}: the server serves no history from there: {message}")]
    Gone {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// What the server said.
        message: String,
    },
    /// 400, 422 or another 4xx, or a name that can stand in no URL: asking again will not help.
    #[error("unable to {attempt}: invalid: {message}")]
    Invalid {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// What the server said.
        message: String,
    },
    /// 413, or an object that etcd does not take, or an answer above the client's limit.
    #[error("unable to {attempt}: too large: {message}")]
    TooLarge {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// What is too large.
        message: String,
    },
    /// 429.
    #[error("unable to {attempt}: the server asks for patience: {message}")]
    Throttled {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// How long the server asks to wait, 60 s at most.
        retry_after: Option<Duration>,
        /// What the server said.
        message: String,
    },
    /// 5xx.
    #[error("unable to {attempt}: the server failed ({status}): {message}")]
    Server {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// Status code.
        status: u16,
        /// What the server said.
        message: String,
    },
    /// An answer that no API server gives to this question.
    #[error("unable to {attempt}: malformed answer: {what}")]
    Malformed {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A [`super::Fence`] does not let this process write now. The server was not asked.
    #[error("unable to {attempt}: this process may not write now")]
    Fenced {
        /// What was attempted.
        attempt: Box<Attempt>,
    },
    /// A [`crate::watch::Gate`] does not let answers of this server through.
    #[error("unable to {attempt}: {reason}")]
    Refused {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// Why not.
        reason: String,
    },
}

impl CallError {
    /// A stable word for metrics and conditions.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Deadline { .. } => "deadline",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::NotFound { .. } => "not_found",
            Self::Conflict { .. } => "conflict",
            Self::AlreadyExists { .. } => "already_exists",
            Self::Gone { .. } => "gone",
            Self::Invalid { .. } => "invalid",
            Self::TooLarge { .. } => "too_large",
            Self::Throttled { .. } => "throttled",
            Self::Server { .. } => "server",
            Self::Malformed { .. } => "malformed",
            Self::Refused { .. } => "refused",
            Self::Fenced { .. } => "fenced",
        }
    }

    /// What was attempted.
    #[must_use]
    pub fn attempt(&self) -> &Attempt {
        match self {
            Self::Unreachable { attempt, .. }
            | Self::Deadline { attempt, .. }
            | Self::Unauthorized { attempt, .. }
            | Self::Forbidden { attempt, .. }
            | Self::NotFound { attempt, .. }
            | Self::Conflict { attempt, .. }
            | Self::AlreadyExists { attempt, .. }
            | Self::Gone { attempt, .. }
            | Self::Invalid { attempt, .. }
            | Self::TooLarge { attempt, .. }
            | Self::Throttled { attempt, .. }
            | Self::Server { attempt, .. }
            | Self::Malformed { attempt, .. }
            | Self::Refused { attempt, .. }
            | Self::Fenced { attempt } => attempt,
        }
    }

    /// The same error, without what the server said where that `is_secret`: some servers and proxies answer with what
    /// they were sent.
    pub(crate) fn discreet(mut self, is_secret: impl Fn(&str) -> bool) -> Self {
        match &mut self {
            Self::Unreachable { cause: said, .. }
            | Self::Unauthorized { message: said, .. }
            | Self::Forbidden { message: said, .. }
            | Self::NotFound { message: said, .. }
            | Self::Conflict { message: said, .. }
            | Self::AlreadyExists { message: said, .. }
            | Self::Gone { message: said, .. }
            | Self::Invalid { message: said, .. }
            | Self::TooLarge { message: said, .. }
            | Self::Throttled { message: said, .. }
            | Self::Server { message: said, .. } => {
                if is_secret(said) {
                    "what was said is left out, since it repeats the credential".clone_into(said);
                }
            }
            // These are the client's own words.
            Self::Deadline { .. } | Self::Malformed { .. } | Self::Refused { .. } | Self::Fenced { .. } => {}
        }
        self
    }

    /// Whether the server names the very object that was asked for as absent. See [`Self::NotFound`].
    #[must_use]
    pub fn proves_absence(&self) -> bool {
        matches!(self, Self::NotFound { named: true, .. })
    }
}

/// `metav1.Status`, as far as errors need it. What is missing or of another type is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Status {
    kind: String,
    message: String,
    reason: String,
    pub(crate) code: u16,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    name: String,
    group: String,
    kind: String,
    retry_after_seconds: Option<u64>,
    causes: Vec<Cause>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cause {
    reason: String,
    field: String,
}

impl Status {
    /// Reads a body. One that is no Status, such as a proxy's page, is an empty Status.
    pub(crate) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).ok().filter(|status: &Self| status.kind == "Status").unwrap_or_default()
    }

    /// The error that an answer with this Status is. `name` is the bare name of the object that was asked for;
    /// `retry_after` the header of that name, in seconds.
    pub(crate) fn error(
        self,
        code: StatusCode,
        resource: &Resource,
        name: Option<&str>,
        retry_after: Option<u64>,
        attempt: Attempt,
    ) -> CallError {
        let attempt = Box::new(attempt);
        let details = self.details.unwrap_or_default();
        // Validation errors quote values. They are taken out before anything is cut: half of one would not be found.
        let secret = resource.group.is_empty() && resource.plural == "secrets";
        let harmless =
            if secret { words::harmless(&self.message) } else { Some(values::without_values(&self.message)) };
        let said = harmless.filter(|said| !said.is_empty()).unwrap_or_else(|| self.reason.clone());
        let message = if said.is_empty() { format!("status {}", code.as_u16()) } else { ends(&said) };
        if details.causes.iter().any(|cause| cause.reason == "ResourceVersionTooLarge") {
            return CallError::Gone { attempt, message };
        }
        // etcd's limit comes as a 500 without a reason: in its own words, or in those of the server's connection to it.
        let etcd = ["etcdserver: request is too large", "trying to send message larger than max"];
        if code.is_server_error() && etcd.iter().any(|words| self.message.contains(words)) {
            return CallError::TooLarge { attempt, message };
        }
        match code.as_u16() {
            300..=399 => CallError::Malformed { attempt, what: "a redirect, which is never followed" },
            401 => CallError::Unauthorized { attempt, message },
            403 => CallError::Forbidden { attempt, message },
            404 => {
                let named = self.reason == "NotFound"
                    && name.is_some_and(|name| name == details.name)
                    && details.kind == resource.plural
                    && details.group == resource.group;
                CallError::NotFound { attempt, named, message }
            }
            409 if self.reason == "AlreadyExists" => CallError::AlreadyExists { attempt, message },
            409 => CallError::Conflict { attempt, message },
            410 => CallError::Gone { attempt, message },
            413 => CallError::TooLarge { attempt, message },
            // The caller named another object than the one that is there: servers say 409 to a PUT and this to a PATCH.
            422 if details.causes.iter().any(|cause| cause.field == "metadata.uid") => {
                CallError::Conflict { attempt, message }
            }
            429 => {
                let retry_after = retry_after
                    .or(details.retry_after_seconds)
                    .map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT));
                CallError::Throttled { attempt, retry_after, message }
            }
            400..=499 => CallError::Invalid { attempt, message },
            500..=599 => CallError::Server { attempt, status: code.as_u16(), message },
            _ => CallError::Malformed { attempt, what: "a status code that means nothing here" },
        }
    }
}

/// The text of somebody else, fit for a log line: cut to 256 characters, control characters escaped.
pub(crate) fn excerpt(text: &str) -> String {
    let mut kept = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST_MESSAGE {
            kept.push('…');
            break;
        }
        if character.is_control() { kept.extend(character.escape_default()) } else { kept.push(character) }
    }
    kept
}

/// What a server said, cut in the midst: validation errors begin with the field, repeat its value, which can be long, and
/// say last what is wrong with it.
fn ends(text: &str) -> String {
    let length = text.chars().count();
    if length <= LONGEST_MESSAGE {
        return excerpt(text);
    }
    let head: String = text.chars().take(LONGEST_MESSAGE - LONGEST_END - 1).collect();
    let tail: String = text.chars().skip(length - LONGEST_END).collect();
    excerpt(&format!("{head}…{tail}"))
}

/// The causes of an error from the innermost outwards are repetitions: the innermost says it all.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    excerpt(&cause.to_string())
}
