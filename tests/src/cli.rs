//! `kubectl-muster`, as people run it.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::plane::Output;

/// The tool's binary: `MUSTER_CLI_BIN` if that is set, else the debug build, built by cargo, once in a process.
///
/// # Errors
///
/// What cargo said.
pub fn cli_binary() -> Result<PathBuf, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| crate::agent::build("kubectl-muster", "MUSTER_CLI_BIN")).clone()
}

/// Runs it to its end, with nothing of this process's environment but what finds programs.
///
/// # Errors
///
/// It cannot be built or started.
pub fn run(args: &[&str], envs: &[(&str, &Path)]) -> Result<Output, String> {
    let output = Command::new(cli_binary()?)
        .args(args)
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .envs(envs.iter().copied())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    Ok(Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
