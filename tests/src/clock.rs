//! Clocks that are wrong.
//!
//! A process asks the C library what time it is, and how long to wait for events. A small library that is loaded before
//! that one answers with another time of day, or with a monotonic clock that goes faster, and waits so much shorter. It works
//! for programs that are linked dynamically and wait by `epoll`, as tokio does; threads that wait for one another with a deadline
//! would wait longer.

use std::{fs, os::unix::fs::FileExt, path::PathBuf, process::Command, sync::OnceLock};

use crate::{agent::AgentError, scratch::Scratch};

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct timespec start;
static long rate = 1;
static const volatile long *set; // by how many seconds, as the test says by now

static void __attribute__((constructor)) begin(void) {
    const char *text = getenv("CLOCK_RATE");
    rate = text ? atol(text) : 1;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &start);
    const char *file = getenv("CLOCK_FILE");
    int open_file = file ? open(file, O_RDONLY) : -1;
    if (open_file >= 0) {
        void *there = mmap((void *)0, sizeof(long), PROT_READ, MAP_SHARED, open_file, 0);
        set = there == MAP_FAILED ? (void *)0 : there;
        close(open_file);
    }
}

int clock_gettime(clockid_t id, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, id, time);
    if (result == 0 && id == CLOCK_REALTIME && set)
        time->tv_sec += *set;
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

/// The environment in which a process's monotonic clock goes so many times as fast: its waits and deadlines pass sooner. The
/// time of day is right.
///
/// # Errors
///
/// [`AgentError::Build`] where there is no C compiler, or it fails.
pub fn faster(rate: u32) -> Result<Vec<(String, String)>, AgentError> {
    with("CLOCK_RATE", &rate.to_string())
}

/// A clock that is set while processes run that have it.
pub struct Settable {
    file: PathBuf,
    // last: the file goes after its name
    _folder: Scratch,
}

impl Settable {
    /// A clock that is ahead by so many seconds; negative for one that is behind.
    ///
    /// # Errors
    ///
    /// [`AgentError::Build`] where its file cannot be written.
    pub fn new(seconds: i64) -> Result<Self, AgentError> {
        let folder = Scratch::new("settable-clock")?;
        let clock = Self { file: folder.path().join("ahead"), _folder: folder };
        clock.set(seconds)?;
        Ok(clock)
    }

    /// From now on it is ahead by so many seconds.
    ///
    /// # Errors
    ///
    /// As for [`Self::new`].
    pub fn set(&self, seconds: i64) -> Result<(), AgentError> {
        let refused = |error: std::io::Error| AgentError::Build(error.to_string());
        // In place, and at once: processes have the file in their memory.
        let mut file = fs::OpenOptions::new();
        let file = file.write(true).create(true).truncate(false).open(&self.file).map_err(refused)?;
        file.write_all_at(&seconds.to_ne_bytes(), 0).map_err(refused)
    }

    /// The environment in which a process has it.
    ///
    /// # Errors
    ///
    /// As for [`faster`].
    pub fn envs(&self) -> Result<Vec<(String, String)>, AgentError> {
        with("CLOCK_FILE", &self.file.display().to_string())
    }
}

fn with(setting: &str, value: &str) -> Result<Vec<(String, String)>, AgentError> {
    static LIBRARY: OnceLock<Result<(Scratch, String), String>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| build().map_err(|error| error.to_string()));
    let (_, path) = library.as_ref().map_err(|error| AgentError::Build(error.clone()))?;
    Ok(vec![("LD_PRELOAD".to_owned(), path.clone()), (setting.to_owned(), value.to_owned())])
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
