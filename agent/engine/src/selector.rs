//! Label selectors in the grammar of Kubernetes, as `kubectl get --selector` takes them: `env=prod,tier!=db`,
//! `region in (east, west)`, `zone notin (a)`, `gpu`, `!spot`, `nodes>3`.
//!
//! Source: the documentation of labels and selectors, and `labels.Parse` of apimachinery, whose corner cases hold
//! here too: `key=` asks for the empty value, `in (a,)` for `a` or the empty value, and what asks for a difference
//! (`!=`, `notin`) also takes an object without the key. [`Selector::of_policy`] reads the form that policies have.

mod policy;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use muster_api::names::is_subdomain;

/// Longest value of a label, and longest name in a key, in bytes.
const LONGEST_NAME: usize = 63;

/// Requirements on labels, all of which must hold. Without a requirement everything is selected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    /// Sorted by key, as Kubernetes prints them.
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    wanted: Wanted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Exists,
    Absent,
    Equal(String),
    NotEqual(String),
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Above(i64),
    Below(i64),
}

/// Why a text is no selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// A word or sign stands where another must.
    #[error("expected {expected} but found {found}")]
    Unexpected {
        /// What the grammar allows here.
        expected: &'static str,
        /// The word or sign in quotes, or "the end".
        found: String,
    },
    /// The key is no label key.
    #[error("{0:?} is not a label key: [prefix/]name, the name at most 63 letters, digits, '-', '_' or '.'")]
    Key(String),
    /// The value is no label value.
    #[error(
        "{0:?} is not a label value: at most 63 letters, digits, '-', '_' or '.', a letter or digit at both ends"
    )]
    Value(String),
    /// `>` and `<` compare whole numbers.
    #[error("{0:?} is not a whole number, which '>' and '<' need")]
    Number(String),
    /// A policy's selector has label: value pairs beside matchLabels or matchExpressions.
    #[error(
        "{0:?} stands beside matchLabels or matchExpressions: give either label: value pairs, or those two"
    )]
    Mixed(String),
    /// The value of a label in a policy's selector is no text.
    #[error("the value of {0:?} is not a text: put it in quotes")]
    NotText(String),
    /// The values of a policy's demand do not go with its operator.
    #[error("the demand on {0:?} is wrong: In and NotIn need values, Exists and DoesNotExist take none")]
    Values(String),
}

// === impl Selector ===

impl Selector {
    /// Reads a selector. An empty text selects everything.
    ///
    /// # Errors
    ///
    /// The text does not follow the grammar, or a key or a value in it could not be a label's.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut words = Words { rest: text };
        let mut requirements = Vec::new();
        if words.peek() != Word::End {
            loop {
                requirements.push(words.requirement()?);
                match words.next() {
                    Word::End => break,
                    Word::Sign(",") => {}
                    other => return Err(other.unexpected("',' or the end")),
                }
            }
        }
        requirements.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(Self { requirements })
    }

    /// Whether an object with these labels is selected.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|requirement| requirement.wanted.matches(labels.get(&requirement.key)))
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The text that Kubernetes prints: sorted by key, values sorted, one blank around `in` and `notin`.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Requirement { key, wanted }) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match wanted {
                Wanted::Exists => f.write_str(key)?,
                Wanted::Absent => write!(f, "!{key}")?,
                Wanted::Equal(value) => write!(f, "{key}={value}")?,
                Wanted::NotEqual(value) => write!(f, "{key}!={value}")?,
                Wanted::In(values) => write!(f, "{key} in ({})", join(values))?,
                Wanted::NotIn(values) => write!(f, "{key} notin ({})", join(values))?,
                Wanted::Above(bound) => write!(f, "{key}>{bound}")?,
                Wanted::Below(bound) => write!(f, "{key}<{bound}")?,
            }
        }
        Ok(())
    }
}

fn join(values: &BTreeSet<String>) -> String {
    if values.len() == 1 && values.contains("") {
        return ",".to_owned(); // "()" would not read back
    }
    values.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}

// === impl Wanted ===

