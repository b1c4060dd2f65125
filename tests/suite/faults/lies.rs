//! Answers of a directory that lies about what it holds: lists that are not what they seem, and what is no list.

use http::{Response, request::Parts};
use hyper::body::Bytes;
use muster_tests::ControlPlane;
use muster_tests::proxy::{Action, Proxy, Rule, RuleId};
use serde_json::{Value, json};

use crate::fleet::{CLUSTERS, OWN};
use crate::policies::POLICIES;

/// The Works of the replica [`OWN`].
const WORKS: &str = "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/muster-cluster-east/works";

/// What is lied about: a collection of Muster's in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collection {
    /// Cluster entries.
    Entries,
    /// Policies.
    Policies,
    /// Works of the replica.
    Works,
}

/// How the agent gets its lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As the first events of a watch.
    Streamed,
    /// In pages, since the server does not stream.
    Paged,
}

impl Mode {
    /// As this server gives them: not every version of Kubernetes streams lists unless it is told to.
    pub(crate) fn of(server: &ControlPlane) -> Self {
        let streamed = format!(
            "{CLUSTERS}?watch=true&sendInitialEvents=true&allowWatchBookmarks=true\
             &resourceVersionMatch=NotOlderThan&timeoutSeconds=1"
        );
        let refused = server.api().get(&streamed).err().and_then(|error| error.status());
        if refused.is_some_and(|status| status.is_client_error()) { Self::Paged } else { Self::Streamed }
    }
}

/// What a list shows.
#[derive(Clone, Copy)]
pub(crate) enum Shown {
    /// All objects as they are.
    All,
    /// None.
    None,
    /// All but those whose names begin so.
    Without(&'static str),
    /// All entries but the replica's own.
    WithoutOwn,
    /// All without their labels.
    Unlabelled,
    /// All as they were before the last changes, as of then.
    Stale,
    /// All with a deletionTimestamp, as while a CRD goes.
    Deleting,
}

/// What becomes of a list.
#[derive(Clone, Copy)]
pub(crate) enum Lie {
    /// It is complete, and shows this.
    Complete(Shown),
    /// It shows this, and single objects are answered so.
    Single(Shown, Answer),
    /// It is cut after so many bytes.
    Cut(usize),
    /// It breaks off in its second page, or half-way.
    Half,
    /// The same, since what the server kept of it is gone.
    Expired,
    /// Another answer.
    Refused(Answer),
}

/// An answer that is no list.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// A `Status` of this code and reason.
    Status(u16, &'static str),
    /// The 404 of a resource that is not served.
    NotServed,
    /// A `Status` that names this very object as absent.
    Absent,
    /// 429 with `Retry-After: 1`.
    Patience,
    /// A page of something else.
    Html,
    /// A list or event of another group's kind of that name.
    OtherGroup,
    /// A list or event of `ConfigMap`s.
    OtherKind,
    /// A list without a resourceVersion.
    Unversioned,
}

impl Lie {
    /// Whether a list comes to its end.
    pub(crate) fn is_complete(self) -> bool {
        matches!(self, Self::Complete(_) | Self::Single(..))
    }

    fn is_half(self) -> bool {
        matches!(self, Self::Half | Self::Expired)
    }

    /// Has `proxy` tell the lie from the next list on, of which `real` is the true one, and nothing after it: silence
    /// is part of the lie. The first rule counts how often it was told.
    pub(crate) fn tell(self, proxy: &Proxy, of: Collection, mode: Mode, real: &Value) -> Vec<RuleId> {
        let path = of.path();
        let silence = Rule::on(path, Action::Mute).watches().when(|parts| !streams(parts));
        let mut rules = vec![proxy.add(silence)];
        if let Self::Single(_, answer) = self {
            let single =
                move |parts: &Parts| reply(of, answer, of.name(parts).unwrap_or_default(), Mode::Paged);
            let rule = Rule::on(path, Action::answer(single)).when(move |parts| of.name(parts).is_some());
            rules.push(proxy.add(rule));
        }
        let rule = Rule::on(path, self.action(of, mode, real)).when(move |parts| match mode {
            Mode::Streamed => streams(parts),
            Mode::Paged => parts.uri.path() == path && !watches(parts),
        });
        let rule = if self.is_half() && mode == Mode::Paged { rule.query("continue=") } else { rule };
        rules.insert(0, proxy.add(rule));
        rules
    }

