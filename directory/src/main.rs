//! The program `muster-directory`.

use std::io::Write as _;
use std::process::ExitCode;

use muster_directory::run::run;
use muster_directory::settings::{self, Invocation, Settings};
use muster_kit::log;
use muster_kit::settings::EX_USAGE;

fn main() -> ExitCode {
    match Invocation::of_this_process() {
        Ok(Invocation::Help) => print(&settings::help()),
        Ok(Invocation::Version) => print(concat!("muster-directory ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Invocation::Run { settings, warnings }) => match start(*settings, &warnings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&format!("{error:#}"), ExitCode::FAILURE),
        },
        Err(error) => complain(&error.to_string(), ExitCode::from(EX_USAGE)),
    }
}

fn start(settings: Settings, warnings: &[String]) -> anyhow::Result<()> {
    log::init(settings.common.log_format, settings.common.log_level)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    // One core is plenty, and a second thread costs memory.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(settings))
}

/// Writes to stdout; a reader that has gone, such as `head`, is no reason to panic.
fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_closed) => ExitCode::FAILURE,
    }
}

fn complain(error: &str, code: ExitCode) -> ExitCode {
    eprintln!("muster-directory: {error}");
    code
}
