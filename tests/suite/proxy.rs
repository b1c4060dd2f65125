//! The fault proxy.

use std::{sync::mpsc, thread, time::Duration};

use http::{Method, StatusCode};
use hyper::body::Bytes;
use muster_tests::{
    api::{Api, MERGE_PATCH},
    plane::ControlPlane,
    pool,
    proxy::{Action, Proxy, Rule},
    wait::{DEADLINE, eventually, timed},
};
use serde_json::{Value, json};

const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";

fn through(proxy: &Proxy, plane: &ControlPlane) -> Api {
    Api::new(&proxy.url(), proxy.ca_pem(), plane.admin_token()).unwrap()
}

fn configmap(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

fn uid(api: &Api) -> Result<String, String> {
    let namespace = api.get("/api/v1/namespaces/kube-system").map_err(|e| e.to_string())?;
    Ok(namespace.pointer("/metadata/uid").unwrap().as_str().unwrap().to_owned())
}

#[test]
fn kubectl_works_through_it_watches_included() {
    let plane = pool::plane().unwrap();
    let proxy = Proxy::start(&plane).unwrap();
    let kubeconfig = proxy.kubeconfig_for(&plane.token_kubeconfig(plane.admin_token())).unwrap();
    let names = ["get", "namespaces", "-o", "name"];
    let output = plane.kubectl_as(&kubeconfig, &names).unwrap();
    assert!(output.stdout.contains("namespace/kube-system"), "{output:?}");

    plane.api().create(CONFIGMAPS, &configmap("watched")).unwrap();
    let wait = ["wait", "--for=jsonpath={.data.done}=yes", "configmap/watched", "--timeout=60s"];
    thread::scope(|scope| {
        let waiting = scope.spawn(|| plane.kubectl_as(&kubeconfig, &wait).unwrap());
        eventually("the watch to begin", DEADLINE, || {
            let seen = proxy.requests();
            let begun = seen.iter().any(|request| request.is_watch() && request.status == Some(200));
            if begun { Ok(()) } else { Err(format!("{seen:?}")) }
        })
        .unwrap();
        let done = json!({"data": {"done": "yes"}});
        plane.api().patch(&format!("{CONFIGMAPS}/watched"), MERGE_PATCH, &done).unwrap();
        timed("kubectl told through the proxy", DEADLINE, || {
            if waiting.is_finished() { Ok(()) } else { Err("it waits") }
        })
        .unwrap();
        let output = waiting.join().unwrap();
        assert_eq!(output.code, Some(0), "{output:?}");
    });
}

#[test]
fn rules_answer_lose_cut_delay_and_rewrite() {
    let plane = pool::plane().unwrap();
    let proxy = Proxy::start(&plane).unwrap();
    let api = through(&proxy, &plane);

    let refused = proxy.add(Rule::on(CONFIGMAPS, Action::failure(403, "Forbidden")).skip(1).times(1));
    api.get(CONFIGMAPS).unwrap();
    let error = api.get(CONFIGMAPS).unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::FORBIDDEN), "{error}");
    assert!(error.to_string().contains("Forbidden by the proxy"), "{error}");
    api.get(CONFIGMAPS).unwrap();
    assert_eq!(proxy.hits(refused), 1);

    proxy.add(Rule::on(CONFIGMAPS, Action::DropRequest).method(Method::POST));
    assert_eq!(api.create(CONFIGMAPS, &configmap("unsent")).unwrap_err().status(), None);
    proxy.clear();
    proxy.add(Rule::on(CONFIGMAPS, Action::DropReply).method(Method::POST).times(1));
    assert_eq!(api.create(CONFIGMAPS, &configmap("unanswered")).unwrap_err().status(), None);
    assert_eq!(plane.kubectl(&["get", "configmap", "unsent"]).unwrap().code, Some(1));
    plane.kubectl_ok(&["get", "configmap", "unanswered"]).unwrap();

    let cut = proxy.add(Rule::on(CONFIGMAPS, Action::Truncate(20)).reads());
    assert_eq!(api.get(CONFIGMAPS).unwrap_err().status(), None);
    proxy.remove(cut);

    proxy.add(Rule::on(
        CONFIGMAPS,
        Action::rewrite(|_, body| {
            let mut list: Value = serde_json::from_slice(&body).unwrap();
            list["items"] = json!([]);
            Bytes::from(list.to_string())
        }),
    ));
    assert_eq!(api.get(CONFIGMAPS).unwrap()["items"], json!([]));
    proxy.clear();
    assert_ne!(api.get(CONFIGMAPS).unwrap()["items"], json!([]));

    proxy.add(Rule::on(
        "/version",
        Action::answer(|parts| http::Response::new(Bytes::from(format!("\"{}\"", parts.method)))),
    ));
    assert_eq!(api.get("/version").unwrap(), json!("GET"));

    let delay = Duration::from_millis(200);
    proxy.add(Rule::on("/version", Action::Delay(delay)));
    let (_, time) = timed("the delayed answer", DEADLINE, || api.get("/version")).unwrap();
    assert!(time >= delay);

    let seen = proxy.requests();
    let codes: Vec<_> = seen.iter().filter(|r| r.path == CONFIGMAPS).map(|r| r.status).collect();
    assert_eq!(&codes[..5], [Some(200), Some(403), Some(200), None, None]);
}

