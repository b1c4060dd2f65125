//! Cluster entries, and the copies of them that a replica holds.

use std::collections::BTreeMap;

use muster_api::resource::CLUSTERS;
use muster_api::{Meta, Object, marks};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

/// SHA-256 of what a copy takes over from its entry.
pub type Digest = [u8; 32];

/// An entry of the directory, cut down to what a copy of it is made from.
#[derive(Clone, Debug)]
pub struct Entry {
    /// UID.
    pub uid: String,
    /// resourceVersion as a number (KEP-5504); 0 where it is none.
    pub version: u64,
    content: Content,
}

/// A Cluster of the replica: a copy, or one that somebody else made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// UID.
    pub uid: String,
    /// resourceVersion, as the server writes it.
    pub resource_version: String,
    /// Where it was copied from; `None` for a Cluster that is no copy.
    pub origin: Option<Origin>,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// Digest of what a copy takes over.
    pub digest: Digest,
    labelled: bool,
    finalizers: Vec<String>,
}

/// Where a copy comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `kube-system` UID of the directory.
    pub directory: String,
    /// UID of the entry there.
    pub entry: String,
}

/// Why an object cannot be taken for an entry.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Its labels, annotations or spec cannot be read.
    #[error("unable to read Cluster {name}: its JSON is malformed or nested too deep")]
    Malformed {
        /// Name of the object.
        name: String,
    },
}

/// What a copy takes over. The spec is canonical JSON (keys sorted): two servers may write the same value in
/// different ways, and what is equal must not look like drift.
#[derive(Clone, Debug)]
struct Content {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    spec: Option<Box<RawValue>>,
    digest: Digest,
}

impl Content {
    fn of(object: &Object) -> Result<Self, EntryError> {
        #[derive(Deserialize)]
        struct Frame<'a> {
            #[serde(borrow, default)]
            spec: Option<&'a RawValue>,
        }
        let read = || -> Result<Self, serde_json::Error> {
            let frame: Frame<'_> = serde_json::from_str(object.raw.get())?;
            let spec = match frame.spec {
                Some(raw) => Some(canonical(raw)?),
                None => None,
            };
            let mut labels = object.meta.labels.clone();
            labels.remove(marks::PART_OF);
            let mut annotations = object.meta.annotations.clone();
            annotations.remove(marks::LAST_APPLIED);
            annotations.remove(marks::COPIED_FROM);
            let digest = Sha256::digest(serde_json::to_vec(&(&labels, &annotations, &spec))?).into();
            Ok(Self { labels, annotations, spec, digest })
        };
        read().map_err(|_| EntryError::Malformed { name: object.meta.name.clone() })
    }
}

/// The same value with sorted keys.
fn canonical(raw: &RawValue) -> Result<Box<RawValue>, serde_json::Error> {
    serde_json::value::to_raw_value(&serde_json::from_str::<serde_json::Value>(raw.get())?)
}

// === impl Entry ===

impl Entry {
    /// Reads an entry. `Ok(None)` for a Cluster that is a copy itself: a directory may be a replica of another one,
    /// and copies are not entries.
    ///
    /// # Errors
    /// Where labels, annotations or spec cannot be read.
    pub fn read(object: &Object) -> Result<Option<Self>, EntryError> {
        if object.meta.annotations.contains_key(marks::COPIED_FROM) {
            return Ok(None);
        }
        let version = object.meta.resource_version.parse().unwrap_or(0);
        Ok(Some(Self { uid: object.meta.uid.clone(), version, content: Content::of(object)? }))
    }

