//! An agent in its own cluster, with a credential that people made by hand and that may only view.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use muster_tests::agent::{AgentProcess, agent_binary};
use muster_tests::plane::TokenOptions;
use muster_tests::scratch::Scratch;
use muster_tests::wait::throughout;
use serde_json::{Value, json};

use crate::fleet::{CLUSTERS, Fleet, OWN, REPORT, until};

const POLICIES: &str = include_str!("../../manifests/samples/policies.yaml");
const OWN_NAMESPACE: &str = "muster-cluster-east";

/// Starts an agent as the kubelet does: with the files of its account where a pod has them, and the address in the
/// environment. They are in a mount namespace of its own.
fn in_its_cluster(fleet: &Fleet, folder: &Scratch) -> AgentProcess {
    let account = folder.path().join("account");
    fs::create_dir(&account).unwrap();
    let options = TokenOptions::default();
    let token = fleet.replica.service_account_token("muster-system", "directory-sync", &options).unwrap();
    for (name, content) in
        [("ca.crt", fleet.replica.ca_pem()), ("token", token), ("namespace", "muster-system".to_owned())]
    {
        fs::write(account.join(name), content).unwrap();
    }
    let own_user = if rustix::process::geteuid().is_root() { "" } else { "--user --map-root-user" };
    let script = format!(
        "#!/bin/sh\nexec unshare --mount {own_user} sh -euc 'mount -t tmpfs none /run\n\
         mkdir -p /run/secrets/kubernetes.io\ncp -r {} /run/secrets/kubernetes.io/serviceaccount\nexec {} \"$@\"' -- \"$@\"\n",
        account.display(),
        agent_binary().unwrap().display(),
    );
    let path = folder.path().join("pod");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let url = fleet.replica.url();
    let (host, port) = url.strip_prefix("https://").unwrap().split_once(':').unwrap();
    let envs = [("KUBERNETES_SERVICE_HOST", host), ("KUBERNETES_SERVICE_PORT", port)];
    AgentProcess::start_binary(path, &[], &envs).unwrap()
}

/// An account that may see the list and the policies, and nothing else; made as the documents say.
fn viewer(fleet: &Fleet) -> String {
    let directory = &fleet.directory;
    for args in [
        &["create", "namespace", "viewers"][..],
        &["create", "serviceaccount", "-n", "viewers", OWN],
        &[
            "create",
            "clusterrolebinding",
            "viewers",
            "--clusterrole=view-clusters",
            "--serviceaccount=viewers:east",
        ],
    ] {
        directory.kubectl_ok(args).unwrap();
    }
    directory.service_account_kubeconfig("viewers", OWN, &TokenOptions::default()).unwrap()
}

#[test]
fn a_credential_that_may_only_view_mirrors_and_grants_and_says_what_it_may_not() {
    for enrolled in [false, true] {
        let fleet = Fleet::bare();
        fleet.entries();
        if enrolled {
            fleet.enrol(OWN);
        }
        fleet.directory.apply(POLICIES).unwrap();
        fleet.offer(&viewer(&fleet));
        let folder = Scratch::new("pod").unwrap();
        let agent = in_its_cluster(&fleet, &folder);
        fleet.in_step(&agent);
        for (condition, reason) in [
            ("DirectoryReachable", "Reachable"),
            ("EntryPresent", "Present"),
            ("MirrorInSync", "InSync"),
            ("PoliciesApplied", "Applied"),
            ("LedgerUsable", "Usable"),
        ] {
            fleet.reason(&agent, condition, reason);
        }
        // What is forbidden, each with the right that is missing.
        for (condition, right) in [("HeartbeatAccepted", "leases"), ("WorksApplied", "works")] {
            let message = fleet.reason(&agent, condition, "Forbidden");
            println!("{condition}: {message}");
            assert!(message.contains(right) && message.contains(OWN_NAMESPACE), "{condition}: {message}");
        }
        until(&agent, "the mode", || {
            let report = fleet.replica.api().get(REPORT).map_err(|error| error.to_string())?;
            if report["status"]["agent"]["mode"] == "Pull" {
                Ok(())
            } else {
                Err(report["status"].to_string())
            }
        });
        let user = "system:serviceaccount:viewers:east";
        let report = fleet.replica.api().get(REPORT).unwrap();
        assert_eq!(report["status"]["credential"]["user"], user, "{report:#}");
        let wide = ["-n", "muster-system", "get", "mcr", "directory-sync", "-o", "wide"];
        let table = fleet.replica.kubectl_ok(&wide).unwrap();
        assert!(table.contains(" Pull ") && table.contains(user), "{table}");
        // Nothing is reported to the directory, and so nothing is shown there.
        let entry = fleet.directory.api().get(&format!("{CLUSTERS}/{OWN}")).unwrap();
        assert_eq!(entry["status"]["mode"], Value::Null);
        let list = fleet.directory.kubectl_ok(&["get", "mcl", "-o", "wide"]).unwrap();
        assert!(!list.contains("Pull") && !list.contains("Hosted"), "{list}");
        // What it lacks is no error of the agent's: it says it once, and goes on.
        let warnings = |log: &str| log.lines().filter(|line| line.contains("forbidden")).count();
        let before = warnings(&agent.log());
        throughout("no flood", std::time::Duration::from_secs(5), || {
            let now = warnings(&agent.log());
            if now <= before + 2 { Ok(()) } else { Err(format!("{now} lines after {before}")) }
        })
        .unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
        let label = json!({"metadata": {"labels": {"stage": if enrolled { "one" } else { "two" }}}});
        fleet
            .directory
            .api()
            .patch(&format!("{CLUSTERS}/west"), muster_tests::api::MERGE_PATCH, &label)
            .unwrap();
        fleet.in_step(&agent);
    }
}
