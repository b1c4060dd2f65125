//! The Secret is untrusted input: what is bad in it is refused by name, does nothing, and is repeated nowhere.

mod bad;
pub(crate) mod leaks;
mod life;
mod trap;

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::Response;
use hyper::body::Bytes;
use muster_tests::ControlPlane;
use muster_tests::agent::AgentProcess;
use muster_tests::process::Socket;
use muster_tests::proxy::{Action, Proxy, Rule};
use serde_json::{Map, Value, json};

use self::bad::{Bad, good};
use self::leaks::{Needles, everything, planted};
use self::trap::Trap;
use crate::fleet::{CLUSTERS, Fleet, REPORT, SECRETS, condition_of, until};
use crate::rotation::{relabel, rotations};
use crate::works::Kept;

/// Puts data into the Secret.
fn put(fleet: &Fleet, data: &[(&str, Vec<u8>)]) {
    let data: Map<String, Value> =
        data.iter().map(|(key, value)| ((*key).to_owned(), json!(BASE64_STANDARD.encode(value)))).collect();
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "directory-sync"}, "data": data});
    let api = fleet.replica.api();
    if api.replace(&format!("{SECRETS}/directory-sync"), &secret).is_err() {
        api.create(SECRETS, &secret).unwrap();
    }
}

/// Puts a kubeconfig into the Secret.
fn offer(fleet: &Fleet, kubeconfig: &Value) {
    put(fleet, &[("kubeconfig", kubeconfig.to_string().into_bytes())]);
}

/// The token in a kubeconfig.
fn token_of(kubeconfig: &Value) -> String {
    kubeconfig["users"][0]["user"]["token"].as_str().unwrap().to_owned()
}

/// Waits until a condition has this reason and a message with these words; gives the message.
fn says(fleet: &Fleet, agent: &AgentProcess, condition: &str, reason: &str, words: &[&str]) -> String {
    let mut message = String::new();
    until(agent, &format!("{condition} {reason}, {words:?}"), || {
        let report = fleet.replica.api().get(REPORT).map_err(|error| error.to_string())?;
        let (is, said) = condition_of(&report, condition).ok_or("there is no such condition")?;
        let fits = is == reason && words.iter().all(|word| said.contains(word));
        message.clone_from(&said);
        if fits { Ok(()) } else { Err(format!("{is}: {said}")) }
    });
    message
}

/// Waits until a new label of an entry is on its copy.
fn follows(fleet: &Fleet, agent: &AgentProcess, name: &str, key: &str, value: &str) {
    relabel(&fleet.directory, name, key, value);
    until(agent, &format!("{key} of {name} on the mirror"), || {
        let copy = fleet.copy(name).map_err(|error| error.to_string())?;
        if copy["metadata"]["labels"][key] == value {
            Ok(())
        } else {
            Err(copy["metadata"]["labels"].to_string())
        }
    });
}

/// Waits for an Event on the local report with this note in it.
fn event(fleet: &Fleet, agent: &AgentProcess, reason: &str, note: &str) {
    let events = "/apis/events.k8s.io/v1/namespaces/muster-system/events";
    until(agent, &format!("Event {reason}"), || {
        let list = fleet.replica.api().get(events).map_err(|error| error.to_string())?;
        let is = |event: &Value| {
            event["reason"] == reason
                && event["regarding"]["kind"] == "ClusterReport"
                && event["note"].as_str().is_some_and(|text| text.contains(note))
        };
        let found = list["items"].as_array().unwrap().iter().any(is);
        found.then_some(()).ok_or_else(|| format!("none says {note}"))
    });
}

/// The agent's ends of its connections to a cluster.
fn connections(agent: &AgentProcess, plane: &ControlPlane) -> BTreeSet<u16> {
    let port: u16 = plane.url().rsplit(':').next().unwrap().parse().unwrap();
    let sockets = agent.open_sockets().into_iter();
    let open = sockets.filter(|socket| socket.remote_port == port && socket.state == Socket::ESTABLISHED);
    open.map(|socket| socket.local_port).collect()
}

/// Waits until the session has its two connections and the probe's are closed.
fn two_connections(fleet: &Fleet, agent: &AgentProcess) -> BTreeSet<u16> {
    let mut open = BTreeSet::new();
    until(agent, "two connections to the directory", || {
        open = connections(agent, &fleet.directory);
        if open.len() == 2 { Ok(()) } else { Err(format!("{open:?}")) }
    });
    open
}

/// Fails where anything of these Secrets was said anywhere, or the trap has gone off.
fn nothing_leaked(fleet: &Fleet, agent: &AgentProcess, needles: &Needles, trap: &Trap) {
    let said = everything(fleet, agent);
    let bytes: usize = said.iter().map(|(_, text)| text.len()).sum();
    println!("searched {} places, {bytes} bytes, {} of them log", said.len(), said[0].1.len());
    let found = needles.found(&said);
    assert!(found.is_empty(), "{found:#?}");
    assert!(!trap.ran(), "the command was run");
    assert!(!trap.opened(), "the file was opened");
}

fn tokens(cases: &[Bad]) -> Vec<String> {
    let in_case = |case: &Bad| {
        let kubeconfig: Value = serde_json::from_slice(&case.data[0].1).ok()?;
        let token = kubeconfig.pointer("/users/0/user/token")?.as_str()?.to_owned();
        (token.split('.').count() == 3).then_some(token)
    };
    cases.iter().filter_map(in_case).collect()
}

