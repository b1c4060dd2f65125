//! Which fields of a manifest an object does not have, or has with another value: for people, who are told paths and
//! never values.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::fields::{key_text, push_field, push_index, push_keys};

/// Longest path, in bytes. A longer one is cut.
pub const LONGEST_PATH: usize = 256;
/// Fields that lie deeper are compared as one.
const DEEPEST: usize = 64;
const CUT: &str = "…";

/// By what elements of lists are known, the best first: the merge keys of Kubernetes' own kinds. Sorted within, as paths
/// have them.
const KEYS: [&[&str]; 10] = [
    &["name"],
    &["containerPort", "protocol"],
    &["port", "protocol"],
    &["key"],
    &["type"],
    &["mountPath"],
    &["devicePath"],
    &["topologyKey", "whenUnsatisfiable"],
    &["ip"],
    &["uid"],
];

/// What differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Paths of fields, as [`Path`](crate::fields::Path) writes them, in the order of the manifest's sorted fields. One
    /// that would be longer than [`LONGEST_PATH`] ends in `…`.
    pub paths: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

/// The fields of `wanted`, a manifest, that `there`, an object of a server, lacks or has with another value; at most
/// `limit` of them.
///
/// Fields and elements of lists that only `there` has are no difference, and neither is a field that asks for nothing
/// (null, `{}` or `[]`) where there is none. Elements of lists of objects are matched by what names them, such as name, or
/// port and protocol, where that is unique on both sides, else by their place. Of a list of scalars, those that are there
/// in the same order count as there, else it is compared by places.
///
/// Values are compared as they are written: a quantity, duration or other scalar that the server writes in another way
/// (`1000m` for `1`) is reported. The server's word on whether something changed is the set of fields that is owned
/// ([`digest`](crate::fields::digest)); this says where to look.
///
/// Within data and stringData of a Secret, and within any binaryData, only the key is named. What stringData asks for is
/// looked for in data, where a server puts it.
#[must_use]
pub fn paths(wanted: &Value, there: &Value, limit: usize) -> Differences {
    let mut walk = Walk { found: Differences::default(), limit, path: String::new(), depth: 0 };
    if let (Value::Object(wanted), Value::Object(there)) = (wanted, there) {
        walk.root(wanted, there);
    } else if wanted != there {
        walk.report();
    }
    walk.found
}

struct Walk {
    found: Differences,
    limit: usize,
    path: String,
    depth: usize,
}

// === impl Walk ===

impl Walk {
    fn root(&mut self, wanted: &Map<String, Value>, there: &Map<String, Value>) {
        let text = |field: &str| wanted.get(field).and_then(Value::as_str);
        let is_secret = text("kind") == Some("Secret") && text("apiVersion") == Some("v1");
        let plain = wanted.get("stringData").and_then(Value::as_object);
        for (name, value) in wanted {
            let found = there.get(name);
            self.step(
                |path| push_field(path, name),
                |walk| match (name.as_str(), value) {
                    ("stringData", Value::Object(plain)) if is_secret => {
                        let found = there.get("data").and_then(Value::as_object);
                        walk.keys(plain.iter(), |key, value| {
                            let found = found.and_then(|data| data.get(key)).and_then(Value::as_str);
                            let value = value.as_str().map(|value| STANDARD.encode(value));
                            value.is_some() && value.as_deref() == found
                        });
                    }
                    ("data", Value::Object(data)) if is_secret => {
                        // What both ask for, stringData has the last word on.
                        let asked = data
                            .iter()
                            .filter(|(key, _)| plain.is_none_or(|plain| !plain.contains_key(*key)));
                        walk.keys(asked, |key, value| is_same(value, found.and_then(|data| data.get(key))));
                    }
                    ("binaryData", Value::Object(data)) => {
                        walk.keys(data.iter(), |key, value| {
                            is_same(value, found.and_then(|data| data.get(key)))
                        });
                    }
                    _ => walk.value(value, found),
                },
            );
        }
    }

