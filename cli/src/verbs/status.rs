//! `status`: the fleet as a table, or one cluster in detail with what to do.

use std::fmt::Write as _;

use jiff::Timestamp;
use muster_api::condition::Condition;
use muster_api::conditions::ConditionType;
use muster_api::report::ClusterReportStatus;
use muster_api::resource::WORKS;
use muster_api::work::Work;
use serde_json::Value;

use crate::api::{Api, Call, CallError};
use crate::args::{Status, Target};
use crate::concerns::{Concern, concerns, keeps};
use crate::connect::connect;
use crate::credential::TAKE;
use crate::failure::Failure;
use crate::fleet::{self, Approval, Member, age, until};
use crate::kubectl::{Kubectl, quoted};
use crate::output::{note, plain, print, table};
use crate::verbs::release;

pub(super) async fn run(target: &Target, flags: &Status) -> Result<(), Failure> {
    let connection = connect(target, false).await?;
    let api = &connection.api;
    match &flags.name {
        None => {
            let members = fleet::members(api).await?;
            if members.is_empty() {
                note(&format!(
                    "the directory has no clusters yet; the first joins by: {}",
                    api.kubectl().muster("join NAME")
                ));
            }
            print(&overview(api.kubectl(), &members, api.now()))
        }
        Some(name) => {
            let member = fleet::member(api, name).await?;
            let works = works(api, &member).await?;
            print(&detail(api, &member, &works))
        }
    }
}

/// The Works of a cluster; none where its namespace is not there.
///
/// # Errors
/// Where they cannot be listed.
pub(super) async fn works(api: &Api, member: &Member) -> Result<Vec<(String, Work)>, Failure> {
    let namespace = Some(member.namespace.as_str());
    let listed = match api.list(&WORKS, namespace).await {
        Ok(listed) => listed,
        Err(CallError::NoNamespace) => Vec::new(),
        Err(error) => return Err(api.failure(Call::new("list", &WORKS, namespace, None), error)),
    };
    let read = |object: Value| {
        let name = object.pointer("/metadata/name").and_then(Value::as_str)?.to_owned();
        // What cannot be read is shown by its name alone.
        Some((name, serde_json::from_value(object).unwrap_or_default()))
    };
    Ok(listed.into_iter().filter_map(read).collect())
}

fn overview(kubectl: &Kubectl, members: &[Member], now: Timestamp) -> String {
    let rows: Vec<Vec<String>> = members.iter().map(|member| row(kubectl, member, now)).collect();
    let heads = ["NAME", "READY", "HEARTBEAT", "WORKS", "HELD", "CREDENTIAL ENDS", "VERSION", "NEXT"];
    if rows.is_empty() { String::new() } else { table(&heads, &rows) }
}

fn row(kubectl: &Kubectl, member: &Member, now: Timestamp) -> Vec<String> {
    let works = member.report.as_ref().and_then(|report| report.works.as_ref());
    let version = member
        .status
        .version
        .clone()
        .or_else(|| member.report.as_ref().and_then(|report| report.replica.as_ref()?.version.clone()));
    vec![
        member.name.clone(),
        ready(member, now),
        member.heartbeat(now).map(age).unwrap_or_default(),
        works.map(|works| format!("{}/{}", works.applied, works.total)).unwrap_or_default(),
        works.map(|works| works.held.to_string()).unwrap_or_default(),
        member.report.as_ref().and_then(|report| expires(report, now)).unwrap_or_default(),
        version.unwrap_or_default(),
        next(kubectl, member, now),
    ]
}

fn ready(member: &Member, now: Timestamp) -> String {
    if let Some(approval) = member.approval {
        return approval.word().to_owned();
    }
    member.ready(now).map(|ready| ready.as_str().to_owned()).unwrap_or_default()
}

fn expires(report: &ClusterReportStatus, now: Timestamp) -> Option<String> {
    Some(until(report.credential.as_ref()?.expires?.timestamp(), now))
}

fn silent(member: &Member, now: Timestamp) -> bool {
    member.heartbeat(now).is_some_and(|age| member.lease.as_ref().is_some_and(|lease| age > lease.holds))
}

fn next(kubectl: &Kubectl, member: &Member, now: Timestamp) -> String {
    if member.leaving && keeps(&member.status.conditions).is_none() {
        "it is leaving".to_owned()
    } else if member.leaving {
        kubectl.muster(&format!("status {}", member.name))
    } else if member.approval.is_some() {
        kubectl.muster(&format!("approve {}", member.name))
    } else if member.heartbeat(now).is_none() {
        kubectl.muster(&format!("join {}", member.name))
    } else if silent(member, now) || !member.concerns().is_empty() {
        kubectl.muster(&format!("status {}", member.name))
    } else {
        String::new()
    }
}

