//! `go build` of a module of `tests/controlplane`, once, with progress on stderr.

use std::{
    collections::VecDeque,
    fs::{self, File, TryLockError},
    io::{BufRead, BufReader, ErrorKind},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use super::{BinariesError, Lookup, Set, missing};

/// How often progress is told.
const TELL: Duration = Duration::from_secs(5);

/// How many of the last lines of `go build` an error shows.
const TAIL: usize = 20;

/// Builds a set into `folder`, which lacks `lacks`. Processes that want to build wait for one another.
///
/// # Errors
///
/// [`BinariesError::NoWay`] if there is no Go, else what failed.
pub(super) fn build(
    lookup: &Lookup,
    set: &Set,
    folder: &Path,
    lacks: Vec<String>,
) -> Result<(), BinariesError> {
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| BinariesError::Io { action, path, source }
    };
    let version = kubernetes_version(&lookup.module)?;
    // before anything is written: without Go there is nothing to do here
    match Command::new(&lookup.go).arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(_) => {}
        Err(source) if source.kind() == ErrorKind::NotFound => {
            return Err(BinariesError::NoWay { missing: lacks, cache: folder.to_owned() });
        }
        Err(source) => return Err(io("run", &lookup.go)(source)),
    }
    fs::create_dir_all(&lookup.cache).map_err(io("create", &lookup.cache))?;
    let lock_path = lookup.cache.join("planes.lock");
    let lock = File::create(&lock_path).map_err(io("create", &lock_path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("Another process builds the control plane's binaries; waiting for it.");
            lock.lock().map_err(io("lock", &lock_path))?;
        }
        Err(TryLockError::Error(source)) => return Err(io("lock", &lock_path)(source)),
    }
    if missing(folder, &set.names()).is_empty() {
        return Ok(()); // the other process has built them
    }

    // A sibling, renamed when complete: a build that is killed leaves nothing that looks finished.
    let partial = folder.with_extension("partial");
    remove(&partial)?;
    fs::create_dir_all(&partial).map_err(io("create", &partial))?;
    eprintln!(
        "Building {} of Kubernetes {version} with Go into {}.\nThis is done once. {}",
        set.names().join(", "),
        folder.display(),
        set.cost
    );
    run_go(lookup, set, &version, &partial)?;
    // Go names a program by the last part of its package's path that is no version
    let named_server = partial.join("server");
    if named_server.exists() {
        fs::rename(&named_server, partial.join(super::ETCD)).map_err(io("rename", &named_server))?;
    }
    remove(folder)?;
    fs::rename(&partial, folder).map_err(io("rename", &partial))
}

/// Runs `go build` and tells how far it is.
fn run_go(lookup: &Lookup, set: &Set, version: &str, into: &Path) -> Result<(), BinariesError> {
    let io = |source| BinariesError::Io { action: "run", path: lookup.go.clone(), source };
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    // without these the servers say v0.0.0, and clients that read their version are misled
    let git = "-X k8s.io/component-base/version.git";
    let ldflags = format!("-s -w {git}Version={version} {git}Major={major} {git}Minor={minor}");

    let started = Instant::now();
    let mut go = Command::new(&lookup.go)
        .current_dir(&lookup.module)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .args(["build", "-v", "-trimpath", "-ldflags", &ldflags, "-o"])
        .arg(into.join("")) // a trailing slash: a folder, for several programs
        .args(set.programs.iter().map(|(_, package)| package))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(io)?;
    let (lines, said) = channel();
    let stderr = go.stderr.take();
    let reader = thread::spawn(move || {
        for line in stderr.into_iter().flat_map(|pipe| BufReader::new(pipe).lines()).map_while(Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });

    let mut progress = Progress::default();
    let mut told = started;
    loop {
        match said.recv_timeout(TELL) {
            Ok(line) => progress.note(line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if told.elapsed() >= TELL {
            told = Instant::now();
            eprintln!("  {}", progress.text(started.elapsed()).trim_end());
        }
    }
    let status = go.wait().map_err(io)?;
    // the thread ended with the pipe; it cannot fail
    drop(reader.join());
    if !status.success() {
        let tail = progress.tail.into_iter().collect::<Vec<_>>().join("\n");
        return Err(BinariesError::Build { status, tail });
    }
    eprintln!("  done: {}", progress.text(started.elapsed()).trim_end());
    Ok(())
}

/// What `go build -v` has said so far.
#[derive(Default)]
struct Progress {
    modules: usize,
    packages: usize,
    tail: VecDeque<String>,
}

impl Progress {
    fn note(&mut self, line: String) {
        if line.starts_with("go: downloading ") {
            self.modules += 1;
        } else {
            self.packages += 1;
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    fn text(&self, elapsed: Duration) -> String {
        let (minutes, seconds) = (elapsed.as_secs() / 60, elapsed.as_secs() % 60);
        let at = self.tail.back().map_or("", String::as_str);
        format!(
            "{minutes}:{seconds:02}  {} modules downloaded, {} packages compiled  {at}",
            self.modules, self.packages
        )
    }
}

/// The version of `k8s.io/kubernetes` in `go.mod`, as `v1.36.3`.
fn kubernetes_version(module: &Path) -> Result<String, BinariesError> {
    let path = module.join("go.mod");
    let text = fs::read_to_string(&path).map_err(|source| BinariesError::Io {
        action: "read",
        path: path.clone(),
        source,
    })?;
    text.lines()
        .find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes v"))
        .and_then(|rest| rest.split_whitespace().next())
        .map(|version| format!("v{version}"))
        .ok_or(BinariesError::Version(path))
}

fn remove(folder: &Path) -> Result<(), BinariesError> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(BinariesError::Io { action: "remove", path: PathBuf::from(folder), source })
        }
        _ => Ok(()),
    }
}
