//! One `ClusterProfile`: what is seen of it, and how it is to be.

use jiff::Timestamp;
use muster_api::cluster::{Cluster, ClusterStatus};
use muster_api::condition::{self, Condition, Status};
use muster_api::conditions::Reason;
use muster_api::conditions::cluster::{Enrolled, Ready};
use muster_api::conditions::profile::{ControlPlaneHealthy, Joined};
use muster_api::marks::{MIRROR_SET, MUSTER, PART_OF, PART_OF_MUSTER, PROFILE_OF, PROFILE_SINCE};
use muster_api::report::replica::PropertyReport;
use muster_api::resource::CLUSTER_PROFILES;
use muster_api::{Object, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CLUSTER_MANAGER, MANAGER_LABEL};
use crate::fleet::definition::created;

/// A Cluster entry, as far as the inventory reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) uid: String,
    pub(super) version: u64,
    pub(super) deleting: bool,
    made: Option<Timestamp>,
    pub(super) status: ClusterStatus,
}

/// A `ClusterProfile`, as it is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) version: u64,
    pub(super) deleting: bool,
    /// When the entry was made that it is for.
    pub(super) made: Option<Timestamp>,
    /// The UID of the entry that Muster made it for; none where Muster did not make it.
    pub(super) made_for: Option<String>,
    is_labelled: bool,
    display_name: String,
    pub(super) status: ProfileStatus,
}

/// What Muster writes of the status of a `ClusterProfile`. What else is in it is somebody else's, and stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProfileStatus {
    conditions: Vec<Condition>,
    version: Version,
    properties: Vec<Property>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Version {
    #[serde(skip_serializing_if = "Option::is_none")]
    kubernetes: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Property {
    name: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_observed_time: Option<Time>,
}

impl Entry {
    /// An entry; `None` for another directory's, which an agent copied here.
    pub(super) fn of(object: &Object) -> Option<Self> {
        let meta = &object.meta;
        if meta.labels.get(PART_OF).is_some_and(|set| set == MIRROR_SET) {
            return None;
        }
        let cluster: Cluster = serde_json::from_str(object.raw.get()).unwrap_or_default();
        Some(Self {
            uid: meta.uid.clone(),
            version: meta.resource_version.parse().unwrap_or(0),
            deleting: meta.deletion_timestamp.is_some(),
            made: created(object),
            status: cluster.status.unwrap_or_default(),
        })
    }

    fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| condition.type_ == kind)
    }

    /// Whether all is there that the directory keeps for it.
    pub(super) fn is_enrolled(&self) -> bool {
        self.condition(Enrolled::TYPE).is_some_and(|condition| condition.status == Status::True)
    }

    fn health(&self) -> (ControlPlaneHealthy, String) {
        let Some(ready) = self.condition(Ready::TYPE) else {
            return (ControlPlaneHealthy::Unknown, Ready::NeverReported.as_str().to_owned());
        };
        let why = if ready.message.is_empty() {
            ready.reason.clone()
        } else {
            format!("{}: {}", ready.reason, ready.message)
        };
        match ready.status {
            Status::True => (ControlPlaneHealthy::Ready, String::new()),
            Status::False => (ControlPlaneHealthy::NotReady, why),
            Status::Unknown => (ControlPlaneHealthy::Unknown, why),
        }
    }

    fn membership(&self) -> Joined {
        let has_left =
            self.condition(Ready::TYPE).is_some_and(|condition| condition.reason == Ready::Left.as_str());
        match () {
            () if self.deleting => Joined::Deregistering,
            () if !self.is_enrolled() => Joined::NotEnrolled,
            () if has_left => Joined::Left,
            () if self.status.id.is_none() => Joined::NotReported,
            () => Joined::Joined,
        }
    }
}

impl Profile {
    pub(super) fn of(object: &Object) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Frame {
            spec: Spec,
        }
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Spec {
            display_name: String,
            cluster_manager: Named,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Named {
            name: String,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Told {
            status: ProfileStatus,
        }
        let meta = &object.meta;
        // A status that is none is written anew; what it says of whose the object is stands apart from that.
        let Frame { spec } = serde_json::from_str(object.raw.get()).unwrap_or_default();
        let Told { status } = serde_json::from_str(object.raw.get()).unwrap_or_default();
        let label = |key: &str, value: &str| meta.labels.get(key).is_some_and(|found| found == value);
        let since = meta.annotations.get(PROFILE_SINCE).and_then(|since| since.parse().ok());
        let is_ours = spec.cluster_manager.name == CLUSTER_MANAGER;
        Self {
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            version: meta.resource_version.parse().unwrap_or(0),
            deleting: meta.deletion_timestamp.is_some(),
            made: since.or_else(|| created(object)),
            made_for: meta.annotations.get(PROFILE_OF).filter(|_| is_ours).cloned(),
            is_labelled: label(MANAGER_LABEL, CLUSTER_MANAGER) && label(PART_OF_MUSTER, MUSTER),
            display_name: spec.display_name,
            status,
        }
    }

    /// Whether what does not change about it is as it is to be.
    pub(super) fn is_right(&self, name: &str) -> bool {
        self.is_labelled && self.display_name == name
    }
}

/// What does not change about the profile of a cluster.
fn head(name: &str, entry: &Entry) -> Value {
    json!({
        "metadata": {
            "labels": {MANAGER_LABEL: CLUSTER_MANAGER, PART_OF_MUSTER: MUSTER},
            "annotations": {
                PROFILE_OF: entry.uid,
                PROFILE_SINCE: entry.made.map(|made| made.to_string()),
            },
        },
        "spec": {"displayName": name},
    })
}

/// The body of a profile that is made.
pub(super) fn made(name: &str, namespace: &str, entry: &Entry) -> Value {
    let mut body = head(name, entry);
    body["apiVersion"] = CLUSTER_PROFILES.api_version().into();
    body["kind"] = CLUSTER_PROFILES.kind.as_ref().into();
    body["metadata"]["name"] = name.into();
    body["metadata"]["namespace"] = namespace.into();
    body["spec"]["clusterManager"] = json!({"name": CLUSTER_MANAGER});
    body
}

/// The patch that makes a profile right.
pub(super) fn mended(name: &str, profile: &Profile, entry: &Entry) -> Value {
    let mut body = head(name, entry);
    body["metadata"]["uid"] = profile.uid.as_str().into();
    body["metadata"]["resourceVersion"] = profile.resource_version.as_str().into();
    body
}

/// The status of a profile as it is to be; `seen` is as it was. `properties`: what the cluster says of itself.
pub(super) fn status(
    entry: &Entry,
    properties: &[PropertyReport],
    seen: &ProfileStatus,
    now: Timestamp,
) -> ProfileStatus {
    let mut status = seen.clone();
    let (health, why) = entry.health();
    condition::set(&mut status.conditions, Condition::new(health, why, now.into()));
    condition::set(&mut status.conditions, Condition::new(entry.membership(), "", now.into()));
    status.version.kubernetes.clone_from(&entry.status.version);
    let property = |PropertyReport { name, value }: &PropertyReport| {
        // When it was first seen so: a time that moves with each look would be a write each time.
        let told = seen.properties.iter().find(|told| told.name == *name && told.value == *value);
        let observed = told.and_then(|told| told.last_observed_time).unwrap_or_else(|| now.into());
        Property { name: name.clone(), value: value.clone(), last_observed_time: Some(observed) }
    };
    status.properties = properties.iter().map(property).collect();
    status
}
