//! `lint` and `apply`: files of people's, put right where it is clear what is meant.

use muster_api::{Resource, Scope};
use serde_json::Value;

use crate::api::{Api, Call, CallError};
use crate::args::{Apply, Lint, Target};
use crate::connect::connect;
use crate::documents::{self, Documents};
use crate::failure::Failure;
use crate::kubectl::{Kubectl, quoted};
use crate::output::{note, print, yaml};

pub(super) fn lint(flags: &Lint) -> Result<(), Failure> {
    let documents = documents::read(&flags.file)?;
    let shown = flags.file.display().to_string();
    told(&shown, &documents);
    if flags.output.is_some() {
        print(&joined(documents.good.iter().map(|(_, document)| document)))?;
    }
    if documents.errors.is_empty() {
        note(&format!("{shown}: {} documents, {} warnings", documents.good.len(), documents.warnings.len()));
        return Ok(());
    }
    Err(wrong(&documents, &format!("unable to use {} documents of {shown}", documents.errors.len()), &shown))
}

fn told(file: &str, documents: &Documents) {
    for warning in &documents.warnings {
        note(&format!("warning: {file}, {warning}"));
    }
}

fn wrong(documents: &Documents, what: &str, file: &str) -> Failure {
    Failure::new(
        what,
        documents.errors.join("\n  "),
        format!("correct it, then: kubectl muster lint -f {file}"),
    )
}

fn joined<'a>(documents: impl Iterator<Item = &'a Value>) -> String {
    documents.map(yaml).collect::<Vec<_>>().join("---\n")
}

pub(super) async fn apply(target: &Target, flags: &Apply) -> Result<(), Failure> {
    let documents = documents::read(&flags.file)?;
    let shown = flags.file.display().to_string();
    told(&shown, &documents);
    if !documents.errors.is_empty() {
        // All or nothing, as far as that can be told before.
        return Err(wrong(&documents, &format!("unable to apply {shown}"), &shown));
    }
    let connection = connect(target, flags.writing.dry_run).await?;
    let api = &connection.api;
    let mut written = Vec::new();
    for (name, document) in &documents.good {
        let object = one(api, flags, &format!("{shown}, {name}"), document).await?;
        note(&format!("{} {}", name.rsplit(", ").next().unwrap_or(name), api.became("applied")));
        written.push(object);
    }
    if flags.writing.output.is_some() { print(&joined(written.iter())) } else { Ok(()) }
}

async fn one(api: &Api, flags: &Apply, place: &str, document: &Value) -> Result<Value, Failure> {
    let resource = served(api, place, document).await?;
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let name = text("/metadata/name").unwrap_or_default();
    let namespace = match resource.scope {
        Scope::Cluster => None,
        Scope::Namespaced => Some(text("/metadata/namespace").unwrap_or("default")),
    };
    api.apply(&resource, namespace, name, document, flags.force_conflicts).await.map_err(
        |error| match error {
            CallError::Refused(why) => Failure::new(
                format!("unable to apply {place}"),
                why,
                "correct it; where others own its fields, take them over by --force-conflicts",
            ),
            error => api.failure(Call::new("patch", &resource, namespace, Some(name)), error),
        },
    )
}

/// The resource of a document, as the server names it.
async fn served(api: &Api, place: &str, document: &Value) -> Result<Resource, Failure> {
    let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let path = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{api_version}") };
    let found = match api.raw(&path, "application/json").await {
        Ok(found) => found,
        Err(CallError::NotFound | CallError::NotServed) => Value::Null,
        Err(error) => return Err(api.failure_of(&path, &error)),
    };
    let listed = found.get("resources").and_then(Value::as_array).into_iter().flatten();
    let mut named = listed
        .filter(|one| one["kind"] == *kind && !one["name"].as_str().is_some_and(|name| name.contains('/')));
    let Some(resource) = named.next() else {
        return Err(Failure::new(
            format!("unable to apply {place}"),
            format!("this cluster does not serve {kind} of {api_version}"),
            api.kubectl().run("api-resources"),
        ));
    };
    let namespaced = resource["namespaced"] == true;
    Ok(Resource {
        group: group.to_owned().into(),
        version: version.to_owned().into(),
        plural: resource["name"].as_str().unwrap_or_default().to_owned().into(),
        kind: kind.into(),
        scope: if namespaced { Scope::Namespaced } else { Scope::Cluster },
    })
}

pub(super) fn explain_apply(kubectl: &Kubectl, flags: &Apply) -> String {
    let file = quoted(&flags.file.to_string_lossy());
    let force = if flags.force_conflicts { " --force-conflicts" } else { "" };
    let apply =
        kubectl.run(&format!("apply --server-side --field-manager={}{force} -f", crate::api::MANAGER));
    format!(
        "# Where lint has no warnings:\n{apply} {file}\n# Else what lint makes of it, or a copy that you corrected:\n\
         kubectl muster lint -f {file} -o yaml | {apply} -\n"
    )
}

pub(super) fn explain_lint(flags: &Lint) -> String {
    let file = quoted(&flags.file.to_string_lossy());
    format!(
        "# It refuses what lint would put right, and says of one thing at a time why.\nkubectl apply --dry-run=server -f {file}\n"
    )
}
