//! The clusters of a directory, put together from what it holds of each: entry, report, Lease.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_api::cluster::{Cluster, ClusterStatus};
use muster_api::condition::Status;
use muster_api::conditions::Reason as _;
use muster_api::conditions::cluster::Enrolled;
use muster_api::report::{ClusterReport, ClusterReportStatus};
use muster_api::resource::{CLUSTERS, LEASES, REPORTS};
use muster_api::{Resource, marks, names};
use serde::Deserialize;
use serde_json::Value;

use crate::api::{Api, Call, CallError};
use crate::concerns::{Concern, concerns};
use crate::failure::Failure;
use crate::output::note;

/// The label of what enrolment makes.
const PART_OF: (&str, &str) = ("app.kubernetes.io/part-of", "muster");

/// A cluster of the directory.
pub(crate) struct Member {
    /// Its name.
    pub(crate) name: String,
    /// Its labels, by which policies select it.
    pub(crate) labels: BTreeMap<String, String>,
    /// Whether its entry is being deleted.
    pub(crate) leaving: bool,
    /// What keeps it from having its rights.
    pub(crate) approval: Option<Approval>,
    /// What the directory's controller says of it.
    pub(crate) status: ClusterStatus,
    /// Its execution namespace.
    pub(crate) namespace: String,
    /// What its agent says, where there is a report.
    pub(crate) report: Option<ClusterReportStatus>,
    /// Its Lease, where there is one.
    pub(crate) lease: Option<Lease>,
}

/// What keeps a cluster from having its rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Approval {
    /// Somebody has to approve it first.
    Pending,
    /// It is kept out.
    Denied,
}

impl Approval {
    /// What an entry says; `None` where nothing is in the way. A value that is not known grants nothing, and takes nothing.
    pub(crate) fn of(entry: &Value) -> Option<Self> {
        let said = entry.pointer("/metadata/annotations")?.get(marks::APPROVAL)?;
        match said.as_str() {
            Some(marks::APPROVAL_APPROVED) => None,
            Some(marks::APPROVAL_DENIED) => Some(Self::Denied),
            Some(marks::APPROVAL_REQUIRED) => Some(Self::Pending),
            _ if is_enrolled(entry) => None,
            _ => Some(Self::Pending),
        }
    }

    /// One word for a table.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Denied => "Denied",
        }
    }
}

/// What is said of the enrolment of an entry.
fn enrolment(entry: &Value) -> Option<&Value> {
    let conditions = entry.pointer("/status/conditions").and_then(Value::as_array)?;
    conditions.iter().find(|one| one["type"] == Enrolled::TYPE)
}

/// Whether the directory's controller says that the cluster has all that it needs.
fn is_enrolled(entry: &Value) -> bool {
    enrolment(entry).is_some_and(|one| one["status"] == Status::True.as_str())
}

/// Why no cluster can be entered under the name of an entry, where the directory's controller says so.
pub(crate) fn refusal(entry: &Value) -> Option<&str> {
    let refused = enrolment(entry).filter(|one| one["reason"] == Enrolled::NameRefused.as_str())?;
    refused["message"].as_str()
}

/// What the directory's controller says of a cluster.
pub(crate) fn status_of(entry: &Value) -> ClusterStatus {
    let read = serde_json::from_value::<Cluster>(entry.clone()).ok();
    read.and_then(|entry| entry.status).unwrap_or_default()
}

/// A heartbeat.
pub(crate) struct Lease {
    /// When it was last renewed.
    pub(crate) renewed: Option<Timestamp>,
    /// How long it holds then.
    pub(crate) holds: SignedDuration,
}

/// All clusters that have an entry.
///
/// # Errors
/// Where the entries cannot be listed. What else may not be read is left out, and said on stderr.
pub(crate) async fn members(api: &Api) -> Result<Vec<Member>, Failure> {
    let call = Call::new("list", &CLUSTERS, None, None);
    let entries = api.list(&CLUSTERS, None).await.map_err(|error| api.failure(call, error))?;
    let mut members: Vec<Member> = entries.iter().map(Member::of_entry).collect();
    let reports = known(api, Call::new("list", &REPORTS, None, None), api.list(&REPORTS, None).await);
    let leases =
        known(api, Call::new("list", &LEASES, None, None), api.list_labelled(&LEASES, PART_OF).await);
    for member in &mut members {
        let own = |all: &[Value]| all.iter().find(|one| member.owns(one)).cloned();
        let (report, lease) = (own(&reports), own(&leases));
        member.report = report.as_ref().and_then(read_report);
        member.lease = lease.as_ref().and_then(Lease::read);
    }
    Ok(members)
}

