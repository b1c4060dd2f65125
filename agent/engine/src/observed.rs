//! Objects as the replica holds them, cut down to what decisions about them need.

use muster_api::{Object, marks};

use crate::fields::{Path, digest};
use crate::managed;
use crate::mark::Mark;
use crate::target::Target;

/// An object that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// UID.
    pub uid: String,
    /// resourceVersion.
    pub version: String,
    /// Generation; 0 where the kind has none.
    pub generation: i64,
    /// Whether it bears Muster's label.
    pub labelled: bool,
    /// Muster's mark, if it has one that was made for this object.
    pub mark: Option<Mark>,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// What its deletion waits for, once that was asked for.
    pub finalizers: Vec<String>,
    /// Whether the owner of the replica took it over.
    pub let_go: bool,
    /// Digest of the fields that Muster's manager owns by server-side apply; `None` where it owns none. Whoever changes
    /// a field takes it from this set (KEP-555), so an unchanged set means that nobody changed what Muster wrote.
    pub fields: Option<String>,
}

impl Observed {
    /// Reads an object. `manager`: the field manager under which Muster applies it; `set`: the value that its label is to
    /// have.
    #[must_use]
    pub fn read(object: &Object, target: &Target, manager: &str, set: Option<&str>) -> Self {
        let meta = &object.meta;
        Self {
            uid: meta.uid.clone(),
            version: meta.resource_version.clone(),
            generation: meta.generation,
            labelled: set.is_some() && meta.labels.get(marks::PART_OF).map(String::as_str) == set,
            mark: Mark::read(meta, target),
            deleting: meta.deletion_timestamp.is_some(),
            finalizers: match meta.deletion_timestamp {
                Some(_) => meta.finalizers.clone(),
                None => Vec::new(),
            },
            let_go: marks::is_on(&meta.annotations, marks::LET_GO),
            fields: fields(object.raw.get(), manager, &[]),
        }
    }

    /// The same, where the fields at some paths are left to others: whoever changes them changes nothing here.
    #[must_use]
    pub fn leaving(mut self, object: &Object, manager: &str, ignored: &[Path]) -> Self {
        if !ignored.is_empty() {
            self.fields = fields(object.raw.get(), manager, ignored);
        }
        self
    }

    /// As policies see it: what was made for a Work is somebody else's.
    #[must_use]
    pub fn without_works(mut self) -> Self {
        self.mark = self.mark.filter(|mark| !mark.is_of_work());
        self
    }
}

/// What does not parse counts as a set that is not ours.
fn fields(raw: &str, manager: &str, without: &[Path]) -> Option<String> {
    let own = managed::entries(raw).into_iter().find(|entry| entry.is_applied_by(manager))?;
    digest(own.fields_v1?.get(), without)
}

#[cfg(test)]
mod tests {
    use muster_api::resource::NAMESPACES;
    use serde_json::value::RawValue;

    use super::*;

    fn read(managed: &str) -> Observed {
        let text = format!(
            r#"{{"metadata":{{"name":"a","uid":"u","resourceVersion":"1","managedFields":{managed}}}}}"#
        );
        let object = Object::parse(RawValue::from_string(text).unwrap()).unwrap();
        Observed::read(
            &object,
            &Target { resource: NAMESPACES, namespace: None, name: "a".into() },
            "muster",
            None,
        )
    }

    #[test]
    fn only_the_own_applied_fields_count() {
        let own = r#"{"manager":"muster","operation":"Apply","fieldsV1":{"f:spec":{}}}"#;
        let alone = read(&format!("[{own}]")).fields;
        assert!(alone.is_some());
        let beside = r#"{"manager":"kubectl","operation":"Update","fieldsV1":{"f:x":{}}}"#;
        assert_eq!(read(&format!("[{beside},{own}]")).fields, alone);
        assert_ne!(read(&format!("[{}]", own.replace("spec", "data"))).fields, alone);
        for none in [own.replace("Apply", "Update"), own.replace("muster", "other")] {
            assert_eq!(read(&format!("[{none}]")).fields, None);
        }
        assert_eq!(read("[]").fields, None);
    }
}
