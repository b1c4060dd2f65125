//! Why the replica refused to write or delete an object. The API server says of what kind a refusal is only in words: all
//! that is concluded from these words is concluded here.

use muster_api::Resource;
use muster_api::conditions::manifest::Applied as Reason;
use muster_api::resource::{
    CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, MUTATING_WEBHOOKS, RESOURCE_QUOTAS, ROLE_BINDINGS, ROLES,
    VALIDATING_POLICIES, VALIDATING_POLICY_BINDINGS, VALIDATING_WEBHOOKS,
};

use crate::failure::Failure;

/// Why an object was not written or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The account lacks a right.
    Right,
    /// A quota of the namespace has no room.
    Quota,
    /// A webhook denied it.
    Webhook,
    /// A webhook that is to judge it does not answer.
    WebhookSilent,
    /// A policy of admission denied it: a `ValidatingAdmissionPolicy`, Pod Security, or a `LimitRange`.
    Policy,
    /// Its namespace is being deleted.
    Terminating,
    /// Its namespace is not there.
    NoNamespace,
    /// Its kind is not served.
    NotServed,
    /// A field that differs cannot be changed.
    Immutable,
    /// It is larger than can be taken.
    TooLarge,
    /// It is not valid.
    Invalid,
    /// Somebody else's object, or fields, are in the way.
    Conflict,
    /// Nobody answered, or it was not tried: that says nothing of the object.
    Passing,
}

/// What a refused step waits for, beside definitions and namespaces, which are watched in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaited {
    /// Rights: roles and bindings.
    Rights,
    /// Room in quotas.
    Quotas,
    /// What webhooks are asked.
    Webhooks,
    /// Policies of admission.
    Policies,
}

impl Refusal {
    /// What a failure means, by the words of the server or of the client around them. The client left out what the
    /// server repeated of an object: no value has a say.
    #[must_use]
    pub fn of(failure: Failure, message: &str) -> Self {
        let says = |words: &str| message.contains(words);
        // Webhooks choose the code of their answer, and a backend that is away is a failure of the server.
        if says("admission webhook \"") && says("denied the request") {
            return Self::Webhook;
        }
        if says("failed calling webhook \"") {
            return Self::WebhookSilent;
        }
        if says("AdmissionPolicy '") && says("denied request") {
            return Self::Policy;
        }
        match failure {
            Failure::Forbidden => forbidden(message),
            Failure::Invalid if says("Too long: may not be more than") => Self::TooLarge,
            Failure::Invalid if IMMUTABLE.iter().any(|words| says(words)) => Self::Immutable,
            Failure::Invalid | Failure::Malformed => Self::Invalid,
            Failure::TooLarge => Self::TooLarge,
            Failure::Conflict => Self::Conflict,
            Failure::Absent => Self::NoNamespace,
            Failure::NotServed => Self::NotServed,
            // Servers take a field of another type than its schema's for an error of their own.
            Failure::Unavailable if says("failed to create typed patch object") => Self::Invalid,
            Failure::Unavailable | Failure::Unauthorized | Failure::Fenced => Self::Passing,
        }
    }

    /// The reason that people are told.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Right => Reason::Forbidden,
            Self::Quota => Reason::QuotaExceeded,
            Self::Webhook => Reason::WebhookRefused,
            Self::WebhookSilent => Reason::WebhookUnavailable,
            Self::Policy => Reason::PolicyRefused,
            Self::Terminating | Self::NoNamespace => Reason::Waiting,
            Self::NotServed => Reason::UnknownKind,
            Self::Immutable => Reason::Immutable,
            Self::TooLarge => Reason::TooLarge,
            Self::Invalid => Reason::Rejected,
            Self::Conflict => Reason::Conflict,
            Self::Passing => Reason::Retrying,
        }
    }

    /// The change of something else that may mend it, where one is to be watched for that alone.
    #[must_use]
    pub fn awaits(self) -> Option<Awaited> {
        match self {
            Self::Right => Some(Awaited::Rights),
            Self::Quota => Some(Awaited::Quotas),
            Self::Webhook | Self::WebhookSilent => Some(Awaited::Webhooks),
            Self::Policy => Some(Awaited::Policies),
            _ => None,
        }
    }

    /// Stable name, for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Quota => "quota",
            Self::Webhook | Self::WebhookSilent => "webhook",
            Self::Policy => "policy",
            Self::Terminating | Self::NoNamespace => "namespace",
            Self::NotServed => "kind",
            Self::Immutable | Self::TooLarge | Self::Invalid => "object",
            Self::Conflict => "conflict",
            Self::Passing => "unavailable",
        }
    }
}

/// How servers say that a field cannot be changed: most kinds, Services, bindings, priority classes, stateful sets and
/// storage classes.
const IMMUTABLE: [&str; 5] =
    ["immutable", "may not change", "cannot change", "may not be changed", "Forbidden: updates to "];

