//! The overlay with the names of Tectonic's registry: the commands of its guide, as `docs/tectonic.md` prints them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use muster_tests::ControlPlane;
use muster_tests::agent::AgentProcess;
use muster_tests::plane::TokenOptions;
use muster_tests::scratch::Scratch;
use muster_tests::wait::{DEADLINE, eventually, timed};
use serde_json::Value;

use crate::fleet::{DIRECTORY, Fleet, MULTICLUSTER, condition_of, contents};
use crate::guide::Guide;
use crate::install::versions;

const OVERLAY: &str = include_str!("../../manifests/tectonic/multicluster.yaml");
const PAGE: &str = include_str!("../../docs/tectonic.md");

/// What a kubelet does for one pod of the Deployment, as far as the agent can tell.
struct Pod<'a> {
    plane: &'a ControlPlane,
    folder: Scratch,
    deployment: Value,
    /// How often its Secret was brought.
    brought: usize,
}

impl<'a> Pod<'a> {
    fn new(plane: &'a ControlPlane) -> Self {
        let path = "/apis/apps/v1/namespaces/tectonic-system/deployments/directory-sync";
        let deployment = plane.api().get(path).unwrap();
        Self { plane, folder: Scratch::new("pod").unwrap(), deployment, brought: 0 }
    }

    fn spec(&self) -> &Value {
        &self.deployment["spec"]["template"]["spec"]
    }

    /// The object of a kind in the pod's namespace, which it is told of by a reference.
    fn object(&self, plural: &str, name: &Value) -> Option<Value> {
        let path = format!("/api/v1/namespaces/tectonic-system/{plural}/{}", name.as_str().unwrap());
        self.plane.api().get(&path).ok()
    }

    /// Starts the container with its arguments and variables, and the rights of its account.
    fn start(&mut self) -> AgentProcess {
        self.bring();
        let container = &self.spec()["containers"][0];
        let mut variables = Vec::new();
        for variable in container["env"].as_array().unwrap() {
            let reference = &variable["valueFrom"]["configMapKeyRef"];
            let map = self.object("configmaps", &reference["name"]).unwrap();
            let value = map["data"][reference["key"].as_str().unwrap()].as_str().unwrap().to_owned();
            variables.push((variable["name"].as_str().unwrap(), value));
        }
        let mount = &container["volumeMounts"][0];
        let (there, here) = (mount["mountPath"].as_str().unwrap(), self.mounted());
        let mut args: Vec<String> = Vec::new();
        for arg in container["args"].as_array().unwrap() {
            let mut arg = arg.as_str().unwrap().replace(there, here.to_str().unwrap());
            for (name, value) in &variables {
                arg = arg.replace(&format!("$({name})"), value);
            }
            args.push(arg);
        }
        // What every pod finds in it: its account's token, and its namespace.
        let account = self.spec()["serviceAccountName"].as_str().unwrap();
        let kubeconfig = self.folder.path().join("replica.kubeconfig");
        let token = TokenOptions::default();
        let text = self.plane.service_account_kubeconfig("tectonic-system", account, &token).unwrap();
        fs::write(&kubeconfig, text).unwrap();
        args.extend(["--namespace".to_owned(), "tectonic-system".to_owned()]);
        args.extend(["--kubeconfig".to_owned(), kubeconfig.to_str().unwrap().to_owned()]);
        println!("muster-agent {}", args.join(" "));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        AgentProcess::start(&args, &variables).unwrap()
    }

    fn mounted(&self) -> std::path::PathBuf {
        self.folder.path().join("mounted")
    }

