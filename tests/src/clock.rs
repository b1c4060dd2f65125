//! Clocks that are wrong.
//!
//! A process asks the C library what time it is. A library of ten lines that is loaded before that one answers with
//! another time of day; monotonic clocks go as they do. It works for programs that are linked dynamically.

use std::{fs, process::Command, sync::OnceLock};

use crate::{agent::AgentError, scratch::Scratch};

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, id, time);
    const char *shift = getenv("CLOCK_SHIFT");
    if (result == 0 && id == CLOCK_REALTIME && shift)
        time->tv_sec += atol(shift);
    return result;
}
"#;

/// The environment in which a process has a clock that is ahead by so many seconds; negative for one that is behind.
///
/// # Errors
///
/// [`AgentError::Build`] where there is no C compiler, or it fails.
pub fn shifted(seconds: i64) -> Result<Vec<(String, String)>, AgentError> {
    static LIBRARY: OnceLock<Result<(Scratch, String), String>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| build().map_err(|error| error.to_string()));
    let (_, path) = library.as_ref().map_err(|error| AgentError::Build(error.clone()))?;
    Ok(vec![("LD_PRELOAD".to_owned(), path.clone()), ("CLOCK_SHIFT".to_owned(), seconds.to_string())])
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
