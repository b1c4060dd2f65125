//! `join` and `token`: from nothing to a replica in step, with one command.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::Output;
use muster_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use super::{done, muster, shell};
use crate::fleet::{CLUSTERS, ENROL, Fleet, OWN, SECRETS};

/// The directory's address, which is this machine: it must be named.
fn server(fleet: &Fleet) -> String {
    format!("--server={}", fleet.directory.url())
}

/// The kubeconfig in the Secret `directory-sync` of what was printed.
fn offered(fleet: &Fleet) -> Value {
    let secret = fleet.replica.api().get(&format!("{SECRETS}/directory-sync")).unwrap();
    let data = |key: &str| STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap();
    assert_eq!(data("clusterName"), OWN.as_bytes());
    serde_saphyr::from_str(std::str::from_utf8(&data("kubeconfig")).unwrap()).unwrap()
}

/// Takes what was printed as the tool recommends.
fn take(fleet: &Fleet, printed: &str) -> Output {
    let output = fleet
        .replica
        .kubectl_with(&["apply", "--server-side", "--force-conflicts", "-f", "-"], printed)
        .unwrap();
    println!("{}{}", output.stdout, output.stderr);
    output
}

fn token_of(kubeconfig: &Value) -> String {
    kubeconfig.pointer("/users/0/user/token").unwrap().as_str().unwrap().to_owned()
}

