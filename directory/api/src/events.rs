//! The Events that are sent, by reason: here those of the agent, in [`controller`] those of the directory's controller.
//! `docs/conditions.md` lists them.

use crate::conditions::Severity;

macro_rules! events {
    ($($event:ident: $severity:ident, $meaning:literal, $next:literal;)+) => {
        /// Reason of an Event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventReason {
            $(#[doc = $meaning] $event),+
        }

        impl EventReason {
            /// All reasons, in the order of `docs/conditions.md`.
            pub const ALL: &'static [Self] = &[$(Self::$event),+];

            /// The reason as the API writes it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$event => stringify!($event)),+ }
            }

            /// What happened, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$event => $meaning),+ }
            }

            /// How much it matters: the Event's `type`.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$event => Severity::$severity),+ }
            }

            /// What to do next.
            #[must_use]
            pub const fn next(self) -> &'static str {
                match self { $(Self::$event => $next),+ }
            }
        }
    };
}

pub mod controller;

events! {
    DirectoryConnected: Normal,
        "A kubeconfig passed the probe, and the agent reads the directory with it from now on.",
        "Nothing.";
    KubeconfigRefused: Warning,
        "A new kubeconfig failed the probe. An earlier one that works stays in use.",
        "Read the condition CredentialsValid, and correct the Secret.";
    DirectoryLost: Warning,
        "The directory can no longer be read. The replica keeps what it has.",
        "Read the reason of the condition DirectoryReachable.";
    DirectoryRegained: Normal,
        "The directory can be read again.",
        "Nothing.";
    EntryMissing: Warning,
        "The directory has no entry for this cluster. Nothing is removed for that.",
        "Create the entry in the directory, or correct the agent's name.";
    CopyConflict: Warning,
        "A Cluster of an entry's name is here, and is no copy. It was left alone.",
        "Delete or rename the local Cluster if the copy is wanted.";
    DriftCorrected: Normal,
        "A copy, or an object that policies made, was edited or deleted in the replica, and was put back.",
        "Make the change in the directory instead, or let go of the object: docs/policies.md says how.";
    DeletionFrozen: Warning,
        "The directory told of a deletion, but its state does not confirm it, so the copy, or what the policy made, was kept.",
        "Read the conditions MirrorInSync and PoliciesApplied: the message says what is missing in the directory.";
    DeletionHeld: Warning,
        "A large deletion waits for somebody's word. What was to go stays.",
        "If it is meant, release it: kubectl muster release ID, or annotate the Cluster entry with multicluster.coreos.com/release=ID. If not, docs/holds.md says what to do.";
    CredentialExpiring: Warning,
        "The credential for the directory ends soon.",
        "Put a new credential into the Secret.";
    HeartbeatRefused: Warning,
        "The directory does not take this agent's heartbeats.",
        "Read the reason of the condition HeartbeatAccepted.";
    PolicyRefused: Warning,
        "A policy cannot be applied as it is. What its last valid version asked for stays.",
        "Read the condition PoliciesApplied: its message says which policy, and why.";
    NamespaceKept: Normal,
        "No policy asks for a namespace any more. It was kept with all that is in it, and is Muster's no longer.",
        "Delete the namespace in the replica when its content is needed no more.";
    LedgerLost: Warning,
        "The record of what Muster made cannot be used, so for policies nothing is written or deleted.",
        "Read the condition LedgerUsable.";
    DirectoryLeft: Normal,
        "This cluster left the directory: grants and mirrored copies were removed, and what Works made where the entry said so. Else that stays, and so do namespaces.",
        "Read the condition Deregistered: it says how to join again.";
    SecondInstall: Warning,
        "Another install of Muster acts in this cluster, so this one idles.",
        "Remove one of the two installs.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_says_what_happened_and_what_to_do() {
        let agent = EventReason::ALL.iter().map(|event| [event.meaning(), event.next()]);
        let controller = controller::EventReason::ALL.iter().map(|event| [event.meaning(), event.next()]);
        for text in agent.chain(controller).flatten() {
            assert!(text.ends_with('.') && !text.contains('|'), "{text:?}");
        }
    }
}
