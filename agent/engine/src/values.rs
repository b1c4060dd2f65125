//! The values of the Secrets that Works ask for. A ledger is read by more people than a Secret, so it has a reference in
//! the place of each value: a keyed digest (HMAC-SHA-256, RFC 2104), since the plain digest of a short password can be
//! guessed. The values lie under these digests, with the key, in one Secret beside the ledger: a [`Vault`].
//!
//! ```text
//!  Item with values ── seal ─▶ Item with references (recorded, compared, digested) + Values (kept in the vault)
//!  Item with references + Values ── open ─▶ Item with values (what is written)
//! ```
//!
//! A value is base64 all the way, as manifests have it. Nothing here can be printed.

mod hmac;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use muster_api::Resource;
use serde_json::{Map, Value};

use crate::item::Item;
use crate::target::Target;

/// What stands before a digest in the place of a value. No base64 text begins so.
const REFERENCE: &str = "hmac-sha256:";
/// Under what the key lies in a vault. No digest is called so.
const KEY: &str = "key";

/// Most bytes of all values in a vault, and of the digests under which they lie: servers take 1 MiB in a Secret.
pub const MOST_BYTES: usize = 1_000 * 1024;

/// The digest of a value: 64 hexadecimal digits.
pub type Digest = Box<str>;

/// The key of the digests of one Work's values.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

/// Values in base64, by their digests.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Values(BTreeMap<Digest, Box<str>>);

/// What the Secret beside a ledger holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vault {
    /// The key of the digests.
    pub key: Key,
    /// The values: those of which the digest is right.
    pub values: Values,
    /// Whether there is such a Secret. Where there is none, the key is a new one, and kept nowhere yet.
    pub there: bool,
}

// === impl Key ===

impl Key {
    /// A key of these bytes, which must be random.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest of a value in base64.
    #[must_use]
    pub fn digest(&self, value: &str) -> Digest {
        hmac::sha256(&self.0, value.as_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

// === impl Values ===

impl Values {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their digests.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.0.keys()
    }

    /// More of them.
    pub fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// Only those that are asked for.
    pub fn retain(&mut self, asked: impl Fn(&str) -> bool) {
        self.0.retain(|digest, _| asked(digest));
    }

    /// Those that are asked for.
    #[must_use]
    pub fn pick(&self, asked: impl Fn(&str) -> bool) -> Self {
        let mut picked = self.clone();
        picked.retain(asked);
        picked
    }

    /// Bytes of the values, decoded, and of the digests.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(digest, value)| digest.len() + value.len() / 4 * 3).sum()
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values", self.0.len())
    }
}

// === impl Vault ===

impl Vault {
    /// Reads the data of a vault, in base64 as a Secret has it. A value that its digest does not fit to is left out:
    /// somebody altered it. `None`: there is no key in it.
    #[must_use]
    pub fn read(mut data: BTreeMap<String, String>) -> Option<Self> {
        let key = BASE64_STANDARD.decode(data.remove(KEY)?).ok()?;
        let key = Key(key.try_into().ok()?);
        let entries =
            data.into_iter().map(|(digest, value)| (digest.into_boxed_str(), value.into_boxed_str()));
        let values = entries.filter(|(digest, value)| key.digest(value) == *digest).collect();
        Some(Self { key, values: Values(values), there: true })
    }

    /// The data of a Secret that keeps it.
    #[must_use]
    pub fn data(&self) -> BTreeMap<&str, String> {
        let values = self.values.0.iter().map(|(digest, value)| (digest.as_ref(), value.to_string()));
        values.chain([(KEY, BASE64_STANDARD.encode(self.key.0))]).collect()
    }

    /// This vault after what is asked for: its key is this one, what it has of `keep` stays, and more is added. Where
    /// both together are more than fits, only what is added is in it: what was recorded before is about to be replaced.
    #[must_use]
    pub fn with(&self, key: &Key, keep: &BTreeSet<Digest>, add: &Values) -> Self {
        let mut values = if self.key == *key { self.values.clone() } else { Values::default() };
        values.retain(|digest| keep.contains(digest));
        values.extend(add.clone());
        if values.bytes() > MOST_BYTES {
            values = add.clone();
        }
        Self { key: key.clone(), values, there: true }
    }
}

// === sealed items ===

/// Whether objects of a resource are Secrets of Kubernetes itself.
#[must_use]
pub fn is_secret(resource: &Resource) -> bool {
    resource.group.is_empty() && resource.kind == "Secret"
}

/// Whether values may lie beside a ledger that names an object.
#[must_use]
pub fn may_have(target: &Target) -> bool {
    is_secret(&target.resource)
}

/// The data of an item, if it is a Secret that has any.
fn data(item: &Item) -> Option<BTreeMap<String, String>> {
    let text = Some(item).filter(|item| is_secret(&item.target.resource))?.content.field("data")?;
    serde_json::from_str(text).ok().filter(|data: &BTreeMap<_, _>| !data.is_empty())
}

fn with_data(item: &Item, data: impl Iterator<Item = (String, String)>) -> Item {
    let data: Map<String, Value> = data.map(|(key, value)| (key, Value::from(value))).collect();
    item.clone().with("data", Value::Object(data))
}

/// Whether an item has values, or references to them.
#[must_use]
pub fn has_any(item: &Item) -> bool {
    data(item).is_some()
}

/// An item with references in the place of its values, and the values.
#[must_use]
pub fn seal(item: &Item, key: &Key) -> (Item, Values) {
    let Some(data) = data(item) else { return (item.clone(), Values::default()) };
    let mut values = BTreeMap::new();
    let references = data.into_iter().map(|(name, value)| {
        let digest = key.digest(&value);
        let reference = format!("{REFERENCE}{digest}");
        values.insert(digest, value.into_boxed_str());
        (name, reference)
    });
    let sealed = with_data(item, references);
    (sealed, Values(values))
}

/// An item with references to nothing in the place of its values: it says nothing of them, and cannot be opened.
#[must_use]
pub fn blank(item: &Item) -> Item {
    let Some(data) = data(item) else { return item.clone() };
    with_data(item, data.into_keys().map(|name| (name, REFERENCE.to_owned())))
}

/// An item with its values. `None`: one of them is not at hand, or something else stands in its place.
#[must_use]
pub fn open(item: &Item, values: &Values) -> Option<Item> {
    let Some(data) = data(item) else { return Some(item.clone()) };
    let opened = data.into_iter().map(|(name, reference)| {
        let value = values.0.get(reference.strip_prefix(REFERENCE)?)?;
        Some((name, value.to_string()))
    });
    let opened: Vec<_> = opened.collect::<Option<_>>()?;
    Some(with_data(item, opened.into_iter()))
}

/// The digests of the values that an item refers to.
#[must_use]
pub fn references(item: &Item) -> Vec<Digest> {
    let data = data(item).unwrap_or_default();
    let digest = |reference: String| reference.strip_prefix(REFERENCE).map(Into::into);
    data.into_values().filter_map(digest).collect()
}

#[cfg(test)]
mod tests;
