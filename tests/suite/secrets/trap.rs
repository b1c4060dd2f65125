//! A command that tells that it was run, and a file that tells that it was opened.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use muster_tests::scratch::Scratch;

use super::leaks::CANARY;
use crate::fleet::quietly;

/// The command and the file. The file is a pipe with a writer that waits: the kernel lets it go on as soon as anybody
/// opens the pipe to read it, however briefly.
pub(super) struct Trap {
    folder: Scratch,
    opened: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

impl Trap {
    /// A trap that was seen to work, and is set anew.
    pub(super) fn set() -> Self {
        let mut trap = Self::armed();
        assert!(!trap.opened() && !trap.ran());
        Command::new(trap.command()).status().unwrap();
        assert!(trap.ran(), "the command tells");
        quietly("the file to tell", || {
            trap.open();
            trap.opened().then_some(()).ok_or_else(|| "not opened".to_owned())
        });
        trap.end();
        Self::armed()
    }

    /// Path of the command.
    pub(super) fn command(&self) -> PathBuf {
        self.path("command")
    }

    /// Path of the file.
    pub(super) fn file(&self) -> PathBuf {
        self.path("file")
    }

    /// Whether the command was run.
    pub(super) fn ran(&self) -> bool {
        self.path("ran").exists()
    }

    /// Whether the file was opened.
    pub(super) fn opened(&self) -> bool {
        self.opened.load(Ordering::SeqCst)
    }

    fn armed() -> Self {
        let folder = Scratch::new("trap").unwrap();
        let mut trap = Self { folder, opened: Arc::default(), writer: None };
        fs::write(trap.command(), format!("#!/bin/sh\n: > {}\n", trap.path("ran").display())).unwrap();
        fs::set_permissions(trap.command(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(Command::new("mkfifo").arg(trap.file()).status().unwrap().success());
        let (file, opened) = (trap.file(), Arc::clone(&trap.opened));
        trap.writer = Some(thread::spawn(move || {
            let open = fs::File::options().write(true).open(&file);
            opened.store(open.is_ok(), Ordering::SeqCst);
        }));
        trap
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(format!("{CANARY}-{name}"))
    }

    /// Opens the pipe as a reader; as a writer too, so that it waits for nobody. Again and again: the writer may not wait yet.
    fn open(&self) {
        drop(fs::File::options().read(true).write(true).open(self.file()).unwrap());
    }

    fn end(&mut self) {
        if let Some(writer) = self.writer.take() {
            while !writer.is_finished() {
                self.open();
                thread::yield_now();
            }
            writer.join().unwrap();
        }
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.end();
    }
}
