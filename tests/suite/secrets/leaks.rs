//! A search for what was in a Secret, in all that an agent says anywhere.

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use http::StatusCode;
use muster_tests::ControlPlane;
use muster_tests::agent::AgentProcess;
use muster_tests::api::Api;
use serde_json::{Value, json};

use crate::fleet::{Fleet, REPORT, quietly};

/// Stands in every text of the Secrets that a test makes up.
pub(crate) const CANARY: &str = "q7canarybird";
/// So much of a token is searched for.
const PIECE: usize = 40;

/// A place and what was said there.
pub(crate) type Said = Vec<(String, String)>;

/// What is searched for: texts as they are, and in base64 wherever they may begin in it.
pub(crate) struct Needles(Vec<String>);

impl Needles {
    /// The canary, and pieces of these tokens: signature, claims, and their identity.
    pub(crate) fn of(tokens: &[String]) -> Self {
        let mut texts = vec![CANARY.to_owned()];
        for token in tokens {
            let parts: Vec<&str> = token.split('.').collect();
            let [_, claims, signature] = parts[..] else { panic!("no token") };
            let decoded: Value =
                serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
            let middle = claims.len() / 2;
            texts.push(claims[middle..middle + PIECE].to_owned());
            texts.push(signature[signature.len() - PIECE..].to_owned());
            texts.push(decoded["jti"].as_str().unwrap().to_owned());
        }
        Self(texts.iter().flat_map(|text| forms(text)).collect())
    }

    /// The places where one of them was found, with the words around it.
    pub(crate) fn found(&self, said: &Said) -> Vec<String> {
        let mut found = Vec::new();
        for (place, text) in said {
            let text = text.to_lowercase();
            for needle in &self.0 {
                if let Some(at) = text.find(needle) {
                    let from = text.floor_char_boundary(at.saturating_sub(200));
                    let to = text.ceil_char_boundary(at + needle.len() + 40);
                    found.push(format!("{place}: …{}…", &text[from..to]));
                }
            }
        }
        found
    }
}

/// A text, and the parts of its base64 that are the same whatever is before and after it, in lower case.
fn forms(text: &str) -> Vec<String> {
    let encoded = (0..3).map(|before| {
        let whole = BASE64_STANDARD.encode([&vec![0; before], text.as_bytes()].concat());
        let (from, to) = ([0, 2, 3][before], (before + text.len()) / 3 * 4);
        whole[from..to].to_owned()
    });
    let encoded: Vec<String> = encoded.collect();
    let safe = encoded.iter().map(|text| text.replace('+', "-").replace('/', "_"));
    let mut all: Vec<String> = safe.chain(encoded.clone()).chain([text.to_owned()]).collect();
    for form in &mut all {
        *form = form.to_lowercase();
    }
    all.sort();
    all.dedup();
    all
}

/// All that an agent said, but the Secret itself.
pub(super) fn everything(fleet: &Fleet, agent: &AgentProcess) -> Said {
    everything_but(fleet, agent, |kind, object| {
        if kind == "secrets" && object["metadata"]["name"] == "directory-sync" {
            object.as_object_mut().unwrap().remove("data");
        }
    })
}

/// All that an agent said: log, metrics, answers of its admin server, and every object of both clusters. `hide` takes
/// away of an object what may be there; it is told the plural of its kind.
pub(crate) fn everything_but(fleet: &Fleet, agent: &AgentProcess, hide: impl Fn(&str, &mut Value)) -> Said {
    let mut said = vec![("log".to_owned(), agent.log())];
    for path in ["/metrics", "/readyz", "/livez", "/"] {
        said.push((path.to_owned(), agent.admin(path).unwrap().1));
    }
    for plane in [&fleet.directory, &fleet.replica] {
        said.extend(objects(plane, &plane.api(), &hide));
    }
    assert!(said.iter().any(|(place, _)| place.ends_with("/clusterreports")), "the reports are searched");
    said
}

