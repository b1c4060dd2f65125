//! What is known of a manifest, whether it can be applied or not: its status names it by that.

use std::collections::BTreeMap;

use muster_api::work::ResourceIdentifier;
use serde_json::Value;
use serde_json::value::RawValue;

use super::flaw::shown;
use super::list::outer;
use super::manifest::{DEFAULT_NAMESPACE, Gvk};
use crate::target::Target;

/// What is known of a manifest, whether it can be applied or not. Each text is empty where it cannot be read, and no
/// longer than a name may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// API group.
    pub group: String,
    /// Version of the group.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

// === impl Named ===

impl Named {
    /// Whether it may be this object: what is not known of it may be anything, and no namespace may be the default one.
    #[must_use]
    pub fn may_be(&self, target: &Target) -> bool {
        let alike = |known: &str, of: &str| known.is_empty() || known == of;
        let namespace = target.namespace.as_deref();
        let within = namespace.is_none_or(|namespace| {
            self.namespace == namespace || self.namespace.is_empty() && namespace == DEFAULT_NAMESPACE
        });
        within
            && (self.kind.is_empty() || self.group == target.resource.group)
            && alike(&self.kind, &target.resource.kind)
            && alike(&self.name, &target.name)
    }

    /// Whether it names an object: what has neither kind nor name may be anything.
    #[must_use]
    pub fn has_name(&self) -> bool {
        !self.kind.is_empty() && !self.name.is_empty()
    }

    /// As a Work's status says it. The plural of the kind is empty where it is not known.
    #[must_use]
    pub fn identifier(&self, ordinal: usize, plural: &str) -> ResourceIdentifier {
        let Self { group, version, kind, namespace, name } = self.clone();
        ResourceIdentifier {
            ordinal: i64::try_from(ordinal).unwrap_or(i64::MAX),
            group,
            version,
            kind,
            resource: plural.to_owned(),
            namespace,
            name,
        }
    }

    /// Of a manifest that cannot be parsed as a whole: what its outer fields say.
    pub(super) fn of_text(raw: &RawValue) -> Self {
        type Fields<'a> = Option<BTreeMap<String, &'a RawValue>>;
        let read = |fields: &Fields<'_>, field: &str| -> Option<Value> {
            serde_json::from_str(fields.as_ref()?.get(field)?.get()).ok()
        };
        let fields = outer(raw);
        let metadata = fields.as_ref().and_then(|fields| outer(fields.get("metadata")?));
        Self::new(
            read(&fields, "apiVersion").as_ref(),
            read(&fields, "kind").as_ref(),
            read(&metadata, "namespace").as_ref(),
            read(&metadata, "name").as_ref(),
        )
    }

    pub(super) fn of(fields: &BTreeMap<String, Value>, implied: Option<&Gvk>) -> Self {
        let metadata = |field: &str| fields.get("metadata").and_then(|metadata| metadata.get(field));
        let (api_version, kind) = (fields.get("apiVersion"), fields.get("kind"));
        let mut named = Self::new(api_version, kind, metadata("namespace"), metadata("name"));
        if let (None, None, Some(implied)) = (api_version, kind, implied) {
            let Gvk { group, version, kind } = implied.clone();
            named = Self { group, version, kind, ..named };
        }
        named
    }

    fn new(
        api_version: Option<&Value>,
        kind: Option<&Value>,
        namespace: Option<&Value>,
        name: Option<&Value>,
    ) -> Self {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(shown).unwrap_or_default();
        let api_version = text(api_version);
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text(kind),
            namespace: text(namespace),
            name: text(name),
        }
    }
}
