//! The path of one field, as people write it.

use std::collections::BTreeMap;
use std::fmt;

use muster_api::marks;
use serde_json::{Map, Value};

use super::text::{
    is_in_bare_name, is_in_bare_value, key_text, push_field, push_index, push_keys, push_member, scalar,
};
use crate::policy::quoted;

/// Longest path, in bytes.
pub const LONGEST_PATH: usize = 1024;
/// Most steps of a path.
const MOST_STEPS: usize = 32;
/// Most keys that name one element.
const MOST_KEYS: usize = 8;
/// Longest value that is remembered of an element, in bytes: merge keys are names and numbers.
const LONGEST_KEY: usize = 253;

/// What a path may not reach, by its fields: without these an object is another one, or nobody's.
const RESERVED: [&[&str]; 6] = [
    &["apiVersion"],
    &["kind"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "labels", marks::PART_OF],
    &["metadata", "annotations", marks::MADE_FOR],
];

/// The path of one field of a manifest, from its root:
///
/// - `spec.replicas`; a dot at the beginning is allowed;
/// - `metadata.annotations['example.com/x']`: a name with other letters than `A-Z a-z 0-9 - _`, in single or double
///   quotes, where `\'`, `\"`, `\\` and `\u{7f}` stand for letters;
/// - `spec.template.spec.containers[name=app].image`, `spec.ports[port=80,protocol=TCP].nodePort`: the element of a list
///   by its keys. A value with other letters than `A-Z a-z 0-9 - _ . / :` is in quotes;
/// - `metadata.finalizers[='example.com/x']`: the element of a list of scalars by its value;
/// - `webhooks[0].clientConfig.caBundle`: the element of a list by its place in the manifest.
///
/// Debug shows the path as Display does, since what [`locate`](Self::locate) saw may be none of a log's business.
#[derive(Clone, PartialEq, Eq)]
pub struct Path(Vec<Step>);

/// Why a path cannot be used. Messages repeat the path, which is in an annotation, and nothing of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not follow the syntax, or its bounds.
    #[error("unable to read field path {path}: {reason}")]
    Malformed {
        /// The path, cut.
        path: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// It names, or holds, a field that Muster itself needs.
    #[error(
        "unable to use field path {path}: {field} is at, above or below it, and cannot be left to others"
    )]
    Reserved {
        /// The path, cut.
        path: String,
        /// The field that it reaches.
        field: String,
    },
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A field of an object.
    Field(Box<str>),
    /// An element of a list.
    Element(Element),
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Element {
    by: By,
    /// What the manifest has in its place.
    seen: Option<Seen>,
}

/// What names an element of a list.
#[derive(Clone, PartialEq, Eq)]
enum By {
    Keys(BTreeMap<Box<str>, Box<str>>),
    Value(Box<str>),
    Index(usize),
}

#[derive(Clone, PartialEq, Eq)]
enum Seen {
    Object(BTreeMap<Box<str>, Box<str>>),
    Scalar(Box<str>),
}

