//! Kubeconfigs that must be refused, with what people must be told of each.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use muster_tests::ControlPlane;
use muster_tests::pki::Authority;
use muster_tests::plane::TokenOptions;
use serde_json::{Value, json};

use super::leaks::CANARY;
use super::trap::Trap;
use crate::fleet::{DIRECTORY, ENROL, Fleet, OWN};

/// A Secret that must be refused.
pub(super) struct Bad {
    /// What is bad.
    pub(super) what: &'static str,
    /// The Secret's data, decoded.
    pub(super) data: Vec<(&'static str, Vec<u8>)>,
    /// Reason of `CredentialsValid`.
    pub(super) credential: &'static str,
    /// Reason of `DirectoryReachable` where there is no session; none where it makes one.
    pub(super) directory: Option<&'static str>,
    /// What the message must hold: the field and the remedy.
    pub(super) says: &'static [&'static str],
}

/// A token that is good for a month: long enough for nobody to be warned.
pub(super) fn token(plane: &ControlPlane, namespace: &str, account: &str) -> String {
    let options =
        TokenOptions { expiration: Some(Duration::from_secs(30 * 24 * 3600)), ..TokenOptions::default() };
    plane.service_account_token(namespace, account, &options).unwrap()
}

/// A kubeconfig whose names are canaries.
pub(super) fn config(plane: &ControlPlane, user: &Value) -> Value {
    let name = |of: &str| format!("{CANARY}-{of}");
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": name("context"),
        "clusters": [{"name": name("cluster"), "cluster": {
            "server": plane.url(), "certificate-authority-data": BASE64_STANDARD.encode(plane.ca_pem()),
        }}],
        "users": [{"name": name("user"), "user": user}],
        "contexts": [{"name": name("context"), "context": {
            "cluster": name("cluster"), "user": name("user"), "namespace": name("namespace"),
        }}],
    })
}

/// A kubeconfig of the directory that is as it must be.
pub(super) fn good(fleet: &Fleet) -> Value {
    config(&fleet.directory, &json!({"token": token(&fleet.directory, "muster-agents", OWN)}))
}

/// All that is bad, of one fleet. Prepares the directory and the replica for it.
pub(super) fn all(fleet: &Fleet, trap: &Trap) -> Vec<Bad> {
    let mut all = text(fleet);
    all.extend(fields(fleet, trap));
    all.extend(others(fleet));
    all
}

fn bad(what: &'static str, config: &Value, reasons: [&'static str; 2], says: &'static [&'static str]) -> Bad {
    let data = vec![("kubeconfig", config.to_string().into_bytes())];
    Bad { what, data, credential: reasons[0], directory: Some(reasons[1]), says }
}

const INVALID: [&str; 2] = ["KubeconfigInvalid", "KubeconfigInvalid"];
const MISSING: [&str; 2] = ["SecretMissing", "SecretMissing"];
const SILENT: [&str; 2] = ["Unknown", "Unreachable"];
const REJECTED: [&str; 2] = ["CredentialsRejected", "CredentialsRejected"];
const FORBIDDEN: [&str; 2] = ["Forbidden", "Forbidden"];
const MISMATCH: [&str; 2] = ["IdentityMismatch", "IdentityMismatch"];

/// What is no kubeconfig, or more than one.
fn text(fleet: &Fleet) -> Vec<Bad> {
    let raw = |what, bytes: Vec<u8>, says| Bad {
        data: vec![("kubeconfig", bytes)],
        ..bad(what, &Value::Null, INVALID, says)
    };
    let keyed = |what, data, reasons, says| Bad { data, ..bad(what, &Value::Null, reasons, says) };
    let bomb = (1..12).fold(format!("a0: &a0 [{CANARY}]\n"), |text, level| {
        let below = format!("*a{},", level - 1).repeat(9);
        format!("{text}a{level}: &a{level} [{below}]\n")
    });
    let mut two = good(fleet);
    let other = two["contexts"][0].clone();
    two["contexts"].as_array_mut().unwrap().push(other);
    let text = good(fleet).to_string();
    let large = format!("{text}#{}", CANARY.repeat(100_000)).into_bytes()[..1024 * 1024].to_vec();
    let twice = text.replacen("\"kind\"", "\"apiVersion\": \"v1\", \"kind\"", 1);
    vec![
        raw("garbage", format!("{CANARY}: [").into_bytes(), &["neither YAML nor JSON", "line"]),
        raw("a text", CANARY.as_bytes().to_vec(), &["must be a mapping"]),
        raw("binary", [&[0xff, 0xfe, 0], CANARY.as_bytes()].concat(), &["not UTF-8"]),
        raw("empty", Vec::new(), &["it is empty"]),
        raw("1 MiB", large, &["larger than", "--minify"]),
        raw("an alias bomb", bomb.into_bytes(), &["alias", "write the value out"]),
        raw("a key twice", twice.into_bytes(), &["a key twice", "remove one"]),
        raw("two contexts", two.to_string().into_bytes(), &["contexts", "exactly one", "--minify"]),
        keyed("no key", vec![("canary", CANARY.into())], MISSING, &["no key kubeconfig"]),
        keyed(
            "an illegal name",
            vec![("kubeconfig", text.into_bytes()), ("clusterName", format!("{CANARY}_!").into_bytes())],
            INVALID,
            &["key clusterName", "no legal name"],
        ),
    ]
}

