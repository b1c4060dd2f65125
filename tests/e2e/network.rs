//! Addresses: which machine is where, and the links between them.
//!
//! ```text
//! control planes, kubectl      10.90.N.1 ─── node0N:10.90.N.2, pods 10.88.N.0/24
//! ```

use std::{net::Ipv4Addr, process::Command};

use anyhow::{Context, Result, bail};

/// One node and its link.
#[derive(Clone, Copy)]
pub(crate) struct Link(pub(crate) u8);

impl Link {
    /// The address at which a control plane listens for it.
    pub(crate) fn plane(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 90, self.0, 1)
    }

    /// The node's address.
    pub(crate) fn node(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 90, self.0, 2)
    }

    /// The addresses of its pods.
    pub(crate) fn pods(self) -> String {
        format!("10.88.{}.0/24", self.0)
    }

    /// The near end, before any node is there: a control plane must have its address when it starts.
    pub(crate) fn lay(self) -> Result<()> {
        let name = self.name();
        run(&format!(
            "ip link set lo up
             ip link add {name} type veth peer name {name}-far
             ip addr add {}/24 dev {name}
             ip link set {name} up
             echo 1 >/proc/sys/net/ipv4/ip_forward",
            self.plane()
        ))
    }

    /// Gives the far end to the network namespace of a process.
    pub(crate) fn give(self, pid: u32) -> Result<()> {
        let (name, inside) = (self.name(), format!("nsenter -t {pid} -n"));
        run(&format!(
            "ip link set {name}-far netns {pid}
             {inside} ip link set lo up
             {inside} ip link set {name}-far name uplink
             {inside} ip addr add {}/24 dev uplink
             {inside} ip link set uplink up
             {inside} ip route add default via {}
             {inside} sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
             ip route add {} via {}",
            self.node(),
            self.plane(),
            self.pods(),
            self.node()
        ))
    }

    fn name(self) -> String {
        format!("node{}", self.0)
    }
}

/// Runs a script of `sh` to its end; any command that fails ends it.
pub(crate) fn run(script: &str) -> Result<()> {
    let output = Command::new("sh").args(["-euc", script]).output().context("unable to run sh")?;
    if !output.status.success() {
        bail!("{}: {}\nin the script\n{script}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
