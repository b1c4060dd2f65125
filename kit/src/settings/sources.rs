//! Where settings come from: flags, environment, file. What each of them says is laid over the one below, and
//! every value keeps the name of its origin, since a complaint must say what to correct.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io,
    path::Path,
};

use config::{Config, ConfigError, File, FileFormat, Map, Source, Value, ValueKind};

use super::{
    SettingsError,
    table::{PREFIX, Places, Setting},
};

/// Reads a file as text. A parameter, so that tests need no disk.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// What the process was started with.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// The arguments without the program's own name.
    pub args: &'a [OsString],
    /// The environment.
    pub env: &'a BTreeMap<OsString, OsString>,
    /// The disk.
    pub read: ReadFile<'a>,
}

/// What the flags ask for.
pub enum Asked {
    /// To print the help.
    Help,
    /// To print the version.
    Version,
    /// To run with these values.
    Run(Values),
}

/// The values that are set somewhere.
pub struct Values {
    merged: Map<String, Value>,
    /// What to tell people, although it does not keep the program from running.
    pub warnings: Vec<String>,
}

/// A value, as text, and the place where people set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The value.
    pub text: String,
    /// The flag, the variable, or the key and its file.
    pub place: String,
}

/// One place's settings, by the key in the file.
#[derive(Debug, Clone, Default)]
struct Layer(Map<String, Value>);

// === impl Asked ===

impl Asked {
    /// Merges flags over environment over file.
    ///
    /// # Errors
    /// What is set is none of `settings`, has no value, or cannot be read.
    pub fn read(settings: &[Setting], start: &Start<'_>) -> Result<Self, SettingsError> {
        let mut warnings = Vec::new();
        let flags = match flags(settings, start.args, &mut warnings)? {
            Flags::Help => return Ok(Self::Help),
            Flags::Version => return Ok(Self::Version),
            Flags::Run(layer) => layer,
        };
        let environment = environment(settings, start.env, &mut warnings)?;
        let named = flags.0.get("config").or_else(|| environment.0.get("config"));
        let file = named.map(|value| file(settings, value, start.read, &mut warnings));
        let file = file.transpose()?.unwrap_or_default();
        let merged = Config::builder()
            .add_source(file)
            .add_source(environment)
            .add_source(flags)
            .build()
            .and_then(|config| config.collect())
            .map_err(|source| SettingsError::Merge { problem: one_line(&source.to_string()) })?;
        Ok(Self::Run(Values { merged, warnings }))
    }
}

// === impl Values ===

impl Values {
    /// What a setting was set to, by its flag without dashes.
    #[must_use]
    pub fn get(&self, setting: &str) -> Option<Origin> {
        let value = self.merged.get(setting)?;
        let place = value.origin().unwrap_or_default().to_owned();
        Some(Origin { text: value.clone().into_string().ok()?, place })
    }
}

// === impl Layer ===

