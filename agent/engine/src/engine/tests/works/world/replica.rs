//! The replica: applies on the server's side as the field manager `muster-works`, and shows what changes.

use std::collections::BTreeSet;

use muster_api::names::WORKS_MANAGER;
use muster_api::resource::{
    CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, CONFIG_MAPS, CRDS, NAMESPACES, ROLE_BINDINGS, ROLES, SECRETS,
};
use muster_api::{Resource, Scope, marks};
use serde_json::{Value, json};

use super::{WorkWorld, object, say};
use crate::engine::tests::world::replica::{leaves, own, owned, set};
use crate::event::{Change, Event, ReplicaWatch, StepOutcome};
use crate::failure::Failure;
use crate::kind::Kind;
use crate::refusal::Awaited;
use crate::target::Target;

/// What a server knows of itself.
pub(super) fn built_in() -> BTreeSet<Resource> {
    let core = |kind: &'static str, plural: &'static str, scope| Resource {
        group: "".into(),
        version: "v1".into(),
        kind: kind.into(),
        plural: plural.into(),
        scope,
    };
    let volume = core("PersistentVolume", "persistentvolumes", Scope::Cluster);
    let claim = core("PersistentVolumeClaim", "persistentvolumeclaims", Scope::Namespaced);
    let sets = Resource { group: "apps".into(), ..core("StatefulSet", "statefulsets", Scope::Namespaced) };
    let rbac = [ROLES, ROLE_BINDINGS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS];
    [CONFIG_MAPS, SECRETS, NAMESPACES, CRDS, volume, claim, sets].into_iter().chain(rbac).collect()
}

pub(in super::super) fn config_named(name: &str) -> Target {
    Target { resource: CONFIG_MAPS, namespace: Some("web".into()), name: name.into() }
}

pub(in super::super) fn namespace(name: &str) -> Target {
    Target { resource: NAMESPACES, namespace: None, name: name.into() }
}

/// Without Muster's label and mark.
pub(super) fn bare(value: &mut Value) {
    set(value, &format!("metadata/labels/{}", marks::PART_OF), None);
    set(value, &format!("metadata/annotations/{}", marks::MADE_FOR), None);
}

/// What a definition makes the server know.
fn defined(value: &Value) -> Option<Resource> {
    let text = |place: &str| value.pointer(place).and_then(Value::as_str).map(|text| text.to_owned().into());
    let scope = if value["spec"]["scope"] == "Cluster" { Scope::Cluster } else { Scope::Namespaced };
    Some(Resource {
        group: text("/spec/group")?,
        version: text("/spec/versions/0/name")?,
        kind: text("/spec/names/kind")?,
        plural: text("/spec/names/plural")?,
        scope,
    })
}

impl WorkWorld {
    pub(super) fn is_shown(value: &Value) -> bool {
        !value["metadata"]["labels"][marks::PART_OF].is_null()
    }

    fn tell(&mut self, target: &Target, before: Option<&Value>) {
        let after = self.objects.get(target).cloned();
        let change = |was: Option<&Value>, is: Option<&Value>| match (was, is) {
            (_, Some(now)) => Some(Change::Applied(object(now))),
            (Some(before), None) => Some(Change::Gone(object(before))),
            (None, None) => None,
        };
        let watch = match &target.resource {
            resource if *resource == NAMESPACES => Some(ReplicaWatch::Applied(Kind::Namespace)),
            resource if *resource == CRDS => Some(ReplicaWatch::Definitions),
            _ => None,
        };
        if let (Some(watch), Some(change)) = (watch, change(before, after.as_ref())) {
            self.events.push_back(Event::Replica { watch, change });
        }
        if self.watching.contains(&target.resource) && self.may_see(target) {
            let shown = |value: &&Value| Self::is_shown(value);
            let change = change(before.filter(shown), after.as_ref().filter(shown));
            let (resource, namespace) = (target.resource.clone(), self.view_of(target));
            self.events.extend(change.map(|change| Event::Objects { resource, namespace, change }));
        }
    }

    /// Watches follow what the engine wants to see.
    pub(super) fn follow(&mut self) {
        let awaited: BTreeSet<_> = self.engine.awaited().collect();
        for awaited in awaited.difference(&self.awaiting.clone()) {
            let watch = ReplicaWatch::Awaited(*awaited);
            let list = [Change::ListBegan, Change::ListComplete];
            self.events.extend(list.map(|change| Event::Replica { watch, change }));
        }
        self.awaiting = awaited;
        let watched: BTreeSet<_> = self.engine.watched().map(|(resource, _)| resource.clone()).collect();
        for resource in self.watching.difference(&watched).cloned().collect::<Vec<_>>() {
            self.watching.remove(&resource);
            self.unwatch(&resource);
        }
        self.unwatchable.retain(|resource| watched.contains(resource));
        for resource in watched {
            if self.served.contains(&resource) {
                if self.watching.insert(resource.clone()) {
                    self.list(&resource);
                } else if self.seen_in.is_some() {
                    self.list_new(&resource);
                }
            } else if self.unwatchable.insert(resource.clone()) {
                self.list(&resource);
            }
        }
    }