// === impl Path ===

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// Where it does not follow the syntax, is longer than 1,024 bytes or 32 steps, or is at, above or below apiVersion,
    /// kind, the object's name or namespace, or the label or annotation by which Muster knows the object.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let malformed = |reason: String| PathError::Malformed { path: quoted(text), reason };
        if text.len() > LONGEST_PATH {
            return Err(malformed(format!("it is longer than {LONGEST_PATH} bytes")));
        }
        let steps = Parser { text, at: 0 }.steps().map_err(malformed)?;
        let path = Self(steps);
        match RESERVED.iter().find(|reserved| path.meets(reserved)) {
            None => Ok(path),
            Some(reserved) => {
                let mut field = String::new();
                reserved.iter().for_each(|name| push_field(&mut field, name));
                Err(PathError::Reserved { path: quoted(text), field })
            }
        }
    }

    /// The path, with what the manifest has at each element of a list that it names. A field set knows elements by the
    /// merge keys of their list, which a path need not name: without this, an element that is named by its place or by
    /// other keys is taken to be each element that it could be.
    #[must_use]
    pub fn locate(&self, manifest: &Value) -> Self {
        let mut path = self.clone();
        let mut there = Some(manifest);
        for step in &mut path.0 {
            there = match step {
                Step::Field(name) => there.and_then(|value| value.get(name.as_ref())),
                Step::Element(element) => {
                    element.seen = None;
                    let found = there.and_then(Value::as_array).and_then(|list| element.find(list));
                    element.seen = found.and_then(Seen::of);
                    found
                }
            };
        }
        path
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether the path is at, above or below a field.
    fn meets(&self, field: &[&str]) -> bool {
        let mut pairs = self.0.iter().zip(field);
        pairs.all(|(step, name)| matches!(step, Step::Field(own) if own.as_ref() == *name))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for step in &self.0 {
            match step {
                Step::Field(name) => push_field(&mut text, name),
                Step::Element(Element { by: By::Index(index), .. }) => push_index(&mut text, *index),
                Step::Element(Element { by: By::Value(value), .. }) => push_member(&mut text, value),
                Step::Element(Element { by: By::Keys(keys), .. }) => {
                    push_keys(&mut text, keys.iter().map(|(key, value)| (key.as_ref(), value.as_ref())));
                }
            }
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({self})")
    }
}

// === impl Element ===

impl Element {
    /// Whether this names the element of a manifest's list.
    pub(super) fn is_at(&self, index: usize, value: &Value) -> bool {
        match &self.by {
            By::Index(own) => *own == index,
            By::Value(own) => scalar(value).is_some_and(|value| value == own.as_ref()),
            By::Keys(keys) => value.as_object().is_some_and(|element| {
                keys.iter()
                    .all(|(key, own)| key_text(element, key).is_some_and(|value| value == own.as_ref()))
            }),
        }
    }

    /// The one element that this names.
    pub(super) fn find<'a>(&self, list: &'a [Value]) -> Option<&'a Value> {
        let mut found = list.iter().enumerate().filter(|(index, value)| self.is_at(*index, value));
        let first = found.next();
        if found.next().is_some() { None } else { first.map(|(_, value)| value) }
    }

    /// Whether this can be the element of a field set that has these merge keys: none that both know differs.
    pub(super) fn may_have(&self, merge_keys: &Map<String, Value>) -> bool {
        let own = match &self.by {
            By::Keys(keys) => Some(keys),
            By::Index(_) => None,
            By::Value(_) => return false,
        };
        let seen = match &self.seen {
            Some(Seen::Object(fields)) => Some(fields),
            Some(Seen::Scalar(_)) => return false,
            None => None,
        };
        merge_keys.iter().all(|(key, value)| {
            let known = seen.into_iter().chain(own).find_map(|keys| keys.get(key.as_str()));
            known.is_none_or(|known| scalar(value).is_some_and(|value| value == known.as_ref()))
        })
    }

    /// Whether this can be the element of a field set that has this value.
    pub(super) fn may_be(&self, member: &Value) -> bool {
        let known = match (&self.by, &self.seen) {
            (By::Value(own), _) | (By::Index(_), Some(Seen::Scalar(own))) => own,
            (By::Index(_), None) => return true,
            _ => return false,
        };
        scalar(member).is_some_and(|value| value == known.as_ref())
    }

    /// Whether this is the element of a field set that has this place.
    pub(super) fn is_index(&self, index: usize) -> bool {
        self.by == By::Index(index)
    }
}

impl Seen {
    fn of(value: &Value) -> Option<Self> {
        let Some(object) = value.as_object() else {
            return scalar(value).map(|text| Self::Scalar(text.into()));
        };
        let short = |key: &str| key_text(object, key).filter(|text| text.len() <= LONGEST_KEY);
        let keys = object.keys().map(String::as_str).chain(["protocol"]);
        Some(Self::Object(keys.filter_map(|key| Some((key.into(), short(key)?.into()))).collect()))
    }
}

// === impl Parser ===