/// One cluster.
///
/// # Errors
/// Where there is no such entry, or it cannot be read.
pub(crate) async fn member(api: &Api, name: &str) -> Result<Member, Failure> {
    let entry = entry(api, name).await?;
    let mut member = Member::of_entry(&entry);
    let namespace = member.namespace.clone();
    let call = |resource: &Resource| Call::new("get", resource, Some(&namespace), Some(name));
    let report = api.get(&REPORTS, Some(&namespace), name).await;
    member.report = maybe(api, call(&REPORTS), report).as_ref().and_then(read_report);
    let lease = api.get(&LEASES, Some(&namespace), name).await;
    member.lease = maybe(api, call(&LEASES), lease).as_ref().and_then(Lease::read);
    Ok(member)
}

/// The entry of a cluster.
///
/// # Errors
/// Where there is none, or it cannot be read.
pub(crate) async fn entry(api: &Api, name: &str) -> Result<Value, Failure> {
    api.get(&CLUSTERS, None, name).await.map_err(|error| match error {
        CallError::NotFound => Failure::new(
            format!("unable to get clusters.multicluster.coreos.com {name}"),
            "the directory has no entry of this name",
            format!(
                "{}, or make it: {}",
                api.kubectl().run("get mcl"),
                api.kubectl().muster(&format!("join {name}"))
            ),
        ),
        error => api.failure(Call::new("get", &CLUSTERS, None, Some(name)), error),
    })
}

/// The identity of the cluster that an entry stands for, or where no controller says so, of the one that reported; `None`
/// where none came yet, or that cannot be told.
pub(crate) async fn behind(api: &Api, entry: &Value) -> Option<String> {
    let member = Member::of_entry(entry);
    if member.status.id.is_some() {
        return member.status.id;
    }
    let report = api.get(&REPORTS, Some(&member.namespace), &member.name).await.ok()?;
    read_report(&report)?.replica?.id
}

/// What was listed, or nothing and a word on stderr.
fn known(api: &Api, call: Call<'_>, listed: Result<Vec<Value>, CallError>) -> Vec<Value> {
    listed.unwrap_or_else(|error| {
        note(&api.failure(call, error).to_string().replacen("error", "warning", 1));
        Vec::new()
    })
}

/// What was read, or nothing; with a word on stderr unless it is not there.
fn maybe(api: &Api, call: Call<'_>, read: Result<Value, CallError>) -> Option<Value> {
    match read {
        Ok(object) => Some(object),
        Err(CallError::NotFound | CallError::NoNamespace) => None,
        Err(error) => {
            note(&api.failure(call, error).to_string().replacen("error", "warning", 1));
            None
        }
    }
}

fn read_report(object: &Value) -> Option<ClusterReportStatus> {
    serde_json::from_value::<ClusterReport>(object.clone()).ok().map(|report| report.status)
}

impl Member {
    fn of_entry(entry: &Value) -> Self {
        let name = entry.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let labels = entry.pointer("/metadata/labels").cloned().unwrap_or_default();
        let status = status_of(entry);
        let namespace =
            status.execution_namespace.clone().unwrap_or_else(|| names::execution_namespace(&name));
        Self {
            labels: serde_json::from_value(labels).unwrap_or_default(),
            leaving: entry.pointer("/metadata/deletionTimestamp").is_some(),
            approval: Approval::of(entry),
            name,
            status,
            namespace,
            report: None,
            lease: None,
        }
    }

    fn owns(&self, object: &Value) -> bool {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        text("/metadata/namespace") == Some(&self.namespace) && text("/metadata/name") == Some(&self.name)
    }

