//! The program `muster-agent`.

use std::{io::Write as _, process::ExitCode};

use muster_agent::settings::{self, Invocation};

fn main() -> ExitCode {
    match Invocation::of_this_process() {
        Ok(Invocation::Help) => print(&settings::help()),
        Ok(Invocation::Version) => print(concat!("muster-agent ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Invocation::Run { .. }) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("muster-agent: {error}");
            ExitCode::from(settings::EX_USAGE)
        }
    }
}

/// Writes to stdout; a reader that has gone, such as `head`, is no reason to panic.
fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_closed) => ExitCode::FAILURE,
    }
}
