//! The walk-through itself.

mod policies;
mod works;

use anyhow::{Context, Result, ensure};

use crate::shell::{has_row, rows};
use crate::stage::Stage;

/// One step.
pub(crate) struct Step {
    /// What it shows.
    pub(crate) title: &'static str,
    /// Plays it, and checks what comes of it.
    pub(crate) play: fn(&mut Stage) -> Result<()>,
}

/// What is False where all is well.
const BETTER_FALSE: [&str; 3] =
    ["Held False NothingHeld", "Deregistered False Member", "ClockSkew False InStep"];

/// All steps, in order.
pub(crate) const STEPS: [Step; 17] = [
    Step { title: "Install: the same file in every cluster, one more in the directory", play: install },
    Step { title: "The agent waits for its Secret", play: agent },
    Step { title: "The list of clusters, in the directory", play: entries },
    Step { title: "A credential for the replica: an account that may read the list", play: credential },
    Step { title: "The Secret makes the replica mirror the list", play: secret },
    Step { title: "A label changed in the directory is followed", play: label },
    Step { title: "A copy changed or deleted by hand is put right", play: drift },
    Step { title: "Enrolment: the controller makes for each entry what its agent needs", play: controller },
    Step { title: "One command joins the cluster, and the old credential goes", play: join },
    Step { title: "Heartbeat and report", play: report },
    Step { title: "A policy: namespaces and grants in each cluster that it selects", play: policies::apply },
    Step { title: "A grant that is deleted by hand comes back", play: policies::drift },
    Step { title: "The directory is stopped, and what it asked for holds", play: policies::cut_off },
    Step { title: "The policy is deleted: its grants go, its namespaces stay", play: policies::revoke },
    Step { title: "A Work: manifests for one cluster, in any order, one of them bad", play: works::apply },
    Step { title: "What it made is changed and deleted by hand, and put right", play: works::drift },
    Step { title: "The Work is deleted, and asks before it takes a namespace along", play: works::delete },
];

/// The directory, which is a cluster of its own list too.
const WEST: &str = "apiVersion: multicluster.coreos.com/v1
kind: Cluster
metadata:
  name: west-coast-production
  labels:
    stage: production
    cloud: aws
    region: us-west-1
    role: replica
  annotations:
    multicluster.coreos.com/console-url: https://west-coast-production.west.example.com
    multicluster.coreos.com/directory: \"true\"
spec:
  KubernetesAPIEndpoints:
    ServerEndpoints:
      - ServerAddress: https://west-coast-production-api.west.example.com:443
";

/// The replica.
const EAST: &str = "apiVersion: multicluster.coreos.com/v1
kind: Cluster
metadata:
  name: east-coast-production
  labels:
    stage: production
    cloud: aws
    region: us-east-1
    role: replica
  annotations:
    multicluster.coreos.com/console-url: https://east-coast-production.east.example.com
spec:
  KubernetesAPIEndpoints:
    ServerEndpoints:
      - ServerAddress: https://east-coast-production-api.east.example.com:443
";

/// The names of both.
const NAMES: [&str; 2] = ["west-coast-production", "east-coast-production"];

/// The replica's own report.
const LOCAL_REPORT: &str = "kubectl --context replica -n muster-system get mcr directory-sync";

/// What the report says, a line for each condition.
const CONDITIONS: &str =
    r#"-o jsonpath='{range .status.conditions[*]}{.type}{" "}{.status}{" "}{.reason}{"\n"}{end}'"#;

fn install(stage: &mut Stage) -> Result<()> {
    let shell = &stage.shell;
    shell.run(
        "kubectl --context directory apply -f manifests/multicluster.yaml -f manifests/directory.yaml",
    )?;
    shell.run("kubectl --context replica apply -f manifests/multicluster.yaml")?;
    shell.run(
        "kubectl --context directory wait --for=condition=Established --timeout=60s \
         crd/clusters.multicluster.coreos.com crd/clusterreports.multicluster.coreos.com",
    )?;
    shell.until(
        "kubectl --context replica get deployments -n muster-system -l app=directory-sync",
        "a Deployment directory-sync of two pods",
        |said| has_row(said, "directory-sync", &["0/2"]),
    )?;
    Ok(())
}

