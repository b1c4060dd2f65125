//! A directory and a replica with the shipped manifests, and an agent between them that has the rights of its
//! accounts and no others.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use muster_tests::agent::{AgentProcess, agent_binary, shipped_binary};
use muster_tests::plane::TokenOptions;
use muster_tests::pool::{self, Pair};
use muster_tests::scratch::Scratch;
use muster_tests::wait::{DEADLINE, eventually, timed};
use muster_tests::{ControlPlane, api::ApiError};
use rustix::process::Signal;
use serde_json::{Value, json};

/// The replica's name.
pub(crate) const OWN: &str = "east";
/// Path of the collection of Clusters.
pub(crate) const CLUSTERS: &str = "/apis/multicluster.coreos.com/v1/clusters";
/// Path of the agent's Secrets.
pub(crate) const SECRETS: &str = "/api/v1/namespaces/muster-system/secrets";
/// Path of the agent's own report.
pub(crate) const REPORT: &str =
    "/apis/multicluster.coreos.com/v1/namespaces/muster-system/clusterreports/directory-sync";
/// The Lease that decides which process acts.
pub(crate) const LEADER: &str = "/apis/coordination.k8s.io/v1/namespaces/muster-system/leases/muster-agent";

pub(crate) const MULTICLUSTER: &str = include_str!("../../manifests/multicluster.yaml");
pub(crate) const DIRECTORY: &str = include_str!("../../manifests/directory.yaml");
pub(crate) const ENROL: &str = include_str!("../../manifests/enrol-by-hand.yaml");

/// The two clusters.
pub(crate) struct Fleet {
    /// The directory.
    pub(crate) directory: pool::Leased,
    /// The replica.
    pub(crate) replica: pool::Leased,
    folder: Scratch,
}

impl Fleet {
    /// Two clusters with the manifests, and nothing else.
    pub(crate) fn bare() -> Self {
        let fleet = Self::empty();
        std::thread::scope(|scope| {
            scope.spawn(|| install(&fleet.replica));
            fleet.install_directory();
        });
        fleet
    }

    /// Two clusters as Kubernetes makes them.
    pub(crate) fn empty() -> Self {
        let Pair { directory, replica } = pool::pair().unwrap();
        Self { directory, replica, folder: Scratch::new("fleet").unwrap() }
    }

    /// Applies the manifests of the directory to it.
    pub(crate) fn install_directory(&self) {
        install(&self.directory);
        self.directory.apply(DIRECTORY).unwrap();
    }

    /// Two clusters with the manifests, the entries `east` (the replica's own) and `west`, and `east` enrolled.
    pub(crate) fn new() -> Self {
        let fleet = Self::bare();
        fleet.enrol(OWN);
        fleet.entries();
        fleet
    }

    /// Makes the entries `east` and `west`.
    pub(crate) fn entries(&self) {
        self.entry(OWN, &json!({"cloud": "aws"}));
        self.entry("west", &json!({"stage": "production"}));
    }

    /// Enrols a cluster by hand.
    pub(crate) fn enrol(&self, name: &str) {
        self.directory.apply(&ENROL.replace("CLUSTER_NAME", name)).unwrap();
    }

    /// Makes an entry in the directory, or gives it other labels.
    pub(crate) fn entry(&self, name: &str, labels: &Value) {
        let entry = json!({
            "apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster",
            "metadata": {"name": name, "labels": labels},
            "spec": {"KubernetesAPIEndpoints": {"ServerEndpoints": [{"ServerAddress": format!("https://{name}.example.com")}]}},
        });
        self.directory.apply(&entry.to_string()).unwrap();
    }

    /// A kubeconfig of the directory with a new token for the replica's account there.
    pub(crate) fn kubeconfig(&self) -> String {
        self.directory.service_account_kubeconfig("muster-agents", OWN, &TokenOptions::default()).unwrap()
    }

