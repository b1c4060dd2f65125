//! A ledger as the JSON of an `AppliedWork`, and back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use muster_api::applied_work::{
    self, AppliedResource, AppliedWorkSpec, LedgerManifest, LedgerResource, LedgerSource, SourceKind,
};
use muster_api::names::POLICY_LEDGER;
use muster_api::resource::Scope;
use muster_engine::item::Item;
use muster_engine::ledger::{Applied, Ledger, Of, Phase, WorkPart};
use muster_engine::mark::Maker;
use muster_engine::{Kind, Target};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Unreadable, work};

/// The option that takes namespaces away with the last policy that names them: the annotation of the policy, without
/// its prefix.
const NAMESPACE_DELETION: (&str, &str) = ("namespace-deletion", "delete");

/// Place of an applied object that is in no manifest any more.
const NOWHERE: i64 = -1;

/// Most bytes that place, UID (36) and digest (16) of an applied object take beside what names it.
const FOUND: usize = 128;

/// What is written before the objects, as JSON.
pub(super) fn spec(ledger: &Ledger) -> String {
    let (kind, namespace, options, resources) = match &ledger.of {
        Of::Policy { delete_namespaces } => {
            let (option, value) = NAMESPACE_DELETION;
            let options = delete_namespaces.then(|| (option.to_owned(), value.to_owned()));
            let resources = ledger.resources.iter().map(resource).collect();
            (SourceKind::ClusterPolicy, String::new(), options.into_iter().collect(), resources)
        }
        Of::Work(part) => {
            (SourceKind::Work, part.namespace.clone(), part.options.to_map(), work::resources(part))
        }
    };
    let spec = AppliedWorkSpec {
        work_name: ledger.maker.name.clone(),
        work_namespace: namespace,
        ledger: Some(applied_work::Ledger {
            source: LedgerSource {
                kind,
                uid: ledger.maker.uid.clone(),
                generation: ledger.generation,
                era: ledger.era,
                resource_version: ledger.resource_version.clone(),
            },
            directory_id: ledger.directory.clone(),
            replica_id: ledger.replica.clone(),
            nonce: ledger.nonce.clone(),
            phase: match ledger.phase {
                Phase::Applying => applied_work::Phase::Applying,
                Phase::Deleting => applied_work::Phase::Deleting,
                Phase::Leaving => applied_work::Phase::Leaving,
            },
            departure: match &ledger.of {
                Of::Policy { .. } => None,
                Of::Work(part) => part.departure.as_deref().map(str::to_owned),
            },
            options,
            manifests: ledger.items.iter().map(|item| LedgerManifest(item.manifest())).collect(),
            resources,
        }),
    };
    // It is made of strings, numbers and JSON: it cannot fail to be JSON. Nothing would be refused by the server.
    serde_json::to_string(&spec).unwrap_or_default()
}

