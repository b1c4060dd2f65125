//! In which order the objects of a Work are made, and which must wait for which.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use muster_api::names::{is_label, is_subdomain};
use muster_api::resource::{CRDS, RBAC_GROUP};
use muster_api::{Resource, Scope};
use serde_json::Value;

use super::flaw::{self, Flaw};
use super::manifest::{DEFAULT_NAMESPACE, Manifest};
use crate::item::{Content, Item};

// The groups of the kinds that are ordered.
const SCHEDULING: &str = "scheduling.k8s.io";
const STORAGE: &str = "storage.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const NODES: &str = "node.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const AGGREGATION: &str = "apiregistration.k8s.io";

/// The wave of all kinds that no other wave names, custom resources above all.
const REST: u8 = 6;
/// The wave of what can stop other writes from passing.
const LAST: u8 = 7;

/// An object of a Work, as this module sees it: before its kind is resolved, or after.
#[derive(Clone, Copy, Debug)]
pub struct ItemRef<'a> {
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Version of the group.
    pub version: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Namespace, where it has or names one.
    pub namespace: Option<&'a str>,
    /// Name.
    pub name: &'a str,
    /// What it says beside its metadata.
    pub content: &'a Content,
}

impl<'a> From<&'a Manifest> for ItemRef<'a> {
    fn from(manifest: &'a Manifest) -> Self {
        let Manifest { gvk, namespace, name, content, .. } = manifest;
        let (group, version, kind) = (&gvk.group, &gvk.version, &gvk.kind);
        Self { group, version, kind, namespace: namespace.as_deref(), name, content }
    }
}

impl<'a> From<&'a Item> for ItemRef<'a> {
    fn from(item: &'a Item) -> Self {
        let Resource { group, version, kind, .. } = &item.target.resource;
        let namespace = item.target.namespace.as_deref();
        Self { group, version, kind, namespace, name: &item.target.name, content: &item.content }
    }
}

/// The wave in which objects of a kind are made, from 0. Those of one wave are made together; what is to go goes the
/// other way round.
///
/// | wave | kinds |
/// | --- | --- |
/// | 0 | definitions of custom resources, namespaces |
/// | 1 | classes of priority, storage, ingress and runtime; accounts, roles and their bindings |
/// | 2 | configuration, quotas, limits and network policies |
/// | 3 | volumes and claims |
/// | 4 | services and their endpoints |
/// | 5 | workloads |
/// | 6 | all others, custom resources too |
/// | 7 | webhook configurations and aggregated APIs |
#[must_use]
pub fn wave(group: &str, kind: &str) -> u8 {
    match (group, kind) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") | ("", "Namespace") => 0,
        (SCHEDULING, "PriorityClass")
        | (STORAGE, "StorageClass" | "CSIDriver" | "VolumeAttributesClass")
        | (NETWORKING, "IngressClass")
        | (NODES, "RuntimeClass")
        | ("", "ServiceAccount")
        | (RBAC_GROUP, _) => 1,
        ("", "ConfigMap" | "Secret" | "ResourceQuota" | "LimitRange") | (NETWORKING, "NetworkPolicy") => 2,
        ("", "PersistentVolume" | "PersistentVolumeClaim") => 3,
        ("", "Service" | "Endpoints") | ("discovery.k8s.io", "EndpointSlice") => 4,
        ("", "Pod" | "PodTemplate" | "ReplicationController") | ("apps" | "batch", _) => 5,
        (ADMISSION, "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration")
        | (AGGREGATION, "APIService") => LAST,
        _ => REST,
    }
}