    /// Labels, as the directory has them.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.content.labels
    }

    /// Digest of what a copy takes over.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.content.digest
    }

    /// The copy of this entry as JSON: a new object, or one in place of the copy that is held. Finalizers that
    /// others put on the copy stay: what they guard is not Muster's to release.
    ///
    /// # Errors
    /// Where the entry cannot be written as JSON.
    pub fn copy(
        &self,
        name: &str,
        directory: &str,
        in_place_of: Option<&Held>,
    ) -> Result<String, EntryError> {
        let mut labels = self.content.labels.clone();
        labels.insert(marks::PART_OF.into(), marks::MIRROR_SET.into());
        let mut annotations = self.content.annotations.clone();
        annotations.insert(marks::COPIED_FROM.into(), marks::copied_from(directory, &self.uid));
        let meta = Meta {
            name: name.to_owned(),
            uid: in_place_of.map(|held| held.uid.clone()).unwrap_or_default(),
            resource_version: in_place_of.map(|held| held.resource_version.clone()).unwrap_or_default(),
            finalizers: in_place_of.map(|held| held.finalizers.clone()).unwrap_or_default(),
            labels,
            annotations,
            ..Meta::default()
        };
        let copy = Copy {
            api_version: CLUSTERS.api_version(),
            kind: &CLUSTERS.kind,
            metadata: meta,
            spec: self.content.spec.as_deref(),
        };
        serde_json::to_string(&copy).map_err(|_| EntryError::Malformed { name: name.to_owned() })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Copy<'a> {
    api_version: String,
    kind: &'a str,
    metadata: Meta,
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<&'a RawValue>,
}

// === impl Held ===

impl Held {
    /// Reads a Cluster of the replica.
    ///
    /// # Errors
    /// Where labels, annotations or spec cannot be read.
    pub fn read(object: &Object) -> Result<Self, EntryError> {
        let meta = &object.meta;
        Ok(Self {
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            origin: meta.annotations.get(marks::COPIED_FROM).and_then(|mark| Origin::read(mark)),
            labelled: meta.labels.get(marks::PART_OF).is_some_and(|set| set == marks::MIRROR_SET),
            deleting: meta.deletion_timestamp.is_some(),
            digest: Content::of(object)?.digest,
            finalizers: meta.finalizers.clone(),
        })
    }

    /// Whether this is exactly the copy of an entry that Muster would write.
    #[must_use]
    pub fn is_copy_of(&self, entry: &Entry, directory: &str) -> bool {
        let marked = self
            .origin
            .as_ref()
            .is_some_and(|origin| origin.directory == directory && origin.entry == entry.uid);
        marked && self.labelled && self.digest == entry.digest()
    }
}

