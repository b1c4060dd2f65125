//! What people are told of the policies.

use super::bundle::{Bundle, Demand, Source};
use super::{Context, Policies};
use crate::failure::Failure;
use crate::ledger::Phase;
use crate::policy::PolicyError;
use muster_api::conditions::PoliciesApplied;

/// How many things of one kind a message names.
const NAMED: usize = 3;

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The reason.
    pub reason: PoliciesApplied,
    /// The details.
    pub message: String,
    /// Whether it is so for a while only, as a rule: then it is not told at once.
    pub passing: bool,
    /// Policies that are applied here.
    pub policies: usize,
    /// Objects that are there for them.
    pub objects: usize,
    /// Policies of which something waits for evidence that it is to go.
    pub unconfirmed: usize,
}

impl Policies {
    /// What is so now.
    #[must_use]
    pub fn told(&self, context: Context<'_>) -> Told {
        let objects = self.asked.saturating_sub(self.wrong);
        let policies = self
            .bundles
            .values()
            .filter(|bundle| self.is_ours(bundle) && bundle.applying().is_some())
            .count();
        let unconfirmed = self.removals.unconfirmed();
        let (reason, message, passing) = self.worst(context, policies, objects);
        Told { reason, message, passing, policies, objects, unconfirmed }
    }

    fn worst(
        &self,
        context: Context<'_>,
        policies: usize,
        objects: usize,
    ) -> (PoliciesApplied, String, bool) {
        let invalid: Vec<&PolicyError> = self
            .bundles
            .values()
            .filter(|bundle| !bundle.lost)
            .filter_map(|bundle| match &bundle.source {
                Some(Source::Invalid(error)) => Some(error),
                _ => None,
            })
            .collect();
        if !invalid.is_empty() {
            let large = invalid.iter().all(|error| matches!(error, PolicyError::TooLarge { .. }));
            let reason = if large { PoliciesApplied::TooLarge } else { PoliciesApplied::Invalid };
            return (reason, few(invalid.iter().map(ToString::to_string)), false);
        }
        if let Some((_, message)) = self.ledger_failures().find(|(failure, _)| *failure == Failure::TooLarge)
        {
            return (PoliciesApplied::TooLarge, message.clone(), false);
        }
        let conflicts = self.conflicts();
        if !conflicts.is_empty() {
            return (PoliciesApplied::Conflict, few(conflicts.into_iter()), false);
        }
        let refused = |failure: Failure| matches!(failure, Failure::Forbidden | Failure::Invalid);
        let failures = || {
            let tried = |target: &&crate::Target| self.users.contains_key(*target);
            self.notable.iter().filter(tried).filter_map(|target| Some((target, self.trouble(target)?)))
        };
        let role = |target: &crate::Target| target.rank() == 1;
        if let Some((target, (_, message))) =
            failures().find(|(target, (failure, _))| *failure == Failure::Forbidden && role(target))
        {
            let message = format!("{target}: {message}");
            return (PoliciesApplied::DefinitionsNotAllowed, message, false);
        }
        if let Some((target, (_, message))) = failures().find(|(_, (failure, _))| refused(*failure)) {
            return (PoliciesApplied::Forbidden, format!("{target}: {message}"), false);
        }
        if let Some((failure, message)) = self
            .views
            .values()
            .find_map(|view| view.failure.as_ref())
            .filter(|(failure, _)| refused(*failure))
        {
            debug_assert!(refused(*failure));
            return (PoliciesApplied::Forbidden, message.clone(), false);
        }
        let pending = |message: String| (PoliciesApplied::Pending, message, true);
        if !self.sees() {
            let why = self.views.values().find_map(|view| view.failure.as_ref());
            let why = why.map_or_else(String::new, |(_, message)| format!(": {message}"));
            return pending(format!("what is in the replica is still to be read{why}"));
        }
        if let Some((_, message)) = self.ledger_failures().next() {
            return pending(message.clone());
        }
        if self.missing > 0 {
            let missing = self.missing;
            let why = failures().next().map_or_else(String::new, |(_, (_, message))| format!(": {message}"));
            return pending(format!("{missing} objects are still to be written{why}"));
        }
        let unconfirmed = self.removals.unconfirmed();
        if unconfirmed > 0 {
            let doubt = self.bundles.values().find_map(|bundle| bundle.doubt.as_deref());
            let why = doubt.unwrap_or("live reads have not confirmed it yet");
            return pending(format!("what {unconfirmed} policies asked for stays: {why}"));
        }
        if context.era.doubted {
            return pending(
                "what was granted stays, since the directory was set back to an earlier state".into(),
            );
        }
        if self.is_unsettled(context) {
            return pending("ledgers are still to be written".into());
        }
        let count = format!("{policies} policies, {objects} objects");
        let occupied: Vec<String> = self.occupied().map(|(name, why)| format!("{name} ({why})")).collect();
        let kept: Vec<String> = self.retained.iter().cloned().chain(occupied).collect();
        if !kept.is_empty() {
            let message =
                format!("{count}; kept, though no policy asks for it: namespace {}", few(kept.into_iter()));
            return (PoliciesApplied::NamespaceRetained, message, false);
        }
        if policies > 0 {
            return (PoliciesApplied::Applied, count, false);
        }
        if !self.shown.is_complete() {
            return pending("the policies of the directory are still to be read".into());
        }
        let asked = |bundle: &Bundle| bundle.source.is_some() && !bundle.lost;
        if context.labels.is_none() && self.bundles.values().any(asked) {
            return pending(
                "the labels of this cluster's entry, on which policies select, are not known".into(),
            );
        }
        (PoliciesApplied::NoneSelected, String::new(), false)
    }

