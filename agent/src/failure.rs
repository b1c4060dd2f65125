//! Errors of calls in the words of the engine, and of people.

use muster_api::marks::LEAVE;
use muster_api::names::AGENT;
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
        CallError::Invalid { .. } => Failure::Invalid,
        CallError::TooLarge { .. } => Failure::TooLarge,
        CallError::Malformed { .. } => Failure::Malformed,
        CallError::Fenced { .. } => Failure::Fenced,
    }
}

/// What people are told of a failed call to the directory. `namespace`: the agent's own, in the replica. A directory
/// that does not know the credential any more cannot say whether this cluster is to leave: only its owner can.
#[must_use]
pub fn told(error: &CallError, namespace: &str) -> String {
    match error {
        CallError::Unauthorized { .. } => {
            format!(
                "{error}; put a new credential into the Secret, or, if this cluster left the directory for good, say so: \
                 kubectl -n {namespace} annotate clusterreport {AGENT} {LEAVE}=true"
            )
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use muster_kit::client::Attempt;

    use super::*;

    #[test]
    fn a_rejected_credential_comes_with_the_way_out() {
        let attempt = || Box::new(Attempt { verb: "list", resource: "clusters".into(), name: None });
        let rejected = CallError::Unauthorized { attempt: attempt(), message: "Unauthorized".into() };
        let told_of = told(&rejected, "elsewhere");
        let command = "kubectl -n elsewhere annotate clusterreport directory-sync \
                       multicluster.coreos.com/leave=true";
        assert!(told_of.ends_with(command), "{told_of}");
        let forbidden = CallError::Forbidden { attempt: attempt(), message: "no".into() };
        assert_eq!(told(&forbidden, "elsewhere"), forbidden.to_string());
    }
}
