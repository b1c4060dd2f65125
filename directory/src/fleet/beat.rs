//! A heartbeat: the Lease of a cluster, and since when it has not moved. Only that it moved counts, by the controller's
//! own monotonic clock; the times in it are of the agent's clock, and are compared with each other alone.

use std::time::Duration;

use muster_api::Object;
use serde::Deserialize;

/// The longest duration of a Lease that is believed: agents may write it.
const LONGEST: Duration = Duration::from_secs(3600);
/// The duration of a Lease that says none.
const UNSAID: Duration = Duration::from_secs(40);

/// What a Lease says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Mark {
    holder: String,
    renewed: String,
}

/// A heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beat {
    mark: Mark,
    duration: Duration,
    /// When it was last seen to move, or was granted its time anew.
    since: Duration,
    /// Whether it was seen to move since the controller began.
    pub(super) moves: bool,
    /// Whether it stands still: its time is over, and a look confirmed it.
    pub(super) lost: bool,
}

impl Beat {
    /// The heartbeat of a Lease that is seen for the first time.
    pub(super) fn first(lease: &Object, now: Duration) -> Self {
        let (mark, duration) = read(lease);
        Self { mark, duration, since: now, moves: false, lost: false }
    }

    /// The Lease is seen again. Returns whether it moved.
    pub(super) fn see(&mut self, lease: &Object, now: Duration) -> bool {
        let (mark, duration) = read(lease);
        // A Lease that was made anew says nothing.
        let moved = mark != self.mark && !mark.holder.is_empty();
        // Until the agent has seen a shorter one, it renews as the longer one asks for.
        self.duration = if moved { duration } else { duration.max(self.duration) };
        if moved {
            (self.since, self.moves, self.lost) = (now, true, false);
        }
        if !mark.holder.is_empty() {
            self.mark = mark;
        }
        moved
    }

    /// It has its time anew: nobody could have seen it move.
    pub(super) fn grant(&mut self, now: Duration) {
        if !self.lost {
            self.since = now;
        }
    }

    /// Whether any agent ever held it.
    pub(super) fn is_held(&self) -> bool {
        !self.mark.holder.is_empty()
    }

    /// The identity of the cluster whose agent holds it.
    pub(super) fn id(&self) -> Option<&str> {
        let id = self.mark.holder.split('/').next().unwrap_or_default();
        is_identity(id).then_some(id)
    }

    pub(super) fn duration(&self) -> Duration {
        self.duration
    }

    /// How long it has stood still.
    pub(super) fn still(&self, now: Duration) -> Duration {
        now.saturating_sub(self.since)
    }

    /// Whether its time is over.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.still(now) >= self.duration
    }
}

/// Whether a text can be the UID of a namespace. Agents write it, so it is not trusted.
pub(super) fn is_identity(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(inner)
}

fn read(lease: &Object) -> (Mark, Duration) {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Frame {
        spec: Spec,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Spec {
        holder_identity: Option<String>,
        lease_duration_seconds: Option<u32>,
        renew_time: Option<String>,
    }
    let Frame { spec } = serde_json::from_str(lease.raw.get()).unwrap_or_default();
    let seconds = spec.lease_duration_seconds.filter(|seconds| *seconds > 0);
    let mark = Mark {
        holder: spec.holder_identity.unwrap_or_default(),
        renewed: spec.renew_time.unwrap_or_default(),
    };
    (mark, seconds.map_or(UNSAID, |seconds| Duration::from_secs(seconds.into()).min(LONGEST)))
}
