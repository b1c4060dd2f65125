//! Reading parts of an object that a server sent, whatever they turn out to be: what has another type than it should
//! have reads as if it were absent, and only what is asked for is kept.
//!
//! What is skipped is skipped without recursion, however deep it is nested.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A number, a text or a list; `None` where it is absent or of another type.
pub(crate) struct Maybe<T>(pub(crate) Option<T>);

/// An object, of which the fields are read that `T` names; `None` where it is absent, of another type, or says one of
/// those fields twice.
pub(crate) struct Part<T>(pub(crate) Option<T>);

/// A text, borrowed where it has no escapes.
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

/// The first [`MOST`](Self::MOST) objects of a list that are what they should be. Without a bound a list of empty
/// objects would take many times the memory of its text.
pub(crate) struct Few<T>(pub(crate) Vec<T>);

/// Reads an object.
pub(crate) fn part<'a, T: Deserialize<'a>>(raw: &'a str) -> Option<T> {
    // A structure could be read from a list too, field by field.
    raw.trim_start().starts_with('{').then(|| serde_json::from_str(raw).ok()).flatten()
}

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str(raw.get()).ok()))
    }
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Part<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        Ok(Self(part(raw.get())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsText;

        impl<'de> Visitor<'de> for AsText {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(AsText)
    }
}

impl<T> Few<T> {
    /// Most objects that are kept of one list.
    pub(crate) const MOST: usize = 64;
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsFew<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for AsFew<T> {
            type Value = Few<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut kept = Vec::new();
                while kept.len() < Few::<T>::MOST {
                    match list.next_element::<Part<T>>()? {
                        Some(Part(element)) => kept.extend(element),
                        None => return Ok(Few(kept)),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Few(kept))
            }
        }

        deserializer.deserialize_seq(AsFew(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Sample<'a> {
        number: Maybe<i64>,
        #[serde(borrow)]
        text: Maybe<Text<'a>>,
        list: Maybe<Few<Empty>>,
    }

    #[derive(Deserialize)]
    struct Empty {}

    type Read<'a> = (Option<i64>, Option<Cow<'a, str>>, Option<usize>);

    fn read(raw: &str) -> Option<Read<'_>> {
        let sample: Sample<'_> = part(raw)?;
        Some((sample.number.0, sample.text.0.map(|text| text.0), sample.list.0.map(|list| list.0.len())))
    }

    #[test]
    fn what_has_another_type_is_absent_and_leaves_the_rest_alone() {
        let text = |text| Some(Cow::Borrowed(text));
        for (raw, expected) in [
            (r#"{"number":1,"text":"a","list":[{}]}"#, Some((Some(1), text("a"), Some(1)))),
            (r#"{"number":"1","text":"a"}"#, Some((None, text("a"), None))),
            (r#"{"number":1.5,"text":7,"list":{}}"#, Some((None, None, None))),
            (r#"{"number":99999999999999999999,"text":"é\n"}"#, Some((None, text("é\n"), None))),
            (r#"{"number":null,"text":null,"list":null}"#, Some((None, None, None))),
            (r#"{"list":[1,null,[],{},"a",{"b":{}}]}"#, Some((None, None, Some(2)))),
            (r#"{"text":"\ud800","number":1}"#, Some((Some(1), None, None))),
            (r#"{"number":1,"number":2}"#, None),
            (r#"[1,"a",[]]"#, None),
            ("null", None),
            ("", None),
            (r#"{"number":1"#, None),
        ] {
            assert_eq!(read(raw), expected, "{raw}");
        }
    }

    #[test]
    fn a_list_is_kept_up_to_a_bound() {
        let raw = format!(r#"{{"list":[{}{{}}],"number":1}}"#, "{},".repeat(100_000));
        assert_eq!(read(&raw), Some((Some(1), None, Some(64))));
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
        let raw = format!(r#"{{"other":{deep},"list":{deep},"number":1}}"#);
        assert_eq!(read(&raw), Some((Some(1), None, Some(0))));
    }
}
