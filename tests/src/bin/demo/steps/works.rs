//! Works: what they make, how a bad manifest is told, and what keeps a deletion.

use anyhow::Result;

use crate::shell::{has_row, rows};
use crate::stage::Stage;

/// The Work, in the directory.
const WORK: &str = "-n muster-cluster-east-coast-production works.multicluster.x-k8s.io shop";
/// What it says of itself.
const SAID: &str = r#"-o jsonpath='{range .status.conditions[*]}{.type}{" "}{.status}{" "}{.reason}{": "}{.message}{"\n"}{end}'"#;
/// What it says of each manifest.
const OF_MANIFESTS: &str = r#"-o jsonpath='{range .status.manifestConditions[*]}{.identifier.ordinal}{" "}{.identifier.kind}{" "}{.identifier.name}{": "}{.conditions[?(@.type=="Applied")].reason}{" "}{.conditions[?(@.type=="Applied")].message}{"\n"}{end}'"#;
/// What it made.
const MADE: &str = "kubectl --context replica -n shop get deployments,services,pricelists -l \
                    applyset.kubernetes.io/part-of=$(kubectl --context replica get appliedwork shop \
                    -o jsonpath='{.metadata.labels.applyset\\.kubernetes\\.io/id}')";

pub(super) fn apply(stage: &mut Stage) -> Result<()> {
    let shell = &stage.shell;
    shell.run("kubectl --context directory apply -f manifests/samples/work.yaml")?;
    shell.until(MADE, "the Deployment and the custom resource", |said| {
        said.contains("deployment.apps/web") && said.contains("pricelist.shop.example.com/summer")
    })?;
    println!("\n# One manifest is bad, and the Work says which, and why:\n");
    shell.until(
        &format!("kubectl --context directory get {WORK} {OF_MANIFESTS}"),
        "four of five applied",
        |said| {
            let of = |reason: &str| said.lines().filter(|line| line.contains(reason)).count();
            of(": Applied") == 4
                && said.contains("1 Service web: Rejected")
                && said.contains("spec.ports[0].port")
        },
    )?;
    println!("\n# It is mended:\n");
    shell.run(&format!(
        "kubectl --context directory patch {WORK} --type=json -p \
         '[{{\"op\": \"replace\", \"path\": \"/spec/workload/manifests/1/spec/ports/0/port\", \"value\": 443}}]'"
    ))?;
    shell.until(&format!("kubectl --context directory get {WORK} {SAID}"), "Applied to be True", |said| {
        said.contains("Applied True Applied")
    })?;
    shell.until(MADE, "the Service, too", |said| said.contains("service/web")).map(drop)
}

pub(super) fn drift(stage: &mut Stage) -> Result<()> {
    let shell = &stage.shell;
    let replicas = "kubectl --context replica -n shop get deployment web";
    shell.run("kubectl --context replica -n shop scale deployment web --replicas=7")?;
    shell.until(replicas, "two replicas again", |said| has_row(said, "web", &["0/2"]))?;
    shell.run("kubectl --context replica -n shop delete deployment web")?;
    shell.until(replicas, "the Deployment again", |said| has_row(said, "web", &["0/2"])).map(drop)
}

pub(super) fn delete(stage: &mut Stage) -> Result<()> {
    let shell = &stage.shell;
    shell.run(&format!("kubectl --context directory delete {WORK} --wait=false"))?;
    println!(
        "\n# A namespace and a definition would take along all that is in them. So they wait for a human's word:\n"
    );
    shell.until(&format!("kubectl --context directory get {WORK} {SAID}"), "what it waits for", |said| {
        said.contains("allow-deletion")
    })?;
    shell.run("kubectl --context replica get namespace shop")?;
    shell.run(&format!(
        "kubectl --context directory annotate {WORK} multicluster.coreos.com/allow-deletion=true"
    ))?;
    shell.until(
        "kubectl --context directory get works.multicluster.x-k8s.io -A",
        "the Work gone, and so what it made",
        |said| rows(said) == 0,
    )?;
    shell
        .until(
            "kubectl --context replica get namespace shop --ignore-not-found",
            "the namespace gone",
            |said| rows(said) == 0,
        )
        .map(drop)
}
