//! The credential of a cluster: an account's token, bound to a Secret whose deletion ends it, in a kubeconfig, in the
//! Secret that the agent reads.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use muster_api::resource::SERVICE_ACCOUNTS;
use muster_api::{names, resource};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::address::Address;
use crate::api::{Api, Call, CallError};
use crate::failure::Failure;
use crate::fleet::{self, Approval};
use crate::kubectl::quoted;
use crate::output::note;

/// How long a joining token lives at most, in seconds.
const LIFE: u32 = 3600;
/// How often it is looked whether the account is there.
const LOOK: Duration = Duration::from_millis(500);
/// Annotation of a joining Secret: until when the token that was last bound to it lives.
pub(crate) const JOINING_UNTIL: &str = "multicluster.coreos.com/joining-until";

/// What `kubectl` is told in the replica to take what `join` and `token` print. Not a client-side apply, which keeps a copy of
/// the token in an annotation; and with force, since the credential is to replace whatever anybody put there.
pub(crate) const TAKE: &str = "apply --server-side --force-conflicts -f -";

/// A token, and until when it lives.
pub(crate) struct Token {
    text: SecretString,
    pub(crate) until: Timestamp,
}

/// Waits until the cluster's account is there, and says so on stderr.
///
/// # Errors
/// Where it does not come, or may not be read.
pub(crate) async fn account(api: &Api, cluster: &str, patience: Duration) -> Result<(), Failure> {
    let namespace = names::AGENTS_NAMESPACE;
    let call = call("get", &SERVICE_ACCOUNTS, Some(cluster));
    let place = call_of_namespace();
    match api.get(&resource::NAMESPACES, None, namespace).await {
        // Whoever may not read it may still read the account.
        Ok(_) | Err(CallError::Forbidden(_)) => {}
        Err(CallError::NotFound) => {
            return Err(Failure::new(
                format!("unable to get serviceaccounts {namespace}/{cluster}"),
                format!("there is no namespace {namespace}: this cluster was not made a directory"),
                api.kubectl().run("apply -f multicluster.yaml -f directory.yaml"),
            ));
        }
        Err(error) => return Err(api.failure(place, error)),
    }
    let began = tokio::time::Instant::now();
    let mut told = false;
    loop {
        match api.get(&SERVICE_ACCOUNTS, Some(namespace), cluster).await {
            Ok(account) if account.pointer("/metadata/deletionTimestamp").is_none() => {
                if told {
                    note(&format!("serviceaccount/{cluster} is there after {} s", began.elapsed().as_secs()));
                }
                return Ok(());
            }
            Ok(_) | Err(CallError::NotFound) => {}
            Err(error) => return Err(api.failure(call, error)),
        }
        if !told {
            // For a cluster that is not entered, or kept out, nobody makes one.
            let entry = fleet::entry(api, cluster).await?;
            if Approval::of(&entry) == Some(Approval::Denied) {
                return Err(denied(api, cluster));
            }
        }
        if began.elapsed() >= patience {
            return Err(late(api, cluster, patience).await);
        }
        if !told {
            note(&format!(
                "waiting for serviceaccount/{cluster} in {namespace}, {} s at most",
                patience.as_secs()
            ));
            told = true;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn denied(api: &Api, cluster: &str) -> Failure {
    Failure::new(
        format!("unable to get serviceaccounts {}/{cluster}", names::AGENTS_NAMESPACE),
        format!("clusters.multicluster.coreos.com {cluster} is denied, and so has no account"),
        format!("if it is to come in after all: {}", api.kubectl().muster(&format!("approve {cluster}"))),
    )
}

/// Why there is no account: the controller's word on the entry where it has one, else that there is no controller.
async fn late(api: &Api, cluster: &str, patience: Duration) -> Failure {
    let what = format!("unable to get serviceaccounts {}/{cluster}", names::AGENTS_NAMESPACE);
    let entry = api.get(&resource::CLUSTERS, None, cluster).await.unwrap_or_default();
    let conditions = entry.pointer("/status/conditions").and_then(Value::as_array);
    let enrolled = conditions.and_then(|all| all.iter().find(|one| one["type"] == "Enrolled"));
    if let Some(enrolled) = enrolled {
        let text = |key: &str| enrolled[key].as_str().unwrap_or_default();
        return Failure::new(
            what,
            format!(
                "it did not come within {} s; the directory's controller says {}: {}",
                patience.as_secs(),
                text("reason"),
                text("message")
            ),
            api.kubectl().run(&format!("describe mcl {cluster}")),
        );
    }
    Failure::new(
        what,
        format!("it did not come within {} s: no controller of the directory makes it", patience.as_secs()),
        format!(
            "where no controller runs, enrol by hand, then run this again:\nsed s/CLUSTER_NAME/{cluster}/g enrol-by-hand.yaml | {}",
            api.kubectl().run("apply -f -")
        ),
    )
}

/// Asks for a token of the cluster's account, bound to its joining Secret, which is made where it is not there.
///
/// # Errors
/// Where the server refuses one of the requests.
pub(crate) async fn token(api: &Api, cluster: &str) -> Result<Token, Failure> {
    let secret = names::joining_secret(cluster);
    let uid = bound_to(api, cluster, &secret).await?;
    let ask = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {
            "expirationSeconds": LIFE,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": secret, "uid": uid},
        },
    });
    let path = format!("{}/token", SERVICE_ACCOUNTS.path(Some(names::AGENTS_NAMESPACE), Some(cluster)));
    let answer = api.ask(&path, &ask).await.map_err(|error| match error {
        CallError::Forbidden(why) => Failure::new(
            format!("unable to ask for a token of serviceaccounts {}/{cluster}", names::AGENTS_NAMESPACE),
            why,
            format!(
                "ask for that right, then see that you have it: {}",
                api.kubectl().run(&format!(
                    "auth can-i create serviceaccounts/{cluster} --subresource=token -n {}",
                    names::AGENTS_NAMESPACE
                ))
            ),
        ),
        error => api.failure(call("get", &SERVICE_ACCOUNTS, Some(cluster)), error),
    })?;
    let text = answer.pointer("/status/token").and_then(Value::as_str);
    let until = answer.pointer("/status/expirationTimestamp").and_then(Value::as_str);
    let (Some(text), Some(until)) = (text, until.and_then(|until| until.parse::<Timestamp>().ok())) else {
        return Err(Failure::new(
            format!("unable to ask for a token of serviceaccounts {}/{cluster}", names::AGENTS_NAMESPACE),
            "the answer has no token, or does not say how long it lives",
            api.kubectl().run("version"),
        ));
    };
    let change = json!({"metadata": {"annotations": {JOINING_UNTIL: until.to_string()}}});
    // For `tokens` alone: whoever may not write it joins all the same.
    let _ = api.patch(&resource::SECRETS, Some(names::AGENTS_NAMESPACE), &secret, &change).await;
    Ok(Token { text: text.into(), until })
}

/// The UID of the joining Secret, which goes with the account.
async fn bound_to(api: &Api, cluster: &str, secret: &str) -> Result<String, Failure> {
    let namespace = Some(names::AGENTS_NAMESPACE);
    let uid = |object: &Value| {
        object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let account = api
        .get(&SERVICE_ACCOUNTS, namespace, cluster)
        .await
        .map_err(|error| api.failure(call("get", &SERVICE_ACCOUNTS, Some(cluster)), error))?;
    let object = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": secret, "namespace": names::AGENTS_NAMESPACE,
            "labels": {"app.kubernetes.io/part-of": "muster"},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "ServiceAccount", "name": cluster, "uid": uid(&account)},
            ],
        },
    });
    match api.create(&resource::SECRETS, namespace, &object).await {
        Ok(made) => return Ok(uid(&made)),
        Err(CallError::Exists) => {}
        Err(error) => return Err(api.failure(call("create", &resource::SECRETS, Some(secret)), error)),
    }
    let there = api.metadata(&resource::SECRETS, namespace, secret).await;
    there
        .map(|there| uid(&there))
        .map_err(|error| api.failure(call("get", &resource::SECRETS, Some(secret)), error))
}

