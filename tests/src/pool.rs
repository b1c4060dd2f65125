//! Control planes that the tests of one binary share, one test at a time.
//!
//! A plane takes three seconds of waiting and two of CPU to start, and a fraction of that to be put back to new. So a
//! test leases one or two, has them alone, and gives them back; a test that fails, or leaves one broken, has it thrown
//! away.

use std::{
    env,
    ops::Deref,
    panic,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use crate::plane::{Baseline, ControlPlane, Options, PlaneError};

/// How many pairs may live at once, unless `MUSTER_PLANES` says otherwise. A plane takes half a GiB.
const PAIRS: usize = 3;

/// A plane that a test has alone. Given back, as new, when it is dropped.
pub struct Leased {
    plane: Arc<ControlPlane>,
    baseline: Arc<Baseline>,
}

/// A directory and a replica.
pub struct Pair {
    /// The cluster that holds the list.
    pub directory: Leased,
    /// The cluster that mirrors it.
    pub replica: Leased,
}

/// Leases one plane; waits for one if all are in use.
///
/// # Errors
///
/// A new one could not be started.
pub fn plane() -> Result<Leased, PlaneError> {
    let free = POOL.reserve(1).pop();
    Leased::new(free)
}

/// Leases a directory and a replica; waits until two are there at once.
///
/// # Errors
///
/// A new one could not be started.
pub fn pair() -> Result<Pair, PlaneError> {
    let mut free = POOL.reserve(2);
    let (one, other) = (free.pop(), free.pop());
    let (directory, replica) = thread::scope(|scope| {
        let one = scope.spawn(|| Leased::new(one));
        let other = Leased::new(other);
        (one.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked)), other)
    });
    Ok(Pair { directory: directory?, replica: replica? })
}

type Entry = (Arc<ControlPlane>, Arc<Baseline>);

struct Pool {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    free: Vec<Entry>,
    /// Free ones, leased ones, and those that are being started.
    live: usize,
    started: usize,
}

// never dropped: the end of the process ends them
static POOL: Pool =
    Pool { state: Mutex::new(State { free: Vec::new(), live: 0, started: 0 }), freed: Condvar::new() };

impl Pool {
    /// Takes `n` places at once, so that two tests never wait for each other; those of them that are there already.
    fn reserve(&self, n: usize) -> Vec<Entry> {
        let room = 2 * pairs();
        let mut state = self
            .freed
            .wait_while(self.state(), |state| state.free.len() + (room - state.live) < n)
            .unwrap_or_else(PoisonError::into_inner);
        let there = state.free.len().min(n);
        state.live += n - there;
        let from = state.free.len() - there;
        state.free.split_off(from)
    }

    /// Gives a place back, with the plane that is in it if it is good.
    fn give_back(&self, entry: Option<Entry>) {
        let mut state = self.state();
        match entry {
            Some(entry) => state.free.push(entry),
            None => state.live -= 1,
        }
        self.freed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pairs() -> usize {
    env::var("MUSTER_PLANES").ok().and_then(|n| n.parse().ok()).filter(|n| *n > 0).unwrap_or(PAIRS)
}

impl Leased {
    /// The plane that is there, else a new one in the place reserved for it.
    fn new(free: Option<Entry>) -> Result<Self, PlaneError> {
        if let Some((plane, baseline)) = free {
            return Ok(Self { plane, baseline });
        }
        let number = {
            let mut state = POOL.state();
            state.started += 1;
            state.started
        };
        let start = || {
            let plane = ControlPlane::start(Options::named(&format!("plane-{number}")))?;
            let baseline = Arc::new(plane.baseline()?);
            Ok(Self { plane: Arc::new(plane), baseline })
        };
        start().inspect_err(|_| POOL.give_back(None))
    }
}

impl Deref for Leased {
    type Target = ControlPlane;

    fn deref(&self) -> &ControlPlane {
        &self.plane
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        // a failed test may have left it in any state
        let entry = if thread::panicking() { None } else { self.plane.reset(&self.baseline).ok() };
        POOL.give_back(entry.map(|()| (Arc::clone(&self.plane), Arc::clone(&self.baseline))));
    }
}
