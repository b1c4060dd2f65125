//! What runs pods: found, installed or built before anything else begins.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use muster_tests::{binaries, cli::cli_binary};

/// Debian's packages, with a program of each.
const PACKAGES: [(&str, &str); 6] = [
    ("containerd", "/usr/bin/containerd"),
    ("runc", "/usr/sbin/runc"),
    ("iptables", "/usr/sbin/iptables"),
    ("containernetworking-plugins", "/usr/lib/cni/bridge"),
    ("iproute2", "/usr/sbin/ip"),
    ("util-linux", "/usr/bin/nsenter"),
];

/// All of it is there.
pub(crate) struct Tools {
    /// `kubectl-muster`.
    pub(crate) cli: PathBuf,
}

impl Tools {
    /// Installs and builds what is missing.
    pub(crate) fn gather() -> Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "unable to run pods: a kubelet and a container runtime need root"
        );
        install()?;
        binaries::binaries().map_err(|error| anyhow!(error))?;
        binaries::Lookup::from_env()?.locate_node()?;
        Ok(Self { cli: cli_binary().map_err(|error| anyhow!(error))? })
    }
}

/// `apt-get install` of the packages whose programs are missing, where nothing has to go for them: on a machine with another
/// container runtime it fails. Where systemd runs, it starts the daemon of containerd, which is not used.
fn install() -> Result<()> {
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(_, program)| !PathBuf::from(program).exists())
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("# Installing {}", missing.join(", "));
    for args in [
        vec!["update"],
        [vec!["install", "--yes", "--no-remove", "--no-install-recommends"], missing.clone()].concat(),
    ] {
        let status = Command::new("apt-get")
            .arg("--quiet=2")
            .args(&args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("unable to install {}: no apt-get here", missing.join(", ")))?;
        if !status.success() {
            bail!("unable to install {}: apt-get {} ended with {status}", missing.join(", "), args.join(" "));
        }
    }
    Ok(())
}

/// The value of a variable that the process outside has set.
pub(crate) fn given(name: &str) -> Result<PathBuf> {
    env::var_os(name).map(PathBuf::from).ok_or_else(|| anyhow!("{name} is not set"))
}
