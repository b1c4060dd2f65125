//! Commands as a person types them, printed with what they print.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use muster_tests::wait::eventually;
use rustix::process::{Pid, Signal, kill_process};

/// How long one command may take.
const COMMAND: Duration = Duration::from_secs(60);
/// How long what a step leads to may take to show; on an idle machine it takes a second, and a heartbeat ten.
const DEADLINE: Duration = Duration::from_secs(100);

/// Where commands run.
pub(crate) struct Shell {
    /// Environment variables beside those of this process.
    pub(crate) envs: Vec<(&'static str, OsString)>,
    /// The working folder.
    pub(crate) folder: PathBuf,
}

impl Shell {
    /// Runs a command that must succeed; what it printed.
    pub(crate) fn run(&self, command: &str) -> Result<String> {
        print(&format!("$ {command}"))?;
        let (succeeded, said) = self.execute(command)?;
        print(&said)?;
        if !succeeded {
            bail!("expected this command to succeed: {command}");
        }
        Ok(said)
    }

    /// Runs a command until it succeeds and `check` accepts what it printed, and prints that run alone.
    pub(crate) fn until(
        &self,
        command: &str,
        expected: &str,
        check: impl Fn(&str) -> bool,
    ) -> Result<String> {
        self.ends(command, expected, |succeeded, said| succeeded && check(said))
    }

    /// Asks with `kubectl auth can-i` until it answers `yes`, or `no`, which it says by failing.
    pub(crate) fn may(&self, question: &str, answer: bool) -> Result<()> {
        let (command, word) =
            (format!("kubectl --context replica auth can-i {question}"), if answer { "yes" } else { "no" });
        self.ends(&command, &format!("the answer {word}"), |succeeded, said| {
            succeeded == answer && said.trim() == word
        })
        .map(drop)
    }

    fn ends(&self, command: &str, expected: &str, check: impl Fn(bool, &str) -> bool) -> Result<String> {
        print(&format!("$ {command}"))?;
        let look = || match self.execute(command) {
            Ok((succeeded, said)) if check(succeeded, &said) => Ok(said),
            Ok((_, said)) => Err(format!("\n{said}")),
            Err(error) => Err(format!("{error:#}")),
        };
        let said = eventually(expected, DEADLINE, look)?;
        print(&said)?;
        Ok(said)
    }

    /// Whether it succeeded, and what it printed on either stream.
    fn execute(&self, command: &str) -> Result<(bool, String)> {
        let mut child = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{command}")])
            .envs(self.envs.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("unable to run a shell for: {command}"))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (done, result) = mpsc::channel();
        let stdout = child.stdout.take();
        thread::spawn(move || {
            let said = stdout.map_or(Ok(String::new()), io::read_to_string);
            done.send(said.and_then(|said| Ok((child.wait()?.success(), said))))
        });
        let Ok(result) = result.recv_timeout(COMMAND) else {
            if let Some(pid) = pid {
                let _ = kill_process(pid, Signal::KILL);
            }
            bail!("expected this command to end within {COMMAND:?}: {command}");
        };
        result.with_context(|| format!("unable to read the output of: {command}"))
    }
}

/// To stdout at once, one newline at the end; a reader that has gone ends the demo.
fn print(text: &str) -> Result<()> {
    let text = text.trim_end();
    if !text.is_empty() {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}").and_then(|()| stdout.flush()).context("unable to print")?;
    }
    Ok(())
}

/// Whether a table has a line that begins with `first` and holds all of `words`.
pub(crate) fn has_row(table: &str, first: &str, words: &[&str]) -> bool {
    table.lines().any(|line| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        cells.first() == Some(&first) && words.iter().all(|word| cells.contains(word))
    })
}

/// Number of lines below the head of a table.
pub(crate) fn rows(table: &str) -> usize {
    table.trim().lines().count().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell() -> Shell {
        Shell { envs: vec![("WORD", "moon".into())], folder: std::env::temp_dir() }
    }

    #[test]
    fn a_command_gives_what_it_printed_and_one_that_fails_is_named() {
        assert_eq!(shell().run("echo \"$WORD\"; echo err >&2").unwrap(), "moon\nerr\n");
        let error = shell().run("echo no; exit 3").unwrap_err();
        assert_eq!(error.to_string(), "expected this command to succeed: echo no; exit 3");
    }

    #[test]
    fn a_table_is_read_by_words() {
        let table = "NAME   READY\neast   True\nwest   False\n";
        assert!(has_row(table, "east", &["True"]) && !has_row(table, "west", &["True"]));
        assert!(!has_row(table, "eas", &[]));
        assert_eq!((rows(table), rows("")), (2, 0));
    }
}
