//! The Works, as people write them, and what their watch shows of that.

use serde_json::{Value, json};

use super::{Change, DirectoryWatch, Event, WorkWorld, object};

impl WorkWorld {
    pub(in super::super) fn tell_work(&mut self, change: Change) {
        if self.online && !self.mute {
            self.send(Event::Directory { era: self.era, watch: DirectoryWatch::Works, change });
        }
    }

    /// A Work is made, or has other manifests.
    pub(in super::super) fn work(&mut self, name: &str, manifests: &[Value]) {
        self.edit_work(name, |work| work["spec"] = json!({"workload": {"manifests": manifests}}));
    }

    /// A Work is made or edited; its generation moves with its spec.
    pub(in super::super) fn edit_work(&mut self, name: &str, edit: impl FnOnce(&mut Value)) {
        let version = self.next_version();
        let new = json!({"metadata": {"name": name, "namespace": "muster-cluster-own",
            "uid": format!("uid-{name}-{version}"), "generation": 0, "annotations": {}, "finalizers": []}});
        let work = self.works.entry(name.to_owned()).or_insert(new);
        let before = work["spec"].clone();
        edit(work);
        if work["spec"] != before {
            work["metadata"]["generation"] = (work["metadata"]["generation"].as_i64().unwrap() + 1).into();
        }
        work["metadata"]["resourceVersion"] = version.into();
        let work = object(work);
        self.tell_work(Change::Applied(work));
    }

    /// An option of a Work; null: none.
    pub(in super::super) fn annotate(&mut self, name: &str, option: &str, value: &Value) {
        self.edit_work(name, |work| {
            let annotations = work["metadata"]["annotations"].as_object_mut().unwrap();
            let key = format!("multicluster.coreos.com/{option}");
            if value.is_null() {
                annotations.remove(&key);
            } else {
                annotations.insert(key, value.clone());
            }
        });
    }

    /// Somebody deletes a Work: it stays as long as it has finalizers.
    pub(in super::super) fn delete_work(&mut self, name: &str) {
        self.proved.ends(self.works[name]["metadata"]["uid"].as_str().unwrap());
        if self.works[name]["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty) {
            self.drop_work(name);
        } else {
            self.edit_work(name, |work| {
                work["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
            });
        }
    }

    /// A Work goes without a trace.
    pub(super) fn forsake(&mut self, uid: &str) {
        let recorded = self.ledgers.values().any(|kept| kept.ledger.maker.uid == uid);
        if self.vaults.contains_key(uid) && !recorded {
            self.forlorn.insert(uid.to_owned());
        }
    }

    /// A Work goes, whatever finalizers it has.
    pub(in super::super) fn drop_work(&mut self, name: &str) {
        let work = self.works.remove(name).unwrap();
        let uid = work["metadata"]["uid"].as_str().unwrap();
        self.proved.ends(uid);
        self.forsake(uid);
        self.tell_work(Change::Gone(object(&work)));
    }
}