fn agent(stage: &mut Stage) -> Result<()> {
    println!(
        "# These clusters have no nodes to run pods on. So the agent runs as a process, with a token of the"
    );
    println!("# account that its Deployment has: muster-system/directory-sync.\n");
    let file = stage.file("agent.kubeconfig");
    stage.shell.run(&kubeconfig(&file, "replica", "muster-system", "directory-sync"))?;
    stage.start_agent(&file)?;
    stage
        .shell
        .until(LOCAL_REPORT, "the report to say SecretMissing", |said| said.contains("SecretMissing"))
        .map(drop)
}

fn entries(stage: &mut Stage) -> Result<()> {
    let shell = &stage.shell;
    for document in [WEST, EAST] {
        shell.run(&format!("kubectl --context directory apply -f - <<'EOF'\n{document}EOF"))?;
    }
    let list = shell.run("kubectl --context directory get mcl -o wide")?;
    ensure!(
        rows(&list) == 2 && has_row(&list, NAMES[0], &["true"]) && has_row(&list, NAMES[1], &[]),
        "expected both entries, and west-coast-production as the directory; seen:\n{list}"
    );
    Ok(())
}

fn credential(stage: &mut Stage) -> Result<()> {
    let file = stage.file("east.kubeconfig");
    let shell = &stage.shell;
    shell.run("kubectl --context directory create namespace tectonic-multi-cluster")?;
    shell.run(
        "kubectl --context directory create serviceaccount -n tectonic-multi-cluster east-coast-production",
    )?;
    shell.run(
        "kubectl --context directory create clusterrolebinding east-coast-production-view-clusters \
         --clusterrole=tectonic-view-clusters --serviceaccount=tectonic-multi-cluster:east-coast-production",
    )?;
    shell.run(&kubeconfig(&file, "directory", "tectonic-multi-cluster", "east-coast-production"))?;
    shell
        .until(&format!("kubectl --kubeconfig {file} get mcl"), "the account to see both entries", |said| {
            NAMES.iter().all(|name| has_row(said, name, &[]))
        })
        .map(drop)
}

fn secret(stage: &mut Stage) -> Result<()> {
    let shell = &stage.shell;
    shell.run(&format!(
        "kubectl --context replica -n muster-system create secret generic directory-sync --from-file=kubeconfig={}",
        stage.file("east.kubeconfig")
    ))?;
    shell.until("kubectl --context replica get mcl -o wide", "both entries on the replica", |said| {
        rows(said) == 2
            && has_row(said, NAMES[0], &["true", "https://west-coast-production-api.west.example.com:443"])
            && has_row(said, NAMES[1], &["https://east-coast-production-api.east.example.com:443"])
    })?;
    shell.until(LOCAL_REPORT, "Reachable, InSync and two copies", |said| {
        has_row(said, "directory-sync", &["Reachable", "InSync", "2"])
    })?;
    println!(
        "\n# The account may read, and no more. That is enough for the mirror; heartbeats are refused:\n"
    );
    let said = shell.until(
        &format!("{LOCAL_REPORT} {CONDITIONS}"),
        "MirrorInSync to be True, and HeartbeatAccepted to be False",
        |said| has_row(said, "MirrorInSync", &["True"]) && has_row(said, "HeartbeatAccepted", &["False"]),
    )?;
    ensure!(has_row(&said, "EntryPresent", &["True"]), "expected EntryPresent to be True; seen:\n{said}");
    Ok(())
}

fn label(stage: &mut Stage) -> Result<()> {
    relabel(stage, NAMES[0], "canary")
}

/// Changes a label in the directory, and waits for it in the replica. The first change of an entry is copied at once,
/// further ones within 30 s: so each entry is changed once here.
fn relabel(stage: &Stage, name: &str, value: &str) -> Result<()> {
    let shell = &stage.shell;
    shell.run(&format!("kubectl --context directory label mcl {name} stage={value} --overwrite"))?;
    let expected = format!("stage {value} on the copy");
    shell
        .until("kubectl --context replica get mcl -L stage", &expected, |said| has_row(said, name, &[value]))
        .map(drop)
}

fn drift(stage: &mut Stage) -> Result<()> {
    let shell = &stage.shell;
    shell.run("kubectl --context replica label mcl west-coast-production stage=by-hand --overwrite")?;
    shell.until("kubectl --context replica get mcl -L stage", "stage canary on the copy again", |said| {
        has_row(said, NAMES[0], &["canary"])
    })?;
    shell.run("kubectl --context replica delete mcl west-coast-production")?;
    shell.until("kubectl --context replica get mcl -L stage", "the deleted copy again", |said| {
        has_row(said, NAMES[0], &["canary"])
    })?;
    Ok(())
}

