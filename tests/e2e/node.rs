//! A node: containerd, kubelet and kube-proxy in a network and mounts of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use muster_tests::{
    ControlPlane,
    binaries::NodeBinaries,
    image,
    keeper::{Program, Server},
    kubeconfig::readdress,
    scratch::Scratch,
    wait::timed,
};

use crate::{
    network::{Link, run},
    outside::SETTINGS,
};

/// How long a node may take to be ready; an idle machine needs five seconds.
const READY: Duration = Duration::from_secs(120);
const LIFE: Duration = Duration::from_secs(24 * 3600);
/// The image that holds a pod's namespaces, and serves as a workload that does nothing.
pub(crate) const PAUSE: &str = "localhost/pause:1";

/// A node that runs. Its servers are killed when it is dropped.
pub(crate) struct Node {
    name: String,
    /// The order is that of dropping.
    servers: Vec<Server>,
    holder: Server,
    folder: Scratch,
}

impl Node {
    /// Starts it, and returns when its control plane calls it ready.
    pub(crate) fn start(
        plane: &ControlPlane,
        link: Link,
        cgroup: &str,
        programs: &NodeBinaries,
        images: &[PathBuf],
    ) -> Result<Self> {
        let folder = Scratch::new(&format!("node-{}", plane.name()))?;
        let holder = hold(folder.path())?;
        link.give(holder.pid())?;
        let name = format!("node{}", link.0);
        let mut node = Self { name, servers: Vec::new(), holder, folder };
        node.configure(plane, link, cgroup)?;
        let path = node.folder.path().to_owned();
        let conf = |name: &str| path.join(name).display().to_string();

        let containerd =
            node.inside("/usr/bin/containerd", &["--config".to_owned(), conf("containerd.toml")])?;
        node.servers.push(containerd);
        let pause = node.folder.path().join("pause.tar");
        pack_pause(&node.folder, &pause)?;
        for image in std::iter::once(&pause).chain(images) {
            node.import(image)?;
        }
        let kubelet = node.inside(
            &programs.kubelet.display().to_string(),
            &[
                format!("--kubeconfig={}", conf("kubelet.kubeconfig")),
                format!("--config={}", conf("kubelet.yaml")),
                format!("--hostname-override={}", node.name),
                format!("--node-ip={}", link.node()),
            ],
        )?;
        node.servers.push(kubelet);
        let proxy = node.inside(
            &programs.kube_proxy.display().to_string(),
            &[
                format!("--kubeconfig={}", conf("proxy.kubeconfig")),
                format!("--hostname-override={}", node.name),
                format!("--cluster-cidr={}", link.pods()),
                "--proxy-mode=iptables".to_owned(),
                "--conntrack-max-per-core=0".to_owned(),
                "--conntrack-tcp-timeout-established=0".to_owned(),
                "--conntrack-tcp-timeout-close-wait=0".to_owned(),
            ],
        )?;
        node.servers.push(proxy);
        let args = ["wait", "--for=condition=Ready", "--timeout=1s", &format!("node/{}", node.name)];
        timed(&format!("{} to be ready", node.name), READY, || {
            plane.kubectl_ok(&args).map_err(|error| error.to_string())
        })
        .map_err(|late| anyhow!("{late}\n{}", node.logs()))?;
        Ok(node)
    }

