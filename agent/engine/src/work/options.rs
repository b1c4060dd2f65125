//! What the annotations `multicluster.coreos.com/NAME` on a Work or on one of its manifests ask for beside the objects
//! themselves. All is known and legal, or the whole is refused: a misspelt `deletion` must not be read as `delete`.

mod lists;

use std::collections::BTreeMap;

use muster_api::names::is_subdomain;

use self::lists::{NameAndPath, feedback, ignore};
use crate::excerpt::excerpt;
use crate::{feedback as values, fields};

/// Most field paths of `ignore`.
pub const MOST_IGNORED: usize = 64;
/// Most values of `feedback`.
pub const MOST_FEEDBACK: usize = 16;
/// Longest field path, in bytes.
pub const LONGEST_PATH: usize = 1_024;
/// Most characters of an unknown option that a message repeats.
const SHOWN: usize = 63;

/// The options of a Work, or those that hold for one manifest of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `suspend`, only on the Work: while `true`, nothing of it is written or deleted.
    pub suspend: bool,
    /// `plan-only`, only on the Work: while `true`, what would be written and deleted is reported, and not done.
    pub plan_only: bool,
    /// `deletion`: what becomes of an object that is not wanted any more, `delete` or `orphan`.
    pub deletion: Deletion,
    /// `allow-deletion`: whether an object of a protected kind goes without a human's word, `true` or `false`.
    pub allow_deletion: bool,
    /// `apply`: how an object is written, `apply`, `create`, `replace` or `observe`.
    pub apply: Apply,
    /// `on-conflict`: what is done where somebody else's object or field is in the way, `report`, `adopt` or `force`.
    pub on_conflict: OnConflict,
    /// `on-drift`: what is done where an object was changed by others, `correct` or `report`.
    pub on_drift: OnDrift,
    /// `ignore`: paths of fields that are left to others once the object is there, separated by commas or new lines.
    pub ignore: Vec<Box<str>>,
    /// `feedback`: values to report, each as its name and its path. Written as `NAME=PATH` or `PATH`, separated by
    /// commas or new lines; the name of a plain path is the path.
    pub feedback: Vec<(Box<str>, Box<str>)>,
    /// `service-account`, only on the Work: name of the account, in the namespace of the appliers, as which the objects
    /// are written. `None`: the default one.
    pub service_account: Option<Box<str>>,
}

/// What becomes of an object that is not wanted any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletion {
    /// It is deleted.
    #[default]
    Delete,
    /// It stays, without Muster's marks.
    Orphan,
}

/// How an object is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Apply {
    /// By server-side apply, at each change.
    #[default]
    Apply,
    /// Once, where it is absent; never changed.
    Create,
    /// By server-side apply; where a field cannot be changed, it is deleted and made anew.
    Replace,
    /// Never. It is only looked at, and stays when the Work goes.
    Observe,
}

/// What is done where somebody else's object or field is in the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Nothing but a condition.
    #[default]
    Report,
    /// An object that nobody's Work made is taken over; fields of others are left to them.
    Adopt,
    /// It is taken over, and so are fields of others.
    Force,
}

/// What is done where an object was changed by others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDrift {
    /// It is put right.
    #[default]
    Correct,
    /// Nothing but a condition.
    Report,
}

/// Where an option was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// On the Work.
    Work,
    /// On one manifest.
    Manifest,
}

/// Why an option cannot be followed. No message repeats a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// There is no such option.
    #[error("{0:?} is no option that this agent knows: correct or remove it")]
    Unknown(Box<str>),
    /// It holds for a whole Work and was written on one manifest.
    #[error("option {0} holds for a whole Work: write it there")]
    Misplaced(&'static str),
    /// It was written on a list of manifests.
    #[error("options hold for nothing on a list: write them on its items, or on the Work")]
    OnList,
    /// Its value is none that it can have.
    #[error("option {option} has an unknown value: write {allowed}")]
    Value {
        /// Its name.
        option: &'static str,
        /// What it can be.
        allowed: &'static str,
    },
    /// It lists too much.
    #[error("option {option} has more than {most} entries")]
    TooMany {
        /// Its name.
        option: &'static str,
        /// How many it may have.
        most: usize,
    },
    /// An entry of it is no field path.
    #[error("entry {entry} of option {option} is no field path: {reason}")]
    Path {
        /// Its name.
        option: &'static str,
        /// The place of the entry, from 1.
        entry: usize,
        /// What is wrong with it; it does not repeat the path.
        reason: String,
    },
    /// Values of a Secret are asked for.
    #[error("option feedback is not for a Secret: what is in one is told nowhere")]
    OfSecret,
    /// Two values of `feedback` bear the same name.
    #[error("entries {first} and {second} of option feedback bear the same name")]
    Twice {
        /// The place of the first, from 1.
        first: usize,
        /// The place of the second, from 1.
        second: usize,
    },
}

/// Options that are one of several words; the first is the default.
trait Choice: Copy + Default + PartialEq + 'static {
    const NAME: &'static str;
    const WORDS: &'static [(&'static str, Self)];
    const ALLOWED: &'static str;

    fn read(value: &str) -> Result<Self, OptionError> {
        let found = Self::WORDS.iter().find(|(word, _)| *word == value).map(|(_, choice)| *choice);
        found.ok_or(OptionError::Value { option: Self::NAME, allowed: Self::ALLOWED })
    }

    /// As it is written, where it is not the default.
    fn word(self) -> Option<&'static str> {
        let word = Self::WORDS.iter().find(|(_, choice)| *choice == self).map(|(word, _)| *word);
        word.filter(|_| self != Self::default())
    }
}

