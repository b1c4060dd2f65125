//! What people and agents do.

use muster_api::names::execution_namespace;
use muster_api::resource::{CLUSTERS, CRDS, WORKS};
use serde_json::{Value, json};

use super::{World, key};
use crate::fleet::part::Part;

impl World {
    /// The definition of entries is made, or made anew.
    pub(in crate::fleet::tests) fn define(&mut self) {
        self.define_at(self.now().wall);
    }

    /// The same, by another clock.
    pub(in crate::fleet::tests) fn define_at(&mut self, at: jiff::Timestamp) {
        self.objects.remove(&key(&CRDS, None, &CLUSTERS.full_name()));
        let metadata = json!({"name": CLUSTERS.full_name(), "creationTimestamp": at.to_string()});
        self.put(&CRDS, json!({"metadata": metadata}));
    }

    /// The definition of entries is deleted, and with it every entry.
    pub(in crate::fleet::tests) fn undefine(&mut self) {
        let goes =
            json!({"metadata": {"deletionTimestamp": self.now().wall.to_string(), "finalizers": ["c"]}});
        self.patch(&CRDS, None, &CLUSTERS.full_name(), &goes).unwrap();
        let entries: Vec<_> =
            self.objects.keys().filter(|key| key.0 == CLUSTERS.full_name()).cloned().collect();
        for (_, _, name) in entries {
            self.delete(&name);
        }
    }

    pub(in crate::fleet::tests) fn enter(&mut self, name: &str) {
        let entry = json!({
            "apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster", "metadata": {"name": name},
        });
        self.put(&CLUSTERS, entry);
    }

    pub(in crate::fleet::tests) fn change(&mut self, name: &str, patch: &Value) {
        self.patch(&CLUSTERS, None, name, patch).unwrap();
    }

    pub(in crate::fleet::tests) fn delete(&mut self, name: &str) {
        self.remove(&CLUSTERS, None, name);
    }

    /// Somebody takes Muster's finalizer off an entry.
    pub(in crate::fleet::tests) fn free(&mut self, name: &str) {
        self.change(name, &json!({"metadata": {"finalizers": []}}));
    }

    /// Somebody deletes a part.
    pub(in crate::fleet::tests) fn take(&mut self, part: Part, cluster: &str) {
        let namespace = part.namespace(cluster);
        assert!(self.remove(&part.resource(), namespace.as_deref(), &part.name(cluster)));
    }

    pub(in crate::fleet::tests) fn beat(&mut self, name: &str, id: &str) {
        let renewed = format!("t{}", self.version);
        let spec = json!({"spec": {"holderIdentity": format!("{id}/i"), "renewTime": renewed}});
        let namespace = execution_namespace(name);
        self.patch(&Part::Lease.resource(), Some(&namespace), name, &spec).unwrap();
    }

    pub(in crate::fleet::tests) fn report(&mut self, name: &str, id: &str) {
        let status = json!({"status": {
            "conditions": [], "replica": {"id": id, "version": "v1"}, "agent": {"version": "1", "mode": "Pull"},
        }});
        let namespace = execution_namespace(name);
        self.patch(&Part::Report.resource(), Some(&namespace), name, &status).unwrap();
    }

    /// The agent says that it renewed its credential so many seconds ago.
    pub(in crate::fleet::tests) fn renewed(&mut self, name: &str, ago: i64) {
        let at = self.now().wall.saturating_sub(jiff::SignedDuration::from_secs(ago)).unwrap();
        let status = json!({"status": {"credential": {"renewed": muster_api::Time::from(at)}}});
        let namespace = execution_namespace(name);
        self.patch(&Part::Report.resource(), Some(&namespace), name, &status).unwrap();
    }

    pub(in crate::fleet::tests) fn say_left(&mut self, name: &str) {
        let left = json!({"status": {"conditions": [{
            "type": "Deregistered", "status": "True", "reason": "EntryDeleted", "message": "",
            "lastTransitionTime": "2026-11-22T00:00:00Z",
        }]}});
        let namespace = execution_namespace(name);
        self.patch(&Part::Report.resource(), Some(&namespace), name, &left).unwrap();
    }

    /// A Work with Muster's finalizer.
    pub(in crate::fleet::tests) fn work(&mut self, cluster: &str, name: &str) {
        let work = json!({"metadata": {
            "name": name, "namespace": execution_namespace(cluster),
            "finalizers": ["multicluster.x-k8s.io/work-cleanup"],
        }});
        self.put(&WORKS, work);
    }
}
