//! The cgroups that pods run in. They are the machine's, and outlive all namespaces.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

const ROOT: &str = "/sys/fs/cgroup";

/// Waits for the end of a pipe that only the owner holds, then until the processes are gone, and removes each cgroup of
/// that name, the innermost first.
const REMOVE_AT_EOF: &str = r#"
read -r _
for _ in $(seq 100); do
    left=
    for root in "$@"; do
        [ -d "$root" ] || continue
        find "$root" -depth -type d -exec rmdir {} + 2>/dev/null
        [ -d "$root" ] && left=1
    done
    [ -z "$left" ] && exit 0
    sleep 0.1
done
exit 1
"#;

/// One cgroup in each hierarchy, with one below it for each node. Removed with all that is below when it is dropped,
/// and when this process ends.
pub(crate) struct Cgroups {
    name: String,
    keeper: Child,
}

impl Cgroups {
    /// Makes them.
    pub(crate) fn new() -> Result<Self> {
        let name = format!("muster-e2e-{}", std::process::id());
        let within = |all: Vec<PathBuf>| all.into_iter().map(|path| path.join(&name)).collect::<Vec<_>>();
        let roots = within(hierarchies()?);
        let keeper = Command::new("sh")
            .args(["-c", REMOVE_AT_EOF, "muster-e2e-cgroups"])
            .args(within(mounts()?))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0) // a signal to our group must not take it along
            .spawn()
            .context("unable to watch over the cgroups")?;
        let cgroups = Self { name, keeper };
        for root in roots {
            for path in [root.clone(), root.join("directory"), root.join("replica")] {
                fs::create_dir(&path)
                    .with_context(|| format!("unable to make the cgroup {}", path.display()))?;
                delegate(&path)?;
            }
        }
        Ok(cgroups)
    }

    /// Their name in each hierarchy.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        drop(self.keeper.wait());
    }
}

/// Whether a cgroup of that name is in any hierarchy.
pub(crate) fn exist(name: &str) -> bool {
    mounts().is_ok_and(|all| all.iter().any(|path| path.join(name).exists()))
}

/// The hierarchies that limit anything: the one of version 2, or those of version 1. A hierarchy of version 2 beside
/// those of version 1 does not.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let root = PathBuf::from(ROOT);
    if root.join("cgroup.controllers").exists() {
        return Ok(vec![root]);
    }
    Ok(mounts()?.into_iter().filter(|path| path.join("tasks").exists()).collect())
}

/// Wherever there may be cgroups of ours: the container runtime makes some in all hierarchies.
fn mounts() -> Result<Vec<PathBuf>> {
    let root = Path::new(ROOT);
    let entries = fs::read_dir(root).with_context(|| format!("unable to list {ROOT}"))?;
    let hierarchy = |path: &PathBuf| path.join("cgroup.procs").exists() && !path.is_symlink();
    let below = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(hierarchy);
    Ok(below.chain(root.join("cgroup.procs").exists().then(|| root.to_owned())).collect())
}

/// Version 2 gives a cgroup the controllers that the one above it hands down.
fn delegate(path: &Path) -> Result<()> {
    let Some(above) = path.parent() else { return Ok(()) };
    let Ok(controllers) = fs::read_to_string(above.join("cgroup.controllers")) else { return Ok(()) };
    let wanted: Vec<String> = controllers.split_whitespace().map(|name| format!("+{name}")).collect();
    fs::write(above.join("cgroup.subtree_control"), wanted.join(" "))
        .with_context(|| format!("unable to hand controllers down from {}", above.display()))
}
