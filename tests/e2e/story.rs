//! What happens: install, join, policies, Works, and a rollout while Works come in.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use muster_tests::{
    ControlPlane, Options,
    binaries::{Lookup, binaries},
    keeper::{Program, Server},
    wait::timed,
};
use serde_json::{Value, json};

use crate::{
    network::Link,
    node::{Node, PAUSE},
    pods,
    tools::given,
};

/// How long anything may take; on an idle machine it takes seconds.
const DEADLINE: Duration = Duration::from_secs(180);
/// The most that an image may have.
const IMAGE: u64 = 12 * 1_000_000;
/// How many Works come in while the agent is rolled out.
const BURST: usize = 60;
const WORKS: &str = "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/muster-cluster-east/works";
const AGENT: &str = "directory-sync";
const CONTROLLER: &str = "muster-directory";

/// Two clusters, each with a node.
struct Stage {
    directory: ControlPlane,
    replica: ControlPlane,
    _schedulers: [Server; 2],
    nodes: [Node; 2],
}

/// Plays all of it.
pub(crate) fn play(cgroup: &str) -> Result<()> {
    let started = Instant::now();
    let stage = Stage::set(cgroup)?;
    stage.story().map_err(|error| {
        let [directory, replica] = stage.nodes.each_ref().map(Node::logs);
        anyhow!(
            "{error:#}\n\nThe directory's node:\n{directory}\n\nThe replica's node:\n{replica}\n{}",
            stage.seen()
        )
    })?;
    println!("\n# All came out as expected, in {:.0?}.", started.elapsed());
    Ok(())
}

