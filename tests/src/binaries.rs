//! Where etcd, kube-apiserver, kube-controller-manager and kubectl come from, and the programs of a node.
//!
//! `KUBEBUILDER_ASSETS` if it is set, else the cache folder, else `go build` of a module of `tests/controlplane` into the
//! cache folder. The cache lies outside `target/` and is keyed by the Go module's files: a `cargo clean` does not cost four
//! minutes, and a new Kubernetes version does not meet old binaries.
//!
//! There is one module for each version of Kubernetes that the suites run on; `KUBERNETES` chooses, and without it the
//! newest is taken.

mod build;
mod versions;

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use sha2::{Digest, Sha256};

/// Why the binaries could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BinariesError {
    /// Neither a folder of binaries nor Go.
    #[error(
        "unable to find {}: set KUBEBUILDER_ASSETS to a folder that holds etcd, kube-apiserver and kubectl \
         (`setup-envtest use` makes one), or install Go 1.26 or newer (https://go.dev/dl) and they are built once \
         into {}",
        .missing.join(", "), .cache.display()
    )]
    NoWay {
        /// Names of the binaries that are missing.
        missing: Vec<String>,
        /// Where a build would have put them.
        cache: PathBuf,
    },
    /// `KUBERNETES` names a version that no module builds.
    #[error("unable to use KUBERNETES={wanted}: the suites run on {}; choose one of them", .known.join(" and "))]
    Unknown {
        /// The version it names.
        wanted: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Both `KUBERNETES` and `KUBEBUILDER_ASSETS` say which servers to run.
    #[error(
        "unable to use both KUBERNETES={wanted} and KUBEBUILDER_ASSETS={}: a folder holds one version, whatever is \
         asked for; unset one of the two",
        .folder.display()
    )]
    Both {
        /// The version that the one names.
        wanted: String,
        /// The folder that the other names.
        folder: PathBuf,
    },
    /// `KUBEBUILDER_ASSETS` names a folder that lacks what it must hold.
    #[error("unable to use KUBEBUILDER_ASSETS={}: it lacks {}; correct it, or unset it to have Go build them", .folder.display(), .missing.join(", "))]
    Assets {
        /// The folder it names.
        folder: PathBuf,
        /// What is not in it.
        missing: Vec<String>,
    },
    /// No folder for the cache is known.
    #[error("unable to choose a cache folder: set MUSTER_CACHE, XDG_CACHE_HOME or HOME")]
    NoCache,
    /// `go build` failed.
    #[error("unable to build the control plane's binaries, {status}:\n{tail}")]
    Build {
        /// How `go` ended.
        status: std::process::ExitStatus,
        /// The last lines of what it said.
        tail: String,
    },
    /// `go.mod` does not name the version of Kubernetes.
    #[error("unable to read the version of k8s.io/kubernetes from {}", .0.display())]
    Version(PathBuf),
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

/// The four programs.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The folder that was found or built: what `make planes` prints.
    pub folder: PathBuf,
    /// etcd.
    pub etcd: PathBuf,
    /// kube-apiserver.
    pub kube_apiserver: PathBuf,
    /// kube-controller-manager.
    pub kube_controller_manager: PathBuf,
    /// kubectl.
    pub kubectl: PathBuf,
}

/// The programs of a node that are Kubernetes' own. Only what runs pods needs them.
#[derive(Clone, Debug)]
pub struct NodeBinaries {
    /// kubelet.
    pub kubelet: PathBuf,
    /// kube-proxy.
    pub kube_proxy: PathBuf,
    /// kube-scheduler, which is none of a node, but nothing else needs it.
    pub kube_scheduler: PathBuf,
}

/// Where to look. [`Lookup::from_env`] is what all but the tests of this module use.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The value of `KUBEBUILDER_ASSETS`.
    pub assets: Option<PathBuf>,
    /// The cache folder.
    pub cache: PathBuf,
    /// The Go command: a name that PATH resolves, or a path.
    pub go: PathBuf,
    /// The folder of the Go module that names the programs and their versions: one of `tests/controlplane`.
    pub module: PathBuf,
}

const ETCD: &str = "etcd";
const KUBE_APISERVER: &str = "kube-apiserver";
const KUBE_CONTROLLER_MANAGER: &str = "kube-controller-manager";
const KUBECTL: &str = "kubectl";

/// Programs that are built together into a folder of their own.
struct Set {
    /// What the folder's name begins with.
    prefix: &'static str,
    /// Their names, with the Go package of each.
    programs: &'static [(&'static str, &'static str)],
    /// How long that takes, and what it needs, said before it begins.
    cost: &'static str,
}

const PLANES: Set = Set {
    prefix: "planes",
    programs: &[
        (ETCD, "go.etcd.io/etcd/server/v3"),
        (KUBE_APISERVER, "k8s.io/kubernetes/cmd/kube-apiserver"),
        (KUBE_CONTROLLER_MANAGER, "k8s.io/kubernetes/cmd/kube-controller-manager"),
        (KUBECTL, "k8s.io/kubernetes/cmd/kubectl"),
    ],
    cost: "It takes about four minutes on two cores, and needs 4 GB for Go's caches.",
};
const KUBELET: &str = "kubelet";
const KUBE_PROXY: &str = "kube-proxy";
const KUBE_SCHEDULER: &str = "kube-scheduler";
const NODES: Set = Set {
    prefix: "nodes",
    programs: &[
        (KUBELET, "k8s.io/kubernetes/cmd/kubelet"),
        (KUBE_PROXY, "k8s.io/kubernetes/cmd/kube-proxy"),
        (KUBE_SCHEDULER, "k8s.io/kubernetes/cmd/kube-scheduler"),
    ],
    cost: "It takes half a minute on two cores once the control plane's are built.",
};

