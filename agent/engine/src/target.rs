//! Which object of the replica is meant.

use std::cmp::Ordering;
use std::fmt;

use muster_api::Resource;
use muster_api::resource::{CLUSTER_ROLES, NAMESPACES, ROLES};

/// An object in the replica. The order is that in which objects are made: see [`rank`](Self::rank).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Its resource.
    pub resource: Resource,
    /// Its namespace, where the resource has one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Target {
    /// When it is made, the lowest first: a namespace before what is in it, a role before what grants it. What is to
    /// go goes the other way round, so that access ends first.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match &self.resource {
            resource if *resource == NAMESPACES => 0,
            resource if *resource == CLUSTER_ROLES || *resource == ROLES => 1,
            _ => 2,
        }
    }
}

impl Target {
    /// Whether both are one object, seen in whatever versions of its API.
    #[must_use]
    pub fn is_same_object(&self, other: &Self) -> bool {
        (&self.name, &self.namespace) == (&other.name, &other.namespace)
            && (&self.resource.plural, &self.resource.group)
                == (&other.resource.plural, &other.resource.group)
    }

    /// The same object, as another version of its API shows it. `None`: this is none of its resource.
    #[must_use]
    pub(crate) fn in_version(&self, other: &Resource) -> Option<Self> {
        let same = |resource: &Resource| {
            let Resource { group, version: _, kind, plural, scope } = resource;
            (group.clone(), kind.clone(), plural.clone(), *scope)
        };
        (same(&self.resource) == same(other)).then(|| Self { resource: other.clone(), ..self.clone() })
    }
}

/// As messages name it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.resource.kind, self.name)?;
        self.namespace.as_ref().map_or(Ok(()), |namespace| write!(f, " in namespace {namespace}"))
    }
}

impl Ord for Target {
    fn cmp(&self, other: &Self) -> Ordering {
        let resource = if alike(&self.resource, &other.resource) || self.resource == other.resource {
            Ordering::Equal
        } else {
            self.rank().cmp(&other.rank()).then_with(|| self.resource.cmp(&other.resource))
        };
        resource.then_with(|| self.namespace.cmp(&other.namespace)).then_with(|| self.name.cmp(&other.name))
    }
}

/// Whether two resources are seen to be one without a look at their text: targets are keys of large maps, nearly all of
/// their resources are the same few constants, and to compare each word of those takes most of the time of a search.
fn alike(one: &Resource, other: &Resource) -> bool {
    let words = |resource: &Resource| {
        let Resource { group, version, kind, plural, scope: _ } = resource;
        [group, version, kind, plural].map(|word| (word.as_ptr(), word.len()))
    };
    one.scope == other.scope && words(one) == words(other)
}

impl PartialOrd for Target {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use muster_api::resource::{CLUSTER_ROLE_BINDINGS, LIMIT_RANGES, RESOURCE_QUOTAS, ROLE_BINDINGS};

    use super::*;

    #[test]
    fn an_object_is_the_same_in_each_version_of_its_api() {
        let target = |version: &'static str, plural: &'static str, name: &str| Target {
            resource: Resource { version: version.into(), plural: plural.into(), ..ROLE_BINDINGS },
            namespace: Some("a".to_owned()),
            name: name.to_owned(),
        };
        let one = target("v1", "rolebindings", "a");
        assert!(one.is_same_object(&target("v1beta1", "rolebindings", "a")));
        assert!(!one.is_same_object(&target("v1", "rolebindings", "b")));
        assert!(!one.is_same_object(&target("v1", "roles", "a")));
    }

    #[test]
    fn messages_name_kind_name_and_namespace() {
        let mut target =
            Target { resource: ROLE_BINDINGS, namespace: Some("apps".to_owned()), name: "web".to_owned() };
        assert_eq!(target.to_string(), "RoleBinding web in namespace apps");
        (target.resource, target.namespace) = (CLUSTER_ROLES, None);
        assert_eq!(target.to_string(), "ClusterRole web");
    }

    #[test]
    fn what_others_need_comes_first() {
        let target = |resource: &Resource| Target {
            resource: resource.clone(),
            namespace: Some("a".to_owned()),
            name: "a".to_owned(),
        };
        let mut targets = [
            target(&ROLE_BINDINGS),
            target(&LIMIT_RANGES),
            target(&ROLES),
            target(&RESOURCE_QUOTAS),
            target(&CLUSTER_ROLE_BINDINGS),
            target(&CLUSTER_ROLES),
            target(&NAMESPACES),
        ];
        targets.sort();
        let ranks: Vec<_> = targets.iter().map(Target::rank).collect();
        assert_eq!(ranks, [0, 1, 1, 2, 2, 2, 2]);
        assert_eq!(targets[0].resource, NAMESPACES);
    }

    #[test]
    fn the_words_of_a_resource_count_and_not_where_they_are_kept() {
        let target = |resource: Resource| Target { resource, namespace: None, name: "a".to_owned() };
        let own = Resource { plural: ROLES.plural.into_owned().into(), ..ROLES };
        assert_eq!(target(ROLES).cmp(&target(own)), Ordering::Equal);
        let later = Resource { version: "v2".into(), ..ROLES };
        assert_eq!(target(ROLES).cmp(&target(later)), Ordering::Less);
    }
}
