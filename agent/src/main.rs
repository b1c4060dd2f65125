//! The program `muster-agent`.

use std::process::ExitCode;

fn main() -> ExitCode {
    muster_kit::program::main(muster_agent::run::run)
}