    /// Brings the Secret of its volume, as a kubelet does: into a new folder, which one symbolic link then leads to.
    fn bring(&mut self) {
        let volume = &self.spec()["volumes"][0];
        assert_eq!(volume["name"], self.spec()["containers"][0]["volumeMounts"][0]["name"]);
        let secret = self.object("secrets", &volume["secret"]["secretName"]);
        assert!(secret.is_some() || volume["secret"]["optional"] == true, "the pod waits for its Secret");
        let mounted = self.mounted();
        self.brought += 1;
        let version = format!("..{}", self.brought);
        fs::create_dir_all(mounted.join(&version)).unwrap();
        for (key, value) in secret.iter().filter_map(|secret| secret["data"].as_object()).flatten() {
            let bytes = STANDARD.decode(value.as_str().unwrap()).unwrap();
            fs::write(mounted.join(&version).join(key), bytes).unwrap();
        }
        replace_link(Path::new(&version), &mounted.join("..data"));
        for key in fs::read_dir(mounted.join("..data")).unwrap() {
            let key = key.unwrap().file_name();
            replace_link(&Path::new("..data").join(&key), &mounted.join(&key));
        }
    }
}

fn replace_link(to: &Path, link: &Path) {
    let new = link.parent().unwrap().join("..new");
    symlink(to, &new).unwrap();
    fs::rename(&new, link).unwrap();
}

/// Waits until the report in the overlay's namespace has this reason for a condition; gives its message.
fn reason(plane: &ControlPlane, agent: &AgentProcess, condition: &str, reason: &str) -> String {
    let report = "/apis/multicluster.coreos.com/v1/namespaces/tectonic-system/clusterreports/directory-sync";
    let looked = timed(&format!("{condition} {reason}"), DEADLINE * 2, || {
        let report = plane.api().get(report).map_err(|error| error.to_string())?;
        match condition_of(&report, condition) {
            Some((seen, message)) if seen == reason => Ok(message),
            seen => Err(format!("{seen:?}")),
        }
    });
    looked.unwrap_or_else(|late| panic!("{late}\n{}", agent.log())).0
}

#[test]
fn the_commands_of_the_guide_work_as_printed() {
    let fleet = Fleet::empty();
    let known = [
        ("/path/to/directory-kubeconfig", &*fleet.directory),
        ("/path/to/replica-kubeconfig", &*fleet.replica),
    ];
    let mut guide = Guide::new(PAGE, known.map(|(word, plane)| (word, plane.admin_kubeconfig())).to_vec());

    guide.play("Install the registry", |_| {});
    for plane in [&fleet.directory, &fleet.replica] {
        plane.kubectl_ok(&["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"]).unwrap();
    }
    // There is an agent in the directory too. Nobody gives it a kubeconfig: it waits, and touches nothing.
    let (mut waiting, mut in_directory) = (Pod::new(&fleet.directory), None);
    guide.play("Set up the directory cluster", |done| {
        if done.contains("create configmap") {
            in_directory = Some(waiting.start());
        }
    });
    let in_directory = in_directory.unwrap();
    reason(&fleet.directory, &in_directory, "DirectoryReachable", "SecretMissing");
    guide.play("Generate credentials", |_| {});

    let mut pod = Pod::new(&fleet.replica);
    let mut agent = None;
    guide.play("Set up replica clusters", |done| {
        if done.contains("create configmap") {
            let started = pod.start();
            let message = reason(&fleet.replica, &started, "DirectoryReachable", "SecretMissing");
            assert!(message.contains("kubeconfig"), "{message}");
            agent = Some(started);
        } else if done.contains("create secret") {
            pod.bring();
        }
    });
    let agent = agent.unwrap();
    assert_eq!(contents(&fleet.directory), contents(&fleet.replica));
    let message = reason(&fleet.replica, &agent, "DirectoryReachable", "Reachable");
    assert!(message.ends_with("as east-coast-production"), "{message}");
    reason(&fleet.replica, &agent, "EntryPresent", "Present");
    reason(&fleet.replica, &agent, "HeartbeatAccepted", "Forbidden");
    reason(&fleet.directory, &in_directory, "DirectoryReachable", "SecretMissing");

    // A new credential in the Secret: the file changes by its link alone.
    let taken =
        || agent.metrics().unwrap().get("muster_rotations_total", &[("result", "ok")]).unwrap_or_default();
    let before = taken();
    let account = ("tectonic-multi-cluster", "east-coast-production");
    let next =
        fleet.directory.service_account_kubeconfig(account.0, account.1, &TokenOptions::default()).unwrap();
    let change = serde_json::json!({"stringData": {"kubeconfig": next}}).to_string();
    let patch =
        ["-n", "tectonic-system", "patch", "secret", "directory-sync", "--type=merge", "--patch", &change];
    fleet.replica.kubectl_ok(&patch).unwrap();
    pod.bring();
    let renewed = timed("the new credential taken", DEADLINE * 2, || {
        if taken() > before { Ok(()) } else { Err(agent.log()) }
    });
    renewed.unwrap();

    guide.play("Create policies", |_| {});
    guide.play("De-register a cluster", |_| {});
    // The server may know a token for some seconds longer.
    let refused = eventually("the credential refused", DEADLINE * 2, || {
        let output = fleet.directory.kubectl_as(&next, &["get", "clusters"]).unwrap();
        if output.stderr.contains("Unauthorized") { Ok(()) } else { Err(format!("{output:?}")) }
    });
    refused.unwrap();
    let left: Vec<_> = contents(&fleet.directory).iter().map(|entry| entry["name"].clone()).collect();
    assert_eq!(left, ["west-coast-production"]);
    guide.end();
}

