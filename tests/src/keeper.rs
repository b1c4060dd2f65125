//! Server processes that cannot outlive the process that started them.
//!
//! Each server runs under a shell that waits for the end of a pipe of which only this process holds the other end:
//!
//! ```text
//! this process ──pipe──▶ sh: read; kill -9 server
//!                        sh: wait server ──▶ exit code
//! ```
//!
//! So the kernel kills the server when this process ends, however it ends: return, panic, SIGKILL. (The usual means,
//! `PR_SET_PDEATHSIG`, needs unsafe code between fork and exec.)

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    process,
    wait::{DEADLINE, Late, eventually},
};

/// What went wrong with a server process.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// It could not be started.
    #[error("unable to start {name}: {source}")]
    Start {
        /// Which server.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// The shell did not name the server's process.
    #[error("unable to learn the process id of {name}: its shell said {said:?}")]
    Pid {
        /// Which server.
        name: String,
        /// The shell's line.
        said: String,
    },
    /// Its state could not be asked for.
    #[error("unable to wait for {name}: {source}")]
    Wait {
        /// Which server.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// It could not be sent a signal.
    #[error("unable to send a signal to {name}: {source}")]
    Signal {
        /// Which server.
        name: String,
        /// Why.
        source: rustix::io::Errno,
    },
    /// It goes on after SIGSTOP.
    #[error(transparent)]
    Goes(#[from] Late),
}

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// For messages.
    pub name: String,
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Environment variables to set.
    pub envs: Vec<(OsString, OsString)>,
    /// Environment variables of this process that it must not see.
    pub hidden: Vec<OsString>,
    /// Its working folder.
    pub folder: PathBuf,
    /// Where stdout and stderr go; appended to.
    pub log: PathBuf,
}

/// A running server. Killed on drop.
#[derive(Debug)]
pub struct Server {
    name: String,
    shell: Child,
    pid: Pid,
    log: PathBuf,
}

/// The reader is a subshell of its own, since a shell can wait either for its child or for its input. When the server
/// ends first, the reader is ended too, so that nothing is left and no recycled process id is ever killed.
const KEEP: &str = r#"
log=$1
shift
exec 3<&0
"$@" >>"$log" 2>&1 </dev/null 3<&- &
server=$!
echo "$server"
exec >&-
{ read -r _ <&3; kill -9 "$server"; } &
reader=$!
exec 3<&- </dev/null
wait "$server"
code=$?
kill "$reader" 2>/dev/null
wait "$reader" 2>/dev/null
exit "$code"
"#;

impl Program {
    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// No shell, or one that says nothing. A program that cannot be run, or ends at once, is no error here: see
    /// [`Server::ended`].
    pub fn start(self) -> Result<Server, KeeperError> {
        let mut shell = Command::new("sh");
        for name in &self.hidden {
            shell.env_remove(name);
        }
        let mut shell = shell
            .args(["-c", KEEP, "muster-keeper"])
            .arg(&self.log)
            .arg(&self.path)
            .args(&self.args)
            .envs(self.envs.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0) // a signal to our group, as Ctrl-C sends it, must not end the keeper first
            .spawn()
            .map_err(|source| KeeperError::Start { name: self.name.clone(), source })?;
        let mut said = String::new();
        if let Some(stdout) = shell.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut said)
                .map_err(|source| KeeperError::Start { name: self.name.clone(), source })?;
        }
        match said.trim().parse().ok().and_then(Pid::from_raw) {
            Some(pid) => Ok(Server { name: self.name, shell, pid, log: self.log }),
            None => Err(KeeperError::Pid { name: self.name, said }),
        }
    }
}

