//! `make e2e`: the images of the product as real pods, on real nodes, joined by the command that the documents give.
//!
//! ```text
//! this process, as root ──▶ unshare (mounts, network, processes)
//!                             └─ the same program: two control planes, the story
//!                                  ├─▶ unshare (mounts, network): the directory's node
//!                                  └─▶ unshare (mounts, network): the replica's node
//! ```
//!
//! All that runs, is mounted or configured is inside; it goes with the one process inside, and that goes with this one.
//! What lies outside are cgroups, which are removed in the end, also after a failure.

mod cgroups;
mod inside;
mod network;
mod node;
mod outside;
mod pods;
mod story;
mod tools;

use std::{env, process::ExitCode};

use anyhow::{Context, Result, ensure};
use muster_tests::scratch::Scratch;

/// Set for the process inside: the name of the cgroup that everything is to run in.
const INSIDE: &str = "MUSTER_E2E_CGROUP";

fn main() -> ExitCode {
    let result = match env::var(INSIDE) {
        Ok(cgroup) => inside::run(&cgroup),
        Err(_) => run().context("`make e2e E2E=skip` leaves this suite out"),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\ne2e: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Finds or builds what is needed, runs the story inside, and looks whether anything stays.
fn run() -> Result<()> {
    let tools = tools::Tools::gather()?;
    let before = outside::Outside::look()?;
    let cgroups = cgroups::Cgroups::new()?;
    // what is inside is killed whole, with all that would remove its folders
    let folder = Scratch::new("e2e")?;
    let status = inside::enter(&tools, cgroups.name(), folder.path())?;
    let name = cgroups.name().to_owned();
    drop(cgroups);
    ensure!(!cgroups::exist(&name), "expected the cgroups {name} to be gone in the end");
    before.same_as(&outside::Outside::look()?)?;
    ensure!(status.success(), "the story did not come out as expected: {status}");
    println!("\n# Nothing stays: no process, mount, interface, cgroup or changed kernel setting.");
    Ok(())
}