#[test]
fn one_command_joins_a_fresh_cluster() {
    let fleet = Fleet::empty();
    fleet.install_directory();
    // what the controller does as soon as there is an entry
    let output = std::thread::scope(|scope| {
        let joining = scope.spawn(|| {
            muster(&fleet.directory, &["join", OWN, "--labels", "cloud=aws,stage=test", &server(&fleet)])
        });
        eventually("the entry", DEADLINE, || fleet.directory.api().get(&format!("{CLUSTERS}/{OWN}")))
            .unwrap();
        fleet.enrol(OWN);
        joining.join().unwrap()
    });
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    for told in [
        "cluster.multicluster.coreos.com/east created",
        "60 minutes",
        &fleet.directory.cluster_uid().unwrap(),
    ] {
        assert!(output.stderr.contains(told), "{told}: {}", output.stderr);
    }

    let applied = take(&fleet, &output.stdout);
    // Objects of a new kind in the same file come before their kind is served only where a server is slow: there are none.
    assert_eq!(applied.code, Some(0), "{}", applied.stderr);
    let kubeconfig = offered(&fleet);
    let token = token_of(&kubeconfig);
    assert!(!output.stderr.contains(&token), "the token is on stderr");
    let agent = fleet.agent(&[]);
    fleet.in_step(&agent);

    let entry = fleet.directory.api().get(&format!("{CLUSTERS}/{OWN}")).unwrap();
    assert_eq!(entry["metadata"]["labels"], json!({"cloud": "aws", "stage": "test"}));
    let joining = fleet.directory.api().get("/api/v1/namespaces/muster-agents/secrets/east-joining").unwrap();
    assert_eq!(joining.get("data"), None, "{joining}");

    // The Secret's end is the token's end.
    let own = fleet.directory.api_with(&token).unwrap();
    own.get(CLUSTERS).unwrap();
    fleet.directory.api().delete("/api/v1/namespaces/muster-agents/secrets/east-joining").unwrap();
    eventually("the token refused", DEADLINE, || match own.get(CLUSTERS) {
        Err(error) if error.status().is_some_and(|status| status.as_u16() == 401) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .unwrap();
    // and one command gives the agent a new one
    let printed = done(&fleet.directory, &["token", OWN, &server(&fleet)]);
    let applied = take(&fleet, &printed);
    assert_eq!(applied.code, Some(0), "{}", applied.stderr);
    assert_ne!(token_of(&offered(&fleet)), token);
    fleet.entry("later", &json!({}));
    fleet.in_step(&agent);
}

#[test]
fn joining_again_changes_nothing_but_the_credential() {
    let fleet = Fleet::bare();
    fleet.enrol(OWN);
    fleet.entry(OWN, &json!({"cloud": "aws"}));
    let path = format!("{CLUSTERS}/{OWN}");
    let before = fleet.directory.api().get(&path).unwrap();
    let first = muster(&fleet.directory, &["join", OWN, &server(&fleet)]);
    let again = muster(&fleet.directory, &["join", OWN, &server(&fleet), "--labels=cloud=gcp"]);
    for output in [&first, &again] {
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(output.stderr.contains("is there already"), "{}", output.stderr);
    }
    assert!(again.stderr.contains("label mcl east --overwrite cloud=gcp"), "{}", again.stderr);
    assert_ne!(first.stdout, again.stdout);
    assert_eq!(fleet.directory.api().get(&path).unwrap(), before);
}

#[test]
fn a_cluster_that_joined_gets_its_credential_alone_and_what_its_owner_deleted_stays_deleted() {
    const EVERYTHING: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/muster-works-default";
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let join = |args: &[&str]| {
        let output = muster(&fleet.directory, &[&["join", OWN, &server(&fleet)], args].concat());
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        output
    };
    // as its report says, where no controller writes it on the entry
    let identity = fleet.replica.cluster_uid().unwrap();
    eventually("its identity in the report", DEADLINE, || {
        let told = done(&fleet.directory, &["status", OWN]);
        if told.contains(&identity) { Ok(()) } else { Err(told) }
    })
    .unwrap();
    fleet.replica.api().delete(EVERYTHING).unwrap();
    let again = join(&[]);
    assert!(!again.stdout.contains("muster-works-default"), "{}", again.stdout);
    assert!(again.stderr.contains(&identity) && again.stderr.contains("--manifests"), "{}", again.stderr);
    let secret = || fleet.replica.api().get(&format!("{SECRETS}/directory-sync")).unwrap()["data"].clone();
    let before = secret();
    // The Secret was applied in the other way until now.
    assert_eq!(take(&fleet, &again.stdout).code, Some(0));
    assert_ne!(secret(), before);
    fleet.entry("later", &json!({}));
    fleet.in_step(&agent);
    assert!(fleet.replica.api().get(EVERYTHING).is_err());
    assert_eq!(join(&["--dry-run"]).stdout, "");
    let whole = join(&["--manifests"]);
    assert!(whole.stdout.contains("muster-works-default"), "{}", whole.stderr);

    // as a controller says it
    let bound = json!({"status": {"id": "another"}});
    fleet.directory.api().patch(&format!("{CLUSTERS}/west/status"), MERGE_PATCH, &bound).unwrap();
    fleet.enrol("west");
    let west = muster(&fleet.directory, &["join", "west", &server(&fleet)]);
    assert!(
        west.stderr.contains("identity another joined") && !west.stdout.contains("ClusterRole"),
        "{}",
        west.stderr
    );
}

#[test]
fn a_cluster_whose_agent_runs_elsewhere_gets_all_but_the_deployment() {
    let fleet = Fleet::empty();
    fleet.install_directory();
    fleet.enrol(OWN);
    let joined = muster(&fleet.directory, &["join", OWN, "--hosted", &server(&fleet)]);
    assert_eq!(joined.code, Some(0), "{}", joined.stderr);
    let applied = take(&fleet, &joined.stdout);
    assert_eq!(applied.code, Some(0), "{}", applied.stderr);
    let deployments = fleet.replica.api().get("/apis/apps/v1/namespaces/muster-system/deployments").unwrap();
    assert_eq!(deployments["items"], json!([]));
    for told in
        ["sed s/CLUSTER_NAME/east/g hosted.yaml", "create secret generic muster-east --from-file=kubeconfig="]
    {
        assert!(joined.stderr.contains(told), "{told} is missing: {}", joined.stderr);
    }
    // that of the tests runs outside
    let agent = fleet.agent(&[]);
    fleet.in_step(&agent);
}

#[test]
fn a_token_that_is_applied_as_recommended_lies_nowhere_but_in_its_secret() {
    let fleet = Fleet::bare();
    fleet.enrol(OWN);
    fleet.entry(OWN, &json!({}));
    let joined = done(&fleet.directory, &["join", OWN, &server(&fleet)]);
    assert_eq!(take(&fleet, &joined).code, Some(0));
    let annotations = || {
        let secret = fleet.replica.api().get(&format!("{SECRETS}/directory-sync")).unwrap();
        secret["metadata"]["annotations"].to_string()
    };
    assert!(!annotations().contains("last-applied"), "{}", annotations());
    // as an older release recommended
    let token = || done(&fleet.directory, &["token", OWN, &server(&fleet)]);
    fleet.replica.apply(&token()).unwrap();
    assert!(annotations().contains("last-applied"), "{}", annotations());
    let note = "kubectl.kubernetes.io/last-applied-configuration-";
    let command = ["-n", "muster-system", "annotate", "secret", "directory-sync", note];
    assert_eq!(take(&fleet, &token()).code, Some(0));
    println!("after a server-side apply alone: {}", annotations());
    fleet.replica.kubectl_ok(&command).unwrap();
    assert_eq!(take(&fleet, &token()).code, Some(0));
    assert!(!annotations().contains("last-applied"), "{}", annotations());
}

#[test]
fn a_rehearsal_writes_nothing_and_prints_no_credential() {
    let fleet = Fleet::bare();
    let output = muster(&fleet.directory, &["join", OWN, &server(&fleet), "--dry-run"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(output.stdout, crate::fleet::MULTICLUSTER);
    assert!(output.stderr.contains("would be created (rehearsed)"), "{}", output.stderr);
    assert!(fleet.directory.api().get(&format!("{CLUSTERS}/{OWN}")).is_err());
}

#[test]
fn the_address_is_that_of_the_directorys_own_entry_unless_one_is_named() {
    let fleet = Fleet::bare();
    fleet.enrol(OWN);
    fleet.entry("home", &json!({}));
    let home = format!("{CLUSTERS}/home");
    let mark = json!({"metadata": {"annotations": {"multicluster.coreos.com/directory": "true"}}});
    fleet.directory.api().patch(&home, MERGE_PATCH, &mark).unwrap();
    let server_of = |printed: &str| {
        fleet.replica.apply(printed).unwrap();
        offered(&fleet).pointer("/clusters/0/cluster/server").unwrap().as_str().unwrap().to_owned()
    };
    let output = muster(&fleet.directory, &["token", OWN]);
    assert!(output.stderr.contains("from the entry home"), "{}", output.stderr);
    assert_eq!(server_of(&output.stdout), "https://home.example.com");
    let named = done(&fleet.directory, &["token", OWN, "--server", "https://other.example.com:8443/path"]);
    assert_eq!(server_of(&named), "https://other.example.com:8443/path");
    // the other casing, and an address without a scheme
    let spec = json!({"spec": {"KubernetesAPIEndpoints": null, "kubernetesApiEndpoints": {
        "serverEndpoints": [{"serverAddress": "10.1.2.3:6443"}]}}});
    fleet.directory.api().patch(&home, MERGE_PATCH, &spec).unwrap();
    assert_eq!(server_of(&done(&fleet.directory, &["token", OWN])), "https://10.1.2.3:6443");
}

#[test]
fn what_explain_prints_does_the_same_in_a_shell() {
    let fleet = Fleet::bare();
    let folder = fleet.directory.folder().join("explained");
    std::fs::create_dir_all(&folder).unwrap();
    let script = done(&fleet.directory, &["--explain", "join", OWN, "--labels=cloud=aws", &server(&fleet)]);
    assert!(fleet.directory.api().get(&format!("{CLUSTERS}/{OWN}")).is_err(), "it did something");
    fleet.directory.apply(&ENROL.replace("CLUSTER_NAME", OWN)).unwrap();
    let stdout = shell(&fleet.directory, &folder, &script);
    fleet.replica.apply(&stdout).unwrap();
    let agent = fleet.agent(&[]);
    fleet.in_step(&agent);
    assert_eq!(
        fleet.directory.api().get(&format!("{CLUSTERS}/{OWN}")).unwrap()["metadata"]["labels"],
        json!({"cloud": "aws"})
    );
    let left: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|file| file.ok()?.file_name().into_string().ok())
        .collect();
    assert!(!left.iter().any(|name| name.ends_with(".kubeconfig")), "{left:?}");
}
