//! The deletions that wait for somebody's word: who may give it, and what people are told of them.

use std::collections::BTreeSet;

use muster_api::conditions::{Held, Reason as _};
use muster_api::report::HoldReport;

use super::Engine;
use crate::hold::{Hold, Rule};

/// How many Works the report names for a hold.
const NAMED: usize = 10;
/// How many holds the report has.
const REPORTED: usize = 20;
/// How many holds the message of the condition tells of.
const TOLD: usize = 5;

impl Engine {
    /// What people released counts. The owner of the replica may have it that only what is said there does; until that one
    /// was heard, nobody's word counts.
    pub(super) fn heed(&mut self) {
        self.works.heed(self.words(), self.is_deaf());
    }

    /// Whether only the owner of the replica may release.
    fn is_deaf(&self) -> bool {
        self.owner.is_none_or(|owner| owner.releases)
    }

    /// What people released where that holds for all that waits.
    pub(super) fn words(&self) -> BTreeSet<String> {
        let mut words = self.released.clone();
        if let Some(seen) = self.own.seen.as_ref().filter(|_| !self.is_deaf()) {
            words.extend(seen.releases.iter().cloned());
        }
        words
    }

    /// The deletions that wait, for the report: the first of them. Who left the directory keeps everything, and is asked
    /// nothing.
    #[must_use]
    pub fn holds(&self) -> Vec<HoldReport> {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let owner_only = self.owner.is_some_and(|owner| owner.releases);
        let of = |hold: &Hold| {
            let mut works: Vec<String> = self.works.named(hold).take(NAMED).map(str::to_owned).collect();
            works.sort_unstable();
            HoldReport {
                id: hold.id.clone(),
                reason: reason(hold.rule).as_str().to_owned(),
                since: Some(hold.since),
                work_count: count(hold.works().count()),
                works,
                objects: count(hold.objects),
                owner_only,
            }
        };
        let set_back = self.set_back_waits().map(|set_back| HoldReport {
            id: set_back.id.clone(),
            reason: Held::RolledBack.as_str().to_owned(),
            since: Some(set_back.since),
            owner_only,
            ..HoldReport::default()
        });
        set_back.into_iter().chain(self.waiting().map(of)).take(REPORTED).collect()
    }

    /// How many deletions wait.
    #[must_use]
    pub fn holding(&self) -> usize {
        self.waiting().count() + usize::from(self.set_back_waits().is_some())
    }

    fn waiting(&self) -> impl Iterator<Item = &Hold> {
        let belongs = self.departure.is_none();
        self.works.holds().iter().filter(move |hold| belongs && hold.is_waiting())
    }

    /// The condition of it.
    pub(super) fn held(&self) -> Option<(Held, String)> {
        self.memory.as_ref()?;
        let tell = |hold: &Hold| (reason(hold.rule), format!("{}: {}", hold.id, self.works.told_of(hold)));
        let mut told = self.set_back_held().into_iter().chain(self.waiting().map(tell)).take(TOLD).peekable();
        let Some((first, _)) = told.peek() else { return Some((Held::NothingHeld, String::new())) };
        let first = *first;
        let told: Vec<String> = told.map(|(_, told)| told).collect();
        let more = self.holding() - told.len();
        let more = if more == 0 { String::new() } else { format!("; and {more} more") };
        let owner = self.owner.is_some_and(|owner| owner.releases);
        let owner =
            if owner { "; only the owner of this cluster can release them, on the local report" } else { "" };
        Some((first, format!("{}{more}{owner}", told.join("; "))))
    }
}

fn reason(rule: Rule) -> Held {
    match rule {
        Rule::ManyWorks => Held::ManyWorks,
        Rule::AllWorks => Held::AllWorks,
        Rule::MostOfWork => Held::MostOfWork,
        Rule::AfterGap => Held::AfterGap,
        Rule::Other => Held::OtherRule,
    }
}
