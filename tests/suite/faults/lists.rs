//! Lists that are not what they seem, streamed and in pages.

use http::{Response, request::Parts};
use hyper::body::Bytes;
use muster_tests::proxy::{Action, Rule};
use serde_json::{Value, json};

use super::{Bench, create, delete, relabel};
use crate::fleet::{CLUSTERS, OWN};

/// How the agent gets its lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// As the first events of a watch.
    Streamed,
    /// In pages, since the server does not stream.
    Paged,
}

/// What a list shows.
#[derive(Clone, Copy)]
pub(super) enum Shown {
    /// All entries as they are.
    All,
    /// None.
    None,
    /// All but the two of this fault.
    Without,
    /// All but the replica's own.
    WithoutOwn,
    /// All as they were before the last changes, as of then.
    Stale,
    /// All with a deletionTimestamp, as while a CRD goes.
    Deleting,
}

/// What becomes of a list.
#[derive(Clone, Copy)]
enum Lie {
    /// It is complete, and shows this.
    Complete(Shown),
    /// It shows this, and single entries are answered so.
    Single(Shown, Answer),
    /// It is cut after so many bytes.
    Cut(usize),
    /// It breaks off in its second page, or half-way.
    Half,
    /// Another answer.
    Refused(Answer),
}

/// An answer that is no list.
#[derive(Clone, Copy)]
enum Answer {
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
    /// A list or event of another group's `Cluster`.
    OtherGroup,
    /// A list or event of `ConfigMap`s.
    OtherKind,
    /// A list without a resourceVersion.
    Unversioned,
}

/// Conditions and reasons that are to be told.
type Told = &'static [(&'static str, &'static str)];

/// The faults.
const FAULTS: &[(&str, Lie, Told)] = &[
    ("empty", Lie::Complete(Shown::None), &[("EntryPresent", "Present")]),
    ("lacking", Lie::Complete(Shown::Without), &[]),
    ("without-own", Lie::Complete(Shown::WithoutOwn), &[("EntryPresent", "Present")]),
    ("stale", Lie::Complete(Shown::Stale), &[]),
    ("deleting", Lie::Complete(Shown::Deleting), &[("EntryPresent", "Deregistering")]),
    ("all-absent", Lie::Single(Shown::None, Answer::Absent), &[("EntryPresent", "Missing")]),
    ("lacking-unserved", Lie::Single(Shown::Without, Answer::NotServed), &[("EntryPresent", "Present")]),
    ("lacking-forbidden", Lie::Single(Shown::Without, Answer::Status(403, "Forbidden")), &[]),
    ("cut", Lie::Cut(300), &[("DirectoryReachable", "Unreachable")]),
    ("half", Lie::Half, &[("DirectoryReachable", "Unreachable")]),
    (
        "unauthorized",
        Lie::Refused(Answer::Status(401, "Unauthorized")),
        &[("DirectoryReachable", "CredentialsRejected")],
    ),
    ("forbidden", Lie::Refused(Answer::Status(403, "Forbidden")), &[("DirectoryReachable", "Forbidden")]),
    ("unserved", Lie::Refused(Answer::NotServed), &[("DirectoryReachable", "Unreachable")]),
    ("broken", Lie::Refused(Answer::Status(500, "InternalError")), &[("DirectoryReachable", "Unreachable")]),
    ("patience", Lie::Refused(Answer::Patience), &[("DirectoryReachable", "Unreachable")]),
    ("html", Lie::Refused(Answer::Html), &[("DirectoryReachable", "Unreachable")]),
    ("other-group", Lie::Refused(Answer::OtherGroup), &[("DirectoryReachable", "Unreachable")]),
    ("other-kind", Lie::Refused(Answer::OtherKind), &[("DirectoryReachable", "Unreachable")]),
    ("unversioned", Lie::Refused(Answer::Unversioned), &[("DirectoryReachable", "Unreachable")]),
];

#[test]
fn streamed_lists() {
    all(Mode::Streamed);
}

#[test]
fn lists_in_pages() {
    all(Mode::Paged);
}

