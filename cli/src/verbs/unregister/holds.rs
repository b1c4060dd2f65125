//! What keeps an entry, or the namespace that the directory keeps for it, from going: finalizers, each with who takes it
//! away.

use muster_api::marks::{ENTRY_FINALIZER, FOR_CLUSTER, WORK_FINALIZER};
use muster_api::resource::{CLUSTERS, NAMESPACES, WORKS};
use muster_api::{Resource, names};
use serde_json::{Value, json};

use crate::api::{Api, Call, CallError};
use crate::concerns::{Concern, keeps};
use crate::failure::Failure;
use crate::fleet;
use crate::kubectl::{Kubectl, quoted};
use crate::output::note;

/// How often it is tried to take a finalizer off where somebody else writes to the same object.
const ATTEMPTS: u32 = 5;

/// The execution namespace to which the name of an entry leads.
pub(super) struct Home {
    namespace: String,
    /// Why it is not this cluster's.
    foreign: Option<String>,
}

/// The execution namespace of an entry. Names that are long or dotted are cut and hashed, so it may be another cluster's:
/// then nothing in it is this one's.
///
/// # Errors
/// Where it cannot be read whose it is.
pub(super) async fn home(api: &Api, entry: &Value, name: &str) -> Result<Home, Failure> {
    let told = entry.pointer("/status/executionNamespace").and_then(Value::as_str);
    let namespace = told.map_or_else(|| names::execution_namespace(name), str::to_owned);
    let there = match api.metadata(&NAMESPACES, None, &namespace).await {
        Ok(there) => there,
        Err(CallError::NotFound) => Value::Null,
        Err(error) => return Err(api.failure(Call::new("get", &NAMESPACES, None, Some(&namespace)), error)),
    };
    let annotations = there.pointer("/metadata/annotations");
    let owner = annotations.and_then(|all| all.get(FOR_CLUSTER)).and_then(Value::as_str);
    let foreign = match owner {
        Some(owner) if owner != name => Some(format!("it is that of cluster {owner}")),
        Some(_) => None,
        // It does not say whose it is.
        None => fleet::refusal(entry).map(str::to_owned),
    };
    Ok(Home { namespace, foreign })
}

/// Takes Muster's own finalizers off the entry and off the Works of its cluster, as the directory's controller does. Nobody
/// waits for these Works any more: the cluster's account is gone. Finalizers of others stay, and all that is another
/// cluster's.
///
/// # Errors
/// Where one may not be taken off.
pub(super) async fn let_go(api: &Api, entry: &Value, home: &Home) -> Result<(), Failure> {
    if home.foreign.is_none() {
        let inside = Some(home.namespace.as_str());
        let works = match api.list_metadata(&WORKS, inside).await {
            Ok(works) => works,
            Err(CallError::NotServed | CallError::NoNamespace) => Vec::new(),
            Err(error) => return Err(api.failure(Call::new("list", &WORKS, inside, None), error)),
        };
        for work in &works {
            take_off(api, &WORKS, inside, work, WORK_FINALIZER).await?;
        }
    }
    take_off(api, &CLUSTERS, None, entry, ENTRY_FINALIZER).await
}

/// Takes a finalizer off an object, as it is now: others write to it at the same time.
async fn take_off(
    api: &Api,
    resource: &Resource,
    namespace: Option<&str>,
    object: &Value,
    finalizer: &str,
) -> Result<(), Failure> {
    let name = text(object, "/metadata/name");
    let call = |verb| Call::new(verb, resource, namespace, Some(name));
    let mut attempt = 1;
    loop {
        let now = match api.metadata(resource, namespace, name).await {
            Ok(now) if text(&now, "/metadata/uid") == text(object, "/metadata/uid") => now,
            // Gone; of this name there may be another one already.
            Ok(_) | Err(CallError::NotFound) => return Ok(()),
            Err(error) => return Err(api.failure(call("get"), error)),
        };
        let all = finalizers(&now);
        if !all.contains(&finalizer) {
            return Ok(());
        }
        let others: Vec<&str> = all.into_iter().filter(|one| *one != finalizer).collect();
        let version = text(&now, "/metadata/resourceVersion");
        let change = json!({"metadata": {"resourceVersion": version, "finalizers": others}});
        match api.patch(resource, namespace, name, &change).await {
            Ok(_) => break,
            Err(CallError::NotFound) => return Ok(()),
            Err(CallError::Refused(_)) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(api.failure(call("patch"), error)),
        }
    }
    let place = namespace.map(|namespace| format!(" in {namespace}")).unwrap_or_default();
    let kind = resource.kind.to_lowercase();
    note(&format!("finalizer {finalizer} {} from {kind}/{name}{place}", api.became("removed")));
    Ok(())
}