impl Stage {
    fn set(cgroup: &str) -> Result<Self> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        let images = ["muster-agent.tar", "muster-directory.tar"].map(|name| target.join(name));
        for image in &images {
            pods::is_small(image, IMAGE)?;
        }
        let programs = Lookup::from_env()?.locate_node()?;
        let begin = |name: &str, link: Link| -> Result<(ControlPlane, Server)> {
            link.lay()?;
            let options = Options { address: Some(link.plane()), ..Options::named(name) };
            let plane = ControlPlane::start(options)?;
            let scheduler = schedule(&plane, &programs.kube_scheduler)?;
            Ok((plane, scheduler))
        };
        let links = [Link(1), Link(2)];
        let (one, other) = thread::scope(|scope| {
            let one = scope.spawn(|| begin("directory", links[0]));
            let other = begin("replica", links[1]);
            (one.join(), other)
        });
        let (directory, first) = one.map_err(|_| anyhow!("the thread of the directory panicked"))??;
        let (replica, second) = other?;
        let [agent, _] = &images;
        let nodes = [
            Node::start(&directory, links[0], cgroup, &programs, &images)?,
            Node::start(&replica, links[1], cgroup, &programs, std::slice::from_ref(agent))?,
        ];
        Ok(Self { directory, replica, _schedulers: [first, second], nodes })
    }

    fn story(&self) -> Result<()> {
        self.install()?;
        self.join()?;
        self.policies()?;
        self.work()?;
        for program in ["muster-agent", "muster-directory"] {
            pods::are_confined(program)?;
        }
        // also before the rollouts, which take the logs of the pods that they replace along
        self.all_well()?;
        self.burst()?;
        self.rollout(&self.directory, CONTROLLER)?;
        self.all_well()
    }

    fn all_well(&self) -> Result<()> {
        for (plane, app) in [(&self.replica, AGENT), (&self.directory, AGENT), (&self.directory, CONTROLLER)]
        {
            pods::are_well(plane, app)?;
        }
        Ok(())
    }

    /// The files as they are shipped, in the directory.
    fn install(&self) -> Result<()> {
        for file in ["manifests/multicluster.yaml", "manifests/directory.yaml"] {
            self.directory.kubectl_ok(&["apply", "-f", &in_repository(file)])?;
        }
        self.ready(&self.directory, CONTROLLER)?;
        self.ready(&self.directory, AGENT)?;
        pods::are_restricted(&self.directory)
    }

    /// The one command of the documents; nothing else is ever told to the replica.
    fn join(&self) -> Result<()> {
        let server = self.directory.outer_url().unwrap_or_default();
        let command = format!(
            "kubectl-muster join east --labels cloud=aws --server {server} | kubectl --kubeconfig \"$REPLICA\" apply -f -"
        );
        println!("$ {command}");
        let cli = given("MUSTER_CLI_BIN")?;
        let kubectl = &binaries().map_err(|error| anyhow!(error))?.kubectl;
        let folders = [&cli, kubectl].map(|path| path.parent().unwrap_or(Path::new("/")).to_owned());
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let output = Command::new("bash")
            .args(["-o", "pipefail", "-c", &command])
            .env("PATH", std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&paths)))?)
            .env("KUBECONFIG", self.directory.admin_kubeconfig())
            .env("REPLICA", self.replica.admin_kubeconfig())
            .stdin(Stdio::null())
            .output()
            .context("unable to run bash")?;
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "expected the command to succeed, not {}: {said}", output.status);
        self.ready(&self.replica, AGENT)?;
        pods::are_restricted(&self.replica)?;
        let entry = "/apis/multicluster.coreos.com/v1/clusters/east";
        self.until("the entry to be Ready", &self.directory, entry, |entry| {
            let found = pods::reason(entry, "Ready");
            if found.starts_with("True") { Ok(()) } else { Err(found) }
        })?;
        self.until("the copy of the entry", &self.replica, entry, |_| Ok(()))
    }

    fn policies(&self) -> Result<()> {
        self.directory.kubectl_ok(&["apply", "-f", &in_repository("manifests/samples/policies.yaml")])?;
        let bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/api-prod/rolebindings";
        self.until("the grants of the policies", &self.replica, bindings, |list| {
            let number = list["items"].as_array().map_or(0, Vec::len);
            if number == 3 { Ok(()) } else { Err(format!("{number} bindings")) }
        })
    }

    /// A workload that a real kubelet runs: what the Work says of it is what is true.
    fn work(&self) -> Result<()> {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "shop", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        });
        let container = json!({
            "name": "web", "image": PAUSE,
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        });
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {
                        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                        "containers": [container],
                    },
                },
            },
        });
        self.put("shop", &[namespace, deployment])?;
        self.until("the Work to be Available", &self.directory, &format!("{WORKS}/shop"), |work| {
            let found = pods::reason(work, "Available");
            if found.starts_with("True") { Ok(()) } else { Err(found) }
        })
    }

    /// Works come in while the agent is rolled out: all of them land, and no container is restarted.
    fn burst(&self) -> Result<()> {
        let name = |number: usize| format!("burst-{number}");
        for number in 0..BURST {
            if number == BURST / 3 {
                println!("$ kubectl -n {} rollout restart deployment/{AGENT}", pods::NAMESPACE);
                let deployment = format!("deployment/{AGENT}");
                self.replica.kubectl_ok(&["-n", pods::NAMESPACE, "rollout", "restart", &deployment])?;
            }
            let map = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": name(number), "namespace": "shop"}, "data": {"number": number.to_string()},
            });
            self.put(&name(number), &[map])?;
        }
        self.rolled_out(&self.replica, AGENT)?;
        let all = "all Works of the burst to be Applied";
        self.until(all, &self.directory, WORKS, |list| {
            let works = list["items"].as_array().cloned().unwrap_or_default();
            let applied =
                works.iter().filter(|work| pods::reason(work, "Applied").starts_with("True")).count();
            if applied == BURST + 1 { Ok(()) } else { Err(format!("{applied} of {}", BURST + 1)) }
        })?;
        let maps = self.replica.api().get("/api/v1/namespaces/shop/configmaps")?;
        for number in 0..BURST {
            let found = maps["items"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|map| map["metadata"]["name"] == name(number));
            let value = found.map(|map| map["data"]["number"].clone());
            ensure!(
                value == Some(number.to_string().into()),
                "expected ConfigMap {} to be there",
                name(number)
            );
        }
        Ok(())
    }

    fn rollout(&self, plane: &ControlPlane, app: &str) -> Result<()> {
        plane.kubectl_ok(&["-n", pods::NAMESPACE, "rollout", "restart", &format!("deployment/{app}")])?;
        self.rolled_out(plane, app)
    }

    fn rolled_out(&self, plane: &ControlPlane, app: &str) -> Result<()> {
        let deployment = format!("deployment/{app}");
        let args = ["-n", pods::NAMESPACE, "rollout", "status", "--timeout=100s", &deployment];
        plane.kubectl_ok(&args).map(drop).context("the rollout did not end")
    }

    fn ready(&self, plane: &ControlPlane, app: &str) -> Result<()> {
        let path = format!("/apis/apps/v1/namespaces/{}/deployments/{app}", pods::NAMESPACE);
        self.until(&format!("{app} of the {} to be ready", plane.name()), plane, &path, |deployment| {
            let (wanted, ready) = (&deployment["spec"]["replicas"], &deployment["status"]["readyReplicas"]);
            if wanted == ready { Ok(()) } else { Err(format!("{ready} of {wanted}")) }
        })
    }

    fn put(&self, name: &str, manifests: &[Value]) -> Result<()> {
        let work = json!({
            "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work", "metadata": {"name": name},
            "spec": {"workload": {"manifests": manifests}},
        });
        self.directory.api().create(WORKS, &work)?;
        Ok(())
    }

    fn until(
        &self,
        what: &str,
        plane: &ControlPlane,
        path: &str,
        check: impl Fn(&Value) -> std::result::Result<(), String>,
    ) -> Result<()> {
        let look =
            || plane.api().get(path).map_err(|error| error.to_string()).and_then(|found| check(&found));
        timed(what, DEADLINE, look)?;
        Ok(())
    }

    /// What the two clusters say of their pods, for a story that did not come out.
    fn seen(&self) -> String {
        let ask = |plane: &ControlPlane, args: &[&str]| match plane.kubectl(args) {
            Ok(output) => format!("$ kubectl {}\n{}{}\n", args.join(" "), output.stdout, output.stderr),
            Err(error) => error.to_string(),
        };
        [&self.directory, &self.replica]
            .map(|plane| {
                let logs =
                    |app| ask(plane, &["-n", pods::NAMESPACE, "logs", "--prefix", "--tail=20", "-l", app]);
                format!(
                    "{}{}{}{}",
                    ask(plane, &["get", "pods", "-A", "-o", "wide"]),
                    ask(plane, &["get", "events", "-A"]),
                    logs("app=directory-sync"),
                    logs("app=muster-directory")
                )
            })
            .join("\n")
    }
}

/// Starts the scheduler of a control plane, beside it.
fn schedule(plane: &ControlPlane, program: &Path) -> Result<Server> {
    let identity = plane.authority().client("system:kube-scheduler", &[], DEADLINE * 100)?;
    let path: PathBuf = plane.folder().join("scheduler.kubeconfig");
    fs::write(&path, plane.certificate_kubeconfig(&identity))
        .context("unable to write scheduler.kubeconfig")?;
    let program = Program {
        name: format!("kube-scheduler of {}", plane.name()),
        path: program.to_owned(),
        folder: plane.folder().to_owned(),
        log: plane.folder().join("kube-scheduler.log"),
        ..Program::default()
    };
    let args =
        [format!("--kubeconfig={}", path.display()), "--leader-elect=false".into(), "--secure-port=0".into()];
    Ok(program.args(args).start()?)
}

fn in_repository(file: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file).display().to_string()
}
