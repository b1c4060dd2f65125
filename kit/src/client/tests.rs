mod answers;
mod tls;

use std::sync::Mutex;
use std::time::Instant;

use futures::future::join_all;
use muster_api::{Resource, resource};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;
use crate::endpoint::Credential;
use crate::testing::{
    Authority, Reply, Server, cluster, clusters, fed_reply, raw_reply, reply, soon, status,
};

static CLUSTERS: Resource = resource::CLUSTERS;
static LEASES: Resource = resource::LEASES;
static SECRETS: Resource = resource::SECRETS;
const CANARY: &str = "hunter2-canary";

/// Runs a call against the answer that it gets.
async fn answered<T>(server: &Server, call: impl Future<Output = T>, answer: Reply) -> T {
    let (result, ()) =
        soon("a call", async { tokio::join!(call, async { server.next().await.answer(answer) }) }).await;
    result
}

async fn got(answer: Reply) -> Result<Object, CallError> {
    let server = Server::start().await;
    let client = server.client();
    answered(&server, client.get(&CLUSTERS, None, "east"), answer).await
}

async fn listed(answer: Value) -> Result<Page, CallError> {
    let server = Server::start().await;
    let client = server.client();
    answered(&server, client.list_page(&CLUSTERS, None, &ListQuery::default()), reply(200, &answer)).await
}

#[tokio::test]
async fn a_body_that_trickles_hits_the_deadline() {
    let server = Server::start().await;
    let deadline = Duration::from_millis(300);
    let client = server.client().with_deadline(deadline);
    let begun = Instant::now();
    let (result, ()) = soon("a call", async {
        tokio::join!(client.get(&CLUSTERS, None, "east"), async {
            let feed = server.next().await.feed();
            let trickle = async {
                loop {
                    feed.raw(" ");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::select! { () = trickle => {}, () = feed.abandoned() => {} }
        })
    })
    .await;
    println!("{result:?} after {:?}", begun.elapsed());
    assert!(matches!(result, Err(CallError::Deadline { limit, .. }) if limit == deadline));
}

#[tokio::test]
async fn an_answer_without_headers_hits_the_deadline() {
    let server = Server::start().await;
    let client = server.client().with_deadline(Duration::from_millis(300));
    let (result, _ask) =
        soon("a call", async { tokio::join!(client.get(&CLUSTERS, None, "east"), server.next()) }).await;
    assert_eq!(result.unwrap_err().category(), "deadline");
}

#[tokio::test]
async fn an_answer_above_the_limit_is_not_read() {
    let server = Server::start().await;
    let client = server.client_with(ClientOptions { body_limit: 1000, ..ClientOptions::default() });
    let error =
        answered(&server, client.get(&CLUSTERS, None, "east"), raw_reply(200, vec![b' '; 1001])).await;
    assert_eq!(error.unwrap_err().category(), "too_large");
    let mut fits = cluster("east", 1).to_string();
    fits.push_str(&" ".repeat(1000 - fits.len()));
    answered(&server, client.get(&CLUSTERS, None, "east"), raw_reply(200, fits)).await.unwrap();
}

#[tokio::test]
async fn nothing_that_is_printed_holds_a_credential() {
    let server = Server::start().await;
    let secret = || SecretString::from(CANARY);
    for credential in [
        Credential::Token(secret()),
        Credential::TokenFile(CANARY.into()),
        Credential::Certificate { chain_pem: secret(), key_pem: secret() },
    ] {
        let endpoint = server.endpoint(credential.clone());
        let made = Client::new(&endpoint, ClientOptions::default());
        let printed = format!(
            "{credential:?} {endpoint:?} {made:?} {:?}",
            made.as_ref().err().map(ToString::to_string)
        );
        assert!(!printed.contains(CANARY), "{printed}");
    }
}

#[tokio::test]
async fn a_request_bears_name_token_and_the_base_path() {
    let server = Server::start().await;
    let address = format!("https://127.0.0.1:{}/k8s/clusters/c-1/", server.port).parse().unwrap();
    let token = Credential::Token(SecretString::from("the-token"));
    let endpoint = Endpoint::new(address, vec![server.authority.der()], None, token).unwrap();
    let options = ClientOptions { user_agent: "muster-agent/9".to_owned(), ..ClientOptions::default() };
    let client = Client::new(&endpoint, options).unwrap();
    let (_, ask) = soon("a call", async {
        tokio::join!(client.get(&CLUSTERS, None, "east"), async {
            let ask = server.next().await;
            let seen = (ask.path.clone(), ask.headers.clone());
            ask.answer(reply(200, &cluster("east", 1)));
            seen
        })
    })
    .await;
    assert_eq!(ask.0, "/k8s/clusters/c-1/apis/multicluster.coreos.com/v1/clusters/east");
    assert_eq!(ask.1["authorization"], "Bearer the-token");
    assert_eq!(ask.1["user-agent"], "muster-agent/9");
    assert!(!ask.1.contains_key("accept-encoding"), "no compression is offered: {:?}", ask.1);
}

#[tokio::test]
async fn each_verb_has_its_request() {
    let server = Server::start().await;
    let observer = Arc::new(Outcomes::default());
    let client =
        server.client_with(ClientOptions { observer: Some(observer.clone()), ..ClientOptions::default() });
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "l", "namespace": "n", "uid": "u", "resourceVersion": "1"},
    });
    let body = || b"{}".to_vec();
    let preconditions = Preconditions { uid: Some("u".to_owned()), resource_version: None };
    let query = ListQuery { labels: Some("a=b".to_owned()), limit: Some(50), ..ListQuery::default() };
    let calls = async {
        let ns = Some("n");
        client.create(&LEASES, ns, "m", body()).await.unwrap();
        client.replace(&LEASES, ns, "l", "m", body()).await.unwrap();
        client.replace_status(&LEASES, ns, "l", "m", body()).await.unwrap();
        client.merge_patch(&LEASES, ns, "l", Some("status"), "m", body()).await.unwrap();
        client.apply(&LEASES, ns, "l", "m", true, body()).await.unwrap();
        client.create_dry_run(&LEASES, ns, "m", body()).await.unwrap();
        client.delete(&LEASES, ns, "l", &preconditions).await.unwrap();
        client.review(&LEASES, body()).await.unwrap();
        client.list_page(&LEASES, ns, &query).await.unwrap_err();
    };
    let asks = async {
        let mut seen = Vec::new();
        for _ in 0..9 {
            let ask = server.next().await;
            let query: Vec<_> = ask.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let kind = ask.headers.get("content-type").map_or("-", |kind| kind.to_str().unwrap()).to_owned();
            let path = ask.path.rsplit('/').next().unwrap().to_owned();
            seen.push(format!(
                "{} {path} {} {kind} {}",
                ask.method,
                query.join("&"),
                String::from_utf8_lossy(&ask.body)
            ));
            ask.answer(reply(200, &lease));
        }
        seen
    };
    let ((), seen) = soon("the calls", async { tokio::join!(calls, asks) }).await;
    let merge = "application/merge-patch+json";
    let options = r#"{"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Background","preconditions":{"uid":"u"}}"#;
    assert_eq!(
        seen,
        [
            "POST leases fieldManager=m application/json {}",
            "PUT l fieldManager=m application/json {}",
            "PUT status fieldManager=m application/json {}",
            &format!("PATCH status fieldManager=m {merge} {{}}"),
            "PATCH l fieldManager=m&force=true application/apply-patch+yaml {}",
            "POST leases dryRun=All&fieldManager=m application/json {}",
            &format!("DELETE l  application/json {options}"),
            "POST leases  application/json {}",
            "GET leases labelSelector=a%3Db&limit=50 - ",
        ]
    );
    let outcomes = observer.0.lock().unwrap().join(" ");
    assert_eq!(
        outcomes,
        "create leases ok,update leases ok,update leases ok,patch leases ok,patch leases ok,create leases ok,\
         delete leases ok,create leases ok,list leases malformed"
            .replace(',', " ")
    );
}