    /// Puts a kubeconfig into the Secret.
    pub(crate) fn offer(&self, kubeconfig: &str) {
        put_secret(&self.replica, kubeconfig.as_bytes());
    }

    /// Starts an agent with the replica's account `directory-sync`.
    pub(crate) fn agent(&self, args: &[&str]) -> AgentProcess {
        let kubeconfig = self.replica_kubeconfig();
        self.agent_over(&kubeconfig, args)
    }

    /// A kubeconfig of the replica with a token for the agent's account.
    pub(crate) fn replica_kubeconfig(&self) -> String {
        self.replica
            .service_account_kubeconfig("muster-system", "directory-sync", &TokenOptions::default())
            .unwrap()
    }

    /// Starts an agent that reaches the replica by this kubeconfig.
    pub(crate) fn agent_over(&self, replica_kubeconfig: &str, args: &[&str]) -> AgentProcess {
        self.agent_of(agent_binary().unwrap(), replica_kubeconfig, args, &[])
    }

    /// Starts an agent with the replica's account, in this environment.
    pub(crate) fn agent_in(&self, args: &[&str], envs: &[(&str, &str)]) -> AgentProcess {
        self.agent_of(agent_binary().unwrap(), &self.replica_kubeconfig(), args, envs)
    }

    /// The same with the binary that is shipped.
    pub(crate) fn shipped_agent(&self, args: &[&str]) -> AgentProcess {
        self.agent_of(shipped_binary().unwrap(), &self.replica_kubeconfig(), args, &[])
    }

    /// Starts this program as the agent.
    pub(crate) fn agent_of(
        &self,
        binary: PathBuf,
        replica_kubeconfig: &str,
        args: &[&str],
        envs: &[(&str, &str)],
    ) -> AgentProcess {
        // Each has a file of its own: one that is written anew is taken for a new credential by whoever reads it.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("replica-{}.kubeconfig", NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = self.folder.path().join(name);
        std::fs::write(&path, replica_kubeconfig).unwrap();
        let mut all = vec!["--kubeconfig", path.to_str().unwrap()];
        all.extend(args);
        AgentProcess::start_binary(binary, &all, envs).unwrap()
    }

    /// Offers a kubeconfig, starts an agent, and waits until the copies of all entries are there.
    pub(crate) fn joined(&self, args: &[&str]) -> AgentProcess {
        self.offer(&self.kubeconfig());
        let agent = self.agent(args);
        self.in_step(&agent);
        agent
    }

    /// Waits until the replica holds exactly the copies of the directory's entries.
    pub(crate) fn in_step(&self, agent: &AgentProcess) -> Duration {
        let looked = timed("the mirror in step", DEADLINE * 2, || {
            let (entries, copies) = (contents(&self.directory), contents(&self.replica));
            if entries == copies { Ok(()) } else { Err(format!("entries {entries:#?}, copies {copies:#?}")) }
        });
        looked.unwrap_or_else(|late| panic!("{late}\n{}", agent.log())).1
    }

    /// Starts an agent again that was killed. Its Lease is taken away, so that nobody waits for its end.
    pub(crate) fn revive(&self, agent: &mut AgentProcess) {
        agent.kill().unwrap();
        // What the killed process had sent may still be under way.
        let _ = self.replica.api().delete(LEADER);
        agent.restart().unwrap();
        until(agent, "the agent to act again", || {
            self.replica.api().get(LEADER).map(drop).map_err(|error| error.to_string())
        });
    }

    /// The copy of an entry.
    pub(crate) fn copy(&self, name: &str) -> Result<Value, ApiError> {
        self.replica.api().get(&format!("{CLUSTERS}/{name}"))
    }

