//! The deletions that wait for somebody's word: who may give it, and what people are told of them.

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
        let here_only = self.owner.is_none_or(|owner| owner.releases);
        let mut words = self.released.clone();
        if let Some(seen) = self.own.seen.as_ref().filter(|_| !here_only) {
            words.extend(seen.releases.iter().cloned());
        }
        self.works.heed(words, here_only);
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
        self.waiting().take(REPORTED).map(of).collect()
    }

    /// How many deletions wait.
    #[must_use]
    pub fn holding(&self) -> usize {
        self.waiting().count()
    }

    fn waiting(&self) -> impl Iterator<Item = &Hold> {
        let belongs = self.departure.is_none();
        self.works.holds().iter().filter(move |hold| belongs && hold.is_waiting())
    }

    /// The condition of it.
    pub(super) fn held(&self) -> Option<(Held, String)> {
        self.memory.as_ref()?;
        let Some(first) = self.waiting().next() else { return Some((Held::NothingHeld, String::new())) };
        let tell = |hold: &Hold| format!("{}: {}", hold.id, self.works.told_of(hold));
        let told: Vec<String> = self.waiting().take(TOLD).map(tell).collect();
        let more = self.holding() - told.len();
        let more = if more == 0 { String::new() } else { format!("; and {more} more") };
        let owner = self.owner.is_some_and(|owner| owner.releases);
        let owner =
            if owner { "; only the owner of this cluster can release them, on the local report" } else { "" };
        Some((reason(first.rule), format!("{}{more}{owner}", told.join("; "))))
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
