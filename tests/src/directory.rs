//! The directory's controller, as a process.

use std::{
    ops::{Deref, DerefMut},
    path::PathBuf,
    sync::OnceLock,
};

use crate::{
    ControlPlane,
    agent::{AgentError, AgentProcess, build},
    plane::TokenOptions,
    scratch::Scratch,
};

/// The controller's binary: `MUSTER_DIRECTORY_BIN` if that is set, else the debug build, built by cargo, once in a process.
///
/// # Errors
///
/// [`AgentError::Build`] with what cargo said.
pub fn directory_binary() -> Result<PathBuf, AgentError> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| build("muster-directory", "MUSTER_DIRECTORY_BIN")).clone().map_err(AgentError::Build)
}

/// A running controller, with the rights of its account in the directory and no others. All that can be asked of an
/// [`AgentProcess`] can be asked of it.
pub struct DirectoryProcess {
    process: AgentProcess,
    // last: the folder goes after the process
    _folder: Scratch,
}

impl DirectoryProcess {
    /// Starts it with a token of the account `muster-system/muster-directory`, and these arguments.
    ///
    /// # Errors
    ///
    /// It cannot be built or started, or there is no such account.
    pub fn start(directory: &ControlPlane, args: &[&str]) -> Result<Self, AgentError> {
        Self::start_binary(directory_binary()?, directory, args)
    }

    /// The same with this program.
    ///
    /// # Errors
    ///
    /// It cannot be started, or there is no such account.
    pub fn start_binary(
        binary: PathBuf,
        directory: &ControlPlane,
        args: &[&str],
    ) -> Result<Self, AgentError> {
        Self::run(binary, &own_kubeconfig(directory)?, args, &[])
    }

    /// The same as [`Self::start`], in this environment.
    ///
    /// # Errors
    ///
    /// As for [`Self::start`].
    pub fn start_in(
        directory: &ControlPlane,
        args: &[&str],
        envs: &[(&str, &str)],
    ) -> Result<Self, AgentError> {
        Self::run(directory_binary()?, &own_kubeconfig(directory)?, args, envs)
    }

    /// The same over any kubeconfig.
    ///
    /// # Errors
    ///
    /// It cannot be built or started.
    pub fn start_over(kubeconfig: &str, args: &[&str]) -> Result<Self, AgentError> {
        Self::run(directory_binary()?, kubeconfig, args, &[])
    }

    fn run(
        binary: PathBuf,
        kubeconfig: &str,
        args: &[&str],
        envs: &[(&str, &str)],
    ) -> Result<Self, AgentError> {
        let folder = Scratch::new("controller")?;
        let path = folder.path().join("directory.kubeconfig");
        std::fs::write(&path, kubeconfig).map_err(|error| AgentError::Build(error.to_string()))?;
        let path = path.display().to_string();
        let mut all = vec!["--kubeconfig", path.as_str()];
        all.extend(args);
        let process = AgentProcess::start_binary(binary, &all, envs)?;
        Ok(Self { process, _folder: folder })
    }
}

/// A kubeconfig with a token of its account.
fn own_kubeconfig(directory: &ControlPlane) -> Result<String, AgentError> {
    let options = TokenOptions::default();
    let kubeconfig = directory.service_account_kubeconfig("muster-system", "muster-directory", &options);
    kubeconfig.map_err(|error| AgentError::Build(error.to_string()))
}

impl Deref for DirectoryProcess {
    type Target = AgentProcess;

    fn deref(&self) -> &AgentProcess {
        &self.process
    }
}

impl DerefMut for DirectoryProcess {
    fn deref_mut(&mut self) -> &mut AgentProcess {
        &mut self.process
    }
}
