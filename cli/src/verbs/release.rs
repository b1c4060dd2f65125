//! `release`: a large deletion goes that waits for somebody's word.

use muster_api::conditions::{Held, Reason as _};
use muster_api::marks::RELEASE;
use muster_api::names::{AGENT, SYSTEM_NAMESPACE};
use muster_api::report::HoldReport;
use muster_api::resource::CLUSTERS;
use serde_json::{Value, json};

use crate::api::{Api, Call};
use crate::args::{Release, Target};
use crate::connect::connect;
use crate::failure::Failure;
use crate::fleet::{self, Member};
use crate::kubectl::{Kubectl, quoted};
use crate::output::note;

pub(super) async fn run(target: &Target, flags: &Release) -> Result<(), Failure> {
    let connection = connect(target, flags.writing.dry_run).await?;
    let api = &connection.api;
    let members = match &flags.cluster {
        Some(name) => vec![fleet::member(api, name).await?],
        None => fleet::members(api).await?,
    };
    let Some((member, hold)) = find(&members, &flags.hold) else {
        return Err(unknown(api, &members, &flags.hold));
    };
    let name = member.name.as_str();
    if hold.owner_only {
        return Err(Failure::new(
            format!("unable to release hold {} of clusters.multicluster.coreos.com {name}", hold.id),
            "the owner of that cluster has it that only a word given there counts",
            format!("in that cluster: {}", owners(&hold.id)),
        ));
    }
    let entry = fleet::entry(api, name).await?;
    let change = json!({"metadata": {"annotations": {RELEASE: word(&entry, member, &flags.hold)}}});
    let call = Call::new("patch", &CLUSTERS, None, Some(name));
    let entry = api.patch(&CLUSTERS, None, name, &change).await.map_err(|error| api.failure(call, error))?;
    let goes = if api.is_rehearsal() { "would go" } else { "goes" };
    note(&format!(
        "cluster.multicluster.coreos.com/{name} {}: {} {goes} there",
        api.became("annotated"),
        what(hold)
    ));
    super::written(flags.writing, &entry)
}

/// What a hold keeps.
pub(super) fn what(hold: &HoldReport) -> String {
    if hold.reason == Held::RolledBack.as_str() {
        return "what the directory does not ask for since it was set back".to_owned();
    }
    format!(
        "what is held, {} objects of {} Works ({}),",
        hold.objects,
        hold.work_count,
        hold.works.join(", ")
    )
}

/// How the owner of the cluster gives the word.
pub(super) fn owners(id: &str) -> String {
    format!("kubectl -n {SYSTEM_NAMESPACE} annotate mcr {AGENT} --overwrite {RELEASE}={}", quoted(id))
}

/// Which cluster reports the hold.
fn find<'a>(members: &'a [Member], id: &str) -> Option<(&'a Member, &'a HoldReport)> {
    members.iter().find_map(|member| {
        let hold = member.report.as_ref()?.holds.iter().find(|hold| hold.id == id)?;
        Some((member, hold))
    })
}

/// The ids that the entry is to bear: this one, and what it bears of those that still wait.
fn word(entry: &Value, member: &Member, id: &str) -> String {
    let before =
        entry.pointer("/metadata/annotations").and_then(|all| all.get(RELEASE)).and_then(Value::as_str);
    let waits =
        |other: &&str| member.report.iter().flat_map(|report| &report.holds).any(|hold| hold.id == *other);
    let ids = before.unwrap_or_default().split(|sign: char| sign == ',' || sign.is_whitespace());
    let others = ids.filter(waits).filter(|other| *other != id);
    others.chain([id]).collect::<Vec<_>>().join(",")
}

fn unknown(api: &Api, members: &[Member], id: &str) -> Failure {
    let held = members.iter().flat_map(|member| {
        let holds = member.report.iter().flat_map(|report| &report.holds);
        holds.map(|hold| format!("{} in {}", hold.id, member.name))
    });
    let held: Vec<String> = held.collect();
    let why = if held.is_empty() {
        "no cluster reports a hold".to_owned()
    } else {
        format!("no cluster reports that one. What is held: {}", held.join(", "))
    };
    let next = "see the condition Held, which has the id: ";
    Failure::new(
        format!("unable to release hold {id}"),
        why,
        format!("{next}{}", api.kubectl().muster("status")),
    )
}

pub(super) fn explain(kubectl: &Kubectl, flags: &Release) -> String {
    let name = flags.cluster.as_deref().unwrap_or("CLUSTER");
    let annotate = kubectl.run(&format!("annotate mcl {name} --overwrite {RELEASE}={}", quoted(&flags.hold)));
    if flags.cluster.is_some() {
        return format!("{annotate}\n");
    }
    let path = "{range .items[*]}{.metadata.name}{\" \"}{.status.holds[*].id}{\"\\n\"}{end}";
    format!(
        "# CLUSTER is the one whose report names the hold.\n{}\n{annotate}\n",
        kubectl.run(&format!("get mcr -A -o jsonpath='{path}'"))
    )
}
