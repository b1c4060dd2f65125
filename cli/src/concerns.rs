//! What of the conditions that are told somebody should look at.

use muster_api::Condition;
use muster_api::condition::Status;
use muster_api::conditions::cluster::Deregistering;
use muster_api::conditions::{Entry, Reason as _, Severity, lists};

/// A condition that somebody should look at, with what the list of conditions says of it.
pub(crate) struct Concern<'a> {
    /// The condition.
    pub(crate) condition: &'a Condition,
    /// What is known of its reason.
    pub(crate) entry: Option<Entry>,
}

/// What the directory's controller says that keeps an entry from going; `None` where it says nothing of it.
pub(crate) fn keeps(conditions: &[Condition]) -> Option<Concern<'_>> {
    concerns("Cluster", conditions.iter().filter(|condition| condition.type_ == Deregistering::TYPE)).pop()
}

/// Whether it says of a removal that goes on what is in its way.
fn is_held_up(condition: &Condition) -> bool {
    condition.type_ == Deregistering::TYPE
        && condition.status == Status::True
        && !condition.message.is_empty()
}

/// Those of some conditions that somebody should look at. `of` is what has them, as the list of conditions names it.
pub(crate) fn concerns<'a>(of: &str, told: impl IntoIterator<Item = &'a Condition>) -> Vec<Concern<'a>> {
    let lists = lists();
    let list =
        lists.iter().find(|(name, _)| *name == of).map(|(_, list)| list.as_slice()).unwrap_or_default();
    told.into_iter()
        .filter_map(|condition| {
            let listed = list.iter().find(|listed| listed.kind == condition.type_);
            let entry = listed
                .and_then(|listed| listed.reasons.iter().find(|entry| entry.reason == condition.reason));
            match entry {
                Some(entry) if entry.explanation.severity == Severity::Normal && !is_held_up(condition) => {
                    None
                }
                Some(entry) => Some(Concern { condition, entry: Some(*entry) }),
                // Of a newer agent: all that can be said is that it does not hold.
                None => (condition.status == Status::False).then_some(Concern { condition, entry: None }),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn what_is_normal_is_no_concern() {
        let condition = |kind: &str, reason: &str, status| Condition {
            type_: kind.to_owned(),
            status,
            reason: reason.to_owned(),
            message: String::new(),
            last_transition_time: Timestamp::UNIX_EPOCH.into(),
            observed_generation: None,
        };
        let all = [
            condition("DirectoryReachable", "Reachable", Status::True),
            condition("CredentialsValid", "ExpiresSoon", Status::True),
            condition("OfANewerAgent", "Whatever", Status::False),
            condition("OfANewerAgent", "Fine", Status::True),
        ];
        let found = concerns("ClusterReport", &all);
        let reasons: Vec<_> = found.iter().map(|concern| concern.condition.reason.as_str()).collect();
        assert_eq!(reasons, ["ExpiresSoon", "Whatever"]);
    }

    #[test]
    fn what_keeps_an_entry_that_is_to_go_is_a_concern() {
        let told = |reason: &str, status: &str, message: &str| {
            let condition = json!({
                "type": "Deregistering", "status": status, "reason": reason, "message": message,
                "lastTransitionTime": "2026-11-22T10:00:00Z",
            });
            let conditions: Vec<Condition> = vec![from_value(condition).unwrap()];
            let told = |concern: &Concern<'_>| concern.condition.message.clone();
            let found: Vec<_> = concerns("Cluster", &conditions).iter().map(told).collect();
            assert_eq!(found, keeps(&conditions).iter().map(told).collect::<Vec<_>>());
            found
        };
        assert_eq!(told("Halted", "False", "the definition is gone"), ["the definition is gone"]);
        assert_eq!(told("Removing", "True", "a Secret is in the way"), ["a Secret is in the way"]);
        assert_eq!(told("Removing", "True", ""), [""; 0]);
        assert_eq!(told("Waiting", "True", ""), [""; 0]);
        assert_eq!(told("Member", "False", ""), [""; 0]);
    }
}
