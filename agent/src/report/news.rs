//! Which changes of the report are Events. Pure.

use muster_api::condition::{Condition, Status};
use muster_api::conditions::{
    ConditionType, CredentialsValid, EntryPresent, HeartbeatAccepted, Held, MirrorInSync, PoliciesApplied,
    Reason as _,
};
use muster_api::events::EventReason;
use muster_api::report::{ClusterReportStatus, HoldReport};

/// The Events that lie between two reports, each with its note. `corrected`: hand edits undone between them.
#[must_use]
pub(crate) fn news(
    before: &ClusterReportStatus,
    after: &ClusterReportStatus,
    corrected: u64,
) -> Vec<(EventReason, String)> {
    let mut news = Vec::new();
    for condition in &after.conditions {
        let old = before.conditions.iter().find(|old| old.type_ == condition.type_);
        if old.is_some_and(|old| (old.status, &old.reason) == (condition.status, &condition.reason)) {
            continue;
        }
        if let Some(reason) = event(condition, old) {
            news.push((reason, format!("{}: {}.", condition.reason, condition.message)));
        }
    }
    let frozen = |status: &ClusterReportStatus| {
        let copies = status.mirror.as_ref().map_or(0, |mirror| mirror.frozen_deletions);
        (copies, status.policies.as_ref().map_or(0, |policies| policies.frozen_deletions))
    };
    if frozen(after) != (0, 0) && frozen(before) == (0, 0) {
        let (copies, policies) = frozen(after);
        let note = format!("Kept: {copies} copies, and what {policies} policies made.");
        news.push((EventReason::DeletionFrozen, note));
    }
    for hold in &after.holds {
        if !before.holds.iter().any(|old| old.id == hold.id) {
            let HoldReport { id, reason, work_count: count, objects, works, .. } = hold;
            let what = if *reason == Held::RolledBack.as_str() {
                "the directory was set back to an earlier state: nothing goes".to_owned()
            } else {
                format!("{objects} objects of {count} Works stay ({})", works.join(", "))
            };
            let note = format!("{reason}: {what}. Hold {id}.");
            news.push((EventReason::DeletionHeld, note));
        }
    }
    if corrected > 0 {
        news.push((EventReason::DriftCorrected, format!("{corrected} objects were put back.")));
    }
    news
}

