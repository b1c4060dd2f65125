//! `kubectl muster`: joins clusters to a directory, and shows how the fleet is.
//!
//! It is thin: all that it does, `kubectl` can do too, and `--explain` prints how. Nothing in the directory or in a
//! replica needs it.

mod address;
mod api;
mod args;
mod concerns;
mod connect;
mod credential;
mod documents;
mod failure;
mod fleet;
mod kubectl;
mod output;
mod resources;
mod verbs;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Args;
use crate::failure::Failure;

/// Exit code of what was tried and failed. clap itself ends with 2 where the command line is wrong.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::note(&failure.to_string());
            ExitCode::from(FAILED)
        }
    }
}

fn run(args: Args) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::new("unable to start", error.to_string(), "free some memory or file handles, and try again")
    })?;
    runtime.block_on(verbs::run(args))
}
