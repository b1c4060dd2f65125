//! Clocks that are wrong.
//!
//! A process asks the C library what time it is, and how long to wait for events. A small library that is loaded before
//! that one answers with another time of day, or with a monotonic clock that goes faster, and waits so much shorter. It works
//! for programs that are linked dynamically and wait by `epoll`, as tokio does; threads that wait for one another with a deadline
//! would wait longer.

use std::{fs, process::Command, sync::OnceLock};

use crate::{agent::AgentError, scratch::Scratch};

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct timespec start;
static long rate = 1;

static void __attribute__((constructor)) begin(void) {
    const char *text = getenv("CLOCK_RATE");
    rate = text ? atol(text) : 1;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &start);
}

int clock_gettime(clockid_t id, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, id, time);
    const char *shift = getenv("CLOCK_SHIFT");
    if (result == 0 && id == CLOCK_REALTIME && shift)
        time->tv_sec += atol(shift);
    if (result == 0 && id == CLOCK_MONOTONIC && rate != 1) {
        long long past = (time->tv_sec - start.tv_sec) * 1000000000LL + (time->tv_nsec - start.tv_nsec);
        long long now = start.tv_sec * 1000000000LL + start.tv_nsec + past * rate;
        time->tv_sec = now / 1000000000LL;
        time->tv_nsec = now % 1000000000LL;
    }
    return result;
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout) {
    if (timeout > 0 && rate != 1)
        timeout = timeout > rate ? timeout / rate : 1;
    return (int)syscall(SYS_epoll_pwait, epoll, events, most, timeout, (void *)0, 8);
}
"#;

/// The environment in which a process has a clock that is ahead by so many seconds; negative for one that is behind.
///
/// # Errors
///
/// [`AgentError::Build`] where there is no C compiler, or it fails.
pub fn shifted(seconds: i64) -> Result<Vec<(String, String)>, AgentError> {
    with("CLOCK_SHIFT", seconds)
}

/// The environment in which a process's monotonic clock goes so many times as fast: its waits and deadlines pass sooner. The
/// time of day is right.
///
/// # Errors
///
/// As for [`shifted`].
pub fn faster(rate: u32) -> Result<Vec<(String, String)>, AgentError> {
    with("CLOCK_RATE", i64::from(rate))
}

fn with(setting: &str, value: i64) -> Result<Vec<(String, String)>, AgentError> {
    static LIBRARY: OnceLock<Result<(Scratch, String), String>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| build().map_err(|error| error.to_string()));
    let (_, path) = library.as_ref().map_err(|error| AgentError::Build(error.clone()))?;
    Ok(vec![("LD_PRELOAD".to_owned(), path.clone()), (setting.to_owned(), value.to_string())])
}

fn build() -> Result<(Scratch, String), AgentError> {
    let refused = |error: std::io::Error| AgentError::Build(error.to_string());
    let folder = Scratch::new("clock")?;
    let (source, library) = (folder.path().join("clock.c"), folder.path().join("clock.so"));
    fs::write(&source, SOURCE).map_err(refused)?;
    let output = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).output();
    let output = output.map_err(refused)?;
    if !output.status.success() {
        return Err(AgentError::Build(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok((folder, library.display().to_string()))
}
