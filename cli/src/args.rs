//! Verbs and flags.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Flags, Parser, Subcommand, ValueEnum};
use http::Uri;
use muster_api::names;

use crate::address;
use crate::kubectl::Kubectl;

/// Join clusters to a directory of Muster, and see how the fleet is.
///
/// All that it does, kubectl can do too: --explain prints how, and does nothing.
/// Exit codes: 0 done, 1 failed, 2 the command line is wrong.
#[derive(Parser)]
#[command(name = "kubectl-muster", bin_name = "kubectl muster", version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Print the commands of kubectl that do the same, and do nothing.
    #[arg(long, global = true)]
    pub(crate) explain: bool,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Which cluster is meant: the directory, unless a verb says otherwise.
#[derive(Flags, Clone)]
pub(crate) struct Target {
    /// The kubeconfig file to use, instead of KUBECONFIG and ~/.kube/config.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig to use, instead of its current one.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

impl Target {
    pub(crate) fn kubectl(&self) -> Kubectl {
        Kubectl::new(self.kubeconfig.clone(), self.context.clone())
    }
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Print all that a cluster needs to join: `kubectl muster join east | kubectl --context east apply --server-side --force-conflicts -f -`.
    Join(Join),
    /// Print a new credential for a cluster that joined, for the same command behind it.
    Token(Token),
    /// Let a cluster in that waits for approval, or was denied.
    Approve(NamedWriting),
    /// Keep a cluster out: its account goes, and with it all its credentials.
    Deny(NamedWriting),
    /// List the accounts of clusters, and until when their credentials live.
    Tokens,
    /// End all credentials of a cluster, by deleting its account.
    Revoke(NamedWriting),
    /// Show how the fleet is, or one cluster in detail, and what to do.
    Status(Status),
    /// Show the Works of a cluster and what became of each manifest.
    Tree(Named),
    /// Take a cluster off the list: the others drop their copies, and it drops what policies granted there.
    Unregister(Unregister),
    /// Let another cluster take the place of the one that an entry stands for, after it was built anew.
    Rebind(Rebind),
    /// Let a large deletion go that waits for somebody's word.
    Release(Release),
    /// Judge documents of a file, those of the old registry too, without a server.
    Lint(Lint),
    /// Apply the documents of a file, those of the old registry too.
    Apply(Apply),
    /// Check what joining needs, each with its remedy.
    Check(Check),
    /// In a cluster itself: stop all writes of its agent.
    Pause(Replica),
    /// In a cluster itself: let its agent write again.
    Resume(Replica),
    /// In a cluster itself: leave the directory, and keep workloads.
    Leave(Replica),
    /// In a cluster itself: join the directory anew that the kubeconfig leads to, after it was built elsewhere.
    Repin(Replica),
    /// Print what a shell completes: `source <(kubectl-muster completion bash)`.
    Completion {
        /// The shell.
        shell: Shell,
    },
}

/// How a verb writes.
#[derive(Flags, Clone, Copy, Default)]
pub(crate) struct Writing {
    /// Rehearse: the server says what would be written, and writes nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print what was written, as the server has it.
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Output {
    /// YAML.
    Yaml,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// What the credential says of the directory, and how long is waited for it.
#[derive(Flags)]
pub(crate) struct Directory {
    /// The address of the directory as the cluster reaches it. Else that of the directory's own entry is used, and else
    /// that of your kubeconfig, unless it is this machine.
    #[arg(long, value_name = "URL", value_parser = address::parse)]
    pub(crate) server: Option<Uri>,
    /// A file with the CA certificates of that address as PEM, where they are not those of your kubeconfig.
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate_authority: Option<PathBuf>,
    /// How long to wait for the cluster's account, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

#[derive(Flags)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Join {
    /// The cluster's name in the directory.
    #[arg(value_parser = cluster_name)]
    pub(crate) name: String,
    /// Labels of the entry, by which policies select it. An entry that is there keeps those that it has.
    #[arg(long, value_name = "KEY=VALUE,…", value_parser = labels, default_value = "", hide_default_value = true)]
    pub(crate) labels: BTreeMap<String, String>,
    /// Have the new entry wait for approval: until `approve` the cluster's account has no rights.
    #[arg(long)]
    pub(crate) manual: bool,
    /// Print multicluster.yaml too where the cluster joined already. It brings back what was deleted of it there, such as
    /// the rights of Works.
    #[arg(long)]
    pub(crate) manifests: bool,
    /// The agent runs outside the cluster: print all that the cluster needs but the Deployment, and say on stderr what the
    /// cluster that hosts the agent needs.
    #[arg(long)]
    pub(crate) hosted: bool,
    /// Rehearse: the server says what would be written, and writes nothing. The credential is left out.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) directory: Directory,
}

#[derive(Flags)]
pub(crate) struct Token {
    /// The cluster's name in the directory.
    #[arg(value_parser = cluster_name)]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) directory: Directory,
}

#[derive(Flags)]
pub(crate) struct Named {
    /// The cluster's name in the directory.
    #[arg(value_parser = cluster_name)]
    pub(crate) name: String,
}

#[derive(Flags)]
pub(crate) struct NamedWriting {
    /// The cluster's name in the directory.
    #[arg(value_parser = cluster_name)]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

#[derive(Flags)]
pub(crate) struct Status {
    /// The cluster's name in the directory; all clusters, where it is left out.
    #[arg(value_parser = cluster_name)]
    pub(crate) name: Option<String>,
}

#[derive(Flags)]
pub(crate) struct Unregister {
    /// The cluster's name in the directory.
    #[arg(value_parser = cluster_name)]
    pub(crate) name: String,
    /// Do not wait for the cluster, and end its credentials at once.
    #[arg(long)]
    pub(crate) force: bool,
    /// How long to wait until the cluster has left, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "360", value_parser = seconds)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

#[derive(Flags)]
pub(crate) struct Lint {
    /// The file, or - for stdin.
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print the documents as they are to be applied.
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
}

#[derive(Flags)]
pub(crate) struct Apply {
    /// The file, or - for stdin.
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Take over fields that others own.
    #[arg(long)]
    pub(crate) force_conflicts: bool,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

#[derive(Flags)]
pub(crate) struct Check {
    /// The context of a cluster that joined or is to join, to check that too.
    #[arg(long, value_name = "CONTEXT")]
    pub(crate) replica: Option<String>,
}

#[derive(Flags)]
pub(crate) struct Rebind {
    /// The cluster's name in the directory.
    #[arg(value_parser = cluster_name)]
    pub(crate) name: String,
    /// The identity of the cluster that takes the place: the UID of its namespace kube-system. Else it is the one that
    /// reports under this name.
    #[arg(long, value_name = "UID")]
    pub(crate) identity: Option<String>,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

#[derive(Flags)]
pub(crate) struct Release {
    /// The id of the hold: the condition Held of the cluster's report has it.
    #[arg(value_parser = hold)]
    pub(crate) hold: String,
    /// The cluster's name in the directory. Else it is the one whose report names the hold.
    #[arg(long, value_name = "NAME", value_parser = cluster_name)]
    pub(crate) cluster: Option<String>,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

/// What is said in a replica itself: --context and --kubeconfig name that one then.
#[derive(Flags)]
pub(crate) struct Replica {
    /// The namespace of the agent.
    #[arg(short, long, default_value = names::SYSTEM_NAMESPACE)]
    pub(crate) namespace: String,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

/// The type of a parsed flag must be one that clap can clone: a map behind this name is.
type Labels = BTreeMap<String, String>;

pub(crate) fn cluster_name(text: &str) -> Result<String, String> {
    if names::is_subdomain(text) {
        Ok(text.to_owned())
    } else {
        Err("a name of a cluster has lower-case letters, digits, '-' and '.', begins and ends with a letter or digit, and \
             has 253 characters at most; kubectl get mcl lists those that are there"
            .to_owned())
    }
}

fn hold(text: &str) -> Result<String, String> {
    if (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Ok(text.to_owned())
    } else {
        Err("an id of a hold has letters and digits alone; kubectl muster status NAME shows the holds of a cluster".to_owned())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| "give a whole number of seconds, such as 60".to_owned())
}

fn labels(text: &str) -> Result<Labels, String> {
    text.split(',').filter(|pair| !pair.is_empty()).map(label).collect()
}

/// Whether key and value are legal is for the server to say.
fn label(pair: &str) -> Result<(String, String), String> {
    match pair.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{pair:?} is no KEY=VALUE; write --labels stage=production,cloud=aws")),
    }
}
