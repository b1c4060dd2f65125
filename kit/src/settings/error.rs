//! What can be wrong with the settings.

/// What is wrong with the settings. Every text is one line.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A value is not what the setting takes.
    #[error("unable to use {place}: \"{text}\" is not {right}")]
    Wrong {
        /// The flag, the variable, or the key and its file.
        place: String,
        /// The value, made safe to show.
        text: String,
        /// What would be right.
        right: String,
    },
    /// There is no such flag.
    #[error("unable to use {flag}: there is no such flag; --help lists all")]
    UnknownFlag {
        /// The flag with its dashes.
        flag: String,
    },
    /// Something that belongs to no flag.
    #[error("unable to use the argument \"{text}\": every setting is a flag; --help lists all")]
    NotAFlag {
        /// The argument, made safe to show.
        text: String,
    },
    /// A value is missing or empty.
    #[error("unable to use {place}: it needs a value, {right}")]
    NoValue {
        /// The flag, or the key and its file.
        place: String,
        /// The form of the value.
        right: &'static str,
    },
    /// `--help` or `--version` with a value.
    #[error("unable to use --help or --version with a value: they take none")]
    NeedlessValue,
    /// A flag, or a flag and its other name, twice.
    #[error("unable to use {flag}: it is given twice; give it once")]
    Twice {
        /// The second one.
        flag: String,
    },
    /// A value is not UTF-8.
    #[error("unable to use {place}: its value is not UTF-8 text")]
    NotUtf8 {
        /// The flag or the variable.
        place: String,
    },
    /// The file cannot be read.
    #[error("unable to read the file {path} that {place} names: {source}")]
    ReadFile {
        /// The flag or the variable.
        place: String,
        /// The path, made safe to show.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("unable to read the file {path} as TOML: {problem}")]
    ParseFile {
        /// The path, made safe to show.
        path: String,
        /// Position and message.
        problem: String,
    },
    /// The file has a key that is no setting.
    #[error("unable to use the key {key} in {path}: there is no such setting; --help lists all")]
    UnknownKey {
        /// The path, made safe to show.
        path: String,
        /// The key, made safe to show.
        key: String,
    },
    /// A value in the file is a number, a list or a table.
    #[error("unable to use the key {key} in {path}: its value must be a text in quotes")]
    NotText {
        /// The path, made safe to show.
        path: String,
        /// The key.
        key: &'static str,
    },
    /// The places cannot be merged.
    #[error("unable to merge flags, environment and file: {problem}")]
    Merge {
        /// What the library said.
        problem: String,
    },
    /// Nothing says how the cluster is reached that the program is to work in.
    #[error(
        "unable to find {what}: run in a pod of it, or set --kubeconfig, MUSTER_KUBECONFIG or KUBECONFIG"
    )]
    NoCluster {
        /// What the program calls it.
        what: &'static str,
    },
}