impl Wanted {
    fn matches(&self, value: Option<&String>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::Equal(wanted) => value == Some(wanted),
            Self::NotEqual(unwanted) => value != Some(unwanted),
            Self::In(wanted) => value.is_some_and(|value| wanted.contains(value)),
            Self::NotIn(unwanted) => value.is_none_or(|value| !unwanted.contains(value)),
            Self::Above(bound) => number().is_some_and(|number| number > *bound),
            Self::Below(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

// === impl Word ===

/// Words and signs of the text. `in` and `notin` are plain words: only the place makes them operators, so that a
/// key or a value may bear these names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word<'a> {
    Name(&'a str),
    Sign(&'a str),
    End,
}

impl Word<'_> {
    fn unexpected(self, expected: &'static str) -> SelectorError {
        let found = match self {
            Self::Name(text) | Self::Sign(text) => format!("{text:?}"),
            Self::End => "the end".to_owned(),
        };
        SelectorError::Unexpected { expected, found }
    }
}

// === impl Words ===

struct Words<'a> {
    rest: &'a str,
}

/// Two-character signs stand before their beginnings: the longest one counts.
const SIGNS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

impl<'a> Words<'a> {
    fn next(&mut self) -> Word<'a> {
        self.rest = self.rest.trim_start_matches(BLANKS);
        if self.rest.is_empty() {
            return Word::End;
        }
        let sign = SIGNS.into_iter().find(|sign| self.rest.starts_with(sign));
        let is_end = |c: char| BLANKS.contains(&c) || "=!(),><".contains(c);
        let length = sign.map_or_else(|| self.rest.find(is_end).unwrap_or(self.rest.len()), str::len);
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        if sign.is_some() { Word::Sign(word) } else { Word::Name(word) }
    }

    fn peek(&self) -> Word<'a> {
        Words { rest: self.rest }.next()
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let absent = self.peek() == Word::Sign("!");
        if absent {
            self.next();
        }
        let key = match self.next() {
            Word::Name(key) => checked_key(key)?,
            other => return Err(other.unexpected("a label key")),
        };
        if absent {
            return Ok(Requirement { key, wanted: Wanted::Absent });
        }
        if matches!(self.peek(), Word::End | Word::Sign(",")) {
            return Ok(Requirement { key, wanted: Wanted::Exists });
        }
        let wanted = match self.next() {
            Word::Sign("=" | "==") => Wanted::Equal(self.value()?),
            Word::Sign("!=") => Wanted::NotEqual(self.value()?),
            Word::Sign(">") => Wanted::Above(self.number()?),
            Word::Sign("<") => Wanted::Below(self.number()?),
            Word::Name("in") => Wanted::In(self.values()?),
            Word::Name("notin") => Wanted::NotIn(self.values()?),
            other => return Err(other.unexpected("'=', '==', '!=', '>', '<', 'in' or 'notin'")),
        };
        Ok(Requirement { key, wanted })
    }

    /// One value; nothing before a comma or the end is the empty one.
    fn value(&mut self) -> Result<String, SelectorError> {
        match self.peek() {
            Word::End | Word::Sign(",") => Ok(String::new()),
            Word::Name(value) => {
                self.next();
                checked_value(value)
            }
            other @ Word::Sign(_) => Err(other.unexpected("a label value")),
        }
    }

    fn number(&mut self) -> Result<i64, SelectorError> {
        let value = self.value()?;
        value.parse().map_err(|_| SelectorError::Number(value))
    }

    /// Values in brackets; nothing between two commas, or beside one, is the empty value.
    fn values(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        match self.next() {
            Word::Sign("(") => {}
            other => return Err(other.unexpected("'('")),
        }
        if self.peek() == Word::Sign(")") {
            return Err(self.next().unexpected("at least one label value"));
        }
        let mut values = BTreeSet::new();
        loop {
            let value = match self.peek() {
                Word::Sign("," | ")") => "",
                Word::Name(value) => {
                    self.next();
                    value
                }
                other => return Err(other.unexpected("a label value, ',' or ')'")),
            };
            values.insert(checked_value(value)?);
            match self.next() {
                Word::Sign(")") => return Ok(values),
                Word::Sign(",") => {}
                other => return Err(other.unexpected("',' or ')'")),
            }
        }
    }
}

pub(crate) fn checked_key(key: &str) -> Result<String, SelectorError> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let well_formed = !name.is_empty() && is_name(name) && prefix.is_none_or(is_subdomain);
    if well_formed { Ok(key.to_owned()) } else { Err(SelectorError::Key(key.to_owned())) }
}

pub(crate) fn checked_value(value: &str) -> Result<String, SelectorError> {
    if is_name(value) { Ok(value.to_owned()) } else { Err(SelectorError::Value(value.to_owned())) }
}

/// The shape that a value and the name in a key share; a value may be empty.
fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let outer = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= LONGEST_NAME
        && bytes.iter().copied().all(inner)
        && outer(bytes.first())
        && outer(bytes.last())
}

#[cfg(test)]
mod tests;
