//! What of the machine must be the same afterwards.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result, ensure};

/// Settings that a kubelet or kube-proxy writes where it can.
pub(crate) const SETTINGS: [(&str, &str); 6] = [
    ("/proc/sys/vm/overcommit_memory", "1"),
    ("/proc/sys/vm/panic_on_oom", "0"),
    ("/proc/sys/kernel/panic", "10"),
    ("/proc/sys/kernel/panic_on_oops", "1"),
    ("/proc/sys/kernel/keys/root_maxkeys", "1000000"),
    ("/proc/sys/kernel/keys/root_maxbytes", "25000000"),
];

/// Kernel settings, mounts and interfaces.
pub(crate) struct Outside {
    settings: Vec<(&'static str, String)>,
    mounts: BTreeSet<String>,
    interfaces: BTreeSet<String>,
}

impl Outside {
    /// As they are now.
    pub(crate) fn look() -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).with_context(|| format!("unable to read {path}"));
        let names = |path: &str| -> Result<BTreeSet<String>> {
            let entries = fs::read_dir(path).with_context(|| format!("unable to list {path}"))?;
            Ok(entries.filter_map(|entry| Some(entry.ok()?.file_name().display().to_string())).collect())
        };
        Ok(Self {
            settings: SETTINGS
                .into_iter()
                .map(|(path, _)| Ok((path, read(path)?)))
                .chain(
                    [("/proc/sys/net/ipv4/ip_forward", read("/proc/sys/net/ipv4/ip_forward"))]
                        .map(|(path, value)| Ok((path, value?))),
                )
                .collect::<Result<_>>()?,
            mounts: read("/proc/self/mounts")?.lines().map(str::to_owned).collect(),
            interfaces: names("/sys/class/net")?,
        })
    }

    /// Whether they are so later. Others on this machine may have mounted something of their own meanwhile: what counts
    /// is what a node mounts.
    pub(crate) fn same_as(&self, later: &Self) -> Result<()> {
        ensure!(self.settings == later.settings, "expected {:?}, not {:?}", self.settings, later.settings);
        let of_nodes =
            |mount: &&String| ["kubelet", "containerd", "muster"].iter().any(|word| mount.contains(word));
        let new: Vec<&String> = later.mounts.difference(&self.mounts).filter(of_nodes).collect();
        ensure!(new.is_empty(), "expected no mount of a node to stay: {new:?}");
        let new: Vec<&String> = later.interfaces.difference(&self.interfaces).collect();
        ensure!(new.is_empty(), "expected no interface to stay: {new:?}");
        Ok(())
    }
}
