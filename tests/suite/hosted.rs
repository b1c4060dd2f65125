//! The agent outside the cluster that it serves: by a kubeconfig in a file, which it follows.

use muster_tests::agent::{AgentProcess, agent_binary};
use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::TokenOptions;
use muster_tests::proxy::Proxy;
use muster_tests::scratch::Scratch;
use serde_json::{Value, json};

use crate::fleet::{CLUSTERS, Fleet, MULTICLUSTER, OWN, REPORT, until};

const HOSTED: &str = include_str!("../../manifests/hosted.yaml");

/// Waits until the log says this since then.
fn says(agent: &AgentProcess, since: usize, text: &str) {
    until(agent, text, || {
        let log = agent.log();
        let new = log.get(since..).unwrap_or_default();
        if new.contains(text) { Ok(()) } else { Err(new.lines().last().unwrap_or_default().to_owned()) }
    });
}

/// What somebody changes of a copy is put right.
fn corrects(fleet: &Fleet, agent: &AgentProcess) {
    let edit = json!({"metadata": {"labels": {"edited": "by-hand"}}});
    fleet.replica.api().patch(&format!("{CLUSTERS}/west"), MERGE_PATCH, &edit).unwrap();
    fleet.in_step(agent);
}

#[test]
fn a_new_kubeconfig_is_used_without_a_restart_and_a_bad_one_changes_nothing() {
    let fleet = Fleet::new();
    let first = Proxy::start(&fleet.replica).unwrap();
    let folder = Scratch::new("hosted").unwrap();
    let path = folder.path().join("kubeconfig");
    // As the kubelet does it: another file in the place of the first.
    let put = |text: &str| {
        let new = folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &path).unwrap();
    };
    put(&first.kubeconfig_for(&fleet.replica_kubeconfig()).unwrap());
    fleet.offer(&fleet.kubeconfig());
    let args = ["--kubeconfig", path.to_str().unwrap()];
    let agent = AgentProcess::start_binary(agent_binary().unwrap(), &args, &[]).unwrap();
    fleet.in_step(&agent);
    fleet.reason(&agent, "HeartbeatAccepted", "Accepted");
    let report = fleet.replica.api().get(REPORT).unwrap();
    assert_eq!(report["status"]["agent"]["mode"], "Hosted", "{report:#}");
    let pid = agent.pid();

    // The same account of another cluster, which may read there all that is asked for.
    let options = TokenOptions::default();
    let elsewhere =
        fleet.directory.service_account_kubeconfig("muster-system", "directory-sync", &options).unwrap();
    for (bad, why) in [
        ("canary".to_owned(), "new kubeconfig of the replica refused"),
        (fleet.replica_kubeconfig().replace("token:", "tokenFile:"), "new kubeconfig of the replica refused"),
        (elsewhere, "new kubeconfig of the replica refused: it leads to another cluster"),
    ] {
        let since = agent.log().len();
        put(&bad);
        says(&agent, since, why);
        corrects(&fleet, &agent);
    }
    assert!(!agent.log().contains("canary"));

    let since = agent.log().len();
    put(&fleet.replica_kubeconfig());
    says(&agent, since, "new kubeconfig of the replica in use");
    says(&agent, since, "this process acts");
    first.cut().unwrap(); // what was used before is used no more
    corrects(&fleet, &agent);
    assert_eq!(agent.pid(), pid);
    assert_eq!(fleet.replica.api().get(&format!("{CLUSTERS}/{OWN}")).unwrap()["metadata"]["name"], OWN);
}

#[test]
fn one_cluster_hosts_agents_of_many_and_grants_them_nothing() {
    let fleet = Fleet::empty();
    // The served cluster gets all but what runs.
    let args = ["apply", "--filename=-", "--selector=app!=directory-sync"];
    let output = fleet.replica.kubectl_with(&args, MULTICLUSTER).unwrap();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let deployments = |plane: &muster_tests::ControlPlane| -> Vec<String> {
        let list = plane.api().get("/apis/apps/v1/deployments").unwrap();
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
        list["items"].as_array().unwrap().iter().map(name).collect()
    };
    assert_eq!(deployments(&fleet.replica), [""; 0]);
    let wait = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"];
    fleet.replica.kubectl_ok(&wait).unwrap();

    // The directory hosts the agent of the other one, and one more.
    fleet.install_directory();
    fleet.enrol(OWN);
    fleet.entries();
    for name in ["east", "south"] {
        fleet.directory.apply(&HOSTED.replace("CLUSTER_NAME", name)).unwrap();
    }
    let mut hosted = deployments(&fleet.directory);
    hosted.retain(|name| name != "directory-sync" && name != "muster-directory");
    assert_eq!(hosted, ["muster-east", "muster-south"]);
    let pod =
        fleet.directory.api().get("/apis/apps/v1/namespaces/muster-hosted/deployments/muster-east").unwrap();
    let spec = &pod["spec"]["template"]["spec"];
    assert_eq!(spec["automountServiceAccountToken"], false);
    let volumes = json!([{"name": "replica", "secret": {"secretName": "muster-east", "defaultMode": 0o440}}]);
    assert_eq!(spec["volumes"], volumes);
    for kind in ["roles", "rolebindings"] {
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/muster-hosted/{kind}");
        assert_eq!(fleet.directory.api().get(&path).unwrap()["items"], json!([]), "{kind}");
    }

    // What the Deployment is started with is all that it needs, beside the account in the served cluster.
    let agent = fleet.joined(&[]);
    fleet.reason(&agent, "HeartbeatAccepted", "Accepted");
    let upstream = "/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-east/clusterreports/east";
    until(&agent, "the report in the directory", || {
        let report = fleet.directory.api().get(upstream).map_err(|error| error.to_string())?;
        if report["status"]["agent"]["mode"] == "Hosted" { Ok(()) } else { Err(report["status"].to_string()) }
    });
}
