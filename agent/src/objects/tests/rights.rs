//! Accounts that may not see everything.

use muster_kit::testing::status;

use super::*;

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(3600);

/// Objects of a kind in these namespaces, applied by these accounts.
fn wanted(resource: &Resource, places: &[(&str, &[&str])]) -> BTreeMap<Resource, WantedKind> {
    let accounts = |names: &[&str]| {
        names.iter().map(|name| Some(*name).filter(|name| !name.is_empty()).map(Box::from)).collect()
    };
    let places = places.iter().map(|(namespace, names)| (Some((*namespace).to_owned()), accounts(names)));
    [(resource.clone(), WantedKind { whole: false, places: places.collect() })].into()
}

fn limits(again: Duration) -> Limits {
    Limits { again: (again, again), ..Limits::new(1) }
}

/// Who asks for what, as `WHERE ACCOUNT`: `watch` or `list`, a path below `/api/v1/`, and an account.
fn asks(ask: &Ask) -> String {
    let verb = if ask.asked("watch").is_some() { "watch" } else { "list" };
    let user = ask.headers.get("impersonate-user").map_or("", |user| user.to_str().unwrap());
    let account = user.rsplit(':').next().unwrap();
    format!("{verb} {} {account}", ask.path.strip_prefix("/api/v1/").unwrap()).trim_end().to_owned()
}

impl Rig {
    /// The next request, which must be this one.
    async fn asks(&self, expected: &str) -> Ask {
        let ask = self.server.next().await;
        assert_eq!(asks(&ask), expected);
        ask
    }

    /// The next two requests: they come in any order.
    async fn both(&self) -> BTreeMap<String, Ask> {
        let mut both = BTreeMap::new();
        for _ in 0..2 {
            let ask = self.server.next().await;
            both.insert(asks(&ask), ask);
        }
        both
    }

    async fn refuse(&self, expected: &[&str]) {
        for expected in expected {
            self.asks(expected).await.answer(reply(403, &status(403, "Forbidden", &json!({}))));
        }
    }
}

fn complete(feed: &Feed) {
    feed.event("BOOKMARK", &end_of_listing(&SECRETS, METADATA));
}

#[tokio::test]
async fn each_account_is_asked_and_then_each_namespace_by_itself() {
    let first = wanted(&SECRETS, &[("m", &["a"]), ("n", &["", "b"])]);
    let mut rig = Rig::start(limits(LONG), first).await;
    rig.refuse(&["watch secrets", "watch secrets a"]).await;
    rig.told(&["secrets unwatched", "secrets unwatched"]).await;
    rig.refuse(&["watch secrets b"]).await;
    rig.told(&["secrets unwatched"]).await;
    let mut both = rig.both().await;
    let n = both.remove("watch namespaces/n/secrets").unwrap().feed();
    complete(&n);
    rig.told(&["n/secrets init", "n/secrets complete"]).await;
    both.remove("watch namespaces/m/secrets")
        .unwrap()
        .answer(reply(403, &status(403, "Forbidden", &json!({}))));
    rig.told(&["m/secrets unwatched"]).await;
    let m = rig.asks("watch namespaces/m/secrets a").await.feed();
    complete(&m);
    rig.told(&["m/secrets init", "m/secrets complete"]).await;
    assert!(rig.server.is_quiet().await);
    // A further namespace and account disturb nothing, but what might be better is tried beside it.
    rig.wanted.send_replace(wanted(&SECRETS, &[("m", &["a", "c"]), ("n", &["", "b"]), ("o", &[""])]));
    let mut both = rig.both().await;
    both.remove("list secrets c").unwrap().answer(reply(403, &status(403, "Forbidden", &json!({}))));
    let o = both.remove("watch namespaces/o/secrets").unwrap().feed();
    complete(&o);
    rig.told(&["o/secrets init", "o/secrets complete"]).await;
    let mut x = object(&SECRETS, "x", METADATA);
    x["metadata"]["namespace"] = "m".into();
    m.event("ADDED", &x);
    rig.told(&["m/secrets applied x"]).await;
    rig.end().await;
}