impl Choice for Deletion {
    const NAME: &'static str = "deletion";
    const WORDS: &'static [(&'static str, Self)] = &[("delete", Self::Delete), ("orphan", Self::Orphan)];
    const ALLOWED: &'static str = "delete or orphan";
}

impl Choice for Apply {
    const NAME: &'static str = "apply";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("apply", Self::Apply),
        ("create", Self::Create),
        ("replace", Self::Replace),
        ("observe", Self::Observe),
    ];
    const ALLOWED: &'static str = "apply, create, replace or observe";
}

impl Choice for OnConflict {
    const NAME: &'static str = "on-conflict";
    const WORDS: &'static [(&'static str, Self)] =
        &[("report", Self::Report), ("adopt", Self::Adopt), ("force", Self::Force)];
    const ALLOWED: &'static str = "report, adopt or force";
}

impl Choice for OnDrift {
    const NAME: &'static str = "on-drift";
    const WORDS: &'static [(&'static str, Self)] = &[("correct", Self::Correct), ("report", Self::Report)];
    const ALLOWED: &'static str = "correct or report";
}

// === impl Options ===

impl Options {
    /// These options, where others that were given at a level do not win over them. Names are without the prefix.
    ///
    /// # Errors
    /// Where one of those given is unknown, has an unknown value, or holds only at the other level.
    pub fn with<'a>(
        &self,
        given: impl IntoIterator<Item = (&'a str, &'a str)>,
        level: Level,
    ) -> Result<Self, OptionError> {
        let mut options = self.clone();
        for (name, value) in given {
            options.set(name, value, level)?;
        }
        Ok(options)
    }

    /// All that is not the default, by name without the prefix: equal options give equal maps.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<String, String> {
        let Self {
            suspend,
            plan_only,
            deletion,
            allow_deletion,
            apply,
            on_conflict,
            on_drift,
            ignore,
            feedback,
            service_account,
        } = self;
        let switch = |on: bool| on.then(|| "true".to_owned());
        let list = |entries: Vec<String>| (!entries.is_empty()).then(|| entries.join(","));
        let entry = |(name, path): &(Box<str>, Box<str>)| {
            if name == path { path.to_string() } else { format!("{name}={path}") }
        };
        let all = [
            ("suspend", switch(*suspend)),
            ("plan-only", switch(*plan_only)),
            (Deletion::NAME, deletion.word().map(str::to_owned)),
            ("allow-deletion", switch(*allow_deletion)),
            (Apply::NAME, apply.word().map(str::to_owned)),
            (OnConflict::NAME, on_conflict.word().map(str::to_owned)),
            (OnDrift::NAME, on_drift.word().map(str::to_owned)),
            ("ignore", list(ignore.iter().map(ToString::to_string).collect())),
            ("feedback", list(feedback.iter().map(entry).collect())),
            ("service-account", service_account.as_ref().map(ToString::to_string)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    /// Reads what [`to_map`](Self::to_map) wrote.
    ///
    /// # Errors
    /// Where an option or its value is unknown, as after a change to an older agent.
    pub fn from_map(map: &BTreeMap<String, String>) -> Result<Self, OptionError> {
        Self::default().with(map.iter().map(|(name, value)| (name.as_str(), value.as_str())), Level::Work)
    }

    /// The paths of `ignore`.
    #[must_use]
    pub fn ignored(&self) -> Vec<fields::Path> {
        // Each was judged when it was read.
        self.ignore.iter().filter_map(|path| fields::Path::parse(path).ok()).collect()
    }

    /// The paths of `feedback`, each with the name of its value.
    #[must_use]
    pub fn values(&self) -> Vec<(Box<str>, values::Path)> {
        let parsed = |(name, path): &NameAndPath| Some((name.clone(), values::parse(path).ok()?));
        self.feedback.iter().filter_map(parsed).collect()
    }

    fn set(&mut self, name: &str, value: &str, level: Level) -> Result<(), OptionError> {
        let on_work =
            |option| if level == Level::Work { Ok(()) } else { Err(OptionError::Misplaced(option)) };
        match name {
            "suspend" => {
                on_work("suspend")?;
                self.suspend = switch("suspend", value)?;
            }
            "plan-only" => {
                on_work("plan-only")?;
                self.plan_only = switch("plan-only", value)?;
            }
            "service-account" => {
                on_work("service-account")?;
                self.service_account = Some(account(value)?);
            }
            "allow-deletion" => self.allow_deletion = switch("allow-deletion", value)?,
            Deletion::NAME => self.deletion = Choice::read(value)?,
            Apply::NAME => self.apply = Choice::read(value)?,
            OnConflict::NAME => self.on_conflict = Choice::read(value)?,
            OnDrift::NAME => self.on_drift = Choice::read(value)?,
            "ignore" => self.ignore = ignore(value)?,
            "feedback" => self.feedback = feedback(value)?,
            _ => return Err(OptionError::Unknown(excerpt(name, SHOWN).into())),
        }
        Ok(())
    }
}

fn switch(option: &'static str, value: &str) -> Result<bool, OptionError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(OptionError::Value { option, allowed: "\"true\" or \"false\"" }),
    }
}

fn account(value: &str) -> Result<Box<str>, OptionError> {
    let allowed = "the name of a ServiceAccount, without its namespace";
    if is_subdomain(value) {
        Ok(value.into())
    } else {
        Err(OptionError::Value { option: "service-account", allowed })
    }
}
