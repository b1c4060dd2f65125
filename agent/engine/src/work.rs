//! Works of the directory, read: what each asks for, manifest by manifest, before anything is known of the kinds that
//! the replica serves.
//!
//! ```text
//!  Work ─▶ Work::read ─▶ Work { options, manifests: Slot { ordinal, Ok(Manifest) | Err(Flaw) } }
//!          (the frame and the options of the Work, or an error)            │
//!  discovery, and what CRDs of the same Work define: order::defined ─▶ Manifest::resolve ─▶ Item
//!                                                                          │
//!                      order::duplicates, order::wave, order::needs  ◀─────┘
//! ```
//!
//! A Work whose frame or options cannot be read is refused as a whole: to half-understand `deletion` would be to delete.
//! A manifest that cannot be read is refused alone, and keeps its place.

mod flaw;
mod list;
mod manifest;
mod named;
mod options;
pub mod order;
mod secret;

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_api::names::{POLICY_LEDGER, is_label, is_subdomain};
use muster_api::{Object, marks};
use serde_json::value::RawValue;

use crate::mark::Maker;

pub use flaw::Flaw;
pub use manifest::{DEFAULT_NAMESPACE, Gvk, Manifest};
pub use named::Named;
pub use options::{
    Apply, Deletion, LONGEST_PATH, Level, MOST_FEEDBACK, MOST_IGNORED, OnConflict, OnDrift, OptionError,
    Options,
};

/// Most bytes of a Work's spec: its ledger repeats it, and must fit into one object of etcd.
pub const MOST_BYTES: usize = 900 * 1024;
/// Most manifests of a Work, lists expanded.
pub const MOST_MANIFESTS: usize = 5_000;

/// Annotations on a Work under Muster's prefix that are no options: the mark of a Work that another Work made, the
/// word of the owner of the replica where that happened, and the release of a hold.
const NO_OPTIONS: [&str; 3] = [marks::MADE_FOR, marks::LET_GO, marks::RELEASE];

/// What a Work asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Its name and UID.
    pub maker: Maker,
    /// Its namespace: the execution namespace.
    pub namespace: String,
    /// Generation: it moves when the spec does, and not when an option does.
    pub generation: i64,
    /// resourceVersion, as the server writes it.
    pub resource_version: String,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// Whether it bears Muster's finalizer.
    pub finalizer: bool,
    /// Its options.
    pub options: Arc<Options>,
    /// Its manifests, in their order, lists expanded.
    pub manifests: Vec<Slot>,
}

/// The place of one manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its place in the list of the Work, from 0. Items of one list have the place of that list.
    pub ordinal: usize,
    /// What it asks for, or why it cannot be applied.
    pub manifest: Result<Manifest, Flaw>,
    /// What is known of it in either case.
    pub named: Named,
}

/// Why a Work is refused as a whole. No message repeats anything of it but its name and the names of options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// A field of its frame is missing or has another type than the API says.
    #[error("unable to read Work {work}: {field} {problem}")]
    Malformed {
        /// Name of the Work.
        work: String,
        /// The field.
        field: &'static str,
        /// What is wrong there, and what to do.
        problem: &'static str,
    },
    /// Its ledger would be too large.
    #[error(
        "unable to follow Work {work}: it has more than {} KiB or {MOST_MANIFESTS} manifests: split it",
        MOST_BYTES / 1024
    )]
    TooLarge {
        /// Name of the Work.
        work: String,
    },
    /// One of its options cannot be followed.
    #[error("unable to follow Work {work}: metadata.annotations: {flaw}")]
    Option {
        /// Name of the Work.
        work: String,
        /// What is wrong.
        flaw: OptionError,
    },
    /// Its ledger would bear the name of a policy's.
    #[error(
        "unable to follow Work {work}: names that begin with {POLICY_LEDGER} are for policies: rename it"
    )]
    ReservedName {
        /// Name of the Work.
        work: String,
    },
}

// === impl Work ===

