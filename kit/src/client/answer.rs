//! Answers: read into slim objects, and checked to be what was asked for.

use muster_api::{Object, Resource, Scope};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::CallError;
use super::call::{Call, JSON};

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// The objects. Servers leave kind and apiVersion out of the items of built-in kinds.
    pub items: Vec<Object>,
    /// The version of the collection: from here a watch goes on.
    pub resource_version: String,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// How much of each object is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// All of it.
    #[default]
    Whole,
    /// Its `metadata`, `managedFields` included, and nothing else: of Secrets, no value (save where an annotation
    /// repeats one). Kind and apiVersion are those of `PartialObjectMetadata`. See "Receiving resources as
    /// `PartialObjectMetadata`" in the API concepts of Kubernetes.
    Metadata,
}

impl Form {
    /// What to accept for the events of a watch.
    pub(super) fn of_events(self) -> &'static str {
        match self {
            Self::Whole => JSON,
            Self::Metadata => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        }
    }

    /// What to accept for a list.
    pub(super) fn of_lists(self) -> &'static str {
        match self {
            Self::Whole => JSON,
            Self::Metadata => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        }
    }
}

/// Kind and apiVersion of an object; empty where they are missing.
#[derive(Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct TypeMeta {
    kind: String,
    api_version: String,
}

impl TypeMeta {
    /// The type of the resource's objects in this form.
    fn of(resource: &Resource, form: Form) -> Self {
        match form {
            Form::Whole => Self { kind: resource.kind.to_string(), api_version: resource.api_version() },
            Form::Metadata => {
                Self { kind: "PartialObjectMetadata".to_owned(), api_version: "meta.k8s.io/v1".to_owned() }
            }
        }
    }

    /// Whether this is the type of the resource's objects in this form.
    pub(crate) fn is(&self, resource: &Resource, form: Form) -> bool {
        *self == Self::of(resource, form)
    }

    fn is_missing(&self) -> bool {
        self.kind.is_empty() && self.api_version.is_empty()
    }
}

/// Reads the answer that may be anything.
pub(super) fn json(call: &Call<'_>, text: String) -> Result<Box<RawValue>, CallError> {
    RawValue::from_string(text).map_err(|_| call.malformed("it is not JSON"))
}

/// Reads the answer that is of the kind that was asked for, and may lack what stored objects have.
pub(super) fn typed(call: &Call<'_>, text: String) -> Result<Box<RawValue>, CallError> {
    let raw = json(call, text)?;
    let kind: TypeMeta = serde_json::from_str(raw.get()).map_err(|_| call.malformed("it is no object"))?;
    if !kind.is(call.resource, Form::Whole) {
        return Err(call.malformed("it is of another kind"));
    }
    Ok(raw)
}

/// Reads the answer that is one object, and checks that it is the one that was asked for.
pub(super) fn object(call: &Call<'_>, text: String) -> Result<Object, CallError> {
    let raw = typed(call, text)?;
    let object = Object::parse(raw).map_err(|_| call.malformed("it is no object"))?;
    if call.name.is_some_and(|name| name != object.meta.name)
        || !within(call.resource, call.namespace, &object)
    {
        return Err(call.malformed("it is another object"));
    }
    Ok(object)
}

/// Whether an object lies where the resource and the namespace say. No namespace stands for all of them.
pub(crate) fn within(resource: &Resource, namespace: Option<&str>, object: &Object) -> bool {
    match resource.scope {
        Scope::Cluster => object.meta.namespace.is_none(),
        Scope::Namespaced => match (namespace, object.meta.namespace.as_deref()) {
            (Some(asked), Some(found)) => asked == found,
            (None, Some(_)) => true,
            (_, None) => false,
        },
    }
}

/// Reads the answer that is a page of a list of the resource's objects in this form.
pub(super) fn page(call: &Call<'_>, text: &str, form: Form) -> Result<Page, CallError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct List {
        kind: String,
        api_version: String,
        metadata: ListMeta,
        // Missing items are no empty list: an answer that was cut must not look like one.
        #[serde(deserialize_with = "Option::deserialize")]
        items: Option<Vec<Box<RawValue>>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ListMeta {
        resource_version: String,
        #[serde(default, rename = "continue")]
        next: String,
    }
    let of = TypeMeta::of(call.resource, form);
    let list: List = serde_json::from_str(text).map_err(|_| call.malformed("it is no list"))?;
    if list.kind.strip_suffix("List") != Some(&of.kind) || list.api_version != of.api_version {
        return Err(call.malformed("it is a list of another kind"));
    }
    if list.metadata.resource_version.is_empty() {
        return Err(call.malformed("the list has no resourceVersion"));
    }
    let items = list.items.unwrap_or_default().into_iter().map(|raw| {
        let kind: TypeMeta =
            serde_json::from_str(raw.get()).map_err(|_| call.malformed("an item is no object"))?;
        if !(kind.is_missing() || kind == of) {
            return Err(call.malformed("an item is of another kind"));
        }
        let object = Object::parse(raw).map_err(|_| call.malformed("an item is no object"))?;
        if !within(call.resource, call.namespace, &object) {
            return Err(call.malformed("an item lies in another namespace"));
        }
        Ok(object)
    });
    Ok(Page {
        items: items.collect::<Result<_, _>>()?,
        resource_version: list.metadata.resource_version,
        next: Some(list.metadata.next).filter(|next| !next.is_empty()),
    })
}