/// A refusal by the account's rights names the user; plugins of admission answer with the same code.
fn forbidden(message: &str) -> Refusal {
    let says = |words: &str| message.contains(words);
    if says("exceeded quota") || says("failed quota") || says("status unknown for quota") {
        return Refusal::Quota;
    }
    if says("because it is being terminated") {
        return Refusal::Terminating;
    }
    match message.split_once(" is forbidden: ") {
        Some((_, why)) if !why.to_lowercase().starts_with("user \"") => Refusal::Policy,
        _ => Refusal::Right,
    }
}

impl Awaited {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rights, Self::Quotas, Self::Webhooks, Self::Policies];

    /// The kinds whose changes may mend it.
    #[must_use]
    pub fn resources(self) -> &'static [Resource] {
        match self {
            Self::Rights => const { &[CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES] },
            Self::Quotas => const { &[RESOURCE_QUOTAS] },
            Self::Webhooks => const { &[VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS] },
            Self::Policies => const { &[VALIDATING_POLICIES, VALIDATING_POLICY_BINDINGS] },
        }
    }

    /// Stable name, for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rights => "rights",
            Self::Quotas => "quotas",
            Self::Webhooks => "webhooks",
            Self::Policies => "admission-policies",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of kube-apiserver 1.36, as the client words them.
    const ANSWERS: [(Failure, &str, Refusal); 16] = [
        (
            Failure::Forbidden,
            r#"configmaps "a" is forbidden: User "system:serviceaccount:muster-appliers:works" cannot patch resource "configmaps" in API group "" in the namespace "web""#,
            Refusal::Right,
        ),
        (
            Failure::Forbidden,
            r#"roles.rbac.authorization.k8s.io "a" is forbidden: user "system:serviceaccount:muster-appliers:works" (groups=["system:serviceaccounts"]) is attempting to grant RBAC permissions not currently held:"#,
            Refusal::Right,
        ),
        (Failure::Forbidden, "", Refusal::Right),
        (
            Failure::Forbidden,
            r#"configmaps "a" is forbidden: exceeded quota: few, requested: count/configmaps=1, used: count/configmaps=1, limited: count/configmaps=1"#,
            Refusal::Quota,
        ),
        (
            Failure::Forbidden,
            r#"pods "a" is forbidden: failed quota: few: must specify limits.cpu for: app"#,
            Refusal::Quota,
        ),
        (
            Failure::Forbidden,
            r#"configmaps "a" is forbidden: unable to create new content in namespace web because it is being terminated"#,
            Refusal::Terminating,
        ),
        (
            Failure::Forbidden,
            r#"pods "a" is forbidden: violates PodSecurity "restricted:latest": privileged (container "app" must not set securityContext.privileged=true)"#,
            Refusal::Policy,
        ),
        (
            Failure::Invalid,
            r#"configmaps "a" is forbidden: ValidatingAdmissionPolicy 'no-a' with binding 'no-a' denied request: no"#,
            Refusal::Policy,
        ),
        (
            Failure::Invalid,
            r#"admission webhook "a.example.com" denied the request: exceeded quota of patience"#,
            Refusal::Webhook,
        ),
        (
            Failure::Unavailable,
            r#"the server failed (500): Internal error occurred: failed calling webhook "a.example.com": failed to call webhook: Post "https://127.0.0.1:1/?timeout=1s": dial tcp 127.0.0.1:1: connect: connection refused"#,
            Refusal::WebhookSilent,
        ),
        (
            Failure::Invalid,
            r#"Deployment.apps "a" is invalid: spec.selector: Invalid value: field is immutable"#,
            Refusal::Immutable,
        ),
        (
            Failure::Invalid,
            r#"ConfigMap "a" is invalid: []: Too long: may not be more than 1048576 bytes"#,
            Refusal::TooLarge,
        ),
        (
            Failure::Invalid,
            r#"Service "a" is invalid: spec.ports[0].port: Invalid value: must be between 1 and 65535, inclusive"#,
            Refusal::Invalid,
        ),
        (
            Failure::Unavailable,
            "the server failed (500): failed to create typed patch object (web/a; /v1, Kind=ConfigMap): .data.number: expected string",
            Refusal::Invalid,
        ),
        (Failure::Unavailable, "the server cannot be reached: connection refused", Refusal::Passing),
        (Failure::Absent, r#"namespaces "web" not found"#, Refusal::NoNamespace),
    ];

    #[test]
    fn what_a_server_says_tells_what_would_mend_it() {
        for (failure, message, refusal) in ANSWERS {
            assert_eq!(Refusal::of(failure, message), refusal, "{message}");
            // The client says before it what was attempted.
            let whole = format!("unable to patch configmaps web/a: forbidden: {message}");
            assert_eq!(Refusal::of(failure, &whole), refusal, "{whole}");
        }
    }

    #[test]
    fn what_waits_for_a_change_has_kinds_to_be_watched() {
        for awaited in Awaited::ALL {
            assert!(!awaited.resources().is_empty(), "{awaited:?}");
            assert!(ANSWERS.iter().any(|(_, _, refusal)| refusal.awaits() == Some(awaited)), "{awaited:?}");
        }
    }
}
