//! Leases of `coordination.k8s.io/v1`: the record in one, and the bodies that write it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use muster_api::Object;
use muster_api::resource::LEASES;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What a Lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; empty where nobody does.
    pub holder: String,
    /// How long it is held after a renewal. Whole seconds, at least one, on the wire.
    pub duration: Duration,
    /// When the holder got it, by the holder's clock.
    pub acquired: Option<Timestamp>,
    /// When the holder last renewed it, by the holder's clock. To the microsecond on the wire.
    pub renewed: Option<Timestamp>,
    /// How often it went from one holder to another.
    pub transitions: i32,
}

/// Why an object is no Lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Its spec has other types than the API's.
    #[error("unable to read lease {0}: it is malformed")]
    Malformed(String),
}

impl Record {
    /// Reads the record of a Lease. A Lease without a spec is held by nobody.
    ///
    /// # Errors
    /// Where the spec has other types than the API's.
    pub fn of(lease: &Object) -> Result<Self, LeaseError> {
        #[derive(Deserialize)]
        struct Frame {
            #[serde(default)]
            spec: Spec,
        }
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Spec {
            holder_identity: Option<String>,
            lease_duration_seconds: Option<u32>,
            acquire_time: Option<MicroTime>,
            renew_time: Option<MicroTime>,
            lease_transitions: Option<i32>,
        }
        let Frame { spec } = serde_json::from_str(lease.raw.get())
            .map_err(|_| LeaseError::Malformed(lease.meta.name.clone()))?;
        Ok(Self {
            holder: spec.holder_identity.unwrap_or_default(),
            duration: Duration::from_secs(spec.lease_duration_seconds.unwrap_or_default().into()),
            acquired: spec.acquire_time.map(|time| time.0),
            renewed: spec.renew_time.map(|time| time.0),
            transitions: spec.lease_transitions.unwrap_or_default(),
        })
    }

    fn write(&self, spec: &mut Map<String, Value>) {
        let seconds = self.duration.as_secs().clamp(1, i32::MAX.unsigned_abs().into());
        spec.insert("holderIdentity".to_owned(), json!(self.holder));
        spec.insert("leaseDurationSeconds".to_owned(), json!(seconds));
        spec.insert("leaseTransitions".to_owned(), json!(self.transitions));
        for (key, time) in [("acquireTime", self.acquired), ("renewTime", self.renewed)] {
            match time {
                // The API takes exactly six digits.
                Some(time) => spec.insert(key.to_owned(), json!(format!("{time:.6}"))),
                None => spec.remove(key),
            };
        }
    }
}

/// The body that creates a Lease.
#[must_use]
pub fn created(
    namespace: &str,
    name: &str,
    record: &Record,
    annotations: &BTreeMap<String, String>,
) -> Vec<u8> {
    let mut spec = Map::new();
    record.write(&mut spec);
    let mut metadata = json!({ "name": name, "namespace": namespace });
    if let (false, Some(metadata)) = (annotations.is_empty(), metadata.as_object_mut()) {
        metadata.insert("annotations".to_owned(), json!(annotations));
    }
    let lease = json!({
        "apiVersion": LEASES.api_version(),
        "kind": LEASES.kind,
        "metadata": metadata,
        "spec": spec,
    });
    lease.to_string().into_bytes()
}

/// The body that replaces `lease` if nobody changed it since it was read: its resourceVersion stays in it. The record
/// and the given annotations are set in the object as the server sent it, so that whatever else somebody put there
/// stays. Only `managedFields` are left out: a server keeps those that it has.
///
/// # Errors
/// Where `lease` is no object with metadata and spec.
pub fn replaced(
    lease: &Object,
    record: &Record,
    annotations: &BTreeMap<String, String>,
) -> Result<Vec<u8>, LeaseError> {
    let malformed = || LeaseError::Malformed(lease.meta.name.clone());
    let mut whole: Map<String, Value> = serde_json::from_str(lease.raw.get()).map_err(|_| malformed())?;
    let metadata = whole.get_mut("metadata").and_then(Value::as_object_mut).ok_or_else(malformed)?;
    metadata.remove("managedFields");
    if !annotations.is_empty() {
        let all = metadata.entry("annotations").or_insert_with(|| json!({}));
        let all = all.as_object_mut().ok_or_else(malformed)?;
        all.extend(annotations.iter().map(|(key, value)| (key.clone(), json!(value))));
    }
    let spec = whole.entry("spec").or_insert_with(|| json!({}));
    record.write(spec.as_object_mut().ok_or_else(malformed)?);
    Ok(Value::Object(whole).to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn object(value: &Value) -> Object {
        Object::parse(RawValue::from_string(value.to_string()).unwrap()).unwrap()
    }

    fn record() -> Record {
        Record {
            holder: "me".to_owned(),
            duration: Duration::from_secs(15),
            acquired: Some("2026-11-20T10:00:00.5Z".parse().unwrap()),
            renewed: Some("2026-11-20T10:00:05Z".parse().unwrap()),
            transitions: 3,
        }
    }

    #[test]
    fn a_replacement_keeps_what_it_does_not_know_and_guards_by_resource_version() {
        let lease = object(&json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": "l", "namespace": "n", "uid": "u", "resourceVersion": "7",
                "labels": {"theirs": "1"}, "annotations": {"theirs": "2"}, "managedFields": [{"manager": "x"}],
            },
            "spec": {"holderIdentity": "you", "strategy": "OldestEmulationVersion", "renewTime": "2026-11-20T09:00:00.000000Z"},
            "extra": true,
        }));
        let ours = BTreeMap::from([("ours".to_owned(), "3".to_owned())]);
        let body: Value = serde_json::from_slice(&replaced(&lease, &record(), &ours).unwrap()).unwrap();
        assert_eq!(
            body,
            json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {
                    "name": "l", "namespace": "n", "uid": "u", "resourceVersion": "7",
                    "labels": {"theirs": "1"}, "annotations": {"theirs": "2", "ours": "3"},
                },
                "spec": {
                    "holderIdentity": "me", "leaseDurationSeconds": 15, "leaseTransitions": 3,
                    "acquireTime": "2026-11-20T10:00:00.500000Z", "renewTime": "2026-11-20T10:00:05.000000Z",
                    "strategy": "OldestEmulationVersion",
                },
                "extra": true,
            })
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut body: Value =
            serde_json::from_slice(&created("n", "l", &record(), &BTreeMap::new())).unwrap();
        assert_eq!(body["metadata"], json!({"name": "l", "namespace": "n"}));
        body["metadata"]["uid"] = json!("u");
        body["metadata"]["resourceVersion"] = json!("1");
        assert_eq!(Record::of(&object(&body)).unwrap(), record());
        body["spec"] = json!({});
        assert_eq!(Record::of(&object(&body)).unwrap().holder, "", "an empty spec is held by nobody");
        body["spec"] = json!({"renewTime": "yesterday"});
        assert!(Record::of(&object(&body)).is_err());
    }
}
