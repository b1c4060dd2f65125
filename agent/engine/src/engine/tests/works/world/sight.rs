//! What may be watched: everything, or some namespaces alone.

use std::collections::BTreeSet;

use muster_api::{Resource, Scope};

use super::{WorkWorld, object};
use crate::event::{Change, Event};
use crate::failure::Failure;
use crate::target::Target;

impl WorkWorld {
    /// A kind is served in another version, and in none of those before.
    pub(in super::super) fn serve_as(&mut self, kind: &str, version: &'static str) {
        self.turn_to(kind, version);
        if !self.dead {
            self.run();
        }
    }

    /// The same, as part of something else. The objects are what they were.
    pub(super) fn turn_to(&mut self, kind: &str, version: &str) {
        let served: Vec<_> = self.served.iter().filter(|resource| resource.kind == kind).cloned().collect();
        for old in served.into_iter().filter(|old| old.version != version) {
            let new = Resource { version: version.to_owned().into(), ..old.clone() };
            self.served.remove(&old);
            self.served.insert(new.clone());
            self.unwatchable.remove(&new);
            let targets: Vec<_> =
                self.objects.keys().filter(|target| target.resource == old).cloned().collect();
            for target in targets {
                let value = self.objects.remove(&target).unwrap();
                self.objects.insert(Target { resource: new.clone(), ..target }, value);
            }
            self.unserve(&old);
        }
    }

    /// All views of a kind that is not served any more fail.
    pub(super) fn unserve(&mut self, resource: &Resource) {
        if self.watching.remove(resource) {
            let views = self.views.iter().filter(|(viewed, _)| viewed == resource).cloned();
            self.events.extend(views.map(|(resource, namespace)| {
                let change = Change::Failed(Failure::NotServed, "no".into());
                Event::Objects { resource, namespace, change }
            }));
            self.unwatchable.insert(resource.clone());
        }
    }

    /// From now on the objects of these namespaces alone may be watched, or again everything.
    pub(in super::super) fn may_watch(&mut self, namespaces: Option<&[&str]>) {
        let before: Vec<Resource> = self.watching.iter().cloned().collect();
        for resource in &before {
            self.unwatch(resource);
        }
        self.seen_in = namespaces.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        for resource in &before {
            self.list(resource);
        }
        self.run();
    }

    /// Whether a watch shows an object.
    pub(super) fn may_see(&self, target: &Target) -> bool {
        let Some(seen) = &self.seen_in else { return true };
        target.namespace.as_ref().is_some_and(|namespace| seen.contains(namespace))
    }

    /// Which view shows an object.
    pub(super) fn view_of(&self, target: &Target) -> Option<String> {
        target.namespace.clone().filter(|_| self.seen_in.is_some())
    }

    /// All views of a kind end.
    pub(super) fn unwatch(&mut self, resource: &Resource) {
        let (gone, left) =
            std::mem::take(&mut self.views).into_iter().partition(|(viewed, _)| viewed == resource);
        let _: &BTreeSet<_> = &gone;
        self.views = left;
        let gone = gone.into_iter().map(|(resource, namespace)| Event::Unwatched { resource, namespace });
        self.events.extend(gone);
    }

    /// All views of a kind begin, or begin anew.
    pub(super) fn list(&mut self, resource: &Resource) {
        for namespace in self.wanted_views(resource) {
            self.list_view(resource, namespace.as_ref());
        }
    }

    /// The views of a kind that were not there.
    pub(super) fn list_new(&mut self, resource: &Resource) {
        for namespace in self.wanted_views(resource) {
            if !self.views.contains(&(resource.clone(), namespace.clone())) {
                self.list_view(resource, namespace.as_ref());
            }
        }
    }

    fn wanted_views(&self, resource: &Resource) -> BTreeSet<Option<String>> {
        if self.seen_in.is_none() || resource.scope == Scope::Cluster {
            return [None].into();
        }
        let wanted = self.engine.watched().filter(|(wanted, _)| *wanted == resource);
        wanted
            .flat_map(|(_, places)| places.iter())
            .map(|(namespace, _)| namespace.map(str::to_owned))
            .collect()
    }

    fn list_view(&mut self, resource: &Resource, namespace: Option<&String>) {
        self.views.insert((resource.clone(), namespace.cloned()));
        let event =
            |change| Event::Objects { resource: resource.clone(), namespace: namespace.cloned(), change };
        if !self.served.contains(resource) {
            let change = Change::Failed(Failure::NotServed, "no".into());
            return self.events.push_back(event(change));
        }
        let hidden = match (&self.seen_in, namespace) {
            (None, _) => false,
            (Some(seen), Some(namespace)) => !seen.contains(namespace),
            (Some(_), None) => true,
        };
        if hidden {
            let change = Change::Failed(Failure::Forbidden, "no".into());
            return self.events.push_back(event(change));
        }
        let within = |target: &Target| namespace.is_none() || target.namespace.as_ref() == namespace;
        let shown = self.objects.iter().filter(|(target, value)| {
            target.resource == *resource && within(target) && Self::is_shown(value)
        });
        let listed = shown.map(|(_, value)| Change::Listed(object(value)));
        let changes: Vec<_> =
            [Change::ListBegan].into_iter().chain(listed).chain([Change::ListComplete]).collect();
        self.events.extend(changes.into_iter().map(event));
    }
}