/// What follows a name or a value is always one byte of ASCII, so each place in the text is one between two letters.
struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn steps(mut self) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        self.eat('.');
        while steps.is_empty() || !self.rest().is_empty() {
            if steps.len() == MOST_STEPS {
                return Err(format!("it has more than {MOST_STEPS} steps"));
            }
            let step = if self.eat('[') {
                self.bracket()?
            } else {
                if !steps.is_empty() && !self.eat('.') {
                    return Err(self.wrong("a dot or a bracket is wanted"));
                }
                Step::Field(self.bare(is_in_bare_name, "a name is wanted: one with other letters than A-Z, a-z, 0-9, '-' and '_' goes in brackets and quotes")?.into())
            };
            if steps.is_empty() && matches!(step, Step::Element(_)) {
                return Err("it begins with an element of a list, and an object is none".to_owned());
            }
            steps.push(step);
        }
        Ok(steps)
    }

    /// What follows an opening bracket, and the closing one.
    fn bracket(&mut self) -> Result<Step, String> {
        const WANTED: &str = "a quoted name, a place such as 0, or keys such as name=app are wanted";
        let by = if self.eat('=') {
            By::Value(self.value()?)
        } else {
            let is_quoted = self.rest().starts_with(['\'', '"']);
            let name: Box<str> =
                if is_quoted { self.quoted()? } else { self.bare(is_in_bare_name, WANTED)?.into() };
            if self.eat('=') {
                By::Keys(self.keys(name)?)
            } else if is_quoted {
                self.close()?;
                return Ok(Step::Field(name));
            } else {
                By::Index(name.parse().map_err(|_| self.wrong(WANTED))?)
            }
        };
        self.close()?;
        Ok(Step::Element(Element { by, seen: None }))
    }

    /// The keys of an element, from the value of the first.
    fn keys(&mut self, first: Box<str>) -> Result<BTreeMap<Box<str>, Box<str>>, String> {
        let mut keys = BTreeMap::from([(first, self.value()?)]);
        while self.eat(',') {
            let is_quoted = self.rest().starts_with(['\'', '"']);
            let key = if is_quoted {
                self.quoted()?
            } else {
                self.bare(is_in_bare_name, "a key is wanted")?.into()
            };
            if !self.eat('=') {
                return Err(self.wrong("'=' is wanted"));
            }
            let value = self.value()?;
            if keys.insert(key, value).is_some() {
                return Err(self.wrong("a key is named twice"));
            }
            if keys.len() > MOST_KEYS {
                return Err(self.wrong("these are too many keys"));
            }
        }
        Ok(keys)
    }

    fn value(&mut self) -> Result<Box<str>, String> {
        if self.rest().starts_with(['\'', '"']) {
            return self.quoted();
        }
        Ok(self.bare(is_in_bare_value, "a value is wanted: one with other letters than A-Z, a-z, 0-9, '-', '_', '.', '/' and ':' goes in quotes")?.into())
    }

    fn bare(&mut self, part: fn(u8) -> bool, wanted: &str) -> Result<&'a str, String> {
        let rest = self.rest();
        let end = rest.bytes().position(|byte| !part(byte)).unwrap_or(rest.len());
        // All bytes before the end are ASCII.
        match rest.get(..end).filter(|text| !text.is_empty()) {
            Some(text) => {
                self.at += end;
                Ok(text)
            }
            None => Err(self.wrong(wanted)),
        }
    }

    fn quoted(&mut self) -> Result<Box<str>, String> {
        let mut letters = self.rest().char_indices();
        let quote = letters.next().map(|(_, quote)| quote);
        let mut text = String::new();
        while let Some((place, letter)) = letters.next() {
            if Some(letter) == quote {
                self.at += place + 1;
                return Ok(text.into());
            }
            if letter != '\\' {
                text.push(letter);
                continue;
            }
            match letters.next() {
                Some((_, escaped @ ('\'' | '"' | '\\'))) => text.push(escaped),
                Some((_, 'u')) if letters.next().is_some_and(|(_, open)| open == '{') => {
                    let hex: String =
                        letters.by_ref().map(|(_, digit)| digit).take_while(|digit| *digit != '}').collect();
                    let code = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
                    text.push(
                        code.ok_or_else(|| self.wrong("the name or value after this has an unknown escape"))?,
                    );
                }
                _ => return Err(self.wrong("the name or value after this has an unknown escape")),
            }
        }
        Err(self.wrong("the quote that opens here is not closed"))
    }

    fn close(&mut self) -> Result<(), String> {
        if self.eat(']') { Ok(()) } else { Err(self.wrong("']' is wanted")) }
    }

    fn eat(&mut self, letter: char) -> bool {
        let is_next = self.rest().starts_with(letter);
        self.at += if is_next { letter.len_utf8() } else { 0 };
        is_next
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong(&self, what: &str) -> String {
        format!("at byte {}, {what}", self.at)
    }
}

#[cfg(test)]
mod tests;
