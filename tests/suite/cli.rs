//! `kubectl muster`, the built binary against real API servers: what it prints, what it writes, and how it ends.
//!
//! Where no controller runs, `enrol-by-hand.yaml` stands for it: it makes the same.

mod again;
mod approving;
mod controller;
mod document;
mod errors;
mod files;
mod held;
mod joining;
mod owners;
mod plain;
mod seeing;

use std::path::{Path, PathBuf};
use std::process::Command;

use muster_tests::ControlPlane;
use muster_tests::cli;
use muster_tests::plane::Output;

/// Runs the tool as the admin of a plane.
pub(crate) fn muster(plane: &ControlPlane, args: &[&str]) -> Output {
    muster_as(&plane.admin_kubeconfig(), args)
}

/// Runs the tool with a kubeconfig.
pub(crate) fn muster_as(kubeconfig: &Path, args: &[&str]) -> Output {
    let output = cli::run(args, &[("KUBECONFIG", kubeconfig)]).unwrap();
    println!("$ kubectl muster {}\n{}-> {:?}", args.join(" "), output.stderr, output.code);
    output
}

/// The same, which must succeed; what it printed on stdout.
pub(crate) fn done(plane: &ControlPlane, args: &[&str]) -> String {
    let output = muster(plane, args);
    assert_eq!(output.code, Some(0), "kubectl muster {}: {}", args.join(" "), output.stderr);
    output.stdout
}

/// A kubeconfig for a plane with a token, as a file in its folder.
pub(crate) fn kubeconfig_file(plane: &ControlPlane, name: &str, content: &str) -> PathBuf {
    let path = plane.folder().join(format!("{name}.kubeconfig"));
    std::fs::write(&path, content).unwrap();
    path
}

/// Runs a script in a shell whose kubectl is the admin of a plane, and has the tool as its plugin, in a folder of that; what it printed on stdout.
pub(crate) fn shell(plane: &ControlPlane, folder: &Path, script: &str) -> String {
    let kubectl = &muster_tests::binaries::binaries().unwrap().kubectl;
    let tool = muster_tests::cli::cli_binary().unwrap();
    let folders = [kubectl, &tool].map(|program| program.parent().unwrap().display().to_string());
    let path = format!("{}:{}", folders.join(":"), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(folder)
        .env("PATH", path)
        .env("KUBECONFIG", plane.admin_kubeconfig())
        .env("KUBECACHEDIR", folder.join("cache"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