fn controller(stage: &mut Stage) -> Result<()> {
    println!("# It runs as a process, too, with a token of the account that its Deployment has:\n");
    let file = stage.file("controller.kubeconfig");
    stage.shell.run(&kubeconfig(&file, "directory", "muster-system", "muster-directory"))?;
    stage.start_controller(&file)?;
    let shell = &stage.shell;
    shell.run("kubectl --context directory wait mcl --all --for=condition=Enrolled --timeout=50s")?;
    let made = shell.run("kubectl --context directory -n muster-agents get serviceaccounts -l app.kubernetes.io/part-of=muster")?;
    ensure!(NAMES.iter().all(|name| has_row(&made, name, &[])), "expected an account of each; seen:\n{made}");
    Ok(())
}

fn join(stage: &mut Stage) -> Result<()> {
    let shell = &stage.shell;
    shell.run(&format!(
        "kubectl muster join east-coast-production --context directory --server {} | \
         kubectl --context replica apply --server-side --force-conflicts -f -",
        stage.directory_url()
    ))?;
    shell.until(
        &format!("{LOCAL_REPORT} -o jsonpath='{{.status.credential.user}}{{\"\\n\"}}'"),
        "the agent to be the new account",
        |said| said.trim() == "system:serviceaccount:muster-agents:east-coast-production",
    )?;
    println!(
        "\n# The old account goes, and its token with it. The agent, which was not restarted, goes on:\n"
    );
    shell.run("kubectl --context directory delete clusterrolebinding east-coast-production-view-clusters")?;
    shell.run(
        "kubectl --context directory delete serviceaccount -n tectonic-multi-cluster east-coast-production",
    )?;
    let agent = stage.agent.as_mut().context("the agent was not started")?;
    ensure!(agent.ended()?.is_none(), "expected the agent to run; it has ended");
    relabel(stage, NAMES[1], "canary")
}

fn report(stage: &mut Stage) -> Result<()> {
    let shell = &stage.shell;
    shell.until("kubectl --context directory get mcl", "the cluster to be ready", |said| {
        has_row(said, NAMES[1], &["True", "Hosted"])
    })?;
    shell.until("kubectl muster status --context directory", "the cluster to be ready", |said| {
        has_row(said, NAMES[1], &["True"])
    })?;
    println!("# Corrections are told once in ten seconds at most:\n");
    shell.until(
        "kubectl --context replica -n muster-system get events --field-selector reason=DriftCorrected",
        "an Event that says so",
        |said| rows(said) > 0 && said.contains("DriftCorrected"),
    )?;
    println!("\n# A heartbeat every ten seconds, and what it stands for:\n");
    let lease = "kubectl --context directory -n muster-cluster-east-coast-production get lease \
                 east-coast-production -o jsonpath='{.spec.renewTime}{\"\\n\"}'";
    let first = shell.until(lease, "a heartbeat", |said| said.trim().len() > 10)?;
    shell.until(lease, "a later heartbeat", |said| said.trim().len() > 10 && said != first)?;
    shell.until("kubectl --context directory get mcr -A -o wide", "the report in the directory", |said| {
        has_row(said, "muster-cluster-east-coast-production", &["Reachable", "InSync", "2", "Pull"])
            || has_row(said, "muster-cluster-east-coast-production", &["Reachable", "InSync", "2", "Hosted"])
    })?;
    shell
        .until(
            &format!("{LOCAL_REPORT} {CONDITIONS}"),
            "every condition to be True, but that something is held, the cluster left, or its clock is wrong",
            |said| {
                has_row(said, "PoliciesApplied", &["True", "NoneSelected"])
                    && said.lines().all(|line| line.contains(" True ") || BETTER_FALSE.contains(&line))
            },
        )
        .map(drop)
}

/// The command that writes a kubeconfig for an account: an address, a CA, a token, and nothing else.
fn kubeconfig(file: &str, context: &str, namespace: &str, account: &str) -> String {
    let view = format!("kubectl --context {context} config view --raw --minify --flatten -o jsonpath=");
    format!(
        "umask 077; cat > {file} <<EOF
apiVersion: v1
kind: Config
clusters:
- name: {context}
  cluster:
    server: $({view}'{{.clusters[0].cluster.server}}')
    certificate-authority-data: $({view}'{{.clusters[0].cluster.certificate-authority-data}}')
users:
- name: {account}
  user:
    token: $(kubectl --context {context} -n {namespace} create token {account} --duration=720h)
contexts:
- name: {context}
  context: {{cluster: {context}, user: {account}}}
current-context: {context}
EOF"
    )
}