    /// Whether the cluster is ready, as the directory's controller says, and where none does, whether its heartbeat
    /// holds. `None` where there was never one.
    pub(crate) fn ready(&self, now: Timestamp) -> Option<Status> {
        let told = self.status.conditions.iter().find(|condition| condition.type_ == "Ready");
        told.map(|condition| condition.status).or_else(|| {
            let lease = self.lease.as_ref()?;
            let age = now.duration_since(lease.renewed?);
            Some(if age <= lease.holds { Status::True } else { Status::Unknown })
        })
    }

    /// How long ago the last heartbeat was.
    pub(crate) fn heartbeat(&self, now: Timestamp) -> Option<SignedDuration> {
        Some(now.duration_since(self.lease.as_ref()?.renewed?).max(SignedDuration::ZERO))
    }

    /// What somebody should look at: conditions whose reason is no normal one, and what keeps an entry that is to go.
    pub(crate) fn concerns(&self) -> Vec<Concern<'_>> {
        let told = self.report.iter().flat_map(|report| &report.conditions);
        let mut all = concerns("Cluster", &self.status.conditions);
        all.extend(concerns("ClusterReport", told));
        all
    }
}

impl Lease {
    fn read(object: &Value) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Spec {
            renew_time: Option<String>,
            lease_duration_seconds: Option<i64>,
        }
        let spec: Spec = serde_json::from_value(object.get("spec")?.clone()).ok()?;
        Some(Self {
            renewed: spec.renew_time.and_then(|time| time.parse().ok()),
            holds: SignedDuration::from_secs(spec.lease_duration_seconds.unwrap_or(40)),
        })
    }
}

/// A time as `kubectl` writes ages: the largest unit that leaves two digits.
pub(crate) fn age(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        7200..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// When something ends, as seen from now.
pub(crate) fn until(end: Timestamp, now: Timestamp) -> String {
    let left = end.duration_since(now);
    if left.is_positive() { format!("in {}", age(left)) } else { "ended".to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn member(lease: &Value) -> Member {
        let mut member = Member::of_entry(&json!({"metadata": {"name": "east"}}));
        member.lease = Lease::read(lease);
        member
    }

    #[test]
    fn a_heartbeat_holds_for_the_duration_of_its_lease() {
        let lease = json!({"spec": {"leaseDurationSeconds": 40, "renewTime": "2026-11-22T10:00:00.000000Z"}});
        let member = member(&lease);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(member.ready(at("2026-11-22T10:00:40Z")), Some(Status::True));
        assert_eq!(member.ready(at("2026-11-22T10:00:41Z")), Some(Status::Unknown));
        assert_eq!(member.heartbeat(at("2026-11-22T09:59:00Z")), Some(SignedDuration::ZERO));
    }

    #[test]
    fn what_an_entry_says_of_approval_grants_nothing_unless_it_is_known() {
        let of = |value: Value| Approval::of(&json!({"metadata": {"annotations": {marks::APPROVAL: value}}}));
        assert_eq!(of(json!("approved")), None);
        assert_eq!(of(json!("denied")), Some(Approval::Denied));
        for other in [json!("required"), json!("Approved"), json!(""), json!(null)] {
            assert_eq!(of(other.clone()), Some(Approval::Pending), "{other}");
        }
        assert_eq!(Approval::of(&json!({"metadata": {}})), None);
        let enrolled = |value: &str| {
            let status = json!({"conditions": [{"type": "Enrolled", "status": "True"}]});
            Approval::of(&json!({"metadata": {"annotations": {marks::APPROVAL: value}}, "status": status}))
        };
        assert_eq!((enrolled("other"), enrolled("required")), (None, Some(Approval::Pending)));
    }

    #[test]
    fn a_lease_that_was_never_renewed_says_nothing() {
        let member = member(&json!({"spec": {"leaseDurationSeconds": 40}}));
        assert_eq!(member.ready(Timestamp::now()), None);
    }

    #[test]
    fn ages_are_written_as_kubectl_does() {
        for (seconds, text) in
            [(0, "0s"), (119, "119s"), (120, "2m"), (7200, "2h"), (172_800, "2d"), (-5, "0s")]
        {
            assert_eq!(age(SignedDuration::from_secs(seconds)), text);
        }
    }
}
