//! Conditions as the Kubernetes API has them (`metav1.Condition`). Which ones Muster raises, and why, is the list
//! in [`crate::conditions`].

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::conditions::Reason;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be told.
    Unknown,
}

impl Status {
    /// The status as the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// One aspect of the state of an object: whether it holds, since when, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which aspect this is, in CamelCase. docs/conditions.md lists those that Muster raises.
    #[serde(rename = "type")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = 316),
            regex(
                pattern = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
            )
        )
    )]
    pub type_: String,
    /// Whether the condition holds: True, False or Unknown.
    pub status: Status,
    /// Why it has this status, as one word in CamelCase for programs to match. docs/conditions.md says what each
    /// of Muster's reasons means and what to do.
    #[cfg_attr(
        feature = "schema",
        schemars(length(min = 1, max = 1024), regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"))
    )]
    pub reason: String,
    /// Details for people. It may be empty and may change at any time: match the reason instead.
    #[cfg_attr(feature = "schema", schemars(length(max = 32768)))]
    pub message: String,
    /// When the status last changed. A new reason or message alone does not move it.
    pub last_transition_time: Time,
    /// The generation (metadata.generation) of the object that the condition speaks of. Where it is smaller than
    /// the object's own, the condition speaks of an earlier state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub observed_generation: Option<i64>,
}

impl Condition {
    /// The condition that a reason of the list stands for. Type and status follow from the reason.
    #[must_use]
    pub fn new<R: Reason>(reason: R, message: impl Into<String>, now: Time) -> Self {
        Self {
            type_: R::TYPE.to_owned(),
            status: reason.explanation().status,
            reason: reason.as_str().to_owned(),
            message: message.into(),
            last_transition_time: now,
            observed_generation: None,
        }
    }
}

/// Puts a condition in the place of the one of its type. Where the status stays, so does the time of the last
/// transition; where nothing else differs either, nothing changes. Returns whether anything did.
pub fn set(conditions: &mut Vec<Condition>, mut new: Condition) -> bool {
    let Some(old) = conditions.iter_mut().find(|old| old.type_ == new.type_) else {
        conditions.push(new);
        return true;
    };
    if old.status == new.status {
        new.last_transition_time = old.last_transition_time;
    }
    let changed = *old != new;
    *old = new;
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::{DirectoryReachable, EntryPresent};

    fn at(second: i64) -> Time {
        jiff::Timestamp::from_second(second).unwrap().into()
    }

    #[test]
    fn the_time_moves_with_the_status_only() {
        let mut conditions = Vec::new();
        assert!(set(&mut conditions, Condition::new(DirectoryReachable::Unreachable, "no route", at(1))));
        assert!(!set(&mut conditions, Condition::new(DirectoryReachable::Unreachable, "no route", at(2))));
        assert!(set(&mut conditions, Condition::new(DirectoryReachable::Forbidden, "list clusters", at(3))));
        assert_eq!(conditions[0].last_transition_time, at(1), "{conditions:?}");
        assert!(set(&mut conditions, Condition::new(DirectoryReachable::Reachable, "", at(4))));
        assert_eq!(conditions[0].last_transition_time, at(4), "{conditions:?}");
        assert!(set(&mut conditions, Condition::new(EntryPresent::Present, "", at(5))));
        assert_eq!(conditions.len(), 2, "{conditions:?}");
    }

    #[test]
    fn a_condition_is_written_as_the_api_has_it() {
        let condition = Condition::new(EntryPresent::Missing, "no entry east", at(0));
        assert_eq!(
            serde_json::to_value(&condition).unwrap(),
            serde_json::json!({
                "type": "EntryPresent", "status": "False", "reason": "Missing", "message": "no entry east",
                "lastTransitionTime": "1970-01-01T00:00:00Z",
            })
        );
        assert_eq!(
            serde_json::from_value::<Condition>(serde_json::to_value(&condition).unwrap()).unwrap(),
            condition
        );
    }
}
