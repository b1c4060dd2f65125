//! One manifest of a Work: its fields judged and brought into the form in which they are applied. Which resource its
//! kind is, and so whether it lies in a namespace, only the replica knows: see [`Manifest::resolve`].

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_api::resource::GROUP;
use muster_api::{Resource, Scope, marks};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::flaw::{self, Flaw, shown};
use super::named::Named;
use super::options::{Level, OptionError, Options};
use super::secret;
use crate::feedback;
use crate::item::{Content, Item};
use crate::target::Target;

/// What the annotations of Muster begin with.
pub(super) const PREFIX: &str = "multicluster.coreos.com/";
/// The namespace of an object that should be in one and names none, as kubectl has it.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Labels and annotations by which Muster knows objects, or by which the owner of a replica speaks.
const RESERVED_LABELS: [&str; 1] = [marks::PART_OF];
const RESERVED_ANNOTATIONS: [&str; 7] = [
    marks::MADE_FOR,
    marks::COPIED_FROM,
    marks::LET_GO,
    marks::PAUSE,
    marks::LEAVE,
    marks::RELEASE,
    marks::RELEASE_HERE,
];
/// Annotations that mean something on objects of Muster's own group, and are content there.
const OWN_ANNOTATIONS: [&str; 3] = [marks::DIRECTORY, marks::CONSOLE_URL, marks::NAMESPACE_DELETION];
/// What a server writes into the metadata of an object, and `kubectl get -o yaml` leaves behind.
const OF_THE_SERVER: [&str; 8] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// Group, version and kind of an object, as its manifest says them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gvk {
    /// API group; empty for the core group.
    pub group: String,
    /// Version of the group.
    pub version: String,
    /// Kind.
    pub kind: String,
}

/// One manifest, legal as far as can be told without knowledge of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// What it is.
    pub gvk: Gvk,
    /// The namespace that it names.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its options: those of the Work, where its own do not win over them.
    pub options: Arc<Options>,
    /// What it says beside its metadata.
    pub content: Content,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    finalizers: Vec<String>,
}

// === impl Manifest ===

impl Manifest {
    /// Reads a manifest. A kind that a list implies holds where the manifest says none.
    pub(super) fn read(
        raw: &RawValue,
        implied: Option<&Gvk>,
        options: &Arc<Options>,
    ) -> (Named, Result<Self, Flaw>) {
        let fields = match object(raw) {
            Ok(fields) => fields,
            Err(flaw) => return (Named::of_text(raw), Err(flaw)),
        };
        let named = Named::of(&fields, implied);
        (named, Self::of(fields, implied, options))
    }

    /// The object that is wanted, once the kind is known.
    ///
    /// # Errors
    /// Where the resource is one of another kind.
    pub fn resolve(&self, resource: &Resource) -> Result<Item, Flaw> {
        let Gvk { group, version, kind } = &self.gvk;
        if resource.group != *group || resource.version != *version || resource.kind != *kind {
            return Err(Flaw::OtherKind);
        }
        let namespace = match resource.scope {
            Scope::Cluster => None,
            Scope::Namespaced => Some(self.namespace.clone().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned())),
        };
        Ok(Item {
            target: Target { resource: resource.clone(), namespace, name: self.name.clone() },
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
            finalizers: self.finalizers.clone(),
            content: self.content.clone(),
        })
    }

    fn of(
        mut fields: BTreeMap<String, Value>,
        implied: Option<&Gvk>,
        options: &Arc<Options>,
    ) -> Result<Self, Flaw> {
        if fields.is_empty() {
            return Err(Flaw::malformed("it", "is empty"));
        }
        fields.retain(|_, value| !value.is_null());
        let gvk = gvk(fields.remove("apiVersion"), fields.remove("kind"), implied)?;
        let mut metadata = match fields.remove("metadata") {
            None => Map::new(),
            Some(Value::Object(metadata)) => metadata,
            Some(_) => return Err(Flaw::malformed("metadata", "must be an object")),
        };
        fields.remove("status");
        if secret::is_secret(&gvk) {
            secret::bring_into_form(&mut fields)?;
        }
        let name = text(&mut metadata, "name", "metadata.name")?.unwrap_or_default();
        if metadata.remove("generateName").is_some_and(|value| !value.is_null() && value != "") {
            return Err(Flaw::GenerateName);
        }
        flaw::name(&name)?;
        let namespace = text(&mut metadata, "namespace", "metadata.namespace")?;
        // Written by some tools for objects that are in no namespace.
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        namespace.as_deref().map_or(Ok(()), flaw::namespace)?;
        let owners = metadata.remove("ownerReferences");
        if owners.is_some_and(|owners| !owners.is_null() && owners != Value::Array(Vec::new())) {
            return Err(Flaw::ForeignOwner);
        }
        let labels = pairs(&mut metadata, "labels", "metadata.labels")?;
        reserved(&labels, "metadata.labels", &RESERVED_LABELS)?;
        let mut annotations = pairs(&mut metadata, "annotations", "metadata.annotations")?;
        reserved(&annotations, "metadata.annotations", &RESERVED_ANNOTATIONS)?;
        // It repeats the object as it once was, secrets included.
        annotations.remove(marks::LAST_APPLIED);
        let own = take_options(&mut annotations, &gvk.group);
        let options = if own.is_empty() {
            Arc::clone(options)
        } else {
            let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            Arc::new(options.with(own, Level::Manifest).map_err(Flaw::Option)?)
        };
        if !options.feedback.is_empty() && !feedback::allowed(&gvk.group, &gvk.kind) {
            return Err(Flaw::Option(OptionError::OfSecret));
        }
        let finalizers = finalizers(metadata.remove("finalizers"))?;
        if let Some(field) = metadata.keys().find(|field| !OF_THE_SERVER.contains(&field.as_str())) {
            return Err(Flaw::malformed(format!("metadata.{}", shown(field)), "is no field of an object"));
        }
        let content = Content::of(&fields);
        Ok(Self { gvk, namespace, name, options, content, labels, annotations, finalizers })
    }
}

