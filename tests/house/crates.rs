//! What the crates of the workspace are made of.

use std::{collections::BTreeSet, env, path::Path, process::Command};

use serde_json::Value;

/// What cargo says of the workspace and all that it is built from.
pub(crate) fn metadata() -> Value {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(crate) fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap()
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

/// Names of all that the library of a crate is built from, on any system; without what only its tests need.
fn tree(metadata: &Value, name: &str) -> BTreeSet<String> {
    let packages = array(metadata, "packages");
    let nodes = array(&metadata["resolve"], "nodes");
    let named = |id: &str| text(packages.iter().find(|package| text(package, "id") == id).unwrap(), "name");
    let start = packages.iter().find(|package| text(package, "name") == name).unwrap();
    let mut open = vec![text(start, "id")];
    let mut seen = BTreeSet::from([text(start, "id")]);
    while let Some(id) = open.pop() {
        let node = nodes.iter().find(|node| text(node, "id") == id).unwrap();
        for dependency in array(node, "deps") {
            let needed = array(dependency, "dep_kinds").iter().any(|kind| kind["kind"] != "dev");
            if needed && seen.insert(text(dependency, "pkg")) {
                open.push(text(dependency, "pkg"));
            }
        }
    }
    seen.into_iter().map(|id| named(id).to_owned()).collect()
}

/// Crates that a client of an API server is made of.
const CLIENTS: [&str; 6] = ["tokio", "hyper", "kube", "kube-client", "kube-core", "kube-runtime"];

#[test]
fn the_engine_has_neither_a_client_nor_a_runtime() {
    let metadata = metadata();
    for name in ["muster-engine", "muster-api"] {
        let tree = tree(&metadata, name);
        assert!(tree.contains("serde_json"), "the tree of {name} was not read: {tree:?}");
        let found: Vec<_> = CLIENTS.iter().filter(|client| tree.contains(**client)).collect();
        assert!(found.is_empty(), "{name} must stay pure, and is built from {found:?}");
    }
    // the same question finds them where they are
    let agent = tree(&metadata, "muster-agent");
    assert!(agent.contains("tokio") && agent.contains("kube-core"), "{agent:?}");
}

/// All Rust sources under a folder.
pub(crate) fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_decisions_of_the_controller_have_neither_a_client_nor_a_runtime() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../directory/src");
    let mut found = vec![source.join("fleet.rs")];
    sources(&source.join("fleet"), &mut found);
    assert!(found.len() > 8, "{found:?}");
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        for word in ["muster_kit", "tokio", "kube::", "k8s_openapi", "Instant", "SystemTime", "async "] {
            assert!(!text.contains(word), "{} must stay pure, and has {word}", path.display());
        }
    }
}

#[test]
fn what_runs_in_a_cluster_executes_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for member in ["agent", "directory", "kit"] {
        sources(&root.join(member).join("src"), &mut found);
    }
    sources(&root.join("agent/engine/src"), &mut found);
    assert!(found.len() > 100, "{}", found.len());
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        for word in ["process::Command", "Command::new", "exec("] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let tokio = manifest.lines().find(|line| line.starts_with("tokio = ")).unwrap();
    assert!(!tokio.contains("\"process\"") && !tokio.contains("\"full\""), "{tokio}");
}

#[test]
fn every_crate_is_under_the_lints_of_the_workspace() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let workspace = read(&root.join("Cargo.toml"));
    for lint in
        ["unsafe_code = \"forbid\"", "unwrap_used = \"warn\"", "panic = \"warn\"", "missing_docs = \"warn\""]
    {
        assert!(workspace.contains(lint), "the workspace lacks the lint {lint}");
    }
    let metadata = metadata();
    let members = array(&metadata, "workspace_members");
    let mut checked = 0;
    for package in array(&metadata, "packages").iter().filter(|package| members.contains(&package["id"])) {
        let manifest = Path::new(text(package, "manifest_path"));
        assert!(read(manifest).contains("\n[lints]\nworkspace = true\n"), "{}", manifest.display());
        assert_eq!(text(package, "license"), "Apache-2.0", "{}", manifest.display());
        checked += 1;
    }
    assert_eq!(checked, members.len());
}
