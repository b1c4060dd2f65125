//! What would be done about one object, in words.

use crate::target::Target;

/// What would be done about one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Planned {
    /// It would be made.
    Create,
    /// It would be made once this is there, or is served.
    Await(Box<str>),
    /// It would be changed: these fields, where they are known.
    Change(Box<str>),
    /// The same, and where one of the fields cannot be changed it would be deleted and made anew.
    Replace(Box<str>),
    /// It is somebody else's, and would be taken over.
    TakeOver(Box<str>),
    /// Another Work, of this name, gave it up: it would be taken over. The fields that would be changed.
    HandOver(Box<str>, Box<str>),
    /// Others changed these fields, and that would only be told.
    Drifted(Box<str>),
    /// It would stay as it is.
    Stay,
    /// It would not be written, for this reason.
    Refuse(Box<str>),
}

impl Planned {
    /// In a few words, to count by.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Create => "would be created",
            Self::Await(_) => "would wait for what is not there",
            Self::Change(_) => "would be changed",
            Self::Replace(_) => "would be changed, or deleted and made anew",
            Self::TakeOver(_) => "would be taken over",
            Self::HandOver(..) => "would be taken over from other Works",
            Self::Drifted(_) => "were changed by others and would be left so",
            Self::Stay => "would stay as they are",
            Self::Refuse(_) => "would not be applied",
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Create => "it would be created".to_owned(),
            Self::Await(needed) => format!("it would be created once {needed}"),
            Self::Change(fields) => format!("it would be changed: {fields}"),
            Self::Replace(fields) => {
                format!(
                    "it would be changed, or deleted and made anew where a field of these cannot be changed: {fields}"
                )
            }
            Self::TakeOver(fields) => format!("it would be taken over, and changed: {fields}"),
            Self::HandOver(work, fields) => {
                format!("it would be taken over from Work {work}, and changed: {fields}")
            }
            Self::Drifted(fields) => {
                format!("it would stay as it is: others changed it, which is only told: {fields}")
            }
            Self::Stay => "it would stay as it is".to_owned(),
            Self::Refuse(why) => format!("it would not be applied: {why}"),
        }
    }

    /// That it waits for something of the cluster.
    pub(super) fn awaiting(needed: &Target, how: &str) -> Self {
        Self::Await(format!("{needed} is {how}").into())
    }
}
