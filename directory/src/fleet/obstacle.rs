//! What is in the way of a removal, and the command that frees it.

use std::time::Duration;

use muster_api::Object;
use muster_api::names;
use serde::Deserialize;

use super::part::{Part, Seen};
use super::{Fleet, Member};

/// How long a removal may last before anybody is told.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two looks at a namespace that does not go.
pub(super) const SPACING: Duration = Duration::from_secs(30);
/// Most kinds that are named.
const MOST: usize = 8;

/// What takes all finalizers off.
const FREE: &str = r#"--type=merge -p '{"metadata":{"finalizers":null}}'"#;

impl Fleet {
    /// What keeps the parts that are being deleted, if anything is known of it.
    pub(super) fn obstacle(&self, name: &str, member: &Member, now: Duration) -> Option<String> {
        if let Some((_, trouble)) = &member.trouble {
            return Some(trouble.clone());
        }
        if now.saturating_sub(member.stepped) < PATIENCE {
            return None;
        }
        let stuck = |part: &Part| {
            let seen = self.seen(*part, name)?;
            let held = seen.deleting && !seen.finalizers.is_empty() && self.is_own(*part, name, member);
            held.then(|| of_part(*part, name, seen))
        };
        Part::REMOVED.iter().find_map(stuck).or_else(|| member.stuck.clone())
    }
}

fn of_part(part: Part, name: &str, seen: &Seen) -> String {
    let (kind, place) = (part.resource().kind.to_lowercase(), part.place(name));
    let option = part.namespace(name).map(|namespace| format!("-n {namespace} ")).unwrap_or_default();
    let name = part.name(name);
    format!(
        "{place} is being deleted, and has finalizers of others: {}. When they are needed no more: \
         kubectl {option}patch {kind} {name} {FREE}",
        seen.finalizers.join(", ")
    )
}

/// What a namespace that does not go says of itself.
pub(super) fn of_namespace(cluster: &str, namespace: &Object) -> Option<String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Frame {
        status: Status,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Status {
        conditions: Vec<Condition>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Condition {
        r#type: String,
        status: String,
        message: String,
    }
    let Frame { status } = serde_json::from_str(namespace.raw.get()).unwrap_or_default();
    let says = |kind: &str| {
        let found = status.conditions.iter().find(|found| found.r#type == kind && found.status == "True");
        found.map(|found| found.message.as_str())
    };
    let name = names::execution_namespace(cluster);
    for kind in ["NamespaceDeletionDiscoveryFailure", "NamespaceDeletionContentFailure"] {
        if let Some(message) = says(kind) {
            let message: String = message.chars().take(400).collect();
            return Some(format!("namespace {name} is being deleted, and cannot be emptied: {message}"));
        }
    }
    let remaining = words(says("NamespaceContentRemaining")?);
    if remaining.is_empty() {
        return None;
    }
    let kinds = remaining.join(",");
    let held = says("NamespaceFinalizersRemaining").map(words).filter(|held| !held.is_empty());
    let (held, what) = match held {
        Some(held) => (
            format!(", with finalizers: {}", held.join(", ")),
            format!(
                "When these are needed no more: kubectl -n {name} get {kinds} -o name | xargs -I{{}} kubectl -n {name} patch {{}} {FREE}"
            ),
        ),
        None => (String::new(), format!("See it: kubectl -n {name} get {kinds}")),
    };
    Some(format!("namespace {name} is being deleted, and still holds {kinds}{held}. {what}"))
}

/// The names of a message: "Some resources are remaining: pods. has 1 resource instances, …". Their numbers change all the time.
fn words(message: &str) -> Vec<&str> {
    let list = message.split_once(": ").map_or("", |(_, list)| list);
    let words = list.split(", ").filter_map(|item| item.split(' ').next());
    words.map(|word| word.trim_end_matches('.')).filter(|word| !word.is_empty()).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::*;

    fn told(conditions: &serde_json::Value) -> Option<String> {
        let namespace = json!({
            "metadata": {"name": "n", "uid": "u", "resourceVersion": "1"}, "status": {"conditions": conditions},
        });
        of_namespace("east", &Object::parse(RawValue::from_string(namespace.to_string()).unwrap()).unwrap())
    }

    #[test]
    fn a_namespace_that_does_not_go_is_told_with_what_frees_it() {
        assert_eq!(told(&json!([])), None);
        assert_eq!(told(&json!("nonsense")), None);
        let content = json!({
            "type": "NamespaceContentRemaining", "status": "True",
            "message": "Some resources are remaining: pods. has 2 resource instances, works.multicluster.x-k8s.io has 1 resource instances",
        });
        let kinds = "pods,works.multicluster.x-k8s.io";
        assert_eq!(
            told(&json!([content])).unwrap(),
            format!(
                "namespace muster-cluster-east is being deleted, and still holds {kinds}. See it: kubectl -n muster-cluster-east get {kinds}"
            )
        );
        let held = json!({
            "type": "NamespaceFinalizersRemaining", "status": "True",
            "message": "Some content in the namespace has finalizers remaining: example.com/theirs in 1 resource instances",
        });
        assert_eq!(
            told(&json!([content, held])).unwrap(),
            format!(
                "namespace muster-cluster-east is being deleted, and still holds {kinds}, with finalizers: example.com/theirs. \
                 When these are needed no more: kubectl -n muster-cluster-east get {kinds} -o name | xargs -I{{}} kubectl -n \
                 muster-cluster-east patch {{}} --type=merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'"
            )
        );
    }
}
