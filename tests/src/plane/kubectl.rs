//! The real kubectl, as people run it.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::{ControlPlane, PlaneError, programs};
use crate::binaries::binaries;

/// How long one command may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// What a command printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl ControlPlane {
    /// Runs kubectl as the admin, and takes any exit code.
    ///
    /// # Errors
    ///
    /// It could not be run, or took longer than two minutes.
    pub fn kubectl(&self, args: &[&str]) -> Result<Output, PlaneError> {
        self.run_kubectl(&self.admin_kubeconfig(), args, "")
    }

    /// Runs kubectl as the admin with `input` on stdin, and takes any exit code.
    ///
    /// # Errors
    ///
    /// As for [`ControlPlane::kubectl`].
    pub fn kubectl_with(&self, args: &[&str], input: &str) -> Result<Output, PlaneError> {
        self.run_kubectl(&self.admin_kubeconfig(), args, input)
    }

    /// Runs kubectl with another kubeconfig, and takes any exit code.
    ///
    /// # Errors
    ///
    /// As for [`ControlPlane::kubectl`], or the kubeconfig could not be written to a file.
    pub fn kubectl_as(&self, kubeconfig: &str, args: &[&str]) -> Result<Output, PlaneError> {
        let digest = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), kubeconfig);
        let path = self.folder().join(format!("{digest:x}.kubeconfig"));
        programs::write(&path, kubeconfig)?;
        self.run_kubectl(&path, args, "")
    }

    /// Runs kubectl as the admin; what it printed on stdout.
    ///
    /// # Errors
    ///
    /// Any exit code but 0, with the command and what it said on stderr.
    pub fn kubectl_ok(&self, args: &[&str]) -> Result<String, PlaneError> {
        succeeded(args, self.kubectl(args)?)
    }

    /// `kubectl apply -f -` of YAML as the admin; what it printed on stdout.
    ///
    /// # Errors
    ///
    /// As for [`ControlPlane::kubectl_ok`].
    pub fn apply(&self, yaml: &str) -> Result<String, PlaneError> {
        let args = ["apply", "-f", "-"];
        succeeded(&args, self.kubectl_with(&args, yaml)?)
    }

    fn run_kubectl(&self, kubeconfig: &Path, args: &[&str], input: &str) -> Result<Output, PlaneError> {
        let error = |why: String| PlaneError::Kubectl { command: shown(args), why };
        let mut child = Command::new(&binaries().map_err(PlaneError::Binaries)?.kubectl)
            .args(args)
            .current_dir(self.folder())
            .env("KUBECONFIG", kubeconfig)
            // discovery is cached by address, and this address may get another cluster
            .env("KUBECACHEDIR", self.folder().join(programs::KUBECTL_CACHE))
            .env("KUBERC", "off")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| error(e.to_string()))?;
        let pid = child.id();
        let stdin = child.stdin.take();
        let input = input.to_owned();
        // a command that ends without reading its input is no error
        let writer = thread::spawn(move || stdin.map(|mut pipe| pipe.write_all(input.as_bytes())));
        let (done, result) = mpsc::channel();
        thread::spawn(move || done.send(child.wait_with_output()));
        let Ok(output) = result.recv_timeout(DEADLINE) else {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
            return Err(error(format!("it did not end within {DEADLINE:?}")));
        };
        let output = output.map_err(|e| error(e.to_string()))?;
        drop(writer.join());
        Ok(Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

fn succeeded(args: &[&str], output: Output) -> Result<String, PlaneError> {
    if output.code == Some(0) {
        return Ok(output.stdout);
    }
    Err(PlaneError::KubectlFailed { command: shown(args), code: output.code, stderr: output.stderr })
}

fn shown(args: &[&str]) -> String {
    format!("kubectl {}", args.join(" "))
}
