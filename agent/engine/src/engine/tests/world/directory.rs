//! The directory: what people write there, and what its watches show of that.

use jiff::Timestamp;
use muster_api::Object;
use serde_json::{Value, json};

use super::super::{heartbeat, object};
use super::PolicyWorld;
use crate::event::{Change, DirectoryWatch, Event};
use crate::scope::Scope;

impl PolicyWorld {
    /// An entry is made or changed.
    pub(in super::super) fn enter(&mut self, name: &str, labels: &Value) {
        let uid = match self.entries.get(name) {
            Some(entry) => entry["metadata"]["uid"].clone(),
            None => format!("uid-{name}-{}", self.next_version()).into(),
        };
        let version = self.next_version();
        let entry = json!({"metadata": {"name": name, "uid": uid, "resourceVersion": version,
            "labels": labels}, "spec": {}});
        self.entries.insert(name.into(), entry.clone());
        self.tell_entry(Change::Applied(object(&entry)));
    }

    /// An entry goes.
    pub(in super::super) fn leave(&mut self, name: &str) {
        if let Some(entry) = self.entries.remove(name) {
            self.tell_entry(Change::Gone(object(&entry)));
        }
    }

    fn entries_watch(&self) -> DirectoryWatch {
        if self.scope == Scope::None { DirectoryWatch::OwnEntry } else { DirectoryWatch::Entries }
    }

    fn tell_entry(&mut self, change: Change) {
        if self.online {
            self.send(Event::Directory { era: self.era, watch: self.entries_watch(), change });
        }
    }

    pub(in super::super) fn tell_policy(&mut self, change: Change) {
        if self.online {
            self.send(Event::Directory { era: self.era, watch: DirectoryWatch::Policies, change });
        }
    }

    /// A policy is made, or has another spec.
    pub(in super::super) fn policy(&mut self, name: &str, spec: &Value) {
        self.edit_policy(name, |policy| policy["spec"] = spec.clone());
    }

    pub(in super::super) fn edit_policy(&mut self, name: &str, edit: impl FnOnce(&mut Value)) {
        let version = self.next_version();
        let new = json!({"metadata": {"name": name, "uid": format!("uid-{name}-{version}"), "generation": 0,
            "annotations": {}}});
        let policy = self.policies.entry(name.to_owned()).or_insert(new);
        let before = policy["spec"].clone();
        edit(policy);
        if policy["spec"] != before {
            policy["metadata"]["generation"] =
                (policy["metadata"]["generation"].as_i64().unwrap() + 1).into();
        }
        policy["metadata"]["resourceVersion"] = version.into();
        let policy = object(policy);
        self.tell_policy(Change::Applied(policy));
    }

    pub(in super::super) fn delete_policy(&mut self, name: &str) {
        let policy = self.policies.remove(name).unwrap();
        self.tell_policy(Change::Gone(object(&policy)));
    }

    pub(in super::super) fn uid(&self, policy: &str) -> String {
        self.policies[policy]["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    /// The directory is listed anew.
    pub(in super::super) fn list_directory(&mut self) {
        self.queue_lists();
        self.run();
    }

    pub(super) fn queue_lists(&mut self) {
        self.era = self.engine.era_number();
        for (watch, objects) in [
            (self.entries_watch(), self.entries.values().map(object).collect::<Vec<_>>()),
            (DirectoryWatch::Policies, self.policies.values().map(object).collect()),
        ] {
            let own = |object: &Object| watch != DirectoryWatch::OwnEntry || object.meta.name == "own";
            let listed = objects.into_iter().filter(own).map(Change::Listed);
            let changes = [Change::ListBegan].into_iter().chain(listed).chain([Change::ListComplete]);
            let era = self.era;
            self.events.extend(changes.map(|change| Event::Directory { era, watch, change }));
        }
    }

    /// A heartbeat, as the agent sends it.
    pub(in super::super) fn beat(&mut self) {
        let at = Timestamp::UNIX_EPOCH + self.now;
        if let Some(heartbeat) = heartbeat(&mut self.lease, self.engine.beat(), at) {
            self.send(Event::Heartbeat(heartbeat));
        }
    }
}
