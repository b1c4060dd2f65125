//! The control planes themselves.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::process::CommandExt,
    panic,
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use http::StatusCode;
use muster_tests::{
    ControlPlane, Options,
    api::Api,
    pki::Authority,
    plane::TokenOptions,
    process,
    wait::{DEADLINE, eventually, saw, timed},
};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::json;

fn start(name: &str) -> ControlPlane {
    let started = Instant::now();
    let plane = ControlPlane::start(Options::named(name)).unwrap();
    saw(&format!("{name} ready"), started.elapsed());
    plane
}

fn gone(pids: &[u32]) -> Result<(), String> {
    let left: Vec<_> = pids.iter().filter(|pid| process::alive(**pid)).collect();
    if left.is_empty() { Ok(()) } else { Err(format!("processes {left:?} run")) }
}

#[test]
fn two_planes_start_side_by_side_and_are_two_clusters() {
    let (one, two) = thread::scope(|scope| {
        let one = scope.spawn(|| start("one"));
        let two = start("two");
        (one.join().unwrap(), two)
    });
    assert_ne!(one.url(), two.url());
    assert_ne!(one.cluster_uid().unwrap(), two.cluster_uid().unwrap());
    assert!(one.kubectl_ok(&["version"]).unwrap().contains("Server Version: v1."));
    for (what, pid) in [("etcd", one.server_pids().etcd), ("kube-apiserver", one.server_pids().apiserver)] {
        println!("{what}: {} MiB", process::rss_kib(pid.unwrap()).unwrap() / 1024);
    }
    let refused = two.api_with(one.admin_token()).unwrap().get("/api").unwrap_err();
    assert_eq!(refused.status(), Some(StatusCode::UNAUTHORIZED), "{refused}");
}

