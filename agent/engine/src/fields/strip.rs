//! Manifests without some of their fields.

use serde_json::Value;

use super::path::{Path, Step};

/// Takes what stands at the paths out of a manifest. Places in lists are those of the manifest as it is given.
///
/// An object or a list that becomes empty by this goes too, since a server would count the empty one as a field that
/// Muster owns; but an element of a list stays, also when nothing but its keys is left.
pub fn strip(value: &mut Value, paths: &[Path]) {
    let paths: Vec<&[Step]> = paths.iter().map(Path::steps).collect();
    remove(value, &paths);
}

/// Returns whether the value had parts, and has none now.
fn remove(value: &mut Value, paths: &[&[Step]]) -> bool {
    if paths.is_empty() {
        return false;
    }
    match value {
        Value::Object(fields) => {
            let before = fields.len();
            fields.retain(|name, field| {
                let is_at = |step: &Step| matches!(step, Step::Field(own) if own.as_ref() == name.as_str());
                let (is_meant, below) = further(paths, is_at);
                !is_meant && !remove(field, &below)
            });
            before > 0 && fields.is_empty()
        }
        Value::Array(list) => {
            let before = list.len();
            let mut index = 0;
            list.retain_mut(|element| {
                let is_at = |step: &Step| matches!(step, Step::Element(own) if own.is_at(index, element));
                let (is_meant, below) = further(paths, is_at);
                index += 1;
                if !is_meant {
                    remove(element, &below);
                }
                !is_meant
            });
            before > 0 && list.is_empty()
        }
        _ => false,
    }
}

/// Whether a path ends with a step that fits, and what is left of those that go on after one.
fn further<'a>(paths: &[&'a [Step]], fits: impl Fn(&Step) -> bool) -> (bool, Vec<&'a [Step]>) {
    let met = paths.iter().filter_map(|path| path.split_first());
    let below: Vec<_> = met.filter(|(first, _)| fits(first)).map(|(_, rest)| rest).collect();
    (below.iter().any(|rest| rest.is_empty()), below)
}

#[cfg(test)]
mod tests;
