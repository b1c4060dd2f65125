//! What has a phase: claims, volumes and namespaces.

use serde::Deserialize;

use super::Readiness;
use super::object::Object;
use crate::lenient::{Maybe, Text};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    phase: Maybe<Text<'a>>,
    #[serde(borrow)]
    message: Maybe<Text<'a>>,
}

pub(super) fn claim(object: &Object<'_>) -> Readiness {
    match object.status::<Status<'_>>().phase.text() {
        "Bound" => Readiness::Current,
        "Lost" => Readiness::in_progress("NotBound", "the claim lost its volume"),
        _ => Readiness::in_progress("NotBound", "no volume is bound to the claim yet"),
    }
}

/// A volume is there for whoever claims it: that nobody does yet, or any more, is no fault of it.
pub(super) fn volume(object: &Object<'_>) -> Readiness {
    let status: Status<'_> = object.status();
    match status.phase.text() {
        "Available" | "Bound" | "Released" => Readiness::Current,
        "Failed" => {
            let message = status.message.text();
            let message = if message.is_empty() { "the volume could not be reclaimed" } else { message };
            Readiness::failed("VolumeFailed", message)
        }
        _ => Readiness::in_progress("VolumePending", "the volume is not available yet"),
    }
}

pub(super) fn namespace(object: &Object<'_>) -> Readiness {
    match object.status::<Status<'_>>().phase.text() {
        "Active" => Readiness::Current,
        "Terminating" => Readiness::Terminating,
        _ => Readiness::in_progress("NotActive", "the namespace is not active yet"),
    }
}
