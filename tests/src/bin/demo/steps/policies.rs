//! Policies: what they make, and when it goes.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::LOCAL_REPORT;
use crate::shell::{has_row, rows};
use crate::stage::Stage;

/// What policies made in the replica.
const MADE: &str = "kubectl --context replica get namespaces,clusterrolebindings,rolebindings -A \
                    -l applyset.kubernetes.io/part-of=muster-policies";
/// The grants among it.
const GRANTS: &str =
    "kubectl --context replica get rolebindings -A -l applyset.kubernetes.io/part-of=muster-policies";
/// What the report says of policies.
const POLICIES_SAID: &str = r#"-o jsonpath='{range .status.conditions[?(@.type=="PoliciesApplied")]}{.reason}{": "}{.message}{"\n"}{end}'"#;
/// The grant of `view` in `api-prod`; its name is the same wherever the policy is applied.
const VIEW: &str = "web-api-view-6187355c";
/// What that grant lets people do.
const LOOK: &str = "list pods -n api-prod --as=random-user";

pub(super) fn apply(stage: &mut Stage) -> Result<()> {
    let shell = &stage.shell;
    shell.run("kubectl --context directory apply -f manifests/samples/policies.yaml")?;
    shell.until("kubectl --context replica get mcpol", "copies of both policies", |said| {
        rows(said) == 2 && has_row(said, "ldap-group-admin", &[]) && has_row(said, "web-api", &[])
    })?;
    // A line for each object, and for each kind a head and the empty line between two tables.
    shell.until(MADE, "two namespaces, one grant in the cluster, and four in namespaces", |said| {
        let of = |kind: &str| said.lines().filter(|line| line.contains(kind)).count();
        let kinds = ["namespace/", "clusterrolebinding.rbac", " rolebinding.rbac"].map(of);
        kinds == [2, 1, 4] && has_row(said, "api-prod", &["ClusterRole/view"])
    })?;
    shell.until(LOCAL_REPORT, "the report to say that they are applied", |said| {
        has_row(said, "directory-sync", &["InSync", "Applied"])
    })?;
    println!("\n# What the grants allow, and what they do not:\n");
    shell.may(LOOK, true)?;
    shell.may("create deployments -n api-prod --as=random-user", false)?;
    shell.may("create deployments -n api-prod --as=ann --as-group=APIDevelopers", true)?;
    shell.may("create deployments -n default --as=ann --as-group=APIDevelopers", false)?;
    shell.may("delete pods -n kube-system --as=bob --as-group=Operations", true)
}

pub(super) fn drift(stage: &mut Stage) -> Result<()> {
    restored(stage)
}

pub(super) fn cut_off(stage: &mut Stage) -> Result<()> {
    stage.stop_directory()?;
    stage.shell.until(LOCAL_REPORT, "the report to say Unreachable", |said| {
        has_row(said, "directory-sync", &["Unreachable", "InSync", "Applied"])
    })?;
    restored(stage)?;
    println!("\n# The agent is restarted, too. What it needs to know is in the replica:\n");
    let agent = stage.agent.as_mut().context("the agent was not started")?;
    println!("$ kill {}", agent.pid());
    agent.signal(Signal::TERM)?;
    agent.exit(Duration::from_secs(60))?;
    agent.restart()?;
    restored(stage)?;
    stage
        .shell
        .until(LOCAL_REPORT, "the report to say Unreachable and Applied", |said| {
            has_row(said, "directory-sync", &["Unreachable", "Applied"])
        })
        .map(drop)
}

pub(super) fn revoke(stage: &mut Stage) -> Result<()> {
    stage.start_directory()?;
    let shell = &stage.shell;
    shell.until(LOCAL_REPORT, "the report to say Reachable", |said| {
        has_row(said, "directory-sync", &["Reachable", "InSync"])
    })?;
    shell.run("kubectl --context directory delete mcpol web-api")?;
    shell.until(GRANTS, "no grant in a namespace", |said| said.trim() == "No resources found")?;
    shell.may(LOOK, false)?;
    shell.run("kubectl --context replica get namespaces api-prod api-test")?;
    shell.until(
        &format!("{LOCAL_REPORT} {POLICIES_SAID}"),
        "PoliciesApplied to say that namespaces were kept",
        |said| said.contains("NamespaceRetained") && said.contains("api-prod") && said.contains("api-test"),
    )?;
    println!("\n# The other policy is there, and what it grants:\n");
    shell.may("delete pods -n kube-system --as=bob --as-group=Operations", true)
}

/// A grant is deleted by hand, and comes back.
fn restored(stage: &Stage) -> Result<()> {
    let shell = &stage.shell;
    shell.run(&format!("kubectl --context replica -n api-prod delete rolebinding {VIEW}"))?;
    shell.until(
        &format!("kubectl --context replica -n api-prod get rolebinding {VIEW}"),
        "the grant again",
        |said| has_row(said, VIEW, &["ClusterRole/view"]),
    )?;
    shell.may(LOOK, true)
}
