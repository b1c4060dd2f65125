//! Which resources a server serves.

use std::borrow::Cow;
use std::collections::BTreeSet;

use http::Method;
use muster_api::{Resource, Scope};
use serde::{Deserialize, Deserializer};

use super::answer::{Form, TypeMeta};
use super::call::Call;
use super::{CallError, Client, url};

/// The answer: all groups at once (KEP-3352, in every server since Kubernetes 1.30).
const DISCOVERY: Resource = Resource {
    group: Cow::Borrowed("apidiscovery.k8s.io"),
    version: Cow::Borrowed("v2"),
    kind: Cow::Borrowed("APIGroupDiscoveryList"),
    plural: Cow::Borrowed("apigroupdiscoverylists"),
    scope: Scope::Cluster,
};
const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// What a server says that it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The resources whose objects can be listed and deleted, each in the version that the server prefers. Those that
    /// can only be read, such as measurements, are computed and stored nowhere: a namespace is not kept by them.
    pub resources: Vec<Resource>,
    /// Whether this is all of them. It is not while an aggregated API server is down, or says what cannot be used.
    pub complete: bool,
}

impl Client {
    /// Asks which resources the server serves. Servers collect the answer in the background: a kind that was defined
    /// within the last seconds may be missing from a complete one.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn resources(&self) -> Result<Served, CallError> {
        let mut served = Served { resources: Vec::new(), complete: true };
        for root in ["/api", "/apis"] {
            let call = Call::new("get", Method::GET, &DISCOVERY, None).at(root).accepting(ACCEPT);
            for group in self.ask(call, groups).await? {
                served.add(group);
            }
        }
        Ok(served)
    }
}

#[derive(Deserialize)]
struct Groups {
    #[serde(deserialize_with = "or_empty")]
    items: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    /// Missing in the core group's.
    #[serde(default)]
    metadata: GroupMeta,
    /// In descending order of preference.
    #[serde(default, deserialize_with = "or_empty")]
    versions: Vec<Version>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GroupMeta {
    name: String,
}

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "version")]
    name: String,
    #[serde(default)]
    freshness: String,
    #[serde(default, deserialize_with = "or_empty")]
    resources: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    resource: String,
    response_kind: Option<ResponseKind>,
    #[serde(default)]
    scope: String,
    #[serde(default, deserialize_with = "or_empty")]
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct ResponseKind {
    kind: String,
}

/// Go writes an empty list as null.
pub(super) fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// Reads one answer. No server serves nothing, so an empty one is none.
fn groups(call: &Call<'_>, text: String) -> Result<Vec<Group>, CallError> {
    let malformed = |_| call.malformed("it is no list of API groups");
    let kind: TypeMeta = serde_json::from_str(&text).map_err(malformed)?;
    if !kind.is(&DISCOVERY, Form::Whole) {
        return Err(call.malformed("it is of another kind"));
    }
    let groups: Groups = serde_json::from_str(&text).map_err(malformed)?;
    drop(text);
    if groups.items.is_empty() {
        return Err(call.malformed("the list of API groups is empty"));
    }
    Ok(groups.items)
}

impl Served {
    fn add(&mut self, group: Group) {
        let mut known = BTreeSet::new();
        for version in group.versions {
            self.complete &= version.freshness == "Current";
            for entry in version.resources {
                if !["list", "delete"].iter().all(|verb| entry.verbs.iter().any(|served| served == verb)) {
                    continue;
                }
                let plural = entry.resource.clone();
                if known.contains(&plural) {
                    continue;
                }
                match entry.resource(&group.metadata.name, &version.name) {
                    Some(resource) => {
                        known.insert(plural);
                        self.resources.push(resource);
                    }
                    None => self.complete = false,
                }
            }
        }
    }
}

impl Entry {
    /// The resource; none where it cannot be asked for.
    fn resource(self, group: &str, version: &str) -> Option<Resource> {
        let scope = match self.scope.as_str() {
            "Cluster" => Scope::Cluster,
            "Namespaced" => Scope::Namespaced,
            _ => return None,
        };
        let kind = self.response_kind.map(|kind| kind.kind).filter(|kind| !kind.is_empty())?;
        let resource = Resource {
            group: group.to_owned().into(),
            version: version.to_owned().into(),
            kind: kind.into(),
            plural: self.resource.into(),
            scope,
        };
        url::path(&resource, None, None, None).is_ok().then_some(resource)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Server, raw_reply, reply, soon};

    fn entry(plural: &str, kind: &str, scope: &str, verbs: &[&str]) -> Value {
        // Servers leave the group and version of the kind empty where they are those of the list.
        let kind = json!({"group": "", "version": "", "kind": kind});
        json!({"resource": plural, "responseKind": kind, "scope": scope, "singularResource": "x", "verbs": verbs})
    }

    fn version(name: &str, resources: &[Value]) -> Value {
        json!({"version": name, "freshness": "Current", "resources": resources})
    }

    fn group(name: &str, versions: &[Value]) -> Value {
        json!({"metadata": {"name": name, "creationTimestamp": null}, "versions": versions})
    }

    fn list(groups: &[Value]) -> Value {
        let kind = "APIGroupDiscoveryList";
        json!({"kind": kind, "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": groups})
    }

    const ALL: [&str; 4] = ["create", "delete", "get", "list"];

