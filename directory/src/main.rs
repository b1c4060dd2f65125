//! The program `muster-directory`.

use std::process::ExitCode;

fn main() -> ExitCode {
    muster_kit::program::main(muster_directory::run::run)
}