#[test]
fn a_held_request_and_a_mute_watch_stay_open_without_a_word() {
    let plane = pool::plane().unwrap();
    let proxy = Proxy::start(&plane).unwrap();
    let watch = format!("{CONFIGMAPS}?watch=true");
    let held = proxy.add(Rule::on("/version", Action::Hold));
    let muted = proxy.add(Rule::on(CONFIGMAPS, Action::Mute).watches());
    let (done, answer) = mpsc::channel();
    for path in ["/version".to_owned(), watch] {
        let (api, done) = (through(&proxy, &plane), done.clone());
        // ends with the connection, at the latest when the test drops the proxy
        thread::spawn(move || done.send(api.get(&path).map(drop)));
    }
    eventually("both requests to be taken", DEADLINE, || {
        let opened = proxy.requests().iter().any(|r| r.is_watch() && r.status == Some(200));
        if opened && proxy.hits(held) + proxy.hits(muted) == 2 { Ok(()) } else { Err("not yet") }
    })
    .unwrap();
    assert!(answer.recv_timeout(Duration::from_millis(300)).is_err(), "one was answered");
    proxy.disconnect();
    for _ in 0..2 {
        assert!(answer.recv_timeout(DEADLINE).unwrap().is_err());
    }
}

#[test]
fn it_leads_to_another_cluster_is_cut_and_frozen() {
    let pair = pool::pair().unwrap();
    let proxy = Proxy::start(&pair.directory).unwrap();
    let (to_one, to_other) = (through(&proxy, &pair.directory), through(&proxy, &pair.replica));
    assert_eq!(uid(&to_one).unwrap(), pair.directory.cluster_uid().unwrap());
    assert_eq!((proxy.accepted(), proxy.open()), (1, 1));

    proxy.set_upstream(&pair.replica).unwrap();
    let found = eventually("the other cluster", DEADLINE, || uid(&to_other)).unwrap();
    assert_eq!(found, pair.replica.cluster_uid().unwrap());
    assert_eq!(to_one.get("/api").unwrap_err().status(), Some(StatusCode::UNAUTHORIZED));

    proxy.cut().unwrap();
    assert_eq!(proxy.open(), 0);
    // the first try may still meet the closed connection
    eventually("new connections to be refused", DEADLINE, || match uid(&to_other) {
        Err(error) if error.contains("refused") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .unwrap();
    proxy.restore().unwrap();
    uid(&to_other).unwrap();

    proxy.freeze();
    let (done, answer) = mpsc::channel();
    thread::spawn(move || done.send(uid(&to_other)));
    assert!(answer.recv_timeout(Duration::from_millis(300)).is_err(), "it answered");
    proxy.restore().unwrap();
    answer.recv_timeout(DEADLINE).unwrap().unwrap();
}

#[test]
fn a_server_that_is_down_is_no_answer_rather_than_an_error_page() {
    let plane = pool::plane().unwrap();
    let proxy = Proxy::start(&plane).unwrap();
    let api = through(&proxy, &plane);
    uid(&api).unwrap();
    plane.kill_apiserver().unwrap();
    assert_eq!(api.get("/version").unwrap_err().status(), None);
    plane.restart().unwrap();
    eventually("the server behind the proxy", DEADLINE, || uid(&api)).unwrap();
}