/// Every kind that can be listed, as the server gives it to whoever asks.
pub(crate) fn objects(plane: &ControlPlane, api: &Api, hide: impl Fn(&str, &mut Value)) -> Said {
    let groups = api.get("/apis").unwrap();
    let versions = groups["groups"].as_array().unwrap().iter().flat_map(|group| {
        let versions = group["versions"].as_array().unwrap().iter();
        versions.map(|version| format!("/apis/{}", version["groupVersion"].as_str().unwrap()))
    });
    let mut said = Said::new();
    for version in ["/api/v1".to_owned()].into_iter().chain(versions) {
        let Ok(kinds) = api.get(&version) else { continue };
        for kind in kinds["resources"].as_array().unwrap() {
            let name = kind["name"].as_str().unwrap();
            if !kind["verbs"].as_array().unwrap().contains(&json!("list")) {
                continue;
            }
            let path = format!("{version}/{name}");
            // A kind whose CRD is new is refused for a moment.
            let list = quietly(&path, || match api.get(&path) {
                Ok(list) => Ok(Some(list)),
                Err(error) if error.status() == Some(StatusCode::FORBIDDEN) => Ok(None),
                Err(error) => Err(error.to_string()),
            });
            let Some(mut list) = list else { continue };
            list["items"].as_array_mut().unwrap().iter_mut().for_each(|object| hide(name, object));
            said.push((format!("{} {path}", plane.name()), list.to_string()));
        }
    }
    said
}

/// Leaks on purpose, each where an agent could: the search must find every one of them, or its silence means nothing.
pub(super) fn planted(fleet: &Fleet, agent: &AgentProcess, needles: &Needles, token: &str) {
    let api = fleet.replica.api();
    let encoded = BASE64_STANDARD.encode(format!("{{\"x\":\"{CANARY}\"}}"));
    let signature = &token[token.len() - 60..];
    let change =
        |path: &str, change: &Value| api.patch(path, muster_tests::api::MERGE_PATCH, change).unwrap();
    change(REPORT, &json!({"metadata": {"annotations": {"leak": encoded, "leak-2": token}}}));
    change("/api/v1/namespaces/muster-system", &json!({"metadata": {"annotations": {"leak": token}}}));
    let event = json!({
        "metadata": {"name": "leak", "namespace": "muster-system"}, "type": "Normal", "reason": "Leak", "action": "Leak",
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "test", "reportingInstance": "test",
        "note": BASE64_STANDARD.encode(token), "regarding": {"kind": "Secret", "namespace": "muster-system", "name": "directory-sync"},
    });
    api.create("/apis/events.k8s.io/v1/namespaces/muster-system/events", &event).unwrap();
    let map = json!({"metadata": {"name": "leak"}, "data": {"leak": signature}});
    api.create("/api/v1/namespaces/muster-agents/configmaps", &map)
        .or_else(|_| api.create("/api/v1/namespaces/muster-system/configmaps", &map))
        .unwrap();
    let mut said = everything(fleet, agent);
    said[0].1 = format!("{} TRACE raw={}", said[0].1, CANARY.to_uppercase());
    let found = needles.found(&said);
    for place in
        ["log", "/clusterreports", "/api/v1/namespaces", "/events.k8s.io/v1/events", "/api/v1/configmaps"]
    {
        assert!(
            found.iter().any(|line| line.split(": ").next().unwrap().ends_with(place)),
            "{place}: {found:#?}"
        );
    }
    change(REPORT, &json!({"metadata": {"annotations": null}}));
    change("/api/v1/namespaces/muster-system", &json!({"metadata": {"annotations": {"leak": null}}}));
    api.delete("/apis/events.k8s.io/v1/namespaces/muster-system/events/leak").unwrap();
    for namespace in ["muster-agents", "muster-system"] {
        let _ = api.delete(&format!("/api/v1/namespaces/{namespace}/configmaps/leak"));
    }
}