fn call<'a>(verb: &'static str, resource: &muster_api::Resource, name: Option<&'a str>) -> Call<'a> {
    Call::new(verb, resource, Some(names::AGENTS_NAMESPACE), name)
}

fn call_of_namespace() -> Call<'static> {
    Call::new("get", &resource::NAMESPACES, None, Some(names::AGENTS_NAMESPACE))
}

/// The Secret that the agent reads, as YAML. It holds the token.
pub(crate) fn secret(cluster: &str, address: &Address, token: &Token) -> SecretString {
    let kubeconfig = STANDARD.encode(kubeconfig(cluster, address, token).expose_secret());
    let name = STANDARD.encode(cluster);
    format!(
        "apiVersion: v1\n\
         kind: Secret\n\
         metadata:\n  name: {}\n  namespace: {}\n  labels:\n    app.kubernetes.io/part-of: muster\n\
         type: Opaque\n\
         data:\n  {}: {name}\n  {}: {kubeconfig}\n",
        names::AGENT,
        names::SYSTEM_NAMESPACE,
        names::CLUSTER_NAME_KEY,
        names::KUBECONFIG_KEY,
    )
    .into()
}

/// Exactly what the agent accepts. JSON, which is YAML, so that no value has to be quoted by hand.
fn kubeconfig(cluster: &str, address: &Address, token: &Token) -> SecretString {
    let mut directory = json!({
        "server": address.server.to_string().trim_end_matches('/'),
        "certificate-authority-data": STANDARD.encode(&address.ca),
    });
    if let Some(name) = &address.tls_server_name {
        directory["tls-server-name"] = json!(name);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "directory", "cluster": directory}],
        "users": [{"name": cluster, "user": {"token": token.text.expose_secret()}}],
        "contexts": [{"name": "directory", "context": {"cluster": "directory", "user": cluster}}],
        "current-context": "directory",
    })
    .to_string()
    .into()
}

