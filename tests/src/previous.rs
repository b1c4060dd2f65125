//! An earlier state of this repository, built from its history: what is upgraded from it, and taken back to it.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::binaries::{BinariesError, Lookup};

/// Which state: the one that landed before this one. Whoever releases a version names that.
const COMMIT: &str = "0eb0d2eb215d0f3b0fe0eb495be841d7e2eda1ef";

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const PROGRAMS: [&str; 2] = ["muster-agent", "muster-directory"];

/// Why it could not be had.
#[derive(Debug, thiserror::Error)]
pub enum PreviousError {
    /// No cache folder.
    #[error(transparent)]
    Cache(#[from] BinariesError),
    /// The history lacks it.
    #[error(
        "unable to find commit {COMMIT} in the history of this repository: git fetch --unshallow brings it"
    )]
    NoHistory,
    /// A command failed.
    #[error("unable to {action}: {said}")]
    Command {
        /// What was tried.
        action: &'static str,
        /// What it said.
        said: String,
    },
    /// A file or folder could not be read or written.
    #[error("unable to {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// Where its programs and manifests are.
#[derive(Clone, Debug)]
pub struct Previous {
    /// What `make previous` prints.
    pub folder: PathBuf,
}

impl Previous {
    /// The agent.
    #[must_use]
    pub fn agent(&self) -> PathBuf {
        self.folder.join(PROGRAMS[0])
    }

    /// The controller.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.folder.join(PROGRAMS[1])
    }

    /// The text of a file of `manifests/`.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn manifest(&self, name: &str) -> Result<String, PreviousError> {
        let path = self.folder.join("manifests").join(name);
        fs::read_to_string(&path).map_err(|source| PreviousError::Io { action: "read", path, source })
    }
}

/// Whether this repository has no history to build it from, as a shallow clone.
#[must_use]
pub fn is_shallow() -> bool {
    let said = git(&["rev-parse", "--is-shallow-repository"]).output();
    said.is_ok_and(|said| said.stdout.starts_with(b"true"))
}

/// The text of a file of `manifests/` in that state, from the history alone: nothing is built.
///
/// # Errors
///
/// The history lacks it, or git cannot be run.
pub fn manifest_of_history(name: &str) -> Result<String, PreviousError> {
    let failed = |said: String| PreviousError::Command { action: "read the previous state", said };
    let output = git(&["show", &format!("{COMMIT}:manifests/{name}")]).output();
    let output = output.map_err(|error| failed(format!("git: {error}")))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    String::from_utf8(output.stdout).map_err(|error| failed(error.to_string()))
}

/// The previous state, looked up once in a process. A first call may build it, which takes minutes.
///
/// # Errors
///
/// The [`PreviousError`] as text, the same at each call.
pub fn previous() -> Result<&'static Previous, String> {
    static FOUND: OnceLock<Result<Previous, String>> = OnceLock::new();
    FOUND.get_or_init(|| locate().map_err(|error| error.to_string())).as_ref().map_err(Clone::clone)
}

fn locate() -> Result<Previous, PreviousError> {
    let cache = Lookup::from_env()?.cache;
    let folder = cache.join(format!("previous-{}", &COMMIT[..12]));
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| PreviousError::Io { action, path, source }
    };
    fs::create_dir_all(&cache).map_err(io("create", &cache))?;
    let lock_path = cache.join("previous.lock");
    let lock = File::create(&lock_path).map_err(io("create", &lock_path))?;
    lock.lock().map_err(io("lock", &lock_path))?; // another process may be building it
    if folder.is_dir() {
        return Ok(Previous { folder });
    }
    // A sibling, renamed when complete: a build that is killed leaves nothing that looks finished.
    let partial = folder.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(io("remove", &partial))?;
    }
    let source = partial.join("source");
    fs::create_dir_all(&source).map_err(io("create", &source))?;
    check_out(&source)?;
    eprintln!("Building the previous state, {COMMIT}, into {}. This is done once.", folder.display());
    build(&source)?;
    for program in PROGRAMS {
        let built = source.join("target/debug").join(program);
        fs::rename(&built, partial.join(program)).map_err(io("rename", &built))?;
    }
    let manifests = source.join("manifests");
    fs::rename(&manifests, partial.join("manifests")).map_err(io("rename", &manifests))?;
    fs::remove_dir_all(&source).map_err(io("remove", &source))?;
    fs::rename(&partial, &folder).map_err(io("rename", &partial))?;
    Ok(Previous { folder })
}

fn git(args: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.current_dir(ROOT).args(args).stdin(Stdio::null());
    git
}

fn check_out(into: &Path) -> Result<(), PreviousError> {
    let action = "check the previous state out";
    let failed = |said: String| PreviousError::Command { action, said };
    let commit = format!("{COMMIT}^{{commit}}");
    let known = git(&["cat-file", "-e", &commit]).stderr(Stdio::null()).status();
    if !known.map_err(|error| failed(format!("git: {error}")))?.success() {
        return Err(PreviousError::NoHistory);
    }
    let mut archive = git(&["archive", COMMIT])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let Some(bytes) = archive.stdout.take() else { return Err(failed("no output".to_owned())) };
    let unpacked = Command::new("tar").args(["-x", "-C"]).arg(into).stdin(bytes).status();
    let archived = archive.wait();
    match (unpacked, archived) {
        (Ok(unpacked), Ok(archived)) if unpacked.success() && archived.success() => Ok(()),
        (unpacked, archived) => Err(failed(format!("git archive: {archived:?}, tar: {unpacked:?}"))),
    }
}

fn build(source: &Path) -> Result<(), PreviousError> {
    let failed = |said: String| PreviousError::Command { action: "build the previous state", said };
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(source).args(["build", "--quiet", "--locked", "--target-dir", "target"]);
    for program in PROGRAMS {
        cargo.args(["--package", program]);
    }
    cargo.envs([("CARGO_PROFILE_DEV_DEBUG", "0"), ("CARGO_INCREMENTAL", "0")]).stdin(Stdio::null());
    let output = cargo.output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()))
}