impl Work {
    /// Reads a Work.
    ///
    /// # Errors
    /// Where it must be refused as a whole: it is malformed or too large, bears a reserved name, or an option of it
    /// cannot be followed. What is wrong with single manifests is in their slots.
    pub fn read(object: &Object) -> Result<Self, WorkError> {
        let meta = &object.meta;
        let work = || flaw::shown(&meta.name);
        let malformed = |field, problem| WorkError::Malformed { work: work(), field, problem };
        if !is_subdomain(&meta.name) {
            return Err(malformed("metadata.name", "is no name that Kubernetes gives: make the Work anew"));
        }
        if meta.name.starts_with(POLICY_LEDGER) {
            return Err(WorkError::ReservedName { work: work() });
        }
        // Names of Muster's own objects and marks are made of it.
        if !is_label(&meta.uid) {
            return Err(malformed("metadata.uid", "is no UID that Kubernetes gives"));
        }
        let namespace = meta.namespace.clone().filter(|namespace| is_label(namespace));
        let namespace = namespace.ok_or_else(|| malformed("metadata.namespace", "is missing, or is none"))?;
        let options =
            Options::of_work(&meta.annotations).map_err(|flaw| WorkError::Option { work: work(), flaw })?;
        let manifests =
            all_manifests(&object.raw, MOST_BYTES).map_err(|(field, problem)| malformed(field, problem))?;
        let too_large = || WorkError::TooLarge { work: work() };
        let manifests = manifests.ok_or_else(too_large)?;
        let options = Arc::new(options);
        let mut manifests = list::slots(&manifests, &options, MOST_MANIFESTS).ok_or_else(too_large)?;
        refuse_duplicates(&mut manifests);
        Ok(Self {
            maker: Maker { name: meta.name.clone(), uid: meta.uid.clone() },
            namespace,
            generation: meta.generation,
            resource_version: meta.resource_version.clone(),
            deleting: meta.deletion_timestamp.is_some(),
            finalizer: meta.finalizers.iter().any(|finalizer| finalizer == marks::WORK_FINALIZER),
            options,
            manifests,
        })
    }
}

impl Work {
    /// What a Work that is refused names, as far as its manifests can be told apart.
    #[must_use]
    pub fn names(object: &Object) -> Vec<Named> {
        let manifests = all_manifests(&object.raw, usize::MAX).ok().flatten().unwrap_or_default();
        let slots = list::slots(&manifests, &Arc::default(), usize::MAX).unwrap_or_default();
        slots.into_iter().map(|slot| slot.named).filter(Named::has_name).collect()
    }
}

impl Options {
    /// From the annotations of a Work.
    fn of_work(annotations: &BTreeMap<String, String>) -> Result<Self, OptionError> {
        let given = annotations.iter().filter(|(key, _)| !NO_OPTIONS.contains(&key.as_str()));
        let given =
            given.filter_map(|(key, value)| Some((key.strip_prefix(manifest::PREFIX)?, value.as_str())));
        Self::default().with(given, Level::Work)
    }
}

// === impl WorkError ===

impl WorkError {
    /// The reason of a condition that says it.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "Malformed",
            Self::TooLarge { .. } => "TooLarge",
            Self::Option { .. } => "InvalidOption",
            Self::ReservedName { .. } => "ReservedName",
        }
    }
}

type Wrong = (&'static str, &'static str);

/// The manifests of a Work, as text. `None`: its spec has more than `most` bytes. The size of its status does not count, else a
/// report could make a Work too large.
///
/// A workload that is missing is an error, and not one without manifests: where a CRD of another tool pruned it, all
/// that the Work ever made would go.
fn all_manifests(raw: &RawValue, most: usize) -> Result<Option<Vec<&RawValue>>, Wrong> {
    let missing = "is missing or null: a Work without manifests says workload: {}";
    let within = |outer: &'_ BTreeMap<String, _>, field: &str| {
        outer.get(field).copied().filter(|raw: &&RawValue| raw.get() != "null")
    };
    let object = list::outer(raw).ok_or(("it", "must be an object"))?;
    let spec = within(&object, "spec").ok_or(("spec", missing))?;
    if spec.get().len() > most {
        return Ok(None);
    }
    let spec = list::outer(spec).ok_or(("spec", "must be an object"))?;
    let workload = within(&spec, "workload").ok_or(("spec.workload", missing))?;
    let workload = list::outer(workload).ok_or(("spec.workload", "must be an object"))?;
    let Some(manifests) = workload.get("manifests") else { return Ok(Some(Vec::new())) };
    serde_json::from_str(manifests.get()).map(Some).map_err(|_| ("spec.workload.manifests", "must be a list"))
}

/// Of manifests that are one object the first counts, also where it cannot be applied: which of the two is meant, the
/// agent cannot know.
fn refuse_duplicates(slots: &mut [Slot]) {
    let names = slots.iter().map(|slot| (slot.ordinal, &slot.named)).map(|(ordinal, named)| {
        let Named { group, version: _, kind, namespace, name } = named;
        let key = [group, kind, namespace, name].map(String::as_str);
        (ordinal, (!kind.is_empty() && !name.is_empty()).then_some(key))
    });
    let firsts = order::firsts(names);
    for (slot, first) in slots.iter_mut().zip(firsts) {
        if let (Some(first), Ok(_)) = (first, &slot.manifest) {
            slot.manifest = Err(Flaw::Duplicate { first });
        }
    }
}

#[cfg(test)]
mod tests;
