//! What would be done for a Work of which nothing is to be done: looked at, and told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use muster_api::resource::{CRDS, NAMESPACES};

use super::brief::{Brief, Wanted};
use super::bundle::{Bundle, Demand, Progress};
use super::due::{Steps, Task};
use super::looks::Found;
use super::objects::Holder;
use super::planned::Planned;
use super::safe::LOST;
use super::values::Body;
use super::{Context, Works};
use crate::failure::Failure;
use crate::mark::Maker;
use crate::observed::Observed;
use crate::protected;
use crate::target::Target;
use crate::work::{Apply, Deletion, OnConflict, OnDrift};

/// How long a plan is taken to hold where nothing is seen to change.
const HOLDS: Duration = Duration::from_secs(300);
/// Most objects that a message names.
const NAMED: usize = 5;

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
        let Some(brief) = self.bundles.get(uid).and_then(|bundle| bundle.asked()).cloned() else { return };
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
        let fields: Box<str> = differs.unwrap_or("its marks alone").into();
        let same = observed.mark == Some(super::objects::mark(brief, wanted));
        match self.holder(uid, &wanted.target, observed) {
            Holder::Own if differs.is_none() && same => Planned::Stay,
            // What is asked for is what was written last.
            Holder::Own if same && options.on_drift == OnDrift::Report => Planned::Drifted(fields),
            Holder::Own if options.apply == Apply::Replace && differs.is_some() => Planned::Replace(fields),
            Holder::Own => Planned::Change(fields),
            Holder::Other(maker) if self.would_be_handed_over(uid, maker, &wanted.target) => {
                Planned::HandOver(maker.name.as_str().into(), fields)
            }
            Holder::Other(maker) => Planned::Refuse(format!("it was made for {}", maker.name).into()),
            Holder::Policies => Planned::Refuse("policies made it".into()),
            Holder::Nobody if options.on_conflict == OnConflict::Report => {
                Planned::Refuse("it is there already, and is not Muster's".into())
            }
            Holder::Nobody => Planned::TakeOver(fields),
        }
    }

    /// What would be done about a wanted object, as it was last found; `None`: that is not known yet.
    fn planned_for(&self, bundle: &Bundle, brief: &Brief, wanted: &Wanted) -> Option<Planned> {
        let target = &wanted.target;
        let observes = wanted.options.apply == Apply::Observe;
        let resource = &target.resource;
        let definition = Target { resource: CRDS, namespace: None, name: resource.full_name() };
        Some(match &bundle.look(brief, wanted)?.found {
            Found::There { planned, .. } => planned.clone(),
            Found::Absent if observes => Planned::Refuse("it is not there, and is only looked at".into()),
            Found::Absent => self.missing_namespace(brief, target).unwrap_or(Planned::Create),
            // Its definition is one of the same Work's, and is not there yet.
            Found::Failed(Failure::NotServed, _) if brief.wants(&definition).is_some() => {
                Planned::awaiting(&definition, "served")
            }
            Found::Failed(_, message) => Planned::Refuse(format!("it cannot be read: {message}").into()),
        })
    }

    /// That an absent object waits for its namespace.
    fn missing_namespace(&self, brief: &Brief, target: &Target) -> Option<Planned> {
        let name = target.namespace.as_deref().filter(|name| self.namespaces.lacks(name))?;
        let namespace = Target { resource: NAMESPACES, namespace: None, name: name.to_owned() };
        brief.wants(&namespace).is_none().then(|| Planned::awaiting(&namespace, "there"))
    }

    /// Whether another Work gives an object up that bears its mark: it dropped it, or goes, as its ledger says or the Work
    /// itself by now.
    fn would_be_handed_over(&self, uid: &str, maker: &Maker, target: &Target) -> bool {
        if self.inherits(uid, maker) || self.is_given_up(maker, target) {
            return true;
        }
        let Some(other) = self.bundles.get(&maker.uid).filter(|other| !other.is_planning()) else {
            return false;
        };
        let drops = |demand: &Demand| demand.brief.wants_object(target).is_none();
        other.is_deleting() || other.demand.as_ref().is_some_and(drops)
    }

    /// What would be done about a wanted object, for people; `None`: that is not known yet.
    pub(super) fn plan_of(&self, bundle: &Bundle, wanted: &Wanted) -> Option<String> {
        let Some(planned) = self.planned_for(bundle, bundle.asked()?, wanted) else {
            return matches!(bundle.body(wanted), Body::Lost).then(|| LOST.to_owned());
        };
        let left = &wanted.options.ignore;
        let writes = matches!(
            planned,
            Planned::Change(_) | Planned::Replace(_) | Planned::TakeOver(_) | Planned::Stay
        );
        let left = match left.as_slice() {
            [_, ..] if writes => format!("; left to others: {}", left.join(", ")),
            _ => String::new(),
        };
        Some(format!("{}{left}", planned.text()))
    }

    /// What would be done for a Work.
    pub(super) fn plan_told(&self, bundle: &Bundle) -> String {
        let Some(brief) = bundle.asked() else { return String::new() };
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        for wanted in &brief.wanted {
            let planned = self.planned_for(bundle, brief, wanted);
            let word = planned.map_or("are still to be looked at", |planned| planned.word());
            *counts.entry(word).or_default() += 1;
        }
        if !bundle.flaws.is_empty() {
            *counts.entry("would not be applied").or_default() += bundle.flaws.len();
        }
        let mut parts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
        let there = brief.left.iter().filter(|(target, _)| !self.is_gone(bundle, brief, target));
        let mut ends: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let beside = self.beside(bundle);
        for (target, options) in there {
            let observed = self.slots.get(target).and_then(|slot| slot.observed.as_ref());
            let maker = observed.and_then(|observed| observed.mark.as_ref()?.maker.as_ref());
            let earlier = maker.is_some_and(|maker| maker.uid != brief.work.uid);
            let is_held = !options.allow_deletion && (earlier || protected::is_protected(&target.resource));
            let end = match options.deletion {
                _ if beside.asks_for(target) || self.is_claimed(brief, target) => {
                    "would be handed over to another Work"
                }
                _ if beside.may_ask_for(target).is_some() => "would stay, since another Work may ask for it",
                Deletion::Orphan => "would be left without marks",
                Deletion::Delete if is_held => "would be held until somebody allows that it goes",
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
