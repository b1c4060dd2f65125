//! An agent that makes no progress.

use std::collections::BTreeMap;

use muster_kit::lease::created;
use muster_kit::testing::{Server, reply, soon};
use serde_json::Value;

use super::*;
use crate::session::testing::open;

const MINUTE: Duration = Duration::from_secs(60);

/// The next heartbeat that the engine is told of.
async fn told(events: &mut mpsc::Receiver<Event>) -> Heartbeat {
    match soon("a heartbeat", events.recv()).await {
        Some(Event::Heartbeat(heartbeat)) => heartbeat,
        event => panic!("{event:?}"),
    }
}

fn is_stuck(heartbeat: &Heartbeat) {
    let Heartbeat::Failed { problem, .. } = heartbeat else { panic!("{heartbeat:?}") };
    assert_eq!(problem.message, "the agent makes no progress");
}

/// By the Lease the directory judges whether the cluster is ready: it is to hear nothing from an agent that is stuck.
#[tokio::test]
async fn an_agent_that_is_stuck_sends_no_heartbeat_until_it_goes_on() {
    let server = Server::start().await;
    let session = Arc::new(open(server.client()));
    let (sessions, opened) = watch::channel(Some(Arc::clone(&session)));
    let (events, mut heartbeats) = mpsc::channel(1);
    let began = Instant::now().checked_sub(MINUTE * 2).unwrap();
    let pulse = Pulse::new(began);
    let (_acts, claim) = watch::channel(Claim::Held { until: Instant::now() + MINUTE * 10 });
    let (_beats, known) = watch::channel(None);
    let heart = Heart {
        identity: "replica/install".into(),
        namespace: "muster-system".into(),
        claim,
        claim_lasts: MINUTE,
        pulse: pulse.clone(),
        events,
        known,
        metrics: Metrics::new().unwrap(),
        clock: watch::Sender::default(),
    };
    let beating = tokio::spawn(heart.beat(opened));
    is_stuck(&told(&mut heartbeats).await);
    assert!(server.is_quiet().await, "nothing was asked for");

    // Each new session is to be heard of at once.
    let again = || sessions.send_replace(Some(Arc::clone(&session)));
    pulse.beat(Instant::now());
    again();
    let record =
        Record { holder: String::new(), duration: MINUTE, acquired: None, renewed: None, transitions: 0 };
    let mut lease: Value =
        serde_json::from_slice(&created("muster-cluster-east", "east", &record, &BTreeMap::new())).unwrap();
    (lease["metadata"]["uid"], lease["metadata"]["resourceVersion"]) = ("lease".into(), "1".into());
    server.next().await.answer(reply(200, &lease));
    let renewal = server.next().await;
    let renewed: Value = serde_json::from_slice(&renewal.body).unwrap();
    assert_eq!(renewed["spec"]["holderIdentity"], "replica/install");
    renewal.answer(reply(200, &renewed));
    assert!(matches!(told(&mut heartbeats).await, Heartbeat::Renewed(_)));

    pulse.beat(began);
    again();
    is_stuck(&told(&mut heartbeats).await);
    assert!(server.is_quiet().await, "it is stuck again");
    beating.abort();
}
