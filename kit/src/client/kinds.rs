//! Which kinds one version of a group has.

use std::borrow::Cow;

use http::Method;
use muster_api::{Resource, Scope};
use serde::Deserialize;

use super::call::Call;
use super::discovery::or_empty;
use super::{CallError, Client, url};

/// The answer, after which errors are named.
const LISTS: Resource = Resource {
    group: Cow::Borrowed(""),
    version: Cow::Borrowed("v1"),
    kind: Cow::Borrowed("APIResourceList"),
    plural: Cow::Borrowed("apiresourcelists"),
    scope: Scope::Cluster,
};

/// A kind that a server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedKind {
    /// Kind, plural and scope, in the group and version that were asked for.
    pub resource: Resource,
    /// What can be done with its objects, such as `list`, in the order of the server.
    pub verbs: Vec<String>,
}

impl ServedKind {
    /// Whether the server serves this verb.
    #[must_use]
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|served| served == verb)
    }
}

impl Client {
    /// Asks which kinds one version of a group has; the core group has the empty name. The handler of the definitions
    /// itself answers, so a kind is there as soon as its definition is established, seconds before
    /// [`Self::resources`] knows it. Subresources are left out, and so is what cannot be asked for by its name.
    ///
    /// # Errors
    /// [`CallError::NotFound`] where the server serves no such version of the group, [`CallError::Invalid`] where group
    /// or version can stand in no URL: then the server was not asked. Else see [`CallError`].
    pub async fn kinds(&self, group: &str, version: &str) -> Result<Vec<ServedKind>, CallError> {
        let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let call = Call::new("get", Method::GET, &LISTS, None).named(&name);
        let path = url::version(group, version).map_err(|message| CallError::Invalid {
            attempt: Box::new(call.attempt()),
            message: message.to_owned(),
        })?;
        self.ask(call.at(path), |call, text| kinds(call, &text, group, version)).await
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    kind: String,
    /// Missing in the core group's.
    #[serde(default)]
    api_version: String,
    group_version: String,
    // Missing kinds are no empty list: an answer that was cut must not look like one.
    #[serde(deserialize_with = "or_empty")]
    resources: Vec<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    name: String,
    kind: String,
    namespaced: bool,
    /// Group and version of the kind; empty where they are those of the list.
    group: String,
    version: String,
    #[serde(deserialize_with = "or_empty")]
    verbs: Vec<String>,
}

fn kinds(call: &Call<'_>, text: &str, group: &str, version: &str) -> Result<Vec<ServedKind>, CallError> {
    let list: List =
        serde_json::from_str(text).map_err(|_| call.malformed("it is no list of API resources"))?;
    if list.kind != LISTS.kind || !["", "v1"].contains(&list.api_version.as_str()) {
        return Err(call.malformed("it is of another kind"));
    }
    if Some(list.group_version.as_str()) != call.name {
        return Err(call.malformed("it is of another group or version"));
    }
    Ok(list.resources.into_iter().filter_map(|entry| entry.kind(group, version)).collect())
}

impl Entry {
    /// The kind; none where this is a subresource, cannot be asked for, or has objects of another group or version.
    fn kind(self, group: &str, version: &str) -> Option<ServedKind> {
        let own = |said: &str, asked: &str| said.is_empty() || said == asked;
        if self.kind.is_empty() || !own(&self.group, group) || !own(&self.version, version) {
            return None;
        }
        let resource = Resource {
            group: group.to_owned().into(),
            version: version.to_owned().into(),
            kind: self.kind.into(),
            plural: self.name.into(),
            scope: if self.namespaced { Scope::Namespaced } else { Scope::Cluster },
        };
        // No path has a slash within a plural.
        url::path(&resource, None, None, None).ok()?;
        Some(ServedKind { resource, verbs: self.verbs })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Reply, Server, raw_reply, reply, soon, status};

    const ALL: [&str; 3] = ["create", "list", "watch"];

    fn entry(plural: &str, kind: &str, namespaced: bool, verbs: &[&str]) -> Value {
        json!({"name": plural, "singularName": "x", "kind": kind, "namespaced": namespaced, "verbs": verbs})
    }

