//! The status of an entry, as it is to be.

use muster_api::clock::Now;
use muster_api::cluster::ClusterStatus;
use muster_api::condition::{self, Condition};
use muster_api::conditions::Reason;
use muster_api::conditions::cluster::{ConditionType, Deregistering, Enrolled, Ready};
use muster_api::marks::REBIND;
use muster_api::names;

use super::approval::{Approval, Wish};
use super::beat::Beat;
use super::facts::Facts;
use super::part::Part;
use super::{Fleet, Member};

/// The condition of this type.
pub(super) fn find(status: &ClusterStatus, kind: ConditionType) -> Option<&Condition> {
    status.conditions.iter().find(|condition| condition.type_ == kind.as_str())
}

/// The reason for which an entry says that its heartbeat ended, if it says so.
pub(super) fn silence(status: &ClusterStatus) -> Option<Ready> {
    let told = find(status, ConditionType::Ready)?;
    [Ready::HeartbeatLost, Ready::KeptOut].into_iter().find(|reason| reason.as_str() == told.reason)
}

pub(super) fn put<R: Reason>(status: &mut ClusterStatus, reason: R, message: impl Into<String>, now: Now) {
    condition::set(&mut status.conditions, Condition::new(reason, message, now.wall.into()));
}

impl Fleet {
    /// The status of a cluster that stays, as it is to be. It differs from what is there on transitions alone.
    pub(super) fn status(&self, name: &str, member: &Member, now: Now) -> ClusterStatus {
        let mut status = member.entry.status.clone();
        let namespace = self.seen(Part::Namespace, name);
        let refusal = self.refusal(name, member);
        if refusal.is_none() && namespace.is_some_and(|seen| seen.ours) {
            status.execution_namespace = Some(names::execution_namespace(name));
        }
        match namespace {
            _ if refusal.is_some() => {
                put(&mut status, Enrolled::NameRefused, refusal.unwrap_or_default(), now);
            }
            Some(seen) if !seen.ours => {
                let message = format!(
                    "namespace {} lacks the label multicluster.coreos.com/execution-namespace: \"true\"",
                    names::execution_namespace(name)
                );
                put(&mut status, Enrolled::NamespaceTaken, message, now);
            }
            Some(seen) if seen.deleting => {
                let message = format!("namespace {} is being deleted", names::execution_namespace(name));
                put(&mut status, Enrolled::NamespaceTerminating, message, now);
            }
            _ if self.is_taken(name) => {
                let message = format!(
                    "clusterrolebinding {} lacks the label app.kubernetes.io/part-of: muster",
                    Part::ViewBinding.name(name)
                );
                put(&mut status, Enrolled::NameTaken, message, now);
            }
            _ => match &member.trouble {
                Some((reason, message)) => put(&mut status, *reason, message.clone(), now),
                None if let Some(part) = member.contested(now.mono) => {
                    let what = match member.entry.approval.wish(part) {
                        Wish::Away => "making",
                        Wish::There | Wish::AsIs => "changing or removing",
                    };
                    let message = format!("something else keeps {what} {}", part.place(name));
                    put(&mut status, Enrolled::Contested, message, now);
                }
                None if self.is_whole(name, Approval::Given) => put(&mut status, Enrolled::Enrolled, "", now),
                None if self.is_whole(name, member.entry.approval) => {
                    if let Some((reason, message)) = member.entry.approval.reason() {
                        put(&mut status, reason, message, now);
                    }
                }
                None => {}
            },
        }
        put(&mut status, Deregistering::Member, "", now);
        let (beat, facts) = (self.beats.get(name), self.facts.get(name));
        match self.ready(name, member, beat, facts) {
            Verdict::AsBefore if find(&status, ConditionType::Ready).is_none() => {
                put(&mut status, Ready::NeverReported, "", now);
            }
            Verdict::AsBefore => {}
            Verdict::Not(reason, message) => put(&mut status, reason, message, now),
            Verdict::Known(reason, facts) => {
                put(&mut status, reason, "", now);
                status.id.clone_from(&facts.id);
                status.version.clone_from(&facts.version);
                status.agent_version.clone_from(&facts.agent_version);
                status.mode = facts.mode;
            }
        }
        status
    }

    fn ready<'a>(
        &self,
        name: &str,
        member: &Member,
        beat: Option<&Beat>,
        facts: Option<&'a Facts>,
    ) -> Verdict<'a> {
        let Some(beat) = beat.filter(|beat| beat.is_held()) else { return Verdict::AsBefore };
        let kept_out = matches!(member.entry.approval, Approval::Required | Approval::Denied);
        let reason = if kept_out { Ready::KeptOut } else { Ready::HeartbeatLost };
        // One that was silent when the controller began is not judged again before it moves, and may be let in or kept out.
        let is_still_silent = !beat.moves && silence(&member.entry.status).is_some_and(|told| told != reason);
        if beat.lost || is_still_silent {
            let seconds = beat.duration().as_secs();
            let message =
                if kept_out { String::new() } else { format!("the Lease did not move for {seconds} s") };
            return Verdict::Not(reason, message);
        }
        if !beat.moves {
            return Verdict::AsBefore;
        }
        let Some(claimed) = beat.id() else { return Verdict::AsBefore };
        if let Some(bound) = member.bound.as_deref()
            && bound != claimed
            && member.entry.rebind.as_deref() != Some(claimed)
        {
            let message = format!(
                "cluster {claimed} reports, and this entry stands for cluster {bound}. If it is to take that one's place: \
                 kubectl annotate clusters.multicluster.coreos.com {name} --overwrite {REBIND}={claimed}"
            );
            return Verdict::Not(Ready::OtherCluster, message);
        }
        if let Some(other) = self.bound_to(claimed).filter(|other| *other != name) {
            let message = format!("cluster {claimed} is entered as {other}");
            return Verdict::Not(Ready::SameCluster, message);
        }
        // The report of the one that holds the Lease: an earlier one's may be there still.
        let Some(facts) = facts.filter(|facts| facts.id.as_deref() == Some(claimed)) else {
            return Verdict::AsBefore;
        };
        let reason = match facts {
            Facts { left: true, .. } => Ready::Left,
            Facts { replica_away: true, .. } => Ready::ReplicaUnreachable,
            _ => Ready::Reporting,
        };
        Verdict::Known(reason, facts)
    }

    /// The name of the entry that stands for this cluster.
    fn bound_to(&self, id: &str) -> Option<&str> {
        self.bound.get(id).and_then(|names| names.first()).map(String::as_str)
    }
}

/// How it stands with a cluster.
enum Verdict<'a> {
    /// As was said before: there is nothing new to say it by.
    AsBefore,
    /// Not ready, or not known; what else is known of it stays.
    Not(Ready, String),
    /// The cluster is the one that it is taken for, and this is known of it.
    Known(Ready, &'a Facts),
}
