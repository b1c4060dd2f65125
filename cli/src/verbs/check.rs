//! `check`: what has to be so before a cluster joins, and in a cluster that did, each with its remedy.

mod directory;
mod replica;

use muster_api::condition::Status;
use muster_api::names::SYSTEM_NAMESPACE;
use muster_api::resource::CRDS;
use serde_json::Value;

use crate::api::{Api, CallError};
use crate::args::{Check, Target};
use crate::connect::connect;
use crate::failure::Failure;
use crate::kubectl::Kubectl;
use crate::output::{plain, print};
use crate::resources::DEPLOYMENTS;

/// The oldest minor version of Kubernetes that Muster supports.
const OLDEST: u32 = 33;

/// What was found.
struct Finding {
    level: Level,
    what: String,
    /// What to do about it; empty where nothing is.
    remedy: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Good,
    Odd,
    Bad,
}

impl Finding {
    fn good(what: impl Into<String>) -> Self {
        Self { level: Level::Good, what: what.into(), remedy: String::new() }
    }

    fn odd(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Odd, what: what.into(), remedy: remedy.into() }
    }

    fn bad(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Bad, what: what.into(), remedy: remedy.into() }
    }

    fn line(&self) -> String {
        let mark = match self.level {
            Level::Good => "ok     ",
            Level::Odd => "warning",
            Level::Bad => "FAILED ",
        };
        let remedy = if self.remedy.is_empty() {
            String::new()
        } else {
            format!("\n         {}", plain(&self.remedy))
        };
        format!("{mark}  {}{remedy}\n", plain(&self.what))
    }
}

pub(super) async fn run(target: &Target, flags: &Check) -> Result<(), Failure> {
    let connection = connect(target, false).await?;
    let mut text = "Directory\n".to_owned();
    let mut findings = directory::look(&connection).await?;
    text.extend(findings.iter().map(Finding::line));
    if let Some(context) = &flags.replica {
        let target = Target { context: Some(context.clone()), ..target.clone() };
        let connection = connect(&target, false).await?;
        let more = replica::look(&connection.api).await?;
        text.push_str("Replica\n");
        text.extend(more.iter().map(Finding::line));
        findings.extend(more);
    }
    print(&text)?;
    let bad = findings.iter().filter(|finding| finding.level == Level::Bad).count();
    if bad == 0 {
        return Ok(());
    }
    Err(Failure::new(
        "unable to find everything as it has to be",
        format!("{bad} of {} checks failed", findings.len()),
        "what stands below each of them; then run this again",
    ))
}

/// Whether the server answers, and is one that Muster supports.
async fn version(api: &Api) -> Result<Finding, Failure> {
    let told = api.raw("/version", "application/json").await;
    let told = told.map_err(|error| api.failure_of("/version", &error))?;
    let text = |key: &str| told.get(key).and_then(Value::as_str).unwrap_or_default();
    let minor = text("minor").trim_end_matches(|c: char| !c.is_ascii_digit()).parse::<u32>();
    let version = text("gitVersion");
    Ok(match minor {
        Ok(minor) if minor < OLDEST => Finding::odd(
            format!("the server runs Kubernetes {version}"),
            format!("Muster is tried with 1.{OLDEST} and newer"),
        ),
        _ => Finding::good(format!("the server runs Kubernetes {version}")),
    })
}

/// Whether definitions are there and served.
async fn definitions(api: &Api, names: &[&str], findings: &mut Vec<Finding>) {
    let remedy = api.kubectl().run("apply -f multicluster.yaml");
    for name in names {
        let what = format!("definition {name}");
        findings.push(match api.get(&CRDS, None, name).await {
            Ok(crd) if is_true(&crd, "Established") => Finding::good(what),
            Ok(_) => Finding::bad(
                format!("{what} is not established"),
                api.kubectl().run(&format!("describe crd {name}")),
            ),
            Err(error) => absent(api, &what, error, &remedy),
        });
    }
}

/// Whether an object is there, whatever is in it.
async fn present(
    api: &Api,
    resource: &muster_api::Resource,
    namespace: Option<&str>,
    name: &str,
    remedy: &str,
) -> Finding {
    let place = namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let what = format!("{} {place}{name}", resource.kind);
    match api.metadata(resource, namespace, name).await {
        Ok(_) => Finding::good(what),
        Err(error) => absent(api, &what, error, remedy),
    }
}

/// Whether a Deployment of Muster's runs; where not, what `wrong` makes of that.
async fn deployment(api: &Api, name: &str, remedy: &str, wrong: fn(String, String) -> Finding) -> Finding {
    let what = format!("Deployment {SYSTEM_NAMESPACE}/{name}");
    match api.get(&DEPLOYMENTS, Some(SYSTEM_NAMESPACE), name).await {
        Ok(deployment) if is_true(&deployment, "Available") => Finding::good(format!("{what} is available")),
        Ok(_) => wrong(
            format!("{what} is not available"),
            api.kubectl().run(&format!("-n {SYSTEM_NAMESPACE} describe pods -l app={name}")),
        ),
        Err(CallError::NotFound | CallError::NoNamespace) => {
            wrong(format!("{what} is missing"), remedy.to_owned())
        }
        Err(error) => absent(api, &what, error, remedy),
    }
}

/// What could not be read: it is missing, or cannot be told.
fn absent(api: &Api, what: &str, error: CallError, remedy: &str) -> Finding {
    match error {
        CallError::NotFound | CallError::NoNamespace | CallError::NotServed => {
            Finding::bad(format!("{what} is missing"), remedy)
        }
        CallError::Forbidden(_) => {
            Finding::odd(format!("{what} may not be read by you"), api.kubectl().run("auth can-i --list"))
        }
        error => Finding::bad(
            format!("{what} cannot be read: {}", error.words()),
            api.kubectl().run("get --raw /readyz"),
        ),
    }
}

fn is_true(object: &Value, condition: &str) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    conditions.into_iter().any(|one| one["type"] == condition && one["status"] == Status::True.as_str())
}

pub(super) fn explain(kubectl: &Kubectl, flags: &Check) -> String {
    let mut text = format!(
        "{}\n{}\n{}\n{}\n{}\n{}\n{}\n",
        kubectl.run("version"),
        kubectl.run("get crd -o name"),
        kubectl.run("get namespace muster-agents"),
        kubectl.run("get clusterrole view-clusters muster-agent"),
        kubectl.run("-n muster-system get deployment muster-directory"),
        kubectl.run(
            "get validatingadmissionpolicybinding muster-protect muster-works muster-tokens muster-directory"
        ),
        kubectl.run("-n muster-agents auth can-i create serviceaccounts --subresource=token"),
    );
    if let Some(context) = &flags.replica {
        let context = crate::kubectl::quoted(context);
        let system = format!("kubectl --context {context} -n muster-system");
        text = format!(
            "{text}{system} get deployment,secret directory-sync\n{system} describe mcr directory-sync\n"
        );
    }
    text
}
