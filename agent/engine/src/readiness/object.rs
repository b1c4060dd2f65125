//! What all rules read of an object.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::bounded;
use crate::lenient::{Few, Maybe, Part, Text, part};

/// Most bytes that are repeated of the message of a condition: controllers write what they like there.
const EXCERPT: usize = 160;
/// Longest reason of a condition that is repeated, in bytes.
const LONGEST_REASON: usize = 64;

/// An object, of which spec and status are read by the rule of its kind.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    metadata: Part<Metadata<'a>>,
    #[serde(borrow)]
    spec: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata<'a> {
    generation: Maybe<i64>,
    #[serde(borrow)]
    deletion_timestamp: Maybe<Text<'a>>,
}

/// The conditions in an object's status, in the order in which they stand there.
pub(super) struct Conditions<'a>(Vec<Condition<'a>>);

/// One of them.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Maybe<Text<'a>>,
    #[serde(borrow)]
    status: Maybe<Text<'a>>,
    #[serde(borrow)]
    reason: Maybe<Text<'a>>,
    #[serde(borrow)]
    message: Maybe<Text<'a>>,
}

// === impl Object ===

impl<'a> Object<'a> {
    /// `None` where the text is no JSON object.
    pub(super) fn read(raw: &'a str) -> Option<Self> {
        part(raw)
    }

    pub(super) fn is_terminating(&self) -> bool {
        self.metadata.0.as_ref().is_some_and(|metadata| !metadata.deletion_timestamp.text().is_empty())
    }

    pub(super) fn generation(&self) -> Option<i64> {
        self.metadata.0.as_ref()?.generation.0
    }

    /// The generation that its controller acted upon last.
    pub(super) fn observed_generation(&self) -> Option<i64> {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Status {
            observed_generation: Maybe<i64>,
        }
        self.status::<Status>().observed_generation.0
    }

    pub(super) fn conditions(&self) -> Conditions<'a> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Status<'a> {
            #[serde(borrow)]
            conditions: Maybe<Few<Condition<'a>>>,
        }
        Conditions(self.status::<Status<'a>>().conditions.0.map(|few| few.0).unwrap_or_default())
    }

    /// What a rule reads of the spec.
    pub(super) fn spec<T: Deserialize<'a> + Default>(&self) -> T {
        self.spec.and_then(|raw| part(raw.get())).unwrap_or_default()
    }

    /// What a rule reads of the status.
    pub(super) fn status<T: Deserialize<'a> + Default>(&self) -> T {
        self.status.and_then(|raw| part(raw.get())).unwrap_or_default()
    }
}

// === impl Conditions ===

impl<'a> Conditions<'a> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Condition<'a>> {
        self.0.iter()
    }

    /// All conditions of a type: a list can hold several.
    pub(super) fn of(&self, kind: &str) -> impl Iterator<Item = &Condition<'a>> {
        self.iter().filter(move |condition| condition.kind() == kind)
    }

    /// The first condition of a type that has a status.
    pub(super) fn with(&self, kind: &str, status: &str) -> Option<&Condition<'a>> {
        self.of(kind).find(|condition| condition.status() == status)
    }
}

// === impl Condition ===

impl Condition<'_> {
    pub(super) fn kind(&self) -> &str {
        self.kind.text()
    }

    pub(super) fn status(&self) -> &str {
        self.status.text()
    }

    pub(super) fn is_true(&self) -> bool {
        self.status() == "True"
    }

    pub(super) fn reason(&self) -> &str {
        self.reason.text()
    }

    /// What the condition says: its reason, where that is one word, and the beginning of its message; where it says
    /// nothing, `otherwise`.
    pub(super) fn said(&self, otherwise: &str) -> String {
        let word = |reason: &&str| {
            reason.len() <= LONGEST_REASON
                && reason.starts_with(|letter: char| letter.is_ascii_alphabetic())
                && reason.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let reason = Some(self.reason()).filter(word);
        let message = bounded::line(self.message.text().trim(), EXCERPT);
        match (reason, message.is_empty()) {
            (Some(reason), false) => format!("{reason}: {message}"),
            (Some(reason), true) => reason.to_owned(),
            (None, false) => message,
            (None, true) => otherwise.to_owned(),
        }
    }
}

// === impl Maybe ===

impl Maybe<Text<'_>> {
    /// The text; "" where there is none.
    pub(super) fn text(&self) -> &str {
        self.0.as_ref().map_or("", |text| &text.0)
    }
}
