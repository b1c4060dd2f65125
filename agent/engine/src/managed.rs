//! Who owns which fields of an object, as its `metadata.managedFields` has it (server-side apply, KEP-555).

use serde::Deserialize;
use serde_json::value::RawValue;

/// What one manager owns by one way of writing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry<'a> {
    /// The name that it gave itself: anything.
    #[serde(default)]
    pub(crate) manager: String,
    #[serde(default)]
    operation: String,
    /// The set of fields.
    #[serde(borrow, default)]
    pub(crate) fields_v1: Option<&'a RawValue>,
}

impl Entry<'_> {
    /// Whether it is what this manager owns by server-side apply.
    pub(crate) fn is_applied_by(&self, manager: &str) -> bool {
        self.manager == manager && self.operation == "Apply"
    }
}

/// The entries of an object. What does not parse has none.
pub(crate) fn entries(raw: &str) -> Vec<Entry<'_>> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow)]
        metadata: Metadata<'a>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata<'a> {
        #[serde(borrow, default)]
        managed_fields: Vec<Entry<'a>>,
    }
    let frame: Result<Frame<'_>, _> = serde_json::from_str(raw);
    frame.map(|frame| frame.metadata.managed_fields).unwrap_or_default()
}
