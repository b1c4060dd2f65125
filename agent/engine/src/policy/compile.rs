//! From what a policy says to the objects that it asks for. All that is said is judged here: nothing half-understood
//! becomes an object.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use muster_api::Resource;
use muster_api::policy::{
    Binding, ClusterAuthorization, ClusterBinding, ClusterRule, NamespaceAuthorization, PolicyNamespace, Rule,
};
use muster_api::resource::{
    CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, LIMIT_RANGES, NAMESPACES, RBAC_GROUP, RESOURCE_QUOTAS,
    ROLE_BINDINGS, ROLES,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::flaw::{self, Flaw};
use super::{PolicyError, name};
use crate::item::Item;
use crate::target::Target;

/// Most objects that one policy may ask for: its ledger must fit into one object of etcd.
pub const MOST_ITEMS: usize = 5_000;

/// The objects that a policy asks for, in the order in which they are to be made.
///
/// # Errors
/// Where it asks for what cannot or must not be, or for too much.
pub(super) fn items(
    policy: &str,
    authorization: Option<&ClusterAuthorization>,
    namespaces: &[PolicyNamespace],
) -> Result<Vec<Arc<Item>>, PolicyError> {
    let mut compiler = Compiler { policy, items: Vec::new() };
    if let Some(authorization) = authorization {
        compiler.cluster(authorization)?;
    }
    let mut names = BTreeSet::new();
    for (index, namespace) in namespaces.iter().enumerate() {
        let field = format!("spec.namespaces[{index}]");
        if !names.insert(&namespace.name) {
            let flaw = Flaw::NamespaceTwice(flaw::quoted(&namespace.name));
            return Err(compiler.flawed(format!("{field}.name"), flaw));
        }
        compiler.namespace(&field, namespace)?;
    }
    compiler.finish()
}

struct Compiler<'a> {
    policy: &'a str,
    items: Vec<Item>,
}

/// Who a binding is for.
struct Subjects<'a> {
    users: &'a [String],
    groups: &'a [String],
    service_accounts: &'a [String],
}

/// The bindings of one level (the cluster, or a namespace), one for each role, in the order of first mention.
#[derive(Default)]
struct Bindings<'a> {
    places: BTreeMap<(&'static str, &'a str), usize>,
    roles: Vec<((&'static str, &'a str), Vec<Value>)>,
}

// === impl Compiler ===

