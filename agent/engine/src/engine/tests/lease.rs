//! The replica's own Lease in the directory.

use jiff::Timestamp;

use crate::era::Beat;
use crate::event::Heartbeat;
use crate::pin::Reading;

/// A Lease that nobody renewed yet.
pub(super) fn never_renewed(lease: &str) -> Beat {
    let (directory, name, lease) = ("d".into(), "own".into(), lease.into());
    Beat { directory, name, lease, renewed: None, transitions: 0, holder: String::new() }
}

/// A heartbeat, as the agent sends it, which knows that this one was acknowledged; none where the Lease cannot be read.
pub(super) fn heartbeat(
    lease: &mut Reading<Beat>,
    acknowledged: Option<&Beat>,
    at: Timestamp,
) -> Option<Heartbeat> {
    let Reading::Found(shown) = &*lease else { return None };
    if let Some(acknowledged) = acknowledged.filter(|acknowledged| shown.is_before(acknowledged)) {
        return Some(Heartbeat::SetBack { shown: shown.clone(), acknowledged: acknowledged.clone() });
    }
    let renewed = Some(at);
    let beat = Beat { renewed, transitions: 1, holder: "own".into(), ..never_renewed("lease") };
    *lease = Reading::Found(beat.clone());
    Some(Heartbeat::Renewed(beat))
}
