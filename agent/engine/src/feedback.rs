//! Values of an applied object that a Work's option `feedback` asks for, by path.
//!
//! A path is a part of [kubectl's JSONPath]: fields (`.status.readyReplicas`), braces around it all, quoted keys
//! (`.metadata.labels['app.kubernetes.io/name']`, or with escaped dots, `.metadata.labels.app\.kubernetes\.io/name`),
//! places in a list (`[0]`) and one kind of filter (`[?(@.type=="Ready")]`), of which the first match counts. So each
//! path leads to one value or to none. There are no wildcards, slices, unions, `..` or functions.
//!
//! The crates for this (`serde_json_path`, `jsonpath-rust`) bring parser combinators, or a parser generator and a regex
//! engine, read another dialect (RFC 9535), and search a parsed tree, which costs many times the text. What is needed
//! of them is little, and walks through the text itself.
//!
//! [kubectl's JSONPath]: https://kubernetes.io/docs/reference/kubectl/jsonpath/

mod path;
mod walk;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::bounded::{self, CUT};
use crate::lenient::Text;
pub use path::{Path, PathError, parse};

/// Longest text of all values, in bytes.
const LONGEST: usize = 1024;
/// Longest value, in bytes of JSON.
const LONGEST_VALUE: usize = 256;

/// Whether values of objects of a kind may be read at all: never those of a `Secret`, in whatever API group. Its
/// annotations can hold what its data holds.
#[must_use]
pub fn allowed(_group: &str, kind: &str) -> bool {
    kind != "Secret"
}

/// The values that paths lead to in an object, each under its name: a JSON object of at most 1024 bytes, its keys sorted,
/// so that equal values are equal text. `raw` is the whole object as JSON.
///
/// Texts, numbers and booleans are written as they are; a list or an object is a text that holds its JSON, without
/// spaces. A value of more than 256 bytes is a text that ends in `…`. What is absent or null is left out. Where all
/// values do not fit, those that would not are left out, in the order of their names, and `"…"` says how many. Where a
/// name stands twice, the first counts.
#[must_use]
pub fn read(paths: &[(Box<str>, Path)], raw: &str) -> String {
    let mut values = BTreeMap::new();
    for (name, path) in paths {
        if let Some(value) = path.find(raw).and_then(value) {
            values.entry(&**name).or_insert(value);
        }
    }
    let entries: Vec<String> = values.iter().map(|(name, value)| entry(name, value)).collect();
    let whole: usize = entries.iter().map(|entry| entry.len() + 1).sum();
    if whole < LONGEST {
        return format!("{{{}}}", entries.join(","));
    }
    let room = LONGEST - entry(&CUT.to_string(), &entries.len().to_string()).len() - ",}".len();
    let (mut text, mut left_out) = (String::from("{"), 0_usize);
    for entry in &entries {
        if text.len() + entry.len() <= room {
            text.push_str(entry);
            text.push(',');
        } else {
            left_out += 1;
        }
    }
    let _ = write!(text, "{}}}", entry(&CUT.to_string(), &left_out.to_string())); // writing to a String cannot fail
    text
}

fn entry(name: &str, value: &str) -> String {
    format!("{}:{value}", bounded::json_string(name.chars(), LONGEST))
}

/// A value as it is reported; `None` for null.
fn value(raw: &str) -> Option<String> {
    match raw.bytes().next()? {
        b'"' => {
            let text: Text<'_> = serde_json::from_str(raw).ok()?;
            Some(bounded::json_string(text.0.chars(), LONGEST_VALUE))
        }
        b'{' | b'[' => Some(bounded::json_string(compact(raw), LONGEST_VALUE)),
        b'n' => None,
        _ if raw.len() > LONGEST_VALUE => Some(bounded::json_string(raw.chars(), LONGEST_VALUE)),
        _ => Some(raw.to_owned()),
    }
}

/// JSON without the spaces between its parts.
fn compact(raw: &str) -> impl Iterator<Item = char> {
    let (mut in_text, mut escaped) = (false, false);
    raw.chars().filter(move |letter| {
        if escaped {
            escaped = false;
        } else if in_text && *letter == '\\' {
            escaped = true;
        } else if *letter == '"' {
            in_text = !in_text;
        }
        in_text || !letter.is_ascii_whitespace()
    })
}

#[cfg(test)]
mod tests;
