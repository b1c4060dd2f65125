//! What a watch outlives, and what ends it.

use std::time::Instant;

use super::*;

#[tokio::test]
async fn another_link_takes_over_without_a_gap_and_no_link_means_waiting() {
    let mut rig = Rig::with_room(1, target(), quick(), ClientOptions::default()).await;
    let feed = rig.list().await;
    // The reader is slow: one event lies in the channel, one waits to be sent when the link changes.
    feed.event("MODIFIED", &cluster("a", 11));
    feed.event("MODIFIED", &cluster("a", 12));
    soon("the first event to be taken", async {
        while rig.events.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    rig.links.send_replace(None);
    feed.abandoned().await;
    assert!(rig.server.is_quiet().await, "nothing is asked without a link");
    rig.expect(&["applied a@11"]).await;
    // The same epoch published again changes nothing; another one goes on from the last event that was taken.
    rig.links.send_replace(Some(link(rig.server.client(), 7)));
    let ask = rig.server.next().await;
    let from = ask.asked("resourceVersion").unwrap().to_owned();
    let feed = ask.feed();
    rig.links.send_modify(|_| {});
    if from == "11" {
        feed.event("MODIFIED", &cluster("a", 12));
    }
    let mut rest = Vec::new();
    while !rest.contains(&"applied a@12".to_owned()) {
        rest.push(rig.event().await);
    }
    println!("from {from}: {rest:?}");
    feed.event("MODIFIED", &cluster("a", 13));
    loop {
        let watched = soon("an event", rig.events.recv()).await.unwrap();
        let (epoch, event) = (watched.epoch, words(watched.event));
        assert_eq!(epoch, 7);
        if event == "applied a@13" {
            break;
        }
        assert_eq!(event, "resumed");
    }
    assert!(rig.server.is_quiet().await, "no further request");
}

#[tokio::test]
async fn in_another_era_nothing_is_resumed() {
    let mut rig = Rig::start().await;
    let feed = rig.list().await;
    rig.links.send_modify(|link| link.as_mut().unwrap().era = 1);
    feed.abandoned().await;
    drop(rig.list().await);
    drop(rig.asked("from 10").await); // in the same era it goes on
}

#[tokio::test]
async fn what_was_not_served_for_a_moment_is_listed_anew() {
    let mut rig = Rig::start().await;
    drop(rig.list().await);
    rig.asked("from 10").await.answer(raw_reply(404, "404 page not found\n"));
    rig.expect(&["failed not_found"]).await;
    rig.list().await;
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_it() {
    let mut rig = Rig::start().await;
    let mut answer = reply(429, &status(429, "TooManyRequests", &json!({})));
    answer.headers_mut().insert("retry-after", "1".parse().unwrap());
    rig.asked("stream").await.answer(answer);
    let begun = Instant::now();
    rig.expect(&["failed throttled"]).await;
    rig.list().await;
    println!("asked again after {:?}", begun.elapsed());
    assert!(begun.elapsed() >= Duration::from_millis(950), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_watch_that_is_silent_beyond_its_time_is_opened_anew() {
    let second = Duration::from_secs(1);
    let options = WatchOptions { timeout: (second, second), grace: Duration::from_millis(50), ..quick() };
    let mut rig = Rig::with(target(), options, ClientOptions::default()).await;
    let feed = rig.list().await;
    let begun = Instant::now();
    let _feed = rig.asked("from 10").await.feed();
    println!("opened anew after {:?}", begun.elapsed());
    rig.expect(&["resumed"]).await;
    feed.abandoned().await;
}

#[tokio::test]
async fn a_watch_ends_when_nobody_reads_it_or_it_is_cancelled_or_will_never_have_a_link() {
    let mut rig = Rig::start().await;
    let feed = rig.list().await;
    drop(rig.events);
    feed.event("MODIFIED", &cluster("a", 11));
    soon("the watch to end", rig.task).await.unwrap();
    feed.abandoned().await;

    let mut rig = Rig::start().await;
    let feed = rig.list().await;
    drop(rig.stop);
    soon("the watch to end", rig.task).await.unwrap();
    feed.abandoned().await;

    let rig = Rig::start().await;
    let _ask = rig.asked("stream").await;
    rig.links.send_replace(None);
    drop(rig.links);
    soon("the watch to end", rig.task).await.unwrap();
}

#[tokio::test]
async fn a_fixed_link_stays() {
    let server = Server::start().await;
    let (out, mut events) = mpsc::channel(8);
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let watching = watch(target(), Link::fixed(server.client()), out, quick(), stop);
    let play = async {
        let feed = server.next().await.feed();
        feed.event("BOOKMARK", &bookmark(10, true));
        drop(feed);
        let again = server.next().await;
        assert_eq!(again.asked("resourceVersion"), Some("10"));
        let _feed = again.feed();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            seen.push(words(soon("an event", events.recv()).await.unwrap().event));
        }
        assert_eq!(seen, ["init", "complete 10", "resumed"]);
    };
    tokio::select! { () = watching => panic!("the watch ended"), () = play => {} }
}
