//! The way along a path through the text of an object, without a tree of it.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Deserializer, Number};

use super::path::{Path, Scalar, Step};
use crate::lenient::Text;

// === impl Path ===

impl Path {
    /// The text of the value that it leads to.
    pub(super) fn find<'a>(&self, raw: &'a str) -> Option<&'a str> {
        follow(&self.0, raw)
    }
}

fn follow<'a>(steps: &[Step], raw: &'a str) -> Option<&'a str> {
    steps.iter().try_fold(raw, |raw, step| {
        let mut json = Deserializer::from_str(raw);
        let inside = match step {
            Step::Key(_) => json.deserialize_map(Inside(step)),
            Step::Index(_) | Step::Where(..) => json.deserialize_seq(Inside(step)),
        };
        inside.ok().flatten().map(RawValue::get)
    })
}

/// What one step leads to inside a value.
struct Inside<'s>(&'s Step);

impl<'de> Visitor<'de> for Inside<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut inside = None;
        while let Some((name, value)) = fields.next_entry::<Text<'de>, &'de RawValue>()? {
            if matches!(self.0, Step::Key(key) if **key == *name.0) {
                inside = Some(value); // of two, servers take the last
            }
        }
        Ok(inside)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut inside = None;
        let mut index = 0_usize;
        while let Some(element) = elements.next_element::<&'de RawValue>()? {
            if inside.is_none() && self.0.leads_to(index, element.get()) {
                inside = Some(element);
            }
            index += 1;
        }
        Ok(inside)
    }
}

// === impl Step ===

impl Step {
    /// Whether it leads to this element of a list.
    fn leads_to(&self, at: usize, element: &str) -> bool {
        match self {
            Self::Key(_) => false,
            Self::Index(index) => *index == at,
            Self::Where(path, scalar) => follow(path, element).is_some_and(|raw| scalar.equals(raw)),
        }
    }
}

// === impl Scalar ===

impl Scalar {
    fn equals(&self, raw: &str) -> bool {
        match self {
            Self::Text(text) => serde_json::from_str(raw).is_ok_and(|other: Text<'_>| *other.0 == **text),
            Self::Number(number) => serde_json::from_str(raw).is_ok_and(|other: Number| other == *number),
            Self::Bool(yes) => serde_json::from_str(raw).is_ok_and(|other: bool| other == *yes),
        }
    }
}
