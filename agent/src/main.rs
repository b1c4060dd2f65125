//! The program `muster-agent`.

use std::io::Write as _;
use std::process::ExitCode;

use muster_agent::run::run;
use muster_agent::settings::{self, Invocation, Settings};
use muster_kit::log;

fn main() -> ExitCode {
    match Invocation::of_this_process() {
        Ok(Invocation::Help) => print(&settings::help()),
        Ok(Invocation::Version) => print(concat!("muster-agent ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Invocation::Run { settings, warnings }) => match start(*settings, &warnings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&format!("{error:#}"), ExitCode::FAILURE),
        },
        Err(error) => complain(&error.to_string(), ExitCode::from(settings::EX_USAGE)),
    }
}

fn start(settings: Settings, warnings: &[String]) -> anyhow::Result<()> {
    log::init(settings.log_format, settings.log_level)?;
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
    eprintln!("muster-agent: {error}");
    code
}