    /// Names under which somebody else's objects stand, and what policies disagree on.
    fn conflicts(&self) -> Vec<String> {
        let foreign =
            self.notable.iter().filter(|target| target.rank() > 0 && self.wanted.contains_key(*target));
        let foreign = foreign.filter(|target| {
            self.slots
                .get(*target)
                .is_some_and(|slot| slot.foreign || slot.observed.is_some() && !slot.is_own(&self.nonces))
        });
        let foreign = foreign.map(|target| format!("{target} is there already, and is not Muster's"));
        // A policy and its namesake of another time are no news.
        let clashes = self.clashes.iter().filter(|clash| clash.policy != clash.with).map(|clash| {
            let (policy, with) = (&clash.policy, &clash.with);
            format!("policy {policy} yields to {with} over {} of {}", clash.field, clash.target)
        });
        foreign.chain(clashes).collect()
    }

    fn ledger_failures(&self) -> impl Iterator<Item = &(Failure, String)> {
        self.bundles.values().filter_map(|bundle| bundle.keeper.failure())
    }

    /// Whether a ledger does not record yet what is asked for, or something is still to go.
    fn is_unsettled(&self, context: Context<'_>) -> bool {
        let Some(home) = &self.home else { return true };
        self.bundles.values().any(|bundle| {
            match (bundle.demand(context.labels, context.era), bundle.ledger()) {
                (_, Some(ledger)) if ledger.directory != home.directory => false,
                (_, Some(ledger)) if ledger.phase == Phase::Deleting => {
                    // Only what is not empty may take its time.
                    self.occupied().next().is_none()
                }
                (Demand::Apply(policy), _) => !bundle.records(policy, home),
                (Demand::Nothing, ledger) => ledger.is_some(),
                (Demand::Keep, _) => false,
            }
        })
    }

    /// Whether nothing is left of what was made for the directory at home.
    #[must_use]
    pub fn is_cleared(&self) -> bool {
        self.ledgers.is_complete() && !self.bundles.values().any(|bundle| self.is_ours(bundle))
    }
}

/// The first few, and how many more there are.
fn few(mut things: impl Iterator<Item = String>) -> String {
    let named: Vec<String> = things.by_ref().take(NAMED).collect();
    let more = things.count();
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    format!("{}{more}", named.join("; "))
}
