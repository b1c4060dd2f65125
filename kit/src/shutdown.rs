//! An orderly end: the first signal asks everybody to finish, the second one or the end of a grace period does not
//! wait for them.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long tasks have to finish. A pod has 30 s by default before it is killed.
pub const GRACE: Duration = Duration::from_secs(10);

/// The work did not finish: it was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Aborted {
    /// The grace period ended first.
    #[error("unable to finish all tasks within {} s", .0.as_secs())]
    Grace(Duration),
    /// A second signal came.
    #[error("unable to finish all tasks before the second signal")]
    Signal,
}

/// What makes a program end, and what it waits for then.
pub struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// Listens for SIGTERM and SIGINT from now on.
    ///
    /// # Errors
    /// Where the operating system refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Is cancelled when the program is to end. Cancelling it ends the program too.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// The tasks that the end waits for.
    #[must_use]
    pub fn tasks(&self) -> TaskTracker {
        self.tasks.clone()
    }

    /// Waits for the first signal or the token, then for the tasks.
    ///
    /// # Errors
    /// Where the tasks do not finish within `grace`, or a second signal comes first.
    pub async fn wait(mut self, grace: Duration) -> Result<(), Aborted> {
        tokio::select! {
            () = self.cancel.cancelled() => {}
            () = signalled(&mut self.terminate, &mut self.interrupt) => self.cancel.cancel(),
        }
        self.tasks.close();
        tokio::select! {
            done = timeout(grace, self.tasks.wait()) => done.map_err(|_| Aborted::Grace(grace)),
            () = signalled(&mut self.terminate, &mut self.interrupt) => Err(Aborted::Signal),
        }
    }
}

async fn signalled(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM"),
        _ = interrupt.recv() => tracing::info!("SIGINT"),
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;
    use crate::testing::soon;

    const LONG: Duration = Duration::from_secs(600);

    fn raise(signal: Signal) {
        kill_process(getpid(), signal).unwrap();
    }

    /// One test, since a signal reaches all that listen in this process.
    #[tokio::test]
    async fn the_first_signal_asks_and_the_second_or_the_grace_period_does_not_wait() {
        for signal in [Signal::TERM, Signal::INT] {
            let shutdown = Shutdown::listen().unwrap();
            let token = shutdown.token();
            shutdown.tasks().spawn(async move { token.cancelled().await });
            raise(signal);
            assert_eq!(soon("an orderly end", shutdown.wait(LONG)).await, Ok(()));
        }

        let shutdown = Shutdown::listen().unwrap();
        shutdown.tasks().spawn(std::future::pending::<()>());
        let token = shutdown.token();
        let second = async {
            raise(Signal::TERM);
            token.cancelled().await;
            raise(Signal::TERM);
        };
        let (ended, ()) = soon("the end", async { tokio::join!(shutdown.wait(LONG), second) }).await;
        assert_eq!(ended, Err(Aborted::Signal));

        let shutdown = Shutdown::listen().unwrap();
        shutdown.tasks().spawn(std::future::pending::<()>());
        shutdown.token().cancel();
        let grace = Duration::from_millis(50);
        assert_eq!(soon("the end", shutdown.wait(grace)).await, Err(Aborted::Grace(grace)));
    }
}
