//! The directory that the replica joined: the session with it, and what is remembered of it.

use super::Engine;
use crate::event::Session;
use crate::evidence::Departure;
use crate::ledger::Home;
use crate::memory::Memory;
use crate::scope::Scope;
use crate::time::{Now, salt};

impl Engine {
    pub(super) fn opened(&mut self, mut session: Session, now: Now) {
        self.state.opened();
        if self.memory.is_none() {
            // There may be records all the same: what keeps whom the replica joined was removed.
            self.first_word.await_from(now.mono);
        }
        let Session { pin, departed, holds, set_back, .. } = session.clone();
        let mut memory = Memory { pin, departed, holds, set_back };
        // What the session read may be older than what was recorded since: of the own entry and of leaving, this says
        // what is so, and nobody else.
        if let Some(known) = self.memory.take_if(|_| self.nonce == session.nonce)
            && known.pin.goes_on_as(&memory.pin)
        {
            memory.departed = known.departed;
            memory.holds = known.holds;
            memory.set_back = known.set_back;
            memory.pin.era = known.pin.era;
            memory.pin.entry = known.pin.entry.or(memory.pin.entry);
        } else if let Some(known) = self.memory.take_if(|known| known.pin.directory == memory.pin.directory) {
            // Who has it join anew says nothing of the state that it was set back to.
            self.set_back = self.set_back.take().or(known.set_back);
            memory.pin.era = known.pin.era.max(memory.pin.era);
        }
        session.pin = memory.pin.clone();
        self.leaving.began();
        self.compared = false;
        self.voice.opened();
        self.works.session_began();
        self.belongs(memory, session.replica.clone(), session.nonce.clone());
        if *self.mirror.scope() == Scope::None {
            self.mirror.entries.not_needed();
        }
        self.session = Some(session);
        self.hurry();
        self.mirror.touch_all();
    }

    pub(super) fn belongs(&mut self, memory: Memory, replica: String, nonce: String) {
        let directory = memory.pin.directory.clone();
        self.directory = (directory != replica).then(|| directory.clone());
        self.nonce.clone_from(&nonce);
        let salt = salt((&replica, &memory.pin.cluster));
        for removals in [&mut self.mirror.removals, &mut self.policies.removals, &mut self.works.removals] {
            removals.spread(salt);
        }
        self.home = Some(Home { directory, replica, nonce, era: self.era(Some(&memory)) });
        self.settle_in();
        self.remember(memory);
    }

    /// The replica's own, for waits that a whole fleet begins at once.
    pub(super) fn salt(&self) -> u64 {
        let home = self.home.as_ref().map(|home| &home.replica);
        salt((home, self.memory.as_ref().map(|memory| &memory.pin.cluster)))
    }

    /// Where ledgers belong, and in which era, is told to those who keep some.
    pub(super) fn settle_in(&mut self) {
        if let Some(home) = &self.home {
            self.policies.at_home(home.clone());
            self.works.at_home(home.clone());
        }
    }

    /// What is kept durably now.
    pub(super) fn remember(&mut self, memory: Memory) {
        if let Some(session) = &mut self.session {
            session.pin = memory.pin.clone();
        }
        self.enter(&memory);
        self.works.recall_holds(&memory.holds);
        let departure = Departure::recorded(&memory);
        if self.departure != departure {
            self.departure = departure;
            self.leaving.ended();
            self.works.end_leaving();
            self.mirror.touch_all();
            self.policies.stir_all();
            self.works.stir_all();
        }
        self.memory = Some(memory);
    }

    /// What could not be confirmed is to be looked at again: the state of the directory changed.
    pub(super) fn hurry(&mut self) {
        self.mirror.removals.hurry();
        self.policies.removals.hurry();
        self.works.removals.hurry();
        self.own.hurry();
    }
}
