//! Errors of calls in the words of the engine.

use muster_engine::Failure;
use muster_kit::client::CallError;

/// What a failed call means for decisions.
#[must_use]
pub fn failure(error: &CallError) -> Failure {
    match error {
        CallError::Unreachable { .. }
        | CallError::Deadline { .. }
        | CallError::Gone { .. }
        | CallError::Throttled { .. }
        | CallError::Server { .. }
        | CallError::Refused { .. } => Failure::Unavailable,
        CallError::Unauthorized { .. } => Failure::Unauthorized,
        CallError::Forbidden { .. } => Failure::Forbidden,
        CallError::NotFound { named: true, .. } => Failure::Absent,
        CallError::NotFound { named: false, .. } => Failure::NotServed,
        CallError::Conflict { .. } | CallError::AlreadyExists { .. } => Failure::Conflict,
        CallError::Invalid { .. } | CallError::TooLarge { .. } => Failure::Invalid,
        CallError::Malformed { .. } => Failure::Malformed,
        CallError::Fenced { .. } => Failure::Fenced,
    }
}
