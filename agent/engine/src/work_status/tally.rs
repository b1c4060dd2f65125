//! The states of all manifests, counted, and what follows for the Work.

use std::collections::BTreeMap;

use muster_api::Status;
use muster_api::conditions::{Reason, manifest, work};

use super::{Aspect, ObjectState};

/// How many manifests are in which state.
#[derive(Debug, Default)]
pub(super) struct Tally {
    manifests: usize,
    applied: BTreeMap<manifest::Applied, usize>,
    available: BTreeMap<manifest::Available, usize>,
    /// Those that something is still to come of.
    under_way: usize,
    /// Those that are not applied, and will not be unless somebody acts.
    stuck: usize,
    troubles: BTreeMap<work::Degraded, BTreeMap<&'static str, usize>>,
}

/// What is to be expected of a manifest that has a reason.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outlook {
    /// It is as it should be.
    Done,
    /// Muster goes on by itself.
    UnderWay,
    /// It stays so, as somebody wants it.
    Left,
    /// It stays so, and somebody should act.
    Trouble(work::Degraded),
}

// === impl Tally ===

impl Tally {
    pub(super) fn of<'a>(states: impl Iterator<Item = &'a ObjectState>) -> Self {
        let mut tally = Self::default();
        for ObjectState { applied, available, .. } in states {
            let (applied, available) = (applied.reason, available.reason);
            tally.manifests += 1;
            *tally.applied.entry(applied).or_default() += 1;
            *tally.available.entry(available).or_default() += 1;
            let outlooks = [(outlook(applied), applied.as_str()), (readiness(available), available.as_str())];
            tally.under_way += usize::from(outlooks.iter().any(|(outlook, _)| *outlook == Outlook::UnderWay));
            let is_stuck = !matches!(outlook(applied), Outlook::Done | Outlook::UnderWay);
            tally.stuck += usize::from(is_stuck);
            for (outlook, reason) in outlooks {
                if let Outlook::Trouble(degraded) = outlook {
                    *tally.troubles.entry(degraded).or_default().entry(reason).or_default() += 1;
                }
            }
        }
        tally
    }

    /// The condition Applied, where nothing holds for the Work as a whole.
    pub(super) fn applied(&self) -> (work::Applied, String) {
        let (applied, others) = split(&self.applied);
        let message = self.share(applied, "applied", &others);
        if applied == self.manifests {
            (work::Applied::Applied, message)
        } else if self.stuck > 0 {
            (work::Applied::Incomplete, message)
        } else {
            (work::Applied::Pending, message)
        }
    }

    pub(super) fn available(&self, overall: Option<&Aspect<work::Applied>>) -> (work::Available, String) {
        let (available, others) = split(&self.available);
        let has = |status| self.available.keys().any(|reason| reason.explanation().status == status);
        let reason = if has(Status::False) {
            work::Available::Unavailable
        } else if has(Status::Unknown) || (self.manifests == 0 && overall.is_some()) {
            work::Available::Unknown
        } else {
            work::Available::Available
        };
        (reason, self.share(available, "available", &others))
    }

    pub(super) fn progressing(&self, overall: Option<&Aspect<work::Applied>>) -> (work::Progressing, String) {
        if overall.is_some_and(|overall| !by_manifests(overall.reason)) {
            (work::Progressing::Stopped, String::new())
        } else if self.under_way > 0 {
            let message = format!("{} of {} manifests are under way", self.under_way, self.manifests);
            (work::Progressing::Progressing, message)
        } else {
            (work::Progressing::Settled, String::new())
        }
    }

    pub(super) fn degraded(&self, overall: Option<&Aspect<work::Applied>>) -> (work::Degraded, String) {
        let refused =
            overall.filter(|overall| is_refused(overall.reason)).map(|overall| overall.reason.as_str());
        // The first of the list is the worst.
        let worst = self.troubles.keys().next().copied();
        let reason = refused.map(|_| work::Degraded::NotApplied).or(worst).unwrap_or(work::Degraded::Healthy);
        let troubles = self.troubles.values().flatten().map(|(reason, count)| format!("{count} {reason}"));
        let message: Vec<String> = refused.map(str::to_owned).into_iter().chain(troubles).collect();
        (reason, message.join(", "))
    }

    /// How many of all are so, and the reasons of the others.
    fn share(&self, count: usize, what: &str, others: &str) -> String {
        let Self { manifests, .. } = self;
        match manifests {
            0 => "there are no manifests".to_owned(),
            1 if count == 1 => format!("the one manifest is {what}"),
            _ if count == *manifests => format!("all {manifests} manifests are {what}"),
            _ => format!("{count} of {manifests} manifests are {what}; {others}"),
        }
    }
}

/// How many are True, and the others by reason, in the order of the list.
fn split<R: Reason>(counts: &BTreeMap<R, usize>) -> (usize, String) {
    let is_true = |reason: &R| reason.explanation().status == Status::True;
    let good = counts.iter().filter(|(reason, _)| is_true(reason)).map(|(_, count)| count).sum();
    let others = counts.iter().filter(|(reason, _)| !is_true(reason));
    let others: Vec<String> = others.map(|(reason, count)| format!("{count} {}", reason.as_str())).collect();
    (good, others.join(", "))
}

fn outlook(reason: manifest::Applied) -> Outlook {
    use manifest::Applied;
    match reason {
        Applied::Applied | Applied::Observed => Outlook::Done,
        Applied::Pending | Applied::Waiting | Applied::Retrying => Outlook::UnderWay,
        Applied::Drifted | Applied::Differs | Applied::Planned | Applied::Suspended | Applied::LetGo => {
            Outlook::Left
        }
        Applied::FoughtOver => Outlook::Trouble(work::Degraded::FoughtOver),
        Applied::InvalidManifest
        | Applied::InvalidOption
        | Applied::Unsupported
        | Applied::GenerateName
        | Applied::ForeignOwner
        | Applied::Duplicate
        | Applied::UnknownKind
        | Applied::Conflict
        | Applied::Immutable
        | Applied::QuotaExceeded
        | Applied::WebhookRefused
        | Applied::WebhookUnavailable
        | Applied::PolicyRefused
        | Applied::Forbidden
        | Applied::Rejected
        | Applied::TooLarge
        | Applied::ValuesLost => Outlook::Trouble(work::Degraded::NotApplied),
    }
}

fn readiness(reason: manifest::Available) -> Outlook {
    use manifest::Available;
    match reason {
        Available::Available => Outlook::Done,
        Available::Progressing => Outlook::UnderWay,
        Available::Failed => Outlook::Trouble(work::Degraded::Failed),
        Available::Terminating | Available::Missing | Available::Unknown => Outlook::Left,
    }
}

/// Whether what holds for the Work as a whole leaves it to the manifests whether something is under way.
fn by_manifests(reason: work::Applied) -> bool {
    use work::Applied;
    matches!(reason, Applied::Applied | Applied::Kept | Applied::Pending | Applied::Incomplete)
}

/// Whether the Work cannot be used as it is.
fn is_refused(reason: work::Applied) -> bool {
    matches!(
        reason,
        work::Applied::Malformed
            | work::Applied::InvalidOption
            | work::Applied::TooLarge
            | work::Applied::LedgerUnusable
    )
}