impl Layer {
    /// Takes a value over. An empty one is a mistake, unless the setting says otherwise.
    fn set(
        &mut self,
        setting: &Setting,
        place: String,
        text: String,
        warnings: &mut Vec<String>,
    ) -> Result<(), SettingsError> {
        if text.is_empty() && !setting.may_be_empty {
            return Err(SettingsError::NoValue { place, right: setting.value });
        }
        if setting.may_be_empty && text.starts_with("$(") && text.ends_with(')') {
            let text = shown(&text);
            warnings
                .push(format!("{place} is {text}: that variable does not exist, so no name is set there"));
        } else if !text.is_empty() {
            self.0.insert(setting.flag.to_owned(), Value::new(Some(&place), text));
        }
        Ok(())
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

enum Flags {
    Help,
    Version,
    Run(Layer),
}

fn flags(
    settings: &[Setting],
    args: &[OsString],
    warnings: &mut Vec<String>,
) -> Result<Flags, SettingsError> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut layer = Layer::default();
    let mut seen = Vec::new();
    loop {
        let name = match parser.next() {
            Ok(None) => return Ok(Flags::Run(layer)),
            Ok(Some(lexopt::Arg::Long(name))) => name.to_owned(),
            Ok(Some(lexopt::Arg::Short(letter))) => {
                return Err(SettingsError::UnknownFlag { flag: shown(&format!("-{letter}")) });
            }
            Ok(Some(lexopt::Arg::Value(text))) => {
                return Err(SettingsError::NotAFlag { text: shown(&text.to_string_lossy()) });
            }
            Err(_value_of_a_flag_alone) => return Err(SettingsError::NeedlessValue),
        };
        let known = |setting: &&Setting| setting.flag == name || setting.alias == Some(name.as_str());
        let Some(setting) = settings.iter().find(known) else {
            return Err(SettingsError::UnknownFlag { flag: shown(&format!("--{name}")) });
        };
        let flag = format!("--{name}");
        if setting.places == Places::FlagAlone {
            if parser.optional_value().is_some() {
                return Err(SettingsError::NeedlessValue);
            }
            return Ok(if setting.flag == "help" { Flags::Help } else { Flags::Version });
        }
        let Ok(value) = parser.value() else {
            return Err(SettingsError::NoValue { place: flag, right: setting.value });
        };
        let text = value.into_string().map_err(|_| SettingsError::NotUtf8 { place: flag.clone() })?;
        if seen.contains(&setting.flag) {
            return Err(SettingsError::Twice { flag });
        }
        seen.push(setting.flag);
        layer.set(setting, flag, text, warnings)?;
    }
}

fn environment(
    settings: &[Setting],
    variables: &BTreeMap<OsString, OsString>,
    warnings: &mut Vec<String>,
) -> Result<Layer, SettingsError> {
    let mut layer = Layer::default();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        let Some(setting) = settings.iter().find(|setting| setting.variable().as_deref() == Some(name))
        else {
            warnings.push(format!("the environment variable {} is no setting of Muster", shown(name)));
            continue;
        };
        let text = value.to_str().ok_or_else(|| SettingsError::NotUtf8 { place: name.to_owned() })?;
        if !text.is_empty() {
            layer.set(setting, name.to_owned(), text.to_owned(), warnings)?;
        }
    }
    Ok(layer)
}

fn file(
    settings: &[Setting],
    named: &Value,
    read: ReadFile<'_>,
    warnings: &mut Vec<String>,
) -> Result<Layer, SettingsError> {
    let path = named.clone().into_string().unwrap_or_default();
    let place = named.origin().unwrap_or_default().to_owned();
    let unreadable = |source| SettingsError::ReadFile { place, path: shown(&path), source };
    let text = read(Path::new(&path)).map_err(unreadable)?;
    let table = File::from_str(&text, FileFormat::Toml).collect().map_err(|error| {
        let problem = match &error {
            ConfigError::FileParse { cause, .. } => cause.to_string(),
            other => other.to_string(),
        };
        SettingsError::ParseFile { path: shown(&path), problem: one_line(&problem) }
    })?;
    let mut layer = Layer::default();
    // In order, so that of several complaints it is always the same one that is made.
    for (key, value) in table.into_iter().collect::<BTreeMap<_, _>>() {
        let Some(setting) = settings.iter().find(|setting| setting.key() == Some(key.as_str())) else {
            return Err(SettingsError::UnknownKey { path: shown(&path), key: shown(&key) });
        };
        let ValueKind::String(text) = value.kind else {
            return Err(SettingsError::NotText { path: shown(&path), key: setting.flag });
        };
        layer.set(setting, format!("the key {} in {}", setting.flag, shown(&path)), text, warnings)?;
    }
    Ok(layer)
}

/// Whether a variable that Kubernetes or the shell sets has a value.
#[must_use]
pub fn is_set(variables: &BTreeMap<OsString, OsString>, name: &str) -> bool {
    variables.get(OsStr::new(name)).is_some_and(|value| !value.is_empty())
}

/// A text from outside, safe to show: escaped to one line, and short.
#[must_use]
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut cut: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().count() > LONGEST {
        cut.push('…');
    }
    cut
}

/// The position and the message of a parser's report, without the picture of the line between them.
fn one_line(report: &str) -> String {
    let mut lines = report.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    lines.next_back().map_or_else(|| shown(first), |last| format!("{}: {}", shown(first), shown(last)))
}
