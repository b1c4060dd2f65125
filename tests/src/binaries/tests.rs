use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    BinariesError, ETCD, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER, KUBECTL, KUBELET, Lookup, NODES, PLANES,
};
use crate::scratch::Scratch;

fn lookup(scratch: &Scratch) -> Lookup {
    let lookup = Lookup::of(None, None, scratch.path().join("cache")).unwrap();
    Lookup { go: scratch.path().join("no-go-here"), ..lookup }
}

fn touch(folder: &Path, names: &[&str]) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    for name in names {
        fs::write(folder.join(name), "").unwrap();
    }
    folder.to_owned()
}

#[test]
fn neither_assets_nor_go_names_both_ways_out() {
    let scratch = Scratch::new("binaries").unwrap();
    let error = lookup(&scratch).locate().unwrap_err().to_string();
    for part in ["etcd, kube-apiserver", "KUBEBUILDER_ASSETS", "install Go 1.26"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn assets_win_over_the_cache() {
    let scratch = Scratch::new("binaries").unwrap();
    let mut lookup = lookup(&scratch);
    touch(&lookup.cache.join(format!("planes-{}", lookup.key().unwrap())), &PLANES.names());
    lookup.assets = Some(touch(&scratch.path().join("assets"), &PLANES.names()));
    assert_eq!(lookup.locate().unwrap().etcd, scratch.path().join("assets/etcd"));
}

#[test]
fn a_version_and_a_folder_of_another_are_not_taken_for_one() {
    let assets = || Some(PathBuf::from("/assets"));
    let cache = PathBuf::from("/cache");
    let oldest = "1.33.13".to_owned();
    let error = Lookup::of(Some(oldest.clone()), assets(), cache.clone()).unwrap_err().to_string();
    assert!(error.contains("KUBERNETES=1.33.13 and KUBEBUILDER_ASSETS=/assets"), "{error}");
    assert!(Lookup::of(None, assets(), cache.clone()).is_ok());
    assert!(Lookup::of(Some(oldest), None, cache).unwrap().module.ends_with("controlplane/1.33.13"));
}

#[test]
fn a_controller_manager_that_the_assets_lack_comes_from_the_cache() {
    let scratch = Scratch::new("binaries").unwrap();
    let mut lookup = lookup(&scratch);
    lookup.assets = Some(touch(&scratch.path().join("assets"), &[ETCD, KUBE_APISERVER, KUBECTL]));
    let error = lookup.locate().unwrap_err().to_string();
    assert!(error.contains("unable to find kube-controller-manager:"), "{error}");

    let cache = lookup.cache.join(format!("planes-{}", lookup.key().unwrap()));
    touch(&cache, &[KUBE_CONTROLLER_MANAGER]);
    let found = lookup.locate().unwrap();
    assert_eq!(found.kube_controller_manager, cache.join(KUBE_CONTROLLER_MANAGER));
    assert_eq!(found.kubectl, scratch.path().join("assets/kubectl"));
}

#[test]
fn the_programs_of_a_node_have_a_folder_of_their_own() {
    let scratch = Scratch::new("binaries").unwrap();
    let mut lookup = lookup(&scratch);
    lookup.assets = Some(touch(&scratch.path().join("assets"), &NODES.names()));
    let error = lookup.locate_node().unwrap_err().to_string();
    assert!(error.contains("unable to find kubelet, kube-proxy, kube-scheduler:"), "{error}");
    let folder = touch(&lookup.cache.join(format!("nodes-{}", lookup.key().unwrap())), &NODES.names());
    assert_eq!(lookup.locate_node().unwrap().kubelet, folder.join(KUBELET));
}

#[test]
fn assets_that_lack_a_server_are_an_error_not_a_build() {
    let scratch = Scratch::new("binaries").unwrap();
    let mut lookup = lookup(&scratch);
    lookup.assets = Some(touch(&scratch.path().join("assets"), &[KUBECTL]));
    let error = lookup.locate().unwrap_err();
    assert!(
        matches!(&error, BinariesError::Assets { missing, .. } if missing == &[ETCD, KUBE_APISERVER]),
        "{error}"
    );
}

#[test]
fn the_cache_key_follows_the_versions() {
    let scratch = Scratch::new("binaries").unwrap();
    let mut lookup = lookup(&scratch);
    let key = lookup.key().unwrap();
    assert_eq!(key.len(), 16);
    let other = touch(&scratch.path().join("module"), &[]);
    fs::copy(lookup.module.join("go.mod"), other.join("go.mod")).unwrap();
    fs::write(other.join("go.sum"), "another").unwrap();
    lookup.module = other;
    assert_ne!(lookup.key().unwrap(), key);
}

#[test]
fn a_failed_build_shows_what_was_said_and_leaves_no_folder() {
    let scratch = Scratch::new("binaries").unwrap();
    let mut lookup = lookup(&scratch);
    lookup.go = "sh".into(); // takes `build` for a script, and complains
    let error = lookup.locate().unwrap_err().to_string();
    assert!(error.starts_with("unable to build") && error.contains("open build"), "{error}");
    assert!(!lookup.cache.join(format!("planes-{}", lookup.key().unwrap())).exists());
}