/// One field that must not be there, or not like that.
fn fields(fleet: &Fleet, trap: &Trap) -> Vec<Bad> {
    let with = |what, pointer: &str, value: Value, says| {
        let mut config = good(fleet);
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[key] = value;
        bad(what, &config, INVALID, says)
    };
    let user = |what, key: &str, value: Value, says| with(what, &format!("/users/0/user/{key}"), value, says);
    let cluster =
        |what, key: &str, value: Value, says| with(what, &format!("/clusters/0/cluster/{key}"), value, says);
    let (file, command) = (trap.file(), trap.command());
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": command, "args": [CANARY],
        "env": [{"name": CANARY, "value": CANARY}], "interactiveMode": "Never",
    });
    let plugin =
        json!({"name": "gcp", "config": {"cmd-path": command, "cmd-args": CANARY, "access-token": CANARY}});
    let http = fleet.directory.url().replacen("https", "http", 1);
    let (people, strangers) = (Authority::new("people").unwrap(), Authority::new("strangers").unwrap());
    let pair = |authority: &Authority| authority.client(CANARY, &[], Duration::from_secs(3600)).unwrap();
    let data = |pem: &str| BASE64_STANDARD.encode(pem);
    let (one, other) = (pair(&people), pair(&strangers));
    let certificate = json!({
        "client-certificate-data": data(&one.certificate), "client-key-data": data(&other.key),
    });
    let key = json!({"client-certificate-data": data(&one.certificate), "client-key-data": data(CANARY)});
    vec![
        user("exec", "exec", exec, &["users[0].user.exec", "put a token"]),
        user("auth-provider", "auth-provider", plugin, &["users[0].user.auth-provider", "put a token"]),
        user("tokenFile", "tokenFile", json!(file), &["users[0].user.tokenFile", "as token"]),
        user(
            "client-certificate",
            "client-certificate",
            json!(file),
            &["client-certificate:", "client-certificate-data"],
        ),
        user("client-key", "client-key", json!(file), &["client-key:", "client-key-data"]),
        cluster(
            "certificate-authority",
            "certificate-authority",
            json!(file),
            &["certificate-authority:", "--flatten"],
        ),
        cluster(
            "proxy-url",
            "proxy-url",
            json!(format!("http://{CANARY}@127.0.0.1:1")),
            &["proxy-url", "Deployment"],
        ),
        user("as", "as", json!(CANARY), &["users[0].user.as:", "account itself"]),
        user("as-groups", "as-groups", json!([CANARY]), &["users[0].user.as-groups", "account itself"]),
        user("username", "username", json!(CANARY), &["users[0].user.username", "put a token"]),
        user("password", "password", json!(CANARY), &["users[0].user.password", "put a token"]),
        cluster(
            "insecure",
            "insecure-skip-tls-verify",
            json!(true),
            &["insecure-skip-tls-verify", "certificate-authority-data"],
        ),
        cluster("http", "server", json!(http), &["clusters[0].cluster.server", "https://"]),
        cluster(
            "no CA",
            "certificate-authority-data",
            Value::Null,
            &["certificate-authority-data is missing"],
        ),
        cluster(
            "a CA that is none",
            "certificate-authority-data",
            json!(data(CANARY)),
            &["certificate-authority-data", "PEM"],
        ),
        user("an unknown key", CANARY, json!(CANARY), &["key", "users[0].user", "remove it"]),
        with("extensions", "/extensions", json!([{"name": CANARY}]), &["extensions", "remove it"]),
        with("a pair that is none", "/users/0/user", certificate, &["client certificate and its key"]),
        with("a key that is none", "/users/0/user", key, &["client-key-data", "PEM"]),
        with("no credential", "/users/0/user", json!({}), &["users[0].user", "token"]),
    ]
}

