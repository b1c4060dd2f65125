//! The replica: applies on the server's side as the field manager `muster-policies`, and shows what changes.

use std::collections::BTreeSet;

use muster_api::names::POLICIES_MANAGER;
use muster_api::{Scope, marks};
use serde_json::{Map, Value, json};

use super::PolicyWorld;
use crate::event::{Change, Event, ReplicaWatch, StepOutcome};
use crate::failure::Failure;
use crate::kind::Kind;
use crate::ledger::Kept;
use crate::target::Target;

/// The fields of an object that a writer can own: each label and annotation, and each top-level field as a whole.
pub(in super::super) fn leaves(value: &Value) -> Map<String, Value> {
    let mut leaves = Map::new();
    for map in ["labels", "annotations"] {
        for (key, value) in value["metadata"][map].as_object().into_iter().flatten() {
            leaves.insert(format!("metadata/{map}/{key}"), value.clone());
        }
    }
    let fields = value.as_object().into_iter().flatten();
    for (field, value) in
        fields.filter(|(field, _)| !["apiVersion", "kind", "metadata"].contains(&field.as_str()))
    {
        leaves.insert(field.clone(), value.clone());
    }
    leaves
}

/// The fields that a manager owns.
pub(in super::super) fn owned(value: &Value, manager: &str) -> BTreeSet<String> {
    let entries = value["metadata"]["managedFields"].as_array().into_iter().flatten();
    let own = entries.filter(|entry| entry["manager"] == manager);
    let mut leaves = BTreeSet::new();
    own.filter_map(|entry| entry["fieldsV1"].as_object()).for_each(|set| flatten(set, "", &mut leaves));
    leaves
}

fn flatten(set: &Map<String, Value>, above: &str, leaves: &mut BTreeSet<String>) {
    for (key, below) in set {
        let leaf = format!("{above}{}", key.strip_prefix("f:").unwrap_or(key));
        match below.as_object().filter(|below| !below.is_empty()) {
            Some(below) => flatten(below, &format!("{leaf}/"), leaves),
            None => drop(leaves.insert(leaf)),
        }
    }
}

/// Sets a field that a writer can own, or removes it.
pub(in super::super) fn set(value: &mut Value, leaf: &str, to: Option<&Value>) {
    let mut parts = leaf.splitn(3, '/');
    let (first, map, key) = (parts.next().unwrap(), parts.next(), parts.next());
    let (place, key) = match (map, key) {
        (Some(map), Some(key)) => (&mut value[first][map], key),
        _ => (value, first),
    };
    match to {
        Some(to) => place[key] = to.clone(),
        None => drop(place.as_object_mut().map(|place| place.remove(key))),
    }
}

/// From here on a manager owns these fields.
pub(in super::super) fn own(value: &mut Value, fields: &BTreeSet<String>, manager: &str) {
    let mut set = json!({});
    for field in fields {
        let parts = field.splitn(3, '/').map(|part| format!("f:{part}"));
        parts.fold(&mut set, |set, part| {
            set.as_object_mut().unwrap().entry(part).or_insert_with(|| json!({}))
        });
    }
    value["metadata"]["managedFields"] = if fields.is_empty() {
        json!([])
    } else {
        json!([{"manager": manager, "operation": "Apply", "fieldsV1": set}])
    };
}

impl PolicyWorld {
    /// Whether watches show an object.
    pub(in super::super) fn is_shown(target: &Target, value: &Value) -> bool {
        target.rank() == 0 || value["metadata"]["labels"][marks::PART_OF] == marks::POLICY_SET
    }

    fn tell(&mut self, target: &Target, before: Option<&Value>) {
        let watch = ReplicaWatch::Applied(Kind::of(&target.resource).unwrap());
        let was = before.filter(|value| Self::is_shown(target, value));
        let is = self.objects.get(target).filter(|value| Self::is_shown(target, value));
        let change = match (was, is) {
            (_, Some(now)) => Change::Applied(super::object(now)),
            (Some(before), None) => Change::Gone(super::object(before)),
            (None, None) => return,
        };
        self.show(Event::Replica { watch, change });
    }