impl Server {
    /// The server's own process id, not the shell's.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// The exit status if it has ended; 128 + n after signal n.
    ///
    /// # Errors
    ///
    /// The state is not to be had.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, KeeperError> {
        self.shell.try_wait().map_err(|source| KeeperError::Wait { name: self.name.clone(), source })
    }

    /// Sends a signal to the server itself. What is to stop has stopped when this returns: the kernel stops a thread when
    /// that runs again, and until then the others go on.
    ///
    /// # Errors
    ///
    /// It has ended, or goes on after SIGSTOP.
    pub fn signal(&self, signal: Signal) -> Result<(), KeeperError> {
        kill_process(self.pid, signal)
            .map_err(|source| KeeperError::Signal { name: self.name.clone(), source })?;
        if signal == Signal::STOP {
            let running = || process::running_threads(self.pid());
            let stopped = || running().map_or(Ok(()), |n| Err(format!("{n} threads that run")));
            eventually(&format!("{} to stop", self.name), DEADLINE, stopped)?;
        }
        Ok(())
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// The state is not to be had.
    pub fn kill(&mut self) -> Result<ExitStatus, KeeperError> {
        drop(self.shell.stdin.take());
        self.shell.wait().map_err(|source| KeeperError::Wait { name: self.name.clone(), source })
    }

    /// The last 4 KiB that it printed.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail(&self.log, 4096)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.kill());
    }
}

/// The last `bytes` of a file, from the start of a line; empty if it cannot be read.
fn tail(path: &Path, bytes: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(path)?;
        let from = file.metadata()?.len().saturating_sub(bytes);
        file.seek(SeekFrom::Start(from))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        if from > 0 {
            let line = text.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            text.drain(..line);
        }
        Ok(text)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn shell(scratch: &Scratch, script: &str) -> Server {
        Program {
            name: "script".to_owned(),
            path: "sh".into(),
            folder: scratch.path().to_owned(),
            log: scratch.path().join("log"),
            ..Program::default()
        }
        .args(["-c", script])
        .start()
        .unwrap()
    }

    #[test]
    fn a_killed_server_is_gone_at_once() {
        let scratch = Scratch::new("keeper").unwrap();
        let mut server = shell(&scratch, "exec sleep 1000");
        assert!(process::alive(server.pid()));
        assert!(server.ended().unwrap().is_none());
        let status = server.kill().unwrap();
        assert_eq!(status.code(), Some(128 + 9));
        assert!(!process::alive(server.pid()));
    }

    #[test]
    fn an_early_end_is_noticed_with_its_code_and_its_words() {
        let scratch = Scratch::new("keeper").unwrap();
        let mut server = shell(&scratch, "echo out; echo err >&2; exit 64");
        let status = eventually("the script to end", DEADLINE, || {
            server.ended().map_err(|e| e.to_string())?.ok_or_else(|| "it runs".to_owned())
        })
        .unwrap();
        assert_eq!(status.code(), Some(64));
        assert_eq!(server.log_tail(), "out\nerr\n");
    }

    #[test]
    fn what_is_to_stop_is_still_until_it_is_to_go_on() {
        let scratch = Scratch::new("keeper").unwrap();
        let server = shell(&scratch, "while :; do :; done");
        assert_eq!(process::running_threads(server.pid()), Some(1));
        server.signal(Signal::STOP).unwrap();
        assert_eq!(process::running_threads(server.pid()), None);
        server.signal(Signal::CONT).unwrap();
        eventually("the script to go on", DEADLINE, || {
            process::running_threads(server.pid()).ok_or("it is still")
        })
        .unwrap();
    }

    #[test]
    fn a_signal_reaches_the_server_itself() {
        let scratch = Scratch::new("keeper").unwrap();
        let mut server = shell(&scratch, "trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done");
        eventually("the script to be up", DEADLINE, || {
            if server.log_tail() == "up\n" { Ok(()) } else { Err(server.log_tail()) }
        })
        .unwrap();
        server.signal(Signal::TERM).unwrap();
        let status = eventually("the script to end", DEADLINE, || {
            server.ended().map_err(|e| e.to_string())?.ok_or_else(|| "it runs".to_owned())
        })
        .unwrap();
        assert_eq!(status.code(), Some(3));
    }
}
