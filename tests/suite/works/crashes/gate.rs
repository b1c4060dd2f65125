//! Kills a process at one of its writes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use http::request::Parts;
use muster_tests::proxy::{Action, Proxy, Rule};
use rustix::process::{Pid, Signal, kill_process};

use super::super::bench::Bench;

/// When the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The answer to the write has come, and the next write is about to be sent.
    Answered,
    /// The server has carried the write out, and its answer is on its way.
    Unanswered,
}

/// Lets the writes of a process through up to one.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Mutex<State>>);

struct State {
    pid: Option<Pid>,
    /// The process is to be killed as soon as it is known.
    is_due: bool,
    moment: Moment,
    /// The write that is the last one, from 1.
    last: usize,
    seen: usize,
    killed: bool,
}

impl Gate {
    /// In front of both clusters of a bench, until their rules are cleared.
    pub(in crate::works) fn new(bench: &Bench, moment: Moment, last: usize) -> Self {
        Self::over(bench.agent.pid(), &[&bench.directory, &bench.replica], is_write, moment, last)
    }

    /// The same, for a process of the bench that is still to be started.
    pub(in crate::works) fn ahead(bench: &Bench, moment: Moment, last: usize) -> Self {
        Self::before(&[&bench.directory, &bench.replica], is_write, moment, last)
    }

    /// In front of a process, for the requests of which this is so, until the rules are cleared.
    pub(crate) fn over(
        pid: u32,
        proxies: &[&Proxy],
        is_write: fn(&Parts) -> bool,
        moment: Moment,
        last: usize,
    ) -> Self {
        let gate = Self::before(proxies, is_write, moment, last);
        gate.aim(pid);
        gate
    }

    /// In front of a process that is still to be started.
    pub(crate) fn before(
        proxies: &[&Proxy],
        is_write: fn(&Parts) -> bool,
        moment: Moment,
        last: usize,
    ) -> Self {
        let state = State { pid: None, is_due: false, moment, last, seen: 0, killed: false };
        let gate = Self(Arc::new(Mutex::new(state)));
        for proxy in proxies {
            let gate = gate.clone();
            proxy.add(Rule::on("", Action::choose(move |parts| gate.choose(parts))).when(is_write));
        }
        gate
    }

    /// This is the process.
    pub(crate) fn aim(&self, pid: u32) {
        let mut state = self.state();
        state.pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        if state.is_due {
            state.kill();
        }
    }

    /// Whether the agent was killed.
    pub(crate) fn has_killed(&self) -> bool {
        self.state().killed
    }

    /// Ends the gate's part, and says whether the process was killed: an answer that is still on its way kills
    /// nobody from here on.
    pub(crate) fn disarm(&self) -> bool {
        let mut state = self.state();
        (state.pid, state.is_due) = (None, false);
        state.killed
    }

    /// How many writes came.
    pub(crate) fn seen(&self) -> usize {
        self.state().seen
    }

    fn choose(&self, _: &Parts) -> Action {
        let mut state = self.state();
        state.seen += 1;
        if state.seen > state.last {
            if state.moment == Moment::Answered {
                state.kill();
            }
            return Action::Hold;
        }
        if state.seen < state.last || state.moment == Moment::Answered {
            return Action::Forward;
        }
        let gate = self.clone();
        Action::rewrite(move |_, body| {
            gate.state().kill();
            body
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn kill(&mut self) {
        match self.pid.take() {
            Some(pid) => self.killed = kill_process(pid, Signal::KILL).is_ok(),
            None => self.is_due = true,
        }
    }
}

/// Whether a request is to change a Work, a ledger, or what a Work asks for.
fn is_write(parts: &Parts) -> bool {
    let path = parts.uri.path();
    let about = ["/works/", "/appliedworks", "/namespaces/default/"].iter().any(|part| path.contains(part));
    let tried = parts.uri.query().unwrap_or_default().contains("dryRun");
    parts.method != Method::GET && about && !tried && !path.contains("/events")
}
