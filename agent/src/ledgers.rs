//! The ledgers of policies and Works, as `AppliedWork`s of the replica. Only this module knows how one is laid out; what it means
//! is `muster_engine::ledger`'s.
//!
//! The spec is written before the objects and the status after them: [`record`], [`settle`], [`forget`]. What the
//! replica keeps is followed by [`watched`], and [`trial`] tells whether it keeps all of it.

mod layout;
pub mod trial;
pub mod watched;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use muster_api::names::POLICY_LEDGER;
use muster_api::resource::APPLIED_WORKS;
use muster_api::{Object, Resource};
use muster_engine::item::ItemError;
use muster_engine::ledger::{Applied, Kept, Ledger, Of, Phase};
use muster_engine::{Failure, Target, applyset};
use muster_kit::client::{CallError, Client, Preconditions};
use serde_json::json;

use crate::MANAGER;
use crate::failure::failure;

/// Most bytes of a ledger: of what is recorded before the objects (`spec`) and after them (`status`). etcd takes
/// 1.45 MiB for an object as a whole.
pub const LARGEST: usize = 1_363_148; // 1.3 MiB

/// Why a ledger was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// There is more to record than an object can hold.
    #[error("unable to record what {maker} asks for: it takes {bytes} bytes, and {LARGEST} are the most")]
    TooLarge {
        /// Name of the policy or the Work.
        maker: String,
        /// Bytes that it takes.
        bytes: usize,
    },
    /// What the replica keeps is not what Muster wrote.
    #[error("unable to read ledger {name}: {why}")]
    Unreadable {
        /// Name of the `AppliedWork`.
        name: String,
        /// Why.
        why: Unreadable,
    },
}

/// Why an `AppliedWork` is no ledger that Muster wrote. Nothing of its content is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Its spec lacks a field, or has one of another type.
    #[error("its spec is malformed")]
    Malformed,
    /// A field says what Muster would not have written there.
    #[error("{0} is not what Muster wrote")]
    Field(&'static str),
    /// An option is unknown, or has an unknown value: a later version of Muster may have written it.
    #[error("it has an option that this version does not know")]
    Option,
    /// A manifest is none that Muster wrote.
    #[error(transparent)]
    Manifest(#[from] ItemError),
}

impl LedgerError {
    /// What it means for decisions.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Call(error) => failure(error),
            Self::TooLarge { .. } => Failure::TooLarge,
            Self::Unreadable { .. } => Failure::Malformed,
        }
    }
}

/// The name of the `AppliedWork` that keeps a ledger. A Work's has the Work's name, as the standard has it; no Work may
/// bear one like a policy's.
#[must_use]
pub fn name(ledger: &Ledger) -> String {
    match ledger.of {
        Of::Policy { .. } => format!("{POLICY_LEDGER}{}", ledger.maker.uid),
        Of::Work(_) => ledger.maker.name.clone(),
    }
}

/// Reads an `AppliedWork`. `None`: it is another tool's.
///
/// # Errors
/// Where it has the name of one, and is not what Muster wrote.
pub fn read(object: &Object) -> Result<Option<Kept>, LedgerError> {
    let ledger = layout::ledger(&object.meta.name, &object.raw)
        .map_err(|why| LedgerError::Unreadable { name: object.meta.name.clone(), why })?;
    let Some(ledger) = ledger else { return Ok(None) };
    let (uid, version) = (object.meta.uid.clone(), object.meta.resource_version.clone());
    Ok(Some(Kept { ledger, uid, version }))
}

/// Writes the part that goes before the objects: anew, or in place of what has this UID and resourceVersion.
///
/// # Errors
/// Where it is not kept then, or not as it was written.
pub async fn record(
    client: &Client,
    ledger: &Ledger,
    before: Option<&(String, String)>,
) -> Result<Kept, LedgerError> {
    let (name, spec) = (name(ledger), fitting(ledger)?);
    let Some(before) = before else {
        let created =
            client.create(&APPLIED_WORKS, None, MANAGER, body(&metadata(ledger, &name), &spec)).await;
        return match created {
            Err(error @ CallError::AlreadyExists { .. }) => {
                let there = client.get(&APPLIED_WORKS, None, &name).await?;
                let before = ruin(&there).ok_or(error)?;
                replace(client, ledger, (&name, &spec), &before).await
            }
            created => kept(&created?),
        };
    };
    replace(client, ledger, (&name, &spec), before).await
}

async fn replace(
    client: &Client,
    ledger: &Ledger,
    (name, spec): (&str, &str),
    (uid, version): &(String, String),
) -> Result<Kept, LedgerError> {
    let mut metadata = metadata(ledger, name);
    metadata["uid"] = uid.as_str().into();
    metadata["resourceVersion"] = version.as_str().into();
    kept(&client.replace(&APPLIED_WORKS, None, name, MANAGER, body(&metadata, spec)).await?)
}