impl Compiler<'_> {
    fn cluster(&mut self, authorization: &ClusterAuthorization) -> Result<(), PolicyError> {
        let roles =
            authorization.cluster_roles.iter().map(|role| (role.name.as_str(), role.rules.as_slice()));
        self.roles("spec.authorization.clusterRoles", &CLUSTER_ROLES, None, roles, Clone::clone)?;
        let mut bindings = Bindings::default();
        for (index, binding) in authorization.cluster_bindings.iter().enumerate() {
            let field = format!("spec.authorization.clusterBindings[{index}]");
            let ClusterBinding { cluster_role, users, groups, service_accounts } = binding;
            let subjects = Subjects { users, groups, service_accounts };
            self.bind(&field, &mut bindings, ("ClusterRole", cluster_role), &subjects)?;
        }
        self.bindings(&CLUSTER_ROLE_BINDINGS, None, bindings)
    }

    fn namespace(&mut self, field: &str, namespace: &PolicyNamespace) -> Result<(), PolicyError> {
        let at = |part: &str| format!("{field}.{part}");
        flaw::namespace(&namespace.name).map_err(|flaw| self.flawed(at("name"), flaw))?;
        flaw::labels(&namespace.labels).map_err(|flaw| self.flawed(at("labels"), flaw))?;
        flaw::annotations(&namespace.annotations).map_err(|flaw| self.flawed(at("annotations"), flaw))?;
        let mut item = Item::new(target(&NAMESPACES, None, namespace.name.clone()));
        item.labels.clone_from(&namespace.labels);
        item.annotations.clone_from(&namespace.annotations);
        self.push(item)?;
        if let Some(authorization) = &namespace.authorization {
            self.grants(&at("authorization"), &namespace.name, authorization)?;
        }
        if let Some(quota) = &namespace.resource_quota {
            self.limit(&at("resourceQuota"), &RESOURCE_QUOTAS, &namespace.name, quota)?;
        }
        if let Some(range) = &namespace.limit_range {
            self.limit(&at("limitRange"), &LIMIT_RANGES, &namespace.name, range)?;
        }
        Ok(())
    }

    fn grants(
        &mut self,
        field: &str,
        namespace: &str,
        authorization: &NamespaceAuthorization,
    ) -> Result<(), PolicyError> {
        let roles = authorization.roles.iter().map(|role| (role.name.as_str(), role.rules.as_slice()));
        self.roles(&format!("{field}.roles"), &ROLES, Some(namespace), roles, in_cluster_terms)?;
        let mut bindings = Bindings::default();
        for (index, binding) in authorization.bindings.iter().enumerate() {
            let field = format!("{field}.bindings[{index}]");
            let Binding { cluster_role, role, users, groups, service_accounts } = binding;
            let role = match (cluster_role, role) {
                (Some(name), None) => ("ClusterRole", name.as_str()),
                (None, Some(name)) => ("Role", name.as_str()),
                _ => return Err(self.flawed(field, Flaw::OneRole)),
            };
            self.bind(&field, &mut bindings, role, &Subjects { users, groups, service_accounts })?;
        }
        self.bindings(&ROLE_BINDINGS, Some(namespace), bindings)
    }

    /// The roles of one level. The same role twice is one, if both allow the same.
    fn roles<'r, R: Serialize + PartialEq + 'r>(
        &mut self,
        field: &str,
        resource: &Resource,
        namespace: Option<&str>,
        definitions: impl Iterator<Item = (&'r str, &'r [R])>,
        in_cluster_terms: impl Fn(&R) -> ClusterRule,
    ) -> Result<(), PolicyError> {
        let mut known: BTreeMap<&str, &[R]> = BTreeMap::new();
        for (index, (name, rules)) in definitions.enumerate() {
            let at = |part: &str| format!("{field}[{index}].{part}");
            flaw::new_role(name).map_err(|flaw| self.flawed(at("name"), flaw))?;
            for (place, rule) in rules.iter().enumerate() {
                flaw::rule(&in_cluster_terms(rule))
                    .map_err(|flaw| self.flawed(at(&format!("rules[{place}]")), flaw))?;
            }
            match known.entry(name) {
                Entry::Vacant(entry) => {
                    entry.insert(rules);
                    let item = Item::new(target(resource, namespace, name.to_owned()));
                    self.push(item.with("rules", self.json(|| at("rules"), &rules)?))?;
                }
                Entry::Occupied(entry) if *entry.get() == rules => {}
                Entry::Occupied(_) => {
                    return Err(self.flawed(at("name"), Flaw::RoleTwice(flaw::quoted(name))));
                }
            }
        }
        Ok(())
    }

    /// Takes up one entry of a policy's list of bindings.
    fn bind<'r>(
        &self,
        field: &str,
        bindings: &mut Bindings<'r>,
        role: (&'static str, &'r str),
        subjects: &Subjects<'_>,
    ) -> Result<(), PolicyError> {
        let part = if role.0 == "Role" { "role" } else { "clusterRole" };
        flaw::role(role.1).map_err(|flaw| self.flawed(format!("{field}.{part}"), flaw))?;
        let read = subjects.read().map_err(|(part, flaw)| self.flawed(format!("{field}.{part}"), flaw))?;
        if read.is_empty() {
            return Err(self.flawed(field.to_owned(), Flaw::NoSubject));
        }
        bindings.add(role, read);
        Ok(())
    }

    /// The bindings of one level: one object for each role.
    fn bindings(
        &mut self,
        resource: &Resource,
        namespace: Option<&str>,
        bindings: Bindings<'_>,
    ) -> Result<(), PolicyError> {
        for (role, subjects) in bindings.roles {
            let name = name::binding(self.policy, &resource.kind, namespace, role);
            let (kind, role) = role;
            let item = Item::new(target(resource, namespace, name))
                .with("roleRef", json!({ "apiGroup": RBAC_GROUP, "kind": kind, "name": role }))
                .with("subjects", unique(subjects));
            self.push(item)?;
        }
        Ok(())
    }

    fn limit<S: Serialize>(
        &mut self,
        field: &str,
        resource: &Resource,
        namespace: &str,
        spec: &S,
    ) -> Result<(), PolicyError> {
        let spec = self.json(|| field.to_owned(), spec)?;
        let name = name::limit(self.policy, &resource.kind, namespace);
        self.push(Item::new(target(resource, Some(namespace), name)).with("spec", spec))
    }

    fn push(&mut self, item: Item) -> Result<(), PolicyError> {
        if self.items.len() == MOST_ITEMS {
            return Err(PolicyError::TooLarge { policy: self.policy.to_owned() });
        }
        self.items.push(item);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Arc<Item>>, PolicyError> {
        self.items.sort_by(|one, other| one.target.cmp(&other.target));
        // Generated names end in 32 bits of a hash: that two are the same must be made, but then it must not pass.
        let twice = self.items.windows(2).find(|pair| pair[0].target == pair[1].target);
        if let Some(pair) = twice {
            let flaw = Flaw::NameTwice(flaw::quoted(&pair[0].target.name));
            return Err(self.flawed("spec".to_owned(), flaw));
        }
        Ok(self.items.into_iter().map(Arc::new).collect())
    }

    fn json<S: Serialize>(&self, field: impl Fn() -> String, part: &S) -> Result<Value, PolicyError> {
        serde_json::to_value(part).map_err(|error| PolicyError::Malformed {
            policy: self.policy.to_owned(),
            field: field(),
            reason: flaw::excerpt(&error.to_string()),
        })
    }

    fn flawed(&self, field: String, flaw: Flaw) -> PolicyError {
        PolicyError::Flawed { policy: self.policy.to_owned(), field, flaw }
    }
}