fn detail(api: &Api, member: &Member, works: &[(String, Work)]) -> String {
    let now = api.now();
    let mut text = String::new();
    let mut line = |head: &str, what: &str| {
        if !what.is_empty() {
            let _ = writeln!(text, "{:13}{}", format!("{head}:"), plain(what));
        }
    };
    line("Name", &member.name);
    let labels: Vec<String> = member.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    line("Labels", &labels.join(","));
    line("Ready", &ready(member, now));
    line(
        "Heartbeat",
        &match (member.heartbeat(now), &member.lease) {
            (Some(ago), Some(lease)) => format!("{} ago, holds for {}", age(ago), age(lease.holds)),
            (_, Some(_)) => "never".to_owned(),
            (_, None) => "none: the cluster is not enrolled".to_owned(),
        },
    );
    line("Namespace", &member.namespace);
    if let Some(report) = &member.report {
        let replica = report.replica.clone().unwrap_or_default();
        line("Version", &replica.version.unwrap_or_default());
        line("Identity", &replica.id.unwrap_or_default());
        let agent = report.agent.clone().unwrap_or_default();
        let mode = agent.mode.map(|mode| format!(", {mode:?}")).unwrap_or_default();
        line("Agent", &agent.version.map(|version| format!("{version}{mode}")).unwrap_or_default());
        let credential = report.credential.clone().unwrap_or_default();
        let ends = credential.expires.map(|end| format!(", until {end} ({})", until(end.timestamp(), now)));
        line(
            "Credential",
            &credential.user.map(|user| format!("{user}{}", ends.unwrap_or_default())).unwrap_or_default(),
        );
        if let Some(works) = &report.works {
            line(
                "Works",
                &format!(
                    "{} of {} applied, {} failing, {} held",
                    works.applied, works.total, works.failing, works.held
                ),
            );
        }
        if let Some(policies) = &report.policies {
            line("Policies", &format!("{} applied, {} objects", policies.applied, policies.objects));
        }
        if let Some(mirror) = &report.mirror {
            line("Mirror", &format!("{} copies of {} entries", mirror.copies, mirror.entries));
        }
        text.push('\n');
        text.push_str(&conditions(report, now));
    }
    if !works.is_empty() {
        text.push('\n');
        text.push_str(&work_table(works));
    }
    text.push_str("\nTo do:\n");
    text.push_str(&to_do(api.kubectl(), member, works, now));
    text
}

/// The conditions, in the order of docs/conditions.md. Those of a later version come last.
fn conditions(report: &ClusterReportStatus, now: Timestamp) -> String {
    let place = |condition: &&Condition| {
        let known = ConditionType::ALL.iter().position(|kind| kind.as_str() == condition.type_);
        known.unwrap_or(ConditionType::ALL.len())
    };
    let mut conditions: Vec<&Condition> = report.conditions.iter().collect();
    conditions.sort_by_key(place);
    let rows: Vec<Vec<String>> = conditions
        .into_iter()
        .map(|condition| {
            let since = now.duration_since(condition.last_transition_time.timestamp());
            vec![
                condition.type_.clone(),
                condition.status.as_str().to_owned(),
                condition.reason.clone(),
                age(since),
                condition.message.clone(),
            ]
        })
        .collect();
    table(&["CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE"], &rows)
}

fn work_table(works: &[(String, Work)]) -> String {
    let rows: Vec<Vec<String>> = works
        .iter()
        .map(|(name, work)| {
            vec![name.clone(), reason(work, "Applied"), reason(work, "Available"), message(work, "Applied")]
        })
        .collect();
    table(&["WORK", "APPLIED", "AVAILABLE", "MESSAGE"], &rows)
}

/// The reason of a condition of a Work; blank where it was not reported.
pub(super) fn reason(work: &Work, kind: &str) -> String {
    found(work, kind).map(|condition| condition.reason.clone()).unwrap_or_default()
}

fn message(work: &Work, kind: &str) -> String {
    found(work, kind).map(|condition| condition.message.clone()).unwrap_or_default()
}

fn found<'a>(work: &'a Work, kind: &str) -> Option<&'a muster_api::Condition> {
    work.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == kind)
}

