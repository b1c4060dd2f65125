//! The process in namespaces of its own.

use std::{
    env,
    io::Read,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
};

use anyhow::{Context, Result};

use crate::{INSIDE, story, tools::Tools};

/// Runs this program inside, to its end.
pub(crate) fn enter(tools: &Tools, cgroup: &str, folder: &Path) -> Result<ExitStatus> {
    let own = env::current_exe().context("unable to name this program")?;
    let mut child = Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"])
        .arg(own)
        .env(INSIDE, cgroup)
        .env("TMPDIR", folder)
        .env("MUSTER_CLI_BIN", &tools.cli)
        .env_remove("KUBECONFIG")
        // its end tells the process inside that this one has ended
        .stdin(Stdio::piped())
        .spawn()
        .context("unable to run unshare")?;
    let pipe = child.stdin.take();
    let status = child.wait().context("unable to wait for the process inside")?;
    drop(pipe);
    Ok(status)
}

/// Plays the story, inside.
pub(crate) fn run(cgroup: &str) -> Result<()> {
    thread::spawn(|| {
        let mut nothing = Vec::new();
        let _ended = std::io::stdin().read_to_end(&mut nothing);
        std::process::exit(1);
    });
    story::play(cgroup)
}