    pub(super) fn apply(&mut self, target: &Target, body: &str) -> StepOutcome {
        let body: Value = serde_json::from_str(body).unwrap();
        let guard = &body["metadata"];
        let before = self.objects.get(target).cloned();
        match &before {
            Some(before) if guard["resourceVersion"] == "1" || guard["uid"] != before["metadata"]["uid"] => {
                self.note(format!("refused {}", super::say(target)));
                return StepOutcome::Present(super::object(before));
            }
            None if !guard["uid"].is_null() => {
                return StepOutcome::Failed(Failure::Conflict, "it is not there".into());
            }
            _ => {}
        }
        if let Some(namespace) = &target.namespace
            && !self.objects.keys().any(|other| other.rank() == 0 && other.name == *namespace)
        {
            self.note(format!("failed {}", super::say(target)));
            return StepOutcome::Failed(Failure::Absent, "the namespace is not there".into());
        }
        let mut after = before.clone().unwrap_or_else(|| {
            let mut new = body.clone();
            new["metadata"]["uid"] = format!("o{}", self.next_version()).into();
            new
        });
        let leaves = leaves(&body);
        let fields: BTreeSet<String> = leaves.keys().cloned().collect();
        for dropped in owned(&after, POLICIES_MANAGER).difference(&fields) {
            set(&mut after, dropped, None);
        }
        for (leaf, value) in &leaves {
            set(&mut after, leaf, Some(value));
        }
        own(&mut after, &fields, POLICIES_MANAGER);
        let verb = match &before {
            None => "create",
            Some(before) if *before == after => "noop",
            Some(_) => "update",
        };
        self.note(format!("{verb} {}", super::say(target)));
        if verb != "noop" {
            after["metadata"]["resourceVersion"] = self.next_version().into();
            self.objects.insert(target.clone(), after.clone());
            self.tell(target, before.as_ref());
        }
        StepOutcome::Written(super::object(&after))
    }

    /// Somebody changes an object: what they change is theirs.
    pub(in super::super) fn edit(&mut self, target: &Target, edit: impl FnOnce(&mut Value)) {
        self.change(target, edit);
        self.run();
    }

    pub(super) fn change(&mut self, target: &Target, edit: impl FnOnce(&mut Value)) {
        let before = self.objects[target].clone();
        let mut after = before.clone();
        edit(&mut after);
        let (old, new) = (leaves(&before), leaves(&after));
        let mut fields = owned(&before, POLICIES_MANAGER);
        fields.retain(|field| old.get(field) == new.get(field));
        own(&mut after, &fields, POLICIES_MANAGER);
        after["metadata"]["resourceVersion"] = self.next_version().into();
        self.objects.insert(target.clone(), after);
        self.tell(target, Some(&before));
    }

    /// Somebody takes Muster's label off.
    pub(in super::super) fn strip(&mut self, target: &Target) {
        self.edit(target, |value| set(value, &format!("metadata/labels/{}", marks::PART_OF), None));
    }

    /// Somebody makes an object, or makes it anew.
    pub(in super::super) fn make(&mut self, target: &Target, metadata: &Value) {
        let (uid, version) = (format!("f{}", self.next_version()), self.next_version());
        let mut value = json!({"metadata": metadata});
        value["metadata"]["name"] = target.name.clone().into();
        value["metadata"]["uid"] = uid.into();
        value["metadata"]["resourceVersion"] = version.into();
        if target.resource.scope == Scope::Namespaced {
            value["metadata"]["namespace"] = target.namespace.clone().into();
        }
        self.objects.insert(target.clone(), value);
        self.tell(target, None);
        self.run();
    }

    /// An object goes, and what is in it.
    pub(in super::super) fn remove(&mut self, target: &Target) {
        self.take(target);
        self.run();
    }

