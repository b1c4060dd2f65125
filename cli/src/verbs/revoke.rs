//! `revoke`: the end of a cluster's credentials.

use muster_api::names;
use muster_api::resource::{CLUSTERS, SECRETS, SERVICE_ACCOUNTS};

use crate::api::{Api, Call, CallError};
use crate::args::{NamedWriting, Target};
use crate::connect::connect;
use crate::failure::Failure;
use crate::kubectl::Kubectl;
use crate::output::note;
use muster_api::names::joining_secret;

pub(super) async fn run(target: &Target, flags: &NamedWriting) -> Result<(), Failure> {
    let connection = connect(target, flags.writing.dry_run).await?;
    let (api, name) = (&connection.api, &flags.name);
    let account = account(api, name).await?;
    let stays = api.get(&CLUSTERS, None, name).await.is_ok();
    if api.is_rehearsal() {
        note("all tokens of it would be refused within 10 s, save on watches that are open already");
        return super::written(flags.writing, &account);
    }
    note(
        "all tokens of it are refused within 10 s. A watch that is open already lives on until the API server ends it, \
         an hour at most with its defaults: until then write nothing that this cluster must not read",
    );
    if stays {
        note(&format!(
            "the cluster keeps what it has, and its entry stays: a controller makes the account anew, for which the old \
             tokens are worth nothing. To let it in again: {}. To take it off the list: {}",
            api.kubectl().muster(&format!("token {name}")),
            api.kubectl().muster(&format!("unregister {name}")),
        ));
    }
    super::written(flags.writing, &account)
}

/// Deletes the account and the Secret that joining tokens are bound to; the account as it was.
///
/// # Errors
/// Where there is no account, or it may not be deleted.
pub(super) async fn account(api: &Api, name: &str) -> Result<serde_json::Value, Failure> {
    let namespace = Some(names::AGENTS_NAMESPACE);
    let call = |verb| Call::new(verb, &SERVICE_ACCOUNTS, namespace, Some(name));
    let there = api.get(&SERVICE_ACCOUNTS, namespace, name).await.map_err(|error| match error {
        CallError::NotFound => Failure::new(
            format!("unable to revoke serviceaccounts {}/{name}", names::AGENTS_NAMESPACE),
            "it does not exist, so no token of it is accepted",
            api.kubectl().muster("tokens"),
        ),
        error => api.failure(call("get"), error),
    })?;
    match api.delete(&SERVICE_ACCOUNTS, namespace, name).await {
        Ok(_) | Err(CallError::NotFound) => {}
        Err(error) => return Err(api.failure(call("delete"), error)),
    }
    note(&format!("serviceaccount/{name} {} from {}", api.became("deleted"), names::AGENTS_NAMESPACE));
    // It would go with the account in a while. Without the account it ends nothing any more, so a failure is none.
    let _ = api.delete(&SECRETS, namespace, &joining_secret(name)).await;
    Ok(there)
}

pub(super) fn explain(kubectl: &Kubectl, flags: &NamedWriting) -> String {
    let (agents, name) = (names::AGENTS_NAMESPACE, &flags.name);
    format!(
        "{}\n{}\n",
        kubectl.run(&format!("-n {agents} delete serviceaccount {name}")),
        kubectl.run(&format!("-n {agents} delete secret {} --ignore-not-found", joining_secret(name))),
    )
}
