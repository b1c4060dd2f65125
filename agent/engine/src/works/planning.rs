//! What would be done for a Work of which nothing is to be done: looked at, and told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::brief::{Brief, Wanted};
use super::bundle::{Bundle, Progress};
use super::due::{Steps, Task};
use super::looks::Found;
use super::objects::Holder;
use super::safe::LOST;
use super::values::Body;
use super::{Context, Works};
use crate::observed::Observed;
use crate::protected;
use crate::work::{Apply, Deletion, OnConflict};

/// How long a plan is taken to hold where nothing is seen to change.
const HOLDS: Duration = Duration::from_secs(300);
/// Most objects that a message names.
const NAMED: usize = 5;

/// What would be done about one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Planned {
    /// It would be made.
    Create,
    /// It would be changed: these fields, where they are known.
    Change(Box<str>),
    /// It is somebody else's, and would be taken over.
    TakeOver(Box<str>),
    /// It would stay as it is.
    Stay,
    /// It would not be written, for this reason.
    Refuse(Box<str>),
}

impl Planned {
    /// In a few words, to count by.
    fn word(&self) -> &'static str {
        match self {
            Self::Create => "would be created",
            Self::Change(_) => "would be changed",
            Self::TakeOver(_) => "would be taken over",
            Self::Stay => "would stay as they are",
            Self::Refuse(_) => "would not be applied",
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Create => "it would be created".to_owned(),
            Self::Change(fields) => format!("it would be changed: {fields}"),
            Self::TakeOver(fields) => format!("it would be taken over, and changed: {fields}"),
            Self::Stay => "it would stay as it is".to_owned(),
            Self::Refuse(why) => format!("it would not be applied: {why}"),
        }
    }
}

impl Bundle {
    /// Whether it is only to be told what would be done.
    pub(super) fn is_planning(&self) -> bool {
        self.has_option(|options| options.plan_only)
    }

    /// What is asked for now: while a plan is made, also what no ledger records.
    pub(super) fn asked(&self) -> Option<&Arc<Brief>> {
        let demand = self.demand.as_ref().filter(|_| self.is_planning()).map(|demand| &demand.brief);
        demand.or_else(|| self.ledger())
    }

    /// Whether nothing is there of it that would have to be recorded: then nothing is, while a plan is made.
    pub(super) fn is_only_planned(&self) -> bool {
        self.is_planning() && self.keeper.kept().is_none() && self.keeper.recorded().is_none()
    }
}

impl Works {
    /// The account as which a step about a Work's objects is carried out, where it is not the default one.
    #[must_use]
    pub fn account(&self, task: &Task) -> Option<Box<str>> {
        let (Task::Write { work, .. }
        | Task::Clear { work, .. }
        | Task::See { work, .. }
        | Task::Look { work, .. }
        | Task::Rehearse { work, .. }) = task
        else {
            return None;
        };
        self.bundles.get(work)?.asked()?.options.service_account.clone()
    }

    /// Looks at what a Work asks for, where it is to be told what would be done.
    pub(super) fn plan_due(&mut self, uid: &str, context: Context, steps: &mut Steps) {
        let Some(brief) = self.bundles.get(uid).and_then(Bundle::asked).cloned() else { return };
        let (mut progress, mut recall, mut unlock) = (Progress::Done, false, false);
        for wanted in &brief.wanted {
            let Some(bundle) = self.bundles.get(uid) else { return };
            let observed = self.slots.get(&wanted.target).and_then(|slot| slot.observed.as_ref());
            let look = bundle.look(&brief, wanted).filter(|look| look.holds(observed, HOLDS, context.now));
            if let Some(look) = look {
                let until = look.until(HOLDS);
                self.later(until, uid);
                continue;
            }
            let body = bundle.body(wanted);
            // Without its values, nobody can tell what would be done.
            progress =
                progress.max(if matches!(body, Body::Lost) { Progress::Waits } else { Progress::Moves });
            if self.under_way.contains(&wanted.target) {
                continue;
            }
            match body {
                Body::Whole(_) if self.has_room(uid) => self.look(uid, &wanted.target, steps),
                Body::Whole(_) => {}
                Body::Unread => recall = true,
                Body::Locked | Body::Lost => unlock = true,
            }
        }
        if recall {
            self.recall(uid, context, steps);
        }
        self.unlock_due(uid, unlock, context, steps);
        if let Some(bundle) = self.bundles.get_mut(uid) {
            bundle.progress = progress;
        }
    }

