//! The one list of conditions that Muster raises, of reports, of Cluster entries, of Works and of their manifests, and of their reasons. Each reason says what it means, what causes
//! it and what to do; `docs/conditions.md` is generated from here. A reason cannot be raised without an entry,
//! since the entries are what defines the reasons.

use crate::condition::Status;

/// How much a reason, or an Event, matters to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// As it should be, or as it was asked for.
    Normal,
    /// Somebody should look.
    Warning,
}

impl Severity {
    /// The severity as an Event's `type` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// What goes with a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The status of the condition when it has this reason.
    pub status: Status,
    /// How much it matters.
    pub severity: Severity,
    /// What brings it about.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// A reason of one type of condition.
pub trait Reason: Copy {
    /// The type that it belongs to, as the API writes it.
    const TYPE: &'static str;
    /// The reason as the API writes it.
    fn as_str(self) -> &'static str;
    /// What it means, in a sentence.
    fn meaning(self) -> &'static str;
    /// Status, severity, cause and remedy.
    fn explanation(self) -> Explanation;
}

/// A reason with all that the list says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The reason as the API writes it.
    pub reason: &'static str,
    /// What it means, in a sentence.
    pub meaning: &'static str,
    /// Status, severity, cause and remedy.
    pub explanation: Explanation,
}

/// A type of condition with all that the list says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The type as the API writes it.
    pub kind: &'static str,
    /// What the condition says where it is True.
    pub meaning: &'static str,
    /// Its reasons.
    pub reasons: Vec<Entry>,
}

/// The list as data: what has conditions, and which, in the order of `docs/conditions.md`.
#[must_use]
pub fn lists() -> [(&'static str, Vec<Listed>); 5] {
    [
        ("ClusterReport", ConditionType::listed()),
        ("Cluster", cluster::ConditionType::listed()),
        ("Work", work::ConditionType::listed()),
        ("manifest", manifest::ConditionType::listed()),
        ("ClusterProfile", profile::ConditionType::listed()),
    ]
}

const fn normal(status: Status, cause: &'static str, remedy: &'static str) -> Explanation {
    Explanation { status, severity: Severity::Normal, cause, remedy }
}

const fn warning(status: Status, cause: &'static str, remedy: &'static str) -> Explanation {
    Explanation { status, severity: Severity::Warning, cause, remedy }
}

/// Makes, from the list, the types, one enum of reasons for each of them, and the list as data.
macro_rules! conditions {
    ($($kind:ident: $question:literal => { $($reason:ident: $meaning:literal => $explanation:expr),+ $(,)? })+) => {
        /// A type of condition.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ConditionType {
            $(#[doc = $question] $kind),+
        }

        impl ConditionType {
            /// All types, in the order of `docs/conditions.md`.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The type as the API writes it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind)),+ }
            }

            /// What the condition says where it is True.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$kind => $question),+ }
            }

            /// The reasons of this type.
            #[must_use]
            pub fn reasons(self) -> Vec<Entry> {
                match self {
                    $(Self::$kind => $kind::ALL.iter().map(|reason| Entry {
                        reason: reason.as_str(),
                        meaning: reason.meaning(),
                        explanation: reason.explanation(),
                    }).collect()),+
                }
            }

            pub(super) fn listed() -> Vec<Listed> {
                let listed = |kind: &Self| Listed {
                    kind: kind.as_str(),
                    meaning: kind.meaning(),
                    reasons: kind.reasons(),
                };
                Self::ALL.iter().map(listed).collect()
            }
        }

        $(
            #[doc = concat!("Reasons of the condition `", stringify!($kind), "`. ", $question)]
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub enum $kind {
                $(#[doc = $meaning] $reason),+
            }

            impl $kind {
                /// All reasons, in the order of `docs/conditions.md`.
                pub const ALL: &'static [Self] = &[$(Self::$reason),+];
            }

            impl Reason for $kind {
                const TYPE: &'static str = stringify!($kind);

                fn as_str(self) -> &'static str {
                    match self { $(Self::$reason => stringify!($reason)),+ }
                }

                fn meaning(self) -> &'static str {
                    match self { $(Self::$reason => $meaning),+ }
                }

                fn explanation(self) -> Explanation {
                    match self { $(Self::$reason => $explanation),+ }
                }
            }
        )+
    };
}

mod catalogue;
pub mod cluster;
pub mod manifest;
pub mod profile;
pub mod work;

pub use catalogue::*;

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = Listed> {
        lists().into_iter().flat_map(|(_, list)| list)
    }

    #[test]
    fn every_reason_has_a_cause_and_a_remedy() {
        for Listed { kind, meaning, reasons } in all() {
            assert!(meaning.ends_with('.'), "{kind}");
            for Entry { reason, meaning, explanation } in reasons {
                for text in [meaning, explanation.cause, explanation.remedy] {
                    let first = text.chars().next();
                    assert!(
                        first.is_some_and(char::is_uppercase) && text.ends_with('.') && !text.contains('|'),
                        "{kind} {reason}: {text:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn each_condition_can_be_true_and_not_true() {
        for Listed { kind, reasons, .. } in all() {
            let statuses: Vec<_> = reasons.iter().map(|entry| entry.explanation.status).collect();
            assert!(statuses.contains(&Status::True), "{kind}");
            assert!(statuses.contains(&Status::False), "{kind}");
        }
    }
}