    fn action(self, of: Collection, mode: Mode, real: &Value) -> Action {
        match self {
            Self::Complete(shown) | Self::Single(shown, _) => {
                let text = listing(of, shown, mode, real);
                Action::answer(move |_| ok("application/json", text.clone()))
            }
            Self::Cut(bytes) => Action::Truncate(bytes),
            Self::Half if mode == Mode::Paged => Action::failure(500, "InternalError"),
            Self::Expired if mode == Mode::Paged => Action::failure(410, "Expired"),
            Self::Half | Self::Expired => {
                let text = listing(of, Shown::All, mode, real);
                let lines = text.lines().count();
                let mut half =
                    text.lines().take(lines / 2).fold(String::new(), |text, line| text + line + "\n");
                if matches!(self, Self::Expired) {
                    half = format!("{half}{}\n", expired());
                }
                Action::answer(move |_| ok("application/json", half.clone()))
            }
            Self::Refused(answer) => Action::answer(move |_| reply(of, answer, "", mode)),
        }
    }
}

impl Collection {
    /// Its path.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Entries => CLUSTERS,
            Self::Policies => POLICIES,
            Self::Works => WORKS,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Entries => "Cluster",
            Self::Policies => "ClusterPolicy",
            Self::Works => "Work",
        }
    }

    fn api_version(self) -> &'static str {
        match self {
            Self::Entries | Self::Policies => "multicluster.coreos.com/v1",
            Self::Works => "multicluster.x-k8s.io/v1alpha1",
        }
    }

    /// The object that a request names.
    fn name(self, parts: &Parts) -> Option<&str> {
        parts.uri.path().strip_prefix(self.path())?.strip_prefix('/')
    }

    /// Has the agent list the collection anew at its next connection: the server serves no history any more.
    pub(crate) fn forget(self, proxy: &Proxy) -> RuleId {
        let expired =
            Rule::on(self.path(), Action::failure(410, "Expired")).watches().when(|parts| !streams(parts));
        proxy.add(expired.times(1))
    }
}

fn watches(parts: &Parts) -> bool {
    parts.uri.query().unwrap_or_default().contains("watch=1")
}

/// Whether a request is for a list as the first events of a watch.
pub(crate) fn streams(parts: &Parts) -> bool {
    parts.uri.query().unwrap_or_default().contains("sendInitialEvents")
}

/// A list that looks complete.
pub(crate) fn listing(of: Collection, shown: Shown, mode: Mode, real: &Value) -> String {
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let mut items = real["items"].as_array().cloned().unwrap_or_default();
    items.retain(|object| match shown {
        Shown::All | Shown::Unlabelled | Shown::Stale | Shown::Deleting => true,
        Shown::None => false,
        Shown::Without(beginning) => !name(object).starts_with(beginning),
        Shown::WithoutOwn => name(object) != OWN,
    });
    for object in &mut items {
        match shown {
            Shown::Deleting => object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
            Shown::Unlabelled => object["metadata"]["labels"] = json!({}),
            _ => {}
        }
    }
    let version = real["metadata"]["resourceVersion"].clone();
    if mode == Mode::Paged {
        return list(of.kind(), of.api_version(), &version, &items);
    }
    let mut events: Vec<Value> =
        items.into_iter().map(|object| json!({"type": "ADDED", "object": object})).collect();
    events.push(end(of.kind(), of.api_version(), &version));
    events.iter().fold(String::new(), |text, event| format!("{text}{event}\n"))
}

/// A page that is the last.
fn list(kind: &str, api_version: &str, version: &Value, items: &[Value]) -> String {
    let list = json!({"kind": format!("{kind}List"), "apiVersion": api_version,
        "metadata": {"resourceVersion": version}, "items": items});
    list.to_string()
}

/// The bookmark that ends a streamed list.
fn end(kind: &str, api_version: &str, version: &Value) -> Value {
    json!({"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": api_version,
        "metadata": {"resourceVersion": version, "annotations": {"k8s.io/initial-events-end": "true"}}}})
}

fn reply(of: Collection, answer: Answer, name: &str, mode: Mode) -> Response<Bytes> {
    let empty = |kind: &str, api_version: &str, version: &str| {
        let text = match mode {
            Mode::Paged => list(kind, api_version, &json!(version), &[]),
            Mode::Streamed => format!("{}\n", end(kind, api_version, &json!(version))),
        };
        ok("application/json", text)
    };
    match answer {
        Answer::Status(code, reason) => status(code, reason, &json!({})),
        Answer::NotServed => {
            let mut page = Response::new(Bytes::from_static(b"404 page not found\n"));
            *page.status_mut() = http::StatusCode::NOT_FOUND;
            page
        }
        Answer::Absent => {
            let plural = of.path().rsplit('/').next();
            let group = of.api_version().split('/').next();
            let details = json!({"name": name, "group": group, "kind": plural});
            status(404, "NotFound", &details)
        }
        Answer::Patience => {
            let mut reply = status(429, "TooManyRequests", &json!({}));
            reply.headers_mut().insert("retry-after", http::HeaderValue::from_static("1"));
            reply
        }
        Answer::Html => ok("text/html", "<html><body>Welcome to the hotel's network</body></html>\n".into()),
        Answer::OtherGroup => empty(of.kind(), "cluster.x-k8s.io/v1beta1", "999999999"),
        Answer::OtherKind => empty("ConfigMap", "v1", "999999999"),
        Answer::Unversioned => empty(of.kind(), of.api_version(), ""),
    }
}

fn status(code: u16, reason: &str, details: &Value) -> Response<Bytes> {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("{reason} by the proxy"), "reason": reason, "details": details, "code": code});
    let mut reply = ok("application/json", body.to_string());
    *reply.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
    reply
}

/// The event by which a watch says that the server serves no history any more.
pub(crate) fn expired() -> Value {
    json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "expired by the proxy", "reason": "Expired", "code": 410}})
}

/// An answer of code 200.
pub(crate) fn ok(content_type: &'static str, text: String) -> Response<Bytes> {
    let mut reply = Response::new(Bytes::from(text));
    reply.headers_mut().insert("content-type", http::HeaderValue::from_static(content_type));
    reply
}
