//! What is asked of the pods of a Deployment.

use std::{collections::BTreeMap, fs, io::ErrorKind, path::Path};

use anyhow::{Context, Result, bail, ensure};
use muster_tests::ControlPlane;
use serde_json::Value;

/// The namespace of all that Muster runs.
pub(crate) const NAMESPACE: &str = "muster-system";

/// The lines of WARN and ERROR that a healthy start may hold, with why.
const ALLOWED: [(&str, &str); 1] =
    [("credential refused reason=SecretMissing", "the agent waits for its Secret")];

/// The pods of an app, with how often their containers were restarted.
pub(crate) fn restarts(plane: &ControlPlane, app: &str) -> Result<BTreeMap<String, u64>> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3D{app}");
    let list = plane.api().get(&path)?;
    let pods = list["items"].as_array().cloned().unwrap_or_default();
    Ok(pods
        .iter()
        // those that a rollout replaced are on their way out
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .map(|pod| {
            let count = pod["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap_or_default();
            (pod["metadata"]["name"].as_str().unwrap_or_default().to_owned(), count)
        })
        .collect())
}

/// No container of an app was ever restarted, and no log has a line that says that something is wrong.
pub(crate) fn are_well(plane: &ControlPlane, app: &str) -> Result<()> {
    let pods = restarts(plane, app)?;
    ensure!(!pods.is_empty(), "expected pods of {app} in {}", plane.name());
    for (pod, count) in pods {
        let log = plane.kubectl_ok(&["-n", NAMESPACE, "logs", &pod])?;
        ensure!(count == 0, "expected {pod} never to be restarted, not {count} times:\n{log}");
        ensure!(!log.is_empty(), "expected {pod} to log");
        let bad = |line: &&str| {
            [" WARN ", " ERROR "].iter().any(|level| line.contains(level))
                && !ALLOWED.iter().any(|(words, _)| line.contains(words))
        };
        if let Some(line) = log.lines().find(bad) {
            bail!("expected nothing wrong in the log of {pod}: {line}\nall of it:\n{log}");
        }
        println!("{} {pod}: {} lines of log, none of them wrong", plane.name(), log.lines().count());
    }
    Ok(())
}

/// The kernel holds the processes of a program to what the manifests say: no root, no capability, system calls
/// filtered, nothing to write to.
pub(crate) fn are_confined(program: &str) -> Result<()> {
    let pids = processes(program)?;
    ensure!(!pids.is_empty(), "expected processes of {program}");
    for pid in &pids {
        let path = format!("/proc/{pid}/status");
        let status = fs::read_to_string(&path).with_context(|| format!("unable to read {path}"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let none = "0000000000000000";
        for (name, expected) in [
            ("Uid", "65532 65532 65532 65532"),
            ("Gid", "65532 65532 65532 65532"),
            ("CapInh", none),
            ("CapPrm", none),
            ("CapEff", none),
            ("CapBnd", none),
            ("CapAmb", none),
            ("NoNewPrivs", "1"),
            ("Seccomp", "2"),
        ] {
            let found = field(name);
            ensure!(found == expected, "expected {name} of {program} to be {expected}, not {found}");
        }
        let tried = fs::write(format!("/proc/{pid}/root/probe"), "");
        ensure!(
            tried.as_ref().is_err_and(|error| error.kind() == ErrorKind::ReadOnlyFilesystem),
            "expected the root of {program} to be read-only, even for root: {tried:?}"
        );
    }
    println!("{program}: {} processes, as 65532, without capabilities, on a read-only root", pids.len());
    Ok(())
}

/// The processes whose program has that path in their own root.
fn processes(program: &str) -> Result<Vec<u32>> {
    let path = format!("/{program}");
    let entries = fs::read_dir("/proc").context("unable to list /proc")?;
    let runs = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.split('\0').next() == Some(path.as_str()))
    };
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter(runs).collect())
}

/// Admission holds the namespace to the profile `restricted`: what the pods run under is not the manifests' word alone.
pub(crate) fn are_restricted(plane: &ControlPlane) -> Result<()> {
    let pod = "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"probe\"}, \
               \"spec\": {\"containers\": [{\"name\": \"probe\", \"image\": \"localhost/pause:1\"}]}}";
    let answer = plane.kubectl_with(&["-n", NAMESPACE, "create", "--dry-run=server", "-f", "-"], pod)?;
    ensure!(
        answer.code == Some(1) && answer.stderr.contains("violates PodSecurity \"restricted"),
        "expected {} to refuse a pod that is not restricted: {}",
        plane.name(),
        answer.stderr
    );
    Ok(())
}

/// An image's archive holds one layer, so its size is what a node fetches, before compression.
pub(crate) fn is_small(archive: &Path, most: u64) -> Result<()> {
    let size =
        fs::metadata(archive).with_context(|| format!("unable to look at {}", archive.display()))?.len();
    ensure!(size <= most, "expected {} to have {most} bytes at most, not {size}", archive.display());
    println!("{}: {size} bytes", archive.file_name().unwrap_or_default().display());
    Ok(())
}

/// The reason of a condition of an object.
pub(crate) fn reason(object: &Value, condition: &str) -> String {
    let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = all.iter().find(|one| one["type"] == condition);
    found.map(|one| format!("{} {}", one["status"], one["reason"]).replace('"', "")).unwrap_or_default()
}