/// An account that may do in the directory what the agent may, but for Works.
const REPORTER: &str = r"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reporter}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view-clusters}
subjects: [{kind: ServiceAccount, name: reporter, namespace: muster-agents}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reporter, namespace: muster-cluster-CLUSTER_NAME}
rules:
  - {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, update]}
  - {apiGroups: [multicluster.coreos.com], resources: [clusterreports, clusterreports/status], verbs: [get, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reporter, namespace: muster-cluster-CLUSTER_NAME}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reporter}
subjects: [{kind: ServiceAccount, name: reporter, namespace: muster-agents}]
";

/// What is as it must be, and leads nowhere, elsewhere, or not far enough.
fn others(fleet: &Fleet) -> Vec<Bad> {
    let directory = &fleet.directory;
    let own = |token: &str| config(directory, &json!({"token": token}));
    let make = |account: &str| {
        directory.kubectl_ok(&["-n", "muster-agents", "create", "serviceaccount", account]).unwrap();
    };
    make("viewer");
    directory
        .kubectl_ok(&[
            "create",
            "clusterrolebinding",
            "viewer",
            "--clusterrole=view-clusters",
            "--serviceaccount=muster-agents:viewer",
        ])
        .unwrap();
    make("reporter");
    directory.apply(&REPORTER.replace("CLUSTER_NAME", OWN)).unwrap();
    make("stranger");
    make("gone");
    let gone = token(directory, "muster-agents", "gone");
    directory.kubectl_ok(&["-n", "muster-agents", "delete", "serviceaccount", "gone"]).unwrap();
    fleet.enrol("west");
    let west = token(directory, "muster-agents", "west");
    fleet.replica.apply(DIRECTORY).unwrap();
    fleet.replica.apply(&ENROL.replace("CLUSTER_NAME", OWN)).unwrap();
    let elsewhere = config(&fleet.replica, &json!({"token": token(&fleet.replica, "muster-agents", OWN)}));
    let mut untrusted = good(fleet);
    untrusted["clusters"][0]["cluster"]["certificate-authority-data"] =
        json!(BASE64_STANDARD.encode(Authority::new("another CA").unwrap().pem()));
    let mut misnamed = good(fleet);
    misnamed["clusters"][0]["cluster"]["tls-server-name"] = json!("another.example.com");
    let mut misled = good(fleet);
    misled["clusters"][0]["cluster"]["server"] = json!(format!("{}/elsewhere", directory.url()));
    let named = |what, account: &str, directory_says, says| {
        let mut data = bad(what, &own(&token(directory, "muster-agents", account)), FORBIDDEN, says);
        data.data.push(("clusterName", OWN.into()));
        data.directory = directory_says;
        data
    };
    vec![
        bad("another CA", &untrusted, SILENT, &["UnknownIssuer"]),
        bad("another server name", &misnamed, SILENT, &["not valid for name"]),
        bad("a path that is none", &misled, FORBIDDEN, &["forbidden", "/elsewhere/"]),
        bad("a token that is none", &own(&format!("{CANARY}-token")), REJECTED, &["rejects the credential"]),
        bad(
            "another directory",
            &elsewhere,
            MISMATCH,
            &["not the directory that this cluster joined", "kube-system"],
        ),
        bad("a token of a deleted account", &own(&gone), REJECTED, &["rejects the credential"]),
        bad("another cluster", &own(&west), MISMATCH, &["cluster west", "as east"]),
        // Without a session that has more, the lesser mode is what people may have wanted.
        named("fewer rights", "viewer", None, &["muster-agents:viewer", "update the lease"]),
        named("no right to Works", "reporter", None, &["muster-agents:reporter", "get works"]),
        named("no rights", "stranger", Some("Forbidden"), &["muster-agents:stranger", "forbidden"]),
    ]
}