/// The fields of an object, down to the last: what is nested too deep to be read back is found here.
fn object(raw: &RawValue) -> Result<BTreeMap<String, Value>, Flaw> {
    if !raw.get().starts_with('{') {
        return Err(Flaw::malformed("it", "must be an object"));
    }
    let problem = "cannot be read: it is nested too deep, or has a number or a text that JSON readers refuse";
    serde_json::from_str(raw.get()).map_err(|_| Flaw::malformed("it", problem))
}

fn gvk(api_version: Option<Value>, kind: Option<Value>, implied: Option<&Gvk>) -> Result<Gvk, Flaw> {
    if let (None, None, Some(implied)) = (&api_version, &kind, implied) {
        return Ok(implied.clone());
    }
    let word = |field: &'static str, value: Option<Value>| match value {
        None => Err(Flaw::malformed(field, "is missing")),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Flaw::malformed(field, "must be a string")),
    };
    let (api_version, kind) = (word("apiVersion", api_version)?, word("kind", kind)?);
    let (group, version) = flaw::api_version(&api_version)?;
    if !flaw::is_kind(&kind) {
        return Err(Flaw::Name { field: "kind", problem: "is none: use 1 to 63 letters and digits" });
    }
    Ok(Gvk { group: group.to_owned(), version: version.to_owned(), kind })
}

fn text(metadata: &mut Map<String, Value>, key: &str, field: &'static str) -> Result<Option<String>, Flaw> {
    match metadata.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Flaw::malformed(field, "must be a string")),
    }
}

/// Labels or annotations.
fn pairs(
    metadata: &mut Map<String, Value>,
    key: &str,
    field: &'static str,
) -> Result<BTreeMap<String, String>, Flaw> {
    let pairs = match metadata.remove(key) {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(pairs)) => pairs,
        Some(_) => return Err(Flaw::malformed(field, "must be an object")),
    };
    let text = |(key, value): (String, Value)| match value {
        Value::String(text) => Ok((key, text)),
        _ => Err(Flaw::malformed(format!("{field}[{}]", shown(&key)), "must be a string")),
    };
    pairs.into_iter().map(text).collect()
}

fn reserved(
    pairs: &BTreeMap<String, String>,
    field: &'static str,
    keys: &'static [&'static str],
) -> Result<(), Flaw> {
    match keys.iter().find(|key| pairs.contains_key(**key)) {
        Some(key) => Err(Flaw::Reserved { field, key }),
        None => Ok(()),
    }
}

/// Takes the options out of the annotations of an object of a group.
fn take_options(annotations: &mut BTreeMap<String, String>, group: &str) -> Vec<(String, String)> {
    let mut options = Vec::new();
    annotations.retain(|key, value| {
        let option =
            key.strip_prefix(PREFIX).filter(|_| !(group == GROUP && OWN_ANNOTATIONS.contains(&key.as_str())));
        if let Some(name) = option {
            options.push((name.to_owned(), std::mem::take(value)));
        }
        option.is_none()
    });
    options
}

/// Finalizers, each once: they are a set.
fn finalizers(value: Option<Value>) -> Result<Vec<String>, Flaw> {
    let field = "metadata.finalizers";
    let list = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(Flaw::malformed(field, "must be a list")),
    };
    let mut seen = std::collections::BTreeSet::new();
    let mut finalizers = Vec::new();
    for (place, value) in list.into_iter().enumerate() {
        match value {
            Value::String(text) if !text.is_empty() => {
                if seen.insert(text.clone()) {
                    finalizers.push(text);
                }
            }
            _ => return Err(Flaw::malformed(format!("{field}[{place}]"), "must be a string, and not empty")),
        }
    }
    Ok(finalizers)
}

// === impl Gvk ===

impl Gvk {
    /// The value of `apiVersion`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}
