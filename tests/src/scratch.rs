//! A temporary folder that goes with its owner, also when the owner is killed.
//!
//! Static values are never dropped, and SIGKILL drops nothing. So a small shell waits for the end of a pipe that only
//! this process holds, and then removes the folder.

use std::{
    env, fs,
    io::Write,
    os::unix::{fs::DirBuilderExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// The folder could not be made or kept.
#[derive(Debug, thiserror::Error)]
#[error("unable to {action} the temporary folder {}: {source}", .path.display())]
pub struct ScratchError {
    action: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

/// A folder of mode 0700 in the system's temporary folder. Removed on drop and at the end of this process, unless
/// [`Scratch::keep`] was called or `MUSTER_KEEP` is set.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    keeper: Child,
}

/// Servers that are being killed at the same time may still write: hence the repetition.
const REMOVE_AT_EOF: &str = r#"
read -r word
[ "$word" = keep ] && exit 0
for _ in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf "$1" 2>/dev/null && exit 0
    sleep 0.1
done
"#;

impl Scratch {
    /// Makes a new folder; `label` is part of its name.
    ///
    /// # Errors
    ///
    /// The folder or the shell could not be made.
    pub fn new(label: &str) -> Result<Self, ScratchError> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("muster-{}-{number}-{label}", std::process::id()));
        let error = |action| {
            let path = path.clone();
            move |source| ScratchError { action, path, source }
        };
        // a process of the same number may have left one behind
        drop(fs::remove_dir_all(&path));
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(error("create"))?;
        let keeper = Command::new("sh")
            .args(["-c", REMOVE_AT_EOF, "muster-scratch"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0) // a signal to our group must not take it along
            .spawn()
            .map_err(error("watch over"))?;
        let mut scratch = Self { path, keeper };
        if env::var_os("MUSTER_KEEP").is_some() {
            scratch.keep()?;
        }
        Ok(scratch)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the folder where it is, for good.
    ///
    /// # Errors
    ///
    /// The shell that would remove it is gone.
    pub fn keep(&mut self) -> Result<(), ScratchError> {
        if let Some(mut pipe) = self.keeper.stdin.take() {
            pipe.write_all(b"keep\n").map_err(|source| ScratchError {
                action: "keep",
                path: self.path.clone(),
                source,
            })?;
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        drop(self.keeper.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_folder_is_gone_and_a_kept_one_is_not() {
        let dropped = Scratch::new("dropped").unwrap();
        let path = dropped.path().to_owned();
        fs::write(path.join("file"), "x").unwrap();
        drop(dropped);
        assert!(!path.exists());

        let mut kept = Scratch::new("kept").unwrap();
        let path = kept.path().to_owned();
        kept.keep().unwrap();
        drop(kept);
        assert!(path.exists());
        fs::remove_dir_all(path).unwrap();
    }
}