#[tokio::test]
async fn what_nobody_may_see_is_told_and_tried_again_until_somebody_may() {
    let mut rig = Rig::start(limits(SHORT), wanted(&SECRETS, &[("n", &[""])])).await;
    rig.refuse(&["watch secrets", "watch namespaces/n/secrets"]).await;
    rig.told(&["secrets unwatched", "n/secrets unwatched", "n/secrets forbidden"]).await;
    let errors = rig.metrics.watch_errors.with_label_values(&["works", "forbidden"]).get();
    assert_eq!(errors, 2);
    let text = format!("{:?}", rig.metrics.registry.gather());
    assert!(!text.contains("secrets"), "{text}");
    // Each right is tried, one after the other, and refused.
    let mut tried = BTreeSet::new();
    while tried.len() < 2 {
        let ask = rig.server.next().await;
        tried.insert(asks(&ask));
        ask.answer(reply(403, &status(403, "Forbidden", &json!({}))));
    }
    assert_eq!(tried.into_iter().collect::<Vec<_>>(), ["list namespaces/n/secrets", "list secrets"]);
    // The narrow one comes.
    let narrow = loop {
        let ask = rig.server.next().await;
        match asks(&ask).as_str() {
            "list secrets" => ask.answer(reply(403, &status(403, "Forbidden", &json!({})))),
            "list namespaces/n/secrets" => ask.answer(reply(200, &list(&[]))),
            other => {
                assert_eq!(other, "watch namespaces/n/secrets");
                break ask.feed();
            }
        }
    };
    complete(&narrow);
    rig.told(&["n/secrets unwatched", "n/secrets init", "n/secrets complete"]).await;
    // Then the wide one: only now the narrow one ends.
    rig.refuse(&["list secrets"]).await;
    narrow.event("ADDED", &object(&SECRETS, "x", METADATA));
    rig.told(&["n/secrets applied x"]).await;
    rig.asks("list secrets").await.answer(reply(200, &list(&[])));
    let wide = rig.asks("watch secrets").await.feed();
    narrow.abandoned().await;
    complete(&wide);
    rig.told(&["n/secrets unwatched", "secrets init", "secrets complete"]).await;
    assert!(rig.server.is_quiet().await, "there is nothing left to hope for");
    rig.end().await;
}

#[tokio::test]
async fn a_right_that_is_taken_away_is_noticed_when_the_watch_ends() {
    let mut rig = Rig::start(limits(LONG), wanted(&SECRETS, &[("n", &[""])])).await;
    let wide = rig.asks("watch secrets").await.feed();
    complete(&wide);
    rig.told(&["secrets init", "secrets complete"]).await;
    drop(wide);
    rig.refuse(&["watch secrets"]).await;
    let narrow = rig.asks("watch namespaces/n/secrets").await.feed();
    complete(&narrow);
    rig.told(&["secrets unwatched", "n/secrets init", "n/secrets complete"]).await;
    rig.end().await;
}

#[tokio::test]
async fn there_is_no_account_of_a_name_that_none_can_have() {
    let mut rig = Rig::start(limits(LONG), wanted(&SECRETS, &[("n", &["nobody"])])).await;
    rig.refuse(&["watch secrets", "watch namespaces/n/secrets"]).await;
    rig.told(&["secrets unwatched", "secrets unwatched", "n/secrets unwatched", "n/secrets unwatched"]).await;
    rig.told(&["n/secrets forbidden"]).await;
    rig.end().await;
}

#[tokio::test]
async fn other_failures_are_told_and_tried_again_by_the_watch_itself() {
    for watches in [1, 0] {
        let limits = Limits { watches, ..limits(LONG) };
        let mut rig = Rig::start(limits, wanted(&SECRETS, &[("n", &[""])])).await;
        if watches == 0 {
            rig.told(&["secrets paced"]).await;
        }
        for _ in 0..2 {
            let ask = rig.server.next().await;
            assert_eq!(ask.path, "/api/v1/secrets");
            ask.answer(reply(404, &status(404, "x", &json!({}))));
            rig.told(&["secrets failed not_found"]).await;
        }
        rig.end().await;
    }
}