fn target(resource: &Resource, namespace: Option<&str>, name: String) -> Target {
    Target { resource: resource.clone(), namespace: namespace.map(str::to_owned), name }
}

/// A rule of a namespace's role, which is a rule of a cluster's role that names resources.
fn in_cluster_terms(rule: &Rule) -> ClusterRule {
    let Rule { verbs, api_groups, resources, resource_names } = rule.clone();
    ClusterRule {
        verbs,
        api_groups: Some(api_groups),
        resources: Some(resources),
        resource_names,
        non_resource_urls: None,
    }
}

// === impl Subjects ===

impl Subjects<'_> {
    /// As RBAC has them. A flaw comes with the field that it is in.
    fn read(&self) -> Result<Vec<Value>, (String, Flaw)> {
        let mut subjects = Vec::new();
        for (field, kind, names) in [("users", "User", self.users), ("groups", "Group", self.groups)] {
            for (index, name) in names.iter().enumerate() {
                flaw::subject(name).map_err(|flaw| (format!("{field}[{index}]"), flaw))?;
                subjects.push(json!({ "apiGroup": RBAC_GROUP, "kind": kind, "name": name }));
            }
        }
        for (index, account) in self.service_accounts.iter().enumerate() {
            let (namespace, name) =
                flaw::service_account(account).map_err(|flaw| (format!("serviceAccounts[{index}]"), flaw))?;
            subjects.push(json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name }));
        }
        Ok(subjects)
    }
}

// === impl Bindings ===

impl<'a> Bindings<'a> {
    fn add(&mut self, role: (&'static str, &'a str), subjects: Vec<Value>) {
        let end = self.roles.len();
        let place = *self.places.entry(role).or_insert(end);
        if place == end {
            self.roles.push((role, subjects));
        } else {
            self.roles[place].1.extend(subjects);
        }
    }
}

/// Each subject once, in the order of first mention.
fn unique(subjects: Vec<Value>) -> Value {
    let mut seen = BTreeSet::new();
    subjects.into_iter().filter(|subject| seen.insert(subject.to_string())).collect()
}