fn event(condition: &Condition, old: Option<&Condition>) -> Option<EventReason> {
    let kind = ConditionType::ALL.iter().find(|kind| kind.as_str() == condition.type_)?;
    let is = |reason: &str| condition.reason == reason;
    if old.is_none() && is(CredentialsValid::SecretMissing.as_str()) {
        return None; // before the first Secret nothing was lost, and nothing refused
    }
    match (kind, condition.status) {
        (ConditionType::DirectoryReachable, Status::True) => Some(match old {
            // For want of a Secret there was no directory to lose.
            Some(old) if !old.message.is_empty() && old.reason != "SecretMissing" => {
                EventReason::DirectoryRegained
            }
            _ => EventReason::DirectoryConnected,
        }),
        (ConditionType::DirectoryReachable, _) => Some(EventReason::DirectoryLost),
        (ConditionType::CredentialsValid, _) if is(CredentialsValid::ExpiresSoon.as_str()) => {
            Some(EventReason::CredentialExpiring)
        }
        // Unknown too: it could not be tried, and so is not used.
        (ConditionType::CredentialsValid, Status::False | Status::Unknown) => {
            Some(EventReason::KubeconfigRefused)
        }
        (ConditionType::EntryPresent, _) if is(EntryPresent::Missing.as_str()) => {
            Some(EventReason::EntryMissing)
        }
        (ConditionType::MirrorInSync, _) if is(MirrorInSync::Conflict.as_str()) => {
            Some(EventReason::CopyConflict)
        }
        (ConditionType::PoliciesApplied, _) if is(PoliciesApplied::NamespaceRetained.as_str()) => {
            Some(EventReason::NamespaceKept)
        }
        (ConditionType::PoliciesApplied, Status::False)
            if !is(PoliciesApplied::Pending.as_str()) && !is(PoliciesApplied::Left.as_str()) =>
        {
            Some(EventReason::PolicyRefused)
        }
        (ConditionType::LedgerUsable, Status::False) => Some(EventReason::LedgerLost),
        (ConditionType::Deregistered, Status::True) => Some(EventReason::DirectoryLeft),
        (ConditionType::Acting, Status::False) => Some(EventReason::SecondInstall),
        (ConditionType::HeartbeatAccepted, _) if !is(HeartbeatAccepted::Accepted.as_str()) => {
            Some(EventReason::HeartbeatRefused)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use muster_api::conditions::{Acting, Deregistered, DirectoryReachable, LedgerUsable};
    use muster_api::report::HoldReport;
    use muster_api::report::MirrorReport;

    use super::*;

    fn status(conditions: Vec<Condition>) -> ClusterReportStatus {
        ClusterReportStatus { conditions, ..ClusterReportStatus::default() }
    }

    fn reachable(reason: DirectoryReachable, message: &str) -> Condition {
        Condition::new(reason, message, Timestamp::UNIX_EPOCH.into())
    }

    fn reasons(before: &ClusterReportStatus, after: &ClusterReportStatus) -> Vec<EventReason> {
        news(before, after, 0).into_iter().map(|(reason, _)| reason).collect()
    }

    #[test]
    fn the_directory_is_met_lost_and_met_again() {
        let nothing = status(vec![]);
        let missing = status(vec![reachable(DirectoryReachable::SecretMissing, "no Secret")]);
        let met = status(vec![reachable(DirectoryReachable::Reachable, "d")]);
        let lost = status(vec![reachable(DirectoryReachable::Unreachable, "no route")]);
        assert_eq!(reasons(&nothing, &missing), [], "nothing was lost yet");
        assert_eq!(reasons(&met, &missing), [EventReason::DirectoryLost]);
        assert_eq!(reasons(&missing, &met), [EventReason::DirectoryConnected]);
        assert_eq!(reasons(&met, &lost), [EventReason::DirectoryLost]);
        assert_eq!(reasons(&lost, &met), [EventReason::DirectoryRegained]);
    }

    #[test]
    fn a_credential_that_is_not_used_is_told_whatever_the_reason() {
        let valid = |reason| status(vec![Condition::new(reason, "m", Timestamp::UNIX_EPOCH.into())]);
        for reason in CredentialsValid::ALL.iter().filter(|reason| !matches!(reason, CredentialsValid::Valid))
        {
            let told = match reason {
                CredentialsValid::ExpiresSoon => EventReason::CredentialExpiring,
                _ => EventReason::KubeconfigRefused,
            };
            assert_eq!(reasons(&valid(CredentialsValid::Valid), &valid(*reason)), [told], "{reason:?}");
            assert_eq!(reasons(&valid(*reason), &valid(CredentialsValid::Valid)), []);
        }
    }

    #[test]
    fn what_becomes_of_policies_is_told() {
        let says = |reason| status(vec![Condition::new(reason, "m", Timestamp::UNIX_EPOCH.into())]);
        for reason in PoliciesApplied::ALL {
            let told = match reason {
                PoliciesApplied::NamespaceRetained => Some(EventReason::NamespaceKept),
                PoliciesApplied::Invalid
                | PoliciesApplied::TooLarge
                | PoliciesApplied::Conflict
                | PoliciesApplied::Forbidden
                | PoliciesApplied::DefinitionsNotAllowed => Some(EventReason::PolicyRefused),
                _ => None,
            };
            let told: Vec<_> = told.into_iter().collect();
            assert_eq!(reasons(&status(vec![]), &says(*reason)), told, "{reason:?}");
        }
        let says = |reason| status(vec![Condition::new(reason, "m", Timestamp::UNIX_EPOCH.into())]);
        assert_eq!(
            reasons(&says(Deregistered::Leaving), &says(Deregistered::OwnerLeft)),
            [EventReason::DirectoryLeft]
        );
        let says = |reason| status(vec![Condition::new(reason, "m", Timestamp::UNIX_EPOCH.into())]);
        assert_eq!(
            reasons(&says(LedgerUsable::Usable), &says(LedgerUsable::Pruned)),
            [EventReason::LedgerLost]
        );
    }

    #[test]
    fn a_new_message_alone_is_no_news() {
        let one = status(vec![reachable(DirectoryReachable::Unreachable, "one")]);
        let two = status(vec![reachable(DirectoryReachable::Unreachable, "two")]);
        assert_eq!(reasons(&one, &two), []);
    }

    #[test]
    fn a_second_install_is_told_once_and_not_that_it_acts() {
        let says =
            |reason, message| status(vec![Condition::new(reason, message, Timestamp::UNIX_EPOCH.into())]);
        let (acts, idles) = (says(Acting::Acting, ""), says(Acting::AnotherAgent, "a"));
        assert_eq!(reasons(&status(vec![]), &idles), [EventReason::SecondInstall]);
        assert_eq!(reasons(&acts, &idles), [EventReason::SecondInstall]);
        assert_eq!(reasons(&idles, &says(Acting::AnotherAgent, "b")), []);
        assert_eq!(reasons(&idles, &acts), []);
    }

    #[test]
    fn each_hold_is_told_once() {
        let held = |ids: &[&str]| {
            let hold = |id: &&str| HoldReport { id: (*id).to_owned(), ..HoldReport::default() };
            ClusterReportStatus { holds: ids.iter().map(hold).collect(), ..ClusterReportStatus::default() }
        };
        assert_eq!(reasons(&held(&[]), &held(&["a"])), [EventReason::DeletionHeld]);
        assert_eq!(reasons(&held(&["a"]), &held(&["a", "b"])), [EventReason::DeletionHeld]);
        assert_eq!(reasons(&held(&["a", "b"]), &held(&["b"])), []);
    }

    #[test]
    fn frozen_deletions_are_told_once() {
        let mirror = |frozen_deletions| ClusterReportStatus {
            mirror: Some(MirrorReport { frozen_deletions, ..MirrorReport::default() }),
            ..ClusterReportStatus::default()
        };
        assert_eq!(reasons(&mirror(0), &mirror(3)), [EventReason::DeletionFrozen]);
        assert_eq!(reasons(&mirror(3), &mirror(4)), []);
    }
}