    /// Waits until the agent's own report has this reason for a condition; gives its message.
    pub(crate) fn reason(&self, agent: &AgentProcess, condition: &str, reason: &str) -> String {
        let what = format!("{condition} {reason}");
        let looked = timed(&what, DEADLINE * 2, || {
            let report = self.replica.api().get(REPORT).map_err(|error| error.to_string())?;
            match condition_of(&report, condition) {
                Some((seen, message)) if seen == reason => Ok(message),
                seen => Err(format!("{seen:?}")),
            }
        });
        looked.unwrap_or_else(|late| panic!("{late}\n{}", agent.log())).0
    }
}

/// Applies what every cluster gets.
pub(crate) fn install(plane: &ControlPlane) {
    install_version(plane, MULTICLUSTER);
}

/// Applies a version of what every cluster gets.
pub(crate) fn install_version(plane: &ControlPlane, manifest: &str) {
    // The objects of a kind can be made as soon as its CRD is established.
    plane.apply(manifest).unwrap();
    plane.kubectl_ok(&["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"]).unwrap();
}

/// Makes the Secret, or replaces what is in it.
pub(crate) fn put_secret(replica: &ControlPlane, kubeconfig: &[u8]) {
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.encode(kubeconfig);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "directory-sync", "namespace": "muster-system"},
        "data": {"kubeconfig": data},
    });
    let api = replica.api();
    if api.replace(&format!("{SECRETS}/directory-sync"), &secret).is_err() {
        api.create(SECRETS, &secret).unwrap();
    }
}

/// Reason and message of a condition.
pub(crate) fn condition_of(report: &Value, condition: &str) -> Option<(String, String)> {
    let conditions = report.pointer("/status/conditions")?.as_array()?;
    let found = conditions.iter().find(|found| found["type"] == condition)?;
    Some((found["reason"].as_str()?.to_owned(), found["message"].as_str().unwrap_or_default().to_owned()))
}

/// Names, labels, annotations and specs of all Clusters, without what only one side has.
pub(crate) fn contents(plane: &ControlPlane) -> Vec<Value> {
    let list = plane.api().get(CLUSTERS).unwrap_or_default();
    let clusters = list["items"].as_array().cloned().unwrap_or_default();
    let mut contents: Vec<Value> = clusters.iter().map(content).collect();
    contents.sort_by_key(|content| content["name"].to_string());
    contents
}

fn content(cluster: &Value) -> Value {
    let mut labels = cluster["metadata"]["labels"].clone();
    let mut annotations = cluster["metadata"]["annotations"].clone();
    labels.as_object_mut().map(|labels| labels.remove("applyset.kubernetes.io/part-of"));
    for key in ["multicluster.coreos.com/copied-from", "kubectl.kubernetes.io/last-applied-configuration"] {
        annotations.as_object_mut().map(|annotations| annotations.remove(key));
    }
    let full = |value: Value| {
        if value.as_object().is_none_or(serde_json::Map::is_empty) { json!({}) } else { value }
    };
    json!({"name": cluster["metadata"]["name"], "labels": full(labels), "annotations": full(annotations),
        "spec": cluster["spec"]})
}

/// UID and resourceVersion of an object.
pub(crate) fn version(object: &Value) -> (String, String) {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    (text("uid"), text("resourceVersion"))
}

/// Waits until something is so, and fails with the agent's log.
pub(crate) fn until(
    agent: &AgentProcess,
    what: &str,
    mut look: impl FnMut() -> Result<(), String>,
) -> Duration {
    timed(what, DEADLINE, &mut look).unwrap_or_else(|late| panic!("{late}\n{}", agent.log())).1
}

/// Waits without printing.
pub(crate) fn quietly<T>(what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    eventually(what, DEADLINE, look).unwrap()
}

/// Ends an agent as Kubernetes does, so that the next one need not wait for its Lease to run out.
pub(crate) fn stop(agent: &mut AgentProcess) {
    agent.signal(Signal::TERM).unwrap();
    let status = agent.exit(DEADLINE).unwrap();
    assert_eq!(status.code(), Some(0), "{}", agent.log());
}