/// What is written after the objects, as JSON. The list is there also where it is empty: none means that it was lost. It is
/// made as text, entry by entry: as a tree it would take many times the room.
pub(super) fn status(ledger: &Ledger, applied: &BTreeMap<Target, Applied>) -> String {
    let places: HashMap<&Target, usize> = match &ledger.of {
        Of::Policy { .. } => {
            ledger.items.iter().enumerate().map(|(place, item)| (&item.target, place)).collect()
        }
        Of::Work(part) => part.places.iter().map(|(target, place)| (target, place.ordinal)).collect(),
    };
    let entry = |(target, Applied { uid, fields }): (&Target, &Applied)| {
        let LedgerResource { group, version, kind, resource, namespace, name, .. } = resource(target);
        let ordinal = places.get(target).and_then(|place| i64::try_from(*place).ok()).unwrap_or(NOWHERE);
        let (uid, digest) = (uid.clone(), fields.clone());
        AppliedResource { ordinal, group, version, kind, resource, namespace, name, uid, digest }
    };
    let mut status = String::from(r#"{"appliedResources":["#);
    for (place, applied) in applied.iter().map(entry).enumerate() {
        if place > 0 {
            status.push(',');
        }
        // It is made of strings and numbers: it cannot fail to be JSON.
        status += &serde_json::to_string(&applied).unwrap_or_default();
    }
    status + "]}"
}

/// Most bytes of [`status`] as JSON, once all that is wanted is there.
pub(super) fn largest_status(ledger: &Ledger) -> usize {
    let entry = |target: &Target| serde_json::to_string(&resource(target)).unwrap_or_default().len() + FOUND;
    ledger.items.iter().map(|item| entry(&item.target)).sum()
}

pub(super) fn resource(target: &Target) -> LedgerResource {
    let Target { resource, namespace, name } = target;
    LedgerResource {
        group: resource.group.to_string(),
        version: resource.version.to_string(),
        kind: resource.kind.to_string(),
        resource: resource.plural.to_string(),
        namespace: namespace.clone().unwrap_or_default(),
        name: name.clone(),
        ..LedgerResource::default()
    }
}

/// Reads the ledger that bears this name. `None`: it has the name of a Work's, and is not Muster's.
pub(super) fn ledger(name: &str, raw: &RawValue) -> Result<Option<Ledger>, Unreadable> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        spec: AppliedWorkSpec,
        #[serde(borrow, default)]
        status: Option<&'a RawValue>,
    }
    let policy = name.strip_prefix(POLICY_LEDGER);
    let frame: Frame<'_> = match serde_json::from_str(raw.get()) {
        Ok(frame) => frame,
        Err(_) if policy.is_none() && !says_ledger(raw) => return Ok(None),
        Err(_) => return Err(Unreadable::Malformed),
    };
    let AppliedWorkSpec { work_name, work_namespace, ledger } = frame.spec;
    let ledger = match ledger {
        Some(ledger) => ledger,
        None if policy.is_none() => return Ok(None),
        None => return Err(Unreadable::Field("spec.ledger")),
    };
    let LedgerSource { kind, uid, generation, era, resource_version } = ledger.source;
    let departure = ledger.departure.filter(|uid| !uid.is_empty());
    let leaves = ledger.phase == applied_work::Phase::Leaving;
    let (expected, named, namespaced) = match policy {
        Some(policy) => (SourceKind::ClusterPolicy, uid == policy, work_namespace.is_empty()),
        None => (SourceKind::Work, work_name == name, !work_namespace.is_empty()),
    };
    for (field, right) in [
        ("spec.workName", !work_name.is_empty() && (policy.is_some() || named)),
        ("spec.workNamespace", namespaced),
        ("spec.ledger.source.kind", kind == expected),
        ("spec.ledger.source.uid", !uid.is_empty() && (policy.is_none() || named)),
        ("spec.ledger.departure", !leaves || policy.is_none() && departure.is_some()),
    ] {
        if !right {
            return Err(Unreadable::Field(field));
        }
    }
    let applied = frame.status.and_then(|status| applied(status, policy.is_some()));
    let targets = targets(&ledger.resources, policy.is_some())?;
    let items = items(&ledger.manifests, &targets)?;
    let of = if policy.is_some() {
        Of::Policy { delete_namespaces: delete_namespaces(&ledger.options)? }
    } else {
        let part = work::part(work_namespace, &ledger.options, &ledger.resources, &items)?;
        Of::Work(Box::new(WorkPart { departure: departure.map(Into::into), ..part }))
    };
    Ok(Some(Ledger {
        of,
        maker: Maker { name: work_name, uid },
        generation,
        era,
        resource_version,
        directory: ledger.directory_id,
        replica: ledger.replica_id,
        nonce: ledger.nonce,
        phase: match ledger.phase {
            applied_work::Phase::Applying => Phase::Applying,
            applied_work::Phase::Deleting => Phase::Deleting,
            applied_work::Phase::Leaving => Phase::Leaving,
        },
        items,
        resources: targets,
        applied,
    }))
}

