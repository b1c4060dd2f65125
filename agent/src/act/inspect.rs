//! Whether a namespace holds anything: it goes only if it does not.

use muster_api::resource::{CONFIG_MAPS, Scope};
use muster_api::{Object, Resource, marks};
use muster_engine::event::StepOutcome;
use muster_engine::{Failure, Kind};
use muster_kit::client::{CallError, Client, ListQuery, Served};

use super::failed;

/// Most objects of a kind in an answer. What Kubernetes keeps is one object of a kind, so one page nearly always decides.
const PAGE: u32 = 20;
/// Most pages of a kind that are read.
const PAGES: usize = 50;

/// Lists all that the server serves in a namespace, metadata alone, until something is found.
pub(super) async fn inspect(client: &Client, namespace: &str) -> StepOutcome {
    let Served { resources, complete } = match client.resources().await {
        Ok(served) => served,
        Err(error) => return failed(&error),
    };
    if !complete {
        // What an API server that is down keeps there cannot be seen.
        let why = "an aggregated API server is down, so that not all kinds are known".to_owned();
        return StepOutcome::Inspected(Err(why));
    }
    for resource in resources.iter().filter(|resource| resource.scope == Scope::Namespaced) {
        if is_events(resource) {
            continue;
        }
        match find(client, resource, namespace).await {
            Ok(None) => {}
            Ok(Some(what)) => return StepOutcome::Inspected(Err(what)),
            Err(error) => return unseen(resource, &error),
        }
    }
    StepOutcome::Inspected(Ok(()))
}

/// What of a kind is there.
async fn find(client: &Client, resource: &Resource, namespace: &str) -> Result<Option<String>, CallError> {
    let mut query = ListQuery { limit: Some(PAGE), ..ListQuery::default() };
    for _ in 0..PAGES {
        let page = client.metadata_page(resource, Some(namespace), &query).await?;
        if page.items.iter().any(|object| counts(resource, object)) {
            return Ok(Some(format!("it holds {resource}")));
        }
        query.continue_token = page.next;
        if query.continue_token.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(format!("it holds too many {resource} to look at")))
}

/// A kind that cannot be listed counts as content; that the server does not answer is no answer.
fn unseen(resource: &Resource, error: &CallError) -> StepOutcome {
    match crate::failure::failure(error) {
        Failure::Unavailable | Failure::Unauthorized => failed(error),
        _ => StepOutcome::Inspected(Err(format!("{resource} cannot be listed: {error}"))),
    }
}

/// Events go by themselves, and say only what happened to others.
fn is_events(resource: &Resource) -> bool {
    resource.plural == "events" && (resource.group.is_empty() || resource.group == "events.k8s.io")
}

/// Whether an object is content: neither what Kubernetes keeps in each namespace, nor what policies made.
fn counts(resource: &Resource, object: &Object) -> bool {
    let meta = &object.meta;
    let kept = match (resource.group.as_ref(), resource.plural.as_ref()) {
        ("", "serviceaccounts") => meta.name == "default",
        ("", plural) if plural == CONFIG_MAPS.plural => meta.name == "kube-root-ca.crt",
        _ => false,
    };
    // The label on anything else was put there by somebody else.
    let made = Kind::of(resource).is_some()
        && meta.labels.get(marks::PART_OF).is_some_and(|set| set == marks::POLICY_SET);
    !kept && !made
}

#[cfg(test)]
mod tests {
    use muster_api::resource::{ROLE_BINDINGS, SECRETS};
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    fn object(name: &str, part_of: &str) -> Object {
        let metadata =
            json!({"name": name, "uid": "u", "resourceVersion": "1", "labels": {marks::PART_OF: part_of}});
        Object::parse(to_raw_value(&json!({"metadata": metadata})).unwrap()).unwrap()
    }

    fn resource(group: &'static str, plural: &'static str) -> Resource {
        Resource { group: group.into(), plural: plural.into(), ..SECRETS }
    }

    #[test]
    fn only_what_kubernetes_keeps_and_what_policies_made_is_no_content() {
        let accounts = resource("", "serviceaccounts");
        let made = marks::POLICY_SET;
        for (resource, name, part_of, content) in [
            (&accounts, "default", "", false),
            (&accounts, "builder", "", true),
            (&resource("other.example", "serviceaccounts"), "default", "", true),
            (&CONFIG_MAPS, "kube-root-ca.crt", "", false),
            (&CONFIG_MAPS, "settings", "", true),
            (&ROLE_BINDINGS, "a", made, false),
            (&ROLE_BINDINGS, "a", marks::MIRROR_SET, true),
            (&SECRETS, "a", made, true),
            (&accounts, "builder", made, true),
        ] {
            assert_eq!(counts(resource, &object(name, part_of)), content, "{resource} {name} {part_of}");
        }
        assert!(is_events(&resource("", "events")) && is_events(&resource("events.k8s.io", "events")));
        assert!(!is_events(&resource("other.example", "events")));
    }
}
