//! What would be lost with an object that is deleted to be made anew, beside the object itself: then it stays.

use std::fmt;

use muster_api::Object;
use muster_api::names::{APPLIERS_NAMESPACE, WORKS_APPLIER};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::item::Item;
use crate::protected;
use crate::target::Target;

/// Kinds with which data goes, by group, beside those that are protected: snapshots, and the volumes of virtual machines.
const HOLD_DATA: [(&str, &str); 6] = [
    ("snapshot.storage.k8s.io", "VolumeSnapshot"),
    ("snapshot.storage.k8s.io", "VolumeSnapshotContent"),
    ("groupsnapshot.storage.k8s.io", "VolumeGroupSnapshot"),
    ("groupsnapshot.storage.k8s.io", "VolumeGroupSnapshotContent"),
    ("cdi.kubevirt.io", "DataVolume"),
    ("kubevirt.io", "VirtualMachine"),
];

/// What would be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Risk {
    /// All that is in it, or its data.
    Protected,
    /// The claims of a stateful set.
    Claims,
    /// Rights of the account, of this name, that is to make it anew.
    Rights(Box<str>),
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protected => f.write_str("with an object of its kind go other objects, or data"),
            Self::Claims => f.write_str(
                "its claims may go with it, since spec.volumeClaimTemplates makes some: run kubectl delete statefulset --cascade=orphan in this cluster, and it is made anew beside its pods and claims",
            ),
            Self::Rights(account) => write!(
                f,
                "it grants rights to {account}, the account that is to make it anew: change it as somebody else, or name another account in option service-account"
            ),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct StatefulSet {
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    volume_claim_templates: Option<Vec<IgnoredAny>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Binding {
    subjects: Option<Vec<Subject>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Subject {
    kind: String,
    name: String,
    namespace: String,
}

impl Risk {
    /// What would be lost with the object that is there. `item`: what is to stand in its place; `account`: the one that
    /// applies it, where that is not the default one.
    #[must_use]
    pub(crate) fn of(item: &Item, there: &Object, account: Option<&str>) -> Option<Self> {
        let Target { resource, .. } = &item.target;
        let kind = (resource.group.as_ref(), resource.kind.as_ref());
        if protected::is_protected(resource) || HOLD_DATA.contains(&kind) {
            return Some(Self::Protected);
        }
        match kind {
            ("apps", "StatefulSet") => stateful_set(there),
            ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
                let account = account.unwrap_or(WORKS_APPLIER);
                // What cannot be read may grant anything.
                let binding: Result<Binding, _> = serde_json::from_str(there.raw.get());
                let mine = binding.map_or(true, |binding| {
                    binding.subjects.iter().flatten().any(|subject| subject.includes(account))
                });
                mine.then(|| Self::Rights(account.into()))
            }
            _ => None,
        }
    }
}

/// With a stateful set may go the claims that it made (KEP-1847). Which of them, they say themselves, by the hand of its
/// controller, which may be behind what the set says now, and leaves claims of pods that are gone as they were: so the
/// set's own word that claims stay is no proof. What cannot be read may have claims.
fn stateful_set(there: &Object) -> Option<Risk> {
    let read: Result<StatefulSet, _> = serde_json::from_str(there.raw.get());
    let has_claims = |set: StatefulSet| set.spec.volume_claim_templates.is_some_and(|some| !some.is_empty());
    read.map_or(true, has_claims).then_some(Risk::Claims)
}

impl Subject {
    /// Whether it stands for an account that applies Works.
    fn includes(&self, account: &str) -> bool {
        let user = || format!("system:serviceaccount:{APPLIERS_NAMESPACE}:{account}");
        match self.kind.as_str() {
            "ServiceAccount" => {
                (self.namespace.as_str(), self.name.as_str()) == (APPLIERS_NAMESPACE, account)
            }
            "User" => self.name == user(),
            "Group" => {
                let name = self.name.as_str();
                ["system:authenticated", "system:serviceaccounts"].contains(&name)
                    || name.strip_prefix("system:serviceaccounts:") == Some(APPLIERS_NAMESPACE)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use muster_api::Resource;
    use muster_api::resource::CLUSTER_ROLE_BINDINGS;
    use serde_json::value::to_raw_value;
    use serde_json::{Value, json};

    use super::*;

    fn risk(group: &'static str, kind: &'static str, wanted: &Value, there: &Value) -> Option<Risk> {
        let resource = Resource { group: group.into(), kind: kind.into(), ..CLUSTER_ROLE_BINDINGS };
        let mut item = Item::new(Target { resource, namespace: None, name: "a".into() });
        for (field, value) in wanted.as_object().unwrap() {
            item = item.with(field, value.clone());
        }
        let mut there = there.clone();
        there["metadata"]["name"] = "a".into();
        there["metadata"]["uid"] = "u".into();
        there["metadata"]["resourceVersion"] = "1".into();
        Risk::of(&item, &Object::parse(to_raw_value(&there).unwrap()).unwrap(), None)
    }

    #[test]
    fn a_stateful_set_that_makes_claims_stays() {
        let risk = |there: &Value| risk("apps", "StatefulSet", &json!({}), there);
        for plain in [json!({}), json!({"spec": {}}), json!({"spec": {"volumeClaimTemplates": []}})] {
            assert_eq!(risk(&plain), None, "{plain}");
        }
        let templates = json!([{"metadata": {"name": "data"}}]);
        for when in ["Retain", "Delete"] {
            let policy = json!({"whenDeleted": when});
            let spec =
                json!({"volumeClaimTemplates": templates, "persistentVolumeClaimRetentionPolicy": policy});
            assert_eq!(risk(&json!({"spec": spec})), Some(Risk::Claims), "{when}");
        }
        let malformed = json!({"spec": {"volumeClaimTemplates": "one"}});
        assert_eq!(risk(&malformed), Some(Risk::Claims), "in doubt it stays");
    }

    #[test]
    fn a_binding_of_who_is_to_make_it_anew_stays() {
        let bound = |kind: &str, namespace: &str, name: &str| {
            let subjects =
                json!([{"kind": "User", "name": "x"}, {"kind": kind, "name": name, "namespace": namespace}]);
            let there = json!({"subjects": subjects});
            risk("rbac.authorization.k8s.io", "ClusterRoleBinding", &json!({}), &there).is_some()
        };
        for (kind, namespace, name) in [
            ("ServiceAccount", "muster-appliers", "works"),
            ("User", "", "system:serviceaccount:muster-appliers:works"),
            ("Group", "", "system:serviceaccounts"),
            ("Group", "", "system:serviceaccounts:muster-appliers"),
            ("Group", "", "system:authenticated"),
        ] {
            assert!(bound(kind, namespace, name), "{kind} {name}");
        }
        for (kind, namespace, name) in [
            ("ServiceAccount", "muster-appliers", "team"),
            ("ServiceAccount", "default", "works"),
            ("User", "", "works"),
            ("Group", "", "system:serviceaccounts:default"),
        ] {
            assert!(!bound(kind, namespace, name), "{kind} {name}");
        }
        let malformed = json!({"subjects": "all"});
        assert!(risk("rbac.authorization.k8s.io", "RoleBinding", &json!({}), &malformed).is_some());
        assert_eq!(
            risk("rbac.authorization.k8s.io", "RoleBinding", &json!({}), &json!({"subjects": null})),
            None
        );
    }

    #[test]
    fn what_holds_data_is_never_made_anew() {
        for (group, kind) in HOLD_DATA {
            assert_eq!(risk(group, kind, &json!({}), &json!({})), Some(Risk::Protected));
        }
        assert_eq!(risk("apps", "Deployment", &json!({}), &json!({})), None);
    }
}
