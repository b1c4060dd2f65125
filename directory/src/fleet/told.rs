//! What people are told: Events about transitions.

use muster_api::cluster::ClusterStatus;
use muster_api::condition::Status;
use muster_api::conditions::Reason as _;
use muster_api::conditions::cluster::{ConditionType, Deregistering, Enrolled, Ready};
use muster_api::events::controller::EventReason;
use muster_api::marks::ENTRY_FINALIZER;
use muster_api::names;

use super::leave::stage;
use super::plan::{Notice, Step};
use super::status::find;
use super::{Fleet, Member};

impl Fleet {
    pub(super) fn tell_blind(&mut self, still: usize, alive: usize) {
        let note = format!("{still} of {alive} clusters fell silent at once");
        self.notices.push(Notice { entry: None, reason: EventReason::DirectoryBlind, note });
    }

    /// What people are told once this is done. It is put together before: when it is done, the watch may have shown what
    /// it led to already.
    pub(super) fn to_tell(&self, name: &str, step: &Step) -> Vec<Notice> {
        let Some(member) = self.members.get(name) else { return Vec::new() };
        let told = match step {
            Step::Status { status, .. } => transitions(name, &member.entry.status, status),
            Step::Finalize { finalizers, .. } => farewell(name, member, finalizers).into_iter().collect(),
            _ => Vec::new(),
        };
        let entry = Some((name.to_owned(), member.entry.uid.clone()));
        told.into_iter().map(|(reason, note)| Notice { entry: entry.clone(), reason, note }).collect()
    }
}

type Told = (EventReason, String);

/// What a new status says that the old one did not.
fn transitions(name: &str, old: &ClusterStatus, new: &ClusterStatus) -> Vec<Told> {
    let turned = |kind| {
        let (old, new) = (find(old, kind), find(new, kind)?);
        let same = old.is_some_and(|old| (old.status, &old.reason) == (new.status, &new.reason));
        (!same).then_some(new)
    };
    let mut told = Vec::new();
    if let Some(enrolled) = turned(ConditionType::Enrolled) {
        let namespace = names::execution_namespace(name);
        told.push(if enrolled.status == Status::True {
            (EventReason::ClusterEnrolled, format!("{name} is enrolled: namespace {namespace}."))
        } else if enrolled.reason == Enrolled::Pending.as_str() {
            (EventReason::ApprovalAwaited, format!("{name} waits to be approved: namespace {namespace}."))
        } else if enrolled.reason == Enrolled::Contested.as_str() {
            (EventReason::PartContested, format!("{name}: {}.", enrolled.message))
        } else if enrolled.reason == Enrolled::Denied.as_str() {
            (EventReason::ClusterDenied, format!("{name} is kept out: its account is gone."))
        } else {
            (EventReason::EnrolmentRefused, format!("{}: {}.", enrolled.reason, enrolled.message))
        });
    }
    if let Some(ready) = turned(ConditionType::Ready) {
        let lost = ready.reason == Ready::HeartbeatLost.as_str();
        match ready.status {
            Status::True => told.push((EventReason::ClusterReady, format!("{name} is ready."))),
            Status::False => {
                told.push((EventReason::ClusterNotReady, format!("{}: {}.", ready.reason, ready.message)));
            }
            Status::Unknown if lost => told.push((EventReason::HeartbeatLost, format!("{}.", ready.message))),
            Status::Unknown => {}
        }
    }
    if let Some(id) = new.id.as_ref().filter(|id| old.id.as_ref() != Some(*id)) {
        told.push((EventReason::ClusterBound, format!("{name} stands for cluster {id}.")));
    }
    told
}

/// Where Muster's finalizer goes, the cluster is gone from the directory.
fn farewell(name: &str, member: &Member, finalizers: &[String]) -> Option<Told> {
    if finalizers.iter().any(|finalizer| finalizer == ENTRY_FINALIZER) {
        return None;
    }
    let namespace = names::execution_namespace(name);
    Some(match stage(member) {
        Some(Deregistering::Retained) => {
            (EventReason::NamespaceRetained, format!("namespace {namespace} holds Works, and stays."))
        }
        _ => (EventReason::ClusterDeregistered, format!("{name} left the directory.")),
    })
}
