//! Evidence that an object of a Work has to make room for itself: its change was refused, since a field of it cannot be
//! changed, and the Work says that it is to be made anew then.

use muster_api::Object;

use super::{Deletion, Risk};
use crate::item::Item;
use crate::ledger::Phase;
use crate::mark::Mark;
use crate::observed::Observed;
use crate::target::Target;
use crate::work::Apply;
use crate::works::Brief;

/// What a server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The mark with which it was to be written.
    pub(crate) mark: Mark,
    /// UID of the object that was there.
    pub(crate) uid: String,
    /// The words of the server: they name the field.
    pub(crate) why: Box<str>,
}

/// Evidence that one object has to go, to be made anew. It has no public constructor and cannot be cloned: it is for one
/// deletion of the object as it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Replacement {
    target: Target,
    uid: String,
    version: String,
    because: String,
}

impl Replacement {
    /// Judges whether the object of which a change was refused may go. `item`: what is to stand in its place; `read` and
    /// `object`: what is there, read live after that, when the server also said that it would take the new one. It goes only
    /// if the Work records that it is to be replaced, it is the one of which the change was refused, and it bears the mark of
    /// the Work.
    ///
    /// # Errors
    /// [`Risk`]: what would be lost with it, whatever else is allowed.
    pub(crate) fn judge(
        brief: &Brief,
        item: &Item,
        refused: &Refused,
        read: &Observed,
        object: &Object,
    ) -> Result<Option<Self>, Risk> {
        let target = &item.target;
        let (Some(wanted), Some(mark)) = (brief.wants(target), read.mark.as_ref()) else { return Ok(None) };
        let own = mark.is_of_work()
            && mark.nonce == brief.nonce
            && mark.maker.as_ref().is_some_and(|maker| maker.uid == brief.work.uid);
        let free = !read.deleting && !read.let_go && read.labelled && read.uid == refused.uid;
        let asked = brief.phase == Phase::Applying && wanted.options.apply == Apply::Replace;
        if !(asked && own && free) {
            return Ok(None);
        }
        if let Some(risk) = Risk::of(item, object, brief.options.service_account.as_deref()) {
            return Err(risk);
        }
        Ok(Some(Self {
            target: target.clone(),
            uid: read.uid.clone(),
            version: read.version.clone(),
            because: format!(
                "Work {} (UID {}) of directory {} has another one made in its place: a field that differs cannot be changed",
                brief.work.name, brief.work.uid, brief.directory
            ),
        }))
    }

    /// UID and resourceVersion of the object.
    pub(crate) fn object(&self) -> (&str, &str) {
        (&self.uid, &self.version)
    }

    /// The deletion of that object, as it was read.
    #[must_use]
    pub fn permits(self) -> Deletion {
        let Self { target, uid, version, because } = self;
        Deletion { target, uid, version: Some(version), because }
    }
}
