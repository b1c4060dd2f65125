//! `make crds`, second half: writes the definitions of `manifests/crds/` into `manifests/multicluster.yaml`, so that one
//! file is all that a cluster needs, and then the [`mod@overlay`] from it. What stands above the line [`MARKER`] of either
//! file is written by hand and stays as it is.

mod overlay;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The line in `multicluster.yaml` below which everything is written by this program.
const MARKER: &str = "# CRDs: from here on written by `make crds`.\n";

/// For every cluster.
const BASE: &str = "multicluster.yaml";
/// The same with the names of Tectonic's registry.
const OVERLAY: &str = "tectonic/multicluster.yaml";

fn main() -> Result<()> {
    for (file, text) in [(BASE, base()?), (OVERLAY, overlay()?)] {
        let path = manifests().join(file);
        fs::write(&path, text).with_context(|| format!("unable to write {}", path.display()))?;
    }
    Ok(())
}

/// What `multicluster.yaml` is to be.
fn base() -> Result<String> {
    bundle(&read(BASE)?, MARKER, &definitions()?)
}

/// What the overlay is to be.
fn overlay() -> Result<String> {
    let mut documents = overlay::documents(by_hand(&read(BASE)?, MARKER)?, &read("directory.yaml")?)?;
    documents.extend(definitions()?);
    bundle(&read(OVERLAY)?, overlay::MARKER, &documents)
}

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests")
}

fn read(file: &str) -> Result<String> {
    let path = manifests().join(file);
    fs::read_to_string(&path).with_context(|| format!("unable to read {}", path.display()))
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

/// What stands above the marker.
fn by_hand<'a>(text: &'a str, marker: &str) -> Result<&'a str> {
    let Some((by_hand, _)) = text.split_once(marker) else { bail!("unable to find the line {marker:?}") };
    Ok(by_hand)
}

/// The file with `documents` below the marker.
fn bundle(text: &str, marker: &str, documents: &[String]) -> Result<String> {
    let mut whole = format!("{}{marker}", by_hand(text, marker)?);
    for document in documents {
        whole.push_str("---\n");
        whole.push_str(document.trim_start_matches("---\n").trim_end());
        whole.push('\n');
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_hand_stays_and_what_is_generated_is_replaced() {
        let bundled = |text: &str, documents: [&str; 2]| bundle(text, MARKER, &documents.map(str::to_owned));
        let once = bundled(&format!("a: 1\n{MARKER}stale\n"), ["---\nb: 2\n\n", "c: 3"]).unwrap();
        assert_eq!(once, format!("a: 1\n{MARKER}---\nb: 2\n---\nc: 3\n"));
        assert_eq!(bundled(&once, ["b: 2", "c: 3"]).unwrap(), once);
        assert!(bundle("a: 1\n", MARKER, &[]).is_err());
    }

    #[test]
    fn both_files_are_those_of_today() {
        assert_eq!(definitions().unwrap().len(), 5, "five kinds, five files in manifests/crds");
        for (file, wanted) in [(BASE, base()), (OVERLAY, overlay())] {
            assert!(read(file).unwrap() == wanted.unwrap(), "{file} is stale: run `make crds`");
        }
    }
}
