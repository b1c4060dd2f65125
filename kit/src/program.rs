//! A program from its command line to its exit status.

use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use crate::log;
use crate::settings::{Asked, Common, EX_USAGE, Setting, SettingsError, Start, Values, help};

/// The settings of a program, and what its help says of it.
pub trait Configured: Sized {
    /// Its name, as it is typed.
    const PROGRAM: &'static str;
    /// Its version.
    const VERSION: &'static str;
    /// What it does: the help begins with it, after the name.
    const ABOUT: &'static str;
    /// All that people set, in the order of the help.
    const SETTINGS: &'static [Setting];
    /// What can be wrong with what they set. One line.
    type Error: Display + From<SettingsError>;

    /// Checks what was set.
    ///
    /// # Errors
    /// A setting is wrong.
    fn check(values: &Values, start: &Start<'_>) -> Result<Self, Self::Error>;

    /// What every program lets people set.
    fn common(&self) -> &Common;

    /// The text that `--help` prints, ended by a newline.
    #[must_use]
    fn help() -> String {
        help(Self::PROGRAM, Self::ABOUT, Self::SETTINGS)
    }
}

/// What a program was called for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation<S> {
    /// Print the help to stdout and end with 0.
    Help,
    /// Print the version to stdout and end with 0.
    Version,
    /// Run.
    Run {
        /// With these settings.
        settings: Box<S>,
        /// To be logged as warnings, one line each.
        warnings: Vec<String>,
    },
}

impl<S: Configured> Invocation<S> {
    /// Reads what this process was started with.
    fn of_this_process() -> Result<Self, S::Error> {
        let args: Vec<_> = std::env::args_os().skip(1).collect();
        let env = std::env::vars_os().collect();
        Self::read(&Start { args: &args, env: &env, read: &|path: &Path| std::fs::read_to_string(path) })
    }

    /// Reads what a program is called for from parameters.
    ///
    /// # Errors
    /// A setting is wrong.
    pub fn read(start: &Start<'_>) -> Result<Self, S::Error> {
        Ok(match Asked::read(S::SETTINGS, start)? {
            Asked::Help => Self::Help,
            Asked::Version => Self::Version,
            Asked::Run(values) => {
                Self::Run { settings: Box::new(S::check(&values, start)?), warnings: values.warnings }
            }
        })
    }
}

/// Does what this process was called for; `run` is the program's work, until it is told to stop. The exit status is
/// [`EX_USAGE`] where a setting is wrong, 1 where the work failed.
pub fn main<S: Configured, E: Display + From<log::LogError> + From<std::io::Error>>(
    run: impl AsyncFnOnce(S) -> Result<(), E>,
) -> ExitCode {
    let complain = |error: &str, code: ExitCode| {
        eprintln!("{}: {error}", S::PROGRAM);
        code
    };
    match Invocation::<S>::of_this_process() {
        Ok(Invocation::Help) => print(&S::help()),
        Ok(Invocation::Version) => print(&format!("{} {}\n", S::PROGRAM, S::VERSION)),
        Ok(Invocation::Run { settings, warnings }) => match start(*settings, &warnings, run) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&format!("{error:#}"), ExitCode::FAILURE),
        },
        Err(error) => complain(&error.to_string(), ExitCode::from(EX_USAGE)),
    }
}

fn start<S: Configured, E: From<log::LogError> + From<std::io::Error>>(
    settings: S,
    warnings: &[String],
    run: impl AsyncFnOnce(S) -> Result<(), E>,
) -> Result<(), E> {
    log::init(settings.common().log_format, settings.common().log_level)?;
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
