//! One line of a watch.

use std::borrow::Cow;

use muster_api::Object;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Target;
use crate::client::{Status, TypeMeta, within};

/// Annotation of the bookmark that ends the initial events of a streamed listing (KEP-3157).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What a line says.
pub(super) enum Line {
    /// ADDED or MODIFIED.
    Applied(Object),
    /// DELETED.
    Deleted(Object),
    /// BOOKMARK.
    Bookmark {
        /// Version of the collection; can be empty.
        resource_version: String,
        /// Whether it ends the initial events.
        initial_end: bool,
    },
    /// ERROR.
    Error(Status),
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Mark {
    metadata: MarkMeta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct MarkMeta {
    resource_version: String,
    annotations: std::collections::BTreeMap<String, String>,
}

/// Reads a line. The error says what is wrong and repeats nothing of the line.
pub(super) fn read(line: &[u8], target: &Target) -> Result<Line, &'static str> {
    let frame: Frame<'_> = serde_json::from_slice(line).map_err(|_| "an event is not JSON")?;
    if frame.kind == "ERROR" {
        return Ok(Line::Error(Status::read(frame.object.get().as_bytes())));
    }
    let kind: TypeMeta = serde_json::from_str(frame.object.get()).map_err(|_| "an event holds no object")?;
    if !kind.is(&target.resource, target.form) {
        return Err("an event is of another kind");
    }
    if frame.kind == "BOOKMARK" {
        let mark: Mark = serde_json::from_str(frame.object.get()).map_err(|_| "a bookmark is malformed")?;
        let MarkMeta { resource_version, annotations } = mark.metadata;
        let initial_end = annotations.get(INITIAL_EVENTS_END).is_some_and(|value| value == "true");
        return Ok(Line::Bookmark { resource_version, initial_end });
    }
    let object = Object::parse(frame.object.to_owned()).map_err(|_| "an event holds no object")?;
    if !within(&target.resource, target.namespace.as_deref(), &object) {
        return Err("an event is of another namespace");
    }
    match &*frame.kind {
        "ADDED" | "MODIFIED" => Ok(Line::Applied(object)),
        "DELETED" => Ok(Line::Deleted(object)),
        _ => Err("an event is of an unknown type"),
    }
}
