//! `make crds`, second half: writes the definitions of `manifests/crds/` into `manifests/multicluster.yaml`, so that one
//! file is all that a cluster needs. What stands above the line [`MARKER`] is written by hand and stays as it is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The line in `multicluster.yaml` below which everything is written by this program.
const MARKER: &str = "# CRDs: from here on written by `make crds`.\n";

fn main() -> Result<()> {
    let file = manifests().join("multicluster.yaml");
    let text = fs::read_to_string(&file).with_context(|| format!("unable to read {}", file.display()))?;
    fs::write(&file, bundle(&text, &definitions()?)?)
        .with_context(|| format!("unable to write {}", file.display()))
}

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests")
}

/// The text of each definition, in the order of the files' names.
fn definitions() -> Result<Vec<String>> {
    let folder = manifests().join("crds");
    let entries = fs::read_dir(&folder).with_context(|| format!("unable to list {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
        .iter()
        .map(|file| fs::read_to_string(file).with_context(|| format!("unable to read {}", file.display())))
        .collect()
}

/// The file with `definitions` below the marker, each as a document of its own.
fn bundle(text: &str, definitions: &[String]) -> Result<String> {
    let Some((by_hand, _)) = text.split_once(MARKER) else { bail!("unable to find the line {MARKER:?}") };
    let mut whole = format!("{by_hand}{MARKER}");
    for definition in definitions {
        whole.push_str("---\n");
        whole.push_str(definition.trim_start_matches("---\n").trim_end());
        whole.push('\n');
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_hand_stays_and_what_is_generated_is_replaced() {
        let once =
            bundle(&format!("a: 1\n{MARKER}stale\n"), &["---\nb: 2\n\n".to_owned(), "c: 3".to_owned()])
                .unwrap();
        assert_eq!(once, format!("a: 1\n{MARKER}---\nb: 2\n---\nc: 3\n"));
        assert_eq!(bundle(&once, &["b: 2".to_owned(), "c: 3".to_owned()]).unwrap(), once);
        assert!(bundle("a: 1\n", &[]).is_err());
    }

    #[test]
    fn multicluster_yaml_holds_the_definitions_of_today() {
        let text = fs::read_to_string(manifests().join("multicluster.yaml")).unwrap();
        let definitions = definitions().unwrap();
        assert_eq!(definitions.len(), 5, "five kinds, five files in manifests/crds");
        assert!(bundle(&text, &definitions).unwrap() == text, "multicluster.yaml is stale: run `make crds`");
    }
}