fn to_do(kubectl: &Kubectl, member: &Member, works: &[(String, Work)], now: Timestamp) -> String {
    let name = &member.name;
    let mut text = String::new();
    let mut item = |what: &str, how: &str| {
        let _ = writeln!(text, "- {}\n  {}", plain(what), plain(how));
    };
    if member.leaving {
        // Where something keeps it, it is said below, and waiting alone does not help.
        if keeps(&member.status.conditions).is_none() {
            item(
                "The entry is being deleted.",
                &format!("Wait: {}", kubectl.run(&format!("wait --for=delete mcl/{name} --timeout=5m"))),
            );
        }
    } else if let Some(approval) = member.approval {
        item(
            match approval {
                Approval::Pending => "It waits for approval, and has no rights until then.",
                Approval::Denied => {
                    "It was denied: it has neither an account nor rights. If it is to come in after all:"
                }
            },
            &kubectl.muster(&format!("approve {name}")),
        );
        if approval == Approval::Pending {
            item("Or keep it out:", &kubectl.muster(&format!("deny {name}")));
        }
    } else if member.heartbeat(now).is_none() {
        item(
            "No agent has reported yet.",
            &format!("{} | kubectl --context {name} {TAKE}", kubectl.muster(&format!("join {name}"))),
        );
    } else if silent(member, now) {
        item(
            "The heartbeat stopped: the agent is down, or cannot reach the directory. The cluster keeps what it has.",
            "In the cluster: kubectl -n muster-system get mcr directory-sync; kubectl -n muster-system get pods",
        );
    }
    for Concern { condition, entry } in member.concerns() {
        // It is said above in more words.
        if member.approval.is_some() && ["Pending", "Denied"].contains(&condition.reason.as_str()) {
            continue;
        }
        if silent(member, now) && condition.reason == "HeartbeatLost" {
            continue;
        }
        let meaning = entry.map_or(condition.message.as_str(), |entry| entry.meaning);
        let said = match entry {
            Some(_) if !condition.message.is_empty() => format!(" ({})", condition.message),
            _ => String::new(),
        };
        let what = format!("{} {}: {meaning}{said}", condition.type_, condition.reason);
        let remedy =
            entry.map_or("See docs/conditions.md of the agent's version.", |entry| entry.explanation.remedy);
        item(&what, remedy);
        if condition.reason == "OtherCluster" {
            item("If it is to take the place:", &kubectl.muster(&format!("rebind {name}")));
        }
        if condition.type_ == "Held" {
            for hold in member.report.iter().flat_map(|report| &report.holds) {
                let if_meant = format!("If {} is to go", release::what(hold));
                if hold.owner_only {
                    item(&format!("{if_meant}, its owner says so there:"), &release::owners(&hold.id));
                } else {
                    item(&format!("{if_meant}:"), &kubectl.muster(&format!("release {}", quoted(&hold.id))));
                }
            }
        }
        if condition.type_ == "CredentialsValid" {
            let command = kubectl.muster(&format!("token {name}"));
            item(
                "A new credential for it is printed by this.",
                &format!("{command} | kubectl --context {name} {TAKE}"),
            );
        }
    }
    for (work, content) in works {
        let told = content.status.iter().flat_map(|status| &status.conditions);
        let found = concerns("Work", told.filter(|condition| condition.type_ == "Applied"));
        for Concern { condition, .. } in found {
            item(
                &format!("Work {work}, {}: {}", condition.reason, condition.message),
                &kubectl.muster(&format!("tree {name}")),
            );
        }
    }
    if text.is_empty() { "  nothing\n".to_owned() } else { text }
}

pub(super) fn explain(kubectl: &Kubectl, flags: &Status) -> String {
    match &flags.name {
        None => format!(
            "{}\n{}\n{}\n",
            kubectl.run("get mcl -o wide"),
            kubectl.run("get mcr -A -o wide"),
            kubectl.run("get lease -A -l app.kubernetes.io/part-of=muster"),
        ),
        Some(name) => {
            let namespace = muster_api::names::execution_namespace(name);
            format!(
                "# The namespace is published as status.executionNamespace of the entry, where a controller runs.\n{}\n{}\n{}\n",
                kubectl.run(&format!("describe mcl {name}")),
                kubectl.run(&format!("-n {namespace} describe mcr {name}")),
                kubectl.run(&format!("-n {namespace} get lease,works.multicluster.x-k8s.io")),
            )
        }
    }
}