/// Says on stderr where the credential leads, and how long it lives.
pub(crate) fn describe(api: &Api, cluster: &str, address: &Address, identity: Option<&str>, token: &Token) {
    let identity = identity.map(|id| format!(", identity {id}")).unwrap_or_default();
    note(&format!("directory: {} (from {}){identity}", address.server, address.origin));
    let left = token.until.duration_since(api.now());
    let minutes = (left + SignedDuration::from_secs(30)).as_mins().max(0);
    note(&format!(
        "the credential lives for {minutes} minutes, until {}; deleting secrets {}/{} ends it before. \
         With it the agent asks for one of its own",
        token.until,
        names::AGENTS_NAMESPACE,
        names::joining_secret(cluster),
    ));
}

/// The commands that make the same Secret. Run by a shell they print it on stdout; the token is on no command line.
pub(crate) fn explain(
    kubectl: &crate::kubectl::Kubectl,
    cluster: &str,
    server: Option<&http::Uri>,
) -> String {
    let agents = names::AGENTS_NAMESPACE;
    let joining = names::joining_secret(cluster);
    let view = |path: &str| {
        format!(
            "$({})",
            kubectl.run(&format!("config view --raw --minify --flatten -o jsonpath='{{{path}}}'"))
        )
    };
    let given = server.is_some();
    let server = server.map_or_else(
        || view(".clusters[0].cluster.server"),
        |server| server.to_string().trim_end_matches('/').to_owned(),
    );
    // In a document of the shell that is expanded.
    let server = if given { server.replace('$', r"\$").replace('`', r"\`") } else { server };
    let ca = view(".clusters[0].cluster.certificate-authority-data");
    let wait = kubectl.run(&format!("-n {agents} wait --for=create serviceaccount/{cluster} --timeout=60s"));
    let secret = kubectl.run(&format!("-n {agents} create secret generic {joining}"));
    let token = kubectl.run(&format!(
        "-n {agents} create token {cluster} --duration=1h --bound-object-kind=Secret --bound-object-name={joining}"
    ));
    let file = quoted(&format!("{cluster}.kubeconfig"));
    format!(
        "# The account is made by the directory's controller, or by enrol-by-hand.yaml.\n\
         {wait} >&2\n\
         # The Secret that the token is bound to: deleting it ends the token. It may be there already.\n\
         {secret} >&2 || true\n\
         # A file that nobody else reads. The address is one that the cluster reaches: never this machine.\n\
         umask 077; cat > {file} <<EOF\n\
         apiVersion: v1\n\
         kind: Config\n\
         clusters:\n\
         - name: directory\n  cluster:\n    server: {server}\n    certificate-authority-data: {ca}\n\
         users:\n\
         - name: {cluster}\n  user:\n    token: $({token})\n\
         contexts:\n\
         - name: directory\n  context: {{cluster: directory, user: {cluster}}}\n\
         current-context: directory\n\
         EOF\n\
         # The Secret that the agent reads, on stdout: for | kubectl --context REPLICA {TAKE}\n\
         kubectl -n {} create secret generic {} --from-literal={}={cluster} --from-file={}={file} --dry-run=client -o yaml\n\
         rm {file}\n",
        names::SYSTEM_NAMESPACE,
        names::AGENT,
        names::CLUSTER_NAME_KEY,
        names::KUBECONFIG_KEY,
    )
}
