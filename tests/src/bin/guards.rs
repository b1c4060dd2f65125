//! Switches each guard against loss off, one at a time, and says whether the test that is named for it turns red.
//! `guards PART` takes those alone whose name has this part.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use muster_tests::guards::{Guard, guards};

fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let part = std::env::args().nth(1).unwrap_or_default();
    let workshop = Workshop::new(&root)?;
    let guards: Vec<Guard> = guards()?.into_iter().filter(|guard| guard.guard.contains(&part)).collect();
    ensure!(!guards.is_empty(), "no guard has {part}");
    let tests: BTreeSet<&str> = guards.iter().map(|guard| guard.test.as_str()).collect();
    for test in tests {
        ensure!(!workshop.is_red(test)?, "{test} fails with all guards in their places");
    }
    let mut silent = Vec::new();
    for guard in &guards {
        let is_red = workshop.without(guard)?;
        println!("{} {}: {}", if is_red { "red  " } else { "GREEN" }, guard.guard, guard.test);
        if !is_red {
            silent.push(guard.guard.as_str());
        }
    }
    ensure!(silent.is_empty(), "no test misses: {}", silent.join("; "));
    Ok(())
}

/// A copy of the repository: what is switched off never stands in the files that people edit.
struct Workshop {
    tree: PathBuf,
    build: PathBuf,
}

impl Workshop {
    fn new(root: &Path) -> anyhow::Result<Self> {
        let folder = root.join("target/guards");
        let (tree, build) = (folder.join("tree"), folder.join("build"));
        if tree.exists() {
            fs::remove_dir_all(&tree).context("remove the last copy")?;
        }
        let listed = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let listed = Command::new("git").args(listed).current_dir(root).output()?;
        ensure!(listed.status.success(), "git does not list the files");
        for name in String::from_utf8(listed.stdout)?.split_terminator('\0') {
            let (from, to) = (root.join(name), tree.join(name));
            if !from.exists() {
                continue; // deleted, and not committed yet
            }
            fs::create_dir_all(to.parent().context("no folder")?)?;
            fs::copy(&from, &to).with_context(|| format!("copy {name}"))?;
        }
        Ok(Self { tree, build })
    }

    /// Whether the test of a guard fails without it.
    fn without(&self, guard: &Guard) -> anyhow::Result<bool> {
        let path = self.tree.join(&guard.file);
        let whole = fs::read_to_string(&path).with_context(|| guard.file.clone())?;
        ensure!(whole.matches(&guard.text).count() == 1, "{}: its text is not there once", guard.guard);
        fs::write(&path, whole.replacen(&guard.text, &guard.without, 1))?;
        let outcome = self.is_red(&guard.test).with_context(|| guard.guard.clone());
        fs::write(&path, whole)?;
        outcome
    }

    /// Whether a test fails.
    fn is_red(&self, test: &str) -> anyhow::Result<bool> {
        let (place, name) = test.split_once("::").context("a test without a place")?;
        let cargo = |last: &[&str]| {
            let mut command = Command::new("cargo");
            let package = format!("muster-{place}");
            command.args(["test", "--quiet", "--locked", "--lib", "--package", &package]).args(last);
            command.current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.build).output()
        };
        let built = cargo(&["--no-run"])?;
        if !built.status.success() {
            bail!("unable to build it: {}", String::from_utf8_lossy(&built.stderr));
        }
        let run = cargo(&["--", "--exact", name])?;
        let said = String::from_utf8_lossy(&run.stdout);
        ensure!(said.contains("running 1 test"), "there is no test {name}");
        Ok(!run.status.success())
    }
}
