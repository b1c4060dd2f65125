//! The versions of Kubernetes that the suites run on: the oldest that the kube crate in use supports, and the newest.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::BinariesError;

/// Where the Go modules are, each in a folder that its version names.
const MODULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/controlplane");

/// The folder of the module that builds this version of Kubernetes, else the newest.
///
/// # Errors
///
/// [`BinariesError::Unknown`] if there is no such module.
pub(super) fn module(wanted: Option<&str>) -> Result<PathBuf, BinariesError> {
    let known = known()?;
    let found = match wanted {
        None => known.last(),
        Some(wanted) => known.iter().find(|version| *version == wanted),
    };
    match found {
        Some(version) => Ok(Path::new(MODULES).join(version)),
        None => Err(BinariesError::Unknown { wanted: wanted.unwrap_or("").to_owned(), known }),
    }
}

/// The versions that there are modules for, the oldest first.
fn known() -> Result<Vec<String>, BinariesError> {
    let io = |source| BinariesError::Io { action: "read", path: MODULES.into(), source };
    let mut known = Vec::new();
    for entry in fs::read_dir(MODULES).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.path().join("go.mod").is_file() {
            known.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    known.sort_by_key(|version| numbers(version));
    Ok(known)
}

/// `1.36.3` as numbers, by which 1.9 is older than 1.10.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::{MODULES, known, module, numbers};
    use std::{fs, path::Path};

    #[test]
    fn the_newest_is_taken_unless_another_is_asked_for() {
        let known = known().unwrap();
        let (oldest, newest) = (known.first().unwrap(), known.last().unwrap());
        assert!(numbers(oldest) < numbers(newest), "{known:?}");
        assert_eq!(module(None).unwrap(), Path::new(MODULES).join(newest));
        assert_eq!(module(Some(oldest)).unwrap(), Path::new(MODULES).join(oldest));
        assert!(numbers("1.9.1") < numbers("1.10.0"));
    }

    #[test]
    fn a_version_that_nobody_runs_on_is_refused_with_those_that_there_are() {
        let error = module(Some("1.2.3")).unwrap_err().to_string();
        assert!(error.starts_with("unable to use KUBERNETES=1.2.3: the suites run on "), "{error}");
        for version in known().unwrap() {
            assert!(error.contains(&version), "{error}");
        }
    }

    /// Else the servers would say another version than was asked for, or be put together of several.
    #[test]
    fn each_module_holds_the_version_that_its_folder_names_and_no_other() {
        for version in known().unwrap() {
            let text = fs::read_to_string(Path::new(MODULES).join(&version).join("go.mod")).unwrap();
            assert!(text.contains(&format!("\tk8s.io/kubernetes v{version} ")), "{version}");
            let (_, patch) = version.split_once('.').unwrap();
            let replaced: Vec<_> =
                text.lines().filter_map(|line| line.split_once(" => ")).map(|(_, to)| to).collect();
            assert!(replaced.len() > 20, "{version}: {replaced:?}");
            for to in replaced {
                assert!(to.ends_with(&format!(" v0.{patch}")), "{version}: {to}");
            }
        }
    }

    /// The oldest that the kube crate supports is also the one whose types Muster compiles with.
    #[test]
    fn the_oldest_is_that_of_the_types_in_use() {
        let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
        let manifest = fs::read_to_string(workspace).unwrap();
        let oldest = known().unwrap().remove(0);
        let minor = numbers(&oldest)[1];
        assert!(manifest.contains(&format!("features = [\"v1_{minor}\"]")), "{oldest}");
    }
}