impl Origin {
    fn read(mark: &str) -> Option<Self> {
        let (directory, entry) = mark.split_once('/')?;
        Some(Self { directory: directory.to_owned(), entry: entry.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        Object::parse(RawValue::from_string(text.to_owned()).unwrap()).unwrap()
    }

    fn entry(metadata: &str, spec: &str) -> Entry {
        let text = format!(
            r#"{{"metadata":{{"name":"west","uid":"e","resourceVersion":"7"{metadata}}},"spec":{spec}}}"#
        );
        Entry::read(&object(&text)).unwrap().unwrap()
    }

    /// The copy as a server would hold it after it was written.
    fn written(copy: &str) -> Held {
        let mut value: serde_json::Value = serde_json::from_str(copy).unwrap();
        value["metadata"]["uid"] = "h".into();
        value["metadata"]["resourceVersion"] = "3".into();
        Held::read(&object(&value.to_string())).unwrap()
    }

    #[test]
    fn a_copy_takes_labels_annotations_and_spec_and_nothing_else() {
        let metadata = r#","labels":{"stage":"production"},"finalizers":["f"],"ownerReferences":[{}],"annotations":{
            "multicluster.coreos.com/directory":"true","kubectl.kubernetes.io/last-applied-configuration":"{}"}"#;
        let copy = entry(metadata, r#"{"b":1,"KubernetesAPIEndpoints":{}}"#).copy("west", "d", None).unwrap();
        let value: serde_json::Value = serde_json::from_str(&copy).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "apiVersion": "multicluster.coreos.com/v1",
                "kind": "Cluster",
                "metadata": {
                    "name": "west",
                    "labels": {"stage": "production", "applyset.kubernetes.io/part-of": "muster-mirror"},
                    "annotations": {
                        "multicluster.coreos.com/directory": "true",
                        "multicluster.coreos.com/copied-from": "d/e",
                    },
                },
                "spec": {"KubernetesAPIEndpoints": {}, "b": 1},
            })
        );
    }

    #[test]
    fn a_copy_as_written_is_equal_whatever_the_order_of_its_keys() {
        let entry = entry("", r#"{"a":{"x":1,"y":[{"q":1,"p":2}]},"b":null}"#);
        let held = written(&entry.copy("west", "d", None).unwrap());
        assert!(held.is_copy_of(&entry, "d"));
        assert!(!held.is_copy_of(&entry, "another"), "a copy from another directory is not this copy");
        let reordered = self::entry("", r#"{"b":null,"a":{"y":[{"p":2,"q":1}],"x":1}}"#);
        assert!(held.is_copy_of(&reordered, "d"));
    }

    #[test]
    fn numbers_are_copied_to_the_last_bit() {
        let spec =
            r#"{"a":0.13703703673690001,"b":6.934698245112694e+276,"c":5e-324,"d":-9223372036854775808}"#;
        let copy = entry("", spec).copy("west", "d", None).unwrap();
        assert!(copy.contains(&spec[1..]), "{copy}");
    }

    #[test]
    fn each_hand_edit_shows() {
        let entry = entry(r#","labels":{"a":"1"}"#, r#"{"a":1}"#);
        let copy = entry.copy("west", "d", None).unwrap();
        let edits: [fn(&mut serde_json::Value); 6] = [
            |value| value["spec"]["a"] = 2.into(),
            |value| value["metadata"]["labels"]["a"] = "2".into(),
            |value| value["metadata"]["labels"]["new"] = "2".into(),
            |value| value["metadata"]["annotations"]["new"] = "2".into(),
            |value| value["metadata"]["annotations"][marks::COPIED_FROM] = "d/other".into(),
            |value| drop(value["metadata"]["labels"].as_object_mut().unwrap().remove(marks::PART_OF)),
        ];
        for (number, edit) in edits.iter().enumerate() {
            let mut value = serde_json::from_str(&copy).unwrap();
            edit(&mut value);
            assert!(!written(&value.to_string()).is_copy_of(&entry, "d"), "edit {number} went unseen");
        }
    }

    #[test]
    fn a_replacement_names_what_it_replaces_and_keeps_the_finalizers_of_others() {
        let entry = entry("", "{}");
        let held = Held {
            finalizers: vec!["other/guard".into()],
            ..written(&entry.copy("west", "d", None).unwrap())
        };
        let copy: serde_json::Value =
            serde_json::from_str(&entry.copy("west", "d", Some(&held)).unwrap()).unwrap();
        assert_eq!(copy["metadata"]["uid"], "h");
        assert_eq!(copy["metadata"]["resourceVersion"], "3");
        assert_eq!(copy["metadata"]["finalizers"][0], "other/guard");
    }

    #[test]
    fn a_copy_is_not_an_entry_and_deep_nesting_is_an_error() {
        let text = r#"{"metadata":{"name":"n","uid":"u","resourceVersion":"1","annotations":{"multicluster.coreos.com/copied-from":"d/e"}}}"#;
        assert_eq!(Entry::read(&object(text)).unwrap().map(|entry| entry.uid), None);
        let deep = format!("{}{}", r#"{"a":"#.repeat(200), "1".to_owned() + &"}".repeat(200));
        let text = format!(r#"{{"metadata":{{"name":"n","uid":"u","resourceVersion":"1"}},"spec":{deep}}}"#);
        assert!(Entry::read(&object(&text)).is_err());
    }
}