    fn core() -> Value {
        list(&[json!({"metadata": {}, "versions": [version("v1", &[
            entry("bindings", "Binding", "Namespaced", &["create"]),
            entry("componentstatuses", "ComponentStatus", "Cluster", &["get", "list"]),
            entry("pods", "Pod", "Namespaced", &ALL),
        ])]})])
    }

    async fn discovered(core: Value, named: Value) -> Result<Served, CallError> {
        let api = Server::start().await;
        let client = api.client();
        let asks = async {
            for (path, answer) in [("/api", &core), ("/apis", &named)] {
                let ask = api.next().await;
                assert_eq!((ask.path.as_str(), &ask.headers["accept"]), (path, &ACCEPT.parse().unwrap()));
                ask.answer(reply(200, answer));
            }
            std::future::pending::<()>().await;
        };
        soon("the answers", async {
            tokio::select! { served = client.resources() => served, () = asks => unreachable!() }
        })
        .await
    }

    async fn discovered_named(versions: &[Value]) -> (Vec<String>, bool) {
        let served = discovered(core(), list(&[group("g.io", versions)])).await.unwrap();
        let names = served.resources.iter().filter(|resource| resource.group == "g.io");
        (names.map(|resource| resource.path(Some("n"), None)).collect(), served.complete)
    }

    #[tokio::test]
    async fn each_resource_is_named_once_in_the_version_that_the_server_prefers() {
        let new = version("v2", &[entry("xs", "X", "Cluster", &ALL)]);
        let old = version(
            "v1",
            &[entry("xs", "X", "Cluster", &ALL), entry("ys", "Y", "Namespaced", &["list", "delete"])],
        );
        let served = discovered(core(), list(&[group("g.io", &[new, old])])).await.unwrap();
        let resource =
            |group: &'static str, version: &'static str, kind: &'static str, plural, scope| Resource {
                group: group.into(),
                version: version.into(),
                kind: kind.into(),
                plural: Cow::Borrowed(plural),
                scope,
            };
        let resources = vec![
            resource("", "v1", "Pod", "pods", Scope::Namespaced),
            resource("g.io", "v2", "X", "xs", Scope::Cluster),
            resource("g.io", "v1", "Y", "ys", Scope::Namespaced),
        ];
        assert_eq!(served, Served { resources, complete: true });
    }

    #[tokio::test]
    async fn an_aggregated_api_that_is_down_leaves_it_incomplete() {
        let down = json!({"version": "v1", "freshness": "Stale"});
        let outdated =
            json!({"version": "v1", "freshness": "Stale", "resources": [entry("xs", "X", "Cluster", &ALL)]});
        let unsaid = json!({"version": "v1", "resources": []});
        assert_eq!(discovered_named(&[down]).await, (vec![], false));
        assert_eq!(discovered_named(&[outdated]).await, (vec!["/apis/g.io/v1/xs".to_owned()], false));
        assert_eq!(discovered_named(&[unsaid]).await, (vec![], false));
        // Some servers of metrics serve none at times, and are well.
        assert_eq!(discovered_named(&[version("v1", &[])]).await, (vec![], true));
    }

    #[tokio::test]
    async fn what_cannot_be_asked_for_leaves_it_incomplete_and_spoils_nothing_else() {
        let mut kindless = entry("xs", "X", "Cluster", &ALL);
        kindless["responseKind"] = Value::Null;
        for bad in [
            kindless,
            entry("xs", "", "Cluster", &ALL),
            entry("xs", "X", "Everywhere", &ALL),
            entry("../secrets", "X", "Cluster", &ALL),
            entry("xs?limit=1", "X", "Cluster", &ALL),
        ] {
            let good = entry("ys", "Y", "Cluster", &ALL);
            let found = discovered_named(&[version("v1", &[bad.clone(), good])]).await;
            assert_eq!(found, (vec!["/apis/g.io/v1/ys".to_owned()], false), "{bad}");
        }
        let parent = json!({"resource": "xs", "responseKind": null, "scope": "", "verbs": null});
        assert_eq!(discovered_named(&[version("v1", &[parent])]).await, (vec![], true));
    }

    #[tokio::test]
    async fn only_a_list_of_groups_is_an_answer() {
        let mut other = core();
        other["apiVersion"] = json!("apidiscovery.k8s.io/v2beta1");
        let legacy = json!({"kind": "APIVersions", "versions": ["v1"]});
        let cut = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2"});
        for bad in [other, legacy, cut, list(&[]), json!([]), list(&[json!("x")])] {
            let error = discovered(bad.clone(), core()).await.unwrap_err();
            assert_eq!(error.category(), "malformed", "{bad}");
            let error = discovered(core(), bad.clone()).await.unwrap_err();
            assert_eq!(error.category(), "malformed", "{bad}");
            assert!(error.to_string().contains("get apigroupdiscoverylists.apidiscovery.k8s.io"), "{error}");
        }
    }

    #[tokio::test]
    async fn half_an_answer_is_none() {
        let api = Server::start().await;
        let client = api.client();
        let asks = async {
            api.next().await.answer(reply(200, &core()));
            api.next().await.answer(raw_reply(503, "down"));
        };
        let (served, ()) = soon("the answers", async { tokio::join!(client.resources(), asks) }).await;
        assert_eq!(served.unwrap_err().category(), "server");
    }
}
