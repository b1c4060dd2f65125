//! What an answer has to be to count for what it says.

use super::*;

#[tokio::test]
async fn only_a_whole_list_of_the_very_kind_is_a_list() {
    let page = listed(clusters(&[cluster("east", 1)], 7, Some("more"))).await.unwrap();
    assert_eq!(
        (page.items.len(), page.resource_version.as_str(), page.next.as_deref()),
        (1, "7", Some("more"))
    );
    let good = || clusters(&[cluster("east", 1)], 7, None);
    assert_eq!(listed(good()).await.unwrap().next, None);
    let mut null = good();
    null["items"] = Value::Null;
    assert!(listed(null).await.unwrap().items.is_empty(), "Go writes an empty list as null");
    let spoil = |path: &str, value: Value| {
        let mut list = good();
        *list.pointer_mut(path).unwrap() = value;
        list
    };
    let mut cut = good();
    cut.as_object_mut().unwrap().remove("items");
    let mut another = good();
    another["items"][0]["metadata"]["namespace"] = json!("n");
    for bad in [
        cut,
        another,
        json!({}),
        json!([]),
        cluster("east", 1),
        spoil("/kind", json!("ClusterPolicyList")),
        spoil("/kind", json!("Cluster")),
        spoil("/apiVersion", json!("infra.x-k8s.io/v1")),
        spoil("/metadata/resourceVersion", json!("")),
        spoil("/items/0/kind", json!("ClusterPolicy")),
        spoil("/items/0/metadata/uid", json!("")),
        spoil("/items/0", json!(CANARY)),
    ] {
        let error = listed(bad.clone()).await.unwrap_err();
        assert_eq!(error.category(), "malformed", "{bad}");
        assert!(!format!("{error} {error:?}").contains(CANARY), "{error:?}");
    }
}

#[tokio::test]
async fn only_the_object_that_was_asked_for_is_an_answer() {
    assert_eq!(got(reply(200, &cluster("east", 3))).await.unwrap().meta.resource_version, "3");
    let mut other_kind = cluster("east", 3);
    other_kind["kind"] = json!("ClusterPolicy");
    let mut namespaced = cluster("east", 3);
    namespaced["metadata"]["namespace"] = json!("n");
    for bad in [
        reply(200, &cluster("west", 3)),
        reply(200, &other_kind),
        reply(200, &namespaced),
        reply(200, &json!({"kind": "Status", "apiVersion": "v1"})),
        raw_reply(200, CANARY),
        raw_reply(200, vec![0xff, 0xfe]),
        raw_reply(200, ""),
        raw_reply(200, "[".repeat(100_000)),
    ] {
        let error = got(bad).await.unwrap_err();
        assert_eq!(error.category(), "malformed");
        assert!(!format!("{error} {error:?}").contains(CANARY), "{error:?}");
    }
}

#[tokio::test]
async fn only_a_404_that_names_the_object_proves_that_it_is_absent() {
    let named = json!({"name": "east", "group": "multicluster.coreos.com", "kind": "clusters"});
    let error = got(reply(404, &status(404, "NotFound", &named))).await.unwrap_err();
    assert!(error.proves_absence(), "{error}");
    for details in [
        json!({}),
        json!({"name": "west", "group": "multicluster.coreos.com", "kind": "clusters"}),
        json!({"name": "east", "group": "cluster.x-k8s.io", "kind": "clusters"}),
        json!({"name": "east", "group": "multicluster.coreos.com", "kind": "clusterpolicies"}),
        json!({"name": "east", "kind": "clusters"}),
    ] {
        let error = got(reply(404, &status(404, "NotFound", &details))).await.unwrap_err();
        assert!(matches!(error, CallError::NotFound { named: false, .. }), "{details}: {error:?}");
    }
    let unserved = raw_reply(404, "404 page not found\n");
    assert!(matches!(got(unserved).await, Err(CallError::NotFound { named: false, .. })));
    let another_reason = reply(404, &status(404, "Unknown", &named));
    assert!(matches!(got(another_reason).await, Err(CallError::NotFound { named: false, .. })));
}

#[tokio::test]
async fn each_status_has_its_category() {
    for (code, reason, category) in [
        (302, "Found", "malformed"),
        (400, "BadRequest", "invalid"),
        (401, "Unauthorized", "unauthorized"),
        (403, "Forbidden", "forbidden"),
        (409, "Conflict", "conflict"),
        (409, "AlreadyExists", "already_exists"),
        (410, "Expired", "gone"),
        (413, "RequestEntityTooLarge", "too_large"),
        (415, "UnsupportedMediaType", "invalid"),
        (422, "Invalid", "invalid"),
        (429, "TooManyRequests", "throttled"),
        (500, "InternalError", "server"),
        (503, "ServiceUnavailable", "server"),
    ] {
        let error = got(reply(code, &status(code, reason, &json!({})))).await.unwrap_err();
        assert_eq!(error.category(), category, "{error}");
        assert_eq!(error.attempt().to_string(), "get clusters.multicluster.coreos.com east");
        let bare = got(raw_reply(code, "<html>")).await.unwrap_err();
        assert!(bare.category() == category || reason == "AlreadyExists", "{bare}");
    }
    for said in [
        "etcdserver: request is too large",
        "rpc error: code = ResourceExhausted desc = trying to send message larger than max (2500257 vs. 2097152)",
    ] {
        let answer = json!({"kind": "Status", "apiVersion": "v1", "message": said, "code": 500});
        assert_eq!(
            got(reply(500, &answer)).await.unwrap_err().category(),
            "too_large",
            "as kube-apiserver 1.36 says it"
        );
    }
    let future = json!({"causes": [{"reason": "ResourceVersionTooLarge"}]});
    assert_eq!(got(reply(504, &status(504, "Timeout", &future))).await.unwrap_err().category(), "gone");
}