#[derive(Default)]
struct Outcomes(Mutex<Vec<String>>);

impl CallObserver for Outcomes {
    fn called(&self, verb: &'static str, resource: &str, outcome: &'static str) {
        self.0.lock().unwrap().push(format!("{verb} {resource} {outcome}"));
    }
}

#[tokio::test]
async fn a_name_that_can_stand_in_no_url_is_not_sent() {
    let server = Server::start().await;
    let client = server.client();
    let error = client.get(&CLUSTERS, None, "../secrets").await.unwrap_err();
    assert_eq!(error.category(), "invalid");
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn calls_at_once_share_one_connection_which_ends_with_the_last_client() {
    let server = Server::start().await;
    let client = server.client();
    let calls = join_all((0..30).map(|_| client.get(&CLUSTERS, None, "east")));
    // None is answered before all are under way.
    let asks = async {
        let mut asks = Vec::new();
        for _ in 0..30 {
            asks.push(server.next().await);
        }
        for ask in asks {
            ask.answer(reply(200, &cluster("east", 1)));
        }
    };
    let (results, ()) = soon("30 calls", async { tokio::join!(calls, asks) }).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!((client.connections_opened(), server.accepted()), (1, 1));
    server.until_open(1).await;
    let kube = client.kube();
    let clone = client.clone().with_deadline(Duration::from_secs(1));
    drop(client);
    drop(kube);
    answered(&server, clone.get(&CLUSTERS, None, "east"), reply(200, &cluster("east", 1))).await.unwrap();
    assert_eq!(clone.connections_opened(), 1);
    drop(clone);
    server.until_open(0).await;
}

#[tokio::test]
async fn a_server_is_known_by_the_given_ca_and_name_alone() {
    let server = Server::start_as("api.example.com").await;
    let address: http::Uri = format!("https://127.0.0.1:{}", server.port).parse().unwrap();
    let client = |ca: Vec<u8>, name: Option<&str>| {
        let endpoint =
            Endpoint::new(address.clone(), vec![ca], name.map(str::to_owned), Credential::None).unwrap();
        Client::new(&endpoint, ClientOptions::default()).unwrap()
    };
    let unknown = client(Authority::new().der(), Some("api.example.com"));
    let text = soon("a call", unknown.get(&CLUSTERS, None, "east")).await.unwrap_err().to_string();
    assert!(text.contains("cannot be reached") && text.contains("invalid peer certificate"), "{text}");
    let mismatch = client(server.authority.der(), None);
    let text = soon("a call", mismatch.get(&CLUSTERS, None, "east")).await.unwrap_err().to_string();
    assert!(text.contains("not valid for name"), "{text}");
    assert_eq!(mismatch.connections_opened(), 0, "a connection without TLS is none");
    let right = client(server.authority.der(), Some("api.example.com"));
    answered(&server, right.get(&CLUSTERS, None, "east"), reply(200, &cluster("east", 1))).await.unwrap();
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let server = Server::start().await;
    let (certificate, key) = server.authority.sign("agent");
    let credential =
        Credential::Certificate { chain_pem: certificate.pem().into(), key_pem: key.serialize_pem().into() };
    let client = Client::new(&server.endpoint(credential), ClientOptions::default()).unwrap();
    answered(&server, client.get(&CLUSTERS, None, "east"), reply(200, &cluster("east", 1))).await.unwrap();
    assert_eq!(*server.shown.lock().unwrap(), [1]);
}

#[tokio::test]
async fn a_refused_connection_says_so() {
    let server = Server::start().await;
    let client = server.client();
    let port = server.port;
    drop(server);
    let error = soon("a call", client.get(&CLUSTERS, None, "east")).await.unwrap_err();
    println!("{port}: {error}");
    assert!(error.category() == "unreachable" && error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_peer_that_fell_silent_is_noticed_without_any_call() {
    let server = Server::start().await;
    let ping = Duration::from_millis(100);
    let client = server.client_with(ClientOptions {
        ping_interval: ping,
        ping_timeout: ping,
        ..ClientOptions::default()
    });
    let query =
        WatchQuery { labels: None, fields: None, form: Form::Whole, from: Some("1"), timeout_seconds: 600 };
    let (lines, feed) = soon("a watch", async {
        tokio::join!(client.watch(&CLUSTERS, None, &query), async { server.next().await.feed() })
    })
    .await;
    server.freeze();
    feed.raw("never arrives\n");
    let end = soon("the PING to go unanswered", lines.unwrap().next()).await;
    assert!(matches!(end, Err(StreamEnd::Broken(CallError::Unreachable { .. }))), "{end:?}");
}

#[tokio::test]
async fn watches_that_nobody_reads_do_not_hold_up_calls() {
    let server = Server::start().await;
    let client = server.client();
    let query =
        WatchQuery { labels: None, fields: None, form: Form::Whole, from: Some("1"), timeout_seconds: 600 };
    let mut unread = Vec::new();
    for _ in 0..90 {
        let (lines, feed) = soon("a watch", async {
            tokio::join!(client.watch(&CLUSTERS, None, &query), async { server.next().await.feed() })
        })
        .await;
        feed.raw(vec![b'x'; 1024 * 1024]);
        unread.push((lines.unwrap(), feed));
    }
    let call = client.get(&CLUSTERS, None, "east");
    let mut large = cluster("east", 1);
    large["spec"] = json!("y".repeat(1024 * 1024));
    answered(&server, call, reply(200, &large)).await.unwrap();
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn lines_are_cut_where_they_end_and_a_cut_one_is_dropped() {
    let server = Server::start().await;
    let client = server.client_with(ClientOptions { line_limit: 8, ..ClientOptions::default() });
    let query =
        WatchQuery { labels: None, fields: None, form: Form::Whole, from: Some("1"), timeout_seconds: 600 };
    let open = async || {
        let (feed, answer) = fed_reply();
        (answered(&server, client.watch(&CLUSTERS, None, &query), answer).await.unwrap(), feed)
    };
    let (mut lines, feed) = open().await;
    for part in ["one\ntw", "o", "\n", "\n\nthree\n12345678\ncut"] {
        feed.raw(part);
    }
    drop(feed);
    for expected in ["one", "two", "three", "12345678"] {
        assert_eq!(soon("a line", lines.next()).await.unwrap(), expected);
    }
    assert!(matches!(soon("the end", lines.next()).await, Err(StreamEnd::Ended)));
    for parts in [["123456789\n", ""], ["12345", "6789\n"], ["123456789", ""]] {
        let (mut lines, feed) = open().await;
        for part in parts {
            feed.raw(part);
        }
        let end = soon("the limit", lines.next()).await;
        assert!(matches!(end, Err(StreamEnd::TooLong(CallError::TooLarge { .. }))), "{end:?}");
    }
}
