//! What can be wrong with a policy that has the right fields, and how names and keys in it are judged.

use std::collections::BTreeMap;

use muster_api::marks;
use muster_api::names::{is_label, is_own_namespace, is_subdomain};
use muster_api::policy::ClusterRule;
use muster_api::resource::GROUP;

use crate::selector::{checked_key, checked_value};

/// Most characters that a message repeats of a policy.
const EXCERPT: usize = 160;
/// Longest name of a role, a user or a group, in characters.
const LONGEST_ROLE: usize = 253;
const LONGEST_SUBJECT: usize = 1024;

/// What is wrong with a part of a policy, and what to do. Texts are excerpts in quotes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The policy's own name.
    #[error("is no name that Kubernetes gives: make the policy anew")]
    PolicyName,
    /// The annotation for the deletion of namespaces.
    #[error("{0} is unknown: write delete or retain")]
    NamespaceDeletion(String),
    /// The name of a namespace.
    #[error("{0} is no name of a namespace: use 1 to 63 lower-case letters, digits and '-'")]
    NamespaceName(String),
    /// A namespace of Muster itself.
    #[error("{0} is a namespace of Muster itself, where no policy reaches: name another")]
    OwnNamespace(String),
    /// A namespace that was named before.
    #[error("namespace {0} is named twice: merge the two")]
    NamespaceTwice(String),
    /// The key of a label or an annotation.
    #[error(
        "{0} is no key: write [prefix/]name, the name at most 63 letters, digits, '-', '_' or '.', the prefix a domain"
    )]
    Key(String),
    /// The value of a label.
    #[error("{0} is no value of a label: use at most 63 letters, digits, '-', '_' or '.'")]
    Value(String),
    /// The key of a label or an annotation by which Muster or Kubernetes knows objects.
    #[error("{0} is not for policies to set, since Muster or Kubernetes does: leave it out")]
    Reserved(String),
    /// The name of a role that is granted.
    #[error("{0} is no name of a role: use 1 to 253 characters without '/' and '%'")]
    RoleName(String),
    /// The name of a role that is defined.
    #[error("{0} is no name for a new role: use 1 to 253 letters, digits, '-', '.', '_' and ':'")]
    NewRoleName(String),
    /// A role that was defined before, with other rules.
    #[error("role {0} is defined twice, with different rules: keep one of the two")]
    RoleTwice(String),
    /// A rule of a role.
    #[error("the rule is incomplete: {0}")]
    Rule(&'static str),
    /// A binding that names no role, or two.
    #[error("the binding must name one role: give exactly one of role and clusterRole")]
    OneRole,
    /// A binding for nobody.
    #[error("the binding is for nobody: give users, groups or serviceAccounts")]
    NoSubject,
    /// The name of a user or a group.
    #[error("{0} is no name of a user or a group: use 1 to 1024 characters")]
    SubjectName(String),
    /// A service account.
    #[error("{0} is no service account: write NAMESPACE/NAME")]
    ServiceAccount(String),
    /// Two objects whose generated names are the same.
    #[error("two objects get the name {0}: rename a role")]
    NameTwice(String),
}

/// The beginning of a text that other people wrote, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    crate::excerpt::excerpt(text, EXCERPT)
}

/// The same in quotes.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", excerpt(text))
}

/// A namespace that a policy may name. Those of Kubernetes may be used; Muster's own may not.
pub(super) fn namespace(name: &str) -> Result<(), Flaw> {
    if !is_label(name) {
        return Err(Flaw::NamespaceName(quoted(name)));
    }
    if is_own_namespace(name) {
        return Err(Flaw::OwnNamespace(quoted(name)));
    }
    Ok(())
}

pub(super) fn labels(labels: &BTreeMap<String, String>) -> Result<(), Flaw> {
    for (label, value) in labels {
        key(label)?;
        checked_value(value).map_err(|_| Flaw::Value(quoted(value)))?;
    }
    Ok(())
}

pub(super) fn annotations(annotations: &BTreeMap<String, String>) -> Result<(), Flaw> {
    annotations.keys().try_for_each(|annotation| key(annotation))
}

/// The key of a label, or of an annotation.
fn key(key: &str) -> Result<(), Flaw> {
    checked_key(key).map_err(|_| Flaw::Key(quoted(key)))?;
    let of_muster = key.split_once('/').is_some_and(|(prefix, _)| prefix == GROUP);
    let known = [marks::PART_OF, marks::LAST_APPLIED, "kubernetes.io/metadata.name"];
    if of_muster || known.contains(&key) { Err(Flaw::Reserved(quoted(key))) } else { Ok(()) }
}

/// A role that is granted: RBAC takes what can be one segment of a path (apimachinery, `ValidatePathSegmentName`).
pub(super) fn role(name: &str) -> Result<(), Flaw> {
    let fits = !name.is_empty() && name.chars().nth(LONGEST_ROLE).is_none();
    let segment = name != "." && name != ".." && !name.contains(['/', '%', '\0']);
    if fits && segment { Ok(()) } else { Err(Flaw::RoleName(quoted(name))) }
}

/// A role that is defined: its name also stands in a URL as it is, and in messages.
pub(super) fn new_role(name: &str) -> Result<(), Flaw> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
    if plain && role(name).is_ok() { Ok(()) } else { Err(Flaw::NewRoleName(quoted(name))) }
}

/// A rule, as the API server of a replica would judge it (kubernetes, `ValidatePolicyRule`).
pub(super) fn rule(rule: &ClusterRule) -> Result<(), Flaw> {
    let given = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list: &Vec<String>| !list.is_empty());
    let (groups, resources, urls) =
        (given(&rule.api_groups), given(&rule.resources), given(&rule.non_resource_urls));
    if rule.verbs.is_empty() {
        Err(Flaw::Rule("give verbs"))
    } else if resources == urls {
        Err(Flaw::Rule("give either resources or nonResourceURLs"))
    } else if groups != resources || (given(&rule.resource_names) && !resources) {
        Err(Flaw::Rule("apiGroups goes with resources, and resourceNames needs them"))
    } else {
        Ok(())
    }
}

/// A user or a group.
pub(super) fn subject(name: &str) -> Result<(), Flaw> {
    let fits = !name.is_empty() && name.chars().nth(LONGEST_SUBJECT).is_none();
    if fits { Ok(()) } else { Err(Flaw::SubjectName(quoted(name))) }
}

/// A service account: its namespace and its name.
pub(super) fn service_account(account: &str) -> Result<(&str, &str), Flaw> {
    account
        .split_once('/')
        .filter(|(namespace, name)| is_label(namespace) && is_subdomain(name))
        .ok_or_else(|| Flaw::ServiceAccount(quoted(account)))
}