#[test]
fn an_account_has_a_token_and_the_audit_log_names_it() {
    let plane = muster_tests::pool::plane().unwrap();
    plane.kubectl_ok(&["create", "namespace", "accounts"]).unwrap();
    plane.kubectl_ok(&["create", "serviceaccount", "east", "-n", "accounts"]).unwrap();
    let ten_minutes = TokenOptions { expiration: Some(Duration::from_secs(600)), audience: None };
    let kubeconfig = plane.service_account_kubeconfig("accounts", "east", &ten_minutes).unwrap();

    let mark = plane.audit_mark().unwrap();
    let output =
        plane.kubectl_as(&kubeconfig, &["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]);
    assert_eq!(output.unwrap().stdout, "system:serviceaccount:accounts:east");
    let output = plane.kubectl_as(&kubeconfig, &["get", "secrets", "-n", "accounts"]).unwrap();
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("Forbidden"), "{}", output.stderr);
    plane.kubectl_ok(&["get", "pods", "--as=somebody", "--as-group=system:masters"]).unwrap();

    eventually("the audit log to show the three", DEADLINE, || {
        let events = plane.audit_since(mark).map_err(|e| e.to_string())?;
        let has = |verb: &str, resource: &str, code: u16, impersonated: Option<&str>| {
            events.iter().any(|event| {
                (event.verb.as_str(), event.resource.as_str(), event.code) == (verb, resource, code)
                    && event.impersonated.as_deref() == impersonated
                    && event.user_agent.starts_with("kubectl/")
                    && (impersonated.is_some() || event.user == "system:serviceaccount:accounts:east")
            })
        };
        let all = has("create", "selfsubjectreviews", 201, None)
            && has("list", "secrets", 403, None)
            && has("list", "pods", 200, Some("somebody"));
        if all { Ok(()) } else { Err(format!("{events:#?}")) }
    })
    .unwrap();
    assert!(plane.audit().unwrap().len() > plane.audit_since(mark).unwrap().len());
}

#[test]
fn an_audience_of_its_own_is_refused_by_the_api_server() {
    let plane = muster_tests::pool::plane().unwrap();
    let other = TokenOptions { audience: Some("vault".to_owned()), ..TokenOptions::default() };
    let token = plane.service_account_token("default", "default", &other).unwrap();
    let refused = plane.api_with(&token).unwrap().get("/api").unwrap_err();
    assert_eq!(refused.status(), Some(StatusCode::UNAUTHORIZED), "{refused}");
}

#[test]
fn a_killed_plane_comes_back_at_the_same_address_with_its_data() {
    let plane = start("killed");
    let (url, uid) = (plane.url(), plane.cluster_uid().unwrap());
    plane.kubectl_ok(&["create", "configmap", "kept"]).unwrap();
    let pids = plane.server_pids().all();
    assert_eq!(pids.len(), 3);
    plane.kill().unwrap();
    gone(&pids).unwrap();
    assert!(plane.cluster_uid().is_err());

    // somebody else at its port: told as that, which is also what a start with a lost race looks like
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let error = plane.restart().unwrap_err().to_string();
    assert!(error.contains("address already in use"), "{error}");
    drop(listener);

    let started = Instant::now();
    plane.restart().unwrap();
    saw("the plane back", started.elapsed());
    assert_eq!((plane.url(), plane.cluster_uid().unwrap()), (url, uid));
    plane.kubectl_ok(&["get", "configmap", "kept"]).unwrap();
}

#[test]
fn a_new_cluster_at_the_same_address_knows_the_admin_and_nothing_else() {
    let plane = start("replaced");
    plane.kubectl_ok(&["create", "serviceaccount", "east"]).unwrap();
    let token = plane.service_account_token("default", "east", &TokenOptions::default()).unwrap();
    let east = plane.api_with(&token).unwrap();
    east.get("/api").unwrap();
    let (url, uid) = (plane.url(), plane.cluster_uid().unwrap());

    plane.replace_with_new_cluster().unwrap();
    assert_eq!(plane.url(), url);
    assert_ne!(plane.cluster_uid().unwrap(), uid);
    assert_eq!(east.get("/api").unwrap_err().status(), Some(StatusCode::UNAUTHORIZED));
    assert_eq!(plane.kubectl(&["get", "serviceaccount", "east"]).unwrap().code, Some(1));
}

#[test]
fn another_authority_is_served_and_its_clients_are_known() {
    let plane = start("rotated");
    let old = plane.api();
    let authority = Arc::new(Authority::new("next CA").unwrap());
    plane.serve_with(Arc::clone(&authority)).unwrap();
    let error = old.get("/version").unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
    let identity = authority.client("someone", &["system:masters"], Duration::from_secs(3600)).unwrap();
    let kubeconfig = plane.certificate_kubeconfig(&identity);
    let who = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"];
    let output = plane.kubectl_as(&kubeconfig, &who).unwrap();
    assert_eq!(output.stdout, "someone", "{output:?}");
}

#[test]
fn a_frozen_api_server_holds_its_connections_and_answers_later() {
    let plane = muster_tests::pool::plane().unwrap();
    plane.freeze().unwrap();
    let (done, answer) = mpsc::channel();
    let api = plane.api();
    let asked = thread::spawn(move || done.send(api.get("/version").map(drop)));
    let early = answer.recv_timeout(Duration::from_millis(300));
    assert!(early.is_err(), "it answered: {early:?}");
    plane.thaw().unwrap();
    answer.recv_timeout(DEADLINE).unwrap().unwrap();
    asked.join().unwrap().unwrap();
}

#[test]
fn a_server_that_ends_early_is_named_with_its_log() {
    let mut options = Options::named("wrong");
    options.apiserver_flags.push("--no-such-flag".to_owned());
    let started = Instant::now();
    let error = ControlPlane::start(options).err().unwrap().to_string();
    saw("the error", started.elapsed());
    assert!(error.contains("kube-apiserver ended") && error.contains("unknown flag"), "{error}");
}

#[test]
fn a_panic_leaves_no_process_and_no_folder() {
    let (tell, told) = mpsc::channel();
    let test = thread::spawn(move || {
        let plane = start("panics");
        tell.send((plane.server_pids().all(), plane.folder().to_owned())).unwrap();
        panic!("as a failing test does");
    });
    assert!(test.join().is_err());
    let (pids, folder) = told.recv().unwrap();
    gone(&pids).unwrap();
    assert!(!folder.exists());
}

/// Set in the process that is to be killed.
const VICTIM: &str = "MUSTER_TESTS_VICTIM";

#[test]
fn sigkill_leaves_no_process_and_no_folder() {
    let mut victim = Command::new(env::current_exe().unwrap())
        .args(["--exact", "planes::victim", "--ignored", "--nocapture"])
        .env(VICTIM, "1")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find(|line| line.contains("victim:")).unwrap();
    let words: Vec<&str> = line.split("victim:").nth(1).unwrap().split_whitespace().collect();
    let folder = words[0];
    let pids: Vec<u32> = words[1..].iter().map(|word| word.parse().unwrap()).collect();
    assert_eq!(pids.len(), 3);
    assert!(pids.iter().all(|pid| process::alive(*pid)));
    assert!(!with_argument(folder).is_empty());

    // the whole group, as a CI runner does it
    let group = Pid::from_raw(victim.id().cast_signed()).unwrap();
    kill_process_group(group, Signal::KILL).unwrap();
    victim.wait().unwrap();
    timed("the servers gone", DEADLINE, || gone(&pids)).unwrap();
    timed("their keepers and folder gone", DEADLINE, || {
        let left = with_argument(folder);
        if left.is_empty() && !fs::exists(folder).unwrap() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .unwrap();
}

#[test]
#[ignore = "is run by sigkill_leaves_no_process_and_no_folder"]
fn victim() {
    if env::var_os(VICTIM).is_none() {
        return;
    }
    let plane = start("victim");
    let pids: Vec<String> = plane.server_pids().all().iter().map(ToString::to_string).collect();
    println!("victim: {} {}", plane.folder().display(), pids.join(" "));
    loop {
        thread::park();
    }
}

/// Processes with an argument that contains this text.
fn with_argument(text: &str) -> Vec<u32> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(text))
        })
        .collect()
}

