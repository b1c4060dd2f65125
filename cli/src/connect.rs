//! From people's own kubeconfigs to a client. They may hold what an agent's must not: plugins that log in, files, proxies.

use std::env;
use std::path::{Path, PathBuf};

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config, client::AuthError};

use crate::api::Api;
use crate::args::Target;
use crate::failure::Failure;
use crate::kubectl::Kubectl;

/// A cluster, and how the caller's kubeconfig reaches it.
pub(crate) struct Connection {
    pub(crate) api: Api,
    /// The address of the server.
    pub(crate) server: http::Uri,
    /// The certificates by which it is known there, as DER; `None` where the system's are meant.
    pub(crate) ca: Option<Vec<Vec<u8>>>,
    /// The name that the server's certificate bears, where it is not the host's.
    pub(crate) tls_server_name: Option<String>,
}

/// Connects to the cluster that the flags name. With `dry_run` every write is a rehearsal.
///
/// # Errors
/// Where no kubeconfig names that cluster, or a plugin that logs in fails.
pub(crate) async fn connect(target: &Target, dry_run: bool) -> Result<Connection, Failure> {
    let kubectl = target.kubectl();
    let kubeconfig = read(target.kubeconfig.as_deref())?;
    let options = KubeConfigOptions { context: target.context.clone(), ..KubeConfigOptions::default() };
    let context = target.context.clone().or_else(|| kubeconfig.current_context.clone());
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| unusable(&error, context.as_deref(), &kubectl))?;
    // It would repeat writes of which it is not known whether they were done, and hide behind the deadline why.
    config.default_retry = false;
    let (server, ca) = (config.cluster_url.clone(), config.root_cert.clone());
    let tls_server_name = config.tls_server_name.clone();
    let plugin = config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone()).unwrap_or_default();
    let client =
        Client::try_from(config).map_err(|error| no_client(&error, &plugin, context.as_deref(), &kubectl))?;
    Ok(Connection { api: Api::new(client, kubectl, dry_run), server, ca, tls_server_name })
}

/// What `kubectl` would read: the file of the flag, those of `KUBECONFIG` that are there, or that in the home folder.
fn read(flag: Option<&Path>) -> Result<Kubeconfig, Failure> {
    let none = |why: String| {
        Failure::new(
            "unable to find a kubeconfig",
            why,
            "name a file that is there, by --kubeconfig FILE or by KUBECONFIG",
        )
    };
    if let Some(path) = flag {
        if !path.exists() {
            return Err(none(format!("file {} does not exist", path.display())));
        }
        return Kubeconfig::read_from(path).map_err(|error| malformed(path, &error));
    }
    let paths: Vec<PathBuf> = match env::var_os("KUBECONFIG").filter(|value| !value.is_empty()) {
        Some(value) => env::split_paths(&value).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => env::home_dir().map(|home| home.join(".kube/config")).into_iter().collect(),
    };
    let there: Vec<&PathBuf> = paths.iter().filter(|path| path.exists()).collect();
    if there.is_empty() {
        let tried: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(none(format!("there is none at {}", tried.join(", "))));
    }
    there.into_iter().try_fold(Kubeconfig::default(), |merged, path| {
        Kubeconfig::read_from(path)
            .and_then(|next| merged.merge(next))
            .map_err(|error| malformed(path, &error))
    })
}

/// Not in the reader's words, which repeat pieces of the file.
fn malformed(path: &Path, error: &KubeconfigError) -> Failure {
    let why = match error {
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        KubeconfigError::Parse(error) => {
            let line = error.location().map_or(0, |location| location.line());
            format!("it is no YAML of a kubeconfig, line {line}")
        }
        other => other.to_string(),
    };
    let next = format!("kubectl --kubeconfig {} config view", path.display());
    Failure::new(format!("unable to read the kubeconfig {}", path.display()), why, next)
}

fn unusable(error: &KubeconfigError, context: Option<&str>, kubectl: &Kubectl) -> Failure {
    let Some(context) = context else {
        return Failure::new(
            "unable to choose a cluster",
            "the kubeconfig has no current context",
            format!("{}, then name one by --context", kubectl.run("config get-contexts")),
        );
    };
    let why = match error {
        KubeconfigError::LoadContext(_) => "the kubeconfig has no such context".to_owned(),
        KubeconfigError::LoadClusterOfContext(cluster) => {
            format!("the kubeconfig has no cluster {cluster}, which the context names")
        }
        other => other.to_string(),
    };
    let next = Kubectl::default().run("config get-contexts");
    Failure::new(format!("unable to use the context {context}"), why, next)
}

/// Nothing of what a plugin printed, where its token is, and nothing of its arguments.
fn no_client(error: &kube::Error, plugin: &str, context: Option<&str>, kubectl: &Kubectl) -> Failure {
    let why = match error {
        kube::Error::Auth(AuthError::AuthExecRun { out, .. }) => {
            format!("the plugin {plugin} of the kubeconfig ended with {}", out.status)
        }
        kube::Error::Auth(AuthError::AuthExecStart(error)) => {
            format!("the plugin {plugin} of the kubeconfig does not start: {error}")
        }
        kube::Error::Auth(AuthError::AuthExecParse(_)) => {
            format!("the plugin {plugin} of the kubeconfig printed no ExecCredential")
        }
        other => other.to_string(),
    };
    let context = context.unwrap_or_default();
    Failure::new(format!("unable to log in with the context {context}"), why, kubectl.run("auth whoami"))
}
