//! The library's own runtime, so that its functions can block, also when they are called from another runtime.

use std::{
    future::Future,
    io,
    sync::{OnceLock, mpsc},
};

use tokio::runtime::{Builder, Handle, Runtime};

/// The runtime, made at first use. It ends with the process.
pub(crate) fn handle() -> io::Result<&'static Handle> {
    static RUNTIME: OnceLock<Result<Runtime, io::ErrorKind>> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("muster-tests")
                .enable_all()
                .build()
                .map_err(|e| e.kind())
        })
        .as_ref()
        .map(Runtime::handle)
        .map_err(|kind| io::Error::from(*kind))
}

/// Runs a future on it, and blocks this thread until it is done.
pub(crate) fn block_on<F>(future: F) -> io::Result<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (done, result) = mpsc::sync_channel(1);
    handle()?.spawn(async move { done.send(future.await) });
    result.recv().map_err(|_| io::Error::other("the future panicked"))
}