    /// Something changed that may be waited for: no namespace means that it matters everywhere.
    pub(in super::super) fn tell_awaited(&mut self, awaited: Awaited, namespace: Option<&str>) {
        if !self.awaiting.contains(&awaited) {
            return;
        }
        let change =
            json!({"metadata": {"name": "x", "namespace": namespace, "uid": "x", "resourceVersion": "1"}});
        let watch = ReplicaWatch::Awaited(awaited);
        self.send(Event::Replica { watch, change: Change::Applied(object(&change)) });
    }

    /// All watches of objects list anew.
    pub(in super::super) fn relist(&mut self) {
        for resource in self.watching.clone() {
            self.list(&resource);
        }
        self.run();
    }

    pub(super) fn apply(&mut self, target: &Target, body: &Value, force: bool) -> StepOutcome {
        let guard = &body["metadata"];
        let before = self.objects.get(target).cloned();
        if !self.served.contains(&target.resource) {
            self.log.push(format!("failed {}", say(target)));
            return StepOutcome::Failed(Failure::NotServed, "no such kind".into());
        }
        match &before {
            Some(before)
                if guard["uid"] != before["metadata"]["uid"]
                    || !guard["resourceVersion"].is_null()
                        && guard["resourceVersion"] != before["metadata"]["resourceVersion"] =>
            {
                self.log.push(format!("refused {}", say(target)));
                return StepOutcome::Present(object(before));
            }
            None if !guard["uid"].is_null() => {
                return StepOutcome::Failed(Failure::Conflict, "it is not there".into());
            }
            _ => {}
        }
        if target.namespace.as_ref().is_some_and(|name| !self.objects.contains_key(&namespace(name))) {
            self.log.push(format!("failed {}", say(target)));
            return StepOutcome::Failed(Failure::Absent, "the namespace is not there".into());
        }
        let mut after = before.clone().unwrap_or_else(|| {
            let mut new = body.clone();
            new["metadata"]["uid"] = format!("o{}", self.next_version()).into();
            new
        });
        let leaves = leaves(body);
        let mine = owned(&after, WORKS_MANAGER);
        let there = super::super::super::world::replica::leaves(&after);
        let theirs = |leaf: &String, value: &Value| {
            !mine.contains(leaf) && there.get(leaf).is_some_and(|it| it != value)
        };
        if let Some(before) = &before
            && !force
            && leaves.iter().any(|(leaf, value)| theirs(leaf, value))
        {
            self.log.push(format!("failed {}", say(target)));
            return StepOutcome::Present(object(before));
        }
        let fields: BTreeSet<String> = leaves.keys().cloned().collect();
        for dropped in mine.difference(&fields) {
            set(&mut after, dropped, None);
        }
        for (leaf, value) in &leaves {
            set(&mut after, leaf, Some(value));
        }
        own(&mut after, &fields, WORKS_MANAGER);
        let verb = match &before {
            None => "create",
            Some(before) if *before == after => "noop",
            Some(_) => "update",
        };
        self.log.push(format!("{verb} {}", say(target)));
        let version = after["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        let wrote = self.wrote.get(target) == Some(&version);
        assert!(verb != "noop" || !wrote, "written twice: {}\n{:#?}", say(target), self.log);
        if verb != "noop" {
            after["metadata"]["resourceVersion"] = self.next_version().into();
            self.wrote.insert(target.clone(), self.version.to_string());
            self.objects.insert(target.clone(), after.clone());
            self.tell(target, before.as_ref());
            if target.resource == CRDS && self.establishes {
                self.establish(&target.name);
            }
        }
        StepOutcome::Written(object(&after))
    }

    /// The resource that a definition brings.
    pub(in super::super) fn defined(&self, name: &str) -> Option<Resource> {
        let target = Target { resource: CRDS, namespace: None, name: name.into() };
        defined(self.objects.get(&target)?)
    }

    /// The server takes a definition in: its kind is served from now on, and the definition says so.
    pub(in super::super) fn establish(&mut self, name: &str) {
        let target = Target { resource: CRDS, namespace: None, name: name.into() };
        let Some(before) = self.objects.get(&target).cloned() else { return };
        if let Some(resource) = defined(&before) {
            self.turn_to(&resource.kind, &resource.version);
            self.served.insert(resource);
        }
        self.unwatchable.clear();
        let version = self.next_version();
        let after = self.objects.get_mut(&target).unwrap();
        after["status"] = json!({"conditions": [{"type": "Established"}]});
        after["metadata"]["resourceVersion"] = version.into();
        self.tell(&target, Some(&before));
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
        after["metadata"].as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let (old, new) = (leaves(&before), leaves(&after));
        let mut fields = owned(&before, WORKS_MANAGER);
        fields.retain(|field| old.get(field) == new.get(field));
        let managers = after["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        own(&mut after, &fields, WORKS_MANAGER);
        let others = managers.into_iter().filter(|entry| entry["manager"] != WORKS_MANAGER);
        after["metadata"]["managedFields"].as_array_mut().unwrap().extend(others);
        after["metadata"]["resourceVersion"] = self.next_version().into();
        let gone = !after["metadata"]["deletionTimestamp"].is_null()
            && after["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty);
        if gone {
            self.take(target);
        } else {
            self.objects.insert(target.clone(), after);
            self.tell(target, Some(&before));
        }
    }

    /// Somebody takes Muster's label off.
    pub(in super::super) fn strip(&mut self, target: &Target) {
        self.edit(target, |value| set(value, &format!("metadata/labels/{}", marks::PART_OF), None));
    }

    /// Somebody makes an object, or makes it anew. It says what it is asked to say beside its name.
    pub(in super::super) fn make(&mut self, target: &Target, says: &Value) {
        let (uid, version) = (format!("f{}", self.next_version()), self.next_version());
        let mut value = says.clone();
        value["metadata"]["name"] = target.name.clone().into();
        value["metadata"]["uid"] = uid.into();
        value["metadata"]["resourceVersion"] = version.into();
        if target.resource.scope == Scope::Namespaced {
            value["metadata"]["namespace"] = target.namespace.clone().into();
        }
        let before = self.objects.insert(target.clone(), value);
        assert!(before.is_none());
        self.tell(target, None);
        if target.resource == CRDS {
            self.establish(&target.name);
        }
        self.run();
    }

    /// An object goes, and what is in it or of it.
    pub(in super::super) fn remove(&mut self, target: &Target) {
        self.take(target);
        self.run();
    }

    pub(super) fn take(&mut self, target: &Target) {
        let defined = Some(&self.objects[target]).filter(|_| target.resource == CRDS).and_then(defined);
        let alike = |other: &Resource| {
            defined.as_ref().is_some_and(|it| (&it.group, &it.plural) == (&other.group, &other.plural))
        };
        let within = |other: &&Target| {
            target.resource == NAMESPACES && other.namespace.as_ref() == Some(&target.name)
                || alike(&other.resource)
        };
        let inside: Vec<Target> = self.objects.keys().filter(within).cloned().collect();
        self.served.retain(|resource| !alike(resource));
        for target in inside.iter().chain([target]) {
            let before = self.objects.remove(target).unwrap();
            self.tell(target, Some(&before));
        }
        if let Some(resource) = defined {
            self.unserve(&resource);
        }
    }

    /// The one object that tests name so.
    pub(in super::super) fn find(&self, name: &str) -> Target {
        let found: Vec<_> = self.objects.keys().filter(|target| say(target) == name).collect();
        assert_eq!(found.len(), 1, "{name}: {:?}", self.there());
        found[0].clone()
    }

    /// What there is, but for the namespaces of the world.
    pub(in super::super) fn there(&self) -> Vec<String> {
        let given = ["Namespace default", "Namespace web"];
        let mut there: Vec<String> =
            self.objects.keys().map(say).filter(|line| !given.contains(&line.as_str())).collect();
        there.sort();
        there
    }

    pub(super) fn list_replica(&mut self) {
        for change in [Change::ListBegan, Change::ListComplete] {
            self.send(Event::Replica { watch: ReplicaWatch::Copies, change });
        }
        for kind in Kind::ALL {
            let objects = self
                .objects
                .iter()
                .filter(|(target, _)| kind == Kind::Namespace && target.resource == NAMESPACES);
            let listed: Vec<_> = objects.map(|(_, value)| Change::Listed(object(value))).collect();
            let changes = [Change::ListBegan].into_iter().chain(listed).chain([Change::ListComplete]);
            let watch = ReplicaWatch::Applied(kind);
            self.events.extend(changes.map(|change| Event::Replica { watch, change }));
            self.run();
        }
        let ledgers: Vec<_> = self.ledgers.values().cloned().map(Change::Listed).collect();
        let changes = [Change::ListBegan].into_iter().chain(ledgers).chain([Change::ListComplete]);
        self.events.extend(changes.map(Event::Ledgers));
        self.run();
    }

    pub(super) fn list_report(&mut self) {
        let report = self.report.as_ref().map(|report| Change::Listed(object(report)));
        for change in [Change::ListBegan].into_iter().chain(report).chain([Change::ListComplete]) {
            self.send(Event::Replica { watch: ReplicaWatch::Report, change });
        }
    }

    /// The owner of the replica says that nothing is to be written, or that it is.
    pub(in super::super) fn pause(&mut self, paused: bool) {
        self.paused = paused;
        self.say_as_owner(&if paused { json!({marks::PAUSE: "true"}) } else { json!({}) });
    }

    /// The owner of the replica speaks by annotations of the local report.
    pub(in super::super) fn say_as_owner(&mut self, annotations: &Value) {
        let version = self.next_version();
        let report = json!({"metadata": {"name": "directory-sync", "uid": "rep", "resourceVersion": version,
            "annotations": annotations}});
        let change = Change::Applied(object(&report));
        self.report = Some(report);
        self.send(Event::Replica { watch: ReplicaWatch::Report, change });
    }
}