/// What holds the entry itself: each finalizer, and what removes it.
pub(super) fn of_entry(api: &Api, entry: &Value, name: &str) -> Vec<(String, String)> {
    let told = |(place, finalizer): (usize, &str)| {
        if finalizer != ENTRY_FINALIZER {
            let remedy = foreign(api, &format!("mcl {name}"), place, finalizer);
            return (format!("its finalizer {finalizer}"), remedy);
        }
        match keeps(&fleet::status_of(entry).conditions) {
            // It is in the way of the rest, which nobody ends by letting go of the entry.
            Some(Concern { condition, entry: listed }) => {
                let told = format!("{}, {}", condition.reason, condition.message);
                let remedy = listed.map_or("See docs/conditions.md.", |listed| listed.explanation.remedy);
                let command = command(api.kubectl(), &condition.message);
                (format!("its finalizer {finalizer} ({told})"), command.unwrap_or_else(|| remedy.to_owned()))
            }
            None => (
                format!("its finalizer {finalizer}"),
                format!(
                    "the directory's controller removes it. Where none runs, or to wait no longer: {}",
                    api.kubectl().muster(&format!("unregister {name} --force"))
                ),
            ),
        }
    };
    finalizers(entry).into_iter().enumerate().map(told).collect()
}

/// The commands that a message of the directory's controller ends with, for the cluster that this run is about.
fn command(kubectl: &Kubectl, message: &str) -> Option<String> {
    let (_, command) = message.split_once(": kubectl ")?;
    Some(kubectl.run(&command.replace(" kubectl ", &format!(" {}", kubectl.run("")))))
}

/// Says what holds the execution namespace where it is to go: the finalizers of its Works, and what else the server says
/// is left in it.
pub(super) async fn tell_of_namespace(api: &Api, Home { namespace, foreign: theirs }: &Home) {
    if let Some(why) = theirs {
        note(&format!("namespace/{namespace} and all in it stays as it is: {why}"));
        return;
    }
    let Ok(there) = api.get(&NAMESPACES, None, namespace).await else { return };
    if there.pointer("/metadata/deletionTimestamp").is_none() {
        note(&format!(
            "namespace/{namespace} stays: it holds Works, or no controller of the directory removes it. An entry of the \
             same name finds it again. To see what is in it: {}",
            api.kubectl().run(&format!("-n {namespace} get works.multicluster.x-k8s.io")),
        ));
        return;
    }
    note(&format!("namespace/{namespace} is being deleted"));
    for work in api.list_metadata(&WORKS, Some(namespace)).await.unwrap_or_default() {
        let name = text(&work, "/metadata/name");
        for (place, finalizer) in finalizers(&work).into_iter().enumerate() {
            let object = format!("-n {namespace} works.multicluster.x-k8s.io {name}");
            let remedy = if finalizer == WORK_FINALIZER {
                "its cluster's agent removes it, once its objects are gone there".to_owned()
            } else {
                foreign(api, &object, place, finalizer)
            };
            note(&format!("work/{name} in {namespace} is held by its finalizer {finalizer}: {remedy}"));
        }
    }
    let conditions = there.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    for condition in conditions.filter(|condition| condition["status"] == "True") {
        let message = text(condition, "/message");
        note(&format!("namespace/{namespace}, {}: {message}", text(condition, "/type")));
        if condition["type"] == "NamespaceContentRemaining" {
            let columns = "-o custom-columns=KIND:.kind,NAME:.metadata.name,FINALIZERS:.metadata.finalizers";
            let kinds = kinds(message).join(",");
            let list = api.kubectl().run(&format!("-n {namespace} get {kinds} {columns}"));
            note(&format!("what set these finalizers removes them; to see which: {list}"));
        }
    }
}

/// Who removes a finalizer that is not Muster's, and the command where that is gone. It fails where another one stands in the
/// place meanwhile.
fn foreign(api: &Api, object: &str, place: usize, finalizer: &str) -> String {
    let at = format!("/metadata/finalizers/{place}");
    let patch = json!([
        {"op": "test", "path": at, "value": finalizer}, {"op": "remove", "path": at},
    ]);
    let patch = quoted(&patch.to_string());
    format!(
        "what set it removes it. Where that is gone for good: {}",
        api.kubectl().run(&format!("patch {object} --type=json -p {patch}"))
    )
}

/// The kinds that are left, of a message such as `Some resources are remaining: configmaps. has 1 resource instances`.
fn kinds(message: &str) -> Vec<&str> {
    let list = message.split_once("remaining: ").map_or(message, |(_, list)| list);
    let names = list
        .split(", ")
        .filter_map(|one| one.split_once(" has "))
        .map(|(name, _)| name.trim_end_matches('.'));
    names.filter(|name| names::is_subdomain(name)).collect()
}

fn finalizers(object: &Value) -> Vec<&str> {
    let all = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    all.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_of_a_message_are_for_the_cluster_that_the_run_is_about() {
        let kubectl = Kubectl::new(None, Some("home".into()));
        let message = "namespace n still holds a. When it is needed no more: kubectl -n n get a -o name | xargs -I{} kubectl -n n patch {}";
        assert_eq!(
            command(&kubectl, message).unwrap(),
            "kubectl --context home -n n get a -o name | xargs -I{} kubectl --context home -n n patch {}"
        );
        assert_eq!(command(&kubectl, "the server refuses it"), None);
    }

    #[test]
    fn the_kinds_that_are_left_in_a_namespace_are_read_as_the_server_lists_them() {
        let message = "Some resources are remaining: configmaps. has 1 resource instances, works.multicluster.x-k8s.io has 2 \
                       resource instances";
        assert_eq!(kinds(message), ["configmaps", "works.multicluster.x-k8s.io"]);
        assert_eq!(kinds("Some resources are remaining: $(x) has 1 resource instances"), Vec::<&str>::new());
        assert_eq!(kinds("whatever"), Vec::<&str>::new());
    }
}