    fn list(group_version: &str, resources: &[Value]) -> Value {
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources})
    }

    async fn asked(
        group: &str,
        version: &str,
        path: &str,
        answer: Reply,
    ) -> Result<Vec<ServedKind>, CallError> {
        let api = Server::start().await;
        let client = api.client();
        let asked = async {
            let ask = api.next().await;
            assert_eq!(ask.path, path);
            assert_eq!(ask.headers["accept"], "application/json");
            ask.answer(answer);
        };
        soon("the answer", async { tokio::join!(client.kinds(group, version), asked) }).await.0
    }

    async fn named(answer: &Value) -> Result<Vec<ServedKind>, CallError> {
        asked("g.io", "v2", "/apis/g.io/v2", reply(200, answer)).await
    }

    fn served(group: &'static str, plural: &'static str, kind: &'static str, scope: Scope) -> ServedKind {
        let version = if group.is_empty() { "v1" } else { "v2" };
        let (group, version) = (Cow::Borrowed(group), Cow::Borrowed(version));
        let resource = Resource { group, version, kind: kind.into(), plural: plural.into(), scope };
        ServedKind { resource, verbs: ALL.map(str::to_owned).into() }
    }

    #[tokio::test]
    async fn each_kind_is_named_with_plural_scope_and_verbs() {
        let answer = list("g.io/v2", &[entry("xs", "X", false, &ALL), entry("ys", "Y", true, &ALL)]);
        let kinds = named(&answer).await.unwrap();
        let expected =
            [served("g.io", "xs", "X", Scope::Cluster), served("g.io", "ys", "Y", Scope::Namespaced)];
        assert_eq!(kinds, expected);
        assert!(kinds[0].can("watch") && !kinds[0].can("delete"));
        // As servers answer for the core group.
        let mut core = list("v1", &[entry("pods", "Pod", true, &ALL)]);
        core.as_object_mut().unwrap().remove("apiVersion");
        let kinds = asked("", "v1", "/api/v1", reply(200, &core)).await.unwrap();
        assert_eq!(kinds, [served("", "pods", "Pod", Scope::Namespaced)]);
        // A group whose last kind is on its way out.
        assert_eq!(named(&list("g.io/v2", &[])).await, Ok(vec![]));
        let mut null = list("g.io/v2", &[]);
        null["resources"] = Value::Null;
        assert_eq!(named(&null).await, Ok(vec![]));
    }

    #[tokio::test]
    async fn what_is_no_kind_that_can_be_asked_for_is_left_out_and_spoils_nothing_else() {
        let of = |group: &str, version: &str| {
            let mut entry = entry("zs", "Z", true, &ALL);
            (entry["group"], entry["version"]) = (json!(group), json!(version));
            entry
        };
        for bad in [
            entry("xs/status", "X", true, &ALL),
            entry("../secrets", "X", true, &ALL),
            entry("xs?limit=1", "X", true, &ALL),
            entry("", "X", true, &ALL),
            entry("xs", "", true, &ALL),
            of("autoscaling", "v1"),
            of("g.io", "v1"),
            json!({}),
        ] {
            let good = entry("ys", "Y", true, &ALL);
            let kinds = named(&list("g.io/v2", &[bad.clone(), good])).await.unwrap();
            assert_eq!(kinds, [served("g.io", "ys", "Y", Scope::Namespaced)], "{bad}");
        }
        let kinds = named(&list("g.io/v2", &[of("g.io", "v2")])).await.unwrap();
        assert_eq!(kinds, [served("g.io", "zs", "Z", Scope::Namespaced)]);
        let verbless = json!({"name": "xs", "kind": "X", "namespaced": true, "verbs": null});
        assert_eq!(named(&list("g.io/v2", &[verbless])).await.unwrap()[0].verbs, [""; 0]);
    }

    #[tokio::test]
    async fn a_version_that_is_not_served_is_not_found_and_nothing_else_is() {
        // What servers say of a path that is none of theirs.
        let missing = raw_reply(404, "404 page not found\n");
        let error = asked("g.io", "v2", "/apis/g.io/v2", missing).await.unwrap_err();
        assert_eq!(error.category(), "not_found");
        assert!(error.to_string().contains("get apiresourcelists g.io/v2"), "{error}");
        for (code, category) in [(403, "forbidden"), (503, "server")] {
            let answer = reply(code, &status(code, "x", &json!({})));
            let error = asked("g.io", "v2", "/apis/g.io/v2", answer).await.unwrap_err();
            assert_eq!(error.category(), category);
        }
    }

    #[tokio::test]
    async fn only_the_list_that_was_asked_for_is_an_answer() {
        let mut other = list("g.io/v2", &[]);
        other["apiVersion"] = json!("v2");
        let mut cut = list("g.io/v2", &[]);
        cut.as_object_mut().unwrap().remove("resources");
        let group =
            json!({"kind": "APIGroup", "apiVersion": "v1", "groupVersion": "g.io/v2", "resources": []});
        for bad in [other, cut, group, list("g.io/v1", &[]), list("", &[]), list("g.io/v2", &[json!(1)])] {
            assert_eq!(named(&bad).await.unwrap_err().category(), "malformed", "{bad}");
        }
    }

    #[tokio::test]
    async fn what_could_leave_its_place_in_the_path_is_never_sent() {
        let api = Server::start().await;
        let client = api.client();
        for (group, version) in [
            ("..", "v1"),
            ("a/b", "v1"),
            ("a%2fb", "v1"),
            ("a?x", "v1"),
            ("g.io", ""),
            ("", ""),
            ("", ".."),
            ("g.io", "v1/secrets"),
            ("g.io", "v1#"),
            ("G.io", "v1"),
        ] {
            let error = soon("a refusal", client.kinds(group, version)).await.unwrap_err();
            assert_eq!(error.category(), "invalid", "{group}/{version}");
        }
        assert_eq!(api.accepted(), 0);
    }
}