/// UID and resourceVersion of what bears the name of a ledger and can be read by no version of Muster: while another
/// tool's definition was in the place of Muster's, whoever wrote to it made the server drop the ledger. It is of no use
/// to anybody, and in the way. What a later version may have written is left alone.
fn ruin(there: &Object) -> Option<(String, String)> {
    if !there.meta.name.starts_with(POLICY_LEDGER) {
        return None; // another tool's AppliedWork may have the name of a Work
    }
    match read(there) {
        Ok(_) | Err(LedgerError::Unreadable { why: Unreadable::Option, .. }) => None,
        Err(_) => Some((there.meta.uid.clone(), there.meta.resource_version.clone())),
    }
}

/// Writes the part that comes after the objects.
///
/// # Errors
/// Where it is not kept then, or where somebody changed the ledger meanwhile.
pub async fn settle(
    client: &Client,
    kept: &Kept,
    applied: &BTreeMap<Target, Applied>,
) -> Result<Kept, LedgerError> {
    let name = name(&kept.ledger);
    // The UID would guard nothing here: servers give no heed to it in the status of a custom resource.
    let metadata = json!({"resourceVersion": kept.version});
    let status = layout::status(&kept.ledger, applied);
    let body = format!(r#"{{"metadata":{metadata},"status":{status}}}"#).into_bytes();
    drop(status);
    let written = client.merge_patch(&APPLIED_WORKS, None, &name, Some("status"), MANAGER, body).await?;
    self::kept(&written)
}

/// Reads the ledger of a Work, live.
///
/// # Errors
/// Where it is not there, cannot be read, or is the ledger of another Work.
pub async fn recall(client: &Client, name: &str, work: &str) -> Result<Kept, LedgerError> {
    let kept = kept(&client.get(&APPLIED_WORKS, None, name).await?)?;
    let why = Unreadable::Field("spec.ledger.source.uid");
    if kept.ledger.maker.uid == work {
        Ok(kept)
    } else {
        Err(LedgerError::Unreadable { name: name.to_owned(), why })
    }
}

/// Removes the ledger that is kept under a name, if it is the one of this UID and as it was seen. One that is gone already
/// counts as removed.
///
/// # Errors
/// Where it is still there, or another one is.
pub async fn forget(client: &Client, name: &str, uid: &str, version: &str) -> Result<(), CallError> {
    let preconditions =
        Preconditions { uid: Some(uid.to_owned()), resource_version: Some(version.to_owned()) };
    match client.delete(&APPLIED_WORKS, None, name, &preconditions).await {
        Err(error) if error.proves_absence() => Ok(()),
        outcome => outcome,
    }
}

/// The spec of a ledger, if it is not too large together with the status that follows. What takes away is let through:
/// it records no more than was there before.
fn fitting(ledger: &Ledger) -> Result<String, LedgerError> {
    let spec = layout::spec(ledger);
    let bytes = spec.len() + layout::largest_status(ledger);
    if bytes > LARGEST && ledger.phase == Phase::Applying {
        return Err(LedgerError::TooLarge { maker: ledger.maker.name.clone(), bytes });
    }
    Ok(spec)
}

/// Its name; and for a Work's what makes it the parent of a set of objects (KEP-3659).
fn metadata(ledger: &Ledger, name: &str) -> serde_json::Value {
    let Of::Work(_) = &ledger.of else { return json!({"name": name}) };
    let kinds: BTreeSet<String> = ledger.resources.iter().map(group_kind).collect();
    let namespaces: BTreeSet<&str> =
        ledger.resources.iter().filter_map(|target| target.namespace.as_deref()).collect();
    json!({
        "name": name,
        "labels": {"applyset.kubernetes.io/id": applyset::id(name)},
        "annotations": {
            "applyset.kubernetes.io/tooling": concat!("muster/", env!("CARGO_PKG_VERSION")),
            "applyset.kubernetes.io/contains-group-kinds": Vec::from_iter(kinds).join(","),
            "applyset.kubernetes.io/additional-namespaces": Vec::from_iter(namespaces).join(","),
        },
    })
}

/// `Kind.group`, or `Kind` alone in the core group.
fn group_kind(target: &Target) -> String {
    let Resource { group, kind, .. } = &target.resource;
    if group.is_empty() { kind.to_string() } else { format!("{kind}.{group}") }
}

fn body(metadata: &serde_json::Value, spec: &str) -> Vec<u8> {
    let mut body = String::with_capacity(spec.len() + 512);
    let (version, kind) = (APPLIED_WORKS.api_version(), &APPLIED_WORKS.kind);
    let _ =
        write!(body, r#"{{"apiVersion":"{version}","kind":"{kind}","metadata":{metadata},"spec":{spec}}}"#); // writing to a String cannot fail
    body.into_bytes()
}

/// What a server answered to the writing of a ledger.
fn kept(written: &Object) -> Result<Kept, LedgerError> {
    let unreadable = |why| LedgerError::Unreadable { name: written.meta.name.clone(), why };
    read(written)?.ok_or_else(|| unreadable(Unreadable::Field("its name")))
}

#[cfg(test)]
mod tests;
