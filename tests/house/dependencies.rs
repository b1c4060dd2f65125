//! Each direct dependency has a reason, and is used.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::crates::{array, metadata, sources, text};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The dependencies of the workspace, each with what is said of it.
fn reasons() -> BTreeMap<String, String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let part = manifest.split_once("[workspace.dependencies]\n").unwrap().1;
    let lines = part.lines().take_while(|line| !line.starts_with('[')).filter(|line| line.contains(" = "));
    let reason = |line: &str| {
        let (name, rest) = line.split_once(" = ").unwrap();
        // Behind what stands in quotes.
        let after = rest.rsplit_once(['"', ']', '}']).map_or("", |(_, after)| after);
        (name.to_owned(), after.split_once("# ").map_or("", |(_, reason)| reason).to_owned())
    };
    lines.map(reason).collect()
}

/// What is asked for and not called, with the reason.
const UNCALLED: [(&str, &str, &str); 1] =
    [("k8s-openapi", "cli", "kube needs to be told of which version of Kubernetes its types are")];

#[test]
fn each_direct_dependency_has_its_reason_and_is_used() {
    let reasons = reasons();
    for (name, reason) in reasons.iter().filter(|(name, _)| !name.starts_with("muster-")) {
        assert!(reason.len() > 3, "Cargo.toml does not say what {name} is for");
    }
    let metadata = metadata();
    let members = array(&metadata, "workspace_members");
    let mut asked: BTreeSet<String> = BTreeSet::new();
    let mut unused = Vec::new();
    for package in array(&metadata, "packages").iter().filter(|package| members.contains(&package["id"])) {
        let folder = Path::new(text(package, "manifest_path")).parent().unwrap();
        let mut files = Vec::new();
        let targets = array(package, "targets").iter().map(|target| text(target, "src_path"));
        for target in targets.map(|path| Path::new(path).parent().unwrap()) {
            sources(target, &mut files);
        }
        let code: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        for dependency in array(package, "dependencies") {
            let name = text(dependency, "name");
            asked.insert(name.to_owned());
            let called = name.replace('-', "_");
            let is_used = [format!("{called}::"), format!("use {called};"), format!("{called}!(")];
            let excused =
                UNCALLED.iter().any(|(known, member, _)| *known == name && folder.ends_with(member));
            if is_used.iter().any(|called| code.contains(called.as_str())) == excused {
                unused.push(format!("{name} in {}", folder.display()));
            }
        }
    }
    assert!(unused.is_empty(), "nobody uses, or it is used after all: {unused:?}");
    let known: BTreeSet<String> = reasons.into_keys().collect();
    let strays: Vec<_> = known.difference(&asked).collect();
    assert!(strays.is_empty(), "no crate asks for {strays:?}");
    let own: BTreeSet<String> = asked.difference(&known).cloned().collect();
    let paths: BTreeSet<String> = ["muster-agent".to_owned()].into();
    assert!(own.is_subset(&paths), "the workspace does not know {own:?}");
    // More than these are a decision: raise it with the reason.
    let outside = known.iter().filter(|name| !name.starts_with("muster-")).count();
    println!("{outside} direct dependencies");
    assert!(outside <= MOST, "{outside}");
}

/// Most direct dependencies on what others wrote, those of the tests included.
const MOST: usize = 40;
