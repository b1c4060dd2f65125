//! Options that are lists: how they are taken apart, and each entry judged.

use super::{LONGEST_PATH, MOST_FEEDBACK, MOST_IGNORED, OptionError};
use crate::{feedback as values, fields};

/// Longest name of a value of `feedback`, in bytes.
const LONGEST_NAME: usize = 63;

/// The entries of a list. Empty ones are left out: a block of YAML ends in a new line. A comma in brackets is a part of
/// its entry: `spec.ports[port=80,protocol=TCP]` is one path.
fn entries<'a>(option: &'static str, value: &'a str, most: usize) -> Result<Vec<&'a str>, OptionError> {
    let (mut quote, mut depth, mut escaped) = (None, 0_usize, false);
    let parts = value.split(move |letter: char| {
        if letter == '\n' {
            (quote, depth, escaped) = (None, 0, false);
            return true;
        }
        if std::mem::take(&mut escaped) {
            return false;
        }
        match (letter, quote) {
            ('\\', _) => escaped = true,
            (_, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) if depth > 0 => quote = Some(letter),
            ('[', None) => depth += 1,
            (']', None) => depth = depth.saturating_sub(1),
            _ => return letter == ',' && depth == 0,
        }
        false
    });
    let entries = parts.map(str::trim).filter(|entry| !entry.is_empty());
    let found: Vec<_> = entries.take(most.saturating_add(1)).collect();
    if found.len() > most { Err(OptionError::TooMany { option, most }) } else { Ok(found) }
}

/// The paths of `ignore`, each once.
pub(super) fn ignore(value: &str) -> Result<Vec<Box<str>>, OptionError> {
    let mut paths: Vec<Box<str>> = Vec::new();
    for (place, path) in entries("ignore", value, MOST_IGNORED)?.into_iter().enumerate() {
        checked("ignore", place, path)?;
        if !paths.iter().any(|other| other.as_ref() == path) {
            paths.push(path.into());
        }
    }
    Ok(paths)
}

/// The values of `feedback`.
pub(super) fn feedback(value: &str) -> Result<Vec<NameAndPath>, OptionError> {
    let mut values: Vec<NameAndPath> = Vec::new();
    for (place, entry) in entries("feedback", value, MOST_FEEDBACK)?.into_iter().enumerate() {
        // A filter in a path has equal signs, too: only what can be a name is one.
        let named = entry.split_once('=').map(|(name, path)| (name.trim(), path.trim()));
        let (name, path) = named.filter(|(name, _)| is_name(name)).unwrap_or((entry, entry));
        checked("feedback", place, path)?;
        if let Some(first) = values.iter().position(|(other, _)| other.as_ref() == name) {
            return Err(OptionError::Twice { first: first + 1, second: place + 1 });
        }
        values.push((name.into(), path.into()));
    }
    Ok(values)
}

pub(super) type NameAndPath = (Box<str>, Box<str>);

fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.len() <= LONGEST_NAME
        && text.bytes().all(inner)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn checked(option: &'static str, place: usize, path: &str) -> Result<(), OptionError> {
    let wrong = |reason: String| OptionError::Path { option, entry: place + 1, reason };
    if path.is_empty() {
        return Err(wrong("it is empty".to_owned()));
    }
    if path.len() > LONGEST_PATH {
        return Err(wrong(format!("it is longer than {LONGEST_PATH} bytes")));
    }
    if path.contains(char::is_control) {
        return Err(wrong("it has control characters".to_owned()));
    }
    check_path(option, path).map_err(wrong)
}

/// Whether a text can be a path of an option.
///
/// # Errors
/// What is wrong with it, without repeating it.
fn check_path(option: &str, path: &str) -> Result<(), String> {
    if option == "feedback" {
        return values::parse(path).map(|_| ()).map_err(|error| {
            let message = error.to_string();
            message.split_once(": ").map_or_else(|| message.clone(), |(_, what)| what.to_owned())
        });
    }
    fields::Path::parse(path).map(|_| ()).map_err(|error| match error {
        fields::PathError::Malformed { reason, .. } => reason,
        fields::PathError::Reserved { field, .. } => format!("{field} cannot be left to others"),
    })
}