    /// What would be done about an object that is there. `differs`: the fields in which it is not as it is wanted.
    pub(super) fn planned(
        &self,
        uid: &str,
        brief: &Brief,
        wanted: &Wanted,
        observed: &Observed,
        differs: Option<&str>,
    ) -> Planned {
        let options = &wanted.options;
        if observed.deleting {
            return Planned::Refuse("it is being deleted, and would be made anew after that".into());
        }
        if observed.let_go {
            return Planned::Refuse("the owner of the cluster took it over".into());
        }
        if matches!(options.apply, Apply::Create | Apply::Observe) {
            return Planned::Stay;
        }
        let fields = differs.unwrap_or("its marks alone").into();
        match self.holder(uid, &wanted.target, observed) {
            Holder::Own
                if differs.is_none() && observed.mark == Some(super::objects::mark(brief, wanted)) =>
            {
                Planned::Stay
            }
            Holder::Own => Planned::Change(fields),
            Holder::Other(maker) => Planned::Refuse(format!("it was made for {}", maker.name).into()),
            Holder::Policies => Planned::Refuse("policies made it".into()),
            Holder::Nobody if options.on_conflict == OnConflict::Report => {
                Planned::Refuse("it is there already, and is not Muster's".into())
            }
            Holder::Nobody => Planned::TakeOver(fields),
        }
    }

    /// What would be done about a wanted object; `None`: that is not known yet.
    pub(super) fn plan_of(bundle: &Bundle, wanted: &Wanted) -> Option<String> {
        let Some(look) = bundle.look(bundle.asked()?, wanted) else {
            return matches!(bundle.body(wanted), Body::Lost).then(|| LOST.to_owned());
        };
        Some(match &look.found {
            Found::Absent if wanted.options.apply == Apply::Observe => "it is not there".to_owned(),
            Found::Absent => Planned::Create.text(),
            Found::There { planned, .. } => planned.text(),
            Found::Failed(_, message) => format!("it cannot be read: {message}"),
        })
    }

    /// What would be done for a Work.
    pub(super) fn plan_told(&self, bundle: &Bundle) -> String {
        let Some(brief) = bundle.asked() else { return String::new() };
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        for wanted in &brief.wanted {
            let word = match bundle.look(brief, wanted).map(|look| &look.found) {
                Some(Found::Absent) if wanted.options.apply != Apply::Observe => Planned::Create.word(),
                Some(Found::Absent) => Planned::Stay.word(),
                Some(Found::There { planned, .. }) => planned.word(),
                Some(Found::Failed(..)) => "cannot be read",
                None => "are still to be looked at",
            };
            *counts.entry(word).or_default() += 1;
        }
        let mut parts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
        let there = brief.left.iter().filter(|(target, _)| !self.is_gone(bundle, brief, target));
        let mut ends: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (target, options) in there {
            let is_held = !options.allow_deletion && protected::is_protected(&target.resource);
            let end = match options.deletion {
                Deletion::Orphan => "would be left without marks",
                Deletion::Delete if is_held => "would be held, being of a protected kind",
                Deletion::Delete => "would be deleted",
            };
            ends.entry(end).or_default().push(target.to_string());
        }
        for (end, targets) in ends {
            let more = targets.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named: Vec<&str> = targets.iter().take(NAMED).map(String::as_str).collect();
            parts.push(format!("{} {end}: {}{more}", targets.len(), named.join(", ")));
        }
        parts.join("; ")
    }
}