fn all(mode: Mode) {
    let mut entries: Vec<String> = (0..30).map(|n| format!("more-{n}")).collect();
    entries.push("stale-seen".into());
    for (fault, ..) in FAULTS {
        entries.extend([format!("{fault}-changed"), format!("{fault}-gone")]);
    }
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    let bench = Bench::new(&entries);
    if mode == Mode::Paged {
        let refusal = Action::failure(400, "BadRequest");
        let refused = bench.proxy.add(Rule::on(CLUSTERS, refusal).query("sendInitialEvents"));
        bench.relist();
        bench.hit(refused, 1);
    }
    for (fault, lie, conditions) in FAULTS {
        println!("{mode:?} {fault}:");
        strike(&bench, mode, fault, *lie, conditions);
    }
}

/// One fault: it strikes, nothing is lost, it passes, and all is in step.
fn strike(bench: &Bench, mode: Mode, fault: &str, lie: Lie, conditions: &[(&str, &str)]) {
    let (changed, gone, new) = (format!("{fault}-changed"), format!("{fault}-gone"), format!("{fault}-new"));
    let held = bench.held();
    let real = bench.fleet.directory.api().get(CLUSTERS).unwrap();
    if matches!(lie, Lie::Complete(Shown::Stale)) {
        relabel(&bench.fleet, "stale-seen", "two");
        bench.back("stale, beforehand");
    }
    let before = bench.examinations();
    let mut rules = Vec::new();
    // What comes after the list is the fault's too: silence.
    rules.push(bench.proxy.add(Rule::on(CLUSTERS, Action::Mute).watches().when(|parts| !streams(parts))));
    if let Lie::Single(_, answer) = lie {
        let single = move |parts: &Parts| reply(answer, name_of(parts).unwrap_or_default(), Mode::Paged);
        let rule = Rule::on(CLUSTERS, Action::answer(single)).when(|parts| name_of(parts).is_some());
        rules.push(bench.proxy.add(rule));
    }
    let rule = Rule::on(CLUSTERS, action(lie, mode, fault, &real)).when(move |parts| match mode {
        Mode::Streamed => streams(parts),
        Mode::Paged => parts.uri.path() == CLUSTERS && !watches(parts),
    });
    let rule = if matches!((lie, mode), (Lie::Half, Mode::Paged)) { rule.query("continue=") } else { rule };
    let strikes = bench.proxy.add(rule);
    rules.extend([strikes, bench.relist()]);

    let complete = matches!(lie, Lie::Complete(_) | Lie::Single(..));
    bench.hit(strikes, if complete { 1 } else { 3 });
    if !matches!(lie, Lie::Complete(Shown::All | Shown::WithoutOwn | Shown::Stale | Shown::Deleting))
        && complete
    {
        bench.examined(before);
    }
    // A deletion takes two seconds of quiet: one of each sort is enough.
    let deleted: &[&str] = match lie {
        Lie::Cut(_) | Lie::Refused(_) if !matches!(lie, Lie::Refused(Answer::Status(..))) => &[],
        _ => &[&gone],
    };
    bench.told(conditions);
    bench.corrects(&changed);
    relabel(&bench.fleet, &changed, "three");
    for name in deleted {
        delete(&bench.fleet, name);
    }
    create(&bench.fleet, &new);
    bench.nothing_lost(&held);

    for rule in rules {
        bench.proxy.remove(rule);
    }
    bench.proxy.disconnect();
    bench.back(fault);
    bench.only(&held, deleted, &[&new]);
    bench.told(&[
        ("DirectoryReachable", "Reachable"),
        ("EntryPresent", "Present"),
        ("MirrorInSync", "InSync"),
    ]);
}

fn watches(parts: &Parts) -> bool {
    parts.uri.query().unwrap_or_default().contains("watch=1")
}

pub(super) fn streams(parts: &Parts) -> bool {
    parts.uri.query().unwrap_or_default().contains("sendInitialEvents")
}

/// The entry that a request names.
fn name_of(parts: &Parts) -> Option<&str> {
    parts.uri.path().strip_prefix(CLUSTERS)?.strip_prefix('/')
}

