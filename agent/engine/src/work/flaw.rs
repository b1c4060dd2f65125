//! What can be wrong with one manifest of a Work, and how the names in it are judged and shown.

use muster_api::names::{is_label, is_subdomain};

use super::options::OptionError;
use crate::excerpt::excerpt;

/// Most characters of a name that Muster repeats: the longest that a name may have.
const LONGEST_NAME: usize = 253;
/// Most letters of a kind: an RFC 1035 label.
const LONGEST_KIND: usize = 63;

/// Why one manifest cannot be applied. The others of its Work are none the worse for it. Messages name fields, and
/// never repeat what is in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It, or a field of it, is missing or has another type than the API says.
    #[error("unable to read the manifest: {field} {problem}")]
    Malformed {
        /// The field.
        field: Box<str>,
        /// What is wrong there.
        problem: &'static str,
    },
    /// A name in it is none that an API server takes.
    #[error("unable to use the manifest: {field} {problem}")]
    Name {
        /// The field.
        field: &'static str,
        /// What is wrong there, and what to do.
        problem: &'static str,
    },
    /// It leaves its name to the server, which would give it another one each time.
    #[error("unable to use the manifest: metadata.generateName is set: give it a name in metadata.name")]
    GenerateName,
    /// It names an owner by UID. Owners are in another cluster; in this one the garbage collector would delete it.
    #[error(
        "unable to use the manifest: metadata.ownerReferences is set: remove it, the owners are in another cluster"
    )]
    ForeignOwner,
    /// It is a list in a list.
    #[error("unable to use the manifest: items holds a list: write its items into the outer one")]
    NestedList,
    /// It sets a label or an annotation by which Muster knows its objects, or which is the word of a replica's owner.
    #[error("unable to use the manifest: {field}[{key}] is not for manifests to set: leave it out")]
    Reserved {
        /// Labels or annotations.
        field: &'static str,
        /// The key.
        key: &'static str,
    },
    /// An annotation of it is an option that cannot be followed.
    #[error("unable to use the manifest: metadata.annotations: {0}")]
    Option(OptionError),
    /// Another manifest of the Work is the same object.
    #[error(
        "unable to use the manifest: it is the same object as manifest {first}, counted from 0: keep one of the two"
    )]
    Duplicate {
        /// The place of that other manifest in the Work, from 0.
        first: usize,
    },
    /// It was resolved to a resource of another kind than its own.
    #[error("unable to use the manifest: the API server knows its kind by another name")]
    OtherKind,
}

// === impl Flaw ===

impl Flaw {
    /// The reason of a condition that says it.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed { .. } | Self::OtherKind => "Malformed",
            Self::Name { .. } => "InvalidName",
            Self::GenerateName => "GenerateName",
            Self::ForeignOwner => "ForeignOwner",
            Self::NestedList => "NestedList",
            Self::Reserved { .. } => "Reserved",
            Self::Option(_) => "InvalidOption",
            Self::Duplicate { .. } => "Duplicate",
        }
    }

    pub(super) fn malformed(field: impl Into<Box<str>>, problem: &'static str) -> Self {
        Self::Malformed { field: field.into(), problem }
    }
}

/// A name, or a key, as a message repeats it.
pub(super) fn shown(text: &str) -> String {
    excerpt(text, LONGEST_NAME)
}

/// A name that can be one segment of a path (apimachinery, `ValidatePathSegmentName`).
pub(super) fn name(name: &str) -> Result<(), Flaw> {
    let wrong = |problem| Err(Flaw::Name { field: "metadata.name", problem });
    if name.is_empty() {
        wrong("is missing")
    } else if name.chars().nth(LONGEST_NAME).is_some() {
        wrong("is longer than 253 characters")
    } else if name == "." || name == ".." || name.contains(['/', '%']) {
        wrong("is no name: use no '/' and no '%', and not '.' or '..' alone")
    } else if shown(name) != name {
        wrong("is no name: it has characters that cannot be shown")
    } else {
        Ok(())
    }
}

/// A namespace.
pub(super) fn namespace(name: &str) -> Result<(), Flaw> {
    let problem = "is no name of a namespace: use 1 to 63 lower-case letters, digits and '-'";
    if is_label(name) { Ok(()) } else { Err(Flaw::Name { field: "metadata.namespace", problem }) }
}

/// An API group and version, of which the group is empty in the core group.
pub(super) fn api_version(text: &str) -> Result<(&str, &str), Flaw> {
    let (group, version) = text.rsplit_once('/').unwrap_or(("", text));
    let grouped = text.contains('/');
    if is_label(version) && (!grouped || is_subdomain(group)) {
        Ok((group, version))
    } else {
        Err(Flaw::Name { field: "apiVersion", problem: "is none: write VERSION or GROUP/VERSION" })
    }
}

/// A kind: an RFC 1035 label but for the case of its letters (apiextensions, `validateEmbeddedResource`).
pub(super) fn is_kind(kind: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    kind.len() <= LONGEST_KIND
        && kind.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && kind.bytes().all(inner)
        && !kind.ends_with('-')
}