/// Whether there is what only Muster writes, whatever it says.
fn says_ledger(raw: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Frame {
        spec: Spec,
    }
    #[derive(Deserialize)]
    struct Spec {
        ledger: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_str::<Frame>(raw.get()).is_ok_and(|frame| frame.spec.ledger.is_some())
}

fn delete_namespaces(options: &BTreeMap<String, String>) -> Result<bool, Unreadable> {
    let known = |(option, value): (&String, &String)| (option.as_str(), value.as_str()) == NAMESPACE_DELETION;
    if options.iter().all(known) { Ok(!options.is_empty()) } else { Err(Unreadable::Option) }
}

fn targets(resources: &[LedgerResource], of_policy: bool) -> Result<BTreeSet<Target>, Unreadable> {
    let wrong = Unreadable::Field("spec.ledger.resources");
    let targets: Option<BTreeSet<_>> = resources.iter().map(|entry| target(entry, of_policy)).collect();
    targets.filter(|targets| targets.len() == resources.len()).ok_or(wrong)
}

/// An object of a kind that policies make, or that a Work can make; `None` for all else.
fn target(entry: &LedgerResource, of_policy: bool) -> Option<Target> {
    if !of_policy {
        return work::target(entry);
    }
    let LedgerResource { group, version, kind, resource: plural, namespace, name, .. } = entry;
    let resource = Kind::ALL.map(Kind::resource).into_iter().find(|resource| {
        resource.kind == *kind
            && resource.group == *group
            && resource.version == *version
            && resource.plural == *plural
    })?;
    let namespaced = resource.scope == Scope::Namespaced;
    if name.is_empty() || namespaced == namespace.is_empty() {
        return None;
    }
    Some(Target { resource, namespace: namespaced.then(|| namespace.clone()), name: name.clone() })
}

/// Reads the manifests. Each is of one of the resources, and no two are of the same.
fn items(manifests: &[LedgerManifest], resources: &BTreeSet<Target>) -> Result<Vec<Arc<Item>>, Unreadable> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Frame {
        api_version: String,
        kind: String,
        metadata: FrameMeta,
    }
    #[derive(Deserialize)]
    struct FrameMeta {
        name: String,
        #[serde(default)]
        namespace: Option<String>,
    }
    let wrong = Unreadable::Field("spec.ledger.manifests");
    let key = |target: &Target| {
        let Target { resource, namespace, name } = target;
        ((resource.api_version(), resource.kind.to_string()), namespace.clone(), name.clone())
    };
    let mut left: HashMap<_, _> = resources.iter().map(|target| (key(target), &target.resource)).collect();
    let items = manifests
        .iter()
        .map(|LedgerManifest(manifest)| {
            let frame: Frame = serde_json::from_str(manifest.get()).map_err(|_| wrong.clone())?;
            let FrameMeta { name, namespace } = frame.metadata;
            let resource = left
                .remove(&((frame.api_version, frame.kind), namespace, name))
                .ok_or_else(|| wrong.clone())?;
            Ok(Arc::new(Item::read(resource.clone(), manifest)?))
        })
        .collect::<Result<Vec<_>, Unreadable>>();
    let mut items = items?;
    items.sort_by(|one, other| one.target.cmp(&other.target));
    Ok(items)
}

/// Reads what is there. Where anything of it is not what Muster wrote, all of it counts as lost: it is found again by
/// the marks.
fn applied(status: &RawValue, of_policy: bool) -> Option<BTreeMap<Target, Applied>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Frame {
        applied_resources: Vec<AppliedResource>,
    }
    let Frame { applied_resources } = serde_json::from_str(status.get()).ok()?;
    applied_resources
        .into_iter()
        .map(|entry| {
            let AppliedResource { group, version, kind, resource, namespace, name, uid, digest, .. } = entry;
            let rest = LedgerResource::default();
            let entry = LedgerResource { group, version, kind, resource, namespace, name, ..rest };
            let target = target(&entry, of_policy)?;
            (!uid.is_empty()).then_some((target, Applied { uid, fields: digest }))
        })
        .collect()
}
