//! Whether this process speaks for the cluster, and what follows where another one does: what it would if the directory were
//! out of reach.

use super::Engine;
use crate::event::{Heartbeat, Session};

impl Engine {
    /// Whether another one speaks for this cluster in the directory: nothing is to be written there then.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.voice.is_silent()
    }

    /// In which era the directory is to be followed; `None` where it is not.
    #[must_use]
    pub fn follows(&self) -> Option<u32> {
        self.voice.follows().then(|| self.era_number())
    }

    /// The session, where this process speaks in it.
    pub(super) fn spoken(&self) -> Option<&Session> {
        self.session.as_ref().filter(|_| !self.is_silent())
    }

    /// A heartbeat says who speaks.
    pub(super) fn heed_voice(&mut self, outcome: &Heartbeat) {
        if !self.voice.beaten(outcome) {
            return;
        }
        self.leaving.began();
        if self.is_silent() {
            self.state.unfollowed();
            self.own.unheard();
            self.works.fall_silent();
        } else {
            self.works.session_began();
            self.hurry();
        }
        self.mirror.touch_all();
        self.policies.stir_all();
        self.works.stir_all();
    }
}