#[tokio::test]
async fn a_server_can_ask_for_patience_but_not_for_ever() {
    let details = json!({"retryAfterSeconds": 7});
    for (header, details, expected) in [
        (Some("3"), &details, Some(3)),
        (None, &details, Some(7)),
        (Some("999999"), &details, Some(60)),
        (None, &json!({}), None),
        (Some("Wed, 21 Oct 2026 07:28:00 GMT"), &json!({}), None),
    ] {
        let mut answer = reply(429, &status(429, "TooManyRequests", details));
        if let Some(header) = header {
            answer.headers_mut().insert(RETRY_AFTER, header.parse().unwrap());
        }
        let Err(CallError::Throttled { retry_after, .. }) = got(answer).await else {
            panic!("not throttled")
        };
        assert_eq!(retry_after, expected.map(Duration::from_secs));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Server::start().await;
    let client = server.client();
    let mut answer = raw_reply(307, "");
    let elsewhere = format!("https://127.0.0.1:{}/elsewhere", server.port);
    answer.headers_mut().insert("location", elsewhere.parse().unwrap());
    let error = answered(&server, client.get(&CLUSTERS, None, "east"), answer).await.unwrap_err();
    assert_eq!(error.category(), "malformed");
    assert!(server.is_quiet().await);
}

#[tokio::test]
async fn messages_of_servers_are_cut_and_escaped_and_those_about_secrets_left_out() {
    let mut long = status(500, "InternalError", &json!({}));
    long["message"] = json!(format!("\u{1b}[31m\n{}", "x".repeat(10_000)));
    let text = got(reply(500, &long)).await.unwrap_err().to_string();
    assert!(text.len() < 400 && !text.chars().any(char::is_control), "{text:?}");

    let server = Server::start().await;
    let client = server.client();
    let mut leak = status(422, "Invalid", &json!({}));
    leak["message"] = json!(format!("Secret \"s\" is invalid: data: Invalid value: {CANARY}"));
    let call = client.create(&SECRETS, Some("n"), "m", format!(r#"{{"x":"{CANARY}"}}"#).into_bytes());
    let error = answered(&server, call, reply(422, &leak)).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(CANARY), "{error:?}");
    assert!(error.to_string().contains("Invalid"), "{error}");
}

#[tokio::test]
async fn a_watch_and_a_list_ask_for_the_form_that_is_wanted() {
    let server = Server::start().await;
    let client = server.client();
    for (form, events, lists) in [
        (Form::Whole, "application/json", "application/json"),
        (
            Form::Metadata,
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        ),
    ] {
        for from in [None, Some("1")] {
            let query = WatchQuery { labels: None, fields: None, form, from, timeout_seconds: 600 };
            let asked = async {
                let ask = server.next().await;
                assert_eq!(ask.headers.get_all("accept").iter().collect::<Vec<_>>(), [events]);
                ask.answer(reply(500, &json!({})));
            };
            let watch = client.watch(&SECRETS, None, &query);
            let _ = soon("a call", async { tokio::join!(watch, asked) }).await;
        }
        let query = ListQuery::default();
        let asked = async {
            let ask = server.next().await;
            assert_eq!(ask.headers.get_all("accept").iter().collect::<Vec<_>>(), [lists]);
            ask.answer(reply(500, &json!({})));
        };
        let _ =
            soon("a call", async { tokio::join!(client.page(&SECRETS, None, &query, form), asked) }).await;
    }
}

#[tokio::test]
async fn a_value_is_taken_out_of_a_message_before_that_is_cut() {
    for length in [10, 150, 170, 240, 300, 2_000] {
        let value = "s3cret ".repeat(length / 7);
        for (value, why) in
            [(format!("{value:?}"), ": must be shorter"), (format!("{{\"a\":{value:?}}}"), "")]
        {
            let mut refused = status(422, "Invalid", &json!({}));
            let fields = format!("spec.{}: Invalid value: {value}{why}", "long".repeat(40));
            refused["message"] = json!(format!("Cluster \"east\" is invalid: {fields}"));
            let error = got(reply(422, &refused)).await.unwrap_err();
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
            assert!(
                error.to_string().ends_with(&format!("Invalid value: {}", why.trim_start_matches(": "))),
                "{error}"
            );
        }
    }
}