    /// The end of each of its logs.
    pub(crate) fn logs(&self) -> String {
        let tail = |server: &Server| server.log_tail();
        self.servers.iter().map(tail).collect::<Vec<_>>().join("\n---\n")
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Starts a program on the node.
    fn inside(&self, path: &str, args: &[String]) -> Result<Server> {
        let name = Path::new(path).file_name().unwrap_or_default().display().to_string();
        let program = Program {
            name: format!("{name} of {}", self.name),
            path: "nsenter".into(),
            folder: self.folder.path().to_owned(),
            log: self.folder.path().join(format!("{name}.log")),
            ..Program::default()
        };
        let (target, folder) = (self.holder.pid().to_string(), self.folder.path().display());
        let enter = ["-t", &target, "-m", "-n", &format!("--wdns={folder}"), "--", path].map(str::to_owned);
        Ok(program.args(enter).args(args).start()?)
    }

    fn import(&self, image: &Path) -> Result<()> {
        let script = format!(
            "nsenter -t {} -m -n ctr --namespace k8s.io images import '{}'",
            self.holder.pid(),
            image.display()
        );
        timed(&format!("{} imported into {}", image.display(), self.name), READY, || run(&script))
            .map(drop)
            .map_err(|late| anyhow!("{late}\n{}", self.logs()))
    }

    fn configure(&self, plane: &ControlPlane, link: Link, cgroup: &str) -> Result<()> {
        let url = plane.outer_url().ok_or_else(|| anyhow!("{} listens on loopback alone", plane.name()))?;
        let login = |user: &str, groups: &[&str]| -> Result<String> {
            let identity = plane.authority().client(user, groups, LIFE)?;
            Ok(readdress(&plane.certificate_kubeconfig(&identity), &url, &plane.ca_pem())?)
        };
        let kubelet = login(&format!("system:node:{}", self.name), &["system:nodes"])?;
        let root = format!("/{cgroup}/{}", plane.name());
        let cni = self.folder.path().join("cni");
        fs::create_dir(&cni).with_context(|| format!("unable to make {}", cni.display()))?;
        for (name, text) in [
            ("kubelet.kubeconfig", kubelet),
            ("proxy.kubeconfig", login("system:kube-proxy", &[])?),
            ("kubelet.yaml", kubelet_config(link, &root)),
            ("containerd.toml", containerd_config(&cni)),
            ("cni/10-bridge.conflist", cni_config(link)),
        ] {
            fs::write(self.file(name), text).with_context(|| format!("unable to write {name}"))?;
        }
        Ok(())
    }
}

/// A process that holds the namespaces of a node: mounts of its own over all that a node writes.
fn hold(folder: &Path) -> Result<Server> {
    // The kubelet sets these for the whole machine. It finds them as it wants them in files of the node's own.
    let settings: String = SETTINGS
        .iter()
        .enumerate()
        .map(|(at, (path, value))| {
            format!("echo {value} >/run/setting{at}; mount --bind /run/setting{at} {path}\n")
        })
        .collect();
    let script = format!(
        "mount --make-rshared /
         for folder in /run /var/lib /var/log; do mount -t tmpfs tmpfs $folder; done
         {settings}
         mkdir -p /var/lib/kubelet
         touch ready
         exec sleep infinity"
    );
    let mut holder = Program {
        name: "the namespaces of a node".to_owned(),
        path: "unshare".into(),
        folder: folder.to_owned(),
        log: folder.join("namespaces.log"),
        ..Program::default()
    }
    .args(["--mount", "--net", "sh", "-euc", &script])
    .start()?;
    let ready = folder.join("ready");
    timed("the namespaces of a node", READY, || match holder.ended() {
        Ok(Some(status)) => Err(format!("{status}: {}", holder.log_tail())),
        _ if ready.exists() => Ok(()),
        _ => Err("no mounts yet".to_owned()),
    })?;
    Ok(holder)
}

/// An image of a program that waits to be killed.
fn pack_pause(folder: &Scratch, archive: &Path) -> Result<()> {
    let program = folder.path().join("pause");
    let source = folder.path().join("pause.c");
    fs::write(&source, "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n")
        .context("unable to write pause.c")?;
    run(&format!("cc -static -Os -s -o '{}' '{}'", program.display(), source.display()))?;
    let recipe = image::dockerfile::last_stage(
        "FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT [\"/pause\"]\n",
    )?;
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let bytes = fs::read(&program).context("unable to read pause")?;
    let (bytes, _) = image::archive::pack(PAUSE, architecture, &recipe, &bytes)?;
    fs::write(archive, bytes).with_context(|| format!("unable to write {}", archive.display()))
}

fn kubelet_config(link: Link, cgroup: &str) -> String {
    format!(
        "apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: {}
readOnlyPort: 0
authentication: {{anonymous: {{enabled: true}}, webhook: {{enabled: false}}}}
authorization: {{mode: AlwaysAllow}}
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: {cgroup}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
failSwapOn: false
makeIPTablesUtilChains: false
evictionHard: {{memory.available: 1Mi}}
imageGCHighThresholdPercent: 100
volumePluginDir: /var/lib/kubelet/volumeplugins
resolvConf: \"\"
",
        link.node()
    )
}

fn containerd_config(cni: &Path) -> String {
    format!(
        "version = 2
[plugins.\"io.containerd.grpc.v1.cri\"]
sandbox_image = \"{PAUSE}\"
restrict_oom_score_adj = true
[plugins.\"io.containerd.grpc.v1.cri\".cni]
bin_dir = \"/usr/lib/cni\"
conf_dir = \"{}\"
[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]
runtime_type = \"io.containerd.runc.v2\"
",
        cni.display()
    )
}

fn cni_config(link: Link) -> String {
    serde_json::json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge", "bridge": "cni0", "isGateway": true,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": link.pods()}]], "routes": [{"dst": "0.0.0.0/0"}]},
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
    .to_string()
}
