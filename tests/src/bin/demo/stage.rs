//! What the walk-through plays on: two control planes, one kubeconfig with both, and the agent.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, Result, anyhow};
use base64::{Engine, prelude::BASE64_STANDARD};
use muster_tests::{ControlPlane, Options, agent::AgentProcess, scratch::Scratch};

use crate::shell::Shell;

/// What was found or built before the walk-through begins.
pub(crate) struct Built {
    /// The folder of kubectl and the servers.
    pub(crate) programs: PathBuf,
    /// The agent's binary.
    pub(crate) agent: PathBuf,
    /// That of the directory's controller.
    pub(crate) controller: PathBuf,
    /// That of the plugin of kubectl.
    pub(crate) tool: PathBuf,
}

/// Everything that runs. It ends when this is dropped, and when the process ends.
pub(crate) struct Stage {
    /// Runs commands in the repository.
    pub(crate) shell: Shell,
    /// Once it was started.
    pub(crate) agent: Option<AgentProcess>,
    /// The directory's controller, once it was started.
    controller: Option<AgentProcess>,
    built: Built,
    directory: ControlPlane,
    replica: ControlPlane,
    // last: the folder goes after what uses it
    folder: Scratch,
}

impl Stage {
    /// Starts two control planes, and says how to reach them.
    pub(crate) fn set(built: Built) -> Result<Self> {
        println!(
            "# Two control planes: etcd, kube-apiserver and kube-controller-manager each, on 127.0.0.1."
        );
        println!("# One kubeconfig has a context for each: directory, and replica.\n");
        let (directory, replica) = thread::scope(|scope| {
            let directory = scope.spawn(|| ControlPlane::start(Options::named("directory")));
            let replica = ControlPlane::start(Options::named("replica"));
            (directory.join(), replica)
        });
        let directory =
            directory.map_err(|_| anyhow!("the thread that started the directory panicked"))??;
        let replica = replica?;
        let folder = Scratch::new("demo")?;
        let kubeconfig = folder.path().join("kubeconfig");
        fs::write(&kubeconfig, both(&[&directory, &replica]))
            .with_context(|| format!("unable to write {}", kubeconfig.display()))?;
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let own = [Some(built.programs.as_path()), built.tool.parent()].into_iter().flatten();
        let paths = own.map(Path::to_owned).chain(std::env::split_paths(&paths));
        let shell = Shell {
            envs: vec![
                ("KUBECONFIG", kubeconfig.into()),
                ("PATH", std::env::join_paths(paths)?),
                // kubectl's settings and cache of the one who runs this stay out of it
                ("KUBERC", "off".into()),
                ("KUBECACHEDIR", folder.path().join("kubectl-cache").into()),
            ],
            folder: fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))?,
        };
        let stage = Self { shell, agent: None, controller: None, built, directory, replica, folder };
        println!("{}", stage.exports());
        Ok(stage)
    }

    /// A file in the folder of the demo.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Starts the agent with a kubeconfig of the replica.
    pub(crate) fn start_agent(&mut self, kubeconfig: &str) -> Result<()> {
        self.agent = Some(self.start(&self.built.agent, kubeconfig)?);
        Ok(())
    }

    /// Starts the controller with a kubeconfig of the directory.
    pub(crate) fn start_controller(&mut self, kubeconfig: &str) -> Result<()> {
        self.controller = Some(self.start(&self.built.controller, kubeconfig)?);
        Ok(())
    }

    fn start(&self, binary: &Path, kubeconfig: &str) -> Result<AgentProcess> {
        let shown = fs::canonicalize(binary)?;
        let shown = shown.strip_prefix(&self.shell.folder).unwrap_or(&shown).display().to_string();
        let process = AgentProcess::start_binary(binary.to_owned(), &["--kubeconfig", kubeconfig], &[])?;
        println!("$ {shown} --kubeconfig {kubeconfig} --listen {} &", process.listen());
        Ok(process)
    }

    /// The address of the directory.
    pub(crate) fn directory_url(&self) -> String {
        self.directory.url()
    }

    /// Stops the directory as a power cut would.
    pub(crate) fn stop_directory(&self) -> Result<()> {
        let pids: Vec<String> = self.directory.server_pids().all().iter().map(u32::to_string).collect();
        println!("$ kill -9 {}", pids.join(" "));
        Ok(self.directory.kill()?)
    }

    /// Starts the directory again, where it was.
    pub(crate) fn start_directory(&self) -> Result<()> {
        println!("# The servers of the directory are started again.");
        Ok(self.directory.restart()?)
    }

    /// The end of each log, for a step that failed.
    pub(crate) fn tails(&self) -> String {
        let tail = |whose: &str, process: &Option<AgentProcess>| {
            let log = process.as_ref().map(AgentProcess::log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(20).collect();
            let tail: Vec<&str> = lines.into_iter().rev().collect();
            format!("The {whose}'s log ends with:\n{}", tail.join("\n"))
        };
        format!("{}\n{}", tail("controller", &self.controller), tail("agent", &self.agent))
    }

    fn exports(&self) -> String {
        format!(
            "export KUBECONFIG={}\nexport PATH={}:{}:$PATH",
            self.file("kubeconfig"),
            self.built.programs.display(),
            self.built.tool.parent().unwrap_or(&self.built.tool).display()
        )
    }

    /// How to look around while everything is kept.
    pub(crate) fn guide(&self) -> String {
        let mut text = format!(
            "# Everything runs on. In another terminal:\n{}\nkubectl --context directory get mcl\n\
             kubectl --context replica get mcl\n\
             kubectl --context replica -n muster-system describe mcr directory-sync\n",
            self.exports()
        );
        if let Some(agent) = &self.agent {
            let _infallible = writeln!(
                text,
                "tail -f {}\ncurl http://{}/metrics",
                agent.log_path().display(),
                agent.listen()
            );
        }
        let _infallible = writeln!(
            text,
            "# Logs of the servers: {} and {}",
            self.directory.folder().display(),
            self.replica.folder().display()
        );
        let _infallible =
            write!(text, "# To stop and remove all of it: Ctrl-C here, or: kill {}", std::process::id());
        text
    }
}

/// One kubeconfig with a context for the admin of each cluster, named as the cluster.
fn both(planes: &[&ControlPlane]) -> String {
    let each =
        |line: &dyn Fn(&ControlPlane) -> String| planes.iter().map(|plane| line(plane)).collect::<String>();
    let clusters = each(&|plane| {
        let ca = BASE64_STANDARD.encode(plane.ca_pem());
        format!(
            "- name: {}\n  cluster: {{server: \"{}\", certificate-authority-data: {ca}}}\n",
            plane.name(),
            plane.url()
        )
    });
    let users = each(&|plane| {
        format!("- name: {}-admin\n  user: {{token: {}}}\n", plane.name(), plane.admin_token())
    });
    let contexts = each(&|plane| {
        let name = plane.name();
        format!("- name: {name}\n  context: {{cluster: {name}, user: {name}-admin}}\n")
    });
    format!("apiVersion: v1\nkind: Config\nclusters:\n{clusters}users:\n{users}contexts:\n{contexts}")
}
