//! The values of objects that Works ask for, as they were last seen.

use muster_api::{Object, Resource};
use serde::Deserialize;

use super::Works;
use super::brief::{Brief, Wanted};
use crate::feedback;
use crate::mark::Maker;
use crate::target::Target;
use crate::time::salt;

/// Values, and for which paths they were read.
#[derive(Debug)]
pub(super) struct Reported {
    paths: u64,
    text: Box<str>,
}

impl Works {
    /// What is wanted of an object, by the Work that it is known by, else by the first that wants it.
    pub(super) fn wanted(&self, target: &Target, maker: Option<&Maker>) -> Option<&Wanted> {
        let claims = self.claims.get(target)?;
        let made = maker.and_then(|maker| claims.iter().find(|uid| **uid == maker.uid));
        let uid = made.or_else(|| claims.first())?;
        self.bundles.get(uid).and_then(|bundle| bundle.ledger())?.wants(target)
    }

    /// The values that were read for what a Work asks for now.
    pub(super) fn values(&self, wanted: &Wanted) -> Option<&str> {
        let values = self.feedback.get(&wanted.target)?;
        (values.paths == salt(&wanted.options.feedback)).then_some(&*values.text)
    }

    /// Reads the values that are asked for. Metadata alone says nothing of them.
    pub(super) fn read_values(&mut self, target: &Target, object: &Object, maker: Option<&Maker>) {
        let Some(wanted) = self.wanted(target, maker) else { return };
        let options = &wanted.options;
        if options.feedback.is_empty() || is_partial(object.raw.get()) {
            return;
        }
        let text = feedback::read(&options.values(), object.raw.get()).into();
        let values = Reported { paths: salt(&options.feedback), text };
        self.feedback.insert(target.clone(), values);
    }

    /// Whether whole objects of a kind are to be seen, since values of them are asked for.
    #[must_use]
    pub fn asks_for_values(&self, resource: &Resource) -> bool {
        self.kinds.is_valued(resource)
    }

    /// Remembers of which kinds a Work asks for values.
    pub(super) fn note_values(&mut self, brief: &Brief) {
        for wanted in brief.wanted.iter().filter(|wanted| !wanted.options.feedback.is_empty()) {
            self.kinds.value(&wanted.target.resource);
        }
    }
}

/// Whether a server sent the metadata of an object alone.
fn is_partial(raw: &str) -> bool {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow, default)]
        kind: std::borrow::Cow<'a, str>,
    }
    serde_json::from_str::<Frame<'_>>(raw).is_ok_and(|frame| frame.kind == "PartialObjectMetadata")
}
