//! How paths are written: the one canonical spelling of each step, for all who write paths.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The protocol of a port that names none (Kubernetes API, `ServicePort` and `ContainerPort`). It is a merge key, so it
/// stands in field sets also where the manifest leaves it out.
const PROTOCOL: (&str, &str) = ("protocol", "TCP");

/// The text by which two scalars are compared: that of a string, number or boolean. `None`: no such thing.
pub(crate) fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The text of a key of a list's element, with its default where the element leaves it out.
pub(crate) fn key_text<'a>(element: &'a Map<String, Value>, key: &str) -> Option<Cow<'a, str>> {
    match element.get(key) {
        Some(value) => scalar(value),
        None => (key == PROTOCOL.0).then_some(Cow::Borrowed(PROTOCOL.1)),
    }
}

/// Whether a name needs no quotes.
pub(super) fn is_bare_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_in_bare_name)
}

pub(super) fn is_in_bare_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_".contains(&byte)
}

pub(super) fn is_in_bare_value(byte: u8) -> bool {
    is_in_bare_name(byte) || b"./:".contains(&byte)
}

/// `.name`, or `['name']` where the name has other letters than a plain one; no dot at the beginning.
pub(crate) fn push_field(path: &mut String, name: &str) {
    if is_bare_name(name) {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
    } else {
        path.push('[');
        push_quoted(path, name);
        path.push(']');
    }
}

/// `[0]`
pub(crate) fn push_index(path: &mut String, index: usize) {
    let _ = write!(path, "[{index}]"); // writing to a String cannot fail
}

/// `[name=app]`. The keys are to be sorted.
pub(crate) fn push_keys<'a>(path: &mut String, keys: impl IntoIterator<Item = (&'a str, &'a str)>) {
    path.push('[');
    for (place, (key, value)) in keys.into_iter().enumerate() {
        if place > 0 {
            path.push(',');
        }
        if is_bare_name(key) {
            path.push_str(key);
        } else {
            push_quoted(path, key);
        }
        path.push('=');
        push_value(path, value);
    }
    path.push(']');
}

/// `[=value]`
pub(super) fn push_member(path: &mut String, value: &str) {
    path.push_str("[=");
    push_value(path, value);
    path.push(']');
}

fn push_value(path: &mut String, value: &str) {
    if !value.is_empty() && value.bytes().all(is_in_bare_value) {
        path.push_str(value);
    } else {
        push_quoted(path, value);
    }
}

fn push_quoted(path: &mut String, text: &str) {
    path.push('\'');
    for letter in text.chars() {
        match letter {
            '\'' | '\\' => path.extend(['\\', letter]),
            // What is no plain letter could hide or reorder what follows it in a terminal.
            _ if is_plain(letter) => path.push(letter),
            _ => path.extend(letter.escape_unicode()),
        }
    }
    path.push('\'');
}

pub(super) fn is_plain(letter: char) -> bool {
    "\"'\\".contains(letter) || letter.escape_debug().len() == 1
}