/// For each object the places of those that must be there first. Only objects of the list count: what is there
/// already, or what another Work brings, is not known here.
///
/// - its namespace, and the definition of its kind;
/// - for a binding the role that it names, which the server may look up to judge the grant;
/// - for a bare pod its account and its classes of priority and runtime, without which admission refuses it;
/// - for an object of an aggregated API its `APIService`;
/// - for a webhook configuration or an `APIService` all others but those last: it may stop them from passing.
///
/// No object waits for itself, in however many steps.
#[must_use]
pub fn needs(items: &[ItemRef<'_>]) -> Vec<Arc<[usize]>> {
    let places = Places::of(items);
    let stages: Vec<_> = items.iter().map(|item| places.stage(item)).collect();
    let before_last: Arc<[usize]> = (0..items.len()).filter(|place| stages[*place] < Stage::Last).collect();
    let none: Arc<[usize]> = Arc::from([]);
    let needs = |(item, stage): (&ItemRef<'_>, &Stage)| {
        if *stage == Stage::Last {
            return Arc::clone(&before_last);
        }
        let mut found = places.needed(item);
        // Only what is of an earlier stage can be waited for: so no two can wait for each other.
        found.retain(|place| stages.get(*place).is_some_and(|other| other < stage));
        found.sort_unstable();
        found.dedup();
        if found.is_empty() { Arc::clone(&none) } else { found.into() }
    };
    items.iter().zip(&stages).map(needs).collect()
}

/// The resources that the definition of a custom resource makes the server know, one for each served version: with
/// them, objects of the same Work can be resolved before the definition is there. `None`: it is no definition, or none
/// that a server takes.
#[must_use]
pub fn defined(item: ItemRef<'_>) -> Option<Vec<Resource>> {
    if (item.group, item.version, item.kind) != (&*CRDS.group, &*CRDS.version, &*CRDS.kind) {
        return None;
    }
    let spec = value(&item, "spec")?;
    let text = |place: &str| spec.pointer(place).and_then(Value::as_str);
    let (group, kind, plural) = (text("/group")?, text("/names/kind")?, text("/names/plural")?);
    let scope = match text("/scope")? {
        "Cluster" => Scope::Cluster,
        "Namespaced" => Scope::Namespaced,
        _ => return None,
    };
    let legal = is_subdomain(group) && flaw::is_kind(kind) && is_label(plural);
    if !legal || item.name != format!("{plural}.{group}") {
        return None;
    }
    let served = |version: &&Value| version.get("served").and_then(Value::as_bool) == Some(true);
    let names =
        spec.get("versions")?.as_array()?.iter().filter(served).map(|version| version.get("name")?.as_str());
    names
        .map(|version| {
            Some(Resource {
                group: group.to_owned().into(),
                version: version.filter(|version| is_label(version))?.to_owned().into(),
                kind: kind.to_owned().into(),
                plural: plural.to_owned().into(),
                scope,
            })
        })
        .collect()
}

/// For each object, given with the place of its manifest: the flaw of being what an earlier one is already. The version
/// does not matter. Once kinds are resolved, more can be the same: `default` and no namespace at all, for one.
#[must_use]
pub fn duplicates<'a>(objects: impl IntoIterator<Item = (usize, ItemRef<'a>)>) -> Vec<Option<Flaw>> {
    let keys = objects.into_iter().map(|(ordinal, item)| {
        (ordinal, Some((item.group, item.kind, item.namespace.unwrap_or_default(), item.name)))
    });
    firsts(keys).into_iter().map(|first| first.map(|first| Flaw::Duplicate { first })).collect()
}

/// For each key the ordinal that came with the same key earlier.
pub(super) fn firsts<K: Ord>(keys: impl Iterator<Item = (usize, Option<K>)>) -> Vec<Option<usize>> {
    let mut known = BTreeMap::new();
    keys.map(|(ordinal, key)| match known.entry(key?) {
        Entry::Occupied(first) => Some(*first.get()),
        Entry::Vacant(entry) => {
            entry.insert(ordinal);
            None
        }
    })
    .collect()
}

fn value(item: &ItemRef<'_>, field: &str) -> Option<Value> {
    serde_json::from_str(item.content.field(field)?).ok()
}

/// What can be waited for, and by whom: an object waits for such of earlier stages alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Namespaces and definitions.
    First,
    /// Roles, accounts and classes.
    Base,
    Middle,
    /// Webhook configurations and aggregated APIs.
    Last,
    /// Objects of an API that a program serves which the same Work brings.
    Aggregated,
}

