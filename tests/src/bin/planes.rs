//! Finds or builds the control plane's programs, and prints their folder.

use muster_tests::binaries::Lookup;

fn main() -> anyhow::Result<()> {
    println!("{}", Lookup::from_env()?.locate()?.folder.display());
    Ok(())
}
