//! Whose a name is. Execution namespaces of long and dotted names are cut and hashed, so another entry may bear just the name
//! that leads to one; and an account in `muster-agents` is Kubernetes' own. Whoever comes second is refused, and nothing that
//! is another's is made, changed or removed for it.

use muster_api::names::{self, AGENTS_NAMESPACE, KUBERNETES_ACCOUNT};

use super::part::Part;
use super::{Fleet, Member};

impl Fleet {
    /// Why no cluster can be entered under this name.
    pub(super) fn refusal(&self, name: &str, member: &Member) -> Option<String> {
        if name == KUBERNETES_ACCOUNT {
            return Some(format!("serviceaccount {name} in namespace {AGENTS_NAMESPACE} is Kubernetes' own"));
        }
        let other = self.namespace_of(name, member)?;
        Some(format!("namespace {} is that of cluster {other}", names::execution_namespace(name)))
    }

    /// The other cluster whose execution namespace it is.
    pub(super) fn namespace_of(&self, name: &str, member: &Member) -> Option<&str> {
        let namespace = self.seen(Part::Namespace, name);
        if let Some(owner) = namespace.filter(|seen| seen.ours).and_then(|seen| seen.owner.as_deref()) {
            return (owner != name).then_some(owner);
        }
        // It does not say whose it is, or is not there: it is theirs who were enrolled first, or entered first.
        let names = self.by_namespace.get(&names::execution_namespace(name))?;
        let rank = |name: &str, member: &Member| {
            let enrolled = member.entry.is_held() && member.entry.status.execution_namespace.is_some();
            (!enrolled, member.entry.created, name.to_owned())
        };
        let own = rank(name, member);
        let others = names.iter().filter(|other| *other != name);
        let first =
            others.filter_map(|other| self.members.get(other).map(|member| (rank(other, member), other)));
        first.filter(|(rank, _)| *rank < own).map(|(_, other)| other.as_str()).next()
    }

    /// Whether a part is this cluster's, if it is there: what is another's stays as it is.
    pub(super) fn is_own(&self, part: Part, name: &str, member: &Member) -> bool {
        let Some(seen) = self.seen(part, name) else { return true };
        if part == Part::Account && name == KUBERNETES_ACCOUNT {
            return false;
        }
        let home = part == Part::Namespace || part.is_inside();
        if home && self.namespace_of(name, member).is_some() {
            return false;
        }
        // What is in a namespace that is not Muster's is not, either.
        if part.is_inside() && !self.seen(Part::Namespace, name).is_some_and(|seen| seen.ours) {
            return false;
        }
        part.is_at_home() || seen.ours
    }
}