/// Where the objects are that others may need.
struct Places<'a> {
    /// By kind, namespace (empty: none) and name.
    named: BTreeMap<(&'a str, &'a str, &'a str), usize>,
    /// Definitions, by group and kind of what they define.
    definitions: BTreeMap<(String, String), usize>,
    /// Aggregated APIs, by group and version.
    apis: BTreeMap<(String, String), usize>,
}

impl<'a> Places<'a> {
    fn of(items: &[ItemRef<'a>]) -> Self {
        let mut places = Self { named: BTreeMap::new(), definitions: BTreeMap::new(), apis: BTreeMap::new() };
        for (place, item) in items.iter().enumerate() {
            let pair = |one: &str, other: &str| {
                let spec = value(item, "spec")?;
                let text = |place: &str| spec.pointer(place).and_then(Value::as_str).map(str::to_owned);
                Some((text(one)?, text(other)?))
            };
            match (item.group, item.kind) {
                ("", "Namespace")
                | (RBAC_GROUP, "ClusterRole")
                | (SCHEDULING, "PriorityClass")
                | (NODES, "RuntimeClass") => {
                    places.named.entry((item.kind, "", item.name)).or_insert(place);
                }
                ("", "ServiceAccount") | (RBAC_GROUP, "Role") => {
                    places.named.entry((item.kind, namespace(item), item.name)).or_insert(place);
                }
                ("apiextensions.k8s.io", "CustomResourceDefinition") => {
                    if let Some(key) = pair("/group", "/names/kind") {
                        places.definitions.entry(key).or_insert(place);
                    }
                }
                (AGGREGATION, "APIService") => {
                    if let Some(key) = pair("/group", "/version") {
                        places.apis.entry(key).or_insert(place);
                    }
                }
                _ => {}
            }
        }
        places
    }

    fn stage(&self, item: &ItemRef<'_>) -> Stage {
        match (wave(item.group, item.kind), item.group, item.kind) {
            (0, ..) => Stage::First,
            (_, "", "ServiceAccount")
            | (_, RBAC_GROUP, "Role" | "ClusterRole")
            | (_, SCHEDULING, "PriorityClass")
            | (_, NODES, "RuntimeClass") => Stage::Base,
            (LAST, ..) => Stage::Last,
            (REST, ..) if self.api(item).is_some() => Stage::Aggregated,
            _ => Stage::Middle,
        }
    }

    fn api(&self, item: &ItemRef<'_>) -> Option<usize> {
        self.apis.get(&(item.group.to_owned(), item.version.to_owned())).copied()
    }

    fn needed(&self, item: &ItemRef<'_>) -> Vec<usize> {
        let mut found = Vec::new();
        let mut named = |kind: &str, namespace: &str, name: &str| {
            found.extend(self.named.get(&(kind, namespace, name)));
        };
        if let Some(namespace) = item.namespace {
            named("Namespace", "", namespace);
        }
        match (item.group, item.kind) {
            (RBAC_GROUP, "RoleBinding" | "ClusterRoleBinding") => {
                let role = value(item, "roleRef").unwrap_or_default();
                let text = |field: &str| role.get(field).and_then(Value::as_str);
                match (text("kind"), text("name")) {
                    (Some("Role"), Some(name)) => named("Role", namespace(item), name),
                    (Some("ClusterRole"), Some(name)) => named("ClusterRole", "", name),
                    _ => {}
                }
            }
            ("", "Pod") => {
                let spec = value(item, "spec").unwrap_or_default();
                let text = |field: &str| spec.get(field).and_then(Value::as_str);
                let account = text("serviceAccountName").or_else(|| text("serviceAccount"));
                named("ServiceAccount", namespace(item), account.unwrap_or("default"));
                for (kind, field) in
                    [("PriorityClass", "priorityClassName"), ("RuntimeClass", "runtimeClassName")]
                {
                    if let Some(name) = text(field) {
                        named(kind, "", name);
                    }
                }
            }
            _ => {}
        }
        found.extend(self.definitions.get(&(item.group.to_owned(), item.kind.to_owned())));
        found.extend(self.api(item));
        found
    }
}

/// The namespace of an object of a kind that has one.
fn namespace<'a>(item: &ItemRef<'a>) -> &'a str {
    item.namespace.unwrap_or(DEFAULT_NAMESPACE)
}
