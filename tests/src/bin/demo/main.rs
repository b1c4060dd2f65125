//! `make demo`: the walk-through of the README on two real control planes, with the shipped manifests and the shipped
//! binary. Every command is printed with its output, and every step is checked: a step that does not come to what it
//! should ends the demo with what was expected and what was seen.
//!
//! With `KEEP=1` in the environment, everything stays until this process ends.

mod shell;
mod stage;
mod steps;

use std::{env, process::ExitCode, thread, time::Instant};

use anyhow::{Result, anyhow};
use muster_tests::{agent::shipped_binary, binaries::binaries, cli::cli_binary, directory::directory_binary};

use stage::{Built, Stage};

fn main() -> ExitCode {
    let built = match build() {
        Ok(built) => built,
        Err(error) => {
            eprintln!("demo: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let started = Instant::now();
    let mut stage = match Stage::set(built) {
        Ok(stage) => stage,
        Err(error) => {
            eprintln!("\ndemo: unable to begin: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    for (number, step) in steps::STEPS.iter().enumerate() {
        println!("\n# {}. {}\n", number + 1, step.title);
        if let Err(error) = (step.play)(&mut stage) {
            eprintln!("\ndemo: step {} failed: {error:#}\n\n{}", number + 1, stage.tails());
            return ExitCode::FAILURE;
        }
    }
    println!("\n# All {} steps came out as expected, in {:.0?}.", steps::STEPS.len(), started.elapsed());
    if env::var_os("KEEP").is_some_and(|keep| !keep.is_empty() && keep != "0") {
        println!("\n{}", stage.guide());
        loop {
            thread::park(); // what was started ends with this process
        }
    }
    ExitCode::SUCCESS
}

/// What the walk-through needs, found or built.
fn build() -> Result<Built> {
    let programs = binaries().map_err(|error| anyhow!(error))?.folder.clone();
    let tool = cli_binary().map_err(|error| anyhow!(error))?;
    Ok(Built { programs, agent: shipped_binary()?, controller: directory_binary()?, tool })
}
