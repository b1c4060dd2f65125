//! What is generated from this crate and kept in the repository is fresh.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use muster_api::{crds, docs};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_crds_in_manifests_are_those_of_the_types() {
    let wanted: BTreeMap<_, _> =
        crds::files().unwrap().into_iter().map(|file| (file.name, file.content)).collect();
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root().join("manifests/crds")).expect("manifests/crds: run `make crds`") {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        found.insert(name, fs::read_to_string(path).unwrap());
    }
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&wanted), "run `make crds`");
    for (name, content) in &wanted {
        assert!(found[name] == *content, "{name} is stale: run `make crds`");
    }
}

#[test]
fn the_list_of_conditions_in_docs_is_that_of_the_types() {
    let found =
        fs::read_to_string(root().join("docs/conditions.md")).expect("docs/conditions.md: run `make crds`");
    assert!(found == docs::conditions_markdown(), "docs/conditions.md is stale: run `make crds`");
}