fn action(lie: Lie, mode: Mode, fault: &str, real: &Value) -> Action {
    match lie {
        Lie::Complete(shown) | Lie::Single(shown, _) => {
            let text = listing(shown, mode, fault, real);
            Action::answer(move |_| ok("application/json", text.clone()))
        }
        Lie::Cut(bytes) => Action::Truncate(bytes),
        Lie::Half if mode == Mode::Paged => Action::failure(500, "InternalError"),
        Lie::Half => {
            let text = listing(Shown::All, mode, fault, real);
            let half = text.lines().take(10).fold(String::new(), |text, line| text + line + "\n");
            Action::answer(move |_| ok("application/json", half.clone()))
        }
        Lie::Refused(answer) => Action::answer(move |_| reply(answer, "", mode)),
    }
}

/// A list that looks complete.
pub(super) fn listing(shown: Shown, mode: Mode, fault: &str, real: &Value) -> String {
    let name = |entry: &Value| entry["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let mut items = real["items"].as_array().cloned().unwrap_or_default();
    items.retain(|entry| match shown {
        Shown::All | Shown::Stale | Shown::Deleting => true,
        Shown::None => false,
        Shown::Without => !name(entry).starts_with(fault),
        Shown::WithoutOwn => name(entry) != OWN,
    });
    if matches!(shown, Shown::Deleting) {
        for entry in &mut items {
            entry["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
    }
    let version = real["metadata"]["resourceVersion"].clone();
    if mode == Mode::Paged {
        return json!({"kind": "ClusterList", "apiVersion": "multicluster.coreos.com/v1",
            "metadata": {"resourceVersion": version}, "items": items})
        .to_string();
    }
    let mut events: Vec<Value> =
        items.into_iter().map(|object| json!({"type": "ADDED", "object": object})).collect();
    events.push(end(&version));
    events.iter().fold(String::new(), |text, event| format!("{text}{event}\n"))
}

/// The bookmark that ends a streamed list.
fn end(version: &Value) -> Value {
    json!({"type": "BOOKMARK", "object": {"kind": "Cluster", "apiVersion": "multicluster.coreos.com/v1",
        "metadata": {"resourceVersion": version, "annotations": {"k8s.io/initial-events-end": "true"}}}})
}

fn reply(answer: Answer, name: &str, mode: Mode) -> Response<Bytes> {
    let list = |kind: &str, api_version: &str, version: Value| match mode {
        Mode::Paged => json!({"kind": format!("{kind}List"), "apiVersion": api_version,
            "metadata": {"resourceVersion": version}, "items": []})
        .to_string(),
        Mode::Streamed => {
            let mut event = end(&version);
            event["object"]["kind"] = json!(kind);
            event["object"]["apiVersion"] = json!(api_version);
            format!("{event}\n")
        }
    };
    match answer {
        Answer::Status(code, reason) => status(code, reason, &json!({})),
        Answer::NotServed => {
            let mut page = Response::new(Bytes::from_static(b"404 page not found\n"));
            *page.status_mut() = http::StatusCode::NOT_FOUND;
            page
        }
        Answer::Absent => {
            let details = json!({"name": name, "group": "multicluster.coreos.com", "kind": "clusters"});
            status(404, "NotFound", &details)
        }
        Answer::Patience => {
            let mut reply = status(429, "TooManyRequests", &json!({}));
            reply.headers_mut().insert("retry-after", http::HeaderValue::from_static("1"));
            reply
        }
        Answer::Html => ok("text/html", "<html><body>Welcome to the hotel's network</body></html>\n".into()),
        Answer::OtherGroup => {
            ok("application/json", list("Cluster", "cluster.x-k8s.io/v1beta1", json!("999999999")))
        }
        Answer::OtherKind => ok("application/json", list("ConfigMap", "v1", json!("999999999"))),
        Answer::Unversioned => {
            ok("application/json", list("Cluster", "multicluster.coreos.com/v1", json!("")))
        }
    }
}

fn status(code: u16, reason: &str, details: &Value) -> Response<Bytes> {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("{reason} by the proxy"), "reason": reason, "details": details, "code": code});
    let mut reply = ok("application/json", body.to_string());
    *reply.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
    reply
}

pub(super) fn ok(content_type: &'static str, text: String) -> Response<Bytes> {
    let mut reply = Response::new(Bytes::from(text));
    reply.headers_mut().insert("content-type", http::HeaderValue::from_static(content_type));
    reply
}