#[test]
fn a_used_plane_is_put_back_to_new() {
    let plane = start("used");
    let baseline = plane.baseline().unwrap();
    for round in ["first", "second"] {
        plane.apply(USED).unwrap();
        plane.kubectl_ok(&["wait", "--for=condition=Established", "crd/things.example.test"]).unwrap();
        plane.apply(THING).unwrap();
        // must not be refused for want of an account, which the controllers make
        eventually("the namespace's account", DEADLINE, || {
            plane.kubectl_ok(&["get", "serviceaccount", "default", "-n", "used"])
        })
        .unwrap();
        let label = json!({"metadata": {"labels": {"dirty": round}}});
        let view = "/apis/rbac.authorization.k8s.io/v1/clusterroles/view";
        plane.api().patch(view, muster_tests::api::MERGE_PATCH, &label).unwrap();
        plane.kubectl_ok(&["delete", "clusterrole", "edit"]).unwrap();

        let started = Instant::now();
        plane.reset(&baseline).unwrap();
        saw(&format!("{round}: the plane as new"), started.elapsed());
        for what in
            ["crd/things.example.test", "ns/used", "clusterrole/used", "validatingadmissionpolicy/used"]
        {
            assert_eq!(plane.kubectl(&["get", what]).unwrap().code, Some(1), "{what}");
        }
        let role = plane.kubectl_ok(&["get", "clusterrole", "view", "-o", "yaml"]).unwrap();
        assert!(!role.contains("dirty"), "{role}");
        plane.kubectl_ok(&["get", "clusterrole", "edit"]).unwrap();
    }
    let controllers = Pid::from_raw(plane.server_pids().controllers.unwrap().try_into().unwrap()).unwrap();
    kill_process(controllers, Signal::STOP).unwrap();
    assert!(plane.reset(&baseline).unwrap_err().to_string().contains("the controllers"));
    kill_process(controllers, Signal::CONT).unwrap();
    plane.replace_with_new_cluster().unwrap();
    assert!(plane.reset(&baseline).unwrap_err().to_string().contains("another cluster"));
}

const USED: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: used}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: used, labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}
rules: [{apiGroups: [example.test], resources: [things], verbs: [get]}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: used}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [apiextensions.k8s.io], apiVersions: [v1], operations: [DELETE], resources: [customresourcedefinitions]}
  validations: [{expression: "false"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: used}
spec: {policyName: used, validationActions: [Deny]}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.test}
spec:
  group: example.test
  scope: Namespaced
  names: {plural: things, singular: thing, kind: Thing}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object}}
"#;

const THING: &str = "
apiVersion: example.test/v1
kind: Thing
metadata: {name: a, namespace: used, finalizers: [example.test/never]}
";

#[test]
fn leases_are_exclusive_and_a_failed_test_spoils_its_own() {
    let pair = muster_tests::pool::pair().unwrap();
    let (directory, replica) = (pair.directory.cluster_uid().unwrap(), pair.replica.cluster_uid().unwrap());
    assert_ne!(directory, replica);
    let failed = thread::spawn(|| {
        let leased = muster_tests::pool::plane().unwrap();
        let found = (leased.cluster_uid().unwrap(), leased.server_pids().all());
        panic::panic_any(found);
    });
    let (uid, pids) = *failed.join().unwrap_err().downcast::<(String, Vec<u32>)>().unwrap();
    assert!(![directory, replica].contains(&uid));
    gone(&pids).unwrap();
}

#[test]
fn a_token_that_is_empty_means_nobody() {
    let plane = muster_tests::pool::plane().unwrap();
    let nobody = Api::new(&plane.url(), &plane.ca_pem(), "").unwrap();
    let refused = nobody.get("/api/v1/namespaces").unwrap_err();
    assert_eq!(refused.status(), Some(StatusCode::FORBIDDEN), "{refused}");
}