/// What an account may do in a namespace, as the server computes it: one line each, sorted.
fn rights(plane: &ControlPlane, account: &str, namespace: &str) -> Vec<String> {
    let user = format!("--as=system:serviceaccount:{account}");
    let table =
        plane.kubectl_ok(&["auth", "can-i", "--list", "--no-headers", "-n", namespace, &user]).unwrap();
    let mut lines: Vec<String> =
        table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    lines.sort();
    lines
}

fn without(lines: &[String], plurals: &[&str]) -> Vec<String> {
    let kept = |line: &&String| !plurals.iter().any(|plural| line.starts_with(plural));
    lines.iter().filter(kept).cloned().collect()
}

#[test]
fn the_overlay_grants_what_the_base_grants_and_stands_beside_it() {
    let fleet = Fleet::empty();
    let plane = &fleet.directory;
    let apply = |manifests: &str| {
        let output = plane.kubectl_with(&["apply", "-f", "-"], manifests).unwrap();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "no warning, about pods above all");
    };
    apply(OVERLAY);
    apply(MULTICLUSTER);
    apply(DIRECTORY);
    // Neither changed anything of the other. Kubernetes' controllers write the first status in their own time.
    let all = [OVERLAY, MULTICLUSTER, DIRECTORY];
    let settled = eventually("all applied again without a change", DEADLINE, || {
        let looks = || all.map(|manifests| versions(plane, manifests));
        let before = looks();
        for manifests in all {
            apply(manifests);
        }
        if looks() == before { Ok(before[0].len()) } else { Err(format!("{before:?} {:?}", looks())) }
    });
    assert!(settled.unwrap() > 20);

    let base = |namespace: &str| -> Vec<String> {
        let lines = rights(plane, "muster-system:directory-sync", namespace).into_iter();
        lines.map(|line| line.replace("muster-system", "tectonic-system")).collect()
    };
    let overlay = |namespace: &str| rights(plane, "tectonic-system:directory-sync", namespace);
    let own = base("muster-system");
    println!("{}", own.join("\n"));
    assert_eq!(overlay("tectonic-system"), without(&own, &["secrets", "leases"]));
    assert!(base("muster-appliers").iter().any(|line| line.contains("[impersonate]")));
    for namespace in ["default", "muster-appliers", "kube-system"] {
        assert_eq!(overlay(namespace), base(namespace), "{namespace}");
    }
    // What stays: the Lease, and the Secrets of Works, but not the one with the credential.
    let stays = |line: &&String| {
        line.starts_with("leases") || (line.starts_with("secrets") && !line.contains("[directory-sync]"))
    };
    let mut staying = base("default");
    staying.extend(own.iter().filter(stays).cloned());
    staying.sort();
    assert_eq!((overlay("muster-system"), staying.len()), (staying.clone(), base("default").len() + 3));

    // Being in the namespace grants nothing: what the registry's group binding did.
    let nobody = rights(plane, "default:default", "default");
    for account in ["tectonic-system:other", "tectonic-multi-cluster:other"] {
        assert_eq!(rights(plane, account, "default"), nobody, "{account}");
    }
}
