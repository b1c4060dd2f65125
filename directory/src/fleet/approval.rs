//! Whether a cluster may come in. People say it on its entry: whoever may edit that may approve.

use std::time::Duration;

use muster_api::Meta;
use muster_api::conditions::cluster::Enrolled;
use muster_api::marks::{APPROVAL, APPROVAL_APPROVED, APPROVAL_DENIED, APPROVAL_REQUIRED};

use super::part::Part;
use super::plan::Step;
use super::{Fleet, Member};

/// What an entry says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Approval {
    /// It may come in: it was approved, or nobody is asked.
    #[default]
    Given,
    /// Somebody is to approve it.
    Required,
    /// It is kept out.
    Denied,
    /// Something that is not known. It grants nothing and takes nothing.
    Unknown,
}

/// How it is to be with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// It is to be there.
    There,
    /// It is not to be there.
    Away,
    /// It stays where it is there.
    AsIs,
}

impl Approval {
    pub(super) fn of(meta: &Meta) -> Self {
        match meta.annotations.get(APPROVAL).map(String::as_str) {
            None | Some(APPROVAL_APPROVED) => Self::Given,
            Some(APPROVAL_REQUIRED) => Self::Required,
            Some(APPROVAL_DENIED) => Self::Denied,
            Some(_) => Self::Unknown,
        }
    }

    /// How it is to be with a part of the cluster.
    pub(super) fn wish(self, part: Part) -> Wish {
        match (self, part) {
            (Self::Denied, Part::Account) => Wish::Away,
            (Self::Required | Self::Denied, _) if part.grants() => Wish::Away,
            (Self::Unknown, _) if part.grants() => Wish::AsIs,
            _ => Wish::There,
        }
    }

    /// What the entry is to say once all is so, if the cluster is not in.
    pub(super) fn reason(self) -> Option<(Enrolled, String)> {
        match self {
            Self::Given => None,
            Self::Required => Some((Enrolled::Pending, String::new())),
            Self::Denied => Some((Enrolled::Denied, String::new())),
            Self::Unknown => {
                let known = [APPROVAL_REQUIRED, APPROVAL_APPROVED, APPROVAL_DENIED].join(", ");
                let message = format!("annotation {APPROVAL} has another value than one of {known}");
                Some((Enrolled::Pending, message))
            }
        }
    }
}

impl Fleet {
    /// The first part that is not to be there. One that is made again and again goes ever more slowly.
    pub(super) fn part_to_drop(&self, name: &str, member: &Member, now: Duration) -> Option<Step> {
        let away = |part: &&Part| member.entry.approval.wish(**part) == Wish::Away;
        let rests = |part: &&Part| member.may_mend(**part, now);
        let mut unwanted = Part::REMOVED
            .iter()
            .filter(away)
            .filter(rests)
            .filter_map(|part| Some((*part, self.seen(*part, name)?)));
        let found = unwanted.find(|(part, seen)| !seen.deleting && self.is_own(*part, name, member));
        found.map(|(part, seen)| Step::Remove { part, uid: seen.uid.clone() })
    }
}
