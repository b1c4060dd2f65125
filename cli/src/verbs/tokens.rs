//! `tokens`: which clusters have an account, and until when their credentials live, as far as that is known without
//! reading any Secret's data.

use jiff::Timestamp;
use muster_api::names;
use muster_api::resource::{SECRETS, SERVICE_ACCOUNTS};
use serde_json::Value;

use crate::api::{Api, Call};
use crate::args::Target;
use crate::connect::connect;
use crate::credential::JOINING_UNTIL;
use crate::failure::Failure;
use crate::fleet::{self, Member, age, until};
use crate::kubectl::Kubectl;
use crate::output::{note, print, table};

pub(super) async fn run(target: &Target) -> Result<(), Failure> {
    let connection = connect(target, false).await?;
    let api = &connection.api;
    let namespace = Some(names::AGENTS_NAMESPACE);
    let call = Call::new("list", &SERVICE_ACCOUNTS, namespace, None);
    let accounts = api.list(&SERVICE_ACCOUNTS, namespace).await.map_err(|error| api.failure(call, error))?;
    let accounts: Vec<&Value> =
        accounts.iter().filter(|account| text(account, "/metadata/name") != "default").collect();
    if accounts.is_empty() {
        note(&format!(
            "there are no accounts in {}; a cluster gets one by: {}",
            names::AGENTS_NAMESPACE,
            api.kubectl().muster("join NAME")
        ));
        return Ok(());
    }
    let secrets = match api.list_metadata(&SECRETS, namespace).await {
        Ok(secrets) => Some(secrets),
        Err(error) => {
            let call = Call::new("list", &SECRETS, namespace, None);
            note(&api.failure(call, error).to_string().replacen("error", "warning", 1));
            None
        }
    };
    let members = fleet::members(api).await?;
    let rows: Vec<Vec<String>> =
        accounts.iter().map(|account| row(api, account, secrets.as_deref(), &members)).collect();
    print(&table(&["CLUSTER", "ENTRY", "ACCOUNT AGE", "JOINING TOKEN", "CREDENTIAL IN USE", "STATE"], &rows))
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn row(api: &Api, account: &Value, secrets: Option<&[Value]>, members: &[Member]) -> Vec<String> {
    let now = api.now();
    let name = text(account, "/metadata/name");
    let member = members.iter().find(|member| member.name == name);
    let made = text(account, "/metadata/creationTimestamp").parse::<Timestamp>();
    let report = member.and_then(|member| member.report.as_ref());
    let own = format!("system:serviceaccount:{}:{name}", names::AGENTS_NAMESPACE);
    let credential = report.and_then(|report| report.credential.as_ref());
    let in_use = match credential {
        None => "none seen".to_owned(),
        Some(credential) if credential.user.as_deref().is_some_and(|user| user != own) => {
            "of another user".to_owned()
        }
        Some(credential) => credential
            .expires
            .map_or_else(|| "without a known end".to_owned(), |end| until(end.timestamp(), now)),
    };
    let state = report
        .and_then(|report| report.conditions.iter().find(|condition| condition.type_ == "CredentialsValid"));
    vec![
        name.to_owned(),
        if member.is_some() { "yes" } else { "no" }.to_owned(),
        made.map(|made| age(now.duration_since(made))).unwrap_or_default(),
        joining(name, secrets, now),
        in_use,
        state.map(|state| state.reason.clone()).unwrap_or_default(),
    ]
}

fn joining(cluster: &str, secrets: Option<&[Value]>, now: Timestamp) -> String {
    let Some(secrets) = secrets else { return "?".to_owned() };
    let name = names::joining_secret(cluster);
    let Some(secret) = secrets.iter().find(|secret| text(secret, "/metadata/name") == name) else {
        return "none".to_owned();
    };
    let annotations = secret.pointer("/metadata/annotations");
    let end = annotations.and_then(|all| all.get(JOINING_UNTIL)).and_then(Value::as_str);
    end.and_then(|end| end.parse().ok()).map_or_else(|| "an hour at most".to_owned(), |end| until(end, now))
}

pub(super) fn explain(kubectl: &Kubectl) -> String {
    let agents = names::AGENTS_NAMESPACE;
    format!(
        "{}\n{}\n{}\n",
        kubectl.run(&format!("-n {agents} get serviceaccounts")),
        kubectl.run(&format!("-n {agents} get secrets -o custom-columns='NAME:.metadata.name,UNTIL:.metadata.annotations.multicluster\\.coreos\\.com/joining-until'")),
        kubectl.run("get mcr -A"),
    )
}