/// The programs, looked up once in a process. A first call may build them, which takes minutes; progress goes to
/// stderr.
///
/// # Errors
///
/// The [`BinariesError`] as text, the same at each call.
pub fn binaries() -> Result<&'static Binaries, String> {
    static FOUND: OnceLock<Result<Binaries, String>> = OnceLock::new();
    FOUND
        .get_or_init(|| Lookup::from_env().and_then(|l| l.locate()).map_err(|e| e.to_string()))
        .as_ref()
        .map_err(Clone::clone)
}

impl Lookup {
    /// Reads `KUBERNETES`, `KUBEBUILDER_ASSETS`, `MUSTER_CACHE`, `XDG_CACHE_HOME` and `HOME`.
    ///
    /// # Errors
    ///
    /// [`BinariesError::NoCache`] if none of the last three is set; the first two contradict each other, or the first names
    /// no version that there is.
    pub fn from_env() -> Result<Self, BinariesError> {
        let folder = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let cache = folder("MUSTER_CACHE")
            .or_else(|| folder("XDG_CACHE_HOME").map(|f| f.join("muster")))
            .or_else(|| folder("HOME").map(|f| f.join(".cache/muster")))
            .ok_or(BinariesError::NoCache)?;
        let wanted = env::var("KUBERNETES").ok().filter(|version| !version.is_empty());
        Self::of(wanted, folder("KUBEBUILDER_ASSETS"), cache)
    }

    fn of(wanted: Option<String>, assets: Option<PathBuf>, cache: PathBuf) -> Result<Self, BinariesError> {
        let module = versions::module(wanted.as_deref())?;
        match (wanted, assets) {
            (Some(wanted), Some(folder)) => Err(BinariesError::Both { wanted, folder }),
            (_, assets) => Ok(Self { assets, cache, go: "go".into(), module }),
        }
    }

    /// Finds the programs, or builds them.
    ///
    /// # Errors
    ///
    /// [`BinariesError`].
    pub fn locate(&self) -> Result<Binaries, BinariesError> {
        let Some(assets) = &self.assets else {
            return Ok(Binaries::of(&self.cached(&PLANES, &PLANES.names())?));
        };
        let missing = missing(assets, &[ETCD, KUBE_APISERVER, KUBECTL]);
        if !missing.is_empty() {
            return Err(BinariesError::Assets { folder: assets.clone(), missing });
        }
        let mut found = Binaries::of(assets);
        // setup-envtest ships no kube-controller-manager
        if !found.kube_controller_manager.is_file() {
            found.kube_controller_manager =
                self.cached(&PLANES, &[KUBE_CONTROLLER_MANAGER])?.join(KUBE_CONTROLLER_MANAGER);
        }
        Ok(found)
    }

    /// Finds the programs of a node in the cache folder, or builds them; no folder of assets holds them.
    ///
    /// # Errors
    ///
    /// [`BinariesError`].
    pub fn locate_node(&self) -> Result<NodeBinaries, BinariesError> {
        let folder = self.cached(&NODES, &NODES.names())?;
        Ok(NodeBinaries {
            kubelet: folder.join(KUBELET),
            kube_proxy: folder.join(KUBE_PROXY),
            kube_scheduler: folder.join(KUBE_SCHEDULER),
        })
    }

    /// The cache folder of a set for this version of the Go module, with `wanted` in it.
    fn cached(&self, set: &Set, wanted: &[&str]) -> Result<PathBuf, BinariesError> {
        let folder = self.cache.join(format!("{}-{}", set.prefix, self.key()?));
        let lacks = missing(&folder, wanted);
        if lacks.is_empty() {
            return Ok(folder);
        }
        build::build(self, set, &folder, lacks)?;
        Ok(folder)
    }

    /// 16 hex digits that change with `go.mod` and `go.sum`.
    fn key(&self) -> Result<String, BinariesError> {
        let mut digest = Sha256::new();
        for name in ["go.mod", "go.sum"] {
            let path = self.module.join(name);
            let text =
                fs::read(&path).map_err(|source| BinariesError::Io { action: "read", path, source })?;
            digest.update(text);
        }
        Ok(hex(&digest.finalize()[..8]))
    }
}

impl Set {
    fn names(&self) -> Vec<&'static str> {
        self.programs.iter().map(|(name, _)| *name).collect()
    }
}

impl Binaries {
    fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            etcd: folder.join(ETCD),
            kube_apiserver: folder.join(KUBE_APISERVER),
            kube_controller_manager: folder.join(KUBE_CONTROLLER_MANAGER),
            kubectl: folder.join(KUBECTL),
        }
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn missing(folder: &Path, names: &[&str]) -> Vec<String> {
    names.iter().filter(|name| !folder.join(name).is_file()).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