#[test]
fn a_bad_secret_keeps_the_session_that_works_and_is_repeated_nowhere() {
    let (fleet, trap) = (Fleet::new(), Trap::set());
    let (working, cases) = (good(&fleet), bad::all(&fleet, &trap));
    offer(&fleet, &working);
    let agent = fleet.agent(&["--log-level", "trace", "--log-format", "json"]);
    fleet.in_step(&agent);
    says(&fleet, &agent, "CredentialsValid", "Valid", &[]);
    let kept = Kept::put(&fleet, &agent);
    let token = token_of(&working);
    let needles = Needles::of(&[vec![token.clone()], tokens(&cases)].concat());
    planted(&fleet, &agent, &needles, &token);
    let before = two_connections(&fleet, &agent);
    for (number, Bad { what, data, credential, says: words, .. }) in cases.iter().enumerate() {
        let name = format!("while-{number}");
        fleet.directory.api().create(CLUSTERS, &entry(&name)).unwrap();
        put(&fleet, data);
        let message = says(&fleet, &agent, "CredentialsValid", credential, words);
        println!("| {what} | {credential} | {message} |");
        event(&fleet, &agent, "KubeconfigRefused", words[0]);
        follows(&fleet, &agent, &name, "while", &number.to_string());
        says(&fleet, &agent, "DirectoryReachable", "Reachable", &[]);
        offer(&fleet, &working);
        says(&fleet, &agent, "CredentialsValid", "Valid", &[]);
    }
    assert_eq!(two_connections(&fleet, &agent), before, "the session's connections are the same");
    assert_eq!(rotations(&agent, "ok"), 1, "{}", agent.log());
    kept.is_unharmed(&fleet, &agent);
    nothing_leaked(&fleet, &agent, &needles, &trap);
    offer(&fleet, &good(&fleet));
    until(&agent, "the next good Secret in use", || match rotations(&agent, "ok") {
        2 => Ok(()),
        seen => Err(format!("{seen}")),
    });
}

fn entry(name: &str) -> Value {
    json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster", "metadata": {"name": name}})
}

#[test]
fn a_bad_secret_without_a_session_is_said_and_a_good_one_heals() {
    let (fleet, trap) = (Fleet::new(), Trap::set());
    let (working, cases) = (good(&fleet), bad::all(&fleet, &trap));
    offer(&fleet, &working);
    let mut agent = fleet.agent(&["--log-level", "trace"]);
    fleet.in_step(&agent);
    let kept = Kept::put(&fleet, &agent);
    // The directory is recorded by now; the next process begins without a session.
    agent.kill().unwrap();
    put(&fleet, &cases[0].data);
    agent.restart().unwrap();
    for Bad { what, data, directory, says: words, .. } in &cases {
        let Some(reason) = directory else { continue };
        put(&fleet, data);
        let message = says(&fleet, &agent, "DirectoryReachable", reason, words);
        println!("| {what} | {reason} | {message} |");
        assert_eq!(agent.admin("/livez").unwrap().0, 200);
    }
    assert_eq!(rotations(&agent, "ok"), 0, "{}", agent.log());
    relabel(&fleet.directory, "west", "after", "all");
    offer(&fleet, &working);
    says(&fleet, &agent, "DirectoryReachable", "Reachable", &[]);
    says(&fleet, &agent, "CredentialsValid", "Valid", &[]);
    fleet.in_step(&agent);
    kept.is_unharmed(&fleet, &agent);
    let needles = Needles::of(&[vec![token_of(&working)], tokens(&cases)].concat());
    nothing_leaked(&fleet, &agent, &needles, &trap);
}

#[test]
fn a_server_that_repeats_the_credential_is_not_repeated() {
    let (fleet, trap) = (Fleet::new(), Trap::set());
    let proxy = Proxy::start(&fleet.directory).unwrap();
    let through = || {
        let mut config = good(&fleet);
        config["clusters"][0]["cluster"]["server"] = json!(proxy.url());
        config["clusters"][0]["cluster"]["certificate-authority-data"] =
            json!(BASE64_STANDARD.encode(proxy.ca_pem()));
        config
    };
    let working = through();
    offer(&fleet, &working);
    let agent = fleet.agent(&["--log-level", "trace"]);
    fleet.in_step(&agent);
    let echo = |code: u16, reason: &'static str| {
        Action::answer(move |request| {
            let credential = request.headers["authorization"].to_str().unwrap_or_default();
            let body = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
                "reason": reason, "message": format!("no good: {credential}"),
            });
            let answer = Response::builder().status(code).header("content-type", "application/json");
            answer.body(Bytes::from(body.to_string())).unwrap()
        })
    };
    let mut tokens = vec![token_of(&working)];
    for (code, reason, condition) in
        [(401, "Unauthorized", "CredentialsRejected"), (403, "Forbidden", "Forbidden")]
    {
        let rule = proxy.add(Rule::on("/apis/", echo(code, reason)));
        let another = through();
        tokens.push(token_of(&another));
        offer(&fleet, &another);
        let message = says(&fleet, &agent, "CredentialsValid", condition, &[]);
        println!("{message}");
        // The session in use meets the same server.
        proxy.disconnect();
        println!("{}", says(&fleet, &agent, "DirectoryReachable", condition, &[]));
        proxy.remove(rule);
        offer(&fleet, &through());
        says(&fleet, &agent, "DirectoryReachable", "Reachable", &[]);
        says(&fleet, &agent, "CredentialsValid", "Valid", &[]);
    }
    nothing_leaked(&fleet, &agent, &Needles::of(&tokens), &trap);
}