    /// Names the keys of which something else is there, whatever it is.
    fn keys<'a>(
        &mut self,
        wanted: impl Iterator<Item = (&'a String, &'a Value)>,
        is_there: impl Fn(&str, &Value) -> bool,
    ) {
        for (key, value) in wanted {
            if !is_there(key, value) {
                self.step(|path| push_field(path, key), Self::report);
            }
        }
    }

    fn value(&mut self, wanted: &Value, there: Option<&Value>) {
        match (wanted, there) {
            _ if is_same(wanted, there) => {}
            (Value::Object(wanted), Some(Value::Object(there))) if self.depth < DEEPEST => {
                for (name, value) in wanted {
                    self.step(|path| push_field(path, name), |walk| walk.value(value, there.get(name)));
                }
            }
            (Value::Array(wanted), Some(Value::Array(there))) if self.depth < DEEPEST => {
                self.list(wanted, there);
            }
            _ => self.report(),
        }
    }

    fn list(&mut self, wanted: &[Value], there: &[Value]) {
        for keys in KEYS {
            let (Some(named), Some(known)) = (by_keys(wanted, keys), by_keys(there, keys)) else { continue };
            let places: BTreeMap<_, _> = known.iter().map(|(name, value)| (name, *value)).collect();
            for (name, value) in &named {
                let pairs = || keys.iter().copied().zip(name.iter().map(Cow::as_ref));
                self.step(
                    |path| push_keys(path, pairs()),
                    |walk| match places.get(name) {
                        Some(found) => walk.value(value, Some(*found)),
                        None => walk.report(), // also where it asks for nothing but to be there
                    },
                );
            }
            return;
        }
        if wanted.iter().all(is_scalar) {
            let mut rest = there.iter();
            if wanted.iter().all(|value| rest.any(|found| is_same(value, Some(found)))) {
                return;
            }
        }
        for (index, value) in wanted.iter().enumerate() {
            self.step(
                |path| push_index(path, index),
                |walk| match there.get(index) {
                    Some(found) => walk.value(value, Some(found)),
                    None => walk.report(),
                },
            );
        }
    }

    /// Goes one step down, and up again.
    fn step(&mut self, push: impl FnOnce(&mut String), then: impl FnOnce(&mut Self)) {
        let before = self.path.len();
        // Nothing that follows would be seen.
        if before <= LONGEST_PATH {
            push(&mut self.path);
        }
        self.depth += 1;
        then(self);
        self.depth -= 1;
        self.path.truncate(before);
    }

    fn report(&mut self) {
        if self.found.paths.len() < self.limit {
            self.found.paths.push(cut(&self.path));
        } else {
            self.found.more += 1;
        }
    }
}

/// An element, and the texts of the keys that name it.
type Named<'a> = (Vec<Cow<'a, str>>, &'a Value);

/// The elements with what names each, in the order of the list. `None`: it does not name them all, or two alike.
fn by_keys<'a>(list: &'a [Value], keys: &[&str]) -> Option<Vec<Named<'a>>> {
    let name = |value: &'a Value| -> Option<Named<'a>> {
        let element = value.as_object()?;
        Some((keys.iter().map(|key| key_text(element, key)).collect::<Option<_>>()?, value))
    };
    let named: Vec<_> = list.iter().map(name).collect::<Option<_>>()?;
    let mut texts: Vec<_> = named.iter().map(|(name, _)| name).collect();
    texts.sort_unstable();
    let is_unique = texts.windows(2).all(|pair| pair.first() != pair.last());
    is_unique.then_some(named)
}

fn is_scalar(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

/// Whether nothing is missing, at a glance.
fn is_same(wanted: &Value, there: Option<&Value>) -> bool {
    match (wanted, there) {
        (wanted, None) => match wanted {
            Value::Null => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        },
        // Servers write 1.0 as 1.
        (Value::Number(one), Some(Value::Number(other))) if one.is_f64() != other.is_f64() => {
            one.as_f64() == other.as_f64()
        }
        (wanted, Some(there)) => mem::discriminant(wanted) == mem::discriminant(there) && wanted == there,
    }
}

fn cut(path: &str) -> String {
    if path.len() <= LONGEST_PATH {
        return path.to_owned();
    }
    let mut end = LONGEST_PATH - CUT.len();
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    let (kept, _) = path.split_at(end);
    format!("{kept}{CUT}")
}

#[cfg(test)]
mod tests;
