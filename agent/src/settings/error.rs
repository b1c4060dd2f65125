//! What can be wrong with the agent's settings.

use muster_kit::settings;

/// What is wrong with the settings. Every text is one line.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// What can be wrong with the settings of any program.
    #[error(transparent)]
    Any(#[from] settings::SettingsError),
    /// Two sources of the directory's kubeconfig.
    #[error(
        "unable to use both {file} and {secret}: the kubeconfig of the directory comes from one; drop the other"
    )]
    TwoDirectories {
        /// Where the file was set.
        file: String,
        /// Where the Secret was set.
        secret: String,
    },
}