    pub(super) fn take(&mut self, target: &Target) {
        let within = |other: &&Target| target.rank() == 0 && other.namespace.as_ref() == Some(&target.name);
        let inside: Vec<Target> = self.objects.keys().filter(within).cloned().collect();
        for target in inside.iter().chain([target]) {
            let before = self.objects.remove(target).unwrap();
            self.tell(target, Some(&before));
        }
    }

    /// The one object that tests name so.
    pub(in super::super) fn find(&self, name: &str) -> Target {
        let found: Vec<_> = self.objects.keys().filter(|target| super::say(target) == name).collect();
        assert_eq!(found.len(), 1, "{name}: {:?}", self.there());
        found[0].clone()
    }

    /// What there is, but for the copies of policies.
    pub(in super::super) fn there(&self) -> Vec<String> {
        let copy = |line: &String| line.starts_with("ClusterPolicy");
        let mut there: Vec<String> = self.objects.keys().map(super::say).filter(|line| !copy(line)).collect();
        there.sort();
        there
    }

    /// The replica is listed anew, all of it.
    pub(in super::super) fn list_replica(&mut self) {
        let copies: Vec<_> = self.copies.values().map(super::object).map(Change::Listed).collect();
        for change in [Change::ListBegan].into_iter().chain(copies).chain([Change::ListComplete]) {
            self.send(Event::Replica { watch: ReplicaWatch::Copies, change });
        }
        for kind in Kind::ALL {
            self.list_kind(kind);
        }
        let ledgers: Vec<_> = self.ledgers.values().cloned().map(Change::Listed).collect();
        for change in [Change::ListBegan].into_iter().chain(ledgers).chain([Change::ListComplete]) {
            self.send(Event::Ledgers(change));
        }
    }

    pub(in super::super) fn list_kind(&mut self, kind: Kind) {
        let watch = ReplicaWatch::Applied(kind);
        let shown: Vec<_> = self
            .objects
            .iter()
            .filter(|(target, value)| target.resource == kind.resource() && Self::is_shown(target, value))
            .map(|(_, value)| Change::Listed(super::object(value)))
            .collect();
        for change in [Change::ListBegan].into_iter().chain(shown).chain([Change::ListComplete]) {
            self.send(Event::Replica { watch, change });
        }
    }

    pub(in super::super) fn list_report(&mut self) {
        let watch = ReplicaWatch::Report;
        let listed = self.report.iter().map(super::object).map(Change::Listed).collect::<Vec<_>>();
        for change in [Change::ListBegan].into_iter().chain(listed).chain([Change::ListComplete]) {
            self.send(Event::Replica { watch, change });
        }
    }

    /// The owner of the replica says something, or nothing any more.
    pub(in super::super) fn say_as_owner(&mut self, annotations: &Value) {
        let version = self.next_version();
        let report = json!({"metadata": {"name": "directory-sync", "uid": "rep", "resourceVersion": version,
            "annotations": annotations}});
        let change = Change::Applied(super::object(&report));
        self.report = Some(report);
        self.send(Event::Replica { watch: ReplicaWatch::Report, change });
    }

    // === ledgers ===

    /// A ledger is changed or made, by whomever.
    pub(in super::super) fn keep(&mut self, kept: Kept) {
        self.ledgers.insert(kept.ledger.maker.uid.clone(), kept.clone());
        self.show(Event::Ledgers(Change::Applied(kept)));
    }

    pub(in super::super) fn edit_ledger(&mut self, policy: &str, edit: impl FnOnce(&mut Kept)) {
        let mut kept = self.ledgers[policy].clone();
        edit(&mut kept);
        kept.version = self.next_version();
        self.keep(kept);
        self.run();
    }

    pub(in super::super) fn lose_ledger(&mut self, policy: &str) {
        let kept = self.ledgers.remove(policy).unwrap();
        self.show(Event::Ledgers(Change::Gone(kept)));
        self.run();
    }
}
