//! Finds or builds the programs of the previous state of the repository, and prints their folder.

use muster_tests::previous::{is_shallow, previous};

fn main() -> anyhow::Result<()> {
    if is_shallow() {
        println!("PREVIOUS STATE NOT CHECKED: this clone has no history");
        return Ok(());
    }
    println!("{}", previous().map_err(anyhow::Error::msg)?.folder.display());
    Ok(())
}
